/* A login that is traced: its state, the way from the server to the command, and what a login would end with. */
#include "signin/trace.h"

#include <string.h>

#include "core/delivery_ports.h"
#include "core/digest.h"
#include "unit/signin/fixture.h"

static struct cd_signin_trace begin(struct signin_fixture *f, const char *name)
{
        struct cd_signin_trace trace;

        assert_int_equal(cd_signin_trace_begin(signin_provider(f, name), &f->arena, &trace, &f->err), CD_SIGNIN_OK);
        return trace;
}

static struct cd_signin_callback back(const struct cd_signin_trace *trace)
{
        return (struct cd_signin_callback){ .code = CD_STR("the-code"), .state = trace->state };
}

static enum cd_signin_failure keep(struct signin_fixture *f, const char *name,
                                   const struct cd_signin_callback *callback)
{
        return cd_signin_trace_keep(signin_provider(f, name), &f->arena, callback, &f->err);
}

static void the_url_is_that_of_a_login_with_another_state(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        const struct cd_signin_started started = signin_start(f, "github");
        size_t same = cd_str_index(started.url, '&');

        assert_true(cd_signin_is_trace(trace.state));
        assert_false(cd_signin_is_trace(started.state));
        assert_int_equal(trace.state.len, 81);
        assert_true(cd_str_eq(cd_str_slice(trace.url, 0, same), cd_str_slice(started.url, 0, same)));
        assert_non_null(memmem(trace.url.ptr, trace.url.len, trace.state.ptr, trace.state.len));
        assert_null(memmem(trace.url.ptr, trace.url.len, trace.verifier.ptr, trace.verifier.len));
        assert_int_equal(trace.expires_at, SIGNIN_NOON + CD_SIGNIN_STATE_LIFETIME);
}

static void a_callback_goes_from_the_server_to_the_command_once(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        struct cd_signin_callback callback = back(&trace), got;

        callback.error_description = CD_STR("Größe \"1\" \\ ‹x›");
        callback.iss = CD_STR("");
        assert_int_equal(cd_signin_trace_take(&trace, &got, &f->err), CD_NOT_FOUND);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_OK);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_USED);
        assert_int_equal(cd_signin_trace_take(&trace, &got, &f->err), CD_OK);
        assert_str(got.code, "the-code");
        assert_str(got.error_description, "Größe \"1\" \\ ‹x›");
        assert_true(got.iss.ptr && !got.iss.len);
        assert_int_equal(got.error.len, 0);
        assert_true(cd_str_eq(got.state, trace.state));
        assert_int_equal(cd_signin_trace_take(&trace, &got, &f->err), CD_NOT_FOUND);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_USED);
}

/* No relay finds it due, and it does not take a place in the relays' queue. */
static void what_is_kept_is_sealed_and_no_delivery_of_a_relay(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        const struct cd_signin_callback callback = back(&trace);
        const struct cd_delivery_ops *deliveries = f->store->deliveries;
        struct cd_delivery row;
        cd_str id;

        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_OK);
        assert_int_equal(cd_digest_text(&f->arena, trace.state, &id, &f->err), CD_OK);
        assert_int_equal(deliveries->find(f->store, &f->arena, id, &row, &f->err), CD_OK);
        assert_str(row.relay, "trace:github");
        assert_null(memmem(row.sealed.ptr, row.sealed.len, "the-code", 8));
        assert_int_equal(row.expires_at, trace.expires_at);
        for (cd_time at = SIGNIN_NOON - 1; at <= SIGNIN_NOON + CD_SIGNIN_STATE_LIFETIME; at++)
                assert_int_equal(deliveries->claim(f->store, &f->arena, at, at + 60, &row, &f->err), CD_NOT_FOUND);
}

static void a_state_is_for_its_provider_and_its_time(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        const struct cd_signin_callback callback = back(&trace);

        assert_int_equal(keep(f, "osu", &callback), CD_SIGNIN_NO_STATE);
        f->now = SIGNIN_NOON + CD_SIGNIN_STATE_LIFETIME;
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_EXPIRED);
        f->now = SIGNIN_NOON + CD_SIGNIN_STATE_LIFETIME - 1;
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_OK);
}

/* Each character matters, the last one too: base64url has one spelling. */
static void nobody_else_can_make_a_state(void **state)
{
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        struct cd_signin_callback callback = back(&trace);
        char text[128];

        for (size_t i = 0; i < trace.state.len; i++) {
                memcpy(text, trace.state.ptr, trace.state.len);
                text[i] = alphabet[(strchr(alphabet, text[i]) - alphabet + 1) % 64];
                callback.state = cd_str_of(text, trace.state.len);
                assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_NO_STATE);
        }
        for (size_t len = 0; len < trace.state.len; len++) {
                callback.state = cd_str_slice(trace.state, 0, len);
                assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_NO_STATE);
        }
}

/* A state of a login is none of a trace, and the other way round. */
static void logins_and_traces_do_not_mix(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_started started = signin_start(f, "github");
        const struct cd_signin_trace trace = begin(f, "github");
        struct cd_signin_callback callback = signin_back(&started);
        struct cd_signin_result result;
        struct cd_signin_traced traced;

        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_NO_STATE);
        assert_int_equal(cd_signin_trace_finish(&trace, &callback, &traced, &f->err), CD_SIGNIN_NO_STATE);
        callback.state = trace.state;
        assert_int_equal(signin_end(f, "github", &callback, &result), CD_SIGNIN_NO_STATE);
        assert_int_equal(f->calls, 0);
}

static void a_callback_that_is_too_long_or_repeated_is_not_kept(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        struct cd_signin_callback callback = back(&trace);
        char *longest = cd_arena_alloc(&f->arena, CD_SIGNIN_CODE_MAX + 1);

        memset(longest, '"', CD_SIGNIN_CODE_MAX + 1);
        callback.repeated = true;
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_MALFORMED);
        callback.repeated = false;
        callback.code = cd_str_of(longest, CD_SIGNIN_CODE_MAX + 1);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_MALFORMED);
        callback.code = callback.iss = callback.error = callback.error_description =
                cd_str_of(longest, CD_SIGNIN_CODE_MAX);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_OK);
        assert_int_equal(cd_signin_trace_take(&trace, &callback, &f->err), CD_OK);
        assert_int_equal(callback.error_description.len, CD_SIGNIN_CODE_MAX);
}

/* ---- what a login would end with ---- */

static enum cd_signin_failure finish(struct signin_fixture *f, struct cd_signin_traced *ret)
{
        const struct cd_signin_trace trace = begin(f, "github");
        const struct cd_signin_callback callback = back(&trace);

        return cd_signin_trace_finish(&trace, &callback, ret, &f->err);
}

static void nothing_is_made_or_changed(void **state)
{
        struct signin_fixture *f = *state;
        struct cd_signin_traced traced;
        struct cd_provider_accounts accounts;
        struct cd_signin_result result;
        struct cd_user user;

        f->settings[0].create = true;
        f->settings[0].allow.subjects = (struct cd_strs){ (const cd_str[]){ CD_STR("583231") }, 1 };
        signin_answer(f, "https://github.test/user/emails", 200, "[]");
        signin_remake(f);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(finish(f, &traced), CD_SIGNIN_OK);
                assert_int_equal(traced.step, CD_SIGNIN_STEP_DECISION);
                assert_str(traced.subject, "583231");
                assert_str(traced.entry, "allow.subjects: 583231");
                assert_str(traced.user, "github:octocat");
                assert_false(traced.is_linked);
        }
        assert_int_equal(f->store->users->find(f->store, &f->arena, traced.user, &user, &f->err), CD_NOT_FOUND);
        assert_int_equal(f->store->provider_accounts->list(f->store, &f->arena, traced.user, &accounts, &f->err),
                         CD_OK);
        assert_int_equal(accounts.count, 0);
        /* What it says is what a login does. */
        assert_int_equal(signin_login(f, "github", &result), CD_SIGNIN_OK);
        assert_true(cd_str_eq(result.user.name, traced.user));
        assert_int_equal(finish(f, &traced), CD_SIGNIN_OK);
        assert_true(traced.is_linked && cd_str_eq(traced.user, result.user.name));
}

static void a_failure_is_that_of_a_login_and_names_its_step(void **state)
{
        static const struct {
                const char *url, *body;
                int status;
                enum cd_signin_step step;
        } cases[] = {
                { "https://github.test/token", "{\"error\":\"incorrect_client_credentials\"}", 200,
                  CD_SIGNIN_STEP_TOKENS },
                { "https://github.test/token", "", 503, CD_SIGNIN_STEP_TOKENS },
                { "https://github.test/user", "{}", 200, CD_SIGNIN_STEP_ACCOUNT },
                { "https://github.test/user", "{\"id\":1,\"login\":\"x\"}", 200, CD_SIGNIN_STEP_DECISION },
        };
        struct signin_fixture *f = *state;
        struct cd_signin_traced traced;
        struct cd_signin_result result;

        for (size_t i = 0; i < CD_LEN(cases); i++) {
                signin_answer(f, "https://github.test/token", 200,
                              "{\"access_token\":\"t\",\"token_type\":\"bearer\"}");
                signin_answer(f, cases[i].url, cases[i].status, cases[i].body);
                enum cd_signin_failure failure = finish(f, &traced);
                assert_int_not_equal(failure, CD_SIGNIN_OK);
                assert_int_equal(traced.step, cases[i].step);
                assert_int_equal(signin_login(f, "github", &result), failure);
        }
}

static void lesson_31_a_clock_or_a_random_source_that_fails_is_a_failure(void **state)
{
        struct signin_fixture *f = *state;
        const struct cd_signin_trace trace = begin(f, "github");
        const struct cd_signin_callback callback = back(&trace);
        struct cd_signin_trace other;

        f->random_fails = true;
        assert_int_equal(cd_signin_trace_begin(trace.provider, &f->arena, &other, &f->err), CD_SIGNIN_UNAVAILABLE);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_UNAVAILABLE);
        f->random_fails = false;
        f->now = -1;
        assert_int_equal(cd_signin_trace_begin(trace.provider, &f->arena, &other, &f->err), CD_SIGNIN_UNAVAILABLE);
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_UNAVAILABLE);
        f->now = SIGNIN_NOON;
        assert_int_equal(keep(f, "github", &callback), CD_SIGNIN_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIGNIN_TEST(the_url_is_that_of_a_login_with_another_state),
                SIGNIN_TEST(a_callback_goes_from_the_server_to_the_command_once),
                SIGNIN_TEST(what_is_kept_is_sealed_and_no_delivery_of_a_relay),
                SIGNIN_TEST(a_state_is_for_its_provider_and_its_time),
                SIGNIN_TEST(nobody_else_can_make_a_state),
                SIGNIN_TEST(logins_and_traces_do_not_mix),
                SIGNIN_TEST(a_callback_that_is_too_long_or_repeated_is_not_kept),
                SIGNIN_TEST(nothing_is_made_or_changed),
                SIGNIN_TEST(a_failure_is_that_of_a_login_and_names_its_step),
                SIGNIN_TEST(lesson_31_a_clock_or_a_random_source_that_fails_is_a_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
