#pragma once
/* The threading rule, enforced: loop threads never block. */

enum cd_thread_role {
        CD_THREAD_OTHER, /* main before the server runs, tests, commands */
        CD_THREAD_LOOP,
        CD_THREAD_WORKER,
};

void cd_thread_set_role(enum cd_thread_role role);
enum cd_thread_role cd_thread_get_role(void);

/* Called by everything that may block (database, password hashing, files, outgoing HTTP), naming itself. In a debug
 * build (no NDEBUG) a call on a loop thread prints `what` and aborts. */
void cd_may_block(const char *what);
