/* What a login in progress carries: in the browser only, so that strangers who begin logins fill nothing. */
#include "base/base64.h"
#include "base/secret.h"
#include "core/digest.h"
#include "signin/provider.h"

enum {
        RANDOM_SIZE = 32, /* bytes of state, nonce and verifier */
        RANDOM_TEXT = 43, /* characters: base64url */
};

/* The cookie without the state, which is in the context of the seal, and without what it is for. */
struct content {
        cd_str nonce, verifier, return_to, link_user, link_sid;
        int64_t expires_at;
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct content, member), .type = CD_FIELD_##kind, __VA_ARGS__      \
        }

static const struct cd_field fields[] = {
        FIELD(nonce, STRING, .flags = CD_FIELD_REQUIRED),
        FIELD(verifier, STRING, .flags = CD_FIELD_REQUIRED),
        FIELD(return_to, STRING, .max = CD_SIGNIN_CODE_MAX),
        FIELD(link_user, STRING),
        FIELD(link_sid, STRING),
        FIELD(expires_at, INT, .flags = CD_FIELD_REQUIRED),
};
static const struct cd_table table = { "state", fields, CD_LEN(fields), sizeof(struct content), true };

static enum cd_signin_failure unavailable(cd_status status, const char *reason, struct cd_error *reterr)
{
        (void)cd_fail(reterr, status, reason);
        return CD_SIGNIN_UNAVAILABLE;
}

/* ptr NULL: the random source failed, or there is no memory. */
static cd_str random_text(const struct cd_random *random, struct cd_arena *arena)
{
        char bytes[RANDOM_SIZE], *text = cd_arena_alloc(arena, RANDOM_TEXT);

        if (!text || random->fill(random, bytes, sizeof(bytes)) != CD_OK)
                return (cd_str){ NULL, 0 };
        cd_base64url_encode(text, cd_str_of(bytes, sizeof(bytes)));
        cd_wipe(bytes, sizeof(bytes));
        return cd_str_of(text, RANDOM_TEXT);
}

enum cd_signin_failure cd_signin_state_make(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            struct cd_signin_state *ret, struct cd_error *reterr)
{
        const struct cd_signin_services *services = cd_signin_services_of(provider);
        cd_str *const texts[] = { &ret->state, &ret->nonce, &ret->verifier };
        cd_time now;

        if (cd_clock_read(services->clock, &now, reterr) != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        for (size_t i = 0; i < CD_LEN(texts); i++) {
                *texts[i] = random_text(services->random, arena);
                if (!texts[i]->ptr)
                        return unavailable(CD_UNAVAILABLE, "the random source failed, or there is no memory", reterr);
        }
        ret->expires_at = now + CD_SIGNIN_STATE_LIFETIME;
        return CD_SIGNIN_OK;
}

/* Ties the cookie to the provider, too: a state for one is none at another, so that a provider cannot make Cardea send
 * it the code of another one (RFC 9700 §4.4). ptr NULL: no memory. */
static cd_str context_of(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str state)
{
        return cd_arena_printf(arena, "signin:%.*s:%.*s", CD_STR_ARG(provider->settings.name), CD_STR_ARG(state));
}

static void add_member(struct cd_buf *buf, const char *name, cd_str value)
{
        cd_buf_printf(buf, "\"%s\":", name);
        cd_buf_add_json(buf, value);
        cd_buf_add_char(buf, ',');
}

static cd_status seal(const struct cd_signin_provider *provider, struct cd_arena *arena,
                      const struct cd_signin_state *state, cd_str return_to, cd_str *ret, struct cd_error *reterr)
{
        const struct cd_signin_services *services = cd_signin_services_of(provider);
        cd_str context = context_of(provider, arena, state->state), text;
        struct cd_buf buf;

        cd_buf_init(&buf, arena, 8 * CD_SIGNIN_CODE_MAX);
        cd_buf_add_char(&buf, '{');
        add_member(&buf, "nonce", state->nonce);
        add_member(&buf, "verifier", state->verifier);
        add_member(&buf, "return_to", return_to);
        add_member(&buf, "link_user", state->link_user);
        add_member(&buf, "link_sid", state->link_sid);
        cd_buf_printf(&buf, "\"expires_at\":%lld}", (long long)state->expires_at);
        if (!context.ptr || cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the state");
        return cd_seal(services->master, arena, context, text, ret, reterr);
}

enum cd_signin_failure cd_signin_state_seal(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            const struct cd_signin_state *state, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = seal(provider, arena, state, state->return_to, ret, reterr);

        if (status == CD_OK && ret->len > CD_SIGNIN_COOKIE_MAX)
                status = seal(provider, arena, state, CD_STR(""), ret, reterr);
        if (status == CD_OK && ret->len > CD_SIGNIN_COOKIE_MAX)
                status = cd_fail(reterr, CD_TOO_LARGE, "the state has no room in a cookie");
        return status == CD_OK ? CD_SIGNIN_OK : CD_SIGNIN_UNAVAILABLE;
}

static enum cd_signin_failure no_state(const char *reason, struct cd_error *reterr)
{
        (void)cd_fail(reterr, CD_INVALID_REQUEST, reason);
        return CD_SIGNIN_NO_STATE;
}

enum cd_signin_failure cd_signin_state_open(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            cd_str cookie, cd_str state, struct cd_signin_state *ret,
                                            struct cd_error *reterr)
{
        const struct cd_signin_services *services = cd_signin_services_of(provider);
        struct content content;
        cd_str context, text;
        cd_time now;

        if (state.len != RANDOM_TEXT)
                return no_state("the state is none of ours", reterr);
        if (!cookie.len)
                return no_state("the browser has no cookie of this state", reterr);
        context = context_of(provider, arena, state);
        if (!context.ptr)
                return unavailable(CD_NO_MEMORY, "no memory for the state", reterr);
        cd_status status = cd_unseal(services->master, arena, context, cookie, &text, reterr);
        if (status == CD_MALFORMED || status == CD_INVALID_REQUEST)
                return no_state("the browser's cookie is of another state, or none of ours", reterr);
        if (status == CD_OK)
                status = cd_json_decode(arena, text, &table, &content, reterr);
        if (status == CD_OK)
                status = cd_clock_read(services->clock, &now, reterr);
        if (status != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        *ret = (struct cd_signin_state){
                .state = state,
                .nonce = content.nonce,
                .verifier = content.verifier,
                .return_to = content.return_to,
                .link_user = content.link_user,
                .link_sid = content.link_sid,
                .expires_at = content.expires_at,
        };
        if (now < content.expires_at)
                return CD_SIGNIN_OK;
        (void)cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the login was begun more than %d s ago",
                       CD_SIGNIN_STATE_LIFETIME);
        return CD_SIGNIN_EXPIRED;
}

cd_str cd_signin_challenge(struct cd_arena *arena, cd_str verifier)
{
        cd_str challenge;

        return cd_digest_text(arena, verifier, &challenge, NULL) == CD_OK ? challenge : (cd_str){ NULL, 0 };
}

unsigned cd_signin_slot(cd_str state)
{
        return state.len ? (unsigned char)state.ptr[0] % CD_SIGNIN_STATES_MAX : 0;
}
