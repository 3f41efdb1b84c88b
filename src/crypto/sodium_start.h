#pragma once
#include <stdbool.h>

/* Sets libsodium up, once for the process. False where that failed: nothing of it may be used. Thread-safe. */
bool cd_sodium_start(void);
