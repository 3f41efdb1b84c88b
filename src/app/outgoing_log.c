#include "app/outgoing_log.h"

#include <stdlib.h>

#include "app/metrics.h"
#include "app/redact.h"
#include "base/secret.h"

enum {
        EVENT_MAX = 32 * 1024, /* bytes of one event */
        URL_MAX = 1024,        /* bytes of each part that are shown */
        HEAD_MAX = 4096,
        BODY_MAX = 4096,
        ARENA = 8 * 1024 * 1024, /* for a body of the largest size as JSON */
};

/* One event while it is made. The memory is large, and the threads that send have small stacks. */
struct shown {
        struct cd_log_event event;
        struct cd_redact redact;
        struct cd_arena arena;
        struct cd_buf url, request_head, request_body, response_head, response_body;
        char memory[EVENT_MAX];
};

cd_status cd_outgoing_log_init(struct cd_outgoing_log *outgoing, struct cd_log *log, const struct cd_master_key *master,
                               struct cd_error *reterr)
{
        outgoing->log = log;
        outgoing->fingerprints = cd_fingerprints_new(master);
        return outgoing->fingerprints ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for fingerprints");
}

void cd_outgoing_log_done(struct cd_outgoing_log *outgoing)
{
        cd_fingerprints_free(outgoing->fingerprints);
}

static void free_shown(struct shown *shown)
{
        cd_arena_done(&shown->arena);
        cd_wipe(shown, sizeof(*shown));
        free(shown);
}

static struct shown *begin(struct cd_outgoing_log *log, bool has_failed)
{
        enum cd_log_level level = has_failed ? CD_LOG_WARN : CD_LOG_INFO;

        if (atomic_load(&log->detail) == CD_OUTGOING_OFF || (!log->show && !cd_log_enabled(log->log, level)))
                return NULL;
        struct shown *shown = calloc(1, sizeof(*shown));
        if (!shown)
                return NULL;
        cd_arena_init(&shown->arena, ARENA);
        shown->redact = (struct cd_redact){ .fingerprints = log->fingerprints, .arena = &shown->arena };
        cd_buf_init(&shown->url, &shown->arena, URL_MAX);
        cd_buf_init(&shown->request_head, &shown->arena, HEAD_MAX);
        cd_buf_init(&shown->request_body, &shown->arena, BODY_MAX);
        cd_buf_init(&shown->response_head, &shown->arena, HEAD_MAX);
        cd_buf_init(&shown->response_body, &shown->arena, BODY_MAX);
        if (!log->show)
                cd_log_begin_in(&shown->event, shown->memory, sizeof(shown->memory), log->log, level,
                                "outgoing_request");
        return shown;
}

static void end(struct shown *shown)
{
        cd_log_end(&shown->event);
        free_shown(shown);
}

static void add_str(struct shown *shown, const char *name, cd_str value)
{
        if (value.len)
                cd_log_str(&shown->event, name, value);
}

static void add_int(struct shown *shown, const char *name, int64_t value)
{
        if (value)
                cd_log_int(&shown->event, name, value);
}

/* A text that did not fit ends with "…", after its last whole character. */
static cd_str text_of(struct shown *shown, const struct cd_buf *part)
{
        cd_str text = cd_str_of(part->ptr, part->len);

        if (!part->failed)
                return text;
        while (text.len && (text.ptr[text.len - 1] & 0xc0) == 0x80)
                text.len--;
        if (text.len && text.ptr[text.len - 1] & 0x80)
                text.len--;
        return cd_arena_printf(&shown->arena, "%.*s…", CD_STR_ARG(text));
}

static void add_part(struct shown *shown, const char *name, const struct cd_buf *part)
{
        add_str(shown, name, text_of(shown, part));
}

static void add_error(struct shown *shown, const struct cd_error *error)
{
        if (error)
                add_str(shown, "reason", cd_str_from_c(error->reason));
}

/* The bodies first, since a secret that is found there may be in a header or in the URL too. */
static void redact(struct shown *shown, const struct cd_fetch_record *record, bool is_full)
{
        cd_redact_body(&shown->redact, &shown->request_body, record->request_body);
        cd_redact_headers(&shown->redact, &shown->request_head, record->request_head);
        cd_redact_url(&shown->redact, &shown->url, record->url);
        if (is_full) {
                cd_redact_body(&shown->redact, &shown->response_body, record->response_body);
                cd_redact_headers(&shown->redact, &shown->response_head, record->response_head);
        }
}

static void show(const struct cd_outgoing_log *log, struct shown *shown, const struct cd_fetch_record *record)
{
        const struct cd_outgoing_parts parts = {
                .url = text_of(shown, &shown->url),
                .request_headers = text_of(shown, &shown->request_head),
                .request_body = text_of(shown, &shown->request_body),
                .response_headers = text_of(shown, &shown->response_head),
                .response_body = text_of(shown, &shown->response_body),
        };

        log->show(log->show_arg, record, &parts);
        free_shown(shown);
}

void cd_outgoing_log_fetch(void *arg, const struct cd_fetch_record *record)
{
        struct cd_outgoing_log *log = arg;
        bool is_full = atomic_load(&log->detail) == CD_OUTGOING_FULL;
        struct shown *shown = begin(log, record->error);

        cd_app_count_outgoing(record->name, !record->error, record->total_us);
        if (!shown)
                return;
        redact(shown, record, is_full);
        if (log->show) {
                show(log, shown, record);
                return;
        }
        add_str(shown, "name", record->name);
        add_str(shown, "method", record->method);
        add_part(shown, "url", &shown->url);
        add_int(shown, "status", record->status);
        add_error(shown, record->error);
        add_str(shown, "address", record->address);
        add_int(shown, "sent_bytes", (int64_t)(record->request_head.len ? record->request_body.len : 0));
        add_int(shown, "received_bytes", (int64_t)record->response_body.len);
        add_int(shown, "waited_us", record->waited_us);
        add_int(shown, "dns_us", record->dns_us);
        add_int(shown, "connect_us", record->connect_us);
        add_int(shown, "tls_us", record->tls_us);
        add_int(shown, "first_byte_us", record->first_byte_us);
        add_int(shown, "total_us", record->total_us);
        if (is_full) {
                add_part(shown, "request_headers", &shown->request_head);
                add_part(shown, "request_body", &shown->request_body);
                add_part(shown, "response_headers", &shown->response_head);
                add_part(shown, "response_body", &shown->response_body);
        }
        end(shown);
}

void cd_outgoing_log_delivery(struct cd_outgoing_log *log, const struct cd_outgoing_delivery *delivery)
{
        bool is_full = atomic_load(&log->detail) == CD_OUTGOING_FULL;
        struct shown *shown = begin(log, delivery->error);

        if (!shown)
                return;
        cd_redact_body(&shown->redact, &shown->request_body, delivery->sent);
        cd_redact_url(&shown->redact, &shown->url, delivery->target);
        cd_redact_body(&shown->redact, &shown->response_body, delivery->received);
        add_str(shown, "name", delivery->name);
        add_str(shown, "protocol", delivery->protocol);
        add_part(shown, "url", &shown->url);
        add_error(shown, delivery->error);
        add_int(shown, "sent_bytes", delivery->sent_bytes);
        add_int(shown, "received_bytes", delivery->received_bytes);
        add_int(shown, "connect_us", delivery->connect_us);
        add_int(shown, "first_byte_us", delivery->first_byte_us);
        add_int(shown, "total_us", delivery->total_us);
        if (is_full) {
                add_part(shown, "request_body", &shown->request_body);
                add_part(shown, "response_body", &shown->response_body);
        }
        end(shown);
}
