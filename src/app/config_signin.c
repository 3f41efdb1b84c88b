#include "app/config_signin.h"

#include "core/provider_ports.h"

enum {
        LIST_MAX = 256,
        SCOPES_MAX = 32,
};

#define FIELD(type_, member, kind, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(type_, member), .type = CD_FIELD_##kind, __VA_ARGS__               \
        }

/* ---- the tables ---- */

#define IDENTITY(member, ...) FIELD(struct cd_signin_identity, member, STRING, .min = 1, .max = 256, __VA_ARGS__)

static const struct cd_field identity_fields[] = {
        IDENTITY(subject, .fallback = "id", .help = "the member of the answer that identifies the account for good"),
        IDENTITY(login, .fallback = "login", .help = "the account's name; of a user that is made: NAME:LOGIN"),
        IDENTITY(name, .fallback = "name", .help = "the display name of a user that is made"),
        IDENTITY(email, .fallback = "email", .help = "the e-mail address"),
        IDENTITY(email_verified, .fallback = "email_verified",
                 .help = "whether the provider has verified the address: true or false"),
};
static const struct cd_table identity_table = { "identity", identity_fields, CD_LEN(identity_fields),
                                                sizeof(struct cd_signin_identity), true };

#define ALLOW(member, ...) FIELD(struct cd_signin_allow, member, STRINGS, .max = LIST_MAX, __VA_ARGS__)

static const struct cd_field allow_fields[] = {
        ALLOW(subjects, .help = "ids of accounts at the provider, to the letter"),
        ALLOW(organizations, .help = "GitHub: members of these organisations"),
        ALLOW(teams, .help = "GitHub: members of these teams, ORGANISATION/TEAM"),
        ALLOW(email_domains, .help = "accounts with a verified e-mail address of these domains"),
};
static const struct cd_table allow_table = { "allow", allow_fields, CD_LEN(allow_fields),
                                             sizeof(struct cd_signin_allow), true };

static const char *const authentications[] = { "post", "basic", NULL };

#define PROVIDER(member, kind, ...) FIELD(struct cd_config_provider, member, kind, __VA_ARGS__)

static const struct cd_field provider_fields[] = {
        PROVIDER(type, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 64,
                 .help = "github, osu, discord, google, oidc or oauth2"),
        PROVIDER(name, STRING, .min = 1, .max = CD_PROVIDER_NAME_MAX,
                 .help = "its name in URLs and in the store; default: the type"),
        PROVIDER(label, STRING, .min = 1, .max = 64, .help = "what the button says; default: the type's"),
        PROVIDER(client_id, STRING, .flags = CD_FIELD_RAW, .max = 512, .help = "the id that the provider gave"),
        PROVIDER(client_secret, SECRET, .flags = CD_FIELD_RAW, .max = 1024,
                 .help = "the secret that the provider gave; ${env:NAME} or ${file:PATH} keep it out of this file"),
        PROVIDER(scopes, STRINGS, .max = SCOPES_MAX,
                 .help = "what is asked for; default: the type's, and what allow needs"),
        PROVIDER(issuer, STRING, .min = 1, .max = 1024, .help = "the issuer of OpenID Connect"),
        PROVIDER(authorization_endpoint, STRING, .min = 1, .max = 1024,
                 .help = "where browsers are sent; default: the type's"),
        PROVIDER(token_endpoint, STRING, .min = 1, .max = 1024,
                 .help = "where codes are exchanged; default: the type's"),
        PROVIDER(userinfo_endpoint, STRING, .min = 1, .max = 1024,
                 .help = "where the account is asked for; default: the type's"),
        PROVIDER(client_authentication, CHOICE, .choices = authentications, .fallback = "post",
                 .help = "how the secret is sent: in the form, or by HTTP Basic"),
        PROVIDER(pkce, BOOL, .fallback = "true", .help = "whether a PKCE challenge (S256) is sent"),
        PROVIDER(identity, OBJECT, .table = &identity_table,
                 .help = "where the answer of userinfo_endpoint has what; for oauth2"),
        PROVIDER(allow, OBJECT, .table = &allow_table,
                 .help = "who may log in, besides users who have linked their account; default: nobody"),
        PROVIDER(create, BOOL, .fallback = "false",
                 .help = "whether the first login of an account that allow names makes a user, NAME:LOGIN"),
        PROVIDER(groups, STRINGS, .max = 64, .help = "groups of users that it makes"),
        PROVIDER(second_factor, BOOL, .fallback = "false", .help = "whether a TOTP code is asked for on top"),
        PROVIDER(max_in_flight, INT, .min = 1, .max = 10000, .fallback = "16",
                 .help = "logins that wait for the provider at a time; one more: 503"),
};
static const struct cd_table provider_table = { "provider", provider_fields, CD_LEN(provider_fields),
                                                sizeof(struct cd_config_provider), true };

static const struct cd_field signin_fields[] = {
        FIELD(struct cd_config_signin, providers, OBJECTS, .max = CD_CONFIG_PROVIDERS_MAX, .table = &provider_table,
              .help = "other providers whose accounts users log in with"),
};
const struct cd_table cd_config_signin_table = { "signin", signin_fields, CD_LEN(signin_fields),
                                                 sizeof(struct cd_config_signin), true };

/* ---- the types ---- */

static const struct type {
        const char *name;
        cd_str label, scope, authorization_endpoint, token_endpoint, userinfo_endpoint;
        cd_str issuer;
} types[CD_SIGNIN_TYPES] = {
        [CD_SIGNIN_GITHUB] = { .name = "github",
                               .label = CD_STR_INIT("GitHub"),
                               .scope = CD_STR_INIT("user:email"),
                               .authorization_endpoint = CD_STR_INIT("https://github.com/login/oauth/authorize"),
                               .token_endpoint = CD_STR_INIT("https://github.com/login/oauth/access_token"),
                               .userinfo_endpoint = CD_STR_INIT("https://api.github.com/user") },
        [CD_SIGNIN_OSU] = { .name = "osu",
                            .label = CD_STR_INIT("osu!"),
                            .scope = CD_STR_INIT("identify"),
                            .authorization_endpoint = CD_STR_INIT("https://osu.ppy.sh/oauth/authorize"),
                            .token_endpoint = CD_STR_INIT("https://osu.ppy.sh/oauth/token"),
                            .userinfo_endpoint = CD_STR_INIT("https://osu.ppy.sh/api/v2/me") },
        [CD_SIGNIN_DISCORD] = { .name = "discord",
                                .label = CD_STR_INIT("Discord"),
                                .scope = CD_STR_INIT("identify"),
                                .authorization_endpoint = CD_STR_INIT("https://discord.com/oauth2/authorize"),
                                .token_endpoint = CD_STR_INIT("https://discord.com/api/oauth2/token"),
                                .userinfo_endpoint = CD_STR_INIT("https://discord.com/api/users/@me") },
        [CD_SIGNIN_GOOGLE] = { .name = "google",
                               .label = CD_STR_INIT("Google"),
                               .scope = CD_STR_INIT("openid profile"),
                               .issuer = CD_STR_INIT("https://accounts.google.com") },
        [CD_SIGNIN_OIDC] = { .name = "oidc", .scope = CD_STR_INIT("openid profile") },
        [CD_SIGNIN_OAUTH2] = { .name = "oauth2" },
};

enum cd_signin_type cd_config_provider_type(cd_str name)
{
        int type = 0;

        while (type < CD_SIGNIN_TYPES && !cd_str_eq_c(name, types[type].name))
                type++;
        return (enum cd_signin_type)type;
}

const char *cd_config_provider_nearest_type(cd_str name)
{
        const char *nearest = NULL;
        unsigned least = 3;

        for (size_t i = 0; i < CD_LEN(types); i++) {
                unsigned distance = cd_str_distance(name, cd_str_from_c(types[i].name));
                if (distance < least) {
                        least = distance;
                        nearest = types[i].name;
                }
        }
        return nearest;
}

cd_str cd_config_provider_name(const struct cd_config_provider *provider)
{
        return provider->name.len ? provider->name : provider->type;
}

static cd_str or_default(cd_str given, cd_str otherwise)
{
        return given.len ? given : otherwise;
}

/* What is asked for where the configuration does not say it. */
static cd_status default_scopes(const struct cd_config_provider *provider, enum cd_signin_type type,
                                struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr)
{
        const struct cd_signin_allow *allow = &provider->allow;
        cd_str *items = cd_arena_calloc(arena, 3, sizeof(*items));
        size_t count = 0;

        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the providers");
        if (types[type].scope.len)
                items[count++] = types[type].scope;
        if (type == CD_SIGNIN_GITHUB && (allow->organizations.count || allow->teams.count))
                items[count++] = CD_STR("read:org");
        if ((type == CD_SIGNIN_DISCORD || type == CD_SIGNIN_GOOGLE || type == CD_SIGNIN_OIDC) &&
            (allow->email_domains.count || provider->create))
                items[count++] = CD_STR("email");
        *ret = (struct cd_strs){ items, count };
        return CD_OK;
}

cd_status cd_config_provider_read(const struct cd_config_provider *provider, struct cd_arena *arena,
                                  struct cd_signin_provider_settings *ret, struct cd_error *reterr)
{
        enum cd_signin_type index = cd_config_provider_type(provider->type);
        const struct type *type = &types[index];

        *ret = (struct cd_signin_provider_settings){
                .name = cd_config_provider_name(provider),
                .label = or_default(provider->label, or_default(type->label, cd_config_provider_name(provider))),
                .type = index,
                .client_id = provider->client_id,
                .client_secret = provider->client_secret,
                .scopes = provider->scopes,
                .issuer = or_default(provider->issuer, type->issuer),
                .authorization_endpoint = or_default(provider->authorization_endpoint, type->authorization_endpoint),
                .token_endpoint = or_default(provider->token_endpoint, type->token_endpoint),
                .userinfo_endpoint = or_default(provider->userinfo_endpoint, type->userinfo_endpoint),
                .pkce = provider->pkce,
                .basic = provider->client_authentication == 1,
                .identity = provider->identity,
                .allow = provider->allow,
                .create = provider->create,
                .groups = provider->groups,
                .second_factor = provider->second_factor,
                .max_in_flight = (size_t)provider->max_in_flight,
        };
        return provider->scopes.count ? CD_OK : default_scopes(provider, index, arena, &ret->scopes, reterr);
}
