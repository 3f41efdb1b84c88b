/* OpenID Connect Core 1.0: who has logged in is what the ID token says. */
#include "base/base64.h"
#include "base/secret.h"
#include "crypto/mac.h"
#include "signin/oidc_cache.h"

enum {
        LEEWAY = 60, /* seconds, for clocks that differ */
        URL_MAX = 8 * 1024,
};

static enum cd_signin_failure refuse(struct cd_error *reterr, const char *claim, const char *reason)
{
        (void)cd_fail_field(reterr, CD_INVALID_TOKEN, cd_str_from_c(claim), reason);
        return CD_SIGNIN_PROVIDER_ERROR;
}

/* What the configuration says wins, so that a provider whose metadata is wrong can be used. */
static enum cd_signin_failure endpoints(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                        struct cd_signin_endpoints *ret, struct cd_error *reterr)
{
        const struct cd_signin_provider_settings *settings = &provider->settings;

        enum cd_signin_failure failure = cd_signin_oidc_metadata(provider, arena, ret, reterr);
        if (settings->authorization_endpoint.len)
                ret->authorization = settings->authorization_endpoint;
        if (settings->token_endpoint.len)
                ret->token = settings->token_endpoint;
        if (settings->userinfo_endpoint.len)
                ret->userinfo = settings->userinfo_endpoint;
        return failure;
}

static cd_str text_of(const struct cd_json *object, const char *name)
{
        return cd_signin_text_of(cd_json_find(object, cd_str_from_c(name)));
}

/* ---- the ID token ---- */

/* §3.1.3.7, 4 and 5: a token for several clients must name the one that it was issued to. */
static enum cd_signin_failure check_party(const struct cd_signin_provider *provider, const struct cd_json *claims,
                                          struct cd_error *reterr)
{
        const struct cd_json *aud = cd_json_find(claims, CD_STR("aud")), *azp = cd_json_find(claims, CD_STR("azp"));

        if (!azp && aud && aud->type == CD_JSON_ARRAY && aud->count > 1)
                return refuse(reterr, "azp", "is missing in an ID token for several clients");
        if (azp && (azp->type != CD_JSON_STRING || !cd_str_eq(azp->text, provider->settings.client_id)))
                return refuse(reterr, "azp", "is another client: the ID token was not issued to this one");
        return CD_SIGNIN_OK;
}

static enum cd_signin_failure check_nonce(const struct cd_signin_state *state, const struct cd_json *claims,
                                          struct cd_error *reterr)
{
        const struct cd_json *nonce = cd_json_find(claims, CD_STR("nonce"));

        if (!nonce)
                return refuse(reterr, "nonce", "is missing in the ID token");
        if (nonce->type != CD_JSON_STRING || !cd_secret_eq(nonce->text, state->nonce))
                return refuse(reterr, "nonce", "is that of another login: the ID token may have been injected");
        return CD_SIGNIN_OK;
}

/* §3.1.3.8: the left half of the access token's hash. Not of an EdDSA token, whose hash no standard names. */
static enum cd_signin_failure check_access_token(const struct cd_signin_tokens *tokens, enum cd_alg alg,
                                                 const struct cd_json *claims, struct cd_error *reterr)
{
        const struct cd_json *at_hash = cd_json_find(claims, CD_STR("at_hash"));
        unsigned char sum[CD_SHA256_SIZE];
        char expected[CD_SHA256_SIZE];

        if (!at_hash || alg == CD_ALG_EDDSA)
                return CD_SIGNIN_OK;
        if (cd_sha256(tokens->access_token, sum) != CD_OK) {
                (void)cd_fail(reterr, CD_INTERNAL, "SHA-256 failed");
                return CD_SIGNIN_UNAVAILABLE;
        }
        size_t len = cd_base64url_encode(expected, cd_str_of((const char *)sum, sizeof(sum) / 2));
        if (at_hash->type != CD_JSON_STRING || !cd_str_eq(at_hash->text, cd_str_of(expected, len)))
                return refuse(reterr, "at_hash", "does not match the access token that came with the ID token");
        return CD_SIGNIN_OK;
}

/* The alg of a token that was verified. */
static enum cd_alg alg_of(struct cd_arena *arena, cd_str id_token)
{
        struct cd_jws jws = { 0 };

        return cd_jws_decode(arena, NULL, id_token, &jws, NULL) == CD_OK ? jws.alg : CD_ALG_NONE;
}

static enum cd_signin_failure read_id_token(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            const struct cd_signin_tokens *tokens, const struct cd_signin_state *state,
                                            struct cd_jwt *ret, struct cd_error *reterr)
{
        struct cd_signin_endpoints known = { 0 };
        struct cd_jwt_expect expect = {
                .typ = CD_STR("JWT"),
                .allows_no_typ = true,
                .iss = provider->settings.issuer,
                .aud = provider->settings.client_id,
                .leeway = LEEWAY,
                .is_foreign = true,
        };

        if (!tokens->id_token.len)
                return refuse(reterr, "id_token", "is missing in the answer; scopes must have \"openid\"");
        if (cd_clock_read(cd_signin_services_of(provider)->clock, &expect.now, reterr) != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        enum cd_signin_failure failure = cd_signin_oidc_metadata(provider, arena, &known, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_oidc_verify(provider, arena, tokens->id_token, &expect, ret, reterr);
        if (failure == CD_SIGNIN_OK && ret->claims.iat > expect.now + LEEWAY)
                failure =
                        refuse(reterr, "iat", "is in the future: the clock of the issuer or of this machine is wrong");
        if (failure == CD_SIGNIN_OK)
                failure = check_party(provider, ret->object, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = check_nonce(state, ret->object, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = check_access_token(tokens, alg_of(arena, tokens->id_token), ret->object, reterr);
        return failure;
}

/* ---- the account ---- */

static void take(const struct cd_json *from, struct cd_signin_account *account)
{
        const struct cd_json *verified = cd_json_find(from, CD_STR("email_verified"));

        if (!account->login.len)
                account->login = text_of(from, "preferred_username");
        if (!account->name.len)
                account->name = text_of(from, "name");
        if (account->email.len)
                return;
        account->email = text_of(from, "email");
        account->email_verified =
                verified && verified->type == CD_JSON_BOOL && cd_str_eq(verified->text, CD_STR("true"));
}

/* §5.3: what the ID token leaves out. */
static enum cd_signin_failure ask_userinfo(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                           const struct cd_signin_tokens *tokens, struct cd_signin_account *account,
                                           struct cd_error *reterr)
{
        struct cd_signin_endpoints known = { 0 };
        const struct cd_json *answer;

        enum cd_signin_failure failure = endpoints(provider, arena, &known, reterr);
        if (failure != CD_SIGNIN_OK || !known.userinfo.len)
                return failure;
        failure = cd_signin_get_json(provider, arena, known.userinfo, tokens->access_token, &answer, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        /* §5.3.2: otherwise it may be about somebody else. */
        if (!cd_str_eq(text_of(answer, "sub"), account->subject))
                return refuse(reterr, "sub", "of userinfo_endpoint is not that of the ID token");
        take(answer, account);
        return CD_SIGNIN_OK;
}

static enum cd_signin_failure identify(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                       const struct cd_signin_tokens *tokens, const struct cd_signin_state *state,
                                       struct cd_signin_account *ret, struct cd_error *reterr)
{
        struct cd_jwt jwt = { 0 };

        enum cd_signin_failure failure = read_id_token(provider, arena, tokens, state, &jwt, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        *ret = (struct cd_signin_account){ .subject = text_of(jwt.object, "sub") };
        if (!ret->subject.len)
                return cd_signin_no_subject(CD_STR("sub"), reterr);
        take(jwt.object, ret);
        if (ret->login.len && ret->name.len && ret->email.len)
                return CD_SIGNIN_OK;
        return ask_userinfo(provider, arena, tokens, ret, reterr);
}

/* OpenID Connect RP-Initiated Logout 1.0 §2. Without an id_token_hint, since none is kept: the provider asks the user.
 * */
static cd_str logout_url(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str after)
{
        cd_str page = cd_signin_oidc_end_session(provider, arena), url = { NULL, 0 };
        struct cd_buf buf;

        if (!page.ptr)
                return page;
        cd_buf_init(&buf, arena, URL_MAX);
        cd_buf_add(&buf, page);
        if (cd_str_index(page, '?') == page.len)
                cd_buf_add_char(&buf, '?');
        cd_signin_add_parameter(&buf, "client_id", provider->settings.client_id);
        cd_signin_add_parameter(&buf, "post_logout_redirect_uri", after);
        return cd_buf_view(&buf, &url) == CD_OK ? url : (cd_str){ NULL, 0 };
}

const struct cd_signin_kind cd_signin_oidc = {
        .endpoints = endpoints,
        .identify = identify,
        .sends_nonce = true,
        .logout_url = logout_url,
};
