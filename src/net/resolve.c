#include "net/resolve.h"

#include <netdb.h>
#include <stdlib.h>

/* Threads of our own, not libuv's: the system may need 30 s to say that DNS does not answer, libuv waits for its
 * threads when a loop and when the process ends, and it aborts if it cannot start them. */

enum {
        THREADS_MAX = 4, /* each ends when no lookup waits */
        STACK_SIZE = 1024 * 1024,
};

enum step {
        QUEUED,
        RUNNING,
        ANSWERED, /* handed to the loop */
};

struct cd_resolve {
        struct cd_job job;
        struct cd_resolve *next; /* in the queue */
        enum step step;
        bool is_cancelled;
        cd_resolve_done done;
        void *owner;
        const char *error;
        size_t count;
        struct cd_address addresses[CD_RESOLVE_MAX];
        char name[CD_RESOLVE_NAME_MAX + 1];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects the next two, `step` and `is_cancelled` */
static struct cd_resolve *queue;
static size_t thread_count;

static void add_address(struct cd_resolve *resolve, const struct sockaddr *from)
{
        struct cd_address address;

        if (resolve->count == CD_RESOLVE_MAX || !cd_address_from_socket(from, &address))
                return;
        for (size_t i = 0; i < resolve->count; i++)
                if (memcmp(&resolve->addresses[i], &address, sizeof(address)) == 0)
                        return;
        resolve->addresses[resolve->count++] = address;
}

static void ask(struct cd_resolve *resolve)
{
        const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        int status = getaddrinfo(resolve->name, NULL, &hints, &found);

        for (const struct addrinfo *each = found; status == 0 && each; each = each->ai_next)
                add_address(resolve, each->ai_addr);
        if (found)
                freeaddrinfo(found);
        if (resolve->count == 0)
                resolve->error = gai_strerror(status ? status : EAI_NONAME);
}

/* With the lock held, so that a lookup that is cancelled does not use its loop, which may be gone then. */
static void answer(struct cd_resolve *resolve)
{
        resolve->step = ANSWERED;
        if (resolve->is_cancelled)
                free(resolve);
        else
                cd_loop_finish_job(&resolve->job);
}

static void *run_lookups(void *arg)
{
        struct cd_resolve *resolve;

        (void)arg;
        pthread_mutex_lock(&lock);
        while ((resolve = queue)) {
                queue = resolve->next;
                resolve->step = RUNNING;
                pthread_mutex_unlock(&lock);
                ask(resolve);
                pthread_mutex_lock(&lock);
                answer(resolve);
        }
        thread_count--;
        pthread_mutex_unlock(&lock);
        return NULL;
}

/* With the lock held. */
static void start_thread(void)
{
        pthread_attr_t attr;
        pthread_t thread;

        if (thread_count == THREADS_MAX || pthread_attr_init(&attr) != 0)
                return;
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &attr, run_lookups, NULL) == 0)
                thread_count++;
        pthread_attr_destroy(&attr);
}

/* With the lock held. */
static void enqueue(struct cd_resolve *resolve)
{
        struct cd_resolve **at = &queue;

        while (*at)
                at = &(*at)->next;
        *at = resolve;
}

/* With the lock held. */
static void leave_queue(struct cd_resolve *resolve)
{
        struct cd_resolve **at = &queue;

        while (*at != resolve)
                at = &(*at)->next;
        *at = resolve->next;
}

static void on_answered(struct cd_job *job)
{
        struct cd_resolve *resolve = (void *)((char *)job - offsetof(struct cd_resolve, job));

        /* A lookup was not counted when it began, since a stopping loop does not wait for it. */
        job->loop->job_count++;
        if (!resolve->is_cancelled)
                resolve->done(resolve->owner, resolve->addresses, resolve->count, resolve->error);
        free(resolve);
}

struct cd_resolve *cd_resolve_start(struct cd_loop *loop, cd_str name, cd_resolve_done done, void *owner)
{
        struct cd_resolve *resolve = name.len <= CD_RESOLVE_NAME_MAX ? calloc(1, sizeof(*resolve)) : NULL;

        if (!resolve)
                return NULL;
        resolve->job = (struct cd_job){ .loop = loop, .done = on_answered };
        resolve->done = done;
        resolve->owner = owner;
        memcpy(resolve->name, name.ptr, name.len);
        pthread_mutex_lock(&lock);
        enqueue(resolve);
        start_thread();
        bool has_thread = thread_count > 0;
        if (!has_thread)
                leave_queue(resolve);
        pthread_mutex_unlock(&lock);
        if (!has_thread) {
                free(resolve);
                return NULL;
        }
        return resolve;
}

void cd_resolve_cancel(struct cd_resolve *resolve)
{
        pthread_mutex_lock(&lock);
        enum step step = resolve->step;
        resolve->is_cancelled = true;
        if (step == QUEUED)
                leave_queue(resolve);
        pthread_mutex_unlock(&lock);
        if (step == QUEUED)
                free(resolve);
}
