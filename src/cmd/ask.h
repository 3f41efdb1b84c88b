#pragma once
/* A password from a user at a terminal, or from a file: never from the command line, where every user of the machine
 * sees it. */
#include "base/arena.h"
#include "base/status.h"

/* The password, in the arena, which wipes it. `file` NULL: asked twice on /dev/tty, without echo; "-": all of standard
 * input; else a file. One line end after it is not part of it. `who` stands in the question. CD_INVALID_REQUEST: there
 * is no terminal, the two differ, the file cannot be read, is empty or too long. CD_UNAVAILABLE: interrupted. */
cd_status cd_ask_password(struct cd_arena *arena, cd_str who, const char *file, cd_str *ret, struct cd_error *reterr);
/* Asks a question that must be answered with "yes", on /dev/tty. CD_INVALID_REQUEST where there is no terminal. */
cd_status cd_ask_yes(const char *question, bool *ret, struct cd_error *reterr);
