#pragma once
/* A program that the demo runs: started, watched, its log passed on, stopped. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct demo_child {
        const char *name;
        const char *argv[5]; /* NULL-terminated; argv[0] is the path */
        uint16_t port;       /* on 127.0.0.1 */

        pid_t pid;       /* 0: not running */
        int log;         /* what it writes to standard error; -1: none */
        int status;      /* of waitpid, once it ended */
        bool ready;      /* it has written that it is */
        char line[1024]; /* of its log: the last one, whole or begun */
        size_t len;
        bool line_ended;
};

/* False with errno. The child ends when this process does, however that ends, and gets neither its signals nor its
 * standard input. */
bool demo_child_start(struct demo_child *child);
/* Passes on what it has written, and sees its event "ready". False where there is no more to come. Does not block. */
bool demo_child_pump(struct demo_child *child);
/* Whether it has ended; takes the status. Does not block. */
bool demo_child_ended(struct demo_child *child);
/* "ended with exit code 2" or "was killed by signal 9 (Killed)". */
void demo_child_describe_end(const struct demo_child *child, char *to, size_t size);
/* SIGTERM to all that run, SIGKILL to those that still do after `grace_ms`. */
void demo_children_stop(struct demo_child *children, size_t count, int grace_ms);
