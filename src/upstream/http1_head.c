#include "upstream/http1_head.h"

#include <llhttp.h>

enum {
        CONNECTION_ITEMS_MAX = 32,                 /* of all Connection headers of a message */
        FRAMING_MIN = sizeof("ContentLength") - 1, /* of what looks like framing */
};

/* By the length first, since most names have none of these. */
enum cd_http1_field cd_http1_field_of(cd_str name)
{
        static const struct {
                cd_str name;
                enum cd_http1_field field;
        } known[18] = {
                [2] = { CD_STR_INIT("TE"), CD_HTTP1_HOP },
                [4] = { CD_STR_INIT("Host"), CD_HTTP1_HOST },
                [6] = { CD_STR_INIT("Expect"), CD_HTTP1_HOP },
                [7] = { CD_STR_INIT("Upgrade"), CD_HTTP1_UPGRADE },
                [10] = { CD_STR_INIT("Connection"), CD_HTTP1_CONNECTION },
                [14] = { CD_STR_INIT("Content-Length"), CD_HTTP1_LENGTH },
                [16] = { CD_STR_INIT("Proxy-Connection"), CD_HTTP1_HOP },
                [17] = { CD_STR_INIT("Transfer-Encoding"), CD_HTTP1_CODING },
        };

        if (name.len < CD_LEN(known) && name.len > 0 && cd_str_eq_nocase(name, known[name.len].name))
                return known[name.len].field;
        if (cd_str_eq_nocase(name, CD_STR("Keep-Alive")))
                return CD_HTTP1_HOP;
        return name.len >= FRAMING_MIN && cd_http_looks_like_framing(name) ? CD_HTTP1_LIKE_FRAMING
                                                                           : CD_HTTP1_END_TO_END;
}

bool cd_http1_is_value(cd_str value)
{
        size_t at = cd_str_next_control(value, 0);

        while (at < value.len && value.ptr[at] == '\t')
                at = cd_str_next_control(value, at + 1);
        return at == value.len;
}

/* RFC 9112 §6.1. A coding before chunked would have to be passed on without its name, so it is refused. */
static const char *take_coding(struct cd_http1_message *message, cd_str value)
{
        if (++message->codings > 1)
                return "several Transfer-Encoding";
        return cd_str_eq_nocase(value, CD_STR("chunked")) ? NULL : "a transfer coding other than chunked";
}

static const char *take_length(struct cd_http1_message *message, cd_str value)
{
        if (++message->lengths > 1)
                return "several Content-Length";
        return cd_str_to_u64(value, &message->length) && message->length <= INT64_MAX
                       ? NULL
                       : "a Content-Length that is no number";
}

static const char *take_connection(struct cd_http1_message *message, cd_str value)
{
        if (message->connection_count == CD_HTTP1_CONNECTIONS_MAX)
                return "too many Connection headers";
        message->connections[message->connection_count++] = value;
        return NULL;
}

static const char *take_field(struct cd_http1_message *message, cd_str name, cd_str value)
{
        switch (cd_http1_field_of(name)) {
        case CD_HTTP1_LENGTH:
                return take_length(message, value);
        case CD_HTTP1_CODING:
                return take_coding(message, value);
        case CD_HTTP1_CONNECTION:
                return take_connection(message, value);
        case CD_HTTP1_UPGRADE:
                message->upgrades++;
                message->upgrade = value;
                return NULL;
        case CD_HTTP1_LIKE_FRAMING:
                return "a header that looks like one of framing";
        case CD_HTTP1_HOP:
                return NULL;
        case CD_HTTP1_HOST:
        case CD_HTTP1_END_TO_END:
                break;
        }
        message->headers[message->header_count++] = (struct cd_http_header){ name, value };
        return NULL;
}

/* Takes a line without its CRLF off the front of *rest, whose lines all end with CRLF. */
static cd_str take_line(cd_str *rest)
{
        const char *lf = memchr(rest->ptr, '\n', rest->len);
        size_t len = lf ? (size_t)(lf - rest->ptr) + 1 : rest->len;
        cd_str line = cd_str_of(rest->ptr, len < 2 ? 0 : len - 2);

        *rest = cd_str_of(rest->ptr + len, rest->len - len);
        return line;
}

static const char *parse_fields(cd_str section, struct cd_http1_message *message)
{
        size_t count = 0;

        for (cd_str line; (line = take_line(&section)).len > 0;) {
                size_t colon = cd_str_index(line, ':');
                cd_str name = cd_str_of(line.ptr, colon);
                if (++count > CD_HTTP1_HEADERS_MAX)
                        return "too many headers";
                if (colon == line.len)
                        return "a header without a colon";
                /* Also refuses folded lines, white space before the colon and empty names. */
                if (!cd_http_is_token(name))
                        return "a header name that is no token";
                cd_str value = cd_str_trim(cd_str_of(line.ptr + colon + 1, line.len - colon - 1));
                if (!cd_http1_is_value(value))
                        return "a control character in a header";
                const char *wrong = take_field(message, name, value);
                if (wrong)
                        return wrong;
        }
        return section.len ? "bytes after the empty line" : NULL;
}

static void drop_headers(struct cd_http1_message *message, cd_str name)
{
        size_t kept = 0;

        for (size_t i = 0; i < message->header_count; i++)
                if (!cd_str_eq_nocase(message->headers[i].name, name))
                        message->headers[kept++] = message->headers[i];
        message->header_count = kept;
}

/* RFC 9110 §7.6.1 */
static const char *apply_connection(struct cd_http1_message *message)
{
        size_t count = 0;

        for (size_t i = 0; i < message->connection_count; i++) {
                cd_str item, rest = message->connections[i];
                while (cd_str_take_until(&rest, ',', &item)) {
                        item = cd_str_trim(item);
                        if (++count > CONNECTION_ITEMS_MAX)
                                return "too many names in Connection";
                        if (cd_str_eq_nocase(item, CD_STR("close")))
                                message->closes = true;
                        else if (cd_str_eq_nocase(item, CD_STR("keep-alive")))
                                message->keeps_alive = true;
                        else if (cd_str_eq_nocase(item, CD_STR("upgrade")))
                                message->switches = true;
                        else
                                drop_headers(message, item);
                }
        }
        return NULL;
}

/* "HTTP/1.1 200 OK"; the phrase and the space before it may be missing (RFC 9112 §4). */
static const char *parse_status_line(cd_str line, struct cd_http1_message *message)
{
        static const size_t start = sizeof("HTTP/1.1 ") - 1;
        cd_str version = cd_str_slice(line, 0, start), rest = cd_str_slice(line, start, line.len);

        message->is_http10 = cd_str_eq(version, CD_STR("HTTP/1.0 "));
        message->is_http2 = cd_str_eq(version, CD_STR("HTTP/2.0 "));
        if (!message->is_http10 && !message->is_http2 && !cd_str_eq(version, CD_STR("HTTP/1.1 ")))
                return "a status line that does not begin with HTTP/1.1 or HTTP/1.0";
        for (size_t i = 0; i < 3; i++) {
                if (i >= rest.len || rest.ptr[i] < '0' || rest.ptr[i] > '9')
                        return "a status that is not three digits";
                message->status = message->status * 10 + (rest.ptr[i] - '0');
        }
        if (message->status < 100 || message->status > 599)
                return "a status that is not within 100 to 599";
        if (rest.len > 3 && rest.ptr[3] != ' ')
                return "a status that is not three digits";
        return cd_http1_is_value(rest) ? NULL : "a control character in the status line";
}

static int pause_at_body(llhttp_t *parser)
{
        (void)parser;
        return HPE_PAUSED;
}

/* A second opinion: llhttp refuses what it knows to be wrong, and must read the same message. */
static const char *ask_llhttp(cd_str head, const struct cd_http1_message *message)
{
        static const llhttp_settings_t settings = { .on_headers_complete = pause_at_body };
        llhttp_t parser;

        llhttp_init(&parser, HTTP_RESPONSE, &settings);
        if (llhttp_execute(&parser, head.ptr, head.len) != HPE_PAUSED)
                return parser.reason && *parser.reason ? parser.reason : "headers that do not end";
        if (parser.status_code != message->status || parser.content_length != message->length ||
            !(parser.flags & F_CHUNKED) != !message->codings)
                return "a head that can be read in two ways";
        return NULL;
}

const char *cd_http1_parse_head(cd_str head, struct cd_http1_message *ret)
{
        cd_str section = head;
        const char *wrong;

        memset(ret, 0, offsetof(struct cd_http1_message, headers));
        if ((wrong = parse_status_line(take_line(&section), ret)) || (wrong = parse_fields(section, ret)) ||
            (wrong = apply_connection(ret)))
                return wrong;
        if (ret->lengths > 0 && ret->codings > 0)
                return "both Content-Length and Transfer-Encoding";
        if (ret->codings > 0 && ret->is_http10)
                return "Transfer-Encoding in HTTP/1.0";
        return ask_llhttp(head, ret);
}

const char *cd_http1_parse_trailers(cd_str section, struct cd_http1_message *ret)
{
        memset(ret, 0, offsetof(struct cd_http1_message, headers));
        const char *wrong = parse_fields(section, ret);
        if (wrong)
                return wrong;
        /* RFC 9110 §6.5.1 */
        return ret->lengths || ret->codings || ret->connection_count ? "a trailer that frames the message" : NULL;
}
