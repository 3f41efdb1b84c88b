#pragma once
/* How many passwords a server hashes at once, and the memory for that. Thread-safe.
 *
 * A log-in takes a place for its hash alone, and not while it waits for a database: so there may be more threads that log people in
 * than places, and what hashing takes is still bounded by their number. */
#include <stddef.h>

#include "base/status.h"

struct cd_password_budget;
struct cd_password_place;

/* `places`: at least 1. CD_NO_MEMORY. */
cd_status cd_password_budget_new(size_t places, struct cd_password_budget **ret, struct cd_error *reterr);
/* Every place is back, and no thread takes one any more. NULL is fine. */
void cd_password_budget_free(struct cd_password_budget *budget);
/* Waits until a place is free. Until it is given back, by the same thread, what that thread hashes works in the memory of the place. One at a
 * time for each thread. Without a budget (NULL) there is no bound, and the place is NULL. */
struct cd_password_place *cd_password_budget_take(struct cd_password_budget *budget);
void cd_password_budget_give(struct cd_password_budget *budget, struct cd_password_place *place);
