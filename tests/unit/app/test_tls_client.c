/* The outgoing client against a TLS server of ours: which servers it trusts. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "fetch/fetch.h"
#include "http/server.h"
#include "support/check.h"

struct fixture {
        struct cd_arena arena;
        struct cd_http_server *server;
        pthread_t thread;
        char ca_file[64], other_ca_file[64];
        struct cd_error err;
        struct cd_fetch_response response;
};

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("hello"));
}

static void *run_server(void *arg)
{
        struct cd_error err;

        assert_status(cd_http_server_run(arg, &err), CD_OK);
        return NULL;
}

static void write_file(char *path, cd_str text)
{
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
        close(fd);
}

static void make_pair(struct fixture *f, struct cd_tls_options *ret)
{
        static const cd_str name = CD_STR_INIT("localhost");
        const struct cd_certificate_spec spec = { .names = { &name, 1 },
                                                  .now = cd_clock_system.now(&cd_clock_system),
                                                  .days = 1 };

        struct cd_certificate_set set;

        assert_status(cd_certificate_make(&spec, &f->arena, &set, &f->err), CD_OK);
        *ret = (struct cd_tls_options){ .certificate = set.certificate, .key = set.key, .client_ca = set.ca };
}

static int setup(void **state)
{
        static const struct cd_http_route routes[] = {
                { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/"), .handler = hello }
        };
        static const struct cd_http_routes group = { .items = routes, .count = CD_LEN(routes) };
        static const struct cd_http_table table = { .groups = &group, .count = 1 };
        static const struct cd_http_listen listen = { .address = CD_STR_INIT("127.0.0.1:0") };
        struct fixture *f = calloc(1, sizeof(*f));
        struct cd_tls_options tls = { 0 }, other = { 0 };
        struct cd_http_server_options options = { .listen = &listen,
                                                  .listen_count = 1,
                                                  .threads = 1,
                                                  .limits = cd_http_limits_default,
                                                  .table = &table,
                                                  .tls = &tls };

        cd_arena_init(&f->arena, 1 << 20);
        make_pair(f, &tls);
        make_pair(f, &other);
        snprintf(f->ca_file, sizeof(f->ca_file), "/tmp/cardea-test-XXXXXX");
        snprintf(f->other_ca_file, sizeof(f->other_ca_file), "/tmp/cardea-test-XXXXXX");
        write_file(f->ca_file, tls.client_ca);
        write_file(f->other_ca_file, other.client_ca);
        assert_status(cd_http_server_new(&options, &f->server, &f->err), CD_OK);
        assert_int_equal(pthread_create(&f->thread, NULL, run_server, f->server), 0);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        cd_http_server_stop(f->server);
        pthread_join(f->thread, NULL);
        assert_int_equal(cd_http_server_free(f->server), 0);
        unlink(f->ca_file);
        unlink(f->other_ca_file);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_status get(struct fixture *f, const char *host, const char *ca_file)
{
        const struct cd_fetch_options options = { .connect_timeout_ms = 20000,
                                                  .total_timeout_ms = 20000,
                                                  .response_max = 65536,
                                                  .ca_file = cd_str_from_c(ca_file) };
        struct cd_fetch_request request = { .arena = &f->arena };
        struct cd_fetch *fetch;

        request.url = cd_arena_printf(&f->arena, "https://%s:%u/", host, (unsigned)cd_http_server_port(f->server, 0));
        assert_status(cd_fetch_new(&options, &fetch, &f->err), CD_OK);
        cd_status status = cd_fetch_call(fetch, &request, &f->response, &f->err);
        cd_fetch_free(fetch);
        return status;
}

static void a_server_whose_certificate_was_named_is_trusted(void **state)
{
        struct fixture *f = *state;

        assert_status(get(f, "localhost", f->ca_file), CD_OK);
        assert_int_equal(f->response.status, 200);
        assert_str(f->response.body, "hello");
}

static void a_server_that_no_ca_vouches_for_is_not(void **state)
{
        struct fixture *f = *state;

        assert_status(get(f, "localhost", ""), CD_UNAVAILABLE);
        assert_non_null(strstr(f->err.reason, "certificate"));
        assert_status(get(f, "localhost", f->other_ca_file), CD_UNAVAILABLE);
        assert_non_null(strstr(f->err.reason, "certificate"));
}

static void a_certificate_of_another_name_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_status(get(f, "127.0.0.1", f->ca_file), CD_UNAVAILABLE);
        assert_non_null(strstr(f->err.reason, "certificate"));
}

static void another_certificate_is_taken_over_while_the_server_runs(void **state)
{
        struct fixture *f = *state;
        struct cd_tls_options renewed = { 0 }, broken;
        char ca_file[] = "/tmp/cardea-test-XXXXXX";

        make_pair(f, &renewed);
        broken = renewed;
        write_file(ca_file, renewed.client_ca);
        assert_status(get(f, "localhost", ca_file), CD_UNAVAILABLE);
        broken.key = CD_STR("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
        assert_status(cd_http_server_renew_tls(f->server, &broken, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "key");
        assert_string_equal(f->err.reason, "contains no private key in PEM");
        assert_status(get(f, "localhost", f->ca_file), CD_OK);
        assert_status(cd_http_server_renew_tls(f->server, &renewed, &f->err), CD_OK);
        assert_status(get(f, "localhost", ca_file), CD_OK);
        assert_status(get(f, "localhost", f->ca_file), CD_UNAVAILABLE);
        unlink(ca_file);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_server_whose_certificate_was_named_is_trusted, setup, teardown),
                cmocka_unit_test_setup_teardown(a_server_that_no_ca_vouches_for_is_not, setup, teardown),
                cmocka_unit_test_setup_teardown(a_certificate_of_another_name_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(another_certificate_is_taken_over_while_the_server_runs, setup,
                                                teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
