/* A database whose bytes are not what was written: an error or other data, but never a crash or a hang. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

enum {
        USERS = 150,
        TRIALS = 150,
        PAGE = 4096,
        FILE_MAX = 8 << 20,
};

struct image {
        char *bytes;
        size_t size;
};

static void fill(struct fixture *fixture, struct cd_store *store)
{
        const struct cd_audit_event event = { .at = 5, .action = CD_STR("test"), .actor = CD_STR("os:ana") };
        struct cd_client_record client = { .id = CD_STR("app"), .audience = CD_STR("api") };
        const struct cd_key_addition key = {
                .key = { .kid = CD_STR("k"), .alg = CD_STR("ES256"), .sealed = CD_STR("s") }
        };
        char name[32];

        assert_status(store->clients->add(store, &client, &event, &fixture->error), CD_OK);
        assert_status(store->keys->add(store, &key, &event, &fixture->error), CD_OK);
        for (int i = 0; i < USERS; i++) {
                snprintf(name, sizeof(name), "user-%03d", i);
                assert_status(add_user_named(store, name, &fixture->error), CD_OK);
                assert_status(revoke_one(store, name, &fixture->error), CD_OK);
                assert_status(store->audit->add(store, &event, &fixture->error), CD_OK);
        }
}

static struct image load(const char *path)
{
        struct image image = { .bytes = malloc(FILE_MAX) };
        int fd = open(path, O_RDONLY);

        assert_true(fd >= 0);
        assert_non_null(image.bytes);
        ssize_t size = read(fd, image.bytes, FILE_MAX);
        assert_true(size > 0 && size < FILE_MAX);
        image.size = (size_t)size;
        close(fd);
        return image;
}

static void save(const char *path, const char *bytes, size_t size)
{
        int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), size);
        close(fd);
}

/* Every call of the port. What they return is theirs; that they return is the test. */
static void use(struct fixture *fixture, struct cd_store *store)
{
        const struct cd_store_expiry expiry = { .now = 2000000001, .audit_before = 6, .limit = 50 };
        const struct cd_user_change change = { .name = CD_STR("user-003"), .now = 9, .password = CD_STR("y") };
        struct cd_users_page users;
        struct cd_user user;
        struct cd_revocation_list revocations;
        struct cd_client_records clients;
        struct cd_key_records keys;
        struct cd_audit_events events;
        struct cd_store_versions versions;
        cd_str there;
        size_t deleted;
        struct cd_error *error = &fixture->error;
        int failed = 0;

        failed += store->versions(store, &versions, error) != CD_OK;
        failed += store->users->find(store, &fixture->arena, CD_STR("user-070"), &user, error) != CD_OK;
        failed += store->users->list(store, &fixture->arena, CD_STR(""), 1000, &users, error) != CD_OK;
        failed += store->revocations->list(store, &fixture->arena, 0, 1000, &revocations, error) != CD_OK;
        failed += store->clients->list(store, &fixture->arena, &clients, error) != CD_OK;
        failed += store->keys->list(store, &fixture->arena, &keys, error) != CD_OK;
        failed += store->audit->list(store, &fixture->arena, -1, 1000, &events, error) != CD_OK;
        failed += store->put_if_absent(store, &fixture->arena, CD_STR("a"), CD_STR("b"), &there, error) != CD_OK;
        failed += add_user_named(store, "user-0705", error) != CD_OK;
        failed += revoke_one(store, "new", error) != CD_OK;
        failed += store->users->update(store, &change, NULL, error) != CD_OK;
        failed += store->users->remove(store, &change, NULL, error) != CD_OK;
        failed += store->expire(store, &expiry, &deleted, error) != CD_OK;
        (void)failed;
        cd_arena_reset(&fixture->arena);
}

static void change_bytes(struct image *image, unsigned *seed)
{
        unsigned count = 1 + (unsigned)rand_r(seed) % 16;
        size_t page = (size_t)rand_r(seed) % (image->size / PAGE) * PAGE;

        switch (rand_r(seed) % 4) {
        case 0: /* anywhere */
                while (count--)
                        image->bytes[(size_t)rand_r(seed) % image->size] = (char)rand_r(seed);
                break;
        case 1: /* where a page says what is in it */
                while (count--)
                        image->bytes[page + (size_t)rand_r(seed) % 64] = (char)rand_r(seed);
                break;
        case 2: /* a page that was never written, or that of another */
                memcpy(image->bytes + page, image->bytes + (size_t)rand_r(seed) % (image->size / PAGE) * PAGE, PAGE);
                break;
        default: /* the end is missing */
                image->size -= (size_t)rand_r(seed) % image->size;
                break;
        }
}

/* Each trial changes one of the two files, `image` at `path`, and finds the other as it was. */
static size_t try_damaged(struct fixture *fixture, const struct image *db, const struct image *log)
{
        char wal[96], shm[96];
        size_t refused = 0;

        snprintf(wal, sizeof(wal), "%s-wal", fixture->path);
        snprintf(shm, sizeof(shm), "%s-shm", fixture->path);
        for (unsigned trial = 0; trial < TRIALS; trial++) {
                unsigned seed = trial;
                const struct image *from = log ? log : db;
                struct image changed = { malloc(from->size), from->size };
                struct cd_store *store;

                assert_non_null(changed.bytes);
                memcpy(changed.bytes, from->bytes, from->size);
                change_bytes(&changed, &seed);
                save(fixture->path, log ? db->bytes : changed.bytes, log ? db->size : changed.size);
                unlink(wal);
                unlink(shm);
                if (log)
                        save(wal, changed.bytes, changed.size);
                cd_status status = try_open(fixture, &store);
                if (status == CD_OK) {
                        use(fixture, store);
                        store->free(store);
                } else {
                        assert_true(status == CD_INVALID_REQUEST || status == CD_UNAVAILABLE);
                        assert_true(fixture->error.reason[0] != '\0');
                        refused++;
                }
                free(changed.bytes);
        }
        return refused;
}

static void a_damaged_file_never_crashes(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);

        fill(fixture, store);
        store->free(store);
        struct image db = load(fixture->path);
        size_t refused = try_damaged(fixture, &db, NULL);
        print_message("%d damaged files, %zu refused when opened\n", TRIALS, refused);
        assert_true(refused > 0 && refused < TRIALS);
        free(db.bytes);
}

static void a_damaged_log_never_crashes(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        char wal[96];

        fill(fixture, store);
        snprintf(wal, sizeof(wal), "%s-wal", fixture->path);
        struct image db = load(fixture->path), log = load(wal);
        store->free(store);
        (void)try_damaged(fixture, &db, &log);
        free(db.bytes);
        free(log.bytes);
}

static void damage_that_is_found_later_is_said_so(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        struct cd_users_page users;

        fill(fixture, store);
        store->free(store);
        struct image db = load(fixture->path);
        /* All pages but that of the schema, which opening reads, and those that it needs to see the version. */
        for (char *page = db.bytes + PAGE; page < db.bytes + db.size; page += PAGE)
                if (page && memmem(page, PAGE, "user-0", 6))
                        memset(page, 0x5a, PAGE);
        save(fixture->path, db.bytes, db.size);
        store = open_store(fixture);
        assert_status(store->users->list(store, &fixture->arena, CD_STR(""), 1000, &users, &fixture->error),
                      CD_UNAVAILABLE);
        assert_non_null(strstr(fixture->error.reason, "the database is damaged"));
        store->free(store);
        free(db.bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(a_damaged_file_never_crashes),
                IN_A_FOLDER(a_damaged_log_never_crashes),
                IN_A_FOLDER(damage_that_is_found_later_is_said_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
