#pragma once
/* How many passwords a server hashes at once, and the memory for that. Thread-safe.
 *
 * A log-in takes a slot for its hash alone, and not while it waits for a database: so there may be more threads that
 * log users in than slots, and what hashing takes is still bounded by their number. */
#include <stddef.h>

#include "base/status.h"

struct cd_password_budget;
struct cd_password_slot;

/* `slots`: at least 1. CD_NO_MEMORY. */
cd_status cd_password_budget_new(size_t slots, struct cd_password_budget **ret, struct cd_error *reterr);
/* Every slot is back, and no thread takes one any more. NULL is fine. */
void cd_password_budget_free(struct cd_password_budget *budget);
/* Waits until a slot is free. Until it is given back, by the same thread, what that thread hashes works in the memory
 * of the slot. One at a time for each thread. Without a budget (NULL) there is no bound, and the slot is NULL. */
struct cd_password_slot *cd_password_budget_take(struct cd_password_budget *budget);
void cd_password_budget_give(struct cd_password_budget *budget, struct cd_password_slot *slot);
