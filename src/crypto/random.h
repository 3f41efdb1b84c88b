#pragma once
/* Randomness through a port, so that tests can fix it and make it fail (LESSONS 31). */
#include "base/status.h"

struct cd_random {
        /* Fills the whole buffer or returns CD_UNAVAILABLE. Thread-safe. */
        cd_status (*fill)(const struct cd_random *random, void *to, size_t size);
};

/* The kernel's (getrandom). */
extern const struct cd_random cd_random_system;
