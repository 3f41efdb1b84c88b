/* Many verify while the keys rotate. Run under -Db_sanitize=thread it shows races. */
#include "fixture.h"

enum {
        THREADS = 8,
        ROTATIONS = 60,
};

struct shared {
        struct fixture *f;
        cd_str first, second; /* a token of each set */
        atomic_bool is_over;
        atomic_int passed, faults;
};

/* Each token passes with one set and is of an unknown key with the other; nothing else may come out. */
static void judge(struct shared *shared, cd_str token, bool may_wait)
{
        cardea_verifier *verifier = shared->f->verifier;
        cardea_claims *claims = NULL;
        cardea_error err;

        cardea_code code = may_wait ? cardea_verify(verifier, token.ptr, token.len, &claims, &err)
                                    : cardea_verify_cached(verifier, token.ptr, token.len, &claims, &err);
        if (code == CARDEA_OK) {
                atomic_fetch_add(&shared->passed, 1);
                if (strcmp(cardea_claims_subject(claims), "ana") != 0)
                        atomic_fetch_add(&shared->faults, 1);
                cardea_claims_free(claims);
        } else if (code != CARDEA_WOULD_BLOCK &&
                   !(code == CARDEA_INVALID_TOKEN && strcmp(err.reason, "no key has that kid") == 0)) {
                atomic_fetch_add(&shared->faults, 1);
        }
}

static void *work(void *argument)
{
        struct shared *shared = argument;

        while (!atomic_load(&shared->is_over)) {
                judge(shared, shared->first, true);
                judge(shared, shared->second, false);
        }
        return NULL;
}

static void publish(struct fixture *f, struct cd_jwk *key)
{
        struct cd_jwks keys = { 0 };

        assert_int_equal(cd_jwks_add(&keys, key, NULL), CD_OK);
        assert_int_equal(cd_keyring_publish(&f->verifier->keyring, &keys), CD_OK);
}

static void keys_rotate_under_many_threads(void **state)
{
        struct fixture *f = *state;
        struct shared shared = { .f = f, .first = token_of(f, f->eddsa), .second = token_of(f, f->next) };
        pthread_t threads[THREADS];

        start(f);
        publish(f, f->eddsa);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, work, &shared), 0);
        for (int i = 0; i < ROTATIONS; i++) {
                publish(f, i % 2 ? f->eddsa : f->next);
                int before = atomic_load(&shared.passed);
                while (atomic_load(&shared.passed) < before + 2)
                        pass_ms(AFTER_MS / 100); /* so that refreshes run in between, too */
        }
        atomic_store(&shared.is_over, true);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&shared.faults), 0);
        wait_for_background(f);
        publish(f, f->eddsa);
        assert_int_equal(cd_keyring_count_replaced(&f->verifier->keyring), 0);
}

static void a_set_that_is_borrowed_is_not_freed(void **state)
{
        struct fixture *f = *state;
        struct cd_keyring_loan loans[CD_KEYRING_GUARDS + 3]; /* more than there are guards */

        start(f);
        struct cd_keyring *ring = &f->verifier->keyring;
        assert_false(cd_keyring_borrow(ring, &loans[0]));
        publish(f, f->es256);
        for (size_t i = 0; i < CD_LEN(loans); i++)
                assert_true(cd_keyring_borrow(ring, &loans[i]));
        assert_int_equal(loans[CD_KEYRING_GUARDS].guard, CD_KEYRING_GUARDS);
        for (size_t i = 0; i < CD_LEN(loans); i++) {
                publish(f, f->next);
                assert_int_equal(cd_keyring_count_replaced(ring), 1); /* the first alone is still used */
                assert_true(cd_str_eq(cd_jwk_kid(loans[i].set->keys.keys[0]), cd_jwk_kid(f->es256)));
                cd_keyring_give_back(ring, &loans[i]);
        }
        publish(f, f->next);
        assert_int_equal(cd_keyring_count_replaced(ring), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(keys_rotate_under_many_threads),
                TEST(a_set_that_is_borrowed_is_not_freed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
