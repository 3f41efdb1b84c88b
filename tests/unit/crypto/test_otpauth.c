#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/otpauth.h"

#define SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" /* base32 of "12345678901234567890" */

struct fixture {
        struct cd_arena arena;
        struct cd_error err;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        cd_arena_init(&f->arena, 1 << 20);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_str encode(struct fixture *f, cd_str bytes)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &f->arena, 4096);
        cd_base32_encode(&buf, bytes);
        assert_status(cd_buf_view(&buf, &text), CD_OK);
        return text;
}

/* RFC 4648 §10, without padding. */
static void base32_is_that_of_rfc_4648(void **state)
{
        static const char *const vectors[][3] = {
                { "", "", "" },
                { "f", "MY", "MY======" },
                { "fo", "MZXQ", "MZXQ====" },
                { "foo", "MZXW6", "MZXW6===" },
                { "foob", "MZXW6YQ", "MZXW6YQ=" },
                { "fooba", "MZXW6YTB", "mzxw6ytb" },
                { "foobar", "MZXW6YTBOI", "mzxw 6ytb-oi====== " },
        };
        struct fixture *f = *state;
        cd_str bytes;

        for (size_t i = 0; i < CD_LEN(vectors); i++) {
                assert_str(encode(f, cd_str_from_c(vectors[i][0])), vectors[i][1]);
                for (int form = 1; form <= 2; form++) {
                        assert_status(cd_base32_decode(&f->arena, cd_str_from_c(vectors[i][form]), &bytes), CD_OK);
                        assert_str(bytes, vectors[i][0]);
                }
        }
}

static void what_is_no_base32_is_refused(void **state)
{
        static const char *const samples[] = {
                "M", "MZX", "MZXW6Y", "MZ", "MZXW1YQ", "MZXW8YQ", "MZ=Q", "MZXQ\n", "ÄÖ"
        };
        struct fixture *f = *state;
        cd_str bytes;

        for (size_t i = 0; i < CD_LEN(samples); i++)
                if (cd_base32_decode(&f->arena, cd_str_from_c(samples[i]), &bytes) != CD_MALFORMED)
                        fail_msg("%s was decoded", samples[i]);
}

static void uris_of_other_programs_are_read(void **state)
{
        static const struct {
                const char *uri, *issuer, *account;
        } samples[] = {
                { "otpauth://totp/ana?secret=" SECRET, "", "ana" },
                { "otpauth://totp/Example:ana@example.com?secret=" SECRET "&issuer=Example", "Example",
                  "ana@example.com" }, /* pyotp, Google */
                { "otpauth://totp/Big%20Corp%3A%20ana%40example.com?secret=" SECRET "&issuer=Big%20Corp&digits=6",
                  "Big Corp", "ana@example.com" },
                { "otpauth://totp/Authelia:ana?algorithm=SHA1&digits=6&issuer=Authelia&period=30&secret=" SECRET,
                  "Authelia", "ana" },
                { "OTPAUTH://TOTP/ana?SECRET=gezdgnbvgy3tqojqgezdgnbvgy3tqojq&image=https%3A%2F%2Fx&Digits=6", "",
                  "ana" },
                { "otpauth://totp/?secret=" SECRET, "", "" },
                { "otpauth://totp/A:ana?secret=" SECRET "&issuer=B#fragment", "B", "ana" },
        };
        struct fixture *f = *state;
        struct cd_otpauth found;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_status(cd_otpauth_parse(&f->arena, cd_str_from_c(samples[i].uri), &found, &f->err), CD_OK);
                assert_str(found.issuer, samples[i].issuer);
                assert_str(found.account, samples[i].account);
                assert_str(found.secret, "12345678901234567890");
        }
}

static void what_is_not_supported_is_named(void **state)
{
        static const struct {
                const char *uri, *field, *reason;
        } samples[] = {
                { "", "", "is not an otpauth URI: it does not begin with otpauth://" },
                { "https://totp/ana?secret=" SECRET, "", "is not an otpauth URI: it does not begin with otpauth://" },
                { "otpauth://hotp/ana?counter=1&secret=" SECRET, "type",
                  "is not supported: only time-based codes (otpauth://totp/) are" },
                { "otpauth://totp", "secret", "is missing from the otpauth URI" },
                { "otpauth://totp/ana", "secret", "is missing from the otpauth URI" },
                { "otpauth://totp/ana?issuer=x", "secret", "is missing from the otpauth URI" },
                { "otpauth://totp/ana?secret=", "secret",
                  "has 0 bytes; secrets have 10 to 128 (16 to 205 characters)" },
                { "otpauth://totp/ana?secret=GEZDGNBVGY3TQOI", "secret",
                  "has 9 bytes; secrets have 10 to 128 (16 to 205 characters)" },
                { "otpauth://totp/ana?secret=GEZDGNBVGY3TQOJ1", "secret", "is not base32 (A to Z and 2 to 7)" },
                { "otpauth://totp/ana?secret=" SECRET "&secret=" SECRET, "secret", "is given twice" },
                { "otpauth://totp/ana?secret=" SECRET "&algorithm=SHA256", "algorithm",
                  "is not supported: only SHA1 is" },
                { "otpauth://totp/ana?secret=" SECRET "&digits=8", "digits", "is not supported: only 6 is" },
                { "otpauth://totp/ana?secret=" SECRET "&period=60", "period", "is not supported: only 30 (s) is" },
                { "otpauth://totp/ana?secret=" SECRET "&issuer=%zz", "issuer",
                  "is not percent-encoded UTF-8 without control characters" },
                { "otpauth://totp/a%00na?secret=" SECRET, "label",
                  "is not percent-encoded UTF-8 without control characters" },
                { "otpauth://totp/%ff?secret=" SECRET, "label",
                  "is not percent-encoded UTF-8 without control characters" },
        };
        struct fixture *f = *state;
        struct cd_otpauth found;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                assert_status(cd_otpauth_parse(&f->arena, cd_str_from_c(samples[i].uri), &found, &f->err),
                              CD_INVALID_REQUEST);
                assert_string_equal(f->err.field, samples[i].field);
                assert_string_equal(f->err.reason, samples[i].reason);
                assert_null(strstr(f->err.reason, "GEZD"));
        }
}

static void the_bounds_of_a_uri_hold(void **state)
{
        struct fixture *f = *state;
        struct cd_otpauth found;
        static char uri[CD_OTPAUTH_MAX + 1];
        size_t length = (size_t)snprintf(uri, sizeof(uri), "otpauth://totp/ana?secret=" SECRET "&x=");

        memset(uri + length, 'x', sizeof(uri) - length);
        assert_status(cd_otpauth_parse(&f->arena, cd_str_of(uri, CD_OTPAUTH_MAX), &found, &f->err), CD_OK);
        assert_status(cd_otpauth_parse(&f->arena, cd_str_of(uri, CD_OTPAUTH_MAX + 1), &found, &f->err),
                      CD_INVALID_REQUEST);
        memset(uri + length, '&', sizeof(uri) - length);
        assert_status(cd_otpauth_parse(&f->arena, cd_str_of(uri, length + 30), &found, &f->err), CD_OK);
        assert_status(cd_otpauth_parse(&f->arena, cd_str_of(uri, length + 31), &found, &f->err), CD_INVALID_REQUEST);
        assert_string_equal(f->err.reason, "the otpauth URI has too many parameters");
}

static void lesson_31_without_memory_nothing_is_read(void **state)
{
        struct fixture *f = *state;
        struct cd_arena none;
        struct cd_otpauth found;

        cd_arena_init(&none, 0);
        assert_status(cd_otpauth_parse(&none, CD_STR("otpauth://totp/ana?secret=" SECRET), &found, &f->err),
                      CD_NO_MEMORY);
        assert_status(cd_otpauth_parse(&none, CD_STR("otpauth://totp/a%41?secret=" SECRET), &found, &f->err),
                      CD_NO_MEMORY);
        cd_arena_done(&none);
}

static void a_uri_that_is_written_is_read_back(void **state)
{
        struct fixture *f = *state;
        const struct cd_otpauth given = { CD_STR("Größe & Co: ?"), CD_STR("ana+x@example.com"),
                                          CD_STR("12345678901234567890") };
        struct cd_otpauth plain = { .account = CD_STR("ana"), .secret = given.secret }, found;
        struct cd_buf buf;
        cd_str uri;

        cd_buf_init(&buf, &f->arena, 4096);
        cd_otpauth_write(&buf, &plain);
        assert_status(cd_buf_view(&buf, &uri), CD_OK);
        assert_str(uri, "otpauth://totp/ana?secret=" SECRET "&algorithm=SHA1&digits=6&period=30");
        cd_buf_init(&buf, &f->arena, 4096);
        cd_otpauth_write(&buf, &given);
        assert_status(cd_buf_view(&buf, &uri), CD_OK);
        assert_status(cd_otpauth_parse(&f->arena, uri, &found, &f->err), CD_OK);
        assert_true(cd_str_eq(found.issuer, given.issuer));
        assert_true(cd_str_eq(found.account, given.account));
        assert_true(cd_str_eq(found.secret, given.secret));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(base32_is_that_of_rfc_4648),         TEST(what_is_no_base32_is_refused),
                TEST(uris_of_other_programs_are_read),    TEST(what_is_not_supported_is_named),
                TEST(the_bounds_of_a_uri_hold),           TEST(lesson_31_without_memory_nothing_is_read),
                TEST(a_uri_that_is_written_is_read_back),
        };

        return cmocka_run_group_tests_name("otpauth", tests, NULL, NULL);
}
