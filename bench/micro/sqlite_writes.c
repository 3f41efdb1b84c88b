/* Acknowledged durable writes a second by 64 threads, against one write and fsync each of one thread on the same disk,
 * in turn: bench/micro/sqlite_writes [seconds for each side] [folder, on the disk that counts]. Prints one line of
 * JSON, medians. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

enum {
        WRITERS = 64,
        ROUNDS = 5,
        PAGE = 4096, /* what SQLite writes at least */
        LATENCIES = 1 << 20,
};

static struct bench {
        struct cd_store *store;
        double seconds; /* of each measurement */
        atomic_bool stop;
        atomic_ulong count;
        uint32_t latency_us[LATENCIES];
} bench;

static double now(void)
{
        return (double)cd_monotonic_us() / 1e6;
}

static void must(bool ok, const char *what)
{
        if (ok)
                return;
        perror(what);
        exit(1);
}

static double measure_syncs(const char *folder)
{
        char path[256], page[PAGE];
        unsigned long count = 0;

        memset(page, 'x', sizeof(page));
        snprintf(path, sizeof(path), "%s/sync", folder);
        int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
        must(fd >= 0, path);
        double start = now(), end = start;
        for (; end - start < bench.seconds; count++, end = now())
                must(write(fd, page, sizeof(page)) == sizeof(page) && fdatasync(fd) == 0, "write and fdatasync");
        close(fd);
        unlink(path);
        return (double)count / (end - start);
}

/* A key that falls anywhere in the indexes, as those of tokens and sessions do. */
static cd_str random_key(unsigned *seed, unsigned long number, char memory[64])
{
        int length = snprintf(memory, 64, "%08x%08x%08lx", (unsigned)rand_r(seed), (unsigned)rand_r(seed), number);

        return cd_str_of(memory, (size_t)length);
}

static cd_status revoke_token(unsigned *seed, unsigned long number)
{
        char memory[64];
        const struct cd_revocation revocation = { .jti = random_key(seed, number, memory), .expires_at = 2000000000 };

        return bench.store->revocations->add(bench.store, &revocation, NULL);
}

static cd_status put_session(unsigned *seed, unsigned long number)
{
        char memory[64];
        cd_str key = random_key(seed, number, memory);
        const cd_str amr[] = { CD_STR("pwd"), CD_STR("otp") };
        const struct cd_session session = { .digest = key,
                                            .sid = key,
                                            .user = key,
                                            .amr = { amr, CD_LEN(amr) },
                                            .device = CD_STR("Firefox on Linux"),
                                            .created_at = 1900000000,
                                            .seen_at = 1900000000,
                                            .expires_at = 2000000000 };

        return bench.store->sessions->start(bench.store, &(struct cd_session_start){ .session = session }, NULL, NULL);
}

struct writer {
        cd_status (*write)(unsigned *seed, unsigned long number);
        unsigned seed;
};

static void *write_on(void *arg)
{
        struct writer *writer = arg;

        while (!atomic_load(&bench.stop)) {
                int64_t start = cd_monotonic_us();
                unsigned long number = atomic_fetch_add(&bench.count, 1);
                must(writer->write(&writer->seed, number) == CD_OK, "a write");
                if (number < LATENCIES)
                        bench.latency_us[number] = (uint32_t)(cd_monotonic_us() - start);
        }
        return NULL;
}

static double measure_writes(cd_status (*write)(unsigned *seed, unsigned long number))
{
        struct writer writers[WRITERS];
        pthread_t threads[WRITERS];

        atomic_store(&bench.stop, false);
        atomic_store(&bench.count, 0);
        double start = now();
        for (unsigned i = 0; i < WRITERS; i++) {
                writers[i] = (struct writer){ write, (unsigned)getpid() * 1000 + i + (unsigned)cd_monotonic_us() };
                must(pthread_create(&threads[i], NULL, write_on, &writers[i]) == 0, "thread");
        }
        usleep((useconds_t)(bench.seconds * 1e6));
        atomic_store(&bench.stop, true);
        for (unsigned i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
        return (double)atomic_load(&bench.count) / (now() - start);
}

static int compare_numbers(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
        qsort(values, ROUNDS, sizeof(*values), compare_numbers);
        return values[ROUNDS / 2];
}

static int compare_latencies(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

/* Of the last measurement, milliseconds. */
static double latency_ms(double part)
{
        size_t count = atomic_load(&bench.count);

        count = count < LATENCIES ? count : LATENCIES;
        qsort(bench.latency_us, count, sizeof(*bench.latency_us), compare_latencies);
        return count ? bench.latency_us[(size_t)((double)(count - 1) * part)] / 1e3 : 0;
}

static void open_store(const char *folder)
{
        struct cd_store_options options = { .url = CD_STR("sqlite:bench.db"),
                                            .folder = cd_str_from_c(folder),
                                            .may_create = true };
        struct cd_store_opened opened;
        struct cd_error error;

        if (cd_store_open(&options, &opened, &error) != CD_OK) {
                fprintf(stderr, "%s\n", error.reason);
                exit(1);
        }
        bench.store = opened.store;
}

int main(int argc, char **argv)
{
        double syncs[ROUNDS], writes[ROUNDS], sessions[ROUNDS], ratios[ROUNDS];
        char folder[128], path[160];

        snprintf(folder, sizeof(folder), "%s/cardea-bench-XXXXXX", argc > 2 ? argv[2] : "/var/tmp");
        must(mkdtemp(folder) != NULL, folder);
        bench.seconds = (argc > 1 ? strtod(argv[1], NULL) : 5) / ROUNDS;
        open_store(folder);
        for (int i = 0; i < ROUNDS; i++) {
                syncs[i] = measure_syncs(folder);
                sessions[i] = measure_writes(put_session);
                writes[i] = measure_writes(revoke_token);
                ratios[i] = writes[i] / syncs[i];
        }
        double p50 = latency_ms(0.5), p99 = latency_ms(0.99), most = latency_ms(1);
        bench.store->free(bench.store);
        snprintf(path, sizeof(path), "%s/bench.db", folder);
        unlink(path);
        rmdir(folder);
        printf("{\"writes_per_second\":%.0f,\"fsyncs_per_second\":%.0f,\"ratio\":%.1f,\"session_writes_per_second\":%."
               "0f,"
               "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
               median(writes), median(syncs), median(ratios), median(sessions), p50, p99, most);
        return 0;
}
