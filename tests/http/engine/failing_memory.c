/* Linked into echo-server-failing (--wrap): between SIGUSR1 and SIGUSR2 every seventh allocation fails, and between
 * SIGWINCH and SIGUSR2 no thread can be started. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_bool armed, has_no_threads;
static atomic_uint count;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);

static bool fails(void)
{
        return atomic_load(&armed) && atomic_fetch_add(&count, 1) % 7 == 0;
}

void *__wrap_malloc(size_t size)
{
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t items, size_t size)
{
        return fails() ? NULL : __real_calloc(items, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
        return atomic_load(&has_no_threads) ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

static void on_signal(int number)
{
        atomic_store(&armed, number == SIGUSR1);
        atomic_store(&has_no_threads, number == SIGWINCH);
}

__attribute__((constructor)) static void listen_to_signals(void)
{
        signal(SIGUSR1, on_signal);
        signal(SIGUSR2, on_signal);
        signal(SIGWINCH, on_signal);
}
