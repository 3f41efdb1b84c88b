#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_TCP4      V2_SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"
#define V2_TCP6                                                                                                        \
        V2_SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"    \
                     "\xff\xff\1\xbb"

/* Of exactly these bytes, in memory that ends where they end; and what lies after them makes no difference. */
static enum cd_proxy_step parse(cd_str bytes, struct cd_proxy_header *ret)
{
        char *copy = malloc(bytes.len ? bytes.len : 1), more[1024];
        struct cd_proxy_header other;

        assert_non_null(copy);
        assert_true(bytes.len < sizeof(more));
        memset(more, 0xff, sizeof(more));
        memcpy(more, bytes.ptr, bytes.len);
        memcpy(copy, bytes.ptr, bytes.len);
        enum cd_proxy_step step = cd_proxy_header_parse(cd_str_of(copy, bytes.len), ret);
        assert_int_equal(cd_proxy_header_parse(cd_str_of(more, bytes.len), &other), step);
        free(copy);
        return step;
}

/* The header is asked for more until it is whole, and ends where it ends. */
static struct cd_proxy_header header_of(cd_str bytes)
{
        struct cd_proxy_header header = { .used = 4711 };
        char more[600];

        for (size_t i = 0; i < bytes.len; i++)
                if (parse(cd_str_slice(bytes, 0, i), &header) != CD_PROXY_MORE || header.used != 4711)
                        fail_msg("%zu bytes of %.*s should not be enough", i, CD_STR_ARG(bytes));
        assert_int_equal(parse(bytes, &header), CD_PROXY_DONE);
        assert_int_equal(header.used, bytes.len);

        assert_true(bytes.len < sizeof(more));
        memset(more, 'G', sizeof(more));
        memcpy(more, bytes.ptr, bytes.len);
        assert_int_equal(parse(cd_str_of(more, sizeof(more)), &header), CD_PROXY_DONE);
        assert_int_equal(header.used, bytes.len);
        return header;
}

static void assert_source(cd_str bytes, const char *address, unsigned port)
{
        struct cd_proxy_header header = header_of(bytes);
        char text[CD_ADDRESS_TEXT_MAX];

        assert_false(header.local);
        assert_str(cd_str_of(text, cd_address_format(&header.address, text)), address);
        assert_int_equal(header.port, port);
}

static void assert_local(cd_str bytes)
{
        struct cd_proxy_header header = header_of(bytes);
        struct cd_address none = { 0 };

        assert_true(header.local);
        assert_memory_equal(&header.address, &none, sizeof(none));
        assert_int_equal(header.port, 0);
}

/* The first `good` bytes begin a header; the next one makes it none. */
static void assert_bad_after(cd_str bytes, size_t good)
{
        struct cd_proxy_header header = { .used = 4711 };

        for (size_t i = 0; i <= good; i++)
                if (parse(cd_str_slice(bytes, 0, i), &header) != CD_PROXY_MORE)
                        fail_msg("%zu bytes of %.*s are a beginning", i, CD_STR_ARG(bytes));
        for (size_t i = good + 1; i <= bytes.len; i++)
                if (parse(cd_str_slice(bytes, 0, i), &header) != CD_PROXY_BAD)
                        fail_msg("%zu bytes of %.*s are no header", i, CD_STR_ARG(bytes));
        assert_true(good < bytes.len);
        assert_int_equal(header.used, 4711);
}

static void version_1_gives_source_and_port(void **state)
{
        (void)state;
        assert_source(CD_STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), "192.0.2.1", 56324);
        assert_source(CD_STR("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255", 65535);
        assert_source(CD_STR("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0", 0);
        assert_source(CD_STR("PROXY TCP6 2001:db8::7 2001:DB8::8 1 2\r\n"), "2001:db8::7", 1);
        assert_source(CD_STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
        assert_source(CD_STR("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "192.0.2.1", 1);
}

static void version_1_unknown_keeps_the_peer(void **state)
{
        char line[CD_PROXY_V1_MAX] = "PROXY UNKNOWN ";

        (void)state;
        assert_local(CD_STR("PROXY UNKNOWN\r\n"));
        assert_local(CD_STR("PROXY UNKNOWN \r\n"));
        assert_local(CD_STR("PROXY UNKNOWN 192.0.2.1 198.51.100.2 56324 443\r\n"));
        assert_local(CD_STR("PROXY UNKNOWN what\0ever \xff\r\n"));
        memset(line + 14, 'x', sizeof(line) - 14);
        memcpy(line + sizeof(line) - 2, "\r\n", 2);
        assert_local(cd_str_of(line, sizeof(line)));
}

static void version_1_ends_within_107_bytes(void **state)
{
        char line[CD_PROXY_V1_MAX + 1] = "PROXY UNKNOWN ";

        (void)state;
        memset(line + 14, 'x', sizeof(line) - 14);
        assert_bad_after(cd_str_of(line, sizeof(line)), CD_PROXY_V1_MAX - 1);
        memcpy(line + sizeof(line) - 2, "\r\n", 2);
        assert_bad_after(cd_str_of(line, sizeof(line)), CD_PROXY_V1_MAX - 1);
        memset(line, '1', sizeof(line));
        memcpy(line, "PROXY TCP4 ", 11);
        assert_bad_after(cd_str_of(line, sizeof(line)), CD_PROXY_V1_MAX - 1);
}

static void version_1_is_refused_at_the_first_byte_that_differs(void **state)
{
        (void)state;
        assert_bad_after(CD_STR("GET / HTTP/1.1\r\n"), 0);
        assert_bad_after(CD_STR("proxy TCP4"), 0);
        assert_bad_after(CD_STR(" PROXY TCP4"), 0);
        assert_bad_after(CD_STR("POST / HTTP/1.1\r\n"), 1);
        assert_bad_after(CD_STR("PRI * HTTP/2.0\r\n"), 2);
        assert_bad_after(CD_STR("PROXY\tTCP4"), 5);
        assert_bad_after(CD_STR("PROXY  TCP4"), 6);
        assert_bad_after(CD_STR("PROXY tcp4"), 6);
        assert_bad_after(CD_STR("PROXY UDP4"), 7);
        assert_bad_after(CD_STR("PROXY TCP5 "), 9);
        assert_bad_after(CD_STR("PROXY TCP\r\n"), 9);
        assert_bad_after(CD_STR("PROXY TCP4\r\n"), 10);
        assert_bad_after(CD_STR("PROXY TCP46"), 10);
        assert_bad_after(CD_STR("PROXY TCP6\n"), 10);
        assert_bad_after(CD_STR("PROXY UNKNOWNS\r\n"), 13);
        assert_bad_after(CD_STR("PROXY UNKNOWN\n"), 13);
        assert_bad_after(CD_STR("PROXY UNKNOWN a\nb\r\n"), 15);
        assert_bad_after(CD_STR("PROXY UNKNOWN\rx"), 14);
        assert_bad_after(CD_STR("PROXY UNKNOWN\r\r\n"), 14);
        assert_bad_after(CD_STR("PROXY TCP4 a"), 11);
        assert_bad_after(CD_STR("PROXY TCP4  "), 11);
        assert_bad_after(CD_STR("PROXY TCP4 \0"), 11);
        assert_bad_after(CD_STR("PROXY TCP4 ::1 ::1 1 2\r\n"), 11);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3 "), 16);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.04 "), 19);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.256 "), 20);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4\r\n"), 18);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3 "), 24);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4  "), 27);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 x"), 27);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 01 "), 29);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 65536 "), 32);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), 28);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"), 34);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"), 29);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), 30);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), 30);
        assert_bad_after(CD_STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rG"), 31);
        assert_bad_after(CD_STR("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), 18);
        assert_bad_after(CD_STR("PROXY TCP6 ::1%lo"), 14);
        assert_bad_after(CD_STR("PROXY TCP6 [::1"), 11);
        assert_bad_after(CD_STR("PROXY TCP6 ::1::1 "), 17);
        assert_bad_after(CD_STR("PROXY TCP6 ::1 1.2.3.4 1 2\r\n"), 22);
}

static void version_2_gives_source_and_port(void **state)
{
        (void)state;
        assert_source(CD_STR(V2_TCP4), "192.0.2.1", 56324);
        assert_source(CD_STR(V2_TCP6), "2001:db8::7", 65535);
        assert_source(CD_STR(V2_SIGNATURE "\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\2\0\1\1\xbb\4\0\4abcd"), "192.0.2.1",
                      1);
}

/* With `rest` zero bytes after the first 16. */
static cd_str v2(char to[CD_PROXY_V2_MAX + 1], const char *command_and_family, size_t rest)
{
        memset(to, 0, CD_PROXY_V2_MAX + 1);
        memcpy(to, V2_SIGNATURE, 12);
        memcpy(to + 12, command_and_family, 2);
        to[14] = (char)(rest >> 8);
        to[15] = (char)rest;
        return cd_str_of(to, 16 + rest);
}

static void version_2_without_an_ip_address_keeps_the_peer(void **state)
{
        char bytes[CD_PROXY_V2_MAX + 1];

        (void)state;
        assert_local(v2(bytes, "\x20\x00", 0));
        assert_local(v2(bytes, "\x20\x11", 12)); /* LOCAL: the address does not count */
        assert_local(v2(bytes, "\x20\x21", 0));
        assert_local(v2(bytes, "\x20\xff", 3));
        assert_local(v2(bytes, "\x21\x00", 0));
        assert_local(v2(bytes, "\x21\x00", 7));
        assert_local(v2(bytes, "\x21\x12", 12)); /* datagrams */
        assert_local(v2(bytes, "\x21\x22", 36));
        assert_local(v2(bytes, "\x21\x31", 216)); /* UNIX */
        assert_local(v2(bytes, "\x21\x32", 217));
        assert_local(v2(bytes, "\x21\x10", 12));
}

static void version_2_has_at_most_536_bytes(void **state)
{
        char bytes[CD_PROXY_V2_MAX + 1];

        (void)state;
        assert_source(v2(bytes, "\x21\x11", CD_PROXY_V2_MAX - 16), "0.0.0.0", 0);
        assert_bad_after(v2(bytes, "\x21\x11", CD_PROXY_V2_MAX - 15), 15);
        assert_bad_after(v2(bytes, "\x20\x00", CD_PROXY_V2_MAX - 15), 15);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x21\x11\x03\0"), 14);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x21\x11\xff\0"), 14);
}

static void version_2_is_refused_at_the_first_byte_that_differs(void **state)
{
        char bytes[CD_PROXY_V2_MAX + 1];

        (void)state;
        assert_bad_after(CD_STR("\n"), 0);
        assert_bad_after(CD_STR("\r\nGET / HTTP/1.1"), 2);
        assert_bad_after(CD_STR("\r\n\r\n\r\n"), 4);
        assert_bad_after(CD_STR("\r\n\r\n\0\r\nQUIT\r"), 11);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x11"), 12);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x22\x11"), 12);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x31\x11"), 12);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x01\x11"), 12);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x21\x13"), 13);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x21\x33"), 13);
        assert_bad_after(CD_STR(V2_SIGNATURE "\x21\x41"), 13);
        assert_bad_after(v2(bytes, "\x21\x11", 11), 15);
        assert_bad_after(v2(bytes, "\x21\x21", 35), 15);
        assert_bad_after(v2(bytes, "\x21\x31", 215), 15);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(version_1_gives_source_and_port),
                cmocka_unit_test(version_1_unknown_keeps_the_peer),
                cmocka_unit_test(version_1_ends_within_107_bytes),
                cmocka_unit_test(version_1_is_refused_at_the_first_byte_that_differs),
                cmocka_unit_test(version_2_gives_source_and_port),
                cmocka_unit_test(version_2_without_an_ip_address_keeps_the_peer),
                cmocka_unit_test(version_2_has_at_most_536_bytes),
                cmocka_unit_test(version_2_is_refused_at_the_first_byte_that_differs),
        };
        return cmocka_run_group_tests_name("net/proxy_header", tests, NULL, NULL);
}
