/* When the keys are fetched, and what holds when they cannot be. */
#include "fixture.h"

#include <sched.h>

static void keys_are_fetched_at_the_first_token_and_then_kept(void **state)
{
        struct fixture *f = *state;

        start(f);
        assert_int_equal(fake_source.reads, 0);
        assert_int_equal(cardea_has_keys(f->verifier), 0);
        for (int i = 0; i < 10; i++)
                assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        assert_int_equal(fake_source.reads, 1);
        assert_int_equal(cardea_has_keys(f->verifier), 1);
}

static void an_unknown_kid_fetches_but_not_more_often_than_the_gap(void **state)
{
        struct fixture *f = *state;

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        for (int i = 0; i < 10; i++)
                assert_refused(verify(f, token_of(f, f->next)), CARDEA_INVALID_TOKEN, "no key has that kid");
        assert_int_equal(fake_source.reads, 1);
        pass_ms(GAP_MS);
        fake_source.text = f->jwks_next.ptr;
        assert_code(verify(f, token_of(f, f->next)), CARDEA_OK);
        assert_int_equal(fake_source.reads, 2);
        for (int i = 0; i < 10; i++) /* the previous keys are gone */
                assert_refused(verify(f, token_of(f, f->es256)), CARDEA_INVALID_TOKEN, "no key has that kid");
        assert_int_equal(fake_source.reads, 2);
}

static void only_a_token_that_could_be_good_is_worth_a_fetch(void **state)
{
        struct fixture *f = *state;
        cd_str payload = CD_STR("{\"iss\":\"https://evil.example\"}");

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        pass_ms(GAP_MS);
        assert_refused(verify(f, forge(f, f->next, header_of(f, f->next, "at+jwt"), payload)), CARDEA_INVALID_TOKEN,
                       "no key has that kid");
        fake_now = 1300; /* expired */
        assert_code(verify(f, token_of(f, f->next)), CARDEA_INVALID_TOKEN);
        assert_int_equal(fake_source.reads, 1);
}

static void keys_that_are_old_are_fetched_in_the_background(void **state)
{
        struct fixture *f = *state;
        atomic_int hold = 1;

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        pass_ms(AFTER_MS - 1);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        wait_for_background(f);
        assert_int_equal(fake_source.reads, 1);
        fake_source.hold = &hold; /* and somebody who finds them old does not wait for it */
        fake_source.text = f->jwks_next.ptr;
        pass_ms(1);
        for (int i = 0; i < 10; i++)
                assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        assert_code(verify_cached(f, token_of(f, f->es256)), CARDEA_OK);
        atomic_store(&hold, 0);
        wait_for_background(f);
        assert_int_equal(fake_source.reads, 2);
        assert_code(verify_cached(f, token_of(f, f->next)), CARDEA_OK);
}

static void it_goes_on_with_the_last_good_keys(void **state)
{
        static const char *const answers[] = {
                NULL,
                "",
                "<html>",
                "{}",
                "{\"keys\":[]}",
                "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
                "{\"keys\":[{\"kty\":\"EC\"}]}",
                "{\"keys\":[{\"kty\":\"new\"}]}",
                "{\"keys\":1}",
        };
        struct fixture *f = *state;

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        for (size_t i = 0; i < CD_LEN(answers); i++) {
                fake_source.text = answers[i];
                pass_ms(AFTER_MS);
                assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
                wait_for_background(f);
                assert_int_equal(fake_source.reads, 2 + i);
                assert_code(cardea_refresh(f->verifier, &f->err), CARDEA_UNAVAILABLE);
                assert_code(verify_cached(f, token_of(f, f->rs256)), CARDEA_OK);
        }
        fake_source.text = f->jwks_next.ptr; /* and comes back by itself */
        pass_ms(GAP_MS);
        assert_code(verify(f, token_of(f, f->next)), CARDEA_OK);
}

static void an_attempt_that_failed_is_not_repeated_before_the_gap(void **state)
{
        struct fixture *f = *state;

        start(f);
        fake_source.text = NULL;
        for (int i = 0; i < 5; i++)
                assert_refused(verify(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE, "no keys: the server is down");
        assert_int_equal(fake_source.reads, 1);
        assert_refused(cardea_refresh(f->verifier, &f->err), CARDEA_UNAVAILABLE, "the server is down");
        assert_int_equal(fake_source.reads, 1);
        pass_ms(GAP_MS);
        fake_source.failure = CD_TIMEOUT;
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE);
        assert_int_equal(fake_source.reads, 2);
        fake_source.text = f->jwks.ptr;
        pass_ms(GAP_MS - 1);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE);
        pass_ms(1);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
}

static void whatever_is_wrong_with_the_server_is_no_fault_of_the_token(void **state)
{
        static const cd_status failures[] = { CD_TOO_LARGE, CD_TIMEOUT, CD_MALFORMED, CD_INVALID_REQUEST, CD_INTERNAL };
        struct fixture *f = *state;

        start(f);
        fake_source.text = NULL;
        for (size_t i = 0; i < CD_LEN(failures); i++) {
                fake_source.failure = failures[i];
                assert_refused(cardea_refresh(f->verifier, &f->err), CARDEA_UNAVAILABLE, "the server is down");
                assert_code(verify(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE);
                pass_ms(GAP_MS);
        }
        fake_source.failure = CD_NO_MEMORY;
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_NO_MEMORY);
}

static void an_unknown_kid_is_refused_also_while_the_server_is_down(void **state)
{
        static const char reason[] = "no key has that kid, and the keys could not be fetched again: the server is down";
        struct fixture *f = *state;

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        fake_source.text = NULL;
        pass_ms(GAP_MS);
        assert_refused(verify(f, token_of(f, f->next)), CARDEA_INVALID_TOKEN, reason);
        assert_refused(verify(f, token_of(f, f->next)), CARDEA_INVALID_TOKEN, reason);
        assert_int_equal(fake_source.reads, 2);
}

static void what_may_not_wait_says_when_it_would_have_to(void **state)
{
        struct fixture *f = *state;

        start(f);
        assert_refused(verify_cached(f, token_of(f, f->es256)), CARDEA_WOULD_BLOCK, "the keys must be fetched first");
        assert_int_equal(fake_source.reads, 0);
        fake_source.text = NULL;
        assert_code(cardea_refresh(f->verifier, NULL), CARDEA_UNAVAILABLE);
        /* It would not wait, since nothing may be fetched before the gap is over. */
        assert_refused(verify_cached(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE, "there are no keys yet");
        fake_source.text = f->jwks.ptr;
        pass_ms(GAP_MS);
        assert_code(cardea_refresh(f->verifier, NULL), CARDEA_OK);
        assert_code(verify_cached(f, token_of(f, f->es256)), CARDEA_OK);
        assert_refused(verify_cached(f, token_of(f, f->next)), CARDEA_INVALID_TOKEN, "no key has that kid");
        pass_ms(GAP_MS);
        assert_code(verify_cached(f, token_of(f, f->next)), CARDEA_WOULD_BLOCK);
        assert_code(verify_cached(f, token_with(f, "exp", "1")), CARDEA_INVALID_TOKEN);
}

static void the_same_text_leaves_the_keys_as_they_are(void **state)
{
        struct fixture *f = *state;

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        const struct cd_keyset *set = atomic_load(&f->verifier->keyring.current);
        pass_ms(GAP_MS);
        assert_code(cardea_refresh(f->verifier, NULL), CARDEA_OK);
        assert_int_equal(fake_source.reads, 2);
        assert_int_equal(fake_source.keeps, 2);
        assert_ptr_equal(atomic_load(&f->verifier->keyring.current), set);
}

/* A good key with something beside it. */
static const char *set_with(struct fixture *f, const char *odd)
{
        return cd_arena_printf(&f->arena, "{\"keys\":[%s,%.*s", odd, (int)f->jwks_next.len - 9, f->jwks_next.ptr + 9)
                .ptr;
}

static void lesson_36_an_odd_entry_hides_no_rotation(void **state)
{
        static const char *const odd[] = { "7", "{\"kty\":7}", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "{}" };
        struct fixture *f = *state;

        start(f);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        for (size_t i = 0; i < CD_LEN(odd); i++) {
                fake_source.text = set_with(f, odd[i]);
                pass_ms(GAP_MS);
                assert_code(cardea_refresh(f->verifier, &f->err), CARDEA_OK);
                assert_code(verify_cached(f, token_of(f, f->next)), CARDEA_OK);
        }
        fake_source.text = "{\"keys\":[{\"kty\":7}]}";
        pass_ms(GAP_MS);
        assert_refused(
                cardea_refresh(f->verifier, &f->err), CARDEA_UNAVAILABLE,
                "the key set cannot be used: the set has no usable key; the first entry: kty is missing or not a "
                "string");
        assert_code(verify_cached(f, token_of(f, f->next)), CARDEA_OK);
}

/* An entry may have been skipped because libcrypto had no memory. */
static void a_set_with_a_skipped_entry_is_judged_anew_each_time(void **state)
{
        struct fixture *f = *state;

        fake_source.text = set_with(f, "{\"kty\":\"new\"}");
        start(f);
        assert_code(verify(f, token_of(f, f->next)), CARDEA_OK);
        const struct cd_keyset *set = atomic_load(&f->verifier->keyring.current);
        struct cd_keyring_loan loan; /* so that the next set has another address */
        assert_true(cd_keyring_borrow(&f->verifier->keyring, &loan));
        pass_ms(GAP_MS);
        assert_code(cardea_refresh(f->verifier, NULL), CARDEA_OK);
        assert_ptr_not_equal(atomic_load(&f->verifier->keyring.current), set);
        cd_keyring_give_back(&f->verifier->keyring, &loan);
        assert_int_equal(fake_source.keeps, 0); /* and a file is read again */
}

static void eager_fetches_before_the_first_token(void **state)
{
        struct fixture *f = *state;

        f->options.flags = CARDEA_EAGER;
        start(f);
        wait_for_background(f);
        assert_int_equal(fake_source.reads, 1);
        assert_code(verify_cached(f, token_of(f, f->es256)), CARDEA_OK);
}

static void a_verifier_is_freed_while_it_fetches(void **state)
{
        struct fixture *f = *state;

        f->options.flags = CARDEA_EAGER;
        for (int i = 0; i < 20; i++) {
                start(f);
                cardea_verifier_free(f->verifier);
                f->verifier = NULL;
        }
        assert_int_equal(fake_source.reads, 20);
}

enum {
        CALLERS = 16,
};

struct caller {
        struct fixture *f;
        cd_str token;
        atomic_int *started;
        pthread_t thread;
        cardea_code code;
};

static void *call(void *argument)
{
        struct caller *caller = argument;
        cardea_claims *claims = NULL;

        atomic_fetch_add(caller->started, 1);
        caller->code = cardea_verify(caller->f->verifier, caller->token.ptr, caller->token.len, &claims, NULL);
        cardea_claims_free(claims);
        return NULL;
}

static void callers_at_the_same_time_share_one_fetch(void **state)
{
        struct fixture *f = *state;
        struct caller callers[CALLERS];
        atomic_int hold = 1, started = 0;

        start(f);
        fake_source.hold = &hold;
        for (size_t i = 0; i < CALLERS; i++) {
                callers[i] = (struct caller){ .f = f, .token = token_of(f, f->es256), .started = &started };
                assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
        }
        while (atomic_load(&started) < CALLERS || atomic_load(&fake_source.reads) < 1)
                sched_yield();
        atomic_store(&hold, 0);
        for (size_t i = 0; i < CALLERS; i++) {
                pthread_join(callers[i].thread, NULL);
                assert_code(callers[i].code, CARDEA_OK);
        }
        assert_int_equal(fake_source.reads, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(keys_are_fetched_at_the_first_token_and_then_kept),
                TEST(an_unknown_kid_fetches_but_not_more_often_than_the_gap),
                TEST(only_a_token_that_could_be_good_is_worth_a_fetch),
                TEST(keys_that_are_old_are_fetched_in_the_background),
                TEST(it_goes_on_with_the_last_good_keys),
                TEST(an_attempt_that_failed_is_not_repeated_before_the_gap),
                TEST(whatever_is_wrong_with_the_server_is_no_fault_of_the_token),
                TEST(an_unknown_kid_is_refused_also_while_the_server_is_down),
                TEST(what_may_not_wait_says_when_it_would_have_to),
                TEST(the_same_text_leaves_the_keys_as_they_are),
                TEST(lesson_36_an_odd_entry_hides_no_rotation),
                TEST(a_set_with_a_skipped_entry_is_judged_anew_each_time),
                TEST(eager_fetches_before_the_first_token),
                TEST(a_verifier_is_freed_while_it_fetches),
                TEST(callers_at_the_same_time_share_one_fetch),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
