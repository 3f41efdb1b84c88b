#include "fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int set_up(const char *where, void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        snprintf(fixture->folder, sizeof(fixture->folder), "%s/cardea-store-XXXXXX", where);
        assert_non_null(mkdtemp(fixture->folder));
        snprintf(fixture->path, sizeof(fixture->path), "%s/c.db", fixture->folder);
        cd_arena_init(&fixture->arena, 256 << 20);
        *state = fixture;
        return 0;
}

int fixture_setup(void **state)
{
        return set_up(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp", state);
}

int fixture_setup_on_disk(void **state)
{
        return set_up("/var/tmp", state);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
        (void)info, (void)type, (void)where;
        return remove(path);
}

int fixture_teardown(void **state)
{
        struct fixture *fixture = *state;

        cd_arena_done(&fixture->arena);
        nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(fixture);
        return 0;
}

cd_status try_open(struct fixture *fixture, struct cd_store **ret)
{
        const struct cd_store_options options = { .url = CD_STR("sqlite:c.db"),
                                                  .folder = cd_str_from_c(fixture->folder),
                                                  .may_create = true };
        struct cd_store_opened opened;
        cd_status status = cd_store_open(&options, &opened, &fixture->error);

        if (status == CD_OK)
                *ret = opened.store;
        return status;
}

struct cd_store *open_store(struct fixture *fixture)
{
        struct cd_store *store = NULL;

        if (try_open(fixture, &store) != CD_OK)
                fail_msg("%s", fixture->error.reason);
        return store;
}

cd_status revoke_one(struct cd_store *store, const char *jti, struct cd_error *reterr)
{
        const struct cd_revocation revocation = { .jti = cd_str_from_c(jti), .expires_at = 2000000000 };

        return store->revocations->add(store, &revocation, reterr);
}

size_t count_revoked(struct fixture *fixture, struct cd_store *store)
{
        struct cd_revocation_list list;
        int64_t after = 0;
        size_t count = 0;

        do {
                assert_status(store->revocations->list(store, &fixture->arena, after, 1000, &list, &fixture->error),
                              CD_OK);
                if (list.count)
                        after = list.items[list.count - 1].seq;
                count += list.count;
                cd_arena_reset(&fixture->arena);
        } while (list.count);
        return count;
}

cd_status add_user_named(struct cd_store *store, const char *name, struct cd_error *reterr)
{
        struct cd_user user = { .name = cd_str_from_c(name), .password = CD_STR("x"), .claims = CD_STR("{}") };
        const struct cd_users_page page = { &user, 1 };

        return store->users->add(store, &page, NULL, reterr);
}
