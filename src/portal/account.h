#pragma once
/* What the pages about a user's own account share. */
#include "portal/visit.h"

enum {
        /* Seconds since the login for which new recovery codes can be made without another code. */
        CD_ACCOUNT_RECENT = 10 * 60,
};

/* Users who change their own account at this request: the actor is "user:NAME". Valid as long as the request. */
struct cd_operator cd_account_operator(const struct cd_visit *visit, cd_str user);

/* Whether logins need a second factor here, and the user has one. Blocks. */
cd_status cd_account_has_totp(const struct cd_visit *visit, cd_str user, bool *ret, struct cd_error *reterr);

/* Whether the user can log in with a password: one who was made by a login at a provider has none until one is set. */
bool cd_account_has_password(const struct cd_visit *visit, const struct cd_user *user);

/* Whether users can have a second factor here: for logins with a password, or with a provider. */
bool cd_account_uses_totp(const struct cd_visit *visit);

/* Whether the login is recent enough to change what lives on after the session. Blocks. */
cd_status cd_account_is_confirmed(const struct cd_visit *visit, const struct cd_session *session, bool *ret,
                                  struct cd_error *reterr);

/* Whether the session's second factor was verified at most CD_ACCOUNT_RECENT seconds ago. */
bool cd_account_is_recent(const struct cd_session *session, cd_time now);

/* Sets the cookie for the new id of a session, which the browser keeps for as long as the one before. `token` is in the
 * request's arena. */
void cd_account_set_cookie(struct cd_visit *visit, const struct cd_session *session,
                           const struct cd_cookie_token *token);

/* Gives the session a new id (LESSONS 12), adds these factors, which were verified just now, and sets its cookie.
 * False: it has answered with an error. Blocks. */
bool cd_account_raise_session(struct cd_visit *visit, const struct cd_session *session, unsigned factors);

/* What is wrong with a password that a user chose, besides what a form refuses; CD_MESSAGE_NONE: nothing. */
struct cd_page_message cd_account_judge_password(const struct cd_visit *visit, cd_str password);
