#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "http/forwarded.h"

enum {
        ARENA = 65536
};

/* Trusted: 10.0.0.0/8 and 2001:db8:1::/48. */
static struct cd_network trusted[2];

static int set_up(void **state)
{
        static struct cd_arena arena;

        cd_arena_init(&arena, ARENA);
        *state = &arena;
        if (cd_network_parse(CD_STR("10.0.0.0/8"), &trusted[0], NULL) != CD_OK)
                return -1;
        return cd_network_parse(CD_STR("2001:db8:1::/48"), &trusted[1], NULL) == CD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
        cd_arena_done(*state);
        return 0;
}

/* Lines like "Name: value", ended by NULL. */
static struct cd_forwarded read_lines(struct cd_arena *arena, const char *const *lines)
{
        struct cd_http_header headers[8];
        struct cd_forwarded forwarded;
        size_t count = 0;

        for (; lines[count]; count++) {
                cd_str line = cd_str_from_c(lines[count]);
                size_t colon = cd_str_index(line, ':');
                assert_true(count < CD_LEN(headers));
                headers[count] = (struct cd_http_header){ cd_str_slice(line, 0, colon),
                                                          cd_str_trim(cd_str_slice(line, colon + 1, line.len)) };
        }
        assert_status(cd_forwarded_read(arena, headers, count, trusted, CD_LEN(trusted), &forwarded), CD_OK);
        assert_false(forwarded.has_address && forwarded.unreadable);
        assert_int_equal(forwarded.has_address, forwarded.address_text.ptr != NULL);
        return forwarded;
}

#define READ(...) read_lines(*state, (const char *const[]){ __VA_ARGS__, NULL })
#define X         "X-Forwarded-For: "
#define F         "Forwarded: "

#define assert_client(expected, ...)                                                                                   \
        do {                                                                                                           \
                struct cd_forwarded got_ = READ(__VA_ARGS__);                                                          \
                assert_true(got_.has_address);                                                                         \
                assert_str(got_.address_text, expected);                                                               \
        } while (0)
#define assert_unreadable(...) assert_true(READ(__VA_ARGS__).unreadable)
#define assert_no_address(...)                                                                                         \
        do {                                                                                                           \
                struct cd_forwarded got_ = READ(__VA_ARGS__);                                                          \
                assert_false(got_.has_address);                                                                        \
                assert_false(got_.unreadable);                                                                         \
        } while (0)

static void nothing_said_is_no_address(void **state)
{
        assert_no_address("Host: a");
        assert_no_address("X-Forwarded-Fo: 192.0.2.1", "X-Forwarded-For2: 192.0.2.1", "X-Real-IP: 192.0.2.1",
                          "X_Forwarded_For: 192.0.2.1", "Forwarded-For: 192.0.2.1");
        assert_no_address(X "");
        assert_no_address(X " , ,, ", X ",");
        assert_no_address(F "");
        assert_no_address(F ",,");
}

static void lesson_3_the_rightmost_address_that_is_not_trusted_is_the_client(void **state)
{
        struct cd_address expected;

        assert_client("192.0.2.1", X "192.0.2.1");
        assert_client("192.0.2.1", "x-forwarded-FOR: 192.0.2.1");
        assert_client("192.0.2.2", X "192.0.2.1, 192.0.2.2");
        assert_client("192.0.2.2", X "192.0.2.1,192.0.2.2,10.0.0.1 , 10.255.255.255");
        assert_client("192.0.2.2", X "192.0.2.1", X "192.0.2.2, 10.0.0.1", "Host: a", X "10.0.0.2");
        assert_client("2001:db8:2::1", X "10.0.0.9, 2001:db8:2::1, 2001:db8:1::1, 10.0.0.1");
        assert_client("2001:db8::1", X "\"[2001:DB8::1]:4711\", [2001:db8:1::1]:80, ::ffff:10.1.1.1");
        assert_client("192.0.2.2", X ",192.0.2.1,, 192.0.2.2, ,\t,", X ",10.0.0.1,", X "");
        assert_client("192.0.2.2", X "unknown, \", <script>, 192.0.2.2");

        assert_true(cd_address_parse(CD_STR("192.0.2.2"), &expected));
        struct cd_forwarded got = READ(X "::ffff:192.0.2.2");
        assert_memory_equal(&got.address, &expected, sizeof(expected));
}

static void where_all_are_trusted_the_leftmost_is_the_client(void **state)
{
        assert_client("10.0.0.3", X "10.0.0.3, 10.0.0.2, 10.0.0.1");
        assert_client("10.0.0.3", X "10.0.0.3", X "10.0.0.2, 10.0.0.1");
        assert_client("10.0.0.3", F "for=10.0.0.3, for=10.0.0.2", F "for=10.0.0.1");
}

static void lesson_34_an_element_that_cannot_be_read_is_never_the_proxy(void **state)
{
        assert_unreadable(X "unknown");
        assert_unreadable(X "192.0.2.1, _hidden");
        assert_unreadable(X "192.0.2.1, unknown, 10.0.0.1");
        assert_unreadable(X "192.0.2.1", X "unknown", X "10.0.0.1");
        assert_unreadable(X "192.0.2.1:65536");
        assert_unreadable(X "192.0.2.1 192.0.2.2");
        assert_unreadable(X "for=192.0.2.1");
        assert_unreadable(X "\"192.0.2.1, 192.0.2.2\"");
        assert_unreadable(F "for=unknown");
        assert_unreadable(F "for=192.0.2.1, for=\"_hidden\"");
        assert_unreadable(F "for=192.0.2.1, for=_hidden, for=10.0.0.1");
}

/* `count` trusted addresses, after the client's. */
static const char *long_list(char to[4096], const char *name, const char *prefix, size_t count)
{
        size_t len = (size_t)sprintf(to, "%s: %s192.0.2.1", name, prefix);

        for (size_t i = 0; i < count; i++)
                len += (size_t)sprintf(to + len, ", %s10.0.0.%zu", prefix, i);
        return to;
}

static void at_most_32_elements_are_walked(void **state)
{
        char text[4096], commas[2048] = X "192.0.2.1,";

        assert_client("192.0.2.1", long_list(text, "X-Forwarded-For", "", 31));
        assert_unreadable(long_list(text, "X-Forwarded-For", "", 32));
        assert_client("192.0.2.1", long_list(text, "X-Forwarded-For", "", 30), X "10.0.0.1");
        assert_unreadable(long_list(text, "X-Forwarded-For", "", 31), X "10.0.0.1");
        assert_client("192.0.2.1", long_list(text, "Forwarded", "for=", 31));
        assert_unreadable(long_list(text, "Forwarded", "for=", 32));
        assert_client("192.0.2.7", long_list(text, "X-Forwarded-For", "", 100), X "192.0.2.7");
        strcat(text, ", 192.0.2.8, 10.0.0.1");
        assert_client("192.0.2.8", text);
        memset(commas + strlen(commas), ',', 1000);
        assert_client("192.0.2.1", commas, X "10.0.0.1");
}

static void forwarded_is_read_in_every_form(void **state)
{
        assert_client("192.0.2.43", F "for=192.0.2.43");
        assert_client("192.0.2.43", "forwarded: FOR=192.0.2.43;Proto=http;by=203.0.113.43");
        assert_client("2001:db8:cafe::17", F "For=\"[2001:db8:cafe::17]:4711\"");
        assert_client("198.51.100.17", F "for=192.0.2.43, for=198.51.100.17");
        assert_client("192.0.2.43", F "for=198.51.100.17, for=192.0.2.43;by=x , for=10.0.0.1;proto=http");
        assert_client("192.0.2.43", F ";; for=192.0.2.43 ;; proto=https ; ");
        assert_client("192.0.2.43", F "secret=\"a,b;for=1.2.3.4\\\",\\\\\";for=192.0.2.43, for=10.0.0.1");
        assert_client("192.0.2.43", F "for=\"192\\.0.2.43\"");
        assert_client("192.0.2.43", F "for=192.0.2.43:4711");
        assert_client("2001:db8::1", F "for=[2001:db8::1]:4711");
        assert_client("fe80::1", F "for=\"[fe80::1%25eth0]\"");
        assert_client("192.0.2.43", F "for=192.0.2.43;ext=1;ext=2");
        assert_client("192.0.2.43", F "for=192.0.2.43;host=\"\"");
        assert_client("192.0.2.43", F "bad element, for=192.0.2.43");
        assert_client("192.0.2.43", F "for=\"", F "for=192.0.2.43");
}

static void a_malformed_forwarded_element_is_unreadable(void **state)
{
        static const char *const bad[] = {
                F "192.0.2.1",
                F "for",
                F "for=",
                F "for=;proto=http",
                F "for=\"\"",
                F "=192.0.2.1",
                F "for =192.0.2.1",
                F "for= 192.0.2.1",
                F "for=192.0.2.1 proto=http",
                F "for=192.0.2.1;proto",
                F "for=192.0.2.1;proto=",
                F "for=192.0.2.1;for=192.0.2.1",
                F "for=192.0.2.1;For=192.0.2.2",
                F "for=192.0.2.1;proto=http;proto=http",
                F "for=192.0.2.1;host=a;host=a",
                F "for=192.0.2.1;by=a;by=a",
                F "for=\"192.0.2.1\"x",
                F "for=\"192.0.2.1\"\"\"",
                F "for=\"192.0.2.1",
                F "for=\"192.0.2.1\\\"",
                F "for=\"192.0.2.1\\",
                F "for=192.0.2.1\"",
                F "for=192.0.2.1\\",
                F "for=192.0.2.1;ho/st=a",
                F "for=192.0.2.1;host=a/b",
                F "for=192.0.2.1;host=\xc3\xa9",
                F "for=192.0.2.1;host={}",
                F "for=192.0.2.1, for=10.0.0.1;x",
                F "proto=http, for=10.0.0.1",
        };

        for (size_t i = 0; i < CD_LEN(bad); i++)
                if (!READ(bad[i]).unreadable)
                        fail_msg("%s was read", bad[i]);
}

/* What a client writes stands left of what the proxy appends, and can at most make the line unreadable. */
static void lesson_3_a_quote_of_the_clients_hides_nothing_that_a_proxy_appends(void **state)
{
        assert_unreadable(F "for=1.2.3.4;x=\", for=192.0.2.1;proto=http");
        assert_unreadable(F "for=1.2.3.4;x=\", for=\"192.0.2.1\";proto=http");
        assert_unreadable(F "for=1.2.3.4;x=\", for=192.0.2.1;host=\"a\"");
        assert_unreadable(F "for=1.2.3.4;x=\\\", for=192.0.2.1");
        assert_client("192.0.2.1", X "\"1.2.3.4, 192.0.2.1");
}

static void either_all_elements_of_forwarded_name_an_address_or_none_does(void **state)
{
        assert_no_address(F "proto=https");
        assert_no_address(F "proto=https", F "host=a, ;");
        assert_unreadable(F "for=192.0.2.1, proto=https");
        assert_unreadable(F "for=192.0.2.1, ;");
        assert_unreadable(F "for=192.0.2.1", F "proto=https");
        assert_unreadable(F "for=unknown, proto=https");
        assert_unreadable(F "proto=http, for=10.0.0.1");
        assert_unreadable(F "for=192.0.2.1, proto=http, for=10.0.0.1");
        assert_client("192.0.2.1", F "proto=http, for=192.0.2.1");
        assert_client("192.0.2.1", F "proto=https", X "192.0.2.1");
}

static void lesson_45_forwarded_is_read_only_without_the_other_kind(void **state)
{
        assert_client("192.0.2.1", X "192.0.2.1", F "for=192.0.2.2");
        assert_client("192.0.2.1", F "for=192.0.2.2", X "192.0.2.1, 10.0.0.1");
        assert_client("192.0.2.1", X "192.0.2.1", F "for=unknown");
        assert_client("192.0.2.1", X "192.0.2.1", F "for=\"");
        assert_client("10.0.0.1", X "10.0.0.1", F "for=192.0.2.1");
        assert_unreadable(X "unknown", F "for=192.0.2.1");
        assert_client("192.0.2.1", X ",", F "for=192.0.2.1");
}

static void the_last_proto_counts(void **state)
{
        assert_str(READ("X-Forwarded-Proto: https").proto, "https");
        assert_str(READ("X-Forwarded-Proto: HTTP").proto, "http");
        assert_str(READ("X-Forwarded-Proto: https", "x-forwarded-proto: http, HTTPS ").proto, "https");
        assert_str(READ("X-Forwarded-Proto: https,http,, ", "X-Forwarded-Proto: ,").proto, "http");
        assert_null(READ("X-Forwarded-Proto: https, ftp").proto.ptr);
        assert_null(READ("X-Forwarded-Proto: https", "X-Forwarded-Proto: wss").proto.ptr);
        assert_null(READ("X-Forwarded-Proto: \"https\"").proto.ptr);
        assert_null(READ("X-Forwarded-Proto: httpsx").proto.ptr);
        assert_null(READ("X-Forwarded-Proto: ").proto.ptr);
        assert_null(READ("X-Forwarded-Protos: https").proto.ptr);
        assert_null(READ("Host: a").proto.ptr);
        assert_str(READ(F "for=192.0.2.1;proto=https").proto, "https");
        assert_str(READ(F "for=192.0.2.1;proto=\"HTTPS\"").proto, "https");
        assert_str(READ(F "for=192.0.2.1;proto=https, for=10.0.0.1;PROTO=http").proto, "http");
        assert_null(READ(F "for=192.0.2.1;proto=https, for=10.0.0.1").proto.ptr);
        assert_null(READ(F "for=192.0.2.1;proto=ws").proto.ptr);
        assert_null(READ(F "for=192.0.2.1;proto=https;x").proto.ptr);
        assert_str(READ(F "for=_hidden;proto=https").proto, "https");
        assert_str(READ(F "proto=https").proto, "https");
}

static void the_last_host_counts(void **state)
{
        assert_str(READ("X-Forwarded-Host: A.example:8443").host, "A.example:8443");
        assert_str(READ("X-Forwarded-Host: a, b ,, ", "X-Forwarded-Host: ,").host, "b");
        assert_str(READ("X-Forwarded-Host: a", "X-FORWARDED-HOST: b").host, "b");
        assert_null(READ("X-Forwarded-Host: ").host.ptr);
        assert_null(READ("Host: a").host.ptr);
        assert_str(READ(F "for=192.0.2.1;host=a").host, "a");
        assert_str(READ(F "for=192.0.2.1;host=\"a:8443\"").host, "a:8443");
        assert_str(READ(F "for=192.0.2.1;host=a:8443").host, "a:8443");
        assert_str(READ(F "for=192.0.2.1;host=\"\\a\\\\\\\",b\"").host, "a\\\",b");
        assert_str(READ(F "host=a, for=10.0.0.1;host=b").host, "b");
        assert_null(READ(F "host=a, for=10.0.0.1").host.ptr);
        assert_null(READ(F "for=192.0.2.1;host=\"\"").host.ptr);
}

static void lesson_45_proto_and_host_of_both_kinds_are_not_mixed(void **state)
{
        struct cd_forwarded got =
                READ("X-Forwarded-Proto: http", "X-Forwarded-Host: a", F "for=192.0.2.1;proto=https;host=b");

        assert_str(got.proto, "http");
        assert_str(got.host, "a");
        assert_false(got.has_address);
        got = READ(X "192.0.2.1", F "for=192.0.2.1;proto=https;host=b");
        assert_null(got.proto.ptr);
        assert_null(got.host.ptr);
        got = READ("X-Forwarded-Proto: ftp", F "proto=https;host=a");
        assert_null(got.proto.ptr);
        assert_null(got.host.ptr);
        got = READ("X-Forwarded-Host: a", F "proto=https;host=b");
        assert_null(got.proto.ptr);
        assert_str(got.host, "a");
        got = READ(X ",", "X-Forwarded-Proto: ,", "X-Forwarded-Host: ", F "proto=https;host=a");
        assert_str(got.proto, "https");
        assert_str(got.host, "a");
}

static void without_trusted_networks_the_rightmost_is_the_client(void **state)
{
        const struct cd_http_header header = { CD_STR("X-Forwarded-For"), CD_STR("192.0.2.1, 10.0.0.1") };
        struct cd_forwarded got;

        assert_status(cd_forwarded_read(*state, &header, 1, NULL, 0, &got), CD_OK);
        assert_str(got.address_text, "10.0.0.1");
        assert_status(cd_forwarded_read(*state, NULL, 0, NULL, 0, &got), CD_OK);
        assert_false(got.has_address || got.unreadable || got.proto.ptr || got.host.ptr);
}

static void lesson_31_a_full_arena_is_an_error(void **state)
{
        static const struct cd_http_header headers[] = {
                { CD_STR_INIT("X-Forwarded-For"), CD_STR_INIT("192.0.2.1") },
                { CD_STR_INIT("Forwarded"), CD_STR_INIT("for=\"192.0.2.\\1\"") },
        };
        struct cd_arena none;
        struct cd_forwarded got = { .unreadable = true };

        (void)state;
        cd_arena_init(&none, 0);
        for (size_t i = 0; i < CD_LEN(headers); i++) {
                assert_status(cd_forwarded_read(&none, &headers[i], 1, NULL, 0, &got), CD_NO_MEMORY);
                assert_true(got.unreadable);
        }
        /* Without an escape a quoted string is a view. */
        const struct cd_http_header hidden = { CD_STR("Forwarded"), CD_STR("for=\"_hidden\"") };
        assert_status(cd_forwarded_read(&none, &hidden, 1, NULL, 0, &got), CD_OK);
        assert_true(got.unreadable);
        cd_arena_done(&none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nothing_said_is_no_address),
                TEST(lesson_3_the_rightmost_address_that_is_not_trusted_is_the_client),
                TEST(where_all_are_trusted_the_leftmost_is_the_client),
                TEST(lesson_34_an_element_that_cannot_be_read_is_never_the_proxy),
                TEST(at_most_32_elements_are_walked),
                TEST(forwarded_is_read_in_every_form),
                TEST(a_malformed_forwarded_element_is_unreadable),
                TEST(lesson_3_a_quote_of_the_clients_hides_nothing_that_a_proxy_appends),
                TEST(either_all_elements_of_forwarded_name_an_address_or_none_does),
                TEST(lesson_45_forwarded_is_read_only_without_the_other_kind),
                TEST(the_last_proto_counts),
                TEST(the_last_host_counts),
                TEST(lesson_45_proto_and_host_of_both_kinds_are_not_mixed),
                TEST(without_trusted_networks_the_rightmost_is_the_client),
                TEST(lesson_31_a_full_arena_is_an_error),
        };
        return cmocka_run_group_tests_name("http/forwarded", tests, NULL, NULL);
}
