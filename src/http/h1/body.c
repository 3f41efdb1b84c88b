#include "http/h1/body.h"

enum body_state {
        LENGTH,        /* a body with a length: as the data of one chunk */
        CHUNKS,        /* see body->chunks */
        TRAILER,       /* the start of a line of the trailer section */
        TRAILER_NAME,  /* in it, before the colon */
        TRAILER_VALUE, /* after it */
        TRAILER_LF,
        LAST_LF,
        COMPLETE,
};

static enum cd_h1_step refuse(struct cd_http_refusal *reterr, int status, const char *reason)
{
        *reterr = (struct cd_http_refusal){ status, reason };
        return CD_H1_REFUSED;
}

static void go_to(struct cd_h1_body *body, enum body_state state)
{
        body->state = (unsigned char)state;
}

static void keep(struct cd_h1_body *body, char c)
{
        if (body->trailers)
                cd_buf_add(body->trailers, cd_str_of(&c, 1));
}

static const char *count_extra(struct cd_h1_body *body)
{
        return ++body->chunks.extra <= CD_HTTP_CHUNKS_EXTRA_MAX ? NULL : "chunk extensions or trailers too long";
}

static const char *take_value(struct cd_h1_body *body, char c)
{
        keep(body, c == '\r' ? '\n' : c);
        if (c == '\r') {
                go_to(body, TRAILER_LF);
                return NULL;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
                return "a control character in a trailer";
        return count_extra(body);
}

/* RFC 9112 §7.1.2: field lines. */
static const char *take_name(struct cd_h1_body *body, char c)
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
        keep(body, c);
        return count_extra(body);
}

/* One byte of the trailer section. NULL, or what is wrong with it. */
static const char *take_trailer(struct cd_h1_body *body, char c)
{
        if (body->state == TRAILER || body->state == TRAILER_NAME)
                return take_name(body, c);
        if (body->state == TRAILER_VALUE)
                return take_value(body, c);
        go_to(body, body->state == LAST_LF ? COMPLETE : TRAILER);
        return c == '\n' ? NULL : "a trailer that does not end with CRLF";
}

enum cd_h1_step cd_h1_body_start(struct cd_h1_body *body, const struct cd_h1_head *head, uint64_t max,
                                 struct cd_http_refusal *reterr)
{
        *body = (struct cd_h1_body){ .chunks = { .left = head->content_length }, .room = max };
        if (head->content_length > max)
                return refuse(reterr, 413, "body too long");
        go_to(body, head->chunked ? CHUNKS : head->content_length ? LENGTH : COMPLETE);
        return CD_H1_DONE;
}

static cd_str take_piece(struct cd_h1_body *body, cd_str data, uint64_t max)
{
        cd_str piece =
                cd_http_chunks_take(&body->chunks, cd_str_slice(data, 0, data.len < max ? data.len : (size_t)max));

        body->room -= piece.len;
        if (body->state == LENGTH && body->chunks.left == 0)
                go_to(body, COMPLETE);
        return piece;
}

/* Goes on to the next data, or to the trailer section. NULL, or what is wrong. */
static const char *skip_framing(struct cd_h1_body *body, cd_str data, size_t *at)
{
        const char *wrong;
        size_t used;
        enum cd_http_chunks_step step =
                cd_http_chunks_next(&body->chunks, cd_str_slice(data, *at, data.len), &used, &wrong);

        if (step == CD_HTTP_CHUNKS_INVALID)
                return wrong;
        if (step == CD_HTTP_CHUNKS_LAST)
                go_to(body, TRAILER);
        *at += used;
        return NULL;
}

enum cd_h1_step cd_h1_body_next(struct cd_h1_body *body, cd_str data, uint64_t max, size_t *retused, cd_str *retpiece,
                                struct cd_http_refusal *reterr)
{
        size_t at = 0;

        while (body->state != COMPLETE && at < data.len) {
                bool is_data = body->state == LENGTH || cd_http_chunks_is_data(&body->chunks);
                if (is_data && max == 0)
                        break;
                if (is_data) {
                        *retpiece = take_piece(body, cd_str_slice(data, at, data.len), max);
                        *retused = at + retpiece->len;
                        return CD_H1_PIECE;
                }
                const char *wrong =
                        body->state == CHUNKS ? skip_framing(body, data, &at) : take_trailer(body, data.ptr[at++]);
                if (wrong)
                        return refuse(reterr, 400, wrong);
                if (body->chunks.left > body->room)
                        return refuse(reterr, 413, "body too long");
        }
        *retused = at;
        return body->state == COMPLETE ? CD_H1_DONE : CD_H1_MORE;
}

bool cd_h1_body_is_complete(const struct cd_h1_body *body)
{
        return body->state == COMPLETE;
}

bool cd_h1_body_keep_trailers(struct cd_h1_body *body, struct cd_exchange *x)
{
        if (body->state != CHUNKS || !x->is_streaming)
                return true;
        body->trailers = CD_NEW(&x->arena, struct cd_buf);
        if (body->trailers)
                cd_buf_init(body->trailers, &x->arena, (size_t)CD_HTTP_CHUNKS_EXTRA_MAX * 2);
        return body->trailers;
}

bool cd_h1_body_add_trailers(const struct cd_h1_body *body, struct cd_exchange *x)
{
        const struct cd_buf *section = body->trailers;
        cd_str rest = section ? cd_str_of(section->ptr, section->len) : CD_STR(""), line;

        if (section && section->failed)
                return false;
        while (cd_str_take_until(&rest, '\n', &line) && line.len) {
                cd_str name;
                if (cd_str_take_until(&line, ':', &name) && !cd_exchange_add_trailer(x, name, cd_str_trim(line)))
                        return false;
        }
        return true;
}
