#pragma once
/* What cardea backup and cardea restore share. */
#include "store/backup.h"

/* "3 users, 1 client, …", in the arena. */
cd_str cd_backup_contents_text(struct cd_arena *arena, const struct cd_store_contents *contents);
