/* cardea client: OAuth clients in the store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/streams.h"
#include "cmd/ask.h"
#include "cmd/client.h"
#include "cmd/file.h"
#include "cmd/text_table.h"
#include "cmd/context.h"
#include "core/admin_clients.h"

#define EXIT_HELP                                                                                                      \
        "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong,\n"             \
        "3 the client does not exist.\n"

enum {
        JSON_MAX = 1024 * 1024 /* bytes of one client */
};

static int need_id(const char *command)
{
        return cd_usage_error(command, "name a client: cardea %s ID", command);
}

/* How a secret is shown, and whether it was shown. */
struct showing {
        bool json, is_shown;
};

/* Writes the secret alone to standard output, so that "> FILE" stores it. It is written before it becomes valid, so
 * that a client is not created if its secret was not received (LESSONS 38). */
static cd_status show_secret(void *arg, cd_str id, cd_str secret, struct cd_error *reterr)
{
        struct showing *showing = arg;
        struct cd_buf buf;
        cd_str text;

        if (showing->json) {
                cd_json_begin(&buf, JSON_MAX, "id", id);
                cd_json_add_str(&buf, "secret", secret);
                cd_buf_add_char(&buf, '}');
        } else {
                cd_buf_init(&buf, NULL, JSON_MAX);
                cd_buf_add(&buf, secret);
        }
        cd_buf_add_char(&buf, '\n');
        int error = cd_buf_view(&buf, &text) == CD_OK ? cd_file_print(text) : ENOMEM;
        if (buf.ptr)
                cd_wipe(buf.ptr, buf.len);
        cd_buf_done(&buf);
        if (error)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "the secret cannot be written to standard output (%s), so nothing was changed",
                                strerror(error));
        showing->is_shown = true;
        return CD_OK;
}

/* Reports the result on standard error. `err` NULL: success. */
static int say_result(const struct cd_context *context, const char *id, const char *what, const struct cd_error *err)
{
        const struct showing *showing = context->by.show_arg;

        if (!err) {
                cd_print_line(stderr, "client %s %s; its secret is not shown again", id, what);
                return CD_EXIT_OK;
        }
        int code = cd_context_fail(context->command, err);
        if (showing->is_shown)
                cd_print_line(stderr, "cardea %s: the secret that was printed is void", context->command);
        return code;
}

/* --- add ---------------------------------------------------------------------------------------------------------- */

struct add_ask {
        const char *config, *id, *audience, *alg;
        struct cd_words grants, scopes, introspect;
        bool json;
};

static int add_client(struct cd_context *context, const struct add_ask *ask)
{
        const struct cd_client_params params = {
                .id = cd_str_from_c(ask->id),
                .grants = cd_context_strs(context, &ask->grants),
                .scopes = cd_context_strs(context, &ask->scopes),
                .audience = cd_str_from_c(ask->audience),
                .introspect = cd_context_strs(context, &ask->introspect),
                .alg = cd_str_from_c(ask->alg),
        };
        struct showing showing = { .json = ask->json };
        struct cd_error err = { 0 };
        cd_str secret;

        context->by.show_secret = show_secret;
        context->by.show_arg = &showing;
        cd_status status = cd_admin_client_add(&context->by, &context->arena, &params, &secret, &err);
        return say_result(context, ask->id, "added", status == CD_OK ? NULL : &err);
}

static int run_add(int argc, char **argv)
{
        struct add_ask ask = { 0 };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &ask.config },
                { .name = "--grant-type", .letter = 'g', .values = &ask.grants },
                { .name = "--scope", .letter = 's', .values = &ask.scopes },
                { .name = "--audience", .letter = 'a', .value = &ask.audience },
                { .name = "--introspect", .letter = 'i', .values = &ask.introspect },
                { .name = "--alg", .value = &ask.alg },
                { .name = "--json", .flag = &ask.json },
                { 0 },
        };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &ask.id, 1))
                return CD_EXIT_USAGE;
        if (!ask.id)
                return need_id(argv[0]);
        int code = cd_context_open(&context, argv[0], ask.config);
        if (code == CD_EXIT_OK)
                code = add_client(&context, &ask);
        cd_context_close(&context);
        return code;
}

static const struct cd_command client_add = {
        .name = "add",
        .summary = "add a client and print its secret once",
        .help = "Usage: cardea client add ID --config FILE [--grant-type TYPE]... [--scope SCOPE]...\n"
                "                         [--audience URL] [--introspect URL]... [--alg ALG] [--json]\n"
                "\n"
                "Adds an OAuth client and prints its new secret of 256 random bits on standard output. The secret\n"
                "cannot be shown again, since only a keyed hash of it is stored. If it cannot be printed, no client\n"
                "is added.\n"
                "\n" CD_CONTEXT_CONFIG_HELP
                "  -g, --grant-type TYPE     a grant type that it may use: client_credentials or password; may be\n"
                "                            repeated\n"
                "  -s, --scope SCOPE         a scope that it may request, and gets if it requests none; may be\n"
                "                            repeated. Each must be listed in the setting scopes\n"
                "  -a, --audience URL        \"aud\" of its tokens; the issuer if not given\n"
                "  -i, --introspect URL      an audience whose tokens it may introspect; may be repeated\n"
                "      --alg ALG             the signature algorithm of its tokens: ES256, RS256 or EdDSA;\n"
                "                            tokens.alg if not given\n"
                "      --json                print id and secret as a JSON object\n"
                "\n"
                "Exit codes: 0 added, 1 failed at run time, 2 the command line, the configuration or a value is\n"
                "wrong, 4 a client with that id exists already.\n",
        .run = run_add,
};

/* --- secret, remove ----------------------------------------------------------------------------------------------- */

static int change_secret(struct cd_context *context, const char *id, bool json)
{
        struct showing showing = { .json = json };
        struct cd_error err = { 0 };
        cd_str secret;

        context->by.show_secret = show_secret;
        context->by.show_arg = &showing;
        cd_status status = cd_admin_client_set_secret(&context->by, &context->arena, cd_str_from_c(id), 0, &secret, &err);
        return say_result(context, id, "has a new secret; the previous one is no longer accepted",
                          status == CD_OK ? NULL : &err);
}

static int run_secret(int argc, char **argv)
{
        const char *config = NULL, *id;
        bool json = false;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config },
                                             { .name = "--json", .flag = &json },
                                             { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &id, 1))
                return CD_EXIT_USAGE;
        if (!id)
                return need_id(argv[0]);
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = change_secret(&context, id, json);
        cd_context_close(&context);
        return code;
}

static const struct cd_command client_secret = {
        .name = "secret",
        .summary = "replace a client's secret and print the new one once",
        .help = "Usage: cardea client secret ID --config FILE [--json]\n"
                "\n"
                "Replaces the secret of a client and prints the new one on standard output. A running server\n"
                "rejects the previous secret within a second.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --json                print id and secret as a JSON object\n"
                "\n" EXIT_HELP,
        .run = run_secret,
};

static int remove_client(struct cd_context *context, const char *id, bool is_sure)
{
        struct cd_error err = { 0 };
        cd_status status = CD_OK;

        if (!is_sure) {
                status = cd_ask_yes("Remove this client for good?", &is_sure, &err);
                if (status == CD_OK && !is_sure)
                        return cd_usage_error(context->command, "not removed");
        }
        if (status == CD_OK)
                status = cd_admin_client_remove(&context->by, &context->arena, cd_str_from_c(id), &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "client %s removed", id);
        return CD_EXIT_OK;
}

static int run_remove(int argc, char **argv)
{
        const char *config = NULL, *id;
        bool yes = false;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config },
                                             { .name = "--yes", .letter = 'y', .flag = &yes },
                                             { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &id, 1))
                return CD_EXIT_USAGE;
        if (!id)
                return need_id(argv[0]);
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = remove_client(&context, id, yes);
        cd_context_close(&context);
        return code;
}

static const struct cd_command client_remove = {
        .name = "remove",
        .summary = "remove a client permanently",
        .help = "Usage: cardea client remove ID --config FILE [--yes]\n"
                "\n"
                "Removes the client, after a confirmation on the terminal. Within a second it gets no more tokens,\n"
                "and its tokens are inactive, even if a new client gets the same id later.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "  -y, --yes                 do not ask for confirmation\n"
                "\n" EXIT_HELP,
        .run = run_remove,
};

static const struct cd_command *const actions[] = { &client_add,    &cd_cmd_client_list, &cd_cmd_client_show,
                                                    &client_secret, &client_remove,      NULL };

const struct cd_command cd_cmd_client = {
        .name = "client",
        .summary = "add, list and remove OAuth clients, and replace their secrets",
        .help = "A running server applies every change within a second.\n",
        .actions = actions,
};
