#include "crypto/sodium_start.h"

#include <threads.h>

#include <sodium.h>

static once_flag once = ONCE_FLAG_INIT;
static bool started;

static void start(void)
{
        started = sodium_init() >= 0;
}

bool cd_sodium_start(void)
{
        call_once(&once, start);
        return started;
}
