/* cardea status, cardea reload: ask the running server through its control socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/status.h"
#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "fetch/fetch.h"
#include "http/http.h"
#include "service/status.h"

enum {
        ANSWER_MAX = 2 * 1024 * 1024, /* bytes */
        CONNECT_MS = 5000,
        /* A reload may open the store's files, and waits for a step of the store watcher. */
        ANSWER_MS = 60000,
        DAY = 24 * 60 * 60,
};

struct status_ask {
        bool json;
};

static int fail(const char *command, const char *text, cd_str value, const char *fix)
{
        cd_print_line(stderr, "cardea %s: %s%.*s%s", command, text, CD_STR_ARG(value), fix);
        return CD_EXIT_FAILED;
}

/* Only this setting is judged (cd_context_needs): a configuration with errors elsewhere is what a reload is asked to
 * report. */
static int find_socket(const struct cd_context *context, cd_str *ret)
{
        *ret = context->admin.config.service.control;
        if (ret->len)
                return CD_EXIT_OK;
        cd_print_line(stderr,
                      "cardea %s: control: is not set, so a running server cannot be asked; add \"control: "
                      "unix:/run/cardea/control.sock\" to %s and restart the server",
                      context->command, context->config);
        return CD_EXIT_USAGE;
}

static int explain(const char *command, cd_str socket, int os_error, const struct cd_error *err)
{
        if (os_error == ENOENT || os_error == ECONNREFUSED)
                return fail(command, "no server listens on ", socket,
                            "; start it (systemctl start cardea), or, if it runs, have it make the socket anew "
                            "(systemctl reload cardea)");
        if (os_error == EACCES)
                return fail(command, "this user may not use ", socket,
                            ", which belongs to the user that the server runs as; be that user, or root");
        cd_print_line(stderr, "cardea %s: %.*s: %s", command, CD_STR_ARG(socket), err->reason);
        return CD_EXIT_FAILED;
}

static int call_server(struct cd_context *context, enum cd_fetch_method method, const char *url,
                       struct cd_fetch_response *ret)
{
        struct cd_fetch *fetch = NULL;
        struct cd_error err = { 0 };
        int os_error = 0;
        cd_str socket;

        int code = find_socket(context, &socket);
        if (code != CD_EXIT_OK)
                return code;
        const struct cd_fetch_options options = {
                .connect_timeout_ms = CONNECT_MS,
                .total_timeout_ms = ANSWER_MS,
                .response_max = ANSWER_MAX,
                .unix_socket = cd_str_slice(socket, strlen("unix:"), socket.len),
        };
        const struct cd_fetch_request request = {
                .method = method, .url = cd_str_from_c(url), .os_error = &os_error, .arena = &context->arena
        };
        cd_status status = cd_fetch_new(&options, &fetch, &err);
        if (status == CD_OK)
                status = cd_fetch_call(fetch, &request, ret, &err);
        cd_fetch_free(fetch);
        return status == CD_OK ? CD_EXIT_OK : explain(context->command, socket, os_error, &err);
}

static int refuse_answer(const char *command, const struct cd_fetch_response *response)
{
        cd_print_line(stderr,
                      "cardea %s: what listens on the control socket is no server of this version: it answered %d",
                      command, response->status);
        return CD_EXIT_FAILED;
}

/* --- status ------------------------------------------------------------------------------------------------------- */

/* The two parts of the one object. */
struct state {
        struct cd_service_status server;
        struct cd_app_status app;
};

static cd_status decode_state(struct cd_arena *arena, cd_str text, struct state *ret)
{
        cd_status status = cd_json_decode(arena, text, &cd_service_status_table, &ret->server, NULL);

        return status == CD_OK ? cd_json_decode(arena, text, &cd_app_status_table, &ret->app, NULL) : status;
}

/* "since 2026-11-30T10:00:00Z (3 d 4 h)" */
static cd_str describe_start(struct cd_arena *arena, const void *item)
{
        const struct cd_service_status *state = &((const struct state *)item)->server;
        long long minutes = state->uptime / 60, hours = minutes / 60, days = hours / 24;
        cd_str since = state->started_at;

        if (days)
                return cd_arena_printf(arena, "%.*s (%lld d %lld h)", CD_STR_ARG(since), days, hours % 24);
        if (hours)
                return cd_arena_printf(arena, "%.*s (%lld h %lld min)", CD_STR_ARG(since), hours, minutes % 60);
        return cd_arena_printf(arena, "%.*s (%lld min %lld s)", CD_STR_ARG(since), minutes,
                               (long long)state->uptime % 60);
}

/* "2026-11-30T10:00:00Z: tokens.lifetime: must be …" */
static cd_str describe_failure(struct cd_arena *arena, const void *item)
{
        const struct cd_service_status *server = &((const struct state *)item)->server;

        if (!server->reload_error.len)
                return server->reload_failed_at;
        return cd_arena_printf(arena, "%.*s: %.*s", CD_STR_ARG(server->reload_failed_at),
                               CD_STR_ARG(server->reload_error));
}

static cd_str describe_store(struct cd_arena *arena, const void *item)
{
        const struct cd_app_status_store *store = &((const struct state *)item)->app.store;

        return cd_arena_printf(arena, "%.*s, %.*s%s%.*s", CD_STR_ARG(store->location), CD_STR_ARG(store->state),
                               store->reason.len ? ": " : "", CD_STR_ARG(store->reason));
}

static cd_str describe_queue(struct cd_arena *arena, const void *item)
{
        const struct cd_service_status_queue *queue = &((const struct state *)item)->server.queue;

        return cd_arena_printf(arena, "%lld logins wait, %lld may", (long long)queue->waiting, (long long)queue->max);
}

static cd_str describe_keys(struct cd_arena *arena, const void *item)
{
        const struct cd_objects *keys = &((const struct state *)item)->app.keys;
        cd_str text = CD_STR("");

        for (size_t i = 0; i < keys->count; i++) {
                const struct cd_app_status_key *key = &((const struct cd_app_status_key *)keys->items)[i];
                text = cd_arena_printf(arena, "%.*s%s%.*s %.*s%s", CD_STR_ARG(text), i ? ", " : "",
                                       CD_STR_ARG(key->alg), CD_STR_ARG(key->kid), key->signs ? " (signs)" : "");
        }
        return text;
}

/* "2027-03-04T00:00:00Z (94 days)" */
static cd_str describe_certificate(struct cd_arena *arena, const void *item)
{
        cd_str until = ((const struct state *)item)->server.certificate_until;
        cd_time end;

        if (!until.len || !cd_time_parse_rfc3339(until, &end))
                return until;
        return cd_arena_printf(arena, "%.*s (%lld days)", CD_STR_ARG(until),
                               (long long)(end - cd_clock_system.now(&cd_clock_system)) / DAY);
}

static const struct cd_column state_columns[] = {
        CD_COLUMN(NULL, NULL, "version", TEXT, struct state, server.version),
        CD_COLUMN(NULL, NULL, "process", NUMBER, struct state, server.pid),
        { .detail = "started", .text = describe_start },
        CD_COLUMN(NULL, NULL, "config", TEXT, struct state, server.configuration),
        CD_COLUMN(NULL, NULL, "reloaded", TEXT, struct state, server.reloaded_at),
        { .detail = "reload error", .text = describe_failure },
        CD_COLUMN(NULL, NULL, "listens on", LIST, struct state, server.listen),
        CD_COLUMN(NULL, NULL, "connections", NUMBER, struct state, server.connections),
        { .detail = "queue", .text = describe_queue },
        { .detail = "certificate", .text = describe_certificate },
        { .detail = "store", .text = describe_store },
        { .detail = "keys", .text = describe_keys },
        { 0 },
};

static int show_status(struct cd_context *context, void *p)
{
        const struct status_ask *ask = p;
        struct cd_fetch_response response;
        struct state state = { 0 };

        int code = call_server(context, CD_FETCH_GET, "http://localhost/status", &response);
        if (code != CD_EXIT_OK)
                return code;
        if (response.status != 200 || decode_state(&context->arena, response.body, &state) != CD_OK)
                return refuse_answer(context->command, &response);
        if (ask->json)
                fwrite(response.body.ptr, 1, response.body.len, stdout);
        else if (!cd_item_print(state_columns, &state, false))
                return CD_EXIT_FAILED;
        /* A server that is not able to work is no success, so that scripts can ask. */
        return cd_str_eq(state.app.store.state, CD_STR("ok")) ? CD_EXIT_OK : CD_EXIT_REFUSED;
}

static const struct cd_option status_options[] = {
        CD_FLAG(struct status_ask, json, "--json", 0, "print one JSON object"),
        { 0 },
};

const struct cd_command cd_cmd_status = {
        .name = "status",
        .summary = "show the state of the running server",
        .about =
                "Asks the running server through its control socket (the setting control) for its version, how long it "
                "has run, its last reload, when and why a reload failed last, the addresses that it listens on, the "
                "state of its store, its keys, and how long its certificate is valid.",
        .examples = "cardea status\ncardea status --json --config auth/cardea.yaml",
        .exit_codes = "5 the server runs, but its store is not available or cannot be written",
        .options = status_options,
        .ask_size = sizeof(struct status_ask),
        .act = show_status,
        .opens = CD_OPENS_CONFIG,
};

/* --- reload ------------------------------------------------------------------------------------------------------- */

struct outcome {
        bool reloaded;
        struct cd_strs errors, warnings;
};

static const struct cd_field outcome_fields[] = {
        CD_STATUS_FIELD(struct outcome, reloaded, BOOL, .flags = CD_FIELD_REQUIRED),
        CD_STATUS_FIELD(struct outcome, errors, STRINGS, .max = 100000),
        CD_STATUS_FIELD(struct outcome, warnings, STRINGS, .max = 100000),
};
static const struct cd_table outcome_table = { "reload", outcome_fields, CD_LEN(outcome_fields), sizeof(struct outcome),
                                               false };

static void print_findings(const char *command, const char *level, const struct cd_strs *texts)
{
        for (size_t i = 0; i < texts->count; i++)
                cd_print_line(stderr, "cardea %s: %s%.*s", command, level, CD_STR_ARG(texts->items[i]));
}

static int reload(struct cd_context *context, void *p)
{
        const char *command = context->command;
        struct outcome outcome = { 0 };
        struct cd_fetch_response response;

        (void)p;
        int code = call_server(context, CD_FETCH_POST, "http://localhost/reload", &response);
        if (code != CD_EXIT_OK)
                return code;
        if (cd_json_decode(&context->arena, response.body, &outcome_table, &outcome, NULL) != CD_OK)
                return refuse_answer(command, &response);
        print_findings(command, "", &outcome.errors);
        if (!outcome.reloaded) {
                cd_print_line(stderr,
                              "cardea %s: nothing was changed; the server continues with the configuration that "
                              "it had",
                              command);
                return CD_EXIT_USAGE;
        }
        print_findings(command, "warning: ", &outcome.warnings);
        cd_print_line(stdout, "the configuration is in use");
        return CD_EXIT_OK;
}

const struct cd_command cd_cmd_reload = {
        .name = "reload",
        .summary = "have the running server read its configuration again",
        .about = "Does what SIGHUP does, and says what came of it: the errors of the configuration, with which nothing "
                 "changes, or its warnings. Returns once the server uses the new configuration.",
        .examples = "cardea reload",
        .exit_codes = "2 the configuration has errors, or needs a restart; the server continues with the one it had",
        .act = reload,
        .opens = CD_OPENS_CONFIG,
};
