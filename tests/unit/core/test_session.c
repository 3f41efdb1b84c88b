#include "unit/core/factor_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"

static struct cd_session_params params_of(struct factor_fixture *f)
{
        return (struct cd_session_params){
                .user = f->ana.name,
                .generation = f->ana.generation,
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .device = CD_STR("Mozilla/5.0 (X11; Linux x86_64)"),
                .address = CD_STR("192.0.2.1"),
                .idle_lifetime = 600,
                .lifetime = 1500,
        };
}

static struct cd_session start(struct factor_fixture *f, struct cd_cookie_token *ret_token)
{
        const struct cd_session_params params = params_of(f);
        struct cd_session session;

        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, ret_token, &f->err), CD_OK);
        return session;
}

static cd_status find(struct factor_fixture *f, const struct cd_cookie_token *token, struct cd_session *ret)
{
        return cd_session_find(&f->sessions, &f->arena, cd_cookie_text(token), ret, &f->err);
}

static struct cd_pending_login start_pending(struct factor_fixture *f, struct cd_cookie_token *ret_token)
{
        struct cd_pending_login pending;

        assert_status(cd_pending_login_start(&f->sessions, &f->arena, &f->ana, CD_FACTOR_PASSWORD, &pending, ret_token,
                                             &f->err),
                      CD_OK);
        return pending;
}

static void a_session_is_found_by_its_cookie(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_cookie_token token;
        struct cd_session session, started = start(f, &token);

        assert_status(find(f, &token, &session), CD_OK);
        assert_true(cd_str_eq(session.digest, started.digest));
        assert_true(cd_str_eq(session.sid, started.sid));
        assert_str(session.user, "ana");
        assert_int_equal(session.factors, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
        assert_int_equal(session.amr.count, 3);
        assert_str(session.amr.items[0], "pwd");
        assert_str(session.amr.items[1], "otp");
        assert_str(session.amr.items[2], "mfa");
        assert_int_equal(session.auth_time, FACTOR_NOON);
        assert_str(session.device, "Mozilla/5.0 (X11; Linux x86_64)");
        assert_str(session.address, "192.0.2.1");
        assert_int_equal(session.expires_at, FACTOR_NOON + 600);
        assert_int_equal(session.ends_at, FACTOR_NOON + 1500);
        assert_int_equal(session.sid.len, CD_SID_SIZE);
}

/* LESSONS 28: a reader of the store cannot make a cookie. */
static void the_store_has_no_id(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_cookie_token token;
        struct cd_session session = start(f, &token);
        char bytes[50], text[64];
        size_t size;

        assert_status(cd_base64url_decode(cd_cookie_text(&token), bytes, &size), CD_OK);
        cd_base64url_encode(text, cd_str_of(bytes, 32));
        assert_false(cd_str_eq(session.digest, cd_str_of(text, 43)));
        assert_false(cd_str_eq(cd_str_slice(session.sid, 0, 16), cd_str_of(text, 16)));
}

static cd_status never_asked(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                             struct cd_error *reterr)
{
        (void)store, (void)arena, (void)digest, (void)ret, (void)reterr;
        fail_msg("the store was asked");
        return CD_INTERNAL;
}

static void garbage_costs_no_look_up(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_session_ops ops = *f->store->sessions;
        const struct cd_session_ops *real = f->store->sessions;
        struct cd_cookie_token token;
        struct cd_session session;

        start(f, &token);
        ops.find = never_asked;
        f->store->sessions = &ops;
        for (size_t i = 0; i < sizeof(token.text); i++) {
                struct cd_cookie_token other = token;
                other.text[i] = other.text[i] == 'A' ? 'B' : 'A';
                assert_status(find(f, &other, &session), CD_INVALID_TOKEN);
        }
        const cd_str samples[] = { CD_STR(""), CD_STR("x"), cd_str_of(token.text, 63),
                                   CD_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                                   CD_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                          "================================================") };
        for (size_t i = 0; i < CD_LEN(samples); i++)
                assert_status(cd_session_find(&f->sessions, &f->arena, samples[i], &session, &f->err),
                              CD_INVALID_TOKEN);
        f->store->sessions = real;
        assert_status(find(f, &token, &session), CD_OK);
}

static void a_session_expires_where_it_is_idle_and_at_its_end(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_cookie_token token;
        struct cd_session session;

        start(f, &token);
        f->now = FACTOR_NOON + 599;
        assert_status(find(f, &token, &session), CD_OK);
        f->now = FACTOR_NOON + 600;
        assert_status(find(f, &token, &session), CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "the session has expired");

        f->now = FACTOR_NOON + 500;
        assert_status(find(f, &token, &session), CD_OK);
        assert_status(cd_session_note_seen(&f->sessions, &session, session.address, &f->err), CD_OK);
        f->now = FACTOR_NOON + 1099;
        assert_status(find(f, &token, &session), CD_OK);
        assert_status(cd_session_note_seen(&f->sessions, &session, CD_STR("192.0.2.2"), &f->err), CD_OK);
        f->now = FACTOR_NOON + 1499;
        assert_status(find(f, &token, &session), CD_OK);
        assert_str(session.address, "192.0.2.2");
        f->now = FACTOR_NOON + 1500;
        assert_status(find(f, &token, &session), CD_NOT_FOUND);
}

static void a_session_is_noted_as_seen_once_a_minute(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_cookie_token token;
        struct cd_session session;

        start(f, &token);
        f->now = FACTOR_NOON + 59;
        assert_status(find(f, &token, &session), CD_OK);
        assert_status(cd_session_note_seen(&f->sessions, &session, session.address, &f->err), CD_OK);
        assert_status(find(f, &token, &session), CD_OK);
        assert_int_equal(session.seen_at, FACTOR_NOON);
        f->now = FACTOR_NOON + 60;
        assert_status(cd_session_note_seen(&f->sessions, &session, session.address, &f->err), CD_OK);
        assert_status(find(f, &token, &session), CD_OK);
        assert_int_equal(session.seen_at, FACTOR_NOON + 60);
}

/* How somebody logs in at a provider is not known here: it counts as one factor, and RFC 8176 has no name for it. */
static void a_login_at_a_provider_is_one_factor(void **state)
{
        static const struct {
                unsigned factors, count;
                const char *amr;
        } rows[] = {
                { CD_FACTOR_PROVIDER, 1, "" },
                { CD_FACTOR_PROVIDER | CD_FACTOR_PASSWORD, 1, "pwd" },
                { CD_FACTOR_PROVIDER | CD_FACTOR_TOTP, 2, "otp mfa" },
                { CD_FACTOR_PROVIDER | CD_FACTOR_RECOVERY, 2, "otp mfa" },
                { CD_FACTOR_PROVIDER | CD_FACTOR_PASSWORD | CD_FACTOR_TOTP, 2, "pwd otp mfa" },
        };
        struct factor_fixture *f = *state;

        for (size_t i = 0; i < CD_LEN(rows); i++) {
                struct cd_session_params params = params_of(f);
                struct cd_cookie_token token;
                struct cd_session session, found;
                char amr[64] = "";

                params.factors = rows[i].factors;
                assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, &token, NULL), CD_OK);
                assert_status(find(f, &token, &found), CD_OK);
                for (size_t n = 0; n < found.amr.count; n++)
                        snprintf(amr + strlen(amr), sizeof(amr) - strlen(amr), "%s%.*s", n ? " " : "",
                                 CD_STR_ARG(found.amr.items[n]));
                assert_string_equal(amr, rows[i].amr);
                assert_int_equal(cd_session_factor_count(&found), rows[i].count);
        }
}

static void lesson_12_each_further_factor_gives_a_new_id(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_session_params params = params_of(f);
        struct cd_cookie_token before, after, never;
        struct cd_session session, raised, found;

        params.factors = CD_FACTOR_PASSWORD;
        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, &before, &f->err), CD_OK);
        assert_int_equal(session.amr.count, 1);
        assert_int_equal(cd_session_factor_count(&session), 1);
        f->now = FACTOR_NOON + 100;
        assert_status(cd_session_raise(&f->sessions, &f->arena, &session, CD_FACTOR_TOTP, &raised, &after, &f->err),
                      CD_OK);
        assert_memory_not_equal(before.text, after.text, sizeof(before.text));
        assert_false(cd_str_eq(raised.digest, session.digest));
        assert_status(find(f, &before, &found), CD_NOT_FOUND);
        assert_status(find(f, &after, &found), CD_OK);
        assert_true(cd_str_eq(raised.digest, found.digest));
        assert_true(cd_str_eq(found.sid, session.sid));
        assert_int_equal(found.created_at, FACTOR_NOON);
        assert_int_equal(found.auth_time, FACTOR_NOON + 100);
        assert_int_equal(found.ends_at, FACTOR_NOON + 1500);
        assert_int_equal(found.expires_at, FACTOR_NOON + 700);
        assert_int_equal(cd_session_factor_count(&found), 2);
        assert_str(found.amr.items[2], "mfa");
        assert_status(cd_session_raise(&f->sessions, &f->arena, &session, CD_FACTOR_TOTP, &raised, &never, &f->err),
                      CD_NOT_FOUND);
}

static void who_logs_out_is_out(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_cookie_token token;
        struct cd_session session = start(f, &token), found;

        assert_status(cd_session_log_out(&f->sessions, &f->arena, &session, CD_STR("192.0.2.7"), &f->err), CD_OK);
        assert_status(find(f, &token, &found), CD_NOT_FOUND);
        struct cd_audit_event event = factor_last_event(f);
        assert_str(event.action, "session.end");
        assert_str(event.actor, "user:ana");
        assert_str(event.address, "192.0.2.7");
        assert_status(cd_session_log_out(&f->sessions, &f->arena, &session, CD_STR(""), &f->err), CD_OK);
}

static void what_a_browser_calls_itself_is_cut_and_made_text(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_session_params params = params_of(f);
        struct cd_cookie_token token;
        struct cd_session session;
        char device[CD_DEVICE_MAX + 10];

        memset(device, 'x', sizeof(device));
        device[0] = '\0';
        device[1] = (char)0xff;
        params.device = cd_str_of(device, sizeof(device));
        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, &token, &f->err), CD_OK);
        assert_int_equal(session.device.len, CD_DEVICE_MAX);
        assert_str(cd_str_slice(session.device, 0, 3), "??x");
}

static void lesson_11_a_half_finished_login_is_no_session(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_cookie_token half, whole;
        struct cd_pending_login pending;
        struct cd_session session;

        start_pending(f, &half);
        start(f, &whole);
        assert_status(find(f, &half, &session), CD_INVALID_TOKEN);
        assert_status(cd_pending_login_find(&f->sessions, &f->arena, cd_cookie_text(&whole), &pending, &f->err),
                      CD_INVALID_TOKEN);
        assert_status(cd_pending_login_find(&f->sessions, &f->arena, cd_cookie_text(&half), &pending, &f->err), CD_OK);
        assert_str(pending.user, "ana");
        assert_int_equal(pending.factors, CD_FACTOR_PASSWORD);
        f->now += CD_PENDING_LOGIN_LIFETIME;
        assert_status(cd_pending_login_find(&f->sessions, &f->arena, cd_cookie_text(&half), &pending, &f->err),
                      CD_NOT_FOUND);
}

static void a_half_finished_login_is_finished_once(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_session_params params = params_of(f);
        struct cd_cookie_token half, whole;
        struct cd_session session;

        params.pending = start_pending(f, &half).digest;
        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, &whole, &f->err), CD_OK);
        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, &whole, &f->err), CD_NOT_FOUND);
}

static void lesson_31_without_clock_or_randomness_there_is_no_session(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_session_params params = params_of(f);
        struct cd_cookie_token token, half;
        struct cd_pending_login pending;
        struct cd_session session = start(f, &token), found;

        start_pending(f, &half);
        f->random_fails = true;
        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &found, &token, &f->err), CD_UNAVAILABLE);
        assert_status(cd_session_raise(&f->sessions, &f->arena, &session, 0, &found, &token, &f->err), CD_UNAVAILABLE);
        assert_status(cd_pending_login_start(&f->sessions, &f->arena, &f->ana, 1, &pending, &token, &f->err),
                      CD_UNAVAILABLE);
        f->random_fails = false;
        start(f, &token);
        f->now = -1;
        assert_status(find(f, &token, &found), CD_UNAVAILABLE);
        assert_status(cd_pending_login_find(&f->sessions, &f->arena, cd_cookie_text(&half), &pending, &f->err),
                      CD_UNAVAILABLE);
        assert_status(cd_session_log_out(&f->sessions, &f->arena, &session, CD_STR(""), &f->err), CD_UNAVAILABLE);
}

static void a_session_that_continues_another_is_no_more_recent_login(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_session_params params = params_of(f);
        struct cd_cookie_token token;
        struct cd_session session;

        params.auth_time = FACTOR_NOON - 100;
        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &session, &token, &f->err), CD_OK);
        assert_status(find(f, &token, &session), CD_OK);
        assert_int_equal(session.auth_time, FACTOR_NOON - 100);
        assert_int_equal(session.created_at, FACTOR_NOON);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FACTOR_TEST(a_session_is_found_by_its_cookie),
                FACTOR_TEST(the_store_has_no_id),
                FACTOR_TEST(garbage_costs_no_look_up),
                FACTOR_TEST(a_session_expires_where_it_is_idle_and_at_its_end),
                FACTOR_TEST(a_session_is_noted_as_seen_once_a_minute),
                FACTOR_TEST(a_login_at_a_provider_is_one_factor),
                FACTOR_TEST(lesson_12_each_further_factor_gives_a_new_id),
                FACTOR_TEST(a_session_that_continues_another_is_no_more_recent_login),
                FACTOR_TEST(who_logs_out_is_out),
                FACTOR_TEST(what_a_browser_calls_itself_is_cut_and_made_text),
                FACTOR_TEST(lesson_11_a_half_finished_login_is_no_session),
                FACTOR_TEST(a_half_finished_login_is_finished_once),
                FACTOR_TEST(lesson_31_without_clock_or_randomness_there_is_no_session),
        };

        return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
