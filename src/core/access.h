#pragma once
/* Who may open which site: an immutable list of rules, and the decision that they make for one request. Uses memory
 * only, no clock and no store, so that a loop may decide for each request. The initial decision is to deny (LESSONS
 * 1). */
#include "base/address.h"
#include "base/clock.h"
#include "base/field.h"

enum {
        CD_ACCESS_RULES_MAX = 4000,     /* as many as a configuration file can hold */
        CD_ACCESS_HOST_RULES_MAX = 256, /* for one host: they are read in order, on a loop, for each request */
        CD_ACCESS_USERS_MAX = 1024,     /* in one rule */
        CD_ACCESS_GROUPS_MAX = 64,      /* in one rule */
        CD_ACCESS_NETWORKS_MAX = 64,    /* in one rule */
        CD_ACCESS_METHODS_MAX = 32,     /* in one rule */
        CD_ACCESS_PUBLIC_MAX = 64,      /* paths in one rule */
        CD_ACCESS_FACTORS_MAX = 2,      /* the factors that a login can have: password, TOTP */
};

/* Every condition that is given must hold; for a list, one matching value is enough. Users and groups together are one
 * condition. Only a user who has logged in can be allowed: no condition lets a request in without a login. A personal
 * token of the user counts as one (core/personal_token.h). */
struct cd_access_allow {
        bool is_given;         /* false: the rule allows nobody */
        struct cd_strs users;  /* canonical names */
        struct cd_strs groups; /* compared byte for byte */
        unsigned factors;      /* at least this many; 0: any login */
        const struct cd_network *networks;
        size_t network_count;
        int64_t max_age; /* seconds since the login; 0: any */
};

/* Which access tokens of the issuer are accepted, beside the users of `allow`. The rule's methods and the networks of
 * its `allow` hold for them too; the other conditions are about logins. */
struct cd_access_bearer {
        cd_str audience; /* the "aud" that a token must have; empty: the rule accepts no token */
        cd_str scope;    /* words, each of which the token's scope must have; may be empty */
};

/* A path is matched exactly or, if it ends in "/", as a prefix. */
struct cd_access_rule {
        cd_str host; /* canonical (cd_canonical_host); or "*." and a canonical domain: every host below that domain */
        cd_str path; /* canonical (cd_canonical_path); empty: every path in any form */
        struct cd_strs methods; /* as in a request line; a request with another method is denied; empty: every method */
        bool is_public;         /* no login is needed */
        struct cd_strs public_paths; /* paths for which no login is needed */
        struct cd_access_allow allow;
        struct cd_access_bearer bearer;
};

/* Whether a path is matched by one that a rule names; `path` ptr NULL: not known. An empty pattern matches every
 * path. */
bool cd_access_path_matches(cd_str pattern, cd_str path);

struct cd_access;

/* Copies the rules. CD_TOO_LARGE (more than CD_ACCESS_RULES_MAX in all, or CD_ACCESS_HOST_RULES_MAX for one host),
 * CD_NO_MEMORY. Freed with cd_access_free; NULL is fine there. */
cd_status cd_access_new(const struct cd_access_rule *rules, size_t count, struct cd_access **ret,
                        struct cd_error *reterr);
void cd_access_free(struct cd_access *access);

/* The rule with that index, in the order in which the rules were given. */
const struct cd_access_rule *cd_access_rule_at(const struct cd_access *access, size_t index);
/* Whether a rule names exactly this host, which must be canonical; "*.example.com" names no host. */
bool cd_access_names_host(const struct cd_access *access, cd_str host);
/* The hosts that rules name exactly, each once, in the order of their first rules. */
struct cd_strs cd_access_hosts(const struct cd_access *access);
/* The first of the rules for that host, whatever their paths, wildcards included; or CD_ACCESS_NO_RULE. */
size_t cd_access_first_of_host(const struct cd_access *access, cd_str host);
/* The earlier rule that matches every host and path of this one, so that this one never decides; or
 * CD_ACCESS_NO_RULE. */
size_t cd_access_covered_by(const struct cd_access *access, size_t rule);

/* A completed login, second factor included. */
struct cd_access_login {
        cd_str user; /* canonical */
        struct cd_strs groups;
        unsigned factors;  /* how many factors were verified */
        cd_time auth_time; /* when the last of them was verified */
};

/* An access token of the issuer that was verified (cd_token_verify). */
struct cd_access_token {
        cd_str audience, scope;
};

struct cd_access_request {
        cd_str host; /* canonical (cd_canonical_host); empty: not known */
        /* The path as it was sent, if cd_canonical_path returns it unchanged; otherwise ptr is NULL. A server that
         * forwards the canonical path gives that one. */
        cd_str path;
        cd_str method;                       /* empty: not known */
        const struct cd_address *address;    /* the client's; NULL: not known */
        const struct cd_access_login *login; /* NULL: no user is logged in */
        const struct cd_access_token *token; /* NULL: none */
        cd_time now;
};

enum cd_access_outcome {
        CD_ACCESS_DENY = 0,
        CD_ACCESS_LOG_IN,  /* no user is logged in; a user who logs in may be allowed */
        CD_ACCESS_STEP_UP, /* this user is allowed after another factor or a fresh login */
        CD_ACCESS_ALLOW,
};

enum cd_access_reason {
        CD_ACCESS_BY_NO_RULE = 0,
        CD_ACCESS_BY_PATH,    /* not canonical, and a rule for the host names a path */
        CD_ACCESS_BY_METHOD,  /* not known, or not among the rule's */
        CD_ACCESS_BY_NOBODY,  /* the rule allows nobody, and accepts no token */
        CD_ACCESS_BY_NETWORK, /* not known, or in none of the rule's networks */
        CD_ACCESS_BY_NO_LOGIN,
        /* Of a rule that accepts tokens only: */
        CD_ACCESS_BY_NO_TOKEN,
        CD_ACCESS_BY_AUDIENCE, /* the token is for another one */
        CD_ACCESS_BY_SCOPE,    /* the token's lacks a word of the rule's */
        /* The rule has neither the user nor one of the user's groups: another account may be allowed. */
        CD_ACCESS_BY_USER,
        CD_ACCESS_BY_FACTORS, /* STEP_UP: too few factors */
        CD_ACCESS_BY_AGE,     /* STEP_UP: the login is too old */
        CD_ACCESS_BY_PUBLIC,  /* ALLOW, with or without a login */
        CD_ACCESS_BY_LOGIN,   /* ALLOW: every condition holds */
        CD_ACCESS_BY_TOKEN,   /* ALLOW: the access token has the rule's audience and scope */
};

#define CD_ACCESS_NO_RULE SIZE_MAX

struct cd_access_decision {
        enum cd_access_outcome outcome;
        enum cd_access_reason reason;
        size_t rule;             /* index of the rule that decided, or CD_ACCESS_NO_RULE */
        unsigned factors_needed; /* required by that rule; 0: any login */
        int64_t max_age;         /* seconds, required by that rule; 0: any */
};

/* The first rule whose host and path match makes the decision alone. A token that the rule accepts counts before the
 * login; with another one, or none, the login decides. */
struct cd_access_decision cd_access_decide(const struct cd_access *access, const struct cd_access_request *request);

/* The reason, in a few words for an operator: "POST is none of the rule's methods (GET, HEAD)". In the arena; ptr NULL
 * if memory is out. The arguments are those given to cd_access_decide, and its result. */
cd_str cd_access_explain(struct cd_arena *arena, const struct cd_access *access,
                         const struct cd_access_request *request, const struct cd_access_decision *decision);
/* "deny", "log in", "step up" or "allow". Static. */
const char *cd_access_outcome_name(enum cd_access_outcome outcome);
