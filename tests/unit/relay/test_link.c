#include "relay/link.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "core/ports.h"
#include "crypto/seal.h"
#include "support/check.h"

enum {
        NOON = 1795348800 /* 2026-11-22T12:00:00Z */
};

struct fixture {
        struct cd_arena arena;
        struct cd_clock clock;
        struct cd_random random;
        struct cd_store store;
        struct cd_relay_links links;
        struct cd_master_key *master;
        cd_time now, kept_until;
        unsigned char next;
        bool random_fails;
        char used[64]; /* the digest of the state that was used */
        struct cd_error err;
};

static struct fixture *fixture; /* of the running test */

static cd_time now(const struct cd_clock *clock)
{
        (void)clock;
        return fixture->now;
}

static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        memset(to, ++fixture->next, size);
        return fixture->random_fails ? CD_UNAVAILABLE : CD_OK;
}

static cd_status use(struct cd_store *store, cd_str digest, cd_time expires_at, struct cd_error *reterr)
{
        (void)store;
        if (cd_str_eq_c(digest, fixture->used))
                return cd_fail(reterr, CD_EXISTS, "exists");
        snprintf(fixture->used, sizeof(fixture->used), "%.*s", CD_STR_ARG(digest));
        fixture->kept_until = expires_at;
        return CD_OK;
}

static int set_up(void **state)
{
        static const struct cd_used_state_ops used_states = { use };
        struct fixture *f = calloc(1, sizeof(*f));

        fixture = *state = f;
        cd_arena_init(&f->arena, 1 << 20);
        f->now = NOON;
        f->clock.now = now;
        f->random.fill = fill;
        f->store.used_states = &used_states;
        assert_status(cd_master_key_parse(CD_STR("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), &f->random,
                                          &f->master, NULL),
                      CD_OK);
        f->links = (struct cd_relay_links){ cd_relay_links_mac(f->master), &f->store, &f->random, &f->clock };
        assert_non_null(f->links.mac);
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_mac_free(f->links.mac);
        cd_master_key_free(f->master);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static const struct cd_relay_route route = { .path = CD_STR_INIT("/register") };

static cd_str make(struct fixture *f, cd_str data)
{
        const struct cd_relay_link link = { data, NOON + 600 };
        cd_str state;

        assert_status(cd_relay_link_make(&f->links, &f->arena, &route, &link, &state, &f->err), CD_OK);
        return state;
}

static cd_status check(struct fixture *f, const struct cd_relay_route *at, cd_str state, struct cd_relay_link *ret)
{
        f->err = (struct cd_error){ 0 };
        return cd_relay_link_check(&f->links, &f->arena, at, state, ret, &f->err);
}

static void a_state_gives_its_data_back(void **state)
{
        struct fixture *f = *state;
        const cd_str samples[] = { CD_STR(""), CD_STR("12345"), CD_STR("Gr\xc3\xbc\xc3\x9f"), CD_STR("a=b&c") };
        struct cd_relay_link link;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                cd_str text = make(f, samples[i]);
                assert_status(check(f, &route, text, &link), CD_OK);
                assert_true(cd_str_eq(link.data, samples[i]));
                assert_int_equal(link.expires_at, NOON + 600);
                assert_false(cd_str_eq(text, make(f, samples[i])));
        }
}

static void data_has_a_limit_and_is_text(void **state)
{
        struct fixture *f = *state;
        char large[CD_RELAY_LINK_DATA_MAX + 1];
        struct cd_relay_link link = { cd_str_of(large, sizeof(large)), NOON + 600 };
        cd_str text;

        memset(large, 'x', sizeof(large));
        assert_status(cd_relay_link_make(&f->links, &f->arena, &route, &link, &text, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "data");
        assert_true(make(f, cd_str_of(large, CD_RELAY_LINK_DATA_MAX)).len == CD_RELAY_LINK_MAX);
        link.data = CD_STR("two\nlines");
        assert_status(cd_relay_link_make(&f->links, &f->arena, &route, &link, &text, &f->err), CD_INVALID_REQUEST);
        link.data = CD_STR("\xff");
        assert_status(cd_relay_link_make(&f->links, &f->arena, &route, &link, &text, &f->err), CD_INVALID_REQUEST);
}

static void a_state_expires(void **state)
{
        struct fixture *f = *state;
        cd_str text = make(f, CD_STR("x"));
        struct cd_relay_link link;

        f->now = NOON + 599;
        assert_status(check(f, &route, text, &link), CD_OK);
        f->now = NOON + 600;
        assert_status(check(f, &route, text, &link), CD_TIMEOUT);
        assert_string_equal(f->err.reason, "has expired; ask for a new link");
        f->now = -1;
        assert_status(check(f, &route, text, &link), CD_UNAVAILABLE);
}

static void a_state_is_for_one_path_and_host(void **state)
{
        struct fixture *f = *state;
        const struct cd_relay_route others[] = {
                { .path = CD_STR("/registe") },
                { .path = CD_STR("/register/x") },
                { .path = CD_STR("/register"), .host = CD_STR("bot.example.com") },
        };
        cd_str text = make(f, CD_STR("x"));
        struct cd_relay_link link;

        for (size_t i = 0; i < CD_LEN(others); i++) {
                assert_status(check(f, &others[i], text, &link), CD_INVALID_REQUEST);
                assert_string_equal(f->err.reason, "was not made by \"cardea relay link\" for this path");
        }
}

static void a_state_of_anybody_else_is_refused(void **state)
{
        struct fixture *f = *state;
        cd_str text = make(f, CD_STR("x"));
        struct cd_relay_link link;
        struct cd_master_key *other;
        char bytes[CD_RELAY_LINK_MAX], changed[CD_RELAY_LINK_MAX + 4];
        size_t size;

        assert_status(cd_base64url_decode(text, bytes, &size), CD_OK);
        for (size_t i = 0; i < size; i++) {
                bytes[i] ^= 1;
                size_t len = cd_base64url_encode(changed, cd_str_of(bytes, size));
                assert_status(check(f, &route, cd_str_of(changed, len), &link), CD_INVALID_REQUEST);
                bytes[i] ^= 1;
        }
        for (size_t len = 0; len < text.len; len++)
                assert_status(check(f, &route, cd_str_of(text.ptr, len), &link), CD_INVALID_REQUEST);
        memset(changed, 'A', sizeof(changed));
        assert_status(check(f, &route, cd_str_of(changed, sizeof(changed)), &link), CD_INVALID_REQUEST);
        assert_status(check(f, &route, CD_STR("\xff not base64url"), &link), CD_INVALID_REQUEST);

        assert_status(
                cd_master_key_parse(CD_STR("MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), &f->random, &other, NULL),
                CD_OK);
        struct cd_relay_links foreign = f->links;
        foreign.mac = cd_relay_links_mac(other);
        assert_status(cd_relay_link_check(&foreign, &f->arena, &route, text, &link, &f->err), CD_INVALID_REQUEST);
        cd_mac_free(foreign.mac);
        cd_master_key_free(other);
}

static void a_state_is_used_once(void **state)
{
        struct fixture *f = *state;
        cd_str text = make(f, CD_STR("x"));
        struct cd_relay_link link;

        assert_status(check(f, &route, text, &link), CD_OK);
        assert_status(cd_relay_link_use(&f->links, &f->arena, text, &link, &f->err), CD_OK);
        assert_int_equal(f->kept_until, NOON + 600);
        assert_null(strstr(f->used, text.ptr)); /* the store has only a digest */
        assert_status(cd_relay_link_use(&f->links, &f->arena, text, &link, &f->err), CD_EXISTS);
        assert_string_equal(f->err.reason, "was used before");
}

static void lesson_31_a_failing_random_source_makes_no_state(void **state)
{
        struct fixture *f = *state;
        const struct cd_relay_link link = { CD_STR("x"), NOON + 600 };
        cd_str text;

        f->random_fails = true;
        assert_status(cd_relay_link_make(&f->links, &f->arena, &route, &link, &text, &f->err), CD_UNAVAILABLE);
}

static void lesson_31_without_memory_no_state_is_made_or_checked(void **state)
{
        struct fixture *f = *state;
        const struct cd_relay_link link = { CD_STR("x"), NOON + 600 };
        cd_str text = make(f, CD_STR("x"));
        struct cd_relay_link found;
        struct cd_arena none;

        cd_arena_init(&none, 0);
        assert_status(cd_relay_link_make(&f->links, &none, &route, &link, &text, &f->err), CD_NO_MEMORY);
        assert_status(cd_relay_link_check(&f->links, &none, &route, text, &found, &f->err), CD_NO_MEMORY);
        cd_arena_done(&none);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(a_state_gives_its_data_back),
                TEST(data_has_a_limit_and_is_text),
                TEST(a_state_expires),
                TEST(a_state_is_for_one_path_and_host),
                TEST(a_state_of_anybody_else_is_refused),
                TEST(a_state_is_used_once),
                TEST(lesson_31_a_failing_random_source_makes_no_state),
                TEST(lesson_31_without_memory_no_state_is_made_or_checked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
