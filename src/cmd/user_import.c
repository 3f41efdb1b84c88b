/* cardea user import. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/streams.h"
#include "cmd/file.h"
#include "cmd/progress.h"
#include "cmd/user.h"
#include "cmd/user_authelia.h"
#include "cmd/user_import.h"
#include "cmd/context.h"
#include "core/user_import.h"
#include "core/user_totp.h"

enum {
        BATCH = 500, /* users that are added in one transaction */
        BATCH_MEMORY = 64 * 1024 * 1024,
        NAMES_MEMORY = 1024 * 1024 * 1024,
};

/* A name in the list, as first written. */
struct seen {
        cd_str written;
        size_t line;
        size_t batch; /* the number of the last batch that has the name */
};

struct refusal {
        size_t line;
        struct cd_error error;
};

struct import {
        struct cd_context *context;
        const char *file_name;
        enum cd_user_format format;
        bool is_authelia; /* the list is a users file of Authelia, and `format` is ignored */
        bool is_otpauth;  /* the list has otpauth URIs, and `format` is ignored */
        bool update, dry_run;
        struct cd_arena arena;          /* for the batch */
        struct cd_user *users;          /* BATCH of them */
        struct cd_totp_factor *factors; /* each user's; sealed.ptr NULL: none */
        cd_str *written;                /* each user's name as written in the list */
        size_t *lines;                  /* each user's line number */
        size_t count;
        struct cd_arena names_arena;
        struct refusal *refusals; /* of the batch: up to BATCH; printed in the order of the lines */
        size_t refusal_count;
        struct cd_map *names; /* of the earlier lines, mapped to struct seen */
        struct cd_import_counts counts;
        size_t refused;
        size_t batch;   /* its number */
        bool has_twins; /* the batch has two lines for one user, so that these must be written one after the other */
        struct cd_progress progress;
        bool is_interrupted;
};

static void refuse(struct import *import, size_t line, const struct cd_error *error)
{
        import->refused++;
        import->refusals[import->refusal_count++] = (struct refusal){ line, *error };
}

static int compare_lines(const void *a, const void *b)
{
        const struct refusal *one = a, *other = b;

        return (one->line > other->line) - (one->line < other->line);
}

static void say_refusals(struct import *import)
{
        if (import->refusal_count)
                cd_progress_clear(&import->progress);
        qsort(import->refusals, import->refusal_count, sizeof(*import->refusals), compare_lines);
        for (size_t i = 0; i < import->refusal_count; i++) {
                const struct cd_error *error = &import->refusals[i].error;
                cd_print_line(stderr, "cardea %s: %s:%zu: %s%s%s", import->context->command, import->file_name,
                              import->refusals[i].line, error->field, error->field[0] ? ": " : "", error->reason);
        }
        import->refusal_count = 0;
}

static cd_status refuse_existing(struct import *import, size_t i)
{
        cd_str name = import->users[i].name, written = import->written[i];
        struct cd_error err = { 0 };

        if (cd_str_eq(written, name))
                (void)cd_failf(&err, CD_EXISTS, CD_STR("name"), "user \"%.*s\" exists already", CD_STR_ARG(name));
        else
                (void)cd_failf(&err, CD_EXISTS, CD_STR("name"), "\"%.*s\" is user \"%.*s\", who exists already",
                               CD_STR_ARG(written), CD_STR_ARG(name));
        refuse(import, import->lines[i], &err);
        return CD_OK;
}

/* Another process removed the user between the two calls. */
static cd_status refuse_removed(struct import *import, size_t i)
{
        struct cd_error err = { 0 };

        (void)cd_failf(&err, CD_NOT_FOUND, CD_STR("name"),
                       "user \"%.*s\" was removed during the import; to add the user, import the line again",
                       CD_STR_ARG(import->users[i].name));
        refuse(import, import->lines[i], &err);
        return CD_OK;
}

/* If two names differ only by case, the second is refused, with --update too, because it is unlikely to be meant as a
 * replacement for the first. */
static cd_status note_name(struct import *import, cd_str name, cd_str written, size_t line, bool *ret_is_other,
                           struct cd_error *reterr)
{
        struct seen *seen = cd_map_find(import->names, name);
        struct cd_error err = { 0 };

        *ret_is_other = seen && !cd_str_eq(seen->written, written);
        if (*ret_is_other) {
                (void)cd_failf(&err, CD_EXISTS, CD_STR("name"),
                               "\"%.*s\" and \"%.*s\" of line %zu are one name: case does not count",
                               CD_STR_ARG(written), CD_STR_ARG(seen->written), seen->line);
                refuse(import, line, &err);
        }
        if (seen) {
                import->has_twins |= seen->batch == import->batch;
                seen->batch = import->batch;
                return CD_OK;
        }
        seen = CD_NEW(&import->names_arena, struct seen);
        name = cd_arena_copy(&import->names_arena, name);
        if (seen)
                *seen = (struct seen){ cd_arena_copy(&import->names_arena, written), line, import->batch };
        if (!seen || !name.ptr || !seen->written.ptr || cd_map_add(import->names, name, seen) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the names");
        return CD_OK;
}

/* Refuses a user whose name is a client's id. */
static cd_status refuse_client(struct import *import, size_t i, bool *ret_is_refused, struct cd_error *reterr)
{
        struct cd_error err = { 0 };
        cd_status status =
                cd_admin_user_check_no_client(&import->context->by, &import->arena, import->users[i].name, &err);

        *ret_is_refused = status == CD_EXISTS;
        if (status == CD_EXISTS)
                refuse(import, import->lines[i], &err);
        return status == CD_EXISTS || status == CD_OK ? CD_OK : cd_fail(reterr, status, err.reason);
}

/* NULL if the line has none. */
static const struct cd_totp_factor *factor_of(const struct import *import, size_t i)
{
        return import->factors[i].sealed.ptr ? &import->factors[i] : NULL;
}

static void count_existing(struct import *import, bool is_changed)
{
        import->counts.updated += is_changed;
        import->counts.unchanged += !is_changed;
}

/* Adds one user of a batch that could not be added as a whole. Any error ends the import. */
static cd_status put_user(struct import *import, size_t i, struct cd_error *reterr)
{
        const struct cd_operator *by = &import->context->by;
        const struct cd_totp_factor *factor = factor_of(import, i);
        const struct cd_user_import one = { .users = { &import->users[i], 1 }, .factors = factor };
        struct cd_user_result result;
        struct cd_error err = { 0 };
        bool is_refused;

        cd_status status = cd_admin_users_import(by, &import->arena, &one, &err);
        if (status == CD_OK) {
                import->counts.added++;
                return CD_OK;
        }
        if (status == CD_EXISTS) {
                cd_status asked = refuse_client(import, i, &is_refused, reterr);
                if (asked != CD_OK || is_refused)
                        return asked;
        }
        if (status == CD_EXISTS && import->update) {
                status = cd_admin_user_replace(by, &import->arena, &import->users[i], factor, &result, &err);
                if (status == CD_OK) {
                        count_existing(import, result.changed);
                        return CD_OK;
                }
        }
        if (status == CD_NOT_FOUND)
                return refuse_removed(import, i);
        if (status != CD_EXISTS)
                return cd_failf(reterr, status, CD_STR(""), "%s:%zu: %s", import->file_name, import->lines[i],
                                err.reason);
        return refuse_existing(import, i);
}

/* Predicts the result of adding the user. A second line for a user counts as another one than the first, which is not
 * in the store to be compared with. */
static cd_status try_user(struct import *import, size_t i, struct cd_error *reterr)
{
        const struct cd_user *user = &import->users[i];
        const struct seen *seen = cd_map_find(import->names, user->name);
        bool is_second = seen->line != import->lines[i], is_same = false, is_refused;

        cd_status status = refuse_client(import, i, &is_refused, reterr);
        if (status != CD_OK || is_refused)
                return status;
        status = cd_admin_user_compare(&import->context->by, &import->arena, user, factor_of(import, i), &is_same,
                                       reterr);
        if (status != CD_OK && status != CD_NOT_FOUND)
                return status;
        bool exists = status == CD_OK || is_second;
        if (exists && !import->update)
                return refuse_existing(import, i);
        if (exists)
                count_existing(import, is_second || !is_same);
        else
                import->counts.added++;
        return CD_OK;
}

/* A batch is one transaction, and new users are one audit event. CD_EXISTS or CD_NOT_FOUND if one of its
 * users needs another treatment. */
static cd_status put_batch(struct import *import, struct cd_error *reterr)
{
        const struct cd_user_import batch = { .users = { import->users, import->count }, .factors = import->factors };
        const struct cd_operator *by = &import->context->by;
        struct cd_import_counts counts = { .added = import->count };
        cd_status status;

        if (import->dry_run || (import->update && import->has_twins))
                return CD_EXISTS;
        status = import->update ? cd_admin_users_import_or_replace(by, &import->arena, &batch, &counts, reterr)
                                : cd_admin_users_import(by, &import->arena, &batch, reterr);
        if (status == CD_OK) {
                import->counts.added += counts.added;
                import->counts.updated += counts.updated;
                import->counts.unchanged += counts.unchanged;
        }
        return status;
}

static cd_status flush(struct import *import, struct cd_error *reterr)
{
        cd_status status = put_batch(import, reterr);

        if (status == CD_EXISTS || status == CD_NOT_FOUND) {
                status = CD_OK;
                for (size_t i = 0; i < import->count && status == CD_OK; i++)
                        status = import->dry_run ? try_user(import, i, reterr) : put_user(import, i, reterr);
        }
        say_refusals(import);
        import->count = 0;
        import->batch++;
        import->has_twins = false;
        cd_arena_reset(&import->arena);
        return status;
}

/* Reports an error of one user, and continues with the others. Any other error ends the import. */
static cd_status refuse_or_end(struct import *import, size_t line, const struct cd_error *error,
                               struct cd_error *reterr)
{
        if (error->status == CD_NO_MEMORY || error->status == CD_UNAVAILABLE)
                return cd_fail(reterr, error->status, error->reason);
        refuse(import, line, error);
        return CD_OK;
}

static cd_status prepare(struct import *import, const struct cd_user_params *params, struct cd_error *reterr)
{
        const struct cd_operator *by = &import->context->by;
        struct cd_user *user = &import->users[import->count];
        struct cd_totp_factor *factor = &import->factors[import->count];

        *factor = (struct cd_totp_factor){ 0 };
        cd_status status = cd_admin_user_prepare(by, &import->arena, params, user, reterr);
        if (status == CD_OK && params->totp.len)
                status = cd_user_totp_read(by, &import->arena, user->name, params->totp, factor, reterr);
        return status;
}

static cd_status take_user(struct import *import, const struct cd_user_params *params, size_t line,
                           struct cd_error *reterr)
{
        struct cd_error err = { 0 };
        bool is_other;

        if (prepare(import, params, &err) != CD_OK) {
                if (import->is_authelia)
                        cd_user_authelia_name_user(params->name, &err);
                return refuse_or_end(import, line, &err, reterr);
        }
        cd_status status = note_name(import, import->users[import->count].name, params->name, line, &is_other, reterr);
        if (status != CD_OK || is_other)
                return status;
        import->written[import->count] = params->name;
        import->lines[import->count++] = line;
        return CD_OK;
}

static cd_status take_line(struct import *import, cd_str line, size_t number, struct cd_error *reterr)
{
        struct cd_user_params params;
        struct cd_error err = { 0 };

        line = cd_arena_copy(&import->arena, line);
        if (!line.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a line");
        if (cd_user_line_read(&import->arena, line, import->format, &params, &err) != CD_OK)
                return refuse_or_end(import, number, &err, reterr);
        return params.name.len ? take_user(import, &params, number, reterr) : CD_OK;
}

/* After an item of the list. An interruption counts at the end of a batch. */
static cd_status flush_if_full(struct import *import, uint64_t done, struct cd_error *reterr)
{
        if (import->count + import->refusal_count < BATCH)
                return CD_OK;
        cd_status status = flush(import, reterr);
        import->is_interrupted = cd_progress_is_interrupted();
        cd_progress_show(&import->progress, done);
        return status;
}

static cd_status read_lines(struct import *import, FILE *file, struct cd_error *reterr)
{
        char line[CD_USER_LINE_MAX + 1];
        cd_status status = CD_OK;
        size_t len;

        cd_progress_begin(&import->progress, "lines", cd_file_count_lines(file));
        for (size_t number = 1;
             status == CD_OK && !import->is_interrupted && cd_file_read_line(file, line, sizeof(line), &len);
             number++) {
                status = take_line(import, cd_str_of(line, len), number, reterr);
                if (status == CD_OK)
                        status = flush_if_full(import, number, reterr);
        }
        /* Users that were read before a failure of the file are kept. */
        const char *why = ferror(file) ? strerror(errno) : NULL;
        if (status == CD_OK)
                status = flush(import, reterr);
        if (status == CD_OK && why)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s cannot be read: %s", import->file_name, why);
        return status;
}

static cd_status read_all(struct import *import, FILE *file, cd_str *ret, struct cd_error *reterr)
{
        size_t size = CD_USER_AUTHELIA_MAX + 1;
        char *text = cd_arena_alloc(&import->context->arena, size);

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the file");
        *ret = cd_str_of(text, fread(text, 1, size, file));
        if (ferror(file))
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s cannot be read: %s", import->file_name,
                                strerror(errno));
        return CD_OK;
}

static cd_status read_authelia(struct import *import, FILE *file, struct cd_error *reterr)
{
        struct cd_arena *arena = &import->context->arena; /* the batch's arena is emptied on the way */
        const struct cd_yaml_node *user = NULL;
        struct cd_user_params params;
        uint64_t total = 0, done = 0;
        cd_str text;

        cd_status status = read_all(import, file, &text, reterr);
        if (status == CD_OK)
                status = cd_user_authelia_open(arena, text, cd_str_from_c(import->file_name), &user, reterr);
        for (const struct cd_yaml_node *each = user; each; each = each->next)
                total++;
        cd_progress_begin(&import->progress, "users", total);
        for (; user && status == CD_OK && !import->is_interrupted; user = user->next) {
                struct cd_error err = { 0 };
                status = cd_user_authelia_read(arena, user, &params, &err) == CD_OK
                                 ? take_user(import, &params, user->key_mark.line, reterr)
                                 : refuse_or_end(import, user->key_mark.line, &err, reterr);
                if (status == CD_OK)
                        status = flush_if_full(import, ++done, reterr);
        }
        return status == CD_OK ? flush(import, reterr) : status;
}

static cd_status import_file(struct import *import, FILE *file, struct cd_error *reterr)
{
        cd_arena_init(&import->arena, BATCH_MEMORY);
        cd_arena_init(&import->names_arena, NAMES_MEMORY);
        import->users = cd_arena_calloc(&import->context->arena, BATCH, sizeof(*import->users));
        import->factors = cd_arena_calloc(&import->context->arena, BATCH, sizeof(*import->factors));
        import->written = cd_arena_calloc(&import->context->arena, BATCH, sizeof(*import->written));
        import->lines = cd_arena_calloc(&import->context->arena, BATCH, sizeof(*import->lines));
        import->refusals = cd_arena_calloc(&import->context->arena, BATCH, sizeof(*import->refusals));
        import->names = cd_map_new();
        cd_status status = CD_OK;
        if (!import->users || !import->factors || !import->written || !import->lines || !import->refusals ||
            !import->names)
                status = cd_fail(reterr, CD_NO_MEMORY, "no memory for the import");
        if (status == CD_OK)
                status = import->is_authelia ? read_authelia(import, file, reterr) : read_lines(import, file, reterr);
        say_refusals(import);
        cd_progress_end(&import->progress);
        cd_map_free(import->names);
        cd_arena_done(&import->names_arena);
        cd_arena_done(&import->arena);
        return status;
}

static int report(const struct import *import, cd_status status, const struct cd_error *err)
{
        int code = status == CD_OK ? CD_EXIT_OK : cd_context_fail(import->context->command, err);
        const struct cd_import_counts *counts = &import->counts;
        char unchanged[64] = "";

        if (import->update)
                snprintf(unchanged, sizeof(unchanged), ", %zu unchanged", counts->unchanged);
        cd_print_line(stdout, "%zu user%s %s, %zu updated%s, %zu refused%s", counts->added,
                      counts->added == 1 ? "" : "s", import->dry_run ? "would be added" : "added", counts->updated,
                      unchanged, import->refused, import->dry_run ? "; nothing was written" : "");
        if (import->is_interrupted) {
                cd_print_line(stderr, "cardea %s: interrupted before the end of %s", import->context->command,
                              import->file_name);
                return CD_EXIT_FAILED;
        }
        return code == CD_EXIT_OK && import->refused ? CD_EXIT_REFUSED : code;
}

static int import_users(struct import *import)
{
        bool is_stdin = !strcmp(import->file_name, "-");
        FILE *file = is_stdin ? stdin : fopen(import->file_name, "re");
        struct cd_error err = { 0 };
        int code;

        if (!file)
                return cd_usage_error(import->context->command, "%s: %s", import->file_name, strerror(errno));
        if (is_stdin)
                import->file_name = "standard input";
        if (import->is_otpauth) {
                const struct cd_totp_list list = { file, import->file_name, import->update, import->dry_run };
                code = cd_cmd_user_import_totp(import->context, &list);
        } else {
                code = report(import, import_file(import, file, &err), &err);
        }
        if (!is_stdin)
                fclose(file);
        return code;
}

static bool read_format(const char *name, struct import *import)
{
        import->is_authelia = name && !strcmp(name, "authelia");
        import->is_otpauth = name && !strcmp(name, "otpauth");
        import->format = CD_USER_FORMAT_ANY;
        if (name && !strcmp(name, "htpasswd"))
                import->format = CD_USER_FORMAT_HTPASSWD;
        if (name && !strcmp(name, "jsonl"))
                import->format = CD_USER_FORMAT_JSONL;
        return !name || import->is_authelia || import->is_otpauth || import->format != CD_USER_FORMAT_ANY;
}

struct ask {
        const char *file, *format;
        bool update, dry_run;
};

static int run_import(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct import import = {
                .context = context, .file_name = ask->file, .update = ask->update, .dry_run = ask->dry_run
        };

        if (!read_format(ask->format, &import))
                return cd_usage_error(context->command,
                                      "--format must be htpasswd, jsonl, authelia or otpauth, not \"%s\"", ask->format);
        return import_users(&import);
}

static const struct cd_argument arguments[] = {
        { "FILE", offsetof(struct ask, file), .help = "the users; - is standard input", .names = CD_NAMES_FILE },
        { 0 },
};

static const struct cd_option options[] = {
        CD_VALUE(struct ask, format, "--format", 0, "FORMAT",
                 "the format of FILE: htpasswd, jsonl, authelia or otpauth; without it, each line may be of htpasswd "
                 "or JSON",
                 .choices = "htpasswd jsonl authelia otpauth"),
        CD_FLAG(struct ask, update, "--update", 0,
                "replace users that exist, and end their tokens; what is not given for them is removed, except the "
                "TOTP secret; with otpauth, replace TOTP secrets"),
        CD_FLAG(struct ask, dry_run, "--dry-run", 'n', "only print what would be done"),
        { 0 },
};

const struct cd_command cd_cmd_user_import = {
        .name = "import",
        .summary = "import users with their password hashes and TOTP secrets",
        .about = "Imports users with their password hashes. Each password is hashed again at the first login. A line "
                 "has one of these forms:\n\n"
                 "  NAME:HASH                                               from htpasswd\n"
                 "  {\"name\":…,\"hash\":HASH,\"claims\":{…},\"disabled\":false}    from \"user export\"\n"
                 "  {\"name\":…,\"algorithm\":\"blake2b\",\"hash\":HEX,\"salt\":HEX}  salted BLAKE2b\n\n"
                 "JSON may also have \"display_name\", \"email\", \"email_verified\", \"groups\" (an array) and "
                 "\"totp\", an otpauth://totp/ URI with SHA1, 6 digits and 30 seconds, so that the user need not enrol "
                 "again. HASH is argon2id, bcrypt, sha512-crypt or yescrypt, or * for a user without a password. A "
                 "line that cannot be imported is reported on standard error with the reason; the others are "
                 "imported. With --format authelia, FILE is a users file of Authelia (users_database.yml, at most 1 "
                 "MB); its e-mail addresses are not verified. With --format otpauth, a line is an otpauth URI, whose "
                 "account is the name of a user who exists.",
        .examples = "cardea user import users.jsonl --dry-run\ncardea user import - --update < users.jsonl",
        .exit_codes = "0 all were imported\n5 some lines were rejected",
        .arguments = arguments,
        .options = options,
        .ask_size = sizeof(struct ask),
        .act = run_import,
};
