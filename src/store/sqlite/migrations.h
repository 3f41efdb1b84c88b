#pragma once
/* The numbered files of migrations/, embedded by tools/embed-migrations. */
#include "store/sql/sql.h"

extern const struct cd_sql_migration cd_sqlite_migrations[];
extern const size_t cd_sqlite_migration_count;
extern const cd_str cd_sqlite_schema; /* what they make of an empty database, as a script */
/* Whether the table schema_migrations exists. */
extern const struct cd_sql_statement cd_sqlite_has_migrations;
