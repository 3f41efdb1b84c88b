/* cardea user import --format otpauth: TOTP secrets of users who exist, such as Authelia exports them. */
#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "base/streams.h"
#include "cmd/file.h"
#include "cmd/progress.h"
#include "cmd/user_import.h"
#include "core/admin_sessions.h"
#include "core/user_import.h"

enum {
        LINE_MEMORY = 1024 * 1024,
        NAMES_MEMORY = 1024 * 1024 * 1024,
};

struct import {
        struct cd_context *context;
        const struct cd_totp_list *list;
        struct cd_arena arena; /* for the line */
        struct cd_arena names_arena;
        struct cd_map *names; /* of the earlier lines, mapped to their numbers */
        size_t added, replaced, refused;
        struct cd_progress progress;
        bool is_interrupted;
};

static void refuse(struct import *import, size_t line, const struct cd_error *error)
{
        import->refused++;
        cd_progress_clear(&import->progress);
        cd_print_line(stderr, "cardea %s: %s:%zu: %s%s%s", import->context->command, import->list->file_name, line,
                      error->field, error->field[0] ? ": " : "", error->reason);
}

/* Whether the error is the line's own, so that the others can be imported. */
static bool is_of_line(cd_status status)
{
        return status == CD_INVALID_REQUEST || status == CD_MALFORMED || status == CD_TOO_LARGE ||
               status == CD_NOT_FOUND || status == CD_EXISTS;
}

/* A user has one factor: of two lines for one user, nobody knows which is meant. */
static cd_status note_name(struct import *import, cd_str name, size_t line, struct cd_error *reterr)
{
        const size_t *earlier = cd_map_find(import->names, name);

        if (earlier)
                return cd_failf(reterr, CD_EXISTS, CD_STR("name"), "line %zu is for user \"%.*s\" too", *earlier,
                                CD_STR_ARG(name));
        size_t *number = CD_NEW(&import->names_arena, size_t);
        name = cd_arena_copy(&import->names_arena, name);
        if (!number || !name.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the names");
        *number = line;
        return cd_map_add(import->names, name, number) == CD_OK
                       ? CD_OK
                       : cd_fail(reterr, CD_NO_MEMORY, "no memory for the names");
}

static cd_status import_uri(struct import *import, cd_str uri, size_t line, struct cd_error *reterr)
{
        struct cd_totp_import params = { .uri = uri, .replaces = import->list->update, .dry_run = true };
        const struct cd_operator *by = &import->context->by;
        struct cd_totp_imported imported;

        cd_status status = cd_admin_totp_import(by, &import->arena, &params, &imported, reterr);
        if (status == CD_OK)
                status = note_name(import, imported.name, line, reterr);
        if (status == CD_OK && !import->list->dry_run) {
                params.dry_run = false;
                status = cd_admin_totp_import(by, &import->arena, &params, &imported, reterr);
        }
        if (status != CD_OK)
                return status;
        import->added += !imported.had_one;
        import->replaced += imported.had_one;
        return CD_OK;
}

/* Fails only if the import must end. */
static cd_status take_line(struct import *import, cd_str line, size_t number, struct cd_error *reterr)
{
        struct cd_error err = { 0 };

        if (line.len && line.ptr[line.len - 1] == '\r')
                line.len--;
        cd_str uri = cd_str_trim(line);
        if (!uri.len || uri.ptr[0] == '#')
                return CD_OK;
        cd_arena_reset(&import->arena);
        cd_status status = import_uri(import, uri, number, &err);
        if (status == CD_OK)
                return CD_OK;
        if (!is_of_line(status))
                return cd_failf(reterr, status, CD_STR(""), "%s:%zu: %s", import->list->file_name, number, err.reason);
        refuse(import, number, &err);
        return CD_OK;
}

static cd_status read_lines(struct import *import, struct cd_error *reterr)
{
        char line[CD_USER_LINE_MAX + 1];
        cd_status status = CD_OK;
        size_t len;

        cd_progress_begin(&import->progress, "lines", cd_file_count_lines(import->list->file));
        for (size_t number = 1; status == CD_OK && !import->is_interrupted &&
                                cd_file_read_line(import->list->file, line, sizeof(line), &len);
             number++) {
                status = take_line(import, cd_str_of(line, len), number, reterr);
                cd_progress_show(&import->progress, number);
                import->is_interrupted = cd_progress_is_interrupted();
        }
        cd_progress_end(&import->progress);
        if (status == CD_OK && ferror(import->list->file))
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s cannot be read: %s", import->list->file_name,
                                strerror(errno));
        return status;
}

int cd_cmd_user_import_totp(struct cd_context *context, const struct cd_totp_list *list)
{
        struct import import = { .context = context, .list = list, .names = cd_map_new() };
        struct cd_error err = { 0 };

        cd_arena_init(&import.arena, LINE_MEMORY);
        cd_arena_init(&import.names_arena, NAMES_MEMORY);
        cd_status status =
                import.names ? read_lines(&import, &err) : cd_fail(&err, CD_NO_MEMORY, "no memory for the import");
        cd_map_free(import.names);
        cd_arena_done(&import.names_arena);
        cd_arena_done(&import.arena);
        int code = status == CD_OK ? CD_EXIT_OK : cd_context_fail(context->command, &err);
        cd_print_line(stdout, "%zu TOTP secret%s %s, %zu replaced, %zu refused%s", import.added,
                      import.added == 1 ? "" : "s", list->dry_run ? "would be added" : "added", import.replaced,
                      import.refused, list->dry_run ? "; nothing was written" : "");
        if (import.is_interrupted) {
                cd_print_line(stderr, "cardea %s: interrupted before the end of %s", context->command, list->file_name);
                return CD_EXIT_FAILED;
        }
        return code == CD_EXIT_OK && import.refused ? CD_EXIT_REFUSED : code;
}
