/* Memory that runs out at every call where SQLite asks for it: an error, nothing half done, and the next call works. */
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static sqlite3_mem_methods usual;
static atomic_long countdown = -1; /* allocations until one fails; negative: none does */
static atomic_bool failed;

static bool fails_now(void)
{
        if (atomic_load(&countdown) < 0 || atomic_fetch_sub(&countdown, 1) != 0)
                return false;
        atomic_store(&failed, true);
        return true;
}

static void *failing_malloc(int size)
{
        return fails_now() ? NULL : usual.xMalloc(size);
}

static void *failing_realloc(void *memory, int size)
{
        return fails_now() ? NULL : usual.xRealloc(memory, size);
}

static void fail_at(long number)
{
        atomic_store(&failed, false);
        atomic_store(&countdown, number);
}

/* Whether an allocation failed since fail_at. */
static bool has_failed(void)
{
        atomic_store(&countdown, -1);
        return atomic_load(&failed);
}

static void opening_survives_every_failed_allocation(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store;
        long number = 0, refused = 0;
        bool more = true;

        for (; more; number += number < 300 ? 1 : 7) {
                fail_at(number);
                cd_status status = try_open(fixture, &store);
                more = has_failed();
                if (status == CD_OK) {
                        store->free(store);
                        continue;
                }
                refused++;
                assert_true(more);
                if (status != CD_NO_MEMORY)
                        fail_msg("%d: %s", (int)status, fixture->error.reason);
        }
        print_message("%ld allocations, %ld times refused\n", number, refused);
        assert_true(refused > 10);
        store = open_store(fixture);
        store->free(store);
}

static void a_write_survives_every_failed_allocation(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        struct cd_user user;
        long refused = 0;
        bool more = true;
        char name[32];

        for (long number = 0; more; number++) {
                snprintf(name, sizeof(name), "u%ld", number);
                if (number % 10 == 0) { /* the statements are prepared anew */
                        store->free(store);
                        store = open_store(fixture);
                }
                fail_at(number % 10 ? number / 10 : number);
                cd_status status = add_user_named(store, name, &fixture->error);
                more = has_failed() || number < 400;
                refused += status != CD_OK;
                if (status != CD_OK && status != CD_NO_MEMORY)
                        fail_msg("%d: %s", (int)status, fixture->error.reason);
                assert_status(store->users->find(store, &fixture->arena, cd_str_from_c(name), &user, &fixture->error),
                              status == CD_OK ? CD_OK : CD_NOT_FOUND);
        }
        assert_true(refused > 10);
        store->free(store);
}

static void a_read_survives_every_failed_allocation(void **state)
{
        struct fixture *fixture = *state;
        struct cd_store *store = open_store(fixture);
        struct cd_users_page users;
        long refused = 0;
        bool more = true;

        assert_status(add_user_named(store, "ana", &fixture->error), CD_OK);
        store->free(store);
        for (long number = 0; more; number++) {
                store = open_store(fixture);
                fail_at(number);
                cd_status status = store->users->list(store, &fixture->arena, CD_STR(""), 10, &users, &fixture->error);
                more = has_failed();
                refused += status != CD_OK;
                if (status != CD_OK && status != CD_NO_MEMORY)
                        fail_msg("%d: %s", (int)status, fixture->error.reason);
                assert_status(store->users->list(store, &fixture->arena, CD_STR(""), 10, &users, &fixture->error),
                              CD_OK);
                assert_int_equal(users.count, 1);
                store->free(store);
        }
        assert_true(refused > 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_FOLDER(opening_survives_every_failed_allocation),
                IN_A_FOLDER(a_write_survives_every_failed_allocation),
                IN_A_FOLDER(a_read_survives_every_failed_allocation),
        };
        sqlite3_mem_methods failing;

        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual);
        failing = usual;
        failing.xMalloc = failing_malloc;
        failing.xRealloc = failing_realloc;
        sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
