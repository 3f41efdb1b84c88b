#include "crypto/mac.h"
#include "crypto/seal.h"
#include "unit/core/parts.h"

struct fixture {
        struct test_random random;
        struct cd_clients *clients;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .random = test_random() };
        f.clients = test_clients(&f.random.port);
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_clients_free(f->clients);
        return 0;
}

static void a_client_is_known_by_id_and_secret(void **state)
{
        struct fixture *f = *state;
        const struct cd_client *client = NULL;

        assert_status(cd_clients_authenticate(f->clients, CD_STR("api"), CD_STR("secret-api"), NOON, &client, NULL),
                      CD_OK);
        assert_str(client->id, "api");
        assert_int_equal(client->introspect.count, 1);
        assert_int_equal(client->grants, 0);
}

static void an_empty_set_knows_nobody(void **state)
{
        struct fixture *f = *state;
        const struct cd_client *client;
        struct cd_clients *none;

        assert_status(cd_clients_new(NULL, 0, CD_STR(""), &f->random.port, &none, NULL), CD_OK);
        assert_status(cd_clients_authenticate(none, CD_STR(""), CD_STR(""), NOON, &client, NULL), CD_INVALID_CLIENT);
        cd_clients_free(none);
}

static void two_clients_with_one_id_are_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_client_spec twice[2] = { { .id = CD_STR("x"), .secret = CD_STR("1") },
                                           { .id = CD_STR("x"), .secret = CD_STR("2") } };
        struct cd_clients *clients;
        struct cd_error err;

        assert_status(cd_clients_new(twice, 2, CD_STR(""), &f->random.port, &clients, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "client \"x\" is there twice");
}

static void a_client_of_the_store_is_known_by_the_mac_of_its_secret(void **state)
{
        struct fixture *f = *state;
        unsigned char key[CD_DERIVED_SIZE], mac[CD_CLIENT_SECRET_MAC_SIZE];
        char text[CD_MASTER_KEY_TEXT];
        struct cd_master_key *master;
        const struct cd_client *client;
        struct cd_clients *clients;

        assert_status(cd_master_key_generate(&f->random.port, text, NULL), CD_OK);
        assert_status(cd_master_key_parse(cd_str_of(text, sizeof(text)), &f->random.port, &master, NULL), CD_OK);
        assert_status(cd_master_key_derive(master, CD_STR("client-secret"), key), CD_OK);
        assert_status(cd_client_secret_mac(master, CD_STR("kept"), mac, NULL), CD_OK);
        const struct cd_client_spec both[] = { { .id = CD_STR("store"), .secret_mac = mac },
                                               { .id = CD_STR("file"), .secret = CD_STR("written") } };
        assert_status(
                cd_clients_new(both, 2, cd_str_of((const char *)key, sizeof(key)), &f->random.port, &clients, NULL),
                CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("store"), CD_STR("kept"), NOON, &client, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("file"), CD_STR("written"), NOON, &client, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("store"), CD_STR("written"), NOON, &client, NULL),
                      CD_INVALID_CLIENT);
        cd_clients_free(clients);
        cd_master_key_free(master);
}

static void lesson_31_no_clients_without_randomness(void **state)
{
        struct fixture *f = *state;
        struct cd_clients *clients;
        struct cd_error err;

        f->random.fails = true;
        assert_status(cd_clients_new(NULL, 0, CD_STR(""), &f->random.port, &clients, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "no randomness for the key of the client secrets");
}

/* Counts what the core asks for: with -Wl,--wrap each call of cd_mac_sum comes here. */
static unsigned macs;
cd_status __real_cd_mac_sum(struct cd_mac *mac, cd_str message, unsigned char ret[CD_MAC_SIZE]);
cd_status __wrap_cd_mac_sum(struct cd_mac *mac, cd_str message, unsigned char ret[CD_MAC_SIZE]);

cd_status __wrap_cd_mac_sum(struct cd_mac *mac, cd_str message, unsigned char ret[CD_MAC_SIZE])
{
        macs++;
        return __real_cd_mac_sum(mac, message, ret);
}

/* And for an unknown client as much as for a known one (LESSONS 10). */
static void lesson_20_a_client_secret_costs_one_fast_mac(void **state)
{
        static const struct {
                cd_str id, secret;
                cd_status status;
        } attempts[] = {
                { CD_STR_INIT("api"), CD_STR_INIT("secret-api"), CD_OK },
                { CD_STR_INIT("api"), CD_STR_INIT("wrong"), CD_INVALID_CLIENT },
                { CD_STR_INIT("nobody"), CD_STR_INIT("secret-api"), CD_INVALID_CLIENT },
        };
        struct fixture *f = *state;
        const struct cd_client *client;

        for (size_t i = 0; i < CD_LEN(attempts); i++) {
                macs = 0;
                assert_status(
                        cd_clients_authenticate(f->clients, attempts[i].id, attempts[i].secret, NOON, &client, NULL),
                        attempts[i].status);
                assert_int_equal(macs, 1);
        }
}

static void sum(struct fixture *f, cd_str key, const char *secret, unsigned char ret[CD_MAC_SIZE])
{
        struct cd_mac *mac = cd_mac_new(key);

        (void)f;
        assert_status(cd_mac_sum(mac, cd_str_from_c(secret), ret), CD_OK);
        cd_mac_free(mac);
}

static void the_secret_before_it_is_accepted_until_its_time(void **state)
{
        struct fixture *f = *state;
        const cd_str key = CD_STR("0123456789abcdef0123456789abcdef");
        unsigned char now[CD_MAC_SIZE], old[CD_MAC_SIZE];
        const struct cd_client *client;
        struct cd_clients *clients;

        sum(f, key, "new", now);
        sum(f, key, "old", old);
        const struct cd_client_spec spec = {
                .id = CD_STR("app"), .secret_mac = now, .old_secret_mac = old, .old_secret_until = NOON
        };
        assert_status(cd_clients_new(&spec, 1, key, &f->random.port, &clients, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("app"), CD_STR("old"), NOON - 1, &client, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("app"), CD_STR("old"), NOON, &client, NULL),
                      CD_INVALID_CLIENT);
        assert_status(cd_clients_authenticate(clients, CD_STR("app"), CD_STR("new"), NOON, &client, NULL), CD_OK);
        cd_clients_free(clients);
}

/* Who does not know the secret does not learn that the client exists. */
static void a_disabled_client_is_refused_and_told_why_if_its_secret_is_right(void **state)
{
        struct fixture *f = *state;
        const struct cd_client_spec spec = { .id = CD_STR("app"), .secret = CD_STR("right"), .disabled = true };
        const struct cd_client *client;
        struct cd_clients *clients;
        struct cd_error err;

        assert_status(cd_clients_new(&spec, 1, CD_STR(""), &f->random.port, &clients, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("app"), CD_STR("right"), NOON, &client, &err),
                      CD_INVALID_CLIENT);
        assert_string_equal(err.reason, "the client is disabled");
        assert_status(cd_clients_authenticate(clients, CD_STR("app"), CD_STR("wrong"), NOON, &client, &err),
                      CD_INVALID_CLIENT);
        assert_string_equal(err.reason, "unknown client or wrong secret");
        cd_clients_free(clients);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_client_is_known_by_id_and_secret),
                TEST(an_empty_set_knows_nobody),
                TEST(two_clients_with_one_id_are_refused),
                TEST(lesson_31_no_clients_without_randomness),
                TEST(a_client_of_the_store_is_known_by_the_mac_of_its_secret),
                TEST(lesson_20_a_client_secret_costs_one_fast_mac),
                TEST(the_secret_before_it_is_accepted_until_its_time),
                TEST(a_disabled_client_is_refused_and_told_why_if_its_secret_is_right),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
