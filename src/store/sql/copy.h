#pragma once
/* Copies all rows of one database to another, whichever drivers they have. The tables and their columns are those of a
 * SQLite database with the current schema: a table that a later migration adds is copied without any change here. */
#include "store/sql/sql.h"

struct cd_sql_shape;

/* `sqlite`: a driver of store/sqlite. *ret must outlive both drivers, which know its statements by their addresses. */
cd_status cd_sql_shape_read(struct cd_sql_driver *sqlite, struct cd_sql_shape **ret, struct cd_error *reterr);
void cd_sql_shape_free(struct cd_sql_shape *shape); /* NULL is allowed */

/* Replaces all rows of `to` with those of `from`, each in one transaction, so that the copy is consistent and `to`
 * changes as a whole or not at all. Both have the schema of this program. CD_EXISTS where a server uses `to` and the
 * driver can tell. */
cd_status cd_sql_copy(const struct cd_sql_shape *shape, struct cd_sql_driver *from, struct cd_sql_driver *to,
                      struct cd_error *reterr);
