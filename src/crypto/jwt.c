#include "crypto/jwt.h"

#include "base/json.h"

enum {
        PAYLOAD_MAX = CD_JWS_MAX / 4 * 3, /* bytes of JSON */
};

/* 9999-12-31T23:59:59Z. No token needs a later date, and below it, additions cannot overflow. */
static const cd_time time_max = 253402300799;

static void add_string(struct cd_buf *buf, cd_str before, cd_str value)
{
        cd_buf_add(buf, before);
        cd_buf_add_json(buf, value);
}

static void add_time(struct cd_buf *buf, cd_str before, cd_time value)
{
        cd_buf_add(buf, before);
        cd_buf_add_i64(buf, value);
}

static bool is_object(cd_str text)
{
        return text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}';
}

static bool has_members(cd_str object)
{
        return object.len > 2;
}

static void write_claims(const struct cd_claims *claims, struct cd_buf *buf)
{
        add_string(buf, CD_STR("{\"iss\":"), claims->iss);
        add_string(buf, CD_STR(",\"sub\":"), claims->sub);
        add_string(buf, CD_STR(",\"aud\":"), claims->aud);
        add_time(buf, CD_STR(",\"exp\":"), claims->exp);
        add_time(buf, CD_STR(",\"iat\":"), claims->iat);
        if (claims->nbf)
                add_time(buf, CD_STR(",\"nbf\":"), claims->nbf);
        add_string(buf, CD_STR(",\"jti\":"), claims->jti);
        add_string(buf, CD_STR(",\"client_id\":"), claims->client_id);
        if (claims->scope.len)
                add_string(buf, CD_STR(",\"scope\":"), claims->scope);
        if (has_members(claims->extra)) {
                cd_buf_add_char(buf, ',');
                cd_buf_add(buf, cd_str_slice(claims->extra, 1, claims->extra.len - 2));
        }
        cd_buf_add_char(buf, '}');
}

cd_status cd_jwt_sign(struct cd_arena *arena, const struct cd_jwk *key, cd_str typ, const struct cd_claims *claims,
                      cd_str *ret, struct cd_error *reterr)
{
        char memory[PAYLOAD_MAX];
        struct cd_buf buf;
        cd_str payload;

        if (!claims->iss.len || !claims->sub.len || !claims->aud.len || !claims->client_id.len || !claims->jti.len)
                return cd_fail(reterr, CD_INVALID_REQUEST, "a required claim is empty");
        if (claims->iat < 0 || claims->nbf < 0 || claims->exp <= claims->iat || claims->exp > time_max)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the times of the token are inconsistent");
        if (claims->extra.len && !is_object(claims->extra))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the further claims are not a JSON object");
        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        write_claims(claims, &buf);
        if (cd_buf_view(&buf, &payload) != CD_OK)
                return cd_fail(reterr, CD_TOO_LARGE, "the token would be longer than 16 KB");
        return cd_jws_sign(arena, key, typ, payload, ret, reterr);
}

enum claim {
        ISS,
        SUB,
        AUD,
        CLIENT_ID,
        SCOPE,
        JTI,
        EXP,
        IAT,
        NBF,
        CLAIM_COUNT,
        UNKNOWN = CLAIM_COUNT,
};

static const cd_str claim_names[CLAIM_COUNT] = {
        [ISS] = CD_STR_INIT("iss"),     [SUB] = CD_STR_INIT("sub"),
        [AUD] = CD_STR_INIT("aud"),     [EXP] = CD_STR_INIT("exp"),
        [IAT] = CD_STR_INIT("iat"),     [NBF] = CD_STR_INIT("nbf"),
        [JTI] = CD_STR_INIT("jti"),     [CLIENT_ID] = CD_STR_INIT("client_id"),
        [SCOPE] = CD_STR_INIT("scope"),
};

static enum claim find_claim(cd_str name)
{
        size_t i = 0;
        while (i < CLAIM_COUNT && !cd_str_eq(name, claim_names[i]))
                i++;
        return (enum claim)i;
}

static cd_status refuse(struct cd_error *reterr, enum claim claim, const char *what)
{
        cd_str name = claim_names[claim];
        return cd_failf(reterr, CD_INVALID_TOKEN, name, "%.*s %s", CD_STR_ARG(name), what);
}

/* Reads a string. An empty one counts as absent, so that it never matches. */
static cd_status read_string(const struct cd_json *member, enum claim claim, cd_str *ret, struct cd_error *reterr)
{
        if (member->type != CD_JSON_STRING)
                return refuse(reterr, claim, "is not a string");
        if (cd_str_has_control(member->text))
                return refuse(reterr, claim, "contains a control character");
        *ret = member->text;
        return CD_OK;
}

/* Reads "aud", a string or an array of strings (RFC 7519 §4.1.3). A token of this server must have exactly one; of
 * another issuer's audiences, the expected one is returned if it is there. */
static cd_status read_audience(const struct cd_json *member, const struct cd_jwt_expect *expect, cd_str *ret,
                               struct cd_error *reterr)
{
        cd_str found = { NULL, 0 };

        if (member->type != CD_JSON_ARRAY)
                return read_string(member, AUD, ret, reterr);
        if (!expect->is_foreign && member->count != 1)
                return refuse(reterr, AUD, "does not name exactly one audience");
        for (const struct cd_json *one = member->child; one; one = one->next) {
                cd_str text = { NULL, 0 };
                cd_status status = read_string(one, AUD, &text, reterr);
                if (status != CD_OK)
                        return status;
                if (!found.ptr || cd_str_eq(text, expect->aud))
                        found = text;
        }
        *ret = found;
        return CD_OK;
}

/* Reads a NumericDate (RFC 7519 §2): seconds, possibly with a fraction. Exponents are rejected: no date needs one, and
 * 1e400 is not a date. */
static cd_status read_time(const struct cd_json *member, enum claim claim, cd_time *ret, struct cd_error *reterr)
{
        cd_str text = member->text;
        int64_t value;

        if (member->type != CD_JSON_NUMBER || cd_str_index(text, 'e') < text.len || cd_str_index(text, 'E') < text.len)
                return refuse(reterr, claim, "is not a number of seconds");
        size_t point = cd_str_index(text, '.');
        bool is_between = false;
        for (size_t i = point + 1; i < text.len; i++)
                is_between |= text.ptr[i] != '0';
        cd_time up = claim == NBF && is_between ? 1 : 0;
        if (text.ptr[0] == '-' || !cd_str_to_i64(cd_str_slice(text, 0, point), &value) || value > time_max - up)
                return refuse(reterr, claim, "is out of range");
        *ret = value + up;
        return CD_OK;
}

static cd_status read_claim(const struct cd_json *member, const struct cd_jwt_expect *expect, struct cd_claims *claims,
                            unsigned *seen, struct cd_error *reterr)
{
        cd_str *const strings[] = {
                [ISS] = &claims->iss,     [SUB] = &claims->sub, [AUD] = &claims->aud, [CLIENT_ID] = &claims->client_id,
                [SCOPE] = &claims->scope, [JTI] = &claims->jti,
        };
        enum claim claim = find_claim(member->name);

        if (claim == UNKNOWN) {
                if (!claims->further)
                        claims->further = member;
                return CD_OK;
        }
        *seen |= 1u << claim;
        if (claim == AUD)
                return read_audience(member, expect, &claims->aud, reterr);
        if (claim < CD_LEN(strings))
                return read_string(member, claim, strings[claim], reterr);
        return read_time(member, claim,
                         claim == EXP   ? &claims->exp
                         : claim == IAT ? &claims->iat
                                        : &claims->nbf,
                         reterr);
}

/* The required claims: those of RFC 9068 §2.2 for access tokens; only the times for other tokens, and only exp if they
 * come from another issuer. */
static cd_status check_required(const struct cd_claims *claims, unsigned seen, bool is_access_token, bool is_foreign,
                                struct cd_error *reterr)
{
        const struct {
                enum claim claim;
                bool is_there;
        } required[] = {
                { EXP, seen & 1u << EXP },
                { IAT, seen & 1u << IAT || (is_foreign && !is_access_token) },
                { ISS, claims->iss.len || !is_access_token },
                { SUB, claims->sub.len || !is_access_token },
                { AUD, claims->aud.len || !is_access_token },
                { CLIENT_ID, claims->client_id.len || !is_access_token },
                { JTI, claims->jti.len || !is_access_token },
        };

        for (size_t i = 0; i < CD_LEN(required); i++)
                if (!required[i].is_there)
                        return refuse(reterr, required[i].claim, "is missing");
        return CD_OK;
}

static cd_str bare_type(cd_str typ)
{
        cd_str prefix = CD_STR("application/");
        bool has_prefix = cd_str_eq_nocase(cd_str_slice(typ, 0, prefix.len), prefix);
        return has_prefix ? cd_str_slice(typ, prefix.len, typ.len) : typ;
}

static cd_status read_claims(struct cd_arena *arena, const struct cd_jws *jws, const struct cd_jwt_expect *expect,
                             struct cd_jwt *ret, struct cd_error *reterr)
{
        bool is_access_token = cd_str_eq_nocase(bare_type(jws->typ), CD_STR("at+jwt"));
        const struct cd_json *object;
        unsigned seen = 0;

        cd_status status = cd_json_parse(arena, jws->payload, CD_JSON_UNIQUE_NAMES, &object, NULL);
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
        if (status != CD_OK || object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_INVALID_TOKEN, "the payload is not a JSON object with unique names");
        for (const struct cd_json *member = object->child; member; member = member->next) {
                status = read_claim(member, expect, &ret->claims, &seen, reterr);
                if (status != CD_OK)
                        return status;
        }
        ret->payload = jws->payload;
        ret->object = object;
        return check_required(&ret->claims, seen, is_access_token, expect->is_foreign, reterr);
}

static cd_status check_times(const struct cd_claims *claims, const struct cd_jwt_expect *expect,
                             struct cd_error *reterr)
{
        if (expect->now < 0) /* the clock failed, so no token can be shown to be valid (LESSONS 31) */
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        if (expect->now - expect->leeway >= claims->exp)
                return cd_fail_field(reterr, CD_INVALID_TOKEN, CD_STR("exp"), "the token is expired");
        if (claims->nbf > expect->now + expect->leeway)
                return cd_fail_field(reterr, CD_INVALID_TOKEN, CD_STR("nbf"), "the token is not yet valid");
        return CD_OK;
}

static cd_status judge(struct cd_arena *arena, const struct cd_jws *jws, const struct cd_jwt_expect *expect,
                       struct cd_jwt *ret, struct cd_error *reterr)
{
        struct cd_jwt jwt = { 0 };
        const struct cd_claims *claims = &jwt.claims;

        bool has_typ = jws->typ.ptr || !expect->allows_no_typ;
        if (expect->typ.len == 0 || (has_typ && !cd_str_eq_nocase(bare_type(jws->typ), bare_type(expect->typ))))
                return cd_fail_field(reterr, CD_INVALID_TOKEN, CD_STR("typ"), "the token has another typ");
        cd_status status = read_claims(arena, jws, expect, &jwt, reterr);
        if (status != CD_OK)
                return status;
        if (expect->iss.len == 0 || !cd_str_eq(claims->iss, expect->iss))
                return cd_fail_field(reterr, CD_INVALID_TOKEN, CD_STR("iss"), "the token is from another issuer");
        if (expect->aud.ptr && (claims->aud.len == 0 || !cd_str_eq(claims->aud, expect->aud)))
                return cd_fail_field(reterr, CD_INVALID_TOKEN, CD_STR("aud"), "the token is for another audience");
        status = check_times(claims, expect, reterr);
        if (status == CD_OK)
                *ret = jwt;
        return status;
}

cd_status cd_jwt_verify_whole(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                              const struct cd_jwt_expect *expect, struct cd_jwt *ret, struct cd_error *reterr)
{
        struct cd_jws jws;

        cd_status status = cd_jws_verify(arena, keys, token, &jws, reterr);
        return status == CD_OK ? judge(arena, &jws, expect, ret, reterr) : status;
}

cd_status cd_jwt_verify(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                        const struct cd_jwt_expect *expect, struct cd_claims *ret, struct cd_error *reterr)
{
        struct cd_jwt jwt;

        cd_status status = cd_jwt_verify_whole(arena, keys, token, expect, &jwt, reterr);
        if (status == CD_OK)
                *ret = jwt.claims;
        return status;
}

cd_status cd_jwt_decode(struct cd_arena *arena, const struct cd_jwks *keys, cd_str token,
                        const struct cd_jwt_expect *expect, struct cd_claims *ret, struct cd_error *reterr)
{
        struct cd_jws jws;
        struct cd_jwt jwt;

        cd_status status = cd_jws_decode(arena, keys, token, &jws, reterr);
        if (status == CD_OK)
                status = judge(arena, &jws, expect, &jwt, reterr);
        if (status == CD_OK)
                *ret = jwt.claims;
        return status;
}
