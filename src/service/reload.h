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

/* The common settings that may change: dotted paths, each including everything below it, ending with NULL. */
extern const char *const cd_reload_settings[];

struct cd_reload_options {
        const struct cd_service *service;
        struct cd_http_server *server;
        void *app;
        const void *config;             /* what the service was started with */
        const struct cd_report *report; /* of that configuration; without a file name, the defaults stay */
        struct cd_log *log;
        struct cd_service_state *state;
        struct cd_service_tables tables;
};

struct cd_reload;

/* What a reload found, as `cardea check` would say it. In the arena of who asked. */
struct cd_reload_findings {
        struct cd_strs errors, warnings;
};

/* Blocks SIGHUP, which cd_reload_start then handles. Call before the first thread is started, because threads inherit
 * the mask. */
void cd_reload_hold_signal(void);
/* Starts a thread. What the options point to is borrowed. */
cd_status cd_reload_start(const struct cd_reload_options *options, struct cd_reload **ret, struct cd_error *reterr);
/* Does what SIGHUP does, and waits for it. CD_OK: the configuration is in use; otherwise nothing has changed, and the
 * findings or the error say why: CD_INVALID_REQUEST, CD_UNAVAILABLE (also if the service is stopping), CD_NO_MEMORY.
 * Blocks; thread-safe. */
cd_status cd_reload_now(struct cd_reload *reload, struct cd_arena *arena, struct cd_reload_findings *ret,
                        struct cd_error *reterr);
/* Ends the thread. NULL is fine. */
void cd_reload_stop(struct cd_reload *reload);
/* Frees it and the configuration that it read last, which the app may use until it ends. NULL is fine. */
void cd_reload_free(struct cd_reload *reload);
