#pragma once
/* What every implementation of struct cd_revocations must do. A store's own file calls this with a maker of fresh,
 * empty ones. */
#include "core/ports.h"

struct revocations_subject {
        const char *name;
        struct cd_revocations *(*make)(size_t capacity);
};

/* Runs the suite; returns the number of failed tests. */
int run_revocations_contract(const struct revocations_subject *subject);
