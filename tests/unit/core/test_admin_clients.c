#include <string.h>

#include "core/client.h"
#include "unit/core/admin_fixture.h"

static const cd_str credentials[] = { CD_STR_INIT("client_credentials") };
static const cd_str read_twice[] = { CD_STR_INIT("read"), CD_STR_INIT("read") };
static const cd_str api[] = { CD_STR_INIT("https://api.example") };

static struct cd_client_params params_of(const char *id)
{
        return (struct cd_client_params){ .id = cd_str_from_c(id),
                                          .grants = { credentials, 1 },
                                          .scopes = { read_twice, 2 } };
}

static struct cd_client_record find_client(struct admin_fixture *f, const char *id)
{
        struct cd_client_records list;

        assert_status(f->by.store->clients->list(f->by.store, &f->arena, &list, NULL), CD_OK);
        for (size_t i = 0; i < list.count; i++)
                if (cd_str_eq_c(list.items[i].id, id))
                        return list.items[i];
        fail_msg("there is no client %s", id);
        return (struct cd_client_record){ 0 };
}

static bool secret_is(struct admin_fixture *f, const char *id, cd_str secret)
{
        struct cd_client_record record = find_client(f, id);
        unsigned char mac[CD_MAC_SIZE];

        assert_status(cd_mac_sum(f->by.client_secrets, secret, mac), CD_OK);
        return memcmp(mac, record.secret, sizeof(mac)) == 0;
}

static void lesson_20_a_new_client_has_a_secret_of_256_bits_and_the_store_its_mac(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("reports");
        cd_str secret;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        assert_str(secret, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_int_equal(secret.len, CD_CLIENT_SECRET_SIZE);
        assert_true(secret_is(f, "reports", secret));
        struct cd_client_record record = find_client(f, "reports");
        assert_int_equal(record.grants, CD_GRANT_CLIENT_CREDENTIALS);
        assert_int_equal(record.scopes.count, 1);
        assert_str(record.scopes.items[0], "read");
        assert_str(record.audience, "https://auth.example");
        assert_int_equal(record.created_at, ADMIN_NOON);
        struct cd_audit_event event = admin_last_event(f);
        assert_str(event.action, "client.add");
        assert_str(event.subject, "client:reports");
        assert_str(event.detail, "");
}

static void a_client_that_only_introspects_is_fine(void **state)
{
        struct admin_fixture *f = *state;
        const struct cd_client_params params = { .id = CD_STR("api"),
                                                 .introspect = { api, 1 },
                                                 .audience = CD_STR("https://other.example") };
        cd_str secret;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        assert_str(find_client(f, "api").introspect.items[0], "https://api.example");
        assert_str(find_client(f, "api").audience, "https://other.example");
}

/* 41 scopes that are 4096 bytes with a space between two, or one more. */
static void name_scopes(struct admin_fixture *f, cd_str ret[41], size_t last)
{
        for (size_t i = 0; i < 41; i++) {
                ret[i] = cd_arena_printf(&f->arena, "%02zu%0*d", i, i < 40 ? 97 : (int)last - 2, 0);
                assert_int_equal(ret[i].len, i < 40 ? 99 : last);
        }
}

static void a_client_has_scopes_of_as_many_bytes_as_a_token_has_room_for(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("many");
        struct cd_error err = { 0 };
        cd_str scopes[41], secret;

        f->by.scopes = params.scopes = (struct cd_strs){ scopes, CD_LEN(scopes) };
        name_scopes(f, scopes, 4097 - 40 * 100);
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "scope");
        assert_string_equal(err.reason,
                            "the scopes are 4097 bytes together, and a token has room for 4096; give the client fewer");
        name_scopes(f, scopes, 4096 - 40 * 100);
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        assert_int_equal(find_client(f, "many").scopes.count, 41);
}

static void an_audience_has_at_most_1024_bytes(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("far");
        struct cd_error err = { 0 };
        char text[1025];
        cd_str secret;

        memset(text, 'a', sizeof(text));
        params.audience = cd_str_of(text, 1025);
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "audience");
        params.audience = cd_str_of(text, 1024);
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
}

static void what_is_wrong_with_params_is_said_with_its_field(void **state)
{
        static const cd_str none[] = { CD_STR_INIT("client_credential") }, odd[] = { CD_STR_INIT("implicit") },
                            admin[] = { CD_STR_INIT("admin") }, space[] = { CD_STR_INIT("https://a b") };
        struct admin_fixture *f = *state;
        const struct {
                struct cd_client_params params;
                cd_status status;
                const char *field, *reason;
        } cases[] = {
                { { .id = CD_STR("a b"), .grants = { credentials, 1 } },
                  CD_INVALID_REQUEST,
                  "id",
                  "must be 1 to 256 visible ASCII characters without spaces" },
                { { .id = CD_STR(""), .grants = { credentials, 1 } },
                  CD_INVALID_REQUEST,
                  "id",
                  "must be 1 to 256 visible ASCII characters without spaces" },
                { { .id = CD_STR("a"), .grants = { none, 1 } },
                  CD_INVALID_REQUEST,
                  "grant-type",
                  "unknown grant \"client_credential\"; did you mean \"client_credentials\"?" },
                { { .id = CD_STR("a"), .grants = { odd, 1 } },
                  CD_INVALID_REQUEST,
                  "grant-type",
                  "unknown grant \"implicit\"; there are client_credentials and password" },
                { { .id = CD_STR("a"), .grants = { credentials, 1 }, .scopes = { admin, 1 } },
                  CD_INVALID_REQUEST,
                  "scope",
                  "\"admin\" does not exist; add it to the setting \"scopes\" first" },
                { { .id = CD_STR("a"), .grants = { credentials, 1 }, .audience = CD_STR("a b") },
                  CD_INVALID_REQUEST,
                  "audience",
                  "must be 1 to 1024 visible ASCII characters without spaces, such as https://api.example.org" },
                { { .id = CD_STR("a"), .introspect = { api, 1 }, .alg = CD_STR("Ed25519") },
                  CD_INVALID_REQUEST,
                  "alg",
                  "must be ES256, RS256 or EdDSA, not \"Ed25519\"" },
                { { .id = CD_STR("a"), .introspect = { api, 1 }, .alg = CD_STR("none") },
                  CD_INVALID_REQUEST,
                  "alg",
                  "must be ES256, RS256 or EdDSA, not \"none\"" },
                { { .id = CD_STR("a"), .introspect = { api, 1 }, .alg = CD_STR("HS256") },
                  CD_INVALID_REQUEST,
                  "alg",
                  "must be ES256, RS256 or EdDSA, not \"HS256\"" },
                { { .id = CD_STR("a"), .introspect = { space, 1 } },
                  CD_INVALID_REQUEST,
                  "introspect",
                  "must be 1 to 1024 visible ASCII characters without spaces, such as https://api.example.org" },
                { { .id = CD_STR("a") },
                  CD_INVALID_REQUEST,
                  "grant-type",
                  "the client may do nothing: give it a grant type or an audience to introspect" },
                { { .id = CD_STR("in-the-file"), .grants = { credentials, 1 } },
                  CD_EXISTS,
                  "id",
                  "client \"in-the-file\" is in the configuration" },
        };

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                struct cd_error err = { 0 };
                cd_str secret;
                assert_status(cd_admin_client_add(&f->by, &f->arena, &cases[i].params, &secret, &err), cases[i].status);
                assert_string_equal(err.field, cases[i].field);
                assert_string_equal(err.reason, cases[i].reason);
        }
        assert_int_equal(admin_count_events(f), 0);
}

static void a_second_client_of_an_id_is_refused_and_the_first_keeps_its_secret(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("reports");
        struct cd_error err = { 0 };
        cd_str secret, other;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &other, &err), CD_EXISTS);
        assert_string_equal(err.reason, "client \"reports\" exists already");
        assert_true(secret_is(f, "reports", secret));
}

static void lesson_17_a_client_and_a_user_never_share_a_name(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("ana");
        struct cd_user_params user = { .name = CD_STR("Reports"), .password = CD_STR("correct horse") };
        struct cd_user_result result;
        struct cd_error err = { 0 };
        cd_str secret;

        admin_add_ana(f);
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, &err), CD_EXISTS);
        assert_string_equal(err.field, "id");
        assert_string_equal(err.reason, "\"ana\" is the name of a user, and the tokens of both would have one \"sub\"");
        params.id = CD_STR("reports");
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, &err), CD_OK);
        assert_status(cd_admin_user_add(&f->by, &f->arena, &user, &result, &err), CD_EXISTS);
        assert_string_equal(err.field, "name");
        assert_string_equal(err.reason,
                            "\"reports\" is the id of a client, and the tokens of both would have one \"sub\"");
        user.name = CD_STR("in-the-file");
        assert_status(cd_admin_user_add(&f->by, &f->arena, &user, &result, NULL), CD_EXISTS);
        assert_int_equal(admin_count_events(f), 2);
}

static void a_new_secret_replaces_the_old_one(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("reports");
        cd_str first, second;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &first, NULL), CD_OK);
        f->now += 5;
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("reports"), 0, &second, NULL), CD_OK);
        assert_true(secret_is(f, "reports", second));
        assert_int_equal(find_client(f, "reports").changed_at, ADMIN_NOON + 5);
        assert_str(admin_last_event(f).action, "client.secret");
}

static void add_reports(struct admin_fixture *f)
{
        struct cd_client_params params = params_of("reports");
        cd_str secret;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
}

static void the_secret_before_can_be_kept_for_a_time_and_ended(void **state)
{
        struct admin_fixture *f = *state;
        unsigned char first[CD_MAC_SIZE], zeros[CD_MAC_SIZE] = { 0 };
        struct cd_error err;
        cd_str secret;
        bool changed;

        add_reports(f);
        memcpy(first, find_client(f, "reports").secret, sizeof(first));
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("reports"), 60, &secret, NULL), CD_OK);
        struct cd_client_record record = find_client(f, "reports");
        assert_true(secret_is(f, "reports", secret));
        assert_memory_equal(record.old_secret, first, sizeof(first));
        assert_int_equal(record.old_secret_until, ADMIN_NOON + 60);
        assert_non_null(strstr(admin_last_event(f).detail.ptr, "is accepted until 2"));
        assert_status(cd_admin_client_end_old_secret(&f->by, &f->arena, CD_STR("reports"), &changed, NULL), CD_OK);
        record = find_client(f, "reports");
        assert_true(changed && record.old_secret_until == 0);
        assert_memory_equal(record.old_secret, zeros, sizeof(zeros));
        size_t events = admin_count_events(f);
        assert_status(cd_admin_client_end_old_secret(&f->by, &f->arena, CD_STR("reports"), &changed, NULL), CD_OK);
        assert_true(!changed && admin_count_events(f) == events);
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("reports"), CD_CLIENT_SECRET_KEEP_MAX + 1,
                                                 &secret, &err),
                      CD_INVALID_REQUEST);
        assert_string_equal(err.field, "keep-old");
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("reports"), CD_CLIENT_SECRET_KEEP_MAX,
                                                 &secret, NULL),
                      CD_OK);
}

static void a_client_is_disabled_once_and_enabled(void **state)
{
        struct admin_fixture *f = *state;
        bool changed;

        add_reports(f);
        int64_t generation = find_client(f, "reports").generation;
        assert_status(cd_admin_client_switch(&f->by, &f->arena, CD_STR("reports"), true, &changed, NULL), CD_OK);
        assert_true(changed && find_client(f, "reports").disabled);
        assert_true(find_client(f, "reports").generation > generation);
        assert_str(admin_last_event(f).action, "client.disable");
        size_t events = admin_count_events(f);
        assert_status(cd_admin_client_switch(&f->by, &f->arena, CD_STR("reports"), true, &changed, NULL), CD_OK);
        assert_true(!changed && admin_count_events(f) == events);
        assert_status(cd_admin_client_switch(&f->by, &f->arena, CD_STR("reports"), false, &changed, NULL), CD_OK);
        assert_true(changed && !find_client(f, "reports").disabled);
        assert_str(admin_last_event(f).action, "client.enable");
}

static cd_status change(struct admin_fixture *f, const struct cd_client_change *asked, bool *ret, struct cd_error *err)
{
        return cd_admin_client_update(&f->by, &f->arena, CD_STR("reports"), asked, ret, err);
}

static void what_a_client_may_is_changed_and_the_audit_says_what(void **state)
{
        static const cd_str password[] = { CD_STR_INIT("password") }, write[] = { CD_STR_INIT("write") },
                            read[] = { CD_STR_INIT("read") },
                            claims[] = { CD_STR_INIT("tenant=acme"), CD_STR_INIT("level=3") };
        struct admin_fixture *f = *state;
        struct cd_error err = { 0 };
        bool changed;

        add_reports(f);
        const struct cd_client_change asked = { .grants = { .add = { password, 1 } },
                                                .scopes = { .add = { write, 1 }, .remove = { read, 1 } },
                                                .introspect = { .set = { api, 1 } },
                                                .audience = CD_STR("https://other.example"),
                                                .alg = CD_STR("RS256"),
                                                .claims = { claims, 2 } };
        assert_status(change(f, &asked, &changed, &err), CD_OK);
        struct cd_client_record record = find_client(f, "reports");
        assert_true(changed);
        assert_int_equal(record.grants, CD_GRANT_CLIENT_CREDENTIALS | CD_GRANT_PASSWORD);
        assert_int_equal(record.scopes.count, 1);
        assert_str(record.scopes.items[0], "write");
        assert_str(record.claims, "{\"tenant\":\"acme\",\"level\":3}");
        assert_str(admin_last_event(f).action, "client.update");
        assert_str(admin_last_event(f).detail,
                   "grants +password; scopes +write -read; introspects +https://api.example; audience "
                   "https://auth.example -> https://other.example; alg default -> RS256; claims tenant: none -> "
                   "\"acme\"; level: none -> 3");
        size_t events = admin_count_events(f);
        assert_status(change(f, &asked, &changed, &err), CD_OK);
        assert_true(!changed && admin_count_events(f) == events);
}

static void what_is_wrong_with_a_change_is_said_with_its_field(void **state)
{
        static const cd_str credential[] = { CD_STR_INIT("client_credentials") }, odd[] = { CD_STR_INIT("odd") },
                            reserved[] = { CD_STR_INIT("exp=1") }, scope[] = { CD_STR_INIT("Scope=read") };
        static const struct {
                struct cd_client_change change;
                const char *field;
        } rows[] = {
                { { .grants = { .remove = { credential, 1 } } }, "grant-type" },
                { { .grants = { .add = { odd, 1 } } }, "grant-type" },
                { { .grants = { .add = { credential, 1 }, .remove = { credential, 1 } } }, "grant-type" },
                { { .scopes = { .add = { odd, 1 } } }, "scope" },
                { { .scopes = { .set = { odd, 1 } } }, "scope" },
                { { .audience = CD_STR_INIT("a b") }, "audience" },
                { { .alg = CD_STR_INIT("none") }, "alg" },
                { { .claims = { reserved, 1 } }, "claim" },
                { { .claims = { scope, 1 } }, "claim" },
        };
        struct admin_fixture *f = *state;
        bool changed;

        add_reports(f);
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                struct cd_error err = { 0 };
                assert_status(change(f, &rows[i].change, &changed, &err), CD_INVALID_REQUEST);
                assert_string_equal(err.field, rows[i].field);
        }
        assert_int_equal(admin_count_events(f), 1);
}

static void what_is_not_there_is_said_and_where_it_is_instead(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_error err = { 0 };
        cd_str secret;

        assert_status(cd_admin_client_remove(&f->by, &f->arena, CD_STR("nobody"), &err), CD_NOT_FOUND);
        assert_string_equal(err.reason, "there is no client \"nobody\"");
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("in-the-file"), 0, &secret, &err),
                      CD_NOT_FOUND);
        assert_string_equal(err.reason, "client \"in-the-file\" is in the configuration: change it there");
        assert_int_equal(admin_count_events(f), 0);
}

static void a_removed_client_is_gone(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("reports");
        struct cd_client_records list;
        cd_str secret;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        assert_status(cd_admin_client_remove(&f->by, &f->arena, CD_STR("reports"), NULL), CD_OK);
        assert_status(f->by.store->clients->list(f->by.store, &f->arena, &list, NULL), CD_OK);
        assert_int_equal(list.count, 0);
        assert_str(admin_last_event(f).action, "client.remove");
}

static void lesson_31_a_failing_random_source_or_clock_writes_nothing(void **state)
{
        struct admin_fixture *f = *state;
        struct cd_client_params params = params_of("reports");
        struct cd_error err = { 0 };
        cd_str secret;

        f->random_fails = true;
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "no randomness for a secret");
        f->random_fails = false;
        f->now = -1;
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, &err), CD_UNAVAILABLE);
        assert_int_equal(admin_count_events(f), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, admin_set_up, admin_tear_down)

/* ---- a secret is shown before it counts ---- */

struct audience {
        struct admin_fixture *f;
        cd_status answers;
        int shown;
        bool was_there; /* the client, when its secret was shown */
        char secret[CD_CLIENT_SECRET_SIZE + 1];
};

static cd_status show(void *arg, cd_str id, cd_str secret, struct cd_error *reterr)
{
        struct audience *audience = arg;
        struct cd_client_records list;

        audience->shown++;
        assert_true(secret.len == CD_CLIENT_SECRET_SIZE);
        memcpy(audience->secret, secret.ptr, secret.len);
        assert_status(audience->f->by.store->clients->list(audience->f->by.store, &audience->f->arena, &list, NULL),
                      CD_OK);
        for (size_t i = 0; i < list.count; i++)
                audience->was_there |= cd_str_eq(list.items[i].id, id);
        return audience->answers == CD_OK ? CD_OK : cd_fail(reterr, audience->answers, "nobody listens");
}

static void lesson_38_a_secret_is_shown_before_it_counts(void **state)
{
        struct admin_fixture *f = *state;
        struct audience audience = { .f = f };
        struct cd_client_params params = params_of("reports");
        cd_str secret;

        f->by.show_secret = show;
        f->by.show_arg = &audience;
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        assert_true(audience.shown == 1 && !audience.was_there);
        assert_true(secret_is(f, "reports", cd_str_from_c(audience.secret)));
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("reports"), 0, &secret, NULL), CD_OK);
        assert_int_equal(audience.shown, 2);
        assert_true(secret_is(f, "reports", cd_str_from_c(audience.secret)));
}

static void lesson_38_a_secret_that_cannot_be_shown_is_not_created(void **state)
{
        struct admin_fixture *f = *state;
        struct audience audience = { .f = f, .answers = CD_UNAVAILABLE };
        struct cd_client_params params = params_of("reports"), other = params_of("other");
        struct cd_client_records list;
        struct cd_error err;
        cd_str first, secret;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &first, NULL), CD_OK);
        f->by.show_secret = show;
        f->by.show_arg = &audience;
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("reports"), 0, &secret, &err),
                      CD_UNAVAILABLE);
        assert_string_equal(err.reason, "nobody listens");
        assert_true(secret_is(f, "reports", first));
        assert_status(cd_admin_client_add(&f->by, &f->arena, &other, &secret, &err), CD_UNAVAILABLE);
        assert_status(f->by.store->clients->list(f->by.store, &f->arena, &list, NULL), CD_OK);
        assert_int_equal(list.count, 1);
        assert_int_equal(audience.shown, 2);
}

static void no_secret_is_shown_of_a_client_that_is_there_or_is_not(void **state)
{
        struct admin_fixture *f = *state;
        struct audience audience = { .f = f };
        struct cd_client_params params = params_of("reports");
        cd_str secret;

        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_OK);
        f->by.show_secret = show;
        f->by.show_arg = &audience;
        assert_status(cd_admin_client_add(&f->by, &f->arena, &params, &secret, NULL), CD_EXISTS);
        assert_status(cd_admin_client_set_secret(&f->by, &f->arena, CD_STR("nobody"), 0, &secret, NULL), CD_NOT_FOUND);
        assert_int_equal(audience.shown, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(lesson_20_a_new_client_has_a_secret_of_256_bits_and_the_store_its_mac),
                CASE(a_client_that_only_introspects_is_fine),
                CASE(a_client_has_scopes_of_as_many_bytes_as_a_token_has_room_for),
                CASE(an_audience_has_at_most_1024_bytes),
                CASE(what_is_wrong_with_params_is_said_with_its_field),
                CASE(a_second_client_of_an_id_is_refused_and_the_first_keeps_its_secret),
                CASE(lesson_17_a_client_and_a_user_never_share_a_name),
                CASE(a_new_secret_replaces_the_old_one),
                CASE(the_secret_before_can_be_kept_for_a_time_and_ended),
                CASE(a_client_is_disabled_once_and_enabled),
                CASE(what_a_client_may_is_changed_and_the_audit_says_what),
                CASE(what_is_wrong_with_a_change_is_said_with_its_field),
                CASE(what_is_not_there_is_said_and_where_it_is_instead),
                CASE(a_removed_client_is_gone),
                CASE(lesson_38_a_secret_is_shown_before_it_counts),
                CASE(lesson_38_a_secret_that_cannot_be_shown_is_not_created),
                CASE(no_secret_is_shown_of_a_client_that_is_there_or_is_not),
                CASE(lesson_31_a_failing_random_source_or_clock_writes_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
