/* Sites, whose requests a handler streams, and what that handler may do before it streams. */
#include "support/check.h"

#include <semaphore.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;
static struct client c;
static struct recorder r;
static struct cd_http_sites sites;
static sem_t may_go;
static unsigned runs, dones;

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("hello"));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/hello"), .handler = hello },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/own"), .is_prefix = true, .handler = hello },
};
static const struct cd_http_route site_route = { .methods = CD_HTTP_ANY, .streaming = &recorder_streaming };

static const struct cd_http_route *find(void *app, cd_str host, cd_str path)
{
        assert_ptr_equal(app, &r);
        if (!path.ptr)
                return cd_str_eq(host, CD_STR("raw.test")) ? &site_route : NULL;
        if (cd_str_has_prefix(path, CD_STR("/own")))
                return NULL;
        return cd_str_eq(host, CD_STR("site.test")) || cd_str_eq(host, CD_STR("raw.test")) ? &site_route : NULL;
}

static int set_up(void **state)
{
        (void)state;
        runs = dones = 0;
        sem_init(&may_go, 0, 0);
        recorder_init(&r);
        fixture_start(&f, routes, CD_LEN(routes), NULL);
        fixture_start_log(&f, CD_LOG_INFO);
        sites = (struct cd_http_sites){ .find = find, .app = &r };
        f.listener.offer.table.sites = &sites;
        client_connect(&c, &f, 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        client_done(&c);
        fixture_stop(&f);
        recorder_done(&r);
        return 0;
}

static void send_text(const char *text)
{
        assert_true(client_send(&c, cd_str_from_c(text)));
}

static void expect(int status, const char *body)
{
        struct answer answer = client_answer(&c, false);

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
}

/* ---- sites ---- */

static void answer_with_path(struct recorder *rec)
{
        const struct cd_http_request *req = cd_http_exchange_request(rec->x);
        struct cd_http_response *res = cd_http_exchange_response(rec->x);

        cd_http_respond(res, 200, CD_STR("text/plain"),
                        cd_arena_printf(req->arena, "%.*s %s%.*s %.*s %d", CD_STR_ARG(req->method_name),
                                        req->path.ptr ? "" : "none", CD_STR_ARG(req->path),
                                        CD_STR_ARG(req->path_as_sent), req->was_path_changed));
        struct cd_exchange *x = rec->x;
        rec->x = NULL;
        cd_http_answer(x);
}

static void a_site_has_every_method_and_path_that_is_not_ours(void **state)
{
        (void)state;
        r.on_begin = answer_with_path;
        send_text("PROPFIND /hello/../a HTTP/1.1\r\nHost: Site.test:8080\r\n\r\n");
        expect(200, "PROPFIND /a /hello/../a 1");
        send_text("GET /hello HTTP/1.1\r\nHost: site.test\r\n\r\n");
        expect(200, "GET /hello /hello 0");
        send_text("GET /own/x HTTP/1.1\r\nHost: site.test\r\n\r\n");
        expect(200, "hello");
        send_text("GET /hello HTTP/1.1\r\nHost: other.test\r\n\r\n");
        expect(200, "hello");
        send_text("GET /a HTTP/1.1\r\nHost: other.test\r\n\r\n");
        expect(404, "{\"error\":\"not_found\"}");
        send_text("GET /hello HTTP/1.0\r\n\r\n");
        expect(200, "hello");
}

static void options_of_the_server_are_no_site(void **state)
{
        (void)state;
        send_text("OPTIONS * HTTP/1.1\r\nHost: site.test\r\n\r\n");
        expect(404, "{\"error\":\"not_found\"}");
        assert_string_equal(r.events, "");
}

static void lesson_2_only_a_site_that_asks_for_it_gets_a_path_without_canonical_form(void **state)
{
        (void)state;
        r.on_begin = answer_with_path;
        send_text("GET /a%2Fb;c?q HTTP/1.1\r\nHost: raw.test\r\n\r\n");
        expect(200, "GET none /a%2Fb;c 1");
        send_text("GET /a%2Fb?a#b HTTP/1.1\r\nHost: raw.test\r\n\r\n");
        expect(400, "{\"error\":\"bad_request\"}");
        client_done(&c);
        client_connect(&c, &f, 4096);
        send_text("GET /a%2Fb HTTP/1.1\r\nHost: site.test\r\n\r\n");
        expect(400, "{\"error\":\"bad_request\"}");
        assert_non_null(strstr(fixture_log(&f), "a path without canonical form"));
}

static void a_listener_that_sends_everybody_to_tls_has_no_sites(void **state)
{
        (void)state;
        client_done(&c);
        f.listener.offer.kind = CD_HTTP_LISTENER_REDIRECT;
        client_connect(&c, &f, 4096);
        send_text("GET /a HTTP/1.1\r\nHost: raw.test\r\n\r\n");
        assert_int_equal(client_answer(&c, false).status, 308);
        send_text("GET /a%2Fb HTTP/1.1\r\nHost: raw.test\r\n\r\n");
        expect(400, "{\"error\":\"bad_request\"}");
}

/* ---- a whole answer of a handler that streams ---- */

static void refuse(struct recorder *rec)
{
        struct cd_exchange *x = rec->x;

        cd_http_respond(cd_http_exchange_response(x), 401, CD_STR("text/plain"), CD_STR("no"));
        cd_http_exchange_request(x)->log->error = CD_STR("login_required");
        rec->x = NULL;
        cd_http_answer(x);
}

static void a_handler_that_streams_may_answer_at_once(void **state)
{
        (void)state;
        r.on_begin = refuse;
        send_text("GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n");
        expect(401, "no");
        send_text("GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n");
        expect(401, "no");
        assert_string_equal(r.events, "gg");
        assert_int_equal(fixture_count(fixture_log(&f), "\"status\":401"), 2);
        assert_non_null(strstr(fixture_log(&f), "\"error\":\"login_required\""));
}

/* The body is not read, so no other request can follow; and the client is not told to send it. */
static void an_answer_before_the_body_ends_the_connection(void **state)
{
        (void)state;
        r.on_begin = refuse;
        send_text("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        expect(401, "no");
        assert_true(c.wire.is_shut || c.wire.is_closed);
}

/* ---- a part on a pool ---- */

static void on_worker(struct cd_exchange *x)
{
        sem_wait(&may_go);
        assert_non_null(x);
        runs++;
}

static void back(struct cd_exchange *x)
{
        dones++;
        cd_http_respond(cd_http_exchange_response(x), 200, CD_STR("text/plain"), CD_STR("from the worker"));
        r.x = NULL;
        cd_http_answer(x);
}

static void go_to_worker(struct recorder *rec)
{
        assert_status(cd_http_run_on(rec->x, CD_HTTP_WORKER, on_worker, back), CD_OK);
}

static void a_handler_that_streams_may_ask_on_a_worker(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1);
        r.on_begin = go_to_worker;
        send_text("GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n");
        assert_int_equal(client_answer(&c, false).status, 0);
        assert_string_equal(r.events, "ge"); /* there is no body */
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        expect(200, "from the worker");
        assert_int_equal(runs, 1);
        assert_int_equal(dones, 1);
}

static void a_client_that_leaves_meanwhile_cancels_it_once_the_worker_is_done(void **state)
{
        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1);
        r.on_begin = go_to_worker;
        send_text("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 3\r\n\r\nabc");
        client_reset(&c);
        assert_string_equal(r.events, "g");
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        assert_string_equal(r.events, "gc");
        assert_int_equal(dones, 0);
        assert_non_null(strstr(fixture_log(&f), "client_closed_request"));
}

static void try_worker(struct recorder *rec)
{
        if (cd_http_run_on(rec->x, CD_HTTP_WORKER, on_worker, back) != CD_OK)
                refuse(rec);
}

static void a_full_queue_is_told_to_the_handler(void **state)
{
        struct client others[2];

        (void)state;
        fixture_add_pool(&f, CD_HTTP_WORKER, 1, 1);
        r.on_begin = try_worker;
        for (size_t i = 0; i < CD_LEN(others); i++) {
                client_connect(&others[i], &f, 4096);
                assert_true(client_send(&others[i], CD_STR("POST /a HTTP/1.1\r\nHost: site.test\r\n"
                                                           "Content-Length: 1\r\n\r\n")));
                r.x = NULL; /* the next one begins */
        }
        send_text("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1\r\n\r\n");
        expect(401, "no");
        sem_post(&may_go);
        sem_post(&may_go);
        assert_true(fixture_wait_for_jobs(&f));
        assert_int_equal(dones, 2);
        for (size_t i = 0; i < CD_LEN(others); i++)
                client_done(&others[i]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_site_has_every_method_and_path_that_is_not_ours),
                TEST(options_of_the_server_are_no_site),
                TEST(lesson_2_only_a_site_that_asks_for_it_gets_a_path_without_canonical_form),
                TEST(a_listener_that_sends_everybody_to_tls_has_no_sites),
                TEST(a_handler_that_streams_may_answer_at_once),
                TEST(an_answer_before_the_body_ends_the_connection),
                TEST(a_handler_that_streams_may_ask_on_a_worker),
                TEST(a_client_that_leaves_meanwhile_cancels_it_once_the_worker_is_done),
                TEST(a_full_queue_is_told_to_the_handler),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
