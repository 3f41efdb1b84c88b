/* Reads and checks a service's configuration: for a check, at the start, and at each reload. */
#include <unistd.h>

#include "base/streams.h"
#include "service/service.h"
#include "service/started_by.h"
#include "service/tls.h"

/* Says of each variable that has no value how this process was started, and where that takes its variables from. */
static void explain_variables(struct cd_report *report)
{
        struct cd_started_by by = { 0 };

        for (const struct cd_finding *f = report->findings; f; f = f->next) {
                if (!f->variable.len)
                        continue;
                if (!by.is_known)
                        cd_started_by_find("", "self", environ, report->arena, &by);
                ((struct cd_finding *)f)->fix = cd_started_by_fix(&by, report->arena, f->variable);
                ((struct cd_finding *)f)->why = cd_started_by_why(&by);
        }
}

/* Files without a value, where no check of the setting knew better. */
static void explain_files(struct cd_report *report)
{
        static const cd_str fix =
                CD_STR_INIT("write the value into it, or correct the path, which is relative to the folder of the "
                            "configuration");

        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (!f->fix.len && cd_str_index(f->what, ';') == f->what.len &&
                    cd_str_has_prefix(f->what, CD_STR("file ")))
                        ((struct cd_finding *)f)->fix = fix;
}

void cd_service_order_findings(const struct cd_service *service, struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f && service->why; f = f->next)
                if (f->level == CD_FINDING_ERROR && !f->why.len)
                        ((struct cd_finding *)f)->why = cd_str_from_c(service->why(f->setting));
        cd_report_order(report);
}

cd_status cd_service_load(const struct cd_service *service, struct cd_report *report, void *config,
                          struct cd_error *reterr)
{
        cd_status status = cd_settings_load(report, service->table, config, reterr);
        struct cd_service_settings *settings = (void *)((char *)config + service->settings_offset);

        explain_variables(report);
        if (report->unread)
                return status;
        report->stage = CD_STAGE_CHECKED;
        cd_service_tls_resolve(settings, report);
        cd_service_resolve_control(settings, report);
        cd_service_complete(settings);
        cd_service_check_listeners(settings, report);
        cd_service_tls_check_settings(settings, report);
        if (status == CD_OK && settings->listen.count == 0)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("listen"), "give at least one address",
                                "names no address");
        if (service->check)
                service->check(config, report);
        explain_files(report);
        cd_service_order_findings(service, report);
        return cd_report_status(report, reterr);
}

cd_status cd_service_examine(const struct cd_service *service, enum cd_check_purpose purpose, struct cd_report *report,
                             void *config, struct cd_service_tls_files *ret_files, struct cd_error *reterr)
{
        cd_service_tls_check_files((const void *)((const char *)config + service->settings_offset), report, ret_files);
        if (service->check_files)
                service->check_files(config, report);
        report->stage = CD_STAGE_TRIED;
        if (service->probe && !report->errors && !report->no_memory)
                service->probe(config, purpose, report);
        cd_service_order_findings(service, report);
        return cd_report_status(report, reterr);
}

cd_status cd_service_check(const struct cd_service *service, enum cd_check_purpose purpose, struct cd_report *report,
                           void *config, struct cd_error *reterr)
{
        struct cd_service_tls_files files;
        cd_status status = cd_service_load(service, report, config, reterr);

        if (report->unread)
                return status;
        status = cd_service_examine(service, purpose, report, config, &files, reterr);
        cd_service_tls_files_done(&files);
        return status;
}

void cd_service_print_findings(FILE *to, const char *const prefixes[CD_FINDING_ERROR + 1],
                               const struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next) {
                if (!prefixes[f->level])
                        continue;
                cd_print_line(to, "%s%.*s", prefixes[f->level], CD_STR_ARG(cd_finding_text(report, f)));
                if (f->why.len)
                        cd_print_line(to, "        %.*s", CD_STR_ARG(f->why));
        }
        cd_print_line(to, "%s%zu error%s, %zu warning%s", prefixes[CD_FINDING_OK] ? "" : prefixes[CD_FINDING_ERROR],
                      report->errors, report->errors == 1 ? "" : "s", report->warnings,
                      report->warnings == 1 ? "" : "s");
}

void cd_service_log_findings(struct cd_log *log, const struct cd_report *report, enum cd_finding_level level)
{
        bool is_error = level == CD_FINDING_ERROR;

        for (const struct cd_finding *f = report->findings; f; f = f->next) {
                struct cd_log_event event;
                if (f->level != level)
                        continue;
                cd_log_begin(&event, log, is_error ? CD_LOG_ERROR : CD_LOG_WARN,
                             is_error ? "config_error" : "config_warning");
                cd_log_str(&event, "setting", f->setting);
                cd_log_str(&event, "reason", f->what);
                if (f->why.len)
                        cd_log_str(&event, "why", f->why);
                if (f->fix.len)
                        cd_log_str(&event, "fix", f->fix);
                if (is_error && f->line)
                        cd_log_int(&event, "line", f->line);
                cd_log_end(&event);
        }
}
