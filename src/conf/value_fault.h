#pragma once
/* What is written by mistake instead of a secret, or kept around a value that comes from elsewhere. */
#include "conf/report.h"

struct cd_value_fault {
        enum cd_finding_level level;
        const char *what; /* follows the setting: "has quotation marks around it" */
        cd_str fix;       /* in the arena, or static */
};

enum cd_value_kind {
        CD_VALUE_INSERTED, /* any value of a variable or a file */
        CD_VALUE_SECRET,
        CD_VALUE_PEM, /* a secret of several lines */
};

/* False if there is nothing to say about the value. `folder` is that of the configuration, to which names of files are
 * relative; empty: the current one. No fault repeats a secret. */
bool cd_value_find_fault(struct cd_arena *arena, cd_str folder, cd_str value, enum cd_value_kind kind,
                         struct cd_value_fault *ret);
