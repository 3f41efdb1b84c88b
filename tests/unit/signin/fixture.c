#include "unit/signin/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/memory.h"

#define MASTER "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static cd_time tell(const struct cd_clock *clock)
{
        return ((const struct signin_fixture *)((const char *)clock - offsetof(struct signin_fixture, clock)))->now;
}

static int64_t tell_uptime(const struct cd_clock *clock)
{
        return tell(clock);
}

/* No two calls get the same bytes. */
static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        struct signin_fixture *f =
                (struct signin_fixture *)((uintptr_t)random - offsetof(struct signin_fixture, random));

        for (size_t i = 0; i < size; i++) {
                uint64_t number = atomic_fetch_add(&f->next, 1) * 0x9e3779b97f4a7c15u;
                ((unsigned char *)to)[i] = (unsigned char)(number >> 56);
        }
        return f->random_fails ? CD_UNAVAILABLE : CD_OK;
}

/* ---- the provider ---- */

static void note(struct signin_fixture *f, const char *prefix, cd_str text)
{
        int size = snprintf(f->sent + f->sent_size, LOG_MAX - f->sent_size, "%s%.*s\n", prefix, CD_STR_ARG(text));

        f->sent_size += (size_t)size < LOG_MAX - f->sent_size ? (size_t)size : 0;
}

static void note_request(struct signin_fixture *f, const struct cd_fetch_request *request)
{
        note(f, request->method == CD_FETCH_POST ? "POST " : "GET ", request->url);
        if (request->basic_user.ptr) {
                note(f, "basic user ", request->basic_user);
                note(f, "basic password ", request->basic_password);
        }
        if (request->bearer.ptr)
                note(f, "bearer ", request->bearer);
        if (request->body.ptr)
                note(f, "", request->body);
}

static struct fake_answer *find_answer(struct signin_fixture *f, cd_str url)
{
        for (size_t i = 0; i < f->answer_count; i++)
                if (cd_str_has_prefix(url, cd_str_from_c(f->answers[i].url)))
                        return &f->answers[i];
        return NULL;
}

static cd_status call(void *arg, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                      struct cd_error *reterr)
{
        struct signin_fixture *f = arg;
        struct fake_answer *answer = find_answer(f, request->url);

        assert_str(request->accept, "application/json");
        assert_true(cd_str_has_prefix(request->name, CD_STR("provider ")));
        atomic_fetch_add(&f->calls, 1);
        if (f->during)
                f->during(f);
        pthread_mutex_lock(&f->lock);
        note_request(f, request);
        pthread_mutex_unlock(&f->lock);
        if (!answer)
                fail_msg("nothing answers %.*s", CD_STR_ARG(request->url));
        if (!answer->status)
                return cd_fail(reterr, answer->fails, "the call fails");
        *ret = (struct cd_fetch_response){ .status = answer->status, .body = cd_str_from_c(answer->body) };
        return CD_OK;
}

void signin_answer(struct signin_fixture *f, const char *url, int status, const char *body)
{
        size_t old = 0;

        while (old < f->answer_count && strcmp(f->answers[old].url, url) != 0)
                old++;
        assert_true(old < ANSWERS_MAX);
        f->answer_count += old == f->answer_count;
        memmove(f->answers + 1, f->answers, old * sizeof(*f->answers));
        f->answers[0] = (struct fake_answer){ .url = url, .status = status, .body = body };
}

void signin_fail_call(struct signin_fixture *f, const char *url, cd_status status)
{
        signin_answer(f, url, 0, NULL);
        f->answers[0].fails = status;
}

bool signin_sent(const struct signin_fixture *f, const char *text)
{
        return strstr(f->sent, text) != NULL;
}

/* ---- set up ---- */

static void set_providers(struct signin_fixture *f)
{
        static const cd_str scopes[] = { CD_STR_INIT("user:email"), CD_STR_INIT("read:org") };
        struct cd_signin_provider_settings common = {
                .client_id = CD_STR("the id"), .client_secret = CD_STR("the+secret"), .pkce = true, .max_in_flight = 16
        };

        for (size_t i = 0; i < CD_LEN(f->settings); i++)
                f->settings[i] = common;
        f->settings[0].name = CD_STR("github");
        f->settings[0].label = CD_STR("GitHub");
        f->settings[0].type = CD_SIGNIN_GITHUB;
        f->settings[0].scopes = (struct cd_strs){ scopes, 2 };
        f->settings[0].authorization_endpoint = CD_STR("https://github.test/authorize");
        f->settings[0].token_endpoint = CD_STR("https://github.test/token");
        f->settings[0].userinfo_endpoint = CD_STR("https://github.test/user");
        f->settings[1].name = CD_STR("osu");
        f->settings[1].type = CD_SIGNIN_OSU;
        f->settings[1].authorization_endpoint = CD_STR("https://osu.test/authorize");
        f->settings[1].token_endpoint = CD_STR("https://osu.test/token");
        f->settings[1].userinfo_endpoint = CD_STR("https://osu.test/me");
        f->settings[2].name = CD_STR("discord");
        f->settings[2].type = CD_SIGNIN_DISCORD;
        f->settings[2].authorization_endpoint = CD_STR("https://discord.test/authorize?prompt=none");
        f->settings[2].token_endpoint = CD_STR("https://discord.test/token");
        f->settings[2].userinfo_endpoint = CD_STR("https://discord.test/me");
        f->settings[3].name = CD_STR("own");
        f->settings[3].type = CD_SIGNIN_OAUTH2;
        f->settings[3].issuer = CD_STR("https://own.test");
        f->settings[3].authorization_endpoint = CD_STR("https://own.test/authorize");
        f->settings[3].token_endpoint = CD_STR("https://own.test/token");
        f->settings[3].userinfo_endpoint = CD_STR("https://own.test/me");
        f->settings[3].identity = (struct cd_signin_identity){ .subject = CD_STR("data.user.uid"),
                                                               .login = CD_STR("data.user.nick"),
                                                               .name = CD_STR("data.title"),
                                                               .email = CD_STR("mail"),
                                                               .email_verified = CD_STR("mail_verified") };
        f->settings[4].name = CD_STR("corp");
        f->settings[4].type = CD_SIGNIN_OIDC;
        f->settings[4].issuer = CD_STR("https://corp.test");
}

void signin_remake(struct signin_fixture *f)
{
        const struct cd_signin_settings settings = { .providers = f->settings,
                                                     .provider_count = CD_LEN(f->settings),
                                                     .portal_url = CD_STR("https://auth.test/_auth") };

        cd_signin_free(f->signin);
        f->signin = NULL;
        assert_status(cd_signin_new(&settings, &f->services, &f->signin, &f->err), CD_OK);
}

int signin_set_up(void **state)
{
        struct signin_fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->now = SIGNIN_NOON;
        pthread_mutex_init(&f->lock, NULL);
        f->clock.now = tell;
        f->clock.uptime = tell_uptime;
        f->random.fill = fill;
        cd_arena_init(&f->arena, 64 << 20);
        assert_status(cd_master_key_parse(CD_STR(MASTER), &f->random, &f->master, NULL), CD_OK);
        assert_status(cd_memory_store_new(&f->store, NULL), CD_OK);
        f->hasher = cd_direct_hasher(&(struct cd_password_cost){ .memory = 8192, .iterations = 1 }, &f->random);
        f->services = (struct cd_signin_services){
                .store = f->store,
                .master = f->master,
                .clock = &f->clock,
                .random = &f->random,
                .http = { .call = call, .arg = f },
                .by = { .store = f->store,
                        .clock = &f->clock,
                        .random = &f->random,
                        .actor = CD_STR("signin"),
                        .hasher = &f->hasher.port },
        };
        set_providers(f);
        signin_remake(f);
        signin_answer(f, "https://github.test/token", 200, "access_token=gho_1&scope=repo%2Cgist&token_type=bearer");
        signin_answer(f, "https://github.test/user", 200,
                      "{\"id\":583231,\"login\":\"Octocat\",\"name\":\"The Octocat\",\"email\":null}");
        signin_answer(
                f, "https://osu.test/token", 200,
                "{\"token_type\":\"Bearer\",\"expires_in\":86400,\"access_token\":\"osu-1\",\"refresh_token\":\"r\"}");
        signin_answer(f, "https://osu.test/me", 200, "{\"id\":2,\"username\":\"peppy\",\"is_restricted\":false}");
        signin_answer(
                f, "https://discord.test/token", 200,
                "{\"token_type\":\"Bearer\",\"expires_in\":604800,\"access_token\":\"d-1\",\"scope\":\"identify\"}");
        signin_answer(f, "https://discord.test/me", 200,
                      "{\"id\":\"80351110224678912\",\"username\":\"nelly\",\"global_name\":\"Nelly\","
                      "\"email\":\"nelly@example.com\",\"verified\":true}");
        signin_answer(f, "https://own.test/token", 200, "{\"token_type\":\"bearer\",\"access_token\":\"own-1\"}");
        signin_answer(f, "https://own.test/me", 200,
                      "{\"data\":{\"user\":{\"uid\":\"u-1\",\"nick\":\"una\"},\"title\":\"Una\"},"
                      "\"mail\":\"una@example.com\",\"mail_verified\":true}");
        *state = f;
        return 0;
}

int signin_tear_down(void **state)
{
        struct signin_fixture *f = *state;

        pthread_mutex_destroy(&f->lock);
        cd_signin_free(f->signin);
        f->store->free(f->store);
        cd_master_key_free(f->master);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

/* ---- logins ---- */

const struct cd_signin_provider *signin_provider(const struct signin_fixture *f, const char *name)
{
        const struct cd_signin_provider *provider = cd_signin_find(f->signin, cd_str_from_c(name));

        assert_non_null(provider);
        return provider;
}

struct cd_signin_started signin_start(struct signin_fixture *f, const char *name)
{
        const struct cd_signin_begin begin = { .return_to = CD_STR("https://wiki.test/") };
        struct cd_signin_started started;

        assert_int_equal(cd_signin_begin(signin_provider(f, name), &f->arena, &begin, &started, &f->err), CD_SIGNIN_OK);
        return started;
}

struct cd_signin_callback signin_back(const struct cd_signin_started *started)
{
        return (struct cd_signin_callback){ .code = CD_STR("code/1"),
                                            .state = started->state,
                                            .cookie = started->cookie,
                                            .address = CD_STR("192.0.2.1") };
}

enum cd_signin_failure signin_end(struct signin_fixture *f, const char *name, const struct cd_signin_callback *callback,
                                  struct cd_signin_result *ret)
{
        f->err = (struct cd_error){ 0 };
        enum cd_signin_failure failure = cd_signin_finish(signin_provider(f, name), &f->arena, callback, ret, &f->err);
        if (failure != CD_SIGNIN_OK && !f->err.reason[0])
                fail_msg("failure %d has no reason", (int)failure);
        return failure;
}

enum cd_signin_failure signin_login(struct signin_fixture *f, const char *name, struct cd_signin_result *ret)
{
        const struct cd_signin_started started = signin_start(f, name);
        const struct cd_signin_callback callback = signin_back(&started);

        return signin_end(f, name, &callback, ret);
}

void signin_add_user(struct signin_fixture *f, const char *name)
{
        struct cd_user user = { .name = cd_str_from_c(name), .password = CD_STR("$p"), .claims = CD_STR("{}") };

        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &user, 1 }, NULL, &f->err), CD_OK);
}

enum cd_signin_failure signin_link(struct signin_fixture *f, const char *name, const char *user,
                                   struct cd_signin_result *ret)
{
        const struct cd_signin_begin begin = { .link_user = cd_str_from_c(user), .link_sid = CD_STR("sid-1") };
        struct cd_signin_started started;

        assert_int_equal(cd_signin_begin(signin_provider(f, name), &f->arena, &begin, &started, &f->err), CD_SIGNIN_OK);
        struct cd_signin_callback callback = signin_back(&started);
        callback.session_user = cd_str_from_c(user);
        callback.session_sid = CD_STR("sid-1");
        return signin_end(f, name, &callback, ret);
}

cd_str signin_last_event(struct signin_fixture *f)
{
        struct cd_audit_events events = { 0 };

        assert_status(f->store->audit->list(f->store, &f->arena, -1, 1, &events, &f->err), CD_OK);
        assert_int_equal(events.count, 1);
        const struct cd_audit_event *e = &events.items[0];
        return cd_arena_printf(&f->arena, "%.*s %.*s %.*s %.*s %.*s", CD_STR_ARG(e->action), CD_STR_ARG(e->subject),
                               CD_STR_ARG(e->actor), CD_STR_ARG(e->address), CD_STR_ARG(e->detail));
}
