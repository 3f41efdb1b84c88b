#include "http/h1/request.h"

#include <llhttp.h>
#include <string.h>

static enum cd_h1_step refuse(struct cd_http_refusal *reterr, int status, const char *reason)
{
        *reterr = (struct cd_http_refusal){ status, reason };
        return CD_H1_REFUSED;
}

static enum cd_h1_step check_size(const struct cd_h1_scan *scan, size_t end, const struct cd_http_limits *limits,
                                  struct cd_http_refusal *reterr)
{
        size_t first = scan->start + scan->request_line, size = end > first ? end - first : 0;

        if (scan->request_line == 0 && size > (uint64_t)limits->request_line)
                return refuse(reterr, 414, "request line too long");
        if (scan->request_line > 0 && size > (uint64_t)limits->headers)
                return refuse(reterr, 431, "headers too long");
        return CD_H1_MORE;
}

enum cd_h1_step cd_h1_scan(struct cd_h1_scan *scan, cd_str bytes, const struct cd_http_limits *limits, size_t *retsize,
                           struct cd_http_refusal *reterr)
{
        for (;;) {
                size_t from = scan->line + scan->seen;
                const char *lf = from < bytes.len ? memchr(bytes.ptr + from, '\n', bytes.len - from) : NULL;
                if (!lf) {
                        scan->seen = bytes.len - scan->line;
                        /* The last byte may be the CR of the line's end. */
                        return check_size(scan, bytes.len ? bytes.len - 1 : 0, limits, reterr);
                }

                size_t next = (size_t)(lf - bytes.ptr) + 1, len = next - scan->line;
                if (len < 2 || lf[-1] != '\r')
                        return refuse(reterr, 400, "LF without CR");
                bool is_request_line = scan->request_line == 0;
                if (is_request_line && len == 2 && scan->start == 0) {
                        scan->start = scan->line = 2;
                        scan->seen = 0;
                        continue;
                }
                if (check_size(scan, is_request_line ? next - 2 : next, limits, reterr) == CD_H1_REFUSED)
                        return CD_H1_REFUSED;
                if (is_request_line) {
                        scan->request_line = len;
                } else if (len == 2) {
                        *retsize = next;
                        return CD_H1_DONE;
                } else if (++scan->lines > (uint64_t)limits->header_count) {
                        return refuse(reterr, 431, "too many headers");
                }
                scan->line = next;
                scan->seen = 0;
        }
}

/* But a tab, which a value may hold (RFC 9110 §5.5). */
static bool has_bad_control(cd_str s)
{
        size_t at = cd_str_next_control(s, 0);

        while (at < s.len && s.ptr[at] == '\t')
                at = cd_str_next_control(s, at + 1);
        return at < s.len;
}

/* What the fields say about framing, collected while they are read. */
struct fields {
        unsigned hosts, lengths, codings, expects, upgrades;
        bool chunked; /* the last coding so far */
        uint64_t length;
        cd_str type;             /* ptr NULL: none yet */
        cd_str upgrade;          /* ptr NULL: none, or several */
        bool connection_upgrade; /* Connection names it */
};

static bool is_known_coding(cd_str name)
{
        static const cd_str known[] = { CD_STR_INIT("gzip"),     CD_STR_INIT("x-gzip"),     CD_STR_INIT("deflate"),
                                        CD_STR_INIT("compress"), CD_STR_INIT("x-compress"), CD_STR_INIT("identity") };

        for (size_t i = 0; i < CD_LEN(known); i++)
                if (cd_str_eq_nocase(name, known[i]))
                        return true;
        return false;
}

/* RFC 9112 §6.1: chunked once, and last. No coding here has a parameter, and chunked must have none (§7): who reads
 * "chunked;x" as chunked, and who as unknown, see two messages. */
static const char *take_transfer_encoding(struct fields *fields, cd_str value)
{
        cd_str item;

        while (cd_str_take_until(&value, ',', &item)) {
                cd_str name = cd_str_trim(item);
                if (fields->chunked)
                        return "a transfer coding after chunked";
                if (cd_str_index(name, ';') < name.len)
                        return "a parameter of a transfer coding";
                if (name.len == 0)
                        return "an empty transfer coding";
                fields->chunked = cd_str_eq_nocase(name, CD_STR("chunked"));
                if (!fields->chunked && !is_known_coding(name))
                        return "an unknown transfer coding";
                fields->codings++;
        }
        return NULL;
}

/* One message has one type: of two that differ, each reader would take another. */
static const char *take_type(struct fields *fields, cd_str value)
{
        if (fields->type.ptr && !cd_str_eq(fields->type, value))
                return "two different Content-Type";
        fields->type = value;
        return NULL;
}

/* RFC 9110 §7.8: an Upgrade counts only where Connection names it. */
static void take_connection(struct fields *fields, cd_str value)
{
        cd_str item;

        while (cd_str_take_until(&value, ',', &item))
                fields->connection_upgrade |= cd_str_eq_nocase(cd_str_trim(item), CD_STR("upgrade"));
}

static const char *take_length(struct fields *fields, cd_str value)
{
        if (++fields->lengths > 1)
                return "several Content-Length";
        return cd_str_to_u64(value, &fields->length) ? NULL : "Content-Length is not a number";
}

static void take_expect(struct fields *fields, cd_str value, struct cd_h1_head *head)
{
        bool is_known = ++fields->expects == 1 && cd_str_eq_nocase(value, CD_STR("100-continue"));

        head->expect = is_known ? CD_H1_EXPECT_CONTINUE : CD_H1_EXPECT_UNKNOWN;
}

/* Looks at the few fields that decide about the message itself. NULL, or why the request is refused. */
static const char *take_field(struct fields *fields, cd_str name, cd_str value, struct cd_h1_head *head)
{
        switch (name.len) {
        case sizeof("Host") - 1:
                if (!cd_str_eq_nocase(name, CD_STR("Host")))
                        return NULL;
                head->http.authority = value;
                return ++fields->hosts > 1 ? "several Host" : NULL;
        case sizeof("Expect") - 1:
                if (cd_str_eq_nocase(name, CD_STR("Expect")))
                        take_expect(fields, value, head);
                return NULL;
        case sizeof("Upgrade") - 1:
                if (cd_str_eq_nocase(name, CD_STR("Upgrade")))
                        fields->upgrade = ++fields->upgrades == 1 ? value : (cd_str){ NULL, 0 };
                return NULL;
        case sizeof("Connection") - 1:
                if (cd_str_eq_nocase(name, CD_STR("Connection")))
                        take_connection(fields, value);
                return NULL;
        case sizeof("Content-Type") - 1:
                if (cd_str_eq_nocase(name, CD_STR("Content-Type")))
                        return take_type(fields, value);
                return NULL;
        default:
                break;
        }
        if (name.len < sizeof("Content-Length") - 2)
                return NULL;
        if (cd_str_eq_nocase(name, CD_STR("Content-Length")))
                return take_length(fields, value);
        if (cd_str_eq_nocase(name, CD_STR("Transfer-Encoding")))
                return take_transfer_encoding(fields, value);
        if (cd_http_looks_like_framing(name))
                return "a header that looks like one of framing";
        return NULL;
}

static const char *parse_fields(cd_str section, struct fields *fields, struct cd_h1_head *head)
{
        while (section.len > 2) {
                const char *lf = memchr(section.ptr, '\n', section.len);
                if (!lf)
                        return "no end of line"; /* never, after the scan */
                cd_str line = cd_str_of(section.ptr, (size_t)(lf - section.ptr) - 1);
                section = cd_str_of(lf + 1, section.len - line.len - 2);

                size_t colon = cd_str_index(line, ':');
                cd_str name = cd_str_of(line.ptr, colon);
                if (colon == line.len)
                        return "a header without colon";
                /* Also refuses folded lines, white space before the colon and empty names. */
                if (!cd_http_is_token(name))
                        return "a header name that is no token";
                cd_str value = cd_str_trim(cd_str_of(line.ptr + colon + 1, line.len - colon - 1));
                if (has_bad_control(value))
                        return "a control character in a header";
                const char *wrong = take_field(fields, name, value, head);
                if (wrong)
                        return wrong;
                head->http.headers[head->http.header_count++] = (struct cd_http_header){ name, value };
        }
        return NULL;
}

static const char *check_framing(const struct fields *fields, struct cd_h1_head *head)
{
        bool is_http10 = head->http.version == CD_HTTP_1_0;

        if (!is_http10 && fields->hosts == 0)
                return "no Host";
        if (fields->lengths > 0 && fields->codings > 0)
                return "both Content-Length and Transfer-Encoding";
        if (fields->codings > 0 && is_http10)
                return "Transfer-Encoding in HTTP/1.0";
        if (fields->codings > 0 && !fields->chunked)
                return "chunked is not the last transfer coding";
        if (is_http10)
                head->expect = CD_H1_EXPECT_NOTHING; /* RFC 9110 §10.1.1 */
        head->chunked = fields->chunked;
        head->content_length = fields->length;
        head->http.is_coded = fields->codings > 1;
        head->http.has_body = head->chunked || head->content_length > 0;
        /* Nobody could tell the end of a body from the first bytes of the other protocol once it has begun (RFC 9110
         * §7.8). */
        if (fields->connection_upgrade && !is_http10 && !head->http.has_body)
                head->http.upgrade = fields->upgrade;
        return NULL;
}

/* Takes "http://authority" off an absolute-form target (RFC 9112 §3.2.2). */
static bool take_authority(cd_str *target, cd_str *ret)
{
        static const cd_str schemes[] = { CD_STR_INIT("http://"), CD_STR_INIT("https://") };

        for (size_t i = 0; i < CD_LEN(schemes); i++) {
                if (!cd_str_eq_nocase(cd_str_slice(*target, 0, schemes[i].len), schemes[i]))
                        continue;
                cd_str rest = cd_str_slice(*target, schemes[i].len, target->len);
                size_t end = 0;
                while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#')
                        end++;
                *ret = cd_str_slice(rest, 0, end);
                *target = cd_str_slice(rest, end, rest.len);
                return end > 0;
        }
        return false;
}

static const char *parse_target(cd_str target, struct cd_h1_head *head)
{
        cd_str authority;

        if (cd_str_has_control(target))
                return "a control character in the target";
        if (cd_str_eq(target, CD_STR("*"))) {
                head->http.path = target;
                return head->http.method == CD_HTTP_OPTIONS ? NULL : "the target * without OPTIONS";
        }
        if (target.ptr[0] != '/') {
                if (!take_authority(&target, &authority))
                        return "a target that is neither a path nor an absolute URL";
                if (head->http.authority.ptr && !cd_str_eq_nocase(authority, head->http.authority))
                        return "the target's authority is not Host";
                head->http.authority = authority;
        }
        size_t mark = cd_str_index(target, '?');
        head->http.path = mark > 0 ? cd_str_slice(target, 0, mark) : CD_STR("/");
        head->http.query = mark < target.len ? cd_str_slice(target, mark + 1, target.len) : (cd_str){ NULL, 0 };
        return NULL;
}

/* Framing is judged below, more strictly than llhttp does ("chunked;parameter" it would not know for chunked), so it
 * stops before it acts on its own view. */
static int pause_at_body(llhttp_t *parser)
{
        (void)parser;
        return HPE_PAUSED;
}

/* llhttp judges method, version, and every byte of the fields; the target is ours, since the characters that it refuses
 * (raw UTF-8) have one canonical form, and it sees "/" in its place. */
static const char *run_llhttp(llhttp_t *parser, cd_str method, cd_str rest)
{
        static const llhttp_settings_t settings = { .on_headers_complete = pause_at_body };

        llhttp_init(parser, HTTP_REQUEST, &settings);
        if (llhttp_execute(parser, method.ptr, method.len) != HPE_OK || llhttp_execute(parser, "/", 1) != HPE_OK)
                return "a method that nobody knows";
        if (llhttp_execute(parser, rest.ptr, rest.len) != HPE_PAUSED)
                return parser->reason && *parser->reason ? parser->reason : "headers do not end";
        return parser->method == HTTP_CONNECT ? "CONNECT" : NULL;
}

static const char *parse_version(cd_str version, struct cd_h1_head *head)
{
        bool is_http10 = cd_str_eq(version, CD_STR("HTTP/1.0"));

        head->http.version = is_http10 ? CD_HTTP_1_0 : CD_HTTP_1_1;
        return is_http10 || cd_str_eq(version, CD_STR("HTTP/1.1")) ? NULL : "a version that is not HTTP/1";
}

static const char *parse_head(cd_str line, cd_str section, struct cd_h1_head *head)
{
        size_t space = cd_str_index(line, ' ');
        cd_str rest = cd_str_slice(line, space + 1, line.len);
        cd_str target = cd_str_slice(rest, 0, cd_str_index(rest, ' '));
        struct fields fields = { 0 };
        const char *wrong;
        llhttp_t parser;

        if (target.len == 0 || target.len + 1 >= rest.len)
                return "a request line without its three parts";
        if ((wrong = parse_version(cd_str_slice(rest, target.len + 1, rest.len), head)) ||
            (wrong = parse_fields(section, &fields, head)) || (wrong = check_framing(&fields, head)))
                return wrong;
        const char *after = target.ptr + target.len, *end = section.ptr + section.len;
        if ((wrong = run_llhttp(&parser, cd_str_slice(line, 0, space + 1), cd_str_of(after, (size_t)(end - after)))))
                return wrong;
        head->http.method_name = cd_str_slice(line, 0, space);
        head->http.method = cd_http_method_of(head->http.method_name);
        head->keep_alive = llhttp_should_keep_alive(&parser);
        if ((wrong = parse_target(target, head)))
                return wrong;
        return parser.content_length == head->content_length ? NULL : "Content-Length read in two ways";
}

enum cd_h1_step cd_h1_parse(cd_str bytes, const struct cd_h1_scan *scan, struct cd_http_header *headers,
                            struct cd_h1_head *ret, struct cd_http_refusal *reterr)
{
        cd_str head = cd_str_slice(bytes, scan->start, bytes.len);
        cd_str line = cd_str_slice(head, 0, scan->request_line - 2);
        cd_str section = cd_str_slice(head, scan->request_line, head.len);

        *ret = (struct cd_h1_head){ .http = { .headers = headers } };
        const char *wrong = parse_head(line, section, ret);
        if (wrong)
                return refuse(reterr, 400, wrong);
        if (ret->expect == CD_H1_EXPECT_UNKNOWN)
                return refuse(reterr, 417, "an expectation that nobody knows");
        return CD_H1_DONE;
}
