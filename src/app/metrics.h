#pragma once
/* What /metrics shows of the app. */
#include "app/gate.h"
#include "app/storage.h"
#include "app/store_watcher_keys.h"
#include "base/metrics.h"
#include "service/service.h"

struct cd_app_metrics {
        const struct cd_storage *storage;
        const struct cd_store_state *store_state;
        const struct cd_app_gate *gate;
        struct cd_web_app *web;
        const struct cd_key_times *key_times;
        struct cd_metrics_source sources[CD_SERVICE_SOURCES_MAX];
};

/* Fills the sources and returns their number. What *metrics points to is borrowed. */
size_t cd_app_metrics_fill(struct cd_app_metrics *metrics);

/* A request to another server has ended; `name` is that of log.outgoing. */
void cd_app_count_outgoing(cd_str name, bool is_ok, int64_t us);
/* A delivery of a relay has ended. */
void cd_app_count_delivery(cd_str relay, bool is_ok, bool is_held);

enum cd_app_mail_outcome {
        CD_APP_MAIL_SENT,
        CD_APP_MAIL_FAILED, /* tried again later */
        CD_APP_MAIL_GIVEN_UP,
};
void cd_app_count_mail(enum cd_app_mail_outcome outcome);
