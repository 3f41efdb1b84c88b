#include "stream_routes.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "net/loop.h"

enum {
        PIECE = 64 * 1024, /* bytes that are pulled or pushed at a time */
        PERIOD = 251,      /* of the pattern: byte i of a source is i % PERIOD */
};

static const cd_str text = CD_STR_INIT("text/plain");

/* ---- what every streaming route of this file has ---- */

struct stream {
        struct cd_exchange *exchange;
        struct cd_deadline deadline;
        uint64_t count;                                 /* bytes of the body that came */
        size_t piece, missing;                          /* a sink: pulled at a time, and of that not come yet */
        uint64_t sent, total;                           /* a source */
        size_t owed;                                    /* an echo: credit to give once there is room */
        void (*released)(struct cd_exchange *exchange); /* see hold */
};

static atomic_uint begun, ended, cancelled;
static struct cd_exchange *held; /* by the one route at a time that waits for /release */

static struct stream *stream_of(struct cd_exchange *exchange)
{
        return cd_http_exchange_state(exchange);
}

static uint64_t number_in_query(const struct cd_exchange *exchange, uint64_t fallback)
{
        uint64_t number;

        return cd_str_to_u64(cd_http_exchange_request(exchange)->query, &number) ? number : fallback;
}

/* NULL: out of memory, and the exchange is gone. */
static struct stream *start(struct cd_exchange *exchange)
{
        struct stream *stream = CD_NEW(cd_http_exchange_request(exchange)->arena, struct stream);

        atomic_fetch_add(&begun, 1);
        if (!stream) {
                atomic_fetch_add(&ended, 1);
                cd_http_cancel(exchange);
                return NULL;
        }
        stream->exchange = exchange;
        cd_http_exchange_set_state(exchange, stream);
        return stream;
}

static void finish(struct cd_exchange *exchange)
{
        atomic_fetch_add(&ended, 1);
        cd_http_end(exchange);
}

static bool send_head(struct cd_exchange *exchange, int64_t length)
{
        struct cd_http_response *res = cd_http_exchange_response(exchange);

        res->status = 200;
        res->content_type = text;
        if (cd_http_send_head(exchange, length))
                return true;
        atomic_fetch_add(&ended, 1);
        return false;
}

static void answer(struct cd_exchange *exchange, cd_str body)
{
        if (!send_head(exchange, (int64_t)body.len))
                return;
        cd_http_push(exchange, body);
        finish(exchange);
}

static void on_cancelled(struct cd_exchange *exchange)
{
        struct stream *stream = stream_of(exchange);

        cd_loop_cancel_deadline(cd_http_exchange_loop(exchange), &stream->deadline);
        if (held == exchange)
                held = NULL;
        atomic_fetch_add(&cancelled, 1);
}

/* {"begun":3,"ended":1,"cancelled":1,"held":0} */
static void streams(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("application/json"),
                        cd_arena_printf(req->arena, "{\"begun\":%u,\"ended\":%u,\"cancelled\":%u,\"held\":%d}",
                                        atomic_load(&begun), atomic_load(&ended), atomic_load(&cancelled),
                                        held != NULL));
}

/* ---- held until another request says so ---- */

static void hold(struct stream *stream, void (*released)(struct cd_exchange *exchange))
{
        stream->released = released;
        held = stream->exchange;
}

static void release(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_exchange *exchange = held;

        (void)app;
        (void)req;
        held = NULL;
        cd_http_respond(res, exchange ? 200 : 404, text, CD_STR(""));
        if (exchange)
                stream_of(exchange)->released(exchange);
}

/* ---- sinks: count the body ---- */

static void pull_piece(struct cd_exchange *exchange)
{
        struct stream *stream = stream_of(exchange);

        stream->missing = stream->piece;
        cd_http_pull(exchange, stream->piece);
}

static void begin_sink(void *app, struct cd_exchange *exchange)
{
        struct stream *stream = start(exchange);

        (void)app;
        if (!stream)
                return;
        stream->piece = (size_t)number_in_query(exchange, PIECE);
        pull_piece(exchange);
}

static void begin_held_sink(void *app, struct cd_exchange *exchange)
{
        struct stream *stream = start(exchange);

        (void)app;
        if (!stream)
                return;
        stream->piece = PIECE;
        hold(stream, pull_piece);
}

static void take(struct cd_exchange *exchange, cd_str bytes)
{
        struct stream *stream = stream_of(exchange);

        stream->count += bytes.len;
        stream->missing -= bytes.len;
        if (stream->missing == 0)
                pull_piece(exchange);
}

static void on_slow_due(struct cd_deadline *deadline)
{
        struct stream *stream = (void *)((char *)deadline - offsetof(struct stream, deadline));

        pull_piece(stream->exchange);
}

/* The next piece at the next tick of the loop's wheel. */
static void take_slowly(struct cd_exchange *exchange, cd_str bytes)
{
        struct stream *stream = stream_of(exchange);

        stream->count += bytes.len;
        stream->missing -= bytes.len;
        if (stream->missing > 0)
                return;
        stream->deadline.expired = on_slow_due;
        cd_loop_set_deadline(cd_http_exchange_loop(exchange), &stream->deadline, 1);
}

static void answer_count(struct cd_exchange *exchange)
{
        struct stream *stream = stream_of(exchange);

        cd_loop_cancel_deadline(cd_http_exchange_loop(exchange), &stream->deadline);
        answer(exchange,
               cd_arena_printf(cd_http_exchange_request(exchange)->arena, "%llu", (unsigned long long)stream->count));
}

static const struct cd_http_streaming sink = {
        .begin = begin_sink, .data = take, .end = answer_count, .cancelled = on_cancelled
};
static const struct cd_http_streaming slow_sink = {
        .begin = begin_sink, .data = take_slowly, .end = answer_count, .cancelled = on_cancelled
};
static const struct cd_http_streaming held_sink = {
        .begin = begin_held_sink, .data = take, .end = answer_count, .cancelled = on_cancelled
};

/* Answers although it has not asked for one byte of the body. */
static void begin_unasked(void *app, struct cd_exchange *exchange)
{
        (void)app;
        if (start(exchange))
                answer(exchange, CD_STR("unasked"));
}

static const struct cd_http_streaming unasked = { .begin = begin_unasked, .cancelled = on_cancelled };

/* The name of the method, and how many bytes of a body came with it: "PROPFIND 5". */
static void answer_method(struct cd_exchange *exchange)
{
        const struct cd_http_request *req = cd_http_exchange_request(exchange);

        answer(exchange, cd_arena_printf(req->arena, "%.*s %llu", (int)req->method_name.len, req->method_name.ptr,
                                         (unsigned long long)stream_of(exchange)->count));
}

static const struct cd_http_streaming method = {
        .begin = begin_sink, .data = take, .end = answer_method, .cancelled = on_cancelled
};

/* ---- sources: so many bytes of a pattern ---- */

static char pattern[PERIOD + PIECE];

__attribute__((constructor)) static void fill_pattern(void)
{
        for (size_t i = 0; i < sizeof(pattern); i++)
                pattern[i] = (char)(i % PERIOD);
}

static void push_pieces(struct cd_exchange *exchange)
{
        struct stream *stream = stream_of(exchange);

        while (stream->sent < stream->total) {
                uint64_t left = stream->total - stream->sent;
                size_t len = left < PIECE ? (size_t)left : PIECE;
                cd_str piece = cd_str_of(pattern + stream->sent % PERIOD, len);
                stream->sent += len;
                if (!cd_http_push(exchange, piece) && stream->sent < stream->total)
                        return;
        }
        finish(exchange);
}

static void begin_a_source(struct cd_exchange *exchange, bool says_length)
{
        struct stream *stream = start(exchange);

        if (!stream)
                return;
        stream->total = number_in_query(exchange, 0);
        if (send_head(exchange, says_length ? (int64_t)stream->total : CD_HTTP_LENGTH_UNKNOWN))
                push_pieces(exchange);
}

static void begin_source(void *app, struct cd_exchange *exchange)
{
        (void)app;
        begin_a_source(exchange, false);
}

static void begin_source_length(void *app, struct cd_exchange *exchange)
{
        (void)app;
        begin_a_source(exchange, true);
}

static const struct cd_http_streaming source = { .begin = begin_source,
                                                 .drained = push_pieces,
                                                 .cancelled = on_cancelled };
static const struct cd_http_streaming source_length = { .begin = begin_source_length,
                                                        .drained = push_pieces,
                                                        .cancelled = on_cancelled };

/* ---- echoes ---- */

static void begin_echo(void *app, struct cd_exchange *exchange)
{
        (void)app;
        if (start(exchange) && send_head(exchange, CD_HTTP_LENGTH_UNKNOWN))
                cd_http_pull(exchange, PIECE);
}

/* Asks first and answers then. */
static void begin_eager_echo(void *app, struct cd_exchange *exchange)
{
        (void)app;
        if (!start(exchange))
                return;
        struct cd_http_response *res = cd_http_exchange_response(exchange);
        res->status = 200;
        res->content_type = text;
        cd_http_pull(exchange, PIECE);
        (void)cd_http_send_head(exchange, CD_HTTP_LENGTH_UNKNOWN);
}

static void give_back(struct cd_exchange *exchange, cd_str bytes)
{
        if (cd_http_push(exchange, bytes))
                cd_http_pull(exchange, bytes.len);
        else
                stream_of(exchange)->owed += bytes.len;
}

static void pull_owed(struct cd_exchange *exchange)
{
        struct stream *stream = stream_of(exchange);
        size_t owed = stream->owed;

        stream->owed = 0;
        if (owed)
                cd_http_pull(exchange, owed);
}

static const struct cd_http_streaming stream_echo = {
        .begin = begin_echo, .data = give_back, .end = finish, .drained = pull_owed, .cancelled = on_cancelled
};

static const struct cd_http_streaming eager_echo = {
        .begin = begin_eager_echo, .data = give_back, .end = finish, .drained = pull_owed, .cancelled = on_cancelled
};

/* ---- tunnels ---- */

static void open_tunnel(struct cd_exchange *exchange)
{
        struct cd_http_response *res = cd_http_exchange_response(exchange);
        const struct cd_http_request *req = cd_http_exchange_request(exchange);

        if (!cd_str_eq(req->upgrade, CD_STR("echo"))) {
                answer(exchange, CD_STR("no tunnel"));
                return;
        }
        if (req->method == CD_HTTP_GET)
                cd_http_response_header(res, CD_STR("Upgrade"), CD_STR("echo"));
        if (cd_http_upgrade(exchange))
                cd_http_pull(exchange, PIECE);
        else
                atomic_fetch_add(&ended, 1);
}

static void begin_tunnel(void *app, struct cd_exchange *exchange)
{
        (void)app;
        if (start(exchange))
                open_tunnel(exchange);
}

/* The end of the request comes before the tunnel is open, as where another server decides about it. */
static void begin_held_tunnel(void *app, struct cd_exchange *exchange)
{
        struct stream *stream = start(exchange);

        (void)app;
        if (stream)
                hold(stream, open_tunnel);
}

static void end_held_tunnel(struct cd_exchange *exchange)
{
        if (held != exchange)
                finish(exchange);
}

static const struct cd_http_streaming tunnel = {
        .begin = begin_tunnel, .data = give_back, .end = finish, .drained = pull_owed, .cancelled = on_cancelled
};
static const struct cd_http_streaming held_tunnel = { .begin = begin_held_tunnel,
                                                      .data = give_back,
                                                      .end = end_held_tunnel,
                                                      .drained = pull_owed,
                                                      .cancelled = on_cancelled };

/* ---- responses that go wrong, or are special ---- */

/* Says 2 N bytes, sends N, and gives up. */
static void begin_cut(void *app, struct cd_exchange *exchange)
{
        struct stream *stream = start(exchange);
        size_t half = (size_t)number_in_query(exchange, 0);

        (void)app;
        if (!stream || !send_head(exchange, (int64_t)(2 * half)))
                return;
        cd_http_push(exchange, cd_str_of(pattern, half < sizeof(pattern) ? half : sizeof(pattern)));
        atomic_fetch_add(&ended, 1);
        cd_http_cancel(exchange);
}

/* Says 10 bytes, and sends N. */
static void begin_wrong_length(void *app, struct cd_exchange *exchange)
{
        size_t count = (size_t)number_in_query(exchange, 0);

        (void)app;
        if (!start(exchange) || !send_head(exchange, 10))
                return;
        cd_http_push(exchange, cd_str_of(pattern, count < sizeof(pattern) ? count : sizeof(pattern)));
        finish(exchange);
}

static void begin_trailers(void *app, struct cd_exchange *exchange)
{
        static struct cd_http_header trailers[] = { { CD_STR_INIT("X-Sum"), CD_STR_INIT("4") },
                                                    { CD_STR_INIT("X-Other"), CD_STR_INIT("a b") } };
        struct cd_http_response *res = cd_http_exchange_response(exchange);

        (void)app;
        if (!start(exchange))
                return;
        cd_http_response_header(res, CD_STR("Trailer"), CD_STR("X-Sum, X-Other"));
        res->trailers = trailers;
        res->trailer_count = CD_LEN(trailers);
        if (!send_head(exchange, CD_HTTP_LENGTH_UNKNOWN))
                return;
        cd_http_push(exchange, CD_STR("body"));
        finish(exchange);
}

static const struct cd_http_streaming cut = { .begin = begin_cut, .cancelled = on_cancelled };
static const struct cd_http_streaming wrong_length = { .begin = begin_wrong_length, .cancelled = on_cancelled };
static const struct cd_http_streaming trailers = { .begin = begin_trailers, .cancelled = on_cancelled };

/* What an upstream said, passed on. */
static void own_date(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_response_header(res, CD_STR("date"), CD_STR("Thu, 01 Jan 1970 00:00:01 GMT"));
        if (req->query.ptr)
                cd_http_response_header(res, CD_STR("SERVER"), CD_STR("another"));
        cd_http_respond(res, 200, text, CD_STR("dated"));
}

static void different(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        for (int i = 0; i < 100; i++)
                cd_http_response_header(res, cd_arena_printf(req->arena, "X-Header-%d", i),
                                        cd_arena_printf(req->arena, "value %d", i));
        cd_http_respond(res, 200, text, CD_STR("many"));
}

/* ---- later ---- */

struct later {
        struct cd_deadline deadline;
        struct cd_exchange *exchange;
};

static void on_later(struct cd_deadline *deadline)
{
        struct later *later = (void *)((char *)deadline - offsetof(struct later, deadline));
        struct cd_http_response *res = cd_http_exchange_response(later->exchange);

        cd_http_respond(res, 200, text, cd_http_exchange_request(later->exchange)->query);
        atomic_fetch_add(&ended, 1);
        cd_http_answer(later->exchange);
}

static void on_later_cancelled(void *arg)
{
        struct later *later = arg;

        cd_loop_cancel_deadline(cd_http_exchange_loop(later->exchange), &later->deadline);
        atomic_fetch_add(&cancelled, 1);
}

/* Answers after so many milliseconds, without a thread that waits. */
static void answer_later(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct later *later = CD_NEW(req->arena, struct later);
        uint64_t ms;

        (void)app;
        if (!later || !cd_str_to_u64(req->query, &ms))
                return;
        atomic_fetch_add(&begun, 1);
        later->exchange = cd_http_answer_later(res, on_later_cancelled, later);
        later->deadline.expired = on_later;
        cd_loop_set_deadline(cd_http_exchange_loop(later->exchange), &later->deadline, (int64_t)ms);
}

/* ---- how a request was understood ---- */

static void add_member(struct cd_buf *json, const char *name, cd_str value)
{
        cd_buf_add_char(json, json->len ? ',' : '{');
        cd_buf_add_json(json, cd_str_from_c(name));
        cd_buf_add_char(json, ':');
        cd_buf_add_json(json, value.ptr ? value : CD_STR("(none)"));
}

static void scheme(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_buf json;
        cd_str body;

        (void)app;
        cd_buf_init(&json, req->arena, 4096);
        add_member(&json, "scheme", req->scheme);
        add_member(&json, "authority", req->authority);
        add_member(&json, "host", req->host);
        add_member(&json, "forwarded_host", req->forwarded_host);
        add_member(&json, "client_address", req->client_address);
        cd_buf_add_char(&json, '}');
        if (cd_buf_view(&json, &body) == CD_OK)
                cd_http_respond(res, 200, CD_STR("application/json"), body);
}

/* Routes that differ in their name alone. */
#define NAMED(name)                                                                                                    \
        static void name(void *app, const struct cd_http_request *req, struct cd_http_response *res)                   \
        {                                                                                                              \
                (void)app;                                                                                             \
                (void)req;                                                                                             \
                cd_http_respond(res, 200, text, CD_STR(#name));                                                        \
        }
NAMED(prefix)
NAMED(longer_prefix)
NAMED(exact)
NAMED(prefix_of_host)
NAMED(any_of_host)
NAMED(put_prefix)

#define WHOLE(m, p, h)                                                                                                 \
        {                                                                                                              \
                .methods = (m), .path = CD_STR_INIT(p), .handler = (h)                                                 \
        }
#define STREAM(m, p, s)                                                                                                \
        {                                                                                                              \
                .methods = (m), .path = CD_STR_INIT(p), .streaming = (s)                                               \
        }
#define PREFIX(m, h, p, f)                                                                                             \
        {                                                                                                              \
                .methods = (m), .host = CD_STR_INIT(h), .path = CD_STR_INIT(p), .is_prefix = true, .handler = (f)      \
        }
const struct cd_http_route stream_routes[] = {
        STREAM(CD_HTTP_POST | CD_HTTP_PUT, "/sink", &sink),
        STREAM(CD_HTTP_POST, "/sink-slow", &slow_sink),
        STREAM(CD_HTTP_POST, "/sink-held", &held_sink),
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/sink-small"), .streaming = &sink, .body_max = 1000 },
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/sink-rate"), .streaming = &sink, .min_rate = 1024 * 1024 },
        STREAM(CD_HTTP_POST, "/unasked", &unasked),
        STREAM(CD_HTTP_GET, "/source", &source),
        STREAM(CD_HTTP_GET, "/source-length", &source_length),
        STREAM(CD_HTTP_POST, "/stream-echo", &stream_echo),
        STREAM(CD_HTTP_POST, "/eager-echo", &eager_echo),
        /* What goes through a tunnel is no body: this limit must not count. */
        { .methods = CD_HTTP_GET | CD_HTTP_POST,
          .path = CD_STR_INIT("/tunnel"),
          .streaming = &tunnel,
          .body_max = 1000 },
        STREAM(CD_HTTP_GET, "/tunnel-held", &held_tunnel),
        STREAM(CD_HTTP_GET, "/cut", &cut),
        STREAM(CD_HTTP_GET, "/wrong-length", &wrong_length),
        STREAM(CD_HTTP_GET, "/trailers", &trailers),
        STREAM(CD_HTTP_ANY, "/method", &method),
        WHOLE(CD_HTTP_GET, "/streams", streams),
        WHOLE(CD_HTTP_POST, "/release", release),
        WHOLE(CD_HTTP_GET, "/later", answer_later),
        WHOLE(CD_HTTP_GET, "/own-date", own_date),
        WHOLE(CD_HTTP_GET, "/different-headers", different),
        WHOLE(CD_HTTP_GET, "/scheme", scheme),
        PREFIX(CD_HTTP_GET, "", "/files/", prefix),
        PREFIX(CD_HTTP_GET, "", "/files/deep", longer_prefix),
        PREFIX(CD_HTTP_PUT, "", "/files/", put_prefix),
        WHOLE(CD_HTTP_GET, "/files/deep/exact", exact),
        PREFIX(CD_HTTP_GET, "app.example", "/files/", prefix_of_host),
        PREFIX(CD_HTTP_GET, "other.example", "/", any_of_host),
};
const size_t stream_route_count = CD_LEN(stream_routes);
