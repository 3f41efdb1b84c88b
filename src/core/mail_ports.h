#pragma once
/* The store's queue of e-mails that wait to be sent. Part of core/ports.h, which documents the rules for every call. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct cd_store;
struct cd_audit_event;

enum {
        CD_MAILS_MAX = 1000,     /* that wait, for all recipients */
        CD_MAILS_TO_ONE_MAX = 5, /* that wait for one recipient */
};

struct cd_queued_mail {
        cd_str id; /* unique; not secret */
        cd_str recipient;
        cd_str sealed; /* subject and text (core/mail.h): they may contain a link that is as good as a password */
        cd_time created_at;
        cd_time expires_at; /* not sent from then on */
        int64_t attempts;   /* how often it was claimed; identifies the last claim */
        cd_time next_at;    /* when it may be claimed (again) */
};

/* An e-mail is sent at least once: a process that dies between sending it and `remove` leaves it in the queue, and it
 * is claimed again when that claim ends. While a claim lasts, no other process gets the e-mail. */
struct cd_mail_ops {
        /* Ignores attempts. CD_THROTTLED: as many wait as may, for all recipients or for this one; field "to" in the
         * second case. CD_EXISTS: the id exists. */
        cd_status (*add)(struct cd_store *store, const struct cd_queued_mail *mail, struct cd_error *reterr);
        /* The e-mail that has been due longest, if it has not expired, with its new attempts; nobody else gets it until
         * claim_ends. CD_NOT_FOUND: none is due. */
        cd_status (*claim)(struct cd_store *store, struct cd_arena *arena, cd_time now, cd_time claim_ends,
                           struct cd_queued_mail *ret, struct cd_error *reterr);
        /* Ends the claim; the e-mail may be claimed again from next_at on. CD_NOT_FOUND: the claim had ended, and there
         * was another one, or the e-mail is gone. */
        cd_status (*postpone)(struct cd_store *store, const struct cd_queued_mail *mail, cd_time next_at,
                              struct cd_error *reterr);
        /* Removes an e-mail that was claimed. CD_NOT_FOUND as above. */
        cd_status (*remove)(struct cd_store *store, const struct cd_queued_mail *mail,
                            const struct cd_audit_event *event, struct cd_error *reterr);
        /* The number that waits, those that are claimed included. */
        cd_status (*count)(struct cd_store *store, size_t *ret, struct cd_error *reterr);
};
