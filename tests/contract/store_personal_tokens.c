#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>

enum {
        NOW = 15 /* some tokens are valid from 10 to 30 */
};

static struct cd_personal_token token_of(struct stage *s, const char *digest, const char *user)
{
        if (!has_user(s, user))
                add_user(s, user);
        return (struct cd_personal_token){
                .digest = cd_str_from_c(digest),
                .id = cd_arena_printf(&s->arena, "id-%s", digest),
                .user = cd_str_from_c(user),
                .generation = get_user(s, user).generation,
                .name = CD_STR("backup"),
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .address = CD_STR(""),
                .created_at = 10,
                .expires_at = 30,
        };
}

static cd_status try_add(struct stage *s, struct cd_personal_token token)
{
        return s->store->personal_tokens->add(s->store, &token, &an_event, &s->error);
}

static void add(struct stage *s, struct cd_personal_token token)
{
        assert_status(try_add(s, token), CD_OK);
}

static struct cd_personal_token get(struct stage *s, const char *digest)
{
        struct cd_personal_token token = { 0 };

        assert_status(s->store->personal_tokens->find(s->store, &s->arena, cd_str_from_c(digest), &token, &s->error),
                      CD_OK);
        return token;
}

static bool has_token(struct stage *s, const char *digest)
{
        struct cd_personal_token token;
        cd_status status =
                s->store->personal_tokens->find(s->store, &s->arena, cd_str_from_c(digest), &token, &s->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

static struct cd_personal_tokens_list list(struct stage *s, const char *user, cd_time now)
{
        struct cd_personal_tokens_list list = { 0 };

        assert_status(s->store->personal_tokens->list(s->store, &s->arena, cd_str_from_c(user), now, &list, &s->error),
                      CD_OK);
        return list;
}

static cd_status end(struct stage *s, const char *user, const char *id)
{
        const struct cd_personal_token token = { .user = cd_str_from_c(user), .id = cd_str_from_c(id) };

        return s->store->personal_tokens->end(s->store, &token, NOW, &an_event, &s->error);
}

static struct cd_ended_sessions list_ended(struct stage *s, int64_t after, size_t limit)
{
        struct cd_ended_sessions list = { 0 };

        assert_status(s->store->sessions->list_ended(s->store, &s->arena, after, limit, &list, &s->error), CD_OK);
        return list;
}

static void a_token_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_personal_token given = token_of(s, "t1", "ana");

        given.hosts = (struct cd_strs){ (const cd_str[]){ CD_STR("a.example.com"), CD_STR("*.b.example.com") }, 2 };
        given.paths = (struct cd_strs){ (const cd_str[]){ CD_STR("/\"quoted\"/") }, 1 };
        given.methods = (struct cd_strs){ (const cd_str[]){ CD_STR("GET"), CD_STR("HEAD") }, 2 };
        given.networks = (struct cd_strs){ (const cd_str[]){ CD_STR("10.0.0.0/8") }, 1 };
        assert_false(has_token(s, "t1"));
        add(s, given);
        for (int i = 0; i < 2; i++) {
                struct cd_personal_token token = get(s, "t1");
                assert_str(token.digest, "t1");
                assert_str(token.id, "id-t1");
                assert_str(token.user, "ana");
                assert_int_equal(token.generation, given.generation);
                assert_str(token.name, "backup");
                assert_int_equal(token.factors, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
                assert_int_equal(token.hosts.count, 2);
                assert_str(token.hosts.items[1], "*.b.example.com");
                assert_int_equal(token.paths.count, 1);
                assert_str(token.paths.items[0], "/\"quoted\"/");
                assert_int_equal(token.methods.count, 2);
                assert_str(token.methods.items[1], "HEAD");
                assert_int_equal(token.networks.count, 1);
                assert_str(token.networks.items[0], "10.0.0.0/8");
                assert_int_equal(token.created_at, 10);
                assert_int_equal(token.expires_at, 30);
                assert_int_equal(token.used_at, 0);
                assert_str(token.address, "");
                if (!stage_reopen(s))
                        break;
        }
        assert_int_equal(count_events(s), 2); /* of the user, and of the token */
}

static void a_digest_is_given_once(void **state)
{
        struct stage *s = *state;

        add(s, token_of(s, "t1", "ana"));
        size_t events = count_events(s);
        assert_status(try_add(s, token_of(s, "t1", "bo")), CD_EXISTS);
        assert_str(get(s, "t1").user, "ana");
        assert_int_equal(count_events(s), events + 1); /* bo's */
}

static void a_tokens_texts_are_text(void **state)
{
        struct stage *s = *state;
        struct cd_personal_token token = token_of(s, "t1", "ana");

        token.name = CD_STR("a\0b");
        assert_status(try_add(s, token), CD_INVALID_REQUEST);
        token = token_of(s, "t1", "ana");
        token.paths = (struct cd_strs){ (const cd_str[]){ CD_STR("\xff") }, 1 };
        assert_status(try_add(s, token), CD_INVALID_REQUEST);
        assert_false(has_token(s, "t1"));
        assert_status(end(s, "\xff", "id-t1"), CD_NOT_FOUND);
}

static void a_token_needs_its_user_as_it_is_now(void **state)
{
        struct stage *s = *state;
        struct cd_personal_token token = token_of(s, "t1", "ana");
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOW, .ends_sessions = true };

        assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
        assert_status(try_add(s, token), CD_NOT_FOUND);
        change = (struct cd_user_change){ .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_DISABLE };
        assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
        assert_status(try_add(s, token_of(s, "t1", "ana")), CD_NOT_FOUND);
        token.user = CD_STR("nobody");
        assert_status(try_add(s, token), CD_NOT_FOUND);
        assert_false(has_token(s, "t1"));
}

static void a_users_tokens_are_listed_while_they_are_valid(void **state)
{
        struct stage *s = *state;
        struct cd_personal_token later = token_of(s, "a-later", "ana");

        later.created_at = 12;
        add(s, later);
        add(s, token_of(s, "first", "ana"));
        add(s, token_of(s, "of-bo", "bo"));
        assert_int_equal(list(s, "ana", 29).count, 2);
        assert_str(list(s, "ana", 29).items[0].digest, "first");
        assert_int_equal(list(s, "ana", 30).count, 0);
        assert_int_equal(list(s, "nobody", 29).count, 0);
        assert_true(has_token(s, "first")); /* until it is deleted */
}

static void lesson_12_a_revoked_token_is_told_to_other_nodes(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");
        const struct cd_session_ending ending = { .digest = CD_STR("d1"), .now = NOW };

        add(s, token_of(s, "t1", "ana"));
        add(s, token_of(s, "t2", "ana"));
        assert_status(start_session(s, &session), CD_OK);
        struct cd_store_versions before = get_versions(s);
        size_t events = count_events(s);
        assert_status(end(s, "bo", "id-t1"), CD_NOT_FOUND);
        assert_status(end(s, "ana", "id-t3"), CD_NOT_FOUND);
        assert_int_equal(get_versions(s).sessions, before.sessions);
        assert_status(end(s, "ana", "id-t1"), CD_OK);
        assert_true(get_versions(s).sessions > before.sessions);
        assert_status(end(s, "ana", "id-t1"), CD_NOT_FOUND);
        assert_false(has_token(s, "t1"));
        assert_int_equal(list(s, "ana", NOW).count, 1);
        assert_int_equal(count_events(s), events + 1);

        /* Among the sessions that have ended, in the order of the ends. */
        assert_status(s->store->sessions->end(s->store, &ending, NULL, &s->error), CD_OK);
        assert_status(end(s, "ana", "id-t2"), CD_OK);
        struct cd_ended_sessions ended = list_ended(s, 0, 10);
        assert_int_equal(ended.count, 3);
        assert_str(ended.items[0].digest, "t1");
        assert_str(ended.items[1].digest, "d1");
        assert_str(ended.items[2].digest, "t2");
        ended = list_ended(s, ended.items[0].seq, 1);
        assert_int_equal(ended.count, 1);
        assert_str(ended.items[0].digest, "d1");
}

/* Until others were told, but no longer. */
static void lesson_22_revoked_and_expired_tokens_are_deleted(void **state)
{
        struct stage *s = *state;
        struct cd_personal_token lasting = token_of(s, "t1", "ana");
        struct cd_store_expiry expiry = { .now = 29, .limit = 10 };
        size_t deleted;

        lasting.expires_at = 100000;
        add(s, lasting);
        add(s, token_of(s, "t2", "ana"));
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 0);
        expiry.now = 30;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 1);
        assert_false(has_token(s, "t2"));
        assert_true(has_token(s, "t1"));
        assert_status(end(s, "ana", "id-t1"), CD_OK);
        expiry.now = NOW + CD_SESSION_END_LASTS - 1;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(list_ended(s, 0, 10).count, 1);
        expiry.now++;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(list_ended(s, 0, 10).count, 0);
}

static void lesson_22_a_user_has_at_most_30_valid_tokens(void **state)
{
        struct stage *s = *state;
        char digest[16];

        add(s, token_of(s, "of-bo", "bo"));
        for (int i = 0; i < CD_PERSONAL_TOKENS_MAX; i++) {
                snprintf(digest, sizeof(digest), "t%d", i);
                add(s, token_of(s, digest, "ana"));
        }
        size_t events = count_events(s);
        assert_status(try_add(s, token_of(s, "more", "ana")), CD_TOO_LARGE);
        assert_int_equal(count_events(s), events);
        assert_false(has_token(s, "more"));
        assert_status(end(s, "ana", "id-t7"), CD_OK);
        add(s, token_of(s, "more", "ana"));
        struct cd_personal_token later = token_of(s, "later", "ana");
        assert_status(try_add(s, later), CD_TOO_LARGE);
        later.created_at = 30; /* when the others have expired */
        later.expires_at = 40;
        add(s, later);
}

static const char *add_one(struct stage *s, size_t number)
{
        struct cd_personal_token token = { .user = CD_STR("ana"), .generation = 2, .created_at = 10, .expires_at = 30 };
        struct cd_error error;
        char text[16];

        snprintf(text, sizeof(text), "t%zu", number);
        token.digest = token.id = token.name = cd_str_from_c(text);
        token.address = CD_STR("");
        cd_status status = s->store->personal_tokens->add(s->store, &token, NULL, &error);
        return status == CD_OK || status == CD_TOO_LARGE ? NULL : "a call failed";
}

static void of_50_who_make_a_token_30_succeed(void **state)
{
        struct stage *s = *state;

        add_user(s, "ana");
        assert_int_equal(get_user(s, "ana").generation, 2);
        at_once(s, 50, add_one);
        assert_int_equal(list(s, "ana", NOW).count, CD_PERSONAL_TOKENS_MAX);
}

static atomic_int revoked;

static const char *revoke_or_use(struct stage *s, size_t number)
{
        const struct cd_personal_token token = { .user = CD_STR("ana"), .id = CD_STR("id-t1") };
        struct cd_error error;
        cd_status status;

        if (number % 2)
                return s->store->personal_tokens->note_used(s->store, CD_STR("t1"), CD_STR("192.0.2.9"),
                                                            11 + (cd_time)number, &error) == CD_OK
                               ? NULL
                               : "a use was not noted";
        status = s->store->personal_tokens->end(s->store, &token, NOW, NULL, &error);
        if (status == CD_OK)
                atomic_fetch_add(&revoked, 1);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "a call failed";
}

static void of_50_who_revoke_or_use_a_token_one_revokes_it_and_it_stays_revoked(void **state)
{
        struct stage *s = *state;

        add(s, token_of(s, "t1", "ana"));
        atomic_store(&revoked, 0);
        at_once(s, 50, revoke_or_use);
        assert_int_equal(atomic_load(&revoked), 1);
        assert_status(s->store->audit->add(s->store, &an_event, &s->error), CD_OK); /* after what is written later */
        assert_false(has_token(s, "t1"));
        assert_int_equal(list_ended(s, 0, 10).count, 1);
}

static void the_last_use_is_noted(void **state)
{
        struct stage *s = *state;
        int64_t start_us = cd_monotonic_us();

        add(s, token_of(s, "t1", "ana"));
        assert_status(s->store->personal_tokens->note_used(s->store, CD_STR("t1"), CD_STR("192.0.2.9"), 25, &s->error),
                      CD_OK);
        while (get(s, "t1").used_at != 25 && milliseconds_since(start_us) < 5000)
                continue;
        assert_int_equal(get(s, "t1").used_at, 25);
        assert_str(get(s, "t1").address, "192.0.2.9");
        assert_int_equal(get(s, "t1").expires_at, 30);
        /* By a node whose clock is behind; of no token; and what no token has. */
        assert_status(s->store->personal_tokens->note_used(s->store, CD_STR("t1"), CD_STR("192.0.2.8"), 24, &s->error),
                      CD_OK);
        assert_status(s->store->personal_tokens->note_used(s->store, CD_STR("t0"), CD_STR("192.0.2.8"), 26, &s->error),
                      CD_OK);
        assert_status(s->store->personal_tokens->note_used(s->store, CD_STR("\xff"), CD_STR(""), 26, &s->error), CD_OK);
        add(s, token_of(s, "t2", "ana"));
        assert_status(s->store->personal_tokens->note_used(s->store, CD_STR("t2"), CD_STR(""), 26, &s->error), CD_OK);
        start_us = cd_monotonic_us();
        while (get(s, "t2").used_at != 26 && milliseconds_since(start_us) < 5000)
                continue;
        assert_int_equal(get(s, "t2").used_at, 26);
        assert_int_equal(get(s, "t1").used_at, 25);
}

static void lesson_12_what_ends_the_sessions_ends_the_tokens(void **state)
{
        static const struct cd_user_change changes[] = {
                { .password = CD_STR_INIT("$new") },
                { .disabled = CD_USER_DISABLE },
                { .disabled = CD_USER_ENABLE, .password = CD_STR_INIT("$newer") },
                { .ends_sessions = true },
                { .ends_sessions = true, .claims = CD_STR_INIT("{\"a\":1}") },
        };
        struct stage *s = *state;

        add(s, token_of(s, "of-bo", "bo"));
        for (size_t i = 0; i < CD_LEN(changes); i++) {
                struct cd_user_change change = changes[i];
                bool was_disabled = has_user(s, "ana") && get_user(s, "ana").disabled;
                if (!was_disabled)
                        add(s, token_of(s, "t1", "ana"));
                change.name = CD_STR("ana");
                change.now = NOW;
                assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
                assert_false(has_token(s, "t1"));
                assert_int_equal(list(s, "ana", NOW).count, 0);
        }
        add(s, token_of(s, "t1", "ana"));
        assert_status(s->store->users->remove(s->store, &(struct cd_user_change){ .name = CD_STR("ana"), .now = NOW },
                                              NULL, &s->error),
                      CD_OK);
        assert_false(has_token(s, "t1"));
        add_user(s, "ana"); /* another user of that name */
        assert_false(has_token(s, "t1"));
        assert_true(has_token(s, "of-bo"));
}

static void lesson_12_a_replaced_or_removed_factor_ends_the_tokens(void **state)
{
        struct stage *s = *state;
        struct cd_totp_change change = { .factor = {
                                                 .user = CD_STR("ana"), .sealed = CD_STR("s1"), .created_at = NOW } };

        add(s, token_of(s, "t1", "ana"));
        change.if_generation = get_user(s, "ana").generation;
        assert_status(s->store->totp->put(s->store, &change, NULL, &s->error), CD_OK);
        assert_true(has_token(s, "t1")); /* the first factor ends nothing */
        change.factor.sealed = CD_STR("s2");
        change.if_sealed = CD_STR("s1");
        change.if_generation = get_user(s, "ana").generation;
        assert_status(s->store->totp->put(s->store, &change, NULL, &s->error), CD_OK);
        assert_false(has_token(s, "t1"));
        add(s, token_of(s, "t2", "ana"));
        assert_status(s->store->totp->remove(s->store, CD_STR("ana"), NOW, NULL, &s->error), CD_OK);
        assert_false(has_token(s, "t2"));
}

static void tokens_continue_with_other_groups_claims_and_details(void **state)
{
        static const cd_str dev = CD_STR_INIT("dev");
        static const struct cd_strs groups = { &dev, 1 };
        static const struct cd_user_change changes[] = {
                { .groups = &groups },
                { .claims = CD_STR_INIT("{\"a\":2}") },
                { .email = CD_STR_INIT("a@b"), .display_name = CD_STR_INIT("Ana") },
                { .password = CD_STR_INIT("$rehashed"), .is_rehash = true },
                { .claims = CD_STR_INIT("{\"a\":3}"), .password = CD_STR_INIT("$again"), .is_rehash = true },
        };
        struct stage *s = *state;

        add(s, token_of(s, "t1", "ana"));
        add(s, token_of(s, "ended", "ana"));
        assert_status(end(s, "ana", "id-ended"), CD_OK);
        for (size_t i = 0; i < CD_LEN(changes); i++) {
                struct cd_user_change change = changes[i];
                change.name = CD_STR("ana");
                change.now = NOW;
                assert_status(s->store->users->update(s->store, &change, NULL, &s->error), CD_OK);
                assert_int_equal(get(s, "t1").generation, get_user(s, "ana").generation);
        }
        assert_int_equal(list(s, "ana", NOW).count, 1);
        assert_false(has_token(s, "ended"));
}

int run_personal_tokens_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_token_is_found_with_every_field_as_given),
                CONTRACT(a_digest_is_given_once),
                CONTRACT(a_tokens_texts_are_text),
                CONTRACT(a_token_needs_its_user_as_it_is_now),
                CONTRACT(a_users_tokens_are_listed_while_they_are_valid),
                CONTRACT(lesson_12_a_revoked_token_is_told_to_other_nodes),
                CONTRACT(lesson_22_revoked_and_expired_tokens_are_deleted),
                CONTRACT(lesson_22_a_user_has_at_most_30_valid_tokens),
                CONTRACT(of_50_who_make_a_token_30_succeed),
                CONTRACT(of_50_who_revoke_or_use_a_token_one_revokes_it_and_it_stays_revoked),
                CONTRACT(the_last_use_is_noted),
                CONTRACT(lesson_12_what_ends_the_sessions_ends_the_tokens),
                CONTRACT(lesson_12_a_replaced_or_removed_factor_ends_the_tokens),
                CONTRACT(tokens_continue_with_other_groups_claims_and_details),
        };

        return cmocka_run_group_tests_name("personal tokens", tests, NULL, NULL);
}
