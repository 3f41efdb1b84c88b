#pragma once
/* E-mails that Cardea sends: text in the store's queue, from which the sender takes them (app/mail_sender.h). */
#include "core/mail_ports.h"
#include "crypto/seal.h"

enum {
        CD_MAIL_SUBJECT_MAX = 200,    /* bytes */
        CD_MAIL_TEXT_MAX = 16 * 1024, /* bytes */
};

struct cd_mail {
        cd_str to;      /* an address as of cd_email_check, without a name */
        cd_str subject; /* UTF-8, one line */
        cd_str text;    /* UTF-8; lines end with "\n" and may have any length */
        cd_time created_at;
        cd_time expires_at; /* not sent from then on; later than created_at */
};

/* Checks the e-mail and puts it into the queue, sealed. Blocks. It is durable, and is sent soon, if a server is running
 * that has `smtp` configured. CD_INVALID_REQUEST (field "to", "subject", "text" or "expires_at"): empty, too long, not
 * UTF-8, or with control characters or characters that set the direction of writing, which could end a header field or
 * disguise a link. CD_THROTTLED: see struct cd_mail_ops. */
cd_status cd_mail_queue(struct cd_store *store, const struct cd_master_key *master, const struct cd_mail *mail,
                        struct cd_error *reterr);

/* Opens an e-mail of the queue. Subject and text live in the arena, which wipes them. CD_INVALID_REQUEST: it was sealed
 * under another master key, or modified. */
cd_status cd_mail_unseal(const struct cd_master_key *master, struct cd_arena *arena, const struct cd_queued_mail *from,
                         struct cd_mail *ret, struct cd_error *reterr);

/* Whether the e-mail may be queued, as cd_mail_queue says. */
cd_status cd_mail_check(const struct cd_mail *mail, struct cd_error *reterr);
