#include "app/mail_sender.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "app/metrics.h"
#include "base/blocking.h"

enum {
        STACK_SIZE = 256 * 1024, /* libcurl and OpenSSL need more than a page or two */
        ARENA = 1024 * 1024,
        SETTINGS_ARENA = 64 * 1024,
        CLAIM_S = 120,     /* longer than one attempt may take (app/config_smtp.c) */
        POLL_US = 5000000, /* between two looks at the queue, for e-mails whose pause is over */
};

/* Seconds until the next attempt. Long enough for servers that want to see a second one (greylisting), short enough for
 * a link that lasts half an hour. */
static const int pauses[] = { 10, 30, 60, 120, 300, 600, 900 };

struct cd_mail_settings {
        struct cd_arena arena;
        struct cd_smtp_server server;
        struct cd_mailbox from;
};

struct cd_mail_sender {
        struct cd_mail_sender_options options;
        struct cd_mail_settings *current; /* of the thread alone */
        pthread_mutex_t lock;             /* guards what follows */
        pthread_cond_t woken;
        struct cd_mail_settings *next; /* replaces `current` before the next e-mail, if has_next */
        bool has_next, is_woken, has_thread;
        pthread_t thread;
        atomic_bool stopping;
};

/* ---- settings ---- */

void cd_mail_settings_free(struct cd_mail_settings *settings)
{
        if (!settings)
                return;
        cd_arena_done(&settings->arena); /* wipes */
        free(settings);
}

static bool copy(struct cd_arena *arena, cd_str *text)
{
        *text = cd_arena_copy(arena, *text);
        return text->ptr != NULL;
}

/* What the sender uses, or will use next. */
static const struct cd_mail_settings *newest(const struct cd_mail_sender *sender)
{
        return sender->has_next ? sender->next : sender->current;
}

cd_status cd_mail_settings_new(struct cd_mail_sender *sender, const struct cd_smtp_server *server,
                               const struct cd_mailbox *from, struct cd_mail_settings **ret, struct cd_error *reterr)
{
        struct cd_mail_settings *settings = calloc(1, sizeof(*settings));
        struct cd_smtp_server *to = settings ? &settings->server : NULL;
        bool ok;

        if (!settings)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings of smtp");
        cd_arena_init(&settings->arena, SETTINGS_ARENA);
        *to = *server;
        settings->from = *from;
        pthread_mutex_lock(&sender->lock);
        if (to->user_name.len && !to->password.len && newest(sender))
                to->password = newest(sender)->server.password;
        ok = copy(&settings->arena, &to->password);
        pthread_mutex_unlock(&sender->lock);
        ok = ok && copy(&settings->arena, &to->url) && copy(&settings->arena, &to->user_name) &&
             copy(&settings->arena, &to->ca_file) && copy(&settings->arena, &settings->from.name) &&
             copy(&settings->arena, &settings->from.address);
        if (!ok) {
                cd_mail_settings_free(settings);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings of smtp");
        }
        *ret = settings;
        return CD_OK;
}

static void wake_locked(struct cd_mail_sender *sender)
{
        sender->is_woken = true;
        pthread_cond_signal(&sender->woken);
}

void cd_mail_sender_set(struct cd_mail_sender *sender, struct cd_mail_settings *settings)
{
        pthread_mutex_lock(&sender->lock);
        cd_mail_settings_free(sender->next);
        sender->next = settings;
        sender->has_next = true;
        wake_locked(sender);
        pthread_mutex_unlock(&sender->lock);
}

static const struct cd_mail_settings *use_settings(struct cd_mail_sender *sender)
{
        pthread_mutex_lock(&sender->lock);
        if (sender->has_next) {
                cd_mail_settings_free(sender->current);
                sender->current = sender->next;
                sender->next = NULL;
                sender->has_next = false;
        }
        pthread_mutex_unlock(&sender->lock);
        return sender->current;
}

/* ---- one e-mail ---- */

struct attempt {
        struct cd_mail_sender *sender;
        struct cd_arena *arena;
        struct cd_queued_mail queued;
        struct cd_smtp_reply reply;
        struct cd_error err;
        cd_time now; /* after the attempt */
};

/* "550 5.1.1" */
static cd_str reply_text(const struct attempt *attempt, char memory[32])
{
        const struct cd_smtp_reply *reply = &attempt->reply;

        snprintf(memory, 32, "%d%s%s", reply->code, reply->enhanced[0] ? " " : "", reply->enhanced);
        return cd_str_from_c(reply->code ? memory : "");
}

/* The domain says which server refuses; the name before it is the user's. */
static void begin_event(struct cd_log_event *event, const struct attempt *attempt, enum cd_log_level level,
                        const char *name)
{
        cd_log_begin(event, attempt->sender->options.log, level, name);
        cd_log_str(event, "mail", attempt->queued.id);
        cd_log_str(event, "domain", cd_mail_domain(attempt->queued.recipient));
        cd_log_int(event, "attempt", attempt->queued.attempts);
}

static void add_reason(struct cd_log_event *event, const struct attempt *attempt)
{
        char memory[32];
        cd_str reply = reply_text(attempt, memory);

        cd_log_str(event, "reason", cd_str_from_c(attempt->err.reason));
        if (reply.len)
                cd_log_str(event, "reply", reply);
}

static void note_sent(struct attempt *attempt)
{
        struct cd_store *store = attempt->sender->options.store;
        struct cd_log_event event;

        cd_app_count_mail(CD_APP_MAIL_SENT);
        begin_event(&event, attempt, CD_LOG_INFO, "mail_sent");
        cd_log_int(&event, "after_s", attempt->now - attempt->queued.created_at);
        cd_log_end(&event);
        /* If this fails, the e-mail is sent again when the claim ends: at least once, and at most once for a claim. */
        (void)store->mails->remove(store, &attempt->queued, NULL, NULL);
}

static void give_up(struct attempt *attempt)
{
        struct cd_store *store = attempt->sender->options.store;
        char memory[32];
        cd_str reply = reply_text(attempt, memory);
        const struct cd_audit_event audit = {
                .at = attempt->now,
                .action = CD_STR("mail.given_up"),
                .actor = CD_STR("cardea"),
                .subject = cd_arena_printf(attempt->arena, "email:%.*s", CD_STR_ARG(attempt->queued.recipient)),
                .detail = cd_arena_printf(attempt->arena, "%s%s%.*s", attempt->err.reason, reply.len ? ": " : "",
                                          CD_STR_ARG(reply)),
        };
        struct cd_log_event event;

        cd_app_count_mail(CD_APP_MAIL_GIVEN_UP);
        begin_event(&event, attempt, CD_LOG_ERROR, "mail_given_up");
        add_reason(&event, attempt);
        cd_log_end(&event);
        (void)store->mails->remove(store, &attempt->queued, &audit, NULL);
}

static void try_later(struct attempt *attempt)
{
        struct cd_store *store = attempt->sender->options.store;
        size_t index = (size_t)attempt->queued.attempts - 1;
        int pause = pauses[index < CD_LEN(pauses) ? index : CD_LEN(pauses) - 1];
        struct cd_log_event event;

        if (attempt->now + pause >= attempt->queued.expires_at)
                return give_up(attempt); /* it would expire before */
        cd_app_count_mail(CD_APP_MAIL_FAILED);
        begin_event(&event, attempt, CD_LOG_WARN, "mail_failed");
        cd_log_int(&event, "retry_s", pause);
        add_reason(&event, attempt);
        cd_log_end(&event);
        (void)store->mails->postpone(store, &attempt->queued, attempt->now + pause, NULL);
}

/* Neither the address nor the text, as in the other events. */
static void log_outgoing(const struct attempt *attempt, const struct cd_mail_settings *settings, size_t size,
                         int64_t start_us, cd_status status)
{
        const struct cd_outgoing_delivery delivery = {
                .name = CD_STR("mail"),
                .protocol = CD_STR("smtp"),
                .target = settings->server.url,
                .error = status == CD_OK ? NULL : &attempt->err,
                .sent_bytes = (int64_t)size,
                .total_us = cd_monotonic_us() - start_us,
        };

        if (attempt->sender->options.outgoing)
                cd_outgoing_log_delivery(attempt->sender->options.outgoing, &delivery);
}

static cd_status send_one(struct attempt *attempt, const struct cd_mail_settings *settings)
{
        struct cd_mail_sender *sender = attempt->sender;
        struct cd_mail mail;
        struct cd_smtp_mail message = {
                .hello = cd_mail_domain(settings->from.address),
                .from = settings->from.address,
                .to = attempt->queued.recipient,
                .stop = &sender->stopping,
                .arena = attempt->arena,
        };

        cd_status status =
                cd_mail_unseal(sender->options.master, attempt->arena, &attempt->queued, &mail, &attempt->err);
        if (status == CD_OK)
                status = cd_mail_message(attempt->arena, &settings->from, &mail, attempt->queued.id, &message.message,
                                         &attempt->err);
        if (status != CD_OK)
                return status;
        int64_t start_us = cd_monotonic_us();
        status = sender->options.send(&settings->server, &message, &attempt->reply, &attempt->err);
        log_outgoing(attempt, settings, message.message.len, start_us, status);
        return status;
}

/* Whether the next e-mail may be sent at once: nothing is wrong with the server. */
static bool finish(struct attempt *attempt, cd_status status)
{
        struct cd_store *store = attempt->sender->options.store;

        switch (status) {
        case CD_OK:
                note_sent(attempt);
                return true;
        case CD_INVALID_REQUEST:
        case CD_MALFORMED:
        case CD_TOO_LARGE:
                give_up(attempt);
                return true;
        default:
                if (atomic_load(&attempt->sender->stopping))
                        (void)store->mails->postpone(store, &attempt->queued, attempt->now, NULL);
                else
                        try_later(attempt);
                return false;
        }
}

bool cd_mail_sender_step(struct cd_mail_sender *sender)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        const struct cd_mail_settings *settings = use_settings(sender);
        struct cd_store *store = sender->options.store;
        struct attempt attempt = { .sender = sender, .arena = &arena };
        cd_time now;

        cd_arena_init(&arena, ARENA);
        /* A store that is unavailable is reported by the store watcher. */
        if (!settings || cd_clock_read(sender->options.clock, &now, NULL) != CD_OK ||
            store->mails->claim(store, &arena, now, now + CLAIM_S, &attempt.queued, NULL) != CD_OK)
                return false;
        cd_status status = send_one(&attempt, settings);
        if (cd_clock_read(sender->options.clock, &attempt.now, NULL) != CD_OK)
                attempt.now = now;
        return finish(&attempt, status);
}

/* ---- the thread ---- */

void cd_mail_sender_wake(struct cd_mail_sender *sender)
{
        pthread_mutex_lock(&sender->lock);
        wake_locked(sender);
        pthread_mutex_unlock(&sender->lock);
}

static void wait_for_mail(struct cd_mail_sender *sender)
{
        int64_t until = cd_monotonic_us() + POLL_US;
        struct timespec at = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };
        int code = 0;

        pthread_mutex_lock(&sender->lock);
        while (!sender->is_woken && code == 0)
                code = newest(sender) ? pthread_cond_timedwait(&sender->woken, &sender->lock, &at)
                                      : pthread_cond_wait(&sender->woken, &sender->lock);
        sender->is_woken = false;
        pthread_mutex_unlock(&sender->lock);
}

static void *run(void *arg)
{
        struct cd_mail_sender *sender = arg;

        cd_thread_set_role(CD_THREAD_WORKER);
        while (!atomic_load(&sender->stopping)) {
                if (!cd_mail_sender_step(sender))
                        wait_for_mail(sender);
        }
        return NULL;
}

cd_status cd_mail_sender_new(const struct cd_mail_sender_options *options, struct cd_mail_sender **ret,
                             struct cd_error *reterr)
{
        struct cd_mail_sender *sender = calloc(1, sizeof(*sender));
        pthread_condattr_t attr;

        if (!sender)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to send e-mail");
        sender->options = *options;
        pthread_mutex_init(&sender->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&sender->woken, &attr);
        pthread_condattr_destroy(&attr);
        *ret = sender;
        return CD_OK;
}

cd_status cd_mail_sender_start(struct cd_mail_sender *sender, struct cd_error *reterr)
{
        pthread_attr_t attr;

        if (sender->has_thread)
                return CD_OK;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        sender->has_thread = pthread_create(&sender->thread, &attr, run, sender) == 0;
        pthread_attr_destroy(&attr);
        return sender->has_thread ? CD_OK
                                  : cd_fail(reterr, CD_UNAVAILABLE, "the thread that sends e-mail does not start");
}

void cd_mail_sender_free(struct cd_mail_sender *sender)
{
        if (!sender)
                return;
        atomic_store(&sender->stopping, true);
        cd_mail_sender_wake(sender);
        if (sender->has_thread)
                pthread_join(sender->thread, NULL);
        cd_mail_settings_free(sender->current);
        cd_mail_settings_free(sender->next);
        pthread_cond_destroy(&sender->woken);
        pthread_mutex_destroy(&sender->lock);
        free(sender);
}
