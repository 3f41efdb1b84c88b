#pragma once
/* The authorization server's configuration: `cardea serve --config FILE`. */
#include "app/config_access.h"
#include "app/config_gate.h"
#include "app/config_relay.h"
#include "app/config_signin.h"
#include "app/config_smtp.h"
#include "app/outgoing.h"
#include "app/sentry.h"
#include "service/service.h"
#include "core/lockout.h"
#include "core/network_limit.h"
#include "crypto/jwk.h"

struct cd_config_client {
        cd_str id, secret;
        struct cd_strs grant_types;
        struct cd_strs scopes;
        cd_str audience; /* empty: the issuer, see cd_config_complete */
        struct cd_strs introspect;
        cd_str alg; /* for its tokens; empty: tokens.alg, see cd_config_complete */
};

/* Values of accept_any_user. */
enum cd_config_any_user {
        CD_ANY_USER_NEVER,
        CD_ANY_USER_DEMO_ONLY,            /* only if every listener is on a loopback address or a Unix socket */
        CD_ANY_USER_PRIVATE_NETWORK_DEMO, /* the operator guarantees that the network is private */
};

struct cd_config_tokens {
        int64_t lifetime; /* milliseconds, whole seconds */
        int alg;          /* index into cd_config_algs */
};

/* Access tokens for Basic credentials, at /grant. */
struct cd_config_basic_tokens {
        cd_str audience;  /* empty: /grant is disabled */
        cd_str client_id; /* in the tokens of /grant */
        int64_t lifetime; /* milliseconds, whole seconds */
        cd_str realm;     /* shown by browsers; printable ASCII without " and \ */
};

struct cd_config_password_hashing {
        int64_t memory; /* bytes, whole KB */
        int64_t iterations;
        int64_t parallel; /* concurrent hashes; 0: one for each core */
        int64_t queue;    /* logins that may wait */
};

struct cd_config_passwords {
        int64_t min_length; /* characters; 0: see cd_config_password_min */
};

struct cd_config_lockout {
        int64_t account_attempts, address_attempts;
        int64_t network_attempts, network_registrations; /* a minute, an hour */
        int64_t delay, max_delay;                        /* milliseconds, whole seconds */
};

struct cd_config {
        struct cd_service_settings service;
        cd_str issuer;
        struct cd_config_tokens tokens;
        cd_str store;          /* URL, see store/store.h; empty: memory */
        cd_str master_key;     /* base64; empty only without a store */
        cd_str master_key_old; /* base64; empty unless the master key is being replaced */
        cd_str signing_key;    /* PEM; empty: the store's keys, or a key generated at start */
        struct cd_config_basic_tokens basic_tokens;
        struct cd_config_password_hashing password_hashing;
        struct cd_config_passwords passwords;
        struct cd_config_lockout lockout;
        int64_t audit_keep; /* milliseconds */
        int accept_any_user;
        struct cd_strs scopes;
        struct cd_objects clients; /* struct cd_config_client */
        struct cd_config_portal portal;
        struct cd_objects access; /* struct cd_config_access */
        struct cd_config_gate gate;
        struct cd_config_smtp smtp;
        struct cd_objects relay; /* struct cd_config_relay */
        struct cd_config_outgoing outgoing;
        struct cd_config_signin signin;
        struct cd_config_sentry sentry;
};

extern const struct cd_table cd_config_table; /* "config" */
/* The settings that a reload may change, beside those of every service: cd_service.may_change. */
extern const char *const cd_config_may_change[];

/* Overwrites the secrets, once what is needed has been made of them. */
void cd_config_wipe_secrets(struct cd_config *config);
/* Fills in the defaults that are the value of another setting: a client's audience is the issuer, its alg is
 * tokens.alg. Call after decoding. */
void cd_config_complete(struct cd_config *config);
/* The algorithm that tokens.alg names. */
enum cd_alg cd_config_alg(const struct cd_config *config);
/* Bits of enum cd_grant for the known grant_types; others are ignored. */
unsigned cd_config_grants(const struct cd_config_client *client);
/* The ids that are in use by the configuration, so that neither clients of the store nor users may have them: those of
 * its clients and the client_id of basic_tokens. The array is in the arena, the ids are the configuration's.
 * CD_NO_MEMORY. */
cd_status cd_config_used_ids(const struct cd_config *config, struct cd_arena *arena, struct cd_strs *ret,
                             struct cd_error *reterr);

/* Characters of a new password: passwords.min_length, or else CD_PASSWORD_MIN where a login has a second factor, and
 * CD_PASSWORD_MIN_ALONE where the password is the only one (portal.factors, or no portal). */
int64_t cd_config_password_min(const struct cd_config *config);

struct cd_lockout_rules cd_config_lockout_rules(const struct cd_config *config);
struct cd_network_rules cd_config_network_rules(const struct cd_config *config);

/* Why a finding about that setting matters, without a period; NULL: the setting is not known. Static. */
const char *cd_config_why(cd_str setting);

/* Checks what the table cannot express: a hook for struct cd_service. Every finding names its setting and the fix. */
void cd_config_check(const void *config, struct cd_report *report);
/* Checks the files that only the server reads: `check_files` of struct cd_service. */
void cd_config_check_files(const void *config, struct cd_report *report);
