#pragma once
/* The section `signin` of the configuration: other providers whose accounts users log in with. */
#include "conf/report.h"
#include "signin/signin.h"

enum {
        CD_CONFIG_PROVIDERS_MAX = 16,
};

struct cd_config_provider {
        cd_str type; /* one of enum cd_signin_type, by its name */
        cd_str name; /* empty: the type */
        cd_str label;
        cd_str client_id, client_secret;
        struct cd_strs scopes; /* empty: those of the type, and what `allow` needs */
        cd_str issuer, authorization_endpoint, token_endpoint, userinfo_endpoint;
        int client_authentication; /* 1: basic */
        bool pkce;
        struct cd_signin_identity identity;
        struct cd_signin_allow allow;
        bool create;
        struct cd_strs groups;
        bool second_factor;
        int64_t max_in_flight;
};

struct cd_config_signin {
        struct cd_objects providers; /* struct cd_config_provider */
};

extern const struct cd_table cd_config_signin_table;

struct cd_config;

/* What the tables cannot say. Every finding names its setting and the fix. */
void cd_config_check_signin(const struct cd_config *config, struct cd_report *report);

/* The name of a provider: its own, or that of its type. */
cd_str cd_config_provider_name(const struct cd_config_provider *provider);
/* The settings of a provider without errors, with the defaults of its type; as views of the configuration and of the
 * arena. CD_NO_MEMORY. */
cd_status cd_config_provider_read(const struct cd_config_provider *provider, struct cd_arena *arena,
                                  struct cd_signin_provider_settings *ret, struct cd_error *reterr);
/* By its name in the configuration; CD_SIGNIN_TYPES: there is none. */
enum cd_signin_type cd_config_provider_type(cd_str name);
/* The closest name, for "did you mean"; NULL: none is close. */
const char *cd_config_provider_nearest_type(cd_str name);
