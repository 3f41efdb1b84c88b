#include "contract/stage.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
        NOW = 15 /* some_link is there from 10 to 30 */
};

static struct cd_account_link some_link(const char *digest, const char *user)
{
        return (struct cd_account_link){
                .digest = cd_str_from_c(digest),
                .kind = CD_STR("invite"),
                .user = cd_str_from_c(user),
                .account = CD_STR("{\"groups\":[\"staff\"]}"),
                .created_at = 10,
                .expires_at = 30,
        };
}

static struct cd_account_link reset_of(struct stage *s, const char *digest, const char *user)
{
        struct cd_account_link link = some_link(digest, user);

        if (!has_user(s, user))
                add_user(s, user);
        link.kind = CD_STR("reset");
        link.account = CD_STR("{}");
        link.generation = get_user(s, user).generation;
        return link;
}

static cd_status add(struct stage *s, struct cd_account_link link)
{
        return s->store->links->add(s->store, &link, &an_event, &s->error);
}

static bool has_link(struct stage *s, const char *digest)
{
        struct cd_account_link link;
        cd_status status = s->store->links->find(s->store, &s->arena, cd_str_from_c(digest), &link, &s->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

/* `digest` empty: without an invitation. Asserts nothing: other threads and processes call it too. */
static cd_status join_by(struct cd_store *store, const char *digest, const char *name, struct cd_error *reterr)
{
        struct cd_user user = some_user(name);
        struct cd_registration registration = {
                .user = &user,
                .factor = { .user = user.name, .sealed = CD_STR("x1.a"), .created_at = NOW, .last_step = 5 },
                .codes = { .count = 2 },
                .link = cd_str_from_c(digest),
                .now = NOW,
        };

        memset(registration.codes.text[0], 'a', CD_RECOVERY_MAC_TEXT);
        memset(registration.codes.text[1], 'b', CD_RECOVERY_MAC_TEXT);
        memcpy(registration.codes.text[0], name, strlen(name)); /* no two users have the same */
        memcpy(registration.codes.text[1], name, strlen(name));
        return store->links->join(store, &registration, &an_event, reterr);
}

static cd_status join(struct stage *s, const char *digest, const char *name)
{
        return join_by(s->store, digest, name, &s->error);
}

static cd_status reset(struct stage *s, struct cd_account_link link, cd_time now)
{
        return s->store->links->reset(s->store, &link, CD_STR("$reset"), now, &an_event, &s->error);
}

static void a_link_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_account_link link = { 0 };

        assert_false(has_link(s, "d1"));
        assert_status(add(s, some_link("d1", "ana")), CD_OK);
        for (int i = 0; i < 2; i++) /* to look at it consumes nothing: LESSONS 46 */
                assert_status(s->store->links->find(s->store, &s->arena, CD_STR("d1"), &link, &s->error), CD_OK);
        assert_str(link.digest, "d1");
        assert_str(link.kind, "invite");
        assert_str(link.user, "ana");
        assert_int_equal(link.generation, 0);
        assert_str(link.account, "{\"groups\":[\"staff\"]}");
        assert_int_equal(link.created_at, 10);
        assert_int_equal(link.expires_at, 30);
        assert_int_equal(count_events(s), 1);
}

static void who_joins_has_account_factor_and_codes_at_once(void **state)
{
        struct stage *s = *state;
        struct cd_totp_factor factor;
        size_t codes;

        assert_status(add(s, some_link("d1", "ana")), CD_OK);
        assert_status(join(s, "d1", "ana"), CD_OK);
        assert_false(has_link(s, "d1"));
        assert_str(get_user(s, "ana").claims, "{\"role\":\"editor\"}");
        assert_true(get_user(s, "ana").generation > 0);
        assert_status(s->store->totp->find(s->store, &s->arena, CD_STR("ana"), &factor, &s->error), CD_OK);
        assert_int_equal(factor.last_step, 5);
        assert_status(s->store->recovery->count(s->store, CD_STR("ana"), &codes, &s->error), CD_OK);
        assert_int_equal(codes, 2);
        assert_int_equal(count_events(s), 2);
}

static void who_may_not_join_leaves_nothing_behind(void **state)
{
        struct stage *s = *state;
        struct cd_totp_factor factor;
        struct cd_account_link over = some_link("over", "di");

        over.expires_at = NOW;
        assert_status(add(s, some_link("d1", "ana")), CD_OK);
        assert_status(add(s, over), CD_OK);
        assert_status(add(s, reset_of(s, "reset", "bo")), CD_OK);
        size_t events = count_events(s);
        assert_status(join(s, "d1", "cy"), CD_NOT_FOUND);   /* of another */
        assert_status(join(s, "d2", "cy"), CD_NOT_FOUND);   /* of nobody */
        assert_status(join(s, "over", "di"), CD_NOT_FOUND); /* expired */
        assert_status(join(s, "reset", "bo"), CD_EXISTS);   /* no invitation */
        assert_status(join(s, "", "bo"), CD_EXISTS);
        assert_false(has_user(s, "cy") || has_user(s, "di") || has_user(s, "ana"));
        assert_true(has_link(s, "d1"));
        assert_status(s->store->totp->find(s->store, &s->arena, CD_STR("cy"), &factor, &s->error), CD_NOT_FOUND);
        assert_status(s->store->totp->find(s->store, &s->arena, CD_STR("bo"), &factor, &s->error), CD_NOT_FOUND);
        assert_int_equal(count_events(s), events);
}

/* The link of a user who is there already is still there, for a user who was removed meanwhile. */
static void without_an_invitation_one_joins_where_none_is_asked_for(void **state)
{
        struct stage *s = *state;

        assert_status(join(s, "", "ana"), CD_OK);
        assert_true(has_user(s, "ana"));
        assert_status(join(s, "", "ana"), CD_EXISTS);
}

static void an_invitation_replaces_the_one_before(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, some_link("d1", "ana")), CD_OK);
        assert_status(add(s, some_link("bo", "bo")), CD_OK);
        assert_status(add(s, some_link("d2", "ana")), CD_OK);
        assert_false(has_link(s, "d1"));
        assert_true(has_link(s, "d2") && has_link(s, "bo"));
        assert_status(join(s, "d1", "ana"), CD_NOT_FOUND);
        assert_status(join(s, "d2", "ana"), CD_OK);
}

static atomic_int succeeded;
static struct cd_store *another; /* where the store is durable: half of the attempts are of another node */

static struct cd_store *store_of(struct stage *s, size_t number)
{
        return another && number % 2 ? another : s->store;
}

static const char *judge(cd_status status)
{
        if (status == CD_OK)
                atomic_fetch_add(&succeeded, 1);
        return status == CD_OK || status == CD_NOT_FOUND || status == CD_EXISTS ? NULL : "a call failed";
}

static void race(struct stage *s, const char *(*body)(struct stage *s, size_t number))
{
        atomic_store(&succeeded, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, body);
        if (another)
                another->free(another);
        assert_int_equal(atomic_load(&succeeded), 1);
}

static const char *join_one(struct stage *s, size_t number)
{
        struct cd_error error;

        return judge(join_by(store_of(s, number), "d1", "ana", &error));
}

static void of_50_who_join_by_one_invitation_one_does(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, some_link("d1", "ana")), CD_OK);
        race(s, join_one);
        assert_false(has_link(s, "d1"));
        assert_int_equal(count_events(s), 2);
}

static struct cd_account_link raced;

static const char *reset_one(struct stage *s, size_t number)
{
        struct cd_store *store = store_of(s, number);
        struct cd_error error;
        char password[32];

        snprintf(password, sizeof(password), "$of %zu", number);
        return judge(store->links->reset(store, &raced, cd_str_from_c(password), NOW, &an_event, &error));
}

static void of_50_who_reset_by_one_link_one_does(void **state)
{
        struct stage *s = *state;

        raced = reset_of(s, "d1", "ana");
        assert_status(add(s, raced), CD_OK);
        race(s, reset_one);
        assert_false(has_link(s, "d1"));
        assert_int_equal(get_revocations(s).count, 1);
        assert_int_equal(count_events(s), 3);
}

static void a_reset_sets_the_password_and_ends_sessions_and_other_links(void **state)
{
        struct stage *s = *state;
        struct cd_account_link link = reset_of(s, "d1", "ana"), other = reset_of(s, "d2", "ana");
        struct cd_session session = session_of(s, "s1", "ana");

        assert_status(add(s, link), CD_OK);
        assert_status(add(s, other), CD_OK);
        assert_status(start_session(s, &session), CD_OK);
        assert_status(reset(s, link, NOW), CD_OK);
        assert_str(get_user(s, "ana").password, "$reset");
        assert_int_equal(get_user(s, "ana").password_at, NOW);
        assert_int_equal(get_user(s, "ana").generation, get_revocations(s).items[0].seq);
        assert_false(has_session(s, "s1") || has_link(s, "d1"));
        assert_status(reset(s, link, NOW), CD_NOT_FOUND);
        assert_status(reset(s, other, NOW), CD_NOT_FOUND); /* the user has changed since it was made */
        assert_int_equal(get_revocations(s).count, 1);
}

static void a_reset_link_that_does_not_hold_changes_nothing(void **state)
{
        struct stage *s = *state;
        struct cd_account_link link = reset_of(s, "d1", "ana"), odd;
        struct cd_user_change disable = { .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_DISABLE };

        assert_status(add(s, link), CD_OK);
        assert_status(reset(s, link, 30), CD_NOT_FOUND);
        odd = link;
        odd.digest = CD_STR("d2");
        assert_status(reset(s, odd, NOW), CD_NOT_FOUND);
        odd = reset_of(s, "d1", "bo");
        assert_status(reset(s, odd, NOW), CD_NOT_FOUND);
        assert_true(has_link(s, "d1"));
        assert_status(s->store->users->update(s->store, &disable, NULL, &s->error), CD_OK);
        assert_status(reset(s, link, NOW), CD_NOT_FOUND);
        assert_str(get_user(s, "ana").password, "$stored$of");
        assert_str(get_user(s, "bo").password, "$stored$of");

        assert_status(add(s, some_link("invite", "bo")), CD_OK);
        odd = reset_of(s, "invite", "bo");
        assert_status(reset(s, odd, NOW), CD_NOT_FOUND);
        assert_str(get_user(s, "bo").password, "$stored$of");
}

static void another_e_mail_address_ends_the_links_that_were_sent_to_the_one_before(void **state)
{
        struct stage *s = *state;
        struct cd_user_change name = { .name = CD_STR("ana"), .now = NOW, .display_name = CD_STR("Ana") };
        struct cd_user_change email = { .name = CD_STR("ana"), .now = NOW, .email = CD_STR("new@example.com") };

        assert_status(add(s, reset_of(s, "d1", "ana")), CD_OK);
        assert_status(add(s, reset_of(s, "d2", "ana")), CD_OK);
        assert_status(add(s, reset_of(s, "d3", "bo")), CD_OK);
        assert_status(add(s, some_link("invite", "ana")), CD_OK);
        assert_status(s->store->users->update(s->store, &name, NULL, &s->error), CD_OK);
        assert_true(has_link(s, "d1") && has_link(s, "d2"));
        assert_status(s->store->users->update(s->store, &email, NULL, &s->error), CD_OK);
        assert_false(has_link(s, "d1") || has_link(s, "d2"));
        assert_true(has_link(s, "d3") && has_link(s, "invite"));
}

static void a_user_has_at_most_3_reset_links(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, some_link("invite", "ana")), CD_OK);
        assert_status(add(s, reset_of(s, "d1", "ana")), CD_OK);
        assert_status(add(s, reset_of(s, "d2", "ana")), CD_OK);
        assert_status(add(s, reset_of(s, "d3", "ana")), CD_OK);
        assert_status(add(s, reset_of(s, "d4", "ana")), CD_THROTTLED);
        assert_status(add(s, reset_of(s, "e1", "bo")), CD_OK);
        assert_true(has_link(s, "d1") && has_link(s, "d3") && !has_link(s, "d4"));
        struct cd_account_link later = reset_of(s, "d4", "ana");
        later.created_at = 30; /* the others have expired */
        later.expires_at = 50;
        assert_status(add(s, later), CD_OK);
}

static void a_reset_link_is_made_for_a_user_who_is_there(void **state)
{
        struct stage *s = *state;
        struct cd_account_link link = reset_of(s, "d1", "ana");
        struct cd_user_change disable = { .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_DISABLE };

        link.user = CD_STR("nobody");
        assert_status(add(s, link), CD_NOT_FOUND);
        link = reset_of(s, "d1", "ana");
        link.generation--;
        assert_status(add(s, link), CD_NOT_FOUND);
        assert_status(s->store->users->update(s->store, &disable, NULL, &s->error), CD_OK);
        assert_status(add(s, reset_of(s, "d1", "ana")), CD_NOT_FOUND);
        assert_false(has_link(s, "d1"));
}

static void links_go_with_their_user_and_their_time(void **state)
{
        struct stage *s = *state;
        const struct cd_user_change gone = { .name = CD_STR("ana"), .now = NOW };
        struct cd_store_expiry expiry = { .now = 29, .limit = 100 };
        size_t deleted;

        assert_status(add(s, reset_of(s, "d1", "ana")), CD_OK);
        assert_status(add(s, some_link("d2", "bo")), CD_OK);
        assert_status(s->store->users->remove(s->store, &gone, NULL, &s->error), CD_OK);
        assert_false(has_link(s, "d1"));
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_true(has_link(s, "d2"));
        expiry.now = 30;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 1);
        assert_false(has_link(s, "d2"));
}

/* Killed at some moment of it: all of it happened or nothing, and what was used is used. */
static void a_registration_that_is_killed_happens_once(void **state)
{
        struct stage *s = *state;
        struct cd_totp_factor factor;
        int how, finished = 0;

        if (!s->row->is_durable)
                return;
        for (unsigned i = 0; i < 12; i++) {
                char name[16], digest[16];
                snprintf(name, sizeof(name), "u%u", i);
                snprintf(digest, sizeof(digest), "d%u", i);
                assert_status(add(s, some_link(digest, name)), CD_OK);
                s->store->free(s->store);
                s->store = NULL;
                pid_t child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        struct cd_store *store = s->row->open(s->url);
                        struct itimerval soon = { .it_value = { .tv_usec = 1 + (suseconds_t)i * i * 250 } };
                        signal(SIGALRM, SIG_DFL); /* ends the process as a kill does */
                        setitimer(ITIMER_REAL, &soon, NULL);
                        if (store)
                                (void)join_by(store, digest, name, NULL);
                        for (;;)
                                pause();
                }
                assert_int_equal(waitpid(child, &how, 0), child);
                assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM);
                s->store = stage_open_another(s);
                bool is_there = has_user(s, name);
                finished += is_there;
                assert_int_equal(has_link(s, digest), !is_there);
                assert_status(s->store->totp->find(s->store, &s->arena, cd_str_from_c(name), &factor, &s->error),
                              is_there ? CD_OK : CD_NOT_FOUND);
                assert_status(join(s, digest, name), is_there ? CD_EXISTS : CD_OK);
        }
        print_message("%d of 12 were finished before they were killed\n", finished);
}

int run_links_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_link_is_found_with_every_field_as_given),
                CONTRACT(who_joins_has_account_factor_and_codes_at_once),
                CONTRACT(who_may_not_join_leaves_nothing_behind),
                CONTRACT(without_an_invitation_one_joins_where_none_is_asked_for),
                CONTRACT(an_invitation_replaces_the_one_before),
                CONTRACT(of_50_who_join_by_one_invitation_one_does),
                CONTRACT(of_50_who_reset_by_one_link_one_does),
                CONTRACT(a_reset_sets_the_password_and_ends_sessions_and_other_links),
                CONTRACT(a_reset_link_that_does_not_hold_changes_nothing),
                CONTRACT(another_e_mail_address_ends_the_links_that_were_sent_to_the_one_before),
                CONTRACT(a_user_has_at_most_3_reset_links),
                CONTRACT(a_reset_link_is_made_for_a_user_who_is_there),
                CONTRACT(links_go_with_their_user_and_their_time),
                CONTRACT(a_registration_that_is_killed_happens_once),
        };

        return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
