#include "support/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/map.h"

static bool no_memory, no_randomness;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
ssize_t __real_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);

void *__wrap_calloc(size_t count, size_t size)
{
        return no_memory ? NULL : __real_calloc(count, size);
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
        return no_randomness ? -1 : __real_getrandom(to, size, flags);
}

/* The reference vectors of the SipHash paper's code: SipHash-2-4, key 00…0f, input 00, 01, …; little-endian words. */
static void siphash_2_4_agrees_with_its_vectors(void **state)
{
        static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
        static const uint64_t expected[] = {
                0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
                0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
                0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
                0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
        };
        char bytes[CD_LEN(expected)];

        (void)state;
        for (size_t i = 0; i < CD_LEN(expected); i++) {
                bytes[i] = (char)i;
                assert_true(cd_siphash_rounds(key, cd_str_of(bytes, i), 2, 4) == expected[i]);
        }
}

static void siphash_1_3_is_the_same_core_with_fewer_rounds(void **state)
{
        static const uint64_t key[2] = { 1, 2 }, other[2] = { 1, 3 };
        cd_str text = CD_STR("client-1234");

        (void)state;
        assert_true(cd_siphash(key, text) == cd_siphash_rounds(key, text, 1, 3));
        assert_true(cd_siphash(key, text) != cd_siphash_rounds(key, text, 2, 4));
        assert_true(cd_siphash(key, text) != cd_siphash(other, text));
}

static void what_is_added_is_found_and_taken_once(void **state)
{
        struct cd_map *map = cd_map_new();
        int one, two;

        (void)state;
        assert_non_null(map);
        assert_null(cd_map_find(map, CD_STR("a")));
        assert_status(cd_map_add(map, CD_STR("a"), &one), CD_OK);
        assert_status(cd_map_add(map, CD_STR(""), &two), CD_OK);
        assert_status(cd_map_add(map, CD_STR("a"), &two), CD_INVALID_REQUEST);
        assert_ptr_equal(cd_map_find(map, CD_STR("a")), &one);
        assert_ptr_equal(cd_map_find(map, CD_STR("")), &two);
        assert_null(cd_map_find(map, CD_STR("A")));
        assert_int_equal(cd_map_count(map), 2);
        assert_ptr_equal(cd_map_remove(map, CD_STR("a")), &one);
        assert_null(cd_map_remove(map, CD_STR("a")));
        assert_null(cd_map_find(map, CD_STR("a")));
        assert_int_equal(cd_map_count(map), 1);
        cd_map_free(map);
        cd_map_free(NULL);
}

/* Removing moves entries back over the hole; a mistake there loses a neighbour. Checked after every step. */
static void many_keys_survive_growing_and_removing(void **state)
{
        enum {
                COUNT = 3000
        };
        static char keys[COUNT][8];
        static bool in[COUNT];
        struct cd_map *map = cd_map_new();
        size_t count = 0;
        unsigned seed = 42;

        (void)state;
        for (int i = 0; i < COUNT; i++)
                snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        for (int step = 0; step < 60000; step++) {
                int i = rand_r(&seed) % COUNT;
                cd_str key = cd_str_from_c(keys[i]);
                if (rand_r(&seed) % 2) {
                        assert_status(cd_map_add(map, key, keys[i]), in[i] ? CD_INVALID_REQUEST : CD_OK);
                        count += !in[i];
                        in[i] = true;
                } else {
                        assert_ptr_equal(cd_map_remove(map, key), in[i] ? keys[i] : NULL);
                        count -= in[i];
                        in[i] = false;
                }
                int other = rand_r(&seed) % COUNT;
                assert_ptr_equal(cd_map_find(map, cd_str_from_c(keys[other])), in[other] ? keys[other] : NULL);
        }
        for (int i = 0; i < COUNT; i++)
                assert_ptr_equal(cd_map_find(map, cd_str_from_c(keys[i])), in[i] ? keys[i] : NULL);
        assert_int_equal(cd_map_count(map), count);
        cd_map_free(map);
}

static void lesson_31_failing_memory_and_randomness_are_told(void **state)
{
        static char keys[100][12];
        int added = 0;

        (void)state;
        no_memory = true;
        assert_null(cd_map_new());
        no_memory = false;
        no_randomness = true;
        assert_null(cd_map_new());
        no_randomness = false;

        struct cd_map *map = cd_map_new();
        assert_non_null(map);
        no_memory = true;
        cd_status status = CD_OK;
        for (; added < 100 && status == CD_OK; added += status == CD_OK) {
                snprintf(keys[added], sizeof(keys[added]), "%d", added);
                status = cd_map_add(map, cd_str_from_c(keys[added]), keys[added]);
        }
        no_memory = false;
        assert_status(status, CD_NO_MEMORY);
        assert_int_equal(cd_map_count(map), added);
        for (int i = 0; i < added; i++)
                assert_ptr_equal(cd_map_find(map, cd_str_from_c(keys[i])), keys[i]);
        cd_map_free(map);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(siphash_2_4_agrees_with_its_vectors),
                cmocka_unit_test(siphash_1_3_is_the_same_core_with_fewer_rounds),
                cmocka_unit_test(what_is_added_is_found_and_taken_once),
                cmocka_unit_test(many_keys_survive_growing_and_removing),
                cmocka_unit_test(lesson_31_failing_memory_and_randomness_are_told),
        };
        return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
