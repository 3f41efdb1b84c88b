/* Checks that the configuration's table cannot express; each finding has its setting and a fix. */
#include "app/config_authority.h"
#include "app/config_findings.h"
#include "app/config_path.h"
#include "app/storage.h"
#include "base/address.h"
#include "base/map.h"
#include "base/url.h"
#include "conf/interpolate.h"
#include "core/client.h"
#include "core/oauth/scope.h"
#include "core/oauth/token.h"
#include "crypto/certificate.h"
#include "net/listen_address.h"

enum {
        CERTIFICATE_MAX = 256 * 1024, /* bytes of a file of certificates */
        SCOPES_MAX = 32 * 1024,       /* bytes of all scopes in the metadata: half of the document */
        SECRET_MIN = 16,              /* bytes of a client's secret that is hard to guess: 64 bits in hex */
};

/* On the loopback, or on a Unix socket, which only programs on this machine can reach. */
static bool listens_on_loopback(cd_str listen)
{
        struct cd_listen_address where;
        struct cd_address address;

        if (cd_listen_address_parse(listen, &where, NULL) != CD_OK)
                return false;
        return where.kind == CD_LISTEN_UNIX ||
               (where.kind == CD_LISTEN_TCP &&
                cd_address_from_socket((const struct sockaddr *)&where.socket, &address) &&
                cd_address_is_loopback(&address));
}

/* Plain HTTP that other machines can reach. What a systemd socket listens on is not known here. */
static bool listens_in_the_clear(const struct cd_config *config, cd_str listen)
{
        struct cd_listen_address where;

        return !config->service.tls.certificate.len && cd_listen_address_parse(listen, &where, NULL) == CD_OK &&
               where.kind == CD_LISTEN_TCP && !listens_on_loopback(listen);
}

/* The index of the first of these bytes; text.len if there is none. */
static size_t first_of(cd_str text, cd_str bytes)
{
        for (size_t i = 0; i < bytes.len; i++)
                text.len = cd_str_index(text, bytes.ptr[i]);
        return text.len;
}

static void check_issuer(const struct cd_config *config, struct cd_report *report)
{
        cd_str setting = CD_STR("issuer"), issuer = config->issuer;
        bool local = false;
        struct cd_url url;

        if (!cd_url_split(issuer, &url))
                ERROR(report, setting, "write it as in https://auth.example.org", "is not an http or https URL");
        else if (!cd_config_authority_parse(url.authority, &local))
                ERROR(report, setting, "write it as in https://auth.example.org", "is not a URL with a host");
        else if (first_of(url.rest, CD_STR("?#")) < url.rest.len)
                ERROR(report, setting, "write only scheme, host and port (RFC 8414 section 2)",
                      "has a query or a fragment");
        else if (cd_str_eq(url.rest, CD_STR("/")))
                ERROR(report, setting, "remove the slash", "ends with a slash");
        else if (url.rest.len)
                ERROR(report, setting, "remove the path, since this server's endpoints are at the root", "has a path");
        else if (!url.is_https && !local)
                WARN(report, setting, "use https, with a proxy in front that ends TLS",
                     "is http: tokens and secrets travel in the clear");
        else
                FINE(report, setting, "%.*s", CD_STR_ARG(issuer));
}

static void check_scopes(const struct cd_config *config, struct cd_report *report)
{
        size_t len = cd_scope_length(config->scopes) + 2 * config->scopes.count; /* each in quotes */

        if (len > SCOPES_MAX)
                ERROR(report, CD_STR("scopes"), "name fewer, or shorter ones",
                      "are %zu bytes in the metadata (RFC 8414), which has room for %d", len, SCOPES_MAX);
        for (size_t i = 0; i < config->scopes.count; i++) {
                cd_str setting = cd_arena_printf(report->arena, "scopes[%zu]", i);
                if (!cd_scope_token_is_valid(config->scopes.items[i]))
                        ERROR(report, setting, "use printable ASCII without space, \" and \\ (RFC 6749 section 3.3)",
                              "\"%.*s\" is not a scope", CD_STR_ARG(cd_str_slice(config->scopes.items[i], 0, 100)));
        }
}

static void check_lifetime(const struct cd_config *config, struct cd_report *report)
{
        if (config->tokens.lifetime % 1000)
                ERROR(report, CD_STR("tokens.lifetime"), "write it as in 5s", "is not a whole number of seconds");
}

/* Whether there is a store that outlives the process, or one was intended: the value of `store` may have failed to
 * resolve. */
static bool may_be_durable(const struct cd_config *config, const struct cd_report *report)
{
        return cd_config_is_durable(config) || cd_report_has_error(report, CD_STR("store"));
}

static void check_store(const struct cd_config *config, struct cd_report *report)
{
        cd_str setting = CD_STR("store");

        if (!cd_config_is_durable(config)) {
                if (config->basic_tokens.audience.len || config->portal.url.len)
                        WARN(report, setting, "write store: sqlite:cardea.db and a master_key",
                             "is not set: users, sessions, clients and keys are in memory and end with the process");
                return;
        }
        cd_storage_check_url(config->store, report);
}

/* Who may ask whether a request may pass (LESSONS 3). */
static void check_proxies(const struct cd_config *config, struct cd_report *report)
{
        if (config->portal.url.len && config->access.count && !config->service.trusted_proxies.count)
                WARN(report, CD_STR("trusted_proxies"), "name the proxies that ask, as in 127.0.0.1",
                     "is empty: the check endpoints answer 403 to every proxy");
}

/* '.' is not in base64, and a key does not begin with "/" and have another length. */
static bool looks_like_path(cd_str text)
{
        return text.len && (text.ptr[0] == '/' || cd_str_index(text, '.') < text.len);
}

static void check_master_key(const struct cd_config *config, struct cd_report *report)
{
        /* The operator who reads this may have a store already: a new key would make everything that is sealed in it
         * unreadable. */
#define RESTORE                                                                                                        \
        "restore the master key this store was created with; only a new store takes a new one, which openssl rand "    \
        "-base64 32 prints"
        static const char restore[] = RESTORE;
        static const char from_file[] = "if it is the path of a file, write ${file:PATH}; " RESTORE;
        cd_str setting = CD_STR("master_key");
        struct cd_master_key *key;
        struct cd_error err;

        cd_report_add_fix(report, setting, restore); /* its file is missing or empty */
        if (!cd_config_is_durable(config)) {
                if (config->master_key.len && !may_be_durable(config, report))
                        WARN(report, setting, "write store: sqlite:cardea.db", "is not used without a store");
                return;
        }
        if (cd_report_is_kept(report, setting))
                return;
        if (!config->master_key.len)
                return ERROR(report, setting, restore, "is not set, and the store's keys are encrypted with it");
        if (cd_master_key_parse(config->master_key, &cd_random_system, &key, &err) != CD_OK)
                return ERROR(report, setting, looks_like_path(config->master_key) ? from_file : restore, "%s",
                             err.reason);
        cd_master_key_free(key);
}

static void check_master_key_old(const struct cd_config *config, struct cd_report *report)
{
        static const char fix[] =
                "write the key that master_key was before; when cardea key rotate-master is done, remove "
                "the setting";
        cd_str setting = CD_STR("master_key_old");
        struct cd_master_key *key;
        struct cd_error err;

        cd_report_add_fix(report, setting, fix); /* its file is missing or empty */
        if (!config->master_key_old.len || cd_report_is_kept(report, setting))
                return;
        if (!cd_config_is_durable(config))
                return WARN(report, setting, "write store: sqlite:cardea.db", "is not used without a store");
        if (cd_str_eq(config->master_key_old, config->master_key))
                return ERROR(report, setting, fix, "is the same as master_key");
        if (cd_master_key_parse(config->master_key_old, &cd_random_system, &key, &err) != CD_OK)
                return ERROR(report, setting, fix, "%s", err.reason);
        cd_master_key_free(key);
}

static void check_basic_tokens(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_client *clients = config->clients.items;
        cd_str realm = config->basic_tokens.realm;

        if (config->basic_tokens.lifetime % 1000)
                ERROR(report, CD_STR("basic_tokens.lifetime"), "write it as in 5m", "is not a whole number of seconds");
        for (size_t i = 0; i < realm.len; i++)
                if (realm.ptr[i] < 0x20 || realm.ptr[i] > 0x7e || realm.ptr[i] == '"' || realm.ptr[i] == '\\')
                        return ERROR(report, CD_STR("basic_tokens.realm"), "use printable ASCII without \" and \\",
                                     "has a character that is not allowed in a header");
        if (!config->basic_tokens.audience.len)
                return;
        for (size_t i = 0; i < config->clients.count; i++)
                if (cd_str_eq(clients[i].id, config->basic_tokens.client_id))
                        return ERROR(report, CD_STR("basic_tokens.client_id"), "choose another id",
                                     "is the id of a client: tokens of both could not be told apart");
        FINE(report, CD_STR("basic_tokens"), "tokens for %.*s",
             CD_STR_ARG(cd_str_slice(config->basic_tokens.audience, 0, 200)));
}

static void check_lockout(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_lockout *lockout = &config->lockout;

        if (lockout->delay % 1000)
                ERROR(report, CD_STR("lockout.delay"), "write it as in 5s", "is not a whole number of seconds");
        if (lockout->max_delay % 1000)
                ERROR(report, CD_STR("lockout.max_delay"), "write it as in 15m", "is not a whole number of seconds");
        if (lockout->max_delay < lockout->delay)
                ERROR(report, CD_STR("lockout.max_delay"), "raise it, or lower lockout.delay",
                      "is less than lockout.delay");
        if (config->password_hashing.memory % 1024)
                ERROR(report, CD_STR("password_hashing.memory"), "write it as in 19MB", "is not a whole number of KB");
}

static void check_key(const struct cd_config *config, struct cd_report *report)
{
        cd_str setting = CD_STR("signing_key");
        enum cd_alg want = cd_config_alg(config);
        struct cd_jwk *key;
        struct cd_error err;

        if (cd_config_is_durable(config)) {
                if (config->signing_key.len)
                        ERROR(report, setting, "remove the setting; cardea key list shows the keys of the store",
                              "is for servers without a store: the store has its own keys");
                return;
        }
        if (may_be_durable(config, report) || cd_report_is_kept(report, setting))
                return;
        if (!config->signing_key.len)
                return WARN(report, setting,
                            "write signing_key: ${file:PATH}; openssl genpkey -algorithm EC -pkeyopt "
                            "ec_paramgen_curve:P-256 prints a new key",
                            "is not set: a new key is generated at each start, and tokens of the previous one are "
                            "rejected");
        if (cd_jwk_from_pem(config->signing_key, &key, &err) != CD_OK)
                return ERROR(report, setting, "write ${file:PATH}, with the path of a private key in PEM",
                             "does not parse: %s", err.reason);
        if (!cd_jwk_is_private(key))
                ERROR(report, setting, "give the private key", "is a public key");
        else if (cd_jwk_alg(key) != want)
                ERROR(report, setting, "change tokens.alg or the key", "is a key for %.*s, but tokens.alg is %.*s",
                      CD_STR_ARG(cd_alg_name(cd_jwk_alg(key))), CD_STR_ARG(cd_alg_name(want)));
        else
                FINE(report, setting, "%.*s, kid %.*s", CD_STR_ARG(cd_alg_name(want)), CD_STR_ARG(cd_jwk_kid(key)));
        cd_jwk_unref(key);
}

static void check_any_user(const struct cd_config *config, struct cd_report *report)
{
        cd_str setting = CD_STR("accept_any_user");

        if (config->accept_any_user == CD_ANY_USER_NEVER)
                return;
        const struct cd_http_listen *listeners = config->service.listen.items;
        for (size_t i = 0; i < config->service.listen.count; i++) {
                cd_str listen = listeners[i].address; /* empty if the address was already rejected */
                if (config->accept_any_user == CD_ANY_USER_DEMO_ONLY && listen.len && !listens_on_loopback(listen))
                        return ERROR(report, setting, "listen on 127.0.0.1 or [::1] only, or set it to never",
                                     "is demo-only, but %.*s is not a loopback address", CD_STR_ARG(listen));
        }
        WARN(report, setting, "set it to never outside of demonstrations",
             "any user name with any password gets a token");
}

static void check_grants(const struct cd_config *config, const struct cd_config_client *client, cd_str path,
                         struct cd_report *report)
{
        for (size_t i = 0; i < client->grant_types.count; i++) {
                cd_str name = client->grant_types.items[i];
                const char *nearest = NULL;
                bool known = false;
                for (size_t k = 0; cd_grant_names[k]; k++) {
                        cd_str candidate = cd_str_from_c(cd_grant_names[k]);
                        known |= cd_str_eq(name, candidate);
                        if (cd_str_distance(name, candidate) <= 3)
                                nearest = cd_grant_names[k];
                }
                if (known)
                        continue;
                cd_str setting = cd_arena_printf(report->arena, "%.*s.grant_types[%zu]", CD_STR_ARG(path), i);
                cd_str fix = nearest ? cd_arena_printf(report->arena, "did you mean \"%s\"?", nearest)
                                     : CD_STR("there are client_credentials and password");
                ERROR(report, setting, fix.ptr, "unknown grant \"%.*s\"", CD_STR_ARG(cd_str_slice(name, 0, 100)));
        }
        if (config->accept_any_user == CD_ANY_USER_NEVER && !may_be_durable(config, report) &&
            cd_config_grants(client) & CD_GRANT_PASSWORD)
                WARN(report, cd_arena_printf(report->arena, "%.*s.grant_types", CD_STR_ARG(path)),
                     "remove password from grant_types", "has the password grant, but there are no users");
}

static void check_client_scopes(const struct cd_config *config, const struct cd_config_client *client, cd_str path,
                                struct cd_report *report)
{
        size_t len = cd_scope_length(client->scopes);

        if (len > CD_SCOPE_MAX)
                ERROR(report, cd_arena_printf(report->arena, "%.*s.scopes", CD_STR_ARG(path)),
                      "give the client fewer, or shorter ones", "are %zu bytes together, and a token has room for %d",
                      len, CD_SCOPE_MAX);
        for (size_t i = 0; i < client->scopes.count; i++) {
                if (cd_strs_has(config->scopes, client->scopes.items[i]))
                        continue;
                cd_str setting = cd_arena_printf(report->arena, "%.*s.scopes[%zu]", CD_STR_ARG(path), i);
                ERROR(report, setting, "add it to the setting \"scopes\"", "scope \"%.*s\" does not exist",
                      CD_STR_ARG(cd_str_slice(client->scopes.items[i], 0, 100)));
        }
}

/* An audience that no token has is nearly always a typing mistake. With a store, its clients may have tokens with that
 * audience. */
static void check_introspect(const struct cd_config *config, const struct cd_config_client *client, cd_str path,
                             const struct cd_map *audiences, struct cd_report *report)
{
        for (size_t i = 0; i < client->introspect.count && !cd_config_is_durable(config); i++) {
                cd_str audience = client->introspect.items[i];
                if (cd_str_eq(audience, config->issuer) || cd_str_eq(audience, config->basic_tokens.audience) ||
                    cd_map_find(audiences, audience))
                        continue;
                cd_str setting = cd_arena_printf(report->arena, "%.*s.introspect[%zu]", CD_STR_ARG(path), i);
                WARN(report, setting,
                     "it must equal the \"audience\" of a client or of \"basic_tokens\", byte for byte",
                     "no client gets tokens for %.*s", CD_STR_ARG(cd_str_slice(audience, 0, 200)));
        }
}

/* Without a store, the operator provides only one key: that of tokens.alg. */
static void check_client_alg(const struct cd_config *config, const struct cd_config_client *client, cd_str path,
                             struct cd_report *report)
{
        enum cd_alg alg = cd_alg_from_name(client->alg);

        if (alg != CD_ALG_NONE && alg != cd_config_alg(config) && client->grant_types.count &&
            !cd_config_is_durable(config))
                WARN(report, cd_arena_printf(report->arena, "%.*s.alg", CD_STR_ARG(path)),
                     "write store: sqlite:cardea.db and a master_key",
                     "is not tokens.alg: a new key is generated at each start, and tokens of the previous one are "
                     "rejected");
}

/* RFC 6749 §2.3.1: id and secret must be form-encoded before they are sent by Basic, which many clients do not do.
 * These characters then have another meaning; all others arrive unchanged. */
static void check_basic(cd_str path, const char *name, cd_str value, cd_str odd, struct cd_report *report)
{
        if (first_of(value, odd) < value.len)
                WARN(report, cd_arena_printf(report->arena, "%.*s.%s", CD_STR_ARG(path), name),
                     "use letters, digits, - . _ ~",
                     "has a character that HTTP Basic needs encoded (RFC 6749 section 2.3.1), and many clients send as "
                     "it is");
}

static void check_credentials(const struct cd_config_client *client, cd_str path, struct cd_report *report)
{
        check_basic(path, "id", client->id, CD_STR("%+:"), report);
        check_basic(path, "secret", client->secret, CD_STR("%+"), report);
        if (client->secret.len && client->secret.len < SECRET_MIN)
                WARN(report, cd_arena_printf(report->arena, "%.*s.secret", CD_STR_ARG(path)),
                     "use a random one; openssl rand -hex 32 prints one",
                     "is shorter than 16 bytes and can be guessed");
}

/* With trusted proxies, one of them may end TLS. */
static void check_passwords_in_the_clear(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_client *clients = config->clients.items;
        const struct cd_http_listen *listeners = config->service.listen.items;
        bool takes_passwords = config->basic_tokens.audience.len;

        for (size_t i = 0; i < config->clients.count; i++)
                takes_passwords |= (cd_config_grants(&clients[i]) & CD_GRANT_PASSWORD) != 0;
        if (!takes_passwords || config->service.trusted_proxies.count ||
            cd_report_has_error(report, CD_STR("tls.certificate")))
                return;
        for (size_t i = 0; i < config->service.listen.count; i++)
                if (listens_in_the_clear(config, listeners[i].address))
                        WARN(report, cd_arena_printf(report->arena, "listen[%zu]", i),
                             "set tls, or have a proxy end TLS and name it in trusted_proxies",
                             "is http on an address that other machines can reach: passwords travel in the clear");
}

static void check_client(const struct cd_config *config, size_t index, struct cd_map *ids,
                         const struct cd_map *audiences, struct cd_report *report)
{
        const struct cd_config_client *client = (const struct cd_config_client *)config->clients.items + index;
        cd_str path = cd_arena_printf(report->arena, "clients[%zu]", index);
        size_t before = report->errors;

        /* A missing id or secret has been reported already. */
        if (client->id.len && cd_map_add(ids, client->id, (void *)client) == CD_INVALID_REQUEST)
                ERROR(report, cd_arena_printf(report->arena, "%.*s.id", CD_STR_ARG(path)),
                      "give each client an id of its own", "\"%.*s\" is the id of another client too",
                      CD_STR_ARG(client->id));
        check_grants(config, client, path, report);
        check_client_scopes(config, client, path, report);
        check_introspect(config, client, path, audiences, report);
        check_client_alg(config, client, path, report);
        check_credentials(client, path, report);
        if (!client->grant_types.count && !client->introspect.count)
                WARN(report, path, "give it grant_types or introspect", "may do nothing");
        if (report->errors == before)
                FINE(report, path, "\"%.*s\" (grants: %zu, scopes: %zu, audiences to introspect: %zu)",
                     CD_STR_ARG(client->id), client->grant_types.count, client->scopes.count, client->introspect.count);
}

static void check_clients(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_client *clients = config->clients.items;
        struct cd_map *ids = cd_map_new(), *audiences = cd_map_new();

        for (size_t i = 0; audiences && i < config->clients.count; i++)
                if (clients[i].audience.len && !cd_map_find(audiences, clients[i].audience))
                        report->no_memory |= cd_map_add(audiences, clients[i].audience, (void *)&clients[i]) != CD_OK;
        if (!ids || !audiences)
                report->no_memory = true;
        for (size_t i = 0; !report->no_memory && i < config->clients.count; i++)
                check_client(config, i, ids, audiences, report);
        if (!config->clients.count && !config->relay.count &&
            !may_be_durable(config, report)) /* a store may have some */
                WARN(report, CD_STR("clients"), "add at least one client", "is empty: no token can be issued");
        cd_map_free(ids);
        cd_map_free(audiences);
}

/* What a server without a configuration says first. */
static void check_file(struct cd_report *report)
{
        static const struct cd_finding none = {
                .level = CD_FINDING_WARNING,
                .setting = CD_STR_INIT("--config"),
                .what = CD_STR_INIT("there is no configuration, so all settings have their defaults: only this machine "
                                    "reaches the server, it has no clients, and what it stores ends with it"),
                .fix = CD_STR_INIT("name one with " CD_CONFIG_PLACES "; cardea init makes one"),
                .stage = CD_STAGE_UNRESOLVED,
        };

        if (!report->file_name.len)
                cd_report_add(report, &none);
}

void cd_config_check(const void *config, struct cd_report *report)
{
        check_file(report);
        check_issuer(config, report);
        check_lifetime(config, report);
        check_store(config, report);
        check_proxies(config, report);
        check_master_key(config, report);
        check_master_key_old(config, report);
        check_key(config, report);
        check_basic_tokens(config, report);
        check_lockout(config, report);
        check_any_user(config, report);
        check_scopes(config, report);
        check_clients(config, report);
        check_passwords_in_the_clear(config, report);
        cd_config_check_access(config, report);
        cd_config_check_smtp(config, report);
        cd_config_check_relay(config, report);
        cd_config_check_outgoing(config, report);
        cd_config_check_signin(config, report);
        cd_config_check_sentry(config, report);
}

/* Without port and brackets; the authority was checked already. */
static cd_str host_of(cd_str authority)
{
        if (cd_str_has_prefix(authority, CD_STR("[")))
                return cd_str_slice(authority, 1, cd_str_index(authority, ']') - 1);
        return cd_str_slice(authority, 0, cd_str_index(authority, ':'));
}

/* Clients that connect to the issuer would refuse the certificate. A proxy in front may have another one. */
static void check_issuer_certificate(const struct cd_config *config, struct cd_report *report)
{
        cd_str path = config->service.tls.certificate, host, pem;
        struct cd_url url;

        if (!path.len || report->errors || config->service.trusted_proxies.count ||
            !cd_url_split(config->issuer, &url) || !url.is_https ||
            cd_read_file(report->arena, path, CERTIFICATE_MAX, &pem, NULL, NULL) != CD_OK)
                return;
        host = host_of(url.authority);
        if (!cd_certificate_is_for(pem, host))
                WARN(report, CD_STR("issuer"), "use a name of the certificate, or a certificate for this name",
                     "tls.certificate is not for %.*s, so clients will not connect", CD_STR_ARG(host));
}

void cd_config_check_files(const void *config, struct cd_report *report)
{
        check_issuer_certificate(config, report);
        cd_config_check_gate_files(config, report);
        cd_config_check_smtp_files(config, report);
        cd_config_check_outgoing_files(config, report);
}
