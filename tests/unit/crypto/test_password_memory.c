/* The memory that a thread keeps from one hash to the next. */
#include "support/check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "crypto/password.h"
#include "crypto/password_memory.h"

enum {
        FIRST_BLOCKS = 2048 /* bytes: what follows from the password without any memory */
};

static const struct cd_password_cost large = { .memory = 32 << 20, .iterations = 1 };
static const struct cd_password_cost small = { .memory = 8 << 10, .iterations = 1 };
static const struct cd_password_cost over = { .memory = CD_PASSWORD_MEMORY_KEPT_MAX + (1 << 20), .iterations = 1 };

static void hash(const struct cd_password_cost *cost)
{
        assert_status(cd_password_dummy(cost, CD_STR("x"), NULL), CD_OK);
}

static size_t kept_size(void)
{
        size_t size;

        (void)cd_password_memory_kept(&size);
        return size;
}

/* Under a sanitizer nothing is kept. */
static void keep_or_skip(void)
{
        cd_password_memory_keep(true);
        hash(&large);
        if (!kept_size())
                skip();
}

static int tear_down(void **state)
{
        (void)state;
        cd_password_memory_keep(false);
        return kept_size() == 0 ? 0 : 1;
}

static long page_faults(void)
{
        struct rusage usage;

        assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
        return usage.ru_minflt;
}

static void a_thread_keeps_nothing_unless_it_says_so(void **state)
{
        (void)state;
        hash(&large);
        assert_int_equal(kept_size(), 0);
}

static void the_next_hash_works_in_the_memory_of_the_one_before(void **state)
{
        size_t size;

        (void)state;
        keep_or_skip();
        const void *kept = cd_password_memory_kept(&size);
        assert_int_equal(size, large.memory);
        long before = page_faults();
        hash(&large);
        hash(&small);
        assert_true(page_faults() - before < 100);
        assert_ptr_equal(cd_password_memory_kept(&size), kept);
        assert_int_equal(size, large.memory);
}

static void what_is_larger_than_may_be_kept_is_not(void **state)
{
        const struct cd_password_cost most = { .memory = CD_PASSWORD_MEMORY_KEPT_MAX, .iterations = 1 };

        (void)state;
        keep_or_skip();
        hash(&over);
        assert_int_equal(kept_size(), large.memory);
        hash(&most);
        assert_int_equal(kept_size(), most.memory);
}

/* LESSONS 32: the first blocks are a fast hash of the password, which a guess could be tested with. */
static void lesson_32_what_a_guess_could_be_tested_with_is_wiped(void **state)
{
        static const unsigned char zeros[FIRST_BLOCKS];
        size_t size;

        (void)state;
        keep_or_skip();
        const unsigned char *kept = cd_password_memory_kept(&size);
        assert_memory_equal(kept, zeros, FIRST_BLOCKS);
        size_t i = FIRST_BLOCKS;
        while (i < size && kept[i] == 0)
                i++;
        assert_true(i < size); /* the hash did work here */
}

static long mapped_bytes(void)
{
        long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");

        assert_non_null(file);
        assert_int_equal(fscanf(file, "%ld", &pages), 1);
        fclose(file);
        return pages * 4096;
}

static void a_thread_that_keeps_no_more_gives_its_memory_back(void **state)
{
        long before = 0;

        (void)state;
        for (int i = 0; i < 10; i++) {
                cd_password_memory_keep(true);
                hash(&large);
                cd_password_memory_keep(false);
                assert_int_equal(kept_size(), 0);
                if (i == 0)
                        before = mapped_bytes();
        }
        assert_true(mapped_bytes() - before < large.memory);
        hash(&large);
        assert_int_equal(kept_size(), 0);
}

static void *keep_of_its_own(void *arg)
{
        size_t size;

        assert_int_equal(kept_size(), 0);
        cd_password_memory_keep(true);
        hash(&large);
        const void *kept = cd_password_memory_kept(&size);
        cd_password_memory_keep(false);
        return size == (size_t)large.memory && kept != arg ? NULL : arg;
}

static void each_thread_has_memory_of_its_own(void **state)
{
        size_t size;
        pthread_t thread;
        void *failed;

        (void)state;
        keep_or_skip();
        void *ours = (void *)cd_password_memory_kept(&size);
        assert_int_equal(pthread_create(&thread, NULL, keep_of_its_own, ours), 0);
        assert_int_equal(pthread_join(thread, &failed), 0);
        assert_null(failed);
        assert_ptr_equal(cd_password_memory_kept(&size), ours);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_thread_keeps_nothing_unless_it_says_so),
                TEST(the_next_hash_works_in_the_memory_of_the_one_before),
                TEST(what_is_larger_than_may_be_kept_is_not),
                TEST(lesson_32_what_a_guess_could_be_tested_with_is_wiped),
                TEST(a_thread_that_keeps_no_more_gives_its_memory_back),
                TEST(each_thread_has_memory_of_its_own),
        };
        return cmocka_run_group_tests_name("password_memory", tests, NULL, NULL);
}
