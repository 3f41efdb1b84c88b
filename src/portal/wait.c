#include <string.h>

#include "portal/visit.h"

struct cd_page_message cd_visit_explain_wait(const struct cd_error *error, int64_t seconds)
{
        bool is_network = strcmp(error->field, "network") == 0;

        if (seconds < 60)
                return (struct cd_page_message){ is_network ? CD_MESSAGE_NETWORK_BUSY_SECONDS
                                                            : CD_MESSAGE_TOO_MANY_ATTEMPTS_SECONDS,
                                                 seconds };
        return (struct cd_page_message){ is_network ? CD_MESSAGE_NETWORK_BUSY : CD_MESSAGE_TOO_MANY_ATTEMPTS,
                                         (seconds + 59) / 60 };
}
