#include <string.h>

#include "base/base64.h"
#include "support/check.h"
#include "web/client_auth.h"

struct fixture {
        struct cd_arena arena;
        struct cd_http_header headers[2];
        struct cd_http_request req;
        cd_str id, secret;
        struct cd_error err;
};

/* A request with that Authorization header (NULL: none), and what its form had said. */
static struct fixture request(const char *authorization, cd_str id, cd_str secret)
{
        struct fixture f = { .id = id, .secret = secret };

        cd_arena_init(&f.arena, 1 << 16);
        if (authorization) {
                f.headers[0] = (struct cd_http_header){ CD_STR("Authorization"), cd_str_from_c(authorization) };
                f.req.header_count = 1;
        }
        return f;
}

static cd_status credentials(struct fixture *f)
{
        f->req.arena = &f->arena;
        f->req.headers = f->headers;
        return cd_web_client_credentials(&f->req, &f->id, &f->secret, &f->err);
}

/* "Basic " and the base64 of `pair`. */
static const char *basic(struct cd_arena *arena, cd_str pair)
{
        char *text = cd_arena_alloc(arena, 6 + pair.len * 2 + 8);

        assert_non_null(text);
        __builtin_memcpy(text, "Basic ", 6);
        text[6 + cd_base64_encode(text + 6, pair)] = '\0';
        return text;
}

static const cd_str absent = { NULL, 0 };

static void assert_refused(struct fixture f, cd_status status, const char *reason)
{
        assert_status(credentials(&f), status);
        assert_string_equal(f.err.reason, reason);
        cd_arena_done(&f.arena);
}

static void the_form_alone_will_do(void **state)
{
        struct fixture f = request(NULL, CD_STR("app"), CD_STR("secret"));

        (void)state;
        assert_status(credentials(&f), CD_OK);
        assert_str(f.id, "app");
        assert_str(f.secret, "secret");
}

static void basic_is_percent_decoded(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 12);
        struct fixture f = request(basic(&arena, CD_STR("my%3Aapp:a+b%2B%25%C3%A9:c")), absent, absent);
        assert_status(credentials(&f), CD_OK);
        assert_str(f.id, "my:app");
        assert_str(f.secret, "a b+%\xc3\xa9:c");
        cd_arena_done(&f.arena);
        cd_arena_done(&arena);
}

static void the_scheme_is_compared_without_case(void **state)
{
        struct fixture f = request("bAsIc MTIzNDpxd2VydHk=", absent, absent);

        (void)state;
        assert_status(credentials(&f), CD_OK);
        assert_str(f.id, "1234");
        assert_str(f.secret, "qwerty");
        cd_arena_done(&f.arena);
}

static void nothing_sent_is_no_client(void **state)
{
        (void)state;
        assert_refused(request(NULL, absent, absent), CD_INVALID_CLIENT,
                       "no client credentials: send id and secret by Basic, or as client_id and client_secret");
        assert_refused(request(NULL, CD_STR("app"), absent), CD_INVALID_CLIENT, "missing");
        assert_refused(request(NULL, absent, CD_STR("secret")), CD_INVALID_CLIENT, "missing");
}

static void both_ways_at_once_are_refused(void **state)
{
        (void)state;
        assert_refused(request("Basic MTIzNDpxd2VydHk=", absent, CD_STR("qwerty")), CD_INVALID_REQUEST,
                       "credentials are in the header and in the form; use one");
        assert_refused(request("Basic MTIzNDpxd2VydHk=", CD_STR("other"), absent), CD_INVALID_REQUEST,
                       "is another client than the one in the header");
}

static void the_same_id_in_the_form_is_fine(void **state)
{
        struct fixture f = request("Basic MTIzNDpxd2VydHk=", CD_STR("1234"), absent);

        (void)state;
        assert_status(credentials(&f), CD_OK);
        cd_arena_done(&f.arena);
}

/* One byte of base64 too many. */
static const char *long_header(struct cd_arena *arena)
{
        char *text = cd_arena_alloc(arena, 6 + 4097 + 1);

        assert_non_null(text);
        memset(text, 'A', 6 + 4097);
        memcpy(text, "Basic ", 6);
        text[6 + 4097] = '\0';
        return text;
}

static void bad_headers_are_refused_each_with_its_reason(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 14);
        assert_refused(request("Bearer abc", absent, absent), CD_INVALID_CLIENT, "the scheme must be Basic");
        assert_refused(request("", absent, absent), CD_INVALID_CLIENT, "the scheme must be Basic");
        assert_refused(request("Basic !!!!", absent, absent), CD_INVALID_CLIENT, "not base64");
        assert_refused(request(long_header(&arena), absent, absent), CD_INVALID_CLIENT,
                       "must be at most 4096 bytes of base64");
        assert_refused(request(basic(&arena, CD_STR("no colon")), absent, absent), CD_INVALID_CLIENT,
                       "no colon between id and secret");
        assert_refused(request(basic(&arena, CD_STR("a%zz:b")), absent, absent), CD_INVALID_CLIENT,
                       "id and secret must be percent-encoded");
        assert_refused(request(basic(&arena, CD_STR("a%00:b")), absent, absent), CD_INVALID_CLIENT,
                       "id and secret must be UTF-8 without NUL");
        assert_refused(request(basic(&arena, CD_STR("a:\xff")), absent, absent), CD_INVALID_CLIENT,
                       "id and secret must be UTF-8 without NUL");
        cd_arena_done(&arena);
}

static void two_authorization_headers_are_refused(void **state)
{
        struct fixture f = request("Basic MTIzNDpxd2VydHk=", absent, absent);

        (void)state;
        f.headers[1] = f.headers[0];
        f.req.header_count = 2;
        assert_status(credentials(&f), CD_INVALID_REQUEST);
        assert_string_equal(f.err.reason, "given more than once");
        assert_string_equal(f.err.field, "Authorization");
        cd_arena_done(&f.arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_form_alone_will_do),
                cmocka_unit_test(basic_is_percent_decoded),
                cmocka_unit_test(the_scheme_is_compared_without_case),
                cmocka_unit_test(nothing_sent_is_no_client),
                cmocka_unit_test(both_ways_at_once_are_refused),
                cmocka_unit_test(the_same_id_in_the_form_is_fine),
                cmocka_unit_test(bad_headers_are_refused_each_with_its_reason),
                cmocka_unit_test(two_authorization_headers_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
