#pragma once
/* Finds settings that a reload of the configuration must not change. */
#include "base/field.h"
#include "conf/report.h"

/* Adds an error "restart needed" for each setting that differs between `then` and `now`, both bound by `table`.
 * Settings in `may_change` are exempt: dotted paths ("tokens", "log.level"), each including everything below it,
 * NULL-terminated. A list that differs is named as a whole, and a secret is never shown. A program that wipes a secret
 * after use lists its path there and compares it itself. A setting that is kept (cd_report_is_kept) has not changed. */
void cd_settings_forbid_changes(struct cd_report *report, const struct cd_table *table, const void *then,
                                const void *now, const char *const *may_change);
