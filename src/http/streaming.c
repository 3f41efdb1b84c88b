/* The calls of handlers that stream (http/body.h). */
#include "http/access.h"
#include "http/exchange.h"

static void run_part(struct cd_job *job)
{
        struct cd_exchange *x = (void *)((char *)job - offsetof(struct cd_exchange, job));

        const struct cd_log_scope outer = cd_exchange_enter(x);
        x->run(x);
        cd_log_enter(outer);
}

static void part_has_run(struct cd_job *job)
{
        struct cd_exchange *x = (void *)((char *)job - offsetof(struct cd_exchange, job));

        x->is_running = false;
        if (!x->wire)
                cd_exchange_abandon(x);
        else if (x->failure.status)
                cd_exchange_fail(x, x->failure);
        else
                x->done(x);
}

cd_status cd_http_run_on(struct cd_exchange *x, enum cd_http_where where, void (*run)(struct cd_exchange *),
                         void (*done)(struct cd_exchange *))
{
        x->run = run;
        x->done = done;
        x->job = (struct cd_job){ .run = run_part, .done = part_has_run };
        cd_status status = cd_pool_submit(cd_http_pool(x->loop->server, where), &x->loop->net, &x->job);
        x->is_running = status == CD_OK;
        return status;
}

cd_status cd_http_submit(struct cd_exchange *x, enum cd_http_where where, struct cd_job *job)
{
        return cd_pool_submit(cd_http_pool(x->loop->server, where), &x->loop->net, job);
}

void cd_http_exchange_hold(struct cd_exchange *x)
{
        x->holds++;
}

void cd_http_exchange_release(struct cd_exchange *x)
{
        if (--x->holds == 0 && x->is_freed)
                cd_exchange_free(x);
}

const struct cd_http_request *cd_http_exchange_request(const struct cd_exchange *x)
{
        return &x->req;
}

struct cd_http_response *cd_http_exchange_response(struct cd_exchange *x)
{
        return &x->res;
}

struct cd_loop *cd_http_exchange_loop(const struct cd_exchange *x)
{
        return &x->loop->net;
}

int64_t cd_http_exchange_length(const struct cd_exchange *x)
{
        return x->sent_length;
}

const struct cd_http_header *cd_http_exchange_trailers(const struct cd_exchange *x, size_t *retcount)
{
        *retcount = x->trailer_count;
        return x->trailers;
}

void cd_http_exchange_set_state(struct cd_exchange *x, void *state)
{
        x->req.state = state;
}

void *cd_http_exchange_state(const struct cd_exchange *x)
{
        return x->req.state;
}

void cd_http_pull(struct cd_exchange *x, size_t bytes)
{
        if (__builtin_add_overflow(x->credit, bytes, &x->credit))
                x->credit = UINT64_MAX;
        if (!x->body_done)
                x->wire->pull(x);
}

static bool send_head(struct cd_exchange *x)
{
        if (!x->is_upgraded && !cd_http_can_send(&x->res)) {
                cd_exchange_respond(x);
                return false;
        }
        x->head_sent = true;
        x->wire->head(x);
        return true;
}

bool cd_http_send_head(struct cd_exchange *x, int64_t length)
{
        x->length = length;
        return send_head(x);
}

bool cd_http_upgrade(struct cd_exchange *x)
{
        int status = x->version == CD_HTTP_2 ? 200 : 101;

        /* Checked like any other head, although a handler may not send a 101. */
        x->res.status = x->req.upgrade.ptr ? 200 : 0;
        if (cd_http_can_send(&x->res)) {
                x->res.status = status;
                x->is_upgraded = true;
                x->body_done = false; /* the request's body was done; now the tunnel's bytes follow, without a limit */
                x->body_max = UINT64_MAX;
        }
        return send_head(x);
}

bool cd_http_push(struct cd_exchange *x, cd_str bytes)
{
        x->pushed += bytes.len;
        if (x->length >= 0 && x->pushed > (uint64_t)x->length)
                return true; /* reported by cd_http_end */
        return x->wire->push(x, bytes);
}

void cd_http_push_end(struct cd_exchange *x)
{
        if (x->is_upgraded)
                x->wire->push_end(x);
}

/* A response to HEAD, and a 304, may announce a length although they have no body (RFC 9110 §8.6). */
static bool has_other_length(const struct cd_exchange *x)
{
        return x->length >= 0 && x->pushed != (uint64_t)x->length && cd_exchange_sends_body(x);
}

void cd_http_end(struct cd_exchange *x)
{
        if (has_other_length(x)) {
                x->log.reason = CD_STR("the handler's answer has another length than it said");
                cd_http_cancel(x);
                return;
        }
        /* Trailers may be set after the head. */
        if (!x->is_upgraded && x->res.trailer_count > 0 && !cd_http_can_send(&x->res)) {
                x->log.reason = CD_STR("the handler's trailers cannot be sent");
                cd_http_cancel(x);
                return;
        }
        cd_http_log_exchange(x);
        x->is_over = true;
        x->wire->end(x);
}

void cd_http_cancel(struct cd_exchange *x)
{
        if (!x->head_sent) {
                cd_exchange_answer_self(x, 500, CD_STR("the handler gave up"));
                cd_exchange_respond(x);
                return;
        }
        if (!x->log.error.len)
                x->log.error = CD_STR("cancelled");
        cd_http_log_exchange(x);
        x->is_over = true;
        x->wire->abort(x);
}
