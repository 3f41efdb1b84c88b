#pragma once
/* The context of an administrative command: opens and closes what it needs, and reports errors. */
#include "app/administration.h"
#include "cmd/cmd.h"
#include "cmd/user_mail.h"
#include "core/direct_hasher.h"
#include "core/operator.h"

enum {
        CD_CONTEXT_ARENA = 64 * 1024 * 1024
};

struct cd_context {
        const char *command;   /* "user add", the prefix of every message */
        const char *config;    /* the path of the configuration; NULL: there is none */
        struct cd_admin admin; /* without a store and a master key, if only the configuration is opened */
        struct cd_operator by;
        struct cd_direct_hasher hasher;
        struct cd_cmd_notices notices;
        struct cd_arena arena; /* for the command */
};

/* Returns CD_EXIT_OK, or another exit code after reporting the error on standard error. `config` is what --config
 * says; NULL: see cd_config_path_find. The caller ends the context with cd_context_close in both cases. */
int cd_context_open(struct cd_context *context, const char *command, const char *config, enum cd_opens opens);
void cd_context_close(struct cd_context *context);
/* Prints "cardea user add: name: there is …" on standard error. Returns the exit code for the status. */
int cd_context_fail(const char *command, const struct cd_error *error);
/* Reports why `admin` cannot be opened: every error of the configuration, or the error itself. */
int cd_context_fail_open(const char *command, const struct cd_admin *admin, const struct cd_error *error);
/* The words as strings, in the command's arena. Count 0 if memory is out. */
struct cd_strs cd_context_strs(struct cd_context *context, const struct cd_words *words);
