/* Registering and enrolling: what a browser sees at the edges of time, and when something fails. */
#include <string.h>

#include "core/account_link.h"
#include "core/enrolment.h"
#include "crypto/otpauth.h"
#include "crypto/totp.h"
#include "unit/portal/portal_fixture.h"

enum {
        PASSWORD = CD_FACTOR_PASSWORD,
        BOTH = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP
};

#define BO_PASSWORD "password+of+bo"

static void allow(struct portal_fixture *p, enum cd_portal_registration registration)
{
        p->settings.registration = registration;
        portal_rebuild(p);
}

static int set_up(void **state)
{
        int failed = portal_set_up(state);

        allow(*state, CD_REGISTRATION_OPEN);
        return failed;
}
#define OPEN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, portal_tear_down)

static bool has_user(struct portal_fixture *p, const char *name)
{
        struct cd_store *store = p->f->store;
        struct cd_user user;

        return store->users->find(store, &p->f->arena, cd_str_from_c(name), &user, &p->f->err) == CD_OK;
}

static size_t count_sessions(struct portal_fixture *p, const char *name)
{
        struct cd_store *store = p->f->store;
        struct cd_sessions_list list = { 0 };

        assert_status(store->sessions->list(store, &p->f->arena, cd_str_from_c(name), p->f->now, &list, &p->f->err),
                      CD_OK);
        return list.count;
}

/* The secret that a page shows, as bytes. */
static cd_str secret_of(struct portal_fixture *p, const struct answer *page)
{
        const char *mark = "id=\"secret\">";
        const char *at = page->body.ptr ? strstr(page->body.ptr, mark) : NULL;
        cd_str secret = { 0 };

        if (!at)
                fail_msg("no secret: %d %.*s", page->status, CD_STR_ARG(page->body));
        else
                assert_status(cd_base32_decode(&p->f->arena,
                                               cd_str_of(at + strlen(mark), strcspn(at + strlen(mark), "<")), &secret),
                              CD_OK);
        assert_int_equal(secret.len, CD_TOTP_SECRET_SIZE);
        return secret;
}

static const char *code_of(struct portal_fixture *p, cd_str secret, cd_time time)
{
        char code[CD_TOTP_DIGITS];

        assert_status(cd_totp_code(secret, cd_totp_step(time), code), CD_OK);
        return cd_arena_printf(&p->f->arena, "&code=%.*s", CD_TOTP_DIGITS, code).ptr;
}

static struct answer begin(struct portal_fixture *p, const char *name)
{
        cd_str fields = cd_arena_printf(&p->f->arena, "&username=%s&password=" BO_PASSWORD, name);

        return portal_post(p, &p->browser, cd_portal_register, "/register", fields.ptr);
}

static struct answer show_secret(struct portal_fixture *p)
{
        return portal_get(p, &p->browser, cd_portal_register_totp, "/register/totp");
}

static struct answer confirm(struct portal_fixture *p, const char *fields)
{
        return portal_post(p, &p->browser, cd_portal_register_totp, "/register/totp", fields);
}

/* The secret of a registration of bo that has begun. */
static cd_str begin_bo(struct portal_fixture *p)
{
        struct answer answer = begin(p, "bo");
        assert_redirect(&answer, "/register/totp");
        assert_int_equal(p->browser.max_age[CD_COOKIE_ENROL], CD_ENROLMENT_LIFETIME);
        answer = show_secret(p);
        assert_true(answer_has(&answer, "<form method=\"post\" action=\"/_auth/register/totp\">"));
        assert_true(answer_has(&answer, ">Create the account<"));
        return secret_of(p, &answer);
}

/* ---- invitations ---- */

static struct answer open_link(struct portal_fixture *p, const char *token)
{
        return portal_get(p, &p->browser, cd_portal_invite,
                          cd_arena_printf(&p->f->arena, "/invite?token=%s", token).ptr);
}

static void lesson_46_opening_an_invitation_only_keeps_it(void **state)
{
        struct portal_fixture *p = *state;
        const char *token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

        allow(p, CD_REGISTRATION_INVITE);
        struct answer answer = open_link(p, token);
        assert_redirect(&answer, "/register");
        assert_string_equal(p->browser.cookies[CD_COOKIE_INVITE], token);
        assert_int_equal(p->browser.max_age[CD_COOKIE_INVITE], 3600);
        assert_str(answer_header(&answer, "Cache-Control"), "no-store");
        assert_str(answer_header(&answer, "Referrer-Policy"), "same-origin");

        static const char *const others[] = {
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* too short */
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* too long */
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",  /* not the one way to write its bytes */
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!",  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%0d",
        };
        for (size_t i = 0; i < CD_LEN(others); i++) {
                answer = open_link(p, others[i]);
                assert_error(&answer, 400, "The invitation is not valid.");
                assert_string_equal(p->browser.cookies[CD_COOKIE_INVITE], token);
        }
}

static void lesson_31_without_a_clock_an_invitation_is_not_called_invalid(void **state)
{
        struct portal_fixture *p = *state;

        (void)open_link(p, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        p->f->now = -1;
        struct answer answer = portal_get(p, &p->browser, cd_portal_register, "/register");
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_true(p->browser.cookies[CD_COOKIE_INVITE][0] != '\0');
        p->f->now = FACTOR_NOON;
        answer = portal_get(p, &p->browser, cd_portal_register, "/register");
        assert_error(&answer, 403, "The invitation is not valid.");
        assert_string_equal(p->browser.cookies[CD_COOKIE_INVITE], "");
}

/* ---- registering ---- */

static void a_registration_waits_for_15_minutes(void **state)
{
        struct portal_fixture *p = *state;
        cd_str secret = begin_bo(p);

        p->f->now += CD_ENROLMENT_LIFETIME - 1;
        struct answer answer = show_secret(p);
        assert_true(cd_str_eq(secret_of(p, &answer), secret));
        answer = confirm(p, "&code=000000");
        assert_error(&answer, 400, "This code is wrong or was used already.");
        p->f->now += 1;
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 400, "The registration took too long, and there is no account yet.");
        assert_string_equal(p->browser.cookies[CD_COOKIE_ENROL], "");
        assert_false(has_user(p, "bo"));
        answer = show_secret(p);
        assert_redirect(&answer, "/register");

        secret = begin_bo(p);
        p->f->now += CD_ENROLMENT_LIFETIME - 1;
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
        assert_true(answer_has(&answer, "Your recovery codes"));
        assert_int_equal(count_sessions(p, "bo"), 1);
}

static void a_registration_ends_where_the_configuration_changes(void **state)
{
        struct portal_fixture *p = *state;
        cd_str secret = begin_bo(p);

        p->settings.factors = CD_FACTOR_TOTP;
        portal_rebuild(p);
        struct answer answer = confirm(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 400, "The registration took too long");
        p->settings.factors = BOTH;
        allow(p, CD_REGISTRATION_OPEN);
        secret = begin_bo(p);
        allow(p, CD_REGISTRATION_CLOSED);
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 403, "Nobody can register here.");
        const struct browser before = p->browser;
        allow(p, CD_REGISTRATION_INVITE); /* it began without an invitation */
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 400, "The registration took too long");
        assert_false(has_user(p, "bo"));
        p->browser = before;
        allow(p, CD_REGISTRATION_OPEN);
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
}

/* Each question would keep a thread of a pool until the store's timeout. */
static void a_store_that_is_known_to_be_unavailable_is_not_asked(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_store *store = p->f->store;
        const struct cd_account_link_ops *links = store->links;
        const struct cd_user_ops *users = store->users;
        cd_str secret = begin_bo(p);

        p->store_state.is_unavailable = true;
        store->links = NULL; /* a call that asks ends the test */
        store->users = NULL;
        struct answer code = confirm(p, code_of(p, secret, p->f->now)), form = begin(p, "bo");
        open_link(p, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        struct answer invited = portal_get(p, &p->browser, cd_portal_register, "/register");
        store->links = links;
        store->users = users;
        assert_error(&code, 503, "The server cannot do this at the moment.");
        assert_true(cd_str_eq(secret_of(p, &code), secret));
        assert_error(&form, 503, "The server cannot do this at the moment.");
        assert_true(answer_has(&form, "value=\"bo\""));
        assert_error(&invited, 503, "The server cannot do this at the moment.");
        assert_string_not_equal(p->browser.cookies[CD_COOKIE_INVITE], "");
}

static const struct cd_account_link_ops *real_links;
static struct cd_account_link_ops failing_links;

static cd_status fail_join(struct cd_store *store, const struct cd_registration *registration,
                           const struct cd_audit_event *event, struct cd_error *reterr)
{
        (void)store;
        (void)registration;
        (void)event;
        return cd_fail(reterr, CD_UNAVAILABLE, "the disk of the database is full");
}

static void while_the_store_cannot_be_written_a_registration_waits(void **state)
{
        struct portal_fixture *p = *state;
        cd_str secret = begin_bo(p);

        real_links = p->f->store->links;
        failing_links = *real_links;
        failing_links.join = fail_join;
        p->f->store->links = &failing_links;
        struct answer answer = confirm(p, code_of(p, secret, p->f->now));
        p->f->store->links = real_links;
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_true(answer_header(&answer, "Retry-After").len > 0);
        assert_str(answer.log_reason, "the disk of the database is full");
        assert_true(cd_str_eq(secret_of(p, &answer), secret));
        assert_false(answer_has(&answer, "disk"));
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
}

static int looks;

static cd_status consume_first(struct cd_store *store, struct cd_arena *arena, cd_str digest,
                               struct cd_account_link *ret, struct cd_error *reterr)
{
        looks++;
        return looks == 1 ? real_links->find(store, arena, digest, ret, reterr)
                          : cd_fail(reterr, CD_NOT_FOUND, "no such link");
}

static void an_invitation_that_is_used_meanwhile_fixes_no_name(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_invite_params params = { .name = CD_STR("bo") };
        struct cd_link_token token;

        assert_status(cd_invite(&p->f->by, &p->f->arena, &params, &token, &p->f->err), CD_OK);
        struct answer answer = open_link(p, cd_arena_copy(&p->f->arena, cd_str_of(token.text, sizeof(token.text))).ptr);
        assert_redirect(&answer, "/register");
        real_links = p->f->store->links;
        failing_links = *real_links;
        failing_links.find = consume_first;
        looks = 0;
        p->f->store->links = &failing_links;
        answer = begin(p, "");
        p->f->store->links = real_links;
        assert_int_equal(looks, 2);
        assert_error(&answer, 403, "The invitation is not valid.");
        assert_false(answer_has(&answer, "readonly"));
        assert_string_equal(p->browser.cookies[CD_COOKIE_INVITE], "");
        assert_string_equal(p->browser.cookies[CD_COOKIE_ENROL], "");
}

/* The login is in the audit and in the user's row. */
static void assert_login_recorded(struct portal_fixture *p, const char *name, const char *detail)
{
        const struct cd_audit_event event = factor_last_event(p->f);

        assert_str(event.action, "login.ok");
        assert_str(event.subject, cd_arena_printf(&p->f->arena, "user:%s", name).ptr);
        assert_str(event.actor, "portal");
        assert_str(event.address, "192.0.2.1");
        assert_str(event.detail, detail);
        assert_int_equal(factor_find(p->f, name).last_login_at, p->f->now);
}

static void a_registration_is_a_login(void **state)
{
        struct portal_fixture *p = *state;
        cd_str secret = begin_bo(p);

        struct answer answer = confirm(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
        assert_login_recorded(p, "bo", "after the registration");
}

static void a_registration_without_a_code_is_a_login(void **state)
{
        struct portal_fixture *p = *state;

        p->settings.factors = PASSWORD;
        portal_rebuild(p);
        struct answer answer = begin(p, "bo");
        assert_redirect(&answer, "/");
        assert_login_recorded(p, "bo", "after the registration");
}

static const struct cd_session_ops *real_sessions;
static struct cd_session_ops failing_sessions;

static cd_status fail_start(struct cd_store *store, const struct cd_session_start *start,
                            const struct cd_audit_event *event, struct cd_error *reterr)
{
        (void)store;
        (void)start;
        (void)event;
        return cd_fail(reterr, CD_UNAVAILABLE, "the database does not answer");
}

static void an_account_whose_login_fails_can_log_in_later(void **state)
{
        struct portal_fixture *p = *state;
        cd_str secret = begin_bo(p);

        real_sessions = p->f->store->sessions;
        failing_sessions = *real_sessions;
        failing_sessions.start = fail_start;
        p->f->store->sessions = &failing_sessions;
        struct answer answer = confirm(p, code_of(p, secret, p->f->now));
        p->f->store->sessions = real_sessions;
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_false(answer_has(&answer, "recovery_codes"));
        assert_string_equal(p->browser.cookies[CD_COOKIE_SESSION], "");
        assert_true(has_user(p, "bo"));
        assert_int_equal(count_sessions(p, "bo"), 0);
        assert_str(factor_last_event(p->f).action, "user.register");
        assert_int_equal(factor_find(p->f, "bo").last_login_at, 0);
}

static void lesson_31_without_randomness_nobody_registers(void **state)
{
        struct portal_fixture *p = *state;
        cd_str csrf = portal_csrf(p, &p->browser);
        cd_str body = cd_arena_printf(&p->f->arena, "csrf=%.*s&username=bo&password=" BO_PASSWORD, CD_STR_ARG(csrf));

        p->f->random_fails = true;
        struct answer answer = portal_send(p, &p->browser, cd_portal_register, "/register", body);
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_true(answer_has(&answer, "value=\"bo\""));
        assert_string_equal(p->browser.cookies[CD_COOKIE_ENROL], "");
        p->f->random_fails = false;
        cd_str secret = begin_bo(p);
        body = cd_arena_printf(&p->f->arena, "csrf=%.*s%s", CD_STR_ARG(csrf), code_of(p, secret, p->f->now));
        p->f->random_fails = true;
        answer = portal_send(p, &p->browser, cd_portal_register_totp, "/register/totp", body);
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        p->f->random_fails = false;
        assert_false(has_user(p, "bo"));
        p->f->now = -1;
        answer = portal_send(p, &p->browser, cd_portal_register_totp, "/register/totp", body);
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_true(p->browser.cookies[CD_COOKIE_ENROL][0] != '\0');
        p->f->now = FACTOR_NOON;
        assert_false(has_user(p, "bo"));
        answer = portal_send(p, &p->browser, cd_portal_register_totp, "/register/totp", body);
        assert_int_equal(answer.status, 200);
}

static void the_longest_title_and_name_fit_into_the_qr_code(void **state)
{
        struct portal_fixture *p = *state;
        char title[64], name[129] = { 0 };

        memset(title, '"', sizeof(title));
        memset(name, '+', sizeof(name) - 1);
        p->settings.title = cd_str_of(title, sizeof(title));
        portal_rebuild(p);
        char encoded[3 * sizeof(name)] = "";
        for (size_t i = 0; i < sizeof(name) - 1; i++)
                strcat(encoded, "%2b");
        struct answer answer = begin(p, encoded);
        assert_redirect(&answer, "/register/totp");
        answer = show_secret(p);
        assert_int_equal(answer.status, 200);
        assert_true(answer_has(&answer, "<svg class=\"qr\""));
        assert_true(answer_has(&answer, name));
}

/* ---- a login that needs a second factor which the user does not have yet ---- */

/* A half-finished login of a new user, "cy". */
static struct cd_user begin_login(struct portal_fixture *p)
{
        struct cd_user cy = has_user(p, "cy") ? factor_find(p->f, "cy") : portal_add_user(p, "cy");
        struct answer answer =
                portal_post(p, &p->browser, cd_portal_login, "/login", "&username=cy&password=password+of+ana");

        assert_redirect(&answer, "/totp");
        answer = portal_get(p, &p->browser, cd_portal_totp, "/totp");
        assert_redirect(&answer, "/register/totp");
        return cy;
}

static void a_login_that_begins_again_shows_the_secret_that_the_app_has(void **state)
{
        struct portal_fixture *p = *state;

        begin_login(p);
        struct answer answer = show_secret(p);
        cd_str secret = secret_of(p, &answer);
        p->f->now += CD_PENDING_LOGIN_LIFETIME;
        answer = show_secret(p);
        assert_redirect(&answer, "/login");
        begin_login(p);
        answer = show_secret(p);
        assert_true(cd_str_eq(secret_of(p, &answer), secret));
        p->f->now += CD_ENROLMENT_LIFETIME - CD_PENDING_LOGIN_LIFETIME;
        begin_login(p);
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 400, "This took too long. Scan the new code below.");
        cd_str other = secret_of(p, &answer);
        assert_false(cd_str_eq(other, secret));
        answer = confirm(p, code_of(p, other, p->f->now));
        assert_int_equal(answer.status, 200);
        assert_int_equal(count_sessions(p, "cy"), 1);
        struct cd_session session;
        assert_true(portal_session(p, &p->browser, &session));
        assert_int_equal(session.factors, BOTH);
}

static void a_login_that_sets_up_a_second_factor_is_a_login(void **state)
{
        struct portal_fixture *p = *state;

        begin_login(p);
        struct answer answer = show_secret(p);
        cd_str secret = secret_of(p, &answer);
        assert_int_equal(factor_find(p->f, "cy").last_login_at, 0);
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
        assert_login_recorded(p, "cy", "with a new second factor");
}

static const struct cd_recovery_ops *real_recovery;
static struct cd_recovery_ops failing_recovery;

static cd_status fail_replace(struct cd_store *store, cd_str user, int64_t if_generation,
                              const struct cd_recovery_macs *macs, const struct cd_audit_event *event,
                              struct cd_error *reterr)
{
        (void)store;
        (void)user;
        (void)if_generation;
        (void)macs;
        (void)event;
        return cd_fail(reterr, CD_UNAVAILABLE, "the database does not answer");
}

static void without_its_recovery_codes_a_login_is_not_finished(void **state)
{
        struct portal_fixture *p = *state;

        begin_login(p);
        struct answer answer = show_secret(p);
        cd_str secret = secret_of(p, &answer);
        real_recovery = p->f->store->recovery;
        failing_recovery = *real_recovery;
        failing_recovery.replace = fail_replace;
        p->f->store->recovery = &failing_recovery;
        answer = confirm(p, code_of(p, secret, p->f->now));
        p->f->store->recovery = real_recovery;
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_int_equal(count_sessions(p, "cy"), 0);
        answer = portal_get(p, &p->browser, cd_portal_totp, "/totp"); /* the factor is there */
        assert_int_equal(answer.status, 200);
        cd_str code = cd_arena_printf(&p->f->arena, "%s", code_of(p, secret, p->f->now + 30));
        answer = portal_post(p, &p->browser, cd_portal_totp, "/totp", code.ptr);
        assert_redirect(&answer, "/");
}

static void lesson_12_a_login_ends_with_the_change_of_its_user(void **state)
{
        struct portal_fixture *p = *state;
        const struct cd_user_change change = { .name = CD_STR("cy"), .now = FACTOR_NOON, .ends_sessions = true };

        begin_login(p);
        struct answer answer = show_secret(p);
        cd_str secret = secret_of(p, &answer);
        assert_status(p->f->store->users->update(p->f->store, &change, NULL, &p->f->err), CD_OK);
        answer = confirm(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 401, "The login took too long. Start again.");
        begin_login(p);
        answer = show_secret(p);
        assert_false(cd_str_eq(secret_of(p, &answer), secret));
}

/* ---- replacing the second factor ---- */

static struct answer replace(struct portal_fixture *p, const char *fields)
{
        return fields ? portal_post(p, &p->browser, cd_portal_replace_totp, "/totp/replace", fields)
                      : portal_get(p, &p->browser, cd_portal_replace_totp, "/totp/replace");
}

static void lesson_14_wrong_codes_of_the_old_factor_lock_the_account(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        for (int i = 0; i < 5; i++) {
                struct answer answer = replace(p, "&code=000000");
                assert_error(&answer, 401, "This code is wrong or was used already.");
        }
        struct answer answer = replace(p, code_of(p, p->f->secret, p->f->now));
        assert_error(&answer, 429, "Too many attempts.");
        assert_true(answer_header(&answer, "Retry-After").len > 0);
        assert_string_equal(p->browser.cookies[CD_COOKIE_ENROL], "");
        assert_int_equal(factor_failures(p->f), 5);
}

static void wrong_codes_of_the_new_factor_lock_nothing(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = replace(p, code_of(p, p->f->secret, p->f->now));
        assert_redirect(&answer, "/totp/replace");
        answer = replace(p, NULL);
        cd_str secret = secret_of(p, &answer);
        assert_true(answer_has(&answer, "<form method=\"post\" action=\"/_auth/totp/replace\">"));
        assert_true(answer_has(&answer, ">Replace the authenticator<"));
        for (int i = 0; i < 10; i++) {
                answer = replace(p, "&code=000000");
                assert_error(&answer, 400, "This code is wrong or was used already.");
        }
        assert_int_equal(factor_failures(p->f), 0);
        answer = replace(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
        assert_true(answer_has(&answer, "Your authenticator is replaced."));
        struct cd_session session;
        assert_true(portal_session(p, &p->browser, &session));
        assert_int_equal(session.factors, BOTH);
        assert_int_equal(count_sessions(p, "ana"), 1);
        assert_str(factor_last_event(p->f).action, "user.recovery_codes");
}

static void a_login_by_recovery_code_replaces_the_factor_for_ten_minutes(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", PASSWORD | CD_FACTOR_RECOVERY);
        p->f->now += 600;
        struct answer answer = replace(p, "&code=123456");
        assert_error(&answer, 400, "This took too long. Scan the new code below.");
        p->browser.cookies[CD_COOKIE_ENROL][0] = '\0';
        answer = replace(p, NULL);
        assert_int_equal(answer.status, 200);
        assert_false(answer_has(&answer, "id=\"error\""));
        cd_str secret = secret_of(p, &answer);
        p->browser.cookies[CD_COOKIE_ENROL][0] = '\0';
        p->f->now += 1;
        answer = replace(p, NULL);
        assert_true(answer_has(&answer, "First enter a code of the authenticator that you have now."));
        assert_false(answer_has(&answer, "id=\"secret\""));
        answer = replace(p, code_of(p, secret, p->f->now));
        assert_error(&answer, 401, "This code is wrong or was used already.");
}

static void a_login_by_code_is_asked_for_another_one(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = replace(p, NULL);
        assert_int_equal(answer.status, 200);
        assert_true(answer_has(&answer, "First enter a code of the authenticator that you have now."));
        assert_string_equal(p->browser.cookies[CD_COOKIE_ENROL], "");
}

static void a_user_without_a_factor_needs_a_recent_login(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "cy");
        portal_log_in(p, &p->browser, "cy", PASSWORD);
        p->f->now += 601;
        struct answer answer = replace(p, NULL);
        assert_redirect(&answer, "/step-up?return_to=/_auth/totp/replace");
        p->f->now -= 1;
        answer = replace(p, NULL);
        cd_str secret = secret_of(p, &answer);
        assert_true(answer_has(&answer, ">Continue<"));
        p->f->now += 1; /* what the page shows can be confirmed */
        answer = replace(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
        assert_int_equal(count_sessions(p, "cy"), 1);
        struct cd_session session;
        assert_true(portal_session(p, &p->browser, &session));
        assert_int_equal(session.factors, BOTH);
}

static void a_session_that_cannot_be_raised_is_not_called_ended(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "cy");
        portal_log_in(p, &p->browser, "cy", PASSWORD);
        struct answer answer = replace(p, NULL);
        cd_str secret = secret_of(p, &answer);
        real_sessions = p->f->store->sessions;
        failing_sessions = *real_sessions;
        failing_sessions.start = fail_start;
        p->f->store->sessions = &failing_sessions;
        answer = replace(p, code_of(p, secret, p->f->now));
        p->f->store->sessions = real_sessions;
        assert_error(&answer, 503, "The server cannot do this at the moment.");
        assert_false(answer_has(&answer, "recovery_codes"));
}

static void of_two_tabs_that_replace_the_factor_the_second_begins_again(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer answer = replace(p, code_of(p, p->f->secret, p->f->now));
        struct browser second = p->browser;
        answer = replace(p, NULL);
        cd_str secret = secret_of(p, &answer);
        answer = replace(p, code_of(p, secret, p->f->now));
        assert_int_equal(answer.status, 200);
        memcpy(second.cookies[CD_COOKIE_SESSION], p->browser.cookies[CD_COOKIE_SESSION],
               sizeof(second.cookies[CD_COOKIE_SESSION]));
        p->browser = second; /* the cookie of the ticket, had it been kept */
        answer = replace(p, NULL);
        assert_true(answer_has(&answer, "First enter a code of the authenticator that you have now."));
}

/* ---- the file ---- */

static void the_file_has_no_more_than_ten_codes(void **state)
{
        struct portal_fixture *p = *state;
        char fields[1024] = "&recovery_codes=";

        for (int i = 0; i < CD_RECOVERY_CODES; i++)
                strcat(fields, i ? "+0000-0000-0000-0000" : "0000-0000-0000-0000");
        struct answer answer = portal_post(p, &p->browser, cd_portal_recovery_codes, "/recovery-codes", fields);
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.body.len, CD_RECOVERY_CODES * 20);
        strcat(fields, "+0000-0000-0000-0000");
        answer = portal_post(p, &p->browser, cd_portal_recovery_codes, "/recovery-codes", fields);
        assert_error(&answer, 400, "The form could not be read.");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                OPEN_TEST(lesson_46_opening_an_invitation_only_keeps_it),
                OPEN_TEST(lesson_31_without_a_clock_an_invitation_is_not_called_invalid),
                OPEN_TEST(a_registration_waits_for_15_minutes),
                OPEN_TEST(a_registration_ends_where_the_configuration_changes),
                OPEN_TEST(while_the_store_cannot_be_written_a_registration_waits),
                OPEN_TEST(a_store_that_is_known_to_be_unavailable_is_not_asked),
                OPEN_TEST(an_invitation_that_is_used_meanwhile_fixes_no_name),
                OPEN_TEST(a_registration_is_a_login),
                OPEN_TEST(a_registration_without_a_code_is_a_login),
                OPEN_TEST(a_login_that_sets_up_a_second_factor_is_a_login),
                OPEN_TEST(an_account_whose_login_fails_can_log_in_later),
                OPEN_TEST(lesson_31_without_randomness_nobody_registers),
                OPEN_TEST(the_longest_title_and_name_fit_into_the_qr_code),
                OPEN_TEST(a_login_that_begins_again_shows_the_secret_that_the_app_has),
                OPEN_TEST(without_its_recovery_codes_a_login_is_not_finished),
                OPEN_TEST(lesson_12_a_login_ends_with_the_change_of_its_user),
                OPEN_TEST(lesson_14_wrong_codes_of_the_old_factor_lock_the_account),
                OPEN_TEST(wrong_codes_of_the_new_factor_lock_nothing),
                OPEN_TEST(a_login_by_recovery_code_replaces_the_factor_for_ten_minutes),
                OPEN_TEST(a_login_by_code_is_asked_for_another_one),
                OPEN_TEST(a_user_without_a_factor_needs_a_recent_login),
                OPEN_TEST(a_session_that_cannot_be_raised_is_not_called_ended),
                OPEN_TEST(of_two_tabs_that_replace_the_factor_the_second_begins_again),
                OPEN_TEST(the_file_has_no_more_than_ten_codes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
