#pragma once
/* What is left of a crash: when a fault ends the process (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL), a signal handler
 * appends a few lines to a file that was opened at the start, and the process then dies of that signal as it
 * would without the handler, with its core dump. The next start reads the file. The lines are "NAME VALUE": release,
 * environment, program (its address in memory, hexadecimal), signal, code, time (seconds), address, request_id,
 * client_id, user, session, and a "frame" for each caller, the innermost first. */
#include "base/arena.h"
#include "base/status.h"

enum {
        CD_CRASH_FILE_MAX = 16 * 1024, /* bytes; a crash that may not find room in it is not written */
};

struct cd_crash_options {
        cd_str path;                 /* of the file, NUL-terminated */
        cd_str release, environment; /* of this process, without line ends */
};

/* Opens the file, reads what an earlier process left in it, and installs the handlers. *ret_earlier is in the arena;
 * empty: there was no crash. CD_UNAVAILABLE: the file cannot be opened; the reason says why. */
cd_status cd_crash_watch(const struct cd_crash_options *options, struct cd_arena *arena, cd_str *ret_earlier,
                         struct cd_error *reterr);
/* Removes what was read from the file, once it has been reported. */
void cd_crash_forget_earlier(void);
/* Ends what cd_crash_watch began; allowed without it. */
void cd_crash_done(void);
