#include "contract/stage.h"

static void put(struct stage *s, struct cd_session session)
{
        assert_status(s->store->sessions->put(s->store, &session, &s->error), CD_OK);
}

static struct cd_session get(struct stage *s, const char *digest)
{
        struct cd_session session = { 0 };

        assert_status(s->store->sessions->find(s->store, &s->arena, cd_str_from_c(digest), &session, &s->error), CD_OK);
        return session;
}

static void a_session_is_found_with_every_field_as_given(void **state)
{
        struct stage *s = *state;

        assert_false(has_session(s, "d1"));
        put(s, session_of(s, "d1", "ana"));
        struct cd_session session = get(s, "d1");
        assert_str(session.digest, "d1");
        assert_str(session.user, "ana");
        assert_str(session.data, "{\"a\":1}");
        assert_int_equal(session.created_at, 10);
        assert_int_equal(session.seen_at, 20);
        assert_int_equal(session.expires_at, 30);
        assert_int_equal(session.generation, get_user(s, "ana").generation);
        assert_false(has_session(s, "D1"));
}

static void a_session_put_again_replaces_the_one_before(void **state)
{
        struct stage *s = *state;
        struct cd_session later = session_of(s, "d1", "bo");

        put(s, session_of(s, "d1", "ana"));
        put(s, session_of(s, "d2", "ana"));
        later.seen_at = 25;
        later.data = CD_STR("{}");
        put(s, later);
        assert_str(get(s, "d1").user, "bo");
        assert_str(get(s, "d1").data, "{}");
        assert_int_equal(get(s, "d1").seen_at, 25);
        assert_str(get(s, "d2").user, "ana");
}

static void a_removed_session_is_gone_and_one_that_is_not_there_is_fine(void **state)
{
        struct stage *s = *state;

        put(s, session_of(s, "d1", "ana"));
        put(s, session_of(s, "d2", "ana"));
        assert_status(s->store->sessions->remove(s->store, CD_STR("d1"), &s->error), CD_OK);
        assert_status(s->store->sessions->remove(s->store, CD_STR("d1"), &s->error), CD_OK);
        assert_false(has_session(s, "d1"));
        assert_true(has_session(s, "d2"));
}

static void a_sessions_text_is_text(void **state)
{
        struct stage *s = *state;
        struct cd_session session = session_of(s, "d1", "ana");

        session.data = CD_STR("\"\0\"");
        assert_status(s->store->sessions->put(s->store, &session, &s->error), CD_INVALID_REQUEST);
        assert_false(has_session(s, "d1"));
}

static int64_t generation;

static const char *put_and_remove(struct stage *s, size_t number)
{
        struct cd_error error;

        for (int i = 0; i < 20; i++) {
                struct cd_session session = some_session(number % 2 ? "d1" : "d2", "ana");
                session.seen_at = (cd_time)number;
                session.generation = generation;
                if (s->store->sessions->put(s->store, &session, &error) != CD_OK ||
                    (number % 4 == 3 && s->store->sessions->remove(s->store, session.digest, &error) != CD_OK))
                        return "a call failed";
        }
        return NULL;
}

static void many_put_one_session_at_once(void **state)
{
        struct stage *s = *state;

        generation = session_of(s, "d1", "ana").generation;
        at_once(s, 16, put_and_remove);
        assert_true(has_session(s, "d2"));
}

int run_sessions_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_session_is_found_with_every_field_as_given),
                CONTRACT(a_session_put_again_replaces_the_one_before),
                CONTRACT(a_removed_session_is_gone_and_one_that_is_not_there_is_fine),
                CONTRACT(a_sessions_text_is_text),
                CONTRACT(many_put_one_session_at_once),
        };

        return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
