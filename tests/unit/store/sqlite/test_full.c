/* A disk that is full: the write fails and says so, nothing acknowledged is lost, and once there is room the next one
 * works. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "store/sqlite/connection.h"

enum {
        THREADS = 8,
        EACH = 400,
        DATA = 3000, /* bytes of a session: 8 × 400 of them are more than there is room for */
        ROOM = 3 << 20,
        OF_A_USER = 80, /* sessions: fewer than CD_SESSIONS_MAX */
        USERS = THREADS * EACH / OF_A_USER + 1,
};

struct filler {
        struct cd_store *store;
        unsigned number;
        bool done[EACH];
        bool was_full;
        char reason[384]; /* of a failure that is none of a full disk */
};

static cd_status put(struct cd_store *store, unsigned thread, unsigned number, struct cd_error *reterr)
{
        char digest[32], user[32], data[DATA];

        memset(data, 'x', sizeof(data));
        snprintf(digest, sizeof(digest), "%u-%u", thread, number);
        snprintf(user, sizeof(user), "u%u", (thread * EACH + number) / OF_A_USER);
        const struct cd_session session = { .digest = cd_str_from_c(digest),
                                            .user = cd_str_from_c(user),
                                            .device = cd_str_of(data, sizeof(data)),
                                            .expires_at = 2000000000,
                                            .generation = 2 }; /* of the users who are added first */
        return store->sessions->start(store, &(struct cd_session_start){ .session = session }, NULL, reterr);
}

static void *fill(void *arg)
{
        struct filler *filler = arg;
        struct cd_error error;

        for (unsigned i = 0; i < EACH; i++) {
                cd_status status = put(filler->store, filler->number, i, &error);
                filler->done[i] = status == CD_OK;
                if (status == CD_OK)
                        continue;
                filler->was_full = true;
                if (status != CD_UNAVAILABLE || !strstr(error.reason, "the disk of the database is full"))
                        snprintf(filler->reason, sizeof(filler->reason), "%s", error.reason);
        }
        return NULL;
}

static void check_all(struct fixture *fixture, struct cd_store *store, const struct filler *fillers)
{
        struct cd_session session;
        char digest[32];

        for (unsigned t = 0; t < THREADS; t++)
                for (unsigned i = 0; i < EACH; i++) {
                        snprintf(digest, sizeof(digest), "%u-%u", t, i);
                        assert_status(store->sessions->find(store, &fixture->arena, cd_str_from_c(digest), &session,
                                                            &fixture->error),
                                      fillers[t].done[i] ? CD_OK : CD_NOT_FOUND);
                        cd_arena_reset(&fixture->arena);
                }
}

static void fill_all(struct cd_store *store, struct filler *fillers)
{
        pthread_t threads[THREADS];
        bool was_full = false;

        for (unsigned t = 0; t < THREADS; t++) {
                fillers[t] = (struct filler){ .store = store, .number = t };
                assert_int_equal(pthread_create(&threads[t], NULL, fill, &fillers[t]), 0);
        }
        for (unsigned t = 0; t < THREADS; t++) {
                pthread_join(threads[t], NULL);
                assert_string_equal(fillers[t].reason, "");
                was_full = was_full || fillers[t].was_full;
        }
        assert_true(was_full);
}

/* In one call, so that all have one generation. */
static void add_owners(struct fixture *fixture, struct cd_store *store)
{
        static char names[USERS][16];
        struct cd_user users[USERS];

        for (unsigned i = 0; i < USERS; i++) {
                snprintf(names[i], sizeof(names[i]), "u%u", i);
                users[i] = (struct cd_user){ .name = cd_str_from_c(names[i]), .claims = CD_STR("{}") };
        }
        assert_status(store->users->add(store, &(struct cd_users_page){ users, USERS }, NULL, &fixture->error), CD_OK);
}

static void fill_make_room_and_go_on(struct fixture *fixture, void (*make_room)(struct fixture *fixture))
{
        static struct filler fillers[THREADS];
        struct cd_store *store = open_store(fixture);

        add_owners(fixture, store);
        fill_all(store, fillers);
        check_all(fixture, store, fillers);
        make_room(fixture);
        assert_status(put(store, THREADS, 0, &fixture->error), CD_OK);
        check_all(fixture, store, fillers);
        store->free(store);
        store = open_store(fixture);
        check_all(fixture, store, fillers);
        assert_status(put(store, THREADS, 1, &fixture->error), CD_OK);
        store->free(store);
}

static void set_limit(rlim_t bytes)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lift_limit(struct fixture *fixture)
{
        (void)fixture;
        set_limit(RLIM_INFINITY);
}

static void a_file_that_may_not_grow_loses_nothing(void **state)
{
        signal(SIGXFSZ, SIG_IGN);
        set_limit(ROOM);
        fill_make_room_and_go_on(*state, lift_limit);
}

/* ---- what waits for room ---- */

enum {
        WAITING_MAX = 8192, /* as in store/sql/audit_later.c */
};

static cd_status add_event(struct cd_store *store, int number, struct cd_error *reterr)
{
        char detail[16];

        snprintf(detail, sizeof(detail), "%d", number);
        const struct cd_audit_event event = {
                .at = 1000, .action = CD_STR("login.ok"), .actor = CD_STR("grant"), .detail = cd_str_from_c(detail)
        };
        return store->audit->add_later(store, &event, reterr);
}

/* No page of the log may be added, and nothing of it can be written over. */
static void fill_disk(struct fixture *fixture)
{
        char log[100];
        struct stat info;

        snprintf(log, sizeof(log), "%s-wal", fixture->path);
        assert_int_equal(stat(log, &info), 0);
        signal(SIGXFSZ, SIG_IGN);
        set_limit((rlim_t)info.st_size);
}

static void check_events(struct fixture *fixture, struct cd_store *store, int count)
{
        struct cd_audit_events events;
        char number[16];

        assert_status(store->audit->list(store, &fixture->arena, 0, 100000, &events, &fixture->error), CD_OK);
        assert_int_equal(events.count, count);
        for (int i = 0; i < count; i++) {
                snprintf(number, sizeof(number), "%d", i);
                assert_str(events.items[i].detail, number);
        }
        cd_arena_reset(&fixture->arena);
}

/* A flush gives up when a transaction stays under way for long, and on a slow machine one of 8192 events does. */
static cd_status flush_all(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr)
{
        cd_status status;

        do {
                status = store->audit->flush(store, ret, reterr);
        } while (status == CD_OK && ret->waiting);
        return status;
}

static void lesson_35_events_wait_for_room_in_a_bounded_queue(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        struct cd_audit_flush flush;

        fill_disk(fixture);
        for (int i = 0; i < WAITING_MAX; i++)
                assert_status(add_event(store, i, &fixture->error), CD_OK);
        assert_status(flush_all(store, &flush, &fixture->error), CD_UNAVAILABLE);
        assert_string_equal(fixture->error.summary, "the disk of the database is full");
        assert_true(flush.written == 0 && flush.waiting == WAITING_MAX && flush.lost == 0);
        assert_status(add_event(store, -1, &fixture->error), CD_UNAVAILABLE);
        assert_status(add_event(store, -1, &fixture->error), CD_UNAVAILABLE);
        assert_status(flush_all(store, &flush, &fixture->error), CD_UNAVAILABLE);
        assert_true(flush.waiting == WAITING_MAX && flush.lost == 2);
        check_events(fixture, store, 0);
        lift_limit(fixture);
        assert_status(flush_all(store, &flush, &fixture->error), CD_OK);
        assert_true(flush.written == WAITING_MAX && flush.waiting == 0 && flush.lost == 2);
        assert_status(add_event(store, WAITING_MAX, &fixture->error), CD_OK);
        assert_status(flush_all(store, &flush, &fixture->error), CD_OK);
        check_events(fixture, store, WAITING_MAX + 1);
        store->free(store);
}

static void lesson_35_events_that_wait_are_written_before_the_store_closes(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        struct cd_audit_flush flush;

        fill_disk(fixture);
        for (int i = 0; i < 20; i++)
                assert_status(add_event(store, i, &fixture->error), CD_OK);
        assert_status(flush_all(store, &flush, &fixture->error), CD_UNAVAILABLE);
        lift_limit(fixture);
        store->free(store);
        store = open_store(fixture);
        check_events(fixture, store, 20);
        store->free(store);
}

/* Another process holds the lock, so a transaction is under way for long. */
static void events_that_are_being_written_are_not_written_twice(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        struct cd_audit_flush flush;
        sqlite3 *other;

        assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        for (int i = 0; i < 20; i++)
                assert_status(add_event(store, i, &fixture->error), CD_OK);
        assert_status(store->audit->flush(store, &flush, &fixture->error), CD_OK);
        assert_true(flush.written == 0 && flush.waiting == 20);
        assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        assert_status(store->audit->flush(store, &flush, &fixture->error), CD_OK);
        store->free(store);
        sqlite3_close(other);
        store = open_store(fixture);
        check_events(fixture, store, 20);
        store->free(store);
}

/* With nothing that could be deleted. */
static void what_deletes_the_expired_finds_out_that_the_disk_is_full(void **state)
{
        const struct cd_store_expiry expiry = { .now = 1000, .audit_before = 1000, .limit = 100 };
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        size_t deleted = 0;

        fill_disk(fixture);
        assert_status(store->expire(store, &expiry, &deleted, &fixture->error), CD_UNAVAILABLE);
        assert_string_equal(fixture->error.summary, "the disk of the database is full");
        lift_limit(fixture);
        assert_status(store->expire(store, &expiry, &deleted, &fixture->error), CD_OK);
        store->free(store);
}

static void grow_disk(struct fixture *fixture)
{
        assert_int_equal(mount("none", fixture->folder, "tmpfs", MS_REMOUNT, "size=64m,mode=0700"), 0);
}

static void a_full_disk_loses_nothing(void **state)
{
        struct fixture *fixture = *state;
        char options[64];

        /* A mount that nobody else sees, gone with this process. */
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
                skip();
        snprintf(options, sizeof(options), "size=%d,mode=0700", ROOM * 2);
        assert_int_equal(mount("none", fixture->folder, "tmpfs", 0, options), 0);
        fill_make_room_and_go_on(fixture, grow_disk);
        assert_int_equal(umount(fixture->folder), 0);
}

static void a_read_only_disk_is_said_so(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store;

        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
                skip();
        assert_int_equal(mount("none", fixture->folder, "tmpfs", 0, "size=4m,mode=0700"), 0);
        store = open_store(fixture);
        store->free(store);
        assert_int_equal(mount("none", fixture->folder, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_status(try_open(fixture, &store), CD_UNAVAILABLE);
        assert_non_null(strstr(fixture->error.reason, "cannot be written: Read-only file system"));
        assert_int_equal(umount(fixture->folder), 0);
}

/* What the system says of it comes as an error of input and output. */
static void a_disk_that_became_read_only_is_said_so(void **state)
{
        static const struct {
                int code, system_errno;
                const char *summary;
        } cases[] = {
                { SQLITE_IOERR_WRITE, EROFS, "the database is read-only" },
                { SQLITE_CANTOPEN, EROFS, "the database is read-only" },
                { SQLITE_READONLY, 0, "the database is read-only" },
                { SQLITE_IOERR_WRITE, EIO, "the database could not be read or written" },
                { SQLITE_IOERR_WRITE, ENOSPC, "the disk of the database is full" },
                { SQLITE_IOERR_WRITE, EFBIG, "the disk of the database is full" },
        };
        struct fixture *fixture = *state;

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_sqlite_connection none = { 0 };
                errno = cases[i].system_errno;
                assert_status(cd_sqlite_fail(&none, cases[i].code, &fixture->error), CD_UNAVAILABLE);
                assert_string_equal(fixture->error.summary, cases[i].summary);
                assert_non_null(strstr(fixture->error.reason, cases[i].summary));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(a_file_that_may_not_grow_loses_nothing),
                IN_A_FOLDER(lesson_35_events_wait_for_room_in_a_bounded_queue),
                IN_A_FOLDER(lesson_35_events_that_wait_are_written_before_the_store_closes),
                IN_A_FOLDER(events_that_are_being_written_are_not_written_twice),
                IN_A_FOLDER(what_deletes_the_expired_finds_out_that_the_disk_is_full),
                IN_A_FOLDER(a_full_disk_loses_nothing),
                IN_A_FOLDER(a_read_only_disk_is_said_so),
                IN_A_FOLDER(a_disk_that_became_read_only_is_said_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
