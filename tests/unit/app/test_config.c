#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "app/config.h"
#include "conf/yaml.h"
#include "base/buf.h"
#include "core/client.h"
#include "crypto/jwk.h"

struct fixture {
        struct cd_arena arena;
        struct cd_report report;
        struct cd_config config;
};

static int make(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, 64 * 1024 * 1024);
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

static void check(struct fixture *f, const char *text)
{
        struct cd_error err;

        cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
        if (cd_settings_decode(&f->report, cd_str_from_c(text), &cd_config_table, &f->config, &err) != CD_OK)
                fail_msg("%s", err.reason);
        cd_config_check(&f->config, &f->report);
}

/* Of settings that need not be readable. */
static void check_whatever(struct fixture *f, const char *text)
{
        cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
        (void)cd_settings_decode(&f->report, cd_str_from_c(text), &cd_config_table, &f->config, NULL);
        cd_config_check(&f->config, &f->report);
}

static bool mentions(const struct fixture *f, const char *text)
{
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next) {
                cd_str all = cd_finding_text(&f->report, finding);
                if (memmem(all.ptr, all.len, text, strlen(text)))
                        return true;
        }
        return false;
}

static bool found(struct fixture *f, enum cd_finding_level level, const char *text)
{
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next)
                if (finding->level == level && cd_str_eq(cd_finding_text(&f->report, finding), cd_str_from_c(text)))
                        return true;
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next)
                print_message("found: %.*s\n", CD_STR_ARG(cd_finding_text(&f->report, finding)));
        return false;
}

/* Exactly one error, and it is this. */
static void refuses(struct fixture *f, const char *text, const char *finding)
{
        check(f, text);
        assert_true(found(f, CD_FINDING_ERROR, finding));
        assert_int_equal(f->report.errors, 1);
}

static void accepts(struct fixture *f, const char *text)
{
        check(f, text);
        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next)
                if (finding->level == CD_FINDING_ERROR)
                        fail_msg("%.*s", CD_STR_ARG(cd_finding_text(&f->report, finding)));
}

static void without_a_file_the_server_is_safe_and_says_what_is_missing(void **state)
{
        struct fixture *f = *state;

        accepts(f, "");
        const struct cd_http_listen *listeners = f->config.service.listen.items;
        assert_int_equal(f->config.service.listen.count, 1);
        assert_true(cd_str_eq(listeners[0].address, CD_STR("127.0.0.1:5001")));
        assert_true(cd_str_eq(f->config.issuer, CD_STR("http://localhost:5001")));
        assert_int_equal(f->config.accept_any_user, CD_ANY_USER_NEVER);
        assert_int_equal(f->config.clients.count, 0);
        assert_int_equal(cd_config_alg(&f->config), CD_ALG_ES256);
        assert_int_equal(f->config.tokens.lifetime, 300000);
        assert_true(found(
                f, CD_FINDING_WARNING,
                "f.yaml: signing_key: is not set: a new key is generated at each start, and tokens of the previous one "
                "are rejected; write signing_key: ${file:PATH}; openssl genpkey -algorithm EC -pkeyopt "
                "ec_paramgen_curve:P-256 prints a new key"));
}

static void an_issuer_is_a_url_that_can_be_compared(void **state)
{
        struct fixture *f = *state;

        refuses(f, "issuer: auth.example.org\n",
                "f.yaml:1:9: issuer: is not an http or https URL; write it as in https://auth.example.org");
        refuses(f, "issuer: https://\n",
                "f.yaml:1:9: issuer: is not a URL with a host; write it as in https://auth.example.org");
        refuses(f, "issuer: https://u@h\n",
                "f.yaml:1:9: issuer: is not a URL with a host; write it as in https://auth.example.org");
        refuses(f, "issuer: https://h?q\n",
                "f.yaml:1:9: issuer: has a query or a fragment; write only scheme, host and port (RFC 8414 section 2)");
        refuses(f, "issuer: https://h#f\n",
                "f.yaml:1:9: issuer: has a query or a fragment; write only scheme, host and port (RFC 8414 section 2)");
        refuses(f, "issuer: https://h/\n", "f.yaml:1:9: issuer: ends with a slash; remove the slash");
        refuses(f, "issuer: https://h/tenant\n",
                "f.yaml:1:9: issuer: has a path; remove the path, since this server's endpoints are at the root");
        static const char *const no_host[] = { "https://:1",      "https://h:",    "https://h:0",
                                               "https://h:65536", "https://h:1x",  "https://h:1:2",
                                               "https://[::1",    "https://[::g]", "https://[127.0.0.1]",
                                               "https://[::1]1",  "https://::1",   "https://a%41",
                                               "https://a\\b",    "https://a,b",   "https://a b" };
        for (size_t i = 0; i < CD_LEN(no_host); i++)
                refuses(f, cd_arena_printf(&f->arena, "issuer: '%s'\n", no_host[i]).ptr,
                        "f.yaml:1:9: issuer: is not a URL with a host; write it as in https://auth.example.org");
}

static void an_issuer_on_http_is_fine_on_this_machine_only(void **state)
{
        static const char *const local[] = { "localhost",       "LocalHost:1", "127.0.0.1",
                                             "127.9.9.9:65535", "[::1]",       "[::1]:5001" };
        static const char *const remote[] = { "auth.example.org",
                                              "localhost.example.org",
                                              "localhosts",
                                              "127.evil.org",
                                              "127.1",
                                              "127.0.0.1.example.org:80",
                                              "[::2]",
                                              "[::]:5001",
                                              "0.0.0.0" };
        struct fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(local); i++) {
                accepts(f, cd_arena_printf(&f->arena, "issuer: 'http://%s'\n", local[i]).ptr);
                assert_true(found(f, CD_FINDING_OK,
                                  cd_arena_printf(&f->arena, "f.yaml:1:9: issuer: http://%s", local[i]).ptr));
        }
        for (size_t i = 0; i < CD_LEN(remote); i++) {
                accepts(f, cd_arena_printf(&f->arena, "issuer: 'http://%s'\n", remote[i]).ptr);
                assert_true(
                        found(f, CD_FINDING_WARNING,
                              "f.yaml:1:9: issuer: is http: tokens and secrets travel in the clear; use https, with a "
                              "proxy in front that ends TLS"));
                accepts(f, cd_arena_printf(&f->arena, "issuer: 'https://%s'\n", remote[i]).ptr);
                assert_true(found(f, CD_FINDING_OK,
                                  cd_arena_printf(&f->arena, "f.yaml:1:9: issuer: https://%s", remote[i]).ptr));
        }
}

static void any_user_is_accepted_only_where_nobody_else_can_connect(void **state)
{
        struct fixture *f = *state;

        refuses(f, "accept_any_user: demo-only\nlisten: ['127.0.0.1:1', '0.0.0.0:2']\n",
                "f.yaml:1:18: accept_any_user: is demo-only, but 0.0.0.0:2 is not a loopback address; listen on "
                "127.0.0.1 "
                "or [::1] only, or set it to never");
        refuses(f, "accept_any_user: demo-only\nlisten: ['[::]:2']\n",
                "f.yaml:1:18: accept_any_user: is demo-only, but [::]:2 is not a loopback address; listen on 127.0.0.1 "
                "or "
                "[::1] only, or set it to never");
        refuses(f, "accept_any_user: demo-only\nlisten: ['[::127.0.0.1]:2']\n",
                "f.yaml:1:18: accept_any_user: is demo-only, but [::127.0.0.1]:2 is not a loopback address; listen on "
                "127.0.0.1 or [::1] only, or set it to never");
        accepts(f, "accept_any_user: demo-only\nlisten: ['127.1.2.3:1', '[::1]:2', { address: unix:/c }]\n");
        accepts(f, "accept_any_user: private-network-demo\nlisten: ['0.0.0.0:2']\n");
        assert_true(found(f, CD_FINDING_WARNING,
                          "f.yaml:1:18: accept_any_user: any user name with any password gets a token; set it to never "
                          "outside of demonstrations"));
}

static unsigned count_clear(const struct fixture *f)
{
        unsigned count = 0;

        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next)
                count += finding->level == CD_FINDING_WARNING && strstr(finding->what.ptr, "in the clear") != NULL;
        return count;
}

static void passwords_in_the_clear_are_warned_of(void **state)
{
        static const char basic[] = "issuer: https://a.example.org\nbasic_tokens: { audience: a }\n";
        static const char grant[] = "issuer: https://a.example.org\n"
                                    "clients: [{ id: a, secret: 0123456789abcdef, grant_types: [password] }]\n";
        static const char *const fine[] = {
                "listen: ['127.0.0.1:1', '[::1]:2', 'unix:/c', 'systemd:web']\n",
                "listen: ['0.0.0.0:1']\ntrusted_proxies: [10.0.0.1]\n",
                "listen: ['0.0.0.0:1']\ntls: { certificate: c.pem, key: k.pem }\n",
                "listen: ['0.0.0.0:1']\ntls: { certificate: '${env:CD_TEST_NOT_SET}', key: k.pem }\n",
        };
        struct fixture *f = *state;

        accepts(f, cd_arena_printf(&f->arena, "%slisten: ['127.0.0.1:1', '0.0.0.0:2', '[::]:3']\n", basic).ptr);
        assert_int_equal(count_clear(f), 2);
        assert_true(
                found(f, CD_FINDING_WARNING,
                      "f.yaml:3:25: listen[1]: is http on an address that other machines can reach: passwords travel "
                      "in the clear; set tls, or have a proxy end TLS and name it in trusted_proxies"));
        accepts(f, cd_arena_printf(&f->arena, "%slisten: ['192.0.2.1:2']\n", grant).ptr);
        assert_int_equal(count_clear(f), 1);
        accepts(f, "issuer: https://a.example.org\nlisten: ['192.0.2.1:2']\n");
        assert_int_equal(count_clear(f), 0);
        for (size_t i = 0; i < CD_LEN(fine); i++) {
                check_whatever(f, cd_arena_printf(&f->arena, "%s%s", basic, fine[i]).ptr);
                assert_int_equal(count_clear(f), 0);
        }
}

static void clients_have_their_own_ids_known_grants_and_existing_scopes(void **state)
{
        struct fixture *f = *state;

        refuses(f, "clients:\n  - { id: a, secret: s }\n  - { id: a, secret: t }\n",
                "f.yaml:3:11: clients[1].id: \"a\" is the id of another client too; give each client an id of its own");
        refuses(f, "clients: [{ id: a, secret: s, grant_types: [pasword] }]\n",
                "f.yaml:1:45: clients[0].grant_types[0]: unknown grant \"pasword\"; did you mean \"password\"?");
        refuses(f, "clients: [{ id: a, secret: s, grant_types: [authorization_code] }]\n",
                "f.yaml:1:45: clients[0].grant_types[0]: unknown grant \"authorization_code\"; there are "
                "client_credentials "
                "and password");
        refuses(f, "scopes: [x]\nclients: [{ id: a, secret: s, scopes: [x, y] }]\n",
                "f.yaml:2:43: clients[0].scopes[1]: scope \"y\" does not exist; add it to the setting \"scopes\"");
        refuses(f, "scopes: [\"a b\"]\n",
                "f.yaml:1:10: scopes[0]: \"a b\" is not a scope; use printable ASCII without space, \" and \\ (RFC "
                "6749 "
                "section "
                "3.3)");
        accepts(f, "scopes: [x]\nclients: [{ id: a, secret: s, grant_types: [client_credentials, password], scopes: "
                   "[x] }]\n");
        assert_int_equal(cd_config_grants(f->config.clients.items), CD_GRANT_CLIENT_CREDENTIALS | CD_GRANT_PASSWORD);
}

/* `count` scopes of 99 bytes, and one of `last`; `client`: of a client too. */
static const char *with_scopes(struct fixture *f, int count, int last, bool client)
{
        cd_str list = CD_STR(""), text;

        for (int i = 0; i <= count; i++)
                list = cd_arena_printf(&f->arena, "%.*s%s%04d%0*d", CD_STR_ARG(list), i ? ", " : "", i,
                                       (i < count ? 99 : last) - 4, 0);
        if (client)
                text = cd_arena_printf(&f->arena,
                                       "scopes: [%.*s]\nclients: [{ id: a, secret: s, grant_types: [password], scopes: "
                                       "[%.*s] }]\n",
                                       CD_STR_ARG(list), CD_STR_ARG(list));
        else
                text = cd_arena_printf(&f->arena, "scopes: [%.*s]\n", CD_STR_ARG(list));
        assert_non_null(text.ptr);
        return cd_arena_printf(&f->arena, "%.*s%c", CD_STR_ARG(text), 0).ptr;
}

static void a_client_has_scopes_of_as_many_bytes_as_a_token_has_room_for(void **state)
{
        struct fixture *f = *state;

        accepts(f, with_scopes(f, 40, 4096 - 40 * 100, true));
        refuses(f, with_scopes(f, 40, 4097 - 40 * 100, true),
                "f.yaml:2:64: clients[0].scopes: are 4097 bytes together, and a token has room for 4096; give the "
                "client "
                "fewer, or shorter ones");
}

static void all_scopes_have_room_in_the_metadata(void **state)
{
        struct fixture *f = *state;
        int last = 32 * 1024 + 1 - 300 * (99 + 3) - 3; /* two quotes each and a comma between two */

        accepts(f, with_scopes(f, 300, last, false));
        refuses(f, with_scopes(f, 300, last + 1, false),
                "f.yaml:1:9: scopes: are 32769 bytes in the metadata (RFC 8414), which has room for 32768; name fewer, "
                "or "
                "shorter ones");
}

/* With what a client usually has, and a secret as "openssl rand -hex 32" makes it. */
static const char *with_clients(struct fixture *f, size_t count)
{
        struct cd_buf buf;
        cd_str text = CD_STR("");

        cd_buf_init(&buf, &f->arena, CD_YAML_MAX_SIZE);
        cd_buf_add(&buf, CD_STR("scopes: [current_time, epoch_time]\nclients:\n"));
        for (size_t i = 0; i < count; i++)
                cd_buf_printf(
                        &buf,
                        "  - id: client-%05zu\n    secret: %064zx\n    grant_types: [client_credentials, password]\n"
                        "    scopes: [current_time, epoch_time]\n    audience: https://api.example.org/%05zu\n",
                        i, i, i);
        cd_buf_add_char(&buf, '\0');
        assert_int_equal(cd_buf_view(&buf, &text), CD_OK);
        return text.ptr;
}

static void as_many_clients_as_the_table_allows_fit_in_one_file(void **state)
{
        struct fixture *f = *state;

        accepts(f, with_clients(f, 4000));
        assert_int_equal(f->config.clients.count, 4000);
        const struct cd_config_client *last = (const struct cd_config_client *)f->config.clients.items + 3999;
        assert_true(cd_str_eq(last->audience, CD_STR("https://api.example.org/03999")));
        const struct cd_setting_source *source = cd_report_find_source(&f->report, CD_STR("clients[3999].audience"));
        assert_int_equal(source->line, 2 + 4000 * 5);
        assert_int_equal(cd_report_find_source(&f->report, CD_STR("clients[0].scopes[1]"))->line, 6);
        assert_null(cd_report_find_source(&f->report, CD_STR("clients[4000]")));
}

static void one_client_more_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
        cd_status status = cd_settings_decode(&f->report, cd_str_from_c(with_clients(f, 4001)), &cd_config_table,
                                              &f->config, &err);
        assert_int_equal(status, CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "f.yaml:3:3: clients: has too many items (at most 4000)");
}

/* Whether the client gets this warning; NULL: none at all. */
static bool warns(struct fixture *f, const char *client, const char *finding)
{
        cd_str text = cd_arena_printf(&f->arena, "clients: [{ introspect: ['http://localhost:5001'], %s }]\n", client);
        size_t count = 0, fitting = 0;

        check(f, text.ptr);
        assert_int_equal(f->report.errors, 0);
        for (const struct cd_finding *at = f->report.findings; at; at = at->next) {
                cd_str said = cd_arena_copy(&f->arena, cd_finding_text(&f->report, at));
                bool is_it = at->level == CD_FINDING_WARNING && strstr(said.ptr, "clients[0]");
                count += is_it;
                fitting += is_it && finding && strstr(said.ptr, finding);
        }
        return finding ? fitting == 1 && count == 1 : count == 0;
}

static void credentials_that_basic_needs_encoded_are_a_warning(void **state)
{
        struct fixture *f = *state;

#define ENCODED                                                                                                        \
        "has a character that HTTP Basic needs encoded (RFC 6749 section 2.3.1), and many clients send as it is; "     \
        "use letters, digits, - . _ ~"
        assert_true(warns(f, "secret: 0123456789abcde+, id: a", ": clients[0].secret: " ENCODED));
        assert_true(warns(f, "secret: 0123456789abcde%, id: a", ": clients[0].secret: " ENCODED));
        assert_true(warns(f, "secret: 0123456789abcdef, id: a+b", ": clients[0].id: " ENCODED));
        assert_true(warns(f, "secret: 0123456789abcdef, id: a%b", ": clients[0].id: " ENCODED));
        assert_true(warns(f, "secret: 0123456789abcdef, id: 'a:b'", ": clients[0].id: " ENCODED));
        assert_true(warns(f, "secret: 'a:b/c=d&e f-._~ü', id: https://a/b?c=d", ": clients[0].id: " ENCODED));
        assert_true(warns(f, "secret: 'a:b/c=d&e f-._~ü', id: 'a/b=c d-._~ü'", NULL));
#undef ENCODED
}

static void a_secret_that_can_be_guessed_is_a_warning(void **state)
{
        struct fixture *f = *state;
        const char *finding = ": clients[0].secret: is shorter than 16 bytes and can be guessed; use a random "
                              "one; openssl rand -hex 32 prints one";

        assert_true(warns(f, "secret: a, id: a", finding));
        assert_true(warns(f, "secret: 0123456789abcde, id: a", finding));
        assert_true(warns(f, "secret: 0123456789abcdef, id: a", NULL));
}

static void without_a_store_an_alg_of_its_own_is_a_key_of_each_start(void **state)
{
        struct fixture *f = *state;
        const char *finding =
                ": clients[0].alg: is not tokens.alg: a new key is generated at each start, "
                "and tokens of the previous one are rejected; write store: sqlite:cardea.db and a master_key";

        assert_true(
                warns(f, "secret: 0123456789abcdef, id: a, grant_types: [client_credentials], alg: RS256", finding));
        assert_true(warns(f, "secret: 0123456789abcdef, id: a, grant_types: [client_credentials], alg: ES256", NULL));
        assert_true(warns(f, "secret: 0123456789abcdef, id: a, alg: RS256", NULL)); /* it gets no tokens */
        struct cd_error err;
        cd_report_init(&f->report, &f->arena, CD_STR("f.yaml"));
        assert_int_equal(cd_settings_decode(&f->report, CD_STR("clients: [{ id: a, secret: b, alg: HS256 }]\n"),
                                            &cd_config_table, &f->config, &err),
                         CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "f.yaml:1:36: clients[0].alg: must be ES256, RS256 or EdDSA");
}

static void an_audience_that_nobody_has_is_a_warning(void **state)
{
        struct fixture *f = *state;

        accepts(f, "clients:\n  - { id: a, secret: s, audience: 'http://r' }\n"
                   "  - { id: b, secret: s, introspect: ['http://r', 'http://localhost:5001', 'http://r/'] }\n");
        assert_true(
                found(f, CD_FINDING_WARNING,
                      "f.yaml:3:75: clients[1].introspect[2]: no client gets tokens for http://r/; it must equal the "
                      "\"audience\" of a client or of \"basic_tokens\", byte for byte"));
}

static bool has_finding_with(const struct fixture *f, const char *text)
{
        cd_str wanted = cd_str_from_c(text);

        for (const struct cd_finding *finding = f->report.findings; finding; finding = finding->next) {
                cd_str all = cd_finding_text(&f->report, finding);
                for (size_t i = 0; i + wanted.len <= all.len; i++)
                        if (cd_str_eq(cd_str_slice(all, i, wanted.len), wanted))
                                return true;
        }
        return false;
}

static void the_audience_of_user_tokens_is_one_that_somebody_has(void **state)
{
        struct fixture *f = *state;

        accepts(f, "basic_tokens: { audience: 'http://users' }\n"
                   "clients: [{ id: b, secret: s, introspect: ['http://users', 'http://users/'] }]\n");
        assert_false(has_finding_with(f, "introspect[0]"));
        assert_true(has_finding_with(f, "introspect[1]: no client gets tokens for http://users/"));
}

/* Whose tokens may have the audience. */
static void where_a_store_may_have_clients_no_audience_is_a_warning(void **state)
{
        struct fixture *f = *state;

        accepts(f, "store: sqlite:a.db\nmaster_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                   "clients: [{ id: b, secret: s, introspect: ['http://of-the-store'] }]\n");
        assert_false(has_finding_with(f, "no client gets tokens"));
}

static void a_lifetime_is_whole_seconds(void **state)
{
        refuses(*state, "tokens: { lifetime: 1500ms }\n",
                "f.yaml:1:21: tokens.lifetime: is not a whole number of seconds; write it as in 5s");
}

/* A configuration with the PEM of a fresh key, as a block scalar. */
static const char *with_key(struct fixture *f, enum cd_alg alg, const char *rest)
{
        struct cd_error err;
        struct cd_jwk *key;
        cd_str pem, line, text = CD_STR("signing_key: |\n");

        assert_int_equal(cd_jwk_generate(alg, &key, &err), CD_OK);
        assert_int_equal(cd_jwk_write_pem(key, &f->arena, &pem, &err), CD_OK);
        cd_jwk_unref(key);
        while (cd_str_take_until(&pem, '\n', &line))
                text = cd_arena_printf(&f->arena, "%.*s  %.*s\n", CD_STR_ARG(text), CD_STR_ARG(line));
        return cd_arena_printf(&f->arena, "%.*s%s", CD_STR_ARG(text), rest).ptr;
}

static void a_signing_key_parses_and_fits_the_algorithm(void **state)
{
        struct fixture *f = *state;

        accepts(f, with_key(f, CD_ALG_ES256, ""));
        accepts(f, with_key(f, CD_ALG_EDDSA, "tokens: { alg: EdDSA }\n"));
        refuses(f, with_key(f, CD_ALG_EDDSA, ""),
                "f.yaml:1:14: signing_key: is a key for EdDSA, but tokens.alg is ES256; change tokens.alg or the key");
        check(f, "signing_key: nonsense\n");
        assert_int_equal(f->report.errors, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
#define RESTORE                                                                                                        \
        "restore the master key this store was created with; only a new store takes a new one, which openssl rand "    \
        "-base64 32 prints"
#define MASTER "master_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static void a_store_needs_a_master_key_that_is_one(void **state)
{
        refuses(*state, "store: sqlite:x.db\n",
                "f.yaml: master_key: is not set, and the store's keys are encrypted with it; " RESTORE);
        refuses(*state, "store: sqlite:x.db\nmaster_key: AAAAAAAAAAAAAAA=\n",
                "f.yaml:2:13: master_key: is not a master key: 32 bytes in base64, 44 characters, and not "
                "16; " RESTORE);
        check_whatever(*state, "store: sqlite:x.db\nmaster_key: master.key\n");
        assert_true(found(*state, CD_FINDING_ERROR,
                          "f.yaml:2:13: master_key: is the name of a file, not what the file has; write "
                          "${file:master.key}"));
        refuses(*state, "store: sqlite:x.db\nmaster_key: /run/secrets/key\n",
                "f.yaml:2:13: master_key: is not a master key: 32 bytes in base64, 44 characters, and not 16; if it is "
                "the "
                "path of a file, write ${file:PATH}; " RESTORE);
        check(*state, "store: sqlite:x.db\n" MASTER);
        assert_int_equal(((struct fixture *)*state)->report.errors, 0);
}

/* What follows from a value that nobody has would only hide the reason. */
static void lesson_39_of_a_value_that_did_not_resolve_only_that_is_said(void **state)
{
        struct fixture *f = *state;

        check_whatever(f, "store: sqlite:x.db\nmaster_key: ${credential:master.key}\n");
        assert_true(found(
                f, CD_FINDING_ERROR,
                "f.yaml:2:13: master_key: credential master.key does not exist: systemd passed no credentials to this "
                "process (LoadCredential=); outside its unit, set CREDENTIALS_DIRECTORY to the folder that contains "
                "it"));
        assert_int_equal(f->report.errors, 1);
        check_whatever(f, "store: sqlite:x.db\nmaster_key: ${file:/nonexistent/master.key}\n");
        assert_true(found(f, CD_FINDING_ERROR,
                          "f.yaml:2:13: master_key: file /nonexistent/master.key does not exist; " RESTORE));
        assert_int_equal(f->report.errors, 1);
        check_whatever(f, "store: ${file:/nonexistent/store}\n" MASTER);
        assert_int_equal(f->report.errors, 1);
        assert_false(mentions(f, "is not used without a store"));
        assert_false(mentions(f, "users, sessions, clients and keys are in memory"));
        assert_false(mentions(f, "signing_key"));
        assert_false(mentions(f, "no token can be issued"));
}

static void what_is_no_store_is_refused(void **state)
{
        refuses(*state, "store: mysql://x\n" MASTER,
                "f.yaml:1:8: store: is not a store: begins with neither sqlite: nor postgresql://; write sqlite:PATH "
                "or postgresql://USER@HOST/DATABASE");
}

static void what_a_url_of_a_store_lacks_is_said_before_it_is_opened(void **state)
{
#define AT_FILE "f.yaml:1:8: store: "
        refuses(*state, "store: sqlite:///x.db\n" MASTER,
                AT_FILE
                "begins with sqlite://, and there is no host; write sqlite: and the path, as in sqlite:cardea.db or "
                "sqlite:/var/lib/cardea.db");
        refuses(*state, "store: postgresql://u@h\n" MASTER,
                AT_FILE "names no database; write it as in postgresql://USER@HOST/DATABASE");
        refuses(*state, "store: postgresql://u@h/?sslmode=disable\n" MASTER,
                AT_FILE "names no database; write it as in postgresql://USER@HOST/DATABASE");
        refuses(*state, "store: postgresql://u:$SECRET@h/d\n" MASTER,
                AT_FILE "the password in it is the name of a variable, which is not replaced in this form; write "
                        "${env:SECRET}");
        refuses(*state, "store: postgresql://u:a@b@h/d\n" MASTER,
                AT_FILE "has a password with a character that ends it there, such as @ or /; write @ in a password as "
                        "%40, / as %2F, : as %3A, ? as %3F, # as %23 and % as %25");
        for (const char *const *good =
                     (const char *const[]){ "postgresql://u@h/d", "postgres://u:a%40b@h:5432/d",
                                            "postgresql:///d?host=/run/postgresql", "postgresql://h/?dbname=d&user=u",
                                            "postgresql:///?service=d", NULL };
             *good; good++) {
                char text[256];
                snprintf(text, sizeof(text), "store: %s\n" MASTER, *good);
                check(*state, text);
                assert_int_equal(((struct fixture *)*state)->report.errors, 0);
        }
}

static void a_store_has_its_own_keys(void **state)
{
        refuses(*state, "store: sqlite:x.db\n" MASTER "signing_key: x\n",
                "f.yaml:3:14: signing_key: is for servers without a store: the store has its own keys; remove "
                "the setting; cardea key list shows the keys of the store");
}

static void basic_tokens_and_a_client_are_told_apart(void **state)
{
        refuses(*state,
                "basic_tokens: { audience: a, client_id: x }\nclients: [{ id: x, secret: y, introspect: [z] }]\n",
                "f.yaml:1:41: basic_tokens.client_id: is the id of a client: tokens of both could not be told apart; "
                "choose another id");
}

static void a_realm_that_cannot_stand_in_a_header_is_refused(void **state)
{
        refuses(*state, "basic_tokens: { realm: 'a\"b' }\n",
                "f.yaml:1:24: basic_tokens.realm: has a character that is not allowed in a header; use printable ASCII "
                "without \" and \\");
}

static void waits_and_costs_are_whole_and_in_order(void **state)
{
        refuses(*state, "lockout: { delay: 1500ms }\n",
                "f.yaml:1:19: lockout.delay: is not a whole number of seconds; write it as in 5s");
        refuses(*state, "lockout: { delay: 10s, max_delay: 5s }\n",
                "f.yaml:1:35: lockout.max_delay: is less than lockout.delay; raise it, or lower lockout.delay");
        refuses(*state, "password_hashing: { memory: 10000 }\n",
                "f.yaml:1:29: password_hashing.memory: is not a whole number of KB; write it as in 19MB");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(without_a_file_the_server_is_safe_and_says_what_is_missing),
                TEST(an_issuer_is_a_url_that_can_be_compared),
                TEST(an_issuer_on_http_is_fine_on_this_machine_only),
                TEST(any_user_is_accepted_only_where_nobody_else_can_connect),
                TEST(clients_have_their_own_ids_known_grants_and_existing_scopes),
                TEST(a_client_has_scopes_of_as_many_bytes_as_a_token_has_room_for),
                TEST(all_scopes_have_room_in_the_metadata),
                TEST(as_many_clients_as_the_table_allows_fit_in_one_file),
                TEST(one_client_more_is_refused),
                TEST(an_audience_that_nobody_has_is_a_warning),
                TEST(the_audience_of_user_tokens_is_one_that_somebody_has),
                TEST(where_a_store_may_have_clients_no_audience_is_a_warning),
                TEST(credentials_that_basic_needs_encoded_are_a_warning),
                TEST(a_secret_that_can_be_guessed_is_a_warning),
                TEST(without_a_store_an_alg_of_its_own_is_a_key_of_each_start),
                TEST(a_lifetime_is_whole_seconds),
                TEST(a_store_needs_a_master_key_that_is_one),
                TEST(passwords_in_the_clear_are_warned_of),
                TEST(lesson_39_of_a_value_that_did_not_resolve_only_that_is_said),
                TEST(what_is_no_store_is_refused),
                TEST(what_a_url_of_a_store_lacks_is_said_before_it_is_opened),
                TEST(a_store_has_its_own_keys),
                TEST(basic_tokens_and_a_client_are_told_apart),
                TEST(a_realm_that_cannot_stand_in_a_header_is_refused),
                TEST(waits_and_costs_are_whole_and_in_order),
                TEST(a_signing_key_parses_and_fits_the_algorithm),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
