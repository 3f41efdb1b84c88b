#include "contract/stage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static const struct store_row *subject;

const struct cd_audit_event an_event = {
        .at = 1000,
        .action = CD_STR_INIT("test.action"),
        .actor = CD_STR_INIT("os:tester"),
        .subject = CD_STR_INIT("user:ana"),
        .address = CD_STR_INIT("192.0.2.1"),
        .detail = CD_STR_INIT("a few words"),
};

int run_store_contract(const struct store_row *row)
{
        char url[sizeof(((struct stage *)NULL)->url)];

        if (!row->make_database(url, sizeof(url))) {
                print_message("skipped: there is no database for %s\n", row->name);
                return 77;
        }
        struct cd_store *first = row->open(url); /* where this fails, each test would say the same */
        if (first)
                first->free(first);
        row->remove_database(url);
        if (!first)
                return 1;
        subject = row;
        return run_users_contract() + run_user_details_contract() + run_generations_contract() +
               run_clients_contract() + run_keys_contract() + run_revocation_list_contract() + run_sessions_contract() +
               run_factors_contract() + run_links_contract() + run_hand_overs_contract() + run_signin_contract() +
               run_deliveries_contract() + run_mails_contract() + run_personal_tokens_contract() +
               run_devices_contract() + run_audit_contract() + run_whole_contract() +
               (row->is_durable ? run_durable_contract() + run_backup_contract() : 0);
}

int stage_setup(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        if (!stage || !subject->make_database(stage->url, sizeof(stage->url)))
                return -1;
        stage->row = subject;
        stage->store = subject->open(stage->url);
        cd_arena_init(&stage->arena, 256 << 20);
        *state = stage;
        return stage->store ? 0 : -1;
}

int stage_teardown(void **state)
{
        struct stage *stage = *state;

        if (stage->store)
                stage->store->free(stage->store);
        cd_arena_done(&stage->arena);
        stage->row->remove_database(stage->url);
        free(stage);
        return 0;
}

bool stage_reopen(struct stage *stage)
{
        if (!stage->row->is_durable)
                return false;
        stage->store->free(stage->store);
        stage->store = stage->row->open(stage->url);
        assert_non_null(stage->store);
        return true;
}

struct cd_store *stage_open_another(const struct stage *stage)
{
        struct cd_store *store = stage->row->open(stage->url);

        assert_non_null(store);
        return store;
}

struct cd_user some_user(const char *name)
{
        return (struct cd_user){
                .name = cd_str_from_c(name),
                .password = CD_STR("$stored$of"),
                .claims = CD_STR("{\"role\":\"editor\"}"),
                .created_at = 100,
                .changed_at = 101,
                .password_at = 102,
        };
}

void add_user(struct stage *stage, const char *name)
{
        struct cd_user user = some_user(name);
        struct cd_users_page page = { &user, 1 };

        assert_status(stage->store->users->add(stage->store, &page, &an_event, &stage->error), CD_OK);
}

struct cd_user get_user(struct stage *stage, const char *name)
{
        struct cd_user user = { 0 };

        assert_status(stage->store->users->find(stage->store, &stage->arena, cd_str_from_c(name), &user, &stage->error),
                      CD_OK);
        return user;
}

bool has_user(struct stage *stage, const char *name)
{
        struct cd_user user;
        cd_status status =
                stage->store->users->find(stage->store, &stage->arena, cd_str_from_c(name), &user, &stage->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

struct cd_session some_session(const char *digest, const char *user)
{
        return (struct cd_session){
                .digest = cd_str_from_c(digest),
                .sid = CD_STR("s"),
                .user = cd_str_from_c(user),
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .auth_time = 11,
                .device = CD_STR("a browser"),
                .address = CD_STR("192.0.2.1"),
                .created_at = 10,
                .seen_at = 20,
                .idle_lifetime = 10,
                .ends_at = 40,
                .expires_at = 30,
        };
}

struct cd_session session_of(struct stage *stage, const char *digest, const char *user)
{
        struct cd_session session = some_session(digest, user);

        if (!has_user(stage, user))
                add_user(stage, user);
        session.sid = cd_arena_printf(&stage->arena, "s-%s", digest);
        session.generation = get_user(stage, user).generation;
        return session;
}

cd_status start_session(struct stage *stage, const struct cd_session *session)
{
        const struct cd_session_start start = { .session = *session, .now = session->created_at };

        return stage->store->sessions->start(stage->store, &start, NULL, &stage->error);
}

bool has_session(struct stage *stage, const char *digest)
{
        struct cd_session session;
        cd_status status = stage->store->sessions->find(stage->store, &stage->arena, cd_str_from_c(digest), &session,
                                                        &stage->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

void add_revocation(struct stage *stage, const char *jti, cd_time expires_at)
{
        struct cd_revocation revocation = { .jti = cd_str_from_c(jti),
                                            .client_id = CD_STR("app"),
                                            .expires_at = expires_at };

        assert_status(stage->store->revocations->add(stage->store, &revocation, &stage->error), CD_OK);
}

struct cd_revocation_list get_revocations(struct stage *stage)
{
        struct cd_revocation_list list = { 0 };

        assert_status(stage->store->revocations->list(stage->store, &stage->arena, 0, 100000, &list, &stage->error),
                      CD_OK);
        return list;
}

struct cd_store_versions get_versions(struct stage *stage)
{
        struct cd_store_versions versions = { 0 };

        assert_status(stage->store->versions(stage->store, &versions, &stage->error), CD_OK);
        return versions;
}

size_t count_events(struct stage *stage)
{
        struct cd_audit_events events = { 0 };

        assert_status(stage->store->audit->list(stage->store, &stage->arena, 0, 100000, &events, &stage->error), CD_OK);
        return events.count;
}

int64_t milliseconds_since(int64_t start_us)
{
        return (cd_monotonic_us() - start_us) / 1000;
}

struct runner {
        struct stage *stage;
        size_t number;
        const char *(*body)(struct stage *stage, size_t number);
        pthread_t thread;
};

static void *run(void *arg)
{
        struct runner *runner = arg;
        return (void *)runner->body(runner->stage, runner->number);
}

void at_once(struct stage *stage, size_t count, const char *(*body)(struct stage *stage, size_t number))
{
        struct runner runners[64];
        const char *wrong = NULL;
        void *result;

        assert_in_range(count, 1, CD_LEN(runners));
        for (size_t i = 0; i < count; i++) {
                runners[i] = (struct runner){ .stage = stage, .number = i, .body = body };
                assert_int_equal(pthread_create(&runners[i].thread, NULL, run, &runners[i]), 0);
        }
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(pthread_join(runners[i].thread, &result), 0);
                wrong = result ? result : wrong;
        }
        if (wrong)
                fail_msg("%s", wrong);
}
