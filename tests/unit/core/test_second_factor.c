#include "unit/core/factor_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/direct_hasher.h"
#include "core/lockout.h"
#include "core/login.h"
#include "core/network_limit.h"
#include "core/notice.h"
#include "core/recovery.h"

static const struct cd_code_attempt some_attempt = { .address = CD_STR_INIT("192.0.2.1"), .by = CD_STR_INIT("portal") };

static cd_status check(struct factor_fixture *f, cd_str code, struct cd_code_result *ret)
{
        struct cd_code_attempt attempt = some_attempt;

        attempt.code = code;
        return cd_totp_check(&f->factors, &f->arena, &f->ana, &attempt, ret, &f->err);
}

static cd_status check_code(struct factor_fixture *f, cd_str code)
{
        struct cd_code_result result;

        return check(f, code, &result);
}

/* A code that is none of the present ones. */
static cd_str wrong_code(struct factor_fixture *f)
{
        return factor_code(f, f->now + 86400);
}

static cd_status login(struct factor_fixture *f, const char *name, cd_str code)
{
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;
        struct cd_user user;

        attempt.code = code;
        return cd_login_code(&f->factors, &f->arena, cd_str_from_c(name), &attempt, &user, &result, &f->err);
}

/* A wrong code for a name, from an address of 192.0.2.0/24 that does not have to wait. */
static void fail_name(struct factor_fixture *f, const char *form, int number)
{
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;
        char name[32], address[32];
        struct cd_user user;

        snprintf(name, sizeof(name), form, number);
        snprintf(address, sizeof(address), "192.0.2.%d", 10 + number % 200);
        attempt.code = wrong_code(f);
        attempt.address = cd_str_from_c(address);
        assert_status(cd_login_code(&f->factors, &f->arena, cd_str_from_c(name), &attempt, &user, &result, &f->err),
                      CD_INVALID_GRANT);
}

static void names_that_fail_with_a_code_alone_slow_the_network(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_network_limit_options options = { .rules = { 1000, 1000 },
                                                          .clock = &f->clock,
                                                          .random = &f->random };
        struct cd_network_limit *networks;
        struct cd_code_result result;

        assert_status(cd_network_limit_new(&options, &networks, NULL), CD_OK);
        f->factors.networks = networks;
        for (int i = 0; i < 300; i++) /* the second factor of one user is none of many names */
                (void)check(f, wrong_code(f), &result);
        for (int i = 0; i < 100; i++) {
                assert_status(cd_network_limit_take(networks, CD_NETWORK_LOGIN, some_attempt.address, NULL), CD_OK);
                fail_name(f, "Nobody%d", i);
                fail_name(f, "nobody%d", i);
        }
        for (int i = 100; i < 600; i++)
                fail_name(f, "nobody%d", i);
        for (int i = 0; i < CD_SLOWED_LOGINS; i++)
                assert_status(cd_network_limit_take(networks, CD_NETWORK_LOGIN, some_attempt.address, NULL), CD_OK);
        assert_status(cd_network_limit_take(networks, CD_NETWORK_LOGIN, some_attempt.address, NULL), CD_THROTTLED);
        f->factors.networks = NULL;
        cd_network_limit_free(networks);
}

static void a_right_code_completes_the_login(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_code_result result;

        assert_status(check(f, factor_code(f, f->now), &result), CD_OK);
        assert_int_equal(result.factor, CD_FACTOR_TOTP);
        assert_int_equal(result.clock_skew, 0);
        assert_str(factor_last_event(f).action, "login.ok");
        assert_str(factor_last_event(f).subject, "user:ana");
        assert_str(factor_last_event(f).actor, "portal");
        assert_int_equal(factor_find(f, "ana").last_login_at, FACTOR_NOON);
}

static void lesson_13_a_code_is_taken_once(void **state)
{
        struct factor_fixture *f = *state;

        assert_status(check_code(f, factor_code(f, f->now)), CD_OK);
        assert_status(check_code(f, factor_code(f, f->now)), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid code");
        assert_str(factor_last_event(f).detail, "a code that was used already");
        assert_status(check_code(f, factor_code(f, f->now - 30)), CD_INVALID_GRANT);
        assert_status(check_code(f, factor_code(f, f->now + 30)), CD_OK);
        assert_int_equal(factor_failures(f), 0);
}

static atomic_int accepted, refused;
static cd_str raced_code;

static void *check_one(void *arg)
{
        struct factor_fixture *f = arg;
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 20);
        attempt.code = raced_code;
        cd_status status = cd_totp_check(&f->factors, &arena, &f->ana, &attempt, &result, NULL);
        atomic_fetch_add(status == CD_OK ? &accepted : &refused, 1);
        cd_arena_done(&arena);
        return NULL;
}

static void lesson_13_of_50_attempts_with_one_code_one_is_accepted(void **state)
{
        struct factor_fixture *f = *state;
        pthread_t threads[50];

        atomic_store(&accepted, 0);
        atomic_store(&refused, 0);
        raced_code = factor_code(f, f->now);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, check_one, f), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&accepted), 1);
        assert_int_equal(atomic_load(&refused), 49);
        /* Who clicks often is not locked out by that. */
        assert_status(check_code(f, factor_code(f, f->now + 30)), CD_OK);
}

static void lesson_13_wrong_codes_lock_the_account(void **state)
{
        struct factor_fixture *f = *state;

        for (int i = 0; i < 5; i++)
                assert_status(check_code(f, wrong_code(f)), CD_INVALID_GRANT);
        assert_str(factor_last_event(f).detail, "wrong code");
        assert_status(check_code(f, factor_code(f, f->now)), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, 30);
        assert_str(factor_last_event(f).action, "login.failed"); /* a refused one is no event */
        assert_int_equal(factor_failures(f), 5);
        assert_int_equal(factor_find(f, "ana").failures, 5);
        f->now += 30;
        assert_status(check_code(f, factor_code(f, f->now)), CD_OK);
        assert_int_equal(factor_failures(f), 0);
        assert_int_equal(factor_find(f, "ana").failures, 0);
}

static void what_is_no_code_counts_as_a_wrong_one(void **state)
{
        struct factor_fixture *f = *state;

        assert_status(check_code(f, CD_STR("")), CD_INVALID_GRANT);
        assert_status(check_code(f, CD_STR("123456\0")), CD_INVALID_GRANT);
        assert_int_equal(factor_failures(f), 2);
}

/* LESSONS 13, 14: a right password after each few guesses would make the guesses endless. */
static void lesson_13_a_right_password_forgets_no_wrong_codes(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_direct_hasher hasher =
                cd_direct_hasher(&(struct cd_password_cost){ .memory = 8192, .iterations = 1 }, &f->random);
        struct cd_store_state works = { 0 };
        struct cd_login login = cd_login(f->store, &works, f->factors.lockout, &hasher.port, &f->clock);
        struct cd_login_attempt attempt = { .name = CD_STR("ana"), .password = CD_STR("p"), .is_first_factor = true };
        struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON - 9000, .is_rehash = true };
        struct cd_user user;

        assert_status(hasher.port.hash(&hasher.port, CD_STR("p"), &f->arena, &change.password, &f->err), CD_OK);
        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        for (int i = 0; i < 4; i++)
                assert_status(check_code(f, wrong_code(f)), CD_INVALID_GRANT);
        assert_status(login.port.login(&login.port, &f->arena, &attempt, &user, &f->err), CD_OK);
        assert_int_equal(factor_find(f, "ana").failures, 4);
        assert_int_equal(factor_find(f, "ana").last_login_at, 0);
        assert_str(factor_last_event(f).action, "login.failed"); /* the password alone is no login */
        assert_status(check_code(f, wrong_code(f)), CD_INVALID_GRANT);
        assert_status(check_code(f, factor_code(f, f->now)), CD_THROTTLED);

        /* An endpoint where the password is all that is asked for empties the account's counter, not the factor's. */
        f->now += 30;
        attempt.is_first_factor = false;
        assert_status(login.port.login(&login.port, &f->arena, &attempt, &user, &f->err), CD_OK);
        assert_int_equal(factor_find(f, "ana").failures, 0);
        f->ana = factor_find(f, "ana");
        assert_status(check_code(f, wrong_code(f)), CD_INVALID_GRANT);
        assert_status(check_code(f, factor_code(f, f->now)), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, 60);
}

static void a_code_of_a_wrong_clock_is_refused_and_reported(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_code_result result;

        assert_status(check(f, factor_code(f, f->now + 120), &result), CD_INVALID_GRANT);
        assert_int_equal(result.clock_skew, 120);
        assert_string_equal(f->err.reason, "invalid code");
        assert_str(factor_last_event(f).detail, "a code of a wrong clock");
        assert_status(check(f, factor_code(f, f->now - 90), &result), CD_INVALID_GRANT);
        assert_int_equal(result.clock_skew, -90);
        assert_int_equal(factor_failures(f), 2);
        assert_status(check(f, wrong_code(f), &result), CD_INVALID_GRANT);
        assert_int_equal(result.clock_skew, 0);
}

static void a_code_is_of_its_user_only(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = { .name = CD_STR("bo"), .password = CD_STR("$p"), .claims = CD_STR("{}") };
        struct cd_totp_factor anas;
        struct cd_totp_change stolen = { .if_generation = 0 };
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;

        attempt.code = factor_code(f, f->now);
        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &bo, 1 }, NULL, &f->err), CD_OK);
        bo = factor_find(f, "bo");
        assert_status(cd_totp_check(&f->factors, &f->arena, &bo, &attempt, &result, &f->err), CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "the user has no second factor");
        /* A sealed secret that was moved to another row opens nothing. */
        assert_status(f->store->totp->find(f->store, &f->arena, CD_STR("ana"), &anas, &f->err), CD_OK);
        stolen.factor = anas;
        stolen.factor.user = bo.name;
        stolen.if_generation = bo.generation;
        assert_status(f->store->totp->put(f->store, &stolen, NULL, &f->err), CD_OK);
        assert_status(cd_totp_check(&f->factors, &f->arena, &bo, &attempt, &result, &f->err), CD_INVALID_REQUEST);
}

static void a_disabled_user_has_no_right_code(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .disabled = CD_USER_DISABLE };

        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        f->ana = factor_find(f, "ana");
        assert_status(check_code(f, factor_code(f, f->now)), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid code");
        assert_int_equal(factor_failures(f), 1);
}

static bool store_fails;
static const struct cd_totp_ops *real_totp;

static cd_status accept(struct cd_store *store, const struct cd_totp_factor *factor, int64_t step, bool keeps_failures,
                        struct cd_error *reterr)
{
        if (store_fails)
                return cd_fail(reterr, CD_UNAVAILABLE, "the disk of the database is full");
        return real_totp->accept(store, factor, step, keeps_failures, reterr);
}

static cd_status note_wrong(struct cd_store *store, const struct cd_totp_factor *factor, cd_time now, int64_t *ret,
                            struct cd_error *reterr)
{
        if (store_fails)
                return cd_fail(reterr, CD_UNAVAILABLE, "the disk of the database is full");
        return real_totp->note_wrong(store, factor, now, ret, reterr);
}

static void while_the_store_cannot_be_written_no_code_is_used_up_or_told_from_another(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_totp_ops ops = *f->store->totp;

        real_totp = f->store->totp;
        ops.accept = accept;
        ops.note_wrong = note_wrong;
        f->store->totp = &ops;
        store_fails = true;
        assert_status(check_code(f, factor_code(f, f->now)), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the disk of the database is full");
        assert_status(check_code(f, wrong_code(f)), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the disk of the database is full");
        assert_status(login(f, "ana", factor_code(f, f->now)), CD_UNAVAILABLE);
        store_fails = false;
        assert_status(check_code(f, factor_code(f, f->now)), CD_OK);
        f->store->totp = real_totp;
}

static void lesson_31_without_a_clock_no_code_is_judged(void **state)
{
        struct factor_fixture *f = *state;
        cd_str code = factor_code(f, f->now);

        f->now = -1;
        assert_status(check_code(f, code), CD_UNAVAILABLE);
        assert_status(login(f, "ana", code), CD_UNAVAILABLE);
        assert_int_equal(factor_failures(f), 0);
}

/* ---- a code alone ---- */

static void a_name_and_a_code_log_in(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;
        struct cd_user user;

        attempt.code = factor_code(f, f->now);
        assert_status(cd_login_code(&f->factors, &f->arena, CD_STR("ANA"), &attempt, &user, &result, &f->err), CD_OK);
        assert_str(user.name, "ana");
        assert_int_equal(user.generation, f->ana.generation);
        assert_int_equal(factor_failures(f), 0);
        assert_status(login(f, "ana", attempt.code), CD_INVALID_GRANT);
}

static void lesson_10_unknown_wrong_and_disabled_get_one_answer(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = { .name = CD_STR("bo"), .password = CD_STR("$p"), .claims = CD_STR("{}") };
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .disabled = CD_USER_DISABLE };

        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &bo, 1 }, NULL, &f->err), CD_OK);
        const struct {
                const char *name, *detail;
        } samples[] = {
                { "nobody", "unknown user" },
                { "no name", "unknown user" },
                { "bo", "no second factor" },
                { "ana", "wrong code" },
        };
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_status(login(f, samples[i].name, wrong_code(f)), CD_INVALID_GRANT);
                assert_string_equal(f->err.reason, "invalid username or code");
                assert_str(factor_last_event(f).detail, samples[i].detail);
                if (i < 2)
                        assert_str(factor_last_event(f).subject, ""); /* users type anything there */
        }
        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        assert_status(login(f, "ana", factor_code(f, f->now)), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid username or code");
        for (int i = 0; i < 4; i++)
                assert_status(login(f, "nobody", wrong_code(f)), CD_INVALID_GRANT);
        assert_status(login(f, "nobody", wrong_code(f)), CD_THROTTLED);
}

static void after_100_wrong_codes_only_an_operator_helps(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_user_change enable = { .name = CD_STR("ana"), .now = FACTOR_NOON, .disabled = CD_USER_ENABLE };

        for (int i = 0; i < CD_TOTP_FAILURES_MAX - 1; i++) {
                assert_status(login(f, "ana", wrong_code(f)), CD_INVALID_GRANT);
                f->now += 900 + 30; /* no pause forgets one */
        }
        assert_status(login(f, "ana", factor_code(f, f->now)), CD_OK); /* the 100th may be right */
        assert_int_equal(factor_failures(f), 0);
        for (int i = 0; i < CD_TOTP_FAILURES_MAX; i++) {
                f->now += 900 + 30;
                assert_status(login(f, "ana", wrong_code(f)), CD_INVALID_GRANT);
        }
        f->now += 365 * 86400;
        assert_status(login(f, "ana", factor_code(f, f->now)), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid username or code");

        assert_status(f->store->users->update(f->store, &enable, NULL, &f->err), CD_OK);
        f->now += 900 + 30;
        assert_status(login(f, "ana", factor_code(f, f->now)), CD_OK);
}

/* ---- recovery codes ---- */

static struct cd_recovery_code codes[CD_RECOVERY_CODES];

static void give_codes(struct factor_fixture *f)
{
        struct cd_recovery_macs macs;

        assert_status(cd_recovery_generate(f->factors.recovery_codes, &f->random, f->ana.name, codes, &macs, &f->err),
                      CD_OK);
        assert_status(f->store->recovery->replace(f->store, f->ana.name, f->ana.generation, &macs, NULL, &f->err),
                      CD_OK);
}

static cd_str code_text(size_t i)
{
        return cd_str_of(codes[i].text, sizeof(codes[i].text));
}

static cd_status recover(struct factor_fixture *f, cd_str code)
{
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;

        attempt.code = code;
        cd_status status = cd_recovery_check(&f->factors, &f->arena, &f->ana, &attempt, &result, &f->err);
        if (status == CD_OK)
                assert_int_equal(result.factor, CD_FACTOR_RECOVERY);
        return status;
}

static void a_recovery_code_counts_once_instead_of_a_totp_code(void **state)
{
        struct factor_fixture *f = *state;

        give_codes(f);
        for (size_t i = 0; i < CD_RECOVERY_CODES; i++) {
                assert_status(recover(f, code_text(i)), CD_OK);
                assert_str(factor_last_event(f).detail, "with a recovery code");
                assert_status(recover(f, code_text(i)), CD_INVALID_GRANT);
        }
}

static void recovery_codes_are_read_as_they_are_typed(void **state)
{
        struct factor_fixture *f = *state;
        char plain[64];
        size_t at = 0;

        give_codes(f);
        plain[at++] = ' ';
        for (size_t i = 0; i < CD_RECOVERY_CODE_SIZE; i++) {
                char c = codes[0].text[i];
                plain[at++] = c == '-'               ? ' '
                              : c == '0'             ? 'O'
                              : c == '1'             ? 'l'
                              : c >= 'a' && c <= 'z' ? (char)(c & ~0x20)
                                                     : c;
        }
        assert_status(recover(f, cd_str_of(plain, at)), CD_OK);
        assert_int_equal(codes[0].text[4], '-');
}

static void what_is_no_recovery_code_counts_as_a_wrong_code(void **state)
{
        struct factor_fixture *f = *state;
        const cd_str samples[] = { CD_STR(""), CD_STR("0000-0000-0000-000"), CD_STR("0000-0000-0000-00000"),
                                   CD_STR("0000-0000-0000-000u"), factor_code(f, f->now) };

        give_codes(f);
        for (size_t i = 0; i < CD_LEN(samples); i++)
                assert_status(recover(f, samples[i]), CD_INVALID_GRANT);
        assert_str(factor_last_event(f).detail, "wrong recovery code");
        assert_int_equal(factor_failures(f), 5);
        assert_status(recover(f, code_text(0)), CD_THROTTLED);
}

static void recovery_codes_differ_and_are_their_users_only(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_recovery_code others[CD_RECOVERY_CODES];
        struct cd_recovery_macs macs;
        char here[CD_RECOVERY_MAC_TEXT], there[CD_RECOVERY_MAC_TEXT];

        give_codes(f);
        for (size_t i = 0; i < CD_RECOVERY_CODES; i++)
                for (size_t j = 0; j < i; j++)
                        assert_memory_not_equal(codes[i].text, codes[j].text, sizeof(codes[i].text));
        assert_status(cd_recovery_mac_of(f->factors.recovery_codes, CD_STR("ana"), code_text(0), here), CD_OK);
        assert_status(cd_recovery_mac_of(f->factors.recovery_codes, CD_STR("bo"), code_text(0), there), CD_OK);
        assert_memory_not_equal(here, there, sizeof(here));
        assert_status(cd_recovery_generate(f->factors.recovery_codes, &f->random, CD_STR("bo"), others, &macs, &f->err),
                      CD_OK);
        assert_status(recover(f, cd_str_of(others[0].text, sizeof(others[0].text))), CD_INVALID_GRANT);
        f->random_fails = true;
        assert_status(cd_recovery_generate(f->factors.recovery_codes, &f->random, CD_STR("bo"), others, &macs, &f->err),
                      CD_UNAVAILABLE);
}

static cd_status mac_of(struct factor_fixture *f, cd_str user, const char *code, char ret[CD_RECOVERY_MAC_TEXT])
{
        return cd_recovery_mac_of(f->factors.recovery_codes, user, cd_str_from_c(code), ret);
}

static void a_recovery_code_is_known_by_its_form(void **state)
{
        give_codes(*state);
        for (size_t i = 0; i < CD_RECOVERY_CODES; i++)
                assert_true(cd_recovery_is_code(code_text(i)));
        static const char *const others[] = { "",
                                              "7k3v-0000-0000-000",
                                              "7k3v-0000-0000-00000",
                                              "7k3v00000-0000-0000",
                                              "7K3v-0000-0000-0000",
                                              "7u3v-0000-0000-0000",
                                              "7k3v-0000-0000-000=",
                                              "7k3v 0000 0000 0000",
                                              "7k3v-0000-0000-00-0" };
        for (size_t i = 0; i < CD_LEN(others); i++)
                assert_false(cd_recovery_is_code(cd_str_from_c(others[i])));
        assert_false(cd_recovery_is_code(CD_STR("7k3v-0000-0000-000\0")));
}

static void every_letter_of_a_recovery_code_counts(void **state)
{
        static const char *const malformed[] = { "",
                                                 "0000-0000-0000-000",
                                                 "0000-0000-0000-00000",
                                                 "0000-0000-0000-000u",
                                                 "0000-0000-0000-000!",
                                                 "0000-0000-0000-000[",
                                                 "00000000000000000000000000000000000000000" };
        struct factor_fixture *f = *state;
        char zeros[CD_RECOVERY_MAC_TEXT], other[CD_RECOVERY_MAC_TEXT], code[] = "0000000000000000", name[129];

        assert_status(mac_of(f, f->ana.name, code, zeros), CD_OK);
        for (size_t i = 0; i < sizeof(code) - 1; i++) {
                code[i] = 'z';
                assert_status(mac_of(f, f->ana.name, code, other), CD_OK);
                assert_memory_not_equal(zeros, other, sizeof(zeros));
                code[i] = '0';
        }
        for (size_t i = 0; i < CD_LEN(malformed); i++)
                assert_status(mac_of(f, f->ana.name, malformed[i], other), CD_MALFORMED);
        assert_status(cd_recovery_mac_of(f->factors.recovery_codes, f->ana.name, CD_STR("000000000000000\0"), other),
                      CD_MALFORMED);
        memset(name, 'a', sizeof(name));
        assert_status(mac_of(f, cd_str_of(name, 128), code, other), CD_OK);
        assert_status(mac_of(f, cd_str_of(name, 129), code, other), CD_MALFORMED);
        assert_status(mac_of(f, CD_STR(""), code, other), CD_MALFORMED);
}

static struct cd_audit_events all_events(struct factor_fixture *f)
{
        struct cd_audit_events events = { 0 };
        struct cd_audit_flush flush;

        assert_status(f->store->audit->flush(f->store, &flush, &f->err), CD_OK);
        assert_status(f->store->audit->list(f->store, &f->arena, 0, 1000, &events, &f->err), CD_OK);
        return events;
}

/* Checks that every event with the action has the subject, the address and the detail. */
static size_t count_events(struct factor_fixture *f, const struct cd_audit_event *like)
{
        const struct cd_audit_events events = all_events(f);
        size_t count = 0;

        for (size_t i = 0; i < events.count; i++) {
                const struct cd_audit_event *event = &events.items[i];
                if (!cd_str_eq(event->action, like->action))
                        continue;
                assert_true(cd_str_eq(event->subject, like->subject));
                assert_true(cd_str_eq(event->address, like->address));
                assert_true(cd_str_eq(event->detail, like->detail));
                count++;
        }
        return count;
}

static int locked_notices;
static char locked_from[64];

static void tell(const struct cd_notices *port, enum cd_notice_kind kind, cd_str user, cd_str address)
{
        (void)port;
        assert_int_equal(kind, CD_NOTICE_LOCKED);
        assert_str(user, "ana");
        (void)snprintf(locked_from, sizeof(locked_from), "%.*s", CD_STR_ARG(address));
        locked_notices++;
}

static cd_status check_from(struct factor_fixture *f, const char *address, cd_str code)
{
        struct cd_code_attempt attempt = some_attempt;
        struct cd_code_result result;

        attempt.address = cd_str_from_c(address);
        attempt.code = code;
        return cd_totp_check(&f->factors, &f->arena, &f->ana, &attempt, &result, &f->err);
}

/* The account and its factor are locked by the same codes: one event, at once, and none for who is refused then. */
static void a_lock_is_reported_at_once_with_the_address_of_the_last_wrong_code(void **state)
{
        static const struct cd_notices notices = { tell };
        const struct cd_audit_event locked = { .action = CD_STR("login.locked"),
                                               .subject = CD_STR("user:ana"),
                                               .address = CD_STR("198.51.100.7"),
                                               .detail = CD_STR("too many wrong codes") };
        struct factor_fixture *f = *state;

        locked_notices = 0;
        f->factors.notices = &notices;
        for (int i = 0; i < 4; i++)
                assert_status(check_from(f, "198.51.100.7", wrong_code(f)), CD_INVALID_GRANT);
        assert_int_equal(count_events(f, &locked), 0);
        assert_status(check_from(f, "198.51.100.7", wrong_code(f)), CD_INVALID_GRANT);
        assert_int_equal(count_events(f, &locked), 1);
        assert_int_equal(locked_notices, 1);
        assert_string_equal(locked_from, "198.51.100.7");
        for (int i = 0; i < 5; i++)
                assert_status(check_from(f, "192.0.2.1", factor_code(f, f->now)), CD_THROTTLED);
        assert_int_equal(count_events(f, &locked), 1);
        for (int64_t delay = 30, count = 2; count < 6; delay *= 2, count++) {
                f->now += delay;
                assert_status(check_from(f, "198.51.100.7", wrong_code(f)), CD_INVALID_GRANT);
                assert_int_equal(count_events(f, &locked), count);
                assert_int_equal(locked_notices, count);
        }
}

/* The account of the user whose codes were guessed is not locked. */
static void an_address_that_guesses_codes_is_an_event_of_no_user(void **state)
{
        const struct cd_audit_event locked = { .action = CD_STR("login.locked"),
                                               .subject = CD_STR(""),
                                               .address = CD_STR("198.51.100.7"),
                                               .detail = CD_STR("too many wrong codes from the address") };
        const struct cd_lockout_subject address = { .kind = CD_LOCKOUT_ADDRESS, .key = locked.address };
        static const struct cd_notices notices = { tell };
        struct factor_fixture *f = *state;

        locked_notices = 0;
        f->factors.notices = &notices;
        for (int i = 0; i < 19; i++) {
                assert_status(cd_lockout_begin(f->factors.lockout, &address, f->now, &f->err), CD_OK);
                (void)cd_lockout_end(f->factors.lockout, &address, CD_LOCKOUT_WRONG, f->now);
        }
        assert_status(check_from(f, "198.51.100.7", wrong_code(f)), CD_INVALID_GRANT);
        assert_int_equal(count_events(f, &locked), 1);
        assert_status(check_from(f, "198.51.100.7", factor_code(f, f->now)), CD_THROTTLED);
        assert_int_equal(count_events(f, &locked), 1);
        assert_int_equal(locked_notices, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FACTOR_TEST(names_that_fail_with_a_code_alone_slow_the_network),
                FACTOR_TEST(a_right_code_completes_the_login),
                FACTOR_TEST(lesson_13_a_code_is_taken_once),
                FACTOR_TEST(lesson_13_of_50_attempts_with_one_code_one_is_accepted),
                FACTOR_TEST(lesson_13_wrong_codes_lock_the_account),
                FACTOR_TEST(what_is_no_code_counts_as_a_wrong_one),
                FACTOR_TEST(lesson_13_a_right_password_forgets_no_wrong_codes),
                FACTOR_TEST(a_code_of_a_wrong_clock_is_refused_and_reported),
                FACTOR_TEST(a_code_is_of_its_user_only),
                FACTOR_TEST(a_disabled_user_has_no_right_code),
                FACTOR_TEST(while_the_store_cannot_be_written_no_code_is_used_up_or_told_from_another),
                FACTOR_TEST(lesson_31_without_a_clock_no_code_is_judged),
                FACTOR_TEST(a_name_and_a_code_log_in),
                FACTOR_TEST(lesson_10_unknown_wrong_and_disabled_get_one_answer),
                FACTOR_TEST(after_100_wrong_codes_only_an_operator_helps),
                FACTOR_TEST(a_recovery_code_counts_once_instead_of_a_totp_code),
                FACTOR_TEST(recovery_codes_are_read_as_they_are_typed),
                FACTOR_TEST(what_is_no_recovery_code_counts_as_a_wrong_code),
                FACTOR_TEST(recovery_codes_differ_and_are_their_users_only),
                FACTOR_TEST(a_recovery_code_is_known_by_its_form),
                FACTOR_TEST(every_letter_of_a_recovery_code_counts),
                FACTOR_TEST(a_lock_is_reported_at_once_with_the_address_of_the_last_wrong_code),
                FACTOR_TEST(an_address_that_guesses_codes_is_an_event_of_no_user),
        };

        return cmocka_run_group_tests_name("second factors", tests, NULL, NULL);
}
