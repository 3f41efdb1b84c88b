#include "support/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "net/listen_address.h"

static struct cd_listen_address address_of(cd_str text)
{
        struct cd_listen_address address;
        struct cd_error err;

        if (cd_listen_address_parse(text, &address, &err) != CD_OK)
                fail_msg("%s", err.reason);
        return address;
}

/* The reason, in static memory. */
static const char *refusal(cd_str text)
{
        static struct cd_error err;
        struct cd_listen_address address = { .kind = CD_LISTEN_SYSTEMD, .name = CD_STR("untouched") };

        err = (struct cd_error){ 0 };
        if (cd_listen_address_parse(text, &address, &err) != CD_INVALID_REQUEST)
                fail_msg("%.*s was accepted", CD_STR_ARG(text));
        assert_string_equal(err.field, "listen");
        assert_str(address.name, "untouched");
        return err.reason;
}

static void a_tcp_listener_is_an_address_and_a_port(void **state)
{
        struct cd_listen_address address = address_of(CD_STR("127.0.0.1:5001"));
        char text[INET6_ADDRSTRLEN];

        (void)state;
        assert_int_equal(address.kind, CD_LISTEN_TCP);
        assert_int_equal(address.socket.ss_family, AF_INET);
        assert_int_equal(cd_socket_port(&address.socket), 5001);
        assert_int_equal(ntohl(((struct sockaddr_in *)&address.socket)->sin_addr.s_addr), INADDR_LOOPBACK);
        assert_null(address.path.ptr);
        assert_null(address.name.ptr);
        cd_socket_set_port(&address.socket, 65535);
        assert_int_equal(cd_socket_port(&address.socket), 65535);

        address = address_of(CD_STR("[2001:db8::1]:0"));
        assert_int_equal(address.kind, CD_LISTEN_TCP);
        assert_int_equal(address.socket.ss_family, AF_INET6);
        assert_int_equal(cd_socket_port(&address.socket), 0);
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address.socket)->sin6_addr, text, sizeof(text));
        assert_string_equal(text, "2001:db8::1");
        cd_socket_set_port(&address.socket, 443);
        assert_int_equal(cd_socket_port(&address.socket), 443);

        address = address_of(CD_STR("[::ffff:127.0.0.1]:65535"));
        assert_int_equal(address.socket.ss_family, AF_INET6);
        assert_int_equal(cd_socket_port(&address.socket), 65535);
}

static void what_is_no_tcp_listener_is_refused_by_name(void **state)
{
        static const char *const bad[] = {
                "",
                "127.0.0.1",
                ":80",
                "127.0.0.1:",
                "127.0.0.1:65536",
                "::1:80",
                "[::1]",
                "[::1]80",
                "[::1",
                "localhost:80",
                "[127.0.0.1]:80",
                "1.2.3.4:1x",
                "[]:80",
                "*:80",
                "[:80",
                "127.0.0.1:-1",
                "127.0.0.1:080",
                "[::1%lo]:80",
                "UNIX:/a",
                "unix",
                "systemd",
                "SYSTEMD:http",
                " 127.0.0.1:80",
                "127.0.0.1:80 ",
                "2001:db8::1:80",
                "tcp:127.0.0.1:80",
        };
        char expected[160];

        (void)state;
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                snprintf(expected, sizeof(expected),
                         "\"%s\" is not an address and a port like 127.0.0.1:5001 or [::1]:5001", bad[i]);
                assert_string_equal(refusal(cd_str_from_c(bad[i])), expected);
        }
}

static void a_unix_listener_is_an_absolute_path(void **state)
{
        char text[CD_LISTEN_PATH_MAX + 6] = "unix:/";
        struct cd_listen_address address = address_of(CD_STR("unix:/run/cardea/http.sock"));

        (void)state;
        assert_int_equal(address.kind, CD_LISTEN_UNIX);
        assert_str(address.path, "/run/cardea/http.sock");
        assert_null(address.name.ptr);
        assert_int_equal(address.socket.ss_family, AF_UNSPEC);
        assert_str(address_of(CD_STR("unix:/a:b c\xc3\xa9")).path, "/a:b c\xc3\xa9");
        assert_str(address_of(CD_STR("unix:/a")).path, "/a");

        memset(text + 6, 'p', sizeof(text) - 6);
        assert_int_equal(address_of(cd_str_of(text, 5 + CD_LISTEN_PATH_MAX)).path.len, 107);
        assert_non_null(strstr(refusal(cd_str_of(text, sizeof(text))),
                               "ppp\" has more than 107 bytes after unix:, the limit for the path of a socket; "
                               "choose a shorter path"));
}

static void what_no_socket_can_be_called_is_refused(void **state)
{
        (void)state;
        assert_string_equal(refusal(CD_STR("unix:")),
                            "\"unix:\" has no absolute path; write it like unix:/run/cardea/http.sock");
        assert_string_equal(refusal(CD_STR("unix:a/b")),
                            "\"unix:a/b\" has no absolute path; write it like unix:/run/cardea/http.sock");
        assert_string_equal(refusal(CD_STR("unix:@a")),
                            "\"unix:@a\" has no absolute path; write it like unix:/run/cardea/http.sock");
        assert_string_equal(refusal(CD_STR("unix:/")), "\"unix:/\" is a folder; add the name of the socket");
        assert_string_equal(refusal(CD_STR("unix:/run/")), "\"unix:/run/\" is a folder; add the name of the socket");
        assert_non_null(
                strstr(refusal(CD_STR("unix:/a\nb")), "contains a control character; choose a path without one"));
        assert_non_null(strstr(refusal(CD_STR("unix:/a\x7f")), "contains a control character"));
        refusal(CD_STR("unix:/a\0"));
}

static void a_systemd_listener_is_a_name(void **state)
{
        char text[8 + CD_LISTEN_NAME_MAX + 1] = "systemd:";
        struct cd_listen_address address = address_of(CD_STR("systemd:http"));

        (void)state;
        assert_int_equal(address.kind, CD_LISTEN_SYSTEMD);
        assert_str(address.name, "http");
        assert_null(address.path.ptr);
        assert_int_equal(address.socket.ss_family, AF_UNSPEC);
        assert_str(address_of(CD_STR("systemd: ~")).name, " ~"); /* the first and the last that are printable */

        memset(text + 8, 'n', sizeof(text) - 8);
        assert_int_equal(address_of(cd_str_of(text, 8 + CD_LISTEN_NAME_MAX)).name.len, 255);
        assert_non_null(strstr(refusal(cd_str_of(text, sizeof(text))),
                               "nnn\" has more than 255 characters after systemd:, the limit for a "
                               "FileDescriptorName=; choose a shorter name"));
}

static void what_no_file_descriptor_can_be_called_is_refused(void **state)
{
        static const cd_str bad[] = {
                CD_STR_INIT("systemd:a:b"),   CD_STR_INIT("systemd::"),   CD_STR_INIT("systemd:a\x1f"),
                CD_STR_INIT("systemd:a\x7f"), CD_STR_INIT("systemd:a\0"), CD_STR_INIT("systemd:\xc3\xa9"),
        };

        (void)state;
        assert_string_equal(
                refusal(CD_STR("systemd:")),
                "\"systemd:\" has no name; write the FileDescriptorName= of the socket unit after systemd:");
        assert_string_equal(refusal(bad[0]),
                            "\"systemd:a:b\" contains a character that is not allowed in FileDescriptorName=; "
                            "use printable ASCII characters without \":\"");
        for (size_t i = 1; i < CD_LEN(bad); i++)
                refusal(bad[i]);
}

static void the_fix_is_named_however_long_the_text_is(void **state)
{
        char text[4096];

        (void)state;
        memset(text, 'x', sizeof(text));
        assert_non_null(strstr(refusal(cd_str_of(text, sizeof(text))), "x\" is not an address and a port like"));
        assert_true(strlen(refusal(cd_str_of(text, sizeof(text)))) < 300);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_tcp_listener_is_an_address_and_a_port),
                cmocka_unit_test(what_is_no_tcp_listener_is_refused_by_name),
                cmocka_unit_test(a_unix_listener_is_an_absolute_path),
                cmocka_unit_test(what_no_socket_can_be_called_is_refused),
                cmocka_unit_test(a_systemd_listener_is_a_name),
                cmocka_unit_test(what_no_file_descriptor_can_be_called_is_refused),
                cmocka_unit_test(the_fix_is_named_however_long_the_text_is),
        };
        return cmocka_run_group_tests_name("net/listen_address", tests, NULL, NULL);
}
