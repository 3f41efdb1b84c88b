/* Two nodes on one database: each learns what the other does. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "store/postgres/migrations.h"
#include "store/store.h"

enum {
        WITHIN_MS = 1000
};

struct fixture {
        struct cd_sql_driver *admin;
        struct cd_store *here, *there;
        struct cd_arena arena;
};

static cd_status try_open(struct cd_store_opened *ret, struct cd_error *reterr)
{
        const struct cd_store_options options = { .url = cd_str_from_c(server_url()),
                                                  .timeout_ms = 20000,
                                                  .may_create = true };

        return cd_store_open(&options, ret, reterr);
}

static struct cd_store *open_store(void)
{
        struct cd_store_opened opened;
        struct cd_error error = { 0 };

        if (try_open(&opened, &error) != CD_OK)
                fail_msg("%s", error.reason);
        return opened.store;
}

static int set_up_empty(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->admin = open_usual();
        do_script(f->admin, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        cd_arena_init(&f->arena, 1 << 20);
        *state = f;
        return 0;
}

static void see(struct cd_store *store, struct cd_store_versions *versions)
{
        assert_status(store->versions(store, versions, NULL), CD_OK);
}

static const struct cd_audit_event event = { .at = 100, .action = CD_STR_INIT("test"), .actor = CD_STR_INIT("cardea") };

static int set_up(void **state)
{
        (void)set_up_empty(state);
        struct fixture *f = *state;
        struct cd_user ana = {
                .name = CD_STR("ana"), .password = CD_STR("$x"), .claims = CD_STR("{}"), .created_at = 1
        };
        const struct cd_users_page users = { &ana, 1 };

        f->here = open_store();
        f->there = open_store();
        assert_status(f->here->users->add(f->here, &users, &event, NULL), CD_OK);
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        if (f->here)
                f->here->free(f->here);
        if (f->there)
                f->there->free(f->there);
        f->admin->free(f->admin);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

/* ---- what the other node does ---- */

static void revoke(struct cd_store *store, cd_str jti)
{
        const struct cd_revocation revocation = { .jti = jti, .expires_at = 1000 };

        assert_status(store->revocations->add(store, &revocation, NULL), CD_OK);
}

static void disable_ana(struct cd_store *store)
{
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = 200, .disabled = CD_USER_DISABLE };

        assert_status(store->users->update(store, &change, &event, NULL), CD_OK);
}

static void rotate(struct cd_store *store, cd_str kid)
{
        const struct cd_key_addition addition = {
                .key = { .kid = kid, .alg = CD_STR("ES256"), .sealed = CD_STR("sealed"), .public_jwk = CD_STR("{}") },
                .others_until = 300,
        };

        assert_status(store->keys->add(store, &addition, &event, NULL), CD_OK);
}

/* How a store watcher does it: wait, look. Milliseconds until it saw a change. */
static int64_t follow(struct cd_store *store, struct cd_store_versions *known, int64_t since)
{
        struct cd_store_versions now = *known;

        while (memcmp(&now, known, sizeof(now)) == 0 && now_ms() - since < 10 * WITHIN_MS) {
                store->wait(store, 5000);
                see(store, &now);
        }
        *known = now;
        return now_ms() - since;
}

/* A change of each kind is seen by the other node in time. */
static int64_t change_and_follow(struct fixture *f)
{
        struct cd_store_versions known, before;
        struct cd_revocation_list revocations;
        struct cd_key_records keys;
        int64_t slowest = 0, begin;

        see(f->there, &known);
        before = known;
        begin = now_ms();
        revoke(f->here, CD_STR("jti-1"));
        slowest = follow(f->there, &known, begin);
        assert_true(known.revocations > before.revocations);

        before = known;
        begin = now_ms();
        disable_ana(f->here);
        int64_t took = follow(f->there, &known, begin);
        slowest = took > slowest ? took : slowest;
        assert_true(known.revocations > before.revocations);
        assert_status(f->there->revocations->list(f->there, &f->arena, 0, 10, &revocations, NULL), CD_OK);
        assert_int_equal(revocations.count, 2);
        assert_str(revocations.items[0].jti, "jti-1");
        assert_str(revocations.items[1].user, "ana");

        before = known;
        begin = now_ms();
        rotate(f->here, CD_STR("k2"));
        took = follow(f->there, &known, begin);
        slowest = took > slowest ? took : slowest;
        assert_true(known.keys > before.keys);
        assert_status(f->there->keys->list(f->there, &f->arena, &keys, NULL), CD_OK);
        assert_int_equal(keys.count, 1);
        return slowest;
}

static void wait_until_idle(struct fixture *f)
{
        for (int i = 0; i < 3; i++)
                f->there->wait(f->there, 300);
}

static void a_change_reaches_the_other_node_by_notification(void **state)
{
        struct fixture *f = *state;

        wait_until_idle(f);
        int64_t slowest = change_and_follow(f);
        print_message("seen after %lld ms at most\n", (long long)slowest);
        assert_true(slowest < WITHIN_MS);
}

static void a_change_reaches_the_other_node_where_notifications_are_lost(void **state)
{
        struct fixture *f = *state;

        wait_until_idle(f);
        do_script(f->admin, "DROP TRIGGER versions_changed ON versions");
        int64_t slowest = change_and_follow(f);
        print_message("seen after %lld ms at most\n", (long long)slowest);
        assert_true(slowest < WITHIN_MS);
}

struct breaker {
        struct cd_sql_driver *driver;
        atomic_bool is_over;
        int64_t broken;
};

static void *break_listeners(void *arg)
{
        static const struct cd_sql_statement end_all = {
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'LISTEN cardea'", 0, 1
        };
        struct breaker *b = arg;

        while (!atomic_load(&b->is_over)) {
                int64_t found = 0;
                if (try_integer(b->driver, &end_all, &found, NULL) == CD_OK)
                        b->broken += found;
                sleep_ms(5);
        }
        return NULL;
}

static void a_change_reaches_the_other_node_while_its_listening_breaks_again_and_again(void **state)
{
        struct fixture *f = *state;
        struct breaker breaker = { .driver = f->admin };
        pthread_t thread;

        wait_until_idle(f);
        pthread_create(&thread, NULL, break_listeners, &breaker);
        int64_t slowest = change_and_follow(f);
        atomic_store(&breaker.is_over, true);
        pthread_join(thread, NULL);
        print_message("seen after %lld ms at most\n", (long long)slowest);
        assert_true(breaker.broken > 0);
        assert_true(slowest < WITHIN_MS);
}

static void waiting_for_a_server_that_is_unavailable_is_no_busy_loop(void **state)
{
        struct fixture *f = *state;
        struct cd_store_versions versions;

        wait_until_idle(f);
        server_do("kill", NULL);
        int64_t begin = now_ms();
        unsigned returns = 0;
        while (now_ms() - begin < 2000) {
                f->there->wait(f->there, 5000);
                returns++;
        }
        assert_in_range(returns, 3, 6);
        server_do("start", NULL);
        while (f->there->versions(f->there, &versions, NULL) != CD_OK)
                f->there->wait(f->there, 5000);
        while (f->here->versions(f->here, &versions, NULL) != CD_OK)
                sleep_ms(20);
        assert_true(change_and_follow(f) < WITHIN_MS);
}

static void *wake_soon(void *arg)
{
        struct cd_store *store = arg;

        sleep_ms(50);
        store->wake(store);
        return NULL;
}

static void waking_ends_the_wait_and_a_wake_before_it_counts(void **state)
{
        struct fixture *f = *state;
        pthread_t thread;

        wait_until_idle(f);
        int64_t begin = now_ms();
        pthread_create(&thread, NULL, wake_soon, f->there);
        f->there->wait(f->there, 5000);
        assert_true(now_ms() - begin < 450);
        pthread_join(thread, NULL);

        f->there->wake(f->there);
        begin = now_ms();
        f->there->wait(f->there, 5000);
        assert_true(now_ms() - begin < 450);
}

/* ---- the schema ---- */

static void *open_one(void *arg)
{
        struct cd_store_opened *opened = arg;
        struct cd_error error;

        if (try_open(opened, &error) == CD_OK)
                return NULL;
        print_error("%s\n", error.reason);
        opened->store = NULL;
        return NULL;
}

static void nodes_that_start_together_migrate_once(void **state)
{
        static const struct cd_sql_statement applied = { "SELECT COUNT(*) FROM schema_migrations", 0, 1 };
        struct fixture *f = *state;
        struct cd_store_opened opened[4];
        pthread_t threads[4];

        for (int i = 0; i < 4; i++)
                pthread_create(&threads[i], NULL, open_one, &opened[i]);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        for (int i = 0; i < 4; i++) {
                assert_non_null(opened[i].store);
                opened[i].store->free(opened[i].store);
        }
        assert_int_equal(get_integer(f->admin, &applied), opened[0].schema_to);
}

static void the_schema_of_a_later_version_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_store_opened opened;
        struct cd_error error;

        f->here = open_store();
        do_script(f->admin, "INSERT INTO schema_migrations VALUES (999, 'later', 1)");
        assert_status(try_open(&opened, &error), CD_INVALID_REQUEST);
        assert_string_equal(error.field, "store");
        assert_non_null(strstr(error.reason, "999"));
}

/* A store of an earlier version, with a user whose tokens were revoked: they stay so, and the next ones are valid. */
static void a_store_without_generations_gets_them(void **state)
{
        struct fixture *f = *state;
        struct cd_revocation_list revocations;
        struct cd_user ana;

        do_script(f->admin, "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                            " applied_at BIGINT NOT NULL)");
        do_script(f->admin, cd_postgres_migrations[0].text.ptr);
        do_script(f->admin, "INSERT INTO schema_migrations VALUES (1, 'first', 0);"
                            "INSERT INTO users VALUES ('ana', '$x', '{}', 0, 1, 1, 1, 0, 0, 0);"
                            "INSERT INTO revocations VALUES (8, NULL, 'ana', 500, 900);"
                            "UPDATE versions SET version = 9 WHERE name = 'revocations'");
        f->here = open_store();
        assert_status(f->here->users->find(f->here, &f->arena, CD_STR("ana"), &ana, NULL), CD_OK);
        assert_int_equal(ana.generation, 9);
        assert_status(f->here->revocations->list(f->here, &f->arena, 0, 10, &revocations, NULL), CD_OK);
        assert_int_equal(revocations.count, 1);
        assert_int_equal(revocations.items[0].seq, 8);
        assert_str(revocations.items[0].user, "ana");
}

static void a_server_that_is_not_there_is_no_store(void **state)
{
        const struct cd_store_options options = { .url = CD_STR("postgresql://ana:hunter2@127.0.0.1:1/cardea") };
        struct cd_store_opened opened;
        struct cd_error error;

        (void)state;
        assert_status(cd_store_open(&options, &opened, &error), CD_UNAVAILABLE);
        assert_null(strstr(error.reason, "hunter2"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(a_change_reaches_the_other_node_by_notification),
                TEST(a_change_reaches_the_other_node_where_notifications_are_lost),
                TEST(a_change_reaches_the_other_node_while_its_listening_breaks_again_and_again),
                TEST(waiting_for_a_server_that_is_unavailable_is_no_busy_loop),
                TEST(waking_ends_the_wait_and_a_wake_before_it_counts),
                cmocka_unit_test_setup_teardown(nodes_that_start_together_migrate_once, set_up_empty, tear_down),
                cmocka_unit_test_setup_teardown(the_schema_of_a_later_version_is_refused, set_up_empty, tear_down),
                cmocka_unit_test_setup_teardown(a_store_without_generations_gets_them, set_up_empty, tear_down),
                cmocka_unit_test(a_server_that_is_not_there_is_no_store),
        };

        return cmocka_run_group_tests_name("postgres: nodes", tests, NULL, NULL);
}
