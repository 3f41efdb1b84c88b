#include "net/task.h"

enum {
        STACK_SIZE = 1024 * 1024 /* for modules of the system's resolver */
};

/* With the lock held, so that a task that is cancelled does not use its loop, which may be gone then. */
static void hand_over(struct cd_tasks *tasks, struct cd_task *task)
{
        task->step = CD_TASK_RAN;
        if (!task->is_cancelled) {
                cd_loop_finish_job(&task->job);
                return;
        }
        pthread_mutex_unlock(&tasks->lock);
        task->discard(task);
        pthread_mutex_lock(&tasks->lock);
}

static void *run_tasks(void *arg)
{
        struct cd_tasks *tasks = arg;
        struct cd_task *task;

        pthread_mutex_lock(&tasks->lock);
        while ((task = tasks->first)) {
                tasks->first = task->next;
                task->step = CD_TASK_RUNNING;
                pthread_mutex_unlock(&tasks->lock);
                task->run(task);
                pthread_mutex_lock(&tasks->lock);
                hand_over(tasks, task);
        }
        tasks->thread_count--;
        pthread_mutex_unlock(&tasks->lock);
        return NULL;
}

/* With the lock held. */
static void start_thread(struct cd_tasks *tasks)
{
        pthread_attr_t attr;
        pthread_t thread;

        if (tasks->thread_count == tasks->thread_max || pthread_attr_init(&attr) != 0)
                return;
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &attr, run_tasks, tasks) == 0)
                tasks->thread_count++;
        pthread_attr_destroy(&attr);
}

/* The link of the queue that points to `task`; NULL: to the end. With the lock held. */
static struct cd_task **find_link(struct cd_tasks *tasks, const struct cd_task *task)
{
        struct cd_task **at = &tasks->first;

        while (*at != task)
                at = &(*at)->next;
        return at;
}

static void on_ran(struct cd_job *job)
{
        struct cd_task *task = (void *)((char *)job - offsetof(struct cd_task, job));

        /* It was not counted when it began, since a stopping loop would wait for it. */
        job->loop->job_count++;
        if (task->is_cancelled)
                task->discard(task);
        else
                task->done(task);
}

bool cd_task_start(struct cd_tasks *tasks, struct cd_loop *loop, struct cd_task *task)
{
        task->job = (struct cd_job){ .loop = loop, .done = on_ran };
        task->next = NULL;
        task->tasks = tasks;
        task->step = CD_TASK_QUEUED;
        task->is_cancelled = !loop;
        pthread_mutex_lock(&tasks->lock);
        *find_link(tasks, NULL) = task;
        start_thread(tasks);
        bool has_thread = tasks->thread_count > 0;
        if (!has_thread)
                *find_link(tasks, task) = NULL;
        pthread_mutex_unlock(&tasks->lock);
        return has_thread;
}

void cd_task_cancel(struct cd_task *task)
{
        struct cd_tasks *tasks = task->tasks;

        pthread_mutex_lock(&tasks->lock);
        bool is_queued = task->step == CD_TASK_QUEUED;
        task->is_cancelled = true;
        if (is_queued)
                *find_link(tasks, task) = task->next;
        pthread_mutex_unlock(&tasks->lock);
        if (is_queued)
                task->discard(task);
}
