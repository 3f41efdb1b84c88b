#include "core/mail.h"

#include "base/buf.h"
#include "core/digest.h"
#include "core/ports.h"
#include "core/user_details.h"

enum {
        SEALED_ARENA = 256 * 1024 /* bytes */
};

static cd_status refuse(struct cd_error *reterr, const char *field, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), reason);
}

static bool is_safe_line(cd_str line)
{
        while (line.len) {
                size_t size = cd_str_safe_sequence(line);
                if (size == 0)
                        return false;
                line = cd_str_slice(line, size, line.len);
        }
        return true;
}

static bool is_safe_text(cd_str text)
{
        cd_str line;

        while (cd_str_take_until(&text, '\n', &line))
                if (!is_safe_line(line))
                        return false;
        return true;
}

cd_status cd_mail_check(const struct cd_mail *mail, struct cd_error *reterr)
{
        struct cd_error err = { 0 };

        if (cd_email_check(mail->to, &err) != CD_OK)
                return refuse(reterr, "to", err.reason);
        if (mail->subject.len == 0 || mail->subject.len > CD_MAIL_SUBJECT_MAX)
                return refuse(reterr, "subject", "the subject is empty or too long");
        if (!cd_str_is_utf8(mail->subject) || !is_safe_line(mail->subject))
                return refuse(reterr, "subject", "the subject is not one line of UTF-8 text");
        if (mail->text.len == 0 || mail->text.len > CD_MAIL_TEXT_MAX)
                return refuse(reterr, "text", "the text is empty or too long");
        if (!cd_str_is_utf8(mail->text) || !is_safe_text(mail->text))
                return refuse(reterr, "text",
                              "the text is not UTF-8, or has a control character in it, or one that "
                              "sets the direction of writing");
        if (mail->expires_at <= mail->created_at)
                return refuse(reterr, "expires_at", "the e-mail would never be sent");
        return CD_OK;
}

/* What is sealed cannot be moved to another recipient. */
static cd_status context_of(struct cd_arena *arena, cd_str recipient, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, CD_EMAIL_MAX + sizeof("mail:"));
        cd_buf_add(&buf, CD_STR("mail:"));
        cd_buf_add(&buf, recipient);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
}

/* The subject is a line, so what follows its end is the text. */
static cd_status seal(const struct cd_master_key *master, struct cd_arena *arena, const struct cd_mail *mail,
                      cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str context, secret;

        cd_status status = context_of(arena, mail->to, &context, reterr);
        if (status != CD_OK)
                return status;
        cd_buf_init(&buf, arena, CD_MAIL_SUBJECT_MAX + 1 + CD_MAIL_TEXT_MAX);
        cd_buf_add(&buf, mail->subject);
        cd_buf_add_char(&buf, '\n');
        cd_buf_add(&buf, mail->text);
        if (cd_buf_view(&buf, &secret) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
        return cd_seal(master, arena, context, secret, ret, reterr);
}

cd_status cd_mail_queue(struct cd_store *store, const struct cd_master_key *master, const struct cd_mail *mail,
                        struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        struct cd_queued_mail queued = {
                .recipient = mail->to,
                .created_at = mail->created_at,
                .expires_at = mail->expires_at,
                .next_at = mail->created_at,
        };

        cd_arena_init(&arena, SEALED_ARENA);
        cd_status status = cd_mail_check(mail, reterr);
        if (status == CD_OK)
                status = seal(master, &arena, mail, &queued.sealed, reterr);
        if (status == CD_OK)
                status = cd_digest_text(&arena, queued.sealed, &queued.id, reterr); /* unique: the nonce is in it */
        return status == CD_OK ? store->mails->add(store, &queued, reterr) : status;
}

cd_status cd_mail_unseal(const struct cd_master_key *master, struct cd_arena *arena, const struct cd_queued_mail *from,
                         struct cd_mail *ret, struct cd_error *reterr)
{
        struct cd_mail mail = {
                .to = from->recipient,
                .created_at = from->created_at,
                .expires_at = from->expires_at,
        };
        cd_str context;

        cd_status status = context_of(arena, from->recipient, &context, reterr);
        if (status == CD_OK)
                status = cd_unseal(master, arena, context, from->sealed, &mail.text, reterr);
        if (status != CD_OK)
                return status;
        cd_str_take_until(&mail.text, '\n', &mail.subject);
        *ret = mail;
        return CD_OK;
}
