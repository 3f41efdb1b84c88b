/* Bytes as they come from a socket, in one piece and byte by byte: both must say the same, and what is accepted must be
 * clean. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/canonical.h"
#include "http/h1/body.h"
#include "http/request_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEADERS = 16
};

static const struct cd_http_limits limits = {
        .request_line = 512, .headers = 1024, .header_count = HEADERS, .body = 512
};

struct outcome {
        enum cd_h1_step step;
        struct cd_http_header headers[HEADERS];
        struct cd_h1_scan scan;
        struct cd_h1_head head;
        struct cd_h1_body framing;
        struct cd_http_refusal refusal;
        bool has_head;
        size_t used; /* bytes of the input */
        char body[512];
        size_t body_len;
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_text(cd_str s)
{
        for (size_t i = 0; i < s.len; i++)
                must(s.ptr[i] != '\r' && s.ptr[i] != '\n' && s.ptr[i] != '\0');
}

static void check_canonical(cd_str raw_path, cd_str raw_host)
{
        struct cd_arena arena;
        cd_str once, twice;

        cd_arena_init(&arena, 65536);
        if (cd_canonical_path(&arena, raw_path, &once) == CD_OK) {
                must(once.len > 0 && once.ptr[0] == '/');
                must(cd_canonical_path(&arena, once, &twice) == CD_OK && cd_str_eq(once, twice));
                must(!memmem(once.ptr, once.len, "//", 2) && !memmem(once.ptr, once.len, "/../", 4));
                must(!memchr(once.ptr, ';', once.len) && !memmem(once.ptr, once.len, "%2F", 3));
        }
        if (raw_host.ptr && cd_canonical_host(&arena, raw_host, &once) == CD_OK)
                must(cd_canonical_host(&arena, once, &twice) == CD_OK && cd_str_eq(once, twice));
        cd_arena_done(&arena);
}

static void check_head(const struct cd_h1_head *head)
{
        struct cd_http_trace trace;

        check_text(head->http.path);
        check_text(head->http.query);
        must(head->content_length <= (uint64_t)limits.body && !(head->chunked && head->content_length));
        must(head->http.header_count <= HEADERS);
        for (size_t i = 0; i < head->http.header_count; i++) {
                must(head->http.headers[i].name.len > 0);
                check_text(head->http.headers[i].name);
                check_text(head->http.headers[i].value);
                cd_traceparent_parse(head->http.headers[i].value, &trace);
        }
        check_canonical(head->http.path, head->http.authority);
}

static void read_head(struct outcome *o, cd_str bytes)
{
        size_t size = 0;

        o->step = cd_h1_scan(&o->scan, bytes, &limits, &size, &o->refusal);
        if (o->step != CD_H1_DONE)
                return;
        o->has_head = true;
        o->used = size;
        must(size <= bytes.len && o->scan.lines <= HEADERS);
        o->step = cd_h1_parse(cd_str_of(bytes.ptr, size), &o->scan, o->headers, &o->head, &o->refusal);
        if (o->step == CD_H1_DONE)
                o->step = cd_h1_body_start(&o->framing, &o->head, (uint64_t)limits.body, &o->refusal);
}

static void read_body(struct outcome *o, cd_str bytes, size_t step)
{
        do {
                size_t used = 0;
                cd_str rest = cd_str_slice(bytes, o->used, bytes.len), piece = { NULL, 0 };
                o->step = cd_h1_body_next(&o->framing, rest, step, &used, &piece, &o->refusal);
                must(used <= rest.len && piece.len <= step && piece.len <= sizeof(o->body) - o->body_len);
                must((o->step == CD_H1_PIECE) == (piece.len > 0));
                if (piece.len)
                        memcpy(o->body + o->body_len, piece.ptr, piece.len);
                o->body_len += piece.len;
                o->used += used;
        } while (o->step == CD_H1_PIECE);
        must(o->step == CD_H1_REFUSED || (o->step == CD_H1_DONE) == cd_h1_body_is_complete(&o->framing));
}

/* `step` bytes at a time. The memory ends where the bytes end, so that a sanitizer sees one too far. */
static void run(const uint8_t *data, size_t size, size_t step, char **memory, struct outcome *ret)
{
        size_t given = 0;

        *memory = malloc(size ? size : 1);
        must(*memory != NULL);
        *ret = (struct outcome){ .step = CD_H1_MORE };
        while (given < size && ret->step == CD_H1_MORE) {
                size_t count = size - given < step ? size - given : step;
                memcpy(*memory + given, data + given, count);
                given += count;
                if (!ret->has_head)
                        read_head(ret, cd_str_of(*memory, given));
                if (ret->has_head && ret->step != CD_H1_REFUSED)
                        read_body(ret, cd_str_of(*memory, given), step);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct outcome whole, drip;
        char *whole_memory, *drip_memory;

        if (size > 8192)
                return 0;
        run(data, size, size ? size : 1, &whole_memory, &whole);
        run(data, size, 1, &drip_memory, &drip);
        /* Bytes after a fault can bring another one to light first, but never make it good. */
        must(whole.step == drip.step);
        if (whole.step == CD_H1_DONE) {
                check_head(&whole.head);
                must(cd_str_eq(cd_str_of(whole.body, whole.body_len), cd_str_of(drip.body, drip.body_len)));
                must(cd_str_eq(whole.head.http.path, drip.head.http.path) && whole.used == drip.used);
                must(whole.head.http.header_count == drip.head.http.header_count);
        }
        free(whole_memory);
        free(drip_memory);
        return 0;
}
