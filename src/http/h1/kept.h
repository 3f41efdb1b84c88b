#pragma once
/* Input of a connection that cannot be used yet. Idle connections have none. */
#include <stdbool.h>
#include <stddef.h>

struct cd_h1_kept {
        size_t len, cap;
        char data[];
};

/* Puts bytes after those that are kept; *kept NULL: none are. False where memory is out. */
bool cd_h1_keep(struct cd_h1_kept **kept, const char *data, size_t len);
/* Wipes and frees. NULL is fine. */
void cd_h1_kept_free(struct cd_h1_kept *kept);
