#pragma once
/* Reads a password from a user at a terminal, or from a file; never from the command line, which every user of the
 * machine can see. */
#include "base/arena.h"
#include "base/status.h"

/* The password, in the arena, which wipes it. `file` NULL: asks twice on /dev/tty, without echo; "-": reads all of
 * standard input; otherwise reads that file. One line end at the end is removed. `who` is part of the question.
 * CD_INVALID_REQUEST: there is no terminal, the two inputs differ, or the file cannot be read, is empty or too long.
 * CD_UNAVAILABLE: interrupted. */
cd_status cd_ask_password(struct cd_arena *arena, cd_str who, const char *file, cd_str *ret, struct cd_error *reterr);
/* Asks on /dev/tty whether something is to be removed, unless `is_sure`. CD_INVALID_REQUEST if the answer is not "yes",
 * or there is no terminal. */
cd_status cd_ask_removal(const char *question, bool is_sure, struct cd_error *reterr);
