#pragma once
/* Files that commands read and create. */
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/str.h"

/* Writes the text, sets the file's mode and makes it durable. Returns 0 or an errno; the file stays open in both cases,
 * and may be incomplete after an error. */
int cd_file_fill(int fd, cd_str text, mode_t mode);
/* Writes all of `text` to standard output, after what was printed before; if that is a file, also to its disk. Returns
 * 0 or an errno. */
int cd_file_print(cd_str text);
/* Reads up to the line end, which is consumed but not stored. Of a line of `size` bytes or more, the first `size` are
 * stored, so that a length of `size` stands for any longer line. False at the end of the file. */
bool cd_file_read_line(FILE *file, char *line, size_t size, size_t *ret_len);
/* How many lines of a regular file are still to be read. 0 of any other file, such as a pipe. */
uint64_t cd_file_count_lines(FILE *file);
