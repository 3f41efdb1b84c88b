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
};

struct ask {
        const char *lines, *since, *until, *user, *client, *action, *address, *limit;
        bool follow, json;
};

static const struct cd_column columns[] = {
        CD_COLUMN("id", NULL, NULL, NUMBER, struct cd_audit_event, id),
        CD_COLUMN("at", "TIME", NULL, TIME, struct cd_audit_event, at),
        CD_COLUMN("action", "ACTION", NULL, TEXT, struct cd_audit_event, action),
        CD_COLUMN("actor", "ACTOR", NULL, TEXT, struct cd_audit_event, actor),
        CD_COLUMN("subject", "SUBJECT", NULL, TEXT, struct cd_audit_event, subject),
        CD_COLUMN("address", "ADDRESS", NULL, TEXT, struct cd_audit_event, address),
        CD_COLUMN("detail", "DETAIL", NULL, TEXT, struct cd_audit_event, detail),
        { 0 },
};

static cd_status print_events(struct cd_list *list, const struct cd_audit_events *events, struct cd_error *reterr)
{
        for (size_t i = 0; i < events->count; i++)
                cd_list_add(list, &events->items[i]);
        cd_list_flush(list);
        return cd_output_error() ? cd_fail(reterr, CD_UNAVAILABLE, "cannot write to standard output") : CD_OK;
}

static int end_list(const struct cd_context *context, struct cd_list *list, cd_status status,
                    const struct cd_error *err)
{
        bool is_complete = cd_list_end(list);

        if (cd_output_error()) /* reported at the end of the program */
                return CD_EXIT_FAILED;
        if (status != CD_OK)
                return cd_context_fail(context->command, err);
        return is_complete ? CD_EXIT_OK : CD_EXIT_FAILED;
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
static cd_status show_new(struct cd_store *store, struct cd_arena *arena, struct cd_list *list,
                          struct cd_audit_follow *shown, struct cd_error *reterr)
{
        int64_t after = cd_audit_follow_after(shown, cd_monotonic_us());
        struct cd_audit_events events;
        cd_status status = CD_OK;
        bool has_more = true;

        while (status == CD_OK && has_more) {
                cd_arena_reset(arena);
                status = store->audit->list(store, arena, after, PAGE, &events, reterr);
                if (status != CD_OK)
                        return status;
                has_more = events.count == PAGE;
                if (events.count)
                        after = events.items[events.count - 1].id;
                keep_new(shown, &events);
                status = print_events(list, &events, reterr);
        }
        return status;
}

/* Runs until a signal ends the process, or the output is closed. Events up to `last` were shown or are not wanted. */
static cd_status follow(struct cd_store *store, struct cd_arena *arena, struct cd_list *list,
                        struct cd_audit_events last, struct cd_error *reterr)
{
        struct cd_audit_follow *shown;

        cd_status status = cd_audit_follow_new(last.count ? last.items[0].id - 1 : 0, &shown, reterr);
        if (status != CD_OK)
                return status;
        keep_new(shown, &last);
        while (status == CD_OK) {
                status = show_new(store, arena, list, shown, reterr);
                if (status == CD_OK)
                        store->wait(store, LOOK_EVERY_MS);
        }
        cd_audit_follow_free(shown);
        return status;
}

static int tail_events(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        const char *lines = ask->lines ? ask->lines : "20";
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_store *store = context->by.store;
        struct cd_audit_events last = { 0 };
        struct cd_error err = { 0 };
        struct cd_list list;
        uint64_t count;

        cd_arena_init(&arena, PAGE_MEMORY);
        if (!cd_str_to_u64(cd_str_from_c(lines), &count) || count > COUNT_MAX)
                return cd_usage_error(context->command, "--lines must be a number from 0 to %d, not \"%s\"", COUNT_MAX,
                                      lines);
        /* More than are shown, so that late events among them are noticed. */
        cd_status status = store->audit->list(store, &arena, -1, count > PAGE ? (size_t)count : PAGE, &last, &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        size_t hidden = last.count > count ? last.count - (size_t)count : 0;
        cd_list_begin(&list, columns, ask->json);
        status = print_events(&list, &(struct cd_audit_events){ last.items + hidden, last.count - hidden }, &err);
        if (status == CD_OK && ask->follow)
                status = follow(store, &arena, &list, last, &err);
        return end_list(context, &list, status, &err);
}

static const struct cd_option tail_options[] = {
        CD_VALUE(struct ask, lines, "--lines", 'n', "N", "the number of events; 20 if not given"),
        CD_FLAG(struct ask, follow, "--follow", 'f', "then print new events, until a signal"),
        CD_FLAG(struct ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

static const struct cd_command audit_tail = {
        .name = "tail",
        .summary = "print the newest events",
        .about = "Prints the newest events, the newest last: who (actor) did what (action) to what (subject), and when "
                 "(UTC).",
        .examples = "cardea audit tail --follow",
        .options = tail_options,
        .ask_size = sizeof(struct ask),
        .act = tail_events,
};

/* --- list --------------------------------------------------------------------------------------------------------- */

static cd_status read_search(struct cd_context *context, const struct ask *ask, struct cd_audit_search *ret,
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
static cd_status print_found(struct cd_store *store, const struct cd_audit_search *search, struct cd_audit_cursor after,
                             struct cd_list *list, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_audit_events events;
        cd_status status;

        cd_arena_init(&arena, PAGE_MEMORY);
        do {
                cd_arena_reset(&arena);
                status = store->audit->search(store, &arena, search, &after, PAGE, &events, reterr);
                if (status != CD_OK)
                        return status;
                status = print_events(list, &events, reterr);
                if (events.count)
                        after = (struct cd_audit_cursor){ events.items[events.count - 1].at,
                                                          events.items[events.count - 1].id };
        } while (status == CD_OK && events.count == PAGE);
        return status;
}

static int list_events(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_store *store = context->by.store;
        struct cd_audit_cursor after = { 0 };
        struct cd_audit_search search;
        struct cd_error err = { 0 };
        struct cd_list list;
        uint64_t limit = 0;

        if (ask->limit && (!cd_str_to_u64(cd_str_from_c(ask->limit), &limit) || limit < 1 || limit > INT32_MAX))
                return cd_usage_error(context->command, "--limit must be a number from 1 to %d, not \"%s\"", INT32_MAX,
                                      ask->limit);
        cd_status status = read_search(context, ask, &search, &err);
        if (status == CD_OK && limit)
                status = store->audit->find_newest(store, &search, (size_t)limit, &after, &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_list_begin(&list, columns, ask->json);
        status = print_found(store, &search, after, &list, &err);
        return end_list(context, &list, status, &err);
}

static const struct cd_option list_options[] = {
        CD_VALUE(
                struct ask, since, "--since", 0, "TIME",
                "not before: a time such as 2026-11-22T09:30:05Z or 2026-11-22 (UTC), or a duration before now such as "
                "2h or 7d"),
        CD_VALUE(struct ask, until, "--until", 0, "TIME", "before: the same"),
        CD_VALUE(struct ask, user, "--user", 0, "NAME", "only what the user did, or was done to the user",
                 .names = CD_NAMES_USER),
        CD_VALUE(struct ask, client, "--client", 0, "ID", "only what the client did, or was done to it",
                 .names = CD_NAMES_CLIENT),
        CD_VALUE(struct ask, action, "--action", 0, "ACTION",
                 "only this action, \"user.add\"; \"user.\" has all that begin with it"),
        CD_VALUE(struct ask, address, "--address", 0, "ADDRESS", "only from this address of a client"),
        CD_VALUE(struct ask, limit, "--limit", 0, "N", "only the newest N of these"),
        CD_FLAG(struct ask, json, "--json", 0, "print one JSON object per line"),
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
        .ask_size = sizeof(struct ask),
        .act = list_events,
};

static const struct cd_command *const actions[] = { &audit_list, &audit_tail, NULL };

const struct cd_command cd_cmd_audit = {
        .name = "audit",
        .summary = "show who did what, and when",
        .actions = actions,
};
