#pragma once
/* The e-mails of the portal: what they say, and who gets them. They are put into the store's queue (core/mail.h). */
#include "core/account_link.h"
#include "core/notice.h"
#include "portal/template.h"

/* What all of them need. */
struct cd_mails {
        struct cd_store *store;
        const struct cd_master_key *master;
        const struct cd_clock *clock;
        cd_str title, url; /* of the portal: its settings `title` and `url` */
};

/* The language of e-mails that no browser asked for; `tag` as in the setting portal.language, empty: English. NULL: it
 * is not known. */
const struct cd_texts *cd_mails_language(cd_str tag);

/* The address that a link or a notice for the user goes to: only one that is verified, because another one may belong
 * to somebody else. Empty: none, also for a disabled user. */
cd_str cd_mails_address(const struct cd_user *user);

struct cd_mailed_link {
        cd_str user, to;
        cd_str token;
        cd_time expires_at; /* the e-mail is not sent later */
        cd_str address;     /* of the client that asked for the link; empty: an operator did */
};

/* The first sends an invitation to register, the second a link to set a new password. The errors are those of
 * cd_mail_queue. Both block. */
cd_status cd_mails_invite(const struct cd_mails *mails, const struct cd_texts *texts, const struct cd_mailed_link *link,
                          struct cd_error *reterr);
cd_status cd_mails_reset(const struct cd_mails *mails, const struct cd_texts *texts, const struct cd_mailed_link *link,
                         struct cd_error *reterr);

struct cd_mailed_notice {
        enum cd_notice_kind kind;
        cd_str user;
        cd_str address; /* of the client; empty: a command, or not known */
        cd_time at;
};
/* Tells the user, who is looked up. CD_NOT_FOUND: there is no such user, or no address. Blocks. */
cd_status cd_mails_notice(const struct cd_mails *mails, const struct cd_texts *texts,
                          const struct cd_mailed_notice *notice, struct cd_error *reterr);
