#include "contract/stage.h"

#include <stdio.h>

enum {
        NOW = 15 /* some_session is there from 10 to 30 */
};

static void start(struct stage *s, struct cd_session session)
{
        assert_status(start_session(s, &session), CD_OK);
}

static struct cd_session get(struct stage *s, const char *digest)
{
        struct cd_session session = { 0 };

        assert_status(s->store->sessions->find(s->store, &s->arena, cd_str_from_c(digest), &session, &s->error), CD_OK);
        return session;
}

static cd_status replace(struct stage *s, const char *digest, const char *by, cd_time now)
{
        struct cd_session_start start = { .session = session_of(s, by, "ana"),
                                          .now = now,
                                          .replaces = cd_str_from_c(digest) };

        return s->store->sessions->start(s->store, &start, &an_event, &s->error);
}

static cd_status end(struct stage *s, struct cd_session_ending ending)
{
        ending.now = NOW;
        return s->store->sessions->end(s->store, &ending, &an_event, &s->error);
}

static struct cd_sessions_list list(struct stage *s, const char *user, cd_time now)
{
        struct cd_sessions_list list = { 0 };

        assert_status(s->store->sessions->list(s->store, &s->arena, cd_str_from_c(user), now, &list, &s->error), CD_OK);
        return list;
}

static struct cd_ended_sessions list_ended(struct stage *s, int64_t after, size_t limit)
{
        struct cd_ended_sessions list = { 0 };

        assert_status(s->store->sessions->list_ended(s->store, &s->arena, after, limit, &list, &s->error), CD_OK);
        return list;
}

static void a_session_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        const cd_str amr[] = { CD_STR("pwd"), CD_STR("otp") };
        struct cd_session given = session_of(s, "d1", "ana");

        assert_false(has_session(s, "d1"));
        given.amr = (struct cd_strs){ amr, CD_LEN(amr) };
        start(s, given);
        struct cd_session session = get(s, "d1");
        assert_str(session.digest, "d1");
        assert_str(session.sid, "s-d1");
        assert_str(session.user, "ana");
        assert_int_equal(session.generation, get_user(s, "ana").generation);
        assert_int_equal(session.amr.count, 2);
        assert_str(session.amr.items[1], "otp");
        assert_int_equal(session.factors, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
        assert_int_equal(session.auth_time, 11);
        assert_str(session.device, "a browser");
        assert_str(session.address, "192.0.2.1");
        assert_int_equal(session.created_at, 10);
        assert_int_equal(session.seen_at, 20);
        assert_int_equal(session.idle_lifetime, 10);
        assert_int_equal(session.ends_at, 40);
        assert_int_equal(session.expires_at, 30);
        assert_false(has_session(s, "D1"));
}

static void a_digest_is_given_once(void **state)
{
        struct stage *s = *state;
        struct cd_session again = session_of(s, "d1", "bo");

        start(s, session_of(s, "d1", "ana"));
        assert_status(start_session(s, &again), CD_EXISTS);
        assert_str(get(s, "d1").user, "ana");
}

static void a_sessions_text_is_text(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");

        session.device = CD_STR("\"\0\"");
        assert_status(start_session(s, &session), CD_INVALID_REQUEST);
        assert_false(has_session(s, "d1"));
}

static void lesson_12_a_new_id_ends_the_one_before(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d1", "ana"));
        size_t events = count_events(s);
        assert_status(replace(s, "d1", "d2", NOW), CD_OK);
        assert_false(has_session(s, "d1"));
        assert_true(has_session(s, "d2"));
        assert_int_equal(count_events(s), events + 1);
        assert_str(list_ended(s, 0, 10).items[0].digest, "d1");
        assert_int_equal(list(s, "ana", NOW).count, 1);
}

static void what_is_replaced_must_be_there(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d1", "ana"));
        start(s, session_of(s, "of-bo", "bo"));
        struct cd_store_versions before = get_versions(s);
        assert_status(replace(s, "nobody", "d2", NOW), CD_NOT_FOUND);
        assert_status(replace(s, "of-bo", "d2", NOW), CD_NOT_FOUND);
        assert_status(replace(s, "d1", "d2", 30), CD_NOT_FOUND); /* it expires at 30 */
        assert_false(has_session(s, "d2"));
        assert_true(has_session(s, "d1") && has_session(s, "of-bo"));
        assert_int_equal(get_versions(s).sessions, before.sessions);
        assert_int_equal(list_ended(s, 0, 10).count, 0);
}

static const char *replace_one(struct stage *s, size_t number)
{
        struct cd_session_start start = { .now = NOW, .replaces = CD_STR("d1") };
        struct cd_error error;
        char digest[16];

        snprintf(digest, sizeof(digest), "n%zu", number);
        start.session = some_session(digest, "ana");
        cd_status status = s->store->sessions->start(s->store, &start, NULL, &error);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "a call failed";
}

static void of_50_who_replace_a_session_one_succeeds(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d1", "ana"));
        at_once(s, 50, replace_one);
        assert_int_equal(list_ended(s, 0, 100).count, 1);
}

static void a_session_ends_by_its_digest_or_by_its_user_and_sid(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d1", "ana"));
        start(s, session_of(s, "d2", "ana"));
        start(s, session_of(s, "d3", "ana"));
        assert_status(end(s, (struct cd_session_ending){ .digest = CD_STR("d1") }), CD_OK);
        assert_status(end(s, (struct cd_session_ending){ .digest = CD_STR("d1") }), CD_NOT_FOUND);
        assert_status(end(s, (struct cd_session_ending){ .user = CD_STR("bo"), .sid = CD_STR("s-d2") }), CD_NOT_FOUND);
        assert_status(end(s, (struct cd_session_ending){ .user = CD_STR("ana"), .sid = CD_STR("s-d2") }), CD_OK);
        assert_status(end(s, (struct cd_session_ending){ 0 }), CD_NOT_FOUND);
        assert_false(has_session(s, "d1") || has_session(s, "d2"));
        assert_true(has_session(s, "d3"));
        assert_int_equal(count_events(s), 3);
}

static void a_users_sessions_are_listed_while_they_are_there(void **state)
{
        struct stage *s = *state;
        struct cd_session later = session_of(s, "a-later", "ana");
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW, .ends_sessions = true };

        later.created_at = 12;
        start(s, later);
        start(s, session_of(s, "first", "ana"));
        start(s, session_of(s, "of-bo", "bo"));
        assert_int_equal(list(s, "ana", 29).count, 2);
        assert_str(list(s, "ana", 29).items[0].digest, "first");
        assert_int_equal(list(s, "ana", 30).count, 0);
        assert_int_equal(list(s, "nobody", 29).count, 0);
        assert_status(end(s, (struct cd_session_ending){ .digest = CD_STR("first") }), CD_OK);
        assert_int_equal(list(s, "ana", 29).count, 1);
        assert_status(s->store->users->update(s->store, &change, &an_event, &s->error), CD_OK);
        assert_int_equal(list(s, "ana", 29).count, 0);
        assert_int_equal(list(s, "bo", 29).count, 1);
}

static void ended_sessions_are_told_in_their_order(void **state)
{
        struct stage *s = *state;
        char digest[16];
        int64_t after = 0;

        for (int i = 0; i < 5; i++) {
                snprintf(digest, sizeof(digest), "d%d", i);
                struct cd_store_versions before = get_versions(s);
                start(s, session_of(s, digest, "ana"));
                assert_int_equal(get_versions(s).sessions, before.sessions); /* a beginning is nobody else's business */
                assert_status(end(s, (struct cd_session_ending){ .digest = cd_str_from_c(digest) }), CD_OK);
                assert_true(get_versions(s).sessions > before.sessions);
        }
        for (int i = 0; i < 5; i += 2) {
                struct cd_ended_sessions page = list_ended(s, after, 2);
                snprintf(digest, sizeof(digest), "d%d", i);
                assert_int_equal(page.count, i == 4 ? 1 : 2);
                assert_str(page.items[0].digest, digest);
                after = page.items[page.count - 1].seq;
        }
        assert_int_equal(after, get_versions(s).sessions);
        assert_int_equal(list_ended(s, after, 2).count, 0);
}

static void lesson_22_a_user_has_at_most_100_sessions(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "of-bo", "bo");
        char digest[16];

        start(s, session);
        for (int i = 0; i <= CD_SESSIONS_MAX; i++) {
                snprintf(digest, sizeof(digest), "d%d", i);
                session = session_of(s, digest, "ana");
                session.seen_at = 10 + (i == 0); /* the first was seen last */
                if (i == CD_SESSIONS_MAX)
                        assert_int_equal(list_ended(s, 0, 10).count, 0);
                start(s, session);
        }
        assert_int_equal(list(s, "ana", NOW).count, CD_SESSIONS_MAX);
        assert_int_equal(list_ended(s, 0, 10).count, 1);
        assert_true(has_session(s, "d0") && has_session(s, digest) && has_session(s, "of-bo"));
}

/* Until others were told, but no longer. */
static void an_ended_session_is_deleted_once_nobody_needs_to_be_told(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");
        struct cd_store_expiry expiry = { .now = NOW + CD_SESSION_END_LASTS - 1, .limit = 10 };
        size_t deleted;

        session.expires_at = 100000;
        start(s, session);
        assert_status(end(s, (struct cd_session_ending){ .digest = CD_STR("d1") }), CD_OK);
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(list_ended(s, 0, 10).count, 1);
        expiry.now++;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(list_ended(s, 0, 10).count, 0);
}

static void note_seen(struct stage *s, const char *digest, cd_time at)
{
        const struct cd_session_seen seen = {
                .digest = cd_str_from_c(digest), .address = CD_STR("192.0.2.9"), .seen_at = at, .expires_at = at + 10
        };

        assert_status(s->store->sessions->note_seen(s->store, &seen, &s->error), CD_OK);
        /* What is written later is there once a later write is. */
        assert_status(s->store->audit->add(s->store, &an_event, &s->error), CD_OK);
}

static bool is_seen_at(struct stage *s, const char *digest, cd_time at)
{
        int64_t start_us = cd_monotonic_us();

        while (get(s, digest).seen_at != at)
                if (milliseconds_since(start_us) > 5000)
                        return false;
        return true;
}

static void a_session_that_is_seen_lives_longer(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d1", "ana"));
        note_seen(s, "d1", 25);
        assert_true(is_seen_at(s, "d1", 25));
        assert_int_equal(get(s, "d1").expires_at, 35);
        assert_str(get(s, "d1").address, "192.0.2.9");
        note_seen(s, "d1", 24); /* of a node whose clock is behind */
        note_seen(s, "nobody", 26);
        start(s, session_of(s, "d2", "ana"));
        note_seen(s, "d2", 26);
        assert_true(is_seen_at(s, "d2", 26));
        assert_int_equal(get(s, "d1").seen_at, 25);
}

static void an_ended_session_that_is_seen_stays_ended(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d1", "ana"));
        start(s, session_of(s, "d2", "ana"));
        assert_status(end(s, (struct cd_session_ending){ .digest = CD_STR("d1") }), CD_OK);
        note_seen(s, "d1", 25);
        note_seen(s, "d2", 25);
        assert_true(is_seen_at(s, "d2", 25));
        assert_false(has_session(s, "d1"));
        assert_int_equal(list(s, "ana", 26).count, 1);
}

/* ---- half-finished logins ---- */

static struct cd_pending_login pending_of(struct stage *s, const char *digest, const char *user)
{
        if (!has_user(s, user))
                add_user(s, user);
        return (struct cd_pending_login){
                .digest = cd_str_from_c(digest),
                .user = cd_str_from_c(user),
                .generation = get_user(s, user).generation,
                .factors = CD_FACTOR_PASSWORD,
                .created_at = 10,
                .expires_at = 30,
        };
}

static void put_pending(struct stage *s, struct cd_pending_login pending)
{
        assert_status(s->store->pending_logins->put(s->store, &pending, &s->error), CD_OK);
}

static bool has_pending(struct stage *s, const char *digest)
{
        struct cd_pending_login pending;
        cd_status status =
                s->store->pending_logins->find(s->store, &s->arena, cd_str_from_c(digest), &pending, &s->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

static cd_status finish(struct stage *s, const char *pending, const char *user, cd_time now)
{
        struct cd_session_start start = { .session = session_of(s, "d1", user),
                                          .now = now,
                                          .pending = cd_str_from_c(pending) };

        return s->store->sessions->start(s->store, &start, NULL, &s->error);
}

static void lesson_11_a_half_finished_login_is_no_session_and_becomes_one_once(void **state)
{
        struct stage *s = *state;

        put_pending(s, pending_of(s, "p1", "ana"));
        assert_true(has_pending(s, "p1"));
        assert_false(has_session(s, "p1"));
        assert_status(finish(s, "p1", "bo", NOW), CD_NOT_FOUND);
        assert_status(finish(s, "p1", "ana", 30), CD_NOT_FOUND);
        assert_true(has_pending(s, "p1"));
        assert_status(finish(s, "p1", "ana", 29), CD_OK);
        assert_false(has_pending(s, "p1"));
        assert_status(finish(s, "p1", "ana", 29), CD_NOT_FOUND);
        assert_true(has_session(s, "d1"));
}

static void a_session_does_not_pass_as_a_half_finished_login(void **state)
{
        struct stage *s = *state;

        start(s, session_of(s, "d0", "ana"));
        assert_false(has_pending(s, "d0"));
        assert_status(finish(s, "d0", "ana", NOW), CD_NOT_FOUND);
        assert_false(has_session(s, "d1"));
}

static void lesson_12_a_half_finished_login_ends_with_the_change_of_its_user(void **state)
{
        struct stage *s = *state;
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW, .password = CD_STR("$new") };

        put_pending(s, pending_of(s, "p1", "ana"));
        assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
        assert_false(has_pending(s, "p1"));
        assert_status(finish(s, "p1", "ana", NOW), CD_NOT_FOUND);
}

static void lesson_22_a_user_has_at_most_8_half_finished_logins(void **state)
{
        struct stage *s = *state;
        struct cd_store_expiry expiry = { .now = 29, .limit = 100 };
        char digest[16];
        size_t deleted;

        put_pending(s, pending_of(s, "of-bo", "bo"));
        for (int i = 0; i <= CD_PENDING_LOGINS_MAX; i++) {
                snprintf(digest, sizeof(digest), "p%d", i);
                struct cd_pending_login pending = pending_of(s, digest, "ana");
                pending.created_at = 10 + i;
                put_pending(s, pending);
                assert_int_equal(has_pending(s, "p0"), i < CD_PENDING_LOGINS_MAX);
        }
        assert_true(has_pending(s, "p1") && has_pending(s, digest) && has_pending(s, "of-bo"));
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 0);
        expiry.now = 30;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, CD_PENDING_LOGINS_MAX + 1);
}

static const char *finish_one(struct stage *s, size_t number)
{
        struct cd_session_start start = { .now = NOW, .pending = CD_STR("p1") };
        struct cd_error error;
        char digest[16];

        snprintf(digest, sizeof(digest), "n%zu", number);
        start.session = some_session(digest, "ana");
        start.session.generation = 2; /* of the first user who is added */
        cd_status status = s->store->sessions->start(s->store, &start, NULL, &error);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "a call failed";
}

static void of_50_who_finish_a_login_one_succeeds(void **state)
{
        struct stage *s = *state;

        put_pending(s, pending_of(s, "p1", "ana"));
        assert_int_equal(get_user(s, "ana").generation, 2);
        at_once(s, 50, finish_one);
        assert_int_equal(list(s, "ana", NOW).count, 1);
}

int run_sessions_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_session_is_found_with_every_field_as_given),
                CONTRACT(a_digest_is_given_once),
                CONTRACT(a_sessions_text_is_text),
                CONTRACT(lesson_12_a_new_id_ends_the_one_before),
                CONTRACT(what_is_replaced_must_be_there),
                CONTRACT(of_50_who_replace_a_session_one_succeeds),
                CONTRACT(a_session_ends_by_its_digest_or_by_its_user_and_sid),
                CONTRACT(a_users_sessions_are_listed_while_they_are_there),
                CONTRACT(ended_sessions_are_told_in_their_order),
                CONTRACT(lesson_22_a_user_has_at_most_100_sessions),
                CONTRACT(an_ended_session_is_deleted_once_nobody_needs_to_be_told),
                CONTRACT(a_session_that_is_seen_lives_longer),
                CONTRACT(an_ended_session_that_is_seen_stays_ended),
                CONTRACT(lesson_11_a_half_finished_login_is_no_session_and_becomes_one_once),
                CONTRACT(a_session_does_not_pass_as_a_half_finished_login),
                CONTRACT(lesson_12_a_half_finished_login_ends_with_the_change_of_its_user),
                CONTRACT(lesson_22_a_user_has_at_most_8_half_finished_logins),
                CONTRACT(of_50_who_finish_a_login_one_succeeds),
        };

        return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
