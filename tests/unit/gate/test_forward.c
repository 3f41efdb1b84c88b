#include "support/check.h"

#include "forward_fixture.h"

static struct forward_fixture f;

static int set_up(void **state)
{
        (void)state;
        forward_set_up(&f);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        forward_tear_down(&f);
        return 0;
}

#define FORWARDED                                                                                                      \
        "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https\nX-Forwarded-Host: Wiki.example.com\n"                   \
        "Forwarded: for=192.0.2.7;host=\"Wiki.example.com\";proto=https\nX-Real-IP: 192.0.2.7\n"
#define IDS "X-Request-Id: id-1\ntraceparent: 00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00\n"
#define ANA                                                                                                            \
        "Remote-User: ana\nRemote-Groups: staff,wiki\nRemote-Email: ana@example.com\n"                                 \
        "Remote-Name: Ana \xc3\x84.\n"
#define NOBODY "Remote-User: \nRemote-Groups: \nRemote-Email: \nRemote-Name: \n"
#define OWN    FORWARDED IDS ANA

static void sends(const char *headers, const char *expected)
{
        forward_headers(&f, headers);
        assert_string_equal(forward_lines(&f), expected);
}

static void is_refused(const char *reason)
{
        assert_status(forward_send(&f), CD_INVALID_REQUEST);
        if (!strstr(f.error.reason, reason))
                fail_msg("%s", f.error.reason);
}

/* ---- headers ---- */

static void end_to_end_headers_go_on_in_order_and_case(void **state)
{
        (void)state;
        sends("aCCEPT: */*\nHost: Wiki.example.com\nX-B: 2\nx-a: 1\nX-B:  3\t4 \nEmpty: \nDNT: 1\n",
              "aCCEPT: */*\nHost: Wiki.example.com\nX-B: 2\nx-a: 1\nX-B: 3\t4\nEmpty: \nDNT: 1\n" OWN);
        assert_str(f.sent.method, "GET");
        assert_str(f.sent.target, "/a/b");
}

static void http2_gets_its_host_first(void **state)
{
        (void)state;
        sends("accept: */*\n", "Host: Wiki.example.com\naccept: */*\n" OWN);
}

static void the_host_may_be_set(void **state)
{
        (void)state;
        f.route.set_host = CD_STR("inside.local:81");
        sends("X: 1\nhost: Wiki.example.com\n", "X: 1\nhost: inside.local:81\n" OWN);
        sends("", "Host: inside.local:81\n" OWN);
}

static void hop_by_hop_headers_are_removed(void **state)
{
        (void)state;
        sends("Host: a\nConnection: keep-alive, X-Hop ,x-two\nX-HOP: 1\nX-Two: 2\nx-three: 3\nKeep-Alive: 5\nTE: "
              "trailers\n"
              "Trailer: X\nTransfer-Encoding: chunked\nContent-Length: 5\nUpgrade: h2c\nHTTP2-Settings: x\n"
              "Proxy-Connection: close\nProxy-Authorization: Basic x\nProxy: evil\nExpect: 100-continue\n",
              "Host: Wiki.example.com\nx-three: 3\n" OWN);
}

static void lesson_04_connection_removes_no_header_of_the_gate(void **state)
{
        (void)state;
        sends("Connection: Remote-User, X-Forwarded-For, Host, x-request-id, Cookie, close\nCookie: a=1\nHost: a\n",
              "Host: Wiki.example.com\n" OWN);
        sends("Cookie: a=1\nX: 1\nConnection: X\nY: 2\n", "Host: Wiki.example.com\nCookie: a=1\nY: 2\n" OWN);
        sends("X: 1\nCookie: cardea_session=1; b=2\nConnection: X\n", "Host: Wiki.example.com\nCookie: b=2\n" OWN);
}

static void connection_may_name_thirty_two_headers(void **state)
{
        char line[1024] = "Connection: a0";

        (void)state;
        for (int i = 1; i < 32; i++)
                snprintf(line + strlen(line), sizeof(line) - strlen(line), ",a%d", i);
        forward_headers(&f, line);
        assert_status(forward_send(&f), CD_OK);
        strcat(line, ",close,,keep-alive");
        forward_headers(&f, line);
        assert_status(forward_send(&f), CD_OK);
        strcat(line, ",a32");
        forward_headers(&f, line);
        is_refused("Connection names too many headers");
}

static void what_looks_like_framing_is_refused(void **state)
{
        static const char *const names[] = { "Content_Length: 1", "content.length: 1", "Transfer_Encoding: chunked",
                                             "Transfer---Encoding: chunked", "ContentLength: 1" };

        (void)state;
        for (size_t i = 0; i < CD_LEN(names); i++) {
                forward_headers(&f, names[i]);
                is_refused("a header looks like one of framing");
        }
        sends("Content-Type: text/plain\nTransfer: 1\n",
              "Host: Wiki.example.com\nContent-Type: text/plain\nTransfer: 1\n" OWN);
}

/* ---- identity ---- */

static void lesson_04_identity_headers_are_stripped_in_every_spelling(void **state)
{
        static const char *const names[] = {
                "Remote-User",
                "Remote-Groups",
                "Remote-Email",
                "Remote-Name",
                "X-Auth-Request-User",
                "X-Auth-Request-Groups",
                "X-Auth-Request-Email",
                "X-Auth-Request-Name",
                "X-Forwarded-User",
                "X-Forwarded-Groups",
                "X-Forwarded-Email",
                "X-Forwarded-Name",
                "X-Auth-Request-Token",
                "Cardea-Identity",
                "Cardea-Claims",
                "X-WebAuth-User",
                "X-Webauth-Name-Of-The-User",
        };

        (void)state;
        f.route.identity.user = CD_STR("X-WEBAUTH-USER");
        f.route.identity.name = CD_STR("X-WebAuth-Name-of-the-User");
        f.req.is_from_proxy = true; /* which does not make a client's identity true */
        for (size_t i = 0; i < CD_LEN(names); i++)
                for (const char *separator = "-_.~"; *separator; separator++)
                        for (int kase = 0; kase < 3; kase++) {
                                char line[64];
                                size_t len = (size_t)snprintf(line, sizeof(line), "%s: evil", names[i]);
                                for (size_t at = 0; at < len - 6; at++) {
                                        if (line[at] == '-')
                                                line[at] = *separator;
                                        else if (kase)
                                                line[at] = (char)(kase == 1 ? line[at] | 0x20 : line[at] & ~0x20);
                                }
                                forward_headers(&f, line);
                                assert_null(strstr(forward_lines(&f), "evil"));
                                assert_string_equal(forward_field(&f, "X-WEBAUTH-USER"), "ana");
                                assert_int_equal(forward_spellings(&f, "x-webauth-user"), 1);
                        }
}

/* Of a header that only names with the token, whatever it is called, one reaches the application: the gate's. */
static void lesson_04_the_header_with_a_providers_token_is_stripped_in_every_spelling(void **state)
{
        static const char *const lines[] = {
                "X-GitHub-Token: evil\n",
                "x-github-token: evil\n",
                "X_GITHUB_TOKEN: evil\n",
                "X.GitHub.Token: evil\n",
                "X-Github_Token: evil\n",
                "x~github~token: evil\n",
                "X-GITHUB-TOKEN: evil\nX-GitHub-Token: evil\n",
        };

        (void)state;
        f.route.pass_token = CD_STR("github");
        f.route.token_header = CD_STR("X-GitHub-Token");
        f.req.is_from_proxy = true;
        for (size_t i = 0; i < CD_LEN(lines); i++) {
                forward_headers(&f, lines[i]);
                f.identity.provider_token = CD_STR("gho_1");
                assert_null(strstr(forward_lines(&f), "evil"));
                assert_string_equal(forward_field(&f, "X-GitHub-Token"), "gho_1");
                assert_int_equal(forward_spellings(&f, "X-GitHub-Token"), 1);
                f.identity.provider_token = (cd_str){ NULL, 0 }; /* a public path */
                assert_null(strstr(forward_lines(&f), "evil"));
                assert_string_equal(forward_field(&f, "X-GitHub-Token"), "");
        }
        forward_headers(&f, "Connection: X-GitHub-Token\n");
        f.identity.provider_token = CD_STR("gho_1");
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "X-GitHub-Token"), "gho_1");
        f.route.pass_token = f.route.token_header = CD_STR(""); /* a route that does not ask for it */
        forward_headers(&f, "X-GitHub-Token: own\n");
        assert_null(strstr(forward_lines(&f), "gho_1"));
        assert_string_equal(forward_field(&f, "X-GitHub-Token"), "own");
}

static void lesson_04_identity_is_always_set_and_empty_for_nobody(void **state)
{
        (void)state;
        f.identity = (struct cd_gate_identity){ 0 };
        sends("REMOTE_USER: root\nremote-groups: admin\n", "Host: Wiki.example.com\n" FORWARDED IDS NOBODY);
        f.route.identity_jwt = true;
        sends("cardea_identity: x\n", "Host: Wiki.example.com\n" FORWARDED IDS NOBODY "Cardea-Identity: \n");
        f.identity = (struct cd_gate_identity){ .who = &f.ana, .auth_type = "session", .jwt = CD_STR("a.b.c") };
        sends("Cardea-Identity: x\n", "Host: Wiki.example.com\n" OWN "Cardea-Identity: a.b.c\n");
}

static void details_with_control_characters_are_refused(void **state)
{
        cd_str *const texts[] = { &f.ana.user, &f.ana.groups, &f.ana.email, &f.ana.display_name };

        (void)state;
        for (int uwsgi = 0; uwsgi < 2; uwsgi++) {
                for (size_t i = 0; i < CD_LEN(texts); i++) {
                        cd_str before = *texts[i];
                        *texts[i] = CD_STR("a\r\nRemote-User: root");
                        is_refused("control character");
                        *texts[i] = before;
                }
                forward_is_uwsgi(&f);
        }
}

/* ---- addresses and ids ---- */

static void lesson_03_forwarded_headers_of_strangers_do_not_count(void **state)
{
        (void)state;
        sends("X-Forwarded-For: 1.1.1.1\nx_forwarded_for: 1.1.1.2\nX-Forwarded-Proto: http\nX-Forwarded-Host: evil\n"
              "Forwarded: for=1.1.1.1\nX-Real-IP: 1.1.1.1\nX.Real.Ip: 1.1.1.1\nX-Forwarded-Port: 1\n"
              "X-Forwarded-Prefix: /evil\nX-Request-Id: evil\ntraceparent: x\ntracestate: evil=1\n"
              "X-Original-URL: /admin\nX-Rewrite-URL: /admin\nX-Original-Method: GET\nX-Original-Uri: "
              "/\nX-Forwarded-Uri: /\n",
              "Host: Wiki.example.com\n" OWN);
}

/* gunicorn takes a header SCRIPT_NAME off the path, and nginx drops all names with an underscore. */
static void lesson_02_no_other_name_of_the_path_passes(void **state)
{
        (void)state;
        sends("SCRIPT_NAME: /assets\nscript-name: /assets\nPATH_INFO: /admin\nPath-Info: /admin\nX-Script-Name: "
              "/assets\nDaphne-Root-Path: /assets\n"
              "A_b: 1\nA.b: 1\na~b: 1\na-b: 1\n",
              "Host: Wiki.example.com\na-b: 1\n" OWN);
}

static void lesson_04_an_identity_header_may_have_any_name(void **state)
{
        (void)state;
        f.req.is_from_proxy = true;
        f.route.identity.user = CD_STR("Destination");
        f.route.identity.groups = CD_STR("X-Forwarded-Prefix");
        f.route.identity.email = CD_STR("X-Forwarded-Mail");
        forward_headers(&f, "Destination: admin\nX-Forwarded-Prefix: admins\nX-Forwarded-Mail: admin@example.com\n");
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "Destination"), "ana");
        assert_string_equal(forward_field(&f, "X-Forwarded-Prefix"), "staff,wiki");
        assert_string_equal(forward_field(&f, "X-Forwarded-Mail"), "ana@example.com");
}

static void a_trusted_proxy_is_appended(void **state)
{
        (void)state;
        f.req.is_from_proxy = true;
        f.req.client_address = CD_STR("2001:db8::1");
        forward_headers(&f, "X-Forwarded-For: 9.9.9.9\nx-forwarded-for: 2001:db8::1\nX-Forwarded-Port: 8443\n"
                            "tracestate: a=1\nX-Forwarded-Prefix: /x\nX-Original-URL: /admin\nForwarded: for=evil\n");
        assert_string_equal(
                forward_lines(&f),
                "Host: Wiki.example.com\nX-Forwarded-Port: 8443\ntracestate: a=1\nX-Forwarded-Prefix: /x\n"
                "X-Forwarded-For: 9.9.9.9, 2001:db8::1, 192.0.2.7\nX-Forwarded-Proto: https\n"
                "X-Forwarded-Host: Wiki.example.com\n"
                "Forwarded: for=\"[2001:db8::1]\";host=\"Wiki.example.com\";proto=https\nX-Real-IP: 2001:db8::1\n" IDS
                        ANA);
        sends("", "Host: Wiki.example.com\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https\n"
                  "X-Forwarded-Host: Wiki.example.com\n"
                  "Forwarded: for=\"[2001:db8::1]\";host=\"Wiki.example.com\";proto=https\nX-Real-IP: 2001:db8::1\n" IDS
                          ANA);
}

static void what_is_no_address_is_not_sent_as_one(void **state)
{
        (void)state;
        f.req.peer = f.req.client_address = CD_STR("unix:");
        sends("", "Host: Wiki.example.com\nX-Forwarded-Proto: https\nX-Forwarded-Host: Wiki.example.com\n"
                  "Forwarded: for=unknown;host=\"Wiki.example.com\";proto=https\n" IDS ANA);
        f.req.is_from_proxy = true;
        f.req.client_address = CD_STR("");
        sends("X-Forwarded-For: what\n", "Host: Wiki.example.com\nX-Forwarded-For: what\nX-Forwarded-Proto: "
                                         "https\nX-Forwarded-Host: Wiki.example.com\n"
                                         "Forwarded: for=unknown;host=\"Wiki.example.com\";proto=https\n" IDS ANA);
}

static void a_sampled_trace_says_so(void **state)
{
        (void)state;
        f.req.trace.sampled = true;
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "traceparent"),
                            "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01");
}

/* ---- credentials ---- */

static void lesson_06_the_session_cookie_never_goes_upstream(void **state)
{
        static const struct {
                const char *sent, *left; /* NULL: no Cookie header */
        } rows[] = {
                { "a=1; b=2", "a=1; b=2" },
                { "a=1;b=2 ;;  c", "a=1;b=2 ;;  c" },
                { "a=\"x; y\"; b==", "a=\"x; y\"; b==" },
                { "cardea_session=s", NULL },
                { "__Host-cardea_session=s", NULL },
                { "__Secure-cardea_session=s", NULL },
                { "cardea_login=s; __Host-cardea_known=1; cardea_", NULL },
                { "a=1; cardea_session=s; b=2", "a=1; b=2" },
                { "cardea_session=s; a=1;b=2", "a=1;b=2" },
                { "a=1;cardea_session=s", "a=1" },
                { "a=1; \tcardea_session \t=s ;b=2", "a=1;b=2" },
                { "a=\"x; __Host-cardea_session=s; y\"", "a=\"x; y\"" },
                { "cardea=1; xcardea_session=2; Cardea_x=3", "cardea=1; xcardea_session=2; Cardea_x=3" },
                { "a=cardea_session=1", "a=cardea_session=1" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                char line[128];
                snprintf(line, sizeof(line), "Cookie: %s", rows[i].sent);
                forward_headers(&f, line);
                forward_lines(&f);
                const char *left = forward_field(&f, "Cookie");
                if (rows[i].left)
                        assert_string_equal(left, rows[i].left);
                else
                        assert_null(left);
        }
}

static void lesson_06_no_cookie_header_hides_behind_another(void **state)
{
        (void)state;
        sends("A: 1\ncookie: a=1\nB: 2\nCOOKIE: cardea_session=s\nCookie: b=2\nC: 3\n",
              "Host: Wiki.example.com\nA: 1\ncookie: a=1; b=2\nB: 2\nC: 3\n" OWN);
        sends("A: 1\ncookie: cardea_session=s\nB: 2\nCOOKIE: cardea_session=s\n",
              "Host: Wiki.example.com\nA: 1\nB: 2\n" OWN);
}

static void a_route_may_pass_the_session(void **state)
{
        (void)state;
        f.route.pass = CD_GATE_PASS_SESSION;
        sends("Cookie: a=1; __Host-cardea_session=s; cardea_login=x\nAuthorization: Bearer t\n",
              "Host: Wiki.example.com\nCookie: a=1; __Host-cardea_session=s\nAuthorization: Bearer t\n" OWN);
}

static void lesson_06_credentials_of_ours_never_go_upstream(void **state)
{
        (void)state;
        sends("Authorization: Basic own\nX-Api-Key: own\n",
              "Host: Wiki.example.com\nAuthorization: Basic own\nX-Api-Key: own\n" OWN);
        f.identity.drop_authorization = true;
        sends("Authorization: Bearer cdp_x\nauthorization: Bearer cdp_y\nX-Api-Key: own\n",
              "Host: Wiki.example.com\nX-Api-Key: own\n" OWN);
        f.identity.drop_api_key = true;
        sends("Authorization: Bearer cdp_x\nX-API-KEY: cdp_x\nX_Api_Key: cdp_x\n", "Host: Wiki.example.com\n" OWN);
        f.route.pass = CD_GATE_PASS_TOKENS;
        sends("Authorization: Bearer cdp_x\nCookie: cardea_session=1\n",
              "Host: Wiki.example.com\nAuthorization: Bearer cdp_x\n" OWN);
}

/* ---- paths ---- */

static void targets(const char *as_sent, const char *query, const char *expected)
{
        forward_path(&f, as_sent);
        f.req.query = query ? cd_str_from_c(query) : (cd_str){ NULL, 0 };
        forward_lines(&f);
        assert_str(f.sent.target, expected);
}

static void lesson_02_what_was_judged_is_what_is_sent(void **state)
{
        (void)state;
        targets("/", NULL, "/");
        targets("/a//b/../%63", NULL, "/a/c");
        targets("/%7eana/%c3%a4", NULL, "/~ana/%C3%A4");
        targets("/a", "", "/a?");
        targets("/a", "x=%2f..&y=+", "/a?x=%2f..&y=+");
        forward_path(&f, "/a%2Fb");
        is_refused("no canonical form");
}

static void a_prefix_is_taken_off(void **state)
{
        (void)state;
        f.route.strip_path = true;
        f.route.path = CD_STR("/old/");
        targets("/old/", NULL, "/");
        targets("/old/a/b", "c", "/a/b?c");
        targets("/x/../%6fld/a", NULL, "/a");
        assert_string_equal(forward_field(&f, "X-Forwarded-Prefix"), "/old");
        f.req.is_from_proxy = true;
        forward_headers(&f, "X-Forwarded-Prefix: /evil");
        forward_lines(&f);
        assert_int_equal(forward_spellings(&f, "X-Forwarded-Prefix"), 1);
        forward_path(&f, "/other/a");
        is_refused("does not begin with the route's");
        f.route.paths = CD_GATE_OPAQUE;
        targets("/old/a;b", NULL, "/a;b");
        forward_path(&f, "/%6fld/a");
        is_refused("does not begin with the route's");
}

static void lesson_02_opaque_paths_are_sent_as_they_came(void **state)
{
        static const char *const paths[] = {
                "/",     "/a%2Fb",   "/a;b=c/d;", "/%61",       "/a//b",   "/a%5cb", "/a...b/...", "/.a/..b/a..",
                "/a.;b", "/%2e%2ea", "/a%252e",   "/a%2F%2Fb/", "/%c0%af", "/a:b@c", "/\xc3\xa4",  "/;..",
        };

        (void)state;
        f.route.paths = CD_GATE_OPAQUE;
        for (size_t i = 0; i < CD_LEN(paths); i++)
                targets(paths[i], "q=%2f", cd_arena_printf(&f.arena, "%s?q=%%2f", paths[i]).ptr);
        f.req.path = f.req.path_as_sent = CD_STR("*");
        f.req.query = (cd_str){ NULL, 0 };
        forward_lines(&f);
        assert_str(f.sent.target, "*");
}

static void lesson_02_opaque_paths_that_could_be_others_are_refused(void **state)
{
        static const char *const paths[] = {
                "/a/../b",      "/..",       "/a/.",  "/./a",      "/%2e%2e/a",   "/a/%2E",      "/a/.%2e/",
                "/a/..;/b",     "/a/..;x/b", "/a/.;", "/a%2f../b", "/a%2F..%2Fb", "/a%5c..%5cb", "/a/..%5Cb",
                "/a/%2e%2e%3b", "//a/b",     "//",    "/a%00",     "/a%0",        "/a%zz",       "/a%",
                "/a\\b",        "/a#b",      "/a b",  "/a\x01",    "/a\x7f",      "a",           "",
        };

        (void)state;
        f.route.paths = CD_GATE_OPAQUE;
        for (size_t i = 0; i < CD_LEN(paths); i++) {
                forward_path(&f, paths[i]);
                if (forward_send(&f) != CD_INVALID_REQUEST)
                        fail_msg("%s", paths[i]);
        }
        f.route.path = CD_STR("/old/"); /* not stripped, but a rule was found by it */
        targets("/old/a", NULL, "/old/a");
        forward_path(&f, "/o%6cd/a");
        is_refused("does not begin with the route's");
}

static void destinations_fit_what_the_application_has(void **state)
{
        (void)state;
        sends("Destination: https://wiki.example.com/old/a\n",
              "Host: Wiki.example.com\nDestination: https://wiki.example.com/old/a\n" OWN);
        f.route.rewrite = true;
        forward_headers(&f, "Destination: https://wiki.example.com:443/old/a%20b");
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "Destination"), "http://Wiki.example.com/old/a%20b");
        f.route.set_host = CD_STR("dav.internal:8000");
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "Destination"), "http://dav.internal:8000/old/a%20b");
        f.route.strip_path = true;
        f.route.path = CD_STR("/old/");
        forward_path(&f, "/old/x");
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "Destination"), "http://dav.internal:8000/a%20b");
        forward_is_tls(&f);
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "Destination"), "https://dav.internal:8000/a%20b");
        forward_headers(&f, "Destination: /other/a");
        is_refused("Destination leads out of the route");
        forward_headers(&f, "Destination: https://other.example.com/old/a");
        forward_lines(&f);
        assert_string_equal(forward_field(&f, "Destination"), "https://other.example.com/old/a");
}

/* ---- the rest of the request ---- */

static void has_length(enum cd_http_method method, const char *headers, int64_t length, bool expected)
{
        f.req.method = method;
        f.length = length;
        forward_headers(&f, headers);
        forward_lines(&f);
        assert_int_equal(f.sent.length, length);
        assert_int_equal(f.sent.has_length, expected);
}

static void lengths_are_said_where_they_matter(void **state)
{
        (void)state;
        has_length(CD_HTTP_GET, "", 0, false);
        has_length(CD_HTTP_GET, "Content-Length: 0", 0, true);
        has_length(CD_HTTP_POST, "", 0, true);
        has_length(CD_HTTP_GET, "", 1, true);
        has_length(CD_HTTP_POST, "", CD_UPSTREAM_LENGTH_UNKNOWN, false);
}

static void methods_say_what_may_be_sent_again(void **state)
{
        static const struct {
                const char *name;
                bool is_idempotent, is_head;
        } rows[] = {
                { "GET", true, false },    { "HEAD", true, true },     { "PUT", true, false },
                { "DELETE", true, false }, { "OPTIONS", true, false }, { "TRACE", true, false },
                { "POST", false, false },  { "PATCH", false, false },  { "PROPFIND", false, false },
                { "get", false, false },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                f.req.method_name = cd_str_from_c(rows[i].name);
                f.req.method = cd_http_method_of(f.req.method_name);
                forward_lines(&f);
                assert_str(f.sent.method, rows[i].name);
                assert_int_equal(f.sent.is_idempotent, rows[i].is_idempotent);
                assert_int_equal(f.sent.is_head, rows[i].is_head);
        }
        f.req.method = CD_HTTP_GET;
        f.req.upgrade = CD_STR("websocket");
        forward_lines(&f);
        assert_false(f.sent.is_idempotent);
}

static void web_sockets_over_http2_get_a_key(void **state)
{
        (void)state;
        f.req.upgrade = CD_STR("websocket");
        sends("Sec-WebSocket-Key: abc\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n",
              "Host: Wiki.example.com\nSec-WebSocket-Key: abc\nSec-WebSocket-Version: 13\n" OWN);
        assert_str(f.sent.upgrade, "websocket");
        sends("sec-websocket-version: 13\n", "Host: Wiki.example.com\nsec-websocket-version: 13\n" OWN
                                             "Sec-WebSocket-Key: YmJiYmJiYmJiYmJiYmJiYg==\n");
        f.req.upgrade = CD_STR("h2c");
        sends("", "Host: Wiki.example.com\n" OWN);
        assert_null(f.sent.upgrade.ptr);
}

static void any_number_of_headers_has_room(void **state)
{
        (void)state;
        for (size_t i = 0; i < FORWARD_HEADERS; i++)
                f.headers[i] = (struct cd_http_header){ CD_STR("X"), CD_STR("1") };
        f.req.header_count = FORWARD_HEADERS;
        f.req.is_from_proxy = f.route.identity_jwt = f.route.strip_path = true;
        f.route.path = CD_STR("/a/");
        f.req.upgrade = CD_STR("websocket");
        forward_lines(&f);
        assert_int_equal(f.sent.field_count, FORWARD_HEADERS + 15);
}

static void memory_may_be_out(void **state)
{
        (void)state;
        f.req.query = CD_STR("q");
        forward_headers(&f, "Cookie: cardea_session=1; a=2\nCookie: b=1\n");
        for (int uwsgi = 0; uwsgi < 2; uwsgi++) {
                struct cd_arena *arena = f.req.arena, small;
                bool was_ok = false;
                for (size_t ceiling = 0; ceiling < 16384 && !was_ok; ceiling += 64) {
                        cd_arena_init(&small, ceiling);
                        f.req.arena = &small;
                        cd_status status = forward_send(&f);
                        was_ok = status == CD_OK;
                        assert_true(was_ok || status == CD_NO_MEMORY);
                        cd_arena_done(&small);
                }
                f.req.arena = arena;
                assert_true(was_ok);
                forward_is_uwsgi(&f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(end_to_end_headers_go_on_in_order_and_case, set_up, tear_down),
                cmocka_unit_test_setup_teardown(http2_gets_its_host_first, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_host_may_be_set, set_up, tear_down),
                cmocka_unit_test_setup_teardown(hop_by_hop_headers_are_removed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_connection_removes_no_header_of_the_gate, set_up, tear_down),
                cmocka_unit_test_setup_teardown(connection_may_name_thirty_two_headers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_looks_like_framing_is_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        lesson_04_the_header_with_a_providers_token_is_stripped_in_every_spelling, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_identity_headers_are_stripped_in_every_spelling, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_identity_is_always_set_and_empty_for_nobody, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(lesson_02_no_other_name_of_the_path_passes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(details_with_control_characters_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_03_forwarded_headers_of_strangers_do_not_count, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_an_identity_header_may_have_any_name, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_trusted_proxy_is_appended, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_address_is_not_sent_as_one, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_sampled_trace_says_so, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_06_the_session_cookie_never_goes_upstream, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_06_no_cookie_header_hides_behind_another, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_route_may_pass_the_session, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_06_credentials_of_ours_never_go_upstream, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_02_what_was_judged_is_what_is_sent, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_prefix_is_taken_off, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_02_opaque_paths_are_sent_as_they_came, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_02_opaque_paths_that_could_be_others_are_refused, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(destinations_fit_what_the_application_has, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lengths_are_said_where_they_matter, set_up, tear_down),
                cmocka_unit_test_setup_teardown(methods_say_what_may_be_sent_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(web_sockets_over_http2_get_a_key, set_up, tear_down),
                cmocka_unit_test_setup_teardown(any_number_of_headers_has_room, set_up, tear_down),
                cmocka_unit_test_setup_teardown(memory_may_be_out, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("gate/forward", tests, NULL, NULL);
}
