#pragma once
/* Argon2's working memory, kept from one hash of a thread to the next. libsodium maps new memory for every hash and has
 * no way to be given any; the 4,865 page faults of 19 MiB then cost three times what the hash does (measured: 40 ms against
 * 11 ms, virtual machine, Linux 6). So, between begin and end, on a thread that keeps such memory, libsodium's mmap is
 * answered with what is there already.
 *
 * Up to 128 MiB are kept; what is larger is mapped and unmapped as ever. The memory is in no core dump, and what a
 * guess could be tested with for less than a whole hash is wiped at the end. Under a sanitizer, and on machines of 32
 * bits, nothing is kept. */
#include <stdbool.h>
#include <stddef.h>

enum {
        CD_PASSWORD_MEMORY_KEPT_MAX = 128 << 20 /* bytes */
};

/* Whether this thread keeps memory from now on; at first it does not. With false, what was kept is given back, which a
 * thread does before it ends. */
void cd_password_memory_keep(bool keeps);
/* What this thread keeps now, with its size in bytes; NULL: nothing. */
const void *cd_password_memory_kept(size_t *ret_size);

/* Around libsodium's call. */
void cd_password_memory_begin(void);
void cd_password_memory_end(void);
