#pragma once
/* What a configuration that is read again may not change. */
#include "base/field.h"
#include "conf/report.h"

/* An error "restart needed" for each setting that `now` has otherwise than `then`, both bound by the table, but for
 * those in `may_change`: dotted paths ("tokens", "log.level"), each with all below it, NULL at the end. A list that
 * differs is named as a whole; a secret is never shown. A program that wipes a secret once it has used it lists its
 * path, and judges it itself. One that is kept (cd_report_is_kept) has not changed. */
void cd_settings_forbid_changes(struct cd_report *report, const struct cd_table *table, const void *then,
                                const void *now, const char *const *may_change);
