#include "app/metrics.h"

#include "core/metrics.h"
#include "core/session_cache.h"
#include "gate/metrics.h"
#include "portal/signin.h"

/* ---- requests, deliveries and e-mails that are sent ---- */

static const char *const outcomes[] = { "error", "ok" };
static const struct cd_metric_label outcome_label = { .name = "outcome",
                                                      .values = outcomes,
                                                      .count = CD_LEN(outcomes) };

static const struct cd_tally outgoing = {
        .codes = &outcome_label,
        .code_count = 1,
        .text = "name",
        .bounds = cd_metric_latency_bounds,
        .bound_count = CD_METRIC_LATENCY_BOUNDS,
};

void cd_app_count_outgoing(cd_str name, bool is_ok, int64_t us)
{
        cd_observe(&outgoing, (struct cd_metric_key){ .codes = { is_ok }, .text = name }, us, NULL);
}

static const char *const hows[] = { "at_once", "held" };
static const struct cd_metric_label delivery_labels[] = {
        { .name = "outcome", .values = outcomes, .count = CD_LEN(outcomes) },
        { .name = "delivery", .values = hows, .count = CD_LEN(hows) },
};
static const struct cd_tally deliveries = { .codes = delivery_labels,
                                            .code_count = CD_LEN(delivery_labels),
                                            .text = "relay" };

void cd_app_count_delivery(cd_str relay, bool is_ok, bool is_held)
{
        cd_count(&deliveries, (struct cd_metric_key){ .codes = { is_ok, is_held }, .text = relay });
}

static const char *const mail_outcomes[] = {
        [CD_APP_MAIL_SENT] = "sent", [CD_APP_MAIL_FAILED] = "failed", [CD_APP_MAIL_GIVEN_UP] = "given_up"
};
static const struct cd_metric_label mail_label = { .name = "outcome",
                                                   .values = mail_outcomes,
                                                   .count = CD_LEN(mail_outcomes) };
static const struct cd_tally mails = { .codes = &mail_label, .code_count = 1 };

void cd_app_count_mail(enum cd_app_mail_outcome outcome)
{
        cd_count(&mails, (struct cd_metric_key){ .codes = { (uint16_t)outcome } });
}

/* ---- what is read ---- */

/* As /readyz, except while the server stops. */
static void read_ready(void *arg, struct cd_metrics_out *out)
{
        const struct cd_app_metrics *metrics = arg;
        const struct cd_web *web = cd_web_get(metrics->web);

        cd_metrics_sample(out, NULL,
                          cd_issuer_check(web->issuer, NULL) == CD_OK &&
                                  cd_store_state_need_writable(metrics->store_state, NULL) == CD_OK);
}

static void read_available(void *arg, struct cd_metrics_out *out)
{
        const struct cd_app_metrics *metrics = arg;

        cd_metrics_sample(out, NULL, cd_store_state_need(metrics->store_state, NULL) == CD_OK);
}

static void read_writable(void *arg, struct cd_metrics_out *out)
{
        const struct cd_app_metrics *metrics = arg;

        cd_metrics_sample(out, NULL, cd_store_state_need_writable(metrics->store_state, NULL) == CD_OK);
}

static void read_audit_waiting(void *arg, struct cd_metrics_out *out)
{
        struct cd_store *store = ((const struct cd_app_metrics *)arg)->storage->store;

        cd_metrics_sample(out, NULL, (double)store->audit->numbers(store).waiting);
}

static void read_audit_lost(void *arg, struct cd_metrics_out *out)
{
        struct cd_store *store = ((const struct cd_app_metrics *)arg)->storage->store;

        cd_metrics_sample(out, NULL, (double)store->audit->numbers(store).lost);
}

static void read_sessions(void *arg, struct cd_metrics_out *out)
{
        const struct cd_app_metrics *metrics = arg;

        cd_metrics_sample(out, NULL, (double)cd_session_cache_size(metrics->gate->cache).sessions);
}

static void read_session_bytes(void *arg, struct cd_metrics_out *out)
{
        const struct cd_app_metrics *metrics = arg;

        cd_metrics_sample(out, NULL, (double)cd_session_cache_size(metrics->gate->cache).bytes);
}

static void read_times(struct cd_metrics_out *out, const _Atomic cd_time *times)
{
        for (enum cd_alg alg = CD_ALG_NONE + 1; alg <= CD_ALG_EDDSA; alg++) {
                const cd_str name = cd_alg_name(alg);
                cd_time at = atomic_load(&times[alg]);
                if (at)
                        cd_metrics_sample(out, &name, (double)at);
        }
}

static void read_key_starts(void *arg, struct cd_metrics_out *out)
{
        read_times(out, ((const struct cd_app_metrics *)arg)->key_times->sign_from);
}

static void read_key_ends(void *arg, struct cd_metrics_out *out)
{
        read_times(out, ((const struct cd_app_metrics *)arg)->key_times->verify_until);
}

/* Routes may share a server, which is shown once. */
static void read_upstreams(void *arg, struct cd_metrics_out *out)
{
        const struct cd_app_metrics *metrics = arg;
        const struct cd_gate *gate = cd_shared_get(metrics->gate->app.gates);

        for (size_t i = 0; i < gate->route_count; i++) {
                const struct cd_upstream *upstream = gate->routes[i].upstream;
                const cd_str url = upstream ? cd_upstream_url(upstream) : CD_STR("");
                bool is_new = upstream != NULL;
                for (size_t k = 0; k < i && is_new; k++)
                        is_new =
                                !gate->routes[k].upstream || !cd_str_eq(cd_upstream_url(gate->routes[k].upstream), url);
                if (is_new)
                        cd_metrics_sample(out, &url, cd_upstream_is_up(upstream));
        }
}

static const struct cd_metric app_metrics[] = {
        CD_METRIC_READ("cardea_ready", "1 while /readyz answers 200.", GAUGE, read_ready),
        CD_METRIC_READ("cardea_store_available",
                       "1 while the store answers; 0: logins and revocations are answered 503.", GAUGE, read_available),
        CD_METRIC_READ("cardea_store_writable", "1 while the store accepts writes.", GAUGE, read_writable),
        CD_METRIC_READ("cardea_audit_queue_length", "Audit events that wait to be written.", GAUGE, read_audit_waiting),
        CD_METRIC_READ("cardea_audit_lost_total", "Audit events that were lost because too many waited.", COUNTER,
                       read_audit_lost),
        CD_METRIC_READ("cardea_signing_key_start_timestamp_seconds",
                       "Since when the store's key of an algorithm signs, in seconds since 1970.", GAUGE,
                       read_key_starts, .label_names = { "alg" }),
        CD_METRIC_READ("cardea_signing_key_expiry_timestamp_seconds",
                       "Until when tokens of the store's key that signs are valid, in seconds since 1970; absent "
                       "without an end.",
                       GAUGE, read_key_ends, .label_names = { "alg" }),
        CD_METRIC_READ("cardea_session_cache_sessions", "Sessions and personal tokens in memory.", GAUGE,
                       read_sessions),
        CD_METRIC_READ("cardea_session_cache_bytes", "What they take.", GAUGE, read_session_bytes),
        CD_METRIC_READ("cardea_upstream_up",
                       "Whether the last connection to a server behind the gate worked; 1 before the first one.", GAUGE,
                       read_upstreams, .label_names = { "upstream" }),
        CD_METRIC_COUNT(
                "cardea_relay_deliveries_total",
                "Attempts to deliver a redirect to a program: at once, or of one that was held until the program "
                "runs.",
                &deliveries, 3 | CD_METRIC_TEXT),
        CD_METRIC_COUNT("cardea_mails_total", "E-mails: sent, to be tried again, or given up.", &mails, 1),
        CD_METRIC_COUNT("cardea_outgoing_requests_total",
                        "Requests to other servers, by the name that log.outgoing has too; error: there was no answer.",
                        &outgoing, 1 | CD_METRIC_TEXT),
        { .name = "cardea_outgoing_request_duration_seconds",
          .help = "How long requests to other servers took.",
          .type = CD_METRIC_HISTOGRAM,
          .tally = &outgoing,
          .labels = CD_METRIC_TEXT },
};

size_t cd_app_metrics_fill(struct cd_app_metrics *metrics)
{
        const struct cd_metrics_source sources[] = {
                { cd_core_metrics, cd_core_metric_count, NULL },
                { cd_portal_metrics, cd_portal_metric_count, NULL },
                { cd_gate_metrics, cd_gate_metric_count, NULL },
                { cd_upstream_metrics, cd_upstream_metric_count, NULL },
                { cd_store_metrics, cd_store_metric_count, NULL },
                { app_metrics, CD_LEN(app_metrics), metrics },
        };
        _Static_assert(CD_LEN(sources) <= CD_SERVICE_SOURCES_MAX, "each source has room");

        memcpy(metrics->sources, sources, sizeof(sources));
        return CD_LEN(sources);
}
