#include "service/control.h"

#include <unistd.h>

#include "base/json.h"
#include "service/status.h"

enum {
        ANSWER_MAX = 1024 * 1024 /* bytes */
};

/* Empty for 0. */
static cd_str time_text(struct cd_arena *arena, cd_time time)
{
        char text[CD_RFC3339_LEN];

        if (time <= 0)
                return CD_STR("");
        cd_time_format_rfc3339(time, text);
        return cd_arena_copy(arena, cd_str_of(text, sizeof(text)));
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
        struct cd_service_state *state = control->state;
        cd_time now = cd_clock_system.now(&cd_clock_system);
        struct cd_service_failure failure = cd_service_last_failure(control->state, req->arena);
        size_t waiting, max;
        struct cd_buf buf;

        cd_http_cpu_queue(res, &waiting, &max);
        const struct cd_service_status status = {
                .service = cd_str_from_c(control->service->name),
                .version = CD_STR(CD_VERSION),
                .pid = getpid(),
                .started_at = time_text(req->arena, state->started_at),
                .uptime = now - state->started_at,
                .configuration = control->config_path,
                .reloaded_at = time_text(req->arena, atomic_load(&state->reloaded_at)),
                .reload_failed_at = time_text(req->arena, failure.at),
                .reload_error = failure.reason,
                .listen = cd_http_listening(res, req->arena),
                .connections = (int64_t)cd_http_connections(res),
                .queue = { (int64_t)waiting, (int64_t)max },
                .certificate_until = time_text(req->arena, atomic_load(&state->certificate_until)),
        };
        cd_buf_init(&buf, req->arena, ANSWER_MAX);
        cd_status_write(&cd_service_status_table, &status, '{', &buf);
        if (control->service->status)
                control->service->status(control->app, req->arena, &buf);
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
