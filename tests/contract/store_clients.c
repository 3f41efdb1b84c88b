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

static void a_new_secret_replaces_the_old(void **state)
{
        struct stage *s = *state;
        unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE];

        memset(secret, 0xff, sizeof(secret));
        assert_status(add(s, "app"), CD_OK);
        assert_status(add(s, "other"), CD_OK);
        int64_t before = get_versions(s).clients, generation = list(s).items[0].generation;
        assert_status(s->store->clients->set_secret(s->store, CD_STR("app"), secret, &an_event, &s->error), CD_OK);
        struct cd_client_records clients = list(s);
        assert_memory_equal(clients.items[0].secret, secret, sizeof(secret));
        assert_int_equal(clients.items[0].changed_at, an_event.at);
        assert_int_equal(clients.items[0].generation, generation);
        assert_memory_not_equal(clients.items[1].secret, secret, sizeof(secret));
        assert_true(get_versions(s).clients > before);
        assert_int_equal(count_events(s), 3);
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
        unsigned char secret[CD_CLIENT_SECRET_MAC_SIZE] = { 1 };

        assert_status(s->store->clients->set_secret(s->store, CD_STR("app"), secret, &an_event, &s->error),
                      CD_NOT_FOUND);
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
                CONTRACT(an_id_that_is_there_is_refused),
                CONTRACT(a_new_secret_replaces_the_old),
                CONTRACT(a_removed_client_is_gone_and_one_of_its_id_is_another),
                CONTRACT(what_is_done_to_an_unknown_client_leaves_nothing_behind),
                CONTRACT(a_clients_text_is_text),
                CONTRACT(a_change_of_clients_is_no_change_of_another_kind),
        };

        return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
