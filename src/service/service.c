#include "service/service.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "service/control.h"
#include "service/notify.h"
#include "service/tls.h"
#include "base/streams.h"

/* What "cardea check" would print, but for what is right. */
static void print_faults(const struct cd_service *service, const struct cd_report *report)
{
        char error[64], warning[80];

        snprintf(error, sizeof(error), "%s: ", service->name);
        snprintf(warning, sizeof(warning), "%s: warning: ", service->name);
        cd_service_print_findings(stderr, (const char *const[]){ NULL, warning, error }, report);
}

/* A start that fails for what may be otherwise at the next attempt is no fault of the configuration. */
static int code_of_errors(const struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR && !f->is_temporary)
                        return CD_EXIT_USAGE;
        return CD_EXIT_FAILED;
}

static int fail_start(const struct cd_service *service, const struct cd_error *err)
{
        cd_print_line(stderr, "%s: %s", service->name, err->reason);
        return err->status == CD_INVALID_REQUEST || err->status == CD_MALFORMED ? CD_EXIT_USAGE : CD_EXIT_FAILED;
}

/* Some handlers still run and cannot be ended. They use the app, the log and the arena, so none of these is freed and
 * no exit hook runs. For the operator this is a clean stop, because the configured grace is over. */
static _Noreturn void exit_after_timeout(struct cd_log *log, size_t requests, int code)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_WARN, "shutdown_timeout");
        cd_log_int(&event, "requests", (int64_t)requests);
        cd_log_end(&event);
        cd_log_flush(log);
        _exit(code);
}

/* The parts of a running service, in the order in which they are created. */
struct running {
        const struct cd_service *service;
        struct cd_arena *arena;
        void *config;
        struct cd_report report;
        struct cd_http_server *server;
        struct cd_log *log;
        void *app;
        struct cd_http_routes groups[CD_SERVICE_PARTS_MAX];
        struct cd_http_sites sites;
        struct cd_http_table table;
        struct cd_reload *reload;
        struct cd_service_state state;
        struct cd_service_tables tables;
        struct cd_service_metrics metrics;
        struct cd_control control;
        struct cd_notify notify;
};

static const struct cd_service_settings *settings_of(const struct running *r)
{
        return (const void *)((const char *)r->config + r->service->settings_offset);
}

/* What may need the privileges that the program was started with: reading secrets and opening ports. */
static cd_status open_server(struct running *r, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena scratch;
        struct cd_http_server_options options;
        struct cd_tls_validity validity;
        struct cd_tls_options tls;

        for (size_t i = 0; i < r->service->part_count; i++)
                r->groups[i] = *r->service->parts[i].routes;
        r->table = (struct cd_http_table){
                .groups = r->groups,
                .count = r->service->part_count,
                .sites = r->service->set_sites ? &r->sites : NULL,
        };
        cd_arena_init(&scratch, CD_SERVICE_ARENA);
        cd_control_init(&r->control);
        cd_service_metrics_init(&r->metrics);
        r->tables = (struct cd_service_tables){ .control = &r->control.table, .metrics = &r->metrics.table };
        cd_status status = cd_service_server_options(r->service, r->config, &r->tables, &scratch, &options, reterr);
        if (status != CD_OK)
                return status;
        options.table = &r->table;
        if (cd_service_has_tls(settings_of(r))) {
                status = cd_service_tls_read(&settings_of(r)->tls, cd_clock_system.now(&cd_clock_system), &scratch,
                                             &tls, &validity, reterr);
                if (status != CD_OK)
                        return status;
                options.tls = &tls;
                atomic_store(&r->state.certificate_until, validity.not_after);
        }
        return cd_http_server_new(&options, &r->server, reterr);
}

static cd_status make_app(struct running *r, struct cd_error *reterr)
{
        const struct cd_service_start hook = {
                .config = r->config,
                .arena = r->arena,
                .log = r->log,
                .report = &r->report,
                .config_path = r->report.file_name,
        };

        cd_status status = r->service->prepare ? r->service->prepare(&hook, &r->app, reterr) : CD_OK;
        for (size_t i = 0; r->app && i < r->service->part_count; i++)
                r->groups[i].app = (char *)r->app + r->service->parts[i].app_offset;
        if (r->app && r->service->set_sites)
                r->service->set_sites(r->app, &r->sites);
        return status;
}

static cd_status open_log(struct running *r, struct cd_error *reterr)
{
        const struct cd_service_settings *settings = settings_of(r);

        r->log = cd_log_new(STDERR_FILENO, (enum cd_log_level)settings->log.level, cd_str_from_c(r->service->name));
        if (!r->log)
                return cd_fail(reterr, CD_NO_MEMORY, "no log thread");
        cd_service_apply(settings, r->log, r->server);
        cd_service_log_findings(r->log, &r->report, CD_FINDING_WARNING);
        if (cd_privileges_is_root()) {
                struct cd_log_event event;
                cd_log_begin(&event, r->log, CD_LOG_WARN, "runs_as_root");
                cd_log_str(&event, "setting", CD_STR("user"));
                cd_log_str(&event, "fix", CD_STR("name a user without privileges, to change to once it listens"));
                cd_log_end(&event);
        }
        return CD_OK;
}

static void set_metrics(struct running *r)
{
        struct cd_metrics_source *sources = r->metrics.sources;
        const struct cd_metrics_source *own = NULL;
        size_t count = r->service->metrics ? r->service->metrics(r->app, &own) : 0;

        r->state.log = r->log;
        pthread_mutex_init(&r->state.lock, NULL);
        r->state.started_at = cd_clock_system.now(&cd_clock_system);
        sources[0] = (struct cd_metrics_source){ cd_service_metrics, cd_service_metric_count, &r->state };
        sources[1] = (struct cd_metrics_source){ cd_http_metrics, cd_http_metric_count, r->server };
        for (size_t i = 0; i < count; i++)
                sources[2 + i] = own[i];
        r->metrics.count = 2 + count;
}

static void tell_manager(void *arg, bool serves)
{
        const struct running *r = arg;
        struct cd_error err;

        if (cd_notify_send(&r->notify, serves ? "READY=1\nSTATUS=serving" : "STOPPING=1\nSTATUS=stopping", &err) !=
            CD_OK)
                cd_log_error_event(r->log, CD_LOG_WARN, "notify_failed", &err);
}

/* Does not return if a handler outlives the grace. */
static int serve(struct running *r)
{
        const struct cd_reload_options options = { .service = r->service,
                                                   .server = r->server,
                                                   .app = r->app,
                                                   .config = r->config,
                                                   .report = &r->report,
                                                   .log = r->log,
                                                   .state = &r->state,
                                                   .tables = r->tables };
        struct cd_error err;

        set_metrics(r);
        cd_http_server_set_log(r->server, r->log);
        cd_http_server_set_observer(r->server, tell_manager, r);
        cd_http_server_stop_on_signals(r->server);
        cd_status status = cd_reload_start(&options, &r->reload, &err);
        r->control.service = r->service;
        r->control.reload = r->reload;
        r->control.state = &r->state;
        r->control.app = r->app;
        r->control.config_path = r->report.file_name;
        if (status == CD_OK)
                status = cd_http_server_run(r->server, &err);
        cd_reload_stop(r->reload);
        int code = status == CD_OK ? CD_EXIT_OK : CD_EXIT_FAILED;
        if (status != CD_OK)
                cd_log_error_event(r->log, CD_LOG_ERROR, "failed", &err);
        size_t requests = cd_http_server_free(r->server);
        r->server = NULL;
        if (requests)
                exit_after_timeout(r->log, requests, code);
        return code;
}

/* For an error that only shows when a setting is applied: reports it as a finding. */
static int fail_setting(struct running *r, const struct cd_error *err)
{
        cd_str setting = cd_str_from_c(err->field);

        if (!setting.len)
                return fail_start(r->service, err);
        cd_report_about(&r->report, CD_FINDING_ERROR, setting, NULL, "%s", err->reason);
        cd_service_order_findings(r->service, &r->report);
        print_faults(r->service, &r->report);
        return err->status == CD_INVALID_REQUEST || err->status == CD_MALFORMED ? CD_EXIT_USAGE : CD_EXIT_FAILED;
}

/* Requires a valid configuration. */
static int start(struct running *r)
{
        struct cd_error err;
        int code;

        cd_status status = open_server(r, &err);
        if (status == CD_OK)
                status = cd_privileges_drop(settings_of(r)->user, &err);
        if (status == CD_OK)
                status = open_log(r, &err);
        if (status == CD_OK)
                status = make_app(r, &err);
        if (status == CD_OK) {
                code = serve(r);
                if (r->service->finish)
                        r->service->finish(r->app);
                cd_reload_free(r->reload);
        } else {
                code = fail_setting(r, &err);
        }
        (void)cd_http_server_free(r->server); /* only if it has never run */
        cd_log_free(r->log);
        return code;
}

static int load_and_start(const struct cd_service *service, struct cd_arena *arena, const char *config_path)
{
        struct running r = { .service = service, .arena = arena };
        struct cd_error err;

        cd_notify_init(&r.notify);
        r.config = cd_arena_calloc(arena, 1, service->table->size);
        if (!r.config)
                return fail_start(service, &(struct cd_error){ .status = CD_NO_MEMORY, .reason = "no memory" });
        cd_report_init(&r.report, arena, cd_str_from_c(config_path));
        if (cd_service_check(service, CD_CHECK_START, &r.report, r.config, &err) == CD_OK)
                return start(&r);
        if (!r.report.errors)
                return fail_start(service, &err);
        print_faults(service, &r.report);
        return code_of_errors(&r.report);
}

int cd_service_run(const struct cd_service *service, const char *config_path)
{
        struct cd_arena arena;

        cd_reload_hold_signal(); /* a SIGHUP while the configuration is first read must not end the process */
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        int code = load_and_start(service, &arena, config_path);
        cd_arena_done(&arena);
        return code;
}

static int usage(const struct cd_service *service, FILE *to, int code)
{
        fprintf(to,
                "Usage: %s [--config FILE]\n\n"
                "  -c, --config FILE  settings in YAML; without it, the defaults\n"
                "      --version      print the version\n"
                "  -h, --help         print this\n",
                service->name);
        return code;
}

static int finish_output(const struct cd_service *service, int code)
{
        return cd_finish_output(service->name) ? code : CD_EXIT_FAILED;
}

int cd_service_main(const struct cd_service *service, int argc, char **argv)
{
        const char *config = NULL;

        if (!cd_open_standard_streams()) {
                cd_print_line(stderr, "%s: /dev/null cannot be opened: %s", service->name, strerror(errno));
                return CD_EXIT_FAILED;
        }
        for (int i = 1; i < argc; i++) {
                bool takes_value = !strcmp(argv[i], "--config") || !strcmp(argv[i], "-c");
                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
                        return finish_output(service, usage(service, stdout, CD_EXIT_OK));
                if (!strcmp(argv[i], "--version")) {
                        cd_print_line(stdout, "%s %s", service->name, CD_VERSION);
                        return finish_output(service, CD_EXIT_OK);
                }
                if (takes_value && i + 1 < argc) {
                        config = argv[++i];
                } else if (!strncmp(argv[i], "--config=", 9)) {
                        config = argv[i] + 9;
                } else {
                        cd_print_line(stderr, "%s: %s \"%s\"", service->name,
                                      takes_value ? "a file name is missing after" : "unknown argument", argv[i]);
                        return usage(service, stderr, CD_EXIT_USAGE);
                }
        }
        return cd_service_run(service, config);
}
