#pragma once
/* The context of a command that administers: opens and closes what it needs, and says what went wrong. */
#include "app/administration.h"
#include "cmd/cmd.h"
#include "core/direct_hasher.h"
#include "core/operator.h"

enum {
        CD_CONTEXT_ARENA = 64 * 1024 * 1024
};

#define CD_CONTEXT_CONFIG_HELP                                                                                         \
        "  -c, --config FILE         the server's configuration, which names the store and the master key\n"

struct cd_context {
        const char *command; /* "user add", in front of every message */
        struct cd_admin admin;
        struct cd_operator by;
        struct cd_direct_hasher hasher;
        struct cd_arena arena; /* of the command */
        bool has_admin;        /* `admin` is to be closed */
};

/* The exit code: CD_EXIT_OK, or what stands in the way was said on standard error. `config` NULL is said too. Ended by
 * cd_context_close in both cases. */
int cd_context_open(struct cd_context *context, const char *command, const char *config);
void cd_context_close(struct cd_context *context);
/* What a command that only looks is asked: --config, --json, and the name of one thing where it shows one. */
struct cd_look {
        const char *name; /* NULL: of all */
        bool json;
};
typedef int cd_look_fn(struct cd_context *context, const struct cd_look *look);
/* Reads what is asked, opens, looks, closes; the exit code. `need` is said where the name is missing; NULL: the command
 * takes none. */
int cd_context_look(int argc, char **argv, const char *need, cd_look_fn *show);

/* "cardea user add: name: there is …" on standard error. Returns the exit code that the status stands for. */
int cd_context_fail(const char *command, const struct cd_error *error);
/* What stands in the way of cd_admin_open: every error of the configuration, or the error itself. */
int cd_context_fail_open(const char *command, const struct cd_admin *admin, const struct cd_error *error);
/* The strings of the words, in the arena of the command. Count 0 where memory is out. */
struct cd_strs cd_context_strs(struct cd_context *context, const struct cd_words *words);
