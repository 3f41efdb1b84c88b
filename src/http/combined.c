#include "http/combined.h"

#include <string.h>

enum {
        FIELD_MAX = 900, /* bytes of one field, escaped; all four of them and the rest fit into a line of the log */
};

static void add_escaped(struct cd_buf *to, cd_str value, bool is_quoted)
{
        static const char letters[] = "\b\n\r\t\v", escapes[] = "bnrtv";
        size_t end = to->len + FIELD_MAX;

        for (size_t i = 0; i < value.len; i++) {
                const char c = value.ptr[i];
                const char *letter = c ? strchr(letters, c) : NULL;
                if (to->len >= end) {
                        cd_buf_add(to, CD_STR("..."));
                        return;
                }
                if (letter)
                        cd_buf_printf(to, "\\%c", escapes[letter - letters]);
                else if (c < 0x20 || c >= 0x7f || (c == ' ' && !is_quoted))
                        cd_buf_printf(to, "\\x%02x", (unsigned char)c);
                else if (c == '"' || c == '\\')
                        cd_buf_printf(to, "\\%c", c);
                else
                        cd_buf_add_char(to, c);
        }
}

static void add_field(struct cd_buf *to, cd_str value)
{
        if (value.len)
                add_escaped(to, value, false);
        else
                cd_buf_add_char(to, '-');
}

static void add_quoted(struct cd_buf *to, cd_str value)
{
        cd_buf_add(to, CD_STR(" \""));
        if (value.len)
                add_escaped(to, value, true);
        else
                cd_buf_add_char(to, '-');
        cd_buf_add_char(to, '"');
}

/* "[22/Nov/2026:09:30:05 +0000]", when the request began. */
static void add_time(struct cd_buf *to, int64_t duration_us)
{
        char date[CD_HTTP_DATE_LEN]; /* "Sun, 22 Nov 2026 09:30:05 GMT" */

        cd_time_format_http((cd_realtime_us() - duration_us) / 1000000, date);
        cd_buf_printf(to, " [%.2s/%.3s/%.4s:%.8s +0000]", date + 5, date + 8, date + 12, date + 17);
}

static void add_request_line(struct cd_buf *to, const struct cd_http_request *req)
{
        if (!req->method) { /* it could not be read */
                cd_buf_add(to, CD_STR(" \"-\""));
                return;
        }
        cd_buf_add(to, CD_STR(" \""));
        add_escaped(to, req->method_name, true);
        cd_buf_add_char(to, ' ');
        add_escaped(to, req->path.ptr ? req->path : req->path_as_sent, true);
        cd_buf_add_char(to, ' ');
        cd_buf_add(to, req->protocol);
        cd_buf_add_char(to, '"');
}

/* Without query and fragment, and without the name and password that a URL may begin with. */
static cd_str referer_of(const struct cd_http_request *req)
{
        cd_str url = cd_http_header_get(req, CD_STR("Referer"));
        size_t end = cd_str_index(url, '?'), fragment = cd_str_index(url, '#');

        url = cd_str_slice(url, 0, end < fragment ? end : fragment);
        return cd_str_index(url, '@') < url.len ? CD_STR("") : url;
}

/* Bytes of the body that were sent. */
static uint64_t sent_bytes(const struct cd_exchange *x)
{
        if (!cd_exchange_sends_body(x))
                return 0;
        return x->head_sent ? x->pushed : x->res.body.len;
}

void cd_http_log_combined(struct cd_log *log, enum cd_log_level level, const struct cd_exchange *x, int64_t duration_us)
{
        const struct cd_http_request *req = &x->req;
        char memory[CD_LOG_LINE_MAX];
        struct cd_buf line;

        cd_buf_init_fixed(&line, memory, sizeof(memory));
        /* A forwarded address that cannot be read is nobody's: it is empty, and not the proxy's. */
        add_field(&line, req->client_address.ptr ? req->client_address : req->peer);
        cd_buf_add(&line, CD_STR(" - "));
        add_field(&line, req->log ? req->log->user : CD_STR(""));
        add_time(&line, duration_us);
        add_request_line(&line, req);
        cd_buf_printf(&line, " %d ", x->res.status);
        if (sent_bytes(x))
                cd_buf_add_u64(&line, sent_bytes(x));
        else
                cd_buf_add_char(&line, '-');
        add_quoted(&line, referer_of(req));
        add_quoted(&line, cd_http_header_get(req, CD_STR("User-Agent")));
        cd_log_line(log, level, cd_str_of(line.ptr, line.len));
}
