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

        assert_status(cd_clients_authenticate(f->clients, CD_STR("api"), CD_STR("secret-api"), &client, NULL), CD_OK);
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
        assert_status(cd_clients_authenticate(none, CD_STR(""), CD_STR(""), &client, NULL), CD_INVALID_CLIENT);
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
        assert_status(cd_clients_authenticate(clients, CD_STR("store"), CD_STR("kept"), &client, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("file"), CD_STR("written"), &client, NULL), CD_OK);
        assert_status(cd_clients_authenticate(clients, CD_STR("store"), CD_STR("written"), &client, NULL),
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
                assert_status(cd_clients_authenticate(f->clients, attempts[i].id, attempts[i].secret, &client, NULL),
                              attempts[i].status);
                assert_int_equal(macs, 1);
        }
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
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
