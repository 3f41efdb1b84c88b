#pragma once
/* Binds a configuration file into a plain struct by its field table. Reading continues after an error, so that the
 * report holds all of them. */
#include "conf/report.h"
#include "base/field.h"

enum {
        CD_SETTINGS_LIST_MAX = 4096
}; /* items of one list */

/* Sets the defaults, then what `text` sets. report->file_name names the text in errors; ${file:PATH} is relative to its
 * folder. Strings live in report->arena, which holds the only remaining copy of each secret. On failure returns
 * CD_INVALID_REQUEST, CD_NO_MEMORY, CD_TOO_LARGE or CD_MALFORMED with the text of the first error; *ret then holds what
 * could be bound, for further checks. */
cd_status cd_settings_decode(struct cd_report *report, cd_str text, const struct cd_table *table, void *ret,
                             struct cd_error *reterr);
/* Does the same for the file report->file_name; an empty name gives the defaults. */
cd_status cd_settings_load(struct cd_report *report, const struct cd_table *table, void *ret, struct cd_error *reterr);
