/* A copy of the store in one file, made while others write, and put back into a store of either kind. */
#include "contract/stage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/backup.h"

enum {
        NOW = 1800000000,
        MANY = 1100, /* rows: more than two pages of a copy */
};

/* A copy in a folder of its own. */
struct copy {
        char folder[64], path[128];
        struct cd_store_contents contents;
};

static struct copy copy_out(struct stage *s)
{
        struct copy copy = { .folder = "/tmp/cardea-copy-XXXXXX" };

        assert_non_null(mkdtemp(copy.folder));
        snprintf(copy.path, sizeof(copy.path), "%s/cardea.db.restore", copy.folder);
        assert_status(cd_store_copy_out(s->store, copy.path, &copy.contents, &s->error), CD_OK);
        return copy;
}

static void remove_copy(const struct copy *copy)
{
        char command[160];

        snprintf(command, sizeof(command), "rm -r %s", copy->folder);
        assert_int_equal(system(command), 0);
}

static void revive(struct stage *s, struct copy *copy, bool keep_sessions)
{
        const struct cd_store_revival revival = {
                .now = NOW, .keep_sessions = keep_sessions, .actor = CD_STR("os:tester"), .made_at = CD_STR("then")
        };

        assert_status(cd_store_revive(copy->path, &revival, &copy->contents, &s->error), CD_OK);
}

/* The copy's folder holds a SQLite store afterwards. */
static struct cd_store *open_copy(struct stage *s, const struct copy *copy)
{
        char url[160];
        struct cd_store_put put = { .now = NOW };
        struct cd_store_opened opened;

        snprintf(url, sizeof(url), "sqlite:%s/cardea.db", copy->folder);
        const struct cd_store_options target = { .url = cd_str_from_c(url) };
        assert_status(cd_store_put_back(&target, copy->path, &put, &s->error), CD_OK);
        assert_string_equal(put.kept, "");
        assert_status(cd_store_open(&target, &opened, &s->error), CD_OK);
        return opened.store;
}

static cd_status put_back(struct stage *s, const struct copy *copy, char kept[PATH_MAX])
{
        const struct cd_store_options target = { .url = cd_str_from_c(s->url) };
        struct cd_store_put put = { .now = NOW };
        char beside[PATH_MAX];

        if (cd_store_sqlite_path(&target, beside, NULL) == CD_OK) {
                strncat(beside, ".restore", sizeof(beside) - strlen(beside) - 1);
                assert_int_equal(rename(copy->path, beside), 0);
        } else {
                snprintf(beside, sizeof(beside), "%s", copy->path);
        }
        cd_status status = cd_store_put_back(&target, beside, &put, &s->error);
        snprintf(kept, PATH_MAX, "%s", put.kept);
        if (status != CD_OK && beside[0])
                assert_int_equal(rename(beside, copy->path), 0);
        return status;
}

static void fill(struct stage *s)
{
        struct cd_session session;
        struct cd_client_record client = { .id = CD_STR("app"), .grants = 1 };

        for (int i = 0; i < MANY; i++)
                assert_status(s->store->audit->add(s->store, &an_event, &s->error), CD_OK);
        session = session_of(s, "d1", "ana");
        assert_status(start_session(s, &session), CD_OK);
        add_revocation(s, "jti-1", NOW * 2L);
        assert_status(s->store->clients->add(s->store, &client, &an_event, &s->error), CD_OK);
}

static int64_t client_generation(struct stage *s)
{
        struct cd_client_record client;

        assert_status(s->store->clients->find(s->store, &s->arena, CD_STR("app"), &client, &s->error), CD_OK);
        return client.generation;
}

/* Runs `check` on a SQLite store made of the copy, then on a store of the stage's kind that had other rows. */
static void check_both(struct stage *s, struct copy *copy, void (*check)(struct stage *s))
{
        char kept[PATH_MAX], spare[256];
        struct copy again = *copy;

        snprintf(spare, sizeof(spare), "cp %s %s/spare", copy->path, copy->folder);
        assert_int_equal(system(spare), 0);
        struct cd_store *own = s->store;
        s->store = open_copy(s, copy);
        check(s);
        s->store->free(s->store);
        s->store = own;
        add_user(s, "bo");
        s->store->free(own);
        s->store = NULL;
        snprintf(again.path, sizeof(again.path), "%s/spare", copy->folder);
        assert_status(put_back(s, &again, kept), CD_OK);
        if (*kept)
                assert_int_equal(unlink(kept), 0);
        s->store = s->row->open(s->url);
        assert_non_null(s->store);
        assert_false(has_user(s, "bo"));
        check(s);
}

static void check_kept(struct stage *s)
{
        assert_true(has_session(s, "d1"));
        assert_int_equal(get_revocations(s).count, 1);
        assert_int_equal(count_events(s), MANY + 3);
        struct cd_store_versions versions = get_versions(s);
        assert_true(get_user(s, "ana").generation < versions.revocations);
        /* The store goes on after the copied rows. */
        add_user(s, "cy");
        assert_int_equal(count_events(s), MANY + 4);
        assert_true(get_user(s, "cy").generation > versions.revocations - 1);
}

static void a_copy_that_keeps_sessions_has_every_row(void **state)
{
        struct stage *s = *state;

        fill(s);
        struct copy copy = copy_out(s);
        assert_int_equal(copy.contents.users, 1);
        assert_int_equal(copy.contents.clients, 1);
        assert_int_equal(copy.contents.sessions, 1);
        assert_int_equal(copy.contents.events, MANY + 2);
        revive(s, &copy, true);
        check_both(s, &copy, check_kept);
        remove_copy(&copy);
}

static int64_t earlier_client;

static void check_ended(struct stage *s)
{
        struct cd_revocation_list revoked = get_revocations(s);
        const struct cd_revocation *last = &revoked.items[revoked.count - 1];

        assert_false(has_session(s, "d1"));
        assert_int_equal(revoked.count, 2);
        assert_true(last->user.len == 0 && last->jti.len == 0);
        assert_true(last->seq >= NOW * 1024L);
        assert_int_equal(last->expires_at, NOW + CD_REVOCATION_LASTS);
        assert_int_equal(get_user(s, "ana").generation, last->seq);
        assert_true(client_generation(s) > earlier_client + 1000000);
        add_revocation(s, "jti-2", NOW * 2L);
        assert_true(get_revocations(s).items[2].seq > last->seq);
}

static void what_is_restored_has_no_earlier_session_or_token(void **state)
{
        struct stage *s = *state;

        fill(s);
        earlier_client = client_generation(s);
        struct copy copy = copy_out(s);
        revive(s, &copy, false);
        assert_int_equal(copy.contents.sessions, 0);
        check_both(s, &copy, check_ended);
        remove_copy(&copy);
}

static void restored_twice_the_generations_grow(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        struct copy copy = copy_out(s);
        revive(s, &copy, false);
        revive(s, &copy, false);
        s->store->free(s->store);
        s->store = open_copy(s, &copy);
        assert_true(get_user(s, "ana").generation > NOW * 1024L);
        s->store->free(s->store);
        s->store = s->row->open(s->url);
        remove_copy(&copy);
}

struct writing {
        struct stage *stage;
        atomic_bool ends;
        int written;
};

/* A user, and in the same transaction the event: a copy has both or none. */
static void *write_pairs(void *arg)
{
        struct writing *w = arg;
        struct cd_store *store = w->stage->store;

        for (; !atomic_load(&w->ends); w->written++) {
                char name[16];

                snprintf(name, sizeof(name), "u%06d", w->written);
                struct cd_user user = some_user(name);
                struct cd_users_page page = { &user, 1 };
                if (store->users->add(store, &page, &an_event, NULL) != CD_OK)
                        break;
        }
        return NULL;
}

static void a_copy_is_of_one_moment_while_others_write(void **state)
{
        struct stage *s = *state;
        struct writing w = { .stage = s };
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, write_pairs, &w), 0);
        for (int i = 0; i < 5; i++) {
                struct copy copy = copy_out(s);
                assert_int_equal(copy.contents.users, copy.contents.events);
                remove_copy(&copy);
        }
        atomic_store(&w.ends, true);
        pthread_join(thread, NULL);
        assert_true(w.written > 0);
}

static void *wait_for_changes(void *arg)
{
        struct stage *s = arg;

        s->store->wait(s->store, 100);
        return NULL;
}

/* As a server: it waits for changes. */
static void a_store_that_a_server_uses_is_not_replaced(void **state)
{
        struct stage *s = *state;
        char kept[PATH_MAX];
        cd_status status;

        fill(s);
        struct copy copy = copy_out(s);
        revive(s, &copy, true);
        for (int i = 0; i < 50; i++) { /* until its connection listens */
                wait_for_changes(s);
                status = put_back(s, &copy, kept);
                if (status != CD_OK)
                        break;
        }
        assert_status(status, CD_EXISTS);
        assert_non_null(strstr(s->error.reason, "stop cardea serve first"));
        assert_true(has_session(s, "d1"));
        s->store->free(s->store);
        s->store = NULL;
        for (int i = 0; i < 50 && (status = put_back(s, &copy, kept)) == CD_EXISTS; i++)
                usleep(20000); /* until the server knows that it has gone */
        assert_status(status, CD_OK);
        if (*kept)
                assert_int_equal(unlink(kept), 0);
        s->store = s->row->open(s->url);
        remove_copy(&copy);
}

static void a_copy_that_cannot_be_written_leaves_nothing(void **state)
{
        struct stage *s = *state;
        struct cd_store_contents contents;

        assert_int_not_equal(cd_store_copy_out(s->store, "/no-such-folder/copy", &contents, &s->error), CD_OK);
        assert_int_equal(access("/no-such-folder", F_OK), -1);
}

int run_backup_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_copy_that_keeps_sessions_has_every_row),
                CONTRACT(what_is_restored_has_no_earlier_session_or_token),
                CONTRACT(restored_twice_the_generations_grow),
                CONTRACT(a_copy_is_of_one_moment_while_others_write),
                CONTRACT(a_store_that_a_server_uses_is_not_replaced),
                CONTRACT(a_copy_that_cannot_be_written_leaves_nothing),
        };

        return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
