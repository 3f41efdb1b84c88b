/* Requests to a provider, and what its answers mean. */
#include "base/percent.h"
#include "signin/provider.h"

enum {
        TOKEN_MAX = 8192, /* bytes */
        ID_TOKEN_MAX = 32 * 1024,
        TEXT_MAX = 512,  /* of a token_type, an error, its description */
        SHOWN_MAX = 160, /* of a provider's text in the log */
        TELLING = 8,     /* of a secret: fewer of its bytes in the log are not worth much */
        LIFETIME_MAX = 10 * 365 * 24 * 3600,
};

/* "%.*s" for a provider's text. */
#define SHOWN(text) CD_STR_ARG(cd_str_slice(text, 0, SHOWN_MAX))

struct answer {
        cd_str access_token, refresh_token, id_token, token_type, error, error_description;
        int64_t expires_in;
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct answer, member), .type = CD_FIELD_##kind, __VA_ARGS__       \
        }

static const struct cd_field fields[] = {
        FIELD(access_token, SECRET, .max = TOKEN_MAX),
        FIELD(refresh_token, SECRET, .max = TOKEN_MAX),
        FIELD(id_token, SECRET, .max = ID_TOKEN_MAX),
        FIELD(token_type, STRING, .max = TEXT_MAX),
        FIELD(error, STRING, .max = TEXT_MAX),
        FIELD(error_description, STRING, .max = CD_SIGNIN_CODE_MAX, .flags = CD_FIELD_MULTILINE),
        FIELD(expires_in, INT, .min = 0, .max = INT64_MAX),
};
static const struct cd_table table = { "answer", fields, CD_LEN(fields), sizeof(struct answer), false };

static enum cd_signin_failure no_memory(struct cd_error *reterr)
{
        (void)cd_fail(reterr, CD_NO_MEMORY, "no memory for a request to a provider");
        return CD_SIGNIN_UNAVAILABLE;
}

static enum cd_signin_failure odd(struct cd_error *reterr, const char *reason)
{
        (void)cd_fail(reterr, CD_MALFORMED, reason);
        return CD_SIGNIN_PROVIDER_ERROR;
}

void cd_signin_add_parameter(struct cd_buf *form, const char *name, cd_str value)
{
        if (form->len && form->ptr[form->len - 1] != '?')
                cd_buf_add_char(form, '&');
        cd_buf_add(form, cd_str_from_c(name));
        cd_buf_add_char(form, '=');
        cd_percent_encode(form, value);
}

enum cd_signin_failure cd_signin_endpoints_of(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                              struct cd_signin_endpoints *ret, struct cd_error *reterr)
{
        const struct cd_signin_provider_settings *settings = &provider->settings;

        if (provider->kind->endpoints)
                return provider->kind->endpoints(provider, arena, ret, reterr);
        *ret = (struct cd_signin_endpoints){
                .authorization = settings->authorization_endpoint,
                .token = settings->token_endpoint,
                .userinfo = settings->userinfo_endpoint,
                .issuer = settings->issuer,
        };
        return CD_SIGNIN_OK;
}

/* ---- what went wrong ---- */

enum cd_signin_failure cd_signin_failure_of(cd_str error)
{
        static const struct {
                cd_str error;
                enum cd_signin_failure failure;
        } known[] = {
                { CD_STR_INIT("access_denied"), CD_SIGNIN_DENIED },
                { CD_STR_INIT("invalid_grant"), CD_SIGNIN_EXPIRED },
                { CD_STR_INIT("bad_verification_code"), CD_SIGNIN_EXPIRED }, /* GitHub */
                { CD_STR_INIT("temporarily_unavailable"), CD_SIGNIN_PROVIDER_DOWN },
                { CD_STR_INIT("server_error"), CD_SIGNIN_PROVIDER_DOWN },
        };

        for (size_t i = 0; i < CD_LEN(known); i++)
                if (cd_str_eq(error, known[i].error))
                        return known[i].failure;
        return CD_SIGNIN_PROVIDER_ERROR;
}

static enum cd_signin_failure failure_of_call(cd_status status)
{
        switch (status) {
        case CD_OK:
                return CD_SIGNIN_OK;
        case CD_UNAVAILABLE:
        case CD_TIMEOUT:
                return CD_SIGNIN_PROVIDER_DOWN;
        case CD_NO_MEMORY:
        case CD_INTERNAL:
                return CD_SIGNIN_UNAVAILABLE;
        default:
                return CD_SIGNIN_PROVIDER_ERROR;
        }
}

/* Of a status other than 200. */
static enum cd_signin_failure failure_of_status(cd_str url, int status, struct cd_error *reterr)
{
        bool is_down = status >= 500 || status == 429;
        const char *why = status >= 300 && status < 400 ? ", a redirect, which is not followed" : "";

        (void)cd_failf(reterr, is_down ? CD_UNAVAILABLE : CD_MALFORMED, CD_STR(""), "%.*s: the status is %d%s",
                       SHOWN(cd_str_slice(url, 0, cd_str_index(url, '?'))), status, why);
        return is_down ? CD_SIGNIN_PROVIDER_DOWN : CD_SIGNIN_PROVIDER_ERROR;
}

static enum cd_signin_failure call(const struct cd_signin_provider *provider, struct cd_fetch_request *request,
                                   struct cd_fetch_response *ret, struct cd_error *reterr)
{
        const struct cd_signin_http *http = &cd_signin_services_of(provider)->http;

        request->name = cd_arena_printf(request->arena, "provider %.*s", CD_STR_ARG(provider->settings.name));
        request->accept = CD_STR("application/json");
        if (!request->name.ptr)
                return no_memory(reterr);
        enum cd_signin_failure failure = failure_of_call(http->call(http->arg, request, ret, reterr));
        if (failure == CD_SIGNIN_OK && ret->body.len > CD_SIGNIN_RESPONSE_MAX)
                return odd(reterr, "the answer is too large");
        return failure;
}

/* ---- JSON ---- */

enum cd_signin_failure cd_signin_get(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str url,
                                     cd_str bearer, cd_str *ret, struct cd_error *reterr)
{
        struct cd_fetch_request request = { .method = CD_FETCH_GET, .url = url, .bearer = bearer, .arena = arena };
        struct cd_fetch_response response = { 0 };

        enum cd_signin_failure failure = call(provider, &request, &response, reterr);
        if (failure == CD_SIGNIN_OK && response.status != 200)
                return failure_of_status(url, response.status, reterr);
        *ret = response.body;
        return failure;
}

enum cd_signin_failure cd_signin_get_json(const struct cd_signin_provider *provider, struct cd_arena *arena, cd_str url,
                                          cd_str bearer, const struct cd_json **ret, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_str body;

        enum cd_signin_failure failure = cd_signin_get(provider, arena, url, bearer, &body, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        cd_status status = cd_json_parse(arena, body, CD_JSON_UNIQUE_NAMES, ret, &why);
        if (status == CD_NO_MEMORY)
                return no_memory(reterr);
        if (status == CD_OK && (*ret)->type != CD_JSON_OBJECT && (*ret)->type != CD_JSON_ARRAY)
                status = cd_fail(&why, CD_MALFORMED, "it is neither an object nor an array");
        if (status == CD_OK)
                return CD_SIGNIN_OK;
        (void)cd_failf(reterr, CD_MALFORMED, CD_STR(""), "%.*s: the answer is not JSON: %s",
                       SHOWN(cd_str_slice(url, 0, cd_str_index(url, '?'))), why.reason);
        return CD_SIGNIN_PROVIDER_ERROR;
}

/* ---- tokens ---- */

static cd_str trim(cd_str s)
{
        while (s.len && memchr(" \t\r\n", s.ptr[0], 4))
                s = cd_str_slice(s, 1, s.len);
        while (s.len && memchr(" \t\r\n", s.ptr[s.len - 1], 4))
                s = cd_str_slice(s, 0, s.len - 1);
        return s;
}

/* JSON or a form: by the content, because GitHub answers a form unless told otherwise, and others name a wrong type. */
static enum cd_signin_failure decode(struct cd_arena *arena, cd_str body, struct answer *ret, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status;

        body = trim(body);
        if (!body.len)
                return odd(reterr, "the answer is empty");
        if (body.ptr[0] == '<')
                return odd(reterr, "the answer is a page of HTML");
        if (body.ptr[0] == '{')
                status = cd_json_decode(arena, body, &table, ret, &why);
        else if (cd_str_index(body, '=') < body.len)
                status = cd_form_decode(arena, body, &table, ret, &why);
        else
                return odd(reterr, "the answer is neither JSON nor a form");
        if (status == CD_OK)
                return CD_SIGNIN_OK;
        if (status == CD_NO_MEMORY)
                return no_memory(reterr);
        (void)cd_failf(reterr, CD_MALFORMED, cd_str_from_c(why.field), "the answer cannot be read: %s", why.reason);
        return CD_SIGNIN_PROVIDER_ERROR;
}

enum cd_signin_failure cd_signin_read_tokens(struct cd_arena *arena, cd_str body, struct cd_signin_tokens *ret,
                                             struct cd_error *reterr)
{
        struct answer answer = { 0 };

        enum cd_signin_failure failure = decode(arena, body, &answer, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        if (answer.error.len) {
                (void)cd_failf(reterr, CD_INVALID_GRANT, CD_STR("error"), "%.*s: %.*s", SHOWN(answer.error),
                               SHOWN(answer.error_description));
                return cd_signin_failure_of(answer.error);
        }
        if (!answer.access_token.len)
                return odd(reterr, "the answer has no access_token");
        if (!cd_str_eq_nocase(answer.token_type, CD_STR("bearer"))) {
                (void)cd_failf(reterr, CD_MALFORMED, CD_STR("token_type"), "\"%.*s\" is not bearer",
                               SHOWN(answer.token_type));
                return CD_SIGNIN_PROVIDER_ERROR;
        }
        *ret = (struct cd_signin_tokens){
                .access_token = answer.access_token,
                .refresh_token = answer.refresh_token,
                .id_token = answer.id_token,
                .expires_in = answer.expires_in < LIFETIME_MAX ? answer.expires_in : LIFETIME_MAX,
        };
        return CD_SIGNIN_OK;
}

/* A provider's text can repeat what was sent to it, which must not get into the log (LESSONS 28). The beginning of a
 * secret is looked for, because the text was cut. */
static void hide(cd_str secret, struct cd_error *error)
{
        secret = cd_str_slice(secret, 0, TELLING);
        if (error && secret.len && memmem(error->reason, strlen(error->reason), secret.ptr, secret.len))
                (void)cd_fail_field(error, error->status, CD_STR("error"),
                                    "the provider's description is left out, because it repeats a secret");
}

static void hide_parameters(struct cd_arena *arena, cd_str form, struct cd_error *error)
{
        static const cd_str harmless[] = { CD_STR_INIT("grant_type"), CD_STR_INIT("client_id"),
                                           CD_STR_INIT("redirect_uri"), CD_STR_INIT("scope") };
        const struct cd_strs names = { harmless, CD_LEN(harmless) };
        cd_str pair, value;

        while (cd_str_take_until(&form, '&', &pair)) {
                size_t equals = cd_str_index(pair, '=');
                if (cd_strs_has(names, cd_str_slice(pair, 0, equals)))
                        continue;
                hide(cd_str_slice(pair, equals + 1, pair.len), error);
                if (cd_percent_decode(arena, cd_str_slice(pair, equals + 1, pair.len), true, &value) == CD_OK)
                        hide(value, error);
        }
}

/* RFC 6749 §2.3.1: form-encoded before they are sent by Basic. */
static bool set_basic(const struct cd_signin_provider_settings *settings, struct cd_fetch_request *request)
{
        const cd_str from[] = { settings->client_id, settings->client_secret };
        cd_str *const to[] = { &request->basic_user, &request->basic_password };

        for (size_t i = 0; i < CD_LEN(from); i++) {
                struct cd_buf buf;
                cd_buf_init(&buf, request->arena, 3 * CD_SIGNIN_CODE_MAX);
                cd_percent_encode(&buf, from[i]);
                if (cd_buf_view(&buf, to[i]) != CD_OK)
                        return false;
        }
        return true;
}

enum cd_signin_failure cd_signin_ask_tokens(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            cd_str endpoint, cd_str form, struct cd_signin_tokens *ret,
                                            struct cd_error *reterr)
{
        const struct cd_signin_provider_settings *settings = &provider->settings;
        struct cd_fetch_request request = { .method = CD_FETCH_POST,
                                            .url = endpoint,
                                            .content_type = CD_STR("application/x-www-form-urlencoded"),
                                            .arena = arena };
        struct cd_fetch_response response = { 0 };
        struct cd_buf body;

        cd_buf_init(&body, arena, 64 * 1024);
        cd_buf_add(&body, form);
        if (!settings->basic) {
                cd_signin_add_parameter(&body, "client_id", settings->client_id);
                cd_signin_add_parameter(&body, "client_secret", settings->client_secret);
        }
        if (cd_buf_view(&body, &request.body) != CD_OK || (settings->basic && !set_basic(settings, &request)))
                return no_memory(reterr);
        enum cd_signin_failure failure = call(provider, &request, &response, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        if (response.status >= 500 || response.status == 429)
                return failure_of_status(endpoint, response.status, reterr);
        failure = cd_signin_read_tokens(arena, response.body, ret, reterr);
        hide_parameters(arena, request.body, failure == CD_SIGNIN_OK ? NULL : reterr);
        hide(settings->client_secret, failure == CD_SIGNIN_OK ? NULL : reterr);
        /* An error has its own words, with whatever status; tokens come with 200 (RFC 6749 §5.1). */
        if (response.status != 200 && (failure == CD_SIGNIN_OK || !reterr || strcmp(reterr->field, "error") != 0))
                return failure_of_status(endpoint, response.status, reterr);
        return failure;
}
