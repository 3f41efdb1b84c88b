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
