/* How many requests run to one host at the same time. */
#include "fixture.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
        LIMIT = 2
};

static int gate; /* each answer needs one of its count */

static bool answers_when_let(struct peer *peer, int fd, int nth)
{
        uint64_t one;

        (void)peer, (void)nth;
        return read(gate, &one, sizeof(one)) == sizeof(one) && say(fd, OK_ANSWER);
}

static void let(uint64_t answers_more)
{
        assert_int_equal(write(gate, &answers_more, sizeof(answers_more)), sizeof(answers_more));
}

struct caller {
        struct fixture *f;
        pthread_t thread;
        cd_status status;
};

static void *call_once(void *arg)
{
        struct caller *caller = arg;
        struct cd_arena arena;
        struct cd_fetch_response response;

        cd_arena_init(&arena, 64 * 1024);
        const struct cd_fetch_request request = { .url = cd_str_from_c(caller->f->url), .arena = &arena };
        caller->status = cd_fetch_call(caller->f->fetch, &request, &response, NULL);
        cd_arena_done(&arena);
        return NULL;
}

static void begin_calls(struct fixture *f, struct caller *callers, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                callers[i] = (struct caller){ .f = f };
                assert_int_equal(pthread_create(&callers[i].thread, NULL, call_once, &callers[i]), 0);
        }
}

static void end_calls(struct caller *callers, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                pthread_join(callers[i].thread, NULL);
                assert_int_equal(callers[i].status, CD_OK);
        }
}

static void await_requests(struct fixture *f, int count)
{
        int64_t until = cd_monotonic_us() + PATIENCE_MS * 1000;

        while (atomic_load(&f->peer.requests) < count) {
                assert_true(cd_monotonic_us() < until);
                poll(NULL, 0, 1);
        }
}

static void open_gate(struct fixture *f)
{
        gate = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
        assert_true(gate >= 0);
        start(f, answers_when_let);
        use_options(f, (struct cd_fetch_options){ .host_concurrency = LIMIT });
}

static void one_more_waits_within_its_own_timeout_and_is_unavailable(void **state)
{
        struct fixture *f = *state;
        struct caller callers[LIMIT];

        open_gate(f);
        begin_calls(f, callers, LIMIT);
        await_requests(f, LIMIT);
        assert_int_equal(call(f, (struct cd_fetch_request){ .timeout_ms = 50 }), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "too many requests to this host are running");
        assert_int_equal(atomic_load(&f->peer.requests), LIMIT);

        /* Another host has a count of its own. */
        assert_int_equal(call(f, (struct cd_fetch_request){ .url = CD_STR("http://127.0.0.1:1/") }), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "connection refused");

        let(LIMIT);
        end_calls(callers, LIMIT);
        let(1);
        assert_int_equal(get(f), CD_OK);
}

static void never_more_than_the_limit_run_and_all_get_their_turn(void **state)
{
        enum {
                CALLERS = 12
        };
        struct fixture *f = *state;
        struct caller callers[CALLERS];

        open_gate(f);
        begin_calls(f, callers, CALLERS);
        for (int answered = 0; answered < CALLERS; answered++) {
                int expected = answered + LIMIT < CALLERS ? answered + LIMIT : CALLERS;
                await_requests(f, expected);
                assert_int_equal(atomic_load(&f->peer.requests), expected);
                let(1);
        }
        end_calls(callers, CALLERS);
        assert_true(atomic_load(&f->peer.connections) <= LIMIT + 1);
}

/* The wait is part of the request's timeout. */
static void a_wait_shortens_the_time_for_the_answer(void **state)
{
        struct fixture *f = *state;
        struct caller callers[LIMIT];

        open_gate(f);
        begin_calls(f, callers, LIMIT);
        await_requests(f, LIMIT);
        int64_t start_us = cd_monotonic_us();
        let(1); /* the turn comes, the answer does not */
        assert_int_equal(call(f, (struct cd_fetch_request){ .timeout_ms = TIMEOUT_MS }), CD_TIMEOUT);
        assert_true(cd_monotonic_us() - start_us >= (TIMEOUT_MS - 10) * 1000);
        let(LIMIT + 1);
        end_calls(callers, LIMIT);
}

/* Once the threads of the peer have ended, which read from the gate. */
static int end(void **state)
{
        int result = teardown(state);

        close(gate);
        return result;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(one_more_waits_within_its_own_timeout_and_is_unavailable, setup, end),
                cmocka_unit_test_setup_teardown(never_more_than_the_limit_run_and_all_get_their_turn, setup, end),
                cmocka_unit_test_setup_teardown(a_wait_shortens_the_time_for_the_answer, setup, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
