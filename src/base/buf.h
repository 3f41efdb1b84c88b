#pragma once
/* A text builder with a stated ceiling. A failure (ceiling, memory) sticks, so only the end needs a check. */
#include "base/arena.h"
#include "base/status.h"

struct cd_buf {
        char *ptr;
        size_t len, cap;        /* bytes */
        size_t ceiling;         /* the most that len may reach */
        struct cd_arena *arena; /* where the memory comes from; NULL: malloc, freed by cd_buf_done */
        bool fixed;             /* the memory is the caller's */
        bool failed;
};

void cd_buf_init(struct cd_buf *buf, struct cd_arena *arena, size_t ceiling);
/* Over memory of the caller's own, never grown. Nothing to free. */
void cd_buf_init_fixed(struct cd_buf *buf, char *memory, size_t size);
/* Wipes, and frees where the builder used malloc. */
void cd_buf_done(struct cd_buf *buf);

/* Room for `more` bytes after len; NULL on failure. The caller writes there and adds to len itself. */
char *cd_buf_reserve(struct cd_buf *buf, size_t more);
void cd_buf_add(struct cd_buf *buf, cd_str s);
void cd_buf_add_char(struct cd_buf *buf, char c);
void cd_buf_add_u64(struct cd_buf *buf, uint64_t value);
void cd_buf_add_i64(struct cd_buf *buf, int64_t value);
/* At most 511 bytes at a time; more fails. */
void cd_buf_printf(struct cd_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes (RFC 8259 §7). Bytes that are not UTF-8 become U+FFFD, and what is unsafe on a terminal
 * (cd_str_safe_sequence) its escape, \uXXXX; but DEL stays, which does nothing. */
void cd_buf_add_json(struct cd_buf *buf, cd_str s);
/* As cd_str_write_safe has it. */
void cd_buf_add_safe(struct cd_buf *buf, cd_str s);
/* base64url without padding (RFC 4648 §5, RFC 7515 §2). */
void cd_buf_add_base64url(struct cd_buf *buf, cd_str bytes);

/* The text so far; valid until the builder changes. CD_TOO_LARGE where anything had failed. */
cd_status cd_buf_view(const struct cd_buf *buf, cd_str *ret);
