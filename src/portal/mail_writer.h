#pragma once
/* Writes the e-mails that requests cause, on a thread of its own: a request neither waits for them nor shows by its
 * time whether there was a user to write to (LESSONS 10). What waits is bounded, in memory, and lost if the process
 * ends; an e-mail that was written is in the store's queue. */
#include "base/shared.h"
#include "core/notice.h"
#include "core/session.h"
#include "core/store_state.h"
#include "portal/template.h"

enum {
        CD_MAIL_WRITER_JOBS = 64,         /* that wait */
        CD_MAIL_WRITER_LINKS = 48,        /* of these; the others are for notices, which no stranger shall crowd out */
        CD_MAIL_WRITER_LOCK_EVERY = 3600, /* seconds: a user is told of a locked account once in this time */
};

struct cd_factors;

struct cd_mail_writer_options {
        struct cd_shared *portals; /* see struct cd_portal_app: their settings say whether and how e-mails are sent */
        const struct cd_sessions *sessions; /* for the store, the clock and the random source */
        const struct cd_factors *factors;   /* for the master key */
        const struct cd_store_state *store_state;
        struct cd_log *log;
};

struct cd_mail_writer;

/* Borrows what the options refer to. The thread starts with the first e-mail. CD_NO_MEMORY, or CD_UNAVAILABLE if the
 * random source fails. */
cd_status cd_mail_writer_new(const struct cd_mail_writer_options *options, struct cd_mail_writer **ret,
                             struct cd_error *reterr);
/* Writes what waits, unless the store is unavailable, then ends the thread. NULL is fine. */
void cd_mail_writer_free(struct cd_mail_writer *writer);

/* The port that the core tells. It drops notices before cd_mail_writer_enable, and while too many wait. */
const struct cd_notices *cd_mail_writer_notices(const struct cd_mail_writer *writer);
/* Called once a portal that sends e-mails is configured. From any thread. */
void cd_mail_writer_enable(struct cd_mail_writer *writer);

struct cd_reset_request {
        cd_str name;    /* as typed */
        cd_str address; /* of the client */
        const struct cd_texts *texts;
};
/* Asks for a link to set a new password, which is sent to the user's verified address if there is such a user. Memory
 * only: the result does not depend on the name. CD_UNAVAILABLE: too many wait. */
cd_status cd_mail_writer_reset(struct cd_mail_writer *writer, const struct cd_reset_request *request,
                               struct cd_error *reterr);
