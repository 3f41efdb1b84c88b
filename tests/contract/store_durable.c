/* What a store promises that outlives the process, and that two processes may open. */
#include "contract/stage.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Asserts nothing itself: a child process calls it too. */
static bool fill(struct cd_store *store, struct cd_arena *arena, struct cd_error *error)
{
        struct cd_user user = some_user("ana");
        struct cd_users_page page = { &user, 1 };
        struct cd_user_change change = { .name = user.name, .now = 500, .claims = CD_STR("{}") };
        struct cd_client_record client = { .id = CD_STR("app"), .grants = 1 };
        struct cd_key_addition key = { .key = { .kid = CD_STR("k1"),
                                                .alg = CD_STR("ES256"),
                                                .sealed = CD_STR("s"),
                                                .public_jwk = CD_STR("{}") } };
        struct cd_revocation revocation = { .jti = CD_STR("a"), .expires_at = 100 };
        struct cd_session session = some_session("d1", "ana");

        if (store->users->add(store, &page, &an_event, error) != CD_OK ||
            store->users->update(store, &change, &an_event, error) != CD_OK ||
            store->users->find(store, arena, user.name, &user, error) != CD_OK)
                return false;
        session.generation = user.generation;
        return store->clients->add(store, &client, &an_event, error) == CD_OK &&
               store->keys->add(store, &key, &an_event, error) == CD_OK &&
               store->revocations->add(store, &revocation, error) == CD_OK &&
               store->sessions->start(store, &(struct cd_session_start){ .session = session }, NULL, error) == CD_OK;
}

static void assert_filled(struct stage *s)
{
        struct cd_client_records clients;
        struct cd_key_records keys;

        assert_str(get_user(s, "ana").claims, "{}");
        assert_int_equal(get_user(s, "ana").generation, get_revocations(s).items[0].seq);
        assert_status(s->store->clients->list(s->store, &s->arena, &clients, &s->error), CD_OK);
        assert_int_equal(clients.count, 1);
        assert_true(clients.items[0].generation > 0);
        assert_status(s->store->keys->list(s->store, &s->arena, &keys, &s->error), CD_OK);
        assert_int_equal(keys.count, 1);
        assert_int_equal(get_revocations(s).count, 2);
        assert_true(has_session(s, "d1"));
        assert_int_equal(count_events(s), 4);
}

static void a_store_opened_again_has_everything(void **state)
{
        struct stage *s = *state;

        assert_true(fill(s->store, &s->arena, &s->error));
        struct cd_store_versions before = get_versions(s);
        stage_reopen(s);
        assert_filled(s);
        struct cd_store_versions after = get_versions(s);
        assert_true(after.clients >= before.clients && after.keys >= before.keys &&
                    after.revocations >= before.revocations);
        int64_t seen = get_revocations(s).items[1].seq;
        add_revocation(s, "b", 100);
        assert_true(get_revocations(s).items[2].seq > seen);
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
        struct stage *s = *state;
        int how;

        s->store->free(s->store);
        s->store = NULL;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct cd_store *store = s->row->open(s->url);
                if (!store || !fill(store, &s->arena, &s->error))
                        _exit(1);
                kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        s->store = stage_open_another(s);
        assert_filled(s);
}

static void what_one_process_does_another_sees(void **state)
{
        struct stage *s = *state;
        struct cd_store *other = stage_open_another(s);

        assert_true(fill(other, &s->arena, &s->error));
        assert_filled(s);
        other->free(other);
        assert_filled(s);
}

static struct cd_store *another;
static int64_t version_before;

static const char *wait_here_or_change_there(struct stage *s, size_t number)
{
        struct cd_revocation revocation = { .jti = CD_STR("a"), .expires_at = 100 };
        struct timespec a_moment = { .tv_nsec = 100000000 };
        struct cd_store_versions versions = { 0 };
        struct cd_error error;

        if (number) {
                nanosleep(&a_moment, NULL);
                return another->revocations->add(another, &revocation, &error) == CD_OK ? NULL : "not written";
        }
        int64_t start = cd_monotonic_us();
        int64_t before = version_before;
        while (versions.revocations <= before && milliseconds_since(start) < 20000) {
                s->store->wait(s->store, 20000);
                if (s->store->versions(s->store, &versions, &error) != CD_OK)
                        return "no versions";
        }
        return milliseconds_since(start) < 1500 ? NULL : "the change of another process was seen too late";
}

static void a_wait_ends_with_a_change_by_another_process(void **state)
{
        struct stage *s = *state;

        another = stage_open_another(s);
        s->store->wait(s->store, 1);
        version_before = get_versions(s).revocations;
        at_once(s, 2, wait_here_or_change_there);
        another->free(another);
}

static const char *write_by_either(struct stage *s, size_t number)
{
        struct cd_store *store = number % 2 ? another : s->store;
        struct cd_error error;
        char name[32];

        for (int i = 0; i < 10; i++) {
                snprintf(name, sizeof(name), "u%zu-%d", number, i);
                struct cd_user user = some_user(name);
                struct cd_users_page page = { &user, 1 };
                struct cd_revocation revocation = { .jti = user.name, .expires_at = 100 };
                if (store->users->add(store, &page, &an_event, &error) != CD_OK ||
                    store->revocations->add(store, &revocation, &error) != CD_OK)
                        return "a write failed";
        }
        return NULL;
}

static void two_processes_that_write_at_once_lose_nothing(void **state)
{
        struct stage *s = *state;
        struct cd_users_page page;

        another = stage_open_another(s);
        at_once(s, 16, write_by_either);
        another->free(another);
        assert_status(s->store->users->list(s->store, &s->arena, CD_STR(""), 1000, &page, &s->error), CD_OK);
        assert_int_equal(page.count, 160);
        assert_int_equal(get_revocations(s).count, 160);
        assert_int_equal(count_events(s), 160);
}

int run_durable_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_store_opened_again_has_everything),
                CONTRACT(what_was_acknowledged_survives_a_kill),
                CONTRACT(what_one_process_does_another_sees),
                CONTRACT(a_wait_ends_with_a_change_by_another_process),
                CONTRACT(two_processes_that_write_at_once_lose_nothing),
        };

        return cmocka_run_group_tests_name("what outlives the process", tests, NULL, NULL);
}
