#pragma once
/* What every service shares: a service is a config struct with a table, a list of routes, and a main of a few lines.
 *
 *      struct clock_config { struct cd_service_settings service; cd_str greeting; };
 *      static const struct cd_field fields[] = {
 *              CD_SERVICE_FIELDS(struct clock_config, service, "127.0.0.1:5009"),
 *              { .name = "greeting", .offset = offsetof(struct clock_config, greeting), .fallback = "hello" },
 *      };
 *      static const struct cd_table table = {
 *              "clock", fields, CD_LEN(fields), sizeof(struct clock_config), .closed = true
 *      };
 *      static const struct cd_http_routes group = { routes, CD_LEN(routes) };
 *      static const struct cd_service_part part = { &group };
 *      static const struct cd_service clock = {
 *              .name = "clock", .table = &table, .settings_offset = offsetof(struct clock_config, service),
 *              .parts = &part, .part_count = 1, .prepare = prepare, .finish = finish,
 *      };
 *      int main(int argc, char **argv) { return cd_service_main(&clock, argc, argv); }
 */
#include <stdio.h>

#include "service/privileges.h"
#include "conf/settings.h"
#include "base/metrics.h"
#include "http/server.h"

/* The settings common to all services. Times are milliseconds, sizes bytes. */
struct cd_service_settings {
        struct cd_objects listen; /* struct cd_http_listen; http2 is never unset after cd_service_complete() */
        struct cd_service_tls {
                cd_str certificate, key,
                        client_ca;      /* paths of PEM files, NUL-terminated; certificate empty: plain HTTP */
                int client_certificate; /* enum cd_tls_client_certificate */
        } tls;
        struct cd_strs redirect_listen;
        cd_str control; /* "unix:" and an absolute path, once loaded; empty: there is none */
        struct cd_service_metrics_settings {
                struct cd_strs listen; /* empty: no /metrics, and nothing is counted */
        } metrics;
        int64_t threads, worker_threads, outgoing_threads;
        int64_t drain_delay, shutdown_grace;
        struct cd_strs trusted_proxies;
        struct cd_objects deny; /* struct cd_http_deny */
        struct cd_service_log {
                int level;    /* enum cd_log_level */
                int format;   /* enum cd_log_format */
                int priority; /* enum cd_log_priority */
                int access;   /* enum cd_http_access */
                int outgoing; /* of requests to other servers: 0 off, 1 summary, 2 full */
        } log;
        struct cd_http_limits limits;
        cd_str user;
};

extern const struct cd_table cd_service_listen_table, cd_service_log_table, cd_service_limits_table,
        cd_service_tls_table, cd_service_deny_table, cd_service_metrics_table;
/* Further checks for the table: NULL, or what is wrong with the value. */
const char *cd_service_check_address(cd_str value); /* "127.0.0.1:5001" or "[::1]:0" */
const char *cd_service_check_listen(cd_str value);  /* that, "unix:/PATH" or "systemd:NAME" */
const char *cd_service_check_control(cd_str value); /* "unix:PATH" */
const char *cd_service_check_proxy(cd_str value);   /* an address, a network or "unix:" */

#define CD_SERVICE_FIELD_(T, M, member, kind, about, ...)                                                              \
        {                                                                                                              \
                .name = #member, .offset = offsetof(T, M.member), .type = CD_FIELD_##kind, .help = about, __VA_ARGS__  \
        }
/* Fields for the table of a struct `T` whose member `M` is a struct cd_service_settings. */
#define CD_SERVICE_FIELDS(T, M, default_listen)                                                                        \
        CD_SERVICE_FIELD_(T, M, listen, OBJECTS, "addresses to listen on; port 0 takes a free one",                    \
                          .flags = CD_FIELD_SHORTHAND, .table = &cd_service_listen_table, .fallback = default_listen), \
                CD_SERVICE_FIELD_(T, M, tls, OBJECT, "TLS on all addresses of listen",                                 \
                                  .table = &cd_service_tls_table),                                                     \
                CD_SERVICE_FIELD_(T, M, redirect_listen, STRINGS, "addresses that only redirect to https",             \
                                  .check = cd_service_check_listen),                                                   \
                CD_SERVICE_FIELD_(T, M, control, STRING,                                                               \
                                  "unix:PATH, a Unix socket for status and reload that only the owner of the process " \
                                  "may use; relative to the folder of the configuration",                              \
                                  .check = cd_service_check_control),                                                  \
                CD_SERVICE_FIELD_(T, M, metrics, OBJECT, "figures for Prometheus",                                     \
                                  .table = &cd_service_metrics_table),                                                 \
                CD_SERVICE_FIELD_(T, M, threads, INT, "loop threads; 0: one for each core", .max = 256,                \
                                  .fallback = "0"),                                                                    \
                CD_SERVICE_FIELD_(T, M, worker_threads, INT, "threads for what may block", .min = 1, .max = 1024,      \
                                  .fallback = "4"),                                                                    \
                CD_SERVICE_FIELD_(T, M, outgoing_threads, INT, "threads for calls to other services", .min = 1,        \
                                  .max = 1024, .fallback = "64"),                                                      \
                CD_SERVICE_FIELD_(T, M, drain_delay, DURATION,                                                         \
                                  "after a signal to stop, how long /readyz says 503 while connections are still "     \
                                  "accepted, before the listeners close",                                              \
                                  .max = 3600000, .fallback = "0s"),                                                   \
                CD_SERVICE_FIELD_(T, M, shutdown_grace, DURATION, "for running requests after a signal to stop",       \
                                  .max = 3600000, .fallback = "10s"),                                                  \
                CD_SERVICE_FIELD_(T, M, trusted_proxies, STRINGS,                                                      \
                                  "addresses or networks whose forwarded headers and request ids count; unix: for "    \
                                  "clients of Unix sockets",                                                           \
                                  .check = cd_service_check_proxy),                                                    \
                CD_SERVICE_FIELD_(T, M, deny, OBJECTS, "networks whose requests are answered 403", .max = 256,         \
                                  .table = &cd_service_deny_table),                                                    \
                CD_SERVICE_FIELD_(T, M, log, OBJECT, "events and requests, on standard error",                         \
                                  .table = &cd_service_log_table),                                                     \
                CD_SERVICE_FIELD_(T, M, limits, OBJECT, "what one client may take",                                    \
                                  .table = &cd_service_limits_table),                                                  \
                CD_SERVICE_FIELD_(T, M, user, STRING,                                                                  \
                                  "the user to become when started as root, once secrets are read and ports taken",    \
                                  .max = 256, .check = cd_privileges_check_user)

/* The documented exit codes of a service. */
enum cd_exit {
        CD_EXIT_OK = 0,     /* also if requests outlived the grace of a stop: event "shutdown_timeout" */
        CD_EXIT_FAILED = 1, /* at run time: a port in use, a thread that does not start */
        CD_EXIT_USAGE = 2,  /* the command line or the configuration is wrong */
};

/* Why a configuration is checked. What is found is the same, but for what a running server holds already. */
enum cd_check_purpose {
        CD_CHECK_ONLY,   /* the server may run or not */
        CD_CHECK_START,  /* the listeners are opened next */
        CD_CHECK_RELOAD, /* the store is open */
};

/* Passed to a service's hooks. */
struct cd_service_start {
        /* The filled struct of its table; lives as long as the service runs. The hook may wipe secrets in it that are
         * no longer needed. */
        void *config;
        struct cd_arena *arena; /* the same lifetime */
        struct cd_log *log;
        const struct cd_report *report; /* of `config`; the same lifetime */
        cd_str config_path;             /* the configuration file, to whose folder paths are relative; empty: none */
};

/* A group of routes, whose `app` is a part of the service's. */
struct cd_service_part {
        const struct cd_http_routes *routes; /* without their `app` */
        size_t app_offset;                   /* bytes from what `prepare` returns */
};

enum {
        CD_SERVICE_PARTS_MAX = 4,
        CD_SERVICE_SOURCES_MAX = 8,
};

struct cd_service {
        const char *name; /* the "service" member of every log line, and the prefix of errors */
        const struct cd_table *table;
        size_t settings_offset; /* of struct cd_service_settings in the table's struct */
        const struct cd_service_part *parts;
        size_t part_count; /* at most CD_SERVICE_PARTS_MAX */
        /* Fills in the sites of what `prepare` returned, which every listener serves; NULL: there are none. */
        void (*set_sites)(void *app, struct cd_http_sites *ret);
        /* Why a finding about that setting matters, without a period; NULL: not known. Static. May be NULL. */
        const char *(*why)(cd_str setting);
        /* Checks beyond the table, reported as findings; may be NULL. An error prevents the start, a warning is
         * logged. */
        void (*check)(const void *config, struct cd_report *report);
        /* The same for the files that only serving needs; may be NULL. Comes after `check`, and not in administrative
         * commands. */
        void (*check_files)(const void *config, struct cd_report *report);
        /* Tries what is outside of the configuration and its files: the store, the listen addresses; may be NULL. Comes
         * last, and not if there are errors; not in administrative commands. */
        void (*probe)(const void *config, enum cd_check_purpose purpose, struct cd_report *report);
        /* Sets the server options that follow from the service's own settings (cpu_threads, cpu_queue); may be NULL. */
        void (*tune)(const void *config, struct cd_http_server_options *options);
        /* Creates what the handlers receive as `app`, see app_offset; may be NULL. Runs when the service already
         * listens, before any thread but the log's is started. */
        cd_status (*prepare)(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr);
        /* The service's own settings that may change while it runs: dotted paths, each including everything below it,
         * ending with NULL; may be NULL. Of the common settings, all but `user` and the numbers of threads may
         * change. */
        const char *const *may_change;
        /* Adds members to the JSON object of the control socket's status, ,"name":value each (cd_status_write); memory
         * only; may be NULL. */
        void (*status)(void *app, struct cd_arena *arena, struct cd_buf *buf);
        /* Applies a reloaded configuration that has no error and differs in these settings only; may be NULL. `config`
         * lives until the next one is applied. On failure everything must stay as it is, and the error's field is the
         * setting at fault. Runs on a separate thread, while handlers run. */
        cd_status (*reload)(void *app, const struct cd_service_start *start, struct cd_error *reterr);
        /* What /metrics shows of the app; NULL: nothing. At most CD_SERVICE_SOURCES_MAX sources, which live as long as
         * the app. Returns their number. */
        size_t (*metrics)(void *app, const struct cd_metrics_source **ret);
        /* Ends and frees the app after the last handler has returned; may be NULL. Not called if a handler outlives
         * shutdown_grace: then the process ends while it runs. */
        void (*finish)(void *app);
};

/* Loads, checks, listens, and serves until SIGTERM or SIGINT; SIGHUP reloads the configuration, see service/reload.h.
 * `config_path` NULL: the defaults. Returns the exit code; if handlers outlive the grace, it logs "shutdown_timeout"
 * and ends the process with that code instead. Errors that prevent the start are written to standard error as plain
 * sentences, one a line, "NAME: reason"; once the service runs, it writes only log events there. */
int cd_service_run(const struct cd_service *service, const char *config_path);
/* A complete main: `--config FILE` (or `-c FILE`, `--config=FILE`), `--help`, `--version`. */
int cd_service_main(const struct cd_service *service, int argc, char **argv);

/* What takes effect at once, at the start and at a reload: the log, and whether events are counted. */
void cd_service_apply(const struct cd_service_settings *settings, struct cd_log *log, struct cd_http_server *server);
/* Logs the findings of that level, as "config_warning" or "config_error". */
void cd_service_log_findings(struct cd_log *log, const struct cd_report *report, enum cd_finding_level level);

/* Loads and checks only. Returns CD_OK or the first error; the report has all of them. `config` has room for the
 * table's struct. */
cd_status cd_service_load(const struct cd_service *service, struct cd_report *report, void *config,
                          struct cd_error *reterr);
struct cd_service_tls_files;
/* What comes after cd_service_load, whatever that returned, and only serving needs: that certificate and key can be
 * read, belong together and have not expired, the service's own files, and what `probe` tries. The commands that check,
 * start and reload all call it, so that they find the same and say it in the same words. Administrative commands skip
 * it, so that an expired certificate, or a file that only the server may read, does not prevent administration. The
 * findings are in their order. `ret_files`, to be ended by the caller. */
cd_status cd_service_examine(const struct cd_service *service, enum cd_check_purpose purpose, struct cd_report *report,
                             void *config, struct cd_service_tls_files *ret_files, struct cd_error *reterr);
/* Both. */
cd_status cd_service_check(const struct cd_service *service, enum cd_check_purpose purpose, struct cd_report *report,
                           void *config, struct cd_error *reterr);
/* Puts the findings in their order, and adds why each error matters, where it does not say that itself. */
void cd_service_order_findings(const struct cd_service *service, struct cd_report *report);
/* Prints each finding on a line, "ERROR cardea.yaml:3:8: store: …", and on the next why it matters; then how many
 * there are. `prefixes`: what stands before a finding, by its level; NULL: it is left out. */
void cd_service_print_findings(FILE *to, const char *const prefixes[CD_FINDING_ERROR + 1],
                               const struct cd_report *report);
/* Fills in unset settings that follow from others: http2 of each listener. */
void cd_service_complete(struct cd_service_settings *settings);
/* Whether `listen` has this address, as it is written there. */
bool cd_service_listens_on(const struct cd_service_settings *settings, cd_str address);
/* Makes the path of `control` absolute; it is relative to the folder of the configuration. Reports a path that is too
 * long for a socket. */
void cd_service_resolve_control(struct cd_service_settings *settings, struct cd_report *report);
/* What the listeners of `control` and of `metrics` serve. NULL: they are not opened. */
struct cd_service_tables {
        const struct cd_http_table *control, *metrics;
};
/* The server's options, except `tls` and `table`. The lists are borrowed from *config and the arena. */
cd_status cd_service_server_options(const struct cd_service *service, const void *config,
                                    const struct cd_service_tables *tables, struct cd_arena *arena,
                                    struct cd_http_server_options *ret, struct cd_error *reterr);
/* Reports findings about combinations within one item of `listen`. */
void cd_service_check_listeners(const struct cd_service_settings *settings, struct cd_report *report);
/* The same of `deny`: what is too much, has passed by `now`, or shuts out more than clients. */
void cd_service_check_deny(const struct cd_service_settings *settings, cd_time now, struct cd_report *report);
/* Ceiling of an arena that holds the largest configuration, bytes. */
enum {
        CD_SERVICE_ARENA = 64 * 1024 * 1024
};
