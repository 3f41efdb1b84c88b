#include <string.h>

#include "http/h1/request.h"

enum chunk_state {
        SIZE,
        EXTENSION,
        SIZE_LF,
        DATA,
        DATA_CR,
        DATA_LF,
        TRAILER,
        TRAILER_LF,
};

enum {
        EXTRA_MAX = 8192, /* bytes of extensions and trailers in one body */
        DIGITS_MAX = 8,   /* of a chunk's size; leading zeros count */
};

static enum cd_http1_step refuse(struct cd_http1_refusal *reterr, int status, const char *reason)
{
        *reterr = (struct cd_http1_refusal){ status, reason };
        return CD_HTTP1_REFUSED;
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *take_size(struct cd_http1_chunks *chunks, char c)
{
        int digit = hex_value(c);

        if (digit >= 0) {
                chunks->left = chunks->left << 4 | (unsigned)digit;
                return ++chunks->digits <= DIGITS_MAX ? NULL : "a chunk size with too many digits";
        }
        if (chunks->digits == 0 || (c != ';' && c != '\r'))
                return "a chunk size that is not hexadecimal";
        chunks->state = c == ';' ? EXTENSION : SIZE_LF;
        return NULL;
}

static const char *take_extra(struct cd_http1_chunks *chunks, char c, enum chunk_state at_cr)
{
        if (c == '\r') {
                chunks->state = (unsigned char)at_cr;
                return NULL;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
                return "a control character in a chunk extension or trailer";
        chunks->line_is_empty = false;
        return ++chunks->extra <= EXTRA_MAX ? NULL : "chunk extensions or trailers too long";
}

static const char *expect(struct cd_http1_chunks *chunks, char c, char wanted, enum chunk_state next)
{
        chunks->state = (unsigned char)next;
        return c == wanted ? NULL : "a chunk that does not end with CRLF";
}

/* One byte that is not of the data. NULL, or what is wrong with it. */
static const char *take_byte(struct cd_http1_chunks *chunks, char c)
{
        switch ((enum chunk_state)chunks->state) {
        case SIZE:
                return take_size(chunks, c);
        case EXTENSION:
                return take_extra(chunks, c, SIZE_LF);
        case SIZE_LF:
                chunks->line_is_empty = true;
                return expect(chunks, c, '\n', chunks->left ? DATA : TRAILER);
        case DATA_CR:
                return expect(chunks, c, '\r', DATA_LF);
        case DATA_LF:
                chunks->digits = 0;
                return expect(chunks, c, '\n', SIZE);
        case TRAILER:
                return take_extra(chunks, c, TRAILER_LF);
        case TRAILER_LF:
                chunks->line_is_empty = true;
                return expect(chunks, c, '\n', TRAILER);
        case DATA:
                break;
        }
        return "unreachable";
}

enum cd_http1_step cd_http1_dechunk(struct cd_http1_chunks *chunks, char *data, size_t len, size_t *from, size_t *to,
                                    uint64_t max, struct cd_http1_refusal *reterr)
{
        uint64_t body = 0;

        while (*from < len) {
                if (chunks->state == DATA) {
                        size_t count = len - *from < chunks->left ? len - *from : (size_t)chunks->left;
                        memmove(data + *to, data + *from, count);
                        *from += count;
                        *to += count;
                        body += count;
                        chunks->left -= count;
                        if (chunks->left == 0)
                                chunks->state = DATA_CR;
                        continue;
                }
                bool ends = chunks->state == TRAILER_LF && chunks->line_is_empty;
                const char *wrong = take_byte(chunks, data[*from]);
                if (wrong)
                        return refuse(reterr, 400, wrong);
                ++*from;
                if (ends)
                        return CD_HTTP1_DONE;
                if (chunks->left > max - body)
                        return refuse(reterr, 413, "body too long");
        }
        return CD_HTTP1_MORE;
}

/* The head is complete: what follows it? */
static enum cd_http1_step start_body(struct cd_http1_reader *reader, const struct cd_http1_head *head,
                                     const struct cd_http_limits *limits, struct cd_http1_refusal *reterr)
{
        if (head->expect == CD_HTTP1_EXPECT_UNKNOWN)
                return refuse(reterr, 417, "an expectation that nobody knows");
        if (head->content_length > (uint64_t)limits->body)
                return refuse(reterr, 413, "body too long");
        reader->chunked = head->chunked;
        reader->body_size = head->content_length;
        reader->wants_continue = head->expect == CD_HTTP1_EXPECT_CONTINUE;
        return CD_HTTP1_DONE;
}

static enum cd_http1_step read_body(struct cd_http1_reader *reader, char *data, size_t *len, uint64_t max,
                                    size_t *retused, struct cd_http1_refusal *reterr)
{
        if (!reader->chunked) {
                *retused = reader->head_size + (size_t)reader->body_size;
                return *len >= *retused ? CD_HTTP1_DONE : CD_HTTP1_MORE;
        }
        size_t to = reader->head_size + (size_t)reader->body_size, from = to;
        enum cd_http1_step step =
                cd_http1_dechunk(&reader->chunks, data, *len, &from, &to, max - reader->body_size, reterr);
        reader->body_size = to - reader->head_size;
        if (step == CD_HTTP1_MORE)
                *len = to;
        *retused = from;
        return step;
}

enum cd_http1_step cd_http1_read(struct cd_http1_reader *reader, char *data, size_t *len,
                                 const struct cd_http_limits *limits, struct cd_http1_head *ret, cd_str *retbody,
                                 size_t *retused, struct cd_http1_refusal *reterr)
{
        struct cd_http_header *headers = ret->headers;
        bool was_parsed = reader->head_size == 0;
        enum cd_http1_step step;

        if (reader->head_size == 0) {
                size_t size;
                step = cd_http1_scan(&reader->scan, cd_str_of(data, *len), limits, &size, reterr);
                if (step == CD_HTTP1_DONE)
                        step = cd_http1_parse(cd_str_of(data, size), &reader->scan, headers, ret, reterr);
                if (step == CD_HTTP1_DONE)
                        step = start_body(reader, ret, limits, reterr);
                if (step != CD_HTTP1_DONE)
                        return step;
                reader->head_size = size;
        }
        step = read_body(reader, data, len, (uint64_t)limits->body, retused, reterr);
        if (step != CD_HTTP1_DONE)
                return step;
        *retbody = cd_str_of(data + reader->head_size, (size_t)reader->body_size);
        /* The bytes may have moved since the head was parsed. */
        return was_parsed ? step
                          : cd_http1_parse(cd_str_of(data, reader->head_size), &reader->scan, headers, ret, reterr);
}
