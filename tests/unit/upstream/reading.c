#include "unit/upstream/reading.h"

#include <stdlib.h>

static void add_headers(struct reading *r, const struct cd_http_header *headers, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                cd_buf_add(&r->text, CD_STR(" ["));
                cd_buf_add(&r->text, headers[i].name);
                cd_buf_add(&r->text, CD_STR(": "));
                cd_buf_add(&r->text, headers[i].value);
                cd_buf_add_char(&r->text, ']');
        }
}

static void add_body(struct reading *r)
{
        if (r->body.len == 0)
                return;
        cd_buf_add_char(&r->text, ' ');
        cd_buf_add(&r->text, cd_str_of(r->body.ptr, r->body.len));
}

static void on_head(void *owner, const struct cd_upstream_head *head)
{
        struct reading *r = owner;

        assert_int_equal(r->heads++ + r->ends, 0);
        cd_buf_printf(&r->text, "%d %lld", head->status, (long long)head->length);
        add_headers(r, head->headers, head->header_count);
        if (head->upgrade.ptr)
                cd_buf_printf(&r->text, " upgrade %.*s", CD_STR_ARG(head->upgrade));
        if (r->stops_at_head)
                cd_http1_reader_done(&r->reader);
}

/* Not a copy: a view of what was fed. */
static void on_data(void *owner, cd_str bytes)
{
        struct reading *r = owner;

        assert_int_equal(r->heads, 1);
        assert_int_equal(r->ends, 0);
        assert_false(r->stops_at_head);
        assert_true(bytes.len > 0 && bytes.ptr >= r->fed.ptr && bytes.ptr + bytes.len <= r->fed.ptr + r->fed.len);
        cd_buf_add(&r->body, bytes);
        if (r->stops_at_data)
                cd_http1_reader_done(&r->reader);
}

static void on_end(void *owner, const struct cd_http_header *trailers, size_t count, bool can_keep)
{
        struct reading *r = owner;

        assert_int_equal(r->heads, 1);
        assert_int_equal(r->ends++, 0);
        assert_false(r->stops_at_head || (r->stops_at_data && r->body.len));
        add_body(r);
        add_headers(r, trailers, count);
        cd_buf_add(&r->text, can_keep ? CD_STR(" kept") : CD_STR(" closed"));
}

static void on_failed(void *owner, enum cd_upstream_failure failure, const char *reason)
{
        struct reading *r = owner;

        assert_int_equal(r->ends++, 0);
        assert_false(r->stops_at_head && r->heads);
        add_body(r);
        cd_buf_printf(&r->text, "%sfailed: %s", r->text.len ? " " : "", reason);
        r->failure = failure;
}

static const struct cd_http1_events events = { on_head, on_data, on_end, on_failed };

/* In memory of its own, so that a sanitizer sees a byte too far, or a view that is kept. */
static void feed(struct reading *r, cd_str bytes)
{
        char *copy = malloc(bytes.len ? bytes.len : 1);

        assert_non_null(copy);
        memcpy(copy, bytes.ptr, bytes.len);
        r->fed = cd_str_of(copy, bytes.len);
        cd_http1_reader_feed(&r->reader, r->fed);
        memset(copy, 'x', bytes.len);
        free(copy);
}

const char *reading_run(struct reading *r, cd_str answer, size_t first, size_t piece)
{
        static char body[70000], text[80000];

        r->heads = r->ends = 0;
        cd_buf_init_fixed(&r->body, body, sizeof(body));
        cd_buf_init_fixed(&r->text, text, sizeof(text) - 1);
        cd_http1_reader_start(&r->reader, &r->request, r->head_max ? r->head_max : 1024, &events, r);
        r->reader.is_uwsgi = r->is_uwsgi;
        assert_false(cd_http1_reader_has_begun(&r->reader));
        for (size_t at = 0, len = first ? first : piece; at < answer.len; at += len, len = piece) {
                if (len == 0 || len > answer.len - at)
                        len = answer.len - at;
                feed(r, cd_str_slice(answer, at, len));
                assert_true(cd_http1_reader_has_begun(&r->reader));
        }
        cd_http1_reader_end(&r->reader, r->is_broken);
        cd_http1_reader_end(&r->reader, false);
        assert_int_equal(r->ends, !((r->stops_at_head && r->heads) || (r->stops_at_data && r->body.len)));
        assert_false(r->text.failed || r->body.failed);
        cd_http1_reader_done(&r->reader);
        text[r->text.len] = '\0';
        return text;
}
