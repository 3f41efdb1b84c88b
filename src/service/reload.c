#include "service/reload.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/changes.h"
#include "service/tls.h"

enum {
        POLL_NS = 500 * 1000 * 1000,
        RETRY_US = 2 * 1000 * 1000, /* after a failed reload */
        FILES = 3,
};

/* Identifies the version of a file. All zero if there is no file. */
struct state {
        struct {
                dev_t device;
                ino_t inode;
                off_t size;
                struct timespec modified, changed;
        } files[FILES];
};

struct reading;

/* A thread that waits in cd_reload_now. */
struct waiter {
        struct waiter *next;
        struct cd_arena *arena;
        struct cd_reload_findings *findings;
        cd_status status;
        struct cd_error err;
        bool is_answered;
};

struct cd_reload {
        struct cd_reload_options options; /* config and report are those in use */
        struct reading *current; /* the reading that holds them; NULL: the service uses the first configuration */
        const struct cd_service_tls *tls; /* in that configuration; NULL: there is no TLS */
        struct state tried;               /* when the files were last read */
        struct state seen;                /* when the files were last checked */
        int64_t retry_at;                 /* cd_monotonic_us; 0: the last reload did not fail */
        atomic_bool stopping;
        pthread_t thread;
        pthread_mutex_t lock; /* protects the waiters, and what they hold */
        pthread_cond_t answered;
        struct waiter *waiters;
};

static sigset_t hangup(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        return set;
}

void cd_reload_hold_signal(void)
{
        sigset_t set = hangup();

        pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static struct state look(const struct cd_service_tls *tls)
{
        const cd_str paths[FILES] = { tls->certificate, tls->key, tls->client_ca };
        struct state state;
        struct stat st;

        memset(&state, 0, sizeof(state)); /* with its padding, because states are compared as bytes */
        for (size_t i = 0; i < FILES; i++) {
                if (!paths[i].len || stat(paths[i].ptr, &st) != 0)
                        continue;
                state.files[i].device = st.st_dev;
                state.files[i].inode = st.st_ino;
                state.files[i].size = st.st_size;
                state.files[i].modified = st.st_mtim;
                state.files[i].changed = st.st_ctim; /* also changes with the access rights */
        }
        return state;
}

static bool is_same(const struct state *a, const struct state *b)
{
        return memcmp(a, b, sizeof(*a)) == 0;
}

static cd_status renew(struct cd_reload *reload, struct cd_tls_validity *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_tls_options options;

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        cd_status status =
                cd_service_tls_read(reload->tls, cd_clock_system.now(&cd_clock_system), &arena, &options, ret, reterr);
        return status == CD_OK ? cd_http_server_renew_tls(reload->options.server, &options, reterr) : status;
}

static void tell(struct cd_reload *reload, enum cd_reload_cause cause, const struct cd_tls_validity *validity,
                 cd_status status, const struct cd_error *err)
{
        struct cd_log_event event;
        char until[CD_RFC3339_LEN];

        cd_service_note_reload(reload->options.state, cause, reload->tls ? validity->not_after : 0,
                               status == CD_OK ? NULL : err);
        cd_log_begin(&event, reload->options.log, status == CD_OK ? CD_LOG_INFO : CD_LOG_ERROR,
                     status == CD_OK ? "reloaded" : "reload_failed");
        cd_log_str(&event, "cause", cd_str_from_c(cd_reload_causes[cause]));
        if (status != CD_OK) {
                cd_log_str(&event, "setting", cd_str_from_c(err->field));
                cd_log_str(&event, "reason", cd_str_from_c(err->reason));
        } else if (reload->tls) {
                cd_time_format_rfc3339(validity->not_after, until);
                cd_log_str(&event, "certificate_until", cd_str_of(until, sizeof(until)));
        }
        cd_log_end(&event);
}

/* Reloads only the files of tls. A retry after a failure logs only success, because the failure was logged. */
static void reload_tls(struct cd_reload *reload, bool is_retry)
{
        struct cd_tls_validity validity = { 0 };
        struct cd_error err = { 0 };

        reload->tried = reload->seen = look(reload->tls);
        cd_status status = renew(reload, &validity, &err);
        reload->retry_at = status == CD_OK ? 0 : cd_monotonic_us() + RETRY_US;
        if (status == CD_OK || !is_retry)
                tell(reload, CD_RELOAD_CHANGE, &validity, status, &err);
}

/* ---- the configuration ---- */

static const struct cd_service_settings *settings_of(const struct cd_reload *reload, const void *config)
{
        return (const void *)((const char *)config + reload->options.service->settings_offset);
}

const char *const cd_reload_settings[] = {
        "listen", "control", "redirect_listen", "tls",         "trusted_proxies",
        "deny",   "limits",  "metrics",         "drain_delay", "shutdown_grace",
        "log",    NULL,
};

/* The common settings that may change, and those that this service allows to change. NULL if memory is out. */
static const char *const *changeable(const struct cd_service *service, struct cd_arena *arena)
{
        size_t common = 0, own = 0, count = 0;

        while (cd_reload_settings[common])
                common++;
        while (service->may_change && service->may_change[own])
                own++;
        const char **paths = cd_arena_calloc(arena, common + own + 1, sizeof(*paths));
        for (size_t i = 0; paths && i < common; i++)
                paths[count++] = cd_reload_settings[i];
        for (size_t i = 0; paths && i < own; i++)
                paths[count++] = service->may_change[i];
        return paths;
}

/* A configuration that was read. */
struct candidate {
        void *config;
        struct cd_service_tls_files tls;
        struct state looked; /* of the files of tls, before they were read */
};

/* Reads and checks; changes nothing. */
static cd_status read_again(const struct cd_reload *reload, struct cd_report *report, struct candidate *ret,
                            struct cd_error *reterr)
{
        const struct cd_service *service = reload->options.service;
        const char *const *paths = changeable(service, report->arena);
        cd_status status = cd_service_load(service, report, ret->config, reterr);

        if (report->unread)
                return status;
        ret->looked = look(&settings_of(reload, ret->config)->tls);
        status = cd_service_examine(service, CD_CHECK_RELOAD, report, ret->config, &ret->tls, reterr);
        if (status != CD_OK) /* if the file has errors, it is not known what it changes */
                return status;
        if (!paths)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the configuration");
        cd_settings_forbid_changes(report, service->table, reload->options.config, ret->config, paths);
        return cd_report_status(report, reterr);
}

/* A problem that only shows when a setting is applied is a finding as well. */
static cd_status note_finding(struct cd_report *report, cd_status status, const struct cd_error *err)
{
        if (err->field[0])
                cd_report_about(report, CD_FINDING_ERROR, cd_arena_copy(report->arena, cd_str_from_c(err->field)), NULL,
                                "%s", err->reason);
        return status;
}

/* Opens what the server needs for the new configuration, and has the service apply its own settings, which may still
 * fail. If either fails, nothing changes; the steps after them cannot fail. */
static cd_status take_over(const struct cd_reload *reload, const struct candidate *candidate, struct cd_report *report,
                           struct cd_error *reterr)
{
        const struct cd_reload_options *options = &reload->options;
        const struct cd_service_start start = {
                .config = candidate->config,
                .arena = report->arena,
                .log = options->log,
                .report = report,
                .config_path = report->file_name,
        };
        struct cd_http_server_options server;
        struct cd_http_settings *prepared;

        cd_status status = cd_service_server_options(options->service, candidate->config, &options->tables,
                                                     report->arena, &server, reterr);
        if (status != CD_OK)
                return status;
        server.tls = candidate->tls.are_usable ? &candidate->tls.options : NULL;
        status = cd_http_server_prepare(options->server, &server, &prepared, reterr);
        if (status != CD_OK)
                return note_finding(report, status, reterr);
        status = options->service->reload ? options->service->reload(options->app, &start, reterr) : CD_OK;
        if (status != CD_OK) {
                cd_http_settings_undo(prepared, options->server);
                return note_finding(report, status, reterr);
        }
        cd_http_server_change(options->server, prepared);
        return CD_OK;
}

static void use(struct cd_reload *reload, const struct candidate *candidate, const struct cd_report *report)
{
        const struct cd_service_settings *settings = settings_of(reload, candidate->config);

        cd_service_apply(settings, reload->options.log, reload->options.server);
        reload->options.config = candidate->config;
        reload->options.report = report;
        reload->tls = cd_service_has_tls(settings) ? &settings->tls : NULL;
        reload->tried = reload->seen = candidate->looked;
        reload->retry_at = 0;
}

/* What one configuration needs, in an arena of its own. */
struct reading {
        struct cd_arena arena;
        struct cd_report report;
};

static void free_reading(struct reading *reading)
{
        if (reading)
                cd_arena_done(&reading->arena);
        free(reading);
}

static cd_status read_and_take_over(struct cd_reload *reload, struct reading *reading,
                                    struct cd_tls_validity *ret_validity, struct cd_error *reterr)
{
        struct cd_report *report = &reading->report;
        struct candidate candidate = { 0 };

        cd_arena_init(&reading->arena, CD_SERVICE_ARENA);
        cd_report_init(report, &reading->arena, reload->options.report->file_name);
        report->earlier = reload->options.report;
        candidate.config = cd_arena_calloc(&reading->arena, 1, reload->options.service->table->size);
        if (!candidate.config)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the configuration");
        cd_status status = read_again(reload, report, &candidate, reterr);
        if (status == CD_OK)
                status = take_over(reload, &candidate, report, reterr);
        report->earlier = NULL; /* the earlier report will be freed */
        cd_service_log_findings(reload->options.log, report, status == CD_OK ? CD_FINDING_WARNING : CD_FINDING_ERROR);
        if (status == CD_OK)
                use(reload, &candidate, report);
        *ret_validity = candidate.tls.validity;
        cd_service_tls_files_done(&candidate.tls);
        return status;
}

/* ---- threads that asked for it ---- */

static struct cd_strs copy_findings(const struct cd_report *report, enum cd_finding_level level, struct cd_arena *arena)
{
        struct cd_strs texts = { 0 };
        size_t count = 0;

        for (const struct cd_finding *f = report->findings; f; f = f->next)
                count += f->level == level;
        cd_str *items = cd_arena_calloc(arena, count + 1, sizeof(*items));
        for (const struct cd_finding *f = report->findings; items && f; f = f->next)
                if (f->level == level)
                        items[texts.count++] = cd_arena_copy(arena, cd_finding_text(report, f));
        texts.items = items;
        return texts;
}

/* `report` NULL: nothing was read. */
static void answer_waiters(struct cd_reload *reload, struct waiter *waiters, const struct cd_report *report,
                           cd_status status, const struct cd_error *err)
{
        pthread_mutex_lock(&reload->lock);
        for (struct waiter *w = waiters; w; w = w->next) {
                if (report)
                        *w->findings =
                                (struct cd_reload_findings){ copy_findings(report, CD_FINDING_ERROR, w->arena),
                                                             copy_findings(report, CD_FINDING_WARNING, w->arena) };
                w->status = status;
                if (status != CD_OK)
                        w->err = *err;
                w->is_answered = true;
        }
        pthread_cond_broadcast(&reload->answered);
        pthread_mutex_unlock(&reload->lock);
}

static struct waiter *take_waiters(struct cd_reload *reload)
{
        pthread_mutex_lock(&reload->lock);
        struct waiter *waiters = reload->waiters;
        reload->waiters = NULL;
        pthread_mutex_unlock(&reload->lock);
        return waiters;
}

cd_status cd_reload_now(struct cd_reload *reload, struct cd_arena *arena, struct cd_reload_findings *ret,
                        struct cd_error *reterr)
{
        struct waiter waiter = { .arena = arena, .findings = ret };

        *ret = (struct cd_reload_findings){ 0 };
        pthread_mutex_lock(&reload->lock);
        bool is_stopping = atomic_load(&reload->stopping);
        if (!is_stopping) {
                waiter.next = reload->waiters;
                reload->waiters = &waiter;
                pthread_kill(reload->thread, SIGHUP);
        }
        while (!is_stopping && !waiter.is_answered)
                pthread_cond_wait(&reload->answered, &reload->lock);
        pthread_mutex_unlock(&reload->lock);
        if (is_stopping)
                return cd_fail(reterr, CD_UNAVAILABLE, "the server is stopping");
        if (waiter.status != CD_OK && reterr)
                *reterr = waiter.err;
        return waiter.status;
}

static void reload_all(struct cd_reload *reload)
{
        struct waiter *waiters = take_waiters(reload);
        struct reading *reading = calloc(1, sizeof(*reading));
        struct cd_tls_validity validity = { 0 };
        struct cd_error err = { 0 };

        cd_status status = reading ? read_and_take_over(reload, reading, &validity, &err)
                                   : cd_fail(&err, CD_NO_MEMORY, "no memory for the configuration");
        answer_waiters(reload, waiters, reading ? &reading->report : NULL, status, &err);
        if (reading && reload->options.report == &reading->report) {
                free_reading(reload->current);
                reload->current = reading;
        } else {
                free_reading(reading);
        }
        tell(reload, waiters ? CD_RELOAD_COMMAND : CD_RELOAD_SIGNAL, &validity, status, &err);
}

/* ---- the thread ---- */

/* A temporary failure (descriptors or memory were out, the certificate was not yet valid) ends without a change of the
 * files. */
static bool is_retry_due(const struct cd_reload *reload)
{
        return reload->retry_at && cd_monotonic_us() >= reload->retry_at;
}

/* Certificate and key are two files, which cannot be replaced in one step. They are read when both have stopped
 * changing. */
static bool has_changed(struct cd_reload *reload)
{
        struct state now = look(reload->tls);
        bool stands_still = is_same(&now, &reload->seen);

        reload->seen = now;
        return stands_still && !is_same(&now, &reload->tried);
}

static void *run(void *arg)
{
        static const struct timespec interval = { .tv_nsec = POLL_NS };
        struct cd_reload *reload = arg;
        sigset_t set = hangup();

        for (;;) {
                int number = reload->tls ? sigtimedwait(&set, NULL, &interval) : sigwaitinfo(&set, NULL);
                if (atomic_load(&reload->stopping)) {
                        struct cd_error err;
                        cd_status status = cd_fail(&err, CD_UNAVAILABLE, "the server is stopping");
                        answer_waiters(reload, take_waiters(reload), NULL, status, &err);
                        return NULL;
                }
                if (number == SIGHUP)
                        reload_all(reload);
                else if (reload->tls && has_changed(reload))
                        reload_tls(reload, false);
                else if (is_retry_due(reload))
                        reload_tls(reload, true);
        }
}

cd_status cd_reload_start(const struct cd_reload_options *options, struct cd_reload **ret, struct cd_error *reterr)
{
        struct cd_reload *reload = calloc(1, sizeof(*reload));

        if (!reload)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to watch for another configuration");
        reload->options = *options;
        pthread_mutex_init(&reload->lock, NULL);
        pthread_cond_init(&reload->answered, NULL);
        const struct cd_service_settings *settings = settings_of(reload, options->config);
        if (cd_service_has_tls(settings)) {
                reload->tls = &settings->tls;
                reload->tried = reload->seen = look(reload->tls);
        }
        if (pthread_create(&reload->thread, NULL, run, reload) != 0) {
                cd_reload_free(reload);
                return cd_fail(reterr, CD_UNAVAILABLE,
                               "the thread that watches for another configuration does not start");
        }
        *ret = reload;
        return CD_OK;
}

void cd_reload_stop(struct cd_reload *reload)
{
        if (!reload)
                return;
        pthread_mutex_lock(&reload->lock);
        atomic_store(&reload->stopping, true);
        pthread_mutex_unlock(&reload->lock);
        pthread_kill(reload->thread, SIGHUP);
        pthread_join(reload->thread, NULL);
}

void cd_reload_free(struct cd_reload *reload)
{
        if (!reload)
                return;
        free_reading(reload->current);
        pthread_cond_destroy(&reload->answered);
        pthread_mutex_destroy(&reload->lock);
        free(reload);
}
