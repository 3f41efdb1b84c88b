#pragma once
/* Argon2's working memory, kept by each thread that hashes. libsodium maps it anew for every hash and has no way to be given any;
 * the 4,865 page faults of 19 MiB then cost three times what the hash does (measured: 40 ms against 11 ms, virtual machine,
 * Linux 6). So, between begin and end, and on this thread alone, its mmap is answered with memory that is there already.
 *
 * Up to 128 MiB are kept, until the thread ends; what is larger is mapped and unmapped as ever. The memory is in no core dump, and what a
 * guess could be tested with for less than a whole hash is wiped at the end. Under a sanitizer, and on machines of 32 bits,
 * nothing is kept. */
#include <stddef.h>

enum {
        CD_PASSWORD_MEMORY_KEPT_MAX = 128 << 20 /* bytes for each thread */
};

void cd_password_memory_begin(void);
void cd_password_memory_end(void);
/* Bytes that this thread keeps. */
size_t cd_password_memory_kept(void);
