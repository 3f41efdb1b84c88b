/* The section gate: what it means, and what each mistake says. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config.h"

static struct cd_arena arena;
static struct cd_report report;
static struct cd_config config;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 64 * 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

static void check(const char *text)
{
        cd_report_init(&report, &arena, CD_STR("f.yaml"));
        (void)cd_settings_decode(&report, cd_str_from_c(text), &cd_config_table, &config, NULL);
        cd_config_check_access(&config, &report);
        cd_config_check_gate_files(&config, &report);
}

/* The only finding of at least this level, without its position. */
static void finds(enum cd_finding_level level, const char *text, const char *expected)
{
        cd_str found = CD_STR("");
        size_t count = 0;

        check(text);
        for (const struct cd_finding *f = report.findings; f; f = f->next) {
                if (f->level == CD_FINDING_OK)
                        continue;
                count++;
                found = cd_finding_text(&report, f);
                if (f->level != level)
                        fail_msg("another level: %.*s", CD_STR_ARG(found));
        }
        if (count != 1)
                fail_msg("%zu findings of %s, the last: %.*s", count, text, CD_STR_ARG(found));
        assert_str(cd_str_slice(found, cd_str_index(found, ' ') + 1, found.len), expected);
}

static void accepts(const char *text)
{
        check(text);
        for (const struct cd_finding *f = report.findings; f; f = f->next)
                if (f->level != CD_FINDING_OK)
                        fail_msg("%s: %.*s", text, CD_STR_ARG(cd_finding_text(&report, f)));
}

#define PORTAL "portal: { url: 'https://auth.example.com/_auth', cookie_domain: example.com }\n"
#define ROUTE(settings)                                                                                                \
        PORTAL "gate:\n  routes:\n    - { host: wiki.example.com, allow: { groups: [staff] }, " settings " }\n"
#define UPSTREAM(url) ROUTE("upstream: '" url "'")
/* Whose upstream has nothing wrong. */
#define APP(settings) ROUTE("upstream: 'http://app:3000', " settings)

static const struct cd_config_route *route(size_t index)
{
        return (const struct cd_config_route *)config.gate.routes.items + index;
}

static void the_example_has_nothing_wrong_but_a_route_for_everybody(void **state)
{
        (void)state;
        finds(CD_FINDING_WARNING,
              PORTAL "gate:\n"
                     "  routes:\n"
                     "    - host: wiki.example.com\n"
                     "      upstream: uwsgi://127.0.0.1:3031\n"
                     "      allow: { groups: [staff] }\n"
                     "      public: [/assets/]\n"
                     "    - host: grafana.example.com\n"
                     "      upstream: http://grafana.internal:3000\n"
                     "      identity: { headers: { user: X-WEBAUTH-USER } }\n"
                     "    - host: tools.example.com\n"
                     "      path: /old/\n"
                     "      upstream: unix:/run/old.sock\n"
                     "      strip_path: true\n"
                     "      allow: { users: [ana], factors: 2, methods: [GET] }\n",
              "gate.routes[1]: has no allow: every user who can log in gets in; add allow, as in allow: { groups: "
              "[staff] }");
        assert_str(cd_finding_text(&report, report.last), "f.yaml:4:5: gate.routes: 3 routes");
        assert_str(cd_config_route_identity(&config, route(1)).user, "X-WEBAUTH-USER");
        assert_str(cd_config_route_identity(&config, route(1)).groups, "Remote-Groups");
}

static struct cd_access_decision decide(const char *host, const char *path, const char *method,
                                        const struct cd_access_login *login)
{
        const struct cd_access_request request = {
                .host = cd_str_from_c(host),
                .path = cd_str_from_c(path),
                .method = cd_str_from_c(method),
                .login = login,
                .now = 1000,
        };
        struct cd_access *access;
        struct cd_error err;

        assert_int_equal(cd_config_access_new(&config, &access, &err), CD_OK);
        struct cd_access_decision decision = cd_access_decide(access, &request);
        cd_access_free(access);
        return decision;
}

static void each_route_has_one_rule_after_those_of_access(void **state)
{
        const struct cd_access_login ana = { .user = CD_STR("ana"), .factors = 2, .auth_time = 1000 };

        (void)state;
        accepts(PORTAL "access:\n  - { host: other.example.com, public: true }\n"
                       "gate:\n  routes:\n"
                       "    - { host: a.example.com, path: /x/, upstream: 'http://app', allow: { users: [bo] } }\n"
                       "    - { host: a.example.com, upstream: 'http://app', allow: { users: [ana] } }\n");
        assert_int_equal(decide("other.example.com", "/", "GET", NULL).rule, 0);
        assert_int_equal(decide("a.example.com", "/x/y", "GET", &ana).rule, 1);
        assert_int_equal(decide("a.example.com", "/x/y", "GET", &ana).outcome, CD_ACCESS_DENY);
        assert_int_equal(decide("a.example.com", "/", "GET", &ana).rule, 2);
        assert_int_equal(decide("a.example.com", "/", "GET", &ana).outcome, CD_ACCESS_ALLOW);
}

static void without_allow_a_route_needs_a_login_with_all_factors(void **state)
{
        struct cd_access_login login = { .user = CD_STR("ana"), .factors = 1, .auth_time = 1000 };

        (void)state;
        check(PORTAL "gate:\n  routes:\n    - { host: a.example.com, upstream: 'http://app' }\n");
        assert_int_equal(decide("a.example.com", "/", "GET", NULL).outcome, CD_ACCESS_LOG_IN);
        assert_int_equal(decide("a.example.com", "/", "GET", &login).outcome, CD_ACCESS_STEP_UP);
        login.factors = 2;
        assert_int_equal(decide("a.example.com", "/", "GET", &login).outcome, CD_ACCESS_ALLOW);
}

/* LESSONS 1: what a template writes that found no names opens nothing. */
static void lesson_1_an_empty_allow_is_an_error(void **state)
{
        static const char expected[] =
                "gate.routes[0].allow: is empty: it says of nobody whether they may; name users or groups, or write "
                "allow: { factors: 1 } for every user who can log in";

        (void)state;
        finds(CD_FINDING_ERROR,
              PORTAL "gate:\n  routes:\n    - { host: a.example.com, upstream: 'http://app', allow: { users: [] } }\n",
              expected);
        finds(CD_FINDING_ERROR,
              PORTAL "gate:\n  routes:\n    - { host: a.example.com, upstream: 'http://app', allow: {} }\n", expected);
        finds(CD_FINDING_WARNING,
              PORTAL "gate:\n  routes:\n    - { host: a.example.com, upstream: 'http://app', public: [/x/] }\n",
              "gate.routes[0]: allows nobody but on its public paths; add allow");
        assert_int_equal(decide("a.example.com", "/", "GET", NULL).outcome, CD_ACCESS_DENY);
        assert_int_equal(decide("a.example.com", "/x/", "GET", NULL).outcome, CD_ACCESS_ALLOW);
}

static void methods_stand_in_allow_or_beside_it(void **state)
{
        const struct cd_access_login ana = { .user = CD_STR("ana"), .factors = 2, .auth_time = 1000 };

        (void)state;
        accepts(PORTAL "access:\n  - { host: b.example.com, allow: { users: [ana], methods: [GET] } }\n"
                       "gate:\n  routes:\n"
                       "    - { host: a.example.com, upstream: 'http://app', allow: { methods: [GET, HEAD] } }\n");
        for (size_t i = 0; i < 2; i++) {
                const char *host = i ? "a.example.com" : "b.example.com";
                assert_int_equal(decide(host, "/", "GET", &ana).outcome, CD_ACCESS_ALLOW);
                assert_int_equal(decide(host, "/", "POST", &ana).reason, CD_ACCESS_BY_METHOD);
                assert_int_equal(decide(host, "/", "GET", NULL).outcome, CD_ACCESS_LOG_IN);
        }
        finds(CD_FINDING_ERROR,
              "access:\n  - { host: auth.example.com, methods: [GET], allow: { factors: 1, methods: [GET] } }\n" PORTAL,
              "access[0].allow.methods: is the same as access[0].methods; leave one of them out");
        finds(CD_FINDING_ERROR, APP("methods: [get]"),
              "gate.routes[0].methods[0]: \"get\" is not a method; write it in capitals, as in GET");
        finds(CD_FINDING_ERROR,
              PORTAL
              "gate:\n  routes:\n    - { host: a.example.com, upstream: 'http://a', allow: { methods: [''] } }\n",
              "gate.routes[0].allow.methods[0]: \"\" is not a method; write it in capitals, as in GET");
}

static void upstreams_are_urls_without_a_path(void **state)
{
        static const char *const accepted[] = {
                "http://app",         "http://127.0.0.1:3000",    "https://app.internal",
                "https://[::1]:8443", "unix:/run/app.sock",       "uwsgi://127.0.0.1:3031",
                "uwsgi://[::1]:3031", "uwsgi+unix:/run/app.sock", "http://localhost:5002",
        };
#define FORM                                                                                                           \
        "write it as in http://127.0.0.1:3000, https://app.internal, unix:/run/app.sock, uwsgi://127.0.0.1:3031 or "   \
        "uwsgi+unix:/run/app.sock"

        (void)state;
        for (size_t i = 0; i < CD_LEN(accepted); i++)
                accepts(cd_arena_printf(&arena, UPSTREAM("%s"), accepted[i]).ptr);
        finds(CD_FINDING_ERROR, UPSTREAM("ftp://app"),
              "gate.routes[0].upstream: \"ftp://app\" has none of the schemes that an upstream may have; " FORM);
        finds(CD_FINDING_ERROR, UPSTREAM("app:3000"),
              "gate.routes[0].upstream: \"app:3000\" has none of the schemes that an upstream may have; " FORM);
        finds(CD_FINDING_ERROR, UPSTREAM("http://app/"),
              "gate.routes[0].upstream: has a path; end it after the host and the port; the application gets the path "
              "that the client asked for");
        finds(CD_FINDING_ERROR, UPSTREAM("http://ana:x@app"),
              "gate.routes[0].upstream: has a user name or a password in it; remove them");
        finds(CD_FINDING_ERROR, UPSTREAM("http://app:65536"),
              "gate.routes[0].upstream: \"app:65536\" is not a host, or not a host and a port; " FORM);
        finds(CD_FINDING_ERROR, UPSTREAM("http://"),
              "gate.routes[0].upstream: \"\" is not a host, or not a host and a port; " FORM);
        finds(CD_FINDING_ERROR, UPSTREAM("http://app?x"),
              "gate.routes[0].upstream: \"app?x\" is not a host, or not a host and a port; " FORM);
        finds(CD_FINDING_ERROR, UPSTREAM("https://-app"),
              "gate.routes[0].upstream: has no valid host; write a name, an IPv4 address, or an IPv6 address in "
              "brackets");
        finds(CD_FINDING_ERROR, UPSTREAM("uwsgi://127.0.0.1"),
              "gate.routes[0].upstream: has no port; write it as in uwsgi://127.0.0.1:3031");
        finds(CD_FINDING_ERROR, UPSTREAM("uwsgi://[::1]"),
              "gate.routes[0].upstream: has no port; write it as in uwsgi://127.0.0.1:3031");
        finds(CD_FINDING_ERROR, UPSTREAM("unix:run/app.sock"),
              "gate.routes[0].upstream: \"run/app.sock\" is not an absolute path; write the whole path, as in "
              "unix:/run/app.sock");
        finds(CD_FINDING_ERROR, PORTAL "gate:\n  routes:\n    - { host: a.example.com, allow: { factors: 1 } }\n",
              "gate.routes[0].upstream: is missing; add it: the server that answers: http://HOST[:PORT], "
              "https://HOST[:PORT], unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH");
        finds(CD_FINDING_ERROR, UPSTREAM("http://127.0.0.1:5001"),
              "gate.routes[0].upstream: is an address of listen: this server would ask itself; name the address of "
              "the application");
}

static void a_socket_has_at_most_107_bytes(void **state)
{
        char path[109];

        (void)state;
        memset(path, 'a', sizeof(path));
        path[0] = '/';
        accepts(cd_arena_printf(&arena, UPSTREAM("unix:%.107s"), path).ptr);
        finds(CD_FINDING_ERROR, cd_arena_printf(&arena, UPSTREAM("unix:%.108s"), path).ptr,
              "gate.routes[0].upstream: is a path of 108 bytes; a Unix socket has at most 107; choose a shorter one");
}

static void a_host_is_in_one_of_the_two_sections(void **state)
{
        static const struct {
                const char *access, *route;
                bool overlap;
        } cases[] = {
                { "a.example.com", "a.example.com", true },      { "a.example.com", "b.example.com", false },
                { "*.example.com", "a.example.com", true },      { "*.example.com", "*.a.example.com", true },
                { "a.example.com", "*.example.com", true },      { "*.a.example.com", "*.example.com", true },
                { "*.a.example.com", "*.b.example.com", false }, { "*.a.example.com", "a.example.com", false },
                { "xa.example.com", "*.a.example.com", false },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                const char *text = cd_arena_printf(&arena,
                                                   PORTAL "access:\n  - { host: '%s', public: true }\n"
                                                          "gate:\n  routes:\n"
                                                          "    - { host: '%s', path: /x, upstream: 'http://app', "
                                                          "public: true }\n",
                                                   cases[i].access, cases[i].route)
                                           .ptr;
                if (!cases[i].overlap)
                        accepts(text);
                else
                        finds(CD_FINDING_ERROR, text,
                              cd_arena_printf(&arena,
                                              "gate.routes[0].host: %s is in access[0] too (%s); name each host in "
                                              "one of the two: in access if another proxy asks this server, in "
                                              "gate.routes if this server passes the requests on",
                                              cases[i].route, cases[i].access)
                                      .ptr);
        }
}

static void the_host_of_the_issuer_is_warned_of(void **state)
{
        (void)state;
        accepts("issuer: https://auth.example.com\n" APP("hsts: 1d"));
        accepts("issuer: https://auth.example.com\n" PORTAL
                "gate:\n  routes:\n    - { host: '*.example.com', upstream: 'http://app', allow: { factors: 1 } }\n");
        finds(CD_FINDING_WARNING,
              "issuer: https://id.example.com\n" PORTAL
              "gate:\n  routes:\n    - { host: '*.example.com', upstream: 'http://app', allow: { factors: 1 } }\n",
              "gate.routes[0].host: id.example.com is the host of issuer: clients cannot reach /oauth/token and the "
              "other "
              "endpoints there; give the application a host of its own");
        finds(CD_FINDING_WARNING, "issuer: https://wiki.example.com:8443/x\n" APP("hsts: 1d"),
              "gate.routes[0].host: wiki.example.com is the host of issuer: clients cannot reach /oauth/token and the "
              "other "
              "endpoints there; give the application a host of its own");
}

static void a_covered_route_is_an_error(void **state)
{
        (void)state;
        finds(CD_FINDING_ERROR,
              PORTAL "gate:\n  routes:\n"
                     "    - { host: a.example.com, path: /x/, upstream: 'http://app', allow: { factors: 1 } }\n"
                     "    - { host: a.example.com, path: /x/y, upstream: 'http://app', allow: { factors: 1 } }\n",
              "gate.routes[1]: never decides: gate.routes[0] comes first and has every host and path of it; put it "
              "before that one, or leave it out");
}

static void the_path_that_is_stripped_ends_in_a_slash(void **state)
{
        (void)state;
        accepts(APP("path: /app/, strip_path: true"));
        accepts(APP("path: /app"));
        finds(CD_FINDING_ERROR, APP("path: /app, strip_path: true"),
              "gate.routes[0].path: does not end in /, as strip_path needs it; write /app/");
        finds(CD_FINDING_ERROR, APP("strip_path: true"),
              "gate.routes[0].strip_path: takes path off, and there is none; add path, as in path: /app/, or leave out "
              "strip_path");
}

static void tls_is_for_https(void **state)
{
        (void)state;
        finds(CD_FINDING_ERROR, APP("tls: { server_name: app }"),
              "gate.routes[0].tls: is for an upstream of https, and this one is http://app:3000; write https:// in "
              "upstream, or leave out tls");
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'uwsgi+unix:/s', tls: { ca: x }"),
              "gate.routes[0].tls: is for an upstream of https, and this one is uwsgi+unix:/s; write https:// in "
              "upstream, or leave out tls");
        accepts(ROUTE("upstream: 'https://app', tls: { server_name: app.internal }"));
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'https://app', tls: { server_name: 'app:443' }"),
              "gate.routes[0].tls.server_name: \"app:443\" is not a host; write it as in app.internal, without a port");
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'https://app', tls: { certificate: c.pem }"),
              "gate.routes[0].tls.key: is missing, and tls.certificate is set; name the file with the private key of "
              "tls.certificate");
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'https://app', tls: { key: k.pem }"),
              "gate.routes[0].tls.certificate: is missing, and tls.key is set; name the file with the certificate of "
              "tls.key");
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'https://app', tls: { ca: /nonexistent/ca.pem }"),
              "gate.routes[0].tls.ca: file /nonexistent/ca.pem does not exist");
}

static void without_a_portal_nobody_logs_in(void **state)
{
        (void)state;
        finds(CD_FINDING_ERROR,
              "gate:\n  routes:\n"
              "    - { host: a.example.com, upstream: 'http://app', allow: { factors: 1 } }\n"
              "    - { host: b.example.com, upstream: 'http://app', allow: { factors: 1 } }\n",
              "portal.url: is missing, and users must log in for gate.routes[0] (a.example.com); write it as in "
              "https://auth.example.com/_auth");
        finds(CD_FINDING_ERROR,
              "issuer: https://auth.example.com\n"
              "gate:\n  routes:\n"
              "    - { host: a.example.com, upstream: 'http://app', bearer: { audience: x }, allow: { factors: 1 } }\n",
              "portal.url: is missing, and users must log in for gate.routes[0] (a.example.com); write it as in "
              "https://auth.example.com/_auth");
        accepts("issuer: https://auth.example.com\n"
                "gate:\n  routes:\n"
                "    - { host: a.example.com, upstream: 'http://app', public: true }\n"
                "    - { host: b.example.com, upstream: 'http://app', bearer: { audience: x } }\n");
}

static void the_host_that_is_set_is_a_host(void **state)
{
        static const char *const wrong[] = { "http://app", "app/x", "a b", "app:0", "ana@app" };

        (void)state;
        accepts(APP("set_host: app.internal"));
        accepts(APP("set_host: 'app.internal:8080'"));
        accepts(APP("set_host: '[::1]:8080'"));
        for (size_t i = 0; i < CD_LEN(wrong); i++)
                finds(CD_FINDING_ERROR, cd_arena_printf(&arena, APP("set_host: '%s'"), wrong[i]).ptr,
                      cd_arena_printf(&arena,
                                      "gate.routes[0].set_host: \"%s\" is not a host; write it as in app.internal or "
                                      "app.internal:8080, without scheme and path",
                                      wrong[i])
                              .ptr);
}

static void the_block_of_uwsgi_is_bounded(void **state)
{
        (void)state;
        accepts(ROUTE("upstream: 'uwsgi://app:1', buffer_size: 65535"));
        accepts(ROUTE("upstream: 'uwsgi://app:1', buffer_size: 4096"));
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'uwsgi://app:1', buffer_size: 65536"),
              "gate.routes[0].buffer_size: must be 4KB to 65535");
        finds(CD_FINDING_ERROR, ROUTE("upstream: 'uwsgi://app:1', buffer_size: 4095"),
              "gate.routes[0].buffer_size: must be 4KB to 65535");
        finds(CD_FINDING_WARNING, APP("buffer_size: 8KB"),
              "gate.routes[0].buffer_size: is for uWSGI, and upstream is not one of uwsgi; leave it out");
}

static void the_names_of_headers_are_those_of_the_portal_or_ones_own(void **state)
{
        (void)state;
        accepts("issuer: https://auth.example.com\n"
                "portal: { url: 'https://wiki.example.com/_auth', identity: { preset: x-auth-request, user: X-U } }\n"
                "gate:\n  routes:\n"
                "    - { host: wiki.example.com, path: /a/, upstream: 'http://a', allow: { factors: 1 } }\n"
                "    - { host: wiki.example.com, upstream: 'http://a', allow: { factors: 1 }, identity: { preset: "
                "remote, headers: { email: X-Mail }, jwt: true } }\n");
        struct cd_identity_headers names = cd_config_route_identity(&config, route(0));
        assert_str(names.user, "X-U");
        assert_str(names.groups, "X-Auth-Request-Groups");
        names = cd_config_route_identity(&config, route(1));
        assert_str(names.user, "Remote-User");
        assert_str(names.email, "X-Mail");
        assert_str(names.name, "Remote-Name");
        finds(CD_FINDING_ERROR, APP("identity: { jwt: true }"),
              "gate.routes[0].identity.jwt: needs issuer, which is not set: the application could not tell whose token "
              "it is; set issuer to the URL of this server");
        finds(CD_FINDING_ERROR, APP("identity: { headers: { user: Host } }"),
              "gate.routes[0].identity.headers.user: \"Host\" is a header with a meaning of its own");
        finds(CD_FINDING_ERROR, APP("identity: { headers: { user: Cardea-Identity } }"),
              "gate.routes[0].identity.headers.user: \"Cardea-Identity\" is a header with a meaning of its own");
        finds(CD_FINDING_ERROR, APP("identity: { headers: { user: X_User } }"),
              "gate.routes[0].identity.headers.user: must be letters, digits and hyphens, as in Remote-User");
        finds(CD_FINDING_ERROR, APP("identity: { headers: { user: remote-groups } }"),
              "gate.routes[0].identity.headers.groups: is Remote-Groups, as gate.routes[0].identity.headers.user is; "
              "name each header once");
}

static void limits_that_do_nothing_are_warned_of(void **state)
{
        (void)state;
        accepts(APP("max_request_head: 16KB"));
        finds(CD_FINDING_WARNING, APP("max_request_head: 17KB"),
              "gate.routes[0].max_request_head: is more than limits.headers, which the server applies before; raise "
              "limits.headers, or leave it out");
        finds(CD_FINDING_WARNING, APP("timeouts: { total: 30s }"),
              "gate.routes[0].timeouts.first_byte: is longer than timeouts.total, which ends the request before; "
              "lower it, or raise timeouts.total");
        finds(CD_FINDING_ERROR, APP("hsts: 1500ms"),
              "gate.routes[0].hsts: is not a whole number of seconds; write it as in 365d");
        finds(CD_FINDING_ERROR, APP("pass: [cookies]"), "gate.routes[0].pass[0]: must be session or tokens");
}

static void a_route_is_filled_with_what_is_written(void **state)
{
        struct cd_gate_route to;
        struct cd_error err;

        (void)state;
        accepts("issuer: https://auth.example.com\n" APP(
                "path: /app/, strip_path: true, paths: opaque, set_host: app, rewrite: true, pass: [tokens], "
                "max_body: 1MB, max_request_head: 8KB, max_response_head: 9KB, concurrency: 7, web_sockets: 8, "
                "rate: 9, hsts: 365d, security_headers: true, maintenance: Back soon, identity: { jwt: true }"));
        assert_int_equal(cd_config_route_fill(&config, route(0), &arena, &to, &err), CD_OK);
        assert_str(to.name, "wiki.example.com/app/");
        assert_str(to.host, "wiki.example.com");
        assert_str(to.path, "/app/");
        assert_str(to.identity.user, "Remote-User");
        assert_true(to.identity_jwt && to.strip_path && to.rewrite && to.security_headers);
        assert_int_equal(to.paths, CD_GATE_OPAQUE);
        assert_int_equal(to.pass, CD_GATE_PASS_TOKENS);
        assert_str(to.set_host, "app");
        assert_int_equal(to.max_body, 1 << 20);
        assert_int_equal(to.max_request_head, 8 << 10);
        assert_int_equal(to.concurrency, 7);
        assert_int_equal(to.web_sockets, 8);
        assert_int_equal(to.rate, 9);
        assert_int_equal(to.hsts, 31536000);
        assert_str(to.maintenance, "Back soon");
        accepts(APP("path: /x"));
        assert_int_equal(cd_config_route_fill(&config, route(0), &arena, &to, &err), CD_OK);
        assert_int_equal(to.paths, CD_GATE_CANONICAL);
        assert_int_equal(to.web_sockets, 100);
        assert_int_equal(to.max_body + to.concurrency + (size_t)to.rate + (size_t)to.hsts + to.pass, 0);
        assert_int_equal(to.maintenance.len + to.set_host.len, 0);
}

static cd_str token_header_of(const char *yaml)
{
        struct cd_gate_route to;
        struct cd_error err;

        accepts(yaml);
        assert_int_equal(cd_config_route_fill(&config, route(0), &arena, &to, &err), CD_OK);
        return to.token_header;
}

#define WITH_GITHUB     "signin: { providers: [{ type: github, client_id: a1b2, client_secret: 0123456789abcdef }] }\n"
#define UWSGI(settings) ROUTE("upstream: 'uwsgi://127.0.0.1:3031', " settings)
#define TOKEN           "pass_token: github"

static void the_token_of_a_provider_has_a_header_or_a_variable(void **state)
{
        (void)state;
        assert_str(token_header_of(WITH_GITHUB APP("path: /x")), "");
        assert_false(cd_config_gate_passes_token(&config.gate, CD_STR("github")));
        assert_str(token_header_of(WITH_GITHUB APP(TOKEN)), "Cardea-Provider-Token");
        assert_true(cd_config_gate_passes_token(&config.gate, CD_STR("github")));
        assert_false(cd_config_gate_passes_token(&config.gate, CD_STR("osu")));
        assert_false(cd_config_gate_passes_token(&config.gate, CD_STR("")));
        assert_str(token_header_of(WITH_GITHUB APP(TOKEN ", token_header: X-GitHub-Token")), "X-GitHub-Token");
        assert_str(token_header_of(WITH_GITHUB UWSGI(TOKEN)), "CARDEA_PROVIDER_TOKEN");
        assert_str(token_header_of(WITH_GITHUB UWSGI(TOKEN ", token_header: HTTP_X_GITHUB_TOKEN")),
                   "HTTP_X_GITHUB_TOKEN");
        finds(CD_FINDING_ERROR, APP(TOKEN),
              "gate.routes[0].pass_token: \"github\" is no provider of signin.providers; add a provider of that name "
              "there");
        finds(CD_FINDING_ERROR, WITH_GITHUB APP("pass_token: gihub"),
              "gate.routes[0].pass_token: \"gihub\" is no provider of signin.providers; did you mean \"github\"?");
        finds(CD_FINDING_ERROR, WITH_GITHUB APP("token_header: X-GitHub-Token"),
              "gate.routes[0].token_header: is for pass_token, which is not set; add pass_token with the name of a "
              "provider");
        finds(CD_FINDING_ERROR, WITH_GITHUB APP(TOKEN ", token_header: X_GitHub_Token"),
              "gate.routes[0].token_header: \"X_GitHub_Token\" must be letters, digits and hyphens, as in Remote-User; "
              "choose another name");
        finds(CD_FINDING_ERROR, WITH_GITHUB APP(TOKEN ", token_header: Remote-User"),
              "gate.routes[0].token_header: Remote-User is a header that tells the application who the user is; choose "
              "another name");
        for (size_t i = 0; i < 2; i++)
                finds(CD_FINDING_ERROR,
                      i ? WITH_GITHUB APP(TOKEN ", token_header: Authorization")
                        : WITH_GITHUB APP(TOKEN ", token_header: 'Cookie'"),
                      i ? "gate.routes[0].token_header: \"Authorization\" is a header with a meaning of its own; "
                          "choose "
                          "another name"
                        : "gate.routes[0].token_header: \"Cookie\" is a header with a meaning of its own; choose "
                          "another "
                          "name");
        finds(CD_FINDING_ERROR, WITH_GITHUB UWSGI(TOKEN ", token_header: X-GitHub-Token"),
              "gate.routes[0].token_header: \"X-GitHub-Token\" must be capital letters, digits and _, as in "
              "CARDEA_PROVIDER_TOKEN; choose another name");
        finds(CD_FINDING_ERROR, WITH_GITHUB UWSGI(TOKEN ", token_header: REMOTE_USER"),
              "gate.routes[0].token_header: \"REMOTE_USER\" is a variable with a meaning of its own; choose another "
              "name");
        finds(CD_FINDING_ERROR, WITH_GITHUB UWSGI(TOKEN ", token_header: HTTP_COOKIE"),
              "gate.routes[0].token_header: \"HTTP_COOKIE\" is a header with a meaning of its own; choose another "
              "name");
}

static void an_upstream_is_made_of_the_timeouts_and_files(void **state)
{
        struct cd_upstream_options options = { 0 };
        struct cd_error err;
        char folder[] = "/tmp/cardea-gate-XXXXXX";

        (void)state;
        assert_non_null(mkdtemp(folder));
        cd_str ca = cd_arena_printf(&arena, "%s/ca.pem", folder), key = cd_arena_printf(&arena, "%s/key.pem", folder);
        FILE *file = fopen(ca.ptr, "w");
        fputs("the authority", file);
        fclose(file);
        file = fopen(key.ptr, "w");
        fputs("the key", file);
        fclose(file);
        check(ROUTE("upstream: 'https://app', timeouts: { connect: 1s, first_byte: 2s, idle: 3s, total: 4m }, "
                    "tls: { ca: ca.pem, certificate: ca.pem, key: key.pem, server_name: x }, max_response_head: 5KB"));
        cd_str name = cd_arena_printf(&arena, "%s/f.yaml", folder);
        assert_int_equal(chmod(key.ptr, 0600), 0);
        assert_int_equal(cd_config_route_options(route(0), name, &arena, &options, &err), CD_OK);
        assert_str(options.url, "https://app");
        assert_str(options.ca, "the authority");
        assert_str(options.certificate, "the authority");
        assert_str(options.key, "the key");
        assert_str(options.server_name, "x");
        assert_int_equal(options.connect_ms, 1000);
        assert_int_equal(options.first_byte_ms, 2000);
        assert_int_equal(options.idle_ms, 3000);
        assert_int_equal(options.total_ms, 240000);
        assert_int_equal(options.head_max, 5 << 10);
        assert_int_equal(chmod(key.ptr, 0644), 0);
        assert_int_equal(cd_config_route_options(route(0), name, &arena, &options, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "tls.key");
        unlink(ca.ptr);
        unlink(key.ptr);
        rmdir(folder);
        check(APP("timeouts: { total: none }"));
        assert_int_equal(cd_config_route_options(route(0), CD_STR("f.yaml"), &arena, &options, &err), CD_OK);
        assert_int_equal(options.total_ms, 0);
        assert_int_equal(options.connect_ms, 5000);
        assert_int_equal(options.first_byte_ms, 60000);
        assert_int_equal(options.head_max, 64 << 10);
        assert_int_equal(options.buffer_size, 65535);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_example_has_nothing_wrong_but_a_route_for_everybody),
                cmocka_unit_test(each_route_has_one_rule_after_those_of_access),
                cmocka_unit_test(without_allow_a_route_needs_a_login_with_all_factors),
                cmocka_unit_test(lesson_1_an_empty_allow_is_an_error),
                cmocka_unit_test(methods_stand_in_allow_or_beside_it),
                cmocka_unit_test(upstreams_are_urls_without_a_path),
                cmocka_unit_test(a_socket_has_at_most_107_bytes),
                cmocka_unit_test(a_host_is_in_one_of_the_two_sections),
                cmocka_unit_test(the_host_of_the_issuer_is_warned_of),
                cmocka_unit_test(a_covered_route_is_an_error),
                cmocka_unit_test(the_path_that_is_stripped_ends_in_a_slash),
                cmocka_unit_test(tls_is_for_https),
                cmocka_unit_test(without_a_portal_nobody_logs_in),
                cmocka_unit_test(the_host_that_is_set_is_a_host),
                cmocka_unit_test(the_block_of_uwsgi_is_bounded),
                cmocka_unit_test(the_names_of_headers_are_those_of_the_portal_or_ones_own),
                cmocka_unit_test(limits_that_do_nothing_are_warned_of),
                cmocka_unit_test(a_route_is_filled_with_what_is_written),
                cmocka_unit_test(the_token_of_a_provider_has_a_header_or_a_variable),
                cmocka_unit_test(an_upstream_is_made_of_the_timeouts_and_files),
        };

        return cmocka_run_group_tests_name("app/config_gate", tests, set_up, tear_down);
}
