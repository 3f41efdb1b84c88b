#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "contract/stage.h"

static const cd_str two_scopes[] = { CD_STR_INIT("read"), CD_STR_INIT("write") };
static const cd_str one_audience[] = { CD_STR_INIT("https://api.example/\"\xe2\x82\xac\"") };

static struct cd_client_record some_client(const char *id)
{
        struct cd_client_record client = {
                .id = cd_str_from_c(id),
                .grants = 3,
                .scopes = { two_scopes, 2 },
                .audience = CD_STR("https://api.example"),
                .introspect = { one_audience, 1 },
                .alg = CD_STR("RS256"),
                .claims = CD_STR("{\"tenant\":\"\xe2\x82\xac\"}"),
                .old_secret = { 0, 0xff },
                .old_secret_until = 500,
                .disabled = true,
                .created_at = 100,
                .changed_at = 101,
        };

        for (size_t i = 0; i < sizeof(client.secret); i++)
                client.secret[i] = (unsigned char)(i * 9); /* any bytes, the first of them 0 */
        return client;
}

static cd_status add(struct stage *s, const char *id)
{
        struct cd_client_record client = some_client(id);

        return s->store->clients->add(s->store, &client, &an_event, &s->error);
}

static struct cd_client_records list(struct stage *s)
{
        struct cd_client_records clients = { 0 };

        assert_status(s->store->clients->list(s->store, &s->arena, &clients, &s->error), CD_OK);
        return clients;
}

static void a_client_is_listed_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_client_record given = some_client("app");

        assert_int_equal(list(s).count, 0);
        assert_status(add(s, "app"), CD_OK);
        struct cd_client_records clients = list(s);
        assert_int_equal(clients.count, 1);
        struct cd_client_record client = clients.items[0];
        assert_str(client.id, "app");
        assert_memory_equal(client.secret, given.secret, sizeof(given.secret));
        assert_int_equal(client.grants, 3);
        assert_int_equal(client.scopes.count, 2);
        assert_str(client.scopes.items[0], "read");
        assert_str(client.scopes.items[1], "write");
        assert_str(client.audience, "https://api.example");
        assert_int_equal(client.introspect.count, 1);
        assert_str(client.introspect.items[0], "https://api.example/\"\xe2\x82\xac\"");
        assert_str(client.alg, "RS256");
        assert_str(client.claims, "{\"tenant\":\"\xe2\x82\xac\"}");
        assert_memory_equal(client.old_secret, given.old_secret, sizeof(given.old_secret));
        assert_int_equal(client.old_secret_until, 500);
        assert_true(client.disabled);
        assert_int_equal(client.version, client.generation);
        assert_int_equal(client.created_at, 100);
        assert_int_equal(client.changed_at, 101);
        assert_int_equal(client.generation, get_versions(s).clients);
}

static void a_client_without_lists_has_none(void **state)
{
        struct stage *s = *state;
        struct cd_client_record given = some_client("app");

        given.scopes = given.introspect = (struct cd_strs){ 0 };
        given.audience = given.alg = CD_STR("");
        assert_status(s->store->clients->add(s->store, &given, NULL, &s->error), CD_OK);
        struct cd_client_record client = list(s).items[0];
        assert_int_equal(client.scopes.count, 0);
        assert_int_equal(client.introspect.count, 0);
        assert_str(client.audience, "");
        assert_str(client.alg, "");
        assert_int_equal(count_events(s), 0);
}

static void clients_are_listed_by_id(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, "b"), CD_OK);
        assert_status(add(s, "B"), CD_OK);
        assert_status(add(s, "a"), CD_OK);
        struct cd_client_records clients = list(s);
        assert_int_equal(clients.count, 3);
        assert_str(clients.items[0].id, "B");
        assert_str(clients.items[1].id, "a");
        assert_str(clients.items[2].id, "b");
}

static void a_client_is_found_by_its_id(void **state)
{
        struct stage *s = *state;
        struct cd_client_record client = { .grants = 77 };

        assert_status(add(s, "app"), CD_OK);
        assert_status(add(s, "b"), CD_OK);
        assert_status(s->store->clients->find(s->store, &s->arena, CD_STR("APP"), &client, &s->error), CD_NOT_FOUND);
        assert_status(s->store->clients->find(s->store, &s->arena, CD_STR("a\0b"), &client, &s->error), CD_NOT_FOUND);
        assert_int_equal(client.grants, 77);
        assert_status(s->store->clients->find(s->store, &s->arena, CD_STR("app"), &client, &s->error), CD_OK);
        assert_str(client.id, "app");
        assert_int_equal(client.grants, 3);
        assert_str(client.scopes.items[1], "write");
}

static void lesson_17_the_name_of_a_user_is_no_id_of_a_client(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        size_t events = count_events(s);
        assert_status(add(s, "ana"), CD_EXISTS);
        assert_non_null(strstr(s->error.reason, "ana"));
        assert_int_equal(list(s).count, 0);
        assert_int_equal(count_events(s), events);
        assert_status(add(s, "Ana"), CD_OK);
}

static void lesson_17_the_id_of_a_client_is_no_name_of_a_user(void **state)
{
        struct stage *s = *state;
        struct cd_user users[] = { some_user("bo"), some_user("app") };
        const struct cd_users_page page = { users, CD_LEN(users) };

        assert_status(add(s, "app"), CD_OK);
        struct cd_store_versions before = get_versions(s);
        assert_status(s->store->users->add(s->store, &page, &an_event, &s->error), CD_EXISTS);
        assert_non_null(strstr(s->error.reason, "app"));
        assert_false(has_user(s, "bo"));
        assert_int_equal(count_events(s), 1);
        assert_status(s->store->clients->remove(s->store, CD_STR("app"), NULL, &s->error), CD_OK);
        assert_status(s->store->users->add(s->store, &page, &an_event, &s->error), CD_OK);
        assert_int_equal(get_versions(s).clients, before.clients + 1); /* by the removal alone */
}

enum {
        RACED_NAMES = 40,
};

static void name_of(size_t number, char ret[16])
{
        snprintf(ret, 16, "name%zu", number);
}

static pthread_barrier_t next_name;

/* One adds users, the other clients, both of one name at a time. */
static const char *add_under_the_same_names(struct stage *s, size_t number)
{
        const char *wrong = NULL;

        for (size_t i = 0; i < RACED_NAMES; i++) {
                char name[16];
                struct cd_error error = { 0 };

                name_of(i, name);
                struct cd_user user = some_user(name);
                const struct cd_users_page page = { &user, 1 };
                struct cd_client_record client = some_client(name);
                pthread_barrier_wait(&next_name);
                cd_status status = number ? s->store->users->add(s->store, &page, NULL, &error)
                                          : s->store->clients->add(s->store, &client, NULL, &error);
                if (status != CD_OK && status != CD_EXISTS)
                        wrong = "neither added nor there";
        }
        return wrong;
}

static void lesson_17_of_a_user_and_a_client_added_at_once_under_one_name_one_is(void **state)
{
        struct stage *s = *state;

        pthread_barrier_init(&next_name, NULL, 2);
        at_once(s, 2, add_under_the_same_names);
        pthread_barrier_destroy(&next_name);
        struct cd_client_records clients = list(s);
        size_t users = 0;
        for (size_t i = 0; i < RACED_NAMES; i++) {
                char name[16];

                name_of(i, name);
                users += has_user(s, name);
        }
        for (size_t i = 0; i < clients.count; i++) {
                char name[16];

                snprintf(name, sizeof(name), "%.*s", CD_STR_ARG(clients.items[i].id));
                assert_false(has_user(s, name));
        }
        assert_int_equal(users + clients.count, RACED_NAMES);
}

static void an_id_that_is_there_is_refused(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, "app"), CD_OK);
        struct cd_client_record other = some_client("app");
        other.grants = 1;
        assert_status(s->store->clients->add(s->store, &other, &an_event, &s->error), CD_EXISTS);
        assert_int_equal(list(s).items[0].grants, 3);
        assert_int_equal(count_events(s), 1);
}

static cd_status update(struct stage *s, const struct cd_client_record *client)
{
        return s->store->clients->update(s->store, client, &an_event, &s->error);
}

static void an_update_replaces_every_field(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, "app"), CD_OK);
        assert_status(add(s, "other"), CD_OK);
        struct cd_client_record before = list(s).items[0], given = before;
        given.scopes = (struct cd_strs){ two_scopes, 1 };
        given.introspect = (struct cd_strs){ 0 };
        given.audience = CD_STR("https://b.example");
        given.alg = given.claims = CD_STR("");
        given.grants = 1;
        given.disabled = false;
        given.old_secret_until = 0;
        memset(given.secret, 0xff, sizeof(given.secret));
        memset(given.old_secret, 0, sizeof(given.old_secret));
        given.changed_at = 900;
        assert_status(update(s, &given), CD_OK);
        struct cd_client_records clients = list(s);
        struct cd_client_record after = clients.items[0];
        assert_memory_equal(after.secret, given.secret, sizeof(given.secret));
        assert_memory_equal(after.old_secret, given.old_secret, sizeof(given.old_secret));
        assert_int_equal(after.old_secret_until, 0);
        assert_int_equal(after.scopes.count, 1);
        assert_int_equal(after.introspect.count, 0);
        assert_str(after.audience, "https://b.example");
        assert_str(after.alg, "");
        assert_str(after.claims, "");
        assert_int_equal(after.grants, 1);
        assert_false(after.disabled);
        assert_int_equal(after.created_at, 100);
        assert_int_equal(after.changed_at, 900);
        assert_int_equal(after.generation, before.generation);
        assert_int_equal(after.version, get_versions(s).clients);
        assert_str(clients.items[1].audience, "https://api.example");
        assert_int_equal(count_events(s), 3);
}

static void an_update_of_what_was_changed_meanwhile_is_refused(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, "app"), CD_OK);
        struct cd_client_record read = list(s).items[0];
        assert_status(update(s, &read), CD_OK);
        assert_status(update(s, &read), CD_NOT_FOUND);
        assert_int_equal(count_events(s), 2);
}

static void lesson_12_disabling_gives_a_new_generation_and_enabling_does_not(void **state)
{
        struct stage *s = *state;
        struct cd_client_record given = some_client("app");
        const bool turns[] = { true, true, false, true };

        given.disabled = false;
        assert_status(s->store->clients->add(s->store, &given, &an_event, &s->error), CD_OK);
        for (size_t i = 0; i < CD_LEN(turns); i++) {
                struct cd_client_record client = list(s).items[0];
                bool ends = turns[i] && !client.disabled;
                int64_t before = client.generation;
                client.disabled = turns[i];
                assert_status(update(s, &client), CD_OK);
                struct cd_client_record after = list(s).items[0];
                assert_int_equal(after.disabled, turns[i]);
                assert_int_equal(after.generation, ends ? after.version : before);
        }
}

static void a_removed_client_is_gone_and_one_of_its_id_is_another(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, "app"), CD_OK);
        int64_t before = get_versions(s).clients, generation = list(s).items[0].generation;
        assert_status(s->store->clients->remove(s->store, CD_STR("app"), &an_event, &s->error), CD_OK);
        assert_int_equal(list(s).count, 0);
        assert_true(get_versions(s).clients > before);
        assert_int_equal(count_events(s), 2);
        assert_status(add(s, "app"), CD_OK);
        assert_true(list(s).items[0].generation > generation);
}

static void what_is_done_to_an_unknown_client_leaves_nothing_behind(void **state)
{
        struct stage *s = *state;
        struct cd_client_record client = some_client("app");

        assert_status(update(s, &client), CD_NOT_FOUND);
        assert_status(s->store->clients->remove(s->store, CD_STR("app"), &an_event, &s->error), CD_NOT_FOUND);
        assert_int_equal(count_events(s), 0);
}

static void a_clients_text_is_text(void **state)
{
        struct stage *s = *state;
        const cd_str bad[] = { CD_STR("a\0b") };
        struct cd_client_record client = some_client("app");

        client.scopes = (struct cd_strs){ bad, 1 };
        assert_status(s->store->clients->add(s->store, &client, &an_event, &s->error), CD_INVALID_REQUEST);
        assert_status(update(s, &client), CD_INVALID_REQUEST);
        assert_int_equal(list(s).count, 0);
        assert_int_equal(count_events(s), 0);
}

static void a_change_of_clients_is_no_change_of_another_kind(void **state)
{
        struct stage *s = *state;
        struct cd_store_versions before = get_versions(s);

        assert_status(add(s, "app"), CD_OK);
        struct cd_store_versions after = get_versions(s);
        assert_true(after.clients > before.clients);
        assert_int_equal(after.keys, before.keys);
        assert_int_equal(after.revocations, before.revocations);
}

int run_clients_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_client_is_listed_with_every_field_as_given),
                CONTRACT(a_client_without_lists_has_none),
                CONTRACT(clients_are_listed_by_id),
                CONTRACT(a_client_is_found_by_its_id),
                CONTRACT(lesson_17_the_name_of_a_user_is_no_id_of_a_client),
                CONTRACT(lesson_17_the_id_of_a_client_is_no_name_of_a_user),
                CONTRACT(lesson_17_of_a_user_and_a_client_added_at_once_under_one_name_one_is),
                CONTRACT(an_id_that_is_there_is_refused),
                CONTRACT(an_update_replaces_every_field),
                CONTRACT(an_update_of_what_was_changed_meanwhile_is_refused),
                CONTRACT(lesson_12_disabling_gives_a_new_generation_and_enabling_does_not),
                CONTRACT(a_removed_client_is_gone_and_one_of_its_id_is_another),
                CONTRACT(what_is_done_to_an_unknown_client_leaves_nothing_behind),
                CONTRACT(a_clients_text_is_text),
                CONTRACT(a_change_of_clients_is_no_change_of_another_kind),
        };

        return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
