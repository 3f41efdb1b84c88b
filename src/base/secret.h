#pragma once
/* Secrets: constant-time comparison and wiping. */
#include "base/str.h"

/* Takes time that depends only on the lengths. */
bool cd_secret_eq(cd_str a, cd_str b);
/* Overwrites memory in a way that the optimiser does not remove. */
void cd_wipe(void *memory, size_t size);
