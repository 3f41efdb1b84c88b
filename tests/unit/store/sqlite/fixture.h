#pragma once
/* A folder of its own for a database, and what the tests of SQLite do again and again. */
#include "store/store.h"
#include "support/check.h"

struct fixture {
        char folder[64];
        char path[80]; /* of the database in it; not there yet */
        struct cd_arena arena;
        struct cd_error error;
};

int fixture_setup(
        void **state); /* in memory where there is such a file system, since most tests do not need a slow disk */
int fixture_setup_on_disk(void **state);
int fixture_teardown(void **state); /* removes the folder and what is in it */
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
#define ON_A_DISK(test)   cmocka_unit_test_setup_teardown(test, fixture_setup_on_disk, fixture_teardown)

/* As cd_store_open does, with the error in fixture->error. */
cd_status try_open(struct fixture *fixture, struct cd_store **ret);
/* Fails the test where that fails. */
struct cd_store *open_store(struct fixture *fixture);

/* One revocation of this name. */
cd_status revoke_one(struct cd_store *store, const char *jti, struct cd_error *reterr);
/* "WRITER-NUMBER" for number < count: how many of them the store has. */
size_t count_revoked(struct fixture *fixture, struct cd_store *store);
cd_status add_user_named(struct cd_store *store, const char *name, struct cd_error *reterr);
