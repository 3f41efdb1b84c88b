/* cardea user export. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "cmd/user.h"
#include "core/user_import.h"
#include "core/user_name.h"

enum {
        PAGE = 500, /* users that are listed at a time */
        PAGE_MEMORY = 64 * 1024 * 1024,
};

/* The position of the export, and its result. */
struct export
{
        char after[CD_USER_NAME_MAX + 1];
        size_t count; /* number of users in the last page */
        bool is_damaged;
};

static cd_status export_page(const struct cd_context *context, struct cd_arena *arena, struct export *export,
                             struct cd_error *reterr)
{
        struct cd_users_page page;
        struct cd_buf buf;

        cd_arena_reset(arena);
        cd_status status = context->by.store->users->list(context->by.store, arena, cd_str_from_c(export->after), PAGE,
                                                          &page, reterr);
        if (status != CD_OK)
                return status;
        cd_buf_init(&buf, NULL, PAGE_MEMORY);
        for (size_t i = 0; i < page.count; i++)
                if (cd_cmd_user_check_claims(context->command, arena, &page.items[i]))
                        cd_user_line_write(&page.items[i], &buf);
                else
                        export->is_damaged = true;
        if (!cd_json_print(&buf))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the users");
        if (page.count)
                snprintf(export->after, sizeof(export->after), "%.*s", CD_STR_ARG(page.items[page.count - 1].name));
        export->count = page.count;
        return CD_OK;
}

static int export_users(struct cd_context *context, void *p)
{
        struct export export = { .count = PAGE };
        struct cd_error err = { 0 };
        struct cd_arena arena;
        int code = CD_EXIT_OK;

        (void)p;
        cd_arena_init(&arena, PAGE_MEMORY);
        while (code == CD_EXIT_OK && export.count == PAGE && !cd_output_error())
                if (export_page(context, &arena, &export, &err) != CD_OK)
                        code = cd_context_fail(context->command, &err);
        if (code == CD_EXIT_OK && export.is_damaged)
                code = CD_EXIT_FAILED;
        cd_arena_done(&arena);
        return code;
}

const struct cd_command cd_cmd_user_export = {
        .name = "export",
        .summary = "export all users as JSON lines",
        .about = "Prints each user as a JSON line that \"cardea user import\" reads: everything but the times. Store "
                 "the output where only you can read it: it contains the password hashes.",
        .examples = "cardea user export > users.jsonl",
        .act = export_users,
};
