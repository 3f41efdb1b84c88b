#include "support/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/address.h"

static struct cd_address address_of(const char *text)
{
        struct cd_address address;

        if (!cd_address_parse(cd_str_from_c(text), &address))
                fail_msg("%s is no address", text);
        return address;
}

static void addresses_come_back_in_their_usual_form(void **state)
{
        static const char *const cases[][2] = {
                { "127.0.0.1", "127.0.0.1" },
                { "::1", "::1" },
                { "2001:DB8:0::1", "2001:db8::1" },
                { "::ffff:1.2.3.4", "1.2.3.4" }, /* what a dual-stack socket calls an IPv4 peer */
        };
        char text[CD_ADDRESS_TEXT_MAX];

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_address address = address_of(cases[i][0]);
                assert_str(cd_str_of(text, cd_address_format(&address, text)), cases[i][1]);
        }
}

static void ipv4_addresses_have_no_leading_zeros(void **state)
{
        char text[CD_ADDRESS_TEXT_MAX], expected[CD_ADDRESS_TEXT_MAX];

        (void)state;
        for (unsigned byte = 0; byte <= 255; byte++) {
                snprintf(expected, sizeof(expected), "%u.%u.0.%u", byte, 255 - byte, byte);
                struct cd_address address = address_of(expected);
                assert_str(cd_str_of(text, cd_address_format(&address, text)), expected);
        }
}

static void what_is_no_address_is_refused(void **state)
{
        static const cd_str cases[] = {
                CD_STR_INIT(""),
                CD_STR_INIT("1.2.3"),
                CD_STR_INIT("1.2.3.4.5"),
                CD_STR_INIT("1.2.3.04"),
                CD_STR_INIT("256.1.1.1"),
                CD_STR_INIT("[::1]"),
                CD_STR_INIT("::1%lo"),
                CD_STR_INIT("1.2.3.4:80"),
                CD_STR_INIT("localhost"),
                CD_STR_INIT("1.2.3.4\0"),
                CD_STR_INIT(" 1.2.3.4"),
                CD_STR_INIT(":::"),
                CD_STR_INIT("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"),
        };
        struct cd_address address;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++)
                if (cd_address_parse(cases[i], &address))
                        fail_msg("case %zu was taken", i);
}

static void addresses_come_out_of_sockets(void **state)
{
        struct cd_address expected = address_of("192.0.2.7"), address;
        struct sockaddr_in ipv4 = { .sin_family = AF_INET };
        struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };
        struct sockaddr local = { .sa_family = AF_UNIX };

        (void)state;
        assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &ipv4.sin_addr), 1);
        assert_true(cd_address_from_socket((struct sockaddr *)&ipv4, &address));
        assert_memory_equal(&address, &expected, sizeof(address));
        assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &ipv6.sin6_addr), 1);
        expected = address_of("2001:db8::7");
        assert_true(cd_address_from_socket((struct sockaddr *)&ipv6, &address));
        assert_memory_equal(&address, &expected, sizeof(address));
        assert_false(cd_address_from_socket(&local, &address));
}

static bool has(const char *network_text, const char *address_text)
{
        struct cd_address address = address_of(address_text);
        struct cd_network network;
        struct cd_error err;

        if (cd_network_parse(cd_str_from_c(network_text), &network, &err) != CD_OK)
                fail_msg("%s: %s", network_text, err.reason);
        return cd_network_has(&network, &address);
}

static void lesson_3_a_network_has_its_own_addresses_and_no_others(void **state)
{
        (void)state;
        assert_true(has("10.0.0.0/8", "10.255.0.1"));
        assert_false(has("10.0.0.0/8", "11.0.0.0"));
        assert_true(has("10.1.128.0/17", "10.1.255.255"));
        assert_false(has("10.1.128.0/17", "10.1.127.255"));
        assert_true(has("127.0.0.1", "127.0.0.1"));
        assert_false(has("127.0.0.1", "127.0.0.2"));
        assert_true(has("127.0.0.1/32", "127.0.0.1"));
        assert_false(has("127.0.0.1/32", "127.0.0.0"));
        assert_true(has("::1/128", "::1"));
        assert_false(has("::1/128", "::"));
        assert_true(has("0.0.0.0/0", "203.0.113.9"));
        assert_false(has("0.0.0.0/0", "2001:db8::1"));
        assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
        assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
        assert_true(has("::1", "::1"));
        assert_false(has("::1", "0.0.0.1"));
        assert_true(has("::/0", "2001:db8::1"));
        assert_true(has("::ffff:10.0.0.0/104", "10.9.9.9"));
}

static void networks_come_back_in_cidr_notation(void **state)
{
        static const char *const cases[] = {
                "203.0.113.0/24", "192.0.2.1/32", "0.0.0.0/0", "2001:db8:0:1::/64", "2001:db8::1/128", "::/0",
        };
        char text[CD_NETWORK_TEXT_MAX];
        struct cd_network network;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_int_equal(cd_network_parse(cd_str_from_c(cases[i]), &network, NULL), CD_OK);
                assert_str(cd_str_of(text, cd_network_format(&network, text)), cases[i]);
        }
        assert_int_equal(cd_network_parse(CD_STR("::ffff:203.0.113.0/120"), &network, NULL), CD_OK);
        assert_str(cd_str_of(text, cd_network_format(&network, text)), "203.0.113.0/24");
        memset(network.base.bytes, 0xff, sizeof(network.base.bytes));
        network.bits = 128;
        assert_str(cd_str_of(text, cd_network_format(&network, text)), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void a_bad_network_is_refused_by_name(void **state)
{
        static const struct {
                const char *text, *reason;
        } cases[] = {
                { "", "\"\" is not an address or a network in CIDR notation" },
                { "proxy", "\"proxy\" is not an address or a network in CIDR notation" },
                { "10.0.0.0/", "\"10.0.0.0/\" has an invalid prefix length" },
                { "10.0.0.0/33", "\"10.0.0.0/33\" has an invalid prefix length" },
                { "10.0.0.0/08", "\"10.0.0.0/08\" has an invalid prefix length" },
                { "::/129", "\"::/129\" has an invalid prefix length" },
                { "10.0.0.0/8/8", "\"10.0.0.0/8/8\" has an invalid prefix length" },
                { "10.0.0.1/8", "\"10.0.0.1/8\" has bits set after its prefix" },
                { "2001:db8::1/64", "\"2001:db8::1/64\" has bits set after its prefix" },
        };
        struct cd_network network;
        struct cd_error err;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_status(cd_network_parse(cd_str_from_c(cases[i].text), &network, &err), CD_INVALID_REQUEST);
                assert_string_equal(err.reason, cases[i].reason);
                assert_string_equal(err.field, "");
        }
}

static void lesson_34_a_forwarded_address_is_read_in_every_form(void **state)
{
        static const char *const cases[][2] = {
                { "192.0.2.1", "192.0.2.1" },
                { "192.0.2.1:0", "192.0.2.1" },
                { "192.0.2.1:65535", "192.0.2.1" },
                { "192.0.2.1:00080", "192.0.2.1" },
                { "2001:db8::1", "2001:db8::1" },
                { "[2001:db8::1]", "2001:db8::1" },
                { "[2001:db8::1]:4711", "2001:db8::1" },
                { "\"[2001:db8::1]:4711\"", "2001:db8::1" },
                { "\"[2001:DB8::1]\"", "2001:db8::1" },
                { "\"192.0.2.1:4711\"", "192.0.2.1" },
                { "\"192.0.2.1\"", "192.0.2.1" },
                { "::ffff:192.0.2.1", "192.0.2.1" },
                { "[::ffff:192.0.2.1]:80", "192.0.2.1" },
                { "::FFFF:c000:201", "192.0.2.1" },
                { "fe80::1%eth0", "fe80::1" },
                { "[fe80::1%eth0.100]:80", "fe80::1" },
                { "[fe80::1%25br-lan_1~]", "fe80::1" },
                { "fe80::1%abcdefghijklmnopqrstuvwxyz012345", "fe80::1" }, /* 32 */
                { " \t192.0.2.1 \t", "192.0.2.1" },
                { "::", "::" },
                { "0000:0000:0000:0000:0000:ffff:192.168.100.228", "192.168.100.228" }, /* the longest */
                { "2001:db8::1:4711", "2001:db8::1:4711" },
        };
        char text[CD_ADDRESS_TEXT_MAX];
        struct cd_address address;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                if (!cd_address_parse_node(cd_str_from_c(cases[i][0]), &address))
                        fail_msg("%s was rejected", cases[i][0]);
                assert_str(cd_str_of(text, cd_address_format(&address, text)), cases[i][1]);
        }
}

static void lesson_34_what_is_no_forwarded_address_is_rejected(void **state)
{
        static const cd_str cases[] = {
                CD_STR_INIT(""),
                CD_STR_INIT(" "),
                CD_STR_INIT("\""),
                CD_STR_INIT("\"\""),
                CD_STR_INIT("unknown"),
                CD_STR_INIT("_hidden"),
                CD_STR_INIT("\"_hidden\""),
                CD_STR_INIT("localhost"),
                CD_STR_INIT("192.0.2.1:65536"),
                CD_STR_INIT("192.0.2.1:000080"),
                CD_STR_INIT("192.0.2.1:99999"),
                CD_STR_INIT("192.0.2.1:"),
                CD_STR_INIT("192.0.2.1:_http"),
                CD_STR_INIT("192.0.2.1:+80"),
                CD_STR_INIT("192.0.2.1:8 0"),
                CD_STR_INIT("192.0.2.1:80:80"),
                CD_STR_INIT("192.0.2.1%eth0"),
                CD_STR_INIT("192.0.2.01"),
                CD_STR_INIT("192.0.2.1\0"),
                CD_STR_INIT("192.0.2.1/32"),
                CD_STR_INIT("192.0.2.1, 192.0.2.2"),
                CD_STR_INIT("[192.0.2.1]"),
                CD_STR_INIT("[192.0.2.1]:80"),
                CD_STR_INIT("["),
                CD_STR_INIT("]"),
                CD_STR_INIT("[]"),
                CD_STR_INIT("[]:80"),
                CD_STR_INIT("[2001:db8::1"),
                CD_STR_INIT("2001:db8::1]"),
                CD_STR_INIT("[2001:db8::1]4711"),
                CD_STR_INIT("[2001:db8::1]:"),
                CD_STR_INIT("[2001:db8::1]:65536"),
                CD_STR_INIT("[2001:db8::1]:4711]"),
                CD_STR_INIT("[[2001:db8::1]]"),
                CD_STR_INIT("\"192.0.2.1"),
                CD_STR_INIT("192.0.2.1\""),
                CD_STR_INIT("\"\"192.0.2.1\"\""),
                CD_STR_INIT("\"192.0.2.1\\\""),
                CD_STR_INIT("\" 192.0.2.1\""),
                CD_STR_INIT("'192.0.2.1'"),
                CD_STR_INIT("fe80::1%"),
                CD_STR_INIT("%eth0"),
                CD_STR_INIT("fe80::1%eth 0"),
                CD_STR_INIT("fe80::1%eth0]"),
                CD_STR_INIT("fe80::1%eth0/1"),
                CD_STR_INIT("fe80::1%eth0\0"),
                CD_STR_INIT("fe80::1%abcdefghijklmnopqrstuvwxyz0123456"), /* 33 */
                CD_STR_INIT("00000:0000:0000:0000:0000:ffff:192.168.100.228"),
                CD_STR_INIT("1:2:3:4:5:6:7:8:80"),
                CD_STR_INIT(":80"),
                CD_STR_INIT(":"),
        };
        struct cd_address address;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++)
                if (cd_address_parse_node(cases[i], &address))
                        fail_msg("case %zu, %.*s, was accepted", i, CD_STR_ARG(cases[i]));
}

static void an_address_of_this_machine_is_known(void **state)
{
        static const struct {
                const char *text;
                bool is_loopback;
        } cases[] = {
                { "127.0.0.1", true },
                { "127.0.0.0", true },
                { "127.255.255.255", true },
                { "::1", true },
                { "128.0.0.0", false },
                { "126.255.255.255", false },
                { "::", false },
                { "::2", false },
                { "10.0.0.1", false },
                { "::ffff:127.0.0.1", true },
                { "0.0.0.0", false },
                { "::127.0.0.1", false },
        };
        struct cd_address address;

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                assert_true(cd_address_parse(cd_str_from_c(cases[i].text), &address));
                if (cd_address_is_loopback(&address) != cases[i].is_loopback)
                        fail_msg("%s", cases[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_come_back_in_their_usual_form),
                cmocka_unit_test(ipv4_addresses_have_no_leading_zeros),
                cmocka_unit_test(what_is_no_address_is_refused),
                cmocka_unit_test(addresses_come_out_of_sockets),
                cmocka_unit_test(lesson_3_a_network_has_its_own_addresses_and_no_others),
                cmocka_unit_test(networks_come_back_in_cidr_notation),
                cmocka_unit_test(a_bad_network_is_refused_by_name),
                cmocka_unit_test(lesson_34_a_forwarded_address_is_read_in_every_form),
                cmocka_unit_test(lesson_34_what_is_no_forwarded_address_is_rejected),
                cmocka_unit_test(an_address_of_this_machine_is_known),
        };
        return cmocka_run_group_tests_name("base/address", tests, NULL, NULL);
}
