#include "support/check.h"
#include "support/tls_client.h"

#include "net/loopback.h"

/* Streams of TLS over two buffers, with OpenSSL's client at the other end. */

static struct pem_pair server_pair, client_pair, other_pair;
static struct cd_tls *tls;
static struct cd_loop loop;
static uint64_t now;
static struct cd_loopback wire;
static struct tls_client client;
static char events_seen[64]; /* o b e d E */
static char input[512 * 1024];
static size_t input_len, split; /* bytes that the server gets at a time; 0: all */

static uint64_t fixed_clock(const struct cd_loop *of)
{
        (void)of;
        return now;
}

static void note(char event)
{
        size_t len = strlen(events_seen);

        if (len > 0 && events_seen[len - 1] == event)
                return; /* how often is not the question */
        assert_true(len + 1 < sizeof(events_seen));
        events_seen[len] = event;
        events_seen[len + 1] = '\0';
}

static void on_opened(struct cd_stream *stream)
{
        assert_true(cd_tls_conn_is_open(stream->tls));
        note('o');
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        (void)stream;
        note(len ? 'b' : 'e');
        assert_true(input_len + len <= sizeof(input));
        if (len)
                memcpy(input + input_len, data, len);
        input_len += len;
}

static void on_drained(struct cd_stream *stream)
{
        (void)stream;
        note('d');
}

static void on_expired(struct cd_stream *stream)
{
        (void)stream;
        fail_msg("there is no deadline");
}

static void on_ended(struct cd_stream *stream)
{
        (void)stream;
        note('E');
}

static const struct cd_stream_events events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_drained,
        .expired = on_expired,
        .stopping = on_expired,
        .ended = on_ended,
};

static struct cd_tls_options options_of(enum cd_tls_client_certificate asked)
{
        return (struct cd_tls_options){
                .certificate = server_pair.certificate,
                .key = server_pair.key,
                .client_ca = asked == CD_TLS_CLIENT_NONE ? (cd_str){ NULL, 0 } : client_pair.certificate,
                .client_certificate = asked,
        };
}

static void turn(void)
{
        cd_loop_turn(&loop);
        cd_loop_turn(&loop);
}

static void disconnect(void)
{
        if (wire.stream)
                cd_stream_close(wire.stream);
        turn();
        assert_null(wire.stream);
        cd_loopback_done(&wire);
}

static void start_server(enum cd_tls_client_certificate asked)
{
        const struct cd_tls_options options = options_of(asked);

        disconnect(); /* it would outlive what it was made with */
        cd_tls_free(tls);
        assert_status(cd_tls_new(&options, &tls, NULL), CD_OK);
}

static int make_pairs(void **state)
{
        (void)state;
        server_pair = pem_make("localhost", 3600);
        client_pair = pem_make("alice, with \"quotes\"", 3600);
        other_pair = pem_make("mallory", 3600);
        return 0;
}

static int free_pairs(void **state)
{
        (void)state;
        pem_free(&server_pair);
        pem_free(&client_pair);
        pem_free(&other_pair);
        return 0;
}

static int set_up(void **state)
{
        (void)state;
        now = 1000;
        split = 0;
        tls = NULL;
        wire = (struct cd_loopback){ 0 };
        if (cd_loop_init(&loop, NULL, NULL, NULL) != CD_OK)
                return -1;
        loop.clock = fixed_clock;
        cd_wheel_init(&loop.wheel, now);
        start_server(CD_TLS_CLIENT_NONE);
        tls_client_init(&client);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        disconnect();
        tls_client_done(&client);
        cd_loop_done(&loop);
        cd_tls_free(tls);
        return 0;
}

/* Moves bytes both ways until neither side has more to say. */
static void go(void)
{
        for (bool moved = true; moved;) {
                char some[16 * 1024];
                tls_client_step(&client);
                cd_str output = tls_client_output(&client);
                moved = output.len > 0;
                while (output.len) {
                        size_t len = split && split < output.len ? split : output.len;
                        if (!cd_loopback_feed(&wire, cd_str_slice(output, 0, len)))
                                break; /* it reads no more */
                        output = cd_str_slice(output, len, output.len);
                }
                turn();
                for (size_t len; (len = cd_loopback_take(&wire, some, sizeof(some))) > 0; moved = true) {
                        tls_client_input(&client, cd_str_of(some, len));
                        tls_client_step(&client);
                        turn();
                }
        }
}

static void accept_stream(size_t window, bool http2)
{
        disconnect();
        events_seen[0] = '\0';
        input_len = 0;
        assert_true(cd_loopback_init(&wire, &loop, window));
        wire.stream->events = &events;
        cd_stream_start_tls(wire.stream, cd_tls_conn_new(tls, http2));
        cd_stream_read(wire.stream, true);
}

static void connect_with(SSL_SESSION *session)
{
        accept_stream(1024 * 1024, true);
        tls_client_begin(&client, session);
        go();
}

static void connect_client(void)
{
        connect_with(NULL);
}

static void say(cd_str text)
{
        tls_client_write(&client, text);
        go();
}

static void answer(cd_str text)
{
        cd_buf_add(cd_stream_out(wire.stream), text);
        go();
}

static void expect_received(const char *text)
{
        assert_str(cd_str_of(client.received, client.len), text);
        client.len = 0;
}

/* ---- bytes ---- */

static void bytes_go_both_ways(void **state)
{
        (void)state;
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
                SSL_CTX_set_max_proto_version(client.context, version);
                for (split = 0; split < 3; split++) {
                        connect_client();
                        assert_true(client.is_open);
                        assert_string_equal(events_seen, "o");
                        assert_int_equal(SSL_version(client.ssl), version);
                        say(CD_STR("request"));
                        assert_string_equal(events_seen, "ob");
                        assert_str(cd_str_of(input, input_len), "request");
                        answer(CD_STR("response"));
                        expect_received("response");
                        assert_string_equal(events_seen, "obd");
                        assert_str(cd_tls_conn_subject(wire.stream->tls), "");
                }
        }
}

static void expect_covered(const char *host, bool expected)
{
        assert_int_equal(cd_tls_conn_covers(wire.stream->tls, cd_str_from_c(host)), expected);
}

static void the_certificate_covers_its_names_only(void **state)
{
        struct cd_tls_options changed = options_of(CD_TLS_CLIENT_NONE);

        (void)state;
        connect_client();
        for (int i = 0; i < 2; i++) {
                expect_covered("localhost", true);
                expect_covered("local", false);
                expect_covered("localhostx", false);
                expect_covered("127.0.0.1", false);
                expect_covered("[::1]", false);
                expect_covered("[", false);
                expect_covered("", false);
        }
        changed.certificate = other_pair.certificate;
        changed.key = other_pair.key;
        assert_status(cd_tls_renew(tls, &changed, NULL), CD_OK);
        expect_covered("localhost", true); /* what this client was shown */
        expect_covered("mallory", false);
        say(CD_STR("request"));
        assert_str(cd_str_of(input, input_len), "request");
}

static void older_versions_are_refused(void **state)
{
        (void)state;
        SSL_CTX_set_security_level(client.context, 0);
        SSL_CTX_set_min_proto_version(client.context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(client.context, TLS1_1_VERSION);
        connect_client();
        assert_true(client.has_failed);
        assert_string_equal(events_seen, "e");
        assert_non_null(strstr(wire.stream->error, "unsupported protocol"));
}

static void a_request_may_come_with_the_end_of_the_handshake(void **state)
{
        char some[64 * 1024];

        (void)state;
        accept_stream(1024 * 1024, true);
        tls_client_begin(&client, NULL);
        tls_client_step(&client);
        assert_false(cd_tls_conn_has_begun(wire.stream->tls));
        assert_true(cd_loopback_feed(&wire, tls_client_output(&client)));
        assert_true(cd_tls_conn_has_begun(wire.stream->tls));
        assert_false(cd_tls_conn_is_open(wire.stream->tls));
        turn();
        tls_client_input(&client, cd_str_of(some, cd_loopback_take(&wire, some, sizeof(some))));
        tls_client_step(&client);
        tls_client_write(&client, CD_STR("request"));
        assert_true(cd_loopback_feed(&wire, tls_client_output(&client)));
        assert_string_equal(events_seen, "ob");
        assert_str(cd_str_of(input, input_len), "request");
}

static void many_records_come_at_once(void **state)
{
        static char text[100 * 1000];

        (void)state;
        connect_client();
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)('a' + i % 23);
        for (size_t at = 0; at < 30 * 1000; at += 1000)
                tls_client_write(&client, cd_str_of(text + at, 1000));
        go();
        assert_int_equal(input_len, 30 * 1000);
        assert_memory_equal(input, text, input_len);
        input_len = 0;
        for (split = 0; split <= 1000; split += 1000) {
                say(cd_str_of(text, 60 * 1000)); /* records of the largest size */
                assert_int_equal(input_len, 60 * 1000);
                assert_memory_equal(input, text, input_len);
                input_len = 0;
        }
}

static void a_slow_client_gets_all(void **state)
{
        static char text[200 * 1000];

        (void)state;
        accept_stream(1000, true);
        tls_client_begin(&client, NULL);
        go();
        assert_true(client.is_open);
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)('a' + i % 23);
        answer(cd_str_of(text, sizeof(text)));
        assert_int_equal(client.len, sizeof(text));
        assert_memory_equal(client.received, text, sizeof(text));
}

/* ---- the end ---- */

static void the_end_of_the_client_is_told_and_its_answer_still_goes_out(void **state)
{
        (void)state;
        connect_client();
        SSL_shutdown(client.ssl);
        go();
        assert_string_equal(events_seen, "oe");
        assert_null(wire.stream->error);
        assert_true(wire.stream->at_eof);
        cd_buf_add(cd_stream_out(wire.stream), CD_STR("last"));
        cd_stream_end(wire.stream, false);
        go();
        assert_str(cd_str_of(client.received, client.len), "last");
        assert_string_equal(events_seen, "oeE");
        assert_false(wire.is_reset);
}

static void an_end_is_said_before_the_close(void **state)
{
        (void)state;
        connect_client();
        cd_stream_end(wire.stream, false);
        go();
        assert_true(client.has_ended);
        assert_false(client.has_failed);
        connect_client();
        cd_stream_shut(wire.stream);
        go();
        assert_true(client.has_ended);
        assert_true(wire.is_shut);
        assert_false(wire.is_closed);
        say(CD_STR("more"));
        assert_str(cd_str_of(input, input_len), "more");
}

static void a_close_with_output_left_does_not_say_that_it_is_the_end(void **state)
{
        (void)state;
        connect_client();
        cd_buf_add(cd_stream_out(wire.stream), CD_STR("dropped"));
        cd_stream_close(wire.stream);
        go();
        assert_false(client.has_ended);
        expect_received("");
}

static void what_is_no_tls_fails_and_says_so(void **state)
{
        (void)state;
        connect_client();
        assert_true(cd_loopback_feed(&wire, CD_STR("\x17\x03\x03\x00\x20"
                                                   "0123456789abcdef0123456789abcdef")));
        assert_string_equal(events_seen, "oe");
        assert_non_null(wire.stream->error);
        cd_stream_end(wire.stream, true);
        go();
        assert_true(client.has_failed); /* by the alert */
        assert_true(wire.is_shut);
        assert_false(wire.is_closed); /* what the client sends meanwhile is read, or the alert would be overtaken */
        assert_true(cd_loopback_feed(&wire, CD_STR("more")));
        now += 5000;
        turn();
        assert_true(wire.is_closed);
        assert_string_equal(events_seen, "oeE");
}

static void letters_are_bytes_of_a_plain_stream(void **state)
{
        (void)state;
        static const char first[] = "AZazGP";
        for (size_t i = 0; i + 1 < sizeof(first); i++) {
                accept_stream(1000, false);
                assert_true(cd_loopback_feed(&wire, cd_str_of(first + i, 1)));
                assert_null(wire.stream->tls);
                assert_true(cd_loopback_feed(&wire, CD_STR("\x16")));
                assert_string_equal(events_seen, "b");
                assert_int_equal(input_len, 2);
                disconnect();
        }
        static const char others[] = "@[`{0\x16\x80";
        for (size_t i = 0; i + 1 < sizeof(others); i++) {
                accept_stream(1000, false);
                cd_loopback_feed(&wire, cd_str_of(others + i, 1));
                assert_non_null(wire.stream->tls);
                disconnect();
        }
        connect_client();
        assert_true(cd_loopback_feed(&wire, CD_STR("GET / HTTP/1.1\r\n"))); /* it has spoken TLS */
        assert_string_equal(events_seen, "oe");
}

static void nothing_is_written_before_and_after_it_is_open(void **state)
{
        struct cd_tls_conn *conn = cd_tls_conn_new(tls, false);
        struct cd_buf cipher;

        (void)state;
        cd_buf_init(&cipher, NULL, 1000);
        assert_false(cd_tls_conn_write(conn, CD_STR("early"), &cipher));
        cd_tls_conn_end(conn, &cipher);
        assert_int_equal(cipher.len, 0);
        cd_tls_conn_free(conn);
        cd_tls_conn_free(NULL);
        connect_client();
        assert_true(cd_tls_conn_write(wire.stream->tls, CD_STR(""), &cipher));
        assert_int_equal(cipher.len, 0);
        cd_tls_conn_end(wire.stream->tls, &cipher);
        size_t len = cipher.len;
        assert_true(len > 0);
        cd_tls_conn_end(wire.stream->tls, &cipher);
        assert_false(cd_tls_conn_write(wire.stream->tls, CD_STR("late"), &cipher));
        assert_int_equal(cipher.len, len);
        cd_buf_done(&cipher);
        say(CD_STR("more")); /* only our side has ended */
        assert_str(cd_str_of(input, input_len), "more");
}

static void output_that_has_no_room_fails(void **state)
{
        struct cd_buf cipher;

        (void)state;
        connect_client();
        cd_buf_init(&cipher, NULL, 10);
        assert_false(cd_tls_conn_write(wire.stream->tls, CD_STR("more than ten bytes"), &cipher));
        assert_non_null(cd_tls_conn_error(wire.stream->tls));
        cd_buf_done(&cipher);
}

static void a_large_buffer_is_not_kept(void **state)
{
        static char text[1100 * 1000];

        (void)state;
        accept_stream(2 * 1024 * 1024, true);
        tls_client_begin(&client, NULL);
        go();
        size_t ceiling = loop.cipher.ceiling;
        cd_buf_add(cd_stream_out(wire.stream), cd_str_of(text, 1000));
        turn();
        assert_true(loop.cipher.cap > 0);
        cd_buf_add(cd_stream_out(wire.stream), cd_str_of(text, sizeof(text)));
        turn();
        assert_int_equal(loop.cipher.cap, 0);
        assert_int_equal(loop.cipher.ceiling, ceiling);
        assert_true(wire.sent.len > sizeof(text));
}

/* ---- protocols ---- */

static void offer(const char *protocols)
{
        assert_int_equal(
                SSL_CTX_set_alpn_protos(client.context, (const unsigned char *)protocols, (unsigned)strlen(protocols)),
                0);
}

static void alpn_chooses_a_protocol_that_both_speak(void **state)
{
        static const struct {
                const char *offered;
                bool http2, chooses_http2;
        } cases[] = {
                { "\x02h2\x08http/1.1", true, true },
                { "\x08http/1.1\x02h2", true, true },
                { "\x02h2\x08http/1.1", false, false },
                { "\x08http/1.1", true, false },
                { "\x02h2", true, true },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                offer(cases[i].offered);
                accept_stream(1024 * 1024, cases[i].http2);
                tls_client_begin(&client, NULL);
                go();
                assert_true(client.is_open);
                assert_int_equal(cd_tls_conn_is_http2(wire.stream->tls), cases[i].chooses_http2);
        }
        offer("\x02h2");
        accept_stream(1024 * 1024, false);
        tls_client_begin(&client, NULL);
        go();
        assert_true(client.has_failed);
        offer("\x04smtp");
        connect_client();
        assert_true(client.has_failed);
        assert_string_equal(events_seen, "e");
}

/* ---- certificates of clients ---- */

static void a_certificate_that_nobody_asks_for_does_not_count(void **state)
{
        (void)state;
        tls_client_use(&client, &client_pair);
        connect_client();
        assert_true(client.is_open);
        assert_str(cd_tls_conn_subject(wire.stream->tls), "");
}

static void a_certificate_may_be_shown_or_must_be(void **state)
{
        (void)state;
        start_server(CD_TLS_CLIENT_REQUEST);
        connect_client();
        assert_string_equal(events_seen, "o");
        assert_str(cd_tls_conn_subject(wire.stream->tls), "");
        start_server(CD_TLS_CLIENT_REQUIRE);
        connect_client();
        assert_string_equal(events_seen, "e");
        assert_non_null(strstr(wire.stream->error, "peer did not return a certificate"));
        tls_client_use(&client, &client_pair);
        connect_client();
        assert_string_equal(events_seen, "o");
        assert_str(cd_tls_conn_subject(wire.stream->tls), "CN=alice\\, with \\\"quotes\\\"");
        start_server(CD_TLS_CLIENT_REQUEST);
        connect_client();
        assert_str(cd_tls_conn_subject(wire.stream->tls), "CN=alice\\, with \\\"quotes\\\"");
}

static void a_certificate_of_somebody_else_is_refused(void **state)
{
        (void)state;
        start_server(CD_TLS_CLIENT_REQUEST);
        tls_client_use(&client, &other_pair);
        connect_client();
        assert_string_equal(events_seen, "e");
        assert_non_null(strstr(wire.stream->error, "certificate verify failed: self-signed certificate"));
}

/* Makes a server that believes it, and shows it. */
static void show(const char *subject, long seconds)
{
        struct pem_pair pair = pem_make(subject, seconds);
        struct cd_tls_options options = options_of(CD_TLS_CLIENT_REQUIRE);

        options.client_ca = pair.certificate;
        assert_status(cd_tls_renew(tls, &options, NULL), CD_OK);
        tls_client_use(&client, &pair);
        connect_client();
        pem_free(&pair);
}

static void a_subject_has_at_most_1024_characters(void **state)
{
        char subject[2000 + 1];

        (void)state;
        /* 15 names of 64 with "CN=" before each and "+" or "," between: 15 * 67 + 14 = 1019, and a short one */
        memset(subject, 'x', sizeof(subject));
        subject[15 * 64 + 1] = '\0';
        show(subject, 3600);
        assert_string_equal(events_seen, "o");
        assert_int_equal(cd_tls_conn_subject(wire.stream->tls).len, 1024);
        subject[15 * 64 + 1] = 'x';
        subject[15 * 64 + 2] = '\0';
        show(subject, 3600);
        assert_string_equal(events_seen, "e");
        assert_string_equal(wire.stream->error, "the subject of the client's certificate is too long");
        show("", 3600);
        assert_string_equal(events_seen, "e");
        assert_string_equal(wire.stream->error, "the client's certificate has no subject");
}

static void a_certificate_that_has_expired_is_refused(void **state)
{
        (void)state;
        show("alice", -10);
        assert_string_equal(events_seen, "e");
        assert_non_null(strstr(wire.stream->error, "certificate has expired"));
        show("alice", 3600);
        assert_string_equal(events_seen, "o");
}

/* ---- sessions ---- */

static SSL_SESSION *session_of_client(void)
{
        SSL_SESSION *session = SSL_get1_session(client.ssl);

        assert_non_null(session);
        return session;
}

static void sessions_are_resumed_while_the_same_clients_are_believed(void **state)
{
        (void)state;
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
                start_server(CD_TLS_CLIENT_REQUEST);
                SSL_CTX_set_max_proto_version(client.context, version);
                tls_client_use(&client, &client_pair);
                connect_client();
                assert_false(SSL_session_reused(client.ssl));
                SSL_SESSION *session = session_of_client();
                connect_with(session);
                assert_true(SSL_session_reused(client.ssl));
                assert_str(cd_tls_conn_subject(wire.stream->tls), "CN=alice\\, with \\\"quotes\\\"");
                struct cd_tls_options options = options_of(CD_TLS_CLIENT_REQUEST);
                assert_status(cd_tls_renew(tls, &options, NULL), CD_OK);
                connect_with(session);
                assert_true(SSL_session_reused(client.ssl));
                options.client_certificate = CD_TLS_CLIENT_REQUIRE;
                assert_status(cd_tls_renew(tls, &options, NULL), CD_OK);
                connect_with(session);
                assert_false(SSL_session_reused(client.ssl));
                options.client_certificate = CD_TLS_CLIENT_REQUEST;
                options.client_ca = other_pair.certificate;
                assert_status(cd_tls_renew(tls, &options, NULL), CD_OK);
                connect_with(session);
                assert_false(SSL_session_reused(client.ssl));
                SSL_SESSION_free(session);
        }
}

static void open_connections_outlive_a_renewal(void **state)
{
        struct cd_tls_options options = options_of(CD_TLS_CLIENT_NONE);
        struct cd_error err = { 0 };

        (void)state;
        connect_client();
        options.certificate = other_pair.certificate;
        assert_status(cd_tls_renew(tls, &options, &err), CD_INVALID_REQUEST); /* its key is another's */
        options.key = other_pair.key;
        assert_status(cd_tls_renew(tls, &options, &err), CD_OK);
        say(CD_STR("still here"));
        assert_str(cd_str_of(input, input_len), "still here");
        connect_client();
        X509 *shown = SSL_get1_peer_certificate(client.ssl);
        char name[64];
        X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof(name));
        assert_string_equal(name, "mallory");
        X509_free(shown);
}

/* ---- what is refused before anybody connects ---- */

static void expect_refused(const struct cd_tls_options *options, const char *field, const char *reason)
{
        struct cd_tls_validity validity;
        struct cd_error err = { 0 };

        assert_status(cd_tls_check(options, &validity, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, field);
        if (strncmp(err.reason, reason, strlen(reason)) != 0)
                fail_msg("\"%s\" does not begin with \"%s\"", err.reason, reason);
}

static void validity_is_that_of_the_first_certificate(void **state)
{
        struct cd_tls_options options = options_of(CD_TLS_CLIENT_NONE);
        struct pem_pair pair = pem_make("over", -100);
        struct cd_tls_validity validity;

        (void)state;
        assert_status(cd_tls_check(&options, &validity, NULL), CD_OK);
        assert_int_equal(validity.not_after - validity.not_before, 7200);
        options.certificate = pair.certificate;
        options.key = pair.key;
        assert_status(cd_tls_check(&options, &validity, NULL), CD_OK); /* no error here */
        assert_int_equal(validity.not_after - validity.not_before, 3500);
        pem_free(&pair);
}

/* `count` times the same text. */
static cd_str repeat(cd_str text, size_t count, char *to, size_t size)
{
        size_t len = 0;

        for (size_t i = 0; i < count; i++, len += text.len) {
                assert_true(len + text.len <= size);
                memcpy(to + len, text.ptr, text.len);
        }
        return cd_str_of(to, len);
}

#define BROKEN "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

static void a_chain_has_1_to_17_whole_certificates(void **state)
{
        static char text[512 * 1024];
        struct cd_tls_options options = options_of(CD_TLS_CLIENT_NONE);
        struct cd_tls_validity validity;
        cd_str one = server_pair.certificate;

        (void)state;
        options.certificate = repeat(one, 16, text, sizeof(text));
        assert_status(cd_tls_check(&options, &validity, NULL), CD_OK);
        options.certificate = repeat(one, 17, text, sizeof(text));
        expect_refused(&options, "certificate", "contains too many certificates");
        options.certificate = CD_STR("");
        expect_refused(&options, "certificate", "contains no certificate");
        options.certificate = CD_STR("nothing of the kind");
        expect_refused(&options, "certificate", "contains no certificate");
        options.certificate = CD_STR(BROKEN);
        expect_refused(&options, "certificate", "contains no certificate");
        memcpy(text, one.ptr, one.len);
        memcpy(text + one.len, BROKEN, sizeof(BROKEN) - 1);
        options.certificate = cd_str_of(text, one.len + sizeof(BROKEN) - 1);
        expect_refused(&options, "certificate", "contains a malformed certificate");
        /* 256 KB are read, one byte more is not. */
        memset(text, '\n', sizeof(text));
        memcpy(text, one.ptr, one.len);
        options.certificate = cd_str_of(text, 256 * 1024);
        assert_status(cd_tls_check(&options, &validity, NULL), CD_OK);
        options.certificate.len++;
        expect_refused(&options, "certificate", "contains no certificate");
}

static void a_key_is_that_of_the_certificate_and_open(void **state)
{
        struct cd_tls_options options = options_of(CD_TLS_CLIENT_NONE);
        BIO *bio = BIO_new_mem_buf(server_pair.key.ptr, (int)server_pair.key.len), *out = BIO_new(BIO_s_mem());
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

        (void)state;
        assert_int_equal(
                PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL),
                1);
        EVP_PKEY_free(key);
        BIO_free(bio);
        cd_str encrypted = pem_of(out);
        options.key = other_pair.key;
        expect_refused(&options, "key", "is not the key of the certificate");
        options.key = server_pair.certificate;
        expect_refused(&options, "key", "contains no private key in PEM");
        options.key = encrypted;
        expect_refused(&options, "key", "is encrypted; decrypt it, because a service cannot ask for the password");
        free((char *)encrypted.ptr);
}

static void the_authority_of_clients_is_one_or_more_whole_certificates(void **state)
{
        static char text[64 * 1024];
        struct cd_tls_options options = options_of(CD_TLS_CLIENT_REQUEST);
        struct cd_tls_validity validity;
        cd_str one = client_pair.certificate;

        (void)state;
        options.client_ca = repeat(one, 2, text, sizeof(text));
        assert_status(cd_tls_check(&options, &validity, NULL), CD_OK);
        options.client_ca = CD_STR("");
        expect_refused(&options, "client_ca", "contains no certificate");
        memcpy(text + one.len, BROKEN, sizeof(BROKEN) - 1);
        options.client_ca = cd_str_of(text, one.len + sizeof(BROKEN) - 1);
        expect_refused(&options, "client_ca", "contains a malformed certificate");
        options.client_certificate = CD_TLS_CLIENT_NONE;
        assert_status(cd_tls_check(&options, &validity, NULL), CD_OK); /* nobody looks at it */
        options = options_of(CD_TLS_CLIENT_NONE);
        options.key = CD_STR("");
        struct cd_tls *none = NULL;
        assert_status(cd_tls_new(&options, &none, NULL), CD_INVALID_REQUEST);
        assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(bytes_go_both_ways),
                TEST(the_certificate_covers_its_names_only),
                TEST(older_versions_are_refused),
                TEST(a_request_may_come_with_the_end_of_the_handshake),
                TEST(many_records_come_at_once),
                TEST(a_slow_client_gets_all),
                TEST(the_end_of_the_client_is_told_and_its_answer_still_goes_out),
                TEST(an_end_is_said_before_the_close),
                TEST(a_close_with_output_left_does_not_say_that_it_is_the_end),
                TEST(what_is_no_tls_fails_and_says_so),
                TEST(letters_are_bytes_of_a_plain_stream),
                TEST(nothing_is_written_before_and_after_it_is_open),
                TEST(output_that_has_no_room_fails),
                TEST(a_large_buffer_is_not_kept),
                TEST(alpn_chooses_a_protocol_that_both_speak),
                TEST(a_certificate_that_nobody_asks_for_does_not_count),
                TEST(a_certificate_may_be_shown_or_must_be),
                TEST(a_certificate_of_somebody_else_is_refused),
                TEST(a_subject_has_at_most_1024_characters),
                TEST(a_certificate_that_has_expired_is_refused),
                TEST(sessions_are_resumed_while_the_same_clients_are_believed),
                TEST(open_connections_outlive_a_renewal),
                TEST(validity_is_that_of_the_first_certificate),
                TEST(a_chain_has_1_to_17_whole_certificates),
                TEST(a_key_is_that_of_the_certificate_and_open),
                TEST(the_authority_of_clients_is_one_or_more_whole_certificates),
        };
        return cmocka_run_group_tests_name("net/tls", tests, make_pairs, free_pairs);
}
