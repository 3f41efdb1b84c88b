#include "app/sentry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/config.h"
#include "app/config_findings.h"
#include "app/config_path.h"
#include "app/crash.h"
#include "app/sentry_dsn.h"
#include "app/sentry_event.h"
#include "app/sentry_limits.h"
#include "crypto/random.h"

enum {
        QUEUE_MAX = 64,            /* events that wait */
        STACK_SIZE = 256 * 1024,   /* libcurl and OpenSSL need more than a page or two */
        ARENA = 1024 * 1024,       /* of one event */
        RESPONSE_MAX = 16 * 1024,  /* bytes */
        TIMEOUT_MS = 5000,         /* of one event */
        STOP_US = 3 * 1000 * 1000, /* for what is left at the end */
        FAILURE_PAUSE_S = 10,      /* after an answer that is missing or wrong */
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_config_sentry, member), .type = CD_FIELD_##kind,         \
                __VA_ARGS__                                                                                            \
        }

static const struct cd_field fields[] = {
        FIELD(dsn, SECRET, .max = 1024, .help = "where errors and crashes are sent: the DSN of a project of Sentry"),
        FIELD(environment, STRING, .min = 1, .max = 64, .fallback = "production",
              .help = "the environment that events name"),
        FIELD(crash_folder, STRING, .max = 4096,
              .help = "the folder for the report of a crash; default: that of the SQLite store, or $STATE_DIRECTORY"),
};
const struct cd_table cd_config_sentry_table = { "sentry", fields, CD_LEN(fields), sizeof(struct cd_config_sentry),
                                                 true };

struct item {
        struct item *next;
        size_t len;
        char line[];
};

struct cd_sentry {
        struct cd_log *log;
        struct cd_fetch *fetch;
        struct cd_fingerprints *fingerprints; /* NULL: none are shown */
        struct cd_sentry_origin origin;
        cd_str url, auth;
        cd_str crash;         /* what an earlier process left; empty: nothing */
        char server_name[65]; /* of this machine */
        int64_t paused_until; /* monotonic microseconds; of the thread alone */
        bool has_failed;      /* it was logged; of the thread alone */
        pthread_t thread;
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t woken;
        struct item *first, **end;
        size_t waiting;
        int64_t lost;    /* not yet logged */
        int64_t stop_at; /* 0: it runs on */
};

/* ---- the configuration ---- */

/* NUL-terminated, in the arena; empty: there is none. */
static cd_str crash_path(const struct cd_config *config, cd_str file_name, struct cd_arena *arena)
{
        cd_str folder = config->sentry.crash_folder, sqlite = CD_STR("sqlite:");
        const char *state = getenv("STATE_DIRECTORY");

        if (folder.len) {
                folder = cd_config_path(arena, file_name, folder);
        } else if (cd_str_has_prefix(config->store, sqlite)) {
                folder = cd_config_path(arena, file_name, cd_str_slice(config->store, sqlite.len, config->store.len));
                while (folder.len && folder.ptr[folder.len - 1] != '/')
                        folder.len--;
                if (!folder.len)
                        folder = CD_STR(".");
        } else if (state && state[0]) { /* systemd separates several with ":" */
                folder = cd_str_slice(cd_str_from_c(state), 0, cd_str_index(cd_str_from_c(state), ':'));
        }
        return folder.len ? cd_arena_printf(arena, "%.*s/cardea.crash", CD_STR_ARG(folder)) : CD_STR("");
}

void cd_config_check_sentry(const struct cd_config *config, struct cd_report *report)
{
        static const char fix[] = "copy it from Sentry: Settings, Projects, your project, Client Keys (DSN)";
        const cd_str setting = CD_STR("sentry.dsn");
        struct cd_sentry_dsn dsn;

        if (!config->sentry.dsn.len) {
                if (config->sentry.crash_folder.len)
                        WARN(report, CD_STR("sentry.crash_folder"), "set sentry.dsn, or leave it out",
                             "has no effect without sentry.dsn");
                return;
        }
        const char *wrong = cd_sentry_dsn_parse(config->sentry.dsn, &dsn);
        if (wrong)
                ERROR(report, setting, fix, "%s; it looks like https://KEY@HOST/PROJECT", wrong);
        else if (!dsn.is_https && !dsn.is_local)
                ERROR(report, setting, "write https://", "begins with http://, which is for this machine only");
        if (!crash_path(config, report->file_name, report->arena).len)
                WARN(report, CD_STR("sentry.crash_folder"), "name a folder that the server may write to",
                     "is not set and there is no SQLite store: crashes are not reported, only errors");
}

/* ---- sending, on the thread ---- */

static bool make_id(char id[CD_SENTRY_EVENT_ID_LEN])
{
        unsigned char bytes[CD_SENTRY_EVENT_ID_LEN / 2];

        if (cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes)) != CD_OK)
                return false;
        for (size_t i = 0; i < sizeof(bytes); i++) {
                id[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
                id[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
        }
        return true;
}

static void count_lost(struct cd_sentry *sentry, int64_t count)
{
        pthread_mutex_lock(&sentry->lock);
        sentry->lost += count;
        pthread_mutex_unlock(&sentry->lock);
}

/* Once, until an event has been accepted again. */
static void log_failure(struct cd_sentry *sentry, const char *reason, int status, int64_t pause)
{
        struct cd_log_event event;

        if (sentry->has_failed)
                return;
        sentry->has_failed = true;
        cd_log_begin(&event, sentry->log, CD_LOG_WARN, "sentry_failed");
        cd_log_str(&event, "reason", cd_str_from_c(reason));
        if (status)
                cd_log_int(&event, "status", status);
        cd_log_int(&event, "pause_s", pause);
        cd_log_end(&event);
}

static void log_lost(struct cd_sentry *sentry)
{
        struct cd_log_event event;

        pthread_mutex_lock(&sentry->lock);
        int64_t lost = sentry->lost;
        sentry->lost = 0;
        pthread_mutex_unlock(&sentry->lock);
        if (!lost)
                return;
        cd_log_begin(&event, sentry->log, CD_LOG_WARN, "sentry_events_lost");
        cd_log_int(&event, "events", lost);
        cd_log_end(&event);
}

static int64_t time_left_ms(struct cd_sentry *sentry)
{
        pthread_mutex_lock(&sentry->lock);
        int64_t stop_at = sentry->stop_at;
        pthread_mutex_unlock(&sentry->lock);
        int64_t left = stop_at ? (stop_at - cd_monotonic_us()) / 1000 : TIMEOUT_MS;
        return left < TIMEOUT_MS ? left : TIMEOUT_MS;
}

/* Whether Sentry has it, or will never want it. */
static bool send_envelope(struct cd_sentry *sentry, struct cd_arena *arena, cd_str envelope)
{
        const struct cd_fetch_header auth = { CD_STR("X-Sentry-Auth"), sentry->auth };
        const struct cd_fetch_request request = {
                .method = CD_FETCH_POST,
                .url = sentry->url,
                .name = CD_STR("sentry"),
                .content_type = CD_STR("application/x-sentry-envelope"),
                .body = envelope,
                .headers = &auth,
                .header_count = 1,
                .wanted_header = "X-Sentry-Rate-Limits",
                .timeout_ms = time_left_ms(sentry),
                .arena = arena,
        };
        struct cd_fetch_response response = { 0 };
        struct cd_error err;

        if (request.timeout_ms <= 0)
                return false;
        cd_status status = cd_fetch_call(sentry->fetch, &request, &response, &err);
        int64_t pause = status == CD_OK ? cd_sentry_pause(response.status, response.wanted, response.retry_after) : 0;
        bool is_accepted = status == CD_OK && response.status < 300;
        bool is_wrong = status == CD_OK && response.status >= 300 && response.status < 500 && response.status != 429;
        if (!is_accepted && pause == 0)
                pause = FAILURE_PAUSE_S;
        if (pause)
                sentry->paused_until = cd_monotonic_us() + pause * 1000000;
        if (!is_accepted)
                log_failure(sentry, status == CD_OK ? "the event was not accepted" : err.reason, response.status,
                            pause);
        else
                sentry->has_failed = false;
        return is_accepted || is_wrong;
}

static bool send_event(struct cd_sentry *sentry, cd_str text, bool is_crash)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_sentry_params params = { .origin = &sentry->origin };
        cd_str envelope;

        cd_arena_init(&arena, ARENA);
        params.redact = (struct cd_redact){ .fingerprints = sentry->fingerprints, .arena = &arena };
        params.now = cd_clock_system.now(&cd_clock_system);
        if (!make_id(params.event_id))
                return false;
        cd_status status = is_crash ? cd_sentry_from_crash(&params, &arena, text, &envelope, NULL)
                                    : cd_sentry_from_log(&params, &arena, text, &envelope, NULL);
        if (status != CD_OK) /* of a crash: the file has nothing that could be reported later */
                return is_crash && status == CD_MALFORMED;
        return send_envelope(sentry, &arena, envelope);
}

static void send_crash(struct cd_sentry *sentry)
{
        if (sentry->crash.len && send_event(sentry, sentry->crash, true))
                cd_crash_forget_earlier();
}

/* ---- the thread ---- */

/* Called with the lock held. NULL: it ends. */
static struct item *take(struct cd_sentry *sentry)
{
        while (!sentry->first && !sentry->stop_at)
                pthread_cond_wait(&sentry->woken, &sentry->lock);
        struct item *item = sentry->first;
        if (!item)
                return NULL;
        sentry->first = item->next;
        if (!sentry->first)
                sentry->end = &sentry->first;
        sentry->waiting--;
        return item;
}

static void *run(void *arg)
{
        struct cd_sentry *sentry = arg;

        send_crash(sentry);
        for (;;) {
                pthread_mutex_lock(&sentry->lock);
                struct item *item = take(sentry);
                bool is_last = sentry->waiting == 0;
                pthread_mutex_unlock(&sentry->lock);
                if (!item)
                        break;
                /* An event that may not be sent now is lost, as Sentry asks for. The counts are logged after an attempt
                 * and at the end: a line for each event would double the log while Sentry is away. */
                bool is_paused = cd_monotonic_us() < sentry->paused_until;
                if (is_paused || !send_event(sentry, cd_str_of(item->line, item->len), false))
                        count_lost(sentry, 1);
                free(item);
                if (is_last && !is_paused)
                        log_lost(sentry);
        }
        log_lost(sentry);
        return NULL;
}

/* The hook of the log: never waits for more than the lock. */
static void add(void *arg, cd_str line)
{
        struct cd_sentry *sentry = arg;
        struct item *item = malloc(sizeof(*item) + line.len);

        if (item) {
                item->next = NULL;
                item->len = line.len;
                memcpy(item->line, line.ptr, line.len);
        }
        pthread_mutex_lock(&sentry->lock);
        bool has_room = item && sentry->waiting < QUEUE_MAX;
        if (has_room) {
                *sentry->end = item;
                sentry->end = &item->next;
                sentry->waiting++;
                pthread_cond_signal(&sentry->woken);
        } else {
                sentry->lost++;
        }
        pthread_mutex_unlock(&sentry->lock);
        if (!has_room)
                free(item);
}

/* ---- start and end ---- */

static cd_status start_thread(struct cd_sentry *sentry, struct cd_error *reterr)
{
        pthread_attr_t attr;
        int err = pthread_attr_init(&attr);

        if (err == 0) {
                err = pthread_attr_setstacksize(&attr, STACK_SIZE);
                if (err == 0)
                        err = pthread_create(&sentry->thread, &attr, run, sentry);
                pthread_attr_destroy(&attr);
        }
        return err == 0 ? CD_OK : cd_fail(reterr, CD_UNAVAILABLE, "the thread for Sentry does not start");
}

static cd_status watch_crashes(struct cd_sentry *sentry, const struct cd_sentry_options *options,
                               struct cd_error *reterr)
{
        const struct cd_crash_options crash = {
                .path = crash_path(options->config, options->file_name, options->arena),
                .release = sentry->origin.release,
                .environment = sentry->origin.environment,
        };
        struct cd_error err;

        if (!crash.path.len)
                return CD_OK;
        cd_status status = cd_crash_watch(&crash, options->arena, &sentry->crash, &err);
        if (status == CD_OK)
                return CD_OK;
        return cd_failf(reterr, status, CD_STR("sentry.crash_folder"), "%s; name a folder that the server may write to",
                        err.reason);
}

static cd_status fill(struct cd_sentry *sentry, const struct cd_sentry_options *options, struct cd_error *reterr)
{
        const struct cd_config_sentry *config = &options->config->sentry;
        const struct cd_outgoing_client_options client = {
                .config = options->config,
                .file_name = options->file_name,
                .arena = options->arena,
                .response_max = RESPONSE_MAX,
                .log = options->outgoing,
        };
        struct cd_sentry_dsn dsn;
        const char *wrong = cd_sentry_dsn_parse(config->dsn, &dsn);

        if (wrong)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("sentry.dsn"), "%s", wrong);
        sentry->log = options->log;
        sentry->fingerprints = options->outgoing->fingerprints;
        sentry->end = &sentry->first;
        (void)gethostname(sentry->server_name, sizeof(sentry->server_name) - 1);
        sentry->origin = (struct cd_sentry_origin){
                .release = CD_STR("cardea@" CD_VERSION),
                .environment = config->environment,
                .server_name = cd_str_from_c(sentry->server_name),
        };
        sentry->url = cd_sentry_dsn_url(&dsn, options->arena);
        sentry->auth = cd_arena_printf(options->arena,
                                       "Sentry sentry_version=7, sentry_client=cardea/" CD_VERSION ", sentry_key=%.*s",
                                       CD_STR_ARG(dsn.key));
        if (!sentry->url.ptr || !sentry->auth.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings of sentry");
        return cd_outgoing_client_new(&client, &sentry->fetch, reterr);
}

static void free_sentry(struct cd_sentry *sentry)
{
        cd_crash_done();
        cd_fetch_free(sentry->fetch);
        pthread_mutex_destroy(&sentry->lock);
        pthread_cond_destroy(&sentry->woken);
        free(sentry);
}

cd_status cd_sentry_start(const struct cd_sentry_options *options, struct cd_sentry **ret, struct cd_error *reterr)
{
        *ret = NULL;
        if (!options->config->sentry.dsn.len)
                return CD_OK;
        struct cd_sentry *sentry = calloc(1, sizeof(*sentry));
        if (!sentry)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for Sentry");
        pthread_mutex_init(&sentry->lock, NULL);
        pthread_cond_init(&sentry->woken, NULL);
        cd_status status = fill(sentry, options, reterr);
        if (status == CD_OK)
                status = watch_crashes(sentry, options, reterr);
        if (status == CD_OK)
                status = start_thread(sentry, reterr);
        if (status != CD_OK) {
                free_sentry(sentry);
                return status;
        }
        cd_log_set_error_hook(options->log, add, sentry);
        *ret = sentry;
        return CD_OK;
}

void cd_sentry_stop(struct cd_sentry *sentry)
{
        if (!sentry)
                return;
        cd_log_set_error_hook(sentry->log, NULL, NULL);
        pthread_mutex_lock(&sentry->lock);
        sentry->stop_at = cd_monotonic_us() + STOP_US;
        pthread_cond_signal(&sentry->woken);
        pthread_mutex_unlock(&sentry->lock);
        pthread_join(sentry->thread, NULL);
        free_sentry(sentry);
}
