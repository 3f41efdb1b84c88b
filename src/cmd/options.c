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

const struct cd_command *cd_command_find(const struct cd_command *const *list, const char *name)
{
        while (*list && strcmp((*list)->name, name) != 0)
                list++;
        return *list;
}

/* What one command line is read into: by the command's own options and by those that all commands have. */
struct parse {
        const char *command;
        const struct cd_option *options[CD_OPTIONS_MAX]; /* without --help */
        size_t count;
        void *ask;
        const char **config;
        const char **rest; /* room for rest_max words */
        size_t rest_max, rest_count;
};

static const struct cd_option config_option = {
        .name = "--config",
        .letter = 'c',
        .kind = CD_OPTION_VALUE,
        .metavar = "FILE",
        .help = "the server's configuration in YAML, which names the store and the master key (default: "
                "$CARDEA_CONFIG, ./cardea.yaml or /etc/cardea/cardea.yaml)",
        .names = CD_NAMES_FILE,
};
static const struct cd_option help_option = { .name = "--help", .letter = 'h', .help = "print this help" };

size_t cd_command_options(const struct cd_command *command, const struct cd_option *ret[CD_OPTIONS_MAX])
{
        size_t count = 0;

        for (const struct cd_option *o = command->options; o && o->name && count < CD_OPTIONS_MAX - 2; o++)
                ret[count++] = o;
        if (command->act)
                ret[count++] = &config_option;
        ret[count++] = &help_option;
        return count;
}

const struct cd_option *cd_option_find(const struct cd_option *const *options, size_t count, cd_str word)
{
        for (size_t i = 0; i < count; i++) {
                const struct cd_option *o = options[i];
                if (cd_str_eq_c(word, o->name) || (word.len == 2 && word.ptr[0] == '-' && word.ptr[1] == o->letter))
                        return o;
        }
        return NULL;
}

static bool refuse_unknown(const struct parse *parse, cd_str word)
{
        const char *nearest = NULL;
        unsigned least = 4;

        for (size_t i = 0; i < parse->count; i++) {
                unsigned distance = cd_str_distance(cd_str_from_c(parse->options[i]->name), word);
                if (distance < least) {
                        least = distance;
                        nearest = parse->options[i]->name;
                }
        }
        if (nearest)
                cd_usage_error(parse->command, "unknown option \"%.*s\"; did you mean \"%s\"?", CD_STR_ARG(word),
                               nearest);
        else if (word.len > 2 && word.ptr[1] != '-') /* it may be a kid: one of 64 begins with "-" */
                cd_usage_error(parse->command, "unknown option \"%.*s\"; to use it as an argument, write -- before it",
                               CD_STR_ARG(word));
        else
                cd_usage_error(parse->command, "unknown option \"%.*s\"; see: cardea help %s", CD_STR_ARG(word),
                               parse->command);
        return false;
}

static bool refuse(const char *command, const struct cd_option *option, const char *why)
{
        cd_usage_error(command, "%s %s", option->name, why);
        return false;
}

static void *target_of(const struct parse *parse, const struct cd_option *option)
{
        if (option == &config_option)
                return parse->config;
        return (char *)parse->ask + option->offset;
}

static bool keep_value(const struct parse *parse, const struct cd_option *option, const char *value)
{
        if (option->kind == CD_OPTION_VALUE) {
                *(const char **)target_of(parse, option) = value;
                return true;
        }
        struct cd_words *words = target_of(parse, option);
        if (words->count == CD_WORDS_MAX)
                return refuse(parse->command, option, "is given too many times; 2048 is the most");
        words->items[words->count++] = value;
        return true;
}

/* Reads the option at argv[*at], and its value. */
static bool take_option(const struct parse *parse, int argc, char **argv, int *at)
{
        cd_str word = cd_str_from_c(argv[*at]);
        size_t equals = cd_str_index(word, '=');
        const struct cd_option *option = cd_option_find(parse->options, parse->count, cd_str_slice(word, 0, equals));

        if (!option)
                return refuse_unknown(parse, cd_str_slice(word, 0, equals));
        if (option->kind != CD_OPTION_FLAG) {
                const char *value = equals < word.len ? argv[*at] + equals + 1 : *at + 1 < argc ? argv[++*at] : "";
                return *value ? keep_value(parse, option, value) : refuse(parse->command, option, "needs a value");
        }
        if (equals < word.len)
                return refuse(parse->command, option, "takes no value");
        *(bool *)target_of(parse, option) = true;
        return true;
}

static bool take_all(struct parse *parse, int argc, char **argv)
{
        bool ended = false; /* "--" was read: no further argument is an option */

        for (int i = 1; i < argc; i++) {
                if (!ended && !strcmp(argv[i], "--")) {
                        ended = true;
                } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
                        if (!take_option(parse, argc, argv, &i))
                                return false;
                } else if (parse->rest_count == parse->rest_max) {
                        cd_usage_error(parse->command, "unexpected argument \"%s\"; see: cardea help %s", argv[i],
                                       parse->command);
                        return false;
                } else {
                        parse->rest[parse->rest_count++] = argv[i];
                }
        }
        return true;
}

/* The arguments are in the order of the table. */
static bool keep_arguments(const struct parse *parse, const struct cd_argument *arguments)
{
        size_t at = 0;

        for (const struct cd_argument *a = arguments; a && a->metavar; a++) {
                char *member = (char *)parse->ask + a->offset;
                if (at == parse->rest_count && !a->optional) {
                        cd_usage_error(parse->command, "%s is missing; see: cardea help %s", a->metavar,
                                       parse->command);
                        return false;
                }
                if (!a->is_many && at < parse->rest_count)
                        *(const char **)member = parse->rest[at++];
                for (struct cd_words *words = (void *)member; a->is_many && at < parse->rest_count;)
                        words->items[words->count++] = parse->rest[at++];
        }
        return true;
}

static bool has_required(const struct parse *parse)
{
        for (size_t i = 0; i < parse->count; i++) {
                const struct cd_option *o = parse->options[i];
                if (!o->required)
                        continue;
                const void *target = target_of(parse, o);
                bool is_given = o->kind == CD_OPTION_WORDS ? ((const struct cd_words *)target)->count > 0
                                                           : *(const char *const *)target != NULL;
                if (!is_given) {
                        cd_usage_error(parse->command, "%s %s is missing; see: cardea help %s", o->name, o->metavar,
                                       parse->command);
                        return false;
                }
        }
        return true;
}

bool cd_command_read(const struct cd_command *command, const char *name, int argc, char **argv, void *ask,
                     const char **ret_config)
{
        const char *rest[CD_WORDS_MAX];
        struct parse parse = {
                .command = name,
                .ask = ask,
                .config = ret_config,
                .rest = rest,
        };

        parse.count = cd_command_options(command, parse.options) - 1;
        for (const struct cd_argument *a = command->arguments; a && a->metavar; a++)
                parse.rest_max += a->is_many ? CD_WORDS_MAX - CD_ARGUMENTS_MAX : 1;
        return take_all(&parse, argc, argv) && keep_arguments(&parse, command->arguments) && has_required(&parse);
}
