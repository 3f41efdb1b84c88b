#include "support/check.h"

#include "core/return_to.h"

static struct cd_arena arena;
static struct cd_access *access_rules;

static int set_up(void **state)
{
        static const struct cd_access_rule rules[] = {
                { .host = CD_STR_INIT("wiki.example.com") }, { .host = CD_STR_INIT("app.localhost") },
                { .host = CD_STR_INIT("127.0.0.1") },        { .host = CD_STR_INIT("[::1]") },
                { .host = CD_STR_INIT("192.0.2.1") },        { .host = CD_STR_INIT("*.wild.example.com") },
        };

        (void)state;
        cd_arena_init(&arena, 1 << 22);
        return cd_access_new(rules, CD_LEN(rules), &access_rules, NULL) == CD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        cd_access_free(access_rules);
        cd_arena_done(&arena);
        return 0;
}

static struct cd_portal_url portal_of(const char *text)
{
        struct cd_portal_url portal;
        struct cd_error err;

        if (cd_portal_url_parse(&arena, cd_str_from_c(text), &portal, &err) != CD_OK)
                fail_msg("%s: %s", text, err.reason);
        return portal;
}

static struct cd_return_to decide(cd_str asked)
{
        const struct cd_portal_url portal = portal_of("https://auth.example.com/_auth");

        return cd_return_to_decide(&arena, access_rules, &portal, asked);
}

static void a_page_whose_host_a_rule_names_is_returned_to(void **state)
{
        static const char *const cases[][2] = {
                { "https://wiki.example.com/", NULL },
                { "https://wiki.example.com", NULL },
                { "https://wiki.example.com/My%20Page?action=edit&x=%2F%2Fy#", "https://auth.example.com/_auth/" },
                { "https://wiki.example.com/My%20Page?action=edit&x=%2F%2Fy", NULL },
                { "https://wiki.example.com:8443/@ana/x;", "https://auth.example.com/_auth/" },
                { "https://wiki.example.com:8443/@ana/x", NULL },
                { "https://wiki.example.com/?", NULL },
                { "https://wiki.example.com/%CF%8F%7B", NULL },
                { "https://wiki.example.com:65535/", NULL },
                { "https://wiki.example.com:1/", NULL },
                { "https://[::1]/", NULL },
                { "http://[::1]:5000/x", NULL },
                { "http://127.0.0.1:5000/x", NULL },
                { "http://app.localhost:5000/x", NULL },
                { "https://192.0.2.1/x", NULL },
                { "https://auth.example.com/_auth/account", NULL },
                { "https://auth.example.com", NULL },
                { "/_auth/account?x=1", "https://auth.example.com/_auth/account?x=1" },
                { "/", "https://auth.example.com/" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_return_to to = decide(cd_str_from_c(cases[i][0]));
                const char *expected = cases[i][1] ? cases[i][1] : cases[i][0];
                if (!cd_str_eq_c(to.url, expected))
                        fail_msg("%s: %.*s (%s)", cases[i][0], CD_STR_ARG(to.url), to.refused ? to.refused : "");
        }
}

static void host_and_path_are_those_of_the_url(void **state)
{
        static const char *const cases[][3] = {
                { "https://wiki.example.com:8443/a/b?c=/d", "wiki.example.com", "/a/b" },
                { "https://wiki.example.com", "wiki.example.com", "/" },
                { "https://auth.example.com/x", "auth.example.com", "/x" },
                { "/x/y?z=1", "auth.example.com", "/x/y" },
                { "https://other.example.com/x", "auth.example.com", "/_auth/" },
                { "javascript:x", "auth.example.com", "/_auth/" },
                { "", "auth.example.com", "/_auth/" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_return_to to = decide(cd_str_from_c(cases[i][0]));
                assert_str(to.host, cases[i][1]);
                assert_str(to.path, cases[i][2]);
        }
}

#define NO_SCHEME "is not a URL of https"
#define NO_RULE   "has a host without an access rule of its own"
#define NO_HOST   "has a host that is not canonical"
#define NO_PATH   "has a path that is not canonical"
#define NO_PORT   "has a port that is none"
#define NO_QUERY  "has a query with a byte that no URL holds"
#define USER      "has a user"
#define HTTP      "is http, and its host is not this machine"
#define SPACE     "has an encoded control character or space in its path"

static const struct {
        cd_str asked;
        const char *refused;
} hostile[] = {
        /* other schemes, and what a browser reads as one */
        { CD_STR_INIT(""), NO_SCHEME },
        { CD_STR_INIT("javascript:alert(1)"), NO_SCHEME },
        { CD_STR_INIT("javascript://wiki.example.com/%0aalert(1)"), NO_SCHEME },
        { CD_STR_INIT("data:text/html,x"), NO_SCHEME },
        { CD_STR_INIT("ftp://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("HTTPS://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("https:/wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("https:wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("https:\\\\wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT(" https://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("\thttps://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("\0https://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("h\nttps://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("%20https://wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("wiki.example.com/"), NO_SCHEME },
        { CD_STR_INIT("account"), NO_SCHEME },
        { CD_STR_INIT("?x"), NO_SCHEME },
        { CD_STR_INIT("\\evil.example/"), NO_SCHEME },
        { CD_STR_INIT("http://wiki.example.com/"), HTTP },
        { CD_STR_INIT("http://192.0.2.1/"), HTTP },
        { CD_STR_INIT("http://auth.example.com/_auth/"), HTTP },
        { CD_STR_INIT("http://127.0.0.1.evil.example/"), HTTP },
        { CD_STR_INIT("http://localhost.evil.example/"), HTTP },
        { CD_STR_INIT("http://xlocalhost/"), HTTP },
        /* hosts */
        { CD_STR_INIT("https://evil.example/"), NO_RULE },
        { CD_STR_INIT("https://wiki.example.com.evil.example/"), NO_RULE },
        { CD_STR_INIT("https://evilwiki.example.com/"), NO_RULE },
        { CD_STR_INIT("https://x.wiki.example.com/"), NO_RULE },
        { CD_STR_INIT("https://example.com/"), NO_RULE },
        { CD_STR_INIT("https://auth.example.com:444/"), NO_RULE },
        { CD_STR_INIT("https://a.wild.example.com/"), NO_RULE },
        { CD_STR_INIT("https://wild.example.com/"), NO_RULE },
        { CD_STR_INIT("https://*.wild.example.com/"), NO_HOST },
        { CD_STR_INIT("https://.wild.example.com/"), NO_HOST },
        { CD_STR_INIT("https://WIKI.example.com/"), NO_HOST },
        { CD_STR_INIT("https://wiki.example.com./"), NO_HOST },
        { CD_STR_INIT("https:///wiki.example.com/"), NO_HOST },
        { CD_STR_INIT("https://"), NO_HOST },
        { CD_STR_INIT("https://?wiki.example.com"), NO_HOST },
        { CD_STR_INIT("https://#wiki.example.com"), NO_HOST },
        { CD_STR_INIT("https://wiki%2eexample.com/"), NO_HOST },
        { CD_STR_INIT("https://evil.example%2f.wiki.example.com/"), NO_HOST },
        { CD_STR_INIT("https://evil.example\\.wiki.example.com/"), NO_PATH },
        { CD_STR_INIT("https://evil.example\\@wiki.example.com/"), NO_PATH },
        { CD_STR_INIT("https://evil.example\t.wiki.example.com/"), NO_HOST },
        { CD_STR_INIT("https://wiki.example.com\n/"), NO_HOST },
        { CD_STR_INIT("https://wiki.example.com\0.evil.example/"), NO_HOST },
        { CD_STR_INIT("https://wiki.ex\xc3\xa4mple.com/"), NO_HOST },
        { CD_STR_INIT("https://wiki.example.com\xef\xbc\x8f.evil.example/"), NO_HOST },
        { CD_STR_INIT("https://[::1/"), NO_PORT },
        { CD_STR_INIT("https://[0:0::1]/"), NO_HOST },
        { CD_STR_INIT("https://[::1]evil.example/"), NO_PORT },
        { CD_STR_INIT("https://127.1/"), NO_RULE },
        { CD_STR_INIT("https://2130706433/"), NO_RULE },
        /* users and ports */
        { CD_STR_INIT("https://wiki.example.com@evil.example/"), USER },
        { CD_STR_INIT("https://evil.example@wiki.example.com/"), USER },
        { CD_STR_INIT("https://a@b@wiki.example.com/"), USER },
        { CD_STR_INIT("https://a:b@wiki.example.com/"), USER },
        { CD_STR_INIT("https://@wiki.example.com/"), USER },
        { CD_STR_INIT("https://wiki.example.com:@evil.example/"), USER },
        { CD_STR_INIT("https://wiki.example.com:/"), NO_PORT },
        { CD_STR_INIT("https://wiki.example.com:0/"), NO_PORT },
        { CD_STR_INIT("https://wiki.example.com:65536/"), NO_PORT },
        { CD_STR_INIT("https://wiki.example.com:08443/"), NO_PORT },
        { CD_STR_INIT("https://wiki.example.com:84a/"), NO_PORT },
        { CD_STR_INIT("https://wiki.example.com:80:80/"), NO_PORT },
        { CD_STR_INIT("https://wiki.example.com:18446744073709551617/"), NO_PORT },
        /* paths */
        { CD_STR_INIT("//evil.example/"), NO_PATH },
        { CD_STR_INIT("//wiki.example.com/"), NO_PATH },
        { CD_STR_INIT("///evil.example/"), NO_PATH },
        { CD_STR_INIT("/\\evil.example/"), NO_PATH },
        { CD_STR_INIT("/\t/evil.example/"), NO_PATH },
        { CD_STR_INIT("/\n/evil.example/"), NO_PATH },
        { CD_STR_INIT("/\r\nSet-Cookie: x=y"), NO_PATH },
        { CD_STR_INIT("/ /evil.example/"), NO_PATH },
        { CD_STR_INIT("/x\0"), NO_PATH },
        { CD_STR_INIT("/\x7f"), NO_PATH },
        { CD_STR_INIT("/%2f/evil.example/"), NO_PATH },
        { CD_STR_INIT("/%2Fevil.example/"), NO_PATH },
        { CD_STR_INIT("/%5cevil.example/"), NO_PATH },
        { CD_STR_INIT("/%00"), NO_PATH },
        { CD_STR_INIT("/./x"), NO_PATH },
        { CD_STR_INIT("/x/../y"), NO_PATH },
        { CD_STR_INIT("/.//evil.example/"), NO_PATH },
        { CD_STR_INIT("/%2e%2e/x"), NO_PATH },
        { CD_STR_INIT("/x;y"), NO_PATH },
        { CD_STR_INIT("/x#y"), NO_PATH },
        { CD_STR_INIT("/%"), NO_PATH },
        { CD_STR_INIT("/%7Eana"), NO_PATH },
        { CD_STR_INIT("/%c3%a4"), NO_PATH },
        { CD_STR_INIT("/\xc3\xa4"), NO_PATH },
        { CD_STR_INIT("/%C0%AF"), NO_PATH },
        { CD_STR_INIT("https://wiki.example.com?x"), NO_PATH },
        { CD_STR_INIT("https://wiki.example.com#x"), NO_PATH },
        { CD_STR_INIT("https://wiki.example.com\\x"), NO_PATH },
        { CD_STR_INIT("https://wiki.example.com//evil.example"), NO_PATH },
        { CD_STR_INIT("/%09/evil.example/"), SPACE },
        { CD_STR_INIT("/%0A/evil.example/"), SPACE },
        { CD_STR_INIT("/x%0D%0ASet-Cookie:%20x"), SPACE },
        { CD_STR_INIT("/a%1Fb"), SPACE },
        { CD_STR_INIT("/a%7Fb"), SPACE },
        { CD_STR_INIT("/%20/evil.example/"), SPACE },
        { CD_STR_INIT("/%20x"), SPACE },
        { CD_STR_INIT("/x%20"), SPACE },
        { CD_STR_INIT("/x%20/y"), SPACE },
        { CD_STR_INIT("https://wiki.example.com/%20"), SPACE },
        /* queries */
        { CD_STR_INIT("/x?a b"), NO_QUERY },
        { CD_STR_INIT("/x?a\nb"), NO_QUERY },
        { CD_STR_INIT("/x?\\"), NO_QUERY },
        { CD_STR_INIT("/x?a#b"), NO_QUERY },
        { CD_STR_INIT("/x?\xc3\xa4"), NO_QUERY },
        { CD_STR_INIT("/x?\""), NO_QUERY },
        { CD_STR_INIT("https://wiki.example.com/?a\0"), NO_QUERY },
};

static void lesson_7_anything_else_leads_to_the_home_of_the_portal(void **state)
{
        (void)state;
        for (size_t i = 0; i < CD_LEN(hostile); i++) {
                struct cd_return_to to = decide(hostile[i].asked);
                if (!to.refused || strcmp(to.refused, hostile[i].refused) != 0)
                        fail_msg("%zu: %.*s: %s", i, CD_STR_ARG(hostile[i].asked),
                                 to.refused ? to.refused : "accepted");
                assert_str(to.url, "https://auth.example.com/_auth/");
        }
}

static void lesson_7_without_rules_only_the_portal_itself_is_returned_to(void **state)
{
        const struct cd_portal_url portal = portal_of("http://localhost:5000");

        (void)state;
        assert_str(cd_return_to_decide(&arena, NULL, &portal, CD_STR("http://localhost:5000/x")).url,
                   "http://localhost:5000/x");
        assert_str(cd_return_to_decide(&arena, NULL, &portal, CD_STR("/x")).url, "http://localhost:5000/x");
        assert_str(cd_return_to_decide(&arena, NULL, &portal, CD_STR("http://localhost:5001/x")).url,
                   "http://localhost:5000/");
        assert_str(cd_return_to_decide(&arena, NULL, &portal, CD_STR("https://localhost:5000/x")).url,
                   "http://localhost:5000/");
        assert_str(cd_return_to_decide(&arena, NULL, &portal, CD_STR("https://wiki.example.com/x")).url,
                   "http://localhost:5000/");
}

static void a_url_of_the_longest_length_is_accepted_and_no_longer_one(void **state)
{
        char text[CD_RETURN_TO_MAX + 1];

        (void)state;
        memset(text, 'a', sizeof(text));
        text[0] = '/';
        assert_null(decide(cd_str_of(text, CD_RETURN_TO_MAX)).refused);
        assert_string_equal(decide(cd_str_of(text, CD_RETURN_TO_MAX + 1)).refused, "is longer than 4096 bytes");
}

static void without_memory_it_is_the_home(void **state)
{
        const struct cd_portal_url portal = portal_of("https://auth.example.com/_auth");
        static const char *const asked[] = { "/x", "/%41", "https://WIKI.example.com/" };
        struct cd_arena none;

        (void)state;
        cd_arena_init(&none, 0);
        for (size_t i = 0; i < CD_LEN(asked); i++) {
                struct cd_return_to to = cd_return_to_decide(&none, access_rules, &portal, cd_str_from_c(asked[i]));
                assert_string_equal(to.refused, "cannot be checked: no memory");
                assert_str(to.url, "https://auth.example.com/_auth/");
        }
        cd_arena_done(&none);
}

static void the_url_of_a_portal_is_taken_apart(void **state)
{
        static const struct {
                const char *text, *origin, *host, *home;
        } cases[] = {
                { "https://auth.example.com/_auth", "https://auth.example.com", "auth.example.com",
                  "https://auth.example.com/_auth/" },
                { "https://auth.example.com", "https://auth.example.com", "auth.example.com",
                  "https://auth.example.com/" },
                { "https://a.b:8443/x/y", "https://a.b:8443", "a.b", "https://a.b:8443/x/y/" },
                { "http://localhost:5000/_auth", "http://localhost:5000", "localhost", "http://localhost:5000/_auth/" },
                { "http://[::1]:5000/_auth", "http://[::1]:5000", "[::1]", "http://[::1]:5000/_auth/" },
                { "http://127.8.8.8/_auth", "http://127.8.8.8", "127.8.8.8", "http://127.8.8.8/_auth/" },
                { "http://localhost:443/_auth", "http://localhost:443", "localhost", "http://localhost:443/_auth/" },
                { "https://a.b:80/_auth", "https://a.b:80", "a.b", "https://a.b:80/_auth/" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_portal_url portal = portal_of(cases[i].text);
                assert_str(portal.origin, cases[i].origin);
                assert_str(portal.host, cases[i].host);
                assert_str(portal.home, cases[i].home);
        }
}

static void a_url_that_is_none_of_a_portal_is_refused(void **state)
{
        static const char *const cases[][2] = {
                { "", "is not a URL of https" },
                { "auth.example.com", "is not a URL of https" },
                { "http://auth.example.com/_auth", "is http, and its host is not this machine" },
                { "https://Auth.example.com/_auth", "has a host that is not canonical" },
                { "https://ana@auth.example.com/_auth", "has a user" },
                { "https://auth.example.com:99999/_auth", "has a port that is none" },
                /* Browsers omit it in Origin, so that every form would be a foreign one. */
                { "https://auth.example.com:443/_auth", "has the port that is the default" },
                { "http://localhost:80/_auth", "has the port that is the default" },
                { "http://[::1]:80/_auth", "has the port that is the default" },
                { "https://auth.example.com/_auth/", "ends with a slash" },
                { "https://auth.example.com/", "ends with a slash" },
                { "https://auth.example.com/_auth?x", "has a query or a fragment" },
                { "https://auth.example.com?", "has a query or a fragment" },
                { "https://auth.example.com/_auth#x", "has a query or a fragment" },
                { "https://auth.example.com//_auth", "has a path that is not canonical" },
                { "https://auth.example.com/%09x", "has an encoded control character or space in its path" },
        };
        struct cd_portal_url portal;
        struct cd_error err;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_status(cd_portal_url_parse(&arena, cd_str_from_c(cases[i][0]), &portal, &err),
                              CD_INVALID_REQUEST);
                assert_string_equal(err.reason, cases[i][1]);
        }
        struct cd_arena none;
        cd_arena_init(&none, 0);
        assert_status(cd_portal_url_parse(&none, CD_STR("https://a.b"), &portal, &err), CD_NO_MEMORY);
        cd_arena_done(&none);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_page_whose_host_a_rule_names_is_returned_to),
                cmocka_unit_test(host_and_path_are_those_of_the_url),
                cmocka_unit_test(lesson_7_anything_else_leads_to_the_home_of_the_portal),
                cmocka_unit_test(lesson_7_without_rules_only_the_portal_itself_is_returned_to),
                cmocka_unit_test(a_url_of_the_longest_length_is_accepted_and_no_longer_one),
                cmocka_unit_test(without_memory_it_is_the_home),
                cmocka_unit_test(the_url_of_a_portal_is_taken_apart),
                cmocka_unit_test(a_url_that_is_none_of_a_portal_is_refused),
        };
        return cmocka_run_group_tests_name("core/return_to", tests, set_up, tear_down);
}
