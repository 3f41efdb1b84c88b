#include "portal/mails.h"

#include "base/secret.h"
#include "core/mail.h"
#include "portal/language.h"
#include "portal/pages.h"

enum {
        ARENA_MAX = 512 * 1024, /* bytes */
        COLUMNS = 72,           /* of a line, as mail programs show it without scrolling */
        NOTICE_LASTS = 86400,   /* seconds: later than that it is no news */
};

const struct cd_texts *cd_mails_language(cd_str tag)
{
        for (size_t i = 0; i < cd_texts_count; i++)
                if (!tag.len || cd_str_eq(cd_texts[i].tag, tag))
                        return &cd_texts[i];
        return NULL;
}

cd_str cd_mails_address(const struct cd_user *user)
{
        return user->email_verified && !user->disabled ? user->email : CD_STR("");
}

/* ---- the text ---- */

/* Writes a paragraph in lines of COLUMNS characters. A longer word, such as a link, stays whole. */
static void wrap(struct cd_buf *buf, cd_str paragraph)
{
        size_t column = 0;
        cd_str word;

        while (cd_str_take_word(&paragraph, &word)) {
                size_t width = 0;
                for (size_t i = 0; i < word.len; i++)
                        width += (word.ptr[i] & 0xc0) != 0x80; /* not the rest of a UTF-8 sequence */
                if (column && column + 1 + width > COLUMNS) {
                        cd_buf_add_char(buf, '\n');
                        column = 0;
                }
                if (column)
                        cd_buf_add_char(buf, ' ');
                cd_buf_add(buf, word);
                column += (column ? 1 : 0) + width;
        }
        cd_buf_add_char(buf, '\n');
}

static struct cd_page_view view_of(const struct cd_mails *mails, const struct cd_texts *texts)
{
        return (struct cd_page_view){ .texts = texts, .site = { .title = mails->title } };
}

/* An e-mail that is being written: a template has written `buf`. */
struct draft {
        struct cd_arena arena;
        struct cd_buf buf;
        cd_str to;
        cd_time created_at, expires_at;
};

static void begin(struct draft *draft)
{
        cd_arena_init(&draft->arena, ARENA_MAX);
        cd_buf_init(&draft->buf, &draft->arena, CD_MAIL_TEXT_MAX);
}

/* The first line is the subject, then comes an empty one. */
static cd_status queue(const struct cd_mails *mails, struct draft *draft, struct cd_error *reterr)
{
        struct cd_mail mail = { .to = draft->to, .created_at = draft->created_at, .expires_at = draft->expires_at };
        struct cd_buf text;
        cd_str rest, line;

        cd_buf_init(&text, &draft->arena, CD_MAIL_TEXT_MAX);
        if (cd_buf_view(&draft->buf, &rest) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
        (void)cd_str_take_until(&rest, '\n', &mail.subject);
        (void)cd_str_take_until(&rest, '\n', &line);
        while (rest.len && cd_str_take_until(&rest, '\n', &line))
                wrap(&text, line);
        if (cd_buf_view(&text, &mail.text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
        return cd_mail_queue(mails->store, mails->master, &mail, reterr);
}

/* ---- links ---- */

static cd_status link_of(const struct cd_mails *mails, struct draft *draft, const char *page,
                         const struct cd_mailed_link *link, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = cd_clock_read(mails->clock, &draft->created_at, reterr);

        if (status != CD_OK)
                return status;
        draft->to = link->to;
        draft->expires_at = link->expires_at;
        *ret = cd_arena_printf(&draft->arena, "%.*s%s?token=%.*s", CD_STR_ARG(mails->url), page,
                               CD_STR_ARG(link->token));
        return ret->ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
}

cd_status cd_mails_invite(const struct cd_mails *mails, const struct cd_texts *texts, const struct cd_mailed_link *link,
                          struct cd_error *reterr)
{
        const struct cd_page_view view = view_of(mails, texts);
        struct cd_page_mail_invite fields = { .username = link->user, .until = { link->expires_at } };
        struct draft draft = { 0 };

        begin(&draft);
        cd_status status = link_of(mails, &draft, "/invite", link, &fields.link, reterr);
        if (status == CD_OK) {
                cd_page_mail_invite(&view, &fields, &draft.buf);
                status = queue(mails, &draft, reterr);
        }
        cd_arena_done(&draft.arena);
        return status;
}

cd_status cd_mails_reset(const struct cd_mails *mails, const struct cd_texts *texts, const struct cd_mailed_link *link,
                         struct cd_error *reterr)
{
        const struct cd_page_view view = view_of(mails, texts);
        struct cd_page_mail_reset fields = { .username = link->user,
                                             .minutes = CD_RESET_LIFETIME / 60,
                                             .address = link->address };
        struct draft draft = { 0 };

        begin(&draft);
        cd_status status = link_of(mails, &draft, "/reset", link, &fields.link, reterr);
        if (status == CD_OK) {
                cd_page_mail_reset(&view, &fields, &draft.buf);
                status = queue(mails, &draft, reterr);
        }
        cd_arena_done(&draft.arena);
        return status;
}

/* ---- notices ---- */

static cd_status write_notice(const struct cd_mails *mails, const struct cd_texts *texts,
                              const struct cd_mailed_notice *notice, struct draft *draft, struct cd_error *reterr)
{
        const struct cd_page_view view = view_of(mails, texts);
        const struct cd_page_mail_notice fields = {
                .username = notice->user,
                .at = { notice->at },
                .address = notice->address,
                .home = cd_arena_printf(&draft->arena, "%.*s/", CD_STR_ARG(mails->url)),
                .is_locked = notice->kind == CD_NOTICE_LOCKED,
                .is_password = notice->kind == CD_NOTICE_PASSWORD,
                .is_totp_set = notice->kind == CD_NOTICE_TOTP_SET,
                .is_totp_removed = notice->kind == CD_NOTICE_TOTP_REMOVED,
                .is_recovery_code = notice->kind == CD_NOTICE_RECOVERY_CODE,
        };

        if (!fields.home.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
        draft->created_at = notice->at;
        draft->expires_at = notice->at + NOTICE_LASTS;
        cd_page_mail_notice(&view, &fields, &draft->buf);
        return queue(mails, draft, reterr);
}

cd_status cd_mails_notice(const struct cd_mails *mails, const struct cd_texts *texts,
                          const struct cd_mailed_notice *notice, struct cd_error *reterr)
{
        struct draft draft = { 0 };
        struct cd_user user;

        begin(&draft);
        cd_status status = mails->store->users->find(mails->store, &draft.arena, notice->user, &user, reterr);
        if (status == CD_OK) {
                draft.to = cd_mails_address(&user);
                status = draft.to.len ? write_notice(mails, texts, notice, &draft, reterr)
                                      : cd_fail(reterr, CD_NOT_FOUND, "the user has no verified e-mail address");
        }
        cd_arena_done(&draft.arena);
        return status;
}
