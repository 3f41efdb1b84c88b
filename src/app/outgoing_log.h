#pragma once
/* The log event "outgoing_request": each request that the server sends to another one, without its secrets. */
#include <stdatomic.h>

#include "base/log.h"
#include "crypto/fingerprint.h"
#include "fetch/fetch.h"

/* Values of log.outgoing. */
enum cd_outgoing_detail {
        CD_OUTGOING_OFF,
        CD_OUTGOING_SUMMARY, /* method, URL, status, sizes, times */
        CD_OUTGOING_FULL,    /* also headers and bodies */
};

/* A request as log.outgoing: full shows it, without its secrets. Each part has at most 4 KB, and ends with "…" if it
 * was cut. Headers and bodies may have line ends. */
struct cd_outgoing_parts {
        cd_str url, request_headers, request_body, response_headers, response_body;
};

/* Lives as long as the server. */
struct cd_outgoing_log {
        struct cd_log *log;
        struct cd_fingerprints *fingerprints; /* NULL: none are shown */
        atomic_int detail;                    /* enum cd_outgoing_detail */
        /* Instead of the event in the log; NULL: the event. `record` has secrets, and `parts` has none; both are valid
         * during the call only. */
        void (*show)(void *arg, const struct cd_fetch_record *record, const struct cd_outgoing_parts *parts);
        void *show_arg;
};

/* Copies nothing: the log must outlive it. `master` NULL: fingerprints can be compared within this process only. It
 * logs nothing before the detail is set. CD_NO_MEMORY. */
cd_status cd_outgoing_log_init(struct cd_outgoing_log *outgoing, struct cd_log *log, const struct cd_master_key *master,
                               struct cd_error *reterr);
void cd_outgoing_log_done(struct cd_outgoing_log *outgoing); /* a zeroed one is fine */

/* For cd_fetch_options.record, with a struct cd_outgoing_log. Thread-safe. */
void cd_outgoing_log_fetch(void *arg, const struct cd_fetch_record *record);

/* A delivery that is not HTTP. Parts that are not known are empty or 0. */
struct cd_outgoing_delivery {
        cd_str name;                  /* "relay /register", "mail" */
        cd_str protocol;              /* "pickle", "json", "smtp" */
        cd_str target;                /* "tcp://127.0.0.1:7865" */
        cd_str sent, received;        /* as text without secrets, or JSON or a form, which are redacted here */
        const struct cd_error *error; /* NULL: it was answered */
        int64_t sent_bytes, received_bytes;
        int64_t connect_us, first_byte_us, total_us;
};
void cd_outgoing_log_delivery(struct cd_outgoing_log *log, const struct cd_outgoing_delivery *delivery);
