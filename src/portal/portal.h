#pragma once
/* The login portal: its handlers read forms and cookies, ask the core, and show a page (portal/pages.h). They make no
 * decisions of their own. */
#include "base/shared.h"
#include "core/access.h"
#include "core/accounts.h"
#include "core/enrolment.h"
#include "core/network_limit.h"
#include "core/return_to.h"
#include "core/session.h"
#include "core/store_state.h"
#include "http/router.h"
#include "portal/style.h"
#include "portal/url.h"

enum cd_portal_registration {
        CD_REGISTRATION_CLOSED,
        CD_REGISTRATION_INVITE, /* with a link of `cardea user invite` */
        CD_REGISTRATION_OPEN,
};

/* The objects that live as long as the process. */
struct cd_portal_services {
        const struct cd_sessions *sessions;
        const struct cd_factors *factors;
        struct cd_mac *forms;    /* of the CSRF tokens, see cd_portal_forms_new */
        struct cd_mac *instance; /* see portal/instance.h */
        const struct cd_store_state *store_state;
        struct cd_shared *signins; /* each version is a struct cd_signin; NULL or no version: there are no providers */
        struct cd_network_limit *networks;  /* NULL: networks are not limited */
        struct cd_mail_writer *mail_writer; /* needed if a portal sends e-mails */
        struct cd_log *log;
};

/* The MAC of the CSRF tokens, under a key that is derived from the master key. NULL if memory is out. */
struct cd_mac *cd_portal_forms_new(const struct cd_master_key *master);

/* What the configuration says. Copied by cd_portal_new, except what `accounts` and `by` point to, which must
 * outlive it (but the names in by.configured are copied), and `access`. */
struct cd_portal_settings {
        cd_str url; /* see cd_portal_url_parse; its path is "/_auth" */
        cd_str cookie_domain;
        struct cd_strs other_domains; /* sessions are handed over to the sites there (core/hand_over.h) */
        unsigned factors; /* bits of enum cd_factor that a login needs; 0: users log in with providers alone */
        enum cd_portal_registration registration;
        int64_t idle_lifetime, lifetime; /* of a session, seconds */
        int64_t remember_for;            /* lifetime on a device that the user wants to be remembered; 0: not offered */
        cd_str title, footer;
        struct cd_page_url logo; /* empty: none */
        struct cd_page_colour accent;
        const struct cd_accounts *accounts; /* the passwords */
        struct cd_operator by;              /* who changes users; its actor is "portal" */
        bool sends_mail;                    /* the server sends e-mails */
        const struct cd_texts *language;    /* of e-mails that no browser asked for; NULL: English */
        struct cd_access *access;           /* taken over, also on failure; NULL: no rules */
};

/* Immutable; a reload replaces it. */
struct cd_portal;

cd_status cd_portal_new(const struct cd_portal_settings *settings, const struct cd_portal_services *services,
                        struct cd_portal **ret, struct cd_error *reterr);
/* For cd_shared_new. NULL is fine. */
void cd_portal_free(void *portal);

/* The `app` of the handlers. */
struct cd_portal_app {
        struct cd_shared *portals; /* each version is a struct cd_portal; NULL or no version: there is no portal, 404 */
};

/* All below "/_auth", and /.well-known/change-password. */
extern const struct cd_http_routes cd_portal_routes;
