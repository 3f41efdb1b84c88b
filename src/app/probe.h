#pragma once
/* Tries what is outside of the configuration and its files: the store and the listen addresses. */
#include "service/service.h"

/* `probe` of struct cd_service. */
void cd_config_probe(const void *config, enum cd_check_purpose purpose, struct cd_report *report);

/* Whether a server could now listen on "127.0.0.1:5001", "[::1]:5001" or "unix:/PATH": 0, or an errno. Port 0 is always
 * possible, and so is a socket that a stopped program has left. */
int cd_probe_listen(cd_str address);
