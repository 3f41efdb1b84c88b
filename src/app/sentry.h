#pragma once
/* Sends the errors of the log, and what is left of a crash, to Sentry: the section `sentry` of the configuration. A
 * thread of its own sends, so no request waits for it; what does not fit into its queue is counted and logged. Without
 * the setting there is no thread and no memory. */
#include "app/outgoing.h"

struct cd_config_sentry {
        cd_str dsn; /* empty: nothing is sent */
        cd_str environment;
        cd_str crash_folder; /* empty: that of the SQLite store, or $STATE_DIRECTORY */
};

extern const struct cd_table cd_config_sentry_table;

/* What the table cannot say. Every finding names its setting and the fix. */
void cd_config_check_sentry(const struct cd_config *config, struct cd_report *report);

struct cd_sentry;

struct cd_sentry_options {
        const struct cd_config *config;
        cd_str file_name;                 /* of the configuration */
        struct cd_arena *arena;           /* outlives the result */
        struct cd_log *log;               /* whose errors are sent; outlives the result */
        struct cd_outgoing_log *outgoing; /* logs what is sent; outlives the result */
};

/* *ret is NULL if nothing is configured. Before other threads use the log. CD_UNAVAILABLE with the setting as field:
 * the file for crashes cannot be opened, or libcurl is missing. */
cd_status cd_sentry_start(const struct cd_sentry_options *options, struct cd_sentry **ret, struct cd_error *reterr);
/* Sends what is left, for a few seconds at most. When no other thread logs errors any more. NULL is allowed. */
void cd_sentry_stop(struct cd_sentry *sentry);
