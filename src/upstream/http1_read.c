#include "http/response.h"
#include "upstream/http1_head.h"

enum reader_state {
        HEAD,
        LENGTH, /* a body with a length */
        CHUNKS,
        TRAILERS,
        TO_CLOSE, /* a body that ends with the connection */
        TUNNEL,
        ENDED,
};

/* What is left after the last event: nothing is looked at any more, not even the reader, which may have been started
 * again. */
static const cd_str nothing = { NULL, 0 };

static void go_to(struct cd_http1_reader *reader, enum reader_state state)
{
        reader->state = (unsigned char)state;
}

/* ---- the last events ---- */

static cd_str fail_as(struct cd_http1_reader *reader, enum cd_upstream_failure failure, const char *reason)
{
        cd_http1_reader_done(reader);
        reader->events->failed(reader->owner, failure, reason);
        return nothing;
}

static cd_str fail(struct cd_http1_reader *reader, const char *reason)
{
        return fail_as(reader, CD_UPSTREAM_INVALID, reason);
}

/* `rest` came after the response, where nothing was asked for. */
static cd_str end(struct cd_http1_reader *reader, cd_str rest, const struct cd_http1_message *trailers)
{
        go_to(reader, ENDED);
        reader->events->end(reader->owner, trailers ? trailers->headers : NULL, trailers ? trailers->header_count : 0,
                            reader->can_keep && rest.len == 0);
        return nothing;
}

/* ---- sections: heads and trailers ---- */

/* `room` stays, since it is that of all heads together. */
static void start_section(struct cd_http1_reader *reader, enum reader_state state)
{
        cd_buf_init(&reader->kept, NULL, reader->room);
        reader->line = 0;
        reader->ends_in_cr = false;
        go_to(reader, state);
}

/* Looks for the empty line. *retused: the bytes that belong to the section. NULL, or what is wrong. */
static const char *scan(struct cd_http1_reader *reader, cd_str bytes, size_t *retused, bool *retcomplete)
{
        size_t at = 0;

        *retcomplete = false;
        while (at < bytes.len && !*retcomplete) {
                const char *lf = memchr(bytes.ptr + at, '\n', bytes.len - at);
                size_t next = lf ? (size_t)(lf - bytes.ptr) + 1 : bytes.len;
                reader->line += next - at;
                if (!lf) {
                        reader->ends_in_cr = bytes.ptr[bytes.len - 1] == '\r';
                } else if (next - at > 1 ? lf[-1] != '\r' : !reader->ends_in_cr) {
                        return "LF without CR";
                } else {
                        *retcomplete = reader->line == 2;
                        reader->line = 0;
                        reader->ends_in_cr = false;
                }
                at = next;
        }
        if (at > reader->room)
                return reader->state == HEAD ? "a head that is too long" : "trailers that are too long";
        reader->room -= at;
        *retused = at;
        return NULL;
}

static cd_str on_head(struct cd_http1_reader *reader, cd_str head, cd_str rest);
static cd_str on_trailers(struct cd_http1_reader *reader, cd_str section, cd_str rest);

/* A section that came in one piece is not copied. */
static cd_str take_section(struct cd_http1_reader *reader, cd_str bytes)
{
        bool is_complete;
        size_t used;
        const char *wrong = scan(reader, bytes, &used, &is_complete);

        if (wrong)
                return fail(reader, wrong);
        cd_str section = cd_str_slice(bytes, 0, used), rest = cd_str_slice(bytes, used, bytes.len);
        if (!is_complete || reader->kept.len > 0) {
                cd_buf_add(&reader->kept, section);
                if (cd_buf_view(&reader->kept, &section) != CD_OK)
                        return fail_as(reader, CD_UPSTREAM_NO_MEMORY, "no memory for the head");
        }
        if (!is_complete)
                return rest;

        /* An event may free the reader's memory, or start it again. */
        struct cd_buf kept = reader->kept;
        cd_buf_init(&reader->kept, NULL, 0);
        rest = reader->state == HEAD ? on_head(reader, section, rest) : on_trailers(reader, section, rest);
        cd_buf_done(&kept);
        return rest;
}

/* ---- the head ---- */

static const char *check_interim(struct cd_http1_reader *reader, const struct cd_http1_message *message)
{
        if (message->length > 0 || message->codings > 0)
                return "an interim response with a body";
        if (message->status == 101)
                return NULL;
        return ++reader->interim > CD_HTTP1_INTERIM_MAX ? "too many interim responses" : NULL;
}

/* RFC 9110 §7.8: the server switches to one of the protocols that the request named. */
static const char *check_upgrade(const struct cd_http1_reader *reader, const struct cd_http1_message *message)
{
        cd_str item, rest = reader->upgrade;

        if (!rest.ptr)
                return "101 without a request for an upgrade";
        if (message->upgrades != 1 || !message->switches || message->is_http10)
                return "101 without Upgrade and Connection";
        while (cd_str_take_until(&rest, ',', &item))
                if (cd_str_eq_nocase(cd_str_trim(item), message->upgrade))
                        return NULL;
        return "101 for a protocol that was not asked for";
}

static bool can_keep(const struct cd_http1_message *message)
{
        return !message->closes && (!message->is_http10 || message->keeps_alive);
}

/* What the body will be; ENDED: there is none. */
static enum reader_state body_of(const struct cd_http1_reader *reader, const struct cd_http1_message *message)
{
        if (message->status == 101)
                return TUNNEL;
        if (reader->is_head || cd_http_has_no_body(message->status))
                return ENDED;
        if (message->codings)
                return CHUNKS;
        if (!message->lengths)
                return TO_CLOSE;
        return message->length ? LENGTH : ENDED;
}

static cd_str begin(struct cd_http1_reader *reader, const struct cd_http1_message *message, cd_str rest)
{
        enum reader_state body = body_of(reader, message);
        struct cd_upstream_head head = {
                .status = message->status,
                .headers = message->headers,
                .header_count = message->header_count,
                .length = message->lengths ? (int64_t)message->length : CD_UPSTREAM_LENGTH_UNKNOWN,
                .upgrade = message->status == 101 ? message->upgrade : nothing,
        };

        /* uWSGI sends the body that plain WSGI applications return for HEAD too; on a connection that ends with the
         * response it cannot be mistaken for another one. */
        bool is_discarded = reader->is_head && reader->is_uwsgi;
        bool has_none = reader->is_head || cd_http_has_no_body(message->status);
        if (body == ENDED && rest.len > 0 && has_none && !is_discarded)
                return fail(reader, "bytes after a response that has no body");
        reader->can_keep = can_keep(message) && body != TO_CLOSE && body != TUNNEL;
        reader->left = message->length;
        reader->chunks = (struct cd_http_chunks){ 0 };
        go_to(reader, body == ENDED ? HEAD : body);
        reader->events->head(reader->owner, &head);
        if (reader->state == ENDED)
                return nothing;
        return body == ENDED ? end(reader, rest, NULL) : rest;
}

static cd_str on_head(struct cd_http1_reader *reader, cd_str head, cd_str rest)
{
        struct cd_http1_message message;
        const char *wrong = cd_http1_parse_head(head, &message);

        if (!wrong && message.is_http2 && !reader->is_uwsgi)
                wrong = "a status line with HTTP/2.0 on a connection with HTTP/1.1";
        if (!wrong && message.status < 200)
                wrong = check_interim(reader, &message);
        if (!wrong && message.status == 101)
                wrong = check_upgrade(reader, &message);
        if (!wrong && message.status == 204 && message.codings > 0)
                wrong = "Transfer-Encoding in a response that has no body";
        if (wrong)
                return fail(reader, wrong);
        if (message.status >= 200 || message.status == 101)
                return begin(reader, &message, rest);
        reader->has_continued = reader->has_continued || message.status == 100;
        start_section(reader, HEAD);
        return rest;
}

/* ---- the body ---- */

static cd_str give(struct cd_http1_reader *reader, cd_str piece, cd_str bytes)
{
        reader->events->data(reader->owner, piece);
        return reader->state == ENDED ? nothing : cd_str_slice(bytes, piece.len, bytes.len);
}

static cd_str take_length(struct cd_http1_reader *reader, cd_str bytes)
{
        cd_str piece = cd_str_slice(bytes, 0, bytes.len < reader->left ? bytes.len : (size_t)reader->left);

        reader->left -= piece.len;
        cd_str rest = give(reader, piece, bytes);
        return rest.ptr && reader->left == 0 ? end(reader, rest, NULL) : rest;
}

static cd_str take_chunks(struct cd_http1_reader *reader, cd_str bytes)
{
        const char *wrong;
        size_t used;
        enum cd_http_chunks_step step = cd_http_chunks_next(&reader->chunks, bytes, &used, &wrong);

        if (step == CD_HTTP_CHUNKS_INVALID)
                return fail(reader, wrong);
        bytes = cd_str_slice(bytes, used, bytes.len);
        if (step == CD_HTTP_CHUNKS_LAST) {
                reader->room = CD_HTTP1_TRAILERS_MAX;
                start_section(reader, TRAILERS);
        } else if (bytes.len > 0) {
                return give(reader, cd_http_chunks_take(&reader->chunks, bytes), bytes);
        }
        return bytes;
}

static cd_str on_trailers(struct cd_http1_reader *reader, cd_str section, cd_str rest)
{
        struct cd_http1_message message;
        const char *wrong = cd_http1_parse_trailers(section, &message);

        return wrong ? fail(reader, wrong) : end(reader, rest, &message);
}

/* ---- the reader ---- */

void cd_http1_reader_start(struct cd_http1_reader *reader, const struct cd_upstream_request *request, size_t head_max,
                           const struct cd_http1_events *events, void *owner)
{
        *reader = (struct cd_http1_reader){
                .events = events,
                .owner = owner,
                .upgrade = request->upgrade,
                .room = head_max,
                .is_head = request->is_head,
        };
        start_section(reader, HEAD);
}

void cd_http1_reader_done(struct cd_http1_reader *reader)
{
        cd_buf_done(&reader->kept);
        go_to(reader, ENDED);
}

/* What is left of the bytes. */
static cd_str step(struct cd_http1_reader *reader, cd_str bytes)
{
        switch ((enum reader_state)reader->state) {
        case HEAD:
        case TRAILERS:
                return take_section(reader, bytes);
        case LENGTH:
                return take_length(reader, bytes);
        case CHUNKS:
                return take_chunks(reader, bytes);
        case TO_CLOSE:
        case TUNNEL:
                return give(reader, bytes, bytes);
        case ENDED:
                break;
        }
        return nothing;
}

void cd_http1_reader_feed(struct cd_http1_reader *reader, cd_str bytes)
{
        reader->has_begun = reader->has_begun || bytes.len > 0;
        while (bytes.len > 0)
                bytes = step(reader, bytes);
}

void cd_http1_reader_end(struct cd_http1_reader *reader, bool broken)
{
        if (reader->state == ENDED)
                return;
        if ((reader->state == TO_CLOSE || reader->state == TUNNEL) && !broken)
                end(reader, nothing, NULL);
        else
                fail_as(reader, CD_UPSTREAM_CLOSED, "the connection ended before the response was complete");
}
