#pragma once
/* The sub-commands of cardea: one row each in main.c, one file each beside it. */
#include "app/service.h"

struct cd_command {
        const char *name;
        const char *summary;               /* one line */
        const char *help;                  /* what `cardea help NAME` prints, with a usage line first */
        int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code (enum cd_exit) */
};

extern const struct cd_command cd_cmd_serve, cd_cmd_check, cd_cmd_config, cd_cmd_schema, cd_cmd_demo, cd_cmd_cert;

/* One option of a command: takes a value where `value` is set, else sets *flag. */
struct cd_option {
        const char *name; /* "--config" */
        char letter;      /* 'c' for "-c"; 0: none */
        const char **value;
        bool *flag;
};

/* Sorts the arguments into options and the rest. False where one is unknown, incomplete or too many: it has then been
 * said on standard error, and the command returns CD_EXIT_USAGE. `rest` has room for `rest_max` words; NULLs fill it. */
bool cd_options_parse(int argc, char **argv, const struct cd_option *options, const char **rest, size_t rest_max);
/* "cardea NAME: text" on standard error. Returns CD_EXIT_USAGE. */
int cd_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether "127.0.0.1:5001" or "[::1]:5001" can be listened on now: 0, or what bind said. Port 0 always can. */
int cd_probe_listen(cd_str address);
