#pragma once
/* The sub-commands of cardea: one row each in main.c, and one file each in this folder. */
#include "service/service.h"

struct cd_command {
        const char *name;
        const char *summary; /* one line */
        /* What `cardea help NAME` prints, with a usage line before it; for a family, the text after its list. */
        const char *help;
        int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code (enum cd_exit) */
        /* A family: its commands, "cardea NAME ACTION", ending with NULL; argv[0] is then "NAME ACTION". `run` is
         * NULL. */
        const struct cd_command *const *actions;
};

extern const struct cd_command cd_cmd_serve, cd_cmd_check, cd_cmd_config, cd_cmd_schema, cd_cmd_init, cd_cmd_user,
        cd_cmd_client, cd_cmd_key, cd_cmd_cert, cd_cmd_audit, cd_cmd_session, cd_cmd_token, cd_cmd_migrate, cd_cmd_demo,
        cd_cmd_access, cd_cmd_gate, cd_cmd_proxy_config, cd_cmd_mail, cd_cmd_relay, cd_cmd_trace;

/* The documented exit codes of administrative commands besides enum cd_exit. */
enum cd_admin_exit {
        CD_EXIT_NOT_FOUND = 3, /* the named user, client or key does not exist */
        CD_EXIT_EXISTS = 4,    /* one with that name exists already; nothing was changed */
        /* some of several items were refused, and each is reported on standard error; or access is not allowed */
        CD_EXIT_REFUSED = 5,
};

enum {
        CD_WORDS_MAX = 2048 /* as many scopes as CD_SCOPE_MAX bytes can hold, separated by spaces */
};

/* The values of an option that may be given several times. */
struct cd_words {
        const char *items[CD_WORDS_MAX];
        size_t count;
};

/* One option of a command: takes a value if `value` or `values` is set, otherwise sets *flag. */
struct cd_option {
        const char *name; /* "--config" */
        char letter;      /* 'c' for "-c"; 0: none */
        const char **value;
        bool *flag;
        struct cd_words *values;
};

/* Separates the options from the other arguments. Returns false after an error on standard error if an argument is
 * unknown, incomplete or one too many; the command then returns CD_EXIT_USAGE. `rest` has room for `rest_max` words;
 * unused elements are NULL. */
bool cd_options_parse(int argc, char **argv, const struct cd_option *options, const char **rest, size_t rest_max);
/* Prints "cardea NAME: text" on standard error. Returns CD_EXIT_USAGE. */
int cd_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
