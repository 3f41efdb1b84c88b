/* Bytes as they come from a socket, in one piece and byte by byte: both must say the same, and what is accepted must be clean. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/h1/request.h"
#include "http/request_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEADERS = 16
};

static const struct cd_http_limits limits = {
        .request_line = 512, .headers = 1024, .header_count = HEADERS, .body = 512
};

struct outcome {
        enum cd_http1_step step;
        struct cd_http_header headers[HEADERS];
        struct cd_http1_head head;
        struct cd_http1_refusal refusal;
        cd_str body;
        size_t used;
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
        if (cd_http_canonical_path(&arena, raw_path, &once) == CD_OK) {
                must(once.len > 0 && once.ptr[0] == '/');
                must(cd_http_canonical_path(&arena, once, &twice) == CD_OK && cd_str_eq(once, twice));
                must(!memmem(once.ptr, once.len, "//", 2) && !memmem(once.ptr, once.len, "/../", 4));
                must(!memchr(once.ptr, ';', once.len) && !memmem(once.ptr, once.len, "%2F", 3));
        }
        if (raw_host.ptr && cd_http_canonical_host(&arena, raw_host, &once) == CD_OK)
                must(cd_http_canonical_host(&arena, once, &twice) == CD_OK && cd_str_eq(once, twice));
        cd_arena_done(&arena);
}

static void check_head(const struct cd_http1_head *head)
{
        struct cd_http_trace trace;

        check_text(head->path);
        check_text(head->query);
        must(head->content_length <= (uint64_t)limits.body && !(head->chunked && head->content_length));
        must(head->header_count <= HEADERS);
        for (size_t i = 0; i < head->header_count; i++) {
                must(head->headers[i].name.len > 0);
                check_text(head->headers[i].name);
                check_text(head->headers[i].value);
                cd_traceparent_parse(head->headers[i].value, &trace);
        }
        check_canonical(head->path, head->host);
}

/* `step` bytes at a time. The memory ends where the bytes end, so that a sanitizer sees one too far. */
static void run(const uint8_t *data, size_t size, size_t step, char **memory, struct outcome *ret)
{
        struct cd_http1_reader reader = { 0 };
        size_t len = 0, given = 0;

        *memory = malloc(size ? size : 1);
        must(*memory != NULL);
        *ret = (struct outcome){ .step = CD_HTTP1_MORE };
        ret->head.headers = ret->headers;
        while (given < size && ret->step == CD_HTTP1_MORE) {
                size_t count = size - given < step ? size - given : step;
                memcpy(*memory + len, data + given, count);
                given += count;
                len += count;
                ret->step = cd_http1_read(&reader, *memory, &len, &limits, &ret->head, &ret->body, &ret->used,
                                          &ret->refusal);
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
        /* Bytes behind a fault can bring another one to light first, but never make it good. */
        must(whole.step == drip.step);
        if (whole.step == CD_HTTP1_DONE) {
                check_head(&whole.head);
                must(cd_str_eq(whole.body, drip.body) && cd_str_eq(whole.head.path, drip.head.path));
                must(whole.head.header_count == drip.head.header_count);
        }
        free(whole_memory);
        free(drip_memory);
        return 0;
}
