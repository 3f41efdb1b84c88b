#pragma once
/* What the checks of the configuration write their findings with. */
#include "conf/report.h"

#define ERROR(report, setting, fix, ...) cd_report_about(report, CD_FINDING_ERROR, setting, fix, __VA_ARGS__)
#define WARN(report, setting, fix, ...)  cd_report_about(report, CD_FINDING_WARNING, setting, fix, __VA_ARGS__)
#define FINE(report, setting, ...)       cd_report_about(report, CD_FINDING_OK, setting, NULL, __VA_ARGS__)

/* "%.*s" for what an operator wrote: enough of it to be found. */
#define SHOWN(text) CD_STR_ARG(cd_str_slice(text, 0, 100))
/* "%.*s" for a path or an address, which is longer. */
#define SHOWN_PATH(text) CD_STR_ARG(cd_str_slice(text, 0, 200))
