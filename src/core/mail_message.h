#pragma once
/* The message of an e-mail as it goes to a server (RFC 5322, MIME). What could begin a header field of its own, or end
 * the header, cannot get into one: every value was checked, or is encoded. */
#include "core/mail.h"

/* "Cardea <auth@example.com>" or "auth@example.com". */
struct cd_mailbox {
        cd_str name; /* empty: none */
        cd_str address;
};

/* Views of the text. The name may be in double quotes. CD_INVALID_REQUEST with the reason. */
cd_status cd_mailbox_parse(cd_str text, struct cd_mailbox *ret, struct cd_error *reterr);
/* The part of an address after "@". */
cd_str cd_mail_domain(cd_str address);

/* Plain text in UTF-8 as quoted-printable; lines of at most 78 bytes, with CRLF. The Message-ID is made of the id, so
 * it is the same at each attempt; the Date is created_at. In the arena. CD_INVALID_REQUEST as for cd_mail_check;
 * CD_NO_MEMORY. */
cd_status cd_mail_message(struct cd_arena *arena, const struct cd_mailbox *from, const struct cd_mail *mail, cd_str id,
                          cd_str *ret, struct cd_error *reterr);
