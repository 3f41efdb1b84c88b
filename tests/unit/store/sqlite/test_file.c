/* The file: who may read it, and what is said where it cannot be used. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "store/sqlite/file.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/replace.h"

static unsigned mode_of(const char *path)
{
        struct stat info;

        assert_int_equal(stat(path, &info), 0);
        return info.st_mode & 07777;
}

static void write_file(const char *path, const char *text, unsigned mode)
{
        int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static void check_refused(struct fixture *fixture, cd_status status, const char *reason)
{
        struct cd_store *store;

        assert_status(try_open(fixture, &store), status);
        assert_string_equal(fixture->error.field, "store");
        if (!strstr(fixture->error.reason, reason))
                fail_msg("\"%s\" has no \"%s\"", fixture->error.reason, reason);
}

static void nobody_else_can_read_the_file_or_its_log_whatever_the_umask(void **state)
{
        static const mode_t umasks[] = { 0, 022, 0777 };
        struct fixture *fixture = *state;
        char path[96];

        for (size_t i = 0; i < CD_LEN(umasks); i++) {
                mode_t before = umask(umasks[i]);
                struct cd_store *store = open_store(fixture);
                umask(before);
                assert_status(revoke_one(store, "a", &fixture->error), CD_OK);
                assert_int_equal(mode_of(fixture->path), 0600);
                snprintf(path, sizeof(path), "%s-wal", fixture->path);
                assert_int_equal(mode_of(path), 0600);
                snprintf(path, sizeof(path), "%s-shm", fixture->path);
                assert_int_equal(mode_of(path), 0600);
                store->free(store);
                assert_int_equal(unlink(fixture->path), 0);
        }
}

struct watching {
        const char *path;
        atomic_bool stop;
        atomic_uint worst; /* mode bits of others that were ever seen */
};

static void *watch_modes(void *arg)
{
        struct watching *watching = arg;
        static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
        char path[96];
        struct stat info;

        while (!atomic_load(&watching->stop))
                for (size_t i = 0; i < CD_LEN(suffixes); i++) {
                        snprintf(path, sizeof(path), "%s%s", watching->path, suffixes[i]);
                        if (stat(path, &info) == 0)
                                atomic_fetch_or(&watching->worst, info.st_mode & 077);
                }
        return NULL;
}

static void the_file_is_private_from_its_first_moment(void **state)
{
        struct fixture *fixture = *state;
        struct watching watching = { .path = fixture->path };
        pthread_t thread;
        mode_t before = umask(0);

        assert_int_equal(pthread_create(&thread, NULL, watch_modes, &watching), 0);
        for (int i = 0; i < 10; i++) {
                struct cd_store *store = open_store(fixture);
                store->free(store);
                assert_int_equal(unlink(fixture->path), 0);
        }
        atomic_store(&watching.stop, true);
        pthread_join(thread, NULL);
        umask(before);
        assert_int_equal(atomic_load(&watching.worst), 0);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);

        store->free(store);
        assert_int_equal(chmod(fixture->path, 0640), 0);
        check_refused(fixture, CD_INVALID_REQUEST,
                      "is open to other users (mode 0640), but contains secrets; chmod 600 it");
        assert_int_equal(mode_of(fixture->path), 0640);
        assert_int_equal(chmod(fixture->path, 0600), 0);
        store = open_store(fixture);
        store->free(store);
}

static void a_log_that_others_can_read_is_refused(void **state)
{
        struct fixture *fixture = *state;
        char path[96];
        struct cd_store *store = open_store(fixture);

        store->free(store);
        snprintf(path, sizeof(path), "%s-wal", fixture->path);
        write_file(path, "", 0604);
        check_refused(fixture, CD_INVALID_REQUEST, "c.db-wal is open to other users (mode 0604)");
}

static void a_file_is_only_made_where_that_is_allowed(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store_options options = { .url = CD_STR("sqlite:c.db"), .folder = cd_str_from_c(fixture->folder) };
        struct cd_store_opened opened;

        assert_status(cd_store_open(&options, &opened, &fixture->error), CD_NOT_FOUND);
        assert_non_null(strstr(fixture->error.reason, "there is no database"));
        assert_int_equal(access(fixture->path, F_OK), -1);
}

static void the_folder_must_be_there(void **state)
{
        struct fixture *fixture = *state;

        snprintf(fixture->folder + strlen(fixture->folder), 8, "/no");
        check_refused(fixture, CD_INVALID_REQUEST, "/no: No such file or directory");
        *strrchr(fixture->folder, '/') = '\0';
}

static void a_folder_is_no_database(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(mkdir(fixture->path, 0700), 0);
        check_refused(fixture, CD_INVALID_REQUEST, "is not a file");
}

static void another_file_is_no_database(void **state)
{
        struct fixture *fixture = *state;
        char text[8192];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        write_file(fixture->path, text, 0600);
        check_refused(fixture, CD_UNAVAILABLE, "the file is not an SQLite database");
}

/* What SQLite takes for a new database, and whose log it removes. */
static void lesson_37_an_empty_file_is_refused_and_left_alone(void **state)
{
        struct fixture *fixture = *state;
        char log[96], text[256];
        struct stat info;

        write_file(fixture->path, "", 0600);
        snprintf(text, sizeof(text), "the database %s is empty (0 bytes)", fixture->path);
        check_refused(fixture, CD_UNAVAILABLE, text);
        assert_non_null(strstr(fixture->error.reason, "restore a backup, or remove the file to start"));
        snprintf(log, sizeof(log), "%s-wal", fixture->path);
        write_file(log, "", 0600);
        check_refused(fixture, CD_UNAVAILABLE, "restore a backup, or remove the file to start");
        write_file(log, "x", 0600);
        check_refused(fixture, CD_UNAVAILABLE, text);
        snprintf(text, sizeof(text), "its log %s holds 1 bytes", log);
        assert_non_null(strstr(fixture->error.reason, text));
        assert_int_equal(stat(fixture->path, &info), 0);
        assert_int_equal(info.st_size, 0);
        assert_int_equal(stat(log, &info), 0);
        assert_int_equal(info.st_size, 1);
}

/* A new file of that name would take the log for its own. */
static void lesson_37_a_log_without_its_database_is_left_alone(void **state)
{
        struct fixture *fixture = *state;
        char log[96], text[256];
        struct stat info;

        snprintf(log, sizeof(log), "%s-wal", fixture->path);
        write_file(log, "x", 0600);
        snprintf(text, sizeof(text), "there is no database %s, but its log %s holds 1 bytes", fixture->path, log);
        check_refused(fixture, CD_UNAVAILABLE, text);
        assert_int_not_equal(stat(fixture->path, &info), 0);
        assert_int_equal(stat(log, &info), 0);
        assert_int_equal(info.st_size, 1);
        write_file(log, "", 0600);
        struct cd_store *store = open_store(fixture);
        store->free(store);
}

static size_t count_files(const char *path)
{
        DIR *folder = opendir(path);
        size_t count = 0;

        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));)
                count += entry->d_name[0] != '.';
        closedir(folder);
        return count;
}

/* So a process that ends while it makes one leaves none of that name, or one to go on with. */
static void a_new_database_is_never_empty(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store;
        struct stat info;

        for (int i = 0; i < 2; i++) {
                assert_status(cd_sqlite_file_prepare(fixture->path, true, &fixture->error), CD_OK);
                assert_int_equal(stat(fixture->path, &info), 0);
                assert_true(info.st_size > 0);
                assert_int_equal(count_files(fixture->folder), 1);
        }
        store = open_store(fixture);
        assert_status(revoke_one(store, "a", &fixture->error), CD_OK);
        store->free(store);
}

static void run_sql(const char *path, const char *text)
{
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void the_database_of_another_program_is_left_alone(void **state)
{
        struct fixture *fixture = *state;

        write_file(fixture->path, "", 0600);
        run_sql(fixture->path, "CREATE TABLE theirs (a)");
        check_refused(fixture, CD_INVALID_REQUEST, "the file is the database of another program");
}

static void a_schema_of_a_later_version_is_refused_with_both_numbers(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);

        char expected[128];

        store->free(store);
        run_sql(fixture->path, "INSERT INTO schema_migrations VALUES (77, 'later', 0)");
        snprintf(expected, sizeof(expected),
                 "the schema of the store is version 77, and this program knows versions up to %zu",
                 cd_sqlite_migration_count);
        check_refused(fixture, CD_INVALID_REQUEST, expected);
}

static void a_store_that_must_be_current_is_not_migrated(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store_options options = { .url = CD_STR("sqlite:c.db"),
                                            .folder = cd_str_from_c(fixture->folder),
                                            .must_be_current = true };
        struct cd_store_opened opened;

        assert_status(cd_sqlite_file_prepare(fixture->path, true, &fixture->error), CD_OK);
        assert_status(cd_store_open(&options, &opened, &fixture->error), CD_NOT_FOUND);
        assert_string_equal(fixture->error.reason, "the database is empty; cardea serve and cardea migrate create its "
                                                   "tables; " CD_STORE_NEW_ADVICE);
        options.must_be_current = false; /* nor where the store may not be new */
        assert_status(cd_store_open(&options, &opened, &fixture->error), CD_NOT_FOUND);
        options.may_create = true;
        assert_status(cd_store_open(&options, &opened, &fixture->error), CD_OK);
        assert_int_equal(opened.schema_from, 0);
        assert_int_equal(opened.schema_to, cd_sqlite_migration_count);
        opened.store->free(opened.store);
        options.must_be_current = true;
        assert_status(cd_store_open(&options, &opened, &fixture->error), CD_OK);
        assert_int_equal(opened.schema_from, cd_sqlite_migration_count);
        opened.store->free(opened.store);
}

/* A store of an earlier version, with a user whose tokens were revoked: they stay so, and the next ones are valid. */
static void a_store_without_generations_gets_them(void **state)
{
        struct fixture *fixture = *state;
        struct cd_revocation_list revocations;
        struct cd_client_records clients;
        struct cd_user ana;

        write_file(fixture->path, "", 0600);
        run_sql(fixture->path, "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                               " applied_at BIGINT NOT NULL)");
        run_sql(fixture->path, cd_sqlite_migrations[0].text.ptr);
        run_sql(fixture->path, "INSERT INTO schema_migrations VALUES (1, 'first', 0);"
                               "INSERT INTO users VALUES ('ana', '$x', '{}', 0, 1, 1, 1, 0, 0, 0);"
                               "INSERT INTO clients VALUES ('app', x'', 1, '[]', '', '[]', 1, 1);"
                               "UPDATE clients SET secret = zeroblob(32);"
                               "INSERT INTO revocations VALUES (8, NULL, 'ana', 500, 900), (9, 'x', '', 0, 900);"
                               "UPDATE versions SET version = 9 WHERE name = 'revocations'");
        struct cd_store *store = open_store(fixture);
        assert_status(store->users->find(store, &fixture->arena, CD_STR("ana"), &ana, &fixture->error), CD_OK);
        assert_int_equal(ana.generation, 9);
        assert_int_equal(ana.display_name.len + ana.email.len + ana.groups.count, 0);
        assert_false(ana.email_verified);
        assert_status(store->clients->list(store, &fixture->arena, &clients, &fixture->error), CD_OK);
        assert_int_equal(clients.items[0].generation, 0);
        assert_status(store->revocations->list(store, &fixture->arena, 0, 10, &revocations, &fixture->error), CD_OK);
        assert_int_equal(revocations.count, 2);
        assert_int_equal(revocations.items[0].seq, 8);
        assert_str(revocations.items[0].user, "ana");
        assert_str(revocations.items[1].jti, "x");
        assert_str(revocations.items[1].client_id, "");
        store->free(store);
}

static void a_store_of_the_first_schema_keeps_its_clients(void **state)
{
        struct fixture *fixture = *state;
        struct cd_client_records clients;
        struct cd_arena arena;

        write_file(fixture->path, "", 0600);
        run_sql(fixture->path, "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                               " applied_at BIGINT NOT NULL); INSERT INTO schema_migrations VALUES (1, 'first', 0)");
        run_sql(fixture->path, cd_sqlite_migrations[0].text.ptr);
        run_sql(fixture->path, "INSERT INTO clients (id, secret, grants, scopes, audience, introspect, created_at,"
                               " changed_at) VALUES ('old', zeroblob(32), 1, '[]', '', '[]', 1, 1)");
        struct cd_store *store = open_store(fixture);
        cd_arena_init(&arena, 1 << 20);
        assert_status(store->clients->list(store, &arena, &clients, &fixture->error), CD_OK);
        assert_int_equal(clients.count, 1);
        assert_true(cd_str_eq(clients.items[0].id, CD_STR("old")));
        assert_int_equal(clients.items[0].alg.len, 0);
        cd_arena_done(&arena);
        store->free(store);
}

/* Runs `body` as somebody who is not root, since root may write everything. Returns what it exited with. */
static int as_somebody_else(struct fixture *fixture, int (*body)(struct fixture *fixture))
{
        int how;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
                        _exit(99);
                _exit(body(fixture));
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFEXITED(how));
        return WEXITSTATUS(how);
}

static int expect_no_permission(struct fixture *fixture)
{
        struct cd_store *store;
        cd_status status = try_open(fixture, &store);
        bool is_said = strstr(fixture->error.reason, "Permission denied") != NULL;

        if (status != CD_UNAVAILABLE || !is_said)
                fprintf(stderr, "%d: %s\n", (int)status, fixture->error.reason);
        return status == CD_UNAVAILABLE && is_said ? 0 : 1;
}

static void a_file_or_folder_without_permission_is_said_so(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);

        store->free(store);
        assert_int_equal(chmod(fixture->path, 0400), 0);
        if (geteuid() == 0)
                assert_int_equal(chmod(fixture->folder, 0777), 0);
        assert_int_equal(as_somebody_else(fixture, expect_no_permission), 0);
        assert_int_equal(chmod(fixture->folder, 0555), 0);
        assert_int_equal(as_somebody_else(fixture, expect_no_permission), 0);
        assert_int_equal(unlink(fixture->path), geteuid() == 0 ? 0 : -1);
        assert_int_equal(as_somebody_else(fixture, expect_no_permission), 0);
        assert_int_equal(chmod(fixture->folder, 0700), 0);
}

/* ---- while it is open ---- */

static void check_usable(struct cd_store *store, cd_status status, const char *summary, const char *path)
{
        struct cd_store_versions versions;
        struct cd_error errors[2] = { 0 };

        assert_status(store->versions(store, &versions, &errors[0]), status);
        assert_status(revoke_one(store, path, &errors[1]), status);
        for (size_t i = 0; i < CD_LEN(errors) && status != CD_OK; i++) {
                assert_string_equal(errors[i].summary, summary);
                assert_non_null(strstr(errors[i].reason, path));
                assert_null(strstr(errors[i].summary, path));
        }
}

static void lesson_37_a_file_that_is_deleted_or_replaced_is_out_of_use_until_it_is_back(void **state)
{
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        char path[100], aside[100];

        snprintf(aside, sizeof(aside), "%s/aside", fixture->folder);
        for (size_t i = 0; i < CD_LEN(suffixes); i++) {
                snprintf(path, sizeof(path), "%s%s", fixture->path, suffixes[i]);
                assert_int_equal(rename(path, aside), 0);
                check_usable(store, CD_UNAVAILABLE, "a file of the database was deleted", path);
                write_file(path, "", 0600);
                check_usable(store, CD_UNAVAILABLE, "a file of the database was replaced", path);
                assert_int_equal(rename(aside, path), 0);
                check_usable(store, CD_OK, NULL, path);
        }
        store->free(store);
        store = open_store(fixture);
        assert_int_equal(count_revoked(fixture, store), CD_LEN(suffixes));
        store->free(store);
}

static void a_database_that_a_symbolic_link_leads_to_is_that_file(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        char real[100], other[100];

        store->free(store);
        snprintf(real, sizeof(real), "%s/real.db", fixture->folder);
        snprintf(other, sizeof(other), "%s/other.db", fixture->folder);
        assert_int_equal(rename(fixture->path, real), 0);
        assert_int_equal(symlink("real.db", fixture->path), 0);
        store = open_store(fixture);
        check_usable(store, CD_OK, NULL, fixture->path);
        write_file(other, "", 0600);
        assert_int_equal(unlink(fixture->path), 0);
        assert_int_equal(symlink("other.db", fixture->path), 0);
        check_usable(store, CD_UNAVAILABLE, "a file of the database was replaced", fixture->path);
        store->free(store);
}

/* SQLite takes a log for that of whatever file has the name. */
static void lesson_37_a_log_is_not_left_to_the_file_that_replaced_its_own(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        char aside[100], log[100];
        struct stat info;

        snprintf(aside, sizeof(aside), "%s/aside", fixture->folder);
        snprintf(log, sizeof(log), "%s-wal", fixture->path);
        assert_status(revoke_one(store, "a", &fixture->error), CD_OK);
        assert_int_equal(rename(fixture->path, aside), 0);
        write_file(fixture->path, "", 0600);
        store->free(store);
        assert_true(stat(log, &info) != 0 || info.st_size == 0);
        assert_int_equal(unlink(fixture->path), 0);
        store = open_store(fixture);
        assert_int_equal(count_revoked(fixture, store), 0);
        store->free(store);
        assert_int_equal(rename(aside, fixture->path), 0);
        store = open_store(fixture);
        assert_int_equal(count_revoked(fixture, store), 1);
        store->free(store);
}

/* All is in the log still, which goes into the file at the end. */
static void lesson_37_a_file_that_is_emptied_is_out_of_use_and_its_log_is_kept(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture), *other;

        assert_status(revoke_one(store, "a", &fixture->error), CD_OK);
        assert_int_equal(truncate(fixture->path, 0), 0);
        check_usable(store, CD_UNAVAILABLE, "the database file was emptied", fixture->path);
        assert_status(try_open(fixture, &other), CD_UNAVAILABLE);
        check_usable(store, CD_UNAVAILABLE, "the database file was emptied", fixture->path);
        store->free(store);
        store = open_store(fixture);
        assert_int_equal(count_revoked(fixture, store), 1);
        store->free(store);
}

/* The log has a part of it only: too little for SQLite to write it into a file that has lost the rest (walCheckpoint
 * compares their sizes). */
static void lesson_37_a_file_that_was_emptied_does_not_come_back_in_part(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);

        store->free(store);
        store = open_store(fixture);
        assert_status(revoke_one(store, "a", &fixture->error), CD_OK);
        assert_int_equal(truncate(fixture->path, 0), 0);
        store->free(store);
        check_refused(fixture, CD_UNAVAILABLE, "is empty (0 bytes), and its log");
}

static void names_that_mean_something_to_sqlite_are_files(void **state)
{
        static const char *const names[] = { ":memory:", "file:x?mode=memory", "a%20b" };
        struct fixture *fixture = *state;
        char url[64], path[128];

        for (size_t i = 0; i < CD_LEN(names); i++) {
                snprintf(url, sizeof(url), "sqlite:%s", names[i]);
                struct cd_store_options options = { .url = cd_str_from_c(url),
                                                    .folder = cd_str_from_c(fixture->folder),
                                                    .may_create = true };
                struct cd_store_opened opened;
                assert_status(cd_store_open(&options, &opened, &fixture->error), CD_OK);
                opened.store->free(opened.store);
                snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
                assert_int_equal(access(path, F_OK), 0);
        }
}

/* The server's user owns the folder, and may put a link there while root restores. */
static void root_gives_away_no_file_that_a_link_in_the_folder_leads_to(void **state)
{
        enum {
                NOBODY = 65534
        };
        struct fixture *fixture = *state;
        char of_root[96], made[96], kept[PATH_MAX];
        struct stat info;

        if (geteuid() != 0)
                skip();
        snprintf(of_root, sizeof(of_root), "%s/shadow", fixture->folder);
        snprintf(made, sizeof(made), "%s/made", fixture->folder);
        write_file(of_root, "secret", 0600);
        assert_return_code(symlink(of_root, made), errno);
        assert_return_code(chown(fixture->folder, NOBODY, NOBODY), errno);
        (void)cd_sqlite_replace(fixture->path, made, 0, kept, &fixture->error);
        assert_return_code(stat(of_root, &info), errno);
        assert_int_equal(info.st_uid, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(nobody_else_can_read_the_file_or_its_log_whatever_the_umask),
                IN_A_FOLDER(the_file_is_private_from_its_first_moment),
                IN_A_FOLDER(a_file_that_others_can_read_is_refused),
                IN_A_FOLDER(a_log_that_others_can_read_is_refused),
                IN_A_FOLDER(a_file_is_only_made_where_that_is_allowed),
                IN_A_FOLDER(the_folder_must_be_there),
                IN_A_FOLDER(a_folder_is_no_database),
                IN_A_FOLDER(another_file_is_no_database),
                IN_A_FOLDER(lesson_37_an_empty_file_is_refused_and_left_alone),
                IN_A_FOLDER(lesson_37_a_log_without_its_database_is_left_alone),
                IN_A_FOLDER(a_new_database_is_never_empty),
                IN_A_FOLDER(the_database_of_another_program_is_left_alone),
                IN_A_FOLDER(a_schema_of_a_later_version_is_refused_with_both_numbers),
                IN_A_FOLDER(a_store_that_must_be_current_is_not_migrated),
                IN_A_FOLDER(a_store_without_generations_gets_them),
                IN_A_FOLDER(a_store_of_the_first_schema_keeps_its_clients),
                IN_A_FOLDER(a_file_or_folder_without_permission_is_said_so),
                IN_A_FOLDER(lesson_37_a_file_that_is_deleted_or_replaced_is_out_of_use_until_it_is_back),
                IN_A_FOLDER(a_database_that_a_symbolic_link_leads_to_is_that_file),
                IN_A_FOLDER(lesson_37_a_log_is_not_left_to_the_file_that_replaced_its_own),
                IN_A_FOLDER(lesson_37_a_file_that_is_emptied_is_out_of_use_and_its_log_is_kept),
                IN_A_FOLDER(lesson_37_a_file_that_was_emptied_does_not_come_back_in_part),
                IN_A_FOLDER(names_that_mean_something_to_sqlite_are_files),
                IN_A_FOLDER(root_gives_away_no_file_that_a_link_in_the_folder_leads_to),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
