/* What a shell offers for a command line that is begun: packaging/completion asks "cardea complete WORD...", with all
 * words after "cardea", the last of which is begun or empty. Each line of the output is a word, a tab and what it is;
 * or ":files" or ":folders", which the shell completes itself. Nothing is said about what cannot be read. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/context.h"

enum {
        SECONDS_MAX = 2, /* a store that takes longer is as one that cannot be read */
        NAMES_MAX = 500,
};

struct completion {
        const struct cd_command *const *commands;
        const char *const *words;
        size_t count;
        const char *config; /* of the words */
        cd_str begun;       /* what is to be completed */
        cd_str before;      /* what goes before each word that is offered: "--user=" */
};

static void offer(const struct completion *c, cd_str word, const char *about)
{
        if (cd_str_has_prefix(word, c->begun))
                printf("%.*s%.*s\t%.*s\n", CD_STR_ARG(c->before), CD_STR_ARG(word), (int)strcspn(about, "\n"), about);
}

static void offer_commands(const struct completion *c, const struct cd_command *const *list)
{
        for (; *list; list++)
                offer(c, cd_str_from_c((*list)->name), (*list)->summary);
}

/* A shell splits or replaces other characters. */
static bool is_plain(cd_str name)
{
        for (size_t i = 0; i < name.len; i++)
                if (!strchr("@._+-", name.ptr[i]) && !(name.ptr[i] >= '0' && name.ptr[i] <= '9') &&
                    !((name.ptr[i] | 0x20) >= 'a' && (name.ptr[i] | 0x20) <= 'z'))
                        return false;
        return true;
}

static void offer_users(const struct completion *c, struct cd_context *context)
{
        struct cd_store *store = context->by.store;
        struct cd_users_page page = { 0 };
        struct cd_user user;
        struct cd_error err;

        if (store->users->find(store, &context->arena, c->begun, &user, &err) == CD_OK)
                offer(c, user.name, "user");
        if (store->users->list(store, &context->arena, c->begun, NAMES_MAX, &page, &err) != CD_OK)
                return;
        for (size_t i = 0; i < page.count; i++)
                if (is_plain(page.items[i].name))
                        offer(c, page.items[i].name, "user");
}

static void offer_clients(const struct completion *c, struct cd_context *context)
{
        struct cd_client_records clients = { 0 };
        struct cd_error err;

        for (size_t i = 0; i < context->admin.config.clients.count; i++) {
                const struct cd_config_client *of_config = context->admin.config.clients.items;
                if (is_plain(of_config[i].id))
                        offer(c, of_config[i].id, "client of the configuration");
        }
        (void)!context->by.store->clients->list(context->by.store, &context->arena, &clients, &err);
        for (size_t i = 0; i < clients.count; i++)
                if (is_plain(clients.items[i].id))
                        offer(c, clients.items[i].id, "client");
}

static void offer_keys(const struct completion *c, struct cd_context *context)
{
        struct cd_key_records keys = { 0 };
        struct cd_error err;

        (void)!context->by.store->keys->list(context->by.store, &context->arena, &keys, &err);
        for (size_t i = 0; i < keys.count; i++)
                if (keys.items[i].kid.ptr[0] != '-') /* it would be an option */
                        offer(c, keys.items[i].kid, "key");
}

static void offer_names(const struct completion *c, enum cd_names names)
{
        struct cd_context context;
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (nowhere < 0 || dup2(nowhere, STDERR_FILENO) < 0)
                return;
        signal(SIGALRM, SIG_DFL);
        alarm(SECONDS_MAX);
        if (cd_context_open(&context, "complete", c->config, CD_OPENS_STORE) == CD_EXIT_OK) {
                if (names == CD_NAMES_USER)
                        offer_users(c, &context);
                else if (names == CD_NAMES_CLIENT)
                        offer_clients(c, &context);
                else
                        offer_keys(c, &context);
        }
        cd_context_close(&context);
        alarm(0);
}

static void offer_values(const struct completion *c, enum cd_names names, const char *choices)
{
        while (choices && *choices) {
                size_t len = strcspn(choices, " ");
                offer(c, cd_str_of(choices, len), "");
                choices += len + (choices[len] != '\0');
        }
        if (names == CD_NAMES_FILE)
                puts(":files");
        else if (names == CD_NAMES_FOLDER)
                puts(":folders");
        else if (names != CD_NAMES_NOTHING)
                offer_names(c, names);
}

/* The option whose value the word `text` is or has at its end, *ret_value; NULL: none. */
static const struct cd_option *value_option(const struct cd_option *const *options, size_t count, cd_str before,
                                            cd_str text, cd_str *ret_value)
{
        size_t equals = cd_str_index(text, '=');
        const struct cd_option *option = cd_option_find(options, count, before);

        *ret_value = text;
        if (option && option->metavar)
                return option;
        option = cd_option_find(options, count, cd_str_slice(text, 0, equals));
        if (!option || !option->metavar || equals == text.len)
                return NULL;
        *ret_value = cd_str_slice(text, equals + 1, text.len);
        return option;
}

/* The words of the command from `first` on. */
static void complete_command(struct completion *c, const struct cd_command *command, size_t first)
{
        const struct cd_option *options[CD_OPTIONS_MAX];
        size_t count = cd_command_options(command, options), arguments = 0;
        const struct cd_option *option = NULL;
        const struct cd_argument *argument = command->arguments;
        cd_str before = { 0 }, value;

        for (size_t i = first; i < c->count; i++) {
                cd_str word = cd_str_from_c(c->words[i]);
                option = value_option(options, count, before, word, &value);
                if (option && i + 1 < c->count && !strcmp(option->name, "--config"))
                        c->config = value.ptr;
                else if (!option && i + 1 < c->count && (!word.len || word.ptr[0] != '-'))
                        arguments++;
                before = option ? (cd_str){ 0 } : word;
        }
        c->before = cd_str_slice(c->begun, 0, option ? c->begun.len - value.len : 0);
        if (option) {
                c->begun = value;
                offer_values(c, option->names, option->choices);
                return;
        }
        if (c->begun.len && c->begun.ptr[0] == '-') {
                for (size_t i = 0; i < count; i++)
                        offer(c, cd_str_from_c(options[i]->name), options[i]->help);
                return;
        }
        for (; argument && argument->metavar && arguments && !argument->is_many; arguments--)
                argument++;
        if (argument && argument->metavar)
                offer_values(c, argument->names, argument->choices);
}

int cd_complete(const struct cd_command *const *commands, int count, char **words)
{
        struct completion c = { commands, (const char *const *)words, (size_t)count, NULL, CD_STR(""), CD_STR("") };
        const struct cd_command *command = count > 1 ? cd_command_find(commands, words[0]) : NULL;
        bool is_help = command && !strcmp(command->name, "help");

        if (count < 1)
                return CD_EXIT_USAGE;
        c.begun = cd_str_from_c(words[count - 1]);
        if (count == 1 || (is_help && count == 2)) {
                offer_commands(&c, commands);
                if (count == 1) {
                        offer(&c, CD_STR("--help"), "print the list of commands");
                        offer(&c, CD_STR("--version"), "print the version");
                }
                return CD_EXIT_OK;
        }
        if (is_help)
                command = cd_command_find(commands, words[1]);
        size_t first = is_help ? 2 : 1;
        if (command && command->actions && (size_t)count == first + 1)
                offer_commands(&c, command->actions);
        else if (command && command->actions && !is_help)
                command = cd_command_find(command->actions, words[first++]);
        if (command && !command->actions && !is_help)
                complete_command(&c, command, first);
        return CD_EXIT_OK;
}
