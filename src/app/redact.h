#pragma once
/* Shows what was sent and received without its secrets. A secret becomes "‹redacted 40 chars, fingerprint 1a2b3c4d…›",
 * with ", white space at the end" where it has some; an empty value becomes "‹EMPTY›". What is not known to be harmless
 * is a secret. */
#include "base/buf.h"
#include "crypto/fingerprint.h"

struct cd_redact {
        struct cd_fingerprints *fingerprints; /* NULL: they are left out */
        struct cd_arena *arena;               /* for what is decoded */
        /* Secrets that were found so far; where one occurs in a text later on, it is redacted there too. Zeroed by the
         * caller. */
        cd_str found[32];
        size_t count;
        int depth; /* of texts within texts; zeroed by the caller */
};

/* The functions append to a builder, which fails where its ceiling is reached: what it has then is fit to show. */

/* A secret by itself. */
void cd_redact_secret(struct cd_redact *redact, struct cd_buf *to, cd_str secret);
/* A URL, or a text that may contain some: the values of parameters, and a user name or password. */
void cd_redact_url(struct cd_redact *redact, struct cd_buf *to, cd_str url);
/* Header lines with CRLF, as they were sent; the lines are separated by "\n". A first line without a colon is shown. */
void cd_redact_headers(struct cd_redact *redact, struct cd_buf *to, cd_str head);
/* JSON, a form, or another text, whichever it is by its contents. */
void cd_redact_body(struct cd_redact *redact, struct cd_buf *to, cd_str body);
