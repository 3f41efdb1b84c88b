#pragma once
/* Files that commands create. */
#include <sys/types.h>

#include "base/str.h"

/* Writes the text, sets the file's mode and makes it durable. Returns 0 or an errno; the file stays open in both cases,
 * and may be incomplete after an error. */
int cd_file_fill(int fd, cd_str text, mode_t mode);
/* Writes all of `text` to standard output, after what was printed before; if that is a file, also to its disk. Returns
 * 0 or an errno. */
int cd_file_print(cd_str text);
