#include "support/check.h"

#include "forward_fixture.h"

static struct forward_fixture f;

static int set_up(void **state)
{
        (void)state;
        forward_set_up(&f);
        forward_is_uwsgi(&f);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        forward_tear_down(&f);
        return 0;
}

#define CLAIMS                                                                                                         \
        "{\"user\":\"ana\",\"groups\":[\"staff\",\"wiki\"],\"email\":\"ana@example.com\",\"name\":\"Ana \xc3\x84.\","  \
        "\"auth_type\":\"session\",\"factors\":2,\"auth_time\":1700000000}"

static void is(const char *name, const char *value)
{
        const char *found = forward_field(&f, name);

        if (!found || !value) {
                if (found != value)
                        fail_msg("%s", name);
                return;
        }
        assert_string_equal(found, value);
}

static void with(const char *headers)
{
        forward_headers(&f, headers);
        forward_lines(&f);
}

static void the_block_is_that_of_nginx(void **state)
{
        (void)state;
        f.req.query = CD_STR("x=%20&y");
        f.length = 5;
        forward_headers(&f, "Host: Wiki.example.com\nContent-Type: text/plain\nContent-Length: 5\nx-foo-1: 1\n");
        assert_string_equal(
                forward_lines(&f),
                "QUERY_STRING: x=%20&y\nREQUEST_METHOD: GET\nCONTENT_TYPE: text/plain\nCONTENT_LENGTH: 5\n"
                "REQUEST_URI: /a/b?x=%20&y\nPATH_INFO: /a/b\nDOCUMENT_ROOT: \nSERVER_PROTOCOL: HTTP/1.1\n"
                "REQUEST_SCHEME: https\nHTTPS: on\nREMOTE_ADDR: 192.0.2.7\nREMOTE_PORT: 4711\nSERVER_PORT: 8443\n"
                "SERVER_NAME: wiki.example.com\nREMOTE_USER: ana\nAUTH_TYPE: session\nCARDEA_GROUPS: staff,wiki\n"
                "CARDEA_CLAIMS: " CLAIMS "\nHTTP_CONTENT_LENGTH: 5\nHTTP_HOST: Wiki.example.com\n"
                "HTTP_CONTENT_TYPE: text/plain\nHTTP_X_FOO_1: 1\nHTTP_X_FORWARDED_FOR: 192.0.2.7\n"
                "HTTP_X_FORWARDED_PROTO: https\nHTTP_X_FORWARDED_HOST: Wiki.example.com\n"
                "HTTP_FORWARDED: for=192.0.2.7;host=\"Wiki.example.com\";proto=https\nHTTP_X_REAL_IP: 192.0.2.7\n"
                "HTTP_X_REQUEST_ID: id-1\n"
                "HTTP_TRACEPARENT: 00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00\n");
}

static void https_is_absent_without_tls(void **state)
{
        (void)state;
        f.req.scheme = CD_STR("http");
        with("");
        is("HTTPS", NULL);
        is("REQUEST_SCHEME", "http");
}

/* nginx's $server_port, whatever Host says. */
static void the_server_port_is_that_of_the_listener(void **state)
{
        (void)state;
        f.req.authority = CD_STR("wiki.example.com:9000");
        f.req.local_port = 65535;
        with("");
        is("SERVER_PORT", "65535");
        f.req.local_port = 0; /* a Unix socket */
        with("");
        is("SERVER_PORT", "");
}

static void the_port_of_a_client_behind_a_proxy_is_not_known(void **state)
{
        (void)state;
        f.req.is_from_proxy = true;
        f.req.client_address = CD_STR("203.0.113.9");
        with("");
        is("REMOTE_ADDR", "203.0.113.9");
        is("REMOTE_PORT", "");
}

static void lengths_are_said_as_by_nginx(void **state)
{
        (void)state;
        with("");
        is("CONTENT_LENGTH", "");
        is("CONTENT_TYPE", "");
        is("HTTP_CONTENT_LENGTH", NULL);
        f.req.method = CD_HTTP_POST;
        with("Content-Length: 0");
        is("CONTENT_LENGTH", "0");
        with("Transfer-Encoding: chunked");
        is("CONTENT_LENGTH", "0");
        is("HTTP_TRANSFER_ENCODING", NULL);
        f.length = 70000;
        with("Transfer-Encoding: chunked");
        is("CONTENT_LENGTH", "70000");
}

static void paths_are_decoded(void **state)
{
        (void)state;
        forward_path(&f, "/a%20b/%C3%A4%25/c+d");
        with("");
        is("PATH_INFO", "/a b/\xc3\xa4%/c+d");
        is("REQUEST_URI", "/a%20b/%C3%A4%25/c+d");
        is("SCRIPT_NAME", NULL);
        f.route.paths = CD_GATE_OPAQUE;
        forward_path(&f, "/a%2F%2fb//c;d");
        with("");
        is("PATH_INFO", "/a/b/c;d");
        is("REQUEST_URI", "/a%2F%2fb//c;d");
}

static void a_prefix_becomes_the_script_name(void **state)
{
        (void)state;
        f.route.strip_path = true;
        f.route.path = CD_STR("/old%20/");
        f.req.query = CD_STR("q");
        forward_path(&f, "/old%20/a%20b");
        with("");
        is("SCRIPT_NAME", "/old ");
        is("PATH_INFO", "/a b");
        is("REQUEST_URI", "/old%20/a%20b?q");
        forward_path(&f, "/old%20/");
        with("");
        is("PATH_INFO", "/");
}

static void lesson_04_names_that_could_collide_are_dropped(void **state)
{
        (void)state;
        with("X_Foo: 1\nX-Foo: 2\nX.Foo: 3\nx-FOO: 4\nA!b: 1\nX-Bar_: 1\nX-Bar-: 2\n");
        is("HTTP_X_FOO", "2, 4");
        is("HTTP_X_BAR_", "2");
        is("HTTP_A!B", NULL);
        assert_int_equal(forward_spellings(&f, "HTTP-X-FOO"), 1);
}

static void lesson_04_no_client_sends_the_variable_with_a_providers_token(void **state)
{
        static const char headers[] = "X-GitHub-Token: evil\nx_github_token: evil\nX.GitHub-Token: evil\n"
                                      "Cardea-Provider-Token: evil\nCARDEA_PROVIDER_TOKEN: evil\n";

        (void)state;
        f.route.pass_token = CD_STR("github");
        f.route.token_header = CD_STR("CARDEA_PROVIDER_TOKEN");
        f.identity.provider_token = CD_STR("gho_1");
        with(headers);
        is("CARDEA_PROVIDER_TOKEN", "gho_1");
        is("HTTP_X_GITHUB_TOKEN", "evil"); /* means nothing here */
        is("HTTP_CARDEA_PROVIDER_TOKEN", NULL);
        f.route.token_header = CD_STR("HTTP_X_GITHUB_TOKEN");
        with(headers);
        is("HTTP_X_GITHUB_TOKEN", "gho_1");
        assert_null(strstr(forward_lines(&f), "evil"));
        f.identity.provider_token = (cd_str){ NULL, 0 };
        with(headers);
        is("HTTP_X_GITHUB_TOKEN", "");
        assert_null(strstr(forward_lines(&f), "evil"));
}

/* Every variable that is no header, at once. */
static void all_variables_of_the_gate_have_room(void **state)
{
        (void)state;
        f.route.pass_token = CD_STR("github");
        f.route.token_header = CD_STR("CARDEA_PROVIDER_TOKEN");
        f.route.path = CD_STR("/a/");
        f.route.strip_path = true;
        f.length = 5;
        with("Content-Length: 5\n");
        is("SCRIPT_NAME", "/a");
        is("HTTPS", "on");
        is("HTTP_CONTENT_LENGTH", "5");
        is("CARDEA_PROVIDER_TOKEN", "");
}

static void lesson_04_no_client_sends_a_variable_of_the_gate(void **state)
{
        (void)state;
        f.identity = (struct cd_gate_identity){ 0 };
        with("Remote-User: root\nRemote_User: root\nREMOTE_USER: root\nCardea-Groups: admin\ncardea_claims: {}\n"
             "Proxy: http://evil\nPROXY: x\nX-Forwarded-User: root\n");
        is("REMOTE_USER", "");
        is("AUTH_TYPE", "");
        is("CARDEA_GROUPS", "");
        is("CARDEA_CLAIMS", "{}");
        is("HTTP_REMOTE_USER", NULL);
        is("HTTP_PROXY", NULL);
        is("HTTP_X_FORWARDED_USER", NULL);
        is("HTTP_CARDEA_GROUPS", NULL);
        is("HTTP_CARDEA_CLAIMS", NULL);
        f.route.identity_jwt = true;
        f.identity.jwt = CD_STR("a.b.c");
        with("");
        is("HTTP_CARDEA_IDENTITY", "a.b.c");
}

static void lesson_06_cookies_of_ours_are_no_variables(void **state)
{
        (void)state;
        with("Cookie: cardea_session=s\n");
        is("HTTP_COOKIE", NULL);
        with("Cookie: a=1\nCookie: b=2; cardea_session=s\n");
        is("HTTP_COOKIE", "a=1; b=2");
}

static void claims_are_json(void **state)
{
        (void)state;
        f.ana = (struct cd_live_session){ .user = CD_STR("a\"b\\"), .groups = CD_STR("") };
        f.identity.auth_type = "bearer";
        with("");
        is("CARDEA_CLAIMS",
           "{\"user\":\"a\\\"b\\\\\",\"groups\":[],\"email\":\"\",\"name\":\"\",\"auth_type\":\"bearer\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_block_is_that_of_nginx, set_up, tear_down),
                cmocka_unit_test_setup_teardown(https_is_absent_without_tls, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_server_port_is_that_of_the_listener, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_port_of_a_client_behind_a_proxy_is_not_known, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lengths_are_said_as_by_nginx, set_up, tear_down),
                cmocka_unit_test_setup_teardown(paths_are_decoded, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_prefix_becomes_the_script_name, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_names_that_could_collide_are_dropped, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_no_client_sends_the_variable_with_a_providers_token, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(all_variables_of_the_gate_have_room, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_04_no_client_sends_a_variable_of_the_gate, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lesson_06_cookies_of_ours_are_no_variables, set_up, tear_down),
                cmocka_unit_test_setup_teardown(claims_are_json, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("gate/uwsgi_variables", tests, NULL, NULL);
}
