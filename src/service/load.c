/* Reads and checks a service's configuration, at the start and at each reload. */
#include "service/service.h"
#include "service/tls.h"

cd_status cd_service_load(const struct cd_service *service, struct cd_report *report, void *config,
                          struct cd_error *reterr)
{
        cd_status status = cd_settings_load(report, service->table, config, reterr);
        struct cd_service_settings *settings = (void *)((char *)config + service->settings_offset);

        if (report->unread)
                return status;
        cd_service_tls_resolve(settings, report);
        cd_service_complete(settings);
        cd_service_check_listeners(settings, report);
        cd_service_tls_check_settings(settings, report);
        if (status == CD_OK && settings->listen.count == 0)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("listen"), "give at least one address",
                                "names no address");
        if (service->check)
                service->check(config, report);
        return status == CD_OK ? cd_report_status(report, reterr) : status;
}

cd_status cd_service_check(const struct cd_service *service, struct cd_report *report, void *config,
                           struct cd_error *reterr)
{
        struct cd_service_tls_files files;
        cd_status status = cd_service_load(service, report, config, reterr);

        if (report->unread)
                return status;
        cd_service_tls_check_files((const void *)((const char *)config + service->settings_offset), report, &files);
        cd_service_tls_files_done(&files);
        if (service->check_files)
                service->check_files(config, report);
        return status == CD_OK ? cd_report_status(report, reterr) : status;
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
                if (f->fix.len)
                        cd_log_str(&event, "fix", f->fix);
                if (is_error && f->line)
                        cd_log_int(&event, "line", f->line);
                cd_log_end(&event);
        }
}
