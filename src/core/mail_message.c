#include "core/mail_message.h"

#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/buf.h"
#include "core/user_details.h"

enum {
        LINE_MAX_BYTES = 76, /* of quoted-printable, without CRLF (RFC 2045 §6.7) */
        PLAIN_MAX = 60,      /* bytes of a name or subject that is written as it is */
        WORD_BYTES = 42,     /* encoded by one word of RFC 2047: 56 characters and 12 around them */
        MESSAGE_MAX = 128 * 1024,
};

cd_str cd_mail_domain(cd_str address)
{
        return cd_str_slice(address, cd_str_index(address, '@') + 1, address.len);
}

cd_status cd_mailbox_parse(cd_str text, struct cd_mailbox *ret, struct cd_error *reterr)
{
        size_t open = cd_str_index(text, '<');
        struct cd_mailbox box = { .address = text };

        if (open < text.len) {
                if (text.ptr[text.len - 1] != '>')
                        return cd_fail(reterr, CD_INVALID_REQUEST, "it does not end with \">\"");
                box.name = cd_str_trim(cd_str_slice(text, 0, open));
                box.address = cd_str_slice(text, open + 1, text.len - open - 2);
        }
        if (box.name.len >= 2 && box.name.ptr[0] == '"' && box.name.ptr[box.name.len - 1] == '"')
                box.name = cd_str_slice(box.name, 1, box.name.len - 2);
        if (cd_str_index(box.name, '"') < box.name.len || cd_str_index(box.name, '\\') < box.name.len)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the name has a quote or a backslash in it");
        if (box.name.len && cd_display_name_check(box.name, reterr) != CD_OK)
                return CD_INVALID_REQUEST;
        cd_status status = cd_email_check(box.address, reterr);
        if (status == CD_OK)
                *ret = box;
        return status;
}

/* ---- header ---- */

static bool is_plain(cd_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] < ' ' || text.ptr[i] > '~')
                        return false;
        return text.len <= PLAIN_MAX && memmem(text.ptr, text.len, "=?", 2) == NULL;
}

/* The longest beginning of whole characters that one word has room for. */
static cd_str take_word(cd_str *rest)
{
        size_t len = rest->len < WORD_BYTES ? rest->len : WORD_BYTES;

        while (len < rest->len && ((unsigned char)rest->ptr[len] & 0xc0) == 0x80)
                len--;
        cd_str word = cd_str_slice(*rest, 0, len);
        *rest = cd_str_slice(*rest, len, rest->len);
        return word;
}

/* RFC 2047 §2: words of at most 75 characters, each on a line of its own. Spaces between words are not shown. */
static void add_words(struct cd_buf *to, cd_str text)
{
        char base64[(WORD_BYTES + 2) / 3 * 4];

        while (text.len) {
                size_t len = cd_base64_encode(base64, take_word(&text));
                cd_buf_add(to, CD_STR("=?UTF-8?B?"));
                cd_buf_add(to, cd_str_of(base64, len));
                cd_buf_add(to, text.len ? CD_STR("?=\r\n ") : CD_STR("?="));
        }
}

static void add_from(struct cd_buf *to, const struct cd_mailbox *from)
{
        cd_buf_add(to, CD_STR("From: "));
        if (!from->name.len) {
                cd_buf_printf(to, "%.*s\r\n", CD_STR_ARG(from->address));
                return;
        }
        if (is_plain(from->name))
                cd_buf_printf(to, "\"%.*s\"", CD_STR_ARG(from->name)); /* it has no quote and no backslash */
        else
                add_words(to, from->name);
        cd_buf_printf(to, "\r\n <%.*s>\r\n", CD_STR_ARG(from->address));
}

static void add_subject(struct cd_buf *to, cd_str subject)
{
        cd_buf_add(to, CD_STR("Subject: "));
        if (is_plain(subject))
                cd_buf_add(to, subject);
        else
                add_words(to, subject);
        cd_buf_add(to, CD_STR("\r\n"));
}

/* RFC 5322 §3.3, in English whatever the locale is. */
static void add_date(struct cd_buf *to, cd_time time)
{
        static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
        time_t seconds = time;
        struct tm tm = { 0 };

        gmtime_r(&seconds, &tm);
        cd_buf_printf(to, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                      months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- text ---- */

static bool is_literal(unsigned char c)
{
        return c >= ' ' && c <= '~' && c != '=';
}

/* RFC 2045 §6.7. A line that is too long is broken by "=", which a reader removes. */
static void add_line(struct cd_buf *to, cd_str line)
{
        size_t width = 0;

        for (size_t i = 0; i < line.len; i++) {
                unsigned char c = (unsigned char)line.ptr[i];
                bool literal = is_literal(c) && !(c == ' ' && i + 1 == line.len);
                if (width + (literal ? 1 : 3) > LINE_MAX_BYTES - 1) {
                        cd_buf_add(to, CD_STR("=\r\n"));
                        width = 0;
                }
                if (literal)
                        cd_buf_add_char(to, line.ptr[i]);
                else
                        cd_buf_printf(to, "=%02X", c);
                width += literal ? 1 : 3;
        }
        cd_buf_add(to, CD_STR("\r\n"));
}

static void add_text(struct cd_buf *to, cd_str text)
{
        cd_str line;

        if (text.len && text.ptr[text.len - 1] == '\n')
                text.len--;
        while (cd_str_take_until(&text, '\n', &line))
                add_line(to, line);
}

cd_status cd_mail_message(struct cd_arena *arena, const struct cd_mailbox *from, const struct cd_mail *mail, cd_str id,
                          cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        cd_status status = cd_mail_check(mail, reterr);
        if (status != CD_OK)
                return status;
        cd_buf_init(&buf, arena, MESSAGE_MAX);
        add_from(&buf, from);
        cd_buf_printf(&buf, "To: %.*s\r\n", CD_STR_ARG(mail->to));
        add_subject(&buf, mail->subject);
        add_date(&buf, mail->created_at);
        cd_buf_printf(&buf, "Message-ID: <%.*s@%.*s>\r\n", CD_STR_ARG(id), CD_STR_ARG(cd_mail_domain(from->address)));
        cd_buf_add(&buf, CD_STR("MIME-Version: 1.0\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Transfer-Encoding: quoted-printable\r\n"
                                "Auto-Submitted: auto-generated\r\n"
                                "\r\n"));
        add_text(&buf, mail->text);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for an e-mail");
}
