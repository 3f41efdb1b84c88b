#pragma once
/* What a running service changes without a restart (LESSONS 27).
 *
 * On SIGHUP it reloads the configuration, reading and checking it as at the start. Everything stays as it is if the
 * configuration has an error or another value for a setting that requires a restart, or if a listener cannot be opened;
 * each finding is then logged as "config_error". The settings common to all services may change, except `user` and the
 * numbers of threads; of its own settings, a service names those that may (cd_service.may_change). Open connections
 * continue.
 *
 * It also reloads the files of `tls` alone when they have changed and then not changed for half a second. They are
 * validated first.
 *
 * Logs "reloaded" or "reload_failed". */
#include "service/metrics.h"
#include "service/service.h"

struct cd_reload_options {
        const struct cd_service *service;
        struct cd_http_server *server;
        void *app;
        const void *config;             /* what the service was started with */
        const struct cd_report *report; /* of that configuration; without a file name, the defaults stay */
        struct cd_log *log;
        struct cd_service_state *state;
};

struct cd_reload;

/* Blocks SIGHUP, which cd_reload_start then handles. Call before the first thread is started, because threads inherit
 * the mask. */
void cd_reload_hold_signal(void);
/* Starts a thread. What the options point to is borrowed. */
cd_status cd_reload_start(const struct cd_reload_options *options, struct cd_reload **ret, struct cd_error *reterr);
/* Ends the thread. NULL is fine. */
void cd_reload_stop(struct cd_reload *reload);
/* Frees it and the configuration that it read last, which the app may use until it ends. NULL is fine. */
void cd_reload_free(struct cd_reload *reload);
