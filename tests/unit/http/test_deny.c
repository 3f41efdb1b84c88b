#include "support/check.h"

#include <stdio.h>

#include "fixture.h"
#include "http/deny.h"

enum {
        NOON = 1795348800 /* 2026-11-22T12:00:00Z */
};

static struct cd_arena arena;
static struct cd_http_denied *denied;
static size_t count;
static struct cd_error err;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

static cd_status read_list(const struct cd_http_deny *list, size_t entries)
{
        return cd_http_deny_read(&arena, list, entries, &denied, &count, &err);
}

/* The index of the network that denies the address; -1: none. */
static int find(const char *address, cd_time now)
{
        struct cd_address parsed;

        assert_true(cd_address_parse(cd_str_from_c(address), &parsed));
        const struct cd_http_denied *found = cd_http_deny_find(denied, count, &parsed, now);
        return found ? (int)(found - denied) : -1;
}

static void networks_are_denied_up_to_their_edges(void **state)
{
        static const cd_str first[] = { CD_STR_INIT("203.0.113.0/25"), CD_STR_INIT("198.51.100.7") };
        static const cd_str second[] = { CD_STR_INIT("2001:db8:1::/48") };
        static const struct cd_http_deny list[] = { { .networks = { first, 2 } }, { .networks = { second, 1 } } };

        (void)state;
        assert_status(read_list(list, 2), CD_OK);
        assert_int_equal(count, 3);
        assert_int_equal(find("203.0.113.0", NOON), 0);
        assert_int_equal(find("203.0.113.127", NOON), 0);
        assert_int_equal(find("203.0.113.128", NOON), -1);
        assert_int_equal(find("203.0.112.255", NOON), -1);
        assert_int_equal(find("::ffff:203.0.113.1", NOON), 0);
        assert_int_equal(find("198.51.100.7", NOON), 1);
        assert_int_equal(find("198.51.100.8", NOON), -1);
        assert_int_equal(find("2001:db8:1::", NOON), 2);
        assert_int_equal(find("2001:db8:1:ffff:ffff:ffff:ffff:ffff", NOON), 2);
        assert_int_equal(find("2001:db8:2::", NOON), -1);
}

static void an_entry_ends_at_its_second_and_a_later_one_counts(void **state)
{
        static const cd_str network[] = { CD_STR_INIT("203.0.113.0/24") }, host[] = { CD_STR_INIT("203.0.113.7") };
        static const struct cd_http_deny list[] = { { { network, 1 }, CD_STR_INIT("2026-11-22T12:00:00Z") },
                                                    { { host, 1 }, CD_STR_INIT("2026-11-22T12:00:10Z") } };

        (void)state;
        assert_status(read_list(list, 2), CD_OK);
        assert_int_equal(find("203.0.113.7", NOON - 1), 0);
        assert_int_equal(find("203.0.113.8", NOON - 1), 0);
        assert_int_equal(find("203.0.113.7", NOON), 1);
        assert_int_equal(find("203.0.113.8", NOON), -1);
        assert_int_equal(find("203.0.113.7", NOON + 9), 1);
        assert_int_equal(find("203.0.113.7", NOON + 10), -1);
}

static void a_list_that_cannot_be_read_is_an_error(void **state)
{
        static const cd_str good[] = { CD_STR_INIT("203.0.113.0/24") }, bad[] = { CD_STR_INIT("203.0.113.1/24") };
        static const struct cd_http_deny lists[][2] = {
                { { { good, 1 }, CD_STR_INIT("") }, { { bad, 1 }, CD_STR_INIT("") } },
                { { { good, 1 }, CD_STR_INIT("tomorrow") }, { { good, 1 }, CD_STR_INIT("") } },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(lists); i++) {
                assert_status(read_list(lists[i], 2), CD_INVALID_REQUEST);
                assert_string_equal(err.field, "deny");
        }
        assert_status(read_list(NULL, 0), CD_OK);
        assert_int_equal(count, 0);
        cd_arena_done(&arena);
        cd_arena_init(&arena, 16);
        assert_status(read_list(lists[0], 1), CD_NO_MEMORY);
}

static void the_log_is_told_once_a_minute_with_the_count(void **state)
{
        struct cd_http_denied one = { 0 };
        size_t requests = 0;

        (void)state;
        assert_true(cd_http_deny_count(&one, NOON, &requests));
        assert_int_equal(requests, 1);
        for (int i = 0; i < 1000; i++)
                assert_false(cd_http_deny_count(&one, NOON + i % 60, &requests));
        assert_true(cd_http_deny_count(&one, NOON + 60, &requests));
        assert_int_equal(requests, 1001);
        assert_false(cd_http_deny_count(&one, NOON + 119, &requests));
        assert_true(cd_http_deny_count(&one, NOON, &requests)); /* the clock was set back */
        assert_int_equal(requests, 2);
}

/* ---- a server ---- */

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("hello"));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET | CD_HTTP_POST, .path = CD_STR_INIT("/hello"), .handler = hello },
};

static const struct cd_http_peer direct = { .address = CD_STR_INIT("203.0.113.7") };
static const struct cd_http_peer proxy = { .address = CD_STR_INIT("192.0.2.1"), .is_trusted = true };

/* The status of the answer to one request, on a connection of its own. */
static int ask(struct fixture *f, const struct cd_http_peer *peer, const char *text)
{
        struct client c = { .peer = *peer };

        c.peer.offer = (struct cd_http_offer){ .table = f->listener.offer.table };
        client_connect_as(&c, f, 65536);
        assert_true(client_send(&c, cd_str_from_c(text)));
        struct answer answer = client_answer(&c, false);
        if (answer.status == 403)
                assert_str(answer.body, "{\"error\":\"forbidden\"}");
        client_done(&c);
        return answer.status;
}

static void a_denied_client_gets_403_whatever_it_asks_for(void **state)
{
        static const cd_str network[] = { CD_STR_INIT("203.0.113.0/24") };
        static const struct cd_http_deny list[] = { { .networks = { network, 1 } } };
        static struct fixture f;

        (void)state;
        assert_status(read_list(list, 1), CD_OK);
        fixture_start(&f, routes, CD_LEN(routes), NULL);
        fixture_start_log(&f, CD_LOG_INFO);
        f.settings.denied = denied;
        f.settings.denied_count = count;
        assert_int_equal(ask(&f, &direct, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 403);
        assert_int_equal(ask(&f, &direct, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"), 403);
        assert_int_equal(ask(&f, &direct, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 403);
        /* Behind a proxy it is the client that counts, not the proxy; what a stranger says does not. */
        assert_int_equal(ask(&f, &proxy, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"),
                         403);
        assert_int_equal(ask(&f, &proxy, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"),
                         200);
        assert_int_equal(ask(&f, &proxy, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        assert_int_equal(ask(&f, &direct, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"),
                         403);
        /* Nobody's address. */
        assert_int_equal(ask(&f, &proxy, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: unknown\r\n\r\n"), 200);
        const char *log = fixture_log(&f);
        assert_int_equal(fixture_count(log, "\"event\":\"client_denied\""), 1);
        assert_non_null(strstr(log, "\"network\":\"203.0.113.0/24\",\"requests\":1"));
        assert_int_equal(fixture_count(log, "\"event\":\"request\""), 3); /* the others */
        fixture_stop(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(networks_are_denied_up_to_their_edges),
                TEST(an_entry_ends_at_its_second_and_a_later_one_counts),
                TEST(a_list_that_cannot_be_read_is_an_error),
                TEST(the_log_is_told_once_a_minute_with_the_count),
                TEST(a_denied_client_gets_403_whatever_it_asks_for),
        };
        return cmocka_run_group_tests_name("deny", tests, NULL, NULL);
}
