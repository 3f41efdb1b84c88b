/* A whole HTTP/1.1 connection over loopback: requests cut anywhere, a reader of any speed, handlers of each kind.
 * Whatever comes, each byte of output belongs to a response, each exchange ends once, and the connection ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit/http/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* ---- handlers ---- */

/* Of the exchange that runs, since HTTP/1.1 has one at a time; freed by its last event, so that a sanitizer sees one
 * too few or many. */
struct state {
        struct cd_exchange *x;
        uint64_t credit; /* pulled and not come */
        bool is_full, is_later, has_ended;
};

static struct state *current;
static size_t pull_size; /* of the input */

static struct state *begin_state(struct cd_exchange *x)
{
        must(current == NULL);
        current = calloc(1, sizeof(*current));
        must(current != NULL);
        current->x = x;
        return current;
}

static struct cd_exchange *end_state(void)
{
        struct cd_exchange *x = current->x;

        free(current);
        current = NULL;
        return x;
}

static void echo(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, req->query.len ? 204 : 200, CD_STR("text/plain"), req->body);
}

static void on_cancelled_later(void *arg)
{
        must(arg == current);
        (void)end_state();
}

static void later(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        struct state *state = begin_state(NULL);
        state->is_later = true;
        state->x = cd_http_answer_later(res, on_cancelled_later, state);
}

static void pull(struct state *state)
{
        state->credit += pull_size;
        cd_http_pull(state->x, pull_size);
}

/* Echoes as it comes. */
static void begin_echo(void *app, struct cd_exchange *x)
{
        const struct cd_http_request *req = cd_http_exchange_request(x);
        struct state *state = begin_state(x);
        struct cd_http_response *res = cd_http_exchange_response(x);
        bool ok;

        (void)app;
        res->status = 200;
        if (req->upgrade.ptr)
                ok = cd_http_upgrade(x);
        else
                ok = cd_http_send_head(x, CD_HTTP_LENGTH_UNKNOWN);
        must(ok);
        pull(state);
}

static void echo_data(struct cd_exchange *x, cd_str bytes)
{
        must(current && current->x == x && !current->has_ended);
        must(bytes.len > 0 && bytes.len <= current->credit);
        current->credit -= bytes.len;
        current->is_full = !cd_http_push(x, bytes);
        if (!current->is_full && current->credit == 0)
                pull(current);
}

static void echo_end(struct cd_exchange *x)
{
        must(current && current->x == x && !current->has_ended);
        cd_http_end(end_state());
}

static void echo_drained(struct cd_exchange *x)
{
        must(current && current->x == x && current->is_full);
        current->is_full = false;
        if (current->credit == 0)
                pull(current);
}

static void on_cancelled(struct cd_exchange *x)
{
        must(current && current->x == x);
        (void)end_state();
}

/* Answers when the first bytes have come. */
static void begin_early(void *app, struct cd_exchange *x)
{
        (void)app;
        pull(begin_state(x));
}

static void early_data(struct cd_exchange *x, cd_str bytes)
{
        must(current && current->x == x && bytes.len <= current->credit);
        cd_http_exchange_response(x)->status = 403;
        must(cd_http_send_head(x, 3));
        cd_http_push(x, CD_STR("no!"));
        cd_http_end(end_state());
}

static void early_end(struct cd_exchange *x)
{
        must(current && current->x == x);
        cd_http_cancel(end_state());
}

static const struct cd_http_streaming echo_streaming = {
        .begin = begin_echo, .data = echo_data, .end = echo_end, .drained = echo_drained, .cancelled = on_cancelled
};
static const struct cd_http_streaming early_streaming = {
        .begin = begin_early, .data = early_data, .end = early_end, .cancelled = on_cancelled
};

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET | CD_HTTP_POST, .path = CD_STR_INIT("/"), .handler = echo },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/later"), .handler = later },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/s"), .is_prefix = true, .streaming = &echo_streaming },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/early"), .streaming = &early_streaming, .body_max = 20 },
};

/* ---- one connection ---- */

static void answer_later(struct fixture *f)
{
        if (!current || !current->is_later)
                return;
        struct cd_exchange *x = end_state();
        cd_http_respond(cd_http_exchange_response(x), 200, CD_STR("text/plain"), CD_STR("later"));
        cd_http_answer(x);
        fixture_turn(f);
}

/* In pieces whose lengths come from `seed`. A server that does not read waits for a reader, for a handler, or for time
 * to pass. */
static void talk(struct fixture *f, struct client *c, cd_str bytes, unsigned seed)
{
        for (unsigned stuck = 0; bytes.len > 0 && !c->wire.is_closed;) {
                size_t len = seed % 64 == 63 ? bytes.len : 1 + seed % 31;
                seed = seed * 1103515245 + 12345;
                cd_str piece = cd_str_slice(bytes, 0, len);
                if (c->wire.wants_input && client_send(c, piece)) {
                        bytes = cd_str_slice(bytes, piece.len, bytes.len);
                        stuck = 0;
                } else {
                        client_read(c, 1 + seed / 7 % 100);
                        answer_later(f);
                        must(++stuck < 1000);
                }
        }
}

static void finish(struct fixture *f, struct client *c, bool is_broken)
{
        bool has_ended = false;

        if (is_broken)
                client_reset(c);
        for (unsigned turns = 0; !c->wire.is_closed; turns++) {
                must(turns < 100);
                if (c->wire.wants_input && !has_ended) {
                        has_ended = true;
                        client_end(c);
                }
                client_read_all(c);
                answer_later(f);
                fixture_pass(f, 40 * 1000);
        }
        client_read_all(c);
        must(current == NULL);
}

/* A response to HEAD cannot be told from one that was cut off: such inputs are not looked at. */
static void check_output(struct client *c, bool may_be_cut)
{
        bool is_last = false;

        while (c->at < c->received.len) {
                size_t used = 0;
                struct answer answer = take_answer(c->received.ptr + c->at, c->received.len - c->at, false, &used);
                must(answer.status >= 0 && !is_last);
                if (answer.status == 0) {
                        must(may_be_cut);
                        return;
                }
                if (answer.status == 101)
                        return;
                c->at += used;
                is_last = answer.to_end || cd_str_eq(answer_header(&answer, "Connection"), CD_STR("close"));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct fixture f;
        struct client c;

        if (size < 3 || size > 16384)
                return 0;
        cd_str bytes = cd_str_of((const char *)data + 3, size - 3);
        pull_size = 1 + data[1] % 64u;
        fixture_start(&f, routes, CD_LEN(routes), NULL);
        f.settings.limits.request_line = 512;
        f.settings.limits.headers = 1024;
        f.settings.limits.header_count = 16;
        f.settings.limits.body = 512;
        f.settings.limits.output = 1024;
        client_connect(&c, &f, 1 + (size_t)data[2] * 16);
        talk(&f, &c, bytes, data[0]);
        finish(&f, &c, data[1] >= 0xf0);
        if (!memmem(bytes.ptr, bytes.len, "HEAD", 4))
                check_output(&c, c.wire.is_reset || data[1] >= 0xf0);
        client_done(&c);
        fixture_stop(&f);
        return 0;
}
