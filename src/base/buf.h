#pragma once
/* A text builder with a fixed maximum length. A failure (ceiling or memory) is remembered, so only the
 * end needs a check. */
#include "base/arena.h"
#include "base/status.h"

struct cd_buf {
        char *ptr;
        size_t len, cap;        /* bytes */
        size_t ceiling;         /* the limit of len */
        struct cd_arena *arena; /* allocates from here; NULL: from malloc, freed by cd_buf_done */
        bool fixed;             /* the memory belongs to the caller */
        bool failed;
};

void cd_buf_init(struct cd_buf *buf, struct cd_arena *arena, size_t ceiling);
/* Builds in memory of the caller, which never grows. Nothing needs to be freed. */
void cd_buf_init_fixed(struct cd_buf *buf, char *memory, size_t size);
/* Wipes the text, and frees it if it came from malloc. */
void cd_buf_done(struct cd_buf *buf);

/* Makes room for `more` bytes after len; NULL on failure. The caller writes there and adds to len. */
char *cd_buf_reserve(struct cd_buf *buf, size_t more);
void cd_buf_add(struct cd_buf *buf, cd_str s);
void cd_buf_add_char(struct cd_buf *buf, char c);
void cd_buf_add_u64(struct cd_buf *buf, uint64_t value);
void cd_buf_add_i64(struct cd_buf *buf, int64_t value);
/* Fails if the formatted text is longer than 511 bytes. */
void cd_buf_printf(struct cd_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends a JSON string with its quotes (RFC 8259 §7). Invalid UTF-8 becomes U+FFFD. Characters that are unsafe on a
 * terminal (cd_str_safe_sequence) are escaped as \uXXXX, except DEL, which is harmless. */
void cd_buf_add_json(struct cd_buf *buf, cd_str s);
/* Appends text as cd_str_write_safe writes it. */
void cd_buf_add_safe(struct cd_buf *buf, cd_str s);
/* base64url without padding (RFC 4648 §5, RFC 7515 §2). */
void cd_buf_add_base64url(struct cd_buf *buf, cd_str bytes);

/* The text so far, valid until the builder changes. CD_TOO_LARGE if any earlier call failed. */
cd_status cd_buf_view(const struct cd_buf *buf, cd_str *ret);
