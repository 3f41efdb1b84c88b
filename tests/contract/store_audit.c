#include "contract/stage.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/audit.h"

static struct cd_audit_events list(struct stage *s, int64_t after, size_t limit)
{
        struct cd_audit_events events = { 0 };

        assert_status(s->store->audit->list(s->store, &s->arena, after, limit, &events, &s->error), CD_OK);
        return events;
}

static void add_numbered(struct stage *s, int count)
{
        char detail[16];
        struct cd_audit_event event = an_event;

        for (int i = 0; i < count; i++) {
                snprintf(detail, sizeof(detail), "%d", i);
                event.detail = cd_str_from_c(detail);
                assert_status(s->store->audit->add(s->store, &event, &s->error), CD_OK);
        }
}

static void an_event_is_listed_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_audit_event event = an_event;

        event.id = 777;
        assert_int_equal(list(s, 0, 10).count, 0);
        assert_int_equal(list(s, -1, 10).count, 0);
        assert_status(s->store->audit->add(s->store, &event, &s->error), CD_OK);
        struct cd_audit_events events = list(s, 0, 10);
        assert_int_equal(events.count, 1);
        assert_true(events.items[0].id > 0 && events.items[0].id != 777);
        assert_int_equal(events.items[0].at, 1000);
        assert_str(events.items[0].action, "test.action");
        assert_str(events.items[0].actor, "os:tester");
        assert_str(events.items[0].subject, "user:ana");
        assert_str(events.items[0].address, "192.0.2.1");
        assert_str(events.items[0].detail, "a few words");
}

static void an_event_may_leave_out_what_there_is_not(void **state)
{
        struct stage *s = *state;
        struct cd_audit_event event = { .at = 5, .action = CD_STR("key.rotate"), .actor = CD_STR("cardea") };

        assert_status(s->store->audit->add(s->store, &event, &s->error), CD_OK);
        struct cd_audit_events events = list(s, -1, 1);
        assert_int_equal(events.items[0].subject.len, 0);
        assert_int_equal(events.items[0].address.len, 0);
        assert_int_equal(events.items[0].detail.len, 0);
}

/* Later ids have earlier times, as after a clock that was set back. */
static void add_for_search(struct stage *s)
{
        static const struct cd_audit_event events[] = {
                { .at = 300,
                  .action = CD_STR_INIT("user.add"),
                  .actor = CD_STR_INIT("os:ana"),
                  .subject = CD_STR_INIT("user:bo"),
                  .detail = CD_STR_INIT("c") },
                { .at = 300,
                  .action = CD_STR_INIT("login.failed"),
                  .actor = CD_STR_INIT("cardea"),
                  .subject = CD_STR_INIT("user:bo"),
                  .address = CD_STR_INIT("192.0.2.9"),
                  .detail = CD_STR_INIT("d") },
                { .at = 100,
                  .action = CD_STR_INIT("user.passwd"),
                  .actor = CD_STR_INIT("user:bo"),
                  .subject = CD_STR_INIT("user:bo"),
                  .detail = CD_STR_INIT("a") },
                { .at = 200,
                  .action = CD_STR_INIT("client.add"),
                  .actor = CD_STR_INIT("os:ana"),
                  .subject = CD_STR_INIT("client:bo"),
                  .detail = CD_STR_INIT("b") },
                { .at = 400,
                  .action = CD_STR_INIT("session.end"),
                  .actor = CD_STR_INIT("user:bo"),
                  .subject = CD_STR_INIT("user:cy"),
                  .detail = CD_STR_INIT("e") },
        };

        for (size_t i = 0; i < CD_LEN(events); i++)
                assert_status(s->store->audit->add(s->store, &events[i], &s->error), CD_OK);
}

/* The details of the events found, in pages of that size. */
static cd_str found(struct stage *s, const struct cd_audit_search *search, struct cd_audit_cursor after, size_t page)
{
        struct cd_audit_events events = { 0 };
        cd_str text = CD_STR("");

        do {
                assert_status(s->store->audit->search(s->store, &s->arena, search, &after, page, &events, &s->error),
                              CD_OK);
                assert_true(events.count <= page);
                for (size_t i = 0; i < events.count; i++) {
                        after = (struct cd_audit_cursor){ events.items[i].at, events.items[i].id };
                        text = cd_arena_printf(&s->arena, "%.*s%.*s", CD_STR_ARG(text),
                                               CD_STR_ARG(events.items[i].detail));
                }
        } while (events.count == page);
        return text;
}

static void a_search_finds_what_is_wanted_by_time(void **state)
{
        struct stage *s = *state;
        static const struct {
                struct cd_audit_search search;
                const char *found;
        } rows[] = {
                { { .since = 0 }, "abcde" },
                { { .since = 200 }, "bcde" },
                { { .since = 201, .until = 300 }, "" },
                { { .since = 201, .until = 301 }, "cd" },
                { { .user = CD_STR_INIT("bo") }, "acde" },
                { { .client = CD_STR_INIT("bo") }, "b" },
                { { .action = CD_STR_INIT("user.add") }, "c" },
                { { .action = CD_STR_INIT("user.") }, "ac" },
                { { .action = CD_STR_INIT("user") }, "" },
                { { .address = CD_STR_INIT("192.0.2.9") }, "d" },
                { { .user = CD_STR_INIT("bo"), .action = CD_STR_INIT("user."), .until = 300 }, "a" },
                { { .user = CD_STR_INIT("b") }, "" },
        };

        add_for_search(s);
        for (size_t i = 0; i < CD_LEN(rows); i++)
                for (size_t page = 1; page < 7; page++)
                        assert_str(found(s, &rows[i].search, (struct cd_audit_cursor){ 0 }, page), rows[i].found);
}

static void the_newest_of_a_search_are_found(void **state)
{
        struct stage *s = *state;
        static const char *const newest[] = { "", "e", "de", "cde", "acde", "acde" };
        const struct cd_audit_search search = { .user = CD_STR("bo") };
        struct cd_audit_cursor after;

        add_for_search(s);
        for (size_t i = 0; i < CD_LEN(newest); i++) {
                assert_status(s->store->audit->find_newest(s->store, &search, i, &after, &s->error), CD_OK);
                assert_str(found(s, &search, after, 2), newest[i]);
        }
}

static void a_search_for_what_is_no_text_finds_nothing_or_says_so(void **state)
{
        struct stage *s = *state;
        const struct cd_audit_search search = { .address = CD_STR("a\0b") };
        struct cd_audit_events events = { 0 };

        add_for_search(s);
        cd_status status = s->store->audit->search(s->store, &s->arena, &search, &(struct cd_audit_cursor){ 0 }, 9,
                                                   &events, &s->error);
        assert_true(status == CD_INVALID_REQUEST && events.count == 0);
}

static void events_are_listed_in_order_after_an_id(void **state)
{
        struct stage *s = *state;
        struct cd_audit_events page = { 0 };
        char detail[16];
        int64_t seen = 0;
        int next = 0;

        add_numbered(s, 25);
        do {
                page = list(s, seen, 10);
                for (size_t i = 0; i < page.count; i++, next++) {
                        snprintf(detail, sizeof(detail), "%d", next);
                        assert_str(page.items[i].detail, detail);
                        assert_true(page.items[i].id > seen);
                        seen = page.items[i].id;
                }
        } while (page.count);
        assert_int_equal(next, 25);
}

static void the_newest_events_are_listed_in_order(void **state)
{
        struct stage *s = *state;

        add_numbered(s, 25);
        struct cd_audit_events events = list(s, -1, 3);
        assert_int_equal(events.count, 3);
        assert_str(events.items[0].detail, "22");
        assert_str(events.items[2].detail, "24");
        assert_int_equal(list(s, -1, 100).count, 25);
        assert_int_equal(list(s, -1, 0).count, 0);
}

static void an_event_added_for_later_is_there_soon(void **state)
{
        struct stage *s = *state;
        int64_t start = cd_monotonic_us();
        char detail[] = "gone after the call";
        struct cd_audit_event event = an_event;

        event.detail = cd_str_from_c(detail);
        assert_status(s->store->audit->add_later(s->store, &event, &s->error), CD_OK);
        detail[0] = 'X';
        while (list(s, 0, 10).count == 0 && milliseconds_since(start) < 5000)
                ;
        assert_str(list(s, 0, 10).items[0].detail, "gone after the call");
}

static void an_event_added_for_later_is_written_before_the_store_closes(void **state)
{
        struct stage *s = *state;

        for (int i = 0; i < 50; i++)
                assert_status(s->store->audit->add_later(s->store, &an_event, &s->error), CD_OK);
        if (stage_reopen(s))
                assert_int_equal(list(s, 0, 1000).count, 50);
}

static void a_flush_writes_what_was_added_for_later(void **state)
{
        struct stage *s = *state;
        struct cd_audit_flush flush = { .waiting = 1, .lost = 1 };

        for (int i = 0; i < 20; i++)
                assert_status(s->store->audit->add_later(s->store, &an_event, &s->error), CD_OK);
        do {
                assert_status(s->store->audit->flush(s->store, &flush, &s->error), CD_OK);
                assert_true(flush.written <= 20);
        } while (flush.waiting); /* a flush gives up when a transaction stays under way for long */
        assert_int_equal(flush.lost, 0);
        assert_int_equal(list(s, 0, 100).count, 20);
        assert_status(s->store->audit->flush(s->store, &flush, &s->error), CD_OK);
        assert_int_equal(flush.written, 0);
        assert_int_equal(list(s, 0, 100).count, 20);
}

static void events_added_for_later_keep_their_order(void **state)
{
        struct stage *s = *state;
        struct cd_audit_event event = an_event;
        int64_t start = cd_monotonic_us();
        char detail[16];

        for (int i = 0; i < 100; i++) {
                snprintf(detail, sizeof(detail), "%d", i);
                event.detail = cd_str_from_c(detail);
                event.subject = i % 7 ? CD_STR("user:ana") : CD_STR("user:a\0b");
                assert_status(s->store->audit->add_later(s->store, &event, &s->error), CD_OK);
        }
        while (list(s, 0, 1000).count < 100 && milliseconds_since(start) < 5000)
                cd_arena_reset(&s->arena);
        struct cd_audit_events events = list(s, 0, 1000);
        assert_int_equal(events.count, 100);
        for (int i = 0; i < 100; i++) {
                snprintf(detail, sizeof(detail), "%d", i);
                assert_str(events.items[i].detail, detail);
                assert_str(events.items[i].subject, i % 7 ? "user:ana" : "user:a?b");
        }
}

static void an_event_with_what_is_no_text_is_kept_all_the_same(void **state)
{
        struct stage *s = *state;
        struct cd_audit_event event = an_event;
        static char long_detail[CD_AUDIT_TEXT_MAX + 100];

        memset(long_detail, 'x', sizeof(long_detail));
        event.subject = CD_STR("user:a\0b\xff\xe2\x82\xac");
        event.detail = cd_str_of(long_detail, sizeof(long_detail));
        assert_status(s->store->audit->add(s->store, &event, &s->error), CD_OK);
        assert_status(s->store->users->add(s->store, &(struct cd_users_page){ 0 }, &event, &s->error), CD_OK);
        struct cd_audit_events events = list(s, 0, 10);
        assert_int_equal(events.count, 2);
        assert_str(events.items[0].subject, "user:a?b?\xe2\x82\xac");
        assert_str(events.items[1].subject, "user:a?b?\xe2\x82\xac");
        assert_int_equal(events.items[0].detail.len, CD_AUDIT_TEXT_MAX);
}

static const char *add_twenty(struct stage *s, size_t number)
{
        struct cd_error error;

        for (int i = 0; i < 20; i++) {
                cd_status status = number % 2 ? s->store->audit->add(s->store, &an_event, &error)
                                              : s->store->audit->add_later(s->store, &an_event, &error);
                if (status != CD_OK)
                        return "an event was not accepted";
        }
        return NULL;
}

static void every_event_of_many_at_once_has_an_id_of_its_own(void **state)
{
        struct stage *s = *state;
        int64_t start = cd_monotonic_us();

        at_once(s, 16, add_twenty);
        while (list(s, 0, 1000).count < 320 && milliseconds_since(start) < 5000)
                cd_arena_reset(&s->arena);
        struct cd_audit_events events = list(s, 0, 1000);
        assert_int_equal(events.count, 320);
        for (size_t i = 1; i < events.count; i++)
                assert_true(events.items[i].id > events.items[i - 1].id);
}

int run_audit_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(an_event_is_listed_with_every_field_as_given),
                CONTRACT(an_event_may_leave_out_what_there_is_not),
                CONTRACT(events_are_listed_in_order_after_an_id),
                CONTRACT(a_search_finds_what_is_wanted_by_time),
                CONTRACT(the_newest_of_a_search_are_found),
                CONTRACT(a_search_for_what_is_no_text_finds_nothing_or_says_so),
                CONTRACT(the_newest_events_are_listed_in_order),
                CONTRACT(an_event_added_for_later_is_there_soon),
                CONTRACT(an_event_added_for_later_is_written_before_the_store_closes),
                CONTRACT(a_flush_writes_what_was_added_for_later),
                CONTRACT(events_added_for_later_keep_their_order),
                CONTRACT(an_event_with_what_is_no_text_is_kept_all_the_same),
                CONTRACT(every_event_of_many_at_once_has_an_id_of_its_own),
        };

        return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
