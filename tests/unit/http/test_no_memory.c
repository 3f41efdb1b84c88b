#include "support/check.h"
#include "support/no_memory.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* Each allocation of a request fails in turn: the client gets its response, a 503, a 500, or a close; never half a
 * response that looks like a whole one, and nothing is left behind. */

static struct fixture f;
static struct recorder r;

static void echo(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app;
        cd_http_respond(res, 200, CD_STR("text/plain"), req->body);
        for (int i = 0; i < 20; i++)
                cd_http_response_header(res, CD_STR("X"), CD_STR("y"));
}

static void end_it(struct recorder *rec)
{
        struct cd_exchange *x = rec->x;

        rec->x = NULL;
        cd_http_exchange_response(x)->status = rec->body.failed ? 503 : 200;
        if (!cd_http_send_head(x, CD_HTTP_LENGTH_UNKNOWN))
                return;
        cd_http_push(x, rec->body.failed ? CD_STR("") : cd_str_of(rec->body.ptr, rec->body.len));
        cd_http_end(x);
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/echo"), .handler = echo },
        { .methods = CD_HTTP_POST, .path = CD_STR_INIT("/stream"), .streaming = &recorder_streaming },
};

struct outcome {
        unsigned ok, refused, closed;
};

static void try_once(int n, const char *path, struct outcome *outcome)
{
        static char big[20000];
        char text[512];
        struct client c;

        memset(big, 'a', sizeof(big));
        recorder_init(&r);
        r.pull = SIZE_MAX;
        r.on_end = end_it;
        fixture_start(&f, routes, CD_LEN(routes), &r);
        client_connect(&c, &f, 1024 * 1024);
        snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: a\r\nX-Long: %0300d\r\nContent-Length: %zu\r\n\r\n",
                 path, 1, sizeof(big));
        fail_at = n;
        client_send(&c, cd_str_of(text, 40)); /* the head in two parts: it has to be kept */
        client_send(&c, cd_str_of(text + 40, strlen(text) - 40));
        client_send(&c, cd_str_of(big, sizeof(big)));
        fail_at = -1;
        struct answer answer = client_answer(&c, false);
        if (answer.status == 200 && answer.body.len == sizeof(big))
                outcome->ok++;
        else if (answer.status == 503 || answer.status == 500)
                outcome->refused++;
        else if (answer.status == 0 && c.wire.is_closed)
                outcome->closed++;
        else
                fail_msg("allocation %d: status %d, %zu bytes", n, answer.status, answer.body.len);
        client_done(&c);
        fixture_stop(&f);
        recorder_done(&r);
}

static void a_request_that_is_read_whole_fails_whole(void **state)
{
        struct outcome outcome = { 0 };

        (void)state;
        for (int n = 0; n < 30; n++)
                try_once(n, "/echo", &outcome);
        assert_true(outcome.ok > 3 && outcome.refused > 1 && outcome.closed > 1);
}

static void a_request_that_streams_fails_whole(void **state)
{
        struct outcome outcome = { 0 };

        (void)state;
        for (int n = 0; n < 30; n++)
                try_once(n, "/stream", &outcome);
        assert_true(outcome.ok > 3 && outcome.refused > 0 && outcome.closed > 1);
}

static void without_memory_there_is_no_connection(void **state)
{
        struct cd_loopback wire;
        struct cd_http_peer peer = { .address = CD_STR("192.0.2.7") };

        (void)state;
        fixture_start(&f, routes, CD_LEN(routes), &r);
        fail_at = 0;
        assert_false(cd_loopback_init(&wire, &f.loop.net, 10));
        assert_true(cd_loopback_init(&wire, &f.loop.net, 10));
        fail_at = 0;
        assert_null(cd_h1_conn_new(&f.loop, wire.stream, &peer));
        atomic_fetch_add(&f.server.conns, 1);
        struct cd_h1_conn *conn = cd_h1_conn_new(&f.loop, wire.stream, &peer);
        assert_non_null(conn);
        fail_at = 0;
        cd_h1_conn_refuse(conn, (struct cd_http_refusal){ 503, "too many connections" });
        assert_true(wire.is_closed);
        fixture_stop(&f);
        cd_loopback_done(&wire);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_that_is_read_whole_fails_whole),
                cmocka_unit_test(a_request_that_streams_fails_whole),
                cmocka_unit_test(without_memory_there_is_no_connection),
        };
        return cmocka_run_group_tests_name("http/no_memory", tests, NULL, NULL);
}
