#pragma once
/* What a running service takes over without an end (LESSONS 27).
 *
 * On SIGHUP: the configuration. It is read and checked as at the start; where it has an error, or another value of a
 * setting that takes a restart, or a listener cannot be opened, everything stays as it is, and each finding is logged
 * as "config_error". What every service has may change, but for `user` and the numbers of threads; of its own settings,
 * what it names (cd_service.may_change). Open connections go on.
 *
 * And when the files of `tls` have changed and then stood still for half a second: those files alone, validated first.
 *
 * Logs "reloaded" or "reload_failed". */
#include "service/service.h"

struct cd_reload_options {
        const struct cd_service *service;
        struct cd_http_server *server;
        void *app;
        const void *config;             /* what the service was started with */
        const struct cd_report *report; /* of that; no file name: the defaults stay */
        struct cd_log *log;
};

struct cd_reload;

/* SIGHUP waits for cd_reload_start from now on. Before the first thread, since each inherits it. */
void cd_reload_hold_signal(void);
/* Starts a thread. What the options point to is borrowed. */
cd_status cd_reload_start(const struct cd_reload_options *options, struct cd_reload **ret, struct cd_error *reterr);
/* Ends the thread; NULL is fine. */
void cd_reload_stop(struct cd_reload *reload);
/* Frees it and the configuration that it read last, which the app may use to its own end. NULL is fine. */
void cd_reload_free(struct cd_reload *reload);
