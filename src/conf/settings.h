#pragma once
/* A configuration file bound into a plain struct by its field table. Reading goes on after an error, so that the report
 * holds all of them. */
#include "conf/report.h"
#include "base/field.h"

enum {
        CD_SETTINGS_LIST_MAX = 4096
}; /* items of one list */

/* The defaults, then what `text` sets. report->file_name names the text in errors, and its folder is what ${file:PATH}
 * is relative to. Strings live in report->arena, which gets
 * the only copy of a secret that stays. On failure CD_INVALID_REQUEST (or CD_NO_MEMORY, CD_TOO_LARGE, CD_MALFORMED)
 * with the text of the first error; *ret then holds what could be bound, for further checks. */
cd_status cd_settings_decode(struct cd_report *report, cd_str text, const struct cd_table *table, void *ret,
                             struct cd_error *reterr);
/* The same for the file report->file_name; an empty name gives the defaults. */
cd_status cd_settings_load(struct cd_report *report, const struct cd_table *table, void *ret, struct cd_error *reterr);
