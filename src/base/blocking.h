#pragma once
/* Enforces the threading rule that loop threads never block. */

enum cd_thread_role {
        CD_THREAD_OTHER, /* main before the server runs, tests, commands */
        CD_THREAD_LOOP,
        CD_THREAD_WORKER,
};

void cd_thread_set_role(enum cd_thread_role role);
enum cd_thread_role cd_thread_get_role(void);

/* Lowers the scheduling priority of the calling thread. It becomes a SCHED_BATCH thread, which does not preempt a
 * running thread when it wakes up, and its nice value (per thread on Linux) is raised by `nice`. SCHED_IDLE would
 * disturb the loops even less, but busy loops could then starve the thread while it holds a lock. A refusal by the
 * system is ignored. */
void cd_thread_be_patient(int nice);

/* Everything that may block (database, password hashing, files, outgoing HTTP) calls this first with its own name. In a
 * debug build (no NDEBUG), a call on a loop thread prints `what` and aborts. */
void cd_may_block(const char *what);
