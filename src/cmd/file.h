#pragma once
/* Files that commands make. */
#include <sys/types.h>

#include "base/str.h"

/* Writes the text, gives the file its mode and makes it durable. Returns 0 or errno; the file is open still, whatever
 * is in it. */
int cd_file_fill(int fd, cd_str text, mode_t mode);
/* Writes all of `text` to standard output, after what was printed before, and where that is a file, to its disk.
 * Returns 0 or an errno. */
int cd_file_print(cd_str text);
