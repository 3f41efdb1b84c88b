#include "forward_fixture.h"

#include "support/check.h"

#include <string.h>

#include "base/buf.h"
#include "base/canonical.h"

struct cd_upstream {
        bool is_uwsgi, is_tls;
        cd_str authority;
};

static struct cd_upstream upstream;

bool cd_upstream_is_uwsgi(const struct cd_upstream *of)
{
        return of->is_uwsgi;
}

bool cd_upstream_is_tls(const struct cd_upstream *of)
{
        return of->is_tls;
}

cd_str cd_upstream_authority(const struct cd_upstream *of)
{
        return of->authority;
}

void forward_set_up(struct forward_fixture *f)
{
        *f = (struct forward_fixture){ 0 };
        cd_arena_init(&f->arena, 1 << 22);
        upstream = (struct cd_upstream){ .authority = CD_STR("10.0.0.5:8000") };
        f->upstream = &upstream;
        f->route = (struct cd_gate_route){
                .name = CD_STR("wiki.example.com"),
                .host = CD_STR("wiki.example.com"),
                .upstream = &upstream,
                .identity = { CD_STR("Remote-User"), CD_STR("Remote-Groups"), CD_STR("Remote-Email"),
                              CD_STR("Remote-Name") },
        };
        f->req = (struct cd_http_request){
                .arena = &f->arena,
                .method = CD_HTTP_GET,
                .method_name = CD_STR("GET"),
                .scheme = CD_STR("https"),
                .protocol = CD_STR("HTTP/1.1"),
                .authority = CD_STR("Wiki.example.com"),
                .host = CD_STR("wiki.example.com"),
                .headers = f->headers,
                .peer = CD_STR("192.0.2.7"),
                .peer_port = 4711,
                .local_port = 8443,
                .client_address = CD_STR("192.0.2.7"),
                .request_id = CD_STR("id-1"),
                .log = &f->log,
        };
        memset(f->req.trace.trace_id, 'a', sizeof(f->req.trace.trace_id));
        memset(f->req.trace.span_id, 'b', sizeof(f->req.trace.span_id));
        f->ana = (struct cd_live_session){
                .user = CD_STR("ana"),
                .groups = CD_STR("staff,wiki"),
                .email = CD_STR("ana@example.com"),
                .display_name = CD_STR("Ana \xc3\x84."),
                .factors = 2,
                .auth_time = 1700000000,
        };
        f->identity = (struct cd_gate_identity){ .who = &f->ana, .auth_type = "session" };
        forward_path(f, "/a/b");
}

void forward_tear_down(struct forward_fixture *f)
{
        cd_arena_done(&f->arena);
}

void forward_is_uwsgi(struct forward_fixture *f)
{
        (void)f;
        upstream.is_uwsgi = true;
}

void forward_path(struct forward_fixture *f, const char *as_sent)
{
        f->req.path_as_sent = cd_str_from_c(as_sent);
        if (cd_canonical_path(&f->arena, f->req.path_as_sent, &f->req.path) != CD_OK)
                f->req.path = (cd_str){ NULL, 0 };
        f->req.was_path_changed = !f->req.path.ptr || !cd_str_eq(f->req.path, f->req.path_as_sent);
}

static size_t read_lines(const char *lines, struct cd_http_header *to)
{
        cd_str rest = cd_str_from_c(lines), line;
        size_t count = 0;

        while (rest.len && cd_str_take_until(&rest, '\n', &line)) {
                size_t colon = cd_str_index(line, ':');
                assert_true(count < FORWARD_HEADERS && colon < line.len);
                to[count++] = (struct cd_http_header){ cd_str_slice(line, 0, colon),
                                                       cd_str_trim(cd_str_slice(line, colon + 1, line.len)) };
        }
        return count;
}

void forward_headers(struct forward_fixture *f, const char *lines)
{
        f->req.header_count = read_lines(lines, f->headers);
}

cd_status forward_send(struct forward_fixture *f)
{
        f->error = (struct cd_error){ 0 };
        return cd_gate_forward(&f->route, &f->req, &f->identity, f->length, &f->sent, &f->error);
}

static const char *as_lines(struct forward_fixture *f, const struct cd_http_header *headers, size_t count)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, 1 << 20);
        for (size_t i = 0; i < count; i++) {
                cd_buf_add(&buf, headers[i].name);
                cd_buf_add(&buf, CD_STR(": "));
                cd_buf_add(&buf, headers[i].value);
                cd_buf_add_char(&buf, '\n');
        }
        cd_buf_add_char(&buf, '\0');
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        return text.ptr;
}

const char *forward_lines(struct forward_fixture *f)
{
        cd_status status = forward_send(f);

        if (status != CD_OK)
                fail_msg("%s", f->error.reason);
        return as_lines(f, f->sent.fields, f->sent.field_count);
}

const char *forward_field(struct forward_fixture *f, const char *name)
{
        const char *found = NULL;

        for (size_t i = 0; i < f->sent.field_count; i++) {
                if (!cd_str_eq_c(f->sent.fields[i].name, name))
                        continue;
                assert_null(found);
                found = cd_arena_copy(&f->arena, f->sent.fields[i].value).ptr;
        }
        return found;
}

static char fold(char c)
{
        return strchr("-_.", c) ? '-' : (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

size_t forward_spellings(const struct forward_fixture *f, const char *name)
{
        size_t found = 0;

        for (size_t i = 0; i < f->sent.field_count; i++) {
                cd_str other = f->sent.fields[i].name;
                bool same = other.len == strlen(name);
                for (size_t at = 0; same && at < other.len; at++)
                        same = fold(other.ptr[at]) == fold(name[at]);
                found += same;
        }
        return found;
}

const char *forward_back(struct forward_fixture *f, const char *lines)
{
        struct cd_http_header headers[FORWARD_HEADERS];
        struct cd_upstream_head head = { .status = 203, .headers = headers };

        head.header_count = read_lines(lines, headers);
        f->res = (struct cd_http_response){ .arena = &f->arena };
        if (!cd_gate_backward(&f->route, &f->req, &head, &f->res))
                return NULL;
        memset(headers, 0, sizeof(headers)); /* what is kept was copied */
        assert_int_equal(f->res.status, 203);
        return as_lines(f, f->res.headers, f->res.header_count);
}

void forward_is_tls(struct forward_fixture *f)
{
        (void)f;
        upstream.is_tls = true;
}
