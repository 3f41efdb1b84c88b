#include "app/service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

cd_status cd_service_load(const struct cd_service *service, struct cd_report *report, void *config,
                          struct cd_error *reterr)
{
        cd_status status = cd_settings_load(report, service->table, config, reterr);
        const struct cd_service_settings *settings = (const void *)((const char *)config + service->settings_offset);

        if (report->unread)
                return status;
        if (status == CD_OK && settings->listen.count == 0)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("listen"), "give at least one address",
                                "names no address");
        if (service->check)
                service->check(config, report);
        return status == CD_OK ? cd_report_status(report, reterr) : status;
}

static void print_errors(const struct cd_service *service, const struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR)
                        fprintf(stderr, "%s: %.*s\n", service->name, CD_STR_ARG(cd_finding_text(report, f)));
}

static void log_warnings(struct cd_log *log, const struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next) {
                struct cd_log_event event;
                if (f->level != CD_FINDING_WARNING)
                        continue;
                cd_log_begin(&event, log, CD_LOG_WARN, "config_warning");
                cd_log_str(&event, "setting", f->setting);
                cd_log_str(&event, "reason", f->what);
                if (f->fix.len)
                        cd_log_str(&event, "fix", f->fix);
                cd_log_end(&event);
        }
}

static int fail_start(const struct cd_service *service, const struct cd_error *err)
{
        fprintf(stderr, "%s: %s\n", service->name, err->reason);
        return err->status == CD_INVALID_REQUEST || err->status == CD_MALFORMED ? CD_EXIT_USAGE : CD_EXIT_FAILED;
}

/* Handlers run on that nobody can end. They use the app, the log and the arena, so none of that is freed and no exit hook runs. To
 * those who asked us to stop it is a clean stop: the grace that they gave is over. */
static _Noreturn void abandon(struct cd_log *log, size_t requests, int code)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_WARN, "abandoned");
        cd_log_int(&event, "requests", (int64_t)requests);
        cd_log_end(&event);
        cd_log_flush(log);
        _exit(code);
}

/* Does not return where a handler outlives the end. */
static int serve(const struct cd_service *service, const struct cd_service_settings *settings, struct cd_log *log,
                 void *app)
{
        struct cd_http_server_options options = cd_service_server_options(settings);
        struct cd_http_server *server = NULL;
        struct cd_error err;

        options.log = log;
        options.routes = service->routes;
        options.route_count = service->route_count;
        options.app = app;
        if (cd_http_server_new(&options, &server, &err) != CD_OK)
                return fail_start(service, &err);
        cd_http_server_stop_on_signals(server);
        cd_status status = cd_http_server_run(server, &err);
        int code = status == CD_OK ? CD_EXIT_OK : CD_EXIT_FAILED;
        if (status != CD_OK)
                cd_log_error_event(log, CD_LOG_ERROR, "failed", &err);
        size_t running = cd_http_server_free(server);
        if (running)
                abandon(log, running, code);
        return code;
}

static int start(const struct cd_service *service, struct cd_arena *arena, const char *config_path)
{
        void *config = cd_arena_calloc(arena, 1, service->table->size), *app = NULL;
        struct cd_report report;
        struct cd_error err;

        if (!config)
                return fail_start(service, &(struct cd_error){ .status = CD_NO_MEMORY, .reason = "no memory" });
        cd_report_init(&report, arena, cd_str_from_c(config_path));
        if (cd_service_load(service, &report, config, &err) != CD_OK) {
                if (!report.errors)
                        return fail_start(service, &err);
                print_errors(service, &report);
                return CD_EXIT_USAGE;
        }
        const struct cd_service_settings *settings = (const void *)((char *)config + service->settings_offset);
        struct cd_log *log =
                cd_log_new(STDERR_FILENO, (enum cd_log_level)settings->log.level, cd_str_from_c(service->name));
        if (!log)
                return fail_start(service, &(struct cd_error){ .status = CD_NO_MEMORY, .reason = "no log thread" });
        log_warnings(log, &report);

        struct cd_service_start hook = { .config = config, .arena = arena, .log = log };
        int code;
        if (service->prepare && service->prepare(&hook, &app, &err) != CD_OK) {
                code = fail_start(service, &err);
        } else {
                code = serve(service, settings, log, app);
                if (service->finish)
                        service->finish(app);
        }
        cd_log_free(log);
        return code;
}

int cd_service_run(const struct cd_service *service, const char *config_path)
{
        struct cd_arena arena;

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        int code = start(service, &arena, config_path);
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

int cd_service_main(const struct cd_service *service, int argc, char **argv)
{
        const char *config = NULL;

        for (int i = 1; i < argc; i++) {
                bool takes_value = !strcmp(argv[i], "--config") || !strcmp(argv[i], "-c");
                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
                        return usage(service, stdout, CD_EXIT_OK);
                if (!strcmp(argv[i], "--version"))
                        return printf("%s %s\n", service->name, CD_VERSION) < 0;
                if (takes_value && i + 1 < argc) {
                        config = argv[++i];
                } else if (!strncmp(argv[i], "--config=", 9)) {
                        config = argv[i] + 9;
                } else {
                        fprintf(stderr, "%s: %s \"%s\"\n", service->name,
                                takes_value ? "a file name is missing after" : "unknown argument", argv[i]);
                        return usage(service, stderr, CD_EXIT_USAGE);
                }
        }
        return cd_service_run(service, config);
}
