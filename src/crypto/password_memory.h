#pragma once
/* Keeps Argon2's working memory from one hash of a thread to the next. libsodium maps new memory for each hash and
 * cannot be given any. The 4,865 page faults for 19 MiB then cost three times as much as the hash itself (measured: 40
 * ms against 11 ms, virtual machine, Linux 6). On a thread that keeps memory, libsodium's mmap between begin and end
 * therefore returns the memory that is already mapped.
 *
 * Up to 128 MiB are kept; larger memory is mapped and unmapped as usual. The memory is excluded from core dumps. At the
 * end, the parts that would let an attacker test a guess for less than a complete hash are wiped. Under a sanitizer,
 * and on 32-bit machines, nothing is kept. */
#include <stdbool.h>
#include <stddef.h>

enum {
        CD_PASSWORD_MEMORY_KEPT_MAX = 128 << 20 /* bytes */
};

/* Whether this thread keeps memory from now on; initially it does not. `false` frees the kept memory; a thread must do
 * that before it ends. */
void cd_password_memory_keep(bool keeps);
/* Returns the memory that this thread keeps, and its size in bytes; NULL if none. */
const void *cd_password_memory_kept(size_t *ret_size);

/* Call these around libsodium's function. */
void cd_password_memory_begin(void);
void cd_password_memory_end(void);
