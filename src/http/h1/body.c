#include "http/h1/body.h"

enum chunk_state {
        SIZE,
        EXTENSION,
        SIZE_LF,
        DATA,
        DATA_CR,
        DATA_LF,
        TRAILER,       /* the start of a line of the trailer section */
        TRAILER_NAME,  /* in it, before the colon */
        TRAILER_VALUE, /* after it */
        TRAILER_LF,
        LAST_LF,
        COMPLETE,
};

enum {
        EXTRA_MAX = 8192, /* bytes of extensions and trailers in one body */
        DIGITS_MAX = 8,   /* of a chunk's size; leading zeros count */
};

static enum cd_h1_step refuse(struct cd_http_refusal *reterr, int status, const char *reason)
{
        *reterr = (struct cd_http_refusal){ status, reason };
        return CD_H1_REFUSED;
}

static void go_to(struct cd_h1_body *body, enum chunk_state state)
{
        body->state = (unsigned char)state;
}

static const char *take_size(struct cd_h1_body *body, char c)
{
        int digit = cd_hex_value(c);

        if (digit >= 0) {
                body->left = body->left << 4 | (unsigned)digit;
                return ++body->digits <= DIGITS_MAX ? NULL : "a chunk size with too many digits";
        }
        if (body->digits == 0 || (c != ';' && c != '\r'))
                return "a chunk size that is not hexadecimal";
        go_to(body, c == ';' ? EXTENSION : SIZE_LF);
        return NULL;
}

static const char *take_extra(struct cd_h1_body *body, char c, enum chunk_state at_cr)
{
        if (c == '\r') {
                go_to(body, at_cr);
                return NULL;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
                return "a control character in a chunk extension or trailer";
        return ++body->extra <= EXTRA_MAX ? NULL : "chunk extensions or trailers too long";
}

/* RFC 9112 §7.1.2: field lines, which are read and dropped. */
static const char *take_trailer(struct cd_h1_body *body, char c)
{
        bool is_start = body->state == TRAILER;

        if (is_start && c == '\r') {
                go_to(body, LAST_LF);
                return NULL;
        }
        if (c == ':' && !is_start)
                go_to(body, TRAILER_VALUE);
        else if (cd_http_is_token(cd_str_of(&c, 1)))
                go_to(body, TRAILER_NAME);
        else
                return "a trailer line that is no field";
        return ++body->extra <= EXTRA_MAX ? NULL : "chunk extensions or trailers too long";
}

static const char *expect(struct cd_h1_body *body, char c, char wanted, enum chunk_state next)
{
        go_to(body, next);
        return c == wanted ? NULL : "a chunk that does not end with CRLF";
}

/* One byte that is not of the data. NULL, or what is wrong with it. */
static const char *take_byte(struct cd_h1_body *body, char c)
{
        switch ((enum chunk_state)body->state) {
        case SIZE:
                return take_size(body, c);
        case EXTENSION:
                return take_extra(body, c, SIZE_LF);
        case SIZE_LF:
                return expect(body, c, '\n', body->left ? DATA : TRAILER);
        case DATA_CR:
                return expect(body, c, '\r', DATA_LF);
        case DATA_LF:
                body->digits = 0;
                return expect(body, c, '\n', SIZE);
        case TRAILER:
        case TRAILER_NAME:
                return take_trailer(body, c);
        case TRAILER_VALUE:
                return take_extra(body, c, TRAILER_LF);
        case TRAILER_LF:
                return expect(body, c, '\n', TRAILER);
        case LAST_LF:
                return expect(body, c, '\n', COMPLETE);
        case DATA:
        case COMPLETE:
                break;
        }
        return "unreachable";
}

enum cd_h1_step cd_h1_body_start(struct cd_h1_body *body, const struct cd_h1_head *head, uint64_t max,
                                 struct cd_http_refusal *reterr)
{
        *body = (struct cd_h1_body){ .chunked = head->chunked, .left = head->content_length, .room = max };
        if (head->content_length > max)
                return refuse(reterr, 413, "body too long");
        if (!head->chunked)
                go_to(body, head->content_length ? DATA : COMPLETE);
        return CD_H1_DONE;
}

static cd_str take_piece(struct cd_h1_body *body, cd_str data, uint64_t max)
{
        size_t len = data.len < body->left ? data.len : (size_t)body->left;

        if (len > max)
                len = (size_t)max;
        body->left -= len;
        body->room -= len;
        if (body->left == 0)
                go_to(body, body->chunked ? DATA_CR : COMPLETE);
        return cd_str_slice(data, 0, len);
}

enum cd_h1_step cd_h1_body_next(struct cd_h1_body *body, cd_str data, uint64_t max, size_t *retused, cd_str *retpiece,
                                struct cd_http_refusal *reterr)
{
        size_t at = 0;

        while (body->state != COMPLETE && at < data.len) {
                if (body->state == DATA) {
                        if (max > 0) {
                                *retpiece = take_piece(body, cd_str_slice(data, at, data.len), max);
                                *retused = at + retpiece->len;
                                return CD_H1_PIECE;
                        }
                        break;
                }
                const char *wrong = take_byte(body, data.ptr[at++]);
                if (wrong)
                        return refuse(reterr, 400, wrong);
                if (body->left > body->room)
                        return refuse(reterr, 413, "body too long");
        }
        *retused = at;
        return body->state == COMPLETE ? CD_H1_DONE : CD_H1_MORE;
}

bool cd_h1_body_is_complete(const struct cd_h1_body *body)
{
        return body->state == COMPLETE;
}
