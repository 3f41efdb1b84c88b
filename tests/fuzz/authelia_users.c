/* A users file of Authelia: what is read from it is checked as any other user is, and no error shows a hash. */
#include <stdlib.h>
#include <string.h>

#include "cmd/user_authelia.h"
#include "core/user_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void read_user(struct cd_arena *arena, const struct cd_yaml_node *node)
{
        struct cd_user_params params = { 0 };
        struct cd_error err = { 0 };
        struct cd_user user = { 0 };

        if (cd_user_authelia_read(arena, node, &params, &err) != CD_OK) {
                must(err.status == CD_NO_MEMORY || (err.status == CD_MALFORMED && !strncmp(err.reason, "user \"", 6)));
                return;
        }
        must(!params.password.ptr && !params.email_verified);
        if (cd_user_name_canonical(arena, params.name, &user.name, &err) != CD_OK ||
            cd_admin_user_read_details(arena, &params, &user, &err) != CD_OK) {
                cd_user_authelia_name_user(params.name, &err);
                must(!strncmp(err.reason, "user \"", 6) && !err.field[0]);
        }
}

static void read_file(struct cd_arena *arena, cd_str text)
{
        const struct cd_yaml_node *user = NULL;
        struct cd_error err = { 0 };

        if (cd_user_authelia_open(arena, text, CD_STR("users.yml"), &user, &err) != CD_OK) {
                must(err.reason[0]);
                return;
        }
        for (; user; user = user->next)
                read_user(arena, user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str text = cd_str_of((const char *)data, size);
        struct cd_arena arena;

        cd_arena_init(&arena, 64 << 20);
        read_file(&arena, text);
        cd_arena_done(&arena);

        /* So small an arena that every allocation gets its turn to fail. */
        cd_arena_init(&arena, size % 512 * 16);
        read_file(&arena, text);
        cd_arena_done(&arena);
        return 0;
}
