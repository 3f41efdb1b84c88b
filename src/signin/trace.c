#include "signin/trace.h"

#include "base/base64.h"
#include "base/secret.h"
#include "core/delivery_ports.h"
#include "core/digest.h"
#include "signin/oidc_cache.h"
#include "signin/provider.h"

/* Before the rest of a state, which is base64url of random bytes, the time when it expires, and the MAC. No state of a
 * login is as long. */
#define PREFIX CD_STR("trace-")

enum {
        RANDOM_SIZE = 16,
        SIGNED_SIZE = RANDOM_SIZE + 8,
        STATE_SIZE = SIGNED_SIZE + CD_MAC_SIZE,
};

/* What the server passes on. */
struct content {
        cd_str code, iss, error, error_description;
        bool has_iss;
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct content, member), .type = CD_FIELD_##kind, __VA_ARGS__      \
        }

static const struct cd_field fields[] = {
        FIELD(code, STRING, .max = CD_SIGNIN_CODE_MAX),
        FIELD(iss, STRING, .max = CD_SIGNIN_CODE_MAX),
        FIELD(error, STRING, .max = CD_SIGNIN_CODE_MAX),
        FIELD(error_description, STRING, .max = CD_SIGNIN_CODE_MAX),
        FIELD(has_iss, BOOL),
};
static const struct cd_table table = { "callback", fields, CD_LEN(fields), sizeof(struct content), true };

static enum cd_signin_failure fail(enum cd_signin_failure failure, cd_status status, const char *reason,
                                   struct cd_error *reterr)
{
        (void)cd_fail(reterr, status, reason);
        return failure;
}

/* ---- the state ---- */

static cd_status sign(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str bytes,
                      unsigned char ret[CD_MAC_SIZE])
{
        struct cd_mac *mac = cd_master_key_mac(cd_signin_services_of(provider)->master, CD_STR("signin-trace"));
        cd_str message = cd_arena_printf(arena, "%.*s:", CD_STR_ARG(provider->settings.name));
        char *text = cd_arena_alloc(arena, message.len + bytes.len);
        cd_status status = CD_NO_MEMORY;

        if (mac && message.ptr && text) {
                memcpy(text, message.ptr, message.len);
                memcpy(text + message.len, bytes.ptr, bytes.len);
                status = cd_mac_sum(mac, cd_str_of(text, message.len + bytes.len), ret);
        }
        cd_mac_free(mac);
        return status;
}

static enum cd_signin_failure make_state(struct cd_signin_trace *trace, struct cd_error *reterr)
{
        const struct cd_random *random = cd_signin_services_of(trace->provider)->random;
        unsigned char bytes[STATE_SIZE];
        char text[(STATE_SIZE * 4 + 2) / 3];

        if (random->fill(random, bytes, RANDOM_SIZE) != CD_OK)
                return fail(CD_SIGNIN_UNAVAILABLE, CD_UNAVAILABLE, "the random source failed", reterr);
        for (int i = 0; i < 8; i++)
                bytes[RANDOM_SIZE + i] = (unsigned char)((uint64_t)trace->expires_at >> (56 - 8 * i));
        cd_status status =
                sign(trace->provider, trace->arena, cd_str_of((const char *)bytes, SIGNED_SIZE), bytes + SIGNED_SIZE);
        if (status == CD_OK) {
                size_t len = cd_base64url_encode(text, cd_str_of((const char *)bytes, STATE_SIZE));
                trace->state = cd_arena_printf(trace->arena, "%.*s%.*s", CD_STR_ARG(PREFIX), (int)len, text);
        }
        if (status != CD_OK || !trace->state.ptr)
                return fail(CD_SIGNIN_UNAVAILABLE, CD_NO_MEMORY, "no memory for the state", reterr);
        return CD_SIGNIN_OK;
}

bool cd_signin_is_trace(cd_str state)
{
        return cd_str_has_prefix(state, PREFIX);
}

/* Nothing but the MAC is looked at before it is right. */
static enum cd_signin_failure check_state(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                          cd_str state, cd_time *ret_expires_at, struct cd_error *reterr)
{
        unsigned char expected[CD_MAC_SIZE];
        uint64_t expires_at = 0;
        cd_time now;
        cd_str bytes;

        if (!cd_signin_is_trace(state) || state.len != PREFIX.len + cd_base64url_length(STATE_SIZE) ||
            cd_base64url_decode_arena(arena, cd_str_slice(state, PREFIX.len, state.len), &bytes) != CD_OK)
                return fail(CD_SIGNIN_NO_STATE, CD_INVALID_REQUEST, "the state is none of ours", reterr);
        if (sign(provider, arena, cd_str_slice(bytes, 0, SIGNED_SIZE), expected) != CD_OK)
                return fail(CD_SIGNIN_UNAVAILABLE, CD_NO_MEMORY, "no memory for the state", reterr);
        if (!cd_secret_eq(cd_str_of((const char *)expected, CD_MAC_SIZE), cd_str_slice(bytes, SIGNED_SIZE, bytes.len)))
                return fail(CD_SIGNIN_NO_STATE, CD_INVALID_REQUEST,
                            "the state of a trace was made for another provider, or with another master key", reterr);
        for (int i = 0; i < 8; i++)
                expires_at = expires_at << 8 | (unsigned char)bytes.ptr[RANDOM_SIZE + i];
        *ret_expires_at = (cd_time)expires_at;
        if (cd_clock_read(cd_signin_services_of(provider)->clock, &now, reterr) != CD_OK)
                return CD_SIGNIN_UNAVAILABLE;
        if (now >= *ret_expires_at)
                return fail(CD_SIGNIN_EXPIRED, CD_INVALID_REQUEST, "the trace was begun too long ago", reterr);
        return CD_SIGNIN_OK;
}

/* ---- the start ---- */

static enum cd_signin_failure find_published(struct cd_signin_trace *trace, struct cd_error *reterr)
{
        struct cd_signin_endpoints found = { 0 };

        if (!trace->provider->oidc)
                return CD_SIGNIN_OK;
        enum cd_signin_failure failure = cd_signin_oidc_metadata(trace->provider, trace->arena, &found, reterr);
        trace->found_authorization = found.authorization;
        trace->found_token = found.token;
        trace->found_userinfo = found.userinfo;
        return failure;
}

enum cd_signin_failure cd_signin_trace_begin(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                             struct cd_signin_trace *ret, struct cd_error *reterr)
{
        struct cd_signin_endpoints endpoints = { 0 };
        struct cd_signin_state state = { 0 };

        *ret = (struct cd_signin_trace){ .provider = provider, .arena = arena, .settings = &provider->settings };
        enum cd_signin_failure failure = find_published(ret, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_endpoints_of(provider, arena, &endpoints, reterr);
        if (failure == CD_SIGNIN_OK)
                failure = cd_signin_state_make(provider, arena, &state, reterr);
        ret->nonce = state.nonce;
        ret->verifier = state.verifier;
        ret->expires_at = state.expires_at;
        if (failure == CD_SIGNIN_OK)
                failure = make_state(ret, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        state.state = ret->state;
        cd_status status = cd_signin_authorization_url(provider, arena, endpoints.authorization, &state, &ret->url);
        return status == CD_OK ? CD_SIGNIN_OK
                               : fail(CD_SIGNIN_UNAVAILABLE, status, "the URL of the provider cannot be built", reterr);
}

/* ---- by way of the store ---- */

static cd_str name_of(const struct cd_signin_provider *provider, struct cd_arena *arena)
{
        return cd_arena_printf(arena, "trace:%.*s", CD_STR_ARG(provider->settings.name));
}

/* Ties what is sealed to its state. */
static cd_str context_of(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str state)
{
        return cd_arena_printf(arena, "trace:%.*s:%.*s", CD_STR_ARG(provider->settings.name), CD_STR_ARG(state));
}

static void add_member(struct cd_buf *buf, const char *name, cd_str value)
{
        cd_buf_printf(buf, "\"%s\":", name);
        cd_buf_add_json(buf, value);
        cd_buf_add_char(buf, ',');
}

static cd_status seal(const struct cd_signin_provider *provider, struct cd_arena *arena,
                      const struct cd_signin_callback *callback, cd_str *ret, struct cd_error *reterr)
{
        cd_str context = context_of(provider, arena, callback->state), text;
        struct cd_buf buf;

        cd_buf_init(&buf, arena, CD_SEALED_MAX);
        cd_buf_add_char(&buf, '{');
        add_member(&buf, "code", callback->code);
        add_member(&buf, "iss", callback->iss);
        add_member(&buf, "error", callback->error);
        add_member(&buf, "error_description", callback->error_description);
        cd_buf_printf(&buf, "\"has_iss\":%s}", callback->iss.ptr ? "true" : "false");
        if (!context.ptr || cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the callback");
        return cd_seal(cd_signin_services_of(provider)->master, arena, context, text, ret, reterr);
}

/* Never due, since no relay sends it: held until the time when it was made. */
static cd_status add(const struct cd_signin_provider *provider, struct cd_arena *arena,
                     const struct cd_signin_callback *callback, cd_time expires_at, struct cd_error *reterr)
{
        const struct cd_signin_services *services = cd_signin_services_of(provider);
        struct cd_delivery delivery = { .relay = name_of(provider, arena), .expires_at = expires_at };

        cd_status status = cd_clock_read(services->clock, &delivery.created_at, reterr);
        delivery.next_at = delivery.hold_until = delivery.created_at;
        if (status == CD_OK)
                status = cd_digest_text(arena, callback->state, &delivery.id, reterr);
        if (status == CD_OK)
                status = seal(provider, arena, callback, &delivery.sealed, reterr);
        if (status == CD_OK && !delivery.relay.ptr)
                status = cd_fail(reterr, CD_NO_MEMORY, "no memory for the callback");
        return status == CD_OK ? services->store->deliveries->add(services->store, &delivery, reterr) : status;
}

enum cd_signin_failure cd_signin_trace_keep(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            const struct cd_signin_callback *callback, struct cd_error *reterr)
{
        cd_time expires_at = 0;

        if (!cd_signin_callback_is_fit(callback))
                return fail(CD_SIGNIN_MALFORMED, CD_INVALID_REQUEST,
                            "a parameter of the callback came twice, or is too long", reterr);
        enum cd_signin_failure failure = check_state(provider, arena, callback->state, &expires_at, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        switch (add(provider, arena, callback, expires_at, reterr)) {
        case CD_OK:
                return CD_SIGNIN_OK;
        case CD_EXISTS:
                return fail(CD_SIGNIN_USED, CD_INVALID_REQUEST, "the state of a trace was used already", reterr);
        case CD_THROTTLED:
                return CD_SIGNIN_BUSY;
        default:
                return CD_SIGNIN_UNAVAILABLE;
        }
}

/* Once: what was taken is removed from the row, which stays until the state expires, so that it is not used again. */
static cd_status take_row(const struct cd_signin_trace *trace, cd_str *ret_sealed, struct cd_error *reterr)
{
        struct cd_store *store = cd_signin_services_of(trace->provider)->store;
        struct cd_delivery row;
        cd_str id;

        cd_status status = cd_digest_text(trace->arena, trace->state, &id, reterr);
        if (status == CD_OK)
                status = store->deliveries->find(store, trace->arena, id, &row, reterr);
        if (status != CD_OK)
                return status;
        *ret_sealed = row.sealed;
        row.sealed = CD_STR("");
        row.state = CD_DELIVERY_ANSWERED;
        return store->deliveries->update(store, &row, reterr);
}

cd_status cd_signin_trace_take(const struct cd_signin_trace *trace, struct cd_signin_callback *ret,
                               struct cd_error *reterr)
{
        cd_str context = context_of(trace->provider, trace->arena, trace->state), sealed, text;
        struct content content;

        cd_status status = context.ptr ? take_row(trace, &sealed, reterr)
                                       : cd_fail(reterr, CD_NO_MEMORY, "no memory for the callback");
        if (status == CD_OK)
                status = cd_unseal(cd_signin_services_of(trace->provider)->master, trace->arena, context, sealed, &text,
                                   reterr);
        if (status == CD_OK)
                status = cd_json_decode(trace->arena, text, &table, &content, reterr);
        if (status != CD_OK)
                return status;
        *ret = (struct cd_signin_callback){
                .state = trace->state,
                .code = content.code,
                .error = content.error,
                .error_description = content.error_description,
                .iss = content.has_iss ? content.iss : (cd_str){ NULL, 0 },
        };
        return CD_OK;
}

/* ---- the end ---- */

static void show_account(const struct cd_signin_account *account, struct cd_signin_traced *ret)
{
        ret->subject = account->subject;
        ret->login = account->login;
        ret->name = account->name;
        ret->email = account->email;
        ret->email_verified = account->email_verified;
        ret->organizations = account->organizations;
        ret->teams = account->teams;
}

enum cd_signin_failure cd_signin_trace_finish(const struct cd_signin_trace *trace,
                                              const struct cd_signin_callback *callback, struct cd_signin_traced *ret,
                                              struct cd_error *reterr)
{
        struct cd_signin_login login = {
                .provider = trace->provider,
                .callback = callback,
                .arena = trace->arena,
                .result = trace->arena,
                .state = { .state = trace->state, .nonce = trace->nonce, .verifier = trace->verifier },
        };
        struct cd_signin_preview preview;

        *ret = (struct cd_signin_traced){ .step = CD_SIGNIN_STEP_STATE };
        if (!cd_signin_callback_is_fit(callback))
                return fail(CD_SIGNIN_MALFORMED, CD_INVALID_REQUEST,
                            "a parameter of the callback came twice, or is too long", reterr);
        if (!cd_secret_eq(callback->state, trace->state))
                return fail(CD_SIGNIN_NO_STATE, CD_INVALID_REQUEST, "the state is not that of this trace", reterr);
        enum cd_signin_failure failure = cd_signin_learn(&login, reterr);
        ret->step = login.step;
        show_account(&login.account, ret);
        if (failure != CD_SIGNIN_OK)
                return failure;
        ret->step = CD_SIGNIN_STEP_DECISION;
        failure = cd_signin_preview(trace->provider, trace->arena, &login.account, &preview, reterr);
        ret->entry = preview.entry;
        ret->user = preview.user;
        ret->is_linked = preview.is_linked;
        return failure;
}
