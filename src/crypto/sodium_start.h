#pragma once
#include <stdbool.h>

/* Initialises libsodium, once for the process. Thread-safe. False on failure: libsodium must not be used then. */
bool cd_sodium_start(void);
