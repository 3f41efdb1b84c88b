#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/cmd.h"

int cd_usage_error(const char *command, const char *format, ...)
{
        char text[4096];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        cd_print_line(stderr, "cardea%s%s: %s", *command ? " " : "", command, text);
        return CD_EXIT_USAGE;
}

static const struct cd_option *find_option(const struct cd_option *options, cd_str word)
{
        for (const struct cd_option *o = options; o->name; o++)
                if (cd_str_eq(cd_str_from_c(o->name), word) ||
                    (word.len == 2 && o->letter && word.ptr[0] == '-' && word.ptr[1] == o->letter))
                        return o;
        return NULL;
}

static bool refuse_unknown(const char *command, const struct cd_option *options, cd_str word)
{
        const char *nearest = NULL;
        unsigned least = 4;

        for (const struct cd_option *o = options; o->name; o++) {
                unsigned distance = cd_str_distance(cd_str_from_c(o->name), word);
                if (distance < least) {
                        least = distance;
                        nearest = o->name;
                }
        }
        if (nearest)
                cd_usage_error(command, "unknown option \"%.*s\"; did you mean \"%s\"?", CD_STR_ARG(word), nearest);
        else if (word.len > 2 && word.ptr[1] != '-') /* it may be a kid: one of 64 begins with "-" */
                cd_usage_error(command, "unknown option \"%.*s\"; to use it as an argument, write -- before it",
                               CD_STR_ARG(word));
        else
                cd_usage_error(command, "unknown option \"%.*s\"; see: cardea help %s", CD_STR_ARG(word), command);
        return false;
}

static bool refuse(const char *command, const struct cd_option *option, const char *why)
{
        cd_usage_error(command, "%s %s", option->name, why);
        return false;
}

static bool keep_value(const char *command, const struct cd_option *option, const char *value)
{
        if (option->value) {
                *option->value = value;
                return true;
        }
        if (option->values->count == CD_WORDS_MAX)
                return refuse(command, option, "is given too many times; 2048 is the most");
        option->values->items[option->values->count++] = value;
        return true;
}

/* Reads the option at argv[*at], and its value. */
static bool take_option(int argc, char **argv, const struct cd_option *options, int *at)
{
        cd_str word = cd_str_from_c(argv[*at]);
        size_t equals = cd_str_index(word, '=');
        const struct cd_option *option = find_option(options, cd_str_slice(word, 0, equals));

        if (!option)
                return refuse_unknown(argv[0], options, cd_str_slice(word, 0, equals));
        if (option->value || option->values) {
                const char *value = equals < word.len ? argv[*at] + equals + 1 : *at + 1 < argc ? argv[++*at] : "";
                return *value ? keep_value(argv[0], option, value) : refuse(argv[0], option, "needs a value");
        }
        if (equals < word.len)
                return refuse(argv[0], option, "takes no value");
        *option->flag = true;
        return true;
}

bool cd_options_parse(int argc, char **argv, const struct cd_option *options, const char **rest, size_t rest_max)
{
        size_t count = 0;
        bool ended = false; /* "--" was read: no further argument is an option */

        for (size_t i = 0; i < rest_max; i++)
                rest[i] = NULL;
        for (int i = 1; i < argc; i++) {
                if (!ended && !strcmp(argv[i], "--")) {
                        ended = true;
                } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
                        if (!take_option(argc, argv, options, &i))
                                return false;
                } else if (count == rest_max) {
                        cd_usage_error(argv[0], "unexpected argument \"%s\"; see: cardea help %s", argv[i], argv[0]);
                        return false;
                } else {
                        rest[count++] = argv[i];
                }
        }
        return true;
}
