#include "support/check.h"
#include "support/tls_client.h"

#include <unistd.h>

#include "net/loopback.h"
#include "net/tls_client.h"

/* Two streams over buffers, of which one is an outgoing connection and the other one a listener's. */

static struct pem_pair ca, other_ca, server_pair, client_pair;
static struct cd_tls *tls;
static struct cd_tls_client *client;
static struct cd_loop loop;
static struct cd_loopback ours, theirs;       /* the outgoing connection, and the server's */
static char our_events[16], their_events[16]; /* o, b, e (the end or a failure), E */
static struct cd_buf our_input, their_input;
static char server_name[256]; /* as SNI; empty: none */
static SSL *server_ssl;
static int version;          /* the server's highest */
static long seconds;         /* for which certificates are made */
static bool time_has_passed; /* certificates are over */

int __real_X509_cmp_current_time(const ASN1_TIME *time);
int __wrap_X509_cmp_current_time(const ASN1_TIME *time);

int __wrap_X509_cmp_current_time(const ASN1_TIME *time)
{
        return time_has_passed ? -1 : __real_X509_cmp_current_time(time);
}

static void note(const struct cd_stream *stream, char event)
{
        char *events = stream == ours.stream ? our_events : their_events;
        size_t len = strlen(events);

        if (len > 0 && events[len - 1] == event)
                return;
        assert_true(len < sizeof(our_events) - 1);
        events[len] = event;
        events[len + 1] = '\0';
}

static void on_opened(struct cd_stream *stream)
{
        note(stream, 'o');
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        note(stream, len ? 'b' : 'e');
        if (len)
                cd_buf_add(stream == ours.stream ? &our_input : &their_input, cd_str_of(data, len));
}

static void on_other(struct cd_stream *stream)
{
        (void)stream;
}

static const struct cd_stream_events events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_other,
        .expired = on_other,
        .stopping = on_other,
        .ended = on_other,
};

/* ---- certificates ---- */

static X509 *read_certificate(cd_str pem)
{
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        BIO_free(bio);
        assert_non_null(x509);
        return x509;
}

static EVP_PKEY *read_key(cd_str pem)
{
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

        BIO_free(bio);
        assert_non_null(key);
        return key;
}

/* A certificate with one extension, signed by `issuer`; NULL: by itself. */
static struct pem_pair make_pair(const char *subject, int extension, const char *value, const struct pem_pair *issuer)
{
        struct pem_pair self = pem_make(subject, seconds), pair = { .key = self.key };
        X509 *x509 = read_certificate(self.certificate);
        X509 *authority = read_certificate(issuer ? issuer->certificate : self.certificate);
        EVP_PKEY *key = read_key(issuer ? issuer->key : self.key);
        X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, NULL, extension, value);
        BIO *bio = BIO_new(BIO_s_mem());

        assert_int_equal(X509_add_ext(x509, made, -1), 1);
        X509_set_issuer_name(x509, X509_get_subject_name(authority));
        assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
        assert_int_equal(PEM_write_bio_X509(bio, x509), 1);
        pair.certificate = pem_of(bio);
        X509_EXTENSION_free(made);
        X509_free(authority);
        X509_free(x509);
        EVP_PKEY_free(key);
        free((char *)self.certificate.ptr);
        return pair;
}

/* `names`: "DNS:a.example,IP:192.0.2.1" */
static struct pem_pair make_server(const char *names, const struct pem_pair *issuer)
{
        return make_pair("server.example", NID_subject_alt_name, names, issuer);
}

static struct pem_pair make_ca(const char *subject)
{
        return make_pair(subject, NID_basic_constraints, "critical,CA:TRUE", NULL);
}

/* ---- both sides ---- */

static void turn(void)
{
        cd_loop_turn(&loop);
        cd_loop_turn(&loop);
}

static void disconnect(void)
{
        struct cd_loopback *sides[] = { &ours, &theirs };

        for (size_t i = 0; i < 2; i++) {
                if (sides[i]->stream)
                        cd_stream_close(sides[i]->stream);
                turn();
                assert_null(sides[i]->stream);
                cd_loopback_done(sides[i]);
                *sides[i] = (struct cd_loopback){ 0 };
        }
}

static bool move(struct cd_loopback *from, struct cd_loopback *to)
{
        char some[16 * 1024];
        size_t len = cd_loopback_take(from, some, sizeof(some));

        if (len > 0)
                cd_loopback_feed(to, cd_str_of(some, len));
        turn();
        return len > 0;
}

static void go(void)
{
        turn();
        while (move(&ours, &theirs) || move(&theirs, &ours))
                ;
}

static int note_server_name(SSL *ssl, int *alert, void *arg)
{
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

        (void)alert, (void)arg;
        server_ssl = ssl;
        snprintf(server_name, sizeof(server_name), "%s", name ? name : "");
        return SSL_TLSEXT_ERR_OK;
}

static void serve(const struct pem_pair *pair, enum cd_tls_client_certificate asked)
{
        const struct cd_tls_options options = {
                .certificate = pair->certificate,
                .key = pair->key,
                .client_ca = asked == CD_TLS_CLIENT_NONE ? (cd_str){ NULL, 0 } : client_pair.certificate,
                .client_certificate = asked,
        };
        SSL_CTX *context;

        disconnect();
        if (!tls)
                assert_status(cd_tls_new(&options, &tls, NULL), CD_OK);
        assert_status(cd_tls_prepare(tls, &options, &context, NULL), CD_OK);
        SSL_CTX_set_max_proto_version(context, version);
        SSL_CTX_set_tlsext_servername_callback(context, note_server_name);
        cd_tls_use(tls, context);
}

static void use_client(const struct cd_tls_client_options *options)
{
        disconnect();
        cd_tls_client_free(client);
        client = NULL;
        assert_status(cd_tls_client_new(options, &client, NULL), CD_OK);
}

static void use_name(const char *name)
{
        const struct cd_tls_client_options options = { .server_name = cd_str_from_c(name), .ca = ca.certificate };

        use_client(&options);
}

static void begin(struct cd_loopback *side, struct cd_tls_conn *conn)
{
        assert_non_null(conn);
        assert_true(cd_loopback_init(side, &loop, 1024 * 1024));
        side->stream->events = &events;
        cd_stream_read(side->stream, true);
        cd_stream_start_tls(side->stream, conn);
}

static void connect_client(void)
{
        disconnect();
        our_events[0] = their_events[0] = '\0';
        our_input.len = their_input.len = 0;
        strcpy(server_name, "?");
        begin(&theirs, cd_tls_conn_new(tls, true));
        begin(&ours, cd_tls_client_conn_new(client));
        go();
}

static void say(struct cd_loopback *side, const char *text)
{
        cd_buf_add(cd_stream_out(side->stream), cd_str_from_c(text));
        go();
}

static void expect_exchange(void)
{
        assert_string_equal(our_events, "o");
        assert_string_equal(their_events, "o");
        say(&ours, "request");
        assert_str(cd_str_of(their_input.ptr, their_input.len), "request");
        say(&theirs, "response");
        assert_str(cd_str_of(our_input.ptr, our_input.len), "response");
}

static void expect_failure(const char *error)
{
        connect_client();
        assert_string_equal(our_events, "e");
        assert_string_equal(ours.stream->error, error);
        assert_string_equal(their_events, "e"); /* by the alert */
        assert_non_null(theirs.stream->error);
}

static bool is_resumed(void)
{
        connect_client();
        assert_string_equal(our_events, "o");
        say(&theirs, "a ticket comes with this");
        return SSL_session_reused(server_ssl);
}

static int make_pairs(void **state)
{
        (void)state;
        seconds = 3600;
        ca = make_ca("CA");
        other_ca = make_ca("other CA");
        client_pair = pem_make("gate", 3600);
        server_pair = make_server("DNS:app.example,DNS:*.wild.example,IP:192.0.2.1,IP:2001:db8::1", &ca);
        return 0;
}

static int free_pairs(void **state)
{
        (void)state;
        pem_free(&ca);
        pem_free(&other_ca);
        pem_free(&client_pair);
        pem_free(&server_pair);
        return 0;
}

static int set_up(void **state)
{
        (void)state;
        version = TLS1_3_VERSION;
        seconds = 3600;
        time_has_passed = false;
        cd_buf_init(&our_input, NULL, 1024 * 1024);
        cd_buf_init(&their_input, NULL, 1024 * 1024);
        if (cd_loop_init(&loop, NULL, NULL, NULL) != CD_OK)
                return -1;
        serve(&server_pair, CD_TLS_CLIENT_NONE);
        use_name("app.example");
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        disconnect();
        cd_tls_client_free(client);
        cd_tls_free(tls);
        client = NULL;
        tls = NULL;
        cd_loop_done(&loop);
        cd_buf_done(&our_input);
        cd_buf_done(&their_input);
        return 0;
}

/* ---- bytes ---- */

static void bytes_go_both_ways(void **state)
{
        (void)state;
        connect_client();
        expect_exchange();
        assert_string_equal(server_name, "app.example");
        assert_false(cd_tls_conn_is_http2(ours.stream->tls)); /* although the server offers it */
        cd_stream_end(theirs.stream, false);
        go();
        assert_string_equal(our_events, "obe");
        assert_null(ours.stream->error);
}

static void a_server_that_does_not_speak_tls_is_never_read_as_plain_text(void **state)
{
        (void)state;
        connect_client();
        disconnect();
        our_events[0] = '\0';
        begin(&ours, cd_tls_client_conn_new(client));
        assert_true(cd_loopback_feed(&ours, CD_STR("HTTP/1.1 400 Bad Request\r\n\r\n")));
        assert_string_equal(our_events, "e");
        assert_string_equal(ours.stream->error, "wrong version number");
        assert_int_equal(our_input.len, 0);
}

static void a_name_has_no_dot_at_its_end_on_the_wire(void **state)
{
        (void)state;
        use_name("app.example.");
        connect_client();
        expect_exchange();
        assert_string_equal(server_name, "app.example");
}

/* ---- verification ---- */

static void a_name_is_one_of_the_certificate(void **state)
{
        (void)state;
        use_name("APP.example");
        connect_client();
        expect_exchange();
        use_name("one.wild.example");
        connect_client();
        expect_exchange();
        static const char *const wrong[] = { "other.example", "wild.example", "one.two.wild.example",
                                             /* the subject, which is not an alternative name */
                                             "server.example" };
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                use_name(wrong[i]);
                expect_failure("certificate verify failed: hostname mismatch");
        }
}

static void a_subject_is_no_name(void **state)
{
        struct pem_pair pair = make_server("email:server.example@example.com", &ca);

        (void)state;
        serve(&pair, CD_TLS_CLIENT_NONE);
        use_name("server.example");
        expect_failure("certificate verify failed: hostname mismatch");
        pem_free(&pair);
}

static void an_address_is_one_of_the_certificate_and_not_sent_as_a_name(void **state)
{
        (void)state;
        static const char *const right[] = { "192.0.2.1", "2001:db8::1", "2001:DB8:0::1" };
        for (size_t i = 0; i < CD_LEN(right); i++) {
                use_name(right[i]);
                connect_client();
                expect_exchange();
                assert_string_equal(server_name, "");
        }
        static const char *const wrong[] = { "192.0.2.2", "2001:db8::2", "::c000:201" };
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                use_name(wrong[i]);
                expect_failure("certificate verify failed: IP address mismatch");
        }
}

static void a_certificate_of_another_ca_is_rejected(void **state)
{
        const struct cd_tls_client_options other = { CD_STR("app.example"), .ca = other_ca.certificate };

        (void)state;
        use_client(&other);
        expect_failure("certificate verify failed: unable to get local issuer certificate");
        struct pem_pair pair = make_server("DNS:app.example", NULL);
        serve(&pair, CD_TLS_CLIENT_NONE);
        use_name("app.example");
        expect_failure("certificate verify failed: self-signed certificate");
        const struct cd_tls_client_options own = { CD_STR("app.example"), .ca = pair.certificate };
        use_client(&own);
        connect_client();
        expect_exchange();
        pem_free(&pair);
}

static void an_issued_certificate_may_be_trusted_alone(void **state)
{
        const struct cd_tls_client_options own = { CD_STR("app.example"), .ca = server_pair.certificate };

        (void)state;
        use_client(&own);
        connect_client();
        expect_exchange();
}

static void a_certificate_that_has_expired_is_rejected(void **state)
{
        (void)state;
        seconds = -10;
        struct pem_pair pair = make_server("DNS:app.example", &ca);
        serve(&pair, CD_TLS_CLIENT_NONE);
        expect_failure("certificate verify failed: certificate has expired");
        pem_free(&pair);
}

static void without_a_ca_those_of_the_system_are_trusted(void **state)
{
        const struct cd_tls_client_options options = { .server_name = CD_STR("app.example") };
        char path[] = "/tmp/cardea-test-XXXXXX";
        int fd = mkstemp(path);

        (void)state;
        assert_true(fd >= 0 && write(fd, ca.certificate.ptr, ca.certificate.len) == (ssize_t)ca.certificate.len);
        close(fd);
        setenv("SSL_CERT_FILE", "/nonexistent", 1);
        use_client(&options);
        expect_failure("certificate verify failed: unable to get local issuer certificate");
        setenv("SSL_CERT_FILE", path, 1);
        use_client(&options);
        connect_client();
        expect_exchange();
        unsetenv("SSL_CERT_FILE");
        unlink(path);
}

static void those_of_the_system_are_read_once_for_many_clients(void **state)
{
        struct cd_tls_authorities authorities = { 0 };
        const struct cd_tls_client_options options = { .server_name = CD_STR("app.example"),
                                                       .authorities = &authorities };
        char path[] = "/tmp/cardea-test-XXXXXX";
        int fd = mkstemp(path);

        (void)state;
        assert_true(fd >= 0 && write(fd, ca.certificate.ptr, ca.certificate.len) == (ssize_t)ca.certificate.len);
        close(fd);
        setenv("SSL_CERT_FILE", path, 1);
        use_client(&options);
        setenv("SSL_CERT_FILE", "/nonexistent", 1);
        unlink(path);
        use_client(&options);
        cd_tls_authorities_done(&authorities);
        connect_client();
        expect_exchange();
        use_client(&options);
        expect_failure("certificate verify failed: unable to get local issuer certificate");
        cd_tls_authorities_done(&authorities);
        unsetenv("SSL_CERT_FILE");
}

/* ---- client certificates ---- */

static void a_server_may_require_a_certificate(void **state)
{
        const struct cd_tls_client_options options = { .server_name = CD_STR("app.example"),
                                                       .ca = ca.certificate,
                                                       .certificate = client_pair.certificate,
                                                       .key = client_pair.key };

        (void)state;
        serve(&server_pair, CD_TLS_CLIENT_REQUIRE);
        connect_client();
        assert_string_equal(our_events, "oe"); /* in TLS 1.3, the server says so after the handshake */
        assert_string_equal(ours.stream->error, "tlsv13 alert certificate required");
        assert_string_equal(their_events, "e");
        use_client(&options);
        connect_client();
        expect_exchange();
        assert_str(cd_tls_conn_subject(theirs.stream->tls), "CN=gate");
        assert_str(cd_tls_conn_subject(ours.stream->tls), "");
}

/* ---- sessions ---- */

static void sessions_are_resumed(void **state)
{
        (void)state;
        for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
                serve(&server_pair, CD_TLS_CLIENT_NONE);
                use_name("app.example"); /* a client of its own */
                assert_false(is_resumed());
                assert_int_equal(SSL_version(server_ssl), version);
                assert_true(is_resumed());
                cd_stream_reset(ours.stream); /* without an end */
                go();
                assert_true(is_resumed());
                assert_true(cd_loopback_feed(&ours, CD_STR("\x17\x03\x03\x00\x20"
                                                           "0123456789abcdef0123456789abcdef")));
                assert_non_null(ours.stream->error);
                assert_true(is_resumed());
        }
}

static void a_session_ends_with_the_certificate_of_the_server(void **state)
{
        (void)state;
        assert_false(is_resumed());
        assert_true(is_resumed());
        time_has_passed = true;
        assert_false(is_resumed());
        time_has_passed = false;
        assert_true(is_resumed());
}

/* ---- options ---- */

static void expect_rejected(struct cd_tls_client_options options, const char *field, const char *reason)
{
        struct cd_tls_client *none = NULL;
        struct cd_error err = { 0 };

        if (!options.server_name.ptr)
                options.server_name = CD_STR("app.example");
        assert_status(cd_tls_client_new(&options, &none, &err), CD_INVALID_REQUEST);
        assert_null(none);
        assert_string_equal(err.field, field);
        if (strncmp(err.reason, reason, strlen(reason)) != 0)
                fail_msg("\"%s\" does not begin with \"%s\"", err.reason, reason);
}

static void a_name_is_a_dns_name_or_an_address(void **state)
{
        static const char reason[] = "is neither a DNS name nor an IP address";
        char name[254];

        (void)state;
        memset(name, 'a', sizeof(name));
        struct cd_tls_client_options options = { .server_name = cd_str_of(name, 253) };
        use_client(&options);
        options.server_name.len = 254;
        expect_rejected(options, "server_name", reason);
        static const cd_str wrong[] = { CD_STR_INIT(""),      CD_STR_INIT("a b"),   CD_STR_INIT("a\0b"),
                                        CD_STR_INIT("[::1]"), CD_STR_INIT("a:443"), CD_STR_INIT("\xc3\xa4.example") };
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                options.server_name = wrong[i];
                expect_rejected(options, "server_name", reason);
        }
        options.server_name = CD_STR("my_app-1.Example9");
        use_client(&options);
}

static void certificates_and_keys_are_whole(void **state)
{
        const struct pem_pair *c = &client_pair;

        (void)state;
        expect_rejected((struct cd_tls_client_options){ .ca = CD_STR("x") }, "ca", "contains no certificate");
        expect_rejected((struct cd_tls_client_options){ .key = c->key }, "certificate", "contains no certificate");
        expect_rejected((struct cd_tls_client_options){ .certificate = c->certificate }, "key",
                        "contains no private key in PEM");
        expect_rejected((struct cd_tls_client_options){ .certificate = c->certificate, .key = ca.key }, "key",
                        "is not the key of the certificate of \"CN=gate\"");
        cd_tls_client_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(bytes_go_both_ways),
                TEST(a_server_that_does_not_speak_tls_is_never_read_as_plain_text),
                TEST(a_name_has_no_dot_at_its_end_on_the_wire),
                TEST(a_name_is_one_of_the_certificate),
                TEST(a_subject_is_no_name),
                TEST(an_address_is_one_of_the_certificate_and_not_sent_as_a_name),
                TEST(a_certificate_of_another_ca_is_rejected),
                TEST(an_issued_certificate_may_be_trusted_alone),
                TEST(a_certificate_that_has_expired_is_rejected),
                TEST(without_a_ca_those_of_the_system_are_trusted),
                TEST(those_of_the_system_are_read_once_for_many_clients),
                TEST(a_server_may_require_a_certificate),
                TEST(sessions_are_resumed),
                TEST(a_session_ends_with_the_certificate_of_the_server),
                TEST(a_name_is_a_dns_name_or_an_address),
                TEST(certificates_and_keys_are_whole),
        };
        return cmocka_run_group_tests_name("net/tls_client", tests, make_pairs, free_pairs);
}
