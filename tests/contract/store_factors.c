#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
        NOW = 1000
};

static struct cd_totp_factor factor_of(const char *user, const char *sealed)
{
        return (struct cd_totp_factor){
                .user = cd_str_from_c(user), .sealed = cd_str_from_c(sealed), .created_at = 10, .last_step = 5
        };
}

/* `instead` NULL: the user has none. */
static cd_status put(struct stage *s, const char *user, const char *sealed, const char *instead)
{
        struct cd_totp_change change = { .factor = factor_of(user, sealed) };

        if (!has_user(s, user))
                add_user(s, user);
        change.if_generation = get_user(s, user).generation;
        if (instead)
                change.if_sealed = cd_str_from_c(instead);
        return s->store->totp->put(s->store, &change, &an_event, &s->error);
}

static struct cd_totp_factor get(struct stage *s, const char *user)
{
        struct cd_totp_factor factor = { 0 };

        assert_status(s->store->totp->find(s->store, &s->arena, cd_str_from_c(user), &factor, &s->error), CD_OK);
        return factor;
}

static bool has_factor(struct stage *s, const char *user)
{
        struct cd_totp_factor factor;
        cd_status status = s->store->totp->find(s->store, &s->arena, cd_str_from_c(user), &factor, &s->error);

        assert_true(status == CD_OK || status == CD_NOT_FOUND);
        return status == CD_OK;
}

static cd_status accept(struct stage *s, const char *user, const char *sealed, int64_t step)
{
        const struct cd_totp_factor factor = factor_of(user, sealed);

        return s->store->totp->accept(s->store, &factor, step, false, &s->error);
}

static int64_t note_wrong(struct stage *s, const char *user, const char *sealed)
{
        const struct cd_totp_factor factor = factor_of(user, sealed);
        int64_t failures = -1;

        assert_status(s->store->totp->note_wrong(s->store, &factor, NOW, &failures, &s->error), CD_OK);
        return failures;
}

static void a_factor_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;

        assert_false(has_factor(s, "ana"));
        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        struct cd_totp_factor factor = get(s, "ana");
        assert_str(factor.user, "ana");
        assert_str(factor.sealed, "x1.a");
        assert_int_equal(factor.created_at, 10);
        assert_int_equal(factor.last_step, 5);
        assert_int_equal(factor.failures, 0);
        assert_int_equal(factor.failed_at, 0);
        assert_int_equal(count_events(s), 2);
}

static void a_factor_replaces_the_one_that_was_named(void **state)
{
        struct stage *s = *state;

        assert_status(put(s, "ana", "x1.b", "x1.a"), CD_EXISTS);
        assert_false(has_factor(s, "ana"));
        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_status(put(s, "ana", "x1.b", NULL), CD_EXISTS);
        assert_status(put(s, "ana", "x1.b", "x1.c"), CD_EXISTS);
        assert_str(get(s, "ana").sealed, "x1.a");
        assert_status(put(s, "ana", "x1.b", "x1.a"), CD_OK);
        assert_str(get(s, "ana").sealed, "x1.b");
}

static void a_factor_is_put_only_for_the_user_who_asked(void **state)
{
        struct stage *s = *state;
        struct cd_totp_change change = { .factor = factor_of("ana", "x1.a"), .if_generation = 1 };
        struct cd_user_change disable = { .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_DISABLE };

        assert_status(s->store->totp->put(s->store, &change, &an_event, &s->error), CD_NOT_FOUND);
        add_user(s, "ana");
        assert_status(s->store->totp->put(s->store, &change, &an_event, &s->error), CD_NOT_FOUND);
        assert_status(s->store->users->update(s->store, &disable, NULL, &s->error), CD_OK);
        change.if_generation = get_user(s, "ana").generation;
        assert_status(s->store->totp->put(s->store, &change, &an_event, &s->error), CD_NOT_FOUND);
        assert_false(has_factor(s, "ana"));
}

static void lesson_13_a_step_is_accepted_once_and_none_before_it(void **state)
{
        struct stage *s = *state;

        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_status(put(s, "bo", "x1.b", NULL), CD_OK);
        assert_status(accept(s, "ana", "x1.a", 5), CD_NOT_FOUND);
        assert_status(accept(s, "ana", "x1.a", 7), CD_OK);
        assert_status(accept(s, "ana", "x1.a", 7), CD_NOT_FOUND);
        assert_status(accept(s, "ana", "x1.a", 6), CD_NOT_FOUND);
        assert_status(accept(s, "ana", "x1.b", 8), CD_NOT_FOUND);
        assert_status(accept(s, "nobody", "x1.a", 8), CD_NOT_FOUND);
        assert_int_equal(get(s, "ana").last_step, 7);
        assert_int_equal(get(s, "bo").last_step, 5);
        assert_status(accept(s, "ana", "x1.a", 8), CD_OK);
        if (stage_reopen(s))
                assert_status(accept(s, "ana", "x1.a", 8), CD_NOT_FOUND);
}

static atomic_int accepted;
static struct cd_store *another; /* where the store is durable: half of the attempts are of another node */

static const char *accept_one(struct stage *s, size_t number)
{
        const struct cd_totp_factor factor = factor_of("ana", "x1.a");
        struct cd_store *store = another && number % 2 ? another : s->store;
        struct cd_error error;
        cd_status status = store->totp->accept(store, &factor, 100, false, &error);

        if (status == CD_OK)
                atomic_fetch_add(&accepted, 1);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "a call failed";
}

static void lesson_13_of_50_attempts_with_one_code_on_two_nodes_one_is_accepted(void **state)
{
        struct stage *s = *state;

        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        atomic_store(&accepted, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, accept_one);
        if (another)
                another->free(another);
        assert_int_equal(atomic_load(&accepted), 1);
        assert_int_equal(get(s, "ana").last_step, 100);
}

static const char *note_one(struct stage *s, size_t number)
{
        const struct cd_totp_factor factor = factor_of("ana", "x1.a");
        struct cd_error error;
        int64_t failures;

        (void)number;
        return s->store->totp->note_wrong(s->store, &factor, NOW, &failures, &error) == CD_OK ? NULL : "a call failed";
}

static void lesson_13_wrong_codes_are_counted_until_a_right_one(void **state)
{
        struct stage *s = *state;

        assert_int_equal(note_wrong(s, "nobody", "x1.a"), 0);
        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_int_equal(note_wrong(s, "ana", "x1.a"), 1);
        assert_int_equal(note_wrong(s, "ana", "x1.a"), 2);
        assert_int_equal(note_wrong(s, "ana", "x1.of another"), 0);
        at_once(s, 30, note_one);
        assert_int_equal(get(s, "ana").failures, 32);
        assert_int_equal(get(s, "ana").failed_at, NOW);
        assert_status(accept(s, "ana", "x1.a", 5), CD_NOT_FOUND);
        assert_int_equal(get(s, "ana").failures, 32);
        assert_status(accept(s, "ana", "x1.a", 6), CD_OK);
        assert_int_equal(get(s, "ana").failures, 0);
        assert_int_equal(get(s, "ana").failed_at, 0);
}

static void an_operator_who_enables_a_user_forgives_wrong_codes(void **state)
{
        struct stage *s = *state;
        struct cd_user_change enable = { .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_ENABLE };

        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_status(put(s, "bo", "x1.b", NULL), CD_OK);
        note_wrong(s, "ana", "x1.a");
        note_wrong(s, "bo", "x1.b");
        int64_t generation = get_user(s, "ana").generation;
        size_t events = count_events(s);
        assert_status(s->store->users->update(s->store, &enable, &an_event, &s->error), CD_OK);
        assert_int_equal(get(s, "ana").failures, 0);
        assert_int_equal(get(s, "bo").failures, 1);
        assert_int_equal(get_user(s, "ana").generation, generation);
        assert_int_equal(count_events(s), events + 1);
        assert_status(s->store->users->update(s->store, &enable, &an_event, &s->error), CD_OK);
        assert_int_equal(count_events(s), events + 1); /* there was nothing left to forgive */
}

/* ---- recovery codes ---- */

static struct cd_recovery_macs macs_of(char first, size_t count)
{
        struct cd_recovery_macs macs = { .count = count };

        for (size_t i = 0; i < count; i++)
                memset(macs.text[i], first + (char)i, sizeof(macs.text[i]));
        return macs;
}

static cd_status replace_codes(struct stage *s, const char *user, char first, size_t count)
{
        struct cd_recovery_macs macs = macs_of(first, count);

        if (!has_user(s, user))
                add_user(s, user);
        return s->store->recovery->replace(s->store, cd_str_from_c(user), get_user(s, user).generation, &macs,
                                           &an_event, &s->error);
}

static cd_status take_code(struct stage *s, const char *user, char first)
{
        struct cd_recovery_macs macs = macs_of(first, 1);

        return s->store->recovery->take(s->store, cd_str_from_c(user), cd_str_of(macs.text[0], sizeof(macs.text[0])),
                                        &s->error);
}

static size_t count_codes(struct stage *s, const char *user)
{
        size_t count = SIZE_MAX;

        assert_status(s->store->recovery->count(s->store, cd_str_from_c(user), &count, &s->error), CD_OK);
        return count;
}

static void a_recovery_code_is_taken_once_and_by_its_user(void **state)
{
        struct stage *s = *state;

        assert_int_equal(count_codes(s, "ana"), 0);
        assert_status(replace_codes(s, "ana", 'a', CD_RECOVERY_CODES), CD_OK);
        assert_status(replace_codes(s, "bo", 'A', 2), CD_OK);
        assert_int_equal(count_codes(s, "ana"), CD_RECOVERY_CODES);
        assert_status(take_code(s, "bo", 'a'), CD_NOT_FOUND);
        assert_status(take_code(s, "ana", 'a'), CD_OK);
        assert_status(take_code(s, "ana", 'a'), CD_NOT_FOUND);
        assert_status(take_code(s, "ana", 'z'), CD_NOT_FOUND);
        assert_int_equal(count_codes(s, "ana"), CD_RECOVERY_CODES - 1);
        assert_int_equal(count_codes(s, "bo"), 2);
}

static void new_recovery_codes_void_the_old(void **state)
{
        struct stage *s = *state;
        struct cd_recovery_macs macs = macs_of('m', 1);

        assert_status(replace_codes(s, "ana", 'a', 3), CD_OK);
        assert_status(replace_codes(s, "ana", 'k', 2), CD_OK);
        assert_status(take_code(s, "ana", 'a'), CD_NOT_FOUND);
        assert_status(take_code(s, "ana", 'k'), CD_OK);
        assert_int_equal(count_codes(s, "ana"), 1);
        assert_status(s->store->recovery->replace(s->store, CD_STR("ana"), 1, &macs, NULL, &s->error), CD_NOT_FOUND);
        assert_status(s->store->recovery->replace(s->store, CD_STR("nobody"), 2, &macs, NULL, &s->error), CD_NOT_FOUND);
        assert_int_equal(count_codes(s, "ana"), 1);
}

static const char *take_one(struct stage *s, size_t number)
{
        struct cd_recovery_macs macs = macs_of('a', 1);
        struct cd_store *store = another && number % 2 ? another : s->store;
        struct cd_error error;
        cd_status status =
                store->recovery->take(store, CD_STR("ana"), cd_str_of(macs.text[0], sizeof(macs.text[0])), &error);

        if (status == CD_OK)
                atomic_fetch_add(&accepted, 1);
        return status == CD_OK || status == CD_NOT_FOUND ? NULL : "a call failed";
}

static void of_50_who_take_a_recovery_code_on_two_nodes_one_gets_it(void **state)
{
        struct stage *s = *state;

        assert_status(replace_codes(s, "ana", 'a', 2), CD_OK);
        atomic_store(&accepted, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, take_one);
        if (another)
                another->free(another);
        assert_int_equal(atomic_load(&accepted), 1);
        assert_int_equal(count_codes(s, "ana"), 1);
}

/* ---- the end of a factor ---- */

static cd_status remove_factor(struct stage *s, const char *user)
{
        return s->store->totp->remove(s->store, cd_str_from_c(user), NOW, &an_event, &s->error);
}

static void lesson_12_sessions_end_with_the_factor(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");

        assert_status(remove_factor(s, "nobody"), CD_NOT_FOUND);
        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_status(put(s, "bo", "x1.b", NULL), CD_OK);
        assert_status(replace_codes(s, "ana", 'a', 3), CD_OK);
        assert_status(start_session(s, &session), CD_OK);
        size_t events = count_events(s);
        assert_status(remove_factor(s, "ana"), CD_OK);
        assert_false(has_factor(s, "ana") || has_session(s, "d1"));
        assert_int_equal(count_codes(s, "ana"), 0);
        assert_int_equal(get_user(s, "ana").generation, get_revocations(s).items[0].seq);
        assert_int_equal(count_events(s), events + 1);
        assert_true(has_factor(s, "bo"));

        session = session_of(s, "d2", "ana");
        assert_status(start_session(s, &session), CD_OK);
        assert_status(remove_factor(s, "ana"), CD_NOT_FOUND);
        assert_true(has_session(s, "d2"));
        assert_int_equal(count_events(s), events + 1);
}

static void lesson_12_sessions_end_with_the_factor_that_is_replaced(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");

        assert_status(start_session(s, &session), CD_OK);
        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_true(has_session(s, "d1")); /* a first factor takes nothing from anybody */
        assert_status(put(s, "ana", "x1.b", "x1.c"), CD_EXISTS);
        assert_true(has_session(s, "d1"));
        size_t events = count_events(s);
        int64_t generation = get_user(s, "ana").generation;
        const struct cd_totp_change change = {
                .factor = factor_of("ana", "x1.b"),
                .if_generation = generation,
                .if_sealed = CD_STR("x1.a"),
                .ret_generation = &generation,
        };
        assert_status(s->store->totp->put(s->store, &change, &an_event, &s->error), CD_OK);
        assert_false(has_session(s, "d1"));
        assert_int_equal(generation, get_user(s, "ana").generation);
        assert_int_equal(generation, get_revocations(s).items[0].seq);
        assert_int_equal(count_events(s), events + 1);
}

static void factors_go_with_their_user(void **state)
{
        struct stage *s = *state;
        const struct cd_user_change gone = { .name = CD_STR("ana"), .now = NOW };

        assert_status(put(s, "ana", "x1.a", NULL), CD_OK);
        assert_status(put(s, "bo", "x1.b", NULL), CD_OK);
        assert_status(replace_codes(s, "ana", 'a', 3), CD_OK);
        assert_status(replace_codes(s, "bo", 'A', 3), CD_OK);
        assert_status(s->store->users->remove(s->store, &gone, &an_event, &s->error), CD_OK);
        add_user(s, "ana");
        assert_false(has_factor(s, "ana"));
        assert_int_equal(count_codes(s, "ana"), 0);
        assert_true(has_factor(s, "bo"));
        assert_int_equal(count_codes(s, "bo"), 3);
}

/* ---- factors that an operator brings along ---- */

static cd_status import_users(struct stage *s, struct cd_user *users, const struct cd_totp_factor *factors,
                              size_t count)
{
        const struct cd_user_import import = { .users = { users, count }, .factors = factors };

        return s->store->users->import(s->store, &import, &an_event, &s->error);
}

static void users_are_imported_with_their_factors_or_not_at_all(void **state)
{
        struct stage *s = *state;
        struct cd_user users[] = { some_user("ana"), some_user("bo"), some_user("cy") };
        struct cd_totp_factor factors[3] = { [0] = factor_of("ana", "x1.a"), [2] = factor_of("cy", "x1.c") };

        assert_status(import_users(s, users, factors, 3), CD_OK);
        assert_int_equal(count_events(s), 1);
        assert_str(get(s, "ana").sealed, "x1.a");
        assert_int_equal(get(s, "ana").last_step, 5);
        assert_int_equal(get(s, "ana").created_at, 10);
        assert_false(has_factor(s, "bo"));
        assert_str(get(s, "cy").sealed, "x1.c");
        assert_int_equal(get_user(s, "ana").generation, get_user(s, "cy").generation);

        struct cd_user more[] = { some_user("dan"), some_user("bo") };
        struct cd_totp_factor their[] = { factor_of("dan", "x1.d"), factor_of("bo", "x1.b") };
        assert_status(import_users(s, more, their, 2), CD_EXISTS);
        assert_false(has_user(s, "dan") || has_factor(s, "dan") || has_factor(s, "bo"));
        assert_int_equal(count_events(s), 1);
        assert_status(import_users(s, more, NULL, 1), CD_OK);
        assert_false(has_factor(s, "dan"));
        if (stage_reopen(s))
                assert_str(get(s, "cy").sealed, "x1.c");
}

static void an_import_adds_some_and_changes_others_or_does_nothing(void **state)
{
        static const cd_str staff = CD_STR_INIT("staff");
        const struct cd_strs groups = { &staff, 1 };
        struct stage *s = *state;
        struct cd_user dan = some_user("dan");
        struct cd_totp_change totp = { .factor = factor_of("bo", "x1.b") };
        struct cd_user_change changes[] = {
                { .name = CD_STR("ana"), .now = NOW, .claims = CD_STR("{\"a\":1}"), .groups = &groups },
                { .name = CD_STR("bo"), .now = NOW, .totp = &totp },
                { .name = CD_STR("cy"), .now = NOW, .claims = CD_STR("{\"role\":\"editor\"}") }, /* as it is */
                { .name = CD_STR("nobody"), .now = NOW, .claims = CD_STR("{}") },
        };
        const struct cd_audit_event events[] = { an_event, an_event, an_event, an_event };
        struct cd_user_import import = {
                .users = { &dan, 1 }, .changes = changes, .events = events, .change_count = 4
        };

        add_user(s, "ana");
        add_user(s, "bo");
        add_user(s, "cy");
        struct cd_user cy = get_user(s, "cy");
        size_t before = count_events(s);
        assert_status(s->store->users->import(s->store, &import, &an_event, &s->error), CD_NOT_FOUND);
        assert_false(has_user(s, "dan") || has_factor(s, "bo"));
        assert_str(get_user(s, "ana").claims, "{\"role\":\"editor\"}");
        assert_int_equal(count_events(s), before);
        assert_int_equal(get_revocations(s).count, 0);

        import.change_count = 3;
        assert_status(s->store->users->import(s->store, &import, &an_event, &s->error), CD_OK);
        assert_true(has_user(s, "dan"));
        assert_str(get_user(s, "ana").claims, "{\"a\":1}");
        assert_str(get_user(s, "ana").groups.items[0], "staff");
        assert_str(get(s, "bo").sealed, "x1.b");
        assert_int_equal(get_user(s, "cy").changed_at, cy.changed_at);
        assert_int_equal(count_events(s), before + 3);
        assert_int_equal(get_revocations(s).count, 2);
        assert_int_equal(get_revocations(s).items[0].seq, get_user(s, "ana").generation);
        assert_int_equal(get_revocations(s).items[1].seq, get_user(s, "bo").generation);

        import.users.count = 0;
        import.change_count = 1;
        assert_status(s->store->users->import(s->store, &import, NULL, &s->error), CD_OK); /* nothing to change */
        assert_int_equal(count_events(s), before + 3);
        if (stage_reopen(s))
                assert_str(get_user(s, "ana").claims, "{\"a\":1}");
}

/* `instead` as for put. */
static cd_status change_factor(struct stage *s, const char *user, const char *sealed, const char *instead)
{
        struct cd_totp_change totp = { .factor = factor_of(user, sealed) };
        const struct cd_user_change change = { .name = cd_str_from_c(user), .now = NOW, .totp = &totp };

        if (instead)
                totp.if_sealed = cd_str_from_c(instead);
        return s->store->users->update(s->store, &change, &an_event, &s->error);
}

static void lesson_12_another_factor_in_a_change_ends_sessions(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");
        struct cd_session other = session_of(s, "d2", "bo");

        assert_status(change_factor(s, "nobody", "x1.n", NULL), CD_NOT_FOUND);
        assert_false(has_factor(s, "nobody"));
        assert_status(replace_codes(s, "ana", 'a', 3), CD_OK);
        assert_status(start_session(s, &session), CD_OK);
        assert_status(start_session(s, &other), CD_OK);
        int64_t before = get_user(s, "ana").generation;
        size_t events = count_events(s);
        assert_status(change_factor(s, "ana", "x1.a", NULL), CD_OK);
        assert_true(get_user(s, "ana").generation > before);
        assert_int_equal(get_user(s, "ana").generation, get_revocations(s).items[0].seq);
        assert_int_equal(get_user(s, "ana").changed_at, NOW);
        assert_false(has_session(s, "d1"));
        assert_true(has_session(s, "d2"));
        assert_str(get(s, "ana").sealed, "x1.a");
        assert_int_equal(count_codes(s, "ana"), 3);
        assert_int_equal(count_events(s), events + 1);
}

static void a_change_replaces_the_factor_that_was_named_or_nothing(void **state)
{
        struct stage *s = *state;
        struct cd_totp_change totp = { .factor = factor_of("ana", "x1.c"), .if_sealed = CD_STR("x1.b") };
        const struct cd_user_change change = {
                .name = CD_STR("ana"), .now = NOW, .claims = CD_STR("{\"a\":1}"), .totp = &totp
        };

        add_user(s, "ana");
        assert_status(change_factor(s, "ana", "x1.a", NULL), CD_OK);
        note_wrong(s, "ana", "x1.a");
        struct cd_user before = get_user(s, "ana");
        size_t events = count_events(s);
        assert_status(change_factor(s, "ana", "x1.b", NULL), CD_EXISTS);
        assert_status(s->store->users->update(s->store, &change, &an_event, &s->error), CD_EXISTS);
        assert_str(get(s, "ana").sealed, "x1.a");
        assert_int_equal(get_user(s, "ana").generation, before.generation);
        assert_str(get_user(s, "ana").claims, "{\"role\":\"editor\"}");
        assert_int_equal(count_events(s), events);
        assert_status(change_factor(s, "ana", "x1.b", "x1.a"), CD_OK);
        assert_int_equal(get(s, "ana").failures, 0);
        assert_status(s->store->users->update(s->store, &change, &an_event, &s->error), CD_OK);
        assert_str(get(s, "ana").sealed, "x1.c");
        assert_str(get_user(s, "ana").claims, "{\"a\":1}");
}

static void a_disabled_user_can_get_a_factor_from_an_operator(void **state)
{
        struct stage *s = *state;
        const struct cd_user_change disable = { .name = CD_STR("ana"), .now = NOW, .disabled = CD_USER_DISABLE };

        add_user(s, "ana");
        assert_status(s->store->users->update(s->store, &disable, NULL, &s->error), CD_OK);
        assert_status(change_factor(s, "ana", "x1.a", NULL), CD_OK);
        assert_true(has_factor(s, "ana") && get_user(s, "ana").disabled);
}

int run_factors_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_factor_is_found_with_every_field_as_given),
                CONTRACT(a_factor_replaces_the_one_that_was_named),
                CONTRACT(a_factor_is_put_only_for_the_user_who_asked),
                CONTRACT(lesson_13_a_step_is_accepted_once_and_none_before_it),
                CONTRACT(lesson_13_of_50_attempts_with_one_code_on_two_nodes_one_is_accepted),
                CONTRACT(lesson_13_wrong_codes_are_counted_until_a_right_one),
                CONTRACT(an_operator_who_enables_a_user_forgives_wrong_codes),
                CONTRACT(a_recovery_code_is_taken_once_and_by_its_user),
                CONTRACT(new_recovery_codes_void_the_old),
                CONTRACT(of_50_who_take_a_recovery_code_on_two_nodes_one_gets_it),
                CONTRACT(lesson_12_sessions_end_with_the_factor),
                CONTRACT(lesson_12_sessions_end_with_the_factor_that_is_replaced),
                CONTRACT(factors_go_with_their_user),
                CONTRACT(users_are_imported_with_their_factors_or_not_at_all),
                CONTRACT(an_import_adds_some_and_changes_others_or_does_nothing),
                CONTRACT(lesson_12_another_factor_in_a_change_ends_sessions),
                CONTRACT(a_change_replaces_the_factor_that_was_named_or_nothing),
                CONTRACT(a_disabled_user_can_get_a_factor_from_an_operator),
        };

        return cmocka_run_group_tests_name("second factors", tests, NULL, NULL);
}
