#include "app/config.h"

#include "base/secret.h"
#include "core/client.h"
#include "core/oauth/token.h"
#include "core/password_rules.h"
#include "store/store.h"

static const char *const algs[] = { "ES256", "RS256", "EdDSA", NULL };
static const char *const any_user[] = { "never", "demo-only", "private-network-demo", NULL };

#define FIELD(type_, member, kind, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(type_, member), .type = CD_FIELD_##kind, __VA_ARGS__               \
        }

static const struct cd_field tokens_fields[] = {
        FIELD(struct cd_config_tokens, lifetime, DURATION, .min = 1000, .max = CD_TOKEN_LIFETIME_MAX * 1000,
              .fallback = "5m", .help = "how long an access token lives, 1s to 24h"),
        FIELD(struct cd_config_tokens, alg, CHOICE, .choices = algs, .fallback = "ES256",
              .help = "how tokens are signed"),
};
static const struct cd_table tokens_table = { "tokens", tokens_fields, CD_LEN(tokens_fields),
                                              sizeof(struct cd_config_tokens), true };

static const struct cd_field basic_token_fields[] = {
        FIELD(struct cd_config_basic_tokens, audience, STRING, .max = 1024,
              .help = "\"aud\" of the tokens of /grant; without it there is no /grant"),
        FIELD(struct cd_config_basic_tokens, client_id, STRING, .min = 1, .max = 256, .fallback = "grant",
              .help = "\"client_id\" of these tokens"),
        FIELD(struct cd_config_basic_tokens, lifetime, DURATION, .min = 1000, .max = CD_TOKEN_LIFETIME_MAX * 1000,
              .fallback = "5m", .help = "how long such a token lives, 1s to 24h"),
        FIELD(struct cd_config_basic_tokens, realm, STRING, .min = 1, .max = 128, .fallback = "cardea",
              .help = "what a browser says when it asks for the password"),
};
static const struct cd_table basic_token_table = { "basic_tokens", basic_token_fields, CD_LEN(basic_token_fields),
                                                   sizeof(struct cd_config_basic_tokens), true };

static const struct cd_field hashing_fields[] = {
        FIELD(struct cd_config_password_hashing, memory, SIZE, .min = 8 * 1024, .max = 1 << 30, .fallback = "19MB",
              .help = "of one hash"),
        FIELD(struct cd_config_password_hashing, iterations, INT, .min = 1, .max = 64, .fallback = "2",
              .help = "passes over that memory"),
        FIELD(struct cd_config_password_hashing, parallel, INT, .max = 256, .fallback = "0",
              .help = "hashes at once; 0: one for each core"),
        FIELD(struct cd_config_password_hashing, queue, INT, .min = 1, .max = 100000, .fallback = "64",
              .help = "logins that wait for their turn; one more is answered 503"),
};
static const struct cd_table hashing_table = { "password_hashing", hashing_fields, CD_LEN(hashing_fields),
                                               sizeof(struct cd_config_password_hashing), true };

static const struct cd_field lockout_fields[] = {
        FIELD(struct cd_config_lockout, account_attempts, INT, .min = 1, .max = 1000, .fallback = "5",
              .help = "wrong passwords for one account, or wrong secrets of one client from one address, before it "
                      "has to wait"),
        FIELD(struct cd_config_lockout, address_attempts, INT, .min = 1, .max = 1000000, .fallback = "50",
              .help = "wrong passwords from one address before it has to wait"),
        FIELD(struct cd_config_lockout, network_attempts, INT, .min = 1, .max = 1000000, .fallback = "600",
              .help = "forms of the portal that one network may send in a minute"),
        FIELD(struct cd_config_lockout, network_registrations, INT, .min = 1, .max = 100000, .fallback = "10",
              .help = "new accounts that one network may make in an hour where portal.registration is open"),
        FIELD(struct cd_config_lockout, delay, DURATION, .min = 1000, .max = 86400000, .fallback = "1s",
              .help = "the first wait; each further wrong one doubles it"),
        FIELD(struct cd_config_lockout, max_delay, DURATION, .min = 1000, .max = 86400000, .fallback = "15m",
              .help = "the longest wait"),
};
static const struct cd_table lockout_table = { "lockout", lockout_fields, CD_LEN(lockout_fields),
                                               sizeof(struct cd_config_lockout), true };

static const char *check_alg(cd_str name)
{
        for (size_t i = 0; algs[i]; i++)
                if (cd_str_eq_c(name, algs[i]))
                        return NULL;
        return "must be ES256, RS256 or EdDSA";
}

static const struct cd_field password_fields[] = {
        FIELD(struct cd_config_passwords, min_length, INT, .min = CD_PASSWORD_MIN, .max = 64,
              .help = "characters of a new password; default: 8, or 15 where a login needs nothing but the password"),
};
static const struct cd_table passwords_table = { "passwords", password_fields, CD_LEN(password_fields),
                                                 sizeof(struct cd_config_passwords), true };

static const struct cd_field client_fields[] = {
        FIELD(struct cd_config_client, id, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 256,
              .help = "the client's name"),
        FIELD(struct cd_config_client, secret, SECRET, .flags = CD_FIELD_REQUIRED, .min = 1,
              .help = "its secret; ${env:NAME} or ${file:PATH} keep it out of this file"),
        FIELD(struct cd_config_client, grant_types, STRINGS,
              .help = "how it may get tokens: client_credentials, password"),
        FIELD(struct cd_config_client, scopes, STRINGS,
              .help = "what it may ask for, and what it gets when it asks for nothing"),
        FIELD(struct cd_config_client, audience, STRING, .max = CD_CLIENT_AUDIENCE_MAX,
              .help = "\"aud\" of its tokens; default: the issuer"),
        FIELD(struct cd_config_client, introspect, STRINGS, .help = "audiences whose tokens it may introspect"),
        FIELD(struct cd_config_client, alg, STRING, .max = 16, .check = check_alg,
              .help = "how its tokens are signed: ES256, RS256, EdDSA; default: tokens.alg"),
};
static const struct cd_table client_table = { "client", client_fields, CD_LEN(client_fields),
                                              sizeof(struct cd_config_client), true };

static const struct cd_field config_fields[] = {
        CD_SERVICE_FIELDS(struct cd_config, service, "127.0.0.1:5001"),
        FIELD(struct cd_config, issuer, STRING, .min = 1, .max = 1024, .fallback = "http://localhost:5001",
              .help = "the URL that names this server in its tokens (\"iss\")"),
        FIELD(struct cd_config, tokens, OBJECT, .table = &tokens_table, .help = "access tokens"),
        FIELD(struct cd_config, store, STRING, .max = 4096, .show = cd_store_url_shown,
              .help = "where users, clients and keys are kept: sqlite:PATH or postgresql://...; without it in memory, "
                      "until the "
                      "end"),
        FIELD(struct cd_config, master_key, SECRET, .max = 128,
              .help = "what the store's secrets are sealed with: 32 bytes in base64"),
        FIELD(struct cd_config, master_key_old, SECRET, .max = 128,
              .help = "the earlier master key, until cardea key rotate-master is done"),
        FIELD(struct cd_config, signing_key, SECRET, .flags = CD_FIELD_MULTILINE, .max = 65536,
              .help = "private key in PEM; without it a fresh one is made at each start"),
        FIELD(struct cd_config, basic_tokens, OBJECT, .table = &basic_token_table,
              .help = "a token for a name and a password, /grant"),
        FIELD(struct cd_config, password_hashing, OBJECT, .table = &hashing_table,
              .help = "what a password's hash costs (Argon2id)"),
        FIELD(struct cd_config, passwords, OBJECT, .table = &passwords_table, .help = "what a new password must be"),
        FIELD(struct cd_config, lockout, OBJECT, .table = &lockout_table,
              .help = "what wrong passwords and client secrets lead to"),
        FIELD(struct cd_config, audit_keep, DURATION, .min = 86400000, .max = 315360000000, .fallback = "90d",
              .help = "how long audit events are kept, 1d to 3650d"),
        FIELD(struct cd_config, accept_any_user, CHOICE, .choices = any_user, .fallback = "never",
              .help = "for demonstrations: any user name with any password"),
        FIELD(struct cd_config, scopes, STRINGS, .help = "all scopes that exist here"),
        /* The number that fits in a file of CD_YAML_MAX_SIZE, for clients of the usual size. */
        FIELD(struct cd_config, clients, OBJECTS, .max = 4000, .table = &client_table, .help = "who may ask"),
        FIELD(struct cd_config, portal, OBJECT, .table = &cd_config_portal_table, .help = "where users log in"),
        FIELD(struct cd_config, access, OBJECTS, .max = CD_ACCESS_RULES_MAX, .table = &cd_config_access_table,
              .help = "who may open which site; the first rule whose host and path match decides"),
        FIELD(struct cd_config, gate, OBJECT, .table = &cd_config_gate_table,
              .help = "applications to which this server passes requests on"),
        FIELD(struct cd_config, smtp, OBJECT, .table = &cd_config_smtp_table, .help = "the server that sends e-mail"),
        FIELD(struct cd_config, relay, OBJECTS, .max = CD_CONFIG_RELAYS_MAX, .table = &cd_config_relay_table,
              .help = "redirects of OAuth logins that are caught for other programs"),
        FIELD(struct cd_config, outgoing, OBJECT, .table = &cd_config_outgoing_table,
              .help = "requests to other servers, such as those of providers"),
        FIELD(struct cd_config, signin, OBJECT, .table = &cd_config_signin_table,
              .help = "logins with an account at another provider"),
        FIELD(struct cd_config, sentry, OBJECT, .table = &cd_config_sentry_table,
              .help = "errors and crashes are reported to Sentry"),
};
const struct cd_table cd_config_table = { "config", config_fields, CD_LEN(config_fields), sizeof(struct cd_config),
                                          true };

const char *const cd_config_may_change[] = {
        "master_key",     /* checked by cd_storage_check_key */
        "master_key_old", /* a running server keeps the one that it was started with */
        "issuer",
        "signing_key",
        "tokens",
        "basic_tokens",
        "password_hashing.memory",
        "password_hashing.iterations",
        "passwords",
        "lockout",
        "audit_keep",
        "accept_any_user",
        "scopes",
        "clients",
        "portal",
        "access",
        "gate",
        "smtp",
        "relay",
        "signin",
        "outgoing",
        NULL,
};

void cd_config_complete(struct cd_config *config)
{
        struct cd_config_client *clients = config->clients.items;

        cd_service_complete(&config->service);
        for (size_t i = 0; i < config->clients.count; i++) {
                if (!clients[i].audience.len)
                        clients[i].audience = config->issuer;
                if (!clients[i].alg.len)
                        clients[i].alg = cd_alg_name(cd_config_alg(config));
        }
}

void cd_config_wipe_secrets(struct cd_config *config)
{
        const struct cd_config_client *clients = config->clients.items;
        const struct cd_config_provider *providers = config->signin.providers.items;

        cd_wipe((void *)config->signing_key.ptr, config->signing_key.len);
        cd_wipe((void *)config->master_key.ptr, config->master_key.len);
        cd_wipe((void *)config->master_key_old.ptr, config->master_key_old.len);
        cd_wipe((void *)config->smtp.password.ptr, config->smtp.password.len);
        for (size_t i = 0; i < config->clients.count; i++)
                cd_wipe((void *)clients[i].secret.ptr, clients[i].secret.len);
        for (size_t i = 0; i < config->signin.providers.count; i++)
                cd_wipe((void *)providers[i].client_secret.ptr, providers[i].client_secret.len);
}

int64_t cd_config_password_min(const struct cd_config *config)
{
        if (config->passwords.min_length)
                return config->passwords.min_length;
        return config->portal.url.len && config->portal.factors.count > 1 ? CD_PASSWORD_MIN : CD_PASSWORD_MIN_ALONE;
}

enum cd_alg cd_config_alg(const struct cd_config *config)
{
        return cd_alg_from_name(cd_str_from_c(algs[config->tokens.alg]));
}

/* The bit of one grant; 0 if there is none with that name. */
static unsigned grant_bit(cd_str name)
{
        for (unsigned i = 0; cd_grant_names[i]; i++)
                if (cd_str_eq(name, cd_str_from_c(cd_grant_names[i])))
                        return 1u << i;
        return 0;
}

unsigned cd_config_grants(const struct cd_config_client *client)
{
        unsigned grants = 0;

        for (size_t i = 0; i < client->grant_types.count; i++)
                grants |= grant_bit(client->grant_types.items[i]);
        return grants;
}

cd_status cd_config_used_ids(const struct cd_config *config, struct cd_arena *arena, struct cd_strs *ret,
                             struct cd_error *reterr)
{
        const struct cd_config_client *clients = config->clients.items;
        cd_str *ids = cd_arena_calloc(arena, config->clients.count + 1, sizeof(*ids));
        size_t count = 0;

        if (!ids)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the ids of the clients");
        for (size_t i = 0; i < config->clients.count; i++)
                ids[count++] = clients[i].id;
        if (config->basic_tokens.audience.len)
                ids[count++] = config->basic_tokens.client_id;
        *ret = (struct cd_strs){ ids, count };
        return CD_OK;
}

struct cd_network_rules cd_config_network_rules(const struct cd_config *config)
{
        return (struct cd_network_rules){
                .attempts = config->lockout.network_attempts,
                .registrations = config->lockout.network_registrations,
        };
}

struct cd_lockout_rules cd_config_lockout_rules(const struct cd_config *config)
{
        return (struct cd_lockout_rules){
                .account_attempts = config->lockout.account_attempts,
                .address_attempts = config->lockout.address_attempts,
                .delay = config->lockout.delay / 1000,
                .max_delay = config->lockout.max_delay / 1000,
        };
}
