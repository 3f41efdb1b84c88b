/* A login at a provider. "t": an answer of its token endpoint. "q": the query of a callback, also with the state of a
 * trace: nothing is kept without one that was made with the key, and with it what was kept is what came. Else the parameters of a callback, a line each: code,
 * state, iss, error, error_description, cookie, where an empty line is what the browser would send; what follows is
 * what the provider answers to every request. Nobody is linked or allowed, so nobody comes in; no reason shows the
 * secret. */
#include <stdlib.h>
#include <string.h>

#include "core/delivery_ports.h"
#include "signin/provider.h"
#include "signin/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "client-secret-0123456789";
static struct cd_master_key *key;
static struct cd_signin *signin;
static cd_str answer;
static struct cd_delivery kept; /* id ptr NULL: none */

static void must(bool holds)
{
        if (!holds)
                abort();
}

static cd_status call(void *arg, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                      struct cd_error *reterr)
{
        (void)arg;
        (void)reterr;
        *ret = (struct cd_fetch_response){ .status = 200, .body = cd_arena_copy(request->arena, answer) };
        return CD_OK;
}

static cd_status use(struct cd_store *store, cd_str digest, cd_time expires_at, struct cd_error *reterr)
{
        (void)store;
        (void)digest;
        (void)expires_at;
        (void)reterr;
        return CD_OK;
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str provider, cd_str subject,
                      struct cd_provider_account *ret, struct cd_error *reterr)
{
        (void)store;
        (void)arena;
        (void)provider;
        (void)ret;
        must(subject.len > 0 && subject.len <= CD_PROVIDER_SUBJECT_MAX && !cd_str_has_control(subject));
        return cd_fail(reterr, CD_NOT_FOUND, "there is none");
}

static cd_status keep(struct cd_store *store, const struct cd_delivery *delivery, struct cd_error *reterr)
{
        (void)store;
        (void)reterr;
        kept = *delivery;
        return CD_OK;
}

static cd_status find_kept(struct cd_store *store, struct cd_arena *arena, cd_str id, struct cd_delivery *ret,
                           struct cd_error *reterr)
{
        (void)store;
        (void)arena;
        (void)reterr;
        must(cd_str_eq(id, kept.id));
        *ret = kept;
        return CD_OK;
}

static void start(void)
{
        static const struct cd_used_state_ops states = { .use = use };
        static const struct cd_provider_account_ops accounts = { .find = find };
        static const struct cd_delivery_ops deliveries = { .add = keep, .find = find_kept, .update = keep };
        static struct cd_store store = { .used_states = &states,
                                         .provider_accounts = &accounts,
                                         .deliveries = &deliveries };
        static const cd_str example = CD_STR_INIT("no-such-organisation-0");
        const struct cd_signin_provider_settings provider = {
                .name = CD_STR("github"),
                .type = CD_SIGNIN_GITHUB,
                .client_id = CD_STR("id"),
                .client_secret = cd_str_from_c(secret),
                .issuer = CD_STR("https://github.test"),
                .authorization_endpoint = CD_STR("https://github.test/a"),
                .token_endpoint = CD_STR("https://github.test/t"),
                .userinfo_endpoint = CD_STR("https://github.test/u"),
                .pkce = true,
                .allow = { .organizations = { &example, 1 } },
                .max_in_flight = 1,
        };
        const struct cd_signin_settings settings = { &provider, 1, CD_STR("https://auth.test/_auth") };

        must(cd_master_key_parse(CD_STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &cd_random_system, &key,
                                 NULL) == CD_OK);
        const struct cd_signin_services services = { .store = &store,
                                                     .master = key,
                                                     .clock = &cd_clock_system,
                                                     .random = &cd_random_system,
                                                     .http = { .call = call } };
        must(cd_signin_new(&settings, &services, &signin, NULL) == CD_OK);
}

static void try_tokens(struct cd_arena *arena, cd_str body)
{
        struct cd_signin_tokens tokens = { 0 };
        struct cd_error err = { 0 };

        if (cd_signin_read_tokens(arena, body, &tokens, &err) == CD_SIGNIN_OK)
                must(tokens.access_token.len > 0 && tokens.expires_in >= 0);
        else
                must(err.reason[0] && !tokens.access_token.ptr);
}

static void try_callback(struct cd_arena *arena, cd_str input)
{
        const struct cd_signin_provider *provider = cd_signin_at(signin, 0);
        const struct cd_signin_begin begin = { .return_to = CD_STR("https://wiki.test/") };
        struct cd_signin_started started;
        struct cd_signin_result result;
        struct cd_error err = { 0 };
        cd_str line, whole = input;

        must(cd_signin_begin(provider, arena, &begin, &started, NULL) == CD_SIGNIN_OK);
        struct cd_signin_callback callback = { .code = CD_STR("code"),
                                               .state = started.state,
                                               .cookie = started.cookie };
        cd_str *const all[] = {
                &callback.code,  &callback.state, &callback.iss, &callback.error, &callback.error_description,
                &callback.cookie
        };
        for (size_t i = 0; i < CD_LEN(all) && cd_str_take_until(&input, '\n', &line); i++)
                if (line.len)
                        *all[i] = line;
        answer = input;
        enum cd_signin_failure failure = cd_signin_finish(provider, arena, &callback, &result, &err);
        must(failure != CD_SIGNIN_OK && failure < CD_SIGNIN_FAILURES && err.reason[0]);
        /* What the browser sends is no secret of the server's, whatever it is. */
        must(!strstr(err.reason, secret) || memmem(whole.ptr, whole.len - answer.len, secret, strlen(secret)));
        must(!result.user.name.len);
}

static void try_query(struct cd_arena *arena, cd_str query)
{
        const struct cd_signin_provider *provider = cd_signin_at(signin, 0);
        struct cd_signin_callback callback = { 0 }, got;
        struct cd_signin_trace trace;

        if (!cd_signin_read_callback(arena, query, &callback))
                return;
        must(!cd_str_has_control(callback.code) && cd_str_is_utf8(callback.code));
        must(cd_signin_trace_keep(provider, arena, &callback, NULL) != CD_SIGNIN_OK && !kept.id.ptr);
        must(cd_signin_trace_begin(provider, arena, &trace, NULL) == CD_SIGNIN_OK);
        callback.state = trace.state;
        enum cd_signin_failure failure = cd_signin_trace_keep(provider, arena, &callback, NULL);
        must((failure == CD_SIGNIN_OK) == cd_signin_callback_is_fit(&callback));
        if (failure == CD_SIGNIN_OK) {
                must(cd_signin_trace_take(&trace, &got, NULL) == CD_OK);
                must(cd_str_eq(got.code, callback.code) && cd_str_eq(got.error, callback.error));
                must(cd_str_eq(got.iss, callback.iss) && !got.iss.ptr == !callback.iss.ptr);
                must(cd_str_eq(got.error_description, callback.error_description));
        }
        kept = (struct cd_delivery){ 0 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str input = cd_str_of((const char *)data, size);
        struct cd_arena arena;

        if (!signin)
                start();
        cd_arena_init(&arena, 16 << 20);
        if (size && data[0] == 't')
                try_tokens(&arena, cd_str_slice(input, 1, size));
        else if (size && data[0] == 'q')
                try_query(&arena, cd_str_slice(input, 1, size));
        else
                try_callback(&arena, input);
        cd_arena_done(&arena);
        return 0;
}
