#pragma once
/* Sends the e-mails of the store's queue, on a thread of its own, one after the other. Every server of a store takes
 * part; an e-mail is claimed before it is sent (core/mail_ports.h). One that fails is tried again after 10 s, then
 * after longer pauses, until it expires; one that the mail server refuses for good is given up. Events of the log:
 * mail_sent, mail_failed, mail_given_up; none has the address, the subject or the text. */
#include "app/outgoing_log.h"
#include "core/mail_message.h"
#include "core/ports.h"
#include "fetch/smtp.h"

struct cd_mail_sender_options {
        struct cd_store *store;
        const struct cd_master_key *master;
        const struct cd_clock *clock;
        struct cd_log *log;
        struct cd_outgoing_log *outgoing; /* NULL: nothing of what is sent is logged there */
        /* cd_smtp_send, or that of a test. */
        cd_status (*send)(const struct cd_smtp_server *server, const struct cd_smtp_mail *mail,
                          struct cd_smtp_reply *ret, struct cd_error *reterr);
};

struct cd_mail_sender;
struct cd_mail_settings;

/* Sends nothing until it has settings and was started. CD_NO_MEMORY. */
cd_status cd_mail_sender_new(const struct cd_mail_sender_options *options, struct cd_mail_sender **ret,
                             struct cd_error *reterr);
/* Starts the thread, unless it runs. CD_UNAVAILABLE. */
cd_status cd_mail_sender_start(struct cd_mail_sender *sender, struct cd_error *reterr);
/* Ends the thread: an e-mail that is being sent is interrupted, and stays in the queue. NULL is fine. */
void cd_mail_sender_free(struct cd_mail_sender *sender);

/* Copies everything. A server with a user name and no password gets the password that the sender has now. CD_NO_MEMORY.
 * Freed with cd_mail_settings_free, which wipes them, unless cd_mail_sender_set takes them. */
cd_status cd_mail_settings_new(struct cd_mail_sender *sender, const struct cd_smtp_server *server,
                               const struct cd_mailbox *from, struct cd_mail_settings **ret, struct cd_error *reterr);
void cd_mail_settings_free(struct cd_mail_settings *settings); /* NULL is fine */
/* Takes the settings, for the next e-mail; NULL: sends nothing any more. Does not wait. */
void cd_mail_sender_set(struct cd_mail_sender *sender, struct cd_mail_settings *settings);
/* There may be an e-mail. Any thread. */
void cd_mail_sender_wake(struct cd_mail_sender *sender);

/* What the thread does when it is woken, and again as long as it returns true: sends one e-mail that is due. For tests,
 * which have no thread. */
bool cd_mail_sender_step(struct cd_mail_sender *sender);
