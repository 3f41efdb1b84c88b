#include "fixture.h"

static const struct cd_claims good = {
        .iss = CD_STR_INIT("http://localhost:5001"),
        .sub = CD_STR_INIT("alice"),
        .aud = CD_STR_INIT("http://localhost:5002"),
        .client_id = CD_STR_INIT("1234"),
        .scope = CD_STR_INIT("current_time epoch_time"),
        .jti = CD_STR_INIT("id-1"),
        .exp = 1300,
        .iat = 1000,
};
static const struct cd_jwt_expect expect = {
        .typ = CD_STR_INIT("at+jwt"),
        .iss = CD_STR_INIT("http://localhost:5001"),
        .aud = CD_STR_INIT("http://localhost:5002"),
        .now = 1100,
};

static cd_str sign(struct fixture *f, const struct cd_claims *claims)
{
        cd_str token;
        assert_ok(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), claims, &token, NULL));
        return token;
}

/* Both readers must say the same of it. */
static cd_status read(struct fixture *f, cd_str token, const struct cd_jwt_expect *want)
{
        struct cd_claims claims;
        struct cd_error other = { 0 };

        f->err = (struct cd_error){ 0 };

        cd_status status = cd_jwt_verify(&f->arena, &f->keys, token, want, &claims, &f->err);
        assert_int_equal(cd_jwt_decode(&f->arena, &f->keys, token, want, &claims, &other), status);
        assert_string_equal(other.reason, f->err.reason);
        return status;
}

/* A token with these claims as JSON, well signed. */
static cd_str with_payload(struct fixture *f, const char *json)
{
        cd_str header = cd_arena_printf(&f->arena, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                                        CD_STR_ARG(f->es256->kid));
        return forge(f, f->es256, header, cd_str_from_c(json));
}

/* The good claims with one of them given another value, or left out (NULL). */
static cd_str with_claim(struct fixture *f, const char *name, const char *value)
{
        static const char *const claims[][2] = {
                { "iss", "\"http://localhost:5001\"" },
                { "sub", "\"alice\"" },
                { "aud", "\"http://localhost:5002\"" },
                { "exp", "1300" },
                { "iat", "1000" },
                { "jti", "\"id-1\"" },
                { "client_id", "\"1234\"" },
                { "scope", "\"a\"" },
                { "nbf", "1000" },
        };
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, 4096);
        for (size_t i = 0; i < CD_LEN(claims); i++) {
                const char *is = strcmp(claims[i][0], name) == 0 ? value : claims[i][1];
                if (is)
                        cd_buf_printf(&buf, "%c\"%s\":%s", buf.len ? ',' : '{', claims[i][0], is);
        }
        cd_buf_add(&buf, CD_STR("}"));
        cd_buf_add_char(&buf, '\0');
        assert_ok(cd_buf_view(&buf, &text));
        return with_payload(f, text.ptr);
}

static void the_claims_come_back_as_they_were_written(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };
        struct cd_claims odd = good, got;

        odd.sub = CD_STR("J\xc3\xbcrgen \"J\" \\ O'Neil/\xe2\x82\xac");
        odd.nbf = 1050;
        for (size_t i = 0; i < CD_LEN(keys); i++) {
                cd_str token;
                assert_ok(cd_jwt_sign(&f->arena, keys[i], CD_STR("at+jwt"), &odd, &token, NULL));
                assert_ok(cd_jwt_verify(&f->arena, &f->keys, token, &expect, &got, &f->err));
                assert_true(cd_str_eq(got.iss, odd.iss));
                assert_true(cd_str_eq(got.sub, odd.sub));
                assert_true(cd_str_eq(got.aud, odd.aud));
                assert_true(cd_str_eq(got.client_id, odd.client_id));
                assert_true(cd_str_eq(got.scope, odd.scope));
                assert_true(cd_str_eq(got.jti, odd.jti));
                assert_int_equal(got.exp, odd.exp);
                assert_int_equal(got.iat, odd.iat);
                assert_int_equal(got.nbf, odd.nbf);
        }
}

static void the_claims_are_written_in_a_fixed_order(void **state)
{
        struct fixture *f = *state;
        struct cd_claims claims = good;
        struct cd_jws jws;

        assert_ok(cd_jws_decode(&f->arena, &f->keys, sign(f, &claims), &jws, NULL));
        assert_str(jws.payload,
                   "{\"iss\":\"http://localhost:5001\",\"sub\":\"alice\",\"aud\":\"http://localhost:5002\","
                   "\"exp\":1300,\"iat\":1000,\"jti\":\"id-1\",\"client_id\":\"1234\","
                   "\"scope\":\"current_time epoch_time\"}");
        claims.nbf = 1000;
        claims.scope = CD_STR("");
        assert_ok(cd_jws_decode(&f->arena, &f->keys, sign(f, &claims), &jws, NULL));
        assert_str(jws.payload,
                   "{\"iss\":\"http://localhost:5001\",\"sub\":\"alice\",\"aud\":\"http://localhost:5002\","
                   "\"exp\":1300,\"iat\":1000,\"nbf\":1000,\"jti\":\"id-1\",\"client_id\":\"1234\"}");
}

static void claims_that_no_one_should_sign_are_not_signed(void **state)
{
        struct fixture *f = *state;
        cd_str token;
        struct cd_claims claims = good;

        claims.sub = CD_STR("");
        assert_refused(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err), CD_INVALID_REQUEST,
                       "a required claim is empty");
        claims = good;
        claims.exp = claims.iat;
        assert_refused(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err), CD_INVALID_REQUEST,
                       "the times of the token are inconsistent");
        char *big = malloc(CD_JWS_MAX);
        memset(big, 'a', CD_JWS_MAX);
        claims = good;
        claims.sub = cd_str_of(big, CD_JWS_MAX);
        assert_refused(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err), CD_TOO_LARGE,
                       "the token would be longer than 16 KB");
        free(big);
}

static void lesson_17_the_signature_is_checked(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *other;
        struct cd_claims claims;
        cd_str mine = sign(f, &good);

        /* The same header and kid, signed by another key. */
        assert_ok(cd_jwk_generate(CD_ALG_ES256, &other, NULL));
        cd_str header = cd_arena_printf(&f->arena, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                                        CD_STR_ARG(f->es256->kid));
        struct cd_jws jws;
        assert_ok(cd_jws_decode(&f->arena, &f->keys, mine, &jws, NULL));
        cd_str token = forge(f, other, header, jws.payload);
        assert_refused(cd_jwt_verify(&f->arena, &f->keys, token, &expect, &claims, &f->err), CD_INVALID_TOKEN,
                       "signature does not match");
        cd_jwk_unref(other);
}

static void lesson_17_alg_is_checked_against_the_key(void **state)
{
        struct fixture *f = *state;
        struct cd_claims claims;
        cd_str header = cd_arena_printf(&f->arena, "{\"typ\":\"at+jwt\",\"alg\":\"RS256\",\"kid\":\"%.*s\"}",
                                        CD_STR_ARG(f->es256->kid));

        assert_refused(
                cd_jwt_verify(&f->arena, &f->keys, forge(f, f->es256, header, CD_STR("{}")), &expect, &claims, &f->err),
                CD_INVALID_TOKEN, "alg does not match the key");
}

static void lesson_17_typ_is_checked(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;
        static const char *const types[][2] = {
                { "at+jwt", "" },
                { "AT+JWT", "" },
                { "application/at+jwt", "" },
                { "Application/At+Jwt", "" },
                { "JWT", "the token has another typ" },
                { "at+jwt ", "the token has another typ" },
                { "id+jwt", "the token has another typ" },
                { "application/application/at+jwt", "the token has another typ" },
                { "application/", "the token has another typ" },
                { "", "the token has another typ" },
        };

        for (size_t i = 0; i < CD_LEN(types); i++) {
                cd_str token;
                assert_ok(cd_jwt_sign(&f->arena, f->es256, cd_str_from_c(types[i][0]), &good, &token, NULL));
                if (*types[i][1])
                        assert_refused(read(f, token, &expect), CD_INVALID_TOKEN, types[i][1]);
                else
                        assert_ok(read(f, token, &expect));
        }
        want.typ = CD_STR(""); /* an expectation that was forgotten must not let anything pass */
        assert_refused(read(f, sign(f, &good), &want), CD_INVALID_TOKEN, "the token has another typ");
}

static void lesson_17_a_token_without_typ_passes_only_where_the_caller_allows_it(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;
        cd_str without = cd_arena_printf(&f->arena, "{\"alg\":\"ES256\",\"kid\":\"%.*s\"}", CD_STR_ARG(f->es256->kid));
        cd_str empty = cd_arena_printf(&f->arena, "{\"typ\":\"\",\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                                       CD_STR_ARG(f->es256->kid));
        cd_str other = cd_arena_printf(&f->arena, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                                       CD_STR_ARG(f->es256->kid));
        cd_str payload = CD_STR("{\"iss\":\"http://localhost:5001\",\"aud\":\"http://localhost:5002\",\"exp\":1300}");
        cd_str wrong = CD_STR("{\"iss\":\"http://localhost:5001\",\"aud\":\"http://localhost:5003\",\"exp\":1300}");
        const char *reason = "the token has another typ";

        want.is_foreign = true;
        assert_refused(read(f, forge(f, f->es256, without, payload), &want), CD_INVALID_TOKEN, reason);
        want.allows_no_typ = true;
        assert_ok(read(f, forge(f, f->es256, without, payload), &want));
        assert_refused(read(f, forge(f, f->es256, empty, payload), &want), CD_INVALID_TOKEN, reason);
        assert_refused(read(f, forge(f, f->es256, other, payload), &want), CD_INVALID_TOKEN, reason);
        assert_refused(read(f, forge(f, f->es256, without, wrong), &want), CD_INVALID_TOKEN,
                       "the token is for another audience");
        /* One with the typ is held to all that the typ requires, as ever. */
        assert_refused(read(f, with_payload(f, payload.ptr), &want), CD_INVALID_TOKEN, "iat is missing");
        assert_ok(read(f, sign(f, &good), &want));
        want.typ = CD_STR(""); /* an expectation that was forgotten lets nothing pass all the same */
        assert_refused(read(f, forge(f, f->es256, without, payload), &want), CD_INVALID_TOKEN, reason);
}

static void lesson_17_iss_is_checked(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;

        assert_refused(read(f, with_claim(f, "iss", "\"http://localhost:5001/\""), &expect), CD_INVALID_TOKEN,
                       "the token is from another issuer");
        assert_refused(read(f, with_claim(f, "iss", NULL), &expect), CD_INVALID_TOKEN, "iss is missing");
        want.iss = CD_STR("");
        assert_refused(read(f, with_claim(f, "iss", "\"\""), &want), CD_INVALID_TOKEN, "iss is missing");
        assert_refused(read(f, sign(f, &good), &want), CD_INVALID_TOKEN, "the token is from another issuer");
}

static void lesson_17_aud_is_checked(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;

        assert_refused(read(f, with_claim(f, "aud", "\"http://localhost:5003\""), &expect), CD_INVALID_TOKEN,
                       "the token is for another audience");
        assert_ok(read(f, with_claim(f, "aud", "[\"http://localhost:5002\"]"), &expect));
        assert_refused(read(f, with_claim(f, "aud", "[\"http://localhost:5002\",\"x\"]"), &expect), CD_INVALID_TOKEN,
                       "aud does not name exactly one audience");
        assert_refused(read(f, with_claim(f, "aud", "[]"), &expect), CD_INVALID_TOKEN,
                       "aud does not name exactly one audience");
        assert_refused(read(f, with_claim(f, "aud", "[[\"http://localhost:5002\"]]"), &expect), CD_INVALID_TOKEN,
                       "aud is not a string");
        assert_refused(read(f, with_claim(f, "aud", NULL), &expect), CD_INVALID_TOKEN, "aud is missing");
        want.aud = (cd_str){ NULL, 0 };
        assert_ok(read(f, with_claim(f, "aud", "\"http://localhost:5003\""), &want));
        want.aud = CD_STR("");
        assert_refused(read(f, with_claim(f, "aud", "\"http://localhost:5003\""), &want), CD_INVALID_TOKEN,
                       "the token is for another audience");
}

static void of_the_audiences_of_a_foreign_token_one_must_be_ours(void **state)
{
        static const char *const others[] = { "[]", "[\"x\"]", "[\"x\",\"http://localhost:5002/\"]", "\"x\"" };
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;
        struct cd_jwt jwt;

        want.is_foreign = true;
        assert_ok(read(f, with_claim(f, "aud", "\"http://localhost:5002\""), &want));
        assert_ok(read(f, with_claim(f, "aud", "[\"x\",\"http://localhost:5002\",\"y\"]"), &want));
        cd_str token = with_claim(f, "aud", "[\"x\",\"http://localhost:5002\"]");
        assert_ok(cd_jwt_verify_whole(&f->arena, &f->keys, token, &want, &jwt, NULL));
        assert_str(jwt.claims.aud, "http://localhost:5002");
        for (size_t i = 0; i < CD_LEN(others); i++)
                assert_int_equal(read(f, with_claim(f, "aud", others[i]), &want), CD_INVALID_TOKEN);
        assert_refused(read(f, with_claim(f, "aud", "[\"http://localhost:5002\",7]"), &want), CD_INVALID_TOKEN,
                       "aud is not a string");
        assert_refused(read(f, with_claim(f, "iat", NULL), &want), CD_INVALID_TOKEN, "iat is missing");
}

static void a_foreign_token_of_another_typ_needs_no_iat_but_an_exp(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;
        cd_str header = cd_arena_printf(&f->arena, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                                        CD_STR_ARG(f->es256->kid));
        cd_str bare = CD_STR("{\"iss\":\"http://localhost:5001\",\"aud\":\"http://localhost:5002\",\"exp\":1300}");
        cd_str endless = CD_STR("{\"iss\":\"http://localhost:5001\",\"aud\":\"http://localhost:5002\"}");

        want.typ = CD_STR("JWT");
        assert_refused(read(f, forge(f, f->es256, header, bare), &want), CD_INVALID_TOKEN, "iat is missing");
        want.is_foreign = true;
        assert_ok(read(f, forge(f, f->es256, header, bare), &want));
        assert_refused(read(f, forge(f, f->es256, header, endless), &want), CD_INVALID_TOKEN, "exp is missing");
}

static void a_leeway_moves_both_ends(void **state)
{
        struct fixture *f = *state;
        struct cd_claims claims = good;
        struct cd_jwt_expect want = expect;

        claims.nbf = 1100;
        want.leeway = 30;
        want.now = 1329;
        assert_ok(read(f, sign(f, &claims), &want));
        want.now = 1330;
        assert_refused(read(f, sign(f, &claims), &want), CD_INVALID_TOKEN, "the token is expired");
        want.now = 1070;
        assert_ok(read(f, sign(f, &claims), &want));
        want.now = 1069;
        assert_refused(read(f, sign(f, &claims), &want), CD_INVALID_TOKEN, "the token is not yet valid");
        want.now = -1; /* a failed clock is no time that a leeway could mend */
        assert_refused(read(f, sign(f, &claims), &want), CD_UNAVAILABLE, "the clock failed");
}

static void the_whole_payload_is_there_as_it_was_signed(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt jwt;
        cd_str token = with_claim(f, "scope", "\"a b\",\"projects\":[1, {\"deep\":null}]");

        assert_ok(cd_jwt_verify_whole(&f->arena, &f->keys, token, &expect, &jwt, NULL));
        assert_str(cd_json_find(jwt.object, CD_STR("projects"))->text, "[1, {\"deep\":null}]");
        assert_true(jwt.payload.ptr[0] == '{' && jwt.payload.ptr[jwt.payload.len - 1] == '}');
        assert_str(jwt.claims.scope, "a b");
}

static void lesson_17_exp_is_checked(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;

        want.now = 1299;
        assert_ok(read(f, sign(f, &good), &want));
        want.now = 1300;
        assert_refused(read(f, sign(f, &good), &want), CD_INVALID_TOKEN, "the token is expired");
        assert_refused(read(f, with_claim(f, "exp", NULL), &expect), CD_INVALID_TOKEN, "exp is missing");
        assert_refused(read(f, with_claim(f, "iat", NULL), &expect), CD_INVALID_TOKEN, "iat is missing");
        assert_refused(read(f, with_claim(f, "exp", "0"), &expect), CD_INVALID_TOKEN, "the token is expired");
}

static void lesson_17_nbf_is_checked(void **state)
{
        struct fixture *f = *state;
        struct cd_claims claims = good;
        struct cd_jwt_expect want = expect;

        claims.nbf = 1100;
        want.now = 1099;
        assert_refused(read(f, sign(f, &claims), &want), CD_INVALID_TOKEN, "the token is not yet valid");
        want.now = 1100;
        assert_ok(read(f, sign(f, &claims), &want));
}

static void lesson_18_times_that_are_no_plain_numbers_are_refused(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = { "exp", "iat", "nbf" };
        static const char *const values[] = {
                "1e400", "\"1300\"", "1.3e3", "1.3E+3", "13e2", "null", "true", "[1300]", "{}",
        };
        static const char *const outside[] = { "-1",
                                               "-0.5",
                                               "253402300800",
                                               "253402300800.0",
                                               "9223372036854775807",
                                               "99999999999999999999",
                                               "99999999999999999999.5" };

        for (size_t n = 0; n < CD_LEN(names); n++) {
                char reason[64];
                snprintf(reason, sizeof(reason), "%s is not a number of seconds", names[n]);
                for (size_t i = 0; i < CD_LEN(values); i++)
                        assert_refused(read(f, with_claim(f, names[n], values[i]), &expect), CD_INVALID_TOKEN, reason);
                snprintf(reason, sizeof(reason), "%s is out of range", names[n]);
                for (size_t i = 0; i < CD_LEN(outside); i++)
                        assert_refused(read(f, with_claim(f, names[n], outside[i]), &expect), CD_INVALID_TOKEN, reason);
        }
}

/* NumericDate may have a fraction (RFC 7519 §2). The clock counts whole seconds, so exp is rounded down and nbf up. */
static void times_with_a_fraction_are_read_so_that_the_token_lives_no_longer(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;
        struct cd_jwt jwt;

        assert_ok(cd_jwt_verify_whole(&f->arena, &f->keys, with_claim(f, "exp", "1300.9"), &expect, &jwt, NULL));
        assert_int_equal(jwt.claims.exp, 1300);
        want.now = 1299;
        assert_ok(read(f, with_claim(f, "exp", "1300.0000000000000000000000000000001"), &want));
        want.now = 1300;
        assert_refused(read(f, with_claim(f, "exp", "1300.9"), &want), CD_INVALID_TOKEN, "the token is expired");
        assert_ok(read(f, with_claim(f, "exp", "1301.0"), &want));

        assert_ok(cd_jwt_verify_whole(&f->arena, &f->keys, with_claim(f, "iat", "1000.9"), &expect, &jwt, NULL));
        assert_int_equal(jwt.claims.iat, 1000);
        want.now = 1100;
        assert_ok(read(f, with_claim(f, "nbf", "1099.001"), &want));
        assert_ok(read(f, with_claim(f, "nbf", "1100.000"), &want));
        assert_refused(read(f, with_claim(f, "nbf", "1100.001"), &want), CD_INVALID_TOKEN,
                       "the token is not yet valid");
        assert_ok(read(f, with_claim(f, "exp", "253402300799.9"), &want));
        assert_refused(read(f, with_claim(f, "nbf", "253402300799.9"), &want), CD_INVALID_TOKEN, "nbf is out of range");
}

/* From the epoch to the end of the year 9999, both included. */
static void times_at_the_limits_are_accepted(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = { "iat", "nbf" };
        struct cd_jwt_expect want = expect;
        struct cd_jwt jwt;

        assert_ok(cd_jwt_verify_whole(&f->arena, &f->keys, with_claim(f, "exp", "253402300799"), &expect, &jwt, NULL));
        assert_int_equal(jwt.claims.exp, 253402300799);
        want.now = 253402300798;
        assert_ok(read(f, with_claim(f, "exp", "253402300799"), &want));
        want.now = 253402300799;
        assert_refused(read(f, with_claim(f, "exp", "253402300799"), &want), CD_INVALID_TOKEN, "the token is expired");
        for (size_t n = 0; n < CD_LEN(names); n++)
                assert_ok(read(f, with_claim(f, names[n], "0"), &expect));
        assert_ok(read(f, with_claim(f, "iat", "253402300799"), &expect));
        want.now = 0; /* the epoch is a time, and no failed clock */
        assert_ok(read(f, sign(f, &good), &want));
}

static void times_at_the_limits_are_signed(void **state)
{
        struct fixture *f = *state;
        struct cd_claims claims = good;
        cd_str token;

        claims.iat = claims.nbf = 0;
        claims.exp = 1;
        assert_ok(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err));
        claims.exp = 253402300799;
        assert_ok(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err));
        claims.exp = 253402300800;
        assert_refused(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err), CD_INVALID_REQUEST,
                       "the times of the token are inconsistent");
        claims = good;
        claims.iat = -1;
        assert_refused(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err), CD_INVALID_REQUEST,
                       "the times of the token are inconsistent");
        claims = good;
        claims.nbf = -1;
        assert_refused(cd_jwt_sign(&f->arena, f->es256, CD_STR("at+jwt"), &claims, &token, &f->err), CD_INVALID_REQUEST,
                       "the times of the token are inconsistent");
}

static void a_required_claim_that_is_missing_or_empty_is_refused_by_name(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = { "iss", "sub", "aud", "client_id", "jti" };

        for (size_t i = 0; i < CD_LEN(names); i++) {
                char reason[64];
                snprintf(reason, sizeof(reason), "%s is missing", names[i]);
                assert_refused(read(f, with_claim(f, names[i], NULL), &expect), CD_INVALID_TOKEN, reason);
                assert_string_equal(f->err.field, names[i]);
                assert_refused(read(f, with_claim(f, names[i], "\"\""), &expect), CD_INVALID_TOKEN, reason);
        }
        assert_ok(read(f, with_claim(f, "scope", NULL), &expect));
        assert_ok(read(f, with_claim(f, "nbf", NULL), &expect));
}

static void a_claim_of_the_wrong_type_is_refused_by_name(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = { "iss", "sub", "client_id", "jti", "scope" };
        static const char *const values[] = { "1", "null", "[\"alice\"]", "{}", "true" };

        for (size_t n = 0; n < CD_LEN(names); n++)
                for (size_t i = 0; i < CD_LEN(values); i++) {
                        char reason[64];
                        snprintf(reason, sizeof(reason), "%s is not a string", names[n]);
                        assert_refused(read(f, with_claim(f, names[n], values[i]), &expect), CD_INVALID_TOKEN, reason);
                }
        assert_refused(read(f, with_claim(f, "sub", "\"ali\\u0000ce\""), &expect), CD_INVALID_TOKEN,
                       "sub contains a control character");
        assert_refused(read(f, with_claim(f, "sub", "\"alice\\r\\nX-Admin: 1\""), &expect), CD_INVALID_TOKEN,
                       "sub contains a control character");
}

static void lesson_18_a_claim_given_twice_is_refused(void **state)
{
        struct fixture *f = *state;
        const char *reason = "the payload is not a JSON object with unique names";

        assert_refused(read(f, with_claim(f, "sub", "\"alice\",\"sub\":\"admin\""), &expect), CD_INVALID_TOKEN, reason);
        assert_refused(read(f, with_claim(f, "sub", "\"alice\",\"s\\u0075b\":\"admin\""), &expect), CD_INVALID_TOKEN,
                       reason);
        assert_refused(read(f, with_payload(f, "[]"), &expect), CD_INVALID_TOKEN, reason);
        assert_refused(read(f, with_payload(f, ""), &expect), CD_INVALID_TOKEN, reason);
        assert_refused(read(f,
                            with_payload(f, "{} "
                                            "x"),
                            &expect),
                       CD_INVALID_TOKEN, reason);
}

static void a_token_of_another_typ_needs_no_more_than_its_times_and_issuer(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;
        cd_str header = cd_arena_printf(&f->arena, "{\"typ\":\"x+jwt\",\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                                        CD_STR_ARG(f->es256->kid));
        cd_str token =
                forge(f, f->es256, header, CD_STR("{\"iss\":\"http://localhost:5001\",\"exp\":1300,\"iat\":1000}"));

        want.typ = CD_STR("x+jwt");
        assert_refused(read(f, token, &want), CD_INVALID_TOKEN, "the token is for another audience");
        want.aud = (cd_str){ NULL, 0 };
        assert_ok(read(f, token, &want));
}

static void lesson_31_a_failing_clock_lets_nothing_pass(void **state)
{
        struct fixture *f = *state;
        struct cd_jwt_expect want = expect;

        want.now = -1;
        assert_refused(read(f, sign(f, &good), &want), CD_UNAVAILABLE, "the clock failed");
}

static void lesson_31_a_full_arena_is_said_and_lets_nothing_pass(void **state)
{
        struct fixture *f = *state;
        cd_str token = sign(f, &good), made;
        bool passed = false;

        for (size_t size = 0; size < 16384 && !passed; size += 16) {
                struct cd_arena small;
                struct cd_claims claims;
                cd_arena_init(&small, size);
                cd_status status = cd_jwt_verify(&small, &f->keys, token, &expect, &claims, &f->err);
                passed = status == CD_OK;
                assert_true(passed || status == CD_NO_MEMORY);
                cd_arena_done(&small);
                if (size < token.len) {
                        cd_arena_init(&small, size);
                        assert_refused(cd_jwt_sign(&small, f->es256, CD_STR("at+jwt"), &good, &made, &f->err),
                                       CD_NO_MEMORY, "no memory for a token");
                        cd_arena_done(&small);
                }
        }
        assert_true(passed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_claims_come_back_as_they_were_written),
                cmocka_unit_test(the_claims_are_written_in_a_fixed_order),
                cmocka_unit_test(claims_that_no_one_should_sign_are_not_signed),
                cmocka_unit_test(lesson_17_the_signature_is_checked),
                cmocka_unit_test(lesson_17_alg_is_checked_against_the_key),
                cmocka_unit_test(lesson_17_typ_is_checked),
                cmocka_unit_test(lesson_17_a_token_without_typ_passes_only_where_the_caller_allows_it),
                cmocka_unit_test(lesson_17_iss_is_checked),
                cmocka_unit_test(lesson_17_aud_is_checked),
                cmocka_unit_test(of_the_audiences_of_a_foreign_token_one_must_be_ours),
                cmocka_unit_test(a_foreign_token_of_another_typ_needs_no_iat_but_an_exp),
                cmocka_unit_test(a_leeway_moves_both_ends),
                cmocka_unit_test(times_at_the_limits_are_accepted),
                cmocka_unit_test(times_at_the_limits_are_signed),
                cmocka_unit_test(the_whole_payload_is_there_as_it_was_signed),
                cmocka_unit_test(lesson_17_exp_is_checked),
                cmocka_unit_test(lesson_17_nbf_is_checked),
                cmocka_unit_test(lesson_18_times_that_are_no_plain_numbers_are_refused),
                cmocka_unit_test(times_with_a_fraction_are_read_so_that_the_token_lives_no_longer),
                cmocka_unit_test(a_required_claim_that_is_missing_or_empty_is_refused_by_name),
                cmocka_unit_test(a_claim_of_the_wrong_type_is_refused_by_name),
                cmocka_unit_test(lesson_18_a_claim_given_twice_is_refused),
                cmocka_unit_test(a_token_of_another_typ_needs_no_more_than_its_times_and_issuer),
                cmocka_unit_test(lesson_31_a_failing_clock_lets_nothing_pass),
                cmocka_unit_test(lesson_31_a_full_arena_is_said_and_lets_nothing_pass),
        };
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
