/* The help of a command, made from its table. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

enum {
        WIDTH = 80,      /* columns of a line */
        LEFT_MAX = 28,   /* of an option with its value; a longer one has its help on the next line */
        NAME_WIDTH = 12, /* of a command in a list */
        TOKEN_MAX = 128,
};

/* Text that is broken at spaces. */
struct wrap {
        FILE *to;
        size_t indent, column; /* where lines go on; where the last line ends */
};

static void add_token(struct wrap *w, const char *token, size_t len)
{
        if (w->column > w->indent && w->column + 1 + len > WIDTH) {
                fprintf(w->to, "\n%*s", (int)w->indent, "");
                w->column = w->indent;
        }
        bool is_first = w->column == w->indent;
        fprintf(w->to, "%s%.*s", is_first ? "" : " ", (int)len, token);
        w->column += len + !is_first;
}

static void add_text(struct wrap *w, const char *text)
{
        while (*text) {
                size_t len = strcspn(text, " \n");
                if (len)
                        add_token(w, text, len);
                text += len + (text[len] != '\0');
        }
}

static void print_paragraphs(const char *text, FILE *to)
{
        while (*text) {
                const char *end = strstr(text, "\n\n");
                size_t len = end ? (size_t)(end - text) : strlen(text);
                struct wrap w = { .to = to };
                char paragraph[4096];

                snprintf(paragraph, sizeof(paragraph), "%.*s", (int)len, text);
                if (*text == ' ')
                        fputs(paragraph, to);
                else
                        add_text(&w, paragraph);
                fputs(end ? "\n\n" : "\n", to);
                text += len + (end ? 2 : 0);
        }
}

void cd_help_print_list(const struct cd_command *const *list, FILE *to)
{
        for (; *list; list++) {
                struct wrap w = { to, NAME_WIDTH + 4, NAME_WIDTH + 4 };
                fprintf(to, "  %-*s  ", NAME_WIDTH, (*list)->name);
                add_text(&w, (*list)->summary);
                fputc('\n', to);
        }
}

static void print_usage(const struct cd_command *command, const char *name, FILE *to)
{
        const struct cd_option *options[CD_OPTIONS_MAX];
        size_t count = cd_command_options(command, options) - 1; /* without --help */
        char token[TOKEN_MAX];
        struct wrap w = { to, strlen("Usage: cardea ") + strlen(name) + 1, 0 };

        fprintf(to, "Usage: cardea %s ", name);
        w.column = w.indent;
        for (const struct cd_argument *a = command->arguments; a && a->metavar; a++) {
                int len = snprintf(token, sizeof(token), "%s%s%s%s", a->optional ? "[" : "", a->metavar,
                                   a->optional ? "]" : "", a->is_many ? "..." : "");
                add_token(&w, token, (size_t)len);
        }
        for (int pass = 1; pass >= 0; pass--) /* what is required comes first */
                for (size_t i = 0; i < count; i++) {
                        const struct cd_option *o = options[i];
                        if (o->required != pass)
                                continue;
                        int len = snprintf(token, sizeof(token), "%s%s%s%s%s%s", pass ? "" : "[", o->name,
                                           o->metavar ? " " : "", o->metavar ? o->metavar : "", pass ? "" : "]",
                                           o->kind == CD_OPTION_WORDS ? "..." : "");
                        add_token(&w, token, (size_t)len);
                }
        fputs("\n", to);
}

static void print_row(const char *left, size_t width, const char *help, FILE *to)
{
        size_t len = strlen(left);
        struct wrap w = { to, width + 2, width + 2 };

        fprintf(to, "%s%*s", left, len <= width ? (int)(width + 2 - len) : 0, "");
        if (len > width)
                fprintf(to, "\n%*s", (int)w.indent, "");
        add_text(&w, help);
        fputc('\n', to);
}

static size_t widest(const struct cd_option *const *options, size_t count)
{
        size_t width = 0;

        for (size_t i = 0; i < count; i++) {
                size_t len = 6 + strlen(options[i]->name) + (options[i]->metavar ? 1 + strlen(options[i]->metavar) : 0);
                if (len > width && len <= LEFT_MAX)
                        width = len;
        }
        return width;
}

static void print_arguments(const struct cd_command *command, FILE *to)
{
        size_t width = 0;
        char left[TOKEN_MAX];

        for (const struct cd_argument *a = command->arguments; a && a->metavar; a++)
                if (2 + strlen(a->metavar) > width)
                        width = 2 + strlen(a->metavar);
        if (width)
                fputs("\nArguments:\n", to);
        for (const struct cd_argument *a = command->arguments; a && a->metavar; a++) {
                snprintf(left, sizeof(left), "  %s", a->metavar);
                print_row(left, width, a->help, to);
        }
}

static void print_options(const struct cd_command *command, FILE *to)
{
        const struct cd_option *options[CD_OPTIONS_MAX];
        size_t count = cd_command_options(command, options), width = widest(options, count);
        char left[TOKEN_MAX];

        fputs("\nOptions:\n", to);
        for (size_t i = 0; i < count; i++) {
                const struct cd_option *o = options[i];
                char letter[] = { '-', o->letter, ',', '\0' };
                snprintf(left, sizeof(left), "  %-3s %s%s%s", o->letter ? letter : "", o->name, o->metavar ? " " : "",
                         o->metavar ? o->metavar : "");
                print_row(left, width, o->help, to);
        }
}

static void print_indented_lines(const char *title, const char *lines, FILE *to)
{
        fprintf(to, "\n%s:\n", title);
        while (*lines) {
                size_t len = strcspn(lines, "\n");
                fprintf(to, "  %.*s\n", (int)len, lines);
                lines += len + (lines[len] != '\0');
        }
}

const char *cd_help_exit_code(const struct cd_command *command, unsigned code)
{
        static const char *const usual[] = { "success", "failed at run time",
                                             "the command line, the configuration or a value is wrong" };
        const char *line = command->exit_codes;

        while (line && *line) {
                if (*line == (char)('0' + code))
                        return line + 2;
                line += strcspn(line, "\n");
                line += *line != '\0';
        }
        return code < CD_LEN(usual) ? usual[code] : NULL;
}

static void print_exit_codes(const struct cd_command *command, FILE *to)
{
        fputs("\nExit codes:\n", to);
        for (unsigned code = 0; code < CD_HELP_EXIT_CODES; code++) {
                const char *text = cd_help_exit_code(command, code);
                char line[512], left[8];
                if (!text)
                        continue;
                snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
                snprintf(left, sizeof(left), "  %u", code);
                print_row(left, 3, line, to);
        }
}

void cd_help_print(const struct cd_command *command, const char *family, FILE *to)
{
        char name[64];

        if (command->actions) {
                fprintf(to, "Usage: cardea %s ACTION [OPTION]...\n\n", command->name);
                cd_help_print_list(command->actions, to);
                fprintf(to, "\n\"cardea help %s ACTION\" and \"cardea %s ACTION --help\" print more.\n", command->name,
                        command->name);
                print_paragraphs(command->about ? command->about : "", to);
                return;
        }
        snprintf(name, sizeof(name), "%s%s%s", family, *family ? " " : "", command->name);
        print_usage(command, name, to);
        fputc('\n', to);
        print_paragraphs(command->about, to);
        print_arguments(command, to);
        print_options(command, to);
        print_indented_lines("Examples", command->examples, to);
        print_exit_codes(command, to);
}
