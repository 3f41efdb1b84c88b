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
        const char *command; /* "user add", the prefix of every message */
        const char *config;  /* the path of the configuration */
        struct cd_admin admin;
        struct cd_operator by;
        struct cd_direct_hasher hasher;
        struct cd_cmd_notices notices;
        struct cd_arena arena; /* for the command */
        bool has_admin;        /* `admin` must be closed */
};

/* Returns CD_EXIT_OK, or another exit code after reporting the error on standard error. `config` is what --config
 * says; NULL: see cd_config_path_find. The caller ends the context with cd_context_close in both cases. */
int cd_context_open(struct cd_context *context, const char *command, const char *config);
/* The same, without a store and a master key: only `admin.config` and what belongs to it. If `may_default`, no
 * configuration at all means the defaults. */
int cd_context_open_config(struct cd_context *context, const char *command, const char *config, bool may_default);
/* The settings that a command uses besides `store` and the master keys, see cd_report.needed. Static. */
const char *cd_context_needs(const char *command);
/* Replaces what --config says, which may be NULL, by the path of the configuration. False, after an error on
 * standard error, if it must not be used, or there is none and `may_default` is not set; the command then returns
 * CD_EXIT_USAGE. */
bool cd_context_find_config(const char *command, bool may_default, const char **config);
void cd_context_close(struct cd_context *context);
/* Prints "cardea user add: name: there is …" on standard error. Returns the exit code for the status. */
int cd_context_fail(const char *command, const struct cd_error *error);
/* Reports why cd_admin_open failed: every error of the configuration, or the error itself. */
int cd_context_fail_open(const char *command, const struct cd_admin *admin, const struct cd_error *error);
/* The words as strings, in the command's arena. Count 0 if memory is out. */
struct cd_strs cd_context_strs(struct cd_context *context, const struct cd_words *words);
