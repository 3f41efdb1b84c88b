#pragma once
/* The sub-commands of cardea: one row each in main.c, and one file each in this folder. A command is a table, from
 * which its command line is read and its help is made, and an action. */
#include <stddef.h>

#include "service/service.h"

enum {
        CD_WORDS_MAX = 2048, /* as many scopes as CD_SCOPE_MAX bytes can hold, separated by spaces */
        CD_OPTIONS_MAX = 24, /* of one command, with --config and --help */
        CD_ARGUMENTS_MAX = 3,
        CD_HELP_EXIT_CODES = 6, /* 0 to 5 */
};

/* The values of an option or an argument that may be given several times. */
struct cd_words {
        const char *items[CD_WORDS_MAX];
        size_t count;
};

/* What a value names; completion offers those. */
enum cd_names {
        CD_NAMES_NOTHING,
        CD_NAMES_FILE,
        CD_NAMES_FOLDER,
        CD_NAMES_USER,
        CD_NAMES_CLIENT,
        CD_NAMES_KEY,
};

enum cd_option_kind {
        CD_OPTION_FLAG,  /* a bool; takes no value */
        CD_OPTION_VALUE, /* a const char *; NULL: not given, and the last one counts */
        CD_OPTION_WORDS, /* a struct cd_words; may be given several times */
};

struct cd_option {
        const char *name; /* "--config" */
        char letter;      /* 'c' for "-c"; 0: none */
        enum cd_option_kind kind;
        size_t offset;       /* of the member in the command's struct */
        const char *metavar; /* "FILE"; NULL for a flag */
        const char *help;    /* begins small, without a full stop, of any length: it is wrapped */
        bool required;
        enum cd_names names;
        const char *choices; /* the values that there are, "ES256 RS256 EdDSA", for completion; NULL: any */
};

/* The options of a struct T with the member M:
 * { CD_VALUE(struct ask, user, "--user", 0, "NAME", "the user", .required = true, .names = CD_NAMES_USER),
 *   CD_FLAG(struct ask, json, "--json", 0, "print one JSON object per line"), { 0 } } */
#define CD_FLAG(T, M, option, short, text)                                                                             \
        {                                                                                                              \
                .name = option, .letter = short, .kind = CD_OPTION_FLAG, .offset = offsetof(T, M), .help = text        \
        }
#define CD_VALUE(T, M, option, short, meta, text, ...)                                                                 \
        {                                                                                                              \
                .name = option, .letter = short, .kind = CD_OPTION_VALUE, .offset = offsetof(T, M), .metavar = meta,   \
                .help = text, __VA_ARGS__                                                                              \
        }
#define CD_WORDS(T, M, option, short, meta, text, ...)                                                                 \
        {                                                                                                              \
                .name = option, .letter = short, .kind = CD_OPTION_WORDS, .offset = offsetof(T, M), .metavar = meta,   \
                .help = text, __VA_ARGS__                                                                              \
        }

/* A word that is not an option: "KID". */
struct cd_argument {
        const char *metavar;
        size_t offset; /* of a const char * in the command's struct; of a struct cd_words for the last if `is_many` */
        const char *help; /* as of an option */
        bool optional, is_many;
        enum cd_names names;
        const char *choices;
};

struct cd_context;

/* What the frame opens for a command with `act`. */
enum cd_opens {
        CD_OPENS_STORE,  /* the configuration, the store and the master key; the last two may not be missing */
        CD_OPENS_CONFIG, /* the configuration alone */
        CD_OPENS_CONFIG_OR_DEFAULTS,  /* without one, the defaults */
        CD_OPENS_NOTHING,             /* the configuration is found, and read by the command */
        CD_OPENS_NOTHING_OR_DEFAULTS, /* without one, cd_context.config is NULL */
};

struct cd_command {
        const char *name;
        const char *summary; /* one line of at most 64 characters */
        /* What the command does, in paragraphs separated by "\n\n", which are wrapped; one that begins with a space is
         * printed as it is. Usage, arguments, options, examples and exit codes are not part of it. Of a family it is
         * the text after the list of its actions, or NULL. */
        const char *about;
        const char *examples;   /* one command a line, "cardea user list\n…" */
        const char *exit_codes; /* "3 the user does not exist\n…"; 0, 1 and 2 are added if missing; or NULL */
        const struct cd_argument *arguments; /* at most CD_ARGUMENTS_MAX, ending with one without a metavar; or NULL */
        const struct cd_option *options;     /* ending with one without a name; or NULL */
        size_t ask_size; /* of the struct that arguments and options are read into; what is not given stays 0 */
        /* A command for a configuration, which has the option --config besides: the frame reads `ask`, opens the
         * context, and closes it afterwards. Returns the exit code. */
        int (*act)(struct cd_context *context, void *ask);
        enum cd_opens opens;
        /* A command without a context. `command` is its name with the family's, "cert new". */
        int (*act_alone)(const char *command, void *ask);
        /* A family: its commands, "cardea NAME ACTION", ending with NULL. */
        const struct cd_command *const *actions;
};

extern const struct cd_command cd_cmd_serve, cd_cmd_check, cd_cmd_config, cd_cmd_schema, cd_cmd_init, cd_cmd_user,
        cd_cmd_client, cd_cmd_key, cd_cmd_cert, cd_cmd_audit, cd_cmd_session, cd_cmd_token, cd_cmd_migrate, cd_cmd_demo,
        cd_cmd_access, cd_cmd_gate, cd_cmd_proxy_config, cd_cmd_mail, cd_cmd_relay, cd_cmd_trace, cd_cmd_status,
        cd_cmd_reload, cd_cmd_backup, cd_cmd_restore;

/* The documented exit codes of administrative commands besides enum cd_exit. */
enum cd_admin_exit {
        CD_EXIT_NOT_FOUND = 3, /* the named user, client or key does not exist */
        CD_EXIT_EXISTS = 4,    /* one with that name exists already; nothing was changed */
        /* some of several items were refused, and each is reported on standard error; or access is not allowed */
        CD_EXIT_REFUSED = 5,
};

/* Reads a command line into `ask`, which is all 0, and the value of --config, if the command has `act`, into
 * *ret_config. `name` is as of act_alone; argv[0] is not read. Returns false after an error on standard error if an
 * argument is unknown, incomplete, missing or one too many; the command then returns CD_EXIT_USAGE. */
bool cd_command_read(const struct cd_command *command, const char *name, int argc, char **argv, void *ask,
                     const char **ret_config);
/* All options of a command: its own, --config if it has `act`, --help. Returns how many. */
size_t cd_command_options(const struct cd_command *command, const struct cd_option *ret[CD_OPTIONS_MAX]);
/* The one with that name or letter, "-c"; or NULL. */
const struct cd_option *cd_option_find(const struct cd_option *const *options, size_t count, cd_str word);
/* Prints the help of a command, or of a family; `family` is the name of the family that the command is in, or "". */
void cd_help_print(const struct cd_command *command, const char *family, FILE *to);
/* What the exit code means, up to the end of the line; NULL: the command does not have it. */
const char *cd_help_exit_code(const struct cd_command *command, unsigned code);
/* Prints the tables of all commands, one JSON object a line. */
bool cd_help_print_json(const struct cd_command *const *list, const char *family);
/* Returns the command of the list with that name, or NULL. */
const struct cd_command *cd_command_find(const struct cd_command *const *list, const char *name);
/* complete.c: prints what a shell may offer for the last of the words, which come after "cardea". */
int cd_complete(const struct cd_command *const *commands, int count, char **words);
/* Prints the names and summaries of commands. */
void cd_help_print_list(const struct cd_command *const *list, FILE *to);

/* Prints "cardea NAME: text" on standard error. Returns CD_EXIT_USAGE. */
int cd_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
