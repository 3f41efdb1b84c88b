#include "portal/mail_writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocking.h"
#include "base/map.h"
#include "base/secret.h"
#include "core/user_name.h"
#include "crypto/password.h"
#include "portal/mails.h"
#include "portal/visit.h"

enum {
        ARENA_MAX = 512 * 1024, /* bytes, for one e-mail */
        STACK_SIZE = 256 * 1024,
        NAME_MAX_BYTES = 256, /* of what was typed; no user has a longer name */
        ADDRESS_MAX_BYTES = 64,
        TOLD = 1024, /* users with a known time of the last notice of a lock */
};

/* A link or a notice that is to be written. */
struct job {
        const struct cd_texts *texts; /* of a link; NULL: it is a notice */
        enum cd_notice_kind kind;
        cd_time at;
        uint16_t name_len, address_len;
        char name[NAME_MAX_BYTES], address[ADDRESS_MAX_BYTES];
};

struct told {
        uint64_t user; /* hash of the name; another user with the same slot replaces it */
        cd_time at;
};

struct cd_mail_writer {
        struct cd_notices port; /* first, so that a pointer to one is a pointer to the other */
        struct cd_mail_writer_options options;
        uint64_t seed[2];
        atomic_bool is_enabled;
        struct told told[TOLD]; /* of the thread alone */
        pthread_mutex_t lock;
        pthread_cond_t came; /* a job was added, or the thread must end */
        pthread_t thread;
        bool is_started, is_stopping;
        size_t first, count, dropped;
        struct job jobs[CD_MAIL_WRITER_JOBS]; /* a ring */
};

static cd_str name_of(const struct job *job)
{
        return cd_str_of(job->name, job->name_len);
}

static cd_str address_of(const struct job *job)
{
        return cd_str_of(job->address, job->address_len);
}

/* ---- on the thread ---- */

static void log_unsent(const struct cd_mail_writer *writer, const char *what, cd_str user, const char *reason)
{
        struct cd_log_event event;

        cd_log_begin(&event, writer->options.log, CD_LOG_WARN, "mail_not_written");
        cd_log_str(&event, "mail", cd_str_from_c(what));
        cd_log_str(&event, "user", user);
        cd_log_str(&event, "reason", cd_str_from_c(reason));
        cd_log_end(&event);
}

static struct cd_mails mails_of(const struct cd_mail_writer *writer, const struct cd_portal *portal)
{
        return (struct cd_mails){
                .store = writer->options.sessions->store,
                .master = writer->options.factors->master,
                .clock = writer->options.sessions->clock,
                .title = portal->settings.title,
                .url = portal->settings.url,
        };
}

static cd_status send_link(const struct cd_mail_writer *writer, const struct cd_portal *portal, struct cd_arena *arena,
                           const struct job *job, const struct cd_user *user, struct cd_error *reterr)
{
        const struct cd_mails mails = mails_of(writer, portal);
        struct cd_operator by = portal->settings.by;
        struct cd_link_token token;

        by.address = address_of(job);
        cd_status status = cd_reset_link(&by, arena, user, &token, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_mailed_link link = {
                .user = user->name,
                .to = cd_mails_address(user),
                .token = cd_str_of(token.text, sizeof(token.text)),
                .expires_at = token.expires_at,
                .address = by.address,
        };
        status = cd_mails_reset(&mails, job->texts, &link, reterr);
        cd_wipe(&token, sizeof(token));
        return status;
}

/* Nothing is logged of a name that no user has, because users type their password there. */
static void write_link(const struct cd_mail_writer *writer, const struct cd_portal *portal, struct cd_arena *arena,
                       const struct job *job)
{
        struct cd_store *store = writer->options.sessions->store;
        struct cd_error err = { 0 };
        struct cd_user user;
        cd_str name;

        cd_status status = cd_user_name_canonical(arena, name_of(job), &name, &err);
        if (status == CD_OK)
                status = store->users->find(store, arena, name, &user, &err);
        if (status == CD_NOT_FOUND || status == CD_INVALID_REQUEST)
                return;
        if (status != CD_OK)
                log_unsent(writer, "reset", CD_STR(""), err.reason);
        else if (user.disabled)
                log_unsent(writer, "reset", user.name, "the user is disabled");
        else if (cd_password_is_none(user.password)) /* a link would let in an account that allow names no longer */
                log_unsent(writer, "reset", user.name, "the user logs in at a provider, and has no password to reset");
        else if (!cd_mails_address(&user).len)
                log_unsent(writer, "reset", user.name, "the user has no verified e-mail address");
        else if (send_link(writer, portal, arena, job, &user, &err) != CD_OK)
                log_unsent(writer, "reset", user.name, err.reason);
}

/* Whether the user was told of a lock lately. Remembers that it happens now. */
static bool was_told(struct cd_mail_writer *writer, cd_str user, cd_time now)
{
        uint64_t hash = cd_siphash(writer->seed, user);
        struct told *slot = &writer->told[hash % TOLD];

        if (slot->user == hash && slot->at <= now && now - slot->at < CD_MAIL_WRITER_LOCK_EVERY)
                return true;
        *slot = (struct told){ hash, now };
        return false;
}

static void write_notice(struct cd_mail_writer *writer, const struct cd_portal *portal, const struct job *job)
{
        const struct cd_mails mails = mails_of(writer, portal);
        const struct cd_mailed_notice notice = {
                .kind = job->kind, .user = name_of(job), .address = address_of(job), .at = job->at
        };
        struct cd_error err = { 0 };

        if (job->kind == CD_NOTICE_LOCKED && was_told(writer, notice.user, job->at))
                return;
        cd_status status = cd_mails_notice(&mails, portal->settings.language, &notice, &err);
        if (status != CD_OK && status != CD_NOT_FOUND)
                log_unsent(writer, "notice", notice.user, err.reason);
}

static void run(struct cd_mail_writer *writer, const struct job *job, size_t dropped)
{
        const struct cd_portal *portal = cd_shared_get(writer->options.portals);
        struct cd_error err = { 0 };
        struct cd_arena arena;

        if (dropped > 0)
                log_unsent(writer, "notice", CD_STR(""), "too many waited, and some were dropped");
        if (!portal || !portal->settings.sends_mail)
                return;
        if (cd_store_state_need(writer->options.store_state, &err) != CD_OK) {
                log_unsent(writer, job->texts ? "reset" : "notice", CD_STR(""), err.reason);
                return;
        }
        cd_arena_init(&arena, ARENA_MAX);
        if (job->texts)
                write_link(writer, portal, &arena, job);
        else
                write_notice(writer, portal, job);
        cd_arena_done(&arena);
}

static void *run_jobs(void *arg)
{
        struct cd_mail_writer *writer = arg;

        cd_thread_set_role(CD_THREAD_WORKER);
        pthread_mutex_lock(&writer->lock);
        for (;;) {
                while (!writer->count && !writer->is_stopping)
                        pthread_cond_wait(&writer->came, &writer->lock);
                if (!writer->count)
                        break;
                struct job job = writer->jobs[writer->first];
                size_t dropped = writer->dropped;
                writer->first = (writer->first + 1) % CD_MAIL_WRITER_JOBS;
                writer->count--;
                writer->dropped = 0;
                pthread_mutex_unlock(&writer->lock);
                run(writer, &job, dropped);
                pthread_mutex_lock(&writer->lock);
        }
        pthread_mutex_unlock(&writer->lock);
        return NULL;
}

/* ---- from any thread ---- */

static bool start_thread(struct cd_mail_writer *writer)
{
        pthread_attr_t attr;

        if (writer->is_started)
                return true;
        if (pthread_attr_init(&attr) != 0)
                return false;
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        writer->is_started = pthread_create(&writer->thread, &attr, run_jobs, writer) == 0;
        pthread_attr_destroy(&attr);
        return writer->is_started;
}

/* False: too many wait, or the thread cannot be started. */
static bool add(struct cd_mail_writer *writer, struct job *job, cd_str name, cd_str address)
{
        job->name_len = (uint16_t)name.len;
        memcpy(job->name, name.ptr, name.len);
        if (address.len <= sizeof(job->address)) {
                job->address_len = (uint16_t)address.len;
                memcpy(job->address, address.len ? address.ptr : "", address.len);
        }
        size_t room = job->texts ? CD_MAIL_WRITER_LINKS : CD_MAIL_WRITER_JOBS;
        pthread_mutex_lock(&writer->lock);
        bool has_room = writer->count < room && start_thread(writer);
        if (has_room) {
                writer->jobs[(writer->first + writer->count) % CD_MAIL_WRITER_JOBS] = *job;
                writer->count++;
                pthread_cond_signal(&writer->came);
        }
        pthread_mutex_unlock(&writer->lock);
        return has_room;
}

static void tell(const struct cd_notices *notices, enum cd_notice_kind kind, cd_str user, cd_str address)
{
        struct cd_mail_writer *writer = (struct cd_mail_writer *)notices;
        const struct cd_clock *clock = writer->options.sessions->clock;
        struct job job = { .kind = kind, .at = clock->now(clock) };

        if (!atomic_load(&writer->is_enabled) || job.at < 0 || user.len > sizeof(job.name) ||
            add(writer, &job, user, address))
                return;
        pthread_mutex_lock(&writer->lock);
        writer->dropped++;
        pthread_mutex_unlock(&writer->lock);
}

cd_status cd_mail_writer_reset(struct cd_mail_writer *writer, const struct cd_reset_request *request,
                               struct cd_error *reterr)
{
        struct job job = { .texts = request->texts };

        if (request->name.len > sizeof(job.name)) /* no user has such a name */
                return CD_OK;
        if (add(writer, &job, request->name, request->address))
                return CD_OK;
        return cd_fail(reterr, CD_UNAVAILABLE, "too many links wait to be written");
}

void cd_mail_writer_enable(struct cd_mail_writer *writer)
{
        atomic_store(&writer->is_enabled, true);
}

const struct cd_notices *cd_mail_writer_notices(const struct cd_mail_writer *writer)
{
        return &writer->port;
}

cd_status cd_mail_writer_new(const struct cd_mail_writer_options *options, struct cd_mail_writer **ret,
                             struct cd_error *reterr)
{
        const struct cd_random *random = options->sessions->random;
        struct cd_mail_writer *writer = calloc(1, sizeof(*writer));

        if (!writer)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the e-mails");
        writer->port.tell = tell;
        writer->options = *options;
        if (random->fill(random, writer->seed, sizeof(writer->seed)) != CD_OK) {
                free(writer);
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        }
        pthread_mutex_init(&writer->lock, NULL);
        pthread_cond_init(&writer->came, NULL);
        *ret = writer;
        return CD_OK;
}

void cd_mail_writer_free(struct cd_mail_writer *writer)
{
        if (!writer)
                return;
        pthread_mutex_lock(&writer->lock);
        writer->is_stopping = true;
        pthread_cond_signal(&writer->came);
        pthread_mutex_unlock(&writer->lock);
        if (writer->is_started)
                pthread_join(writer->thread, NULL);
        pthread_cond_destroy(&writer->came);
        pthread_mutex_destroy(&writer->lock);
        free(writer);
}
