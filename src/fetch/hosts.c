#include "fetch/hosts.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "fetch/guard.h"

/* There is one for each host to which a request runs or waits, and no other. */
struct cd_fetch_host {
        struct cd_fetch_host *next;
        cd_str name;            /* after the struct */
        int64_t running, users; /* users: running, and waiting */
        pthread_cond_t ended;
};

struct cd_fetch_hosts {
        int64_t limit;
        pthread_mutex_t lock; /* protects the list and its members */
        struct cd_fetch_host *first;
};

struct cd_fetch_hosts *cd_fetch_hosts_new(int64_t limit)
{
        struct cd_fetch_hosts *hosts = calloc(1, sizeof(*hosts));

        if (!hosts)
                return NULL;
        hosts->limit = limit;
        pthread_mutex_init(&hosts->lock, NULL);
        return hosts;
}

void cd_fetch_hosts_free(struct cd_fetch_hosts *hosts)
{
        if (hosts)
                pthread_mutex_destroy(&hosts->lock);
        free(hosts);
}

static struct cd_fetch_host *add_host(struct cd_fetch_hosts *hosts, cd_str name)
{
        struct cd_fetch_host *host = calloc(1, sizeof(*host) + name.len);
        pthread_condattr_t attr;

        if (!host)
                return NULL;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&host->ended, &attr);
        pthread_condattr_destroy(&attr);
        memcpy(host + 1, name.ptr, name.len);
        host->name = cd_str_of((const char *)(host + 1), name.len);
        host->next = hosts->first;
        hosts->first = host;
        return host;
}

static struct cd_fetch_host *find_host(struct cd_fetch_hosts *hosts, cd_str name)
{
        struct cd_fetch_host *host = hosts->first;

        while (host && !cd_str_eq_nocase(host->name, name))
                host = host->next;
        return host ? host : add_host(hosts, name);
}

static void release(struct cd_fetch_hosts *hosts, struct cd_fetch_host *host)
{
        struct cd_fetch_host **link = &hosts->first;

        if (--host->users > 0)
                return;
        while (*link != host)
                link = &(*link)->next;
        *link = host->next;
        pthread_cond_destroy(&host->ended);
        free(host);
}

cd_status cd_fetch_hosts_enter(struct cd_fetch_hosts *hosts, cd_str url, int64_t deadline, struct cd_fetch_host **ret,
                               int64_t *ret_waited_us, struct cd_error *reterr)
{
        const struct timespec at = { .tv_sec = deadline / 1000000, .tv_nsec = deadline % 1000000 * 1000 };
        cd_status status = CD_OK;
        int code = 0;

        pthread_mutex_lock(&hosts->lock);
        struct cd_fetch_host *host = find_host(hosts, cd_fetch_url_host(url));
        if (!host) {
                pthread_mutex_unlock(&hosts->lock);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request");
        }
        host->users++;
        bool must_wait = host->running >= hosts->limit;
        int64_t start = must_wait ? cd_monotonic_us() : 0;
        while (host->running >= hosts->limit && code == 0)
                code = pthread_cond_timedwait(&host->ended, &hosts->lock, &at);
        *ret_waited_us = must_wait ? cd_monotonic_us() - start : 0;
        if (host->running < hosts->limit) {
                host->running++;
                *ret = host;
        } else {
                release(hosts, host);
                status = cd_fail(reterr, CD_UNAVAILABLE, "too many requests to this host are running");
        }
        pthread_mutex_unlock(&hosts->lock);
        return status;
}

void cd_fetch_hosts_leave(struct cd_fetch_hosts *hosts, struct cd_fetch_host *host)
{
        pthread_mutex_lock(&hosts->lock);
        host->running--;
        pthread_cond_signal(&host->ended);
        release(hosts, host);
        pthread_mutex_unlock(&hosts->lock);
}
