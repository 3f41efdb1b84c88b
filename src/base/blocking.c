#include "base/blocking.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static _Thread_local enum cd_thread_role role;

void cd_thread_set_role(enum cd_thread_role new_role)
{
        role = new_role;
}

enum cd_thread_role cd_thread_get_role(void)
{
        return role;
}

void cd_thread_be_patient(int nice)
{
        static const struct sched_param none;

        (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
        if (nice)
                (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + nice);
}

void cd_may_block(const char *what)
{
#ifndef NDEBUG
        if (role == CD_THREAD_LOOP) {
                fprintf(stderr, "blocking call on a loop thread: %s\n", what);
                abort();
        }
#else
        (void)what;
#endif
}
