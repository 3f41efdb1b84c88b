#include "contract/stage.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
        NOW = 15 /* some_hand_over counts from 10 to 30 */
};

static struct cd_hand_over some_hand_over(const char *digest)
{
        return (struct cd_hand_over){
                .digest = cd_str_from_c(digest),
                .session = CD_STR("s1"),
                .host = CD_STR("wiki.example.org"),
                .nonce = CD_STR("nonce"),
                .sealed = CD_STR("x1.sealed"),
                .created_at = 10,
                .expires_at = 30,
        };
}

static cd_status put(struct stage *s, struct cd_hand_over hand_over)
{
        return s->store->hand_overs->put(s->store, &hand_over, &s->error);
}

static cd_status take(struct stage *s, struct cd_hand_over hand_over, cd_time now)
{
        return s->store->hand_overs->take(s->store, &hand_over, now, &s->error);
}

static bool has(struct stage *s, const char *digest)
{
        struct cd_hand_over found;
        cd_status status = s->store->hand_overs->find(s->store, &s->arena, cd_str_from_c(digest), &found, &s->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

static void a_hand_over_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_hand_over found = { 0 };

        assert_false(has(s, "d1"));
        assert_status(put(s, some_hand_over("d1")), CD_OK);
        for (int i = 0; i < 2; i++)
                assert_status(s->store->hand_overs->find(s->store, &s->arena, CD_STR("d1"), &found, &s->error), CD_OK);
        assert_str(found.digest, "d1");
        assert_str(found.session, "s1");
        assert_str(found.host, "wiki.example.org");
        assert_str(found.nonce, "nonce");
        assert_str(found.sealed, "x1.sealed");
        assert_int_equal(found.created_at, 10);
        assert_int_equal(found.expires_at, 30);
}

static void a_hand_over_is_taken_once(void **state)
{
        struct stage *s = *state;

        assert_status(put(s, some_hand_over("d1")), CD_OK);
        assert_status(put(s, some_hand_over("d2")), CD_OK);
        assert_status(take(s, some_hand_over("d1"), NOW), CD_OK);
        assert_false(has(s, "d1"));
        assert_true(has(s, "d2"));
        assert_status(take(s, some_hand_over("d1"), NOW), CD_NOT_FOUND);
}

static void a_hand_over_for_another_host_or_browser_stays(void **state)
{
        struct stage *s = *state;
        struct cd_hand_over odd = some_hand_over("d1");

        assert_status(put(s, some_hand_over("d1")), CD_OK);
        odd.host = CD_STR("other.example.org");
        assert_status(take(s, odd, NOW), CD_NOT_FOUND);
        odd = some_hand_over("d1");
        odd.nonce = CD_STR("another");
        assert_status(take(s, odd, NOW), CD_NOT_FOUND);
        assert_status(take(s, some_hand_over("d2"), NOW), CD_NOT_FOUND);
        assert_true(has(s, "d1"));
        assert_status(take(s, some_hand_over("d1"), NOW), CD_OK);
}

static void a_hand_over_counts_until_it_expires(void **state)
{
        struct stage *s = *state;

        assert_status(put(s, some_hand_over("d1")), CD_OK);
        assert_status(put(s, some_hand_over("d2")), CD_OK);
        assert_status(take(s, some_hand_over("d1"), 30), CD_NOT_FOUND);
        assert_status(take(s, some_hand_over("d1"), 29), CD_OK);
}

static void lesson_22_expired_hand_overs_are_deleted(void **state)
{
        struct stage *s = *state;
        struct cd_store_expiry expiry = { .now = 29, .limit = 10 };
        size_t deleted;

        assert_status(put(s, some_hand_over("d1")), CD_OK);
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_true(has(s, "d1"));
        expiry.now = 30;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 1);
        assert_false(has(s, "d1"));
}

static void lesson_22_a_session_has_a_limited_number_of_hand_overs(void **state)
{
        struct stage *s = *state;
        struct cd_hand_over other = some_hand_over("other");
        char digest[16];

        other.session = CD_STR("s2");
        other.created_at = 1; /* older than all */
        assert_status(put(s, other), CD_OK);
        for (int i = 0; i <= CD_HAND_OVERS_MAX; i++) {
                snprintf(digest, sizeof(digest), "d%d", i);
                struct cd_hand_over next = some_hand_over(digest);
                next.created_at = 10 + i;
                assert_true(has(s, "d0") == (i > 0));
                assert_status(put(s, next), CD_OK);
        }
        assert_false(has(s, "d0"));
        assert_true(has(s, "d1") && has(s, digest));
        assert_true(has(s, "other"));
}

static atomic_int succeeded;
static struct cd_store *another; /* where the store is durable: half of the attempts are of another node */

static const char *take_one(struct stage *s, size_t number)
{
        struct cd_store *store = another && number % 2 ? another : s->store;
        struct cd_hand_over hand_over = some_hand_over("d1");
        struct cd_error error;
        cd_status status = store->hand_overs->take(store, &hand_over, NOW, &error);

        if (status == CD_OK)
                atomic_fetch_add(&succeeded, 1);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "a call failed";
}

static void of_50_who_take_one_hand_over_one_does(void **state)
{
        struct stage *s = *state;

        atomic_store(&succeeded, 0);
        assert_status(put(s, some_hand_over("d1")), CD_OK);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, take_one);
        if (another)
                another->free(another);
        assert_int_equal(atomic_load(&succeeded), 1);
        assert_false(has(s, "d1"));
}

/* Killed at some moment of it: it was taken or is still there, and what was taken is taken. */
static void a_hand_over_whose_taker_is_killed_is_taken_once(void **state)
{
        struct stage *s = *state;
        int how, finished = 0;

        if (!s->row->is_durable)
                return;
        for (unsigned i = 0; i < 12; i++) {
                char digest[16];
                int done[2];
                snprintf(digest, sizeof(digest), "d%u", i);
                struct cd_hand_over hand_over = some_hand_over(digest);
                assert_status(put(s, hand_over), CD_OK);
                s->store->free(s->store);
                s->store = NULL;
                assert_int_equal(pipe(done), 0);
                pid_t child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        struct cd_store *store = s->row->open(s->url);
                        struct itimerval soon = { .it_value = { .tv_usec = 1 + (suseconds_t)i * i * 250 } };
                        signal(SIGALRM, SIG_DFL); /* ends the process as a kill does */
                        setitimer(ITIMER_REAL, &soon, NULL);
                        if (store && store->hand_overs->take(store, &hand_over, NOW, NULL) == CD_OK)
                                (void)!write(done[1], "x", 1);
                        for (;;)
                                pause();
                }
                assert_int_equal(waitpid(child, &how, 0), child);
                assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM);
                close(done[1]);
                char byte;
                bool said_so = read(done[0], &byte, 1) == 1;
                close(done[0]);
                s->store = stage_open_another(s);
                bool is_there = has(s, digest);
                finished += !is_there;
                assert_false(said_so && is_there);
                assert_status(take(s, hand_over, NOW), is_there ? CD_OK : CD_NOT_FOUND);
        }
        print_message("%d of 12 were finished before they were killed\n", finished);
}

int run_hand_overs_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_hand_over_is_found_with_every_field_as_given),
                CONTRACT(a_hand_over_is_taken_once),
                CONTRACT(a_hand_over_for_another_host_or_browser_stays),
                CONTRACT(a_hand_over_counts_until_it_expires),
                CONTRACT(lesson_22_expired_hand_overs_are_deleted),
                CONTRACT(lesson_22_a_session_has_a_limited_number_of_hand_overs),
                CONTRACT(of_50_who_take_one_hand_over_one_does),
                CONTRACT(a_hand_over_whose_taker_is_killed_is_taken_once),
        };

        return cmocka_run_group_tests_name("hand_overs", tests, NULL, NULL);
}
