#pragma once
/* The sections `access` and `portal` of the configuration: who may open which site, and where users log in. */
#include "app/config_identity.h"
#include "core/access.h"
#include "portal/portal.h"

struct cd_config_allow {
        struct cd_strs users, groups;
        int64_t factors;         /* 0: not given */
        struct cd_strs networks; /* in CIDR notation */
        int64_t max_age;         /* milliseconds, whole seconds; 0: not given */
        struct cd_strs methods;  /* the same as those of the rule, which has them in one place only */
};

enum {
        CD_CONFIG_OTHER_DOMAINS_MAX = 64,
};

struct cd_config_bearer {
        cd_str audience; /* empty: not given */
        cd_str scope;    /* words with a space between two */
};

struct cd_config_access {
        cd_str host, path; /* path empty: not given */
        struct cd_strs methods;
        struct cd_strs public; /* paths, or the one item "true" */
        struct cd_config_allow allow;
        struct cd_config_bearer bearer;
};

struct cd_config_portal {
        cd_str url;                   /* ends in CD_PORTAL_BASE; empty: there is no portal */
        cd_str cookie_domain;         /* empty: the cookie is the portal's host's alone */
        struct cd_strs other_domains; /* root domains of further sites; none overlaps another or cookie_domain */
        struct cd_strs factors;
        int registration; /* enum cd_portal_registration */
        cd_str title;
        cd_str logo;     /* https, or an absolute path; cd_page_url_check accepts it; empty: none */
        cd_str accent;   /* cd_page_colour_parse accepts it; empty: CD_PAGE_ACCENT */
        cd_str footer;   /* empty: none */
        cd_str language; /* of e-mails that no browser asked for: the tag of one of cd_texts */
        /* milliseconds, whole seconds */
        int64_t session_idle, session_lifetime;
        /* both lifetimes of a session whose user chose to stay logged in; 0: there is no choice */
        int64_t remember_for;
        struct cd_config_identity identity;
};

extern const struct cd_table cd_config_access_table, cd_config_allow_table, cd_config_bearer_table,
        cd_config_portal_table;

/* public: true. */
bool cd_config_access_is_public(const struct cd_config_access *rule);
/* Whether any key of allow is given. */
bool cd_config_access_has_allow(const struct cd_config_access *rule);

struct cd_config;

/* What the tables cannot say. Every finding names its setting and the fix. */
void cd_config_check_access(const struct cd_config *config, struct cd_report *report);

/* A rule of `access`, or of a route; `path` is where it is, "access[3]". Its lists are named by that path and
 * theirs. */
void cd_config_check_rule(const struct cd_config *config, const struct cd_config_access *rule, cd_str path,
                          struct cd_report *report);

/* The rules that decide, of a configuration without errors: those of `access`, then one for each of gate.routes. What
 * *ret has is its own; freed with cd_access_free. CD_NO_MEMORY; CD_INVALID_REQUEST where a network does not parse;
 * CD_TOO_LARGE, see cd_access_new. */
cd_status cd_config_access_new(const struct cd_config *config, struct cd_access **ret, struct cd_error *reterr);
