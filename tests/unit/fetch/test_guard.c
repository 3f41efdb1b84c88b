/* Which addresses a guarded client connects to. */
#include "fixture.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "fetch/guard.h"

static struct cd_address address_of(const char *text)
{
        struct cd_address address;

        if (!cd_address_parse(cd_str_from_c(text), &address))
                fail_msg("%s is no address", text);
        return address;
}

static void assert_kind(const char *text, const char *want)
{
        struct cd_address address = address_of(text);
        const char *kind = cd_fetch_address_kind(&address);

        if (want ? !kind || strcmp(kind, want) != 0 : kind != NULL)
                fail_msg("%s is %s and not %s", text, kind ? kind : "public", want ? want : "public");
}

/* Each block: the address before it, its first and last, and the one after it. */
static void the_edges_of_every_block_are_exact(void **state)
{
        static const struct {
                const char *before, *first, *last, *after, *kind;
        } blocks[] = {
                { NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0", "unspecified" },
                { "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "private" },
                { "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0",
                  "shared by customers of a carrier (CGNAT)" },
                { "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0", "loopback" },
                { "168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17", "a cloud's metadata service" },
                { "169.253.255.255", "169.254.0.0", "169.254.169.253", NULL, "link-local" },
                { NULL, "169.254.169.254", "169.254.169.254", NULL, "a cloud's metadata service" },
                { NULL, "169.254.169.255", "169.254.255.255", "169.255.0.0", "link-local" },
                { "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0", "private" },
                { "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0", "reserved" },
                { "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0", "reserved for documentation" },
                { "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0", "reserved" },
                { "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0", "private" },
                { "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0", "reserved for benchmarks" },
                { "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0", "reserved for documentation" },
                { "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0", "reserved for documentation" },
                { "223.255.255.255", "224.0.0.0", "239.255.255.255", NULL, "multicast" },
                { NULL, "240.0.0.0", "255.255.255.255", NULL, "reserved" },

                { NULL, "::", "::", NULL, "unspecified" },
                { NULL, "::1", "::1", NULL, "loopback" },
                { NULL, "::2", "::fffe:ffff:ffff", NULL, "reserved" },                        /* also IPv4-compatible */
                { NULL, "64:ff9b::a00:0", "64:ff9b::aff:ffff", "64:ff9b::b00:0", "private" }, /* NAT64 of 10/8 */
                { NULL, "64:ff9b::7f00:1", "64:ff9b::7fff:ffff", "64:ff9b::8000:0", "loopback" },
                { NULL, "64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe", NULL, "a cloud's metadata service" },
                { NULL, "64:ff9b:0:0:0:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL, "reserved" },
                { NULL, "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                  "2000::", "reserved" },
                { "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                  "2001:200::", "reserved for tunnels and protocols" },
                { "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                  "2001:db9::", "reserved for documentation" },
                { "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                  "2003::", "reserved for tunnels" },
                { "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                  "3fff:1000::", "reserved for documentation" },
                { "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL,
                  "reserved" },
                { NULL, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "private" },
                { NULL, "fd00:ec2::254", "fd20:ce::254", NULL, "private" },
                { NULL, "fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "reserved" },
                { NULL, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "link-local" },
                { NULL, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "private" },
                { NULL, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "multicast" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(blocks); i++) {
                assert_kind(blocks[i].first, blocks[i].kind);
                assert_kind(blocks[i].last, blocks[i].kind);
                if (blocks[i].before)
                        assert_kind(blocks[i].before, NULL);
                if (blocks[i].after)
                        assert_kind(blocks[i].after, NULL);
        }
        assert_kind("140.82.121.4", NULL);
        assert_kind("2606:50c0:8000::153", NULL);
        assert_kind("64:ff9b::8c52:7904", NULL); /* a host behind NAT64 */
}

static struct sockaddr_storage peer_at(int family, const char *text, uint16_t port)
{
        struct sockaddr_storage peer = { .ss_family = (sa_family_t)family };
        void *to = family == AF_INET ? (void *)&((struct sockaddr_in *)&peer)->sin_addr
                                     : (void *)&((struct sockaddr_in6 *)&peer)->sin6_addr;

        assert_int_equal(inet_pton(family, text, to), 1);
        cd_socket_set_port(&peer, port);
        return peer;
}

static void a_refusal_names_host_address_and_fix(void **state)
{
        static const struct {
                const char *url;
                int family;
                const char *address;
                uint16_t port;
                const char *reason; /* NULL: accepted */
        } cases[] = {
                { "https://ghe.internal/x", AF_INET, "10.1.2.3", 443,
                  "ghe.internal has the address 10.1.2.3, which is private; add it to outgoing.networks if this server "
                  "may "
                  "connect to it" },
                { "https://id.example.com/", AF_INET, "8.8.8.8", 443, NULL },
                { "https://id.example.com/", AF_INET6, "2606:4700::1", 443, NULL },
                { "https://id.example.com/", AF_INET6, "64:ff9b::808:808", 443, NULL },
                { "https://id.example.com:1024/", AF_INET, "8.8.8.8", 1024, NULL },
                { "https://id.example.com:65535/", AF_INET, "8.8.8.8", 65535, NULL },
                { "https://id.example.com:1023/", AF_INET, "8.8.8.8", 1023,
                  "id.example.com:1023 has the address 8.8.8.8, and port 1023 belongs to another protocol; use 443 or "
                  "a "
                  "port from 1024 on, or add it to outgoing.networks" },
                { "https://id.example.com:25/", AF_INET, "8.8.8.8", 25,
                  "id.example.com:25 has the address 8.8.8.8, and port 25 belongs to another protocol; use 443 or a "
                  "port "
                  "from 1024 on, or add it to outgoing.networks" },
                { "https://a/", AF_INET6, "::ffff:8.8.8.8", 443,
                  "a has the address 8.8.8.8, which is IPv4-mapped; add it to outgoing.networks if this server may "
                  "connect to it" },
                { "https://a/", AF_INET6, "::ffff:10.1.2.3", 443,
                  "a has the address 10.1.2.3, which is private; add it to outgoing.networks if this server may "
                  "connect "
                  "to it" },
                { "http://a/", AF_INET, "8.8.8.8", 80,
                  "a has the address 8.8.8.8, and the URL is http://; use https://; http:// is only for loopback "
                  "addresses in outgoing.networks" },
                /* in the networks below */
                { "https://a/", AF_INET, "10.9.0.0", 443, NULL },
                { "https://a/", AF_INET, "10.9.255.255", 25, NULL },
                { "https://a/", AF_INET6, "::ffff:10.9.0.1", 443, NULL },
                { "http://a:8080/", AF_INET, "10.9.0.1", 8080,
                  "a:8080 has the address 10.9.0.1, and the URL is http://; use https://; http:// is only for loopback "
                  "addresses in outgoing.networks" },
                { "http://localhost:80/", AF_INET, "127.0.0.1", 80, NULL },
                { "http://localhost:80/", AF_INET6, "::1", 80,
                  "localhost has the address ::1, which is loopback; add it to outgoing.networks if this server may "
                  "connect to it" },
        };
        struct cd_network networks[2];
        struct cd_fetch_guard guard = { networks, 2 };

        (void)state;
        assert_int_equal(cd_network_parse(CD_STR("10.9.0.0/16"), &networks[0], NULL), CD_OK);
        assert_int_equal(cd_network_parse(CD_STR("127.0.0.0/8"), &networks[1], NULL), CD_OK);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct sockaddr_storage peer = peer_at(cases[i].family, cases[i].address, cases[i].port);
                struct cd_error err = { 0 };
                cd_status status = cd_fetch_guard_check(&guard, cd_str_from_c(cases[i].url), &peer, &err);
                assert_int_equal(status, cases[i].reason ? CD_INVALID_REQUEST : CD_OK);
                assert_string_equal(err.reason, cases[i].reason ? cases[i].reason : "");
        }
}

static void a_long_name_leaves_room_for_the_fix(void **state)
{
        struct sockaddr_storage peer = peer_at(AF_INET6, "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 443);
        struct cd_fetch_guard guard = { 0 };
        struct cd_error err = { 0 };
        char url[1024] = "https://";

        (void)state;
        memset(url + 8, 'a', 1000);
        assert_int_equal(cd_fetch_guard_check(&guard, cd_str_from_c(url), &peer, &err), CD_INVALID_REQUEST);
        assert_non_null(strstr(err.reason, "add it to outgoing.networks if this server may connect to it"));
}

/* ---- a resolver of its own, which libcurl calls ---- */

static struct {
        const char *addresses[4]; /* in this order; none: as the system resolves it */
        atomic_int calls;
} resolver;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
        struct addrinfo **next = ret;

        if (!resolver.addresses[0])
                return ((typeof(&getaddrinfo))dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, ret);
        atomic_fetch_add(&resolver.calls, 1);
        *ret = NULL;
        for (size_t i = 0; i < CD_LEN(resolver.addresses) && resolver.addresses[i]; i++) {
                struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_storage));
                int family = strchr(resolver.addresses[i], ':') ? AF_INET6 : AF_INET;
                struct sockaddr_storage peer =
                        peer_at(family, resolver.addresses[i], (uint16_t)(service ? atoi(service) : 0));
                info->ai_family = family;
                info->ai_socktype = SOCK_STREAM;
                info->ai_protocol = IPPROTO_TCP;
                info->ai_addr = (struct sockaddr *)(info + 1);
                info->ai_addrlen = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
                memcpy(info->ai_addr, &peer, info->ai_addrlen);
                *next = info;
                next = &info->ai_next;
        }
        return *ret ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
        if (!resolver.addresses[0]) {
                ((typeof(&freeaddrinfo))dlsym(RTLD_NEXT, "freeaddrinfo"))(list);
                return;
        }
        for (struct addrinfo *next; list; list = next) {
                next = list->ai_next;
                free(list);
        }
}

static void resolve_to(const char *first, const char *second)
{
        resolver.addresses[0] = first;
        resolver.addresses[1] = second;
        atomic_store(&resolver.calls, 0);
}

/* Each way to write an address that reaches this machine. */
static void no_spelling_of_this_machine_is_connected_to(void **state)
{
        static const char *const hosts[] = {
                "127.0.0.1",
                "127.1",
                "127.0.1",
                "127.255.255.254",
                "2130706433",
                "0x7f000001",
                "0x7f.0.0.1",
                "0x7F.1",
                "017700000001",
                "0177.0.0.01",
                "0",
                "0.0.0.0",
                "00000000000",
                "[::1]",
                "[::]",
                "[0:0:0:0:0:0:0:1]",
                "[::ffff:127.0.0.1]",
                "[::ffff:7f00:1]",
                "[0:0:0:0:0:ffff:7f00:0001]",
                "[::127.0.0.1]",
                "[64:ff9b::127.0.0.1]",
                "[64:ff9b::7f00:1]",
                "[2002:7f00:1::]",
                "[fe80::1%25lo]",
                "%31%32%37.0.0.1",
                "localhost",
                "LOCALHOST",
                "localhost.",
        };
        static const char *const schemes[] = { "http", "https" };
        struct fixture *f = *state;
        const struct cd_fetch_guard guard = { 0 };
        char url[128];

        resolve_to(NULL, NULL);
        start(f, answers);
        use_options(f, (struct cd_fetch_options){ .guard = &guard });
        for (size_t i = 0; i < CD_LEN(hosts) * CD_LEN(schemes); i++) {
                snprintf(url, sizeof(url), "%s://%s:%u/x", schemes[i % 2], hosts[i / 2], f->peer.port);
                cd_status status = call(f, (struct cd_fetch_request){ .url = cd_str_from_c(url) });
                /* A name that does not exist, or an address without a route, is no connection either. */
                if (status != CD_INVALID_REQUEST && status != CD_UNAVAILABLE)
                        fail_msg("%s: status %d", url, (int)status);
        }
        assert_int_equal(atomic_load(&f->peer.connections), 0);
}

static void start_named(struct fixture *f, const struct cd_fetch_guard *guard)
{
        start(f, answers);
        use_options(f, (struct cd_fetch_options){ .guard = guard });
        snprintf(f->url, sizeof(f->url), "http://id.example.com:%u/x", f->peer.port);
}

static void a_name_is_judged_by_every_address_that_it_has(void **state)
{
        struct fixture *f = *state;
        const struct cd_fetch_guard guard = { 0 };

        start_named(f, &guard);
        resolve_to("10.1.2.3", "127.0.0.1");
        assert_int_equal(get(f), CD_INVALID_REQUEST);
        assert_non_null(strstr(f->err.reason, "; add it to outgoing.networks if this server may connect to it"));
        assert_int_equal(atomic_load(&f->peer.connections), 0);
}

static void an_address_that_is_allowed_is_used_and_another_one_is_not(void **state)
{
        struct fixture *f = *state;
        struct cd_network network;
        const struct cd_fetch_guard guard = { &network, 1 };

        assert_int_equal(cd_network_parse(CD_STR("127.0.0.1"), &network, NULL), CD_OK);
        start_named(f, &guard);
        resolve_to("127.0.0.2", "127.0.0.1"); /* the listener would answer at both: it has one of them only */
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(atomic_load(&resolver.calls), 1);
        assert_int_equal(get(f), CD_OK);
        assert_int_equal(atomic_load(&f->peer.connections), 1);
}

/* DNS rebinding: a second look would give another address than the one that was checked. */
static void a_name_whose_address_changes_is_checked_at_each_connection(void **state)
{
        struct fixture *f = *state;
        struct cd_network network;
        const struct cd_fetch_guard guard = { &network, 1 };

        assert_int_equal(cd_network_parse(CD_STR("127.0.0.1"), &network, NULL), CD_OK);
        start_named(f, &guard);
        resolve_to("127.0.0.1", NULL);
        assert_int_equal(get(f), CD_OK);
        use_options(f, (struct cd_fetch_options){ .guard = &guard }); /* forgets connections and names */
        resolve_to("127.0.0.3", NULL);
        assert_int_equal(get(f), CD_INVALID_REQUEST);
        assert_int_equal(atomic_load(&f->peer.connections), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_edges_of_every_block_are_exact),
                cmocka_unit_test(a_refusal_names_host_address_and_fix),
                cmocka_unit_test(a_long_name_leaves_room_for_the_fix),
                TEST(no_spelling_of_this_machine_is_connected_to),
                TEST(a_name_is_judged_by_every_address_that_it_has),
                TEST(an_address_that_is_allowed_is_used_and_another_one_is_not),
                TEST(a_name_whose_address_changes_is_checked_at_each_connection),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
