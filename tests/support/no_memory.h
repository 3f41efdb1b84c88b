#pragma once
/* Allocations that fail on demand. The program must be linked with --wrap=malloc and --wrap=calloc. */
#include <stdbool.h>
#include <stddef.h>

static int fail_at = -1; /* the n-th allocation from now fails; negative: none */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool is_due(void)
{
        return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
        return is_due() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
        return is_due() ? NULL : __real_calloc(count, size);
}
