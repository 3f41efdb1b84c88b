#pragma once
/* The section `portal.identity`: the headers that tell an application who the user is. */
#include "conf/report.h"
#include "gate/gate.h"

struct cd_config_identity {
        int preset;                       /* index of a set of names */
        cd_str user, groups, email, name; /* empty: the preset's */
};

extern const struct cd_table cd_config_identity_table;
/* The same struct, of which it leaves the preset out. */
extern const struct cd_table cd_config_identity_headers_table;

/* The names; they live as long as *identity. */
struct cd_identity_headers cd_config_identity_headers(const struct cd_config_identity *identity);
/* What is wrong with the name of a header that the gate sets; NULL: nothing. */
const char *cd_config_header_fault(cd_str name);
/* Reports what the tables cannot express. `path` is where the names are set, "portal.identity". */
void cd_config_check_identity(const struct cd_identity_headers *headers, cd_str path, struct cd_report *report);
