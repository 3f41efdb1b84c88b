#pragma once
/* A driver on the real server that tests/support/postgres-server runs around the test. */
#include "store/postgres/postgres.h"
#include "support/check.h"

/* Of that server; aborts where the test was started without it. */
const char *server_url(void);
/* The same with another port of 127.0.0.1, user, password or database; NULL: as it is. Static storage of the caller's
 * thread, four at a time. */
const char *server_url_with(int port, const char *user, const char *password, const char *database);
/* kill, start, or signal with `argument` (NULL: none), of postgres-server; and done when it is done. */
void server_do(const char *command, const char *argument);

struct cd_sql_driver *open_driver(const char *url, size_t connections, int64_t timeout_ms);
/* On the test's server, with a timeout that only a broken driver reaches. */
struct cd_sql_driver *open_usual(void);

/* Statements without parameters, in one transaction. */
cd_status try_script(struct cd_sql_driver *driver, const char *text, struct cd_error *reterr);
void do_script(struct cd_sql_driver *driver, const char *text);
/* The one integer that a statement without parameters gives, by a query. */
cd_status try_integer(struct cd_sql_driver *driver, const struct cd_sql_statement *statement, int64_t *ret,
                      struct cd_error *reterr);
int64_t get_integer(struct cd_sql_driver *driver, const struct cd_sql_statement *statement);
/* A row function for one integer; arg: int64_t *. */
cd_status take_integer(void *arg, const struct cd_sql_value *columns, struct cd_error *reterr);

/* Milliseconds of a clock that only goes forward. */
int64_t now_ms(void);
void sleep_ms(int ms);
