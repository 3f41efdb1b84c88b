#include "service/control.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "net/listen_address.h"

enum {
        ANSWER_MAX = 1024 * 1024 /* bytes */
};

/* ---- the setting ---- */

/* The folder of the configuration, with "/" at its end. */
static cd_str folder_of(const struct cd_report *report)
{
        cd_str folder = report->file_name;
        char path[PATH_MAX];

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        cd_str text = cd_arena_printf(report->arena, "%.*s.", CD_STR_ARG(folder));
        if (!text.ptr || !realpath(text.ptr, path))
                return folder;
        return cd_arena_printf(report->arena, "%s/", path);
}

void cd_control_resolve(struct cd_service_settings *settings, struct cd_report *report)
{
        static const char setting[] = "control", prefix[] = "unix:";
        struct cd_listen_address where;
        cd_str path = settings->control;

        if (!cd_str_has_prefix(path, cd_str_from_c(prefix)))
                return; /* empty, or reported already */
        path = cd_str_slice(path, strlen(prefix), path.len);
        settings->control = cd_arena_printf(
                report->arena, "unix:%.*s%.*s",
                CD_STR_ARG(cd_str_has_prefix(path, CD_STR("/")) ? CD_STR("") : folder_of(report)), CD_STR_ARG(path));
        report->no_memory |= !settings->control.ptr;
        if (settings->control.ptr && cd_listen_address_parse(settings->control, &where, NULL) != CD_OK)
                cd_report_about(report, CD_FINDING_ERROR, cd_str_from_c(setting),
                                "name a shorter path, such as "
                                "unix:/run/cardea/control.sock",
                                "is %.*s, and the path of a Unix socket has at most 107 bytes",
                                CD_STR_ARG(settings->control));
}

/* ---- answers ---- */

static void add_time(struct cd_buf *buf, const char *name, cd_time time)
{
        char text[CD_RFC3339_LEN];

        if (time <= 0)
                return;
        cd_time_format_rfc3339(time, text);
        cd_buf_printf(buf, ",\"%s\":\"%.*s\"", name, CD_RFC3339_LEN, text);
}

/* `buf` is in the request's arena. */
static void answer(struct cd_http_response *res, int status, const struct cd_buf *buf)
{
        cd_str text;

        if (cd_buf_view(buf, &text) == CD_OK)
                cd_http_respond(res, status, CD_STR("application/json"), text);
}

/* On a loop, which knows the listeners. */
static void get_status(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_control *control = app;
        struct cd_reload_state last = cd_reload_state(control->reload);
        cd_time now = cd_clock_system.now(&cd_clock_system);
        struct cd_buf buf;

        cd_buf_init(&buf, req->arena, ANSWER_MAX);
        cd_buf_printf(&buf, "{\"service\":\"%s\",\"version\":\"" CD_VERSION "\",\"pid\":%d", control->service->name,
                      (int)getpid());
        add_time(&buf, "started_at", control->started_at);
        cd_buf_printf(&buf, ",\"uptime\":%lld", (long long)(now - control->started_at));
        if (control->config_path.len) {
                cd_buf_add(&buf, CD_STR(",\"configuration\":"));
                cd_buf_add_json(&buf, control->config_path);
        }
        add_time(&buf, "reloaded_at", last.reloaded_at);
        add_time(&buf, "reload_failed_at", last.failed_at);
        cd_buf_add(&buf, CD_STR(",\"listen\":"));
        cd_json_write_strs(cd_http_listening(res, req->arena), &buf);
        cd_buf_printf(&buf, ",\"connections\":%zu", cd_http_connections(res));
        add_time(&buf, "certificate_until", last.certificate_until);
        if (control->service->status)
                control->service->status(control->app, &buf);
        cd_buf_add(&buf, CD_STR("}\n"));
        answer(res, 200, &buf);
}

static void post_reload(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_control *control = app;
        struct cd_reload_findings findings;
        struct cd_error err = { 0 };
        struct cd_buf buf;

        cd_status status = cd_reload_now(control->reload, req->arena, &findings, &err);
        cd_buf_init(&buf, req->arena, ANSWER_MAX);
        cd_buf_printf(&buf, "{\"reloaded\":%s,\"errors\":", status == CD_OK ? "true" : "false");
        if (status != CD_OK && !findings.errors.count) {
                const cd_str reason = cd_str_from_c(err.reason);
                cd_json_write_strs((struct cd_strs){ &reason, 1 }, &buf);
        } else {
                cd_json_write_strs(findings.errors, &buf);
        }
        cd_buf_add(&buf, CD_STR(",\"warnings\":"));
        cd_json_write_strs(findings.warnings, &buf);
        cd_buf_add(&buf, CD_STR("}\n"));
        answer(res, status == CD_OK ? 200 : status == CD_UNAVAILABLE ? 503 : 422, &buf);
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/status"), .handler = get_status, .quiet = true },
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/reload"), .handler = post_reload, .where = CD_HTTP_WORKER },
};

void cd_control_init(struct cd_control *control)
{
        control->group = (struct cd_http_routes){ routes, CD_LEN(routes), control };
        control->table = (struct cd_http_table){ .groups = &control->group, .count = 1 };
}

struct cd_http_listen cd_control_listen(const struct cd_control *control, cd_str path)
{
        return (struct cd_http_listen){ .address = path,
                                        .mode = CD_STR("0600"),
                                        .table = &control->table,
                                        .is_plain = true,
                                        .setting = "control" };
}
