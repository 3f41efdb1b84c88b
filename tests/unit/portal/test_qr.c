#include "support/check.h"

#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>

#include "portal/qr.h"

enum {
        SIDE = 200
};

struct fixture {
        struct cd_arena arena;
        char dark[SIDE][SIDE];
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

/* Paints the path; no two strokes may overlap. */
static void paint(struct fixture *f, const struct cd_page_qr *qr)
{
        cd_str copy = cd_arena_copy(&f->arena, qr->path);
        int x, y, length, read;

        assert_non_null(copy.ptr);
        for (const char *at = copy.ptr; *at; at += read) {
                assert_int_equal(sscanf(at, "M%d %dh%d%n", &x, &y, &length, &read), 3);
                assert_true(length > 0 && x >= 4 && y >= 4 && x + length <= qr->width - 4 && y < qr->width - 4);
                for (int i = 0; i < length; i++) {
                        assert_false(f->dark[y][x + i]);
                        f->dark[y][x + i] = 1;
                }
        }
}

/* ISO/IEC 18004 §6.3.3: a dark ring of 7 modules, a light one of 5, a dark square of 3. */
static void assert_finder(const struct fixture *f, int64_t left, int64_t top)
{
        for (int y = 0; y < 7; y++)
                for (int x = 0; x < 7; x++) {
                        int from_middle = abs(x - 3) > abs(y - 3) ? abs(x - 3) : abs(y - 3);
                        assert_int_equal(f->dark[top + y][left + x], from_middle != 2);
                }
}

static void the_path_draws_a_qr_code(void **state)
{
        struct fixture *f = *state;
        cd_str uri = CD_STR("otpauth://totp/Example:ana?secret=JBSWY3DPEHPK3PXP");
        QRcode *code = QRcode_encodeData((int)uri.len, (const unsigned char *)uri.ptr, 0, QR_ECLEVEL_M);
        struct cd_page_qr qr;

        assert_non_null(code);
        assert_status(cd_page_qr_make(&f->arena, uri, &qr), CD_OK);
        assert_int_equal(qr.width, code->width + 8);
        assert_int_equal((qr.width - 8 - 17) % 4, 0); /* 17 modules, and 4 for each version */
        paint(f, &qr);
        assert_finder(f, 4, 4);
        assert_finder(f, qr.width - 11, 4);
        assert_finder(f, 4, qr.width - 11);
        assert_int_equal(f->dark[qr.width - 12][12], 1); /* the module that is always dark */
        for (int x = 12; x < qr.width - 12; x++)         /* the timing pattern */
                assert_int_equal(f->dark[10][x], x % 2 == 0);
        for (int i = 0; i < code->width * code->width; i++)
                assert_int_equal(f->dark[4 + i / code->width][4 + i % code->width], code->data[i] & 1);
        QRcode_free(code);
}

static void a_text_that_fits_no_code_is_too_large(void **state)
{
        struct fixture *f = *state;
        struct cd_page_qr qr = { .width = -1 };
        char text[5000];

        memset(text, 'a', sizeof(text));
        assert_status(cd_page_qr_make(&f->arena, cd_str_of(text, 2331), &qr), CD_OK); /* version 40-M, bytes */
        assert_int_equal(qr.width, 177 + 8);
        qr.width = -1;
        assert_status(cd_page_qr_make(&f->arena, cd_str_of(text, 2332), &qr), CD_TOO_LARGE);
        assert_status(cd_page_qr_make(&f->arena, cd_str_of(text, 5000), &qr), CD_TOO_LARGE);
        assert_status(cd_page_qr_make(&f->arena, CD_STR(""), &qr), CD_TOO_LARGE);
        assert_int_equal(qr.width, -1);
}

static void an_arena_that_is_full_is_reported(void **state)
{
        struct fixture *f = *state;
        struct cd_page_qr qr;

        cd_arena_done(&f->arena);
        cd_arena_init(&f->arena, 64);
        assert_status(cd_page_qr_make(&f->arena, CD_STR("otpauth://totp/x"), &qr), CD_NO_MEMORY);
        assert_null(cd_page_group_by_four(&f->arena, cd_str_of("a", 1000)).ptr);
}

static void a_secret_is_shown_in_groups_of_four(void **state)
{
        struct fixture *f = *state;

        assert_str(cd_page_group_by_four(&f->arena, CD_STR("")), "");
        assert_str(cd_page_group_by_four(&f->arena, CD_STR("ABC")), "ABC");
        assert_str(cd_page_group_by_four(&f->arena, CD_STR("ABCD")), "ABCD");
        assert_str(cd_page_group_by_four(&f->arena, CD_STR("ABCDE")), "ABCD E");
        assert_str(cd_page_group_by_four(&f->arena, CD_STR("JBSWY3DPEHPK3PXP")), "JBSW Y3DP EHPK 3PXP");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_path_draws_a_qr_code, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_text_that_fits_no_code_is_too_large, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_arena_that_is_full_is_reported, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_secret_is_shown_in_groups_of_four, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("portal/qr", tests, NULL, NULL);
}
