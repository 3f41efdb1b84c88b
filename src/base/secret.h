#pragma once
/* Things that must not be printed, compared byte by byte or left in memory. */
#include "base/str.h"

/* Takes the same time wherever the two differ; only the lengths show. */
bool cd_secret_eq(cd_str a, cd_str b);
/* Overwritten in a way that the optimiser keeps. */
void cd_wipe(void *memory, size_t size);
