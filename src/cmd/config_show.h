#pragma once
/* Each effective setting, its value and where it came from. Secrets are a length and a fingerprint. */
#include "conf/report.h"
#include "base/buf.h"
#include "base/field.h"

/* Lines of three columns. `config` is a struct of `table`, filled by reading `report`. */
void cd_config_show_text(const struct cd_report *report, const struct cd_table *table, const void *config,
                         struct cd_buf *out);
/* {"settings":[{"setting":…,"value":…,"source":"default"},…]}, where a source that is not the default is an object with
 * file, line, column and, where the value came from elsewhere, "from". */
void cd_config_show_json(const struct cd_report *report, const struct cd_table *table, const void *config,
                         struct cd_buf *out);
