#pragma once
/* How this process was started, read from /proc, and so where its environment variables come from. A variable that is
 * exported in a shell is not seen by a program that a daemon starts, and each daemon is told in another way. */
#include "base/arena.h"

enum cd_starter {
        CD_STARTER_UNKNOWN, /* /proc cannot be read */
        CD_STARTER_SYSTEMD,
        CD_STARTER_SYSTEMD_USER, /* the user manager */
        CD_STARTER_CONTAINER,
        CD_STARTER_CRON,
        CD_STARTER_UWSGI,        /* attach-daemon, exec-*: a child of uWSGI's master */
        CD_STARTER_UWSGI_CHILD,  /* a child of one of its workers or mules */
        CD_STARTER_UWSGI_VASSAL, /* of a uWSGI that an emperor started */
        CD_STARTER_SUPERVISOR,
        CD_STARTER_SUDO,
        CD_STARTER_SHELL,   /* one that somebody types into */
        CD_STARTER_CLEARED, /* an environment without a variable, as env -i makes it */
        CD_STARTER_PROGRAM, /* any other */
};

struct cd_started_by {
        bool is_known; /* cd_started_by_find has filled it in */
        enum cd_starter starter;
        /* The unit, the engine of the container, the file of uWSGI, the program of supervisord, the shell, or the other
         * program; empty: not known. */
        cd_str name;
        char *const *environment; /* as given */
};

/* `root`: the folder that has proc, run and .dockerenv; "" in earnest. `process`: "self", or a process id.
 * `environment`: that of the process, because a process that is not dumpable cannot read it from /proc; borrowed. The
 * nearest ancestor that is told what to pass on decides, so that a script between does not matter. */
void cd_started_by_find(const char *root, const char *process, char *const *environment, struct cd_arena *arena,
                        struct cd_started_by *ret);
/* What to do about a variable that is not set or empty, as the `fix` of a finding; where another one is set that has
 * nearly its name, that too. Never has a variable's value. In the arena. */
cd_str cd_started_by_fix(const struct cd_started_by *by, struct cd_arena *arena, cd_str variable);
/* Why it is not enough to set it elsewhere: one sentence, static. */
cd_str cd_started_by_why(const struct cd_started_by *by);
