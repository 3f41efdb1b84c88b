/* A line of a list of users from elsewhere. What is accepted is written as export does, and must read back as the
 * same. */
#include <stdlib.h>
#include <string.h>

#include "core/user_claims.h"
#include "core/user_import.h"
#include "core/user_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* Export of what import took is the same user. */
static void check_round_trip(const struct cd_user *user)
{
        struct cd_arena arena;
        struct cd_user_params again;
        struct cd_buf buf;
        cd_str text, claims;

        cd_arena_init(&arena, 64 << 20);
        cd_buf_init(&buf, &arena, 1 << 20);
        cd_user_line_write(user, &buf);
        must(cd_buf_view(&buf, &text) == CD_OK && text.len && text.ptr[text.len - 1] == '\n');
        text.len--;
        must(memchr(text.ptr, '\n', text.len) == NULL);
        must(cd_user_line_read(&arena, text, CD_USER_FORMAT_JSONL, &again, NULL) == CD_OK);
        must(cd_str_eq(again.name, user->name) && cd_str_eq(again.stored, user->password));
        must(again.disabled == user->disabled && again.email_verified == user->email_verified);
        must(cd_str_eq(again.display_name, user->display_name) && cd_str_eq(again.email, user->email));
        must(again.groups.count == user->groups.count);
        for (size_t i = 0; i < again.groups.count; i++)
                must(cd_str_eq(again.groups.items[i], user->groups.items[i]));
        must(cd_user_claims_canonical(&arena, again.claims, (struct cd_strs){ 0 }, &claims, NULL) == CD_OK &&
             cd_str_eq(claims, user->claims));
        cd_arena_done(&arena);
}

static void try_line(struct cd_arena *arena, cd_str line, enum cd_user_format format)
{
        struct cd_user_params params = { 0 };
        struct cd_error err = { 0 };
        struct cd_user user = { 0 };

        cd_status status = cd_user_line_read(arena, line, format, &params, &err);
        must(status == CD_OK || err.reason[0]);
        if (status != CD_OK || !params.name.len)
                return;
        user.disabled = params.disabled;
        if (cd_user_name_canonical(arena, params.name, &user.name, NULL) == CD_OK &&
            cd_user_claims_canonical(arena, params.claims, (struct cd_strs){ 0 }, &user.claims, NULL) == CD_OK &&
            cd_admin_user_read_details(arena, &params, &user, NULL) == CD_OK &&
            cd_password_check_form(params.stored, NULL) == CD_OK) {
                user.password = params.stored;
                check_round_trip(&user);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str line = cd_str_of((const char *)data, size);
        struct cd_arena arena;

        cd_arena_init(&arena, 64 << 20);
        for (int format = CD_USER_FORMAT_ANY; format <= CD_USER_FORMAT_JSONL; format++)
                try_line(&arena, line, (enum cd_user_format)format);
        cd_arena_done(&arena);

        /* So small an arena that every allocation gets its turn to fail. */
        cd_arena_init(&arena, size % 512 * 16);
        try_line(&arena, line, CD_USER_FORMAT_ANY);
        cd_arena_done(&arena);
        return 0;
}
