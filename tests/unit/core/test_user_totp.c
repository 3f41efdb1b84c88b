/* TOTP factors that an operator imports: with their users, for users who exist, and instead of another one. */
#include "unit/core/factor_fixture.h"

#include "core/admin_sessions.h"
#include "core/user_totp.h"
#include "crypto/otpauth.h"
#include "crypto/totp.h"

#define OLD "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" /* ana's secret in the fixture, RFC 6238's "12345678901234567890" */
#define NEW "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

#define URI(account, secret) "otpauth://totp/Authelia:" account "?secret=" secret "&issuer=Authelia&algorithm=SHA1"

static int set_up(void **state)
{
        int code = factor_set_up(state);
        struct factor_fixture *f = *state;

        f->by.master = f->master;
        return code;
}

static cd_status read_uri(struct factor_fixture *f, const char *user, const char *uri, struct cd_totp_factor *ret)
{
        return cd_user_totp_read(&f->by, &f->arena, cd_str_from_c(user), cd_str_from_c(uri), ret, &f->err);
}

static struct cd_totp_factor factor_of(struct factor_fixture *f, const char *user, const char *uri)
{
        struct cd_totp_factor factor;

        assert_status(read_uri(f, user, uri, &factor), CD_OK);
        return factor;
}

static struct cd_totp_factor find(struct factor_fixture *f, const char *user)
{
        struct cd_totp_factor factor = { 0 };

        assert_status(f->store->totp->find(f->store, &f->arena, cd_str_from_c(user), &factor, &f->err), CD_OK);
        return factor;
}

static struct cd_user user_of(struct factor_fixture *f, const char *name)
{
        const struct cd_user_params params = { .name = cd_str_from_c(name), .password = CD_STR("correct horse") };
        struct cd_user user = { 0 };

        assert_status(cd_admin_user_prepare(&f->by, &f->arena, &params, &user, &f->err), CD_OK);
        return user;
}

static void add_user(struct factor_fixture *f, const char *name)
{
        struct cd_user user = user_of(f, name);

        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &user, 1 }, NULL, &f->err), CD_OK);
}

/* Whether the code that an app with the secret shows now logs the user in. */
static bool accepts(struct factor_fixture *f, const char *name, const char *secret)
{
        struct cd_user user = factor_find(f, name);
        struct cd_code_result result;
        char code[CD_TOTP_DIGITS];
        cd_str bytes;

        assert_status(cd_base32_decode(&f->arena, cd_str_from_c(secret), &bytes), CD_OK);
        assert_status(cd_totp_code(bytes, cd_totp_step(f->now), code), CD_OK);
        const struct cd_code_attempt attempt = { .code = cd_str_of(code, sizeof(code)), .by = CD_STR("portal") };
        cd_status status = cd_totp_check(&f->factors, &f->arena, &user, &attempt, &result, &f->err);
        assert_true(status == CD_OK || status == CD_INVALID_GRANT);
        return status == CD_OK;
}

static cd_status import(struct factor_fixture *f, const char *uri, bool replaces, struct cd_totp_imported *ret)
{
        const struct cd_totp_import params = { .uri = cd_str_from_c(uri), .replaces = replaces };

        return cd_admin_totp_import(&f->by, &f->arena, &params, ret, &f->err);
}

static void a_uri_is_a_factor_with_its_secret_sealed(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_totp_factor factor = factor_of(f, "bo", URI("anybody", NEW));
        cd_str secret;

        assert_str(factor.user, "bo");
        assert_int_equal(factor.created_at, FACTOR_NOON);
        assert_int_equal(factor.failures, 0);
        assert_true(cd_str_has_prefix(factor.sealed, CD_STR("x1.")));
        assert_status(cd_totp_unseal(f->master, &f->arena, &factor, &secret, &f->err), CD_OK);
        assert_int_equal(secret.len, 20);
        factor.user = CD_STR("cy"); /* it is sealed for its user */
        assert_status(cd_totp_unseal(f->master, &f->arena, &factor, &secret, &f->err), CD_INVALID_REQUEST);
}

static void what_another_program_computes_in_another_way_is_refused_with_its_parameter(void **state)
{
        static const struct {
                const char *uri, *field, *reason;
        } samples[] = {
                { "otpauth://totp/a?secret=" NEW "&digits=8", "totp.digits", "is not supported: only 6 is" },
                { "otpauth://totp/a?secret=" NEW "&period=60", "totp.period", "is not supported: only 30 (s) is" },
                { "otpauth://totp/a?secret=" NEW "&algorithm=SHA256", "totp.algorithm",
                  "is not supported: only SHA1 is" },
                { "otpauth://totp/a?secret=" NEW "&secret=" OLD, "totp.secret", "is given twice" },
                { "otpauth://totp/a", "totp.secret", "is missing from the otpauth URI" },
                { "otpauth://totp/a?secret=AAAA", "totp.secret",
                  "has 2 bytes; secrets have 10 to 128 (16 to 205 characters)" },
                { "otpauth://hotp/a?secret=" NEW, "totp.type",
                  "is not supported: only time-based codes (otpauth://totp/) are" },
                { NEW, "totp", "is not an otpauth URI: it does not begin with otpauth://" },
        };
        struct factor_fixture *f = *state;
        struct cd_totp_factor factor;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_status(read_uri(f, "bo", samples[i].uri, &factor), CD_INVALID_REQUEST);
                assert_string_equal(f->err.field, samples[i].field);
                assert_string_equal(f->err.reason, samples[i].reason);
        }
}

static void lesson_31_without_clock_or_randomness_there_is_no_factor(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_totp_factor factor;

        f->random_fails = true;
        assert_status(read_uri(f, "bo", URI("bo", NEW), &factor), CD_UNAVAILABLE);
        f->random_fails = false;
        f->now = -1;
        assert_status(read_uri(f, "bo", URI("bo", NEW), &factor), CD_UNAVAILABLE);
}

static void users_who_are_imported_log_in_with_the_app_they_have(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user users[] = { user_of(f, "bo"), user_of(f, "cy") };
        struct cd_totp_factor factors[2] = { [1] = factor_of(f, "cy", URI("cy", NEW)) }, none;
        struct cd_user_import both = { .users = { users, 2 }, .factors = factors };

        assert_status(cd_admin_users_import(&f->by, &f->arena, &both, &f->err), CD_OK);
        assert_str(factor_last_event(f).detail, "2 users, bo to cy, 1 with TOTP");
        assert_true(accepts(f, "cy", NEW));
        assert_false(accepts(f, "cy", NEW)); /* each code once */
        assert_status(f->store->totp->find(f->store, &f->arena, CD_STR("bo"), &none, &f->err), CD_NOT_FOUND);

        struct cd_user dan = user_of(f, "dan");
        struct cd_totp_factor his = factor_of(f, "dan", URI("dan", NEW));
        const struct cd_user_import one = { .users = { &dan, 1 }, .factors = &his };
        assert_status(cd_admin_users_import(&f->by, &f->arena, &one, &f->err), CD_OK);
        assert_str(factor_last_event(f).subject, "user:dan");
        assert_str(factor_last_event(f).detail, "totp");
}

static void a_replaced_user_keeps_the_factor_unless_there_is_another_one(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user same = factor_find(f, "ana");
        struct cd_totp_factor old = factor_of(f, "ana", URI("ana", OLD)), new = factor_of(f, "ana", URI("ana", NEW));
        struct cd_user_result result;

        assert_true(accepts(f, "ana", OLD));
        struct cd_totp_factor before = find(f, "ana");
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, NULL, &result, &f->err), CD_OK);
        assert_true(cd_str_eq(find(f, "ana").sealed, before.sealed));
        /* The same secret: neither the session nor the used code starts anew. */
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, &old, &result, &f->err), CD_OK);
        assert_int_equal(factor_find(f, "ana").generation, f->ana.generation);
        assert_int_equal(find(f, "ana").last_step, before.last_step);
        assert_false(accepts(f, "ana", OLD));
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, &new, &result, &f->err), CD_OK);
        assert_str(factor_last_event(f).action, "user.import");
        assert_str(factor_last_event(f).detail, "totp");
        assert_true(factor_find(f, "ana").generation > f->ana.generation);
        assert_false(accepts(f, "ana", OLD));
        assert_true(accepts(f, "ana", NEW));
}

static void a_secret_is_added_to_the_user_that_it_names(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_totp_imported imported;

        add_user(f, "bo");
        assert_status(import(f, URI("Bo", NEW), false, &imported), CD_OK);
        assert_str(imported.name, "bo");
        assert_false(imported.had_one);
        assert_str(factor_last_event(f).action, "user.import");
        assert_str(factor_last_event(f).subject, "user:bo");
        assert_str(factor_last_event(f).detail, "totp");
        assert_true(accepts(f, "bo", NEW));
        assert_status(import(f, URI("nobody", NEW), false, &imported), CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "there is no user \"nobody\"");
        assert_status(import(f, "otpauth://totp/Authelia:?secret=" NEW, false, &imported), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "name");
        assert_status(import(f, "otpauth://totp/bo?secret=" NEW "&digits=8", false, &imported), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "digits");
}

static void a_secret_replaces_another_one_where_that_is_asked_for(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_totp_import dry = { .uri = CD_STR(URI("ana", NEW)), .replaces = true, .dry_run = true };
        struct cd_totp_imported imported = { 0 };

        assert_true(accepts(f, "ana", OLD));
        struct cd_totp_factor before = find(f, "ana");
        assert_status(import(f, URI("ana", NEW), false, &imported), CD_EXISTS);
        assert_string_equal(f->err.reason, "user \"ana\" has a TOTP factor already");
        assert_status(cd_admin_totp_import(&f->by, &f->arena, &dry, &imported, &f->err), CD_OK);
        assert_true(imported.had_one);
        assert_status(import(f, URI("ana", OLD), true, &imported), CD_OK); /* the same secret: nothing is written */
        assert_true(imported.had_one);
        assert_int_equal(find(f, "ana").last_step, before.last_step);
        assert_int_equal(factor_find(f, "ana").generation, f->ana.generation);
        assert_status(import(f, URI("ana", NEW), true, &imported), CD_OK);
        assert_true(factor_find(f, "ana").generation > f->ana.generation);
        assert_true(accepts(f, "ana", NEW));
}

static void a_factor_that_cannot_be_read_is_replaced(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_totp_change damaged = { .factor = { .user = CD_STR("ana"), .sealed = CD_STR("x1.damaged") },
                                          .if_generation = f->ana.generation,
                                          .if_sealed = find(f, "ana").sealed };
        struct cd_totp_imported imported;

        assert_status(f->store->totp->put(f->store, &damaged, NULL, &f->err), CD_OK);
        assert_status(import(f, URI("ana", NEW), true, &imported), CD_OK);
        assert_true(accepts(f, "ana", NEW));
}

/* A store in which the user enrols between the reading and the writing of an import. */
static const struct cd_user_ops *real_ops;
static struct factor_fixture *fixture;

static cd_status update_after_enrolment(struct cd_store *store, const struct cd_user_change *change,
                                        const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct cd_totp_change theirs = { .factor = factor_of(fixture, "ana", URI("ana", OLD)),
                                         .if_generation = factor_find(fixture, "ana").generation,
                                         .if_sealed = find(fixture, "ana").sealed };

        assert_status(store->totp->put(store, &theirs, NULL, reterr), CD_OK);
        return real_ops->update(store, change, event, reterr);
}

static void a_factor_that_the_user_sets_up_meanwhile_is_not_lost(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_totp_factor new = factor_of(f, "ana", URI("ana", NEW));
        struct cd_user_ops ops = *f->store->users;
        struct cd_user same = factor_find(f, "ana");
        struct cd_totp_imported imported;
        struct cd_user_result result;

        fixture = f;
        real_ops = f->store->users;
        ops.update = update_after_enrolment;
        f->store->users = &ops;
        assert_status(import(f, URI("ana", NEW), true, &imported), CD_EXISTS);
        assert_status(cd_admin_user_replace(&f->by, &f->arena, &same, &new, &result, &f->err), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the TOTP factor of user \"ana\" was changed during the import; import the "
                                           "line again");
        f->store->users = real_ops;
        assert_true(accepts(f, "ana", OLD));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, factor_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_uri_is_a_factor_with_its_secret_sealed),
                CASE(what_another_program_computes_in_another_way_is_refused_with_its_parameter),
                CASE(lesson_31_without_clock_or_randomness_there_is_no_factor),
                CASE(users_who_are_imported_log_in_with_the_app_they_have),
                CASE(a_replaced_user_keeps_the_factor_unless_there_is_another_one),
                CASE(a_secret_is_added_to_the_user_that_it_names),
                CASE(a_secret_replaces_another_one_where_that_is_asked_for),
                CASE(a_factor_that_cannot_be_read_is_replaced),
                CASE(a_factor_that_the_user_sets_up_meanwhile_is_not_lost),
        };

        return cmocka_run_group_tests_name("imported TOTP factors", tests, NULL, NULL);
}
