#include "support/check.h"

#include "http/origin.h"

/* The origin of a request with these headers; NULL: without it. */
static enum cd_http_origin origin_of(const char *origin, const char *site)
{
        struct cd_http_header headers[2];
        struct cd_http_request req = { .headers = headers };

        if (origin)
                headers[req.header_count++] = (struct cd_http_header){ CD_STR("Origin"), cd_str_from_c(origin) };
        if (site)
                headers[req.header_count++] = (struct cd_http_header){ CD_STR("Sec-Fetch-Site"), cd_str_from_c(site) };
        return cd_http_origin_of(&req, CD_STR("https://auth.example.com"));
}

static void the_own_origin_is_compared_byte_for_byte(void **state)
{
        (void)state;
        assert_int_equal(origin_of("https://auth.example.com", NULL), CD_HTTP_ORIGIN_OWN);
        for (const char *const *bad =
                     (const char *const[]){ "null", "", "http://auth.example.com", "https://example.com",
                                            "https://auth.example.com:443", "https://auth.example.com/",
                                            "https://auth.example.com.evil.com", "https://AUTH.example.com",
                                            " https://auth.example.com", NULL };
             *bad; bad++)
                assert_int_equal(origin_of(*bad, NULL), CD_HTTP_ORIGIN_FOREIGN);
}

static void origin_counts_before_fetch_metadata(void **state)
{
        (void)state;
        assert_int_equal(origin_of("https://auth.example.com", "cross-site"), CD_HTTP_ORIGIN_OWN);
        assert_int_equal(origin_of("https://evil.example.com", "same-origin"), CD_HTTP_ORIGIN_FOREIGN);
}

static void without_origin_fetch_metadata_counts(void **state)
{
        (void)state;
        assert_int_equal(origin_of(NULL, "same-origin"), CD_HTTP_ORIGIN_OWN);
        assert_int_equal(origin_of(NULL, "same-site"), CD_HTTP_ORIGIN_FOREIGN);
        assert_int_equal(origin_of(NULL, "cross-site"), CD_HTTP_ORIGIN_FOREIGN);
        assert_int_equal(origin_of(NULL, "new-word"), CD_HTTP_ORIGIN_FOREIGN);
        assert_int_equal(origin_of(NULL, "none"), CD_HTTP_ORIGIN_UNSAID);
        assert_int_equal(origin_of(NULL, NULL), CD_HTTP_ORIGIN_UNSAID);
}

static void a_header_that_comes_twice_is_foreign(void **state)
{
        const struct cd_http_header origins[] = { { CD_STR_INIT("Origin"), CD_STR_INIT("https://auth.example.com") },
                                                  { CD_STR_INIT("origin"), CD_STR_INIT("https://auth.example.com") } };
        const struct cd_http_header sites[] = { { CD_STR_INIT("Sec-Fetch-Site"), CD_STR_INIT("same-origin") },
                                                { CD_STR_INIT("sec-fetch-site"), CD_STR_INIT("same-origin") } };

        (void)state;
        assert_int_equal(cd_http_origin_of(&(struct cd_http_request){ .headers = origins, .header_count = 2 },
                                           CD_STR("https://auth.example.com")),
                         CD_HTTP_ORIGIN_FOREIGN);
        assert_int_equal(cd_http_origin_of(&(struct cd_http_request){ .headers = sites, .header_count = 2 },
                                           CD_STR("https://auth.example.com")),
                         CD_HTTP_ORIGIN_FOREIGN);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_own_origin_is_compared_byte_for_byte),
                cmocka_unit_test(origin_counts_before_fetch_metadata),
                cmocka_unit_test(without_origin_fetch_metadata_counts),
                cmocka_unit_test(a_header_that_comes_twice_is_foreign),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
