#include <string.h>

#include "support/check.h"
#include "web/oauth_error.h"

struct fixture {
        struct cd_arena arena;
        struct cd_http_log_context log;
        struct cd_http_request req;
        struct cd_http_response res;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ 0 };
        cd_arena_init(&f.arena, 1 << 16);
        f.req.arena = f.res.arena = &f.arena;
        f.req.log = &f.log;
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_arena_done(&f->arena);
        return 0;
}

static bool has_header(const struct fixture *f, const char *name, const char *value)
{
        for (size_t i = 0; i < f->res.header_count; i++)
                if (cd_str_eq(f->res.headers[i].name, cd_str_from_c(name)))
                        return cd_str_eq(f->res.headers[i].value, cd_str_from_c(value));
        return false;
}

static void send(struct fixture *f, cd_status status, const char *field, const char *reason)
{
        struct cd_error err = { 0 };

        (void)cd_fail_field(&err, status, cd_str_from_c(field), reason);
        cd_web_send_oauth_error(&f->req, &f->res, &err);
}

static void a_lockout_is_429_and_says_when_to_try_again(void **state)
{
        struct fixture *f = *state;
        struct cd_error err = { 0 };

        (void)cd_fail(&err, CD_THROTTLED, "too many wrong passwords for the account");
        err.retry_after = 40;
        cd_web_send_oauth_error(&f->req, &f->res, &err);
        assert_int_equal(f->res.status, 429);
        assert_true(has_header(f, "Retry-After", "40"));
        assert_str(f->log.error, "temporarily_unavailable");
}

static void a_bad_request_names_the_field(void **state)
{
        struct fixture *f = *state;

        send(f, CD_INVALID_REQUEST, "grant_type", "missing");
        assert_int_equal(f->res.status, 400);
        assert_str(f->res.body, "{\"error\":\"invalid_request\",\"error_description\":\"grant_type: missing\"}");
        assert_true(has_header(f, "Cache-Control", "no-store"));
        assert_true(has_header(f, "Pragma", "no-cache"));
        assert_str(f->log.error, "invalid_request");
        assert_str(f->log.reason, "grant_type: missing");
}

static void lesson_28_what_was_sent_is_shown_to_its_sender_and_not_logged(void **state)
{
        struct fixture *f = *state;
        struct cd_error err = { 0 };

        (void)cd_fail(&err, CD_INVALID_SCOPE, "unknown scope");
        err.quoted = CD_STR("reports\".write");
        cd_web_send_oauth_error(&f->req, &f->res, &err);
        assert_str(f->res.body,
                   "{\"error\":\"invalid_scope\",\"error_description\":\"unknown scope 'reports'.write'\"}");
        assert_str(f->log.reason, "unknown scope");
}

static void a_bad_client_is_asked_for_basic(void **state)
{
        struct fixture *f = *state;

        send(f, CD_INVALID_CLIENT, "", "unknown client or wrong secret");
        assert_int_equal(f->res.status, 401);
        assert_true(has_header(f, "WWW-Authenticate", "Basic realm=\"oauth\", charset=\"UTF-8\""));
}

static void a_coded_form_is_told_which_coding_would_do(void **state)
{
        struct fixture *f = *state;

        send(f, CD_UNSUPPORTED_CODING, "Content-Encoding", "not supported; send the form without a coding");
        assert_int_equal(f->res.status, 415);
        assert_true(has_header(f, "Accept-Encoding", "identity"));
        assert_str(f->log.error, "invalid_request");
}

static void a_description_keeps_to_the_characters_of_rfc_6749(void **state)
{
        struct fixture *f = *state;

        send(f, CD_INVALID_SCOPE, "scope", "a\"b\\c\xc3\xa9\n");
        assert_str(f->res.body, "{\"error\":\"invalid_scope\",\"error_description\":\"scope: a'b'c?"
                                "?'x0a\"}");
}

static void lesson_29_our_own_faults_tell_the_client_nothing(void **state)
{
        struct fixture *f = *state;

        send(f, CD_INTERNAL, "", "/var/lib/cardea/db: disk I/O error");
        assert_int_equal(f->res.status, 500);
        assert_str(f->res.body, "{\"error\":\"server_error\"}");
        assert_str(f->log.reason, "/var/lib/cardea/db: disk I/O error");
}

static void what_may_come_back_says_when_to_try_again(void **state)
{
        struct fixture *f = *state;

        send(f, CD_UNAVAILABLE, "", "the random source failed");
        assert_int_equal(f->res.status, 503);
        assert_str(f->res.body, "{\"error\":\"temporarily_unavailable\"}");
        assert_true(has_header(f, "Retry-After", "1"));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_lockout_is_429_and_says_when_to_try_again),
                TEST(a_bad_request_names_the_field),
                TEST(lesson_28_what_was_sent_is_shown_to_its_sender_and_not_logged),
                TEST(a_bad_client_is_asked_for_basic),
                TEST(a_coded_form_is_told_which_coding_would_do),
                TEST(a_description_keeps_to_the_characters_of_rfc_6749),
                TEST(lesson_29_our_own_faults_tell_the_client_nothing),
                TEST(what_may_come_back_says_when_to_try_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
