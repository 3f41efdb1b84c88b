/* What passes, what does not, and what is told of it. */
#include "fixture.h"

static void a_good_token_of_each_algorithm_passes(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *const keys[] = { f->es256, f->rs256, f->eddsa };

        start(f);
        for (size_t i = 0; i < CD_LEN(keys); i++) {
                assert_code(verify(f, token_of(f, keys[i])), CARDEA_OK);
                assert_string_equal(cardea_claims_issuer(f->claims), ISSUER);
                assert_string_equal(cardea_claims_subject(f->claims), "ana");
                assert_string_equal(cardea_claims_audience(f->claims), AUDIENCE);
                assert_int_equal(cardea_claims_expires_at(f->claims), 1300);
        }
        assert_int_equal(fake_source.reads, 1);
}

static void any_claim_is_there_as_json(void **state)
{
        struct fixture *f = *state;
        size_t len = 0;

        start(f);
        assert_code(verify(f, token_with(f, "projects", "[\"a\", {\"b\":1e3}]")), CARDEA_OK);
        assert_string_equal(cardea_claims_json(f->claims, "projects", &len), "[\"a\", {\"b\":1e3}]");
        assert_int_equal(len, 16);
        assert_string_equal(cardea_claims_json(f->claims, "exp", NULL), "1300");
        assert_string_equal(cardea_claims_json(f->claims, "sub", &len), "\"ana\"");
        assert_int_equal(len, 5);
        assert_null(cardea_claims_json(f->claims, "role", &len));
        assert_null(cardea_claims_string(f->claims, "exp", &len));
        assert_string_equal(cardea_claims_string(f->claims, "sub", &len), "ana");
        assert_int_equal(len, 3);
}

static void a_string_claim_comes_decoded_and_as_it_can_be_read_again(void **state)
{
        struct fixture *f = *state;
        size_t len = 0;

        start(f);
        assert_code(verify(f, token_with(f, "note", "\"a\\u0000\\\"\\u00e9\\n\"")), CARDEA_OK);
        const char *text = cardea_claims_string(f->claims, "note", &len);
        assert_int_equal(len, 6);
        assert_memory_equal(text, "a\0\"\xc3\xa9\n", 7);
        assert_string_equal(cardea_claims_json(f->claims, "note", &len), "\"a\\u0000\\\"\xc3\xa9\\n\"");
}

static void the_payload_is_that_which_was_signed(void **state)
{
        struct fixture *f = *state;
        cd_str payload =
                CD_STR(" {\"iss\":\"" ISSUER "\",\"sub\":\"ana\",\"aud\":[\"x\",\"" AUDIENCE "\"],\"exp\":1300,"
                       "\"iat\":1,\"jti\":\"j\",\"client_id\":\"c\"}\n");
        size_t len = 0;

        start(f);
        assert_code(verify(f, forge(f, f->rs256, header_of(f, f->rs256, "application/at+jwt"), payload)), CARDEA_OK);
        assert_string_equal(cardea_claims_payload(f->claims, &len), payload.ptr);
        assert_int_equal(len, payload.len);
        assert_string_equal(cardea_claims_audience(f->claims), AUDIENCE);
}

static void a_scope_is_one_of_the_words(void **state)
{
        struct fixture *f = *state;

        start(f);
        assert_code(verify(f, token_with(f, "scope", "\"read write\"")), CARDEA_OK);
        assert_true(cardea_claims_has_scope(f->claims, "read") && cardea_claims_has_scope(f->claims, "write"));
        assert_false(cardea_claims_has_scope(f->claims, "rea") || cardea_claims_has_scope(f->claims, "read write") ||
                     cardea_claims_has_scope(f->claims, ""));
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        assert_false(cardea_claims_has_scope(f->claims, "read"));
}

static void lesson_17_none_of_the_checks_is_optional(void **state)
{
        static const struct {
                const char *name, *value, *reason;
        } cases[] = {
                { "iss", "\"https://auth.example/\"", "the token is from another issuer" },
                { "iss", NULL, "iss is missing" },
                { "aud", "\"https://other.example\"", "the token is for another audience" },
                { "aud", "[\"https://other.example\"]", "the token is for another audience" },
                { "aud", "[]", "aud is missing" },
                { "aud", NULL, "aud is missing" },
                { "exp", "1100", "the token is expired" },
                { "exp", NULL, "exp is missing" },
                { "exp", "\"1300\"", "exp is not a number of seconds" },
                { "exp", "1e400", "exp is not a number of seconds" },
                { "nbf", "1101", "the token is not yet valid" },
                { "iat", NULL, "iat is missing" },
                { "sub", NULL, "sub is missing" },
                { "client_id", NULL, "client_id is missing" },
                { "jti", NULL, "jti is missing" },
        };
        struct fixture *f = *state;

        start(f);
        for (size_t i = 0; i < CD_LEN(cases); i++)
                assert_refused(verify(f, token_with(f, cases[i].name, cases[i].value)), CARDEA_INVALID_TOKEN,
                               cases[i].reason);
        cd_str payload = CD_STR("{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"exp\":1300,\"iat\":1}");
        assert_refused(verify(f, forge(f, f->es256, header_of(f, f->es256, "JWT"), payload)), CARDEA_INVALID_TOKEN,
                       "the token has another typ");
}

static void lesson_18_what_a_header_could_bring_along_is_refused(void **state)
{
        static const char *const members[] = { "\"jwk\":{}", "\"x5u\":\"x\"", "\"x5c\":[\"x\"]", "\"crit\":[\"exp\"]",
                                               "\"zip\":\"DEF\"" };
        struct fixture *f = *state;
        cd_str payload = CD_STR("{}");

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        for (size_t i = 0; i < CD_LEN(members); i++) {
                cd_str header = cd_arena_printf(&f->arena, "{\"alg\":\"ES256\",\"kid\":\"%.*s\",%s}",
                                                CD_STR_ARG(f->es256->kid), members[i]);
                assert_code(verify(f, forge(f, f->es256, header, payload)), CARDEA_INVALID_TOKEN);
                assert_non_null(strstr(f->err.reason, "in the header is not allowed"));
        }
        pass_ms(2 * GAP_MS); /* nothing of that is worth a fetch */
        assert_refused(verify(f, CD_STR("eyJhbGciOiJub25lIn0.e30.")), CARDEA_INVALID_TOKEN,
                       "alg is not ES256, RS256 or EdDSA");
        assert_refused(verify(f, CD_STR("eyJhbGciOiJIUzI1NiJ9.e30.AAAA")), CARDEA_INVALID_TOKEN,
                       "alg is not ES256, RS256 or EdDSA");
        assert_int_equal(fake_source.reads, 1);
}

static void lesson_18_jku_is_neither_used_nor_fetched(void **state)
{
        struct fixture *f = *state;
        cd_str header = cd_arena_printf(
                &f->arena, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"%.*s\",\"jku\":\"http://127.0.0.1/\"}",
                CD_STR_ARG(f->es256->kid));
        cd_str payload = CD_STR("{\"iss\":\"" ISSUER "\",\"sub\":\"ana\",\"aud\":\"" AUDIENCE "\",\"exp\":1300.5,"
                                "\"iat\":1,\"jti\":\"j\",\"client_id\":\"c\"}");

        start(f);
        assert_code(verify(f, forge(f, f->es256, header, payload)), CARDEA_OK);
        assert_int_equal(cardea_claims_expires_at(f->claims), 1300);
        assert_refused(verify(f, forge(f, f->next, header, payload)), CARDEA_INVALID_TOKEN, "signature does not match");
        assert_int_equal(fake_source.reads, 1);
}

static void a_tampered_token_is_refused(void **state)
{
        struct fixture *f = *state;
        cd_str good = token_of(f, f->eddsa);

        start(f);
        assert_code(verify(f, good), CARDEA_OK);
        for (size_t i = 0; i < good.len; i += 7) {
                cd_str bad = cd_arena_copy(&f->arena, good);
                ((char *)(uintptr_t)bad.ptr)[i] ^= 1;
                assert_code(verify(f, bad), CARDEA_INVALID_TOKEN);
        }
}

static void what_is_no_token_is_refused(void **state)
{
        static const cd_str texts[] = { CD_STR_INIT(""),    CD_STR_INIT("."),      CD_STR_INIT(".."),
                                        CD_STR_INIT("a.b"), CD_STR_INIT("\0\0.."), CD_STR_INIT("....") };
        struct fixture *f = *state;
        char large[20000];

        start(f);
        for (size_t i = 0; i < CD_LEN(texts); i++)
                assert_code(verify(f, texts[i]), CARDEA_INVALID_TOKEN);
        assert_code(verify(f, (cd_str){ NULL, 0 }), CARDEA_INVALID_TOKEN);
        memset(large, 'a', sizeof(large));
        assert_refused(verify(f, cd_str_of(large, sizeof(large))), CARDEA_INVALID_TOKEN,
                       "the token is longer than 16 KB");
}

static void a_leeway_is_for_clocks_that_differ(void **state)
{
        struct fixture *f = *state;

        f->options.leeway_s = 60;
        start(f);
        assert_code(verify(f, token_with(f, "exp", "1041")), CARDEA_OK);
        assert_refused(verify(f, token_with(f, "exp", "1040")), CARDEA_INVALID_TOKEN, "the token is expired");
        assert_code(verify(f, token_with(f, "nbf", "1160")), CARDEA_OK);
        assert_refused(verify(f, token_with(f, "nbf", "1161")), CARDEA_INVALID_TOKEN, "the token is not yet valid");
}

static void lesson_31_a_failed_clock_lets_nothing_pass(void **state)
{
        struct fixture *f = *state;

        start(f);
        fake_now = -1;
        assert_refused(verify(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE, "the clock failed");
}

static void another_typ_can_be_asked_for(void **state)
{
        struct fixture *f = *state;
        cd_str payload = CD_STR("{\"iss\":\"" ISSUER "\",\"aud\":[\"" AUDIENCE "\"],\"exp\":1300}");

        f->options.typ = "JWT";
        start(f);
        assert_code(verify(f, forge(f, f->es256, header_of(f, f->es256, "JWT"), payload)), CARDEA_OK);
        assert_string_equal(cardea_claims_subject(f->claims), "");
        assert_refused(verify(f, token_of(f, f->es256)), CARDEA_INVALID_TOKEN, "the token has another typ");
}

/* As those of Okta and Amazon Cognito, whose header has alg and kid alone. */
static void a_token_without_typ_can_be_allowed(void **state)
{
        struct fixture *f = *state;
        cd_str header = cd_arena_printf(&f->arena, "{\"alg\":\"ES256\",\"kid\":\"%.*s\"}", CD_STR_ARG(f->es256->kid));
        cd_str payload = CD_STR("{\"iss\":\"" ISSUER "\",\"aud\":[\"" AUDIENCE "\"],\"exp\":1300}");

        start(f);
        assert_refused(verify(f, forge(f, f->es256, header, payload)), CARDEA_INVALID_TOKEN,
                       "the token has another typ");
        cardea_verifier_free(f->verifier);
        f->options.flags = CARDEA_ALLOW_NO_TYP;
        start(f);
        assert_code(verify(f, forge(f, f->es256, header, payload)), CARDEA_OK);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        assert_refused(verify(f, forge(f, f->es256, header_of(f, f->es256, "JWT"), payload)), CARDEA_INVALID_TOKEN,
                       "the token has another typ");
}

#define GOOD .size = sizeof(cardea_options), .jwks = "https://h/k", .issuer = "i", .audience = "a"

static void every_option_is_checked(void **state)
{
        static const char other_version[] = "the options were made for another version of the library";
        static const struct {
                cardea_options options;
                const char *reason;
        } cases[] = {
                { { .size = 0 }, other_version },
                { { .size = sizeof(cardea_options) + 1 }, other_version },
                { { .size = sizeof(cardea_options), .issuer = "i", .audience = "a" }, "jwks is missing" },
                { { .size = sizeof(cardea_options), .jwks = "k", .audience = "a" }, "issuer is missing" },
                { { .size = sizeof(cardea_options), .jwks = "k", .issuer = "i" }, "audience is missing" },
                { { .size = sizeof(cardea_options), .jwks = "k", .issuer = "i", .audience = "" }, "audience is empty" },
                { { .size = sizeof(cardea_options), .jwks = "k", .issuer = "", .audience = "a" }, "issuer is empty" },
                { { .size = sizeof(cardea_options), .jwks = "ftp://h/k", .issuer = "i", .audience = "a" },
                  "jwks is a URL that is neither https:// nor http://" },
                { { GOOD, .typ = "" }, "typ is empty" },
                { { GOOD, .leeway_s = 301 }, "leeway_s must be from 0 to 300" },
                { { GOOD, .leeway_s = -1 }, "leeway_s must be from 0 to 300" },
                { { GOOD, .refresh_gap_ms = 99 }, "refresh_gap_ms must be from 100 to 3600000" },
                { { GOOD, .refresh_after_ms = 86400001 }, "refresh_after_ms must be from 1000 to 86400000" },
                { { GOOD, .timeout_ms = 60001 }, "timeout_ms must be from 10 to 60000" },
                { { GOOD, .connect_timeout_ms = 9 }, "connect_timeout_ms must be from 10 to 60000" },
                { { GOOD, .flags = 8 }, "a flag is unknown" },
                { { GOOD, .ca_file = "/nowhere" }, "ca_file cannot be read: No such file or directory" },
        };
        static const cardea_options good = { GOOD };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(cases); i++)
                assert_refused(cardea_verifier_new(&cases[i].options, &f->verifier, &f->err), CARDEA_INVALID_OPTION,
                               cases[i].reason);
        assert_code(cardea_verifier_new(NULL, &f->verifier, NULL), CARDEA_INVALID_OPTION);
        assert_null(f->verifier);
        assert_code(cardea_verifier_new(&good, &f->verifier, NULL), CARDEA_OK);
        assert_int_equal(cardea_has_keys(f->verifier), 0);
}

static void nothing_is_freed_where_there_is_nothing(void **state)
{
        (void)state;
        cardea_verifier_free(NULL);
        cardea_claims_free(NULL);
        assert_string_equal(cardea_code_name((cardea_code)99), "unknown");
        assert_string_equal(cardea_version(), CD_VERSION);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_good_token_of_each_algorithm_passes),
                TEST(any_claim_is_there_as_json),
                TEST(a_string_claim_comes_decoded_and_as_it_can_be_read_again),
                TEST(the_payload_is_that_which_was_signed),
                TEST(a_scope_is_one_of_the_words),
                TEST(lesson_17_none_of_the_checks_is_optional),
                TEST(lesson_18_what_a_header_could_bring_along_is_refused),
                TEST(lesson_18_jku_is_neither_used_nor_fetched),
                TEST(a_tampered_token_is_refused),
                TEST(what_is_no_token_is_refused),
                TEST(a_leeway_is_for_clocks_that_differ),
                TEST(lesson_31_a_failed_clock_lets_nothing_pass),
                TEST(another_typ_can_be_asked_for),
                TEST(a_token_without_typ_can_be_allowed),
                TEST(every_option_is_checked),
                TEST(nothing_is_freed_where_there_is_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
