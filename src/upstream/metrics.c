#include "upstream/metrics.h"

enum {
        ANSWERED = 0, /* then the failures, in their order */
};

static const char *const outcomes[] = { [ANSWERED] = "answered",
                                        [1 + CD_UPSTREAM_NOT_RESOLVED] = "not_resolved",
                                        [1 + CD_UPSTREAM_NOT_CONNECTED] = "not_connected",
                                        [1 + CD_UPSTREAM_TLS] = "tls",
                                        [1 + CD_UPSTREAM_CONNECT_TIMEOUT] = "connect_timeout",
                                        [1 + CD_UPSTREAM_CLOSED] = "closed",
                                        [1 + CD_UPSTREAM_INVALID] = "invalid",
                                        [1 + CD_UPSTREAM_TIMEOUT] = "timeout",
                                        [1 + CD_UPSTREAM_BLOCK_TOO_LARGE] = "block_too_large",
                                        [1 + CD_UPSTREAM_NO_MEMORY] = "no_memory" };
static const struct cd_metric_label outcome_label = { .name = "outcome",
                                                      .values = outcomes,
                                                      .count = CD_LEN(outcomes) };

static const struct cd_tally requests = { .codes = &outcome_label, .code_count = 1, .text = "upstream" };
static const struct cd_tally retries = { .text = "upstream" };
static const struct cd_tally connects = { .text = "upstream" };

void cd_upstream_count_answer(cd_str url)
{
        cd_count(&requests, (struct cd_metric_key){ .codes = { ANSWERED }, .text = url });
}

void cd_upstream_count_failure(cd_str url, enum cd_upstream_failure failure)
{
        cd_count(&requests, (struct cd_metric_key){ .codes = { (uint16_t)(1 + failure) }, .text = url });
}

void cd_upstream_count_retry(cd_str url)
{
        cd_count(&retries, (struct cd_metric_key){ .text = url });
}

void cd_upstream_count_connect(cd_str url)
{
        cd_count(&connects, (struct cd_metric_key){ .text = url });
}

const struct cd_metric cd_upstream_metrics[] = {
        { .name = "cardea_upstream_requests_total",
          .help = "Requests to servers behind the gate, by outcome: answered, or why there was no answer.",
          .type = CD_METRIC_COUNTER,
          .tally = &requests,
          .labels = 1 | CD_METRIC_TEXT },
        { .name = "cardea_upstream_retries_total",
          .help = "Requests that were sent again, to the same or another address.",
          .type = CD_METRIC_COUNTER,
          .tally = &retries,
          .labels = CD_METRIC_TEXT },
        { .name = "cardea_upstream_connects_total",
          .help = "Connections that were begun to servers behind the gate.",
          .type = CD_METRIC_COUNTER,
          .tally = &connects,
          .labels = CD_METRIC_TEXT },
};
const size_t cd_upstream_metric_count = CD_LEN(cd_upstream_metrics);
