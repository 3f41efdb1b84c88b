#include <stdio.h>

#include "core/token_cache.h"
#include "support/check.h"

static struct cd_token_digest digest_of(const char *text)
{
        struct cd_token_digest digest;

        assert_status(cd_token_digest(cd_str_from_c(text), &digest), CD_OK);
        return digest;
}

static void it_has_what_was_added_and_nothing_else(void **state)
{
        struct cd_token_cache *cache = cd_token_cache_new(1024);
        struct cd_token_digest a = digest_of("a"), b = digest_of("b");

        (void)state;
        assert_false(cd_token_cache_has(cache, &a));
        cd_token_cache_add(cache, &a);
        cd_token_cache_add(cache, &a);
        assert_true(cd_token_cache_has(cache, &a));
        assert_false(cd_token_cache_has(cache, &b));
        cd_token_cache_free(cache);
}

static void lesson_22_when_full_the_oldest_goes(void **state)
{
        struct cd_token_cache *cache = cd_token_cache_new(4); /* one bucket */
        char name[8];

        (void)state;
        for (int i = 0; i < 5; i++) {
                snprintf(name, sizeof(name), "%d", i);
                struct cd_token_digest digest = digest_of(name);
                cd_token_cache_add(cache, &digest);
        }
        struct cd_token_digest first = digest_of("0"), second = digest_of("1"), last = digest_of("4");
        assert_false(cd_token_cache_has(cache, &first));
        assert_true(cd_token_cache_has(cache, &second));
        assert_true(cd_token_cache_has(cache, &last));
        cd_token_cache_free(cache);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_has_what_was_added_and_nothing_else),
                cmocka_unit_test(lesson_22_when_full_the_oldest_goes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
