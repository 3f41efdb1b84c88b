#pragma once
/* The hasher of a server: a number of threads that only hash passwords, each with its own memory, which it keeps
 * (crypto/password_memory.h). The memory for hashing is therefore bounded by the number of threads, whatever the number
 * of logins, and a login that waits for the store does not stop others from hashing (LESSONS 15). */
#include "core/direct_hasher.h"

struct cd_hash_threads;

struct cd_hash_threads_options {
        size_t threads;                 /* at least 1; all are started at once */
        const struct cd_random *random; /* for the salts; borrowed */
};

/* CD_NO_MEMORY if memory is out, or not all threads can be started. */
cd_status cd_hash_threads_new(const struct cd_hash_threads_options *options, struct cd_hash_threads **ret,
                              struct cd_error *reterr);
/* A hasher that uses these threads, with one cost; there may be several. */
struct cd_hash_threads_port {
        struct cd_hasher port; /* first, so that a pointer to one is a pointer to the other */
        struct cd_hash_threads *threads;
        struct cd_direct_hasher direct; /* called by the threads */
};
/* Callers are served in the order in which they called, whatever the cost. The port must not be used after the threads
 * have ended. */
struct cd_hash_threads_port cd_hash_threads_port(struct cd_hash_threads *threads, const struct cd_password_cost *cost);
/* Ends the threads and frees the memory. No call of the hasher may be running, and none may follow. NULL is fine. */
void cd_hash_threads_free(struct cd_hash_threads *threads);
