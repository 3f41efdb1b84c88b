/* Whether an issuer can issue at all: for that it needs a clock, a random source and a signer, and nothing else. */
#include "core/issuer.h"

#include "unit/core/parts.h"

struct parts {
        struct cd_issuer issuer;
        struct test_clock clock;
        struct test_random random;
        struct cd_signer signer;
};

static void set_up(struct parts *p)
{
        *p = (struct parts){ .clock = test_clock(), .random = test_random() };
        p->issuer = (struct cd_issuer){
                .alg = CD_ALG_ES256,
                .signers = { [CD_ALG_ES256] = &p->signer },
                .clock = &p->clock.port,
                .random = &p->random.port,
        };
}

static void an_issuer_with_clock_random_source_and_signer_is_ready(void **state)
{
        struct parts p;

        (void)state;
        set_up(&p);
        assert_status(cd_issuer_check(&p.issuer, NULL), CD_OK);
}

static void assert_not_ready(const struct parts *p, const char *reason)
{
        struct cd_error err = { 0 };

        assert_status(cd_issuer_check(&p->issuer, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, reason);
}

static void lesson_31_without_one_of_them_it_is_not(void **state)
{
        struct parts p;

        (void)state;
        set_up(&p);
        p.clock.now = -1;
        assert_not_ready(&p, "the clock failed");
        set_up(&p);
        p.random.fails = true;
        assert_not_ready(&p, "the random source failed");
        set_up(&p);
        p.issuer.alg = CD_ALG_RS256;
        assert_not_ready(&p, "there is no private key to sign with");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_issuer_with_clock_random_source_and_signer_is_ready),
                cmocka_unit_test(lesson_31_without_one_of_them_it_is_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
