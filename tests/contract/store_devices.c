#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum {
        NOW = 1000,
        EXPIRES = 5000,
};

static struct cd_device_failures device_of(const char *user, const char *device)
{
        return (struct cd_device_failures){ .device = cd_str_from_c(device),
                                            .user = cd_str_from_c(user),
                                            .expires_at = EXPIRES };
}

static int64_t note_wrong(struct stage *s, const char *user, const char *device)
{
        const struct cd_device_failures row = device_of(user, device);
        int64_t failures = -1;

        assert_status(s->store->devices->note_wrong(s->store, &row, &failures, &s->error), CD_OK);
        return failures;
}

static int64_t count(struct stage *s, const char *user, const char *device)
{
        int64_t failures = -1;

        assert_status(
                s->store->devices->count(s->store, cd_str_from_c(user), cd_str_from_c(device), &failures, &s->error),
                CD_OK);
        return failures;
}

static size_t expire(struct stage *s, cd_time now)
{
        const struct cd_store_expiry expiry = { .now = now, .limit = 1000 };
        size_t deleted;

        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        return deleted;
}

static void wrong_attempts_are_counted_by_device(void **state)
{
        struct stage *s = *state;

        assert_int_equal(count(s, "ana", "laptop"), 0);
        for (int64_t i = 1; i <= CD_DEVICE_ATTEMPTS + 2; i++) {
                assert_int_equal(note_wrong(s, "ana", "laptop"), i);
                assert_int_equal(count(s, "ana", "laptop"), i);
        }
        assert_int_equal(count(s, "ana", "Laptop"), 0);
        assert_int_equal(note_wrong(s, "bo", "phone"), 1);
        assert_int_equal(count(s, "bo", "phone"), 1);
        if (stage_reopen(s))
                assert_int_equal(count(s, "ana", "laptop"), CD_DEVICE_ATTEMPTS + 2);
}

static atomic_llong sum;
static struct cd_store *another; /* where the store is durable: half of the attempts are of another node */

static const char *note_one(struct stage *s, size_t number)
{
        const struct cd_device_failures row = device_of("ana", "laptop");
        struct cd_store *store = another && number % 2 ? another : s->store;
        int64_t failures = 0;

        if (store->devices->note_wrong(store, &row, &failures, NULL) != CD_OK)
                return "a call failed";
        atomic_fetch_add(&sum, failures);
        return NULL;
}

static void of_50_attempts_at_once_on_two_nodes_each_is_counted(void **state)
{
        struct stage *s = *state;

        atomic_store(&sum, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, note_one);
        assert_int_equal(count(s, "ana", "laptop"), 50);
        assert_int_equal(atomic_load(&sum), 50 * 51 / 2);
        if (another)
                another->free(another);
        another = NULL;
}

static void a_counter_is_deleted_when_its_cookie_expires(void **state)
{
        struct stage *s = *state;

        (void)note_wrong(s, "ana", "laptop");
        assert_int_equal(expire(s, EXPIRES - 1), 0);
        assert_int_equal(count(s, "ana", "laptop"), 1);
        assert_int_equal(expire(s, EXPIRES), 1);
        assert_int_equal(count(s, "ana", "laptop"), 0);
}

static void lesson_22_a_user_has_at_most_100_counters(void **state)
{
        struct stage *s = *state;
        char name[16];

        for (int i = 0; i < CD_DEVICES_MAX - 1; i++) {
                (void)snprintf(name, sizeof(name), "d%d", i);
                (void)note_wrong(s, "ana", name);
        }
        assert_int_equal(count(s, "ana", "last"), 0);
        (void)note_wrong(s, "ana", "last");
        assert_int_equal(count(s, "ana", "one more"), CD_DEVICE_ATTEMPTS);
        assert_int_equal(count(s, "ana", "last"), 1);
        assert_int_equal(count(s, "bo", "one more"), 0);
}

/* Changes ana, with a counter for her and one for bo; how many wrong attempts of hers are left. */
static int64_t left_after(struct stage *s, struct cd_user_change change)
{
        if (!has_user(s, "ana"))
                add_user(s, "ana");
        (void)note_wrong(s, "ana", "laptop");
        (void)note_wrong(s, "bo", "phone");
        change.name = CD_STR("ana");
        change.now = NOW;
        assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
        assert_true(count(s, "bo", "phone") > 0);
        return count(s, "ana", "laptop");
}

static void counters_go_with_the_generation_that_their_cookies_are_of(void **state)
{
        struct stage *s = *state;
        const struct cd_user_change remove = { .name = CD_STR("ana"), .now = NOW };

        assert_int_equal(left_after(s, (struct cd_user_change){ .display_name = CD_STR("Ana") }), 1);
        assert_int_equal(left_after(s, (struct cd_user_change){ .disabled = CD_USER_ENABLE }), 2);
        assert_int_equal(left_after(s, (struct cd_user_change){ .password = CD_STR("$new") }), 0);
        assert_int_equal(left_after(s, (struct cd_user_change){ .ends_sessions = true }), 0);
        assert_int_equal(left_after(s, (struct cd_user_change){ .disabled = CD_USER_DISABLE }), 0);
        (void)note_wrong(s, "ana", "laptop");
        assert_status(s->store->users->remove(s->store, &remove, NULL, &s->error), CD_OK);
        assert_int_equal(count(s, "ana", "laptop"), 0);
        assert_true(count(s, "bo", "phone") > 0);
}

static void note(struct stage *s, enum cd_login_note what, cd_time now)
{
        assert_status(s->store->users->note_login(s->store, CD_STR("ana"), what, now, 900, &s->error), CD_OK);
}

/* note_login may return before its work can be read. Its calls are written in order, so this waits for all of them. */
static struct cd_user get_ana(struct stage *s)
{
        static cd_time login_at = 100000;
        int64_t start = cd_monotonic_us();
        struct cd_user user;

        note(s, CD_LOGIN_RIGHT_ON_DEVICE, ++login_at);
        do
                user = get_user(s, "ana");
        while (user.last_login_at != login_at && milliseconds_since(start) < 5000);
        assert_int_equal(user.last_login_at, login_at);
        return user;
}

static void a_login_on_a_device_ends_no_failures_of_others(void **state)
{
        struct stage *s = *state;
        struct cd_totp_change change = { .factor = {
                                                 .user = CD_STR("ana"), .sealed = CD_STR("x1.a"), .created_at = 1 } };
        struct cd_totp_factor factor = { 0 };
        int64_t failures;

        add_user(s, "ana");
        change.if_generation = get_user(s, "ana").generation;
        assert_status(s->store->totp->put(s->store, &change, NULL, &s->error), CD_OK);
        note(s, CD_LOGIN_WRONG, NOW);
        note(s, CD_LOGIN_WRONG, NOW + 1);
        assert_status(s->store->totp->note_wrong(s->store, &change.factor, NOW, &failures, &s->error), CD_OK);
        assert_status(s->store->totp->accept(s->store, &change.factor, 7, true, &s->error), CD_OK);
        struct cd_user user = get_ana(s);
        assert_int_equal(user.failures, 2);
        assert_int_equal(user.failed_at, NOW + 1);
        assert_status(s->store->totp->find(s->store, &s->arena, CD_STR("ana"), &factor, &s->error), CD_OK);
        assert_int_equal(factor.failures, 1);
        assert_int_equal(factor.last_step, 7);
        assert_status(s->store->totp->accept(s->store, &change.factor, 7, true, &s->error), CD_NOT_FOUND);
}

static void update(struct stage *s, struct cd_user_change change, cd_time now)
{
        change.name = CD_STR("ana");
        change.now = now;
        assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
}

/* A wrong attempt may be written after the change that clears it. */
static void only_a_password_and_enabling_clear_failures_and_for_good(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        cd_time before = get_user(s, "ana").cleared_at;
        note(s, CD_LOGIN_WRONG, NOW);
        assert_int_equal(get_ana(s).failures, 1);
        update(s, (struct cd_user_change){ .display_name = CD_STR("Ana"), .claims = CD_STR("{\"a\":1}") }, NOW + 1);
        update(s, (struct cd_user_change){ .disabled = CD_USER_DISABLE, .ends_sessions = true }, NOW + 2);
        assert_int_equal(get_ana(s).cleared_at, before);
        assert_int_equal(get_ana(s).failures, 1);
        update(s, (struct cd_user_change){ .disabled = CD_USER_ENABLE }, NOW + 3);
        assert_int_equal(get_ana(s).cleared_at, NOW + 3);
        note(s, CD_LOGIN_WRONG, NOW + 2);
        assert_int_equal(get_ana(s).failures, 0);
        note(s, CD_LOGIN_WRONG, NOW + 3);
        assert_int_equal(get_ana(s).failures, 1);
        update(s, (struct cd_user_change){ .password = CD_STR("$new") }, NOW + 4);
        assert_int_equal(get_ana(s).cleared_at, NOW + 4);
        assert_int_equal(get_ana(s).failures, 0);
}

int run_devices_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(wrong_attempts_are_counted_by_device),
                CONTRACT(of_50_attempts_at_once_on_two_nodes_each_is_counted),
                CONTRACT(a_counter_is_deleted_when_its_cookie_expires),
                CONTRACT(lesson_22_a_user_has_at_most_100_counters),
                CONTRACT(counters_go_with_the_generation_that_their_cookies_are_of),
                CONTRACT(a_login_on_a_device_ends_no_failures_of_others),
                CONTRACT(only_a_password_and_enabling_clear_failures_and_for_good),
        };

        return cmocka_run_group_tests_name("known devices", tests, NULL, NULL);
}
