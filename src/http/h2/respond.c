/* Responses over HTTP/2: nghttp2 asks for the bytes of a body when there is room for them. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/secret.h"
#include "http/h2/h2.h"

enum {
        NUMBER_MAX = 20 /* digits */
};

/* ---- header fields ---- */

/* Fields of one response. Names and values live in the exchange's arena, or are static, until the stream is closed. */
struct fields {
        struct cd_arena *arena;
        nghttp2_nv *items;
        size_t count;
        bool failed;
};

static void add(struct fields *f, cd_str name, cd_str value)
{
        value = cd_str_trim(value); /* RFC 9113 §8.2.1 */
        f->items[f->count++] = (nghttp2_nv){
                .name = (uint8_t *)(uintptr_t)name.ptr,
                .namelen = name.len,
                .value = (uint8_t *)(uintptr_t)(value.ptr ? value.ptr : ""),
                .valuelen = value.len,
                .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
        };
}

/* RFC 9113 §8.2: names are lower case. */
static void add_lower(struct fields *f, struct cd_http_header header)
{
        char *name = cd_arena_alloc(f->arena, header.name.len);

        if (!name) {
                f->failed = true;
                return;
        }
        for (size_t i = 0; i < header.name.len; i++) {
                char c = header.name.ptr[i];
                name[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        add(f, cd_str_of(name, header.name.len), header.value);
}

/* RFC 9113 §8.2.2: what is about an HTTP/1.1 connection has no meaning here. */
static bool is_about_connection(cd_str name)
{
        static const cd_str names[] = { CD_STR_INIT("Connection"), CD_STR_INIT("Keep-Alive"), CD_STR_INIT("Upgrade"),
                                        CD_STR_INIT("Transfer-Encoding"), CD_STR_INIT("Proxy-Connection") };

        for (size_t i = 0; i < CD_LEN(names); i++)
                if (cd_str_eq_nocase(name, names[i]))
                        return true;
        return false;
}

static void add_number(struct fields *f, cd_str name, uint64_t value)
{
        struct cd_buf text;

        cd_buf_init(&text, f->arena, NUMBER_MAX);
        cd_buf_add_u64(&text, value);
        f->failed |= text.failed;
        add(f, name, cd_str_of(text.ptr, text.len));
}

/* `length` negative: none is said. False where memory is out. */
static bool collect(struct cd_exchange *x, int64_t length, struct fields *ret)
{
        const struct cd_http_response *res = &x->res;

        *ret = (struct fields){ .arena = &x->arena };
        ret->items = cd_arena_alloc(&x->arena, (res->header_count + 6) * sizeof(*ret->items));
        if (!ret->items)
                return false;
        add_number(ret, CD_STR(":status"), (uint64_t)res->status);
        if (!res->has_server)
                add(ret, CD_STR("server"), CD_STR("Cardea"));
        if (!res->has_date) {
                cd_http_stamp_update(&x->loop->stamp, cd_realtime_us() / 1000000);
                cd_str date = cd_arena_copy(&x->arena, cd_str_of(x->loop->stamp.date, sizeof(x->loop->stamp.date)));
                ret->failed |= !date.ptr;
                add(ret, CD_STR("date"), date);
        }
        if (res->content_type.len)
                add(ret, CD_STR("content-type"), res->content_type);
        if (length >= 0)
                add_number(ret, CD_STR("content-length"), (uint64_t)length);
        for (size_t i = 0; i < res->header_count; i++)
                if (!is_about_connection(res->headers[i].name))
                        add_lower(ret, res->headers[i]);
        if (x->req.request_id.len) {
                add(ret, CD_STR("x-request-id"), x->req.request_id);
                /* No two are the same: in HPACK's table they would only push out what repeats, and each be compared
                 * with all. */
                ret->items[ret->count - 1].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        }
        return !ret->failed;
}

/* ---- bodies ---- */

void cd_h2_drop_front(struct cd_buf *buf, size_t *at, size_t len)
{
        *at += len;
        size_t left = buf->len - *at;
        if (left > *at)
                return;
        if (left)
                memmove(buf->ptr, buf->ptr + *at, left);
        if (buf->len)
                cd_wipe(buf->ptr + left, buf->len - left);
        buf->len = left;
        *at = 0;
}

static cd_str next_bytes(const struct cd_h2_stream *s)
{
        return s->whole.len ? s->whole : cd_str_slice(cd_str_of(s->out.ptr, s->out.len), s->out_at, s->out.len);
}

static void take_bytes(struct cd_h2_stream *s, size_t len)
{
        if (s->whole.len) {
                s->whole = cd_str_slice(s->whole, len, s->whole.len);
                return;
        }
        cd_h2_drop_front(&s->out, &s->out_at, len);
}

/* False where memory is out: without them the body would end as if it were complete. */
static bool end_with_trailers(struct cd_h2_stream *s, uint32_t *flags)
{
        const struct cd_http_response *res = &s->x->res;
        struct fields f = { .arena = &s->x->arena };

        f.items = cd_arena_alloc(f.arena, res->trailer_count * sizeof(*f.items));
        for (size_t i = 0; f.items && i < res->trailer_count; i++)
                add_lower(&f, res->trailers[i]);
        if (!f.items || f.failed || nghttp2_submit_trailer(s->conn->session, s->id, f.items, f.count) != 0)
                return false;
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        return true;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
        struct cd_h2_stream *s = source->ptr;
        cd_str bytes = cd_str_slice(next_bytes(s), 0, max);

        (void)session, (void)id, (void)user;
        if (bytes.len == 0 && !s->out_ended)
                return NGHTTP2_ERR_DEFERRED;
        if (bytes.len)
                memcpy(to, bytes.ptr, bytes.len);
        take_bytes(s, bytes.len);
        s->went += bytes.len;
        s->conn->went += bytes.len;
        if (s->out_ended && next_bytes(s).len == 0) {
                *flags |= NGHTTP2_DATA_FLAG_EOF;
                s->out_done = true;
                if (s->x->res.trailer_count && !end_with_trailers(s, flags))
                        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
        }
        return (ssize_t)bytes.len;
}

/* ---- the wire ---- */

static void submit(struct cd_exchange *x, int64_t length, bool has_body)
{
        struct cd_h2_stream *s = x->stream;
        nghttp2_data_provider provider = { .source = { .ptr = s }, .read_callback = read_body };
        struct fields f;

        if (s->is_closed)
                return;
        s->responds = true;
        s->out_done = !has_body;
        if (!collect(x, length, &f) ||
            nghttp2_submit_response(s->conn->session, s->id, f.items, f.count, has_body ? &provider : NULL) != 0)
                nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
        cd_h2_pump(s->conn);
}

static void respond(struct cd_exchange *x)
{
        struct cd_h2_stream *s = x->stream;
        bool has_no_length = cd_http_has_no_body(x->res.status);

        s->out_ended = true;
        if (cd_exchange_sends_body(x))
                s->whole = x->res.body;
        submit(x, has_no_length ? CD_HTTP_LENGTH_UNKNOWN : (int64_t)x->res.body.len, s->whole.len > 0);
}

static void send_head(struct cd_exchange *x)
{
        struct cd_h2_stream *s = x->stream;

        cd_buf_init(&s->out, NULL, 256 * 1024 * 1024);
        /* Without a body these headers end the stream: they go out when the handler has ended, too. */
        s->is_bodiless = !cd_exchange_sends_body(x);
        if (!s->is_bodiless)
                submit(x, x->length, true);
}

static void resume(struct cd_h2_stream *s)
{
        if (s->is_closed)
                return;
        nghttp2_session_resume_data(s->conn->session, s->id); /* nothing where it was not deferred */
        cd_h2_pump(s->conn);
}

static bool push(struct cd_exchange *x, cd_str bytes)
{
        struct cd_h2_stream *s = x->stream;
        /* A connection may have a hundred streams, so one has less than a connection of HTTP/1. */
        size_t limit = (size_t)x->loop->settings->limits.output / 4;

        if (s->is_closed)
                return false;
        if (bytes.len == 0 || s->is_bodiless || s->out_ended)
                return true;
        cd_buf_add(&s->out, bytes);
        if (s->out.failed) {
                nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
                s->out_ended = true;
        }
        /* What goes out at once makes room, which the handler learns here: `drained` never comes from within its
         * push. */
        s->is_full = false;
        resume(s);
        s->is_full = !s->is_closed && s->out.len - s->out_at >= limit;
        return !s->is_full && !s->is_closed;
}

static void push_end(struct cd_exchange *x)
{
        struct cd_h2_stream *s = x->stream;

        s->out_ended = true;
        resume(s);
}

static void end(struct cd_exchange *x)
{
        struct cd_h2_stream *s = x->stream;

        /* cd_http_push_end has been sent, and the client goes on. */
        if (s->out_done && x->is_upgraded && !s->in_ended && !s->is_closed)
                nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
        s->out_ended = true;
        if (s->is_bodiless)
                submit(x, cd_http_has_no_body(x->res.status) ? CD_HTTP_LENGTH_UNKNOWN : x->length, false);
        else
                resume(s);
}

static void abort_response(struct cd_exchange *x)
{
        struct cd_h2_stream *s = x->stream;

        nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
        cd_h2_pump(s->conn);
}

void cd_h2_send_continue(struct cd_h2_stream *s)
{
        static const nghttp2_nv status = { .name = (uint8_t *)(uintptr_t) ":status",
                                           .namelen = 7,
                                           .value = (uint8_t *)(uintptr_t) "100",
                                           .valuelen = 3 };

        if (s->owes_continue && !s->responds)
                nghttp2_submit_headers(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NULL, &status, 1, NULL);
        s->owes_continue = false;
}

void cd_h2_deliver(struct cd_h2_stream *s)
{
        struct cd_exchange *x = s->x;
        struct cd_http_refusal refusal;

        if (s->delivering)
                return;
        s->delivering = true;
        while (!x->is_over && !s->is_closed && s->in.len > s->in_at && x->credit > 0) {
                cd_str bytes = cd_str_slice(cd_str_of(s->in.ptr + s->in_at, s->in.len - s->in_at), 0, x->credit);
                s->in_at += bytes.len;
                s->came += bytes.len;
                nghttp2_session_consume(s->conn->session, s->id, bytes.len);
                if (!cd_exchange_body(x, bytes, &refusal))
                        cd_exchange_fail(x, refusal);
        }
        cd_h2_drop_front(&s->in, &s->in_at, 0);
        s->delivering = false;
        if (!x->is_over && !s->is_closed && s->in.len == 0 && s->in_ended && !x->body_done)
                cd_exchange_body_end(x);
}

static void pull(struct cd_exchange *x)
{
        struct cd_h2_stream *s = x->stream;

        if (s->is_closed)
                return;
        cd_h2_send_continue(s);
        cd_h2_deliver(s);
        cd_h2_pump(s->conn);
}

const struct cd_http_wire cd_h2_wire = {
        .respond = respond,
        .head = send_head,
        .push = push,
        .push_end = push_end,
        .end = end,
        .abort = abort_response,
        .pull = pull,
};
