/* Device cookies: a stranger who guesses does not lock out the owner of the account, and a device has ten guesses. */
#include "core/known_device.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/login.h"
#include "core/recovery.h"
#include "unit/core/factor_fixture.h"

#define ADDRESS "192.0.2.1"

static struct cd_login login;
static struct cd_store_state works;

/* Ana has the password "p". */
static int set_up(void **state)
{
        int failed = factor_set_up(state);
        struct factor_fixture *f = *state;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON - 9000 };

        assert_int_equal(failed, 0);
        assert_status(f->hasher.port.hash(&f->hasher.port, CD_STR("p"), &f->arena, &change.password, &f->err), CD_OK);
        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        f->ana = factor_find(f, "ana");
        login = cd_login(f->store, &works, f->factors.lockout, &f->hasher.port, &f->clock);
        login.devices = &f->devices;
        return 0;
}
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, factor_tear_down)

static cd_str cookie_after(struct factor_fixture *f, const struct cd_user *user, cd_str before)
{
        cd_str cookie = { NULL, 0 };

        assert_status(cd_known_device_cookie(&f->devices, &f->arena, user, before, f->now, &cookie, &f->err), CD_OK);
        return cookie;
}

static cd_str cookie_of(struct factor_fixture *f)
{
        return cookie_after(f, &f->ana, CD_STR(""));
}

static cd_status try_named(struct factor_fixture *f, const char *name, const char *password, cd_str device)
{
        static int addresses;
        char address[32];
        struct cd_user user;

        (void)snprintf(address, sizeof(address), "198.51.%d.%d", addresses / 250 % 250, addresses % 250);
        addresses++;
        const struct cd_login_attempt attempt = { .name = cd_str_from_c(name),
                                                  .password = cd_str_from_c(password),
                                                  .address = cd_str_from_c(address),
                                                  .device = device,
                                                  .by = CD_STR("portal") };
        return login.port.login(&login.port, &f->arena, &attempt, &user, &f->err);
}

/* Each attempt comes from an address of its own. */
static cd_status try(struct factor_fixture *f, const char *password, cd_str device)
{
        return try_named(f, "ana", password, device);
}

static void lock_out_strangers(struct factor_fixture *f)
{
        for (int i = 0; i < 5; i++)
                assert_status(try(f, "wrong", CD_STR("")), CD_INVALID_GRANT);
        assert_status(try(f, "p", CD_STR("")), CD_THROTTLED);
}

static int64_t count_of(struct factor_fixture *f, cd_str cookie)
{
        struct cd_known_device device;
        int64_t failures = -1;

        if (cd_known_device_begin(&f->devices, cookie, &f->ana, f->now, &device, &f->err) != CD_OK)
                return CD_DEVICE_ATTEMPTS;
        assert_status(f->store->devices->count(f->store, device.user, cd_str_of(device.id, sizeof(device.id)),
                                               &failures, &f->err),
                      CD_OK);
        bool is_void = true;
        assert_status(cd_known_device_end(&f->devices, &device, CD_LOCKOUT_UNJUDGED, f->now, &is_void, &f->err), CD_OK);
        assert_false(is_void);
        return failures;
}

/* ---- the cookie ---- */

static bool is_known(struct factor_fixture *f, cd_str cookie, const struct cd_user *user)
{
        struct cd_known_device device;
        bool is_void;
        cd_status status = cd_known_device_begin(&f->devices, cookie, user, f->now, &device, &f->err);

        if (status == CD_NOT_FOUND)
                return false;
        assert_status(status, CD_OK);
        assert_status(cd_known_device_end(&f->devices, &device, CD_LOCKOUT_UNJUDGED, f->now, &is_void, &f->err), CD_OK);
        return true;
}

static void a_cookie_is_of_one_user_and_generation(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = { .name = CD_STR("bo"), .generation = f->ana.generation }, next = f->ana;
        cd_str cookie = cookie_of(f);

        assert_int_equal(cookie.len, CD_DEVICE_PART);
        assert_true(is_known(f, cookie, &f->ana));
        assert_false(is_known(f, cookie, &bo));
        next.generation++;
        assert_false(is_known(f, cookie, &next));
        next.generation -= 2;
        assert_false(is_known(f, cookie, &next));
        assert_false(is_known(f, cookie, NULL));
        bo.name = CD_STR("an"); /* a part of the name is not the name */
        assert_false(is_known(f, cookie, &bo));
        assert_memory_not_equal(cookie.ptr, cookie_of(f).ptr, 20); /* each has an id of its own */
}

static void a_cookie_is_valid_for_180_days(void **state)
{
        struct factor_fixture *f = *state;
        cd_str cookie = cookie_of(f);

        f->now += 180 * 86400 - 1;
        assert_true(is_known(f, cookie, &f->ana));
        f->now++;
        assert_false(is_known(f, cookie, &f->ana));
}

static void no_letter_of_a_cookie_can_be_another(void **state)
{
        struct factor_fixture *f = *state;
        cd_str cookie = cookie_of(f);
        char forged[CD_DEVICE_PART];

        for (size_t i = 0; i < cookie.len; i++) {
                memcpy(forged, cookie.ptr, cookie.len);
                forged[i] = forged[i] == 'A' ? 'B' : 'A';
                assert_false(is_known(f, cd_str_of(forged, sizeof(forged)), &f->ana));
        }
        assert_false(is_known(f, cd_str_slice(cookie, 0, cookie.len - 1), &f->ana));
        assert_false(is_known(f, cd_str_slice(cookie, 0, 0), &f->ana));
        assert_false(is_known(f, CD_STR("......."), &f->ana));
        assert_true(is_known(f, cookie, &f->ana));
}

static void a_browser_is_the_device_of_its_last_four_users(void **state)
{
        static const char *const names[] = { "bo", "cy", "di", "ed" };
        struct factor_fixture *f = *state;
        struct cd_user users[CD_LEN(names)];
        cd_str cookie = cookie_of(f), first = cookie;

        for (size_t i = 0; i < CD_LEN(names); i++) {
                assert_true(is_known(f, cookie, &f->ana));
                users[i] = (struct cd_user){ .name = cd_str_from_c(names[i]), .generation = 7 };
                cookie = cookie_after(f, &users[i], cookie);
        }
        assert_int_equal(cookie.len, 4 * CD_DEVICE_PART + 3);
        assert_false(is_known(f, cookie, &f->ana));
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_true(is_known(f, cookie, &users[i]));
        /* Who logs in again replaces the part that was theirs, and nobody else's. */
        cookie = cookie_after(f, &users[1], cookie);
        assert_int_equal(cookie.len, 4 * CD_DEVICE_PART + 3);
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_true(is_known(f, cookie, &users[i]));
        /* What is none of ours is not sent back. */
        assert_int_equal(cookie_after(f, &users[0], CD_STR("x.\x01.<b>.")).len, CD_DEVICE_PART);
        assert_int_equal(cookie_after(f, &f->ana, first).len, CD_DEVICE_PART);
}

static void one_hundred_parts_are_no_more_than_four(void **state)
{
        struct factor_fixture *f = *state;
        static char text[100 * (CD_DEVICE_PART + 1)];
        cd_str cookie = cookie_of(f);
        size_t len = 0;

        for (int i = 0; i < 99; i++) {
                memset(text + len, 'A', CD_DEVICE_PART);
                len += CD_DEVICE_PART;
                text[len++] = '.';
                if (i != 2 && i != 3)
                        continue;
                memcpy(text + len, cookie.ptr, cookie.len);
                assert_int_equal(is_known(f, cd_str_of(text, len + cookie.len), &f->ana), i == 2);
        }
        assert_true(cookie_after(f, &f->ana, cd_str_of(text, len)).len <= CD_DEVICE_COOKIE_MAX);
}

static void lesson_31_without_randomness_there_is_no_cookie(void **state)
{
        struct factor_fixture *f = *state;
        cd_str cookie;

        f->random_fails = true;
        assert_status(cd_known_device_cookie(&f->devices, &f->arena, &f->ana, CD_STR(""), f->now, &cookie, &f->err),
                      CD_UNAVAILABLE);
}

/* ---- passwords ---- */

static void lesson_9_a_stranger_locks_the_account_and_not_its_owner(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);

        lock_out_strangers(f);
        assert_status(try(f, "p", device), CD_OK);
        assert_status(try(f, "wrong", device), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid username or password");
        assert_status(try(f, "p", device), CD_OK);
        /* Neither a right nor a wrong one on the device changes what strangers may do. */
        assert_status(try(f, "p", CD_STR("")), CD_THROTTLED);
        assert_int_equal(factor_find(f, "ana").failures, 5);
        assert_int_equal(factor_find(f, "ana").last_login_at, f->now);
        f->now += 30;
        assert_status(try(f, "wrong", CD_STR("")), CD_INVALID_GRANT);
        assert_status(try(f, "p", CD_STR("")), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, 60);
}

static void lesson_9_wrong_attempts_on_a_device_lock_no_stranger(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);

        for (int i = 0; i < CD_DEVICE_ATTEMPTS; i++)
                assert_status(try(f, "wrong", device), CD_INVALID_GRANT);
        assert_str(factor_last_event(f).action, "login.failed");
        assert_int_equal(factor_find(f, "ana").failures, 0);
        assert_status(try(f, "p", CD_STR("")), CD_OK);
}

static void a_device_has_ten_wrong_attempts_and_is_a_stranger_then(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);
        struct cd_audit_events events = { 0 };

        for (int i = 0; i < CD_DEVICE_ATTEMPTS - 1; i++) {
                assert_status(try(f, "wrong", device), CD_INVALID_GRANT);
                f->now += 86400; /* no pause forgets one */
        }
        assert_status(try(f, "p", device), CD_OK);
        assert_int_equal(count_of(f, device), CD_DEVICE_ATTEMPTS - 1); /* nor does a login */
        assert_status(try(f, "wrong", device), CD_INVALID_GRANT);
        (void)factor_last_event(f);
        assert_status(f->store->audit->list(f->store, &f->arena, -1, 2, &events, &f->err), CD_OK);
        assert_str(events.items[0].action, "login.locked");
        assert_str(events.items[0].detail, CD_DEVICE_IS_VOID);
        assert_str(events.items[0].subject, "user:ana");

        f->now += 86400;
        assert_status(try(f, "p", device), CD_OK); /* as anybody with the right password */
        lock_out_strangers(f);
        assert_status(try(f, "p", device), CD_THROTTLED);
        assert_status(try(f, "p", cookie_of(f)), CD_OK);
}

/* A node that has been started again, or another one. */
static void restart(struct factor_fixture *f)
{
        const struct cd_lockout_rules rules = {
                .account_attempts = 5, .address_attempts = 20, .delay = 30, .max_delay = 900
        };

        cd_lockout_free(f->factors.lockout);
        assert_status(cd_lockout_new(&rules, &f->random, &f->factors.lockout, NULL), CD_OK);
        f->devices.lockout = login.lockout = f->factors.lockout;
}

static void a_restart_gives_a_device_no_more_attempts(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);

        for (int i = 0; i < CD_DEVICE_ATTEMPTS; i++) {
                restart(f);
                assert_status(try(f, "wrong", device), CD_INVALID_GRANT);
        }
        restart(f);
        lock_out_strangers(f);
        assert_status(try(f, "p", device), CD_THROTTLED);
}

static atomic_int judged;
static cd_str raced_device;
static const struct cd_hasher *real_hasher;

static cd_status verify_counting(const struct cd_hasher *hasher, cd_str stored, cd_str password, bool *ret_matches,
                                 struct cd_error *reterr)
{
        (void)hasher;
        atomic_fetch_add(&judged, 1);
        return real_hasher->verify(real_hasher, stored, password, ret_matches, reterr);
}

static void *guess(void *arg)
{
        const struct cd_login_attempt attempt = {
                .name = CD_STR("ana"), .password = CD_STR("wrong"), .device = raced_device, .by = CD_STR("portal")
        };
        struct cd_arena arena;
        struct cd_user user;

        (void)arg;
        cd_arena_init(&arena, 1 << 20);
        (void)login.port.login(&login.port, &arena, &attempt, &user, NULL);
        cd_arena_done(&arena);
        return NULL;
}

static void lesson_14_of_50_attempts_at_once_on_a_device_ten_are_judged(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_hasher counting = f->hasher.port;
        pthread_t threads[50];

        lock_out_strangers(f);
        real_hasher = &f->hasher.port;
        counting.verify = verify_counting;
        login.hasher = &counting;
        raced_device = cookie_of(f);
        atomic_store(&judged, 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, guess, NULL), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&judged), CD_DEVICE_ATTEMPTS);
        assert_int_equal(factor_find(f, "ana").failures, 5);
}

static void the_address_counts_on_a_device_too(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_login_attempt attempt = { .name = CD_STR("bo"), .password = CD_STR("x"), .address = CD_STR(ADDRESS) };
        char name[16];
        struct cd_user user;

        for (int i = 0; i < 20; i++) {
                (void)snprintf(name, sizeof(name), "nobody%d", i);
                attempt.name = cd_str_from_c(name);
                assert_status(login.port.login(&login.port, &f->arena, &attempt, &user, &f->err), CD_INVALID_GRANT);
        }
        attempt = (struct cd_login_attempt){
                .name = CD_STR("ana"), .password = CD_STR("p"), .address = CD_STR(ADDRESS), .device = cookie_of(f)
        };
        assert_status(login.port.login(&login.port, &f->arena, &attempt, &user, &f->err), CD_THROTTLED);
}

static void what_ends_the_sessions_makes_the_cookie_void(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_user_change changes[] = { { .ends_sessions = true }, /* "this was not me" */
                                                  { .disabled = CD_USER_DISABLE },
                                                  { .password = f->ana.password, .ends_sessions = true } };

        for (size_t i = 0; i < CD_LEN(changes); i++) {
                struct cd_user_change change = changes[i];
                const struct cd_user_change enable = { .name = CD_STR("ana"),
                                                       .now = f->now,
                                                       .disabled = CD_USER_ENABLE };
                f->ana = factor_find(f, "ana");
                cd_str device = cookie_of(f);
                assert_true(is_known(f, device, &f->ana));
                change.name = CD_STR("ana");
                change.now = f->now;
                assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
                assert_status(f->store->users->update(f->store, &enable, NULL, &f->err), CD_OK);
                f->ana = factor_find(f, "ana");
                assert_false(is_known(f, device, &f->ana));
        }
}

static void lesson_10_a_device_cookie_tells_nobody_which_users_exist(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);
        const struct cd_user_change disable = { .name = CD_STR("bo"), .now = f->now, .disabled = CD_USER_DISABLE };
        struct cd_user bo = { .name = CD_STR("bo"), .password = f->ana.password, .claims = CD_STR("{}") };
        static const char *const names[] = { "nobody", "bo", "no name", "ana" };

        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &bo, 1 }, NULL, &f->err), CD_OK);
        assert_status(f->store->users->update(f->store, &disable, NULL, &f->err), CD_OK);
        for (size_t i = 0; i < CD_LEN(names); i++) {
                assert_status(try_named(f, names[i], "wrong", device), CD_INVALID_GRANT);
                assert_string_equal(f->err.reason, "invalid username or password");
        }
        for (int i = 0; i < 4; i++)
                for (size_t j = 0; j < 3; j++)
                        assert_status(try_named(f, names[j], "wrong", device), CD_INVALID_GRANT);
        for (size_t j = 0; j < 3; j++) { /* another's cookie helps nobody */
                assert_status(try_named(f, names[j], "wrong", device), CD_THROTTLED);
                assert_status(try_named(f, names[j], "p", device), CD_THROTTLED);
        }
        assert_status(try(f, "p", device), CD_OK);
}

/* ---- codes ---- */

static cd_str wrong_code(struct factor_fixture *f)
{
        return factor_code(f, f->now + 86400);
}

static cd_status check(struct factor_fixture *f, cd_str code, cd_str device)
{
        const struct cd_code_attempt attempt = { .code = code, .by = CD_STR("portal"), .device = device };
        struct cd_code_result result;

        return cd_totp_check(&f->factors, &f->arena, &f->ana, &attempt, &result, &f->err);
}

static cd_status check_alone(struct factor_fixture *f, const char *name, cd_str code, cd_str device)
{
        const struct cd_code_attempt attempt = { .code = code, .by = CD_STR("portal"), .device = device };
        struct cd_code_result result;
        struct cd_user user;

        return cd_login_code(&f->factors, &f->arena, cd_str_from_c(name), &attempt, &user, &result, &f->err);
}

static void lesson_13_a_strangers_codes_lock_the_factor_and_not_its_owner(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);

        for (int i = 0; i < 5; i++)
                assert_status(check(f, wrong_code(f), CD_STR("")), CD_INVALID_GRANT);
        assert_status(check(f, factor_code(f, f->now), CD_STR("")), CD_THROTTLED);
        assert_status(check(f, wrong_code(f), device), CD_INVALID_GRANT);
        assert_status(check(f, factor_code(f, f->now), device), CD_OK);
        assert_str(factor_last_event(f).action, "login.ok");
        assert_int_equal(factor_find(f, "ana").last_login_at, f->now);
        /* LESSONS 13: the owner's code counts once, and clears nothing that strangers did. */
        assert_status(check(f, factor_code(f, f->now), device), CD_INVALID_GRANT);
        assert_int_equal(factor_failures(f), 5);
        assert_int_equal(factor_find(f, "ana").failures, 5);
        assert_int_equal(count_of(f, device), 1); /* a used code is no guess */
        f->now += 30;
        assert_status(check(f, wrong_code(f), CD_STR("")), CD_INVALID_GRANT);
        assert_status(check(f, factor_code(f, f->now), CD_STR("")), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, 60);
}

static void lesson_13_passwords_and_codes_share_the_ten_attempts_of_a_device(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_code_attempt recovery = { .code = CD_STR("0000-0000-0000-0000"), .device = cookie_of(f) };
        cd_str device = recovery.device;
        struct cd_code_result result;

        for (int i = 0; i < 3; i++) {
                assert_status(try(f, "wrong", device), CD_INVALID_GRANT);
                assert_status(check(f, wrong_code(f), device), CD_INVALID_GRANT);
                assert_status(cd_recovery_check(&f->factors, &f->arena, &f->ana, &recovery, &result, &f->err),
                              CD_INVALID_GRANT);
                assert_status(try(f, "p", device), CD_OK); /* a right password gives back none (LESSONS 13) */
        }
        assert_int_equal(count_of(f, device), 9);
        assert_int_equal(factor_failures(f), 0);
        assert_status(check(f, wrong_code(f), device), CD_INVALID_GRANT);
        assert_int_equal(factor_failures(f), 0);
        assert_status(check(f, wrong_code(f), device), CD_INVALID_GRANT);
        assert_int_equal(factor_failures(f), 1); /* a stranger's */
}

static void lesson_13_where_100_codes_of_strangers_block_an_account_its_devices_are_not(void **state)
{
        struct factor_fixture *f = *state;
        cd_str device = cookie_of(f);

        for (int i = 0; i < CD_TOTP_FAILURES_MAX; i++) {
                f->now += 900 + 30;
                assert_status(check_alone(f, "ana", wrong_code(f), CD_STR("")), CD_INVALID_GRANT);
        }
        f->now += 86400;
        assert_status(check_alone(f, "ana", factor_code(f, f->now), CD_STR("")), CD_INVALID_GRANT);
        int64_t failures = factor_failures(f);
        assert_status(check_alone(f, "ana", factor_code(f, f->now), device), CD_OK);
        /* The login does not give strangers another hundred. */
        assert_int_equal(factor_failures(f), failures);
        f->now += 86400;
        assert_status(check_alone(f, "ana", factor_code(f, f->now), CD_STR("")), CD_INVALID_GRANT);
        for (int i = 0; i < CD_DEVICE_ATTEMPTS; i++)
                assert_status(check_alone(f, "ana", wrong_code(f), device), CD_INVALID_GRANT);
        f->now += 86400;
        assert_status(check_alone(f, "ana", factor_code(f, f->now), device), CD_INVALID_GRANT);
        assert_status(check_alone(f, "nobody", factor_code(f, f->now), device), CD_INVALID_GRANT);
}

/* ---- a store that cannot be written ---- */

static bool store_fails;
static const struct cd_device_ops *real_ops;

static cd_status note_wrong(struct cd_store *store, const struct cd_device_failures *device, int64_t *ret,
                            struct cd_error *reterr)
{
        return store_fails ? cd_fail(reterr, CD_UNAVAILABLE, "the disk of the database is full")
                           : real_ops->note_wrong(store, device, ret, reterr);
}

static void on_a_full_disk_a_device_has_ten_guesses_too(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_device_ops failing = { .count = f->store->devices->count, .note_wrong = note_wrong };
        cd_str device = cookie_of(f);

        lock_out_strangers(f);
        real_ops = f->store->devices;
        f->store->devices = &failing;
        store_fails = true;
        for (int i = 0; i < CD_DEVICE_ATTEMPTS; i++)
                assert_status(try(f, "wrong", device), CD_UNAVAILABLE);
        assert_status(try(f, "p", device), CD_THROTTLED);
        store_fails = false;
        assert_status(try(f, "p", device), CD_THROTTLED);
        f->store->devices = real_ops;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_cookie_is_of_one_user_and_generation),
                TEST(a_cookie_is_valid_for_180_days),
                TEST(no_letter_of_a_cookie_can_be_another),
                TEST(a_browser_is_the_device_of_its_last_four_users),
                TEST(one_hundred_parts_are_no_more_than_four),
                TEST(lesson_31_without_randomness_there_is_no_cookie),
                TEST(lesson_9_a_stranger_locks_the_account_and_not_its_owner),
                TEST(lesson_9_wrong_attempts_on_a_device_lock_no_stranger),
                TEST(a_device_has_ten_wrong_attempts_and_is_a_stranger_then),
                TEST(a_restart_gives_a_device_no_more_attempts),
                TEST(lesson_14_of_50_attempts_at_once_on_a_device_ten_are_judged),
                TEST(the_address_counts_on_a_device_too),
                TEST(what_ends_the_sessions_makes_the_cookie_void),
                TEST(lesson_10_a_device_cookie_tells_nobody_which_users_exist),
                TEST(lesson_13_a_strangers_codes_lock_the_factor_and_not_its_owner),
                TEST(lesson_13_passwords_and_codes_share_the_ten_attempts_of_a_device),
                TEST(lesson_13_where_100_codes_of_strangers_block_an_account_its_devices_are_not),
                TEST(on_a_full_disk_a_device_has_ten_guesses_too),
        };

        return cmocka_run_group_tests_name("known devices", tests, NULL, NULL);
}
