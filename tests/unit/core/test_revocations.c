/* Keeping a revocation: a store that takes it or does not, what is known of that store, and the cache. */
#include "core/revocations.h"

#include "base/clock.h"
#include "support/check.h"

enum {
        EXPIRES_AT = 1795348800,
        ROOM = 2, /* revocations of one client, of a cache of twice as many */
};

struct fixture {
        struct cd_store store; /* first: its call finds the rest after it */
        struct cd_revocation_ops ops;
        struct cd_store_state store_state;
        struct cd_revocations revocations;
        int asked; /* how often the store was */
        bool is_full;
        bool was_cached; /* at the last time that the store was asked */
};

static bool is_revoked(struct fixture *f, cd_str jti)
{
        bool is_revoked;

        assert_status(cd_revoked_find(f->revocations.revoked, jti, CD_STR(""), 0, 0, &is_revoked), CD_OK);
        return is_revoked;
}

static cd_status add(struct cd_store *store, const struct cd_revocation *revocation, struct cd_error *reterr)
{
        struct fixture *f = (struct fixture *)store;

        f->asked++;
        f->was_cached = is_revoked(f, revocation->jti);
        return f->is_full ? cd_fail(reterr, CD_UNAVAILABLE, "the disk is full") : CD_OK;
}

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .ops = { .add = add } };
        f.store.revocations = &f.ops;
        f.revocations = (struct cd_revocations){ &f.store, &f.store_state, cd_revoked_new((size_t)2 * ROOM) };
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_revoked_free(f->revocations.revoked);
        return 0;
}

/* Of a token of "app", decided that long ago. */
static cd_status keep(struct fixture *f, const char *jti, int64_t ago_us, struct cd_error *reterr)
{
        const struct cd_token_revocation revocation = {
                .kept = { .jti = cd_str_from_c(jti), .client_id = CD_STR("app"), .expires_at = EXPIRES_AT },
                .decided_us = cd_monotonic_us() - ago_us,
        };

        return cd_revocations_keep(&f->revocations, &revocation, reterr);
}

static void assert_not_kept(struct fixture *f, const char *jti, int64_t ago_us, const char *reason)
{
        struct cd_error err = { 0 };

        assert_status(keep(f, jti, ago_us, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, reason);
        assert_false(is_revoked(f, cd_str_from_c(jti)));
}

static void a_revocation_is_in_the_store_before_it_is_in_effect(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "a", 0, NULL), CD_OK);
        assert_int_equal(f->asked, 1);
        assert_false(f->was_cached);
        assert_true(is_revoked(f, CD_STR("a")));
        assert_false(is_revoked(f, CD_STR("b")));
}

static void what_the_store_refuses_is_not_in_effect(void **state)
{
        struct fixture *f = *state;

        f->is_full = true;
        assert_not_kept(f, "a", 0, "the revocation cannot be kept now: the disk is full");
        assert_int_equal(f->asked, 1);
}

/* What is known of the store is not found out anew by each that waits. */
static void a_store_that_cannot_be_written_is_not_asked(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        f->store_state.fault = "another process holds it";
        assert_not_kept(f, "a", 0, "the revocation cannot be kept now: another process holds it");
        assert_status(cd_revocations_check(&f->revocations, CD_STR("app"), &err), CD_UNAVAILABLE);
        assert_int_equal(err.retry_after, 1);
        f->store_state.fault = NULL;
        f->store_state.is_unavailable = true;
        assert_not_kept(f, "a", 0, "the revocation cannot be kept now: the store is unavailable");
        assert_int_equal(f->asked, 0);
        f->store_state.is_unavailable = false;
        assert_status(cd_revocations_check(&f->revocations, CD_STR("app"), NULL), CD_OK);
}

static void one_that_waited_long_does_not_wait_for_the_store_too(void **state)
{
        struct fixture *f = *state;

        assert_not_kept(f, "a", 2000001, "the revocation cannot be kept now: too many wait for the store");
        assert_int_equal(f->asked, 0);
        assert_status(keep(f, "a", 0, NULL), CD_OK);
}

static void a_client_has_its_share_of_the_room(void **state)
{
        struct fixture *f = *state;

        assert_status(keep(f, "a", 0, NULL), CD_OK);
        assert_status(keep(f, "b", 0, NULL), CD_OK);
        assert_not_kept(f, "c", 0, "the revocation cannot be kept now: too many tokens are revoked");
        assert_status(cd_revocations_check(&f->revocations, CD_STR("app"), NULL), CD_UNAVAILABLE);
        assert_status(cd_revocations_check(&f->revocations, CD_STR("another"), NULL), CD_OK);
        assert_int_equal(f->asked, ROOM);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_revocation_is_in_the_store_before_it_is_in_effect),
                TEST(what_the_store_refuses_is_not_in_effect),
                TEST(a_store_that_cannot_be_written_is_not_asked),
                TEST(one_that_waited_long_does_not_wait_for_the_store_too),
                TEST(a_client_has_its_share_of_the_room),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
