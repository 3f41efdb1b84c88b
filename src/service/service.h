#pragma once
/* What every service shares: a service is a config struct with a table, a list of routes, and a main of a few lines.
 *
 *      struct clock_config { struct cd_service_settings service; cd_str greeting; };
 *      static const struct cd_field fields[] = {
 *              CD_SERVICE_FIELDS(struct clock_config, service, "127.0.0.1:5009"),
 *              { .name = "greeting", .offset = offsetof(struct clock_config, greeting), .fallback = "hello" },
 *      };
 *      static const struct cd_table table = { "clock", fields, CD_LEN(fields), sizeof(struct clock_config), .closed =
 * true }; static const struct cd_service clock = { .name = "clock", .table = &table, .settings_offset = offsetof(struct
 * clock_config, service), .routes = routes, .route_count = CD_LEN(routes), .prepare = prepare, .finish = finish }; int
 * main(int argc, char **argv) { return cd_service_main(&clock, argc, argv); }
 */
#include "service/privileges.h"
#include "conf/settings.h"
#include "http/server.h"

/* The settings that every service has. Times are milliseconds, sizes bytes. */
struct cd_service_settings {
        struct cd_objects listen; /* struct cd_http_listen; http2 is never unset after cd_service_complete() */
        struct cd_service_tls {
                cd_str certificate, key,
                        client_ca;      /* paths of PEM files, NUL-terminated; certificate empty: plain HTTP */
                int client_certificate; /* enum cd_tls_client_certificate */
        } tls;
        struct cd_strs redirect_listen;
        int64_t threads, worker_threads, outgoing_threads;
        int64_t drain_delay, shutdown_grace;
        struct cd_strs trusted_proxies;
        struct cd_service_log {
                int level; /* enum cd_log_level */
        } log;
        struct cd_http_limits limits;
        cd_str user;
};

extern const struct cd_table cd_service_listen_table, cd_service_log_table, cd_service_limits_table,
        cd_service_tls_table;
/* Further checks of the table: NULL, or what is wrong with the value. */
const char *cd_service_check_address(cd_str value); /* "127.0.0.1:5001" or "[::1]:0" */
const char *cd_service_check_listen(cd_str value);  /* that, "unix:/PATH" or "systemd:NAME" */
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
                CD_SERVICE_FIELD_(T, M, threads, INT, "loop threads; 0: one for each core", .max = 256,                \
                                  .fallback = "0"),                                                                    \
                CD_SERVICE_FIELD_(T, M, worker_threads, INT, "threads for what may block", .min = 1, .max = 1024,      \
                                  .fallback = "4"),                                                                    \
                CD_SERVICE_FIELD_(T, M, outgoing_threads, INT, "threads for calls to other services", .min = 1,        \
                                  .max = 1024, .fallback = "16"),                                                      \
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
                CD_SERVICE_FIELD_(T, M, log, OBJECT, "JSON lines on standard error", .table = &cd_service_log_table),  \
                CD_SERVICE_FIELD_(T, M, limits, OBJECT, "what one client may take",                                    \
                                  .table = &cd_service_limits_table),                                                  \
                CD_SERVICE_FIELD_(T, M, user, STRING,                                                                  \
                                  "the user to become when started as root, once secrets are read and ports taken",    \
                                  .max = 256, .check = cd_privileges_check_user)

/* What a service documents as its exit code. */
enum cd_exit {
        CD_EXIT_OK = 0,     /* also where requests outlived the grace of a stop: event "shutdown_timeout" */
        CD_EXIT_FAILED = 1, /* at run time: a taken port, a thread that does not start */
        CD_EXIT_USAGE = 2,  /* the command line or the configuration is wrong */
};

/* Given to a service's hook while it starts. */
struct cd_service_start {
        void *config;           /* the filled struct of its table; lives as long as the service runs. The hook may wipe
                                   secrets in it that it needs no more. */
        struct cd_arena *arena; /* the same lifetime */
        struct cd_log *log;
        const struct cd_report *report; /* of `config`; the same lifetime */
        cd_str config_path; /* the configuration file, whose folder paths are relative to; empty: there is none */
};

struct cd_service {
        const char *name; /* "service" on every log line, and in front of errors */
        const struct cd_table *table;
        size_t settings_offset; /* of struct cd_service_settings in the table's struct */
        const struct cd_http_route *routes;
        size_t route_count;
        /* Checks beyond the table, as findings of the report; may be NULL. An error refuses to start, a warning is
         * logged. */
        void (*check)(const void *config, struct cd_report *report);
        /* Sets what of the server's options follows from the service's own settings (cpu_threads, cpu_queue); may be
         * NULL. */
        void (*tune)(const void *config, struct cd_http_server_options *options);
        /* Makes what the handlers get as `app`; may be NULL. Runs when the service listens already, before any thread
         * but the log's. */
        cd_status (*prepare)(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr);
        /* The service's own settings that may change while it runs: dotted paths, each with all below it, NULL at the
         * end; NULL: none. Of those that every service has, all may but `user` and the numbers of threads. */
        const char *const *may_change;
        /* Takes over a configuration that was read again, has no error and differs in these settings alone; may be
         * NULL. `config` lives until the next one is taken over. On failure everything stays as it is; the error's
         * field is the setting at fault. Runs on a thread of its own, beside the handlers. */
        cd_status (*reload)(void *app, const struct cd_service_start *start, struct cd_error *reterr);
        /* Ends and frees it, after the last handler has returned; may be NULL. Not called where a handler outlives
         * shutdown_grace: the process ends under it. */
        void (*finish)(void *app);
};

/* Loads, checks, listens, serves until SIGTERM or SIGINT; SIGHUP reloads the configuration, see
 * service/reload.h. `config_path` NULL: the
 * defaults. Returns the exit code; or, where handlers outlive the grace, logs "shutdown_timeout" and ends the process
 * with it. What stops the start is said on standard error as plain sentences, one a line, "NAME: reason"; once the
 * service runs, it writes log events there and nothing else. */
int cd_service_run(const struct cd_service *service, const char *config_path);
/* A whole main: `--config FILE` (or `-c FILE`, `--config=FILE`), `--help`, `--version`. */
int cd_service_main(const struct cd_service *service, int argc, char **argv);

/* Logs the findings of that level: "config_warning" or "config_error". */
void cd_service_log_findings(struct cd_log *log, const struct cd_report *report, enum cd_finding_level level);

/* Loads and checks only. CD_OK, or the first error; the report has them all. `config` has room for the table's struct.
 */
cd_status cd_service_load(const struct cd_service *service, struct cd_report *report, void *config,
                          struct cd_error *reterr);
/* The same, and what only serving needs: that certificate and key can be read, fit together and are not over. Commands
 * that administer do without, so that a certificate that is over keeps nobody from them. */
cd_status cd_service_check(const struct cd_service *service, struct cd_report *report, void *config,
                           struct cd_error *reterr);
/* Sets what follows from other settings where it was not given: http2 of each listener. */
void cd_service_complete(struct cd_service_settings *settings);
/* The server's options, but for `tls`. The lists are borrowed from *config. */
struct cd_http_server_options cd_service_server_options(const struct cd_service *service, const void *config);
/* Findings about what one item of `listen` combines. */
void cd_service_check_listeners(const struct cd_service_settings *settings, struct cd_report *report);
/* Ceiling of the arena that a configuration with everything in it needs, bytes. */
enum {
        CD_SERVICE_ARENA = 64 * 1024 * 1024
};
