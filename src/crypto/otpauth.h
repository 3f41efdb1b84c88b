#pragma once
/* The form in which TOTP secrets come to an authenticator app and move between programs: base32 (RFC 4648 §6) and
 * otpauth URIs (Google Authenticator's "Key Uri Format"). */
#include "base/buf.h"
#include "base/status.h"

enum {
        CD_OTPAUTH_MAX = 4096, /* bytes of a URI */
};

/* Without padding. */
void cd_base32_encode(struct cd_buf *buf, cd_str bytes);
/* Either case, with or without padding, spaces and hyphens anywhere, as secrets are shown and typed. *ret is in the
 * arena. CD_MALFORMED for other characters, or where no whole number of bytes is written so; CD_NO_MEMORY. */
cd_status cd_base32_decode(struct cd_arena *arena, cd_str text, cd_str *ret);

struct cd_otpauth {
        cd_str issuer;  /* what the app shows as the service; may be empty */
        cd_str account; /* the user's name there */
        cd_str secret;  /* bytes */
};

/* An otpauth://totp/ URI with SHA-1, 6 digits and 30 s, said or by default; texts in the arena. CD_INVALID_REQUEST with
 * the field at fault ("secret", "digits", …; empty: the URI itself) for other kinds of codes, a parameter that comes
 * twice, a secret shorter than CD_TOTP_SECRET_MIN or longer than CD_TOTP_SECRET_MAX, and what is no such URI;
 * CD_NO_MEMORY. The reason never shows any of it (LESSONS 28). Parameters that are not known are passed over. */
cd_status cd_otpauth_parse(struct cd_arena *arena, cd_str uri, struct cd_otpauth *ret, struct cd_error *reterr);
/* The URI. All parameters are written: apps differ in what they take to be the default. */
void cd_otpauth_write(struct cd_buf *buf, const struct cd_otpauth *params);
