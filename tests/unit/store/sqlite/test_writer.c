/* The one writer: groups, failures within them, other processes, waiting, expiry. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite.h"

/* ---- writes, on the driver itself ---- */

static struct cd_sql_driver *open_driver(struct fixture *fixture, size_t queue_max, int64_t busy_ms)
{
        const struct cd_sqlite_options options = {
                .path = fixture->path, .may_create = true, .busy_ms = busy_ms, .queue_max = queue_max
        };
        struct cd_sql_driver *driver = NULL;

        if (cd_sqlite_open(&options, &driver, &fixture->error) != CD_OK)
                fail_msg("%s", fixture->error.reason);
        return driver;
}

struct gate {
        sem_t reached, open;
};

/* Holds the writer until it is let go, so that others queue behind it. */
static cd_status hold(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        struct gate *gate = arg;

        (void)session, (void)reterr;
        sem_post(&gate->reached);
        sem_wait(&gate->open);
        return CD_OK;
}

static void count_done(void *arg, cd_status status)
{
        (void)arg, (void)status;
}

static void close_gate(struct cd_sql_driver *driver, struct gate *gate)
{
        sem_init(&gate->reached, 0, 0);
        sem_init(&gate->open, 0, 0);
        assert_status(driver->write_later(driver, hold, gate, count_done, NULL), CD_OK);
        sem_wait(&gate->reached);
}

struct insertion {
        struct cd_sql_driver *driver;
        int64_t number;
        bool fails;
        cd_status status;
        struct cd_error error;
};

static cd_status insert(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "INSERT INTO numbers VALUES ($1)", 1, 0 };
        const struct insertion *insertion = arg;
        const struct cd_sql_value params[] = { { .type = CD_SQL_INTEGER, .integer = insertion->number } };
        const struct cd_sql_call call = { .statement = &statement, .params = params };
        cd_status status = session->run(session, &call, reterr);

        if (status == CD_OK && insertion->fails)
                return cd_fail(reterr, CD_EXISTS, "changed its mind");
        return status;
}

static void *insert_now(void *arg)
{
        struct insertion *insertion = arg;

        insertion->status = insertion->driver->write(insertion->driver, insert, insertion, &insertion->error);
        return NULL;
}

static cd_status make_table(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        (void)arg;
        return session->script(
                session, CD_STR("CREATE TABLE schema_migrations (number); CREATE TABLE numbers (n UNIQUE)"), reterr);
}

static cd_status take_number(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr)
{
        int64_t *number = arg;

        (void)reterr;
        *number = columns[0].integer;
        return CD_OK;
}

static cd_status sum(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT COALESCE(SUM(n), 0) FROM numbers", 0, 1 };
        const struct cd_sql_call call = { .statement = &statement, .row = take_number, .arg = arg };

        return session->run(session, &call, reterr);
}

static int64_t sum_of(struct cd_sql_driver *driver)
{
        int64_t all = -1;

        assert_status(driver->read(driver, sum, &all, NULL), CD_OK);
        return all;
}

static int count_commit(void *arg)
{
        atomic_fetch_add((atomic_int *)arg, 1);
        return 0;
}

static cd_status count_commits(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        (void)reterr;
        sqlite3_commit_hook(((struct cd_sqlite_connection *)session)->db, count_commit, arg);
        return CD_OK;
}

enum {
        AT_ONCE = 40
};

/* Starts that many writes behind a held writer, lets it go, and waits for all. */
static void insert_at_once(struct cd_sql_driver *driver, struct insertion insertions[AT_ONCE])
{
        pthread_t threads[AT_ONCE];
        struct gate gate;

        close_gate(driver, &gate);
        for (int i = 0; i < AT_ONCE; i++) {
                insertions[i].driver = driver;
                assert_int_equal(pthread_create(&threads[i], NULL, insert_now, &insertions[i]), 0);
        }
        usleep(50000); /* they queue; where one is late, it is only in a later group */
        sem_post(&gate.open);
        for (int i = 0; i < AT_ONCE; i++)
                pthread_join(threads[i], NULL);
}

static void writes_that_wait_together_are_committed_together(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 0, 0);
        struct insertion insertions[AT_ONCE] = { 0 };
        atomic_int commits = 0;

        assert_status(driver->write(driver, make_table, NULL, &fixture->error), CD_OK);
        assert_status(driver->write(driver, count_commits, &commits, &fixture->error), CD_OK);
        for (int i = 0; i < AT_ONCE; i++)
                insertions[i].number = i;
        insert_at_once(driver, insertions);
        for (int i = 0; i < AT_ONCE; i++)
                assert_status(insertions[i].status, CD_OK);
        assert_int_equal(sum_of(driver), AT_ONCE * (AT_ONCE - 1) / 2);
        assert_true(atomic_load(&commits) >= 1 && atomic_load(&commits) < AT_ONCE / 4);
        driver->free(driver);
}

static void a_write_that_fails_undoes_itself_and_nothing_else(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 0, 0);
        struct insertion insertions[AT_ONCE] = { 0 };
        int64_t expected = 0;

        assert_status(driver->write(driver, make_table, NULL, &fixture->error), CD_OK);
        for (int i = 0; i < AT_ONCE; i++) {
                insertions[i].number = i % 5 == 4 ? 7 : 1000 + i; /* those run into one another's UNIQUE */
                insertions[i].fails = i % 5 == 3;
                expected += i % 5 < 3 ? 1000 + i : 0;
        }
        insert_at_once(driver, insertions);
        int taken = 0;
        for (int i = 0; i < AT_ONCE; i++) {
                if (i % 5 == 4) {
                        taken += insertions[i].status == CD_OK;
                        continue;
                }
                assert_status(insertions[i].status, i % 5 == 3 ? CD_EXISTS : CD_OK);
                if (i % 5 == 3)
                        assert_string_equal(insertions[i].error.reason, "changed its mind");
        }
        assert_int_equal(taken, 1);
        assert_int_equal(sum_of(driver), expected + 7);
        driver->free(driver);
}

static void a_full_queue_is_unavailable_and_says_when_to_come_back(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 8, 0);
        struct insertion insertions[8] = { 0 };
        struct gate gate;
        int later = 0;

        assert_status(driver->write(driver, make_table, NULL, &fixture->error), CD_OK);
        close_gate(driver, &gate);
        for (; later < 8; later++) {
                insertions[later].number = 1 << later;
                if (driver->write_later(driver, insert, &insertions[later], count_done, &fixture->error) != CD_OK)
                        break;
        }
        assert_int_equal(later, 6); /* a quarter is kept for callers that wait */
        assert_int_equal(fixture->error.status, CD_UNAVAILABLE);
        assert_int_equal(fixture->error.retry_after, 1);
        sem_post(&gate.open);
        driver->free(driver); /* writes what waits */
        driver = open_driver(fixture, 0, 0);
        assert_int_equal(sum_of(driver), 63);
        driver->free(driver);
}

static void a_reader_sees_one_moment_and_cannot_write(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 0, 0);
        struct insertion insertion = { .number = 1 };

        assert_status(driver->write(driver, make_table, NULL, &fixture->error), CD_OK);
        assert_status(driver->read(driver, insert, &insertion, &fixture->error), CD_UNAVAILABLE);
        assert_int_equal(sum_of(driver), 0);
        driver->free(driver);
}

/* ---- other processes ---- */

static void another_process_that_holds_the_file_is_waited_for_and_then_named(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 0, 200);
        struct insertion insertion = { .number = 1 };
        sqlite3 *other;

        assert_status(driver->write(driver, make_table, NULL, &fixture->error), CD_OK);
        assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        int64_t start = cd_monotonic_us();
        assert_status(driver->write(driver, insert, &insertion, &fixture->error), CD_UNAVAILABLE);
        assert_true(cd_monotonic_us() - start >= 190000);
        assert_non_null(strstr(fixture->error.reason, "the database is locked by another process"));
        assert_int_equal(sum_of(driver), 0); /* readers do not wait */
        assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        assert_status(driver->write(driver, insert, &insertion, &fixture->error), CD_OK);
        sqlite3_close(other);
        driver->free(driver);
}

enum {
        PATIENCE_MS = 2000,
};

static void start_insertion(struct insertion *insertion, pthread_t *ret)
{
        assert_int_equal(pthread_create(ret, NULL, insert_now, insertion), 0);
}

/* The second waits behind the first, and not twice as long as it; the third, which came later, has time left when both
 * have none. */
static void a_write_waits_for_other_processes_no_longer_than_its_time_as_a_whole(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 0, PATIENCE_MS);
        struct insertion insertions[3] = { { driver, .number = 1 }, { driver, .number = 2 }, { driver, .number = 4 } };
        pthread_t threads[3];
        sqlite3 *other;

        assert_status(driver->write(driver, make_table, NULL, &fixture->error), CD_OK);
        assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        start_insertion(&insertions[0], &threads[0]);
        usleep(PATIENCE_MS * 50); /* the writer attempts for the first alone */
        int64_t start = cd_monotonic_us();
        start_insertion(&insertions[1], &threads[1]);
        usleep(PATIENCE_MS * 650);
        start_insertion(&insertions[2], &threads[2]);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        assert_true(cd_monotonic_us() - start < PATIENCE_MS * 1500LL);
        assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        pthread_join(threads[2], NULL);
        assert_status(insertions[0].status, CD_UNAVAILABLE);
        assert_status(insertions[1].status, CD_UNAVAILABLE);
        assert_string_equal(insertions[1].error.summary, "the database is locked by another process");
        assert_status(insertions[2].status, CD_OK);
        assert_int_equal(sum_of(driver), 4);
        sqlite3_close(other);
        driver->free(driver);
}

enum {
        PROCESSES = 3,
        OF_EACH = 300,
};

/* Begins when `start` can be read (or at once where it is negative): a process is started before this one has
 * threads. */
static pid_t write_in_another(struct fixture *fixture, int number, int start)
{
        pid_t child = fork();
        struct cd_store *store;
        char jti[32], byte;

        assert_true(child >= 0);
        if (child)
                return child;
        if (start >= 0 && read(start, &byte, 1) != 1)
                _exit(3);
        if (try_open(fixture, &store) != CD_OK) {
                fprintf(stderr, "%s\n", fixture->error.reason);
                _exit(1);
        }
        for (int i = 0; i < OF_EACH; i++) {
                snprintf(jti, sizeof(jti), "%d-%d", number, i);
                if (revoke_one(store, jti, &fixture->error) != CD_OK) {
                        fprintf(stderr, "%s\n", fixture->error.reason);
                        _exit(2);
                }
        }
        store->free(store);
        _exit(0);
}

/* They also start together, on a file that is not there: one migrates, the others wait. */
static void processes_that_write_at_once_all_get_their_turn(void **state)
{
        struct fixture *fixture = *state;
        pid_t children[PROCESSES];
        int how;

        for (int i = 0; i < PROCESSES; i++)
                children[i] = write_in_another(fixture, i, -1);
        for (int i = 0; i < PROCESSES; i++) {
                assert_int_equal(waitpid(children[i], &how, 0), children[i]);
                assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
        }
        struct cd_store *store = open_store(fixture);
        assert_int_equal(count_revoked(fixture, store), PROCESSES * OF_EACH);
        store->free(store);
}

static void a_change_by_another_process_ends_the_wait_within_a_second(void **state)
{
        struct fixture *fixture = *state;
        int how, ends[2];

        assert_int_equal(pipe(ends), 0);
        pid_t child = write_in_another(fixture, 0, ends[0]);
        struct cd_store *store = open_store(fixture);
        store->wait(store, 0); /* what opening did */
        int64_t start = cd_monotonic_us();
        store->wait(store, 50);
        assert_true(cd_monotonic_us() - start >= 45000);
        assert_int_equal(write(ends[1], "x", 1), 1);
        start = cd_monotonic_us();
        store->wait(store, 20000);
        assert_true(cd_monotonic_us() - start < 10000000);
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
        close(ends[0]);
        close(ends[1]);
        store->free(store);
}

struct later {
        struct cd_store *store;
        bool wakes;
};

static void *change_later(void *arg)
{
        struct later *later = arg;
        struct cd_error error;

        usleep(50000);
        if (later->wakes)
                later->store->wake(later->store);
        else if (revoke_one(later->store, "a", &error) != CD_OK)
                abort();
        return NULL;
}

static void a_change_of_ours_and_a_wake_end_the_wait(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        pthread_t thread;

        store->wait(store, 0);
        for (int i = 0; i < 2; i++) {
                struct later later = { store, i == 1 };
                int64_t start = cd_monotonic_us();
                assert_int_equal(pthread_create(&thread, NULL, change_later, &later), 0);
                store->wait(store, 20000);
                assert_true(cd_monotonic_us() - start < 10000000);
                pthread_join(thread, NULL);
                store->wait(store, 0); /* nothing is left of it */
        }
        store->free(store);
}

/* ---- what grows ---- */

static atomic_bool has_stopped;

static void *read_on(void *arg)
{
        struct cd_store *store = arg;
        struct cd_store_versions versions;

        while (!atomic_load(&has_stopped))
                if (store->versions(store, &versions, NULL) != CD_OK)
                        abort();
        return NULL;
}

static void *write_much(void *arg)
{
        struct cd_store *store = arg;
        static const char data[2000] = { 0 };
        char digest[32], text[sizeof(data)];

        memset(text, 'x', sizeof(text));
        for (int i = 0; i < 1000; i++) {
                snprintf(digest, sizeof(digest), "%p-%d", (void *)text, i);
                const struct cd_session session = { .digest = cd_str_from_c(digest),
                                                    .user = cd_str_from_c(digest),
                                                    .device = cd_str_of(text, sizeof(text)) };
                if (store->sessions->start(store, &(struct cd_session_start){ .session = session }, NULL, NULL) !=
                    CD_OK)
                        abort();
        }
        return NULL;
}

static void the_log_stays_small_while_others_read(void **state)
{
        enum {
                WRITERS = 16,
                READERS = 2
        };
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        pthread_t threads[WRITERS + READERS];
        struct stat info;
        char wal[96];

        atomic_store(&has_stopped, false);
        for (int i = 0; i < WRITERS + READERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_much : read_on, store), 0);
        for (int i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
        atomic_store(&has_stopped, true);
        for (int i = WRITERS; i < WRITERS + READERS; i++)
                pthread_join(threads[i], NULL);
        snprintf(wal, sizeof(wal), "%s-wal", fixture->path);
        assert_int_equal(stat(wal, &info), 0);
        print_message("%lld KB of log\n", (long long)info.st_size / 1024);
        assert_true(info.st_size < 32 << 20);
        store->free(store);
}

static void lesson_22_what_expires_is_deleted_in_small_steps(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        const struct cd_store_expiry expiry = { .now = 2000000000, .audit_before = 100, .limit = 40 };
        const struct cd_audit_event event = { .at = 99, .action = CD_STR("test") };
        size_t deleted, total = 0, steps = 0;
        char name[32];

        for (int i = 0; i < 50; i++) {
                snprintf(name, sizeof(name), "n%d", i);
                const struct cd_session session = { .digest = cd_str_from_c(name), .expires_at = 2000000000 - i % 2 };
                assert_status(revoke_one(store, name, &fixture->error), CD_OK);
                assert_status(store->audit->add(store, &event, &fixture->error), CD_OK);
                assert_status(store->sessions->start(store, &(struct cd_session_start){ .session = session }, NULL,
                                                     &fixture->error),
                              CD_OK);
        }
        do {
                assert_status(store->expire(store, &expiry, &deleted, &fixture->error), CD_OK);
                assert_true(deleted <= 40);
                total += deleted;
                steps++;
        } while (deleted);
        assert_int_equal(total, 150);
        assert_int_equal(steps, 5);
        assert_int_equal(count_revoked(fixture, store), 0);
        store->free(store);
}

/* Looks at every statement that the connection has run. */
static cd_status check_no_scan(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const char *const tables[] = { "users", "sessions", "revocations", "audit" };
        sqlite3 *db = ((struct cd_sqlite_connection *)session)->db;
        size_t *checked = arg;

        (void)reterr;
        for (sqlite3_stmt *statement = sqlite3_next_stmt(db, NULL); statement;
             statement = sqlite3_next_stmt(db, statement)) {
                const char *text = sqlite3_sql(statement);
                bool is_of_many = false;
                for (size_t i = 0; i < CD_LEN(tables); i++)
                        is_of_many = is_of_many || strstr(text, tables[i]) != NULL;
                if (!is_of_many)
                        continue;
                (*checked)++;
                int steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0) +
                            sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 0) +
                            sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_AUTOINDEX, 0);
                if (steps)
                        print_error("%d steps of a scan: %s\n", steps, text);
                assert_int_equal(steps, 0);
        }
        return CD_OK;
}

static void what_grows_is_looked_up_by_an_index(void **state)
{
        struct fixture *fixture = *state;
        struct cd_sql_driver *driver = open_driver(fixture, 0, 0);
        const struct cd_store_expiry expiry = { .now = 2000000001, .audit_before = 6, .limit = 1000 };
        const struct cd_audit_event event = { .at = 5, .action = CD_STR("test") };
        struct cd_sql_migrated migrated;
        struct cd_store *store;
        char name[32];
        size_t checked = 0, deleted;

        assert_status(cd_sql_migrate(driver, &migrated, &fixture->error), CD_OK);
        assert_status(cd_sql_store_new(driver, &store, &fixture->error), CD_OK);
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "n%d", i);
                struct cd_user user;
                assert_status(add_user_named(store, name, &fixture->error), CD_OK);
                assert_status(store->users->find(store, &fixture->arena, cd_str_from_c(name), &user, &fixture->error),
                              CD_OK);
                const struct cd_session session = { .digest = user.name,
                                                    .user = user.name,
                                                    .generation = user.generation };
                assert_status(revoke_one(store, name, &fixture->error), CD_OK);
                assert_status(store->sessions->start(store, &(struct cd_session_start){ .session = session }, NULL,
                                                     &fixture->error),
                              CD_OK);
                assert_status(store->audit->add(store, &event, &fixture->error), CD_OK);
        }
        const struct cd_user_change change = { .name = CD_STR("n50"), .now = 9, .ends_sessions = true };
        struct cd_user user;
        struct cd_users_page users;
        struct cd_session session;
        struct cd_revocation_list revocations;
        struct cd_audit_events events;
        assert_status(store->users->find(store, &fixture->arena, CD_STR("n9"), &user, &fixture->error), CD_OK);
        assert_status(store->users->list(store, &fixture->arena, CD_STR("n5"), 10, &users, &fixture->error), CD_OK);
        assert_status(store->sessions->find(store, &fixture->arena, CD_STR("n9"), &session, &fixture->error), CD_OK);
        assert_status(store->revocations->list(store, &fixture->arena, 50, 10, &revocations, &fixture->error), CD_OK);
        assert_status(store->audit->list(store, &fixture->arena, 50, 10, &events, &fixture->error), CD_OK);
        assert_status(store->users->update(store, &change, NULL, &fixture->error), CD_OK);
        assert_status(store->users->remove(store, &change, NULL, &fixture->error), CD_OK);
        assert_status(store->expire(store, &expiry, &deleted, &fixture->error), CD_OK);
        assert_status(driver->read(driver, check_no_scan, &checked, &fixture->error), CD_OK);
        assert_status(driver->write(driver, check_no_scan, &checked, &fixture->error), CD_OK);
        assert_true(checked >= 14);
        store->free(store);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(what_grows_is_looked_up_by_an_index),
                IN_A_FOLDER(writes_that_wait_together_are_committed_together),
                IN_A_FOLDER(a_write_that_fails_undoes_itself_and_nothing_else),
                IN_A_FOLDER(a_full_queue_is_unavailable_and_says_when_to_come_back),
                IN_A_FOLDER(a_reader_sees_one_moment_and_cannot_write),
                IN_A_FOLDER(another_process_that_holds_the_file_is_waited_for_and_then_named),
                IN_A_FOLDER(a_write_waits_for_other_processes_no_longer_than_its_time_as_a_whole),
                ON_A_DISK(processes_that_write_at_once_all_get_their_turn),
                IN_A_FOLDER(a_change_by_another_process_ends_the_wait_within_a_second),
                IN_A_FOLDER(a_change_of_ours_and_a_wake_end_the_wait),
                IN_A_FOLDER(the_log_stays_small_while_others_read),
                IN_A_FOLDER(lesson_22_what_expires_is_deleted_in_small_steps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
