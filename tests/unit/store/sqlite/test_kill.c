/* Processes that write are killed at any moment: what they were told is durable is there. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

enum {
        ROUNDS = 8,
        PROCESSES = 2, /* on one file at once */
        THREADS = 8,
        EACH_MAX = 20000,
        RUN_MIN_MS = 20,
        RUN_MAX_MS = 300,
};

struct ack {
        uint32_t process, thread, number;
};

struct writer {
        struct cd_store *store;
        int pipe;
        int round;
        struct ack next;
};

static void *write_on(void *arg)
{
        struct writer *writer = arg;
        struct cd_error error;
        char jti[64];

        for (; writer->next.number < EACH_MAX; writer->next.number++) {
                snprintf(jti, sizeof(jti), "%d-%u-%u-%u", writer->round, writer->next.process, writer->next.thread,
                         writer->next.number);
                if (revoke_one(writer->store, jti, &error) != CD_OK) {
                        fprintf(stderr, "%s\n", error.reason);
                        _exit(2);
                }
                const struct ack ack = writer->next;
                if (write(writer->pipe, &ack, sizeof(ack)) != sizeof(ack))
                        _exit(3);
        }
        return NULL;
}

static _Noreturn void be_killed(struct fixture *fixture, int round, uint32_t process, int pipe)
{
        struct writer writers[THREADS];
        pthread_t threads[THREADS];
        struct cd_store *store;

        if (try_open(fixture, &store) != CD_OK) {
                fprintf(stderr, "%s\n", fixture->error.reason);
                _exit(4);
        }
        for (uint32_t i = 0; i < THREADS; i++) {
                writers[i] = (struct writer){ .store = store, .pipe = pipe, .round = round, .next = { process, i, 0 } };
                if (pthread_create(&threads[i], NULL, write_on, &writers[i]) != 0)
                        _exit(5);
        }
        for (;;)
                pause();
}

static bool (*acknowledged)[PROCESSES][THREADS][EACH_MAX]; /* by round */

/* Reads what was acknowledged for so long, or until nobody is left who could write. Returns how many there were. */
static size_t read_acks(int pipe, int round, int64_t for_ms)
{
        int64_t until = cd_monotonic_us() + for_ms * 1000, now;
        size_t count = 0;
        struct ack acks[128];

        while ((now = cd_monotonic_us()) < until) {
                struct pollfd ready = { .fd = pipe, .events = POLLIN };
                if (poll(&ready, 1, (int)((until - now) / 1000) + 1) <= 0)
                        continue;
                ssize_t size = read(pipe, acks, sizeof(acks));
                if (size <= 0)
                        break;
                for (size_t i = 0; i < (size_t)size / sizeof(acks[0]); i++, count++)
                        acknowledged[round][acks[i].process][acks[i].thread][acks[i].number] = true;
        }
        return count;
}

static size_t write_and_be_killed(struct fixture *fixture, int round)
{
        int ends[2], how;
        pid_t children[PROCESSES];
        size_t count;

        assert_int_equal(pipe(ends), 0);
        for (uint32_t i = 0; i < PROCESSES; i++) {
                children[i] = fork();
                assert_true(children[i] >= 0);
                if (children[i] == 0)
                        be_killed(fixture, round, i, ends[1]);
        }
        close(ends[1]);
        /* The first may take long to come on a busy machine; the moment of the end is counted from there. */
        struct pollfd ready = { .fd = ends[0], .events = POLLIN };
        assert_int_equal(poll(&ready, 1, 30000), 1);
        count = read_acks(ends[0], round, RUN_MIN_MS + rand() % (RUN_MAX_MS - RUN_MIN_MS));
        for (size_t i = 0; i < PROCESSES; i++)
                kill(children[i], SIGKILL);
        count += read_acks(ends[0], round, 10000);
        for (size_t i = 0; i < PROCESSES; i++) {
                assert_int_equal(waitpid(children[i], &how, 0), children[i]);
                assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        }
        close(ends[0]);
        return count;
}

/* Takes each one that is there off the acknowledged; what is left was lost. */
static size_t count_lost(struct fixture *fixture, struct cd_store *store)
{
        struct cd_revocation_list list;
        int64_t after = 0;
        size_t lost = 0;
        int round;
        unsigned process, thread, number;

        do {
                assert_status(store->revocations->list(store, &fixture->arena, after, 1000, &list, &fixture->error),
                              CD_OK);
                for (size_t i = 0; i < list.count; i++) {
                        assert_true(list.items[i].seq > after);
                        after = list.items[i].seq;
                        assert_int_equal(
                                sscanf(list.items[i].jti.ptr, "%d-%u-%u-%u", &round, &process, &thread, &number), 4);
                        acknowledged[round][process][thread][number] = false;
                }
                cd_arena_reset(&fixture->arena);
        } while (list.count);
        for (size_t i = 0; i < sizeof(*acknowledged) * ROUNDS; i++)
                lost += ((bool *)acknowledged)[i];
        return lost;
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
        struct fixture *fixture = *state;
        size_t count = 0;

        acknowledged = calloc(ROUNDS, sizeof(*acknowledged));
        assert_non_null(acknowledged);
        srand((unsigned)cd_monotonic_us());
        for (int round = 0; round < ROUNDS; round++) {
                count += write_and_be_killed(fixture, round);
                struct cd_store *store = open_store(fixture);
                assert_int_equal(count_lost(fixture, store), 0);
                store->free(store);
        }
        print_message("%zu acknowledged writes, %d kills, none lost\n", count, ROUNDS * PROCESSES);
        assert_true(count > ROUNDS);
        free(acknowledged);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_A_DISK(what_was_acknowledged_survives_kill_9),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
