#pragma once
/* A few idle OpenSSL contexts, shared by all threads without a lock. A context is not thread-safe, and creating it
 * costs more than many operations with it. A thread therefore takes one out, uses it alone, and gives it back. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        CD_SLOTS_COUNT = 16,
        CD_SLOTS_CACHE_LINE = 64, /* bytes; one line for each slot, so that threads do not slow one another down */
};

struct cd_slots {
        struct {
                _Atomic(void *) item;
                char pad[CD_SLOTS_CACHE_LINE - sizeof(void *)];
        } slot[CD_SLOTS_COUNT];
};

/* The slot at which this thread starts to look. Threads spread over the slots, and each finds the context
 * that it used last. */
static inline size_t cd_slots_first(void)
{
        static _Thread_local char here;
        return (size_t)(((uint64_t)(uintptr_t)&here * 0x9e3779b97f4a7c15u) >> 60) % CD_SLOTS_COUNT;
}

/* Returns an idle item, which the caller then owns, or NULL: the caller creates one. */
static inline void *cd_slots_take(struct cd_slots *slots)
{
        size_t first = cd_slots_first();

        for (size_t i = 0; i < CD_SLOTS_COUNT; i++) {
                _Atomic(void *) *slot = &slots->slot[(first + i) % CD_SLOTS_COUNT].item;
                if (!atomic_load_explicit(slot, memory_order_relaxed))
                        continue;
                void *item = atomic_exchange_explicit(slot, NULL, memory_order_acquire);
                if (item)
                        return item;
        }
        return NULL;
}

/* False if every slot is full: the caller still owns the item and frees it. */
static inline bool cd_slots_give(struct cd_slots *slots, void *item)
{
        size_t first = cd_slots_first();

        for (size_t i = 0; i < CD_SLOTS_COUNT; i++) {
                _Atomic(void *) *slot = &slots->slot[(first + i) % CD_SLOTS_COUNT].item;
                void *empty = NULL;
                if (!atomic_load_explicit(slot, memory_order_relaxed) &&
                    atomic_compare_exchange_strong_explicit(slot, &empty, item, memory_order_release,
                                                            memory_order_relaxed))
                        return true;
        }
        return false;
}
