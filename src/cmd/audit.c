/* cardea audit: shows the audit. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/context.h"
#include "cmd/when.h"
#include "core/audit_follow.h"
#include "core/user_name.h"

enum {
        COUNT_MAX = 100000,
        PAGE = 1000,
        PAGE_MEMORY = 64 * 1024 * 1024,
        LOOK_EVERY_MS = 500,
        JSON_MAX = 64 * 1024, /* bytes of one event */
};

struct tail_ask {
        const char *lines;
        bool follow, json;
};

struct tail {
        const struct cd_context *context;
        size_t count;
        bool follow, json;
};

static const char *const columns[] = { "TIME", "ACTION", "ACTOR", "SUBJECT", "ADDRESS", "DETAIL" };

static bool print_json(const struct cd_audit_event *event)
{
        char at[CD_RFC3339_LEN];
        struct cd_buf buf;

        cd_time_format_rfc3339(event->at, at);
        cd_buf_init(&buf, NULL, JSON_MAX);
        cd_buf_printf(&buf, "{\"id\":%lld", (long long)event->id);
        cd_json_add_str(&buf, "at", cd_str_of(at, sizeof(at)));
        cd_json_add_str(&buf, "action", event->action);
        cd_json_add_str(&buf, "actor", event->actor);
        cd_json_add_str(&buf, "subject", event->subject);
        cd_json_add_str(&buf, "address", event->address);
        cd_json_add_str(&buf, "detail", event->detail);
        return cd_json_end(&buf);
}

static bool print_events(struct cd_arena *arena, const struct cd_audit_events *events, bool json, bool with_heading)
{
        struct cd_text_table table;
        bool fine = true;

        cd_text_table_init(&table, columns, CD_LEN(columns));
        for (size_t i = 0; i < events->count && fine; i++) {
                const struct cd_audit_event *e = &events->items[i];
                const cd_str cells[CD_LEN(columns)] = {
                        cd_time_text(arena, e->at), e->action, e->actor, e->subject, e->address, e->detail
                };
                if (json)
                        fine = print_json(e);
                else
                        cd_text_table_add(&table, cells);
        }
        if (json || !with_heading)
                table.has_begun = true;
        return cd_text_table_end(&table) && fine && cd_output_error() == 0;
}

/* Keeps only those events that were not shown yet. */
static void keep_new(struct cd_audit_follow *shown, struct cd_audit_events *events)
{
        int64_t now_us = cd_monotonic_us();
        size_t count = 0;

        for (size_t i = 0; i < events->count; i++)
                if (cd_audit_follow_take(shown, events->items[i].id, now_us))
                        events->items[count++] = events->items[i];
        events->count = count;
}

/* Shows all available events that were not shown yet. */
static cd_status show_new(const struct tail *tail, struct cd_arena *arena, struct cd_audit_follow *shown,
                          struct cd_error *reterr)
{
        struct cd_store *store = tail->context->by.store;
        int64_t after = cd_audit_follow_after(shown, cd_monotonic_us());
        struct cd_audit_events events;
        bool has_more = true;

        while (has_more) {
                cd_arena_reset(arena);
                cd_status status = store->audit->list(store, arena, after, PAGE, &events, reterr);
                if (status != CD_OK)
                        return status;
                has_more = events.count == PAGE;
                if (events.count)
                        after = events.items[events.count - 1].id;
                keep_new(shown, &events);
                if (events.count && !print_events(arena, &events, tail->json, false))
                        return cd_fail(reterr, CD_UNAVAILABLE, "cannot write to standard output");
        }
        return CD_OK;
}

/* Runs until a signal ends the process, or the output is closed. Events up to `last` were shown or are not wanted. */
static cd_status follow(const struct tail *tail, struct cd_arena *arena, const struct cd_audit_events *last,
                        struct cd_error *reterr)
{
        struct cd_store *store = tail->context->by.store;
        struct cd_audit_events known = *last;
        struct cd_audit_follow *shown;

        cd_status status = cd_audit_follow_new(last->count ? last->items[0].id - 1 : 0, &shown, reterr);
        if (status != CD_OK)
                return status;
        keep_new(shown, &known);
        while (status == CD_OK) {
                status = show_new(tail, arena, shown, reterr);
                if (status == CD_OK)
                        store->wait(store, LOOK_EVERY_MS);
        }
        cd_audit_follow_free(shown);
        return status;
}

static int show_tail(const struct tail *tail)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_store *store = tail->context->by.store;
        struct cd_audit_events last = { 0 };
        struct cd_error err = { 0 };
        cd_status status = CD_OK;

        cd_arena_init(&arena, PAGE_MEMORY);
        /* More than are shown, so that late events among them are noticed. */
        status = store->audit->list(store, &arena, -1, tail->count > PAGE ? tail->count : PAGE, &last, &err);
        if (status != CD_OK)
                return cd_context_fail(tail->context->command, &err);
        struct cd_audit_events events = last;
        if (last.count > tail->count)
                events = (struct cd_audit_events){ last.items + (last.count - tail->count), tail->count };
        if (!print_events(&arena, &events, tail->json, true))
                return CD_EXIT_FAILED;
        if (tail->follow)
                status = follow(tail, &arena, &last, &err);
        if (cd_output_error()) /* reported at the end of the program */
                return CD_EXIT_FAILED;
        return status == CD_OK ? CD_EXIT_OK : cd_context_fail(tail->context->command, &err);
}

static int tail_events(struct cd_context *context, void *p)
{
        const struct tail_ask *ask = p;
        const char *lines = ask->lines ? ask->lines : "20";
        uint64_t count;

        if (!cd_str_to_u64(cd_str_from_c(lines), &count) || count > COUNT_MAX)
                return cd_usage_error(context->command, "--lines must be a number from 0 to %d, not \"%s\"", COUNT_MAX,
                                      lines);
        return show_tail(&(struct tail){ context, (size_t)count, ask->follow, ask->json });
}

static const struct cd_option tail_options[] = {
        CD_VALUE(struct tail_ask, lines, "--lines", 'n', "N", "the number of events; 20 if not given"),
        CD_FLAG(struct tail_ask, follow, "--follow", 'f', "then print new events, until a signal"),
        CD_FLAG(struct tail_ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

static const struct cd_command audit_tail = {
        .name = "tail",
        .summary = "print the newest events",
        .about = "Prints the newest events, the newest last: who (actor) did what (action) to what (subject), and when "
                 "(UTC).",
        .examples = "cardea audit tail --follow",
        .options = tail_options,
        .ask_size = sizeof(struct tail_ask),
        .act = tail_events,
};

/* --- list --------------------------------------------------------------------------------------------------------- */

struct list_ask {
        const char *since, *until, *user, *client, *action, *address, *limit;
        bool json;
};

static cd_status read_search(struct cd_context *context, const struct list_ask *ask, struct cd_audit_search *ret,
                             struct cd_error *reterr)
{
        cd_time now = context->by.clock->now(context->by.clock);
        struct cd_error why = { 0 };
        cd_status status = CD_OK;

        *ret = (struct cd_audit_search){ .client = cd_str_from_c(ask->client),
                                         .action = cd_str_from_c(ask->action),
                                         .address = cd_str_from_c(ask->address) };
        if (ask->since)
                status = cd_when_time(&context->arena, "since", ask->since, now, &ret->since, reterr);
        if (status == CD_OK && ask->until)
                status = cd_when_time(&context->arena, "until", ask->until, now, &ret->until, reterr);
        if (status == CD_OK && ask->until && ret->until <= ret->since)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("until"), "must be after --since");
        if (status == CD_OK && ask->user &&
            cd_user_name_canonical(&context->arena, cd_str_from_c(ask->user), &ret->user, &why) != CD_OK)
                return cd_fail_field(reterr, why.status, CD_STR("user"), why.reason);
        return status;
}

/* Reads, prints and frees one page after the other. */
static cd_status print_found(const struct cd_context *context, const struct cd_audit_search *search,
                             struct cd_audit_cursor after, bool json, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_store *store = context->by.store;
        struct cd_audit_events events;
        bool is_first = true;

        cd_arena_init(&arena, PAGE_MEMORY);
        do {
                cd_arena_reset(&arena);
                cd_status status = store->audit->search(store, &arena, search, &after, PAGE, &events, reterr);
                if (status != CD_OK)
                        return status;
                if ((events.count || is_first) && !print_events(&arena, &events, json, is_first))
                        return cd_fail(reterr, CD_UNAVAILABLE, "cannot write to standard output");
                is_first = false;
                if (events.count)
                        after = (struct cd_audit_cursor){ events.items[events.count - 1].at,
                                                          events.items[events.count - 1].id };
        } while (events.count == PAGE);
        return CD_OK;
}

static int list_events(struct cd_context *context, void *p)
{
        const struct list_ask *ask = p;
        struct cd_store *store = context->by.store;
        struct cd_audit_cursor after = { 0 };
        struct cd_audit_search search;
        struct cd_error err = { 0 };
        uint64_t limit = 0;

        if (ask->limit && (!cd_str_to_u64(cd_str_from_c(ask->limit), &limit) || limit < 1 || limit > INT32_MAX))
                return cd_usage_error(context->command, "--limit must be a number from 1 to %d, not \"%s\"", INT32_MAX,
                                      ask->limit);
        cd_status status = read_search(context, ask, &search, &err);
        if (status == CD_OK && limit)
                status = store->audit->find_newest(store, &search, (size_t)limit, &after, &err);
        if (status == CD_OK)
                status = print_found(context, &search, after, ask->json, &err);
        if (cd_output_error()) /* reported at the end of the program */
                return CD_EXIT_FAILED;
        return status == CD_OK ? CD_EXIT_OK : cd_context_fail(context->command, &err);
}

static const struct cd_option list_options[] = {
        CD_VALUE(
                struct list_ask, since, "--since", 0, "TIME",
                "not before: a time such as 2026-11-22T09:30:05Z or 2026-11-22 (UTC), or a duration before now such as "
                "2h or 7d"),
        CD_VALUE(struct list_ask, until, "--until", 0, "TIME", "before: the same"),
        CD_VALUE(struct list_ask, user, "--user", 0, "NAME", "only what the user did, or was done to the user",
                 .names = CD_NAMES_USER),
        CD_VALUE(struct list_ask, client, "--client", 0, "ID", "only what the client did, or was done to it",
                 .names = CD_NAMES_CLIENT),
        CD_VALUE(struct list_ask, action, "--action", 0, "ACTION",
                 "only this action, \"user.add\"; \"user.\" has all that begin with it"),
        CD_VALUE(struct list_ask, address, "--address", 0, "ADDRESS", "only from this address of a client"),
        CD_VALUE(struct list_ask, limit, "--limit", 0, "N", "only the newest N of these"),
        CD_FLAG(struct list_ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

static const struct cd_command audit_list = {
        .name = "list",
        .summary = "print the events of a time, a user or a client",
        .about = "Prints the events that all options allow, the oldest first: who (actor) did what (action) to what "
                 "(subject), and when (UTC). Memory use does not grow with their number.",
        .examples = "cardea audit list --since 2h --user alice\n"
                    "cardea audit list --action user. --since 2026-11-01 --until 2026-12-01 --json",
        .options = list_options,
        .ask_size = sizeof(struct list_ask),
        .act = list_events,
};

static const struct cd_command *const actions[] = { &audit_list, &audit_tail, NULL };

const struct cd_command cd_cmd_audit = {
        .name = "audit",
        .summary = "show who did what, and when",
        .actions = actions,
};
