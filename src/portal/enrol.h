#pragma once
/* What registering and enrolling share: the page that shows a TOTP secret and asks for its code. */
#include "portal/visit.h"

struct cd_enrol_page {
        cd_str username;
        cd_str secret; /* bytes */
        cd_str path;   /* where the code is sent to, "/_auth/…" */
        bool has_account, is_replacement;
};
/* Shows the secret, and asks for a code that confirms it. */
void cd_enrol_show(struct cd_visit *visit, int status, const struct cd_enrol_page *page);

struct cd_enrol_form {
        cd_str csrf, code;
};
extern const struct cd_table cd_enrol_table;
/* The attempt that a form makes. */
struct cd_code_attempt cd_enrol_attempt(const struct cd_visit *visit, cd_str code);

/* `/register/totp` for a user who has an account, but not the second factor that the half-finished login needs.
 * Blocks. */
void cd_enrol_pending(struct cd_visit *visit);
