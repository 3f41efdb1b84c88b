#pragma once
/* The threading rule, enforced: loop threads never block. */

enum cd_thread_role {
        CD_THREAD_OTHER, /* main before the server runs, tests, commands */
        CD_THREAD_LOOP,
        CD_THREAD_WORKER,
};

void cd_thread_set_role(enum cd_thread_role role);
enum cd_thread_role cd_thread_get_role(void);

/* The calling thread counts less with the scheduler: it runs as a batch thread, which does not push aside the one that
 * runs when it wakes up, be it a loop or another job; and its nice value is `nice` above the program's, which Linux has
 * for each thread. SCHED_IDLE would be kinder still to the loops, but then busy ones could keep the thread (and whatever
 * lock it has) from ever going on. Where the system refuses, nothing is lost. */
void cd_thread_be_patient(int nice);

/* Called by everything that may block (database, password hashing, files, outgoing HTTP), naming itself. In a debug
 * build (no NDEBUG) a call on a loop thread prints `what` and aborts. */
void cd_may_block(const char *what);
