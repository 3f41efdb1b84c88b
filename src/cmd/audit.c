/* cardea audit tail: shows the audit. */
#include <stdio.h>

#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/context.h"
#include "core/audit_follow.h"

enum {
        COUNT_MAX = 100000,
        PAGE = 1000,
        PAGE_MEMORY = 64 * 1024 * 1024,
        LOOK_EVERY_MS = 500,
        JSON_MAX = 64 * 1024, /* bytes of one event */
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

static bool print_events(const struct tail *tail, struct cd_arena *arena, const struct cd_audit_events *events,
                         bool with_heading)
{
        struct cd_text_table table;
        bool fine = true;

        cd_text_table_init(&table, columns, CD_LEN(columns));
        for (size_t i = 0; i < events->count && fine; i++) {
                const struct cd_audit_event *e = &events->items[i];
                const cd_str cells[CD_LEN(columns)] = {
                        cd_time_text(arena, e->at), e->action, e->actor, e->subject, e->address, e->detail
                };
                if (tail->json)
                        fine = print_json(e);
                else
                        cd_text_table_add(&table, cells);
        }
        if (tail->json || !with_heading)
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
                if (events.count && !print_events(tail, arena, &events, false))
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
        if (!print_events(tail, &arena, &events, true))
                return CD_EXIT_FAILED;
        if (tail->follow)
                status = follow(tail, &arena, &last, &err);
        if (cd_output_error()) /* reported at the end of the program */
                return CD_EXIT_FAILED;
        return status == CD_OK ? CD_EXIT_OK : cd_context_fail(tail->context->command, &err);
}

static int run_tail(int argc, char **argv)
{
        const char *config = NULL, *lines = "20";
        struct tail tail = { 0 };
        const struct cd_option options[] = {
                { .name = "--config", .letter = 'c', .value = &config },
                { .name = "--lines", .letter = 'n', .value = &lines },
                { .name = "--follow", .letter = 'f', .flag = &tail.follow },
                { .name = "--json", .flag = &tail.json },
                { 0 },
        };
        struct cd_context context;
        uint64_t count;

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (!cd_str_to_u64(cd_str_from_c(lines), &count) || count > COUNT_MAX)
                return cd_usage_error(argv[0], "--lines must be a number from 0 to %d, not \"%s\"", COUNT_MAX, lines);
        int code = cd_context_open(&context, argv[0], config);
        tail.context = &context;
        tail.count = (size_t)count;
        if (code == CD_EXIT_OK)
                code = show_tail(&tail);
        cd_context_close(&context);
        return code;
}

static const struct cd_command audit_tail = {
        .name = "tail",
        .summary = "print the newest events",
        .help = "Usage: cardea audit tail --config FILE [--lines N] [--follow] [--json]\n"
                "\n"
                "Prints the newest events, the newest last: who (actor) did what (action) to what (subject), and\n"
                "when (UTC).\n"
                "\n" CD_CONTEXT_CONFIG_HELP "  -n, --lines N             the number of events; 20 if not given\n"
                "  -f, --follow              then print new events, until a signal\n"
                "      --json                print one JSON object per line\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong.\n",
        .run = run_tail,
};

static const struct cd_command *const actions[] = { &audit_tail, NULL };

const struct cd_command cd_cmd_audit = {
        .name = "audit",
        .summary = "show who did what, and when",
        .help = "",
        .actions = actions,
};
