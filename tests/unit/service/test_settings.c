#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "service/service.h"

/* A service as an example would write it. */
struct settings {
        struct cd_service_settings service;
};

static const struct cd_field fields[] = {
        CD_SERVICE_FIELDS(struct settings, service, "127.0.0.1:5009"),
};
static const struct cd_table table = { "settings", fields, CD_LEN(fields), sizeof(struct settings), true };

struct fixture {
        struct cd_arena arena;
        struct cd_report report;
        struct settings settings;
};

static int make(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, CD_SERVICE_ARENA);
        *state = f;
        return 0;
}

static int unmake(void **state)
{
        struct fixture *f = *state;

        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_status decode(struct fixture *f, const char *text, struct cd_error *reterr)
{
        cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
        return cd_settings_decode(&f->report, cd_str_from_c(text), &table, &f->settings, reterr);
}

static const struct settings *accepts(struct fixture *f, const char *text)
{
        struct cd_error err;

        if (decode(f, text, &err) != CD_OK)
                fail_msg("%s", err.reason);
        return &f->settings;
}

/* `reason` follows the file's name. */
static void refuses(struct fixture *f, const char *text, const char *reason)
{
        struct cd_error err = { 0 };

        assert_int_equal(decode(f, text, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason + strlen("f.yaml"), reason);
}

#define ASSERT_STR(have, want)                                                                                         \
        do {                                                                                                           \
                cd_str have_ = (have);                                                                                 \
                assert_int_equal(have_.len, strlen(want));                                                             \
                assert_memory_equal(have_.ptr, want, strlen(want));                                                    \
        } while (0)

static const struct cd_http_listen *listener(const struct cd_service_settings *settings, size_t index)
{
        assert_true(index < settings->listen.count);
        return (const struct cd_http_listen *)settings->listen.items + index;
}

static void an_empty_file_is_all_defaults(void **state)
{
        const struct settings *s = accepts(*state, "");

        assert_int_equal(s->service.listen.count, 1);
        ASSERT_STR(listener(&s->service, 0)->address, "127.0.0.1:5009");
        assert_int_equal(s->service.threads, 0);
        assert_int_equal(s->service.log.level, CD_LOG_INFO);
        assert_int_equal(s->service.shutdown_grace, 10000);
        assert_int_equal(s->service.drain_delay, 0);
}

static void common_settings_are_bound(void **state)
{
        const struct settings *s = accepts(*state, "threads: 2\n"
                                                   "shutdown_grace: 250ms\n"
                                                   "drain_delay: 5s\n"
                                                   "log: { level: warn }\n"
                                                   "limits: { body: 1MB, idle_timeout: 2m }\n"
                                                   "trusted_proxies: [10.0.0.0/8, '::1']\n");

        assert_int_equal(s->service.threads, 2);
        assert_int_equal(s->service.shutdown_grace, 250);
        assert_int_equal(s->service.drain_delay, 5000);
        assert_int_equal(s->service.log.level, CD_LOG_WARN);
        assert_int_equal(s->service.limits.body, 1048576);
        assert_int_equal(s->service.limits.idle_timeout_ms, 120000);
        assert_int_equal(s->service.trusted_proxies.count, 2);
}

static void wrong_values_name_the_setting(void **state)
{
        refuses(*state, "threads: 257\n", ":1:10: threads: must be 0 to 256");
        refuses(*state, "log: { level: loud }\n", ":1:15: log.level: must be one of debug, info, warn, error, off");
        refuses(*state, "trusted_proxies: [proxy]\n",
                ":1:19: trusted_proxies[0]: must be an address, a network without bits after its prefix, or unix:, "
                "such as 10.0.0.1, 10.0.0.0/8 or unix:");
        refuses(*state, "trusted_proxies: [10.0.0.1/8]\n",
                ":1:19: trusted_proxies[0]: must be an address, a network without bits after its prefix, or unix:, "
                "such as 10.0.0.1, 10.0.0.0/8 or unix:");
}

static void the_defaults_of_the_limits_are_those_of_the_server(void **state)
{
        const struct cd_http_limits *l = &accepts(*state, "")->service.limits;

        assert_int_equal(l->request_line, 8192);
        assert_int_equal(l->headers, 16384);
        assert_int_equal(l->header_count, 100);
        assert_int_equal(l->body, 65536);
        assert_int_equal(l->header_timeout_ms, 10000);
        assert_int_equal(l->body_timeout_ms, 10000);
        assert_int_equal(l->idle_timeout_ms, 75000);
        assert_int_equal(l->write_timeout_ms, 30000);
        assert_int_equal(l->connections, 20000);
        assert_int_equal(l->output, 262144);
        assert_int_equal(l->queue, 1024);
}

static void listen_addresses_and_networks_are_checked(void **state)
{
        static const char *const good[] = { "127.0.0.1:0", "0.0.0.0:65535", "[::1]:5001", "[::]:80" };
        static const char *const bad[] = { "",       "127.0.0.1",    "5001",         ":5001",     "localhost:5001",
                                           "::1:80", "[::1]",        "127.0.0.1:",   "1.2.3:80",  "127.0.0.1:65536",
                                           "[]:80",  "[1.2.3.4]:80", "127.0.0.1:-1", "[::1]x:80", "127.0.0.1:080" };
        static const char *const bad_networks[] = { "",  "10.0.0.1/",    "10.0.0.1/33", "::1/129",
                                                    "a", "10.0.0.1/8/8", "unix",        "unix:/run/x" };
        static const char *const good_networks[] = { "10.0.0.0/8", "fd00::/64", "unix:" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++) {
                assert_null(cd_service_check_address(cd_str_from_c(good[i])));
                assert_null(cd_service_check_listen(cd_str_from_c(good[i])));
        }
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                assert_non_null(cd_service_check_address(cd_str_from_c(bad[i])));
                assert_non_null(cd_service_check_listen(cd_str_from_c(bad[i])));
        }
        for (size_t i = 0; i < CD_LEN(bad_networks); i++)
                assert_non_null(cd_service_check_proxy(cd_str_from_c(bad_networks[i])));
        for (size_t i = 0; i < CD_LEN(good_networks); i++)
                assert_null(cd_service_check_proxy(cd_str_from_c(good_networks[i])));
}

static void unix_sockets_and_sockets_of_systemd_have_their_own_forms(void **state)
{
        static const char *const good[] = { "unix:/run/c.sock", "unix:/a b", "systemd:web", "systemd:a-b.c/d",
                                            "systemd:a b" };
        static const char *const bad[] = { "unix:",    "unix:c.sock", "unix:/",      "unix:/run/",       "unix",
                                           "systemd:", "systemd",     "systemd:a:b", "systemd:\xc3\xa4", "tcp:/run/x" };
        char longest[5 + 109];

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++) {
                assert_null(cd_service_check_listen(cd_str_from_c(good[i])));
                assert_non_null(cd_service_check_address(cd_str_from_c(good[i])));
        }
        for (size_t i = 0; i < CD_LEN(bad); i++)
                assert_non_null(cd_service_check_listen(cd_str_from_c(bad[i])));
        memset(longest, 'x', sizeof(longest));
        memcpy(longest, "unix:/", 6);
        assert_null(cd_service_check_listen(cd_str_of(longest, 5 + 107)));
        assert_string_equal(cd_service_check_listen(cd_str_of(longest, 5 + 108)),
                            "must be unix: and an absolute path of at most 107 bytes, such as "
                            "unix:/run/cardea/cardea.sock");
}

static void an_item_of_listen_is_a_text_or_has_settings_of_its_own(void **state)
{
        const struct cd_service_settings *s =
                &accepts(*state, "listen:\n"
                                 "  - 127.0.0.1:80\n"
                                 "  - { address: '[::]:443', http2: false, proxy_protocol: true, ipv6_only: true }\n"
                                 "  - { address: unix:/run/c.sock, mode: 0660, group: root, http2: true }\n"
                                 "  - systemd:web\n")
                         ->service;

        assert_int_equal(s->listen.count, 4);
        ASSERT_STR(listener(s, 0)->address, "127.0.0.1:80");
        assert_int_equal(listener(s, 0)->http2, CD_TRISTATE_UNSET);
        assert_false(listener(s, 0)->proxy_protocol);
        assert_false(listener(s, 0)->ipv6_only);
        assert_int_equal(listener(s, 1)->http2, CD_TRISTATE_FALSE);
        assert_true(listener(s, 1)->proxy_protocol);
        assert_true(listener(s, 1)->ipv6_only);
        assert_int_equal(listener(s, 2)->http2, CD_TRISTATE_TRUE);
        ASSERT_STR(listener(s, 2)->mode, "0660");
        ASSERT_STR(listener(s, 2)->group, "root");
        ASSERT_STR(listener(s, 3)->address, "systemd:web");
}

static void http2_follows_tls_where_it_is_not_given(void **state)
{
        static const char text[] = "listen: [127.0.0.1:1, { address: 127.0.0.1:2, http2: true },"
                                   " { address: 127.0.0.1:3, http2: false }]\n";
        static const int plain[] = { CD_TRISTATE_FALSE, CD_TRISTATE_TRUE, CD_TRISTATE_FALSE };
        static const int encrypted[] = { CD_TRISTATE_TRUE, CD_TRISTATE_TRUE, CD_TRISTATE_FALSE };
        struct fixture *f = *state;

        accepts(f, text);
        cd_service_complete(&f->settings.service);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(listener(&f->settings.service, i)->http2, plain[i]);
        accepts(f, text);
        f->settings.service.tls.certificate = CD_STR("cert.pem");
        cd_service_complete(&f->settings.service);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(listener(&f->settings.service, i)->http2, encrypted[i]);
}

static void wrong_settings_of_a_listener_are_refused(void **state)
{
        static const char mode[] = "must be an octal number of three digits, such as 0660";
        static const char *const bad_modes[] = { "66", "0668", "1777", "06600", "0o660", "rw" };
        struct fixture *f = *state;
        char text[128], want[160];

        for (size_t i = 0; i < CD_LEN(bad_modes); i++) {
                snprintf(text, sizeof(text), "listen: [{ address: unix:/c, mode: %s }]\n", bad_modes[i]);
                snprintf(want, sizeof(want), ":1:36: listen[0].mode: %s", mode);
                refuses(f, text, want);
        }
        refuses(f, "listen: [{ address: unix:/c, group: no-such-group }]\n",
                ":1:37: listen[0].group: \"no-such-group\" is not a group of this machine; correct the name, or create "
                "the group");
        refuses(f, "listen: [{ address: 80 }]\n",
                ":1:21: listen[0].address: \"80\" is a port without an address: must be ADDRESS:PORT, such as "
                "127.0.0.1:5001 for this machine only, 0.0.0.0:5001 or [::]:5001 for all of its addresses");
        refuses(f, "listen: [{ adress: '127.0.0.1:80' }]\n",
                ":1:12: unknown setting \"listen[0].adress\"; did you mean \"listen[0].address\"?");
        refuses(f, "listen: [{ http2: true }]\n",
                ":1:10: listen[0].address: is missing; add it: ADDRESS:PORT, unix:/PATH for a Unix socket, or "
                "systemd:NAME for a socket that systemd passes");
        refuses(f, "listen: [{ address: '127.0.0.1:80', http2: auto }]\n",
                ":1:44: listen[0].http2: must be true or false");
}

static void what_a_listener_combines_is_checked(void **state)
{
        static const char *const want[] = {
                "listen[1].mode: is only for a Unix socket, which 127.0.0.1:80 is not; leave it out, or set address to "
                "unix:/PATH",
                "listen[1].ipv6_only: is only for an IPv6 address, which 127.0.0.1:80 is not; leave it out, or set "
                "address to [::]:PORT",
                "listen[2].group: is only for a Unix socket, which systemd:web is not; leave it out, or set address to "
                "unix:/PATH",
                "listen[4].address: 127.0.0.1:80 is also listen[1]; remove one of them",
                "listen[6].proxy_protocol: closes every connection, since trusted_proxies lists no address; add the "
                "proxy's address to trusted_proxies",
        };
        static const unsigned lines[] = { 3, 3, 4, 6, 8 };
        struct fixture *f = *state;
        size_t i = 0;

        accepts(f, "listen:\n"
                   "  - { address: unix:/c, mode: 600, group: root }\n"
                   "  - { address: '127.0.0.1:80', mode: 600, ipv6_only: true }\n"
                   "  - { address: systemd:web, group: root }\n"
                   "  - { address: '[::]:80', ipv6_only: true, mode: '' }\n"
                   "  - 127.0.0.1:80\n"
                   "  - { address: unix:/d, proxy_protocol: true }\n"
                   "  - { address: '127.0.0.1:0', proxy_protocol: true }\n"
                   "  - 127.0.0.1:0\n"
                   "trusted_proxies: ['unix:']\n");
        cd_service_check_listeners(&f->settings.service, &f->report);
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next, i++) {
                cd_str text = cd_finding_text(&f->report, finding);
                size_t len = strlen(want[i]);
                assert_true(i < CD_LEN(want) && text.len > len);
                assert_memory_equal(text.ptr + text.len - len, want[i], len);
                assert_int_equal(finding->line, lines[i]);
        }
        assert_int_equal(i, CD_LEN(want));
}

/* The findings of the check of listeners, one on each line. */
static const char *findings(struct fixture *f, const char *text)
{
        struct cd_buf buf;
        cd_str view;

        accepts(f, text);
        cd_service_check_listeners(&f->settings.service, &f->report);
        cd_buf_init(&buf, &f->arena, 4096);
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next)
                cd_buf_printf(&buf, "%d %.*s\n", (int)finding->level, CD_STR_ARG(cd_finding_text(&f->report, finding)));
        cd_buf_printf(&buf, "%c", 0);
        assert_int_equal(cd_buf_view(&buf, &view), CD_OK);
        return view.ptr;
}

static void proxies_that_are_everybody_are_warned_of(void **state)
{
        assert_string_equal(
                findings(*state, "trusted_proxies: [10.0.0.0/8, 0.0.0.0/0, '::/0', '::1/128', '10.0.0.1', 'unix:']\n"),
                "1 f.yaml:1:31: trusted_proxies[1]: 0.0.0.0/0 is every address: any client can send another client's "
                "address in a header, and is believed; name the addresses of your proxies only\n"
                "1 f.yaml:1:42: trusted_proxies[2]: ::/0 is every address: any client can send another client's "
                "address in a header, and is believed; name the addresses of your proxies only\n");
}

/* The findings about `deny` at noon of 2026-11-22, one on each line. */
static const char *findings_of_deny(struct fixture *f, const char *text)
{
        struct cd_buf buf;
        cd_str view;

        accepts(f, text);
        cd_service_check_deny(&f->settings.service, 1795348800, &f->report);
        cd_buf_init(&buf, &f->arena, 4096);
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next)
                cd_buf_printf(&buf, "%d %.*s\n", (int)finding->level, CD_STR_ARG(cd_finding_text(&f->report, finding)));
        cd_buf_printf(&buf, "%c", 0);
        assert_int_equal(cd_buf_view(&buf, &view), CD_OK);
        return view.ptr;
}

static void networks_that_are_not_served_are_bound(void **state)
{
        const struct settings *s =
                accepts(*state, "deny:\n"
                                "  - { networks: [203.0.113.0/24, '2001:db8::/32'], until: 2026-12-31T00:00:00Z }\n"
                                "  - networks: [198.51.100.7]\n");
        const struct cd_http_deny *deny = s->service.deny.items;

        assert_int_equal(s->service.deny.count, 2);
        assert_int_equal(deny[0].networks.count, 2);
        ASSERT_STR(deny[0].until, "2026-12-31T00:00:00Z");
        ASSERT_STR(deny[1].networks.items[0], "198.51.100.7");
        assert_int_equal(deny[1].until.len, 0);
        assert_int_equal(accepts(*state, "")->service.deny.count, 0);
}

static void an_address_that_contains_another_is_refused(void **state)
{
        static const struct {
                const char *listen;
                size_t errors;
        } cases[] = {
                { "['0.0.0.0:80', '127.0.0.1:80']", 1 },
                { "['127.0.0.1:80', '0.0.0.0:80']", 1 },
                { "['[::]:80', '[::1]:80']", 1 },
                { "['[::]:80', '127.0.0.1:80']", 1 },
                { "[{ address: '[::]:80', ipv6_only: true }, '127.0.0.1:80']", 0 },
                { "['[::]:80', '0.0.0.0:80']", 0 },
                { "['0.0.0.0:80', '[::1]:80']", 0 },
                { "['0.0.0.0:80', '127.0.0.1:81']", 0 },
                { "['0.0.0.0:80', '127.0.0.1:8']", 0 },
                { "['0.0.0.0:0', '127.0.0.1:0']", 0 },
                { "['0.0.0.0:80', 'unix:/s']", 0 },
        };
        struct fixture *f = *state;
        struct cd_error err;
        char text[128];

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                snprintf(text, sizeof(text), "listen: %s\n", cases[i].listen);
                assert_int_equal(decode(f, text, &err), CD_OK);
                cd_service_check_listeners(&f->settings.service, &f->report);
                if (f->report.errors != cases[i].errors)
                        fail_msg("%s: %zu errors", text, f->report.errors);
        }
}

static void wrong_settings_of_deny_are_refused(void **state)
{
        static const char network[] = "must be an address, or a network without bits after its prefix, such as "
                                      "203.0.113.7 or 203.0.113.0/24";
        static const char *const bad[] = { "203.0.113.1/24", "203.0.113.0/33", "unix:", "example.com", "::1%lo" };
        struct fixture *f = *state;
        char text[128], want[256];

        for (size_t i = 0; i < CD_LEN(bad); i++) {
                snprintf(text, sizeof(text), "deny: [{ networks: ['%s'] }]\n", bad[i]);
                snprintf(want, sizeof(want), ":1:21: deny[0].networks[0]: %s", network);
                refuses(f, text, want);
        }
        refuses(f, "deny: [{ networks: [192.0.2.1], until: 2026-02-30T00:00:00Z }]\n",
                ":1:40: deny[0].until: must be a time in UTC, such as 2026-12-31T00:00:00Z");
        refuses(f, "deny: [{ networks: [192.0.2.1], until: tomorrow }]\n",
                ":1:40: deny[0].until: must be a time in UTC, such as 2026-12-31T00:00:00Z");
        refuses(f, "deny: [{ until: 2026-12-31T00:00:00Z }]\n",
                ":1:8: deny[0].networks: is missing; add it: addresses or networks");
        refuses(f, "deny: [{ network: [192.0.2.1] }]\n",
                ":1:10: unknown setting \"deny[0].network\"; did you mean \"deny[0].networks\"?");
}

static void networks_that_are_written_into_deny_itself_are_one_error_with_the_right_form(void **state)
{
        static const char *const texts[] = { "deny: [10.1.0.0/16]\n", "deny:\n- [10.1.0.0/16]\n" };
        static const char *const at[] = { ":1:8", ":2:3" };
        struct fixture *f = *state;
        struct cd_error err;
        char want[160];

        for (size_t i = 0; i < CD_LEN(texts); i++) {
                assert_int_equal(decode(f, texts[i], &err), CD_INVALID_REQUEST);
                cd_service_check_deny(&f->settings.service, 1795348800, &f->report);
                assert_int_equal(f->report.errors, 1);
                snprintf(want, sizeof(want),
                         "f.yaml%s: deny[0]: expects settings of the form \"name: value\"; write "
                         "- { networks: [10.1.0.0/16] }",
                         at[i]);
                ASSERT_STR(cd_finding_text(&f->report, f->report.findings), want);
        }
        assert_int_equal(decode(f, "deny: [{ until: 2026-12-31T00:00:00Z }]\n", &err), CD_INVALID_REQUEST);
        cd_service_check_deny(&f->settings.service, 1795348800, &f->report);
        assert_int_equal(f->report.errors, 1);
}

static void what_deny_shuts_out_by_mistake_is_warned_of(void **state)
{
        struct fixture *f = *state;

        assert_string_equal(findings_of_deny(f, "deny: [{ networks: [203.0.113.0/24], until: 2026-11-22T12:00:01Z }]\n"
                                                "trusted_proxies: ['unix:', 10.0.0.1]\n"),
                            "");
        assert_string_equal(findings_of_deny(f, "deny: [{ networks: [127.0.0.1], until: 2026-11-22T12:00:00Z }]\n"),
                            "1 f.yaml:1:40: deny[0].until: has passed, so that the networks are served; remove the "
                            "entry\n");
        assert_string_equal(findings_of_deny(f, "deny: [{ networks: [0.0.0.0/0, '::/0'] }]\n"),
                            "1 f.yaml:1:21: deny[0].networks[0]: 0.0.0.0/0 is every address: no client is served; name "
                            "the networks of the clients only\n"
                            "1 f.yaml:1:32: deny[0].networks[1]: ::/0 is every address: no client is served; name the "
                            "networks of the clients only\n");
        assert_string_equal(
                findings_of_deny(f, "deny: [{ networks: [127.0.0.2, '::/64'] }]\n"),
                "1 f.yaml:1:21: deny[0].networks[0]: 127.0.0.2 has addresses of this machine: health checks and "
                "programs on it are not served; name the networks of the clients only\n"
                "1 f.yaml:1:32: deny[0].networks[1]: ::/64 has addresses of this machine: health checks and programs "
                "on it are not served; name the networks of the clients only\n");
        assert_string_equal(findings_of_deny(f, "deny: [{ networks: [10.0.0.0/24] }]\n"
                                                "trusted_proxies: ['unix:', 10.0.1.1, 10.0.0.1]\n"),
                            "1 f.yaml:1:21: deny[0].networks[0]: 10.0.0.0/24 has addresses of trusted_proxies[2], "
                            "whose own requests are not served; name the networks of the clients only\n");
        assert_string_equal(findings_of_deny(f, "deny: [{ networks: [] }]\n"),
                            "2 f.yaml:1:20: deny[0].networks: is empty; name a network, or remove the entry\n");
}

/* At the limit, and one beyond. */
static void deny_has_a_limit(void **state)
{
        struct fixture *f = *state;
        char text[32768];

        for (int more = 0; more < 2; more++) {
                size_t len = (size_t)snprintf(text, sizeof(text), "deny:\n- networks: [192.0.2.1");
                for (int i = 1; i < 1000; i++)
                        len += (size_t)snprintf(text + len, sizeof(text) - len, ",192.0.2.1");
                len += (size_t)snprintf(text + len, sizeof(text) - len, "]\n- networks: [192.0.2.1");
                for (int i = 1; i < 24 + more; i++)
                        len += (size_t)snprintf(text + len, sizeof(text) - len, ",192.0.2.1");
                snprintf(text + len, sizeof(text) - len, "]\n");
                assert_string_equal(findings_of_deny(f, text),
                                    more ? "2 f.yaml:2:1: deny: has 1025 networks, and at most 1024 are allowed; deny "
                                           "larger networks, or use a firewall\n"
                                         : "");
        }
        size_t len = (size_t)snprintf(text, sizeof(text), "deny:\n");
        for (int i = 0; i < 256; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "- networks: [192.0.2.1]\n");
        assert_string_equal(findings_of_deny(f, text), "");
        snprintf(text + len, sizeof(text) - len, "- networks: [192.0.2.1]\n");
        struct cd_error err;
        assert_int_equal(decode(f, text, &err), CD_INVALID_REQUEST);
}

static void an_address_that_also_redirects_is_refused(void **state)
{
        assert_string_equal(findings(*state, "listen: ['127.0.0.1:1', '127.0.0.1:2']\n"
                                             "redirect_listen: ['127.0.0.1:2', '127.0.0.1:3', '127.0.0.1:3']\n"),
                            "2 f.yaml:2:19: redirect_listen[0]: 127.0.0.1:2 is also listen[1]; remove one of them\n"
                            "2 f.yaml:2:49: redirect_listen[2]: 127.0.0.1:3 is also redirect_listen[1]; remove one of "
                            "them\n");
        assert_string_equal(findings(*state, "listen: ['127.0.0.1:0']\nredirect_listen: ['127.0.0.1:0', '[::1]:0']\n"),
                            "");
}

static void tune(const void *config, struct cd_http_server_options *options)
{
        (void)config;
        options->cpu_queue = 7;
}

static void the_server_gets_the_addresses_and_the_networks(void **state)
{
        struct fixture *f = *state;

        accepts(f,
                "listen: [127.0.0.1:1, { address: 127.0.0.1:2, http2: true }]\ntrusted_proxies: ['unix:', 10.0.0.1]\n");
        cd_service_complete(&f->settings.service);
        static const struct cd_service service = {
                .table = &table,
                .settings_offset = offsetof(struct settings, service),
                .tune = tune,
        };
        static const struct cd_http_table control, metrics;
        static const struct cd_service_tables none, tables = { &control, &metrics };
        struct cd_http_server_options options;
        assert_int_equal(cd_service_server_options(&service, &f->settings, &tables, f->report.arena, &options, NULL),
                         CD_OK);
        assert_int_equal(options.cpu_queue, 7);
        assert_int_equal(options.listen_count, 2);
        ASSERT_STR(options.listen[1].address, "127.0.0.1:2");
        assert_int_equal(options.listen[0].http2, CD_TRISTATE_FALSE);
        assert_int_equal(options.listen[1].http2, CD_TRISTATE_TRUE);
        assert_int_equal(options.trusted_proxies->count, 2);
        ASSERT_STR(options.trusted_proxies->items[1], "10.0.0.1");
        f->settings.service.control = CD_STR("unix:/run/c");
        f->settings.service.metrics.listen = (struct cd_strs){ &CD_STR("127.0.0.1:3"), 1 };
        assert_int_equal(cd_service_server_options(&service, &f->settings, &tables, f->report.arena, &options, NULL),
                         CD_OK);
        assert_int_equal(options.listen_count, 4);
        ASSERT_STR(options.listen[2].address, "unix:/run/c");
        ASSERT_STR(options.listen[2].setting, "control");
        assert_true(options.listen[2].table == &control);
        ASSERT_STR(options.listen[3].address, "127.0.0.1:3");
        ASSERT_STR(options.listen[3].setting, "metrics.listen[0]");
        assert_true(options.listen[3].table == &metrics);
        assert_int_equal(cd_service_server_options(&service, &f->settings, &none, f->report.arena, &options, NULL),
                         CD_OK);
        assert_int_equal(options.listen_count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_empty_file_is_all_defaults),
                TEST(common_settings_are_bound),
                TEST(wrong_values_name_the_setting),
                TEST(the_defaults_of_the_limits_are_those_of_the_server),
                TEST(listen_addresses_and_networks_are_checked),
                TEST(unix_sockets_and_sockets_of_systemd_have_their_own_forms),
                TEST(an_item_of_listen_is_a_text_or_has_settings_of_its_own),
                TEST(http2_follows_tls_where_it_is_not_given),
                TEST(wrong_settings_of_a_listener_are_refused),
                TEST(what_a_listener_combines_is_checked),
                TEST(proxies_that_are_everybody_are_warned_of),
                TEST(networks_that_are_not_served_are_bound),
                TEST(wrong_settings_of_deny_are_refused),
                TEST(an_address_that_contains_another_is_refused),
                TEST(networks_that_are_written_into_deny_itself_are_one_error_with_the_right_form),
                TEST(what_deny_shuts_out_by_mistake_is_warned_of),
                TEST(deny_has_a_limit),
                TEST(an_address_that_also_redirects_is_refused),
                TEST(the_server_gets_the_addresses_and_the_networks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
