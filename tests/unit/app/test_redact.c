/* What is shown of requests and answers. */
#include "app/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
        struct cd_arena arena;
        struct cd_redact redact;
        struct cd_buf out;
};

typedef void redact(struct cd_redact *redact, struct cd_buf *to, cd_str text);

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, 4 * 1024 * 1024);
        f->redact = (struct cd_redact){ .arena = &f->arena };
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        cd_buf_done(&f->out);
        cd_fingerprints_free(f->redact.fingerprints);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static const char *shown_of(struct fixture *f, redact *function, cd_str text)
{
        cd_buf_done(&f->out);
        cd_buf_init(&f->out, NULL, 256 * 1024);
        function(&f->redact, &f->out, text);
        assert_false(f->out.failed);
        cd_buf_add_char(&f->out, '\0');
        return f->out.ptr;
}

static void assert_shown(struct fixture *f, redact *function, const char *text, const char *want)
{
        f->redact.count = 0;
        assert_string_equal(shown_of(f, function, cd_str_from_c(text)), want);
}

static void a_secret_is_a_length_a_fingerprint_and_its_white_space(void **state)
{
        struct fixture *f = *state;
        char fingerprint[CD_FINGERPRINT_LEN], want[128];

        assert_shown(f, cd_redact_secret, "", "‹EMPTY›");
        assert_shown(f, cd_redact_secret, "abc", "‹redacted 3 chars›");
        assert_shown(f, cd_redact_secret, "äöü€", "‹redacted 4 chars›");
        assert_shown(f, cd_redact_secret, "abc\n", "‹redacted 4 chars, white space at the end›");
        assert_shown(f, cd_redact_secret, " abc", "‹redacted 4 chars, white space at the start›");
        assert_shown(f, cd_redact_secret, "\tabc\r",
                     "‹redacted 5 chars, white space at the start, white space at the end›");
        f->redact.fingerprints = cd_fingerprints_new(NULL);
        assert_int_equal(cd_fingerprint_of(f->redact.fingerprints, CD_STR("abc "), fingerprint), CD_OK);
        snprintf(want, sizeof(want), "‹redacted 4 chars, fingerprint %.8s…, white space at the end›", fingerprint);
        assert_shown(f, cd_redact_secret, "abc ", want);
}

static void a_form_shows_what_is_harmless(void **state)
{
        struct fixture *f = *state;

        assert_shown(
                f, cd_redact_body,
                "grant_type=authorization_code&client_id=abc&client_secret=s3cr%25t&code=c0d3&code_verifier=vvv"
                "&redirect_uri=https%3A%2F%2Fauth.example.com%2Fcallback&scope=&STATE=xyz&password=&x",
                "grant_type=authorization_code&client_id=abc&client_secret=‹redacted 6 chars›&code=‹redacted 4 chars›"
                "&code_verifier=‹redacted 3 chars›&redirect_uri=https%3A%2F%2Fauth.example.com%2Fcallback"
                "&scope=‹EMPTY›&STATE=‹redacted 3 chars›&password=‹EMPTY›&x");
        assert_shown(f, cd_redact_body, "grant_type=refresh_token&refresh_token=rrr&client_id=abc",
                     "grant_type=refresh_token&refresh_token=‹redacted 3 chars›&client_id=abc");
        assert_shown(f, cd_redact_body, "client_secret=a+b%0A",
                     "client_secret=‹redacted 4 chars, white space at the end›");
        assert_shown(f, cd_redact_body, "client%5Fsecret=abc&client_secret=%zz",
                     "client%5Fsecret=‹redacted 3 chars›&client_secret=‹redacted 3 chars›");
}

/* What a provider adds to a token answer is not known, so it is not shown. */
static void a_token_answer_shows_only_what_is_known(void **state)
{
        struct fixture *f = *state;

        assert_shown(f, cd_redact_body, "access_token=gho_1&scope=repo%2Cgist&token_type=bearer&extra=e",
                     "access_token=‹redacted 5 chars›&scope=repo%2Cgist&token_type=bearer&extra=‹redacted 1 chars›");
        assert_shown(f, cd_redact_body,
                     "{\"access_token\":\"a\", "
                     "\"token_type\":\"Bearer\",\"expires_in\":3600,\"extra\":{\"x\":[\"y\",1,true]},"
                     "\"refresh_token\":\"\",\"id_token\":null}",
                     "{\"access_token\":\"‹redacted 1 "
                     "chars›\",\"token_type\":\"Bearer\",\"expires_in\":3600,\"extra\":{\"x\":["
                     "\"‹redacted 1 chars›\",\"‹redacted 1 "
                     "chars›\",true]},\"refresh_token\":\"‹EMPTY›\",\"id_token\":null}");
        assert_shown(f, cd_redact_body,
                     "{\"error\":\"bad_verification_code\",\"error_description\":\"The code is wrong.\"}",
                     "{\"error\":\"bad_verification_code\",\"error_description\":\"The code is wrong.\"}");
}

static void secrets_are_found_at_any_depth(void **state)
{
        struct fixture *f = *state;

        assert_shown(f, cd_redact_body,
                     "[{\"id\":583231,\"login\":\"octocat\",\"a\":{\"b\":[{\"client_secret\":\"s\",\"apiKey\":12,"
                     "\"Nonce\":\"n\"}]}}]",
                     "[{\"id\":583231,\"login\":\"octocat\",\"a\":{\"b\":[{\"client_secret\":\"‹redacted 1 "
                     "chars›\",\"apiKey\":"
                     "\"‹redacted 2 chars›\",\"Nonce\":\"‹redacted 1 chars›\"}]}}]");
        assert_shown(f, cd_redact_body, "{\"session\":{\"id\":\"abc\",\"n\":null}}",
                     "{\"session\":{\"id\":\"‹redacted 3 chars›\",\"n\":null}}");
        assert_shown(
                f, cd_redact_body, "{\"next\":\"https://u:p@x/?access_token=abc&page=2#code=d\"}",
                "{\"next\":\"https://‹redacted 3 chars›@x/?access_token=‹redacted 3 chars›&page=2#code=‹redacted 1 "
                "chars›\"}");
        assert_shown(f, cd_redact_body,
                     "{\"token_endpoint\":\"https://a/token\",\"jwks_uri\":\"https://a/"
                     "k\",\"token_endpoint_auth_methods_supported\":"
                     "[\"client_secret_post\"]}",
                     "{\"token_endpoint\":\"https://a/token\",\"jwks_uri\":\"https://a/k\","
                     "\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"]}");
        assert_shown(f, cd_redact_body, "{\"x\":\"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln, end\"}",
                     "{\"x\":\"‹redacted 41 chars›, end\"}");
}

static void headers_show_names_schemes_and_what_is_harmless(void **state)
{
        struct fixture *f = *state;

        assert_shown(
                f, cd_redact_headers,
                "POST /token?code=abc&x=1 HTTP/1.1\r\nHost: github.com\r\nAuthorization: Bearer gho_abc\r\n"
                "authorization: token\r\nProxy-Authorization: Basic Y2xpZW50OnNlY3JldCUyMA==\r\nCookie: a=b; c=d\r\n"
                "X-Api-Key: k\r\nX-Auth-Token: t\r\nX-Empty:\r\nAccept: application/json\r\n\r\n",
                "POST /token?code=‹redacted 3 chars›&x=1 HTTP/1.1\nHost: github.com\n"
                "Authorization: Bearer ‹redacted 7 chars›\nauthorization: ‹redacted 5 chars›\n"
                "Proxy-Authorization: Basic client:‹redacted 7 chars, white space at the end›\n"
                "Cookie: ‹redacted 8 chars›\nX-Api-Key: ‹redacted 1 chars›\nX-Auth-Token: ‹redacted 1 chars›\n"
                "X-Empty: ‹EMPTY›\nAccept: application/json");
        assert_shown(f, cd_redact_headers,
                     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nset-cookie: s=1; Path=/\r\n"
                     "Location: https://a/cb?code=abc&state=d&iss=https%3A%2F%2Fb#access_token=e\r\n"
                     "Link: <https://a/?page=2&access_token=f>; rel=\"next\"\r\n\r\n",
                     "HTTP/1.1 100 Continue\nHTTP/1.1 302 Found\nset-cookie: ‹redacted 11 chars›\n"
                     "Location: https://a/cb?code=‹redacted 3 chars›&state=‹redacted 1 chars›&iss=https%3A%2F%2Fb#"
                     "access_token=‹redacted 1 chars›\nLink: <https://a/?page=2&access_token=‹redacted 1 chars›>; "
                     "rel=\"next\"");
        assert_shown(f, cd_redact_headers, "A\r\nAuthorization: Basic !!!\r\nAuthorization: Basic YWJj\r\n",
                     "A\nAuthorization: Basic ‹redacted 3 chars›\nAuthorization: Basic ‹redacted 4 chars›");
}

static void another_text_is_shown_in_part_and_without_what_may_be_a_token(void **state)
{
        struct fixture *f = *state;
        char page[4096] = "";

        assert_shown(f, cd_redact_body, "<html><title>502 Bad Gateway</title>", "<html><title>502 Bad Gateway</title>");
        assert_shown(f, cd_redact_body, "your token: 0123456789abcdefghi", "your token: 0123456789abcdefghi");
        assert_shown(f, cd_redact_body, "your token: 0123456789abcdefghij!", "your token: ‹redacted 20 chars›!");
        assert_shown(f, cd_redact_body, "", "");
        memset(page, '<', 2000);
        const char *shown = shown_of(f, cd_redact_body, cd_str_of(page, 1024));
        assert_int_equal(strlen(shown), 1024);
        shown = shown_of(f, cd_redact_body, cd_str_of(page, 1025));
        assert_string_equal(shown + 1024, "…");
        assert_shown(f, cd_redact_body, "{\"access_token\":\"short\"",
                     "‹23 bytes that begin like JSON and are not well-formed, "
                     "or too large›");
}

/* An answer that repeats what it was sent, in whatever form. */
static void lesson_28_a_secret_that_was_found_is_redacted_wherever_it_comes_back(void **state)
{
        struct fixture *f = *state;

        shown_of(f, cd_redact_body, CD_STR("client_secret=hush%2Fhush&code=c0d3c0d3&otp=12345"));
        assert_string_equal(shown_of(f, cd_redact_body, CD_STR("<p>hush/hush, hush%2Fhush, c0d3c0d3, 12345</p>")),
                            "<p>‹redacted 9 chars›, ‹redacted 11 chars›, ‹redacted 8 chars›, 12345</p>");
        assert_string_equal(shown_of(f, cd_redact_body, CD_STR("{\"a\":\"c0d3c0d3!\",\"b\":1}")),
                            "{\"a\":\"‹redacted 8 chars›!\",\"b\":1}");
        assert_string_equal(shown_of(f, cd_redact_body, CD_STR("a=xc0d3c0d3x")), "a=x‹redacted 8 chars›x");
        assert_string_equal(shown_of(f, cd_redact_url, CD_STR("https://x/c0d3c0d3/y")),
                            "https://x/‹redacted 8 chars›/y");
        assert_string_equal(shown_of(f, cd_redact_headers, CD_STR("A: c0d3c0d3\r\nB: c0d3c0d3\r\n")),
                            "A: ‹redacted 8 chars›\nB: ‹redacted 8 chars›");
}

struct leak {
        redact *function;
        const char *text, *want;
};

/* Where each has the secret "abc123" or "hunter!2", and what is left of it. */
static void lesson_28_a_secret_in_an_odd_place_is_redacted(void **state)
{
        static const struct leak leaks[] = {
                { cd_redact_body, "access_token=abc123\r\n", "access_token=‹redacted 6 chars›" },
                { cd_redact_body, "code[]=abc123&login[code]=abc123&+state=abc123",
                  "code[]=‹redacted 6 chars›&login[code]=‹redacted 6 chars›&+state=‹redacted 6 chars›" },
                { cd_redact_body, "dGhpcyBpcyBhIHRva2VuMQ==", "‹redacted 22 chars›==" },
                { cd_redact_body, "<p>bad client_secret=abc123</p>", "<p>bad client_secret=‹redacted 6 chars›</p>" },
                { cd_redact_body, ")]}',\n{\"access_token\": \"abc123\"}",
                  ")]}',\n{\"access_token\": \"‹redacted 6 chars›\"}" },
                { cd_redact_body, "{\"body\":\"{\\\"access_token\\\":\\\"abc123\\\"}\"}",
                  "{\"body\":\"{\\\"access_token\\\":\\\"‹redacted 6 chars›\\\"}\"}" },
                { cd_redact_body, "{\"body\":\"access_token=abc123&scope=x\"}",
                  "{\"body\":\"access_token=‹redacted 6 chars›&scope=x\"}" },
                { cd_redact_body, "{\"error\":\"client_secret=abc123 is wrong\"}",
                  "{\"error\":\"client_secret=‹redacted 6 chars› is wrong\"}" },
                { cd_redact_body, "{\"private_key\":\"abc123\"}", "{\"private_key\":\"‹redacted 6 chars›\"}" },
                { cd_redact_url, "https://a/?to=%2Fcb%3Fx%3D1%26code%3Dabc123",
                  "https://a/?to=/cb?x=1&code=‹redacted 6 chars›" },
                { cd_redact_url, "https://a/?to=%2Fcb%3Fx%3D1", "https://a/?to=%2Fcb%3Fx%3D1" },
                { cd_redact_url, "https://me:a&b,c;d'e@host/", "https://‹redacted 12 chars›@host/" },
                { cd_redact_headers, "A\r\nSet-Cookie: abc123;\r\n b=abc123\r\n",
                  "A\nSet-Cookie: ‹redacted 7 chars›\n ‹redacted 8 chars›" },
                { cd_redact_headers, "A\r\nX-Auth-Key: abc123\r\nX-OTP : abc123\r\n",
                  "A\nX-Auth-Key: ‹redacted 6 chars›\nX-OTP : ‹redacted 6 chars›" },
                { cd_redact_headers, "A\r\nWWW-Authenticate: Digest nonce=\"abc123\", realm=\"a\"\r\n",
                  "A\nWWW-Authenticate: Digest nonce=\"‹redacted 6 chars›\", realm=\"a\"" },
        };

        for (size_t i = 0; i < CD_LEN(leaks); i++)
                assert_shown(*state, leaks[i].function, leaks[i].text, leaks[i].want);
}

static void lesson_28_a_secret_that_was_found_is_redacted_as_a_name_a_number_and_a_part(void **state)
{
        struct fixture *f = *state;

        shown_of(f, cd_redact_body, CD_STR("client_secret=hunter!2&code=1234567&password=pa%2Fss%2Fword"));
        assert_string_equal(shown_of(f, cd_redact_body, CD_STR("{\"hunter!2\":{\"got\":1234567,\"max\":12}}")),
                            "{\"‹redacted 8 chars›\":{\"got\":\"‹redacted 7 chars›\",\"max\":12}}");
        assert_string_equal(shown_of(f, cd_redact_body, CD_STR("no such one: x-hunter!2 today")),
                            "no such one: x-‹redacted 8 chars› today");
        assert_string_equal(shown_of(f, cd_redact_body, CD_STR("0123456789abcdefghijhunter!2")), "‹redacted 28 chars›");
        assert_string_equal(shown_of(f, cd_redact_url, CD_STR("https://a/?q=pa%2fss%2fword")),
                            "https://a/?q=‹redacted 10 chars›");
}

/* Each level is a parameter in a parameter; a line of many must not use up a thread's stack. */
static void texts_within_texts_end_somewhere(void **state)
{
        struct fixture *f = *state;
        char url[8192] = "?a=1";

        for (int level = 0; level < 40; level++) {
                char inner[sizeof(url) - 8];
                size_t len = 0;
                for (const char *c = url; *c; c++)
                        len += (size_t)snprintf(inner + len, sizeof(inner) - len, strchr("%?=", *c) ? "%%%02X" : "%c",
                                                *c);
                snprintf(url, sizeof(url), "?b=%s", inner);
        }
        const char *shown = shown_of(f, cd_redact_url, cd_str_from_c(url));
        assert_non_null(strstr(shown, "‹redacted "));
}

static void a_full_builder_ends_what_is_shown_and_not_the_search(void **state)
{
        struct fixture *f = *state;
        struct cd_buf small;

        cd_buf_init(&small, NULL, 16);
        cd_redact_body(&f->redact, &small, CD_STR("aaaa=bbbb&cccc=dddd&client_secret=hushhush"));
        assert_true(small.failed);
        assert_int_equal(f->redact.count, 1);
        cd_buf_done(&small);
        assert_string_equal(shown_of(f, cd_redact_url, CD_STR("hushhush")), "‹redacted 8 chars›");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_secret_is_a_length_a_fingerprint_and_its_white_space),
                TEST(a_form_shows_what_is_harmless),
                TEST(a_token_answer_shows_only_what_is_known),
                TEST(secrets_are_found_at_any_depth),
                TEST(headers_show_names_schemes_and_what_is_harmless),
                TEST(another_text_is_shown_in_part_and_without_what_may_be_a_token),
                TEST(lesson_28_a_secret_that_was_found_is_redacted_wherever_it_comes_back),
                TEST(lesson_28_a_secret_in_an_odd_place_is_redacted),
                TEST(lesson_28_a_secret_that_was_found_is_redacted_as_a_name_a_number_and_a_part),
                TEST(texts_within_texts_end_somewhere),
                TEST(a_full_builder_ends_what_is_shown_and_not_the_search),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
