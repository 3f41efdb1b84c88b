/* A login against a store of this file's own, which can be made to fail, with hashes counted instead of time. */
#include "support/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/direct_hasher.h"
#include "core/lockout.h"
#include "core/login.h"
#include "core/network_limit.h"
#include "core/notice.h"

#define PASSWORD "correct horse \xc3\xbc"
/* Of PASSWORD; of Python's argon2 and bcrypt. */
#define CHEAP  "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$HvGbtoXJ1g/GSKahxd8TmT0458KArkZOybIHBRcRn4k"
#define BCRYPT "$2b$04$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcAr2"

enum {
        NOON = 1795348800,
        ATTEMPTS = 3,
        ADDRESS_ATTEMPTS = 8,
};

struct fixture {
        struct cd_store store; /* first: the store's calls find the rest after it */
        struct cd_user user, stored;
        char stored_password[CD_PASSWORD_STORED_MAX + 1];
        cd_status find_fails, update_fails, audit_fails;
        cd_time find_takes; /* and meanwhile others try all wrong passwords that there are */
        atomic_int finds;
        int noted_right, noted_wrong, updates, events;
        cd_str address;     /* of the client */
        char actions[1024]; /* of the audit events: "ACTION SUBJECT DETAIL; " */
        pthread_mutex_t lock;

        struct cd_clock clock;
        cd_time now;
        struct cd_hasher hasher;
        struct cd_lockout *lockout;
        struct cd_store_state store_state;
        struct cd_login login;
        struct cd_arena arena;
        struct cd_error err;
};

static atomic_int hashes, dummies; /* computed: all, and those of them for nobody */
static cd_status hash_fails, verify_fails;
static int notices;                        /* that tell a user of a locked account */
static char noticed_address[64];           /* the address that the last one names */
static struct fixture *changes_in_between; /* whose password is changed while the first hash is computed */

static void store_password(struct fixture *f, cd_str password)
{
        memcpy(f->stored_password, password.ptr, password.len);
        f->stored_password[password.len] = '\0';
        f->stored.password = cd_str_from_c(f->stored_password);
}

/* Calls of a direct hasher, counted, or made to fail. */

static cd_status verify(const struct cd_hasher *hasher, cd_str stored, cd_str password, bool *ret,
                        struct cd_error *reterr)
{
        const struct cd_direct_hasher direct = cd_direct_hasher(&hasher->cost, &cd_random_system);

        atomic_fetch_add(&hashes, 1);
        if (verify_fails != CD_OK)
                return cd_fail(reterr, verify_fails, "told to fail");
        if (changes_in_between)
                store_password(changes_in_between, CD_STR("$argon2id$another"));
        return direct.port.verify(&direct.port, stored, password, ret, reterr);
}

static cd_status dummy(const struct cd_hasher *hasher, cd_str password, struct cd_error *reterr)
{
        const struct cd_direct_hasher direct = cd_direct_hasher(&hasher->cost, &cd_random_system);

        atomic_fetch_add(&hashes, 1);
        atomic_fetch_add(&dummies, 1);
        return direct.port.dummy(&direct.port, password, reterr);
}

static cd_status hash(const struct cd_hasher *hasher, cd_str password, struct cd_arena *arena, cd_str *ret,
                      struct cd_error *reterr)
{
        const struct cd_direct_hasher direct = cd_direct_hasher(&hasher->cost, &cd_random_system);

        if (hash_fails != CD_OK)
                return cd_fail(reterr, hash_fails, "told to fail");
        return direct.port.hash(&direct.port, password, arena, ret, reterr);
}

static void while_others_fail(struct fixture *f)
{
        const struct cd_lockout_subject ana = { .kind = CD_LOCKOUT_ACCOUNT, .key = f->stored.name };

        if (!f->find_takes)
                return;
        f->now += f->find_takes;
        for (int i = 0; i < ATTEMPTS; i++) {
                assert_status(cd_lockout_begin(f->lockout, &ana, f->now, NULL), CD_OK);
                (void)cd_lockout_end(f->lockout, &ana, CD_LOCKOUT_WRONG, f->now);
        }
        f->find_takes = 0;
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                      struct cd_error *reterr)
{
        struct fixture *f = (struct fixture *)store;

        atomic_fetch_add(&f->finds, 1);
        while_others_fail(f);
        if (f->find_fails != CD_OK) {
                cd_status status = cd_fail(reterr, f->find_fails, "told to fail");
                reterr->retry_after = 7;
                return status;
        }
        if (!cd_str_eq(name, f->stored.name))
                return cd_fail(reterr, CD_NOT_FOUND, "no such user");
        *ret = f->stored;
        ret->password = cd_arena_copy(arena, f->stored.password);
        return ret->password.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "the arena is full");
}

static cd_status update(struct cd_store *store, const struct cd_user_change *change, const struct cd_audit_event *event,
                        struct cd_error *reterr)
{
        struct fixture *f = (struct fixture *)store;

        assert_str(change->name, "ana");
        assert_true(change->now == f->now && change->is_rehash && !change->ends_sessions && !change->claims.ptr);
        assert_str(event->action, "user.rehash");
        assert_str(event->actor, "cardea");
        assert_str(event->subject, "user:ana");
        if (f->update_fails != CD_OK)
                return cd_fail(reterr, f->update_fails, "told to fail");
        if (!change->if_password.ptr || !cd_str_eq(change->if_password, f->stored.password))
                return cd_fail(reterr, CD_NOT_FOUND, "changed meanwhile");
        store_password(f, change->password);
        f->updates++;
        return CD_OK;
}

static cd_status note_login(struct cd_store *store, cd_str name, enum cd_login_note note, cd_time now,
                            int64_t forget_every, struct cd_error *reterr)
{
        struct fixture *f = (struct fixture *)store;
        bool was_right = note == CD_LOGIN_RIGHT;

        (void)reterr;
        assert_str(name, "ana");
        assert_true(now == f->now);
        assert_int_equal(forget_every, 60);
        pthread_mutex_lock(&f->lock);
        was_right ? f->noted_right++ : f->noted_wrong++;
        if (was_right)
                f->stored.last_login_at = now;
        f->stored.failures = was_right ? 0 : f->stored.failures + 1;
        pthread_mutex_unlock(&f->lock);
        return CD_OK;
}

static cd_status add_later(struct cd_store *store, const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct fixture *f = (struct fixture *)store;
        char line[256];

        assert_str(event->actor, "client:app");
        assert_true(cd_str_eq(event->address, f->address));
        assert_true(event->at == f->now);
        int n = snprintf(line, sizeof(line), "%.*s|%.*s|%.*s;", CD_STR_ARG(event->action), CD_STR_ARG(event->subject),
                         CD_STR_ARG(event->detail));
        assert_true(n > 0 && (size_t)n < sizeof(line));
        pthread_mutex_lock(&f->lock);
        f->events++;
        if (strlen(f->actions) + (size_t)n < sizeof(f->actions))
                strcat(f->actions, line);
        pthread_mutex_unlock(&f->lock);
        return f->audit_fails == CD_OK ? CD_OK : cd_fail(reterr, f->audit_fails, "told to fail");
}

static void tell(const struct cd_notices *port, enum cd_notice_kind kind, cd_str user, cd_str address)
{
        (void)port;
        assert_int_equal(kind, CD_NOTICE_LOCKED);
        assert_str(user, "ana");
        (void)snprintf(noticed_address, sizeof(noticed_address), "%.*s", CD_STR_ARG(address));
        notices++;
}

static const struct cd_notices port_of_notices = { tell };

static const struct cd_user_ops user_ops = { .find = find, .update = update, .note_login = note_login };
static const struct cd_audit_ops audit_ops = { .add_later = add_later };

static cd_time tell_time(const struct cd_clock *clock)
{
        return ((const struct fixture *)((const char *)clock - offsetof(struct fixture, clock)))->now;
}

static int set_up(void **state)
{
        static const struct cd_lockout_rules rules = { ATTEMPTS, ADDRESS_ATTEMPTS, 2, 60 };
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->store = (struct cd_store){ .users = &user_ops, .audit = &audit_ops };
        f->stored = (struct cd_user){ .name = CD_STR("ana"), .claims = CD_STR("{\"role\":\"editor\"}") };
        store_password(f, CD_STR(CHEAP));
        pthread_mutex_init(&f->lock, NULL);
        f->clock.now = tell_time;
        f->now = NOON;
        f->address = CD_STR("192.0.2.1");
        f->hasher = (struct cd_hasher){ { 64 << 10, 1 }, hash, verify, dummy };
        assert_status(cd_lockout_new(&rules, &cd_random_system, &f->lockout, NULL), CD_OK);
        f->login = cd_login(&f->store, &f->store_state, f->lockout, &f->hasher, &f->clock);
        f->login.notices = &port_of_notices;
        cd_arena_init(&f->arena, 1 << 20);
        hashes = dummies = notices = 0;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        changes_in_between = NULL;
        hash_fails = verify_fails = CD_OK;
        cd_lockout_free(f->lockout);
        cd_arena_done(&f->arena);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return 0;
}

static cd_status log_in(struct fixture *f, cd_str name, cd_str password)
{
        const struct cd_login_attempt attempt = {
                .name = name, .password = password, .address = f->address, .by = CD_STR("client:app")
        };

        f->err = (struct cd_error){ 0 };
        return f->login.port.login(&f->login.port, &f->arena, &attempt, &f->user, &f->err);
}

static void assert_wrong(struct fixture *f, cd_str name, cd_str password)
{
        assert_status(log_in(f, name, password), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid username or password");
        assert_string_equal(f->err.field, "");
        assert_int_equal(f->err.retry_after, 0);
}

static void assert_locked(struct fixture *f, cd_str name, cd_str password, int64_t seconds)
{
        assert_status(log_in(f, name, password), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, seconds);
}

static void a_right_password_gives_the_user_as_read(void **state)
{
        struct fixture *f = *state;

        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_str(f->user.name, "ana");
        assert_str(f->user.claims, "{\"role\":\"editor\"}");
        assert_str(f->user.password, CHEAP);
        assert_int_equal(f->noted_right, 1);
        assert_int_equal(f->noted_wrong, 0);
        assert_string_equal(f->actions, "login.ok|user:ana|;");
}

/* What logs in for each of its calls would write the user's row each time. */
static void a_right_password_is_noted_once_a_minute_or_after_a_wrong_one(void **state)
{
        struct fixture *f = *state;

        for (int second = 0; second < 60; second++, f->now++)
                assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->noted_right, 1);
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->noted_right, 2);
        assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->noted_right, 3);
        /* The store is behind: it will count the wrong one after this look. */
        assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        f->stored.failures = 0;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->noted_right, 4);
        /* Noted by a node whose clock is ahead of ours. */
        f->stored.last_login_at = f->now + 5;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->noted_right, 5);
}

static void lesson_9_a_name_in_another_case_is_the_same_account(void **state)
{
        struct fixture *f = *state;

        assert_status(log_in(f, CD_STR("ANA"), CD_STR(PASSWORD)), CD_OK);
        assert_str(f->user.name, "ana");
        assert_wrong(f, CD_STR("ana"), CD_STR("1"));
        assert_wrong(f, CD_STR("Ana"), CD_STR("2"));
        assert_wrong(f, CD_STR("aNa"), CD_STR("3"));
        assert_locked(f, CD_STR("anA"), CD_STR(PASSWORD), 2);
}

static void lesson_10_unknown_wrong_and_disabled_are_one_answer_for_one_hash(void **state)
{
        struct fixture *f = *state;

        assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_int_equal(hashes, 1);
        assert_wrong(f, CD_STR("nobody"), CD_STR("wrong"));
        assert_int_equal(hashes, 2);
        assert_int_equal(dummies, 1);
        assert_wrong(f, CD_STR("no such n\xc3\xa4me"), CD_STR("wrong"));
        assert_wrong(f, CD_STR(""), CD_STR(""));
        assert_int_equal(hashes, 4);
        assert_int_equal(dummies, 3);
        f->stored.disabled = true;
        assert_wrong(f, CD_STR("ana"), CD_STR(PASSWORD));
        assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_int_equal(hashes, 6);
        assert_int_equal(dummies, 3);
        assert_int_equal(f->noted_right, 0);
        assert_int_equal(f->noted_wrong, 3);
}

static void lesson_10_a_user_without_a_password_is_answered_as_others(void **state)
{
        struct fixture *f = *state;

        store_password(f, CD_PASSWORD_NONE);
        assert_wrong(f, CD_STR("ana"), CD_STR("*"));
        assert_wrong(f, CD_STR("ana"), CD_STR(PASSWORD));
        assert_wrong(f, CD_STR("ana"), CD_STR(""));
        assert_int_equal(hashes, 3);
        assert_int_equal(dummies, 3); /* the time of a real hash */
        assert_int_equal(f->noted_wrong, 3);
        assert_locked(f, CD_STR("ana"), CD_STR("*"), 2);
        assert_int_equal(f->noted_right, 0);
        assert_str(f->stored.password, "*");
}

static void lesson_10_the_right_password_of_a_disabled_user_counts_as_wrong(void **state)
{
        struct fixture *f = *state;

        f->stored.disabled = true;
        for (int i = 0; i < ATTEMPTS; i++)
                assert_wrong(f, CD_STR("ana"), CD_STR(PASSWORD));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
}

static void lesson_10_a_name_that_nobody_has_is_locked_like_an_account(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < ATTEMPTS; i++)
                assert_wrong(f, CD_STR("nobody"), CD_STR("wrong"));
        assert_locked(f, CD_STR("nobody"), CD_STR("wrong"), 2);
        assert_locked(f, CD_STR("Nobody"), CD_STR("wrong"), 2);
}

static void lesson_9_what_is_locked_is_not_hashed_and_opens_after_its_delay(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < ATTEMPTS; i++)
                assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_int_equal(hashes, ATTEMPTS);
        f->now++;
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 1);
        f->now++;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        /* And the counter is empty again. */
        for (int i = 0; i < ATTEMPTS; i++)
                assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
}

static void lesson_9_an_address_that_guesses_at_many_accounts_is_locked(void **state)
{
        struct fixture *f = *state;
        char name[] = "nobody0";

        for (int i = 0; i < ADDRESS_ATTEMPTS; i++, name[6]++)
                assert_wrong(f, cd_str_from_c(name), CD_STR("wrong"));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        f->now += 2;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        f->now--; /* one login more is not one guess more */
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 1);
}

static void lesson_9_a_slow_store_shortens_no_delay(void **state)
{
        struct fixture *f = *state;

        f->find_takes = 5;
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        f->now++;
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 1);
        f->now++;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

static void failures_that_another_node_counted_lock_here_too(void **state)
{
        struct fixture *f = *state;

        f->stored.failures = ATTEMPTS + 2;
        f->stored.failed_at = NOON;
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 8);
        assert_int_equal(hashes, 0);
        f->now += 8;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

/* SECURITY.md states this bound: a wrong password is counted in its node at once, in the store after the answer. */
static void two_nodes_judge_at_most_what_each_of_them_may(void **state)
{
        static const struct cd_lockout_rules rules = { ATTEMPTS, ADDRESS_ATTEMPTS, 2, 60 };
        struct fixture *f = *state;
        struct cd_lockout *nodes[3] = { f->lockout };

        assert_status(cd_lockout_new(&rules, &cd_random_system, &nodes[1], NULL), CD_OK);
        assert_status(cd_lockout_new(&rules, &cd_random_system, &nodes[2], NULL), CD_OK);
        for (int i = 0; i < 2 * ATTEMPTS; i++) {
                f->login.lockout = nodes[i % 2];
                assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
                f->stored.failures = 0; /* nothing of it can be read yet */
        }
        for (int i = 0; i < 2; i++) {
                f->login.lockout = nodes[i];
                assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        }
        assert_int_equal(hashes, 2 * ATTEMPTS);
        f->stored.failures = 2 * ATTEMPTS;
        f->stored.failed_at = f->now;
        for (int i = 0; i < 3; i++) {
                f->login.lockout = nodes[i];
                assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2 << ATTEMPTS);
        }
        assert_int_equal(hashes, 2 * ATTEMPTS);
        cd_lockout_free(nodes[1]);
        cd_lockout_free(nodes[2]);
}

static void lock_ana(struct fixture *f)
{
        for (int i = 0; i < ATTEMPTS; i++)
                assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        f->now++;
}

static void a_new_password_opens_a_locked_account_at_once(void **state)
{
        struct fixture *f = *state;

        lock_ana(f);
        f->stored.password_at = f->stored.changed_at = f->stored.cleared_at = f->now;
        f->stored.failures = 0;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

static void an_enabling_opens_a_locked_account_at_once(void **state)
{
        struct fixture *f = *state;

        lock_ana(f);
        f->stored.changed_at = f->stored.cleared_at = f->now;
        f->stored.failures = 0;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

static void lesson_9_another_change_of_the_user_opens_nothing(void **state)
{
        struct fixture *f = *state;

        lock_ana(f);
        f->stored.changed_at = f->now; /* the failures stay */
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 1);
}

/* Wrong passwords are written after their answers, so another change may come before they are in the store. */
static void lesson_9_another_change_opens_nothing_before_the_failures_are_in_the_store(void **state)
{
        struct fixture *f = *state;

        lock_ana(f);
        f->stored.changed_at = f->now;
        f->stored.failures = 0;
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 1);
}

/* They may be written after the change that clears them, or be known to another node. */
static void what_is_written_after_an_enabling_locks_nobody(void **state)
{
        struct fixture *f = *state;

        lock_ana(f);
        f->stored.changed_at = f->stored.cleared_at = f->now;
        assert_int_equal(f->stored.failures, ATTEMPTS);
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

static void *guess(void *arg)
{
        struct fixture *f = arg;
        const struct cd_login_attempt attempt = { .name = CD_STR("ana"),
                                                  .password = CD_STR("wrong"),
                                                  .address = CD_STR("192.0.2.1"),
                                                  .by = CD_STR("client:app") };
        struct cd_arena arena;
        struct cd_user user;

        cd_arena_init(&arena, 65536);
        cd_status status = f->login.port.login(&f->login.port, &arena, &attempt, &user, NULL);
        cd_arena_done(&arena);
        return (void *)(intptr_t)status;
}

static void lesson_14_fifty_logins_at_once_are_not_fifty_guesses(void **state)
{
        struct fixture *f = *state;
        pthread_t threads[50];
        int throttled = 0;

        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, guess, f), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++) {
                void *status;
                pthread_join(threads[i], &status);
                throttled += (intptr_t)status == CD_THROTTLED;
        }
        assert_int_equal(hashes, ATTEMPTS);
        assert_int_equal(throttled, 50 - ATTEMPTS);
}

static void every_outcome_is_an_audit_event_without_what_was_typed(void **state)
{
        struct fixture *f = *state;

        assert_wrong(f, CD_STR("ana"), CD_STR("secret1"));
        assert_wrong(f, CD_STR("secret2"), CD_STR("x"));
        f->stored.disabled = true;
        assert_wrong(f, CD_STR("ana"), CD_STR("secret3"));
        assert_wrong(f, CD_STR("ana"), CD_STR(PASSWORD));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_string_equal(f->actions, "login.failed|user:ana|wrong password;"
                                        "login.failed||unknown user;"
                                        "login.failed|user:ana|wrong password of a disabled user;"
                                        "login.locked|user:ana|too many wrong passwords for the account;"
                                        "login.failed|user:ana|right password of a disabled user;");
}

/* Attempts with a wrong password, each of which has to be judged. */
static void guess_wrong(struct fixture *f, const char *name, int times)
{
        while (times--)
                assert_wrong(f, cd_str_from_c(name), CD_STR("wrong"));
}

/* Not the owner, who only finds the account locked. */
static void a_lock_is_reported_at_once_with_the_address_of_the_last_wrong_password(void **state)
{
        struct fixture *f = *state;

        f->address = CD_STR("198.51.100.7");
        guess_wrong(f, "ana", ATTEMPTS - 1);
        assert_null(strstr(f->actions, "login.locked"));
        guess_wrong(f, "ana", 1);
        assert_non_null(strstr(f->actions, "login.locked|user:ana|too many wrong passwords for the account;"));
        assert_int_equal(notices, 1);
        assert_string_equal(noticed_address, "198.51.100.7");
        f->actions[0] = '\0';
        f->address = CD_STR("192.0.2.1");
        for (int i = 0; i < 100; i++)
                assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_string_equal(f->actions, "");
        assert_int_equal(notices, 1);
}

static void an_attacker_who_waits_out_each_delay_is_reported_for_each(void **state)
{
        static const int64_t delays[] = { 2, 4, 8, 16, 32, 60, 60, 60 };
        struct fixture *f = *state;
        char from[] = "198.51.100.0";

        guess_wrong(f, "ana", ATTEMPTS);
        for (size_t i = 0; i < CD_LEN(delays); i++) {
                f->actions[0] = '\0';
                from[sizeof(from) - 2]++;
                f->address = cd_str_from_c(from);
                f->now += delays[i];
                guess_wrong(f, "ana", 1);
                assert_string_equal(f->actions, "login.locked|user:ana|too many wrong passwords for the account;"
                                                "login.failed|user:ana|wrong password;");
                assert_int_equal(notices, 2 + i);
                assert_string_equal(noticed_address, from);
        }
}

/* The event is there, but names nobody, and nobody has a mailbox. */
static void a_locked_name_that_nobody_has_is_an_event_and_no_notice(void **state)
{
        struct fixture *f = *state;

        guess_wrong(f, "nobody", ATTEMPTS);
        assert_non_null(strstr(f->actions, "login.locked||too many wrong passwords for the account;"));
        assert_int_equal(notices, 0);
}

static void a_locked_address_is_one_audit_event(void **state)
{
        struct fixture *f = *state;
        char name[] = "nobody0";

        for (int i = 0; i < ADDRESS_ATTEMPTS - 1; i++, name[6]++)
                guess_wrong(f, name, 1);
        assert_status(f->login.port.check_address(&f->login.port, f->address, NULL), CD_OK);
        f->actions[0] = '\0';
        guess_wrong(f, "ana", 1);
        assert_status(f->login.port.check_address(&f->login.port, f->address, &f->err), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, 2);
        for (int i = 0; i < 100; i++)
                assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_status(f->login.port.check_address(&f->login.port, CD_STR("192.0.2.2"), NULL), CD_OK);
        /* It is the address that is locked, not ana. */
        assert_string_equal(f->actions, "login.failed|user:ana|wrong password;"
                                        "login.locked||too many wrong passwords from the address;");
        assert_int_equal(notices, 0);
}

/* Logs in with a wrong password under that many names, from as many addresses of 192.0.2.0/24, none of which has to
 * wait. */
static void fail_names(struct fixture *f, const char *form, int count)
{
        char name[32], address[32];

        for (int i = 0; i < count; i++) {
                snprintf(name, sizeof(name), form, i);
                snprintf(address, sizeof(address), "192.0.2.%d", i % 200);
                f->address = cd_str_from_c(address);
                if (!strstr(f->actions, "network.slowed"))
                        f->actions[0] = '\0';
                cd_status status = log_in(f, cd_str_from_c(name), CD_STR("wrong"));
                assert_true(status == CD_INVALID_GRANT || status == CD_THROTTLED);
        }
        f->address = CD_STR("192.0.2.250");
}

static void names_that_fail_slow_the_network_and_a_right_password_changes_nothing(void **state)
{
        struct fixture *f = *state;
        const struct cd_network_limit_options options = { .rules = { 1000, 1000 },
                                                          .clock = &f->clock,
                                                          .random = &cd_random_system };

        assert_status(cd_network_limit_new(&options, &f->login.networks, NULL), CD_OK);
        fail_names(f, "ANA%d", 100);
        fail_names(f, "ana%d", 100); /* the same names */
        fail_names(f, "ana", 1);     /* one that exists */
        for (int i = 0; i < 100; i++)
                assert_status(f->login.port.check_address(&f->login.port, f->address, NULL), CD_OK);
        assert_null(strstr(f->actions, "network.slowed"));
        fail_names(f, "other%d", 400);
        assert_non_null(strstr(f->actions, "network.slowed|network:192.0.2.0/24|"));
        assert_null(strstr(f->actions, "other1"));
        for (int i = 0; i < CD_SLOWED_LOGINS; i++) {
                assert_status(f->login.port.check_address(&f->login.port, f->address, NULL), CD_OK);
                assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        }
        assert_status(f->login.port.check_address(&f->login.port, f->address, &f->err), CD_THROTTLED);
        assert_int_equal(f->err.retry_after, 10);
        assert_status(f->login.port.check_address(&f->login.port, CD_STR("192.0.3.1"), NULL), CD_OK);
        cd_network_limit_free(f->login.networks);
}

/* Else each login would wait for the store's timeouts. */
static void while_the_store_is_unavailable_nothing_is_asked_and_nothing_counts(void **state)
{
        struct fixture *f = *state;
        char name[] = "nobody0";

        for (int i = 0; i < ADDRESS_ATTEMPTS; i++, name[6]++)
                assert_wrong(f, cd_str_from_c(name), CD_STR("wrong"));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_status(f->login.port.check_address(&f->login.port, f->address, NULL), CD_THROTTLED);
        f->finds = 0;
        f->store_state.is_unavailable = true;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the store is unavailable");
        assert_int_equal(f->err.retry_after, 1);
        assert_status(f->login.port.check_address(&f->login.port, f->address, NULL), CD_OK);
        assert_int_equal(f->finds, 0);
}

/* A full disk stops nobody: LESSONS 35. */
static void lesson_35_while_the_store_cannot_be_written_users_log_in(void **state)
{
        struct fixture *f = *state;

        f->store_state.fault = "the disk is full";
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

static void a_foreign_hash_is_made_anew_at_the_first_login(void **state)
{
        struct fixture *f = *state;

        store_password(f, CD_STR(BCRYPT));
        assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_int_equal(f->updates, 0);
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->updates, 1);
        assert_true(cd_str_has_prefix(f->stored.password, CD_STR("$argon2id$v=19$m=64,t=1,p=1$")));
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->updates, 1);
}

static void a_hash_is_made_anew_where_the_setting_rose(void **state)
{
        struct fixture *f = *state;

        f->hasher.cost.iterations = 2;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_true(cd_str_has_prefix(f->stored.password, CD_STR("$argon2id$v=19$m=64,t=2,p=1$")));
        /* Not where it fell. */
        f->hasher.cost.iterations = 1;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->updates, 1);
}

static void a_password_that_is_changed_meanwhile_stays(void **state)
{
        struct fixture *f = *state;

        store_password(f, CD_STR(BCRYPT));
        changes_in_between = f;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->updates, 0);
        assert_str(f->stored.password, "$argon2id$another");
}

static void lesson_31_a_failing_rehash_fails_no_login(void **state)
{
        struct fixture *f = *state;

        store_password(f, CD_STR(BCRYPT));
        hash_fails = CD_NO_MEMORY;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        hash_fails = CD_OK;
        f->update_fails = CD_UNAVAILABLE;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_str(f->stored.password, BCRYPT);
        f->audit_fails = CD_UNAVAILABLE;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
}

static void lesson_31_what_comes_to_no_answer_counts_for_nothing(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < 20; i++) {
                f->find_fails = CD_UNAVAILABLE;
                assert_status(log_in(f, CD_STR("ana"), CD_STR("wrong")), CD_UNAVAILABLE);
                assert_string_equal(f->err.reason, "told to fail");
                f->find_fails = CD_OK;
                verify_fails = CD_NO_MEMORY;
                assert_status(log_in(f, CD_STR("ana"), CD_STR("wrong")), CD_NO_MEMORY);
                verify_fails = CD_OK;
        }
        f->now = -1;
        assert_status(log_in(f, CD_STR("ana"), CD_STR("wrong")), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the clock failed");
        f->now = NOON;
        assert_int_equal(f->noted_wrong, 0);
        assert_int_equal(f->events, 0);
        assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
}

static void a_damaged_hash_lets_nobody_in(void **state)
{
        struct fixture *f = *state;

        store_password(f, CD_STR("$argon2id$v=19$damaged"));
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_INTERNAL);
        assert_string_equal(f->err.reason, "the stored password of user \"ana\" is damaged");
        store_password(f, CD_STR(""));
        assert_status(log_in(f, CD_STR("ana"), CD_STR("")), CD_INTERNAL);
}

static void lesson_34_without_an_address_the_accounts_counter_holds(void **state)
{
        struct fixture *f = *state;

        f->address = CD_STR("");
        for (int i = 0; i < 2 * ADDRESS_ATTEMPTS; i++) {
                char name[2] = { (char)('a' + i), '\0' };
                assert_wrong(f, cd_str_from_c(name), CD_STR("wrong"));
        }
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        for (int i = 0; i < ATTEMPTS; i++)
                assert_wrong(f, CD_STR("ana"), CD_STR("wrong"));
        assert_locked(f, CD_STR("ana"), CD_STR(PASSWORD), 2);
        assert_non_null(strstr(f->actions, "login.locked|user:ana|too many wrong passwords for the account;"));
}

static void lesson_14_the_store_is_not_asked_for_an_address_that_has_to_wait(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < ADDRESS_ATTEMPTS; i++) {
                char name[2] = { (char)('a' + i), '\0' };
                assert_wrong(f, cd_str_from_c(name), CD_STR("wrong"));
        }
        f->finds = 0;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_THROTTLED);
        assert_int_equal(f->finds, 0);
        f->now += 2;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_OK);
        assert_int_equal(f->finds, 1);
}

static void what_the_store_says_of_its_outage_reaches_the_caller(void **state)
{
        struct fixture *f = *state;

        f->find_fails = CD_UNAVAILABLE;
        assert_status(log_in(f, CD_STR("ana"), CD_STR(PASSWORD)), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "told to fail");
        assert_int_equal(f->err.retry_after, 7);
        assert_int_equal(hashes, 0);
}

static void lesson_31_a_login_survives_without_memory(void **state)
{
        struct fixture *f = *state;
        size_t failures = 0;
        cd_status status;

        store_password(f, CD_STR(BCRYPT));
        for (size_t ceiling = 0; ceiling < 8192; ceiling += 64) {
                cd_arena_done(&f->arena);
                cd_arena_init(&f->arena, ceiling);
                status = log_in(f, CD_STR("ana"), CD_STR(PASSWORD));
                assert_true(status == CD_OK || status == CD_NO_MEMORY || status == CD_INTERNAL);
                failures += status != CD_OK;
        }
        assert_true(failures > 0);
        assert_status(status, CD_OK);
        assert_int_equal(f->updates, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_right_password_gives_the_user_as_read),
                TEST(a_right_password_is_noted_once_a_minute_or_after_a_wrong_one),
                TEST(lesson_9_a_name_in_another_case_is_the_same_account),
                TEST(lesson_10_unknown_wrong_and_disabled_are_one_answer_for_one_hash),
                TEST(lesson_10_a_user_without_a_password_is_answered_as_others),
                TEST(lesson_10_the_right_password_of_a_disabled_user_counts_as_wrong),
                TEST(lesson_10_a_name_that_nobody_has_is_locked_like_an_account),
                TEST(lesson_9_what_is_locked_is_not_hashed_and_opens_after_its_delay),
                TEST(lesson_9_an_address_that_guesses_at_many_accounts_is_locked),
                TEST(lesson_9_a_slow_store_shortens_no_delay),
                TEST(failures_that_another_node_counted_lock_here_too),
                TEST(two_nodes_judge_at_most_what_each_of_them_may),
                TEST(a_new_password_opens_a_locked_account_at_once),
                TEST(an_enabling_opens_a_locked_account_at_once),
                TEST(lesson_9_another_change_of_the_user_opens_nothing),
                TEST(lesson_9_another_change_opens_nothing_before_the_failures_are_in_the_store),
                TEST(what_is_written_after_an_enabling_locks_nobody),
                TEST(lesson_14_fifty_logins_at_once_are_not_fifty_guesses),
                TEST(every_outcome_is_an_audit_event_without_what_was_typed),
                TEST(a_lock_is_reported_at_once_with_the_address_of_the_last_wrong_password),
                TEST(an_attacker_who_waits_out_each_delay_is_reported_for_each),
                TEST(a_locked_name_that_nobody_has_is_an_event_and_no_notice),
                TEST(a_locked_address_is_one_audit_event),
                TEST(names_that_fail_slow_the_network_and_a_right_password_changes_nothing),
                TEST(while_the_store_is_unavailable_nothing_is_asked_and_nothing_counts),
                TEST(lesson_35_while_the_store_cannot_be_written_users_log_in),
                TEST(a_foreign_hash_is_made_anew_at_the_first_login),
                TEST(a_hash_is_made_anew_where_the_setting_rose),
                TEST(a_password_that_is_changed_meanwhile_stays),
                TEST(lesson_31_a_failing_rehash_fails_no_login),
                TEST(lesson_31_what_comes_to_no_answer_counts_for_nothing),
                TEST(a_damaged_hash_lets_nobody_in),
                TEST(lesson_34_without_an_address_the_accounts_counter_holds),
                TEST(lesson_14_the_store_is_not_asked_for_an_address_that_has_to_wait),
                TEST(what_the_store_says_of_its_outage_reaches_the_caller),
                TEST(lesson_31_a_login_survives_without_memory),
        };
        return cmocka_run_group_tests_name("login", tests, NULL, NULL);
}
