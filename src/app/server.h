#pragma once
/* The authorization server: configuration -> core -> routes. */
#include "service/service.h"

/* The service that `cardea serve` runs. Static storage. */
const struct cd_service *cd_server_service(void);
