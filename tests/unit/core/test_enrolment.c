#include "unit/core/factor_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/account_link.h"
#include "core/enrolment.h"
#include "crypto/totp.h"

static struct cd_code_attempt attempt_of(cd_str code)
{
        return (struct cd_code_attempt){ .code = code, .address = CD_STR("192.0.2.1"), .by = CD_STR("portal") };
}

static cd_str code_of(struct factor_fixture *f, cd_str secret, cd_time time)
{
        char code[CD_TOTP_DIGITS];

        assert_status(cd_totp_code(secret, cd_totp_step(time), code), CD_OK);
        return cd_arena_copy(&f->arena, cd_str_of(code, sizeof(code)));
}

static struct cd_user add_user(struct factor_fixture *f, const char *name)
{
        struct cd_user user = { .name = cd_str_from_c(name), .password = CD_STR("$p"), .claims = CD_STR("{}") };

        assert_status(f->store->users->add(f->store, &(struct cd_users_page){ &user, 1 }, NULL, &f->err), CD_OK);
        return factor_find(f, name);
}

static struct cd_enrolment enrol(struct factor_fixture *f, const struct cd_user *user, unsigned verified)
{
        struct cd_enrolment enrolment;

        assert_status(cd_totp_enrol(&f->factors, &f->arena, user, verified, &enrolment, &f->err), CD_OK);
        return enrolment;
}

static cd_status confirm(struct factor_fixture *f, struct cd_user *user, cd_str ticket, cd_str code)
{
        const struct cd_code_attempt attempt = attempt_of(code);
        struct cd_code_result result;

        return cd_totp_confirm(&f->factors, &f->arena, user, ticket, &attempt, &result, &f->err);
}

static cd_status check(struct factor_fixture *f, const struct cd_user *user, cd_str code)
{
        const struct cd_code_attempt attempt = attempt_of(code);
        struct cd_code_result result;

        return cd_totp_check(&f->factors, &f->arena, user, &attempt, &result, &f->err);
}

/* ---- the second factor of a user ---- */

static void a_factor_is_there_once_a_code_confirms_it(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo");
        struct cd_enrolment enrolment = enrol(f, &bo, CD_FACTOR_PASSWORD);

        assert_int_equal(enrolment.secret.len, CD_TOTP_SECRET_SIZE);
        assert_status(check(f, &bo, code_of(f, enrolment.secret, f->now)), CD_NOT_FOUND);
        assert_status(confirm(f, &bo, enrolment.ticket, CD_STR("12345")), CD_INVALID_GRANT);
        assert_status(confirm(f, &bo, enrolment.ticket, code_of(f, enrolment.secret, f->now + 9000)), CD_INVALID_GRANT);
        assert_string_equal(f->err.reason, "invalid code");
        int64_t before = bo.generation;
        assert_status(confirm(f, &bo, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_OK);
        assert_int_equal(bo.generation, before);
        assert_str(factor_last_event(f).action, "user.totp");
        assert_str(factor_last_event(f).actor, "user:bo");
        assert_str(factor_last_event(f).address, "192.0.2.1");
        /* LESSONS 13: that code has done its work. */
        assert_status(check(f, &bo, code_of(f, enrolment.secret, f->now)), CD_INVALID_GRANT);
        assert_status(check(f, &bo, code_of(f, enrolment.secret, f->now + 30)), CD_OK);
        assert_status(confirm(f, &bo, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_EXISTS);
}

static void an_app_with_a_wrong_clock_is_told_when_it_enrols(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo");
        struct cd_enrolment enrolment = enrol(f, &bo, 0);
        const struct cd_code_attempt attempt = attempt_of(code_of(f, enrolment.secret, f->now - 180));
        struct cd_code_result result;

        assert_status(cd_totp_confirm(&f->factors, &f->arena, &bo, enrolment.ticket, &attempt, &result, &f->err),
                      CD_INVALID_GRANT);
        assert_int_equal(result.clock_skew, -180);
}

static void to_replace_a_factor_takes_a_code_of_the_old_one(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_enrolment enrolment, second;
        int64_t before = f->ana.generation;

        assert_status(cd_totp_enrol(&f->factors, &f->arena, &f->ana, CD_FACTOR_PASSWORD, &enrolment, &f->err),
                      CD_INVALID_GRANT);
        enrolment = enrol(f, &f->ana, CD_FACTOR_TOTP);
        second = enrol(f, &f->ana, CD_FACTOR_RECOVERY);
        assert_status(check(f, &f->ana, factor_code(f, f->now)), CD_OK);
        assert_status(confirm(f, &f->ana, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_OK);
        assert_status(check(f, &f->ana, factor_code(f, f->now + 30)), CD_INVALID_GRANT);
        assert_status(check(f, &f->ana, code_of(f, enrolment.secret, f->now + 30)), CD_OK);
        /* LESSONS 12: who had the old one is out. Of two tabs the first counts: the other's is for ana as she was. */
        assert_true(f->ana.generation > before);
        assert_int_equal(factor_find(f, "ana").generation, f->ana.generation);
        assert_status(confirm(f, &f->ana, second.ticket, code_of(f, second.secret, f->now)), CD_NOT_FOUND);
}

static void a_ticket_is_good_for_a_while_and_for_its_user(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo"), cy = add_user(f, "cy");
        struct cd_enrolment enrolment = enrol(f, &bo, 0);
        cd_str changed = cd_arena_copy(&f->arena, enrolment.ticket);
        char long_one[CD_TICKET_MAX + 1];

        memset(long_one, 'A', sizeof(long_one));
        assert_status(confirm(f, &cy, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "ticket");
        ((char *)(uintptr_t)changed.ptr)[50] ^= 1;
        assert_status(confirm(f, &bo, changed, CD_STR("123456")), CD_INVALID_REQUEST);
        assert_status(confirm(f, &bo, CD_STR(""), CD_STR("123456")), CD_INVALID_REQUEST);
        assert_status(confirm(f, &bo, cd_str_of(long_one, sizeof(long_one)), CD_STR("123456")), CD_INVALID_REQUEST);
        f->now += CD_ENROLMENT_LIFETIME;
        assert_status(confirm(f, &bo, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_INVALID_REQUEST);
        f->now -= 1;
        assert_status(confirm(f, &bo, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_OK);
}

static cd_status look(struct factor_fixture *f, const struct cd_user *user, cd_str ticket, struct cd_totp_ticket *ret)
{
        return cd_totp_look(&f->factors, &f->arena, user, ticket, ret, &f->err);
}

static void a_page_that_is_shown_again_has_the_same_secret(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo"), cy = add_user(f, "cy");
        struct cd_enrolment enrolment = enrol(f, &bo, 0);
        const struct cd_user_change change = { .name = CD_STR("bo"), .now = FACTOR_NOON, .ends_sessions = true };
        struct cd_totp_ticket again = { 0 };

        assert_status(look(f, &cy, enrolment.ticket, &again), CD_INVALID_REQUEST);
        assert_status(look(f, &bo, CD_STR("x1.AAAA"), &again), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "ticket");
        assert_int_equal(again.secret.len, 0);
        assert_status(look(f, &bo, enrolment.ticket, &again), CD_OK);
        assert_true(cd_str_eq(again.secret, enrolment.secret) && !again.is_replacement);
        enrolment = enrol(f, &f->ana, CD_FACTOR_TOTP);
        assert_status(look(f, &f->ana, enrolment.ticket, &again), CD_OK);
        assert_true(cd_str_eq(again.secret, enrolment.secret) && again.is_replacement);
        enrolment = enrol(f, &bo, 0);
        f->now += CD_ENROLMENT_LIFETIME;
        assert_status(look(f, &bo, enrolment.ticket, &again), CD_INVALID_REQUEST);
        f->now -= 1;
        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        bo = factor_find(f, "bo");
        assert_status(look(f, &bo, enrolment.ticket, &again), CD_INVALID_REQUEST);
}

static void lesson_12_a_ticket_ends_with_the_change_of_its_user(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo");
        struct cd_enrolment enrolment = enrol(f, &bo, 0);
        const struct cd_user_change change = { .name = CD_STR("bo"), .now = FACTOR_NOON, .ends_sessions = true };

        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        assert_status(confirm(f, &bo, enrolment.ticket, code_of(f, enrolment.secret, f->now)), CD_NOT_FOUND);
}

static void new_recovery_codes_void_the_old(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_recovery_code old[CD_RECOVERY_CODES], new[CD_RECOVERY_CODES];
        struct cd_code_attempt attempt = attempt_of(CD_STR(""));
        struct cd_code_result result;

        assert_status(cd_recovery_renew(&f->factors, &f->arena, &f->ana, &attempt, old, &f->err), CD_OK);
        assert_status(cd_recovery_renew(&f->factors, &f->arena, &f->ana, &attempt, new, &f->err), CD_OK);
        assert_str(factor_last_event(f).action, "user.recovery_codes");
        attempt.code = cd_str_of(old[3].text, sizeof(old[3].text));
        assert_status(cd_recovery_check(&f->factors, &f->arena, &f->ana, &attempt, &result, &f->err), CD_INVALID_GRANT);
        attempt.code = cd_str_of(new[3].text, sizeof(new[3].text));
        assert_status(cd_recovery_check(&f->factors, &f->arena, &f->ana, &attempt, &result, &f->err), CD_OK);
}

/* ---- registration ---- */

static struct cd_link_token invite_bo(struct factor_fixture *f)
{
        const cd_str groups[] = { CD_STR("staff") };
        const struct cd_invite_params params = {
                .name = CD_STR("bo"),
                .display_name = CD_STR("Bo Invited"),
                .email = CD_STR("bo@example.com"),
                .groups = { groups, 1 },
        };
        struct cd_link_token token;

        assert_status(cd_invite(&f->by, &f->arena, &params, &token, &f->err), CD_OK);
        return token;
}

static struct cd_register_params params_of(const struct cd_link_token *invite)
{
        return (struct cd_register_params){ .password = CD_STR("correct horse"),
                                            .invite = cd_str_of(invite->text, sizeof(invite->text)) };
}

static struct cd_registrar registrar_of(struct factor_fixture *f)
{
        return (struct cd_registrar){ &f->factors, &f->by };
}

static cd_status begin(struct factor_fixture *f, struct cd_register_params params, struct cd_enrolment *ret)
{
        const struct cd_registrar registrar = registrar_of(f);

        return cd_register_begin(&registrar, &f->arena, &params, ret, &f->err);
}

static cd_status finish(struct factor_fixture *f, const struct cd_enrolment *enrolment, cd_str code,
                        struct cd_registered *ret)
{
        const struct cd_registrar registrar = registrar_of(f);
        const struct cd_code_attempt attempt = attempt_of(code);

        return cd_register_confirm(&registrar, &f->arena, enrolment->ticket, &attempt, ret, &f->err);
}

static bool has_user(struct factor_fixture *f, const char *name)
{
        struct cd_user user;

        return f->store->users->find(f->store, &f->arena, cd_str_from_c(name), &user, &f->err) == CD_OK;
}

static void the_account_exists_once_the_first_code_is_confirmed(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = invite_bo(f);
        struct cd_register_params params = params_of(&token);
        struct cd_registered done;
        struct cd_enrolment enrolment;
        bool matches;

        params.name = CD_STR("mallory"); /* the invitation's name counts */
        params.display_name = CD_STR("Bo Själv");
        assert_status(begin(f, params, &enrolment), CD_OK);
        assert_false(has_user(f, "bo"));
        assert_status(finish(f, &enrolment, CD_STR("000000"), &done), CD_INVALID_GRANT);
        assert_false(has_user(f, "bo"));
        assert_status(finish(f, &enrolment, code_of(f, enrolment.secret, f->now), &done), CD_OK);
        assert_str(done.name, "bo");
        assert_int_equal(done.code_count, CD_RECOVERY_CODES);
        assert_str(factor_last_event(f).action, "user.register");

        struct cd_user bo = factor_find(f, "bo");
        assert_str(bo.display_name, "Bo Själv");
        assert_str(bo.email, "bo@example.com");
        assert_int_equal(bo.email_verified, false);
        assert_int_equal(bo.groups.count, 1);
        assert_str(bo.groups.items[0], "staff");
        assert_int_equal(bo.last_login_at, 0);
        assert_status(f->by.hasher->verify(f->by.hasher, bo.password, CD_STR("correct horse"), &matches, &f->err),
                      CD_OK);
        assert_true(matches);
        assert_status(check(f, &bo, code_of(f, enrolment.secret, f->now)), CD_INVALID_GRANT);
        assert_status(check(f, &bo, code_of(f, enrolment.secret, f->now + 30)), CD_OK);
        const struct cd_code_attempt attempt = attempt_of(cd_str_of(done.codes[9].text, sizeof(done.codes[9].text)));
        struct cd_code_result result;
        assert_status(cd_recovery_check(&f->factors, &f->arena, &bo, &attempt, &result, &f->err), CD_OK);

        assert_false(has_user(f, "mallory"));
        assert_status(begin(f, params, &enrolment), CD_NOT_FOUND); /* the invitation is used up */
}

static void a_mailed_invitation_verifies_the_address_and_a_printed_one_does_not(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_invite_params params = { .name = CD_STR("bo"), .email = CD_STR("bo@example.com"), .is_mailed = true };
        struct cd_account_link link;
        struct cd_link_token token;
        struct cd_registered done;
        struct cd_enrolment enrolment;

        for (int is_mailed = 1; is_mailed >= 0; is_mailed--) {
                params.name = is_mailed ? CD_STR("bo") : CD_STR("cleo");
                params.is_mailed = is_mailed;
                assert_status(cd_invite(&f->by, &f->arena, &params, &token, &f->err), CD_OK);
                struct cd_invite_params found;
                assert_status(cd_invite_look(&f->by, &f->arena, cd_str_of(token.text, sizeof(token.text)), &link,
                                             &found, &f->err),
                              CD_OK);
                assert_int_equal(found.is_mailed, is_mailed);
                assert_status(begin(f, params_of(&token), &enrolment), CD_OK);
                assert_status(finish(f, &enrolment, code_of(f, enrolment.secret, f->now), &done), CD_OK);
                struct cd_user user = factor_find(f, is_mailed ? "bo" : "cleo");
                assert_str(user.email, "bo@example.com");
                assert_int_equal(user.email_verified, is_mailed);
        }
        params.name = CD_STR("dora");
        params.email = CD_STR("");
        params.is_mailed = true;
        assert_status(cd_invite(&f->by, &f->arena, &params, &token, &f->err), CD_INVALID_REQUEST);
}

static void two_who_begin_with_one_invitation_become_one_user(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = invite_bo(f);
        struct cd_enrolment first, second;
        struct cd_registered done;

        assert_status(begin(f, params_of(&token), &first), CD_OK);
        assert_status(begin(f, params_of(&token), &second), CD_OK);
        assert_str(factor_last_event(f).action, "user.invite");
        assert_status(finish(f, &second, code_of(f, second.secret, f->now), &done), CD_OK);
        assert_status(finish(f, &first, code_of(f, first.secret, f->now), &done), CD_NOT_FOUND);
        assert_status(finish(f, &second, code_of(f, second.secret, f->now), &done), CD_NOT_FOUND);
        assert_str(factor_find(f, "bo").display_name, "Bo Invited");
}

struct racer {
        struct factor_fixture *f;
        cd_str ticket, code;
};

static atomic_int registered;

static void *finish_one(void *arg)
{
        struct racer *racer = arg;
        struct cd_factors factors = racer->f->factors;
        struct cd_operator by = racer->f->by;
        const struct cd_registrar registrar = { &factors, &by };
        const struct cd_code_attempt attempt = attempt_of(racer->code);
        struct cd_registered done;
        struct cd_arena arena;

        factors.random = by.random = &cd_random_system;
        cd_arena_init(&arena, 1 << 20);
        if (cd_register_confirm(&registrar, &arena, racer->ticket, &attempt, &done, NULL) == CD_OK)
                atomic_fetch_add(&registered, 1);
        cd_arena_done(&arena);
        return NULL;
}

static void of_50_who_register_by_one_invitation_one_does(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = invite_bo(f);
        struct cd_enrolment enrolment;
        pthread_t threads[50];

        assert_status(begin(f, params_of(&token), &enrolment), CD_OK);
        struct racer racer = { .f = f, .ticket = enrolment.ticket, .code = code_of(f, enrolment.secret, f->now) };
        atomic_store(&registered, 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, finish_one, &racer), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&registered), 1);
        assert_true(has_user(f, "bo"));
}

static void an_invitation_that_expires_meanwhile_is_no_more(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_link_token token = invite_bo(f);
        struct cd_enrolment enrolment;
        struct cd_registered done;

        f->now += CD_INVITE_LIFETIME - 10;
        assert_status(begin(f, params_of(&token), &enrolment), CD_OK);
        f->now += 10;
        assert_status(finish(f, &enrolment, code_of(f, enrolment.secret, f->now), &done), CD_NOT_FOUND);
        assert_false(has_user(f, "bo"));
}

static void where_registration_is_open_anybody_chooses_a_free_name(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_register_params params = { .name = CD_STR("Cy"), .password = CD_STR("correct horse") };
        struct cd_enrolment first, second;
        struct cd_registered done;

        assert_status(begin(f, params, &first), CD_OK);
        assert_status(begin(f, params, &second), CD_OK);
        assert_status(finish(f, &first, code_of(f, first.secret, f->now), &done), CD_OK);
        assert_str(done.name, "cy");
        assert_int_equal(factor_find(f, "cy").groups.count, 0);
        assert_status(finish(f, &second, code_of(f, second.secret, f->now), &done), CD_EXISTS);
        assert_status(begin(f, params, &first), CD_EXISTS);
        assert_string_equal(f->err.field, "name");
}

static void what_cannot_be_an_account_is_said_at_once(void **state)
{
        struct factor_fixture *f = *state;
        const cd_str client[] = { CD_STR("app") };
        struct cd_link_token none;
        struct cd_enrolment enrolment;

        memset(none.text, 'A', sizeof(none.text));
        f->by.configured = (struct cd_strs){ client, 1 };
        const struct {
                struct cd_register_params params;
                cd_status status;
                const char *field;
        } samples[] = {
                { { .name = CD_STR("no name"), .password = CD_STR("p") }, CD_INVALID_REQUEST, "name" },
                { { .name = CD_STR("ana"), .password = CD_STR("p") }, CD_EXISTS, "name" },
                { { .name = CD_STR("app"), .password = CD_STR("p") }, CD_EXISTS, "name" },
                { { .name = CD_STR("cy"), .password = CD_STR("") }, CD_INVALID_REQUEST, "password" },
                { { .name = CD_STR("cy"), .password = CD_STR("p"), .display_name = CD_STR(" ") },
                  CD_INVALID_REQUEST,
                  "display_name" },
                { params_of(&none), CD_NOT_FOUND, "" },
                { { .name = CD_STR("cy"), .password = CD_STR("p"), .invite = CD_STR("x") }, CD_NOT_FOUND, "" },
        };
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_status(begin(f, samples[i].params, &enrolment), samples[i].status);
                assert_string_equal(f->err.field, samples[i].field);
        }
}

static void an_account_may_be_without_password_or_without_totp(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_register_params params = { .name = CD_STR("cy") };
        struct cd_enrolment enrolment;
        struct cd_registered done;
        struct cd_totp_factor factor;

        assert_status(begin(f, params, &enrolment), CD_OK);
        assert_status(finish(f, &enrolment, code_of(f, enrolment.secret, f->now), &done), CD_OK);
        assert_true(cd_password_is_none(factor_find(f, "cy").password));

        params = (struct cd_register_params){ .name = CD_STR("di"), .password = CD_STR("p"), .without_totp = true };
        assert_status(begin(f, params, &enrolment), CD_OK);
        assert_int_equal(enrolment.secret.len, 0);
        assert_status(finish(f, &enrolment, CD_STR(""), &done), CD_OK);
        assert_int_equal(done.code_count, 0);
        assert_status(f->store->totp->find(f->store, &f->arena, CD_STR("di"), &factor, &f->err), CD_NOT_FOUND);
}

static void a_ticket_of_one_kind_is_not_one_of_the_other(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo");
        struct cd_enrolment of_bo = enrol(f, &bo, 0), of_cy;
        const struct cd_register_params params = { .name = CD_STR("cy"), .password = CD_STR("p") };
        struct cd_registered done;

        assert_status(begin(f, params, &of_cy), CD_OK);
        assert_status(finish(f, &of_bo, code_of(f, of_bo.secret, f->now), &done), CD_INVALID_REQUEST);
        assert_status(confirm(f, &bo, of_cy.ticket, code_of(f, of_cy.secret, f->now)), CD_INVALID_REQUEST);
}

static void a_registration_that_is_shown_again_has_its_name_and_secret(void **state)
{
        struct factor_fixture *f = *state;
        const struct cd_registrar registrar = registrar_of(f);
        struct cd_user bo = add_user(f, "bo");
        struct cd_enrolment of_bo = enrol(f, &bo, 0), of_cy;
        struct cd_register_params params = { .name = CD_STR("Cy"), .password = CD_STR("p") };
        struct cd_register_ticket ticket;
        struct cd_totp_ticket other;

        assert_status(begin(f, params, &of_cy), CD_OK);
        assert_status(cd_register_look(&registrar, &f->arena, of_bo.ticket, &ticket, &f->err), CD_INVALID_REQUEST);
        assert_status(look(f, &bo, of_cy.ticket, &other), CD_INVALID_REQUEST);
        assert_status(cd_register_look(&registrar, &f->arena, of_cy.ticket, &ticket, &f->err), CD_OK);
        assert_str(ticket.name, "cy");
        assert_true(cd_str_eq(ticket.secret, of_cy.secret));
        assert_int_equal(ticket.factors, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
        f->now += CD_ENROLMENT_LIFETIME;
        assert_status(cd_register_look(&registrar, &f->arena, of_cy.ticket, &ticket, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.field, "ticket");

        params.password = (cd_str){ 0 };
        assert_status(begin(f, params, &of_cy), CD_OK);
        assert_status(cd_register_look(&registrar, &f->arena, of_cy.ticket, &ticket, &f->err), CD_OK);
        assert_int_equal(ticket.factors, CD_FACTOR_TOTP);
        params = (struct cd_register_params){ .name = CD_STR("cy"), .password = CD_STR("p"), .without_totp = true };
        assert_status(begin(f, params, &of_cy), CD_OK);
        assert_status(cd_register_look(&registrar, &f->arena, of_cy.ticket, &ticket, &f->err), CD_OK);
        assert_int_equal(ticket.factors, CD_FACTOR_PASSWORD);
        assert_int_equal(ticket.secret.len, 0);
}

static void lesson_31_without_clock_or_randomness_nobody_enrols(void **state)
{
        struct factor_fixture *f = *state;
        struct cd_user bo = add_user(f, "bo");
        struct cd_enrolment enrolment = enrol(f, &bo, 0), never;
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        const struct cd_code_attempt attempt = attempt_of(CD_STR(""));
        cd_str code = code_of(f, enrolment.secret, f->now);

        f->random_fails = true;
        assert_status(cd_totp_enrol(&f->factors, &f->arena, &bo, 0, &never, &f->err), CD_UNAVAILABLE);
        assert_status(confirm(f, &bo, enrolment.ticket, code), CD_UNAVAILABLE); /* the nonce of the seal */
        assert_status(cd_recovery_renew(&f->factors, &f->arena, &bo, &attempt, codes, &f->err), CD_UNAVAILABLE);
        f->random_fails = false;
        f->now = -1;
        assert_status(cd_totp_enrol(&f->factors, &f->arena, &bo, 0, &never, &f->err), CD_UNAVAILABLE);
        assert_status(confirm(f, &bo, enrolment.ticket, code), CD_UNAVAILABLE);
        f->now = FACTOR_NOON;
        assert_status(confirm(f, &bo, enrolment.ticket, code), CD_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FACTOR_TEST(a_factor_is_there_once_a_code_confirms_it),
                FACTOR_TEST(an_app_with_a_wrong_clock_is_told_when_it_enrols),
                FACTOR_TEST(to_replace_a_factor_takes_a_code_of_the_old_one),
                FACTOR_TEST(a_ticket_is_good_for_a_while_and_for_its_user),
                FACTOR_TEST(a_page_that_is_shown_again_has_the_same_secret),
                FACTOR_TEST(lesson_12_a_ticket_ends_with_the_change_of_its_user),
                FACTOR_TEST(new_recovery_codes_void_the_old),
                FACTOR_TEST(the_account_exists_once_the_first_code_is_confirmed),
                FACTOR_TEST(a_mailed_invitation_verifies_the_address_and_a_printed_one_does_not),
                FACTOR_TEST(two_who_begin_with_one_invitation_become_one_user),
                FACTOR_TEST(of_50_who_register_by_one_invitation_one_does),
                FACTOR_TEST(an_invitation_that_expires_meanwhile_is_no_more),
                FACTOR_TEST(where_registration_is_open_anybody_chooses_a_free_name),
                FACTOR_TEST(what_cannot_be_an_account_is_said_at_once),
                FACTOR_TEST(an_account_may_be_without_password_or_without_totp),
                FACTOR_TEST(a_ticket_of_one_kind_is_not_one_of_the_other),
                FACTOR_TEST(a_registration_that_is_shown_again_has_its_name_and_secret),
                FACTOR_TEST(lesson_31_without_clock_or_randomness_nobody_enrols),
        };

        return cmocka_run_group_tests_name("enrolment", tests, NULL, NULL);
}
