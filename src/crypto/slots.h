#pragma once
/* A few idle OpenSSL contexts, shared by all threads without a lock. A context is not thread-safe and costs more to
 * make than many operations cost to do, so a thread that needs one takes it out, uses it alone, and gives it back. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        CD_SLOTS_COUNT = 16,
        CD_SLOTS_CACHE_LINE = 64, /* bytes; a slot each, so that threads do not slow one another down */
};

struct cd_slots {
        struct {
                _Atomic(void *) item;
                char pad[CD_SLOTS_CACHE_LINE - sizeof(void *)];
        } slot[CD_SLOTS_COUNT];
};

/* Where this thread looks first: threads spread over the slots and find the context that they used last. */
static inline size_t cd_slots_first(void)
{
        static _Thread_local char here;
        return (size_t)(((uint64_t)(uintptr_t)&here * 0x9e3779b97f4a7c15u) >> 60) % CD_SLOTS_COUNT;
}

/* An idle item that is now the caller's, or NULL: the caller makes one. */
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

/* False where every slot is full: the item stays the caller's, to be freed. */
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
