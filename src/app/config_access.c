#include "app/config_access.h"

#include "app/config.h"
#include "core/client.h"
#include "core/oauth/scope.h"

#define FIELD(type_, member, kind, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(type_, member), .type = CD_FIELD_##kind, __VA_ARGS__               \
        }

static const char *check_factor(cd_str name)
{
        return cd_str_eq(name, CD_STR("password")) || cd_str_eq(name, CD_STR("totp")) ? NULL
                                                                                      : "must be password or totp";
}

static const struct cd_field allow_fields[] = {
        FIELD(struct cd_config_allow, users, STRINGS, .max = CD_ACCESS_USERS_MAX, .help = "names of users"),
        FIELD(struct cd_config_allow, groups, STRINGS, .max = CD_ACCESS_GROUPS_MAX,
              .help = "groups; one of them, or being one of users, is enough"),
        FIELD(struct cd_config_allow, factors, INT, .min = 1, .max = CD_ACCESS_FACTORS_MAX,
              .help = "how many factors the login must have"),
        FIELD(struct cd_config_allow, networks, STRINGS, .max = CD_ACCESS_NETWORKS_MAX,
              .help = "addresses or networks that the client must be in"),
        FIELD(struct cd_config_allow, max_age, DURATION, .min = 1000, .max = 31536000000,
              .help = "how long ago the user may have logged in, 1s to 365d"),
        FIELD(struct cd_config_allow, methods, STRINGS, .max = CD_ACCESS_METHODS_MAX,
              .help = "as methods beside allow: any other method is denied"),
};
const struct cd_table cd_config_allow_table = { "allow", allow_fields, CD_LEN(allow_fields),
                                                sizeof(struct cd_config_allow), true };

static const struct cd_field bearer_fields[] = {
        FIELD(struct cd_config_bearer, audience, STRING, .min = 1, .max = CD_CLIENT_AUDIENCE_MAX,
              .help = "the \"aud\" that the token must have"),
        FIELD(struct cd_config_bearer, scope, STRING, .max = CD_SCOPE_MAX,
              .help = "scopes that the token must have, with a space between two"),
};
const struct cd_table cd_config_bearer_table = { "bearer", bearer_fields, CD_LEN(bearer_fields),
                                                 sizeof(struct cd_config_bearer), true };

static const struct cd_field access_fields[] = {
        FIELD(struct cd_config_access, host, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 255,
              .help = "the host, or *.DOMAIN for all hosts below a domain"),
        FIELD(struct cd_config_access, path, STRING, .min = 1, .max = 1024,
              .help = "the path, or the beginning of the paths where it ends in /; default: every path"),
        FIELD(struct cd_config_access, methods, STRINGS, .max = CD_ACCESS_METHODS_MAX,
              .help = "the methods that the rule lets through; any other is denied"),
        FIELD(struct cd_config_access, public, STRINGS, .flags = CD_FIELD_OR_BOOL, .max = CD_ACCESS_PUBLIC_MAX,
              .help = "true: no login is needed; a list: it is not needed for these paths"),
        FIELD(struct cd_config_access, allow, OBJECT, .table = &cd_config_allow_table,
              .help = "who may, after a login; every key that is given must hold"),
        FIELD(struct cd_config_access, bearer, OBJECT, .table = &cd_config_bearer_table,
              .help = "which access tokens of this server are accepted beside that"),
};
const struct cd_table cd_config_access_table = { "access", access_fields, CD_LEN(access_fields),
                                                 sizeof(struct cd_config_access), true };

static const char *const registrations[] = {
        [CD_REGISTRATION_CLOSED] = "closed",
        [CD_REGISTRATION_INVITE] = "invite",
        [CD_REGISTRATION_OPEN] = "open",
        NULL,
};

static const struct cd_field portal_fields[] = {
        FIELD(struct cd_config_portal, url, STRING, .min = 1, .max = 1024,
              .help = "where users log in, such as https://auth.example.com/_auth"),
        FIELD(struct cd_config_portal, cookie_domain, STRING, .min = 1, .max = 255,
              .help = "the domain whose hosts get the login cookie; default: the host of url alone"),
        FIELD(struct cd_config_portal, other_domains, STRINGS, .max = CD_CONFIG_OTHER_DOMAINS_MAX,
              .help = "further domains with sites for which the same login counts"),
        FIELD(struct cd_config_portal, factors, STRINGS, .max = CD_ACCESS_FACTORS_MAX, .fallback = "password totp",
              .check = check_factor,
              .help = "what a login consists of: password, totp; []: users log in with signin.providers alone"),
        FIELD(struct cd_config_portal, registration, CHOICE, .choices = registrations, .fallback = "invite",
              .help = "who may register: no one, users with an invitation, or everyone"),
        FIELD(struct cd_config_portal, title, STRING, .min = 1, .max = 64, .fallback = "Cardea",
              .help = "the name at the top of each page"),
        FIELD(struct cd_config_portal, logo, STRING, .min = 1, .max = 1024,
              .help = "an image beside the title: a URL of https, or a path; default: none"),
        FIELD(struct cd_config_portal, accent, STRING, .min = 1, .max = 7,
              .help = "the colour of buttons and links, as in #1f5fb4"),
        FIELD(struct cd_config_portal, footer, STRING, .min = 1, .max = 256,
              .help = "a line at the end of each page; default: none"),
        FIELD(struct cd_config_portal, language, STRING, .min = 2, .max = 35, .fallback = "en",
              .help = "the language of e-mails that no browser asked for: en or de"),
        FIELD(struct cd_config_portal, session_idle, DURATION, .min = 1000, .max = 31536000000, .fallback = "1h",
              .help = "how long a login lasts without use, 1s to 365d"),
        FIELD(struct cd_config_portal, session_lifetime, DURATION, .min = 1000, .max = 31536000000, .fallback = "12h",
              .help = "how long a login lasts at most, 1s to 365d"),
        FIELD(struct cd_config_portal, remember_for, DURATION, .max = 31536000000, .fallback = "30d",
              .help = "how long it lasts if the user chooses to stay logged in, up to 365d; 0s: there is no choice"),
        FIELD(struct cd_config_portal, identity, OBJECT, .table = &cd_config_identity_table,
              .help = "the headers that tell an application who the user is"),
};
const struct cd_table cd_config_portal_table = { "portal", portal_fields, CD_LEN(portal_fields),
                                                 sizeof(struct cd_config_portal), true };

bool cd_config_access_is_public(const struct cd_config_access *rule)
{
        return rule->public.count == 1 && cd_str_eq(rule->public.items[0], CD_STR("true"));
}

bool cd_config_access_has_allow(const struct cd_config_access *rule)
{
        const struct cd_config_allow *allow = &rule->allow;

        return allow->users.count || allow->groups.count || allow->factors || allow->networks.count || allow->max_age ||
               allow->methods.count;
}
