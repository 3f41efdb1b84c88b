#pragma once
/* The name of a device in the list of a user's sessions. */
#include "base/arena.h"

enum {
        CD_DEVICE_NAME_MAX = 64, /* bytes */
};

/* "Firefox (Linux)" from a User-Agent header: the same in every language. Other programs than the usual browsers are
 * named by the beginning of the text itself; ptr NULL only if memory is out. A hint for the user, who knows the own
 * devices: anyone can send any text. */
cd_str cd_device_name(struct cd_arena *arena, cd_str user_agent);
