#pragma once
/* Tasks that block for as long as the system likes: name lookups, files. Their threads end when no task waits, and
 * nothing waits for their threads: neither a loop nor the process when it ends. (libuv's threads are waited for, and
 * libuv aborts if it cannot start them.) */
#include "net/loop.h"

struct cd_task;

/* The threads for one kind of task. Static storage, since a thread may use it until the process ends. */
struct cd_tasks {
        pthread_mutex_t lock;
        struct cd_task *first; /* the queue */
        size_t thread_count, thread_max;
};

#define CD_TASKS(max)                                                                                                  \
        {                                                                                                              \
                .lock = PTHREAD_MUTEX_INITIALIZER, .thread_max = (max)                                                 \
        }

struct cd_task {
        struct cd_job job; /* how the loop gets it back */
        struct cd_task *next;
        struct cd_tasks *tasks;
        enum {
                CD_TASK_QUEUED,
                CD_TASK_RUNNING,
                CD_TASK_RAN, /* handed to the loop */
        } step;
        bool is_cancelled;
        void (*run)(struct cd_task *task);     /* on a thread */
        void (*done)(struct cd_task *task);    /* on the loop, unless it was cancelled; may free the task */
        void (*discard)(struct cd_task *task); /* on either, if it was cancelled; frees the task */
};

/* With the three functions set. `run` is called, then `done`, later than this call returns. False, and neither is, if
 * no thread can be started. A stopping loop does not wait for the task. `loop` NULL: `discard` is called instead of
 * `done`, on the thread. */
bool cd_task_start(struct cd_tasks *tasks, struct cd_loop *loop, struct cd_task *task);
/* Between start and `done`: `discard` is called instead of `done`, now or later. Each task must be done or cancelled
 * before cd_loop_done. */
void cd_task_cancel(struct cd_task *task);
