/* cardea help --json: the tables of all commands, from which tools/make-manual makes the pages of the manual. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/text_table.h"

enum {
        COMMAND_MAX = 1 << 20, /* bytes of one command */
};

static void add_text(struct cd_buf *buf, const char *name, const char *text)
{
        cd_json_add_str_or_null(buf, name, cd_str_from_c(text));
}

static void add_arguments(struct cd_buf *buf, const struct cd_command *command)
{
        cd_json_add(buf, "arguments");
        cd_buf_add_char(buf, '[');
        for (const struct cd_argument *a = command->arguments; a && a->metavar; a++) {
                cd_buf_add(buf, a == command->arguments ? CD_STR("{") : CD_STR(",{"));
                add_text(buf, "metavar", a->metavar);
                add_text(buf, "help", a->help);
                cd_json_add_bool(buf, "required", !a->optional);
                cd_json_add_bool(buf, "repeated", a->is_many);
                cd_buf_add_char(buf, '}');
        }
        cd_buf_add_char(buf, ']');
}

static void add_options(struct cd_buf *buf, const struct cd_command *command)
{
        const struct cd_option *options[CD_OPTIONS_MAX];
        size_t count = cd_command_options(command, options);

        cd_json_add(buf, "options");
        cd_buf_add_char(buf, '[');
        for (size_t i = 0; i < count; i++) {
                const struct cd_option *o = options[i];
                const char letter[] = { '-', o->letter, '\0' };
                cd_buf_add(buf, i ? CD_STR(",{") : CD_STR("{"));
                add_text(buf, "name", o->name);
                add_text(buf, "letter", o->letter ? letter : NULL);
                add_text(buf, "metavar", o->metavar);
                add_text(buf, "help", o->help);
                cd_json_add_bool(buf, "required", o->required);
                cd_json_add_bool(buf, "repeated", o->kind == CD_OPTION_WORDS);
                cd_buf_add_char(buf, '}');
        }
        cd_buf_add_char(buf, ']');
}

static void add_exit_codes(struct cd_buf *buf, const struct cd_command *command)
{
        cd_json_add(buf, "exit_codes");
        cd_buf_add_char(buf, '{');
        for (unsigned code = 0; code < CD_HELP_EXIT_CODES; code++) {
                const char *text = cd_help_exit_code(command, code);
                const char name[] = { (char)('0' + code), '\0' };
                if (text)
                        cd_json_add_str(buf, name, cd_str_of(text, strcspn(text, "\n")));
        }
        cd_buf_add_char(buf, '}');
}

static bool print_command(const struct cd_command *command, const char *family)
{
        char name[64];
        struct cd_buf buf;

        snprintf(name, sizeof(name), "%s%s%s", family, *family ? " " : "", command->name);
        cd_json_begin(&buf, COMMAND_MAX, "name", cd_str_from_c(name));
        add_text(&buf, "summary", command->summary);
        add_text(&buf, "about", command->about);
        cd_json_add_bool(&buf, "family", command->actions != NULL);
        if (!command->actions && command->about) {
                add_text(&buf, "examples", command->examples);
                add_arguments(&buf, command);
                add_options(&buf, command);
                add_exit_codes(&buf, command);
        }
        return cd_json_end(&buf);
}

bool cd_help_print_json(const struct cd_command *const *list, const char *family)
{
        for (; *list; list++)
                if (!print_command(*list, family) ||
                    ((*list)->actions && !cd_help_print_json((*list)->actions, (*list)->name)))
                        return false;
        return true;
}
