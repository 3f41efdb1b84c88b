#pragma once
/* A program that the demo runs: starts, watches and stops it, and passes its log on. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct demo_child {
        const char *name;
        const char *argv[8]; /* NULL-terminated; argv[0] is the path */
        uint16_t port;       /* on 127.0.0.1 */
        const char *says;    /* what a line of its log has once it is ready */
        int passes_to;       /* where its log goes: a descriptor */

        pid_t pid;       /* 0: not running */
        int log;         /* its standard error; -1: none */
        int status;      /* from waitpid, once it has ended */
        bool ready;      /* it has said so */
        char line[1024]; /* the last line of its log, complete or partial */
        size_t len;
        bool line_ended;
};

/* False with errno. The child ends when this process does, in whatever way that ends. It gets neither this process's
 * signals nor its standard input. */
bool demo_child_start(struct demo_child *child);
/* Passes on what the child has written, and notices that it is ready. False if nothing more will come. Does not
 * block. */
bool demo_child_pump(struct demo_child *child);
/* Whether the child has ended; reads its status. Does not block. */
bool demo_child_ended(struct demo_child *child);
/* "ended with exit code 2" or "was killed by signal 9 (Killed)". */
void demo_child_describe_end(const struct demo_child *child, char *to, size_t size);
/* Sends SIGTERM to all running children, and SIGKILL to those that still run after `grace_ms`. */
void demo_children_stop(struct demo_child *children, size_t count, int grace_ms);
