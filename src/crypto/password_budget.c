#include "crypto/password_budget.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/password_memory.h"

struct cd_password_slot {
        struct cd_password_memory memory; /* kept from one hash to the next */
        struct cd_password_slot *next;
};

struct cd_password_budget {
        pthread_mutex_t lock;
        pthread_cond_t freed;
        /* the one that was used last first: its memory is there, and perhaps in a cache */
        struct cd_password_slot *free;
        size_t count;
        struct cd_password_slot slots[];
};

cd_status cd_password_budget_new(size_t slots, struct cd_password_budget **ret, struct cd_error *reterr)
{
        struct cd_password_budget *budget = calloc(1, sizeof(*budget) + slots * sizeof(budget->slots[0]));

        if (!budget)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the hashing of passwords");
        pthread_mutex_init(&budget->lock, NULL);
        pthread_cond_init(&budget->freed, NULL);
        budget->count = slots;
        for (size_t i = slots; i-- > 0;) {
                budget->slots[i].next = budget->free;
                budget->free = &budget->slots[i];
        }
        *ret = budget;
        return CD_OK;
}

void cd_password_budget_free(struct cd_password_budget *budget)
{
        if (!budget)
                return;
        for (size_t i = 0; i < budget->count; i++)
                cd_password_memory_free(&budget->slots[i].memory);
        pthread_cond_destroy(&budget->freed);
        pthread_mutex_destroy(&budget->lock);
        free(budget);
}

struct cd_password_slot *cd_password_budget_take(struct cd_password_budget *budget)
{
        if (!budget)
                return NULL;
        pthread_mutex_lock(&budget->lock);
        while (!budget->free)
                pthread_cond_wait(&budget->freed, &budget->lock);
        struct cd_password_slot *slot = budget->free;
        budget->free = slot->next;
        pthread_mutex_unlock(&budget->lock);
        cd_password_memory_use(&slot->memory);
        return slot;
}

void cd_password_budget_give(struct cd_password_budget *budget, struct cd_password_slot *slot)
{
        if (!slot)
                return;
        cd_password_memory_use(NULL);
        pthread_mutex_lock(&budget->lock);
        slot->next = budget->free;
        budget->free = slot;
        pthread_mutex_unlock(&budget->lock);
        pthread_cond_signal(&budget->freed); /* after the lock, or who wakes up would wait for it */
}
