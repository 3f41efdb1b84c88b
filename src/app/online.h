#pragma once
/* `cardea check --online`: whether what the configuration names is there and answers as it should. */
#include "app/config.h"

/* Tries upstreams of gate routes, receivers of the relay, the server of e-mails, providers, and the URL of the portal,
 * all at the same time, and reports the findings in the order of the configuration. For a configuration without errors,
 * whose secrets are not wiped. Takes at most 15 seconds. False: a thread is still waiting and uses the configuration,
 * which must live as long as the process. */
bool cd_online_check(const struct cd_config *config, struct cd_report *report);
