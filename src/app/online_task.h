#pragma once
/* Shared by the files of the online check; no other code includes it. */
#include "app/config.h"
#include "fetch/fetch.h"

enum {
        CD_ONLINE_NOTES_MAX = 8,
        CD_ONLINE_CONNECT_MS = 4000,
        CD_ONLINE_TOTAL_MS = 8000, /* of one request */
};

struct cd_online_note {
        enum cd_finding_level level;
        cd_str setting; /* in the task's arena */
        char what[384], fix[256];
};

/* One thing to try, in a thread of its own. */
struct cd_online_task {
        void (*run)(struct cd_online_task *task);
        const struct cd_config *config;
        cd_str config_path;
        cd_str path; /* "gate.routes[0]", "signin.providers[0]", "portal.url" */
        const void *item;
        struct cd_fetch *fetch; /* guarded, of all tasks; NULL: there is nothing to fetch */
        struct cd_arena arena;  /* of the task */
        struct cd_online_note notes[CD_ONLINE_NOTES_MAX];
        size_t count;
        bool is_done; /* under the lock of the check */
};

/* `member` NULL: the task's own path. */
void cd_online_note(struct cd_online_task *task, enum cd_finding_level level, const char *member, const char *fix,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Resolves "HOST:PORT" and connects, or connects to the path of a Unix socket. On failure there is a note. `ret_fd` may
 * be NULL. */
bool cd_online_connect(struct cd_online_task *task, const char *member, cd_str authority, const char *default_port,
                       int *ret_fd);
bool cd_online_connect_unix(struct cd_online_task *task, const char *member, cd_str path);
/* Whether the host resolves; otherwise there is a note. */
bool cd_online_resolves(struct cd_online_task *task, const char *member, cd_str url);
/* Compares the header Date of an answer with this machine's clock. */
void cd_online_check_clock(struct cd_online_task *task, cd_str date, cd_str url);

void cd_online_upstream(struct cd_online_task *task); /* item: struct cd_config_route */
void cd_online_relay(struct cd_online_task *task);    /* item: struct cd_config_relay */
void cd_online_smtp(struct cd_online_task *task);
void cd_online_provider(struct cd_online_task *task); /* item: struct cd_config_provider */
void cd_online_portal(struct cd_online_task *task);
void cd_online_sentry(struct cd_online_task *task);
