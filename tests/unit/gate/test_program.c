/* Requests of programs: personal tokens, and access tokens of the issuer. */
#include "base/base64.h"
#include "base/buf.h"
#include "core/personal_token.h"
#include "unit/gate/check_fixture.h"

enum {
        ATTEMPTS = 3, /* wrong tokens of one address */
        DELAY = 10,
};

struct issuer {
        struct cd_gate_tokens port;
        size_t asked;
};

/* "good" is a user's, "client" a client's own, "weak" has another scope, "other" another audience. */
static cd_status verify(const struct cd_gate_tokens *port, struct cd_arena *arena, cd_str token, struct cd_claims *ret,
                        struct cd_error *reterr)
{
        ((struct issuer *)(uintptr_t)port)->asked++;
        (void)arena;
        *ret = (struct cd_claims){ .sub = CD_STR("cy"),
                                   .client_id = CD_STR("app"),
                                   .aud = CD_STR("https://api.example"),
                                   .scope = CD_STR("read write") };
        if (cd_str_eq(token, CD_STR("good")))
                return CD_OK;
        if (cd_str_eq(token, CD_STR("broken")))
                return cd_fail(reterr, CD_UNAVAILABLE, "revocations cannot be read");
        if (cd_str_eq(token, CD_STR("weak")))
                ret->scope = CD_STR("write");
        else if (cd_str_eq(token, CD_STR("other")))
                ret->aud = CD_STR("https://other.example");
        else if (cd_str_eq(token, CD_STR("client")))
                ret->sub = ret->client_id = CD_STR("ana");
        else
                return cd_fail(reterr, CD_INVALID_TOKEN, "not a token");
        return CD_OK;
}

static struct issuer issuer;
static struct cd_personal_token_text text;
static struct cd_personal_token made;

static void make_token(struct fixture *t, struct cd_personal_token_params params)
{
        params.session = &t->session;
        params.name = CD_STR("backup");
        params.days = 30;
        assert_status(cd_personal_token_create(&t->f->sessions, &t->f->arena, &params, &made, &text, &t->f->err),
                      CD_OK);
}

static int set_up_programs(void **state)
{
        const struct cd_lockout_rules rules = { 2, ATTEMPTS, DELAY, 100 };

        assert_int_equal(set_up(state), 0);
        struct fixture *t = *state;
        issuer = (struct issuer){ { verify }, 0 };
        t->gate.tokens = &issuer.port;
        assert_status(cd_lockout_new(&rules, &t->f->random, &t->gate.lockout, &t->f->err), CD_OK);
        make_token(t, (struct cd_personal_token_params){ 0 });
        return 0;
}

static int tear_down_programs(void **state)
{
        struct fixture *t = *state;

        cd_lockout_free(t->gate.lockout);
        return tear_down(state);
}

#define PROGRAM(test) cmocka_unit_test_setup_teardown(test, set_up_programs, tear_down_programs)

static cd_str token(void)
{
        return cd_str_of(text.text, sizeof(text.text));
}

static cd_str bearer(struct fixture *t, cd_str what)
{
        return cd_arena_printf(&t->f->arena, "Bearer %.*s", CD_STR_ARG(what));
}

/* The name may have a NUL. */
static cd_str basic(struct fixture *t, cd_str name, cd_str password)
{
        struct cd_buf pair;

        cd_buf_init(&pair, &t->f->arena, 1 << 16);
        cd_buf_add(&pair, name);
        cd_buf_add_char(&pair, ':');
        cd_buf_add(&pair, password);
        char *encoded = cd_arena_alloc(&t->f->arena, pair.len * 2 + 4);
        return cd_arena_printf(&t->f->arena, "Basic %.*s",
                               (int)cd_base64_encode(encoded, cd_str_of(pair.ptr, pair.len)), encoded);
}

/* From an address of a client. */
static int ask_from(struct fixture *t, const char *address, const char *host, const char *name, cd_str value)
{
        forward(t, host, "/a");
        add_c(t, "X-Forwarded-For", address);
        t->req.client_address = cd_str_from_c(address);
        add(t, name, value);
        return ask_forward(t);
}

static int ask_with(struct fixture *t, const char *host, const char *name, cd_str value)
{
        nginx(t, "GET", cd_arena_printf(&t->f->arena, "https://%s/a", host).ptr);
        add(t, name, value);
        return ask_nginx(t);
}

static cd_str flipped(struct fixture *t)
{
        char *copy = cd_arena_alloc(&t->f->arena, sizeof(text.text));

        memcpy(copy, text.text, sizeof(text.text));
        copy[40] = copy[40] == 'A' ? 'B' : 'A';
        return cd_str_of(copy, sizeof(text.text));
}

/* ---- access tokens ---- */

static void an_access_token_that_the_rule_accepts_lets_a_program_in(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "api.example.com", "Authorization", CD_STR("bEARER  good")), 200);
        assert_false(t->was_on_worker);
        assert_str(header(t, "Remote-User"), "cy");
        assert_str(header(t, "Remote-Groups"), "");
        assert_str(header(t, "Remote-Email"), "");
        assert_str(header(t, "Remote-Name"), "");
        assert_str(t->log.user, "cy");
        assert_int_equal(t->log.session.len, 0); /* a personal token has none */
        assert_str(t->log.client_id, "app");
        /* It is ours, and so does not reach the application (LESSONS 6). */
        assert_str(header(t, "Authorization"), "");
        assert_str(header(t, "X-Api-Key"), "");
}

static void a_client_is_no_user_of_its_name(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "api.example.com", "Authorization", CD_STR("Bearer client")), 200);
        assert_str(header(t, "Remote-User"), "client:ana");
}

static void an_access_token_that_does_not_count_goes_on_untouched(void **state)
{
        struct fixture *t = *state;
        static const char *const others[] = { "Bearer weak", "Bearer other", "bearer   eyJ.x.y ",
                                              "Bearer",      "Basic good",   "Bearer good,Bearer good" };

        for (size_t i = 0; i < CD_LEN(others); i++) {
                nginx(t, "GET", "https://api.example.com/a");
                add_c(t, "Authorization", others[i]);
                assert_int_equal(ask_nginx(t), 401);
                with_cookie(t, "", "");
                assert_int_equal(ask_nginx(t), 200);
                assert_str(header(t, "Remote-User"), "ana");
                assert_str(header(t, "Authorization"), others[i]);
        }
        /* A rule without `bearer` asks nobody. */
        issuer.asked = 0;
        assert_int_equal(ask_with(t, "pub.example.com", "Authorization", CD_STR("Bearer good")), 200);
        assert_str(header(t, "Authorization"), "Bearer good");
        assert_str(header(t, "Remote-User"), "");
        assert_int_equal(ask_with(t, "wiki.example.com", "Authorization", CD_STR("Bearer good")), 401);
        assert_int_equal(issuer.asked, 0);
}

static void two_access_tokens_are_none(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://api.example.com/a");
        add_c(t, "Authorization", "Bearer good");
        add_c(t, "Authorization", "Bearer good");
        assert_int_equal(ask_nginx(t), 401);
}

static void an_access_token_that_does_not_count_is_named_in_the_log(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "api.example.com", "Authorization", CD_STR("Bearer weak")), 401);
        logs(t, "login_required",
             "api.example.com: nobody is logged in, and the access token does not have the scope read");
        assert_int_equal(ask_with(t, "api.example.com", "Authorization", CD_STR("Bearer eyJ.x.y")), 401);
        logs(t, "login_required", "api.example.com: nobody is logged in, and there is no valid access token");
}

static void an_access_token_that_counts_goes_before_a_session(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://api.example.com/a");
        add_c(t, "Authorization", "Bearer good");
        with_cookie(t, "a=b; ", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Remote-User"), "cy");
        assert_str(header(t, "Cookie"), "a=b");
        assert_str(header(t, "Authorization"), "");
}

static void lesson_1_a_token_that_cannot_be_judged_is_no_access(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "api.example.com", "Authorization", CD_STR("Bearer broken")), 503);
        assert_str(t->log.reason, "revocations cannot be read");
}

static void a_rule_for_tokens_only_says_what_it_lacks(void **state)
{
        struct fixture *t = *state;
        const char *scope = "Bearer realm=\"auth.example.com\", error=\"insufficient_scope\", scope=\"read write\"";

        assert_int_equal(ask_with(t, "only.example.com", "Authorization", CD_STR("Bearer good")), 200);
        assert_int_equal(ask_with(t, "only.example.com", "X-Other", CD_STR("x")), 401);
        assert_str(header(t, "WWW-Authenticate"), "Bearer realm=\"auth.example.com\", scope=\"read write\"");
        assert_null(header(t, "Location").ptr); /* no login helps */
        logs(t, "token_required", "only.example.com: the rule accepts access tokens only, and there is no valid one");
        assert_int_equal(ask_with(t, "only.example.com", "Authorization", CD_STR("Bearer expired")), 401);
        assert_str(header(t, "WWW-Authenticate"),
                   "Bearer realm=\"auth.example.com\", error=\"invalid_token\", scope=\"read write\"");
        assert_int_equal(ask_with(t, "only.example.com", "Authorization", CD_STR("Bearer other")), 401);
        logs(t, "invalid_token", "only.example.com: the access token is for another audience than https://api.example");
        assert_int_equal(ask_with(t, "only.example.com", "Authorization", CD_STR("Bearer weak")), 403);
        assert_str(header(t, "WWW-Authenticate"), scope);
        logs(t, "insufficient_scope", "only.example.com: the access token does not have the scope read");
        nginx(t, "GET", "https://only.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 401);
        assert_int_equal(ask_with(t, "only.example.com", "Authorization", bearer(t, token())), 401);
        assert_str(header(t, "WWW-Authenticate"), "Bearer realm=\"auth.example.com\", scope=\"read write\"");
        forward(t, "only.example.com", "/a");
        add_c(t, "Accept", "text/html");
        assert_int_equal(ask_forward(t), 403);
}

/* ---- personal tokens ---- */

static void lesson_6_a_personal_token_lets_a_program_in_and_goes_no_further(void **state)
{
        struct fixture *t = *state;
        const struct {
                const char *name;
                cd_str value;
        } ways[] = {
                { "Authorization", bearer(t, token()) },
                { "authorization", cd_arena_printf(&t->f->arena, "bearer \t %.*s", CD_STR_ARG(token())) },
                { "Authorization", basic(t, CD_STR("ana"), token()) },
                { "Authorization", basic(t, CD_STR("ANA"), token()) },
                { "Authorization", basic(t, CD_STR("token"), token()) },
                { "X-Api-Key", token() },
        };

        for (size_t i = 0; i < CD_LEN(ways); i++) {
                assert_int_equal(ask_with(t, "wiki.example.com", ways[i].name, ways[i].value), 200);
                assert_int_equal(t->was_on_worker, i == 0);
                assert_str(header(t, "Remote-User"), "ana");
                assert_str(header(t, "Remote-Groups"), "admins,staff");
                assert_str(header(t, "Authorization"), "");
                assert_str(header(t, "X-Api-Key"), "");
                assert_str(header(t, "Cookie"), "cardea-filtered=1");
                assert_str(t->log.user, "ana");
                assert_str(t->log.token_id, made.id.ptr ? made.id.ptr : "");
        }
        /* What else the program sends is the application's. */
        nginx(t, "GET", "https://wiki.example.com/a");
        add(t, "X-Api-Key", token());
        add_c(t, "Authorization", "Bearer x");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Authorization"), "Bearer x");
        nginx(t, "GET", "https://wiki.example.com/a");
        add(t, "Authorization", bearer(t, token()));
        add_c(t, "X-Api-Key", "k");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "X-Api-Key"), "k");
}

static void what_is_no_token_of_ours_goes_on_byte_for_byte(void **state)
{
        struct fixture *t = *state;
        static const char *const others[] = {
                "Basic YW5hOng=",    "Basic",          "Basic !!!",          "basic  YW5hOng", "Basic OmNkcA==",
                "Digest a=\"b, c\"", "Negotiate YII=", "ApiKey x_cdp_",      "Bearer CDP_x",   "",
                "Basic Og==",        "Token a,b",      "Basic YTpiY2RwX3g=", "Bearer xcdp_1",  ",,",
        };

        for (size_t i = 0; i < CD_LEN(others); i++) {
                nginx(t, "GET", "https://pub.example.com/a");
                add_c(t, "Authorization", others[i]);
                add_c(t, "X-Api-Key", others[i]);
                assert_int_equal(ask_nginx(t), 200);
                assert_str(header(t, "Authorization"), others[i]);
                assert_str(header(t, "X-Api-Key"), others[i]);
        }
        nginx(t, "GET", "https://pub.example.com/a");
        add_c(t, "Authorization", "Bearer a");
        add_c(t, "Authorization", "Basic b");
        assert_int_equal(ask_nginx(t), 200);
        size_t count = 0;
        for (size_t i = 0; i < t->res.header_count; i++)
                count += cd_str_eq(t->res.headers[i].name, CD_STR("Authorization"));
        assert_int_equal(count, 2);
        /* As long as the engine lets it in. */
        char *longest = cd_arena_alloc(&t->f->arena, 16384);
        memset(longest, 'A', 16384);
        memcpy(longest, "Basic ", 6);
        assert_int_equal(ask_with(t, "pub.example.com", "Authorization", cd_str_of(longest, 16384)), 200);
        assert_true(cd_str_eq(header(t, "Authorization"), cd_str_of(longest, 16384)));
}

/* A wrong or misplaced token of ours is refused, and the application does not see it, on public paths as well. */
static void refused(struct fixture *t, const char *name, cd_str value, const char *reason)
{
        static const char *const hosts[] = { "wiki.example.com", "pub.example.com", "only.example.com" };

        for (size_t i = 0; i < CD_LEN(hosts); i++) {
                t->f->now += 1000; /* no counter is left */
                nginx(t, "GET", cd_arena_printf(&t->f->arena, "https://%s/a", hosts[i]).ptr);
                add(t, name, value);
                with_cookie(t, "", "");
                if (ask_nginx(t) != 401)
                        fail_msg("%s %.*s: %d", name, CD_STR_ARG(value), t->res.status);
                assert_str(header(t, "WWW-Authenticate"), "Basic realm=\"auth.example.com\"");
                assert_null(header(t, "Location").ptr);
                assert_null(header(t, "Authorization").ptr);
                logs(t, "invalid_token", reason);
        }
}

static void lesson_1_a_wrong_token_is_refused_whatever_else_would_let_the_request_in(void **state)
{
        struct fixture *t = *state;
        const char *wrong = "the personal token is wrong, revoked or expired";
        const char *name = "a personal token with a user name that no user has";
        const char *base64 = "a personal token by Basic that is not base64";
        const char *scheme = "a personal token by another scheme than Bearer and Basic";
        const char *whole = "a personal token by Basic that is not the whole password";
        struct cd_arena *arena = &t->f->arena;
        cd_str good = basic(t, CD_STR("ana"), token());

        refused(t, "Authorization", bearer(t, flipped(t)), wrong);
        assert_false(t->was_on_worker); /* garbage costs no lookup */
        refused(t, "Authorization", CD_STR("Bearer cdp_"), wrong);
        refused(t, "Authorization", bearer(t, cd_arena_printf(arena, "%.*s x", CD_STR_ARG(token()))), wrong);
        refused(t, "Authorization", bearer(t, cd_arena_printf(arena, "%.*sA", CD_STR_ARG(token()))), wrong);
        refused(t, "X-Api-Key", cd_arena_printf(arena, "%.*s%8000d", CD_STR_ARG(token()), 1), wrong);
        refused(t, "X-Api-Key", cd_arena_printf(arena, "x %.*s", CD_STR_ARG(token())), wrong);
        refused(t, "X-Api-Key", cd_arena_printf(arena, "x,%.*s", CD_STR_ARG(token())), wrong);
        refused(t, "Authorization", basic(t, CD_STR("bo"), token()), "a personal token with the name of another user");
        refused(t, "Authorization", basic(t, CD_STR(""), token()), name);
        refused(t, "Authorization", basic(t, CD_STR("ana "), token()), name);
        refused(t, "Authorization", basic(t, CD_STR("an\xc3\xa4"), token()), name);
        refused(t, "Authorization", basic(t, cd_str_of("ana\0", 4), token()), name);
        refused(t, "Authorization", basic(t, CD_STR("ana"), cd_arena_printf(arena, "%.*s:", CD_STR_ARG(token()))),
                wrong);
        refused(t, "Authorization", basic(t, token(), CD_STR("")), "a personal token as a user name");
        refused(t, "Authorization", basic(t, token(), CD_STR("x-oauth-basic")), "a personal token as a user name");
        /* Spellings of base64 that an application may accept. */
        refused(t, "Authorization", cd_arena_printf(arena, "%.*s=", CD_STR_ARG(good)), base64);
        refused(t, "Authorization",
                cd_arena_printf(arena, "%.*s %.*s", 20, good.ptr, (int)good.len - 20, good.ptr + 20), base64);
        refused(t, "Authorization",
                cd_arena_printf(arena, "%.*s!%.*s", 20, good.ptr, (int)good.len - 20, good.ptr + 20), base64);
        cd_str odd = basic(t, CD_STR("\?\?\?>>>"), token()); /* "Pz8/Pj4+..." */
        refused(t, "Authorization", odd, name);
        char *other = cd_arena_alloc(arena, odd.len);
        for (size_t i = 0; i < odd.len; i++)
                other[i] = odd.ptr[i] == '/' ? '_' : odd.ptr[i] == '+' ? '-' : odd.ptr[i];
        refused(t, "Authorization", cd_str_of(other, odd.len), base64);
        /* Other places. */
        refused(t, "Authorization", token(), scheme);
        refused(t, "Authorization", cd_arena_printf(arena, "Token %.*s", CD_STR_ARG(token())), scheme);
        refused(t, "Authorization", cd_arena_printf(arena, "Basic %.*s", CD_STR_ARG(token())), scheme);
        refused(t, "Authorization", cd_arena_printf(arena, "Token token=%.*s", CD_STR_ARG(token())), scheme);
        refused(t, "Authorization", cd_arena_printf(arena, "Token token=\"%.*s\"", CD_STR_ARG(token())), scheme);
        refused(t, "Authorization", cd_arena_printf(arena, "Bearer:%.*s", CD_STR_ARG(token())), scheme);
        refused(t, "Authorization", cd_arena_printf(arena, "Bearer \"%.*s\"", CD_STR_ARG(token())), wrong);
        refused(t, "X-Api-Key", cd_arena_printf(arena, "\"%.*s\"", CD_STR_ARG(token())), wrong);
        refused(t, "X-Api-Key", cd_arena_printf(arena, "token=%.*s", CD_STR_ARG(token())), wrong);
        refused(t, "Authorization", basic(t, CD_STR("ana"), cd_arena_printf(arena, "x:%.*s", CD_STR_ARG(token()))),
                whole);
        refused(t, "Authorization", basic(t, CD_STR("ana"), cd_arena_printf(arena, " %.*s", CD_STR_ARG(token()))),
                whole);
        refused(t, "Authorization", basic(t, cd_arena_printf(arena, "x\\%.*s", CD_STR_ARG(token())), CD_STR("")),
                whole);
        refused(t, "Authorization", cd_arena_printf(arena, "Basic YTpi, Bearer %.*s", CD_STR_ARG(token())),
                "a personal token beside other credentials in one header");
        refused(t, "Authorization", cd_arena_printf(arena, "Bearer x, %.*s", CD_STR_ARG(good)),
                "a personal token beside other credentials in one header");
}

static void two_tokens_are_none(void **state)
{
        struct fixture *t = *state;
        static const char *const names[][2] = { { "Authorization", "X-Api-Key" },
                                                { "X-Api-Key", "Authorization" },
                                                { "Authorization", "Authorization" },
                                                { "X-Api-Key", "X-Api-Key" } };

        for (size_t i = 0; i < CD_LEN(names); i++) {
                t->f->now += 1000;
                nginx(t, "GET", "https://pub.example.com/a");
                for (size_t k = 0; k < 2; k++)
                        add(t, names[i][k], names[i][k][0] == 'A' ? bearer(t, token()) : token());
                assert_int_equal(ask_nginx(t), 401);
                logs(t, "invalid_token", "more than one personal token");
        }
        /* The removal of a header must take nothing from the application. */
        nginx(t, "GET", "https://pub.example.com/a");
        add_c(t, "Authorization", "Basic YTpi");
        add(t, "Authorization", bearer(t, token()));
        assert_int_equal(ask_nginx(t), 401);
        logs(t, "invalid_token", "a personal token beside other credentials in one header");
        nginx(t, "GET", "https://pub.example.com/a");
        add_c(t, "X-Api-Key", "k");
        add(t, "X-Api-Key", token());
        assert_int_equal(ask_nginx(t), 401);
}

static void the_rules_judge_the_owner_and_a_program_confirms_nothing(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "bo.example.com", "X-Api-Key", token()), 403);
        logs(t, "access_denied", "bo.example.com: user ana is none of the rule's users");
        assert_null(header(t, "Location").ptr);
        assert_int_equal(ask_with(t, "two.example.com", "X-Api-Key", token()), 403);
        logs(t, "access_denied", "two.example.com: the login has 1 factor, and the rule needs 2");
        assert_null(header(t, "Location").ptr);
        forward(t, "two.example.com", "/a");
        add_c(t, "Accept", "text/html");
        add(t, "X-Api-Key", token());
        assert_int_equal(ask_forward(t), 403);
        assert_int_equal(ask_with(t, "net.example.com", "X-Api-Key", token()), 403);
        assert_int_equal(ask_from(t, "10.0.0.1", "net.example.com", "X-Api-Key", token()), 200);
        assert_int_equal(ask_with(t, "unknown.example.com", "X-Api-Key", token()), 403);
        start_session(t, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
        make_token(t, (struct cd_personal_token_params){ 0 });
        assert_int_equal(ask_with(t, "two.example.com", "X-Api-Key", token()), 200);
}

static int ask_limited(struct fixture *t, const char *method, const char *url, const char *address)
{
        nginx(t, method, url);
        add(t, "Authorization", bearer(t, token()));
        if (address) {
                add_c(t, "X-Forwarded-For", address);
                t->req.client_address = cd_str_from_c(address);
        }
        return ask_nginx(t);
}

static void the_tokens_own_limits_hold_besides(void **state)
{
        struct fixture *t = *state;
        const char *not_for = "wiki.example.com: the personal token is not for this host, path, method or network";

        make_token(t, (struct cd_personal_token_params){ .hosts = CD_STR("wiki.example.com pub.example.com"),
                                                         .paths = CD_STR("/api/"),
                                                         .methods = CD_STR("GET"),
                                                         .networks = CD_STR("10.0.0.0/8") });
        assert_int_equal(ask_limited(t, "GET", "https://wiki.example.com/api/x", "10.1.1.1"), 200);
        assert_int_equal(ask_limited(t, "GET", "https://wiki.example.com/x", "10.1.1.1"), 403);
        logs(t, "access_denied", not_for);
        assert_int_equal(ask_limited(t, "GET", "https://wiki.example.com/api/../x", "10.1.1.1"), 403);
        assert_int_equal(ask_limited(t, "GET", "https://wiki.example.com/api/a%2fb", "10.1.1.1"), 403);
        assert_int_equal(ask_limited(t, "POST", "https://wiki.example.com/api/x", "10.1.1.1"), 403);
        assert_int_equal(ask_limited(t, "GET", "https://get.example.com/api/x", "10.1.1.1"), 403);
        assert_int_equal(ask_limited(t, "GET", "https://wiki.example.com/api/x", "11.1.1.1"), 403);
        assert_int_equal(ask_limited(t, "GET", "https://wiki.example.com/api/x", NULL), 403);
        /* On public paths too: a token that is sent is judged. */
        assert_int_equal(ask_limited(t, "GET", "https://pub.example.com/api/x", "10.1.1.1"), 200);
        assert_str(header(t, "Remote-User"), "ana");
        assert_str(header(t, "Authorization"), "");
        assert_int_equal(ask_limited(t, "GET", "https://pub.example.com/x", "10.1.1.1"), 403);
        logs(t, "access_denied", "pub.example.com: the personal token is not for this host, path, method or network");
}

static void a_token_decides_alone_where_there_is_a_session_too(void **state)
{
        struct fixture *t = *state;

        start_session(t, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
        nginx(t, "GET", "https://two.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        add(t, "Authorization", bearer(t, token())); /* of a login with one factor */
        assert_int_equal(ask_nginx(t), 403);
}

static void lesson_12_a_token_that_is_revoked_ends_at_once(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 200);
        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 200);
        assert_status(cd_personal_token_revoke(&t->f->sessions, &t->f->arena, &made, CD_STR(""), &t->f->err), CD_OK);
        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 401);
        logs(t, "invalid_token", "the personal token is wrong, revoked or expired");
}

static void without_the_store_a_token_that_is_known_goes_on(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 200);
        t->state.is_unavailable = true;
        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 200);
        cd_session_cache_clear(t->f->sessions.cache);
        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 503);
        /* It might be wrong, so it does not pass where everybody may go either. */
        assert_int_equal(ask_with(t, "pub.example.com", "X-Api-Key", token()), 503);
}

/* ---- wrong tokens are counted ---- */

static void lesson_14_wrong_tokens_are_counted_by_address_alone(void **state)
{
        struct fixture *t = *state;
        const char *wiki = "wiki.example.com";

        for (int i = 0; i < ATTEMPTS; i++)
                assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 401);
        assert_str(factor_last_event(t->f).action, "token.locked");
        assert_str(factor_last_event(t->f).address, "192.0.2.1");
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 429);
        assert_str(header(t, "Retry-After"), "10");
        assert_str(header(t, "Cache-Control"), "no-store");
        logs(t, "too_many_attempts", "too many wrong personal tokens; the next one counts in 10 s");
        /* A right one that the server does not know yet waits too, and is not looked up; nginx gets what it
         * understands. */
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", token()), 429);
        assert_false(t->was_on_worker);
        nginx(t, "GET", "https://wiki.example.com/a");
        add_c(t, "X-Forwarded-For", "192.0.2.1");
        t->req.client_address = CD_STR("192.0.2.1");
        add(t, "X-Api-Key", token());
        assert_int_equal(ask_nginx(t), 403);
        assert_str(header(t, "Retry-After"), "10");
        /* A stranger does not stop the owner's programs elsewhere, nor one that the server knows. */
        assert_int_equal(ask_from(t, "192.0.2.2", wiki, "X-Api-Key", token()), 200);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", token()), 200);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 429);
        t->f->now += DELAY;
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 401);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 429);
}

static void every_kind_of_wrong_token_counts(void **state)
{
        struct fixture *t = *state;
        const char *wiki = "wiki.example.com";

        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "Authorization", basic(t, CD_STR("bo"), token())), 401);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "Authorization", token()), 401);
        assert_status(cd_personal_token_revoke(&t->f->sessions, &t->f->arena, &made, CD_STR(""), &t->f->err), CD_OK);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", token()), 401);
        assert_true(t->was_on_worker);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", token()), 429);
}

static void a_known_token_goes_on_at_an_address_that_waits_for_longer_than_the_cache_keeps_it(void **state)
{
        struct fixture *t = *state;
        const char *wiki = "wiki.example.com";

        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", token()), 200);
        for (int i = 0; i < ATTEMPTS; i++)
                assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 401);
        for (int delay = DELAY; delay <= 40; delay *= 2) {
                t->f->now += delay;
                assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 401);
        }
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", flipped(t)), 429);
        assert_int_equal(ask_from(t, "192.0.2.1", wiki, "X-Api-Key", token()), 200);
}

/* LESSONS 34: otherwise all clients would be one. */
static void lesson_34_without_a_known_address_nothing_is_counted(void **state)
{
        struct fixture *t = *state;

        for (int i = 0; i < 3 * ATTEMPTS; i++)
                assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", flipped(t)), 401);
        assert_int_equal(ask_with(t, "wiki.example.com", "X-Api-Key", token()), 200);
}

static void what_the_rules_deny_anyway_is_not_judged(void **state)
{
        struct fixture *t = *state;

        for (int i = 0; i < 3 * ATTEMPTS; i++)
                assert_int_equal(ask_from(t, "192.0.2.1", "unknown.example.com", "X-Api-Key", flipped(t)), 403);
        assert_int_equal(ask_from(t, "192.0.2.1", "wiki.example.com", "X-Api-Key", flipped(t)), 401);
}

/* ---- the challenge ---- */

static void a_program_is_challenged_by_basic_and_a_browser_is_not(void **state)
{
        struct fixture *t = *state;
        static const struct {
                const char *name, *value;
                const char *scheme;
        } cases[] = {
                { "Accept", "*/*", "Basic" },
                { "Accept", "application/json", "Basic" },
                { "User-Agent", "git/2.39.2", "Basic" },
                { "Accept", "text/html", "Cardea" },
                { "Sec-Fetch-Mode", "cors", "Cardea" },
                { "Sec-Fetch-Mode", "no-cors", "Cardea" },
                { "Sec-Fetch-Mode", "", "Cardea" },
                { "X-Requested-With", "XMLHttpRequest", "Cardea" },
                { "Origin", "https://wiki.example.com", "Cardea" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++)
                for (int is_wrong = 0; is_wrong < 2; is_wrong++) {
                        nginx(t, "GET", "https://wiki.example.com/a");
                        add_c(t, cases[i].name, cases[i].value);
                        if (is_wrong)
                                add(t, "X-Api-Key", flipped(t));
                        assert_int_equal(ask_nginx(t), 401);
                        assert_str(header(t, "WWW-Authenticate"),
                                   cd_arena_printf(&t->f->arena, "%s realm=\"auth.example.com\"", cases[i].scheme).ptr);
                }
        nginx(t, "POST", "https://wiki.example.com/a");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "WWW-Authenticate"), "Basic realm=\"auth.example.com\"");
        nginx(t, "PROPFIND", "https://wiki.example.com/a");
        add_c(t, "Accept", "text/html");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "WWW-Authenticate"), "Basic realm=\"auth.example.com\"");
}

/* ---- memory ---- */

static void needs_memory(struct fixture *t, const char *host, const char *name, cd_str value, int status)
{
        bool is_done = false;

        for (size_t ceiling = 0; ceiling < 64 * 1024 && !is_done; ceiling += 256) {
                cd_arena_done(&t->arena);
                cd_arena_init(&t->arena, 1 << 20);
                forward(t, host, "/a");
                add(t, name, value);
                t->arena.ceiling = t->arena.used + ceiling;
                cd_http_response_init(&t->res, NULL, &t->arena);
                cd_gate_check_forward(&t->app, &t->req, &t->res);
                if (t->res.next) {
                        cd_http_handler *next = t->res.next;
                        t->req.state = t->res.next_state;
                        cd_http_response_init(&t->res, NULL, &t->arena);
                        next(&t->app, &t->req, &t->res);
                }
                is_done = t->res.status == status && cd_http_can_send(&t->res);
                if (!is_done && t->res.status != 503 && cd_http_can_send(&t->res))
                        fail_msg("%d with %zu bytes", t->res.status, ceiling);
        }
        assert_true(is_done);
}

static void lesson_31_without_memory_no_program_is_allowed(void **state)
{
        struct fixture *t = *state;

        needs_memory(t, "wiki.example.com", "X-Api-Key", token(), 200);
        needs_memory(t, "wiki.example.com", "Authorization", basic(t, CD_STR("ana"), token()), 200);
        needs_memory(t, "api.example.com", "Authorization", CD_STR("Bearer client"), 200);
        needs_memory(t, "only.example.com", "Authorization", CD_STR("Bearer weak"), 403);
        needs_memory(t, "pub.example.com", "Authorization", CD_STR("Basic YTpi"), 200);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROGRAM(an_access_token_that_the_rule_accepts_lets_a_program_in),
                PROGRAM(a_client_is_no_user_of_its_name),
                PROGRAM(an_access_token_that_does_not_count_goes_on_untouched),
                PROGRAM(two_access_tokens_are_none),
                PROGRAM(an_access_token_that_does_not_count_is_named_in_the_log),
                PROGRAM(an_access_token_that_counts_goes_before_a_session),
                PROGRAM(lesson_1_a_token_that_cannot_be_judged_is_no_access),
                PROGRAM(a_rule_for_tokens_only_says_what_it_lacks),
                PROGRAM(lesson_6_a_personal_token_lets_a_program_in_and_goes_no_further),
                PROGRAM(what_is_no_token_of_ours_goes_on_byte_for_byte),
                PROGRAM(lesson_1_a_wrong_token_is_refused_whatever_else_would_let_the_request_in),
                PROGRAM(two_tokens_are_none),
                PROGRAM(the_rules_judge_the_owner_and_a_program_confirms_nothing),
                PROGRAM(the_tokens_own_limits_hold_besides),
                PROGRAM(a_token_decides_alone_where_there_is_a_session_too),
                PROGRAM(lesson_12_a_token_that_is_revoked_ends_at_once),
                PROGRAM(without_the_store_a_token_that_is_known_goes_on),
                PROGRAM(lesson_14_wrong_tokens_are_counted_by_address_alone),
                PROGRAM(every_kind_of_wrong_token_counts),
                PROGRAM(a_known_token_goes_on_at_an_address_that_waits_for_longer_than_the_cache_keeps_it),
                PROGRAM(lesson_34_without_a_known_address_nothing_is_counted),
                PROGRAM(what_the_rules_deny_anyway_is_not_judged),
                PROGRAM(a_program_is_challenged_by_basic_and_a_browser_is_not),
                PROGRAM(lesson_31_without_memory_no_program_is_allowed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
