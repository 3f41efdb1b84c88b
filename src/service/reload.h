#pragma once
/* What a running service takes over without an end: another certificate. On SIGHUP, and when the files of `tls` have
 * changed and then stood still for half a second. The new ones are validated first; where they fail everything stays as
 * it is (LESSONS 27). Logs "reloaded" or "reload_failed". */
#include "service/service.h"

struct cd_reload;

/* SIGHUP waits for cd_reload_start from now on. Before the first thread, since each inherits it. */
void cd_reload_hold_signal(void);
/* Starts a thread. Server, settings and log are borrowed. */
cd_status cd_reload_start(struct cd_http_server *server, const struct cd_service_settings *settings, struct cd_log *log,
                          struct cd_reload **ret, struct cd_error *reterr);
void cd_reload_stop(struct cd_reload *reload); /* NULL is fine */
