/* cardea status, cardea reload: ask the running server through its control socket. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"
#include "fetch/fetch.h"
#include "http/http.h"

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

static int explain(const char *command, cd_str socket, const struct cd_error *err)
{
        if (strstr(err->reason, "ENOENT") || strstr(err->reason, "refused"))
                return fail(command, "no server listens on ", socket,
                            "; start it (systemctl start cardea), or, if it runs, restart it with this control");
        if (strstr(err->reason, "EACCES"))
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
        const struct cd_fetch_request request = { .method = method,
                                                  .url = cd_str_from_c(url),
                                                  .arena = &context->arena };
        cd_status status = cd_fetch_new(&options, &fetch, &err);
        if (status == CD_OK)
                status = cd_fetch_call(fetch, &request, ret, &err);
        cd_fetch_free(fetch);
        return status == CD_OK ? CD_EXIT_OK : explain(context->command, socket, &err);
}

static int refuse_answer(const char *command, const struct cd_fetch_response *response)
{
        cd_print_line(stderr,
                      "cardea %s: what listens on the control socket is no server of this version: it answered %d",
                      command, response->status);
        return CD_EXIT_FAILED;
}

/* --- status ------------------------------------------------------------------------------------------------------- */

struct key {
        cd_str kid, alg;
        bool signs;
};

struct state {
        cd_str version, started_at, configuration, reloaded_at, reload_failed_at, certificate_until;
        int64_t pid, uptime, connections;
        struct cd_strs listen;
        struct store {
                cd_str location, state, reason;
        } store;
        struct queue {
                int64_t waiting, max;
        } queue;
        struct cd_objects keys;
};

#define FIELD(T, member, kind, ...)                                                                                    \
        {                                                                                                              \
                .name = #member, .offset = offsetof(T, member), .type = CD_FIELD_##kind, __VA_ARGS__                   \
        }
static const struct cd_field key_fields[] = {
        FIELD(struct key, kid, STRING),
        FIELD(struct key, alg, STRING),
        FIELD(struct key, signs, BOOL),
};
static const struct cd_table key_table = { "key", key_fields, CD_LEN(key_fields), sizeof(struct key), false };
static const struct cd_field store_fields[] = {
        FIELD(struct store, location, STRING),
        FIELD(struct store, state, STRING),
        FIELD(struct store, reason, STRING),
};
static const struct cd_table store_table = { "store", store_fields, CD_LEN(store_fields), sizeof(struct store), false };
static const struct cd_field queue_fields[] = {
        FIELD(struct queue, waiting, INT),
        FIELD(struct queue, max, INT),
};
static const struct cd_table queue_table = { "queue", queue_fields, CD_LEN(queue_fields), sizeof(struct queue), false };
static const struct cd_field state_fields[] = {
        FIELD(struct state, version, STRING, .flags = CD_FIELD_REQUIRED),
        FIELD(struct state, pid, INT),
        FIELD(struct state, started_at, STRING),
        FIELD(struct state, uptime, INT),
        FIELD(struct state, configuration, STRING),
        FIELD(struct state, reloaded_at, STRING),
        FIELD(struct state, reload_failed_at, STRING),
        FIELD(struct state, listen, STRINGS),
        FIELD(struct state, connections, INT),
        FIELD(struct state, queue, OBJECT, .table = &queue_table),
        FIELD(struct state, certificate_until, STRING),
        FIELD(struct state, store, OBJECT, .table = &store_table),
        FIELD(struct state, keys, OBJECTS, .table = &key_table),
};
static const struct cd_table state_table = { "status", state_fields, CD_LEN(state_fields), sizeof(struct state),
                                             false };

/* "since 2026-11-30T10:00:00Z (3 d 4 h)" */
static cd_str describe_start(struct cd_arena *arena, const void *item)
{
        const struct state *state = item;
        long long minutes = state->uptime / 60, hours = minutes / 60, days = hours / 24;
        cd_str since = state->started_at;

        if (days)
                return cd_arena_printf(arena, "%.*s (%lld d %lld h)", CD_STR_ARG(since), days, hours % 24);
        if (hours)
                return cd_arena_printf(arena, "%.*s (%lld h %lld min)", CD_STR_ARG(since), hours, minutes % 60);
        return cd_arena_printf(arena, "%.*s (%lld min %lld s)", CD_STR_ARG(since), minutes,
                               (long long)state->uptime % 60);
}

static cd_str describe_store(struct cd_arena *arena, const void *item)
{
        const struct store *store = &((const struct state *)item)->store;

        return cd_arena_printf(arena, "%.*s, %.*s%s%.*s", CD_STR_ARG(store->location), CD_STR_ARG(store->state),
                               store->reason.len ? ": " : "", CD_STR_ARG(store->reason));
}

static cd_str describe_queue(struct cd_arena *arena, const void *item)
{
        const struct queue *queue = &((const struct state *)item)->queue;

        return cd_arena_printf(arena, "%lld logins wait, %lld may", (long long)queue->waiting, (long long)queue->max);
}

static cd_str describe_keys(struct cd_arena *arena, const void *item)
{
        const struct cd_objects *keys = &((const struct state *)item)->keys;
        cd_str text = CD_STR("");

        for (size_t i = 0; i < keys->count; i++) {
                const struct key *key = &((const struct key *)keys->items)[i];
                text = cd_arena_printf(arena, "%.*s%s%.*s %.*s%s", CD_STR_ARG(text), i ? ", " : "",
                                       CD_STR_ARG(key->alg), CD_STR_ARG(key->kid), key->signs ? " (signs)" : "");
        }
        return text;
}

/* "2027-03-04T00:00:00Z (94 days)" */
static cd_str describe_certificate(struct cd_arena *arena, const void *item)
{
        cd_str until = ((const struct state *)item)->certificate_until;
        cd_time end;

        if (!until.len || !cd_time_parse_rfc3339(until, &end))
                return until;
        return cd_arena_printf(arena, "%.*s (%lld days)", CD_STR_ARG(until),
                               (long long)(end - cd_clock_system.now(&cd_clock_system)) / DAY);
}

static const struct cd_column state_columns[] = {
        CD_COLUMN(NULL, NULL, "version", TEXT, struct state, version),
        CD_COLUMN(NULL, NULL, "process", NUMBER, struct state, pid),
        { .detail = "started", .text = describe_start },
        CD_COLUMN(NULL, NULL, "config", TEXT, struct state, configuration),
        CD_COLUMN(NULL, NULL, "reloaded", TEXT, struct state, reloaded_at),
        CD_COLUMN(NULL, NULL, "reload error", TEXT, struct state, reload_failed_at),
        CD_COLUMN(NULL, NULL, "listens on", LIST, struct state, listen),
        CD_COLUMN(NULL, NULL, "connections", NUMBER, struct state, connections),
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
        if (response.status != 200 ||
            cd_json_decode(&context->arena, response.body, &state_table, &state, NULL) != CD_OK)
                return refuse_answer(context->command, &response);
        if (ask->json)
                fwrite(response.body.ptr, 1, response.body.len, stdout);
        else if (!cd_item_print(state_columns, &state, false))
                return CD_EXIT_FAILED;
        /* A server that is not able to work is no success, so that scripts can ask. */
        return cd_str_eq(state.store.state, CD_STR("ok")) ? CD_EXIT_OK : CD_EXIT_REFUSED;
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
                "has run, its last reload, the addresses that it listens on, the state of its store, its keys, and "
                "how long its certificate is valid.",
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
        FIELD(struct outcome, reloaded, BOOL, .flags = CD_FIELD_REQUIRED),
        FIELD(struct outcome, errors, STRINGS, .max = 100000),
        FIELD(struct outcome, warnings, STRINGS, .max = 100000),
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
