#include "net/resolve.h"

#include <netdb.h>
#include <stdlib.h>

#include "net/task.h"

struct cd_resolve {
        struct cd_task task;
        cd_resolve_done done;
        void *owner;
        const char *error;
        size_t count;
        struct cd_address addresses[CD_RESOLVE_MAX];
        char name[CD_RESOLVE_NAME_MAX + 1];
};

static struct cd_tasks lookups = CD_TASKS(4);

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

static void ask(struct cd_task *task)
{
        struct cd_resolve *resolve = (void *)task;
        const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        int status = getaddrinfo(resolve->name, NULL, &hints, &found);

        for (const struct addrinfo *each = found; status == 0 && each; each = each->ai_next)
                add_address(resolve, each->ai_addr);
        if (status == 0)
                freeaddrinfo(found);
        if (resolve->count == 0)
                resolve->error = gai_strerror(status ? status : EAI_NONAME);
}

static void discard(struct cd_task *task)
{
        free(task);
}

static void answer(struct cd_task *task)
{
        struct cd_resolve *resolve = (void *)task;

        resolve->done(resolve->owner, resolve->addresses, resolve->count, resolve->error);
        free(resolve);
}

struct cd_resolve *cd_resolve_start(struct cd_loop *loop, cd_str name, cd_resolve_done done, void *owner)
{
        struct cd_resolve *resolve = name.len <= CD_RESOLVE_NAME_MAX ? calloc(1, sizeof(*resolve)) : NULL;

        if (!resolve)
                return NULL;
        resolve->task = (struct cd_task){ .run = ask, .done = answer, .discard = discard };
        resolve->done = done;
        resolve->owner = owner;
        memcpy(resolve->name, name.ptr, name.len);
        if (cd_task_start(&lookups, loop, &resolve->task))
                return resolve;
        free(resolve);
        return NULL;
}

void cd_resolve_cancel(struct cd_resolve *resolve)
{
        cd_task_cancel(&resolve->task);
}
