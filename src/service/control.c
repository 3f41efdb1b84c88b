#include "service/control.h"

#include <unistd.h>

#include "base/json.h"

enum {
        ANSWER_MAX = 1024 * 1024 /* bytes */
};

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
        const struct cd_service_state *state = control->state;
        cd_time now = cd_clock_system.now(&cd_clock_system);
        size_t waiting, max;
        struct cd_buf buf;

        cd_buf_init(&buf, req->arena, ANSWER_MAX);
        cd_buf_printf(&buf, "{\"service\":\"%s\",\"version\":\"" CD_VERSION "\",\"pid\":%d", control->service->name,
                      (int)getpid());
        add_time(&buf, "started_at", state->started_at);
        cd_buf_printf(&buf, ",\"uptime\":%lld", (long long)(now - state->started_at));
        if (control->config_path.len) {
                cd_buf_add(&buf, CD_STR(",\"configuration\":"));
                cd_buf_add_json(&buf, control->config_path);
        }
        add_time(&buf, "reloaded_at", atomic_load(&state->reloaded_at));
        add_time(&buf, "reload_failed_at", atomic_load(&state->failed_at));
        cd_buf_add(&buf, CD_STR(",\"listen\":"));
        cd_json_write_strs(cd_http_listening(res, req->arena), &buf);
        cd_http_cpu_queue(res, &waiting, &max);
        cd_buf_printf(&buf, ",\"connections\":%zu,\"queue\":{\"waiting\":%zu,\"max\":%zu}", cd_http_connections(res),
                      waiting, max);
        add_time(&buf, "certificate_until", atomic_load(&state->certificate_until));
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
