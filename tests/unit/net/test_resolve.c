#include "support/check.h"

#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "net/resolve.h"

/* The system's resolver, but for names that begin with a dot: ".N" has N addresses, ".slow" answers when it is told to,
 * and all others do not exist. */

int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
void __real_freeaddrinfo(struct addrinfo *info);
void __wrap_freeaddrinfo(struct addrinfo *info);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

enum {
        SLOW = 4, /* lookups that run at the same time */
};

static struct cd_loop loop;
static sem_t began, go;
static atomic_uint asked;
static bool no_thread;
static unsigned answers;
static struct cd_address found[CD_RESOLVE_MAX];
static size_t found_count;
static const char *found_error;

struct fake {
        struct addrinfo info;
        struct sockaddr_in address;
};

/* 192.0.2.1 and so on, each twice, as systems do that list every type of socket, and a family of no use. */
static struct addrinfo *make_addresses(unsigned count)
{
        struct addrinfo *first = NULL, **last = &first;

        for (unsigned i = 0; i < 2 * count + 1; i++) {
                struct fake *fake = calloc(1, sizeof(*fake));
                fake->address.sin_family = i == 0 ? AF_UNIX : AF_INET;
                fake->address.sin_addr.s_addr = htonl(0xc0000201 + (i - 1) / 2);
                fake->info.ai_addr = (struct sockaddr *)(void *)&fake->address;
                *last = &fake->info;
                last = &fake->info.ai_next;
        }
        return first;
}

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
        atomic_fetch_add(&asked, 1);
        if (name[0] != '.')
                return __real_getaddrinfo(name, service, hints, ret);
        if (strcmp(name, ".slow") == 0) {
                sem_post(&began);
                sem_wait(&go);
                name = ".1";
        }
        if (name[1] < '0' || name[1] > '9')
                return EAI_NONAME;
        *ret = make_addresses((unsigned)atoi(name + 1));
        return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *info)
{
        struct addrinfo *next;

        if (info && (char *)info->ai_addr != (char *)info + offsetof(struct fake, address)) {
                __real_freeaddrinfo(info);
                return;
        }
        for (; info; info = next) {
                next = info->ai_next;
                free(info);
        }
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
        return no_thread ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

static void on_done(void *owner, const struct cd_address *addresses, size_t count, const char *error)
{
        assert_ptr_equal(owner, &answers);
        answers++;
        found_count = count;
        found_error = error;
        memcpy(found, addresses, count * sizeof(found[0]));
}

static struct cd_resolve *start(const char *name)
{
        return cd_resolve_start(&loop, cd_str_from_c(name), on_done, &answers);
}

static void wait_for_answers(unsigned count)
{
        while (answers < count)
                uv_run(&loop.uv, UV_RUN_ONCE);
}

static void resolve(const char *name)
{
        answers = 0;
        assert_non_null(start(name));
        assert_int_equal(answers, 0);
        wait_for_answers(1);
}

static void expect_address(size_t index, const char *text)
{
        char actual[CD_ADDRESS_TEXT_MAX];

        assert_true(index < found_count);
        assert_str(cd_str_of(actual, cd_address_format(&found[index], actual)), text);
}

static int set_up(void **state)
{
        (void)state;
        answers = 0;
        atomic_store(&asked, 0);
        no_thread = false;
        return cd_loop_init(&loop, NULL, NULL, NULL) == CD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        assert_int_equal(loop.job_count, 0);
        cd_loop_done(&loop);
        return 0;
}

static void names_and_addresses_are_resolved(void **state)
{
        (void)state;
        resolve("localhost");
        assert_null(found_error);
        for (size_t i = 0; i < found_count; i++)
                assert_true(cd_address_is_loopback(&found[i]));
        assert_true(found_count > 0);
        resolve("127.0.0.2");
        assert_int_equal(found_count, 1);
        expect_address(0, "127.0.0.2");
        resolve("2001:db8::1");
        assert_int_equal(found_count, 1);
        expect_address(0, "2001:db8::1");
}

static void a_name_that_does_not_exist_has_a_reason(void **state)
{
        (void)state;
        resolve(".none");
        assert_int_equal(found_count, 0);
        assert_string_equal(found_error, gai_strerror(EAI_NONAME));
        resolve(".0"); /* only addresses of another family */
        assert_int_equal(found_count, 0);
        assert_string_equal(found_error, gai_strerror(EAI_NONAME));
}

static void addresses_are_distinct_and_at_most_32(void **state)
{
        (void)state;
        resolve(".2");
        assert_int_equal(found_count, 2);
        expect_address(0, "192.0.2.1");
        expect_address(1, "192.0.2.2");
        resolve(".32");
        assert_int_equal(found_count, 32);
        expect_address(31, "192.0.2.32");
        resolve(".33");
        assert_int_equal(found_count, 32);
        expect_address(31, "192.0.2.32");
}

static void a_name_has_at_most_253_bytes(void **state)
{
        char name[255];

        (void)state;
        memset(name, 'a', sizeof(name));
        name[0] = '.';
        assert_null(cd_resolve_start(&loop, cd_str_of(name, 254), on_done, &answers));
        assert_non_null(cd_resolve_start(&loop, cd_str_of(name, 253), on_done, &answers));
        wait_for_answers(1);
        assert_int_equal(atomic_load(&asked), 1);
}

static void begin_slow_lookups(struct cd_resolve *lookups[SLOW])
{
        for (size_t i = 0; i < SLOW; i++)
                assert_non_null(lookups[i] = start(".slow"));
        for (size_t i = 0; i < SLOW; i++)
                sem_wait(&began);
}

static void end_slow_lookups(void)
{
        for (size_t i = 0; i < SLOW; i++)
                sem_post(&go);
}

static void a_few_lookups_run_at_a_time_and_the_rest_in_order(void **state)
{
        struct cd_resolve *lookups[SLOW], *first, *second;

        (void)state;
        begin_slow_lookups(lookups);
        assert_non_null(first = start(".2"));
        assert_non_null(second = start(".3"));
        assert_non_null(start(".4"));
        assert_int_equal(atomic_load(&asked), SLOW);
        cd_resolve_cancel(second); /* from the middle, the front and the end of the queue */
        cd_resolve_cancel(first);
        cd_resolve_cancel(start(".5"));
        end_slow_lookups();
        wait_for_answers(SLOW + 1);
        assert_int_equal(atomic_load(&asked), SLOW + 1);
        resolve(".1");
}

static void a_lookup_that_is_cancelled_outlives_its_loop(void **state)
{
        struct cd_resolve *lookups[SLOW];

        (void)state;
        begin_slow_lookups(lookups);
        for (size_t i = 0; i < SLOW; i++)
                cd_resolve_cancel(lookups[i]);
        cd_loop_done(&loop);
        memset(&loop, 0xff, sizeof(loop));
        end_slow_lookups();
        assert_status(cd_loop_init(&loop, NULL, NULL, NULL), CD_OK);
        resolve(".2");
        assert_int_equal(found_count, 2);
}

static void a_lookup_may_be_cancelled_after_its_answer(void **state)
{
        struct cd_resolve *lookup = start(".1");

        (void)state;
        for (bool is_answered = false; !is_answered;) {
                pthread_mutex_lock(&loop.done_lock);
                is_answered = loop.done != NULL;
                pthread_mutex_unlock(&loop.done_lock);
        }
        cd_resolve_cancel(lookup);
        cd_loop_turn(&loop);
        assert_int_equal(answers, 0);
}

static void a_stopping_loop_does_not_wait_for_a_lookup(void **state)
{
        struct cd_resolve *lookups[SLOW];

        (void)state;
        begin_slow_lookups(lookups);
        cd_loop_stop(&loop, 3600 * 1000);
        cd_loop_run(&loop);
        assert_int_equal(answers, 0);
        for (size_t i = 0; i < SLOW; i++)
                cd_resolve_cancel(lookups[i]);
        end_slow_lookups();
}

/* Ends the threads of earlier tests, each of which ends when it finds no lookup. */
static void wait_for_no_thread(void)
{
        for (no_thread = true; start(".1"); answers = 0)
                wait_for_answers(1);
}

static void lesson_33_without_a_thread_a_lookup_fails_at_once(void **state)
{
        (void)state;
        wait_for_no_thread();
        assert_null(start(".1"));
        assert_int_equal(answers, 0);
        no_thread = false;
        resolve(".1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        /* Once: a thread may still be on its way to sem_wait when the next test begins. */
        sem_init(&began, 0, 0);
        sem_init(&go, 0, 0);

        const struct CMUnitTest tests[] = {
                TEST(names_and_addresses_are_resolved),
                TEST(a_name_that_does_not_exist_has_a_reason),
                TEST(addresses_are_distinct_and_at_most_32),
                TEST(a_name_has_at_most_253_bytes),
                TEST(a_few_lookups_run_at_a_time_and_the_rest_in_order),
                TEST(a_lookup_that_is_cancelled_outlives_its_loop),
                TEST(a_lookup_may_be_cancelled_after_its_answer),
                TEST(a_stopping_loop_does_not_wait_for_a_lookup),
                TEST(lesson_33_without_a_thread_a_lookup_fails_at_once),
        };
        return cmocka_run_group_tests_name("net/resolve", tests, NULL, NULL);
}
