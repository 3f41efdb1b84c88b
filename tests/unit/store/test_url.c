/* Which URLs name a store, and what of them may be shown. */
#include "store/store.h"
#include "support/check.h"

static void no_password_of_a_url_is_shown(void **state)
{
        static const struct {
                const char *url, *shown;
        } cases[] = {
                { "memory:", "memory:" },
                { "sqlite:/var/lib/cardea/c.db", "sqlite:/var/lib/cardea/c.db" },
                { "postgresql://ana@db:5433/cardea", "postgresql://ana@db:5433/cardea" },
                { "postgresql://ana:secret@db/cardea", "postgresql://ana:***@db/cardea" },
                { "postgres://ana:se@cr/et@db/cardea", "postgres://ana:***@db/cardea" },
                { "postgres://ana:se?cret@db/cardea", "postgres://ana:***@db/cardea" },
                { "postgresql:///cardea?host=/run&password=secret", "postgresql:///cardea?host=/run&password=***" },
                { "postgresql://db/x?sslpassword=secret&sslmode=require",
                  "postgresql://db/x?sslpassword=***&sslmode=require" },
                { "postgresql://db/x?%70assword=secret", "postgresql://db/x?%70assword=***" },
                { "mysql://ana:secret@db/x", "mysql://ana:***@db/x" },
        };
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 65536);
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                cd_str shown = cd_store_url_shown(&arena, cd_str_from_c(cases[i].url));
                assert_str(shown, cases[i].shown);
        }
        cd_arena_done(&arena);
}

static void what_names_no_store_is_refused_without_repeating_it(void **state)
{
        static const char *const urls[] = { "", "c.db", "mysql://ana:secret@db/x", "SQLITE:c.db", "sqlite:" };
        struct cd_error error;

        (void)state;
        for (size_t i = 0; i < CD_LEN(urls); i++) {
                const struct cd_store_options options = { .url = cd_str_from_c(urls[i]), .may_create = true };
                struct cd_store_opened opened;
                assert_status(cd_store_open(&options, &opened, &error), CD_INVALID_REQUEST);
                assert_string_equal(error.field, "store");
                assert_string_equal(error.reason,
                                    i == 4 ? "sqlite: needs a path"
                                           : "not a store: sqlite:PATH, postgresql://USER@HOST/DATABASE or memory:");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_password_of_a_url_is_shown),
                cmocka_unit_test(what_names_no_store_is_refused_without_repeating_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
