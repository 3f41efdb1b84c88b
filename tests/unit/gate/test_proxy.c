/* Requests that go on to an application, and those that do not. */
#include "unit/gate/proxy_fixture.h"

#include <string.h>
#include <unistd.h>

#include "gate/proxy.h"

static void expect(int status, const char *body)
{
        struct answer answer = proxy_answer();

        assert_int_equal(answer.status, status);
        assert_str(answer.body, body);
}

static void get(const char *host, const char *more)
{
        proxy_ask("GET /page?q=1 HTTP/1.1", host, more, "");
}

static void answer_hello(void)
{
        static const struct cd_http_header headers[] = { { CD_STR_INIT("X-App"), CD_STR_INIT("yes") } };

        fake_head(200, 5, headers, 1);
        fake_data("hello");
        fake_end(NULL, 0);
        fixture_turn(&t.server);
}

static bool logged(const char *text)
{
        return strstr(fixture_log(&t.server), text) != NULL;
}

/* ---- who is let in ---- */

static void a_user_who_may_gets_the_applications_response(void **state)
{
        (void)state;
        get("wiki.example.com", proxy_cookie());
        assert_int_equal(fake.started, 1);
        assert_str(fake.call->request->target, "/page?q=1");
        assert_str(fake_field("Remote-User"), "ana");
        assert_null(memmem(fake_field("Cookie").ptr, fake_field("Cookie").len, "cardea", 6)); /* lesson 6 */
        answer_hello();
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 200);
        assert_str(answer.body, "hello");
        assert_str(answer_header(&answer, "X-App"), "yes");
        assert_true(logged("\"user\":\"ana\""));
        assert_true(logged("\"route\":\"wiki.example.com\",\"upstream\":\"127.0.0.1:3000\",\"upstream_us\":"));
        get("wiki.example.com", proxy_cookie()); /* over the same connection */
        answer_hello();
        expect(200, "hello");
}

static void a_session_that_only_the_store_knows_is_asked_for_on_a_worker(void **state)
{
        (void)state;
        proxy_forget_session();
        get("wiki.example.com", proxy_cookie());
        assert_str(fake_field("Remote-User"), "ana");
        answer_hello();
        expect(200, "hello");
}

/* ---- the user's token of a provider ---- */

static struct {
        bool is_cached;
        cd_status status;
        int finds;
        char asked[64];
} provider;

static bool cached(const struct cd_gate_provider_tokens *port, struct cd_arena *arena, cd_str name, cd_str user,
                   cd_str *ret)
{
        (void)port, (void)arena, (void)name, (void)user;
        *ret = provider.is_cached ? CD_STR("gho_cached") : (cd_str){ NULL, 0 };
        return provider.is_cached;
}

static cd_status find_token(const struct cd_gate_provider_tokens *port, struct cd_arena *arena, cd_str name,
                            cd_str user, cd_str *ret, struct cd_error *reterr)
{
        (void)port;
        provider.finds++;
        snprintf(provider.asked, sizeof(provider.asked), "%.*s of %.*s", CD_STR_ARG(name), CD_STR_ARG(user));
        if (provider.status != CD_OK)
                return cd_fail(reterr, provider.status, "the provider said so");
        *ret = cd_arena_copy(arena, CD_STR("gho_found"));
        return CD_OK;
}

static void ask_for_tokens(void)
{
        static const struct cd_gate_provider_tokens port = { cached, find_token };
        struct gate_version *version = proxy_make_version(true);

        memset(&provider, 0, sizeof(provider));
        version->gate.provider_tokens = &port;
        for (size_t i = 0; i < 2; i++) { /* wiki, pub */
                version->routes[i].pass_token = CD_STR("github");
                version->routes[i].token_header = CD_STR("X-GitHub-Token");
        }
        proxy_publish(version);
}

static void an_application_gets_the_users_token_of_a_provider(void **state)
{
        (void)state;
        ask_for_tokens();
        provider.is_cached = true;
        get("wiki.example.com", proxy_cookie());
        assert_str(fake_field("X-GitHub-Token"), "gho_cached");
        assert_int_equal(provider.finds, 0);
        answer_hello();
        expect(200, "hello");
        provider.is_cached = false;
        get("wiki.example.com", proxy_cookie());
        assert_str(fake_field("X-GitHub-Token"), "gho_found");
        assert_string_equal(provider.asked, "github of ana");
        answer_hello();
        expect(200, "hello");
        assert_false(logged("gho_")); /* lesson 28 */
}

static void nobodys_token_is_passed_where_nobody_has_logged_in(void **state)
{
        (void)state;
        ask_for_tokens();
        provider.is_cached = true;
        get("pub.example.com", "X-GitHub-Token: evil\r\nX_GitHub_Token: evil\r\n");
        assert_str(fake_field("X-GitHub-Token"), "");
        assert_int_equal(provider.finds, 0);
        answer_hello();
        expect(200, "hello");
}

static void without_a_token_the_application_is_not_asked(void **state)
{
        (void)state;
        ask_for_tokens();
        provider.status = CD_NOT_FOUND;
        get("wiki.example.com", proxy_cookie());
        expect(403, "connect of wiki.example.com");
        assert_true(logged("pass_token: the provider said so"));
        provider.status = CD_UNAVAILABLE;
        get("wiki.example.com", proxy_cookie());
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 503);
        assert_str(answer.body, "provider of wiki.example.com");
        assert_str(answer_header(&answer, "Retry-After"), "10");
        assert_int_equal(provider.finds, 2);
        t.version->gate.provider_tokens = NULL;
        get("wiki.example.com", proxy_cookie());
        expect(403, "connect of wiki.example.com");
        get("wiki.example.com", "");
        assert_int_equal(proxy_answer().status, 401);
        assert_int_equal(fake.started, 0);
}

static void lesson_1_nobody_is_let_in_without_a_login(void **state)
{
        (void)state;
        get("wiki.example.com", "");
        assert_int_equal(proxy_answer().status, 401);
        get("wiki.example.com", "Cookie: __Secure-cardea_session=x\r\n");
        assert_int_equal(proxy_answer().status, 401);
        get("wiki.example.com", "Accept: text/html\r\n");
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 302);
        assert_str(answer_header(&answer, "Location"),
                   "https://auth.example.com/_auth/login?return_to=https%3A%2F%2Fwiki.example.com%2Fpage%3Fq%3D1");
        assert_int_equal(fake.started, 0);
}

/* An application's script could read them there. */
static void lesson_6_the_portals_pages_are_on_its_own_host_only(void **state)
{
        static const char *const lines[] = { "GET /_auth HTTP/1.1", "GET /_auth/ HTTP/1.1",
                                             "GET /_auth/me?a=b HTTP/1.1", "GET /_auth/check/forward HTTP/1.1",
                                             "HEAD /_auth/starts HTTP/1.1" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(lines); i++) {
                char wanted[128];
                const char *path = strchr(lines[i], '/');
                snprintf(wanted, sizeof(wanted), "https://auth.example.com%.*s", (int)(strstr(path, " HTTP") - path),
                         path);
                proxy_ask(lines[i], "pub.example.com", "", "");
                struct answer answer = proxy_answer();
                assert_int_equal(answer.status, 302);
                assert_str(answer_header(&answer, "Location"), wanted);
        }
        proxy_ask("POST /_auth/login HTTP/1.1", "pub.example.com", "Content-Length: 1\r\n", "x");
        assert_int_equal(proxy_answer().status, 404);
        assert_int_equal(fake.started, 0);
}

static void another_users_rule_is_a_page_for_users_and_json_for_programs(void **state)
{
        (void)state;
        proxy_publish(proxy_make_version(false));
        get("wiki.example.com", proxy_cookie());
        assert_int_equal(proxy_answer().status, 403);
        assert_true(logged("wiki.example.com: "));
        assert_int_equal(fake.started, 0);
}

static void a_public_route_knows_who_has_logged_in(void **state)
{
        (void)state;
        get("pub.example.com", "");
        assert_str(fake_field("Remote-User"), "");
        answer_hello();
        expect(200, "hello");
        get("pub.example.com", proxy_cookie());
        assert_str(fake_field("Remote-User"), "ana");
        answer_hello();
        expect(200, "hello");
}

static void a_form_that_a_redirect_would_lose_gets_a_page(void **state)
{
        (void)state;
        proxy_ask("POST /save HTTP/1.1", "wiki.example.com", "Accept: text/html\r\nContent-Length: 0\r\n", "");
        expect(401, "lost_post of wiki.example.com");
        proxy_ask("POST /save HTTP/1.1", "wiki.example.com",
                  "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n", "");
        expect(401, "cross_site_post of wiki.example.com");
        proxy_ask("POST /save HTTP/1.1", "wiki.example.com", "Accept: application/json\r\nContent-Length: 0\r\n", "");
        struct answer answer = proxy_answer();
        assert_int_equal(answer.status, 401);
        assert_non_null(memmem(answer.body.ptr, answer.body.len, "login_required", 14));
        assert_int_equal(fake.started, 0);
}

/* ---- which requests are the gate's ---- */

static void a_site_has_all_paths_but_cardeas(void **state)
{
        (void)state;
        proxy_ask("GET /token HTTP/1.1", "pub.example.com", "", "");
        answer_hello();
        expect(200, "hello");
        proxy_ask("GET /_auth/start HTTP/1.1", "pub.example.com", "", "");
        expect(200, "of Cardea");
        proxy_ask("GET /_auth/style.css HTTP/1.1", "pub.example.com", "", "");
        expect(200, "of Cardea");
        proxy_ask("GET /_authors HTTP/1.1", "pub.example.com", "", "");
        answer_hello();
        expect(200, "hello");
        proxy_ask("GET /token HTTP/1.1", "auth.example.com", "", "");
        expect(200, "of Cardea");
        proxy_ask("GET /token HTTP/1.1", "checked.example.com", proxy_cookie(), "");
        expect(200, "of Cardea");
}

static void a_path_that_no_route_has_is_404(void **state)
{
        (void)state;
        proxy_ask("GET /token HTTP/1.1", "tools.example.com", proxy_cookie(), "");
        expect(404, "not_found of tools.example.com");
        proxy_ask("GET /old/../token HTTP/1.1", "tools.example.com", proxy_cookie(), "");
        expect(404, "not_found of tools.example.com");
        proxy_ask("GET /x/../old/a HTTP/1.1", "tools.example.com", proxy_cookie(), "");
        assert_str(fake.call->request->target, "/old/a");
        answer_hello();
        expect(200, "hello");
}

static void lesson_2_a_path_without_canonical_form_reaches_only_an_opaque_route(void **state)
{
        (void)state;
        proxy_ask("GET /a%2Fb;c HTTP/1.1", "raw.example.com", proxy_cookie(), "");
        assert_str(fake.call->request->target, "/a%2Fb;c");
        answer_hello();
        expect(200, "hello");
        proxy_ask("GET /a%2Fb HTTP/1.1", "raw.example.com", "", "");
        assert_int_equal(proxy_answer().status, 401);
        proxy_ask("GET /a%2Fb HTTP/1.1", "pub.example.com", "", "");
        assert_int_equal(proxy_answer().status, 400);
        assert_int_equal(fake.started, 1);
}

/* ---- bodies ---- */

static void a_body_is_passed_on_once_the_application_takes_it(void **state)
{
        (void)state;
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Content-Length: 6\r\nExpect: 100-continue\r\n", "");
        assert_int_equal(client_read_all(&t.client).len, 0);
        fake_ready();
        fixture_turn(&t.server);
        assert_str(client_read_all(&t.client), "HTTP/1.1 100 Continue\r\n\r\n");
        t.client.at = t.client.received.len;
        assert_true(client_send(&t.client, CD_STR("abcdef")));
        assert_str(cd_str_of(fake.call->pushed.ptr, fake.call->pushed.len), "abcdef");
        assert_true(fake.call->push_ended);
        answer_hello();
        expect(200, "hello");
}

static void chunks_of_nothing_are_an_empty_body(void **state)
{
        (void)state;
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
        assert_int_equal(fake.call->request->length, CD_UPSTREAM_LENGTH_UNKNOWN);
        fake_ready();
        assert_true(fake.call->push_ended);
        answer_hello();
        expect(200, "hello");
}

/* Turns until a thread has written or read the file; 10 seconds at most. */
static void wait_for_file(bool (*is_done)(void))
{
        for (int i = 0; i < 20000 && !is_done(); i++) {
                usleep(500);
                fixture_turn(&t.server);
        }
        assert_true(is_done());
}

static bool has_started(void)
{
        return fake.started == 1;
}

static bool has_pushed(void)
{
        return fake.call->pushed.len > 0;
}

/* uwsgi says the length before the body. */
static void a_body_without_a_length_is_kept_in_a_file_for_uwsgi(void **state)
{
        struct cd_buf taken;

        (void)state;
        t.upstream.is_uwsgi = true;
        fake.room = 1;
        cd_buf_init(&taken, NULL, 1024 * 1024);
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n");
        assert_int_equal(fake.started, 0);
        assert_true(client_send(&t.client, CD_STR("3\r\ndef\r\n0\r\n\r\n")));
        wait_for_file(has_started);
        assert_int_equal(fake.call->request->length, 6);
        fake_ready();
        wait_for_file(has_pushed);
        assert_false(fake.call->push_ended);
        fake_drain(&taken);
        assert_str(cd_str_of(taken.ptr, taken.len), "abcdef");
        assert_true(fake.call->push_ended);
        cd_buf_done(&taken);
        answer_hello();
        expect(200, "hello");
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n");
        client_reset(&t.client); /* the file goes with the client */
        assert_int_equal(fake.started, 1);
}

static void a_client_sends_no_faster_than_the_application_takes(void **state)
{
        static char chunk[16384];
        struct cd_buf taken;
        size_t sent = 0;

        (void)state;
        memset(chunk, 'x', sizeof(chunk));
        cd_buf_init(&taken, NULL, 1024 * 1024);
        fake.room = 100;
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Content-Length: 262144\r\n", "");
        fake_ready();
        fixture_turn(&t.server);
        while (sent < 262144 && client_send(&t.client, cd_str_of(chunk, sizeof(chunk))))
                sent += sizeof(chunk);
        assert_int_equal(sent, CD_PROXY_WINDOW);
        assert_int_equal(fake.call->pushed.len, CD_PROXY_WINDOW);
        while (taken.len < 262144) {
                fake_drain(&taken);
                fixture_turn(&t.server);
                while (sent < 262144 && client_send(&t.client, cd_str_of(chunk, sizeof(chunk))))
                        sent += sizeof(chunk);
                assert_true(fake.call->pushed.len <= CD_PROXY_WINDOW);
        }
        assert_true(fake.call->push_ended);
        cd_buf_done(&taken);
        answer_hello();
        expect(200, "hello");
}

static void an_application_sends_no_faster_than_the_client_reads(void **state)
{
        static char bytes[65537];

        (void)state;
        client_done(&t.client);
        proxy_connect(&t.client, 4096);
        memset(bytes, 'y', sizeof(bytes) - 1);
        get("pub.example.com", "");
        fake_head(200, CD_UPSTREAM_LENGTH_UNKNOWN, NULL, 0);
        size_t pieces = 0;
        for (; fake.call->reads && pieces < 100; pieces++)
                fake_data(bytes);
        assert_true(pieces < 100);
        fixture_turn(&t.server);
        assert_false(fake.call->reads);
        client_read_all(&t.client);
        assert_true(fake.call->reads);
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        struct answer answer = proxy_answer();
        assert_int_equal(answer.body.len, pieces * (sizeof(bytes) - 1));
}

static void trailers_of_the_application_follow_the_body(void **state)
{
        static const struct cd_http_header trailers[] = { { CD_STR_INIT("Grpc-Status"), CD_STR_INIT("0") },
                                                          { CD_STR_INIT("Content-Length"), CD_STR_INIT("3") },
                                                          { CD_STR_INIT("Set-Cookie"), CD_STR_INIT("a=1") } };

        (void)state;
        get("pub.example.com", "");
        fake_head(200, CD_UPSTREAM_LENGTH_UNKNOWN, NULL, 0);
        fake_data("x");
        fake_end(trailers, CD_LEN(trailers));
        fixture_turn(&t.server);
        struct answer answer = proxy_answer();
        assert_str(answer.body, "x");
        assert_str(answer.trailers, "Grpc-Status: 0\r\n");
}

static void an_early_response_ends_the_connection_with_the_body(void **state)
{
        (void)state;
        proxy_ask("POST / HTTP/1.1", "pub.example.com", "Content-Length: 100\r\n", "abc");
        fake_ready();
        fake_head(403, 2, NULL, 0);
        fake_data("no");
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        expect(403, "no");
        assert_true(t.client.wire.is_shut || t.client.wire.is_closed);
}

static void responses_without_a_body_have_none(void **state)
{
        (void)state;
        proxy_ask("HEAD / HTTP/1.1", "pub.example.com", "", "");
        fake_head(200, 1234, NULL, 0);
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        struct answer answer = client_answer(&t.client, true);
        assert_str(answer_header(&answer, "Content-Length"), "1234");
        get("pub.example.com", "");
        fake_head(304, CD_UPSTREAM_LENGTH_UNKNOWN, NULL, 0);
        fake_end(NULL, 0);
        fixture_turn(&t.server);
        assert_int_equal(proxy_answer().status, 304);
        get("pub.example.com", "");
        answer_hello();
        expect(200, "hello");
}

/* ---- failures ---- */

static void a_failure_before_the_head_is_an_answer_that_names_the_route(void **state)
{
        static const struct {
                enum cd_upstream_failure failure;
                int status;
                const char *body;
        } cases[] = {
                { CD_UPSTREAM_NOT_CONNECTED, 502, "bad_gateway of pub.example.com" },
                { CD_UPSTREAM_TIMEOUT, 504, "timeout of pub.example.com" },
                { CD_UPSTREAM_NO_MEMORY, 503, "unavailable of pub.example.com" },
                { CD_UPSTREAM_BLOCK_TOO_LARGE, 431, "too_large of pub.example.com" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                get("pub.example.com", "");
                fake_fail(cases[i].failure, "127.0.0.1:3000: because");
                fixture_turn(&t.server);
                expect(cases[i].status, cases[i].body);
        }
        assert_true(logged("\"upstream\":\"127.0.0.1:3000\",\"error\":\"upstream_not_connected\","
                           "\"reason\":\"127.0.0.1:3000: because\""));
}

static void a_failure_after_the_head_cuts_the_response(void **state)
{
        (void)state;
        get("pub.example.com", "");
        fake_head(200, 100, NULL, 0);
        fake_data("some");
        fake_fail(CD_UPSTREAM_CLOSED, "closed");
        fixture_turn(&t.server);
        assert_true(t.client.wire.is_reset);
        assert_true(logged("\"error\":\"upstream_closed\""));
}

static void a_client_that_leaves_ends_the_request_to_the_application(void **state)
{
        (void)state;
        get("pub.example.com", "");
        client_reset(&t.client);
        assert_int_equal(fake.cancelled, 1);
        assert_true(logged("client_closed_request"));
}

static void what_cannot_be_forwarded_is_refused(void **state)
{
        static const struct cd_http_header header = { CD_STR_INIT("Transfer-Encoding"), CD_STR_INIT("x") };
        static const struct cd_http_header bad = { CD_STR_INIT("X-A"), CD_STR_INIT("a\nb") };

        (void)state;
        char names[400] = "Connection: a";
        for (size_t len = strlen(names); len < 300; len += 3)
                strcpy(names + len, ", a");
        strcat(names, "\r\n");
        get("pub.example.com", names);
        assert_int_equal(proxy_answer().status, 400);
        get("pub.example.com", "");
        fake_head(200, 0, &header, 1);
        fixture_turn(&t.server);
        expect(502, "bad_gateway of pub.example.com");
        get("pub.example.com", "");
        fake_head(200, 0, &bad, 1);
        fixture_turn(&t.server);
        assert_int_equal(proxy_answer().status, 500);
        fake.has_no_memory = true;
        get("pub.example.com", "");
        expect(503, "unavailable of pub.example.com");
        assert_int_equal(fake.cancelled, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROXY(a_user_who_may_gets_the_applications_response),
                PROXY(a_session_that_only_the_store_knows_is_asked_for_on_a_worker),
                PROXY(an_application_gets_the_users_token_of_a_provider),
                PROXY(nobodys_token_is_passed_where_nobody_has_logged_in),
                PROXY(without_a_token_the_application_is_not_asked),
                PROXY(lesson_1_nobody_is_let_in_without_a_login),
                PROXY(lesson_6_the_portals_pages_are_on_its_own_host_only),
                PROXY(another_users_rule_is_a_page_for_users_and_json_for_programs),
                PROXY(a_public_route_knows_who_has_logged_in),
                PROXY(a_form_that_a_redirect_would_lose_gets_a_page),
                PROXY(a_site_has_all_paths_but_cardeas),
                PROXY(a_path_that_no_route_has_is_404),
                PROXY(lesson_2_a_path_without_canonical_form_reaches_only_an_opaque_route),
                PROXY(a_body_is_passed_on_once_the_application_takes_it),
                PROXY(chunks_of_nothing_are_an_empty_body),
                PROXY(a_body_without_a_length_is_kept_in_a_file_for_uwsgi),
                PROXY(a_client_sends_no_faster_than_the_application_takes),
                PROXY(an_application_sends_no_faster_than_the_client_reads),
                PROXY(trailers_of_the_application_follow_the_body),
                PROXY(an_early_response_ends_the_connection_with_the_body),
                PROXY(responses_without_a_body_have_none),
                PROXY(a_failure_before_the_head_is_an_answer_that_names_the_route),
                PROXY(a_failure_after_the_head_cuts_the_response),
                PROXY(a_client_that_leaves_ends_the_request_to_the_application),
                PROXY(what_cannot_be_forwarded_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
