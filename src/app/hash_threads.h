#pragma once
/* The hasher of a server: so many threads that hash passwords and do nothing else, each with memory of its own that it
 * keeps (crypto/password_memory.h). So what hashing takes is bounded by their number, however many logins there are,
 * and a login that waits for a store keeps nobody from hashing (LESSONS 15). */
#include "core/direct_hasher.h"

struct cd_hash_threads;

struct cd_hash_threads_options {
        size_t threads;                 /* at least 1; all are started now */
        const struct cd_random *random; /* of the salts; borrowed */
};

/* CD_NO_MEMORY where memory is out, or not so many threads can be started. */
cd_status cd_hash_threads_new(const struct cd_hash_threads_options *options, struct cd_hash_threads **ret,
                              struct cd_error *reterr);
/* A hasher of theirs, at a cost; there may be several. */
struct cd_hash_threads_port {
        struct cd_hasher port; /* first, so that one pointer is both */
        struct cd_hash_threads *threads;
        struct cd_direct_hasher direct; /* what the threads call */
};
/* Callers wait their turn, in the order in which they came, whatever the cost. It ends with the threads. */
struct cd_hash_threads_port cd_hash_threads_port(struct cd_hash_threads *threads, const struct cd_password_cost *cost);
/* No call of the hasher may be under way, and none may come any more. Gives the memory back. NULL is fine. */
void cd_hash_threads_free(struct cd_hash_threads *threads);
