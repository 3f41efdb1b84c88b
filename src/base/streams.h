#pragma once
/* Standard input, output and error of a program that may have been started without them ("<&-"). */
#include <stdbool.h>
#include <stdio.h>

/* Call this first in main. It opens the standard streams that are closed, so that no file, database or socket of the
 * program gets their descriptors and receives printed text. Reading standard input and writing standard output still
 * fail (EBADF), so that a command whose result is lost fails; text for standard error is discarded. False, with errno,
 * if /dev/null cannot be opened. */
bool cd_open_standard_streams(void);

/* Prints one line of at most 8 KB. Characters that are unsafe on a terminal, including line breaks inside the text,
 * become \xHH (cd_str_write_safe). */
void cd_print_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes standard output. Returns 0, or the errno of the first write to it that failed since the start. */
int cd_output_error(void);
/* Call this last: flushes standard output. Returns false, after a message on standard error, if some output could not
 * be written, so that a full disk or a closed stream is reported as a failure. */
bool cd_finish_output(const char *program);
