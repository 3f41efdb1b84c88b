/* Where COPY and MOVE put something is judged as the request's own path is (RFC 4918 §9.8, §9.9). */
#include "unit/gate/proxy_fixture.h"

#include "core/personal_token.h"

static int move(const char *host, const char *from, const char *destination)
{
        cd_str line = cd_arena_printf(&t.f->arena, "MOVE %s HTTP/1.1", from);
        cd_str more = cd_arena_printf(&t.f->arena, "%s%s", destination, proxy_cookie());
        size_t started = fake.started;

        proxy_ask(line.ptr, host, more.ptr, "");
        if (fake.started == started)
                return proxy_answer().status;
        fake_head(201, 0, NULL, 0);
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        return proxy_answer().status;
}

struct row {
        const char *destination;
        int status;
};

static void lesson_02_a_destination_is_judged_like_the_path(void **state)
{
        static const struct row rows[] = {
                { "/ana/b", 201 },
                { "https://dav.example.com/ana/b", 201 },
                { "http://DAV.example.com.:80/ana/b%20c?x=1", 201 },
                { "HTTPS://dav.example.com/ana/b%2Fc;d", 201 },
                /* Another route, or none. */
                { "/bob/b", 403 },
                { "https://dav.example.com/bob/b", 403 },
                { "https://DAV.EXAMPLE.COM./bob/b", 403 },
                { "https://dav.example.com:8443/bob/b", 403 },
                { "/ana", 403 },
                { "/", 403 },
                { "/%62ob/b", 403 },
                /* One that could be another. */
                { "/ana/../bob/b", 403 },
                { "/ana/%2e%2e/bob/b", 403 },
                { "/ana/%252e%252e/bob/b", 403 },
                { "/ana/..;/bob/b", 403 },
                { "/ana/..%5Cbob/b", 403 },
                { "/ana%2Fb", 403 },
                { "/ana/b#c", 403 },
                { "/ana/b\\c", 403 },
                /* Another server. */
                { "https://wiki.example.com/ana/b", 502 },
                { "http://evil.example/ana/b", 502 },
                /* No URL that everybody reads alike. */
                { "", 400 },
                { "ana/b", 400 },
                { "//dav.example.com/bob/b", 403 },
                { "https:/bob/b", 400 },
                { "https:///bob/b", 400 },
                { "https://", 400 },
                { "https://dav.example.com", 400 },
                { "https://dav.example.com?/ana/b", 400 },
                { "https://u@dav.example.com/ana/b", 400 },
                { "https://dav.example.com\\/ana/b", 400 },
                { "ftp://dav.example.com/ana/b", 400 },
                { "<https://dav.example.com/ana/b>", 400 },
                { "/ana/b, /bob/b", 403 },
                { "/ana/b?a b", 400 },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                cd_str header = cd_arena_printf(&t.f->arena, "Destination: %s\r\n", rows[i].destination);
                int status = move("dav.example.com", "/ana/a", header.ptr);
                if (status != rows[i].status)
                        fail_msg("%s: %d", rows[i].destination, status);
        }
        assert_int_equal(fake.started, 4);
        assert_int_equal(move("dav.example.com", "/ana/a", ""), 201);
        assert_int_equal(move("dav.example.com", "/ana/a", "Destination: /ana/b\r\nDestination: /bob/b\r\n"), 400);
        assert_int_equal(move("dav.example.com", "/ana/a", "destination: /bob/b\r\n"), 403);
}

static void a_destination_is_judged_with_the_users_login(void **state)
{
        (void)state;
        assert_int_equal(move("raw.example.com", "/a%2Fb", "Destination: /b%2Fc;d\r\n"), 201);
        assert_int_equal(move("raw.example.com", "/a%2Fb", "Destination: /b/../c\r\n"), 403);
        assert_int_equal(move("dav.example.com", "/bob/a", "Destination: /ana/b\r\n"), 403);
        proxy_ask("MOVE /ana/a HTTP/1.1", "dav.example.com", "Destination: /ana/b\r\n", "");
        assert_int_equal(proxy_answer().status, 401);
        proxy_ask("COPY /open/a HTTP/1.1", "dav.example.com", "Destination: /ana/b\r\n", "");
        assert_int_equal(proxy_answer().status, 403);
        assert_int_equal(fake.started, 1);
}

static void a_personal_token_must_be_for_the_destination_too(void **state)
{
        const struct cd_personal_token_params params = {
                .session = &t.session, .name = CD_STR("backup"), .days = 30, .paths = CD_STR("/ana/mine/")
        };
        const struct cd_lockout_rules rules = { 2, 3, 60, 100 };
        struct cd_personal_token_text text;
        struct cd_personal_token made;

        (void)state;
        assert_status(cd_lockout_new(&rules, &t.f->random, &t.version->gate.lockout, &t.f->err), CD_OK);
        assert_status(cd_personal_token_create(&t.f->sessions, &t.f->arena, &params, &made, &text, &t.f->err), CD_OK);
        const struct row rows[] = { { "/ana/mine/b", 201 }, { "/ana/b", 403 }, { "/ana/mine/../b", 403 } };
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                cd_str more = cd_arena_printf(&t.f->arena, "Authorization: Bearer %.*s\r\nDestination: %s\r\n",
                                              (int)sizeof(text.text), text.text, rows[i].destination);
                size_t started = fake.started;
                proxy_ask("MOVE /ana/mine/a HTTP/1.1", "dav.example.com", more.ptr, "");
                if (fake.started > started) {
                        fake_head(201, 0, NULL, 0);
                        fake_end(NULL, 0);
                        fixture_turn(&t.server);
                }
                assert_int_equal(proxy_answer().status, rows[i].status);
        }
        cd_lockout_free(t.version->gate.lockout);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROXY(lesson_02_a_destination_is_judged_like_the_path),
                PROXY(a_destination_is_judged_with_the_users_login),
                PROXY(a_personal_token_must_be_for_the_destination_too),
        };

        return cmocka_run_group_tests_name("gate/destination", tests, NULL, NULL);
}
