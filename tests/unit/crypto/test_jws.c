/* One thing is changed at a time, and the reason must be that one thing. */
#include "fixture.h"

static const cd_str payload = CD_STR_INIT("{\"hello\":\"world\"}");

static cd_str sign(struct fixture *f, const struct cd_jwk *key)
{
        cd_str token;
        assert_ok(cd_jws_sign(&f->arena, key, CD_STR("at+jwt"), payload, &token, NULL));
        return token;
}

static cd_status verify(struct fixture *f, cd_str token)
{
        struct cd_jws jws;
        return cd_jws_verify(&f->arena, &f->keys, token, &jws, &f->err);
}

/* A header for the ES256 key with these members after the usual ones. */
static cd_str header_with(struct fixture *f, const char *more)
{
        return cd_arena_printf(&f->arena, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"%.*s\"%s}",
                               CD_STR_ARG(f->es256->kid), more);
}

static cd_str changed(struct fixture *f, cd_str token, size_t at, char to)
{
        cd_str copy = cd_arena_copy(&f->arena, token);
        ((char *)(uintptr_t)copy.ptr)[at] = to;
        return copy;
}

static size_t signature_at(cd_str token)
{
        size_t at = token.len;
        while (token.ptr[at - 1] != '.')
                at--;
        return at;
}

static cd_str with_signature(struct fixture *f, cd_str token, cd_str signature)
{
        cd_str text = encode(f, signature);
        return cd_arena_printf(&f->arena, "%.*s%.*s", (int)signature_at(token), token.ptr, CD_STR_ARG(text));
}

static void what_each_key_signs_is_verified_and_given_back(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                struct cd_jws jws = { 0 };
                assert_ok(cd_jws_verify(&f->arena, &f->keys, sign(f, keys[i]), &jws, &f->err));
                assert_true(cd_str_eq(jws.payload, payload));
                assert_true(cd_str_eq(jws.kid, keys[i]->kid));
                assert_str(jws.typ, "at+jwt");
                assert_int_equal(jws.alg, keys[i]->alg);
                assert_ptr_equal(jws.key, keys[i]);
        }
}

static void the_header_has_typ_alg_kid_in_that_order(void **state)
{
        struct fixture *f = *state;
        cd_str token, header;

        assert_ok(cd_jws_sign(&f->arena, f->eddsa, CD_STR("session+jwt"), payload, &token, NULL));
        assert_ok(cd_base64url_decode_arena(&f->arena, cd_str_slice(token, 0, cd_str_index(token, '.')), &header));
        assert_str(header, cd_arena_printf(&f->arena, "{\"typ\":\"session+jwt\",\"alg\":\"EdDSA\",\"kid\":\"%.*s\"}",
                                           CD_STR_ARG(f->eddsa->kid))
                                   .ptr);
        assert_ok(cd_jws_sign(&f->arena, f->eddsa, CD_STR(""), payload, &token, NULL));
        assert_ok(cd_base64url_decode_arena(&f->arena, cd_str_slice(token, 0, cd_str_index(token, '.')), &header));
        assert_true(cd_str_has_prefix(header, CD_STR("{\"alg\":")));
}

static void a_token_that_is_not_three_parts_is_refused(void **state)
{
        struct fixture *f = *state;
        cd_str token = sign(f, f->es256);
        const char *reason = "the token does not have three parts";

        assert_refused(verify(f, CD_STR("")), CD_INVALID_TOKEN, reason);
        assert_refused(verify(f, CD_STR("a.b")), CD_INVALID_TOKEN, reason);
        assert_refused(verify(f, CD_STR("a.b.c.d.e")), CD_INVALID_TOKEN, reason);
        assert_refused(verify(f, cd_arena_printf(&f->arena, "%.*s.", CD_STR_ARG(token))), CD_INVALID_TOKEN, reason);
        assert_refused(verify(f, (cd_str){ NULL, 0 }), CD_INVALID_TOKEN, reason);
}

static void lesson_30_a_token_over_16_kb_is_refused_before_it_is_read(void **state)
{
        struct fixture *f = *state;
        char *big = malloc(CD_JWS_MAX + 1);

        memset(big, 'A', CD_JWS_MAX + 1);
        assert_refused(verify(f, cd_str_of(big, CD_JWS_MAX + 1)), CD_TOO_LARGE, "the token is longer than 16 KB");
        assert_refused(verify(f, cd_str_of(big, CD_JWS_MAX)), CD_INVALID_TOKEN, "the token does not have three parts");
        cd_str token;
        assert_refused(cd_jws_sign(&f->arena, f->es256, CD_STR("at+jwt"), cd_str_of(big, CD_JWS_MAX), &token, &f->err),
                       CD_TOO_LARGE, "the token would be longer than 16 KB");
        free(big);
}

static void lesson_18_base64url_that_is_not_canonical_is_refused(void **state)
{
        struct fixture *f = *state;
        cd_str token = sign(f, f->es256);
        size_t header_len = cd_str_index(token, '.');

        assert_refused(verify(f, changed(f, token, 3, '+')), CD_INVALID_TOKEN, "the header is not canonical base64url");
        assert_refused(verify(f, changed(f, token, header_len + 3, '=')), CD_INVALID_TOKEN,
                       "the payload is not canonical base64url");
        assert_refused(verify(f, changed(f, token, token.len - 2, '/')), CD_INVALID_TOKEN,
                       "the signature is not canonical base64url");
        /* 64 bytes leave four unused bits in the last character: the same signature with one of them set. */
        char last = token.ptr[token.len - 1];
        assert_non_null(strchr("AQgw", last));
        assert_refused(verify(f, changed(f, token, token.len - 1, (char)(last + 1))), CD_INVALID_TOKEN,
                       "the signature is not canonical base64url");
        assert_refused(verify(f, cd_arena_printf(&f->arena, "%.*s==", CD_STR_ARG(token))), CD_INVALID_TOKEN,
                       "the signature is not canonical base64url");
        assert_refused(verify(f, cd_arena_printf(&f->arena, " %.*s", CD_STR_ARG(token))), CD_INVALID_TOKEN,
                       "the header is not canonical base64url");
}

static void lesson_18_a_header_that_is_not_an_object_with_unique_names_is_refused(void **state)
{
        struct fixture *f = *state;
        const cd_str headers[] = {
                CD_STR("[]"),
                CD_STR("\"ES256\""),
                CD_STR("{\"alg\":\"ES256\""),
                CD_STR(""),
                CD_STR("{\"alg\":\"ES256\"}{}"),
                header_with(f, ",\"alg\":\"ES256\""),
                header_with(f, ",\"\\u0061lg\":\"none\""),
                header_with(f, ",\"x\":{\"a\":1,\"a\":2}"),
        };

        for (size_t i = 0; i < CD_LEN(headers); i++)
                assert_refused(verify(f, forge(f, f->es256, headers[i], payload)), CD_INVALID_TOKEN,
                               "the header is not a JSON object with unique names");
}

static void lesson_18_alg_none_and_unknown_algs_are_refused(void **state)
{
        struct fixture *f = *state;
        static const char *const algs[] = { "none",  "None",   "NONE",         "nOnE",  "",
                                            "HS256", "HS512",  "es256",        "ES512", "PS256",
                                            "RS512", "ES256 ", "ES256\\u0000", "Ed448", "ed25519" };

        for (size_t i = 0; i < CD_LEN(algs); i++) {
                cd_str header = cd_arena_printf(&f->arena, "{\"alg\":\"%s\",\"kid\":\"%.*s\"}", algs[i],
                                                CD_STR_ARG(f->es256->kid));
                cd_str token = forge(f, f->es256, header, payload);
                assert_refused(verify(f, token), CD_INVALID_TOKEN, "alg is not ES256, RS256 or EdDSA");
                assert_refused(verify(f, cd_str_slice(token, 0, signature_at(token))), CD_INVALID_TOKEN,
                               "alg is not ES256, RS256 or EdDSA");
        }
        assert_refused(verify(f, forge(f, f->es256, CD_STR("{}"), payload)), CD_INVALID_TOKEN, "alg is missing");
        assert_refused(verify(f, forge(f, f->es256, CD_STR("{\"alg\":1}"), payload)), CD_INVALID_TOKEN,
                       "alg in the header is not a string");
        assert_refused(verify(f, forge(f, f->es256, CD_STR("{\"alg\":null}"), payload)), CD_INVALID_TOKEN,
                       "alg in the header is not a string");
}

static void lesson_18_an_alg_other_than_the_keys_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };

        for (size_t i = 0; i < CD_LEN(keys); i++)
                for (size_t j = 0; j < CD_LEN(keys); j++) {
                        if (i == j)
                                continue;
                        cd_str header =
                                cd_arena_printf(&f->arena, "{\"alg\":\"%.*s\",\"kid\":\"%.*s\"}",
                                                CD_STR_ARG(cd_alg_name(keys[i]->alg)), CD_STR_ARG(keys[j]->kid));
                        assert_refused(verify(f, forge(f, keys[j], header, payload)), CD_INVALID_TOKEN,
                                       "alg does not match the key");
                }
}

static void lesson_18_header_members_that_bring_keys_or_change_the_rules_are_refused(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *member, *reason;
        } cases[] = {
                /* A key, or a chain of certificates, that the token brings along: somebody who uses it lets the sender
                 * choose the key. */
                { ",\"jwk\":{\"kty\":\"EC\"}", "jwk in the header is not allowed" },
                { ",\"\\u006awk\":null", "jwk in the header is not allowed" },
                { ",\"x5c\":[]", "x5c in the header is not allowed" },
                { ",\"x5u\":\"http://127.0.0.1:1/\"", "x5u in the header is not allowed" },
                /* Extensions that must be understood; there is none that we do (RFC 7515 §4.1.11). */
                { ",\"crit\":[\"exp\"]", "crit in the header is not allowed" },
                { ",\"crit\":[]", "crit in the header is not allowed" },
                /* They change what the signature covers: RFC 7516 §4.1.3, RFC 7797 §3. */
                { ",\"zip\":\"DEF\"", "zip in the header is not allowed" },
                { ",\"b64\":true", "b64 in the header is not allowed" },
                /* The payload is no set of claims but another token (RFC 7519 §5.2). */
                { ",\"cty\":\"JWT\"", "nested tokens are not supported" },
                { ",\"cty\":\"jwt\"", "nested tokens are not supported" },
                { ",\"cty\":\"application/JWT\"", "nested tokens are not supported" },
                { ",\"cty\":7", "cty in the header is not a string" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++)
                assert_refused(verify(f, forge(f, f->es256, header_with(f, cases[i].member), payload)),
                               CD_INVALID_TOKEN, cases[i].reason);
        /* The same header without any of them, and one that means nothing to us, pass. */
        assert_ok(verify(f, forge(f, f->es256, header_with(f, ""), payload)));
        assert_ok(verify(f, forge(f, f->es256, header_with(f, ",\"cty\":\"text/plain\",\"iss\":\"x\""), payload)));
}

/* Issuers send them with every token: where the keys are, which are known already, and digests of certificates, which
 * nobody needs where the kid names the key. They bring nothing along, and are not even read. */
static void lesson_18_header_members_that_only_point_elsewhere_are_ignored(void **state)
{
        static const char *const members[] = { ",\"jku\":\"http://127.0.0.1:1/\"", ",\"jku\":7", ",\"x5t\":\"AAAA\"",
                                               ",\"x5t#S256\":\"\"" };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(members); i++) {
                assert_ok(verify(f, forge(f, f->es256, header_with(f, members[i]), payload)));
                /* The key is still that of the kid: signed by another, it does not pass for what it points to. */
                assert_refused(verify(f, forge(f, f->eddsa, header_with(f, members[i]), payload)), CD_INVALID_TOKEN,
                               "signature does not match");
        }
}

static void ed25519_is_another_name_of_eddsa(void **state)
{
        struct fixture *f = *state;
        cd_str header = cd_arena_printf(&f->arena, "{\"alg\":\"Ed25519\",\"kid\":\"%.*s\"}", CD_STR_ARG(f->eddsa->kid));
        cd_str es256 = cd_arena_printf(&f->arena, "{\"alg\":\"Ed25519\",\"kid\":\"%.*s\"}", CD_STR_ARG(f->es256->kid));

        assert_ok(verify(f, forge(f, f->eddsa, header, payload))); /* RFC 9864 §2.2 */
        assert_refused(verify(f, forge(f, f->es256, es256, payload)), CD_INVALID_TOKEN, "alg does not match the key");
}

static void typ_and_kid_must_be_strings(void **state)
{
        struct fixture *f = *state;

        assert_refused(verify(f, forge(f, f->es256, CD_STR("{\"alg\":\"ES256\",\"kid\":1}"), payload)),
                       CD_INVALID_TOKEN, "kid in the header is not a string");
        assert_refused(verify(f, forge(f, f->es256, CD_STR("{\"alg\":\"ES256\",\"typ\":[]}"), payload)),
                       CD_INVALID_TOKEN, "typ in the header is not a string");
}

static void a_kid_that_no_key_has_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(verify(f, forge(f, f->es256, CD_STR("{\"alg\":\"ES256\",\"kid\":\"other\"}"), payload)),
                       CD_INVALID_TOKEN, "no key has that kid");
        assert_refused(verify(f, forge(f, f->es256, CD_STR("{\"alg\":\"ES256\",\"kid\":\"\"}"), payload)),
                       CD_INVALID_TOKEN, "no key has that kid");
}

static void a_token_without_kid_passes_only_with_exactly_one_key_of_its_alg(void **state)
{
        struct fixture *f = *state;
        cd_str token = forge(f, f->es256, CD_STR("{\"alg\":\"ES256\"}"), payload);
        struct cd_jws jws = { 0 };
        struct cd_jwk *second;
        struct cd_jwks two = { 0 }, none = { 0 };
        const char *reason = "kid is missing, and the set does not have exactly one key with that alg";

        assert_ok(cd_jws_verify(&f->arena, &f->keys, token, &jws, &f->err));
        assert_int_equal(jws.kid.len, 0);
        assert_ok(cd_jwk_generate(CD_ALG_ES256, &second, NULL));
        assert_ok(cd_jwks_add(&two, f->es256, NULL));
        assert_ok(cd_jwks_add(&two, second, NULL));
        assert_refused(cd_jws_verify(&f->arena, &two, token, &jws, &f->err), CD_INVALID_TOKEN, reason);
        assert_refused(cd_jws_verify(&f->arena, &none, token, &jws, &f->err), CD_INVALID_TOKEN, reason);
        cd_jwks_done(&two);
        cd_jwk_unref(second);
}

static void a_changed_header_payload_or_signature_does_not_match(void **state)
{
        struct fixture *f = *state;
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                cd_str token = sign(f, keys[i]);
                cd_str other = forge(f, keys[i], CD_STR("{}"), CD_STR("{\"hello\":\"mars!\"}"));
                cd_str theirs = cd_str_slice(other, cd_str_index(other, '.'), other.len);
                cd_str joined = cd_arena_printf(&f->arena, "%.*s%.*s", (int)cd_str_index(token, '.'), token.ptr,
                                                CD_STR_ARG(theirs));
                assert_refused(verify(f, joined), CD_INVALID_TOKEN, "signature does not match");
                size_t at = signature_at(token) + 20;
                assert_refused(verify(f, changed(f, token, at, token.ptr[at] == 'A' ? 'B' : 'A')), CD_INVALID_TOKEN,
                               "signature does not match");
                assert_ok(verify(f, token)); /* a context that refused one is still good for the next */
        }
}

static void a_signature_of_the_wrong_length_is_refused(void **state)
{
        struct fixture *f = *state;
        static const char zeros[600];
        struct cd_jwk *keys[] = { f->es256, f->rs256, f->eddsa };

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                const size_t lens[] = { 0, 1, keys[i]->signature_size - 1, keys[i]->signature_size + 1, sizeof(zeros) };
                cd_str token = sign(f, keys[i]);
                for (size_t j = 0; j < CD_LEN(lens); j++)
                        assert_refused(verify(f, with_signature(f, token, cd_str_of(zeros, lens[j]))), CD_INVALID_TOKEN,
                                       "signature has the wrong length");
        }
}

static void lesson_18_a_der_signature_is_refused(void **state)
{
        struct fixture *f = *state;
        unsigned char der[CD_ES256_DER_MAX];
        size_t len;
        cd_str raw, token = sign(f, f->es256);

        assert_ok(cd_base64url_decode_arena(&f->arena, cd_str_slice(token, signature_at(token), token.len), &raw));
        assert_true(cd_es256_to_der((const unsigned char *)raw.ptr, der, &len));
        assert_refused(verify(f, with_signature(f, token, cd_str_of((const char *)der, len))), CD_INVALID_TOKEN,
                       "signature has the wrong length");
}

static void lesson_18_r_or_s_zero_or_out_of_range_is_refused(void **state)
{
        struct fixture *f = *state;
        static const char order[] = "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
                                    "\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
        cd_str raw, token = sign(f, f->es256);
        char signature[CD_ES256_SIZE];

        assert_ok(cd_base64url_decode_arena(&f->arena, cd_str_slice(token, signature_at(token), token.len), &raw));
        for (size_t half = 0; half < 2; half++) {
                memcpy(signature, raw.ptr, sizeof(signature));
                memset(signature + 32 * half, 0, 32);
                assert_refused(verify(f, with_signature(f, token, cd_str_of(signature, sizeof(signature)))),
                               CD_INVALID_TOKEN, "signature has r or s zero or out of range");
                memcpy(signature + 32 * half, order, 32);
                assert_refused(verify(f, with_signature(f, token, cd_str_of(signature, sizeof(signature)))),
                               CD_INVALID_TOKEN, "signature has r or s zero or out of range");
                signature[32 * half + 31]--; /* n - 1 is in range, and no signature */
                assert_refused(verify(f, with_signature(f, token, cd_str_of(signature, sizeof(signature)))),
                               CD_INVALID_TOKEN, "signature does not match");
        }
}

static void the_form_of_a_signature_changes_both_ways_also_for_short_numbers(void **state)
{
        unsigned char raw[CD_ES256_SIZE], der[CD_ES256_DER_MAX], back[CD_ES256_SIZE];
        size_t len;

        (void)state;
        for (size_t zeros = 0; zeros < 32; zeros++)
                for (int high = 0; high < 2; high++) {
                        memset(raw, 0, sizeof(raw));
                        for (size_t i = zeros; i < 32; i++)
                                raw[i] = (unsigned char)(i == zeros ? (high ? 0x80 : 0x7f) : i);
                        raw[63 - zeros] = high ? 0x80 : 1;
                        assert_true(cd_es256_to_der(raw, der, &len));
                        assert_true(cd_es256_from_der(der, len, back));
                        assert_memory_equal(raw, back, sizeof(raw));
                        assert_false(cd_es256_from_der(der, len - 1, back));
                        assert_false(cd_es256_from_der(der, len + 1, back));
                }
}

static void der_that_is_not_canonical_is_refused(void **state)
{
        static const struct {
                const char *bytes;
                size_t len;
        } cases[] = {
                { "", 0 },
                { "\x30\x00", 2 },
                { "\x31\x06\x02\x01\x01\x02\x01\x01", 8 },          /* not a SEQUENCE */
                { "\x30\x06\x03\x01\x01\x02\x01\x01", 8 },          /* not an INTEGER */
                { "\x30\x07\x02\x02\x00\x01\x02\x01\x01", 9 },      /* a zero that is not needed */
                { "\x30\x06\x02\x01\x00\x02\x01\x01", 8 },          /* r zero */
                { "\x30\x06\x02\x01\x01\x02\x01\x80", 8 },          /* s negative */
                { "\x30\x06\x02\x01\x01\x02\x02\x01", 8 },          /* s longer than the rest */
                { "\x30\x07\x02\x01\x01\x02\x01\x01\x00", 9 },      /* one byte after */
                { "\x30\x81\x06\x02\x01\x01\x02\x01\x01", 9 },      /* the long form of a length */
                { "\x30\x05\x02\x00\x02\x01\x01", 7 },              /* an empty INTEGER */
                { "\x30\x80\x02\x01\x01\x02\x01\x01\x00\x00", 10 }, /* indefinite length */
        };
        unsigned char raw[CD_ES256_SIZE];

        (void)state;
        assert_true(cd_es256_from_der((const unsigned char *)"\x30\x06\x02\x01\x01\x02\x01\x01", 8, raw));
        for (size_t i = 0; i < CD_LEN(cases); i++)
                assert_false(cd_es256_from_der((const unsigned char *)cases[i].bytes, cases[i].len, raw));
}

static void decode_makes_the_same_refusals_but_the_signatures(void **state)
{
        struct fixture *f = *state;
        struct cd_jws jws = { .key = f->es256 };
        const struct cd_jwks none = { 0 };
        cd_str token = sign(f, f->es256);

        assert_ok(cd_jws_decode(&f->arena, NULL, token, &jws, &f->err));
        assert_null(jws.key);
        assert_ok(cd_jws_decode(&f->arena, &f->keys, token, &jws, &f->err));
        assert_ptr_equal(jws.key, f->es256);
        assert_refused(cd_jws_decode(&f->arena, &none, token, &jws, &f->err), CD_INVALID_TOKEN, "no key has that kid");
        assert_true(cd_str_eq(jws.payload, payload));
        assert_refused(cd_jws_decode(&f->arena, &f->keys, CD_STR("a.b"), &jws, &f->err), CD_INVALID_TOKEN,
                       "the token does not have three parts");
        token = forge(f, f->es256, header_with(f, ",\"crit\":[]"), payload);
        assert_refused(cd_jws_decode(&f->arena, &f->keys, token, &jws, &f->err), CD_INVALID_TOKEN,
                       "crit in the header is not allowed");
        token = forge(f, f->es256, CD_STR("{\"alg\":\"none\"}"), payload);
        assert_refused(cd_jws_decode(&f->arena, &f->keys, token, &jws, &f->err), CD_INVALID_TOKEN,
                       "alg is not ES256, RS256 or EdDSA");
}

static void a_public_key_does_not_sign(void **state)
{
        struct fixture *f = *state;
        struct cd_buf buf;
        struct cd_jwks set;
        cd_str text, token;

        cd_buf_init(&buf, &f->arena, 65536);
        cd_jwks_write(&f->keys, &buf);
        assert_ok(cd_buf_view(&buf, &text));
        assert_ok(cd_jwks_parse(text, &set, &f->err));
        assert_int_equal(set.count, 3);
        for (size_t i = 0; i < set.count; i++)
                assert_refused(cd_jws_sign(&f->arena, set.keys[i], CD_STR("at+jwt"), payload, &token, &f->err),
                               CD_INVALID_REQUEST, "a public key cannot sign");
        cd_jwks_done(&set);
}

/* RFC 7517 §4.5: the keys of a set SHOULD have different kids. Where they have not, each is tried. */
static void lesson_36_of_two_keys_with_one_kid_each_verifies_its_tokens(void **state)
{
        struct fixture *f = *state;
        struct cd_jwks set = { 0 };
        struct cd_jwk *keys[3];
        struct cd_buf buf;
        struct cd_jws jws;
        cd_str text;

        for (size_t i = 0; i < CD_LEN(keys); i++) {
                struct cd_jwk *made;
                assert_ok(cd_jwk_generate(CD_ALG_ES256, &made, &f->err));
                EVP_PKEY_up_ref(made->pkey);
                assert_ok(cd_jwk_new(made->pkey, true, CD_STR("same"), &keys[i], &f->err));
                cd_jwk_unref(made);
        }
        cd_buf_init(&buf, &f->arena, 65536); /* the third key is not in the set */
        cd_buf_printf(&buf, "{\"keys\":[%.*s,%.*s", CD_STR_ARG(keys[0]->public_json), CD_STR_ARG(keys[1]->public_json));
        cd_buf_add(&buf, CD_STR("]}"));
        assert_ok(cd_buf_view(&buf, &text));
        assert_ok(cd_jwks_parse(text, &set, &f->err));
        assert_int_equal(set.count, 2);
        for (size_t i = 0; i < CD_LEN(keys); i++) {
                cd_str token = forge(f, keys[i], CD_STR("{\"alg\":\"ES256\",\"kid\":\"same\"}"), payload);
                if (i == 2)
                        assert_refused(cd_jws_verify(&f->arena, &set, token, &jws, &f->err), CD_INVALID_TOKEN,
                                       "signature does not match");
                else
                        assert_ok(cd_jws_verify(&f->arena, &set, token, &jws, &f->err));
                if (i < 2)
                        assert_ptr_equal(jws.key, set.keys[i]);
                assert_ok(cd_jws_decode(&f->arena, &set, token, &jws, &f->err));
        }
        cd_str nameless = forge(f, keys[0], CD_STR("{\"alg\":\"ES256\"}"), payload);
        assert_refused(cd_jws_verify(&f->arena, &set, nameless, &jws, &f->err), CD_INVALID_TOKEN,
                       "kid is missing, and the set does not have exactly one key with that alg");
        for (size_t i = 0; i < CD_LEN(keys); i++)
                cd_jwk_unref(keys[i]);
        cd_jwks_done(&set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_each_key_signs_is_verified_and_given_back),
                cmocka_unit_test(the_header_has_typ_alg_kid_in_that_order),
                cmocka_unit_test(a_token_that_is_not_three_parts_is_refused),
                cmocka_unit_test(lesson_30_a_token_over_16_kb_is_refused_before_it_is_read),
                cmocka_unit_test(lesson_18_base64url_that_is_not_canonical_is_refused),
                cmocka_unit_test(lesson_18_a_header_that_is_not_an_object_with_unique_names_is_refused),
                cmocka_unit_test(lesson_18_alg_none_and_unknown_algs_are_refused),
                cmocka_unit_test(lesson_18_an_alg_other_than_the_keys_is_refused),
                cmocka_unit_test(lesson_18_header_members_that_bring_keys_or_change_the_rules_are_refused),
                cmocka_unit_test(lesson_18_header_members_that_only_point_elsewhere_are_ignored),
                cmocka_unit_test(ed25519_is_another_name_of_eddsa),
                cmocka_unit_test(typ_and_kid_must_be_strings),
                cmocka_unit_test(a_kid_that_no_key_has_is_refused),
                cmocka_unit_test(lesson_36_of_two_keys_with_one_kid_each_verifies_its_tokens),
                cmocka_unit_test(a_token_without_kid_passes_only_with_exactly_one_key_of_its_alg),
                cmocka_unit_test(a_changed_header_payload_or_signature_does_not_match),
                cmocka_unit_test(a_signature_of_the_wrong_length_is_refused),
                cmocka_unit_test(lesson_18_a_der_signature_is_refused),
                cmocka_unit_test(lesson_18_r_or_s_zero_or_out_of_range_is_refused),
                cmocka_unit_test(the_form_of_a_signature_changes_both_ways_also_for_short_numbers),
                cmocka_unit_test(der_that_is_not_canonical_is_refused),
                cmocka_unit_test(decode_makes_the_same_refusals_but_the_signatures),
                cmocka_unit_test(a_public_key_does_not_sign),
        };
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
