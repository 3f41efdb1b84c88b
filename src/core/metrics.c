#include "core/metrics.h"

static const char *const outcomes[] = { [CD_OUTCOME_OK] = "ok",
                                        [CD_OUTCOME_REFUSED] = "refused",
                                        [CD_OUTCOME_THROTTLED] = "throttled",
                                        [CD_OUTCOME_ERROR] = "error" };

enum cd_outcome cd_outcome_of(cd_status status)
{
        switch (status) {
        case CD_OK:
                return CD_OUTCOME_OK;
        case CD_THROTTLED:
                return CD_OUTCOME_THROTTLED;
        case CD_UNAVAILABLE:
        case CD_TIMEOUT:
        case CD_NO_MEMORY:
        case CD_INTERNAL:
                return CD_OUTCOME_ERROR;
        default:
                return CD_OUTCOME_REFUSED;
        }
}

/* ---- logins ---- */

static const char *const factors[] = {
        [CD_LOGIN_BY_PASSWORD] = "password", [CD_LOGIN_BY_TOTP] = "totp", [CD_LOGIN_BY_RECOVERY_CODE] = "recovery_code"
};
static const struct cd_metric_label login_labels[] = {
        { .name = "factor", .values = factors, .count = CD_LEN(factors) },
        { .name = "outcome", .values = outcomes, .count = CD_LEN(outcomes) },
};
static const struct cd_tally logins = { .codes = login_labels, .code_count = CD_LEN(login_labels) };

void cd_count_login(enum cd_login_factor factor, cd_status status)
{
        cd_count(&logins, (struct cd_metric_key){ .codes = { (uint16_t)factor, (uint16_t)cd_outcome_of(status) } });
}

static const char *const locked[] = {
        [CD_LOCKED_ACCOUNT] = "account", [CD_LOCKED_DEVICE] = "device", [CD_LOCKED_ADDRESS] = "address",
        [CD_LOCKED_NETWORK] = "network", [CD_LOCKED_CLIENT] = "client", [CD_LOCKED_TOKEN] = "token"
};
static const struct cd_metric_label lockout_label = { .name = "of", .values = locked, .count = CD_LEN(locked) };
static const struct cd_tally lockouts = { .codes = &lockout_label, .code_count = 1 };

void cd_count_lockout(enum cd_locked what)
{
        cd_count(&lockouts, (struct cd_metric_key){ .codes = { (uint16_t)what } });
}

/* ---- tokens ---- */

enum grant {
        CLIENT_CREDENTIALS,
        PASSWORD,
        BASIC,
        OTHER, /* not supported: a name that a client chose is no label */
};
static const char *const grants[] = {
        [CLIENT_CREDENTIALS] = "client_credentials", [PASSWORD] = "password", [BASIC] = "basic", [OTHER] = "other"
};
static const struct cd_metric_label token_labels[] = {
        { .name = "grant", .values = grants, .count = CD_LEN(grants) },
        { .name = "outcome", .values = outcomes, .count = CD_LEN(outcomes) },
};
static const struct cd_tally tokens = { .codes = token_labels, .code_count = CD_LEN(token_labels) };

void cd_count_token(cd_str grant, cd_status status)
{
        uint16_t code = OTHER;

        for (uint16_t i = 0; i < OTHER; i++)
                if (cd_str_eq_c(grant, grants[i]))
                        code = i;
        cd_count(&tokens, (struct cd_metric_key){ .codes = { code, (uint16_t)cd_outcome_of(status) } });
}

enum answer {
        ACTIVE,
        INACTIVE,
        REFUSED,
        THROTTLED,
        ERROR,
};
static const char *const answers[] = { [ACTIVE] = "active",
                                       [INACTIVE] = "inactive",
                                       [REFUSED] = "refused",
                                       [THROTTLED] = "throttled",
                                       [ERROR] = "error" };
static const struct cd_metric_label answer_label = { .name = "outcome", .values = answers, .count = CD_LEN(answers) };
static const struct cd_tally introspections = { .codes = &answer_label, .code_count = 1 };

void cd_count_introspection(cd_status status, bool active)
{
        static const uint16_t codes[] = { [CD_OUTCOME_OK] = INACTIVE,
                                          [CD_OUTCOME_REFUSED] = REFUSED,
                                          [CD_OUTCOME_THROTTLED] = THROTTLED,
                                          [CD_OUTCOME_ERROR] = ERROR };
        uint16_t code = status == CD_OK && active ? ACTIVE : codes[cd_outcome_of(status)];

        cd_count(&introspections, (struct cd_metric_key){ .codes = { code } });
}

const struct cd_metric cd_core_metrics[] = {
        { .name = "cardea_tokens_total",
          .help = "Access tokens that were asked for, by grant (basic: /grant) and outcome.",
          .type = CD_METRIC_COUNTER,
          .tally = &tokens,
          .labels = 3 },
        { .name = "cardea_introspections_total",
          .help = "Questions about a token, by outcome.",
          .type = CD_METRIC_COUNTER,
          .tally = &introspections,
          .labels = 1 },
        { .name = "cardea_logins_total",
          .help = "Checks of a factor, by outcome: throttled were not tried, since too many were wrong before.",
          .type = CD_METRIC_COUNTER,
          .tally = &logins,
          .labels = 3 },
        { .name = "cardea_lockouts_total",
          .help = "How often something has to wait after too many wrong attempts.",
          .type = CD_METRIC_COUNTER,
          .tally = &lockouts,
          .labels = 1 },
};
const size_t cd_core_metric_count = CD_LEN(cd_core_metrics);
