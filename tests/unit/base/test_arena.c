#include "support/check.h"

#include <string.h>

#include "base/arena.h"

static void nothing_is_taken_before_the_first_allocation(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        assert_int_equal(arena.used, 0);
        cd_arena_reset(&arena);
        cd_arena_done(&arena);
}

static void every_allocation_is_aligned(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 20);
        for (size_t size = 0; size < 200; size++) {
                void *memory = cd_arena_alloc(&arena, size);
                assert_non_null(memory);
                assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
                memset(memory, 0xaa, size);
        }
        cd_arena_done(&arena);
}

static void the_ceiling_is_never_passed(void **state)
{
        struct cd_arena arena;
        size_t taken = 0;

        (void)state;
        cd_arena_init(&arena, 10000);
        while (cd_arena_alloc(&arena, 48))
                taken += 48;
        assert_in_range(taken, 9000, 10000);
        assert_true(arena.used <= 10000);
        assert_null(cd_arena_alloc(&arena, 5000));
        cd_arena_done(&arena);
        assert_int_equal(arena.used, 0);

        cd_arena_init(&arena, 64);
        assert_null(cd_arena_alloc(&arena, 65));
        assert_non_null(cd_arena_alloc(&arena, 64));
        assert_null(cd_arena_alloc(&arena, 1));
        cd_arena_done(&arena);
}

static void sizes_that_overflow_are_refused(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, SIZE_MAX);
        assert_null(cd_arena_alloc(&arena, SIZE_MAX));
        assert_null(cd_arena_alloc(&arena, SIZE_MAX - 15));
        assert_null(cd_arena_calloc(&arena, SIZE_MAX / 2, 3));
        cd_arena_done(&arena);
}

static void reset_wipes_and_keeps_one_chunk(void **state)
{
        static const char zeros[64];
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 20);
        char *first = cd_arena_alloc(&arena, 64);
        memset(first, 's', 64);
        memset(cd_arena_alloc(&arena, 100000), 's', 100000);
        cd_arena_reset(&arena);
        assert_int_equal(arena.used, 4096);

        char *again = cd_arena_alloc(&arena, 64);
        assert_ptr_equal(again, first);
        assert_memory_equal(again, zeros, 64);
        cd_arena_done(&arena);
}

static void the_arena_serves_again_after_reset_and_done(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        for (int round = 0; round < 50; round++) {
                for (int i = 0; i < 20; i++)
                        assert_non_null(cd_arena_alloc(&arena, 1500));
                round % 2 ? cd_arena_done(&arena) : cd_arena_reset(&arena);
        }
        cd_arena_done(&arena);
}

static void calloc_zeroes(void **state)
{
        static const char zeros[300];
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        assert_memory_equal(cd_arena_calloc(&arena, 100, 3), zeros, 300);
        cd_arena_done(&arena);
}

static void copies_end_with_nul_and_formats_measure_first(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 64);
        cd_str copy = cd_arena_copy(&arena, CD_STR("abc"));
        assert_str(copy, "abc");
        assert_int_equal(copy.ptr[3], '\0');
        assert_non_null(cd_arena_copy(&arena, (cd_str){ NULL, 0 }).ptr);
        cd_str text = cd_arena_printf(&arena, "%s-%d", "x", 42);
        assert_str(text, "x-42");
        assert_int_equal(text.ptr[text.len], '\0');
        assert_null(cd_arena_printf(&arena, "%1000d", 1).ptr);
        assert_null(cd_arena_copy(&arena, CD_STR("0123456789012345678901234567890")).ptr);
        cd_arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_taken_before_the_first_allocation),
                cmocka_unit_test(every_allocation_is_aligned),
                cmocka_unit_test(the_ceiling_is_never_passed),
                cmocka_unit_test(sizes_that_overflow_are_refused),
                cmocka_unit_test(reset_wipes_and_keeps_one_chunk),
                cmocka_unit_test(the_arena_serves_again_after_reset_and_done),
                cmocka_unit_test(calloc_zeroes),
                cmocka_unit_test(copies_end_with_nul_and_formats_measure_first),
        };
        return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
