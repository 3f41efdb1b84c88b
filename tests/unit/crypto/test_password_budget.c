/* How many passwords are hashed at once, and the memory that is kept for it. */
#include "support/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

#include "crypto/password.h"
#include "crypto/password_budget.h"
#include "crypto/password_memory.h"

enum {
        SLOTS = 2,
        THREADS = 8,
};

static const struct cd_password_cost large = { .memory = 32 << 20, .iterations = 1 };
static const struct cd_password_cost small = { .memory = 8 << 10, .iterations = 1 };

static void hash(const struct cd_password_cost *cost)
{
        assert_status(cd_password_dummy(cost, CD_STR("x"), NULL), CD_OK);
}

/* ---- slots ---- */

struct crowd {
        struct cd_password_budget *budget;
        atomic_int inside, most, failures;
};

static void *hash_in_turn(void *arg)
{
        struct crowd *crowd = arg;

        for (int i = 0; i < 50; i++) {
                struct cd_password_slot *slot = cd_password_budget_take(crowd->budget);
                int now = atomic_fetch_add(&crowd->inside, 1) + 1, most = atomic_load(&crowd->most);
                while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
                        ;
                crowd->failures += cd_password_dummy(&small, CD_STR("x"), NULL) != CD_OK;
                atomic_fetch_sub(&crowd->inside, 1);
                cd_password_budget_give(crowd->budget, slot);
        }
        return NULL;
}

static void lesson_15_no_more_are_hashed_at_once_than_there_are_slots(void **state)
{
        struct crowd crowd = { 0 };
        pthread_t threads[THREADS];

        (void)state;
        assert_status(cd_password_budget_new(SLOTS, &crowd.budget, NULL), CD_OK);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, hash_in_turn, &crowd), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        cd_password_budget_free(crowd.budget);
        assert_in_range(crowd.most, 1, SLOTS);
        assert_int_equal(crowd.failures, 0);
}

static void *take_and_give(void *budget)
{
        cd_password_budget_give(budget, cd_password_budget_take(budget));
        return budget;
}

static void a_thread_that_finds_no_free_slot_waits_for_one(void **state)
{
        struct cd_password_budget *budget;
        pthread_t thread;
        void *done = NULL;

        (void)state;
        assert_status(cd_password_budget_new(1, &budget, NULL), CD_OK);
        struct cd_password_slot *slot = cd_password_budget_take(budget);
        assert_int_equal(pthread_create(&thread, NULL, take_and_give, budget), 0);
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 50000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        assert_int_not_equal(pthread_timedjoin_np(thread, &done, &soon), 0);
        cd_password_budget_give(budget, slot);
        assert_int_equal(pthread_join(thread, &done), 0);
        assert_ptr_equal(done, budget);
        cd_password_budget_free(budget);
}

static void without_a_budget_there_is_no_bound(void **state)
{
        (void)state;
        assert_null(cd_password_budget_take(NULL));
        hash(&small);
        cd_password_budget_give(NULL, NULL);
        cd_password_budget_free(NULL);
}

/* ---- memory ---- */

static long page_faults(void)
{
        struct rusage usage;

        assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
        return usage.ru_minflt;
}

static void the_next_hash_works_in_the_memory_of_the_one_before(void **state)
{
        const struct cd_password_cost over = { .memory = CD_PASSWORD_MEMORY_KEPT_MAX + (1 << 20), .iterations = 1 };
        struct cd_password_memory memory = { 0 };

        (void)state;
        cd_password_memory_use(&memory);
        hash(&large);
        if (!memory.size)
                skip(); /* a sanitizer watches the memory */
        assert_int_equal(memory.size, large.memory);
        long before = page_faults();
        hash(&large);
        hash(&small);
        assert_true(page_faults() - before < 100);
        /* What is larger than may be kept is not. */
        hash(&over);
        assert_int_equal(memory.size, large.memory);
        cd_password_memory_use(NULL);
        hash(&large);
        assert_int_equal(memory.size, large.memory);
        assert_false(memory.is_lent);
        cd_password_memory_free(&memory);
        assert_int_equal(memory.size, 0);
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

static void a_budget_gives_its_memory_back(void **state)
{
        long before = 0;

        (void)state;
        for (int i = 0; i < 10; i++) {
                struct cd_password_budget *budget;
                assert_status(cd_password_budget_new(SLOTS, &budget, NULL), CD_OK);
                struct cd_password_slot *slot = cd_password_budget_take(budget);
                hash(&large);
                cd_password_budget_give(budget, slot);
                cd_password_budget_free(budget);
                if (i == 0)
                        before = mapped_bytes();
        }
        assert_true(mapped_bytes() - before < large.memory);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_15_no_more_are_hashed_at_once_than_there_are_slots),
                cmocka_unit_test(a_thread_that_finds_no_free_slot_waits_for_one),
                cmocka_unit_test(without_a_budget_there_is_no_bound),
                cmocka_unit_test(the_next_hash_works_in_the_memory_of_the_one_before),
                cmocka_unit_test(a_budget_gives_its_memory_back),
        };
        return cmocka_run_group_tests_name("password_budget", tests, NULL, NULL);
}
