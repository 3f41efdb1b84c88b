#pragma once
/* What every service publishes of itself: version, process, reloads, the certificate's end, log lines lost; and the
 * listeners that publish it. */
#include <pthread.h>

#include "service/service.h"

enum cd_reload_cause {
        CD_RELOAD_SIGNAL,  /* the whole configuration */
        CD_RELOAD_COMMAND, /* the same, by the control socket */
        CD_RELOAD_CHANGE,  /* the files of tls have changed */
};

/* What the control socket says of a service, and /metrics: `arg` of the source. Zeroed before the start. */
struct cd_service_state {
        struct cd_log *log;
        cd_time started_at;
        _Atomic cd_time reloaded_at;       /* the last reload that succeeded; 0: none has */
        _Atomic cd_time certificate_until; /* 0: no TLS */
        atomic_bool has_failed;            /* the last reload has */
        pthread_mutex_t lock;              /* guards the next two */
        cd_time failed_at;                 /* the last reload that failed; 0: none has */
        struct cd_error failure;           /* of that one */
};

/* What a listener of metrics.listen serves: /metrics, with these sources. */
struct cd_service_metrics {
        struct cd_metrics_source sources[2 + CD_SERVICE_SOURCES_MAX];
        size_t count;
        struct cd_http_routes group;
        struct cd_http_table table;
};

/* The table can be used at once; the sources must be set before the server runs. *metrics must not be moved. */
void cd_service_metrics_init(struct cd_service_metrics *metrics);

extern const struct cd_metric cd_service_metrics[];
extern const size_t cd_service_metric_count;

/* By enum cd_reload_cause: "signal". */
extern const char *const cd_reload_causes[];
/* `certificate_until` of a reload that succeeded; 0: no TLS. `err`: why it failed; NULL: it succeeded. */
void cd_service_note_reload(struct cd_service_state *state, enum cd_reload_cause cause, cd_time certificate_until,
                            const struct cd_error *err);

/* The last reload that failed, if there was one after the start. */
struct cd_service_failure {
        cd_time at;    /* 0: none */
        cd_str reason; /* "tokens.lifetime: must be …", as it was logged, in the arena */
};
struct cd_service_failure cd_service_last_failure(struct cd_service_state *state, struct cd_arena *arena);
