#include "app/online.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "app/online_task.h"
#include "app/outgoing.h"

enum {
        WAIT_SECONDS = 15, /* for all of them */
        THREADS_MAX = 32,
        RESPONSE_MAX = 1024 * 1024,
};

/* Not freed while a thread runs. */
struct online {
        pthread_mutex_t lock;
        pthread_cond_t done;
        struct cd_arena arena;
        struct cd_fetch *fetch;
        struct cd_online_task *tasks;
        size_t count, next, finished;
        pthread_t threads[THREADS_MAX];
        size_t thread_count;
};

static void *work(void *arg)
{
        struct online *online = arg;

        pthread_mutex_lock(&online->lock);
        while (online->next < online->count) {
                struct cd_online_task *task = &online->tasks[online->next++];
                pthread_mutex_unlock(&online->lock);
                task->run(task);
                pthread_mutex_lock(&online->lock);
                task->is_done = true;
                online->finished++;
                pthread_cond_signal(&online->done);
        }
        pthread_mutex_unlock(&online->lock);
        return NULL;
}

static void add(struct online *online, void (*run)(struct cd_online_task *), cd_str path, const void *item)
{
        struct cd_online_task *task = &online->tasks[online->count++];

        task->run = run;
        task->path = path;
        task->item = item;
        cd_arena_init(&task->arena, CD_SERVICE_ARENA);
}

static void add_all(struct online *online, const struct cd_config *config, const struct cd_report *report)
{
        const struct cd_config_route *routes = config->gate.routes.items;
        const struct cd_config_provider *providers = config->signin.providers.items;
        const struct cd_config_relay *relays = config->relay.items;

        for (size_t i = 0; i < config->signin.providers.count; i++)
                add(online, cd_online_provider, cd_arena_printf(&online->arena, "signin.providers[%zu]", i),
                    &providers[i]);
        if (config->portal.url.len)
                add(online, cd_online_portal, CD_STR("portal.url"), NULL);
        for (size_t i = 0; i < config->gate.routes.count; i++)
                add(online, cd_online_upstream, cd_arena_printf(&online->arena, "gate.routes[%zu]", i), &routes[i]);
        for (size_t i = 0; i < config->relay.count; i++)
                add(online, cd_online_relay, cd_arena_printf(&online->arena, "relay[%zu]", i), &relays[i]);
        if (config->smtp.url.len)
                add(online, cd_online_smtp, CD_STR("smtp.url"), NULL);
        if (config->sentry.dsn.len)
                add(online, cd_online_sentry, CD_STR("sentry.dsn"), NULL);
        for (size_t i = 0; i < online->count; i++) {
                online->tasks[i].config = config;
                online->tasks[i].config_path = report->file_name;
                online->tasks[i].fetch = online->fetch;
        }
}

/* Waits for all, or until the time is over. */
static void wait_for_all(struct online *online)
{
        struct timespec end;

        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += WAIT_SECONDS;
        pthread_mutex_lock(&online->lock);
        while (online->finished < online->count && pthread_cond_timedwait(&online->done, &online->lock, &end) == 0)
                ;
}

static void start_threads(struct online *online)
{
        while (online->thread_count < online->count && online->thread_count < THREADS_MAX &&
               pthread_create(&online->threads[online->thread_count], NULL, work, online) == 0)
                online->thread_count++;
}

static void report_task(const struct cd_online_task *task, struct cd_report *report)
{
        cd_str path = cd_arena_copy(report->arena, task->path);

        if (!task->is_done) {
                cd_report_about(report, CD_FINDING_ERROR, path, "see whether names are resolved on this machine",
                                "was tried for %d seconds without an answer", WAIT_SECONDS);
                return;
        }
        for (size_t i = 0; i < task->count; i++) {
                const struct cd_online_note *note = &task->notes[i];
                cd_report_about(report, note->level, cd_arena_copy(report->arena, note->setting),
                                cd_arena_copy(report->arena, cd_str_from_c(note->fix)).ptr, "%s", note->what);
        }
}

static void free_online(struct online *online)
{
        for (size_t i = 0; i < online->count; i++)
                cd_arena_done(&online->tasks[i].arena);
        cd_fetch_free(online->fetch);
        cd_arena_done(&online->arena);
        free(online->tasks);
        free(online);
}

static struct online *new_online(const struct cd_config *config)
{
        struct online *online = calloc(1, sizeof(*online));
        size_t most = config->signin.providers.count + config->gate.routes.count + config->relay.count + 3;
        pthread_condattr_t attributes;

        if (!online)
                return NULL;
        online->tasks = calloc(most, sizeof(*online->tasks));
        cd_arena_init(&online->arena, CD_SERVICE_ARENA);
        pthread_mutex_init(&online->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&online->done, &attributes);
        pthread_condattr_destroy(&attributes);
        if (online->tasks)
                return online;
        free_online(online);
        return NULL;
}

bool cd_online_check(const struct cd_config *config, struct cd_report *report)
{
        struct online *online = new_online(config);
        struct cd_error err = { 0 };

        if (!online) {
                report->no_memory = true;
                return true;
        }
        const struct cd_outgoing_client_options client = {
                .config = config,
                .file_name = report->file_name,
                .arena = &online->arena,
                .response_max = RESPONSE_MAX,
        };
        if ((config->signin.providers.count || config->sentry.dsn.len) &&
            cd_outgoing_client_new(&client, &online->fetch, &err) != CD_OK)
                cd_report_about(report, CD_FINDING_ERROR,
                                config->signin.providers.count ? CD_STR("signin.providers") : CD_STR("sentry.dsn"),
                                NULL, "%s", err.reason);
        else
                add_all(online, config, report);
        start_threads(online);
        if (!online->thread_count)
                work(online); /* one after the other */
        wait_for_all(online);
        for (size_t i = 0; i < online->count; i++)
                report_task(&online->tasks[i], report);
        bool is_over = online->finished == online->count;
        pthread_mutex_unlock(&online->lock);
        for (size_t i = 0; is_over && i < online->thread_count; i++)
                pthread_join(online->threads[i], NULL);
        if (is_over)
                free_online(online);
        cd_report_order(report);
        return is_over;
}
