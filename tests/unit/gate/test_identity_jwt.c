#include "support/check.h"

#include "gate/identity_jwt.h"

struct counter {
        struct cd_gate_signer port;
        struct cd_claims last;
        cd_str typ;
        int calls;
        cd_status status;
};

static cd_status count(const struct cd_gate_signer *signer, struct cd_arena *arena, cd_str typ,
                       const struct cd_claims *claims, cd_str *ret, struct cd_error *reterr)
{
        struct counter *c = (struct counter *)signer;

        c->last = *claims;
        c->typ = typ;
        c->calls++;
        *ret = cd_arena_printf(arena, "token-%d", c->calls);
        if (!ret->ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        return c->status == CD_OK ? CD_OK : cd_fail(reterr, c->status, "no key");
}

static struct cd_arena arena;
static struct counter signer;
static struct cd_gate_jwts *jwts;
static struct cd_gate_route wiki = { .name = CD_STR_INIT("wiki.example.com") };
static struct cd_gate_route old = { .name = CD_STR_INIT("tools.example.com/old/") };
static struct cd_live_session ana;
static struct cd_gate_jwt_params params;
static struct cd_error error;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 1 << 20);
        signer = (struct counter){ .port = { CD_STR("https://auth.example.com"), count } };
        jwts = cd_gate_jwts_new(&signer.port);
        assert_non_null(jwts);
        ana = (struct cd_live_session){ .user = CD_STR("ana"),
                                        .groups = CD_STR("staff,wiki"),
                                        .email = CD_STR("a@b.c"),
                                        .display_name = CD_STR("Ana"),
                                        .factors = 2,
                                        .generation = 7,
                                        .auth_time = 1000,
                                        .expires_at = 9000 };
        params = (struct cd_gate_jwt_params){ &wiki, &ana, "session", 2000 };
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_gate_jwts_free(jwts);
        cd_arena_done(&arena);
        return 0;
}

static void gets(const char *expected)
{
        cd_str token;

        assert_status(cd_gate_jwts_get(jwts, &arena, &params, &token, &error), CD_OK);
        assert_str(token, expected);
}

static void the_claims_say_who_and_for_which_route(void **state)
{
        (void)state;
        gets("token-1");
        assert_str(signer.typ, "JWT");
        assert_str(signer.last.iss, "https://auth.example.com");
        assert_str(signer.last.sub, "ana");
        assert_str(signer.last.aud, "wiki.example.com");
        assert_int_equal(signer.last.iat, 2000);
        assert_int_equal(signer.last.exp, 2060);
        assert_int_equal(signer.last.jti.len, 22);
        assert_str(signer.last.extra, "{\"groups\":[\"staff\",\"wiki\"],\"email\":\"a@b.c\",\"name\":\"Ana\","
                                      "\"auth_type\":\"session\",\"factors\":2,\"auth_time\":1000}");
}

static void one_token_serves_for_half_its_life(void **state)
{
        (void)state;
        gets("token-1");
        params.now = 2029;
        gets("token-1");
        params.now = 2030;
        gets("token-2");
        params.now = 2029; /* the clock was set back */
        gets("token-3");
}

static void each_difference_makes_another_token(void **state)
{
        int calls = 1;

        (void)state;
        gets("token-1");
#define DIFFERS(field, value)                                                                                          \
        do {                                                                                                           \
                __typeof__(field) before = field;                                                                      \
                field = value;                                                                                         \
                gets(cd_arena_printf(&arena, "token-%d", ++calls).ptr);                                                \
                field = before;                                                                                        \
        } while (0)
        DIFFERS(params.route, &old);
        DIFFERS(params.auth_type, "token");
        DIFFERS(ana.user, CD_STR("bob"));
        DIFFERS(ana.groups, CD_STR("staff"));
        DIFFERS(ana.email, CD_STR(""));
        DIFFERS(ana.display_name, CD_STR("ana"));
        DIFFERS(ana.factors, 1);
        DIFFERS(ana.generation, 8);
        DIFFERS(ana.auth_time, 1001);
        DIFFERS(ana.expires_at, 9001);
        ana.email = CD_STR("a@b.cA"); /* the same bytes, divided otherwise */
        ana.display_name = CD_STR("na");
        gets(cd_arena_printf(&arena, "token-%d", ++calls).ptr);
}

static void many_users_take_bounded_memory(void **state)
{
        (void)state;
        for (int i = 0; i < 3 * CD_GATE_JWT_SLOTS; i++) {
                ana.generation = i;
                gets(cd_arena_printf(&arena, "token-%d", i + 1).ptr);
                gets(cd_arena_printf(&arena, "token-%d", i + 1).ptr);
                cd_arena_reset(&arena);
        }
}

static void a_failing_signer_is_asked_again(void **state)
{
        cd_str token;

        (void)state;
        signer.status = CD_UNAVAILABLE;
        assert_status(cd_gate_jwts_get(jwts, &arena, &params, &token, &error), CD_UNAVAILABLE);
        assert_string_equal(error.reason, "no key");
        signer.status = CD_OK;
        gets("token-2");
}

static void memory_may_be_out(void **state)
{
        bool was_ok = false;

        (void)state;
        for (size_t ceiling = 0; ceiling < 8192 && !was_ok; ceiling += 64) {
                struct cd_arena small;
                cd_str token;
                cd_arena_init(&small, ceiling);
                cd_status status = cd_gate_jwts_get(jwts, &small, &params, &token, &error);
                was_ok = status == CD_OK && token.ptr;
                assert_true(status == CD_OK || status == CD_NO_MEMORY);
                cd_arena_done(&small);
        }
        assert_true(was_ok);
        cd_gate_jwts_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_claims_say_who_and_for_which_route, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_token_serves_for_half_its_life, set_up, tear_down),
                cmocka_unit_test_setup_teardown(each_difference_makes_another_token, set_up, tear_down),
                cmocka_unit_test_setup_teardown(many_users_take_bounded_memory, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_failing_signer_is_asked_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(memory_may_be_out, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("gate/identity_jwt", tests, NULL, NULL);
}
