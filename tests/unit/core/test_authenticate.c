/* Wrong client secrets lead to waiting, at every endpoint that takes one (RFC 6749 §2.3.1). */
#include "core/authenticate.h"

#include <stdio.h>

#include "support/memory_store.h"
#include "unit/core/parts.h"

enum {
        ATTEMPTS = TEST_ATTEMPTS,
        DELAY = TEST_DELAY,
};

struct fixture {
        struct cd_client_auth auth;
        struct test_clock clock;
        struct test_random random;
        struct cd_clients *clients;
        struct cd_arena arena;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .clock = test_clock(), .random = test_random() };
        cd_arena_init(&f.arena, 1 << 20);
        f.clients = test_clients(&f.random.port);
        f.auth = (struct cd_client_auth){
                .clients = f.clients,
                .lockout = test_lockout(&f.random.port),
                .store = new_memory_store(),
                .clock = &f.clock.port,
        };
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        f->auth.store->free(f->auth.store);
        cd_lockout_free(f->auth.lockout);
        cd_clients_free(f->clients);
        cd_arena_done(&f->arena);
        return 0;
}

static cd_status authenticate(struct fixture *f, const char *id, const char *secret, const char *from,
                              struct cd_error *reterr)
{
        const struct cd_client_credentials sent = { cd_str_from_c(id), cd_str_from_c(secret), cd_str_from_c(from) };
        const struct cd_client *client;

        cd_status status = cd_authenticate_client(&f->auth, &f->arena, &sent, &client, reterr);
        if (status == CD_OK)
                assert_str(client->id, id);
        return status;
}

static void fail_times(struct fixture *f, const char *id, const char *from, int times)
{
        while (times--)
                assert_status(authenticate(f, id, "a guess", from, NULL), CD_INVALID_CLIENT);
}

static void lesson_14_beyond_the_limit_no_secret_is_judged(void **state)
{
        struct fixture *f = *state;
        struct cd_error err = { 0 };

        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS - 1);
        assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", NULL), CD_OK);
        fail_times(f, "app-a", "192.0.2.1", 1);
        for (int i = 0; i < 2; i++) {
                assert_status(authenticate(f, "app-a", i ? "secret-a" : "a guess", "192.0.2.1", &err), CD_THROTTLED);
                assert_int_equal(err.retry_after, DELAY);
                assert_string_equal(err.reason, "too many wrong client secrets; the next one counts in 10 s");
        }
        assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.2", NULL), CD_OK);
        assert_status(authenticate(f, "app-b", "secret-b", "192.0.2.1", NULL), CD_OK);
        f->clock.now += DELAY;
        assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", NULL), CD_OK);
}

static void lesson_9_unknown_ids_of_an_address_are_counted_as_one(void **state)
{
        struct fixture *f = *state;
        char id[32];

        for (int i = 0; i < ATTEMPTS; i++) {
                snprintf(id, sizeof(id), "nobody%d", i);
                fail_times(f, id, "192.0.2.1", 1);
        }
        assert_status(authenticate(f, "another", "a guess", "192.0.2.1", NULL), CD_THROTTLED);
        assert_status(authenticate(f, "", "", "192.0.2.1", NULL), CD_THROTTLED);
        assert_status(authenticate(f, "another", "a guess", "192.0.2.2", NULL), CD_INVALID_CLIENT);
        assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", NULL), CD_OK);
}

static void lesson_10_an_unknown_id_waits_as_a_client_does(void **state)
{
        struct fixture *f = *state;
        struct cd_error known = { 0 }, unknown = { 0 };

        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS);
        fail_times(f, "nobody", "192.0.2.1", ATTEMPTS);
        assert_status(authenticate(f, "app-a", "a guess", "192.0.2.1", &known), CD_THROTTLED);
        assert_status(authenticate(f, "nobody", "a guess", "192.0.2.1", &unknown), CD_THROTTLED);
        assert_string_equal(known.reason, unknown.reason);
        assert_int_equal(known.retry_after, unknown.retry_after);
}

static void assert_event(struct cd_audit_event event, const char *subject, const char *detail)
{
        assert_str(event.action, "client.locked");
        assert_str(event.actor, "cardea");
        assert_str(event.subject, subject);
        assert_str(event.address, "192.0.2.1");
        assert_str(event.detail, detail);
        assert_int_equal(event.at, NOON);
}

static void that_a_client_has_to_wait_is_in_the_audit_once(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->auth.store;
        struct cd_audit_events events;

        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS);
        fail_times(f, "a-secret-in-the-wrong-place", "192.0.2.1", ATTEMPTS);
        for (int i = 0; i < 5; i++) {
                assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", NULL), CD_THROTTLED);
                assert_status(authenticate(f, "nobody", "a guess", "192.0.2.1", NULL), CD_THROTTLED);
        }
        assert_status(store->audit->list(store, &f->arena, 0, 10, &events, NULL), CD_OK);
        assert_int_equal(events.count, 2);
        assert_event(events.items[0], "client:app-a", "too many wrong secrets from the address");
        assert_event(events.items[1], "", "too many unknown client ids from the address");
}

static void a_new_secret_opens_a_locked_client(void **state)
{
        struct fixture *f = *state;
        const struct cd_client_spec spec = { .id = CD_STR("app-a"), .secret = CD_STR("a new one") };
        struct cd_clients *clients;

        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS);
        assert_status(cd_clients_new(&spec, 1, CD_STR(""), &f->random.port, &clients, NULL), CD_OK);
        f->auth.clients = clients;
        assert_status(authenticate(f, "app-a", "a new one", "192.0.2.1", NULL), CD_OK);
        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS);
        assert_status(authenticate(f, "app-a", "a new one", "192.0.2.1", NULL), CD_THROTTLED);
        f->auth.clients = f->clients;
        cd_clients_free(clients);
}

static void right_secrets_count_nothing(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < 10 * ATTEMPTS; i++)
                assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", NULL), CD_OK);
        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS - 1);
        assert_false(cd_lockout_locks_clients(f->auth.lockout));
        for (int i = 0; i < 10 * ATTEMPTS; i++)
                assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", NULL), CD_OK);
        fail_times(f, "app-a", "192.0.2.1", 1); /* nor do they pay for guesses */
        assert_true(cd_lockout_locks_clients(f->auth.lockout));
}

static void lesson_31_without_a_clock_no_wrong_secret_is_answered(void **state)
{
        struct fixture *f = *state;
        struct cd_error err;

        f->clock.now = -1;
        assert_status(authenticate(f, "app-a", "a guess", "192.0.2.1", &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the clock failed");
        f->clock.now = NOON;
        fail_times(f, "app-a", "192.0.2.1", ATTEMPTS);
        f->clock.now = -1;
        assert_status(authenticate(f, "app-a", "secret-a", "192.0.2.1", &err), CD_UNAVAILABLE);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(lesson_14_beyond_the_limit_no_secret_is_judged),
                TEST(lesson_9_unknown_ids_of_an_address_are_counted_as_one),
                TEST(lesson_10_an_unknown_id_waits_as_a_client_does),
                TEST(that_a_client_has_to_wait_is_in_the_audit_once),
                TEST(a_new_secret_opens_a_locked_client),
                TEST(right_secrets_count_nothing),
                TEST(lesson_31_without_a_clock_no_wrong_secret_is_answered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
