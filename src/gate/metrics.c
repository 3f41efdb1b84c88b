#include "gate/metrics.h"

enum {
        ANSWERED = CD_ACCESS_ALLOW + 1,
};

static const char *const decisions[] = { [CD_ACCESS_DENY] = "deny",
                                         [CD_ACCESS_LOG_IN] = "log_in",
                                         [CD_ACCESS_STEP_UP] = "step_up",
                                         [CD_ACCESS_ALLOW] = "allow",
                                         [ANSWERED] = "refused" };
static const struct cd_metric_label label = { .name = "decision", .values = decisions, .count = CD_LEN(decisions) };
static const struct cd_tally checks = { .codes = &label, .code_count = 1 };

enum cd_gate_verdict cd_gate_count(const struct cd_gate_check *c, enum cd_gate_verdict verdict)
{
        uint16_t code = verdict == CD_GATE_DECIDED ? (uint16_t)c->decision.outcome : ANSWERED;

        if (verdict != CD_GATE_ASK_STORE)
                cd_count(&checks, (struct cd_metric_key){ .codes = { code } });
        return verdict;
}

const struct cd_metric cd_gate_metrics[] = {
        { .name = "cardea_gate_decisions_total",
          .help = "Decisions of the access rules; refused: a wrong token, or no decision was possible.",
          .type = CD_METRIC_COUNTER,
          .tally = &checks,
          .labels = 1 },
};
const size_t cd_gate_metric_count = CD_LEN(cd_gate_metrics);
