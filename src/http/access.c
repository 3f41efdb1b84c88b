#include "http/access.h"

#include "http/combined.h"
#include "http/metrics.h"

/* The details of an exchange at its end. Nothing from the query, the headers or the body, which may contain secrets
 * (LESSONS 28). */
struct record {
        const struct cd_http_request *req;
        const struct cd_http_log_context *log;
        cd_str trace_id, span_id;
        cd_str protocol;
        int status;
        int64_t duration_us;
        enum cd_log_level level;
};

enum cd_log_level cd_http_log_level(const struct cd_exchange *x)
{
        return x->is_denied || (x->route && x->route->quiet) ? CD_LOG_DEBUG : CD_LOG_INFO;
}

static struct record make_record(const struct cd_exchange *x, int64_t duration_us)
{
        static const cd_str protocols[] = {
                [CD_HTTP_1_0] = CD_STR_INIT("1.0"), [CD_HTTP_1_1] = CD_STR_INIT("1.1"), [CD_HTTP_2] = CD_STR_INIT("2")
        };
        bool was_read = x->req.method != 0;

        return (struct record){
                .req = &x->req,
                .log = &x->log,
                .trace_id = was_read ? cd_str_of(x->req.trace.trace_id, sizeof(x->req.trace.trace_id)) : CD_STR(""),
                .span_id = was_read ? cd_str_of(x->req.trace.span_id, sizeof(x->req.trace.span_id)) : CD_STR(""),
                .protocol = was_read ? protocols[x->version] : CD_STR(""),
                .status = x->res.status,
                .duration_us = duration_us,
                .level = cd_http_log_level(x),
        };
}

static void log_known(struct cd_log_event *event, const char *name, cd_str value)
{
        if (value.len)
                cd_log_str(event, name, value);
}

struct cd_log_about cd_http_log_about(const struct cd_http_request *req)
{
        return (struct cd_log_about){
                .request_id = req->request_id,
                .client_id = req->log->client_id,
                .user = req->log->user,
                .session = req->log->session,
        };
}

static void write_line(struct cd_log *log, const struct record *r)
{
        struct cd_log_event event;

        cd_log_begin(&event, log, r->level, "request");
        cd_log_str(&event, "request_id", r->req->request_id);
        log_known(&event, "trace_id", r->trace_id);
        log_known(&event, "span_id", r->span_id);
        log_known(&event, "protocol", r->protocol);
        log_known(&event, "method", r->req->method_name);
        log_known(&event, "host", r->req->host);
        log_known(&event, "path", r->req->path.ptr ? r->req->path : r->req->path_as_sent);
        cd_log_int(&event, "status", r->status);
        cd_log_int(&event, "duration_us", r->duration_us);
        cd_log_str(&event, "peer", r->req->peer);
        log_known(&event, "client_address", r->req->client_address);
        log_known(&event, "client_certificate", r->req->client_certificate_subject);
        log_known(&event, "client_id", r->log->client_id);
        log_known(&event, "user", r->log->user);
        log_known(&event, "session", r->log->session);
        log_known(&event, "token_id", r->log->token_id);
        log_known(&event, "scope", r->log->scope);
        log_known(&event, "grant_type", r->log->grant_type);
        log_known(&event, "route", r->log->route);
        log_known(&event, "upstream", r->log->upstream);
        if (r->log->upstream_us)
                cd_log_int(&event, "upstream_us", r->log->upstream_us);
        log_known(&event, "error", r->log->error);
        log_known(&event, "reason", r->log->reason);
        cd_log_end(&event);
}

/* An answer 500 is a fault of this program, unless an application that the gate protects gave it. */
static void log_own_failure(struct cd_log *log, const struct cd_exchange *x)
{
        const struct cd_log_about about = cd_http_log_about(&x->req);
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_ERROR, "request_failed");
        cd_log_about(&event, &about);
        log_known(&event, "method", x->req.method_name);
        log_known(&event, "path", x->req.path.ptr ? x->req.path : x->req.path_as_sent);
        log_known(&event, "route", x->route ? x->route->path : CD_STR(""));
        cd_log_int(&event, "status", x->res.status);
        log_known(&event, "error", x->log.error);
        log_known(&event, "reason", x->log.reason);
        cd_log_end(&event);
}

void cd_http_log_exchange(const struct cd_exchange *x)
{
        struct cd_http_server *server = x->loop->server;
        int access = atomic_load_explicit(&server->access, memory_order_relaxed);

        bool is_logged =
                x->started_us && access != CD_HTTP_ACCESS_OFF && cd_log_enabled(server->log, cd_http_log_level(x));
        bool is_counted = cd_metrics_enabled();
        int64_t us = x->started_us && (is_logged || is_counted) ? cd_monotonic_us() - x->started_us : 0;

        if (is_counted)
                cd_http_count_exchange(x, us);
        if (x->res.status == 500 && !x->log.upstream.len)
                log_own_failure(server->log, x);
        if (!is_logged)
                return;
        const struct record record = make_record(x, us);
        if (access == CD_HTTP_ACCESS_COMBINED)
                cd_http_log_combined(server->log, record.level, x, record.duration_us);
        else
                write_line(server->log, &record);
}

void cd_http_log_unreadable(const struct cd_exchange *x)
{
        struct cd_http_server *server = x->loop->server;
        struct cd_log_event event;

        if (atomic_exchange(&server->said_unreadable, true))
                return;
        cd_log_begin(&event, server->log, CD_LOG_WARN, "forwarded_address_unreadable");
        cd_log_str(&event, "peer", x->req.peer);
        cd_log_str(&event, "reason",
                   CD_STR("X-Forwarded-For or Forwarded: no address can be read; the request counts as of no address; "
                          "see what the proxy sends"));
        cd_log_end(&event);
}

void cd_http_log_tls_failure(const struct cd_http_server *server, const struct cd_stream *stream)
{
        struct cd_log_event event;

        cd_log_begin(&event, server->log, CD_LOG_INFO, "tls_failed");
        cd_log_str(&event, "peer", cd_stream_peer(stream));
        cd_log_str(&event, "reason", cd_str_from_c(stream->error));
        cd_log_end(&event);
}
