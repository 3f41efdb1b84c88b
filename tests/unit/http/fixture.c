#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/h2/conn.h"

enum {
        START_MS = 1000 * 1000,
        RECEIVED_MAX = 64 * 1024 * 1024,
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* ---- the server ---- */

static uint64_t fixed_clock(const struct cd_loop *loop)
{
        const struct cd_http_loop *http = loop->owner;
        const struct fixture *f = (const void *)((const char *)http - offsetof(struct fixture, loop));

        return f->now;
}

void fixture_start(struct fixture *f, const struct cd_http_route *routes, size_t count, void *app)
{
        *f = (struct fixture){ .now = START_MS, .log_fd = -1 };
        f->settings.limits = cd_http_limits_default;
        f->routes = (struct cd_http_routes){ routes, count, app };
        f->listener = (struct cd_http_listener){ .offer = { .table = { .groups = &f->routes, .count = 1 } } };
        f->settings.listeners = &f->listener;
        f->settings.listener_count = 1;
        f->server.loops = &f->loop;
        f->server.loop_count = 1;
        f->loop.server = &f->server;
        f->loop.settings = &f->settings;
        must(cd_loop_init(&f->loop.net, NULL, &f->loop, NULL) == CD_OK && cd_ids_init(&f->loop.ids));
        f->loop.net.clock = fixed_clock;
        cd_wheel_init(&f->loop.net.wheel, f->now);
}

void fixture_stop(struct fixture *f)
{
        cd_streams_close(&f->loop.net);
        fixture_turn(f);
        must(fixture_wait_for_jobs(f));
        must(f->loop.net.stream_count == 0 && atomic_load(&f->server.conns) == 0);
        for (size_t i = 0; i < CD_LEN(f->server.pools); i++)
                must(cd_pool_free(f->server.pools[i], cd_monotonic_us() + 10 * 1000000) == 0);
        cd_loop_done(&f->loop.net);
        while (f->loop.free_exchanges) {
                struct cd_exchange *x = f->loop.free_exchanges;
                f->loop.free_exchanges = x->next;
                cd_arena_done(&x->arena);
                free(x);
        }
        cd_log_free(f->server.log);
        if (f->log_fd >= 0)
                close(f->log_fd);
}

void fixture_add_pool(struct fixture *f, enum cd_http_where where, size_t threads, size_t queue)
{
        const struct cd_pool_options options = { .threads = threads, .queue = queue };
        struct cd_pool *pool = cd_pool_new(&options);

        must(pool != NULL);
        f->server.pools[where - CD_HTTP_WORKER] = pool;
}

/* Twice, since a close is told in the turn after it. */
void fixture_turn(struct fixture *f)
{
        f->loop.net.write_timeout_ms = f->settings.limits.write_timeout_ms;
        cd_loop_turn(&f->loop.net);
        cd_loop_turn(&f->loop.net);
}

void fixture_pass(struct fixture *f, uint64_t ms)
{
        f->now += ms;
        fixture_turn(f);
}

bool fixture_wait_for_jobs(struct fixture *f)
{
        int64_t until = cd_monotonic_us() + 10 * 1000000;

        while (f->loop.net.job_count > 0) {
                if (cd_monotonic_us() > until)
                        return false;
                usleep(500);
                fixture_turn(f);
        }
        return true;
}

/* ---- its log ---- */

void fixture_start_log(struct fixture *f, enum cd_log_level level)
{
        f->log_fd = memfd_create("log", MFD_CLOEXEC);
        must(f->log_fd >= 0);
        f->server.log = cd_log_new(f->log_fd, level, CD_STR(""));
        must(f->server.log != NULL);
}

const char *fixture_log(struct fixture *f)
{
        cd_log_flush(f->server.log);
        ssize_t len = pread(f->log_fd, f->log_text, sizeof(f->log_text) - 1, 0);
        must(len >= 0);
        f->log_text[len] = '\0';
        return f->log_text;
}

size_t fixture_count(const char *text, const char *needle)
{
        size_t count = 0;

        while ((text = strstr(text, needle))) {
                count++;
                text++;
        }
        return count;
}

/* ---- clients ---- */

void client_connect_as(struct client *c, struct fixture *f, size_t window)
{
        c->f = f;
        c->at = 0;
        c->peer.offer = f->listener.offer;
        cd_buf_init(&c->received, NULL, RECEIVED_MAX);
        must(cd_loopback_init(&c->wire, &f->loop.net, window));
        atomic_fetch_add(c->peer.is_turned_away ? &f->server.turned_away : &f->server.conns, 1);
        must(c->is_http2 ? cd_h2_conn_new(&f->loop, c->wire.stream, &c->peer) != NULL
                         : cd_h1_conn_new(&f->loop, c->wire.stream, &c->peer) != NULL);
        c->wire.stream->events->opened(c->wire.stream);
}

void client_connect(struct client *c, struct fixture *f, size_t window)
{
        *c = (struct client){ .peer = { .address = CD_STR("192.0.2.7") } };
        client_connect_as(c, f, window);
}

void client_done(struct client *c)
{
        if (c->wire.stream)
                cd_stream_close(c->wire.stream);
        fixture_turn(c->f);
        must(!c->wire.stream);
        cd_loopback_done(&c->wire);
        cd_buf_done(&c->received);
}

bool client_send(struct client *c, cd_str bytes)
{
        bool is_read = cd_loopback_feed(&c->wire, bytes);

        fixture_turn(c->f);
        return is_read;
}

void client_end(struct client *c)
{
        cd_loopback_feed_end(&c->wire, false);
        fixture_turn(c->f);
}

void client_reset(struct client *c)
{
        cd_loopback_feed_end(&c->wire, true);
        fixture_turn(c->f);
}

size_t client_read(struct client *c, size_t max)
{
        size_t total = 0, len = 1;

        while (total < max && len > 0) {
                char some[16384];
                len = cd_loopback_take(&c->wire, some, max - total < sizeof(some) ? max - total : sizeof(some));
                cd_buf_add(&c->received, cd_str_of(some, len));
                total += len;
                fixture_turn(c->f);
        }
        must(!c->received.failed);
        return total;
}

cd_str client_read_all(struct client *c)
{
        client_read(c, SIZE_MAX);
        return cd_str_slice(cd_str_of(c->received.ptr, c->received.len), c->at, c->received.len);
}

/* ---- responses ---- */

cd_str answer_header(const struct answer *answer, const char *name)
{
        cd_str rest = answer->head, line;

        while (cd_str_take_until(&rest, '\n', &line)) {
                size_t colon = cd_str_index(line, ':');
                if (colon < line.len && cd_str_eq_nocase(cd_str_slice(line, 0, colon), cd_str_from_c(name)))
                        return cd_str_trim(cd_str_slice(line, colon + 1, line.len - colon - 2));
        }
        return (cd_str){ NULL, 0 };
}

static bool has_no_body(int status)
{
        return status < 200 || status == 204 || status == 304;
}

/* Moves the chunks together at `to`. Returns what was used, 0: not complete, or SIZE_MAX: wrong. */
static size_t join_chunks(char *bytes, size_t len, struct answer *answer)
{
        size_t at = 0, body = 0;

        for (;;) {
                size_t size = 0, digits = 0;
                for (; at < len && strchr("0123456789abcdef", bytes[at]) && bytes[at]; at++, digits++)
                        size = size * 16 + (size_t)(bytes[at] <= '9' ? bytes[at] - '0' : bytes[at] - 'a' + 10);
                if (at + 2 > len)
                        return 0;
                if (digits == 0 || digits > 8 || bytes[at] != '\r' || bytes[at + 1] != '\n')
                        return SIZE_MAX;
                at += 2;
                if (size == 0)
                        break;
                if (len - at < size + 2)
                        return 0;
                if (memcmp(bytes + at + size, "\r\n", 2) != 0)
                        return SIZE_MAX;
                memmove(bytes + body, bytes + at, size);
                body += size;
                at += size + 2;
        }
        answer->body = cd_str_of(bytes, body);
        const char *end = len - at >= 2 && memcmp(bytes + at, "\r\n", 2) == 0
                                  ? bytes + at - 2
                                  : memmem(bytes + at, len - at, "\r\n\r\n", 4);
        if (!end)
                return 0;
        size_t used = (size_t)(end - bytes) + 4;
        answer->trailers = cd_str_slice(cd_str_of(bytes, len), at, used - at - 2);
        return used;
}

/* A copy is judged first: chunks that are not complete yet must stay as they are. */
static size_t take_chunks(char *bytes, size_t len, struct answer *answer)
{
        char *copy = malloc(len ? len : 1);
        struct answer probe;

        must(copy != NULL);
        memcpy(copy, bytes, len);
        size_t used = join_chunks(copy, len, &probe);
        free(copy);
        return used == 0 || used == SIZE_MAX ? used : join_chunks(bytes, len, answer);
}

struct answer take_answer(char *bytes, size_t len, bool to_head, size_t *retused)
{
        static const struct answer none = { 0 }, wrong = { .status = -1 };
        const char *end = len ? memmem(bytes, len, "\r\n\r\n", 4) : NULL;
        struct answer answer = { 0 };
        uint64_t length;

        *retused = 0;
        if (!end)
                return none;
        answer.head = cd_str_of(bytes, (size_t)(end - bytes) + 4);
        if (answer.head.len < 17 || memcmp(bytes, "HTTP/1.1 ", 9) != 0 || bytes[12] != ' ')
                return wrong;
        for (size_t i = 9; i < 12; i++)
                answer.status = answer.status * 10 + (bytes[i] - '0');
        size_t used = answer.head.len;
        cd_str said = answer_header(&answer, "Content-Length");
        if (said.ptr && (!cd_str_to_u64(said, &length) || answer_header(&answer, "Transfer-Encoding").ptr))
                return wrong;
        if (has_no_body(answer.status) || to_head) {
                *retused = used;
                return answer;
        }
        if (said.ptr) {
                if (len - used < length)
                        return none;
                answer.body = cd_str_of(bytes + used, (size_t)length);
                used += (size_t)length;
        } else if (cd_str_eq(answer_header(&answer, "Transfer-Encoding"), CD_STR("chunked"))) {
                size_t chunks = take_chunks(bytes + used, len - used, &answer);
                if (chunks == 0 || chunks == SIZE_MAX)
                        return chunks ? wrong : none;
                used += chunks;
        } else {
                answer.to_end = true;
                answer.body = cd_str_of(bytes + used, len - used);
                used = len;
        }
        *retused = used;
        return answer;
}

struct answer client_answer(struct client *c, bool to_head)
{
        size_t used = 0;

        client_read_all(c);
        struct answer answer =
                take_answer(c->received.ptr ? c->received.ptr + c->at : NULL, c->received.len - c->at, to_head, &used);
        c->at += used;
        return answer;
}

/* ---- a handler that streams ---- */

static struct recorder *recorder_of(struct cd_exchange *x, char event)
{
        struct recorder *r = cd_http_exchange_state(x);
        size_t len = strlen(r->events);

        must(len + 1 < sizeof(r->events) && r->x == x);
        r->events[len] = event;
        return r;
}

static void on_begin(void *app, struct cd_exchange *x)
{
        struct recorder *r = app;

        must(r->x == NULL);
        r->x = x;
        cd_http_exchange_set_state(x, r);
        recorder_of(x, 'g');
        if (r->pull)
                cd_http_pull(x, r->pull);
        if (r->on_begin)
                r->on_begin(r);
}

static void on_data(struct cd_exchange *x, cd_str bytes)
{
        struct recorder *r = recorder_of(x, 'd');

        must(bytes.len > 0);
        if (r->on_early_data)
                r->on_early_data(r);
        cd_buf_add(&r->body, bytes);
        if (r->on_data)
                r->on_data(r);
}

static void on_end(struct cd_exchange *x)
{
        struct recorder *r = recorder_of(x, 'e');

        if (r->on_end)
                r->on_end(r);
}

static void on_drained(struct cd_exchange *x)
{
        struct recorder *r = recorder_of(x, 'r');

        if (r->on_drained)
                r->on_drained(r);
}

static void on_cancelled(struct cd_exchange *x)
{
        recorder_of(x, 'c')->x = NULL;
}

const struct cd_http_streaming recorder_streaming = {
        .begin = on_begin,
        .data = on_data,
        .end = on_end,
        .drained = on_drained,
        .cancelled = on_cancelled,
};

void recorder_init(struct recorder *r)
{
        *r = (struct recorder){ 0 };
        cd_buf_init(&r->body, NULL, RECEIVED_MAX);
}

void recorder_done(struct recorder *r)
{
        cd_buf_done(&r->body);
}
