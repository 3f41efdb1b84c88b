/* The response of a server behind the gate, in one piece and in pieces of any lengths: both are reported alike.
 * Whatever comes, headers and trailers cannot be read as anything else, the body is as long as was said, and the last
 * event comes once. A body that was accepted is written again as chunks, and read again. */
#include <stdlib.h>
#include <string.h>

#include "upstream/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEAD_MAX = 2048,
};

/* What was reported, as text. */
struct report {
        struct cd_http1_reader reader;
        struct cd_buf text, body;
        cd_str fed;
        int64_t length;
        int status;
        const char *reason; /* NULL: it has not failed */
        bool is_head, has_ended, can_keep;
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void add_headers(struct report *r, const struct cd_http_header *headers, size_t count)
{
        must(count <= CD_HTTP1_HEADERS_MAX);
        for (size_t i = 0; i < count; i++) {
                cd_str value = headers[i].value;
                must(cd_http_is_token(headers[i].name) && !cd_http_looks_like_framing(headers[i].name));
                for (size_t at = 0; at < value.len; at++)
                        must(value.ptr[at] != '\r' && value.ptr[at] != '\n' && value.ptr[at] != '\0');
                cd_buf_add(&r->text, headers[i].name);
                cd_buf_add_char(&r->text, ':');
                cd_buf_add(&r->text, value);
                cd_buf_add_char(&r->text, '\n');
        }
}

static void on_head(void *owner, const struct cd_upstream_head *head)
{
        struct report *r = owner;

        must(r->status == 0 && !r->has_ended);
        must(head->status == 101 ? head->upgrade.ptr != NULL : head->status >= 200 && head->status <= 599);
        must(head->length >= CD_UPSTREAM_LENGTH_UNKNOWN);
        r->status = head->status;
        r->length = head->length;
        cd_buf_add_i64(&r->text, head->status);
        cd_buf_add_i64(&r->text, head->length);
        add_headers(r, head->headers, head->header_count);
}

static void on_data(void *owner, cd_str bytes)
{
        struct report *r = owner;

        must(r->status != 0 && !r->has_ended && !r->is_head);
        must(bytes.len > 0 && bytes.ptr >= r->fed.ptr && bytes.ptr + bytes.len <= r->fed.ptr + r->fed.len);
        cd_buf_add(&r->body, bytes);
        must(r->length < 0 || r->status == 101 || r->body.len <= (uint64_t)r->length);
}

static void on_end(void *owner, const struct cd_http_header *trailers, size_t count, bool can_keep)
{
        struct report *r = owner;
        bool has_body = !r->is_head && r->status >= 200 && r->status != 204 && r->status != 304;

        must(r->status != 0 && !r->has_ended);
        must(r->length < 0 || !has_body || r->body.len == (uint64_t)r->length);
        r->has_ended = true;
        r->can_keep = can_keep;
        add_headers(r, trailers, count);
}

static void on_failed(void *owner, enum cd_upstream_failure failure, const char *reason)
{
        struct report *r = owner;

        must(!r->has_ended && reason && *reason);
        must(failure == CD_UPSTREAM_INVALID || failure == CD_UPSTREAM_CLOSED);
        r->has_ended = true;
        r->reason = reason;
}

static const struct cd_http1_events events = { on_head, on_data, on_end, on_failed };

/* In memory that ends where the piece ends, so that a sanitizer sees a byte too far, or a view that was kept. */
static void feed(struct report *r, cd_str piece)
{
        char *copy = malloc(piece.len ? piece.len : 1);

        must(copy != NULL);
        memcpy(copy, piece.ptr, piece.len);
        r->fed = cd_str_of(copy, piece.len);
        cd_http1_reader_feed(&r->reader, r->fed);
        free(copy);
}

/* `seed` 0: in one piece. */
static void read_all(struct report *r, const struct cd_upstream_request *request, cd_str bytes, unsigned seed,
                     bool is_broken)
{
        *r = (struct report){ .is_head = request->is_head };
        cd_buf_init(&r->text, NULL, SIZE_MAX);
        cd_buf_init(&r->body, NULL, SIZE_MAX);
        cd_http1_reader_start(&r->reader, request, HEAD_MAX, &events, r);
        while (bytes.len > 0) {
                cd_str piece = cd_str_slice(bytes, 0, seed ? 1 + seed / 7 % (seed % 4 ? 5 : 200) : bytes.len);
                seed = seed ? seed * 1103515245 + 12345 : 0;
                feed(r, piece);
                bytes = cd_str_slice(bytes, piece.len, bytes.len);
        }
        cd_http1_reader_end(&r->reader, is_broken);
        must(r->has_ended);
        cd_http1_reader_done(&r->reader);
}

static void done(struct report *r)
{
        cd_buf_done(&r->text);
        cd_buf_done(&r->body);
}

static bool is_same(const struct cd_buf *a, const struct cd_buf *b)
{
        return cd_str_eq(cd_str_of(a->ptr, a->len), cd_str_of(b->ptr, b->len));
}

/* Which fault is seen first may depend on the pieces, and so may whether bytes after the end are seen. */
static void compare(const struct report *whole, const struct report *split)
{
        if (whole->reason && strcmp(whole->reason, "bytes after a response that has no body") == 0)
                return;
        must(!whole->reason == !split->reason && whole->status == split->status);
        must(is_same(&whole->body, &split->body) && (whole->reason || is_same(&whole->text, &split->text)));
        must(!whole->can_keep || split->can_keep);
}

/* The body in chunks, as a request has it, is read as the same body. */
static void write_again(const struct report *r, unsigned seed)
{
        struct cd_upstream_request request = { .method = CD_STR("GET"), .target = CD_STR("/") };
        cd_str rest = cd_str_of(r->body.ptr, r->body.len);
        struct report again;
        struct cd_buf out;

        cd_buf_init(&out, NULL, SIZE_MAX);
        cd_buf_add(&out, CD_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
        while (rest.len > 0) {
                cd_str piece = cd_str_slice(rest, 0, 1 + seed % 97);
                cd_http1_write_chunk(&out, piece);
                rest = cd_str_slice(rest, piece.len, rest.len);
        }
        must(cd_http1_write_last_chunk(&out, NULL, 0) == CD_OK);
        read_all(&again, &request, cd_str_of(out.ptr, out.len), seed | 1, false);
        must(!again.reason && again.can_keep && is_same(&again.body, &r->body));
        done(&again);
        cd_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_upstream_request request = { 0 };
        struct report whole, split;

        if (size < 2 || size > 32768)
                return 0;
        cd_str bytes = cd_str_of((const char *)data + 2, size - 2);
        unsigned seed = 1 + data[0] * 65599u;
        request.is_head = data[1] & 1;
        request.upgrade = data[1] & 2 ? CD_STR("websocket") : (cd_str){ NULL, 0 };
        bool is_broken = data[1] & 4;

        read_all(&whole, &request, bytes, 0, is_broken);
        read_all(&split, &request, bytes, seed, is_broken);
        compare(&whole, &split);
        if (!whole.reason)
                write_again(&whole, seed);
        done(&whole);
        done(&split);
        return 0;
}
