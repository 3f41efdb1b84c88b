#pragma once
/* Who may open which site: an immutable list of rules, and what they decide for one request. Pure: memory only, no
 * clock, no store, so that a loop may decide for each request. Deny is the start value (LESSONS 1). */
#include "base/address.h"
#include "base/clock.h"
#include "base/field.h"

enum {
        CD_ACCESS_RULES_MAX = 4000,     /* as many as a configuration file can hold */
        CD_ACCESS_HOST_RULES_MAX = 256, /* of one host: they are read in turn, on a loop, for each request */
        CD_ACCESS_USERS_MAX = 1024,     /* of one rule */
        CD_ACCESS_GROUPS_MAX = 64,      /* of one rule */
        CD_ACCESS_NETWORKS_MAX = 64,    /* of one rule */
        CD_ACCESS_METHODS_MAX = 32,     /* of one rule */
        CD_ACCESS_PUBLIC_MAX = 64,      /* paths of one rule */
        CD_ACCESS_FACTORS_MAX = 2,      /* that a login can have: password, TOTP */
};

/* Every key that is given must hold; of a key that is a list, one value is enough. Users and groups together are one
 * key. A user who is allowed has logged in: no key lets a request in without that. */
struct cd_access_allow {
        bool is_given;         /* false: the rule allows nobody */
        struct cd_strs users;  /* canonical names */
        struct cd_strs groups; /* compared byte for byte */
        unsigned factors;      /* at least so many; 0: any login */
        const struct cd_network *networks;
        size_t network_count;
        int64_t max_age; /* seconds since the login; 0: any */
};

/* A path here is one exact path or, where it ends in "/", all that begin with it. */
struct cd_access_rule {
        cd_str host;                 /* canonical (cd_canonical_host); or "*." and such a domain: every host below it */
        cd_str path;                 /* canonical (cd_canonical_path); empty: every path, whatever its form */
        struct cd_strs methods;      /* as in a request line; a request of any other is denied; empty: every method */
        bool is_public;              /* no login is needed */
        struct cd_strs public_paths; /* the same for these paths alone */
        struct cd_access_allow allow;
};

struct cd_access;

/* Copies the rules. CD_TOO_LARGE (more than CD_ACCESS_RULES_MAX, or CD_ACCESS_HOST_RULES_MAX of one host),
 * CD_NO_MEMORY. Freed with cd_access_free; NULL is fine there. */
cd_status cd_access_new(const struct cd_access_rule *rules, size_t count, struct cd_access **ret,
                        struct cd_error *reterr);
void cd_access_free(struct cd_access *access);

/* `index` is that of a rule, in the order they were given. */
const struct cd_access_rule *cd_access_rule_at(const struct cd_access *access, size_t index);
/* Whether a rule names exactly this host, which is canonical; "*.example.com" names none. */
bool cd_access_names_host(const struct cd_access *access, cd_str host);
/* The earlier rule that has every host and path of this one, which therefore never decides; or CD_ACCESS_NO_RULE. */
size_t cd_access_covered_by(const struct cd_access *access, size_t rule);

/* What is known of a login that is finished, second factor included. */
struct cd_access_login {
        cd_str user; /* canonical */
        struct cd_strs groups;
        unsigned factors;  /* how many the user has shown */
        cd_time auth_time; /* when the last of them was */
};

struct cd_access_request {
        cd_str host; /* canonical, cd_canonical_host; empty: not known */
        /* The path as it was sent, if cd_canonical_path returns it unchanged; ptr NULL: it does not. A server that
         * forwards what it made canonical gives that. */
        cd_str path;
        cd_str method;                       /* empty: not known */
        const struct cd_address *address;    /* of the client; NULL: not known */
        const struct cd_access_login *login; /* NULL: nobody is logged in */
        cd_time now;
};

enum cd_access_outcome {
        CD_ACCESS_DENY = 0,
        CD_ACCESS_LOG_IN,  /* nobody is logged in; a user who is may be allowed */
        CD_ACCESS_STEP_UP, /* this user is allowed after another factor or a fresh login */
        CD_ACCESS_ALLOW,
};

enum cd_access_reason {
        CD_ACCESS_BY_NO_RULE = 0,
        CD_ACCESS_BY_PATH,    /* not canonical, and a rule of the host names a path */
        CD_ACCESS_BY_METHOD,  /* not known, or none of the rule's */
        CD_ACCESS_BY_NOBODY,  /* the rule allows nobody */
        CD_ACCESS_BY_NETWORK, /* not known, or in none of the rule's */
        CD_ACCESS_BY_NO_LOGIN,
        CD_ACCESS_BY_USER,    /* neither the user nor a group of the user's is in the rule: another account may be */
        CD_ACCESS_BY_FACTORS, /* STEP_UP: too few */
        CD_ACCESS_BY_AGE,     /* STEP_UP: the login is too old */
        CD_ACCESS_BY_PUBLIC,  /* ALLOW, with or without a login */
        CD_ACCESS_BY_LOGIN,   /* ALLOW: every key holds */
};

#define CD_ACCESS_NO_RULE SIZE_MAX

struct cd_access_decision {
        enum cd_access_outcome outcome;
        enum cd_access_reason reason;
        size_t rule;             /* the index of the one that decided, or CD_ACCESS_NO_RULE */
        unsigned factors_needed; /* by that rule; 0: any login */
        int64_t max_age;         /* seconds, by that rule; 0: any */
};

/* The first rule whose host and path match decides alone. */
struct cd_access_decision cd_access_decide(const struct cd_access *access, const struct cd_access_request *request);

/* Why, in a few words for an operator: "POST is none of the rule's methods (GET, HEAD)". In the arena; ptr NULL where
 * memory is out. The arguments as they were given to cd_access_decide, and what it returned. */
cd_str cd_access_explain(struct cd_arena *arena, const struct cd_access *access,
                         const struct cd_access_request *request, const struct cd_access_decision *decision);
/* "deny", "log in", "step up", "allow". Static. */
const char *cd_access_outcome_name(enum cd_access_outcome outcome);
