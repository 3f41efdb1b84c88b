#include "app/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/storage.h"
#include "app/config.h"
#include "app/configured_clients.h"
#include "app/gate.h"
#include "app/logins.h"
#include "app/mail.h"
#include "app/metrics.h"
#include "app/outgoing.h"
#include "app/portal.h"
#include "app/probe.h"
#include "app/relay.h"
#include "app/signin.h"
#include "app/status.h"
#include "app/store_watcher.h"
#include "base/secret.h"
#include "core/any_user.h"
#include "crypto/mac.h"
#include "http/server.h"

enum {
        /* Revoked tokens that have not expired; each takes about 150 bytes. */
        REVOCATIONS_MAX = 1 << 20,
        /* Tokens recognised without a signature check; each slot takes 32 bytes once used. */
        TOKEN_CACHE_SLOTS = 1 << 16,
};

struct server {
        struct cd_web_app app; /* first, so that a pointer to one is a pointer to the other */
        struct cd_app_portal portal;
        struct cd_app_gate gate;
        struct cd_app_relay relay;
        struct cd_app_signin signin;
        struct cd_storage storage;
        struct cd_app_logins logins;
        struct cd_store_state store_state;
        struct cd_revocations revocations;
        struct cd_issuer common; /* the part that all snapshots share */
        struct cd_jwk *fixed;    /* the configuration's key */
        unsigned char mac_key[CD_DERIVED_SIZE], master_check[CD_DERIVED_SIZE];
        struct cd_store_watcher *watcher;
        struct cd_app_mail mail;
        struct cd_outgoing_log outgoing; /* of requests to other servers */
        struct cd_app_metrics metrics;
        struct cd_key_times key_times;
        struct cd_sentry *sentry; /* NULL: not configured */
        /* The current configuration; its secrets are wiped. */
        const struct cd_config *config;
        const struct cd_client_spec *clients;
};

/* The configuration's clients, with the MACs of their secrets. */
static cd_status make_clients(const struct server *server, const struct cd_service_start *start,
                              struct cd_client_spec **ret, struct cd_error *reterr)
{
        const struct cd_configured_clients_params params = {
                .config = start->config,
                .report = start->report,
                .master = server->storage.master,
                .earlier = server->config,
                .earlier_clients = server->clients,
        };

        return cd_configured_clients_make(&params, start->arena, ret, reterr);
}

/* The users of the store, with hashes at the configured cost. */
static cd_status find_users(struct server *server, const struct cd_config *config, const struct cd_app_login **ret,
                            struct cd_error *reterr)
{
        const struct cd_app_login_ports ports = {
                .store = server->storage.store,
                .store_state = &server->store_state,
                .notices = server->portal.factors.notices,
                .devices = &server->portal.devices,
        };

        return cd_app_logins_find(&server->logins, &ports, config, ret, reterr);
}

static cd_status make_portal(struct server *server, struct cd_log *log, struct cd_error *reterr)
{
        const struct cd_app_portal_options options = {
                .storage = &server->storage,
                .store_state = &server->store_state,
                .lockout = server->logins.lockout,
                .networks = server->logins.networks,
                .signins = server->signin.signins,
                .log = log,
        };

        return cd_app_portal_init(&server->portal, &options, reterr);
}

static cd_status make_gate(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        const struct cd_app_gate_options options = {
                .sessions = &server->portal.sessions,
                .store_state = &server->store_state,
                .revoked = server->revocations.revoked,
                .lockout = server->logins.lockout,
                .web = &server->app,
                .portal = &server->portal.app,
                .signins = server->signin.signins,
                .log = start->log,
        };

        return cd_app_gate_init(&server->gate, &options, start->config, start->config_path, reterr);
}

static cd_status make_relay(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        const struct cd_app_relay_options options = { &server->storage, &server->portal.app, start->log,
                                                      &server->outgoing };

        return cd_app_relay_init(&server->relay, &options, start->config, reterr);
}

/* Sets what a reload may change. */
static void set_tokens(struct cd_issuer *issuer, const struct cd_config *config, const struct cd_accounts *users)
{
        issuer->url = config->issuer;
        issuer->token_lifetime = config->tokens.lifetime / 1000;
        issuer->scopes = config->scopes;
        issuer->basic_tokens = (struct cd_basic_token_settings){
                .audience = config->basic_tokens.audience,
                .client_id = config->basic_tokens.client_id,
                .lifetime = config->basic_tokens.lifetime / 1000,
                .accounts = users,
        };
        issuer->accounts = config->accept_any_user == CD_ANY_USER_NEVER ? users : &cd_any_user;
}

/* What the pages use, to be published. */
static cd_status prepare_portal(struct server *server, const struct cd_config *config, const struct cd_app_login *users,
                                struct cd_shared_version **ret, struct cd_error *reterr)
{
        struct cd_portal *portal;

        cd_status status =
                cd_app_portal_make(&server->portal, config, &users->login.port, &users->hasher.port, &portal, reterr);
        if (status != CD_OK)
                return status;
        *ret = cd_shared_prepare(server->portal.app.portals, portal);
        if (*ret)
                return CD_OK;
        cd_portal_free(portal);
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal");
}

/* The providers, to be published. */
static cd_status prepare_signin(struct server *server, const struct cd_service_start *start,
                                const struct cd_hasher *hasher, struct cd_shared_version **ret, struct cd_error *reterr)
{
        const struct cd_app_signin_params params = {
                .config = start->config,
                .report = start->report,
                .earlier = server->config,
                .config_path = start->config_path,
                .hasher = hasher,
        };

        return cd_app_signin_prepare(&server->signin, &params, ret, reterr);
}

static cd_status fill_common(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        const struct cd_config *config = start->config;
        struct cd_issuer *issuer = &server->common;
        struct cd_shared_version *portal = NULL, *signin = NULL;
        const struct cd_app_login *users = NULL;

        cd_status status = find_users(server, config, &users, reterr);
        if (status == CD_OK)
                status = prepare_signin(server, start, &users->hasher.port, &signin, reterr);
        if (status == CD_OK)
                status = prepare_portal(server, config, users, &portal, reterr);
        if (status != CD_OK) {
                cd_shared_discard(signin);
                return status;
        }
        cd_shared_publish(server->signin.signins, signin);
        cd_shared_publish(server->portal.app.portals, portal);
        set_tokens(issuer, config, &users->login.port);
        issuer->token_cache = cd_token_cache_new(TOKEN_CACHE_SLOTS);
        issuer->client_auth = (struct cd_client_auth){
                .lockout = server->logins.lockout,
                .store = server->storage.store,
                .clock = &cd_clock_system,
        };
        issuer->clock = &cd_clock_system;
        issuer->random = &cd_random_system;
        server->revocations = (struct cd_revocations){
                .store = server->storage.store,
                .store_state = &server->store_state,
                .revoked = cd_revoked_new(REVOCATIONS_MAX),
        };
        if (!issuer->token_cache || !server->revocations.revoked)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the tokens");
        return CD_OK;
}

static struct cd_store_watcher_options watcher_options(struct server *server, const struct cd_issuer *common,
                                                       const struct cd_service_start *start,
                                                       const struct cd_client_spec *clients)
{
        const struct cd_config *config = start->config;

        return (struct cd_store_watcher_options){
                .common = common,
                .revocations = &server->revocations,
                .store_state = &server->store_state,
                .sessions = server->gate.cache,
                .realm = config->basic_tokens.realm,
                .clients = clients,
                .client_count = config->clients.count,
                .mac_key = cd_str_of((const char *)server->mac_key, sizeof(server->mac_key)),
                .master = server->storage.master,
                .alg = cd_config_alg(config),
                .fixed = server->fixed,
                .audit_keep = config->audit_keep / 1000,
                .mail_added = cd_app_mail_wake,
                .mail_arg = &server->mail,
                .key_times = &server->key_times,
                .shared = server->app.snapshots,
                .log = start->log,
        };
}

static cd_status make_store_watcher(struct server *server, const struct cd_service_start *start,
                                    const struct cd_client_spec *clients, struct cd_error *reterr)
{
        const struct cd_store_watcher_options options = watcher_options(server, &server->common, start, clients);

        cd_status status = cd_store_watcher_new(&options, &server->watcher, reterr);
        return status == CD_OK ? cd_store_watcher_start(server->watcher, reterr) : status;
}

static void finish(void *app)
{
        struct server *server = app;

        cd_store_watcher_free(server->watcher);
        cd_app_mail_done(&server->mail);
        cd_app_relay_done(&server->relay);
        cd_sentry_stop(server->sentry);
        cd_outgoing_log_done(&server->outgoing);
        cd_shared_free(server->app.snapshots);
        cd_app_portal_done(&server->portal);
        cd_app_signin_done(&server->signin);
        cd_app_gate_done(&server->gate);
        cd_revoked_free(server->revocations.revoked);
        cd_token_cache_free(server->common.token_cache);
        cd_app_logins_done(&server->logins);
        cd_jwk_unref(server->fixed);
        cd_storage_close(&server->storage);
        cd_wipe(server->mac_key, sizeof(server->mac_key));
}

static cd_status open_storage(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        const struct cd_config *config = start->config;
        const struct cd_storage_options options = { .file_name = start->config_path, .may_create = true };
        struct cd_error err = { 0 };

        cd_status status = cd_storage_open(config, start->arena, &options, &server->storage, &err);
        if (status != CD_OK)
                return cd_failf(reterr, status, cd_str_from_c(err.field[0] ? err.field : "store"), "%s", err.reason);
        if (cd_master_key_derive(server->storage.master, CD_STR("client-secret"), server->mac_key) != CD_OK ||
            cd_master_key_derive(server->storage.master, CD_STR("check"), server->master_check) != CD_OK)
                return cd_fail(reterr, CD_INTERNAL, "the master key cannot be used");
        if (!cd_config_is_durable(config))
                return CD_OK;
        cd_storage_log_open(&server->storage, start->log);
        return CD_OK;
}

/* What says how requests to other servers end, and what fails. */
static cd_status start_reports(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        const struct cd_sentry_options options = {
                .config = start->config,
                .file_name = start->config_path,
                .arena = start->arena,
                .log = start->log,
                .outgoing = &server->outgoing,
        };

        cd_status status = cd_outgoing_log_init(&server->outgoing, start->log, server->storage.master, reterr);
        return status != CD_OK ? status : cd_sentry_start(&options, &server->sentry, reterr);
}

static cd_status fill(struct server *server, const struct cd_service_start *start, struct cd_error *reterr)
{
        struct cd_config *config = start->config;
        struct cd_client_spec *clients = NULL;
        struct cd_mail_settings *mail = NULL;
        cd_status status = CD_OK;

        server->mail =
                (struct cd_app_mail){ .storage = &server->storage, .log = start->log, .outgoing = &server->outgoing };
        atomic_store(&server->outgoing.detail, config->service.log.outgoing);
        server->app.snapshots = cd_shared_new(cd_snapshot_free);
        if (!server->app.snapshots)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        if (config->signing_key.len)
                status = cd_jwk_from_pem(config->signing_key, &server->fixed, reterr);
        if (status == CD_OK)
                status = open_storage(server, start, reterr);
        if (status == CD_OK)
                status = start_reports(server, start, reterr);
        if (status == CD_OK)
                status = make_clients(server, start, &clients, reterr);
        if (status == CD_OK)
                status = cd_app_logins_init(&server->logins, config, start->log, reterr);
        if (status == CD_OK)
                status = cd_app_signin_init(&server->signin, &server->storage, &server->outgoing, reterr);
        if (status == CD_OK)
                status = make_portal(server, start->log, reterr);
        if (status == CD_OK)
                status = fill_common(server, start, reterr);
        if (status == CD_OK)
                status = make_gate(server, start, reterr);
        if (status == CD_OK)
                status = make_relay(server, start, reterr);
        if (status == CD_OK)
                status = cd_app_mail_prepare(&server->mail, config, start->config_path, &mail, reterr);
        cd_config_wipe_secrets(config);
        server->config = config;
        server->clients = clients;
        cd_app_mail_use(&server->mail, mail);
        return status == CD_OK ? make_store_watcher(server, start, clients, reterr) : status;
}

static cd_status prepare(const struct cd_service_start *start, void **ret_app, struct cd_error *reterr)
{
        struct server *server = CD_NEW(start->arena, struct server);

        if (!server)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the server");
        cd_config_complete(start->config);
        cd_status status = fill(server, start, reterr);
        if (status != CD_OK) {
                finish(server);
                return status;
        }
        *ret_app = &server->app;
        return CD_OK;
}

/* ---- a reload ---- */

/* Returns a reference. NULL: the store's keys sign. */
static cd_status read_signing_key(const struct server *server, const struct cd_service_start *start,
                                  struct cd_jwk **ret, struct cd_error *reterr)
{
        const struct cd_config *config = start->config;

        *ret = NULL;
        if (config->signing_key.len)
                return cd_jwk_from_pem(config->signing_key, ret, reterr);
        if (cd_report_is_kept(start->report, CD_STR("signing_key")) && server->fixed)
                *ret = cd_jwk_ref(server->fixed);
        return CD_OK;
}

/* The objects made from a reloaded configuration. */
struct other {
        struct cd_issuer common;
        struct cd_client_spec *clients;
        struct cd_jwk *fixed; /* a reference */
        struct cd_shared_version *portal, *gate, *signin, *relay;
        struct cd_mail_settings *mail;
};

static cd_status make_other(struct server *server, const struct cd_service_start *start, struct other *ret,
                            struct cd_error *reterr)
{
        const struct cd_app_login *users = NULL;

        cd_status status = cd_storage_check_key(start->config, start->report, server->master_check, reterr);
        if (status == CD_OK)
                status = find_users(server, start->config, &users, reterr);
        if (status == CD_OK)
                status = make_clients(server, start, &ret->clients, reterr);
        ret->common = server->common;
        if (users)
                set_tokens(&ret->common, start->config, &users->login.port);
        if (status == CD_OK)
                status = read_signing_key(server, start, &ret->fixed, reterr);
        if (status == CD_OK)
                status = prepare_signin(server, start, &users->hasher.port, &ret->signin, reterr);
        if (status == CD_OK)
                status = prepare_portal(server, start->config, users, &ret->portal, reterr);
        if (status == CD_OK)
                status = cd_app_gate_prepare(&server->gate, start->config, start->config_path, &ret->gate, reterr);
        if (status == CD_OK)
                status = cd_app_relay_prepare(&server->relay, start->config, &ret->relay, reterr);
        if (status == CD_OK)
                status = cd_app_mail_prepare(&server->mail, start->config, start->config_path, &ret->mail, reterr);
        return status;
}

static cd_status reload(void *app, const struct cd_service_start *start, struct cd_error *reterr)
{
        struct server *server = app;
        struct other other = { 0 };

        cd_config_complete(start->config);
        cd_status status = make_other(server, start, &other, reterr);
        cd_config_wipe_secrets(start->config);
        if (status == CD_OK) {
                struct cd_store_watcher_options options = watcher_options(server, &other.common, start, other.clients);
                options.fixed = other.fixed;
                status = cd_store_watcher_reload(server->watcher, &options, reterr);
        }
        if (status != CD_OK) {
                cd_jwk_unref(other.fixed);
                cd_shared_discard(other.portal);
                cd_shared_discard(other.signin);
                cd_shared_discard(other.gate);
                cd_shared_discard(other.relay);
                cd_mail_settings_free(other.mail);
                return status;
        }
        cd_shared_publish(server->signin.signins, other.signin);
        cd_shared_publish(server->portal.app.portals, other.portal);
        cd_shared_publish(server->gate.app.gates, other.gate);
        cd_shared_publish(server->relay.app.relays, other.relay);
        cd_app_mail_use(&server->mail, other.mail);
        atomic_store(&server->outgoing.detail, ((const struct cd_config *)start->config)->service.log.outgoing);
        cd_app_logins_set_rules(&server->logins, start->config);
        cd_jwk_unref(server->fixed);
        server->fixed = other.fixed;
        server->config = start->config;
        server->clients = other.clients;
        return CD_OK;
}

static void set_sites(void *app, struct cd_http_sites *ret)
{
        struct server *server = app;

        cd_gate_sites_init(&server->relay.next_sites, &server->gate.app);
        cd_app_relay_sites(&server->relay, ret);
}

static void write_status(void *app, struct cd_arena *arena, struct cd_buf *buf)
{
        struct server *server = app;
        const struct cd_app_status status =
                cd_app_status(&server->storage, &server->store_state, cd_web_get(&server->app)->issuer, arena);

        cd_status_write(&cd_app_status_table, &status, ',', buf);
}

static size_t fill_metrics(void *app, const struct cd_metrics_source **ret)
{
        struct server *server = app;

        server->metrics = (struct cd_app_metrics){
                .storage = &server->storage,
                .store_state = &server->store_state,
                .gate = &server->gate,
                .web = &server->app,
                .key_times = &server->key_times,
        };
        *ret = server->metrics.sources;
        return cd_app_metrics_fill(&server->metrics);
}

const struct cd_service *cd_server_service(void)
{
        static const struct cd_service_part parts[] = {
                { .routes = &cd_web_routes, .app_offset = offsetof(struct server, app) },
                { .routes = &cd_portal_routes, .app_offset = offsetof(struct server, portal.app) },
                { .routes = &cd_gate_routes, .app_offset = offsetof(struct server, gate.app) },
        };
        static const struct cd_service service = {
                .name = "cardea",
                .table = &cd_config_table,
                .settings_offset = offsetof(struct cd_config, service),
                .parts = parts,
                .part_count = CD_LEN(parts),
                .set_sites = set_sites,
                .why = cd_config_why,
                .check = cd_config_check,
                .check_files = cd_config_check_files,
                .probe = cd_config_probe,
                .tune = cd_app_logins_tune,
                .prepare = prepare,
                .may_change = cd_config_may_change,
                .status = write_status,
                .reload = reload,
                .metrics = fill_metrics,
                .finish = finish,
        };

        return &service;
}
