#pragma once
/* What is meant by the name of a setting that there is not. */
#include "base/field.h"

/* The known setting that somebody means who writes its name with another one around it or after it: "cert" for
 * "certificate", "client_id" for "id", "log_level" for "log.level", "store.url" for "store"; or without the one that
 * it belongs to: "routes" for "gate.routes". Empty where there is none. */
cd_str cd_setting_similar(struct cd_arena *arena, const struct cd_table *table, cd_str key);
/* What there is where somebody wrote something else, as a fix. */
cd_str cd_setting_name_all(struct cd_arena *arena, const struct cd_table *table);
