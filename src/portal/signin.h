#pragma once
/* What the pages share that have to do with logins at providers (signin/signin.h). */
#include "base/metrics.h"
#include "core/ports.h"
#include "portal/visit.h"

/* "/_auth/login?return_to=…" for a path below the portal's URL; without the page to return to, if it makes the URL too
 * long for a page. ptr NULL if memory is out. */
cd_str cd_portal_url_for(const struct cd_visit *visit, cd_str path, cd_str return_to);
/* The same of the page at which a login at the provider begins; `again`: also for a browser that has a session. */
cd_str cd_portal_signin_url(const struct cd_visit *visit, const struct cd_signin_provider *provider, cd_str return_to,
                            bool again);

/* The providers with these URLs. Memory only. */
struct cd_portal_providers {
        struct cd_page_provider *items;
        size_t count;
};
struct cd_portal_providers cd_portal_providers_list(const struct cd_visit *visit, cd_str return_to, bool again);
/* The same for the providers of which the user has connected an account. Blocks. */
cd_status cd_portal_providers_of(const struct cd_visit *visit, cd_str user, cd_str return_to,
                                 struct cd_portal_providers *ret, struct cd_error *reterr);
/* Where the login page of a browser that has just logged out leads to: "/login?done=logged-out", with the provider of
 * the user's last login if that has a page to log out. Blocks. */
cd_str cd_portal_logged_out_page(const struct cd_visit *visit, const struct cd_session *session);

/* Why a login at a provider has failed. */
struct cd_portal_failure {
        enum cd_signin_failure failure;
        const struct cd_signin_provider *provider;
        const struct cd_signin_result *result; /* what is known; may be empty */
        cd_str return_to;
        cd_str said; /* for the log: what the provider said, and the like */
};
/* Logs it, and redirects to its page, whose URL has nothing of the login (LESSONS 28). */
void cd_portal_fail_signin(struct cd_visit *visit, const struct cd_portal_failure *failure);
extern const struct cd_metric cd_portal_metrics[];
extern const size_t cd_portal_metric_count;
/* A login at a provider that has come back, which failed or not. */
void cd_portal_count_signin(const struct cd_signin_provider *provider, enum cd_signin_failure failure);
/* That page, for the last part of its path ("denied"). False: there is none. Memory only. */
bool cd_portal_show_signin_failure(struct cd_visit *visit, const struct cd_signin_provider *provider, cd_str name);

/* Fills in the part of the account page. Blocks. */
cd_status cd_portal_list_accounts(const struct cd_visit *visit, const struct cd_user *user,
                                  struct cd_page_account *fields, struct cd_error *reterr);
/* Whether the user has just asked to connect an account of that provider, with this session. Forgets it. */
bool cd_portal_takes_connect(struct cd_visit *visit, const struct cd_session *session, cd_str provider);
