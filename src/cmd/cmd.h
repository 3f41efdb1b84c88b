#pragma once
/* The sub-commands of cardea: one row each in main.c, one file each beside it. */
#include "service/service.h"

struct cd_command {
        const char *name;
        const char *summary; /* one line */
        /* what `cardea help NAME` prints, with a usage line first; of a family, what follows its list */
        const char *help;
        int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code (enum cd_exit) */
        /* A family: commands of their own, "cardea NAME ACTION", NULL at the end; argv[0] is then "NAME ACTION". `run`
         * is NULL. */
        const struct cd_command *const *actions;
};

extern const struct cd_command cd_cmd_serve, cd_cmd_check, cd_cmd_config, cd_cmd_schema, cd_cmd_init, cd_cmd_user,
        cd_cmd_client, cd_cmd_key, cd_cmd_cert, cd_cmd_audit, cd_cmd_session, cd_cmd_migrate, cd_cmd_demo;

/* What administration documents besides enum cd_exit. */
enum cd_admin_exit {
        CD_EXIT_NOT_FOUND = 3, /* the user, client or key that was named is not there */
        CD_EXIT_EXISTS = 4,    /* one of that name is there already; nothing was changed */
        CD_EXIT_REFUSED = 5,   /* of several things some were refused: each was said on standard error */
};

enum {
        CD_WORDS_MAX = 2048 /* as many scopes as CD_SCOPE_MAX bytes can hold, with a space between */
};

/* The values of an option that may be given several times. */
struct cd_words {
        const char *items[CD_WORDS_MAX];
        size_t count;
};

/* One option of a command: takes a value where `value` or `values` is set, else sets *flag. */
struct cd_option {
        const char *name; /* "--config" */
        char letter;      /* 'c' for "-c"; 0: none */
        const char **value;
        bool *flag;
        struct cd_words *values;
};

/* Sorts the arguments into options and the rest. False where one is unknown, incomplete or too many: it has then been
 * said on standard error, and the command returns CD_EXIT_USAGE. `rest` has room for `rest_max` words; NULLs fill
 * it. */
bool cd_options_parse(int argc, char **argv, const struct cd_option *options, const char **rest, size_t rest_max);
/* "cardea NAME: text" on standard error. Returns CD_EXIT_USAGE. */
int cd_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether "127.0.0.1:5001", "[::1]:5001" or "unix:/PATH" can be listened on now: 0, or an errno. Port 0 always can, and
 * a socket that a stopped program left behind too. */
int cd_probe_listen(cd_str address);
