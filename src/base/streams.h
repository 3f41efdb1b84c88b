#pragma once
/* Standard input, output and error of a program that may have been started without them ("<&-"). */
#include <stdbool.h>
#include <stdio.h>

/* To be called first thing in main: opens those that are closed, so that no file, database or socket of ours gets their
 * numbers, and with them what is printed. Standard input still cannot be read and standard output still cannot be
 * written (EBADF), so that a command whose result nobody gets fails; what goes to standard error is thrown away. False,
 * with errno: /dev/null cannot be opened. */
bool cd_open_standard_streams(void);

/* One line, what is unsafe on a terminal as \xHH (cd_str_write_safe), line ends inside of it too. At most 8 KB of
 * it. */
void cd_print_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes standard output. 0, or the errno of the first write to it that failed since the start. */
int cd_output_error(void);
/* The last thing of a program: flushes standard output. False, said on standard error, where not everything that was
 * printed could be written: a full disk or a closed stream is a failure, not a silent success. */
bool cd_finish_output(const char *program);
