#pragma once
/* Opens what the configuration would, and fails the test that asked where it cannot. */
#include "core/ports.h"

struct cd_store *open_store_url(const char *url);
