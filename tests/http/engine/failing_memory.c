/* Linked into echo-server-failing (--wrap): between SIGUSR1 and SIGUSR2 every seventh allocation fails. */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_bool armed;
static atomic_uint count;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

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

static void on_signal(int number)
{
        atomic_store(&armed, number == SIGUSR1);
}

__attribute__((constructor)) static void listen_to_signals(void)
{
        signal(SIGUSR1, on_signal);
        signal(SIGUSR2, on_signal);
}
