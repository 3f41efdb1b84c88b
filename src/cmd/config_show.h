#pragma once
/* Shows each effective setting, its value and its origin. A secret is shown as a length and a fingerprint. */
#include "conf/report.h"
#include "base/buf.h"
#include "base/field.h"
#include "crypto/fingerprint.h"

struct cd_config_shown {
        const struct cd_report *report;
        const struct cd_table *table;
        const void *config; /* a struct of `table`, which was filled by reading `report` */
        struct cd_fingerprints
                *fingerprints; /* under the master key; NULL: there is none, and only lengths are shown */
};

/* Prints lines with three columns. */
void cd_config_show_text(const struct cd_config_shown *shown, struct cd_buf *out);
/* {"settings":[{"setting":…,"value":…,"source":"default"},…]}. A source other than the default is an object with file,
 * line, column and, if the value was read from elsewhere, "from". */
void cd_config_show_json(const struct cd_config_shown *shown, struct cd_buf *out);
