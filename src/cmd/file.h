#pragma once
/* Files that commands read and create. */
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"

/* Creates a file, which must not exist, with that text, and makes it durable. `dir` is as of openat. It belongs to the
 * owner of `owner`; NULL: to the caller. Only the owner may read it until it is complete. Returns 0 or an errno; after
 * an error there is no file. */
int cd_file_create(int dir, const char *path, const struct stat *owner, mode_t mode, cd_str text);
/* Writes the text to standard output, after what was printed before; if that is a file, also to its disk. Wipes and
 * frees the buffer. Returns 0 or an errno. */
int cd_file_print(struct cd_buf *buf);
/* Reads up to the line end, which is consumed but not stored. Of a line of `size` bytes or more, the first `size` are
 * stored, so that a length of `size` stands for any longer line. False at the end of the file. */
bool cd_file_read_line(FILE *file, char *line, size_t size, size_t *ret_len);
/* How many lines of a regular file are still to be read. 0 of any other file, such as a pipe. */
uint64_t cd_file_count_lines(FILE *file);
