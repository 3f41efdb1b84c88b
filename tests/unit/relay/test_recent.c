/* The last deliveries of a process. */
#include "support/check.h"

#include "relay/recent.h"
#include "relay/relay.h"

struct fixture {
        struct cd_relay_recent *recent;
        struct cd_arena arena;
        struct cd_relay_page page;
        bool was_admitted;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .recent = cd_relay_recent_new() };
        cd_arena_init(&f.arena, 64 << 20);
        *state = &f;
        return f.recent ? 0 : -1;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_relay_recent_free(f->recent);
        cd_arena_done(&f->arena);
        return 0;
}

static unsigned char *id(unsigned number)
{
        static unsigned char bytes[CD_RELAY_ID_SIZE];

        memcpy(bytes, &number, sizeof(number));
        return bytes;
}

static enum cd_relay_known begin(struct fixture *f, unsigned number)
{
        return cd_relay_recent_begin(f->recent, id(number), &f->arena, &f->page, &f->was_admitted);
}

static void finish(struct fixture *f, unsigned number, cd_str message)
{
        const struct cd_relay_page page = { .kind = CD_RELAY_PAGE_REFUSED, .status = 200, .message = message };

        cd_relay_recent_finish(f->recent, id(number), &page);
}

static void a_delivery_is_in_flight_once_and_then_known(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(cd_relay_recent_find(f->recent, id(1), &f->arena, &f->page), CD_RELAY_FULL);
        assert_int_equal(begin(f, 1), CD_RELAY_NEW);
        assert_int_equal(begin(f, 1), CD_RELAY_IN_FLIGHT);
        assert_int_equal(cd_relay_recent_find(f->recent, id(1), &f->arena, &f->page), CD_RELAY_IN_FLIGHT);
        assert_int_equal(begin(f, 2), CD_RELAY_NEW);
        finish(f, 1, CD_STR("no"));
        finish(f, 2, (cd_str){ 0 });
        assert_int_equal(begin(f, 1), CD_RELAY_ENDED);
        assert_int_equal(f->page.kind, CD_RELAY_PAGE_REFUSED);
        assert_true(cd_str_eq(f->page.message, CD_STR("no")));
        assert_int_equal(cd_relay_recent_find(f->recent, id(2), &f->arena, &f->page), CD_RELAY_ENDED);
        assert_null(f->page.message.ptr);
}

static void one_of_which_nothing_was_sent_begins_again(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(begin(f, 1), CD_RELAY_NEW);
        assert_false(f->was_admitted);
        cd_relay_recent_undo(f->recent, id(1), true);
        assert_int_equal(cd_relay_recent_find(f->recent, id(1), &f->arena, &f->page), CD_RELAY_NEW);
        assert_int_equal(begin(f, 1), CD_RELAY_NEW);
        assert_true(f->was_admitted);
        assert_int_equal(begin(f, 1), CD_RELAY_IN_FLIGHT);
        finish(f, 1, CD_STR(""));
        assert_int_equal(begin(f, 1), CD_RELAY_ENDED);
}

static void as_many_are_in_flight_as_may_be(void **state)
{
        struct fixture *f = *state;

        for (unsigned i = 0; i < CD_RELAY_IN_FLIGHT_MAX; i++)
                assert_int_equal(begin(f, i), CD_RELAY_NEW);
        assert_int_equal(begin(f, CD_RELAY_IN_FLIGHT_MAX), CD_RELAY_FULL);
        finish(f, 7, CD_STR("x"));
        assert_int_equal(begin(f, CD_RELAY_IN_FLIGHT_MAX), CD_RELAY_NEW);
        for (unsigned i = 0; i <= CD_RELAY_IN_FLIGHT_MAX; i++)
                if (i != 7)
                        finish(f, i, CD_STR("x"));
}

static void lesson_22_the_oldest_are_forgotten(void **state)
{
        struct fixture *f = *state;

        for (unsigned i = 0; i < CD_RELAY_RECENT_MAX; i++) {
                assert_int_equal(begin(f, i), CD_RELAY_NEW);
                finish(f, i, CD_STR("x"));
        }
        assert_int_equal(begin(f, CD_RELAY_RECENT_MAX), CD_RELAY_NEW);
        finish(f, CD_RELAY_RECENT_MAX, CD_STR("x"));
        assert_int_equal(cd_relay_recent_find(f->recent, id(0), &f->arena, &f->page), CD_RELAY_FULL);
        assert_int_equal(cd_relay_recent_find(f->recent, id(CD_RELAY_RECENT_MAX), &f->arena, &f->page), CD_RELAY_ENDED);
}

#define RECENT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                RECENT_TEST(a_delivery_is_in_flight_once_and_then_known),
                RECENT_TEST(one_of_which_nothing_was_sent_begins_again),
                RECENT_TEST(as_many_are_in_flight_as_may_be),
                RECENT_TEST(lesson_22_the_oldest_are_forgotten),
        };

        return cmocka_run_group_tests_name("relay/recent", tests, NULL, NULL);
}
