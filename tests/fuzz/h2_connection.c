/* A whole HTTP/2 connection over loopback. The first byte says how the rest is used: as bytes of the client after its
 * preface and settings, or as a program that makes frames, lets time pass, reads, and lets handlers act. What the
 * server sends is taken apart again. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "http/h2/h2.h"
#include "unit/http/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        INPUT_MAX = 16384,
        STREAM_MAX = 4096,
        ACTORS_MAX = 512,
        PUSH_MAX = 3000,
        OUTPUT = 2048,
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* ---- handlers ---- */

/* A streaming handler that does at each event what the query of its request says next. */
struct actor {
        struct cd_exchange *x; /* NULL: over */
        cd_str script;
        bool has_head, is_full;
        bool is_later;
};

static struct actor actors[ACTORS_MAX];
static size_t actor_count;
static char filler[PUSH_MAX];

static struct actor *add_actor(struct cd_exchange *x)
{
        must(actor_count < ACTORS_MAX);
        struct actor *a = &actors[actor_count++];
        *a = (struct actor){ .x = x };
        return a;
}

static void finish(struct actor *a, bool cancels)
{
        struct cd_exchange *x = a->x;

        a->x = NULL;
        if (cancels)
                cd_http_cancel(x);
        else
                cd_http_end(x);
}

static void send_head(struct actor *a, char action)
{
        static struct cd_http_header trailer = { CD_STR_INIT("X-Sum"), CD_STR_INIT("1") };
        struct cd_http_response *res = cd_http_exchange_response(a->x);
        struct cd_exchange *x = a->x;

        if (a->has_head)
                return;
        a->has_head = true;
        res->status = action == '2' ? 204 : action == '3' ? 304 : 200;
        if (action == 't') {
                res->trailers = &trailer;
                res->trailer_count = 1;
        }
        if (action == 'b')
                cd_http_response_header(res, CD_STR("x"), CD_STR("a\nb"));
        /* Where it says false the exchange is over. */
        bool ok =
                action == 'u' ? cd_http_upgrade(x) : cd_http_send_head(x, action == 'l' ? 10 : CD_HTTP_LENGTH_UNKNOWN);
        if (!ok)
                a->x = NULL;
}

static void push(struct actor *a, size_t len)
{
        send_head(a, 'h');
        if (a->x && !a->is_full)
                a->is_full = !cd_http_push(a->x, cd_str_of(filler, len));
}

static void act(struct actor *a)
{
        if (!a->x || a->is_later || a->script.len == 0)
                return;
        char action = a->script.ptr[0];
        a->script = cd_str_slice(a->script, 1, a->script.len);
        switch (action) {
        case 'p':
                cd_http_pull(a->x, 7);
                return;
        case 'P':
                cd_http_pull(a->x, 100000);
                return;
        case 'h':
        case 't':
        case 'u':
        case 'l':
        case 'b':
        case '2':
        case '3':
                send_head(a, action);
                return;
        case 'w':
                push(a, 10);
                return;
        case 'W':
                push(a, PUSH_MAX);
                return;
        case 'e':
                send_head(a, 'h');
                if (a->x)
                        finish(a, false);
                return;
        case 'c':
                finish(a, true);
                return;
        case 'a': /* two at once */
                act(a);
                act(a);
                return;
        default:
                return;
        }
}

static void on_begin(void *app, struct cd_exchange *x)
{
        struct actor *a = add_actor(x);

        (void)app;
        cd_http_exchange_set_state(x, a);
        a->script = cd_http_exchange_request(x)->query;
        act(a);
}

static void on_data(struct cd_exchange *x, cd_str bytes)
{
        struct actor *a = cd_http_exchange_state(x);

        must(a->x == x && bytes.len > 0);
        act(a);
        if (a->x && a->has_head && !a->is_full)
                a->is_full = !cd_http_push(x, bytes);
}

static void on_end(struct cd_exchange *x)
{
        struct actor *a = cd_http_exchange_state(x);

        must(a->x == x);
        act(a);
}

static void on_drained(struct cd_exchange *x)
{
        struct actor *a = cd_http_exchange_state(x);

        must(a->x == x && a->is_full);
        a->is_full = false;
        act(a);
}

static void on_cancelled(struct cd_exchange *x)
{
        struct actor *a = cd_http_exchange_state(x);

        must(a->x == x);
        a->x = NULL;
}

static const struct cd_http_streaming streaming = {
        .begin = on_begin, .data = on_data, .end = on_end, .drained = on_drained, .cancelled = on_cancelled
};

static void on_later_cancelled(void *arg)
{
        struct actor *a = arg;

        must(a->x != NULL);
        a->x = NULL;
}

static void later(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct actor *a = add_actor(NULL);

        (void)app, (void)req;
        a->is_later = true;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("late"));
        a->x = cd_http_answer_later(res, on_later_cancelled, a);
}

static void echo(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), req->body);
        for (size_t i = 0; i < req->header_count; i++)
                cd_http_response_header(res, req->headers[i].name, req->headers[i].value);
}

static void big(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static char text[100000];

        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR(""), cd_str_of(text, sizeof(text)));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/e"), .handler = echo },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/l"), .handler = later },
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/b"), .handler = big },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/s"), .streaming = &streaming, .min_rate = 10 },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/m"), .streaming = &streaming, .body_max = 100 },
};

/* Outside of any event of the connection, as from a timer or an upstream. */
static void act_all(void)
{
        for (size_t i = 0; i < actor_count; i++) {
                struct actor *a = &actors[i];
                if (a->x && a->is_later) {
                        struct cd_exchange *x = a->x;
                        a->x = NULL;
                        cd_http_answer(x);
                } else {
                        act(a);
                }
        }
}

/* ---- what the server sends ---- */

struct reader {
        size_t at; /* in the client's memory */
        nghttp2_hd_inflater *inflater;
        bool has_settings;
        bool block_ends;
        struct {
                int32_t id;
                unsigned state;
        } streams[STREAM_MAX];
        size_t count;
};

enum state {
        HAS_HEAD = 1, /* a final one */
        HAS_ENDED = 2,
        WAS_RESET = 4,
};

static unsigned *state_of(struct reader *r, int32_t id)
{
        for (size_t i = r->count; i > 0; i--)
                if (r->streams[i - 1].id == id)
                        return &r->streams[i - 1].state;
        must(r->count < STREAM_MAX);
        r->streams[r->count].id = id;
        r->streams[r->count].state = 0;
        return &r->streams[r->count++].state;
}

static void read_block(struct reader *r, int32_t id, const uint8_t *data, size_t len, bool ends)
{
        unsigned *state = state_of(r, id);
        bool is_first = true, is_info = false;

        for (;;) {
                nghttp2_nv nv;
                int flags = 0;
                ssize_t used = nghttp2_hd_inflate_hd2(r->inflater, &nv, &flags, data, len, ends);
                must(used >= 0);
                data += used;
                len -= (size_t)used;
                if (flags & NGHTTP2_HD_INFLATE_EMIT) {
                        bool is_status = nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0;
                        must(nv.namelen > 0 && is_status == (is_first && !(*state & HAS_HEAD)));
                        for (size_t i = 0; i < nv.namelen; i++)
                                must(nv.name[i] > ' ' && !(nv.name[i] >= 'A' && nv.name[i] <= 'Z'));
                        for (size_t i = 0; i < nv.valuelen; i++)
                                must(nv.value[i] != '\r' && nv.value[i] != '\n' && nv.value[i] != '\0');
                        is_info |= is_status && nv.value[0] == '1';
                        is_first = false;
                }
                if (flags & NGHTTP2_HD_INFLATE_FINAL) {
                        nghttp2_hd_inflate_end_headers(r->inflater);
                        break;
                }
                if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && len == 0)
                        break;
        }
        /* The blocks of these handlers fit into one frame. */
        must(ends && !(is_info && r->block_ends));
        if (!is_info)
                *state |= HAS_HEAD;
}

static void read_frame(struct reader *r, uint8_t type, uint8_t flags, int32_t id, const uint8_t *data, size_t len)
{
        unsigned *state = state_of(r, id);

        must(len <= 16384 && id >= 0);
        must(r->has_settings || type == NGHTTP2_SETTINGS);
        switch (type) {
        case NGHTTP2_DATA:
        case NGHTTP2_HEADERS:
                must(id % 2 == 1 && !(*state & (HAS_ENDED | WAS_RESET)));
                r->block_ends = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
                if (type == NGHTTP2_HEADERS) {
                        must(!(flags & (NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY)));
                        must(!(*state & HAS_HEAD) || r->block_ends);
                        read_block(r, id, data, len, (flags & NGHTTP2_FLAG_END_HEADERS) != 0);
                } else {
                        must(*state & HAS_HEAD);
                }
                if (r->block_ends)
                        *state |= HAS_ENDED;
                return;
        case NGHTTP2_RST_STREAM:
                must(id % 2 == 1 && len == 4);
                *state |= WAS_RESET;
                return;
        case NGHTTP2_SETTINGS:
                must(id == 0 && len % 6 == 0);
                r->has_settings = true;
                return;
        case NGHTTP2_PING:
                must(id == 0 && len == 8 && (flags & NGHTTP2_FLAG_ACK));
                return;
        case NGHTTP2_GOAWAY:
                must(id == 0 && len >= 8);
                return;
        case NGHTTP2_WINDOW_UPDATE:
                must(len == 4 && (data[0] | data[1] | data[2] | data[3]) != 0);
                return;
        default:
                abort();
        }
}

static void read_frames(struct reader *r, const struct client *c)
{
        const uint8_t *bytes = (const uint8_t *)c->received.ptr;

        while (c->received.len - r->at >= 9) {
                const uint8_t *h = bytes + r->at;
                size_t len = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
                if (c->received.len - r->at < 9 + len)
                        return;
                int32_t id = (int32_t)((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]);
                read_frame(r, h[3], h[4], id, h + 9, len);
                r->at += 9 + len;
        }
}

/* ---- the client ---- */

static struct fixture f;
static struct client c;
static struct cd_buf unsent;
static size_t split;

static void check_memory(void)
{
        if (!c.wire.stream || c.wire.is_closed)
                return;
        const struct cd_h2_conn *conn = c.wire.stream->owner;
        must(cd_stream_queued(c.wire.stream) <= OUTPUT + 16384 + 9 + OUTPUT);
        must(!conn->closed || c.wire.stream->ending || cd_stream_queued(c.wire.stream) > 0);
        for (const struct cd_h2_stream *s = conn->streams; s; s = s->after) {
                must(s->in.len - s->in_at <= 256 * 1024 && s->out.len - s->out_at <= OUTPUT + PUSH_MAX + INPUT_MAX);
                must(!s->is_closed && (s->x->is_over || s->in.len == s->in_at || s->x->credit == 0 || s->x->body_done));
        }
}

static void send_bytes(const void *bytes, size_t len)
{
        size_t at = 0;

        if (unsent.len < INPUT_MAX)
                cd_buf_add(&unsent, cd_str_of(bytes, len));
        while (at < unsent.len) {
                cd_str part = cd_str_slice(cd_str_of(unsent.ptr, unsent.len), at, split ? split : unsent.len);
                if (!cd_loopback_feed(&c.wire, part))
                        break;
                at += part.len;
        }
        fixture_turn(&f);
        unsent.len -= at;
        if (unsent.len && at)
                memmove(unsent.ptr, unsent.ptr + at, unsent.len);
        check_memory();
}

static void send_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t len)
{
        const uint8_t head[9] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
                                  (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };
        uint8_t frame[9 + 1024];

        must(len <= 1024);
        memcpy(frame, head, 9);
        if (len)
                memcpy(frame + 9, payload, len);
        send_bytes(frame, 9 + len);
}

/* ---- frames from a program ---- */

struct program {
        const uint8_t *at, *end;
        uint32_t next_id;
};

static uint8_t take(struct program *p)
{
        return p->at < p->end ? *p->at++ : 0;
}

static uint32_t take_id(struct program *p, bool may_be_new)
{
        uint8_t which = take(p);
        uint32_t id = which < 200 ? p->next_id - 2 * (which % 16U) : which < 220 ? p->next_id + 2 : which % 20U;

        if (may_be_new && which < 128) {
                p->next_id += 2;
                return p->next_id;
        }
        return (int32_t)id < 0 || id >= STREAM_MAX ? 1 : id;
}

static void put_field(struct cd_buf *block, cd_str name, cd_str value)
{
        cd_buf_add_char(block, 0); /* a literal that is not indexed (RFC 7541 §6.2.2) */
        cd_buf_add_char(block, (char)name.len);
        cd_buf_add(block, name);
        cd_buf_add_char(block, (char)value.len);
        cd_buf_add(block, value);
}

static cd_str take_text(struct program *p)
{
        size_t len = take(p) % 32, left = (size_t)(p->end - p->at);
        cd_str s = cd_str_of((const char *)p->at, len < left ? len : left);

        p->at += s.len;
        return s;
}

static void send_headers(struct program *p)
{
        static const cd_str methods[] = { CD_STR_INIT("GET"), CD_STR_INIT("POST"), CD_STR_INIT("HEAD"),
                                          CD_STR_INIT("CONNECT"), CD_STR_INIT("PUT") };
        static const cd_str paths[] = { CD_STR_INIT("/s?"), CD_STR_INIT("/m?"),   CD_STR_INIT("/e"), CD_STR_INIT("/l"),
                                        CD_STR_INIT("/b"),  CD_STR_INIT("/none"), CD_STR_INIT("*") };
        static const cd_str names[] = {
                CD_STR_INIT("content-length"), CD_STR_INIT("expect"), CD_STR_INIT("cookie"), CD_STR_INIT("host"),
                CD_STR_INIT("content-type"),   CD_STR_INIT("x"),      CD_STR_INIT("te"),     CD_STR_INIT("traceparent")
        };
        uint32_t id = take_id(p, true);
        uint8_t flags = take(p), method = take(p), path = take(p), extra = take(p);
        char memory[1024], path_memory[64];
        struct cd_buf block, target;

        cd_buf_init_fixed(&block, memory, sizeof(memory));
        cd_buf_init_fixed(&target, path_memory, sizeof(path_memory));
        cd_str name = methods[method % CD_LEN(methods)];
        if (flags & NGHTTP2_FLAG_PADDED)
                cd_buf_add_char(&block, (char)(extra & 7));
        if (flags & NGHTTP2_FLAG_PRIORITY)
                cd_buf_add(&block, CD_STR("\0\0\0\1\7"));
        if (!(method & 0x80)) { /* else trailers */
                put_field(&block, CD_STR(":method"), name);
                put_field(&block, CD_STR(":scheme"), CD_STR("http"));
                if (!(method & 0x40))
                        put_field(&block, CD_STR(":authority"), CD_STR("a"));
                if (name.len == 7 && !(method & 0x20))
                        put_field(&block, CD_STR(":protocol"), CD_STR("websocket"));
                cd_buf_add(&target, paths[path % CD_LEN(paths)]);
                if (path % CD_LEN(paths) < 2)
                        cd_buf_add(&target, take_text(p));
                put_field(&block, CD_STR(":path"), cd_str_of(target.ptr, target.len));
        }
        for (unsigned i = 0; i < (extra >> 3) % 8U; i++) {
                cd_str field = names[take(p) % CD_LEN(names)], text = take_text(p);
                put_field(&block, field,
                          cd_str_eq(field, CD_STR("expect")) && text.len == 0 ? CD_STR("100-continue") : text);
        }
        if (flags & NGHTTP2_FLAG_PADDED)
                for (int i = 0; i < (extra & 7); i++)
                        cd_buf_add_char(&block, 0);
        if (block.failed)
                return;
        /* Complete, or its second half in a frame of its own. */
        if (flags & 0x80) {
                send_frame(NGHTTP2_HEADERS, flags & ~NGHTTP2_FLAG_END_HEADERS & 0x7f, id, block.ptr, block.len / 2);
                send_frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, id, block.ptr + block.len / 2,
                           block.len - block.len / 2);
        } else {
                send_frame(NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, block.ptr, block.len);
        }
}

static void send_data(struct program *p)
{
        uint32_t id = take_id(p, false);
        uint8_t flags = take(p) & (NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PADDED);
        size_t len = take(p) * 4U;
        uint8_t payload[1024] = { 0 };

        if (flags & NGHTTP2_FLAG_PADDED)
                payload[0] = take(p);
        send_frame(NGHTTP2_DATA, flags, id, payload, len);
}

static void send_small(struct program *p, uint8_t type)
{
        uint8_t payload[8];
        static const size_t lengths[] = {
                [NGHTTP2_PRIORITY] = 5, [NGHTTP2_RST_STREAM] = 4, [NGHTTP2_SETTINGS] = 6,
                [NGHTTP2_PING] = 8,     [NGHTTP2_GOAWAY] = 8,     [NGHTTP2_WINDOW_UPDATE] = 4
        };
        uint32_t id = type == NGHTTP2_PRIORITY || type == NGHTTP2_RST_STREAM || type == NGHTTP2_WINDOW_UPDATE
                              ? take_id(p, false)
                              : 0;

        for (size_t i = 0; i < 8; i++)
                payload[i] = i < lengths[type] ? take(p) : 0;
        if (type == NGHTTP2_SETTINGS) {
                payload[0] = 0;
                payload[1] &= 7;
        }
        send_frame(type, 0, id, payload, lengths[type]);
}

static void send_any(struct program *p)
{
        uint8_t type = take(p), flags = take(p), payload[32];
        uint32_t id = take_id(p, false);
        size_t len = take(p) % 32;

        for (size_t i = 0; i < len; i++)
                payload[i] = take(p);
        send_frame(type, flags, id, payload, len);
}

static void step(struct program *p, struct reader *r)
{
        static const uint8_t small[] = { NGHTTP2_WINDOW_UPDATE, NGHTTP2_RST_STREAM, NGHTTP2_PING,
                                         NGHTTP2_SETTINGS,      NGHTTP2_PRIORITY,   NGHTTP2_GOAWAY };
        uint8_t op = take(p);

        switch (op % 16) {
        case 0:
        case 1:
        case 2:
                send_headers(p);
                break;
        case 3:
        case 4:
                send_data(p);
                break;
        case 5:
                send_any(p);
                break;
        case 6:
                client_read(&c, take(p) * 16U);
                break;
        case 7:
                fixture_pass(&f, take(p) * 500U);
                break;
        case 8:
        case 9:
                act_all();
                break;
        case 10:
                if (op == 250)
                        cd_streams_stop(&f.loop.net);
                else if (op == 234)
                        client_end(&c);
                else
                        send_small(p, NGHTTP2_WINDOW_UPDATE);
                break;
        default:
                send_small(p, small[op % 16 - 11 + (op >= 160)]);
        }
        check_memory();
        read_frames(r, &c);
}

/* ---- one connection ---- */

static void begin(struct reader *r, uint8_t mode)
{
        r->at = r->count = 0;
        r->has_settings = r->block_ends = false;
        must(nghttp2_hd_inflate_new(&r->inflater) == 0);
        actor_count = 0;
        cd_buf_init(&unsent, NULL, 1024 * 1024);
        split = mode & 2 ? 1 + (mode >> 2) % 8 : 0;
        fixture_start(&f, routes, CD_LEN(routes), NULL);
        f.settings.limits.headers = 1024;
        f.settings.limits.header_count = 8;
        f.settings.limits.request_line = 64;
        f.settings.limits.body = 512;
        f.settings.limits.output = OUTPUT;
        c = (struct client){ .peer = { .address = CD_STR("192.0.2.7"), .is_trusted = mode & 64 }, .is_http2 = true };
        client_connect_as(&c, &f, mode & 128 ? 1000 : 1024 * 1024);
        cd_stream_read(c.wire.stream, true);
        send_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
        send_frame(NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\x10\0", mode & 32 ? 6 : 0);
}

static void end(struct reader *r)
{
        /* Somebody who waits is given the chance to go on, then everything times out. */
        for (int i = 0; i < 3; i++) {
                act_all();
                client_read_all(&c);
                read_frames(r, &c);
                check_memory();
        }
        for (int i = 0; i < 8; i++) {
                fixture_pass(&f, 20 * 1000);
                client_read_all(&c);
        }
        read_frames(r, &c);
        client_done(&c);
        fixture_stop(&f);
        for (size_t i = 0; i < actor_count; i++)
                must(!actors[i].x);
        nghttp2_hd_inflate_del(r->inflater);
        cd_buf_done(&unsent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct reader reader;

        if (size < 2 || size > INPUT_MAX)
                return 0;
        begin(&reader, data[0]);
        if (data[0] & 1) {
                struct program p = { data + 1, data + size, (uint32_t)-1 };
                while (p.at < p.end && actor_count + 2 < ACTORS_MAX && p.next_id + 3 < STREAM_MAX)
                        step(&p, &reader);
        } else {
                send_bytes(data + 1, size - 1);
                act_all();
                send_bytes("", 0);
        }
        end(&reader);
        return 0;
}
