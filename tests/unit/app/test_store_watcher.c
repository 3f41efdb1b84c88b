#include "app/store_watcher.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/any_user.h"
#include "core/key_signer.h"
#include "core/lockout.h"
#include "core/oauth/introspect.h"
#include "core/oauth/mint.h"
#include "core/oauth/token.h"
#include "core/personal_token.h"
#include "core/session.h"
#include "support/memory_store.h"

enum {
        NOON = 1795348800
}; /* 2026-11-22T12:00:00Z */

struct test_clock {
        struct cd_clock port;
        _Atomic cd_time now;
        _Atomic int64_t uptime;
};

static cd_time test_now(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->now;
}

static int64_t test_uptime(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->uptime;
}

struct fixture {
        struct test_clock clock;
        struct cd_arena arena;
        struct cd_issuer common;
        struct cd_revocations revocations;
        struct cd_store *store;
        struct cd_store_state store_state;
        struct cd_lockout *lockout;
        struct cd_master_key *master;
        unsigned char mac_key[CD_DERIVED_SIZE], file_mac[CD_CLIENT_SECRET_MAC_SIZE];
        struct cd_client_spec file_client;
        struct cd_store_watcher_options options;
        struct cd_store_watcher *watcher;
};

static const cd_str api[] = { CD_STR_INIT("https://api.example") };

static void make_master(struct cd_master_key **ret)
{
        char text[CD_MASTER_KEY_TEXT];

        assert_status(cd_master_key_generate(&cd_random_system, text, NULL), CD_OK);
        assert_status(cd_master_key_parse(cd_str_of(text, sizeof(text)), &cd_random_system, ret, NULL), CD_OK);
}

static struct cd_lockout *make_lockout(void)
{
        const struct cd_lockout_rules rules = {
                .account_attempts = 5, .address_attempts = 5, .delay = 1, .max_delay = 1
        };
        struct cd_lockout *lockout;

        assert_status(cd_lockout_new(&rules, &cd_random_system, &lockout, NULL), CD_OK);
        return lockout;
}

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .clock = { { test_now, test_uptime }, NOON, 1 } };
        cd_arena_init(&f.arena, 1 << 22);
        make_master(&f.master);
        assert_status(cd_master_key_derive(f.master, CD_STR("client-secret"), f.mac_key), CD_OK);
        assert_status(cd_client_secret_mac(f.master, CD_STR("secret"), f.file_mac, NULL), CD_OK);
        f.file_client = (struct cd_client_spec){
                .id = CD_STR("file"),
                .secret_mac = f.file_mac,
                .grants = CD_GRANT_CLIENT_CREDENTIALS,
                .audience = api[0],
                .introspect = { api, 1 },
        };
        f.store = new_memory_store();
        f.lockout = make_lockout();
        f.revocations = (struct cd_revocations){ f.store, &f.store_state, cd_revoked_new(100) };
        f.common = (struct cd_issuer){
                .url = CD_STR("https://auth.example"),
                .token_lifetime = 300,
                .client_auth = { .lockout = f.lockout, .store = f.store, .clock = &f.clock.port },
                .token_cache = cd_token_cache_new(64),
                .clock = &f.clock.port,
                .random = &cd_random_system,
        };
        f.options = (struct cd_store_watcher_options){
                .common = &f.common,
                .revocations = &f.revocations,
                .store_state = &f.store_state,
                .realm = CD_STR("cardea"),
                .clients = &f.file_client,
                .client_count = 1,
                .mac_key = cd_str_of((const char *)f.mac_key, sizeof(f.mac_key)),
                .master = f.master,
                .alg = CD_ALG_ES256,
                .audit_keep = 1000,
                .shared = cd_shared_new(cd_snapshot_free),
        };
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_store_watcher_free(f->watcher);
        cd_shared_free(f->options.shared);
        f->store->free(f->store);
        cd_lockout_free(f->lockout);
        cd_revoked_free(f->revocations.revoked);
        cd_token_cache_free(f->common.token_cache);
        cd_master_key_free(f->master);
        cd_arena_done(&f->arena);
        return 0;
}

static void begin(struct fixture *f)
{
        assert_status(cd_store_watcher_new(&f->options, &f->watcher, NULL), CD_OK);
}

/* What a handler sees now. */
static const struct cd_issuer *issuer(struct fixture *f)
{
        const struct cd_web *web = cd_shared_get(f->options.shared);
        return web->issuer;
}

/* As /readyz asks. */
static cd_status is_ready(struct fixture *f, struct cd_error *reterr)
{
        cd_status status = cd_issuer_check(issuer(f), reterr);

        return status == CD_OK ? cd_store_state_need_writable(&f->store_state, reterr) : status;
}

/* The key that signs now; NULL: none. */
static const struct cd_jwk *signing(struct fixture *f, enum cd_alg alg)
{
        const struct cd_signer *signer = issuer(f)->signers[alg];

        return signer ? ((const struct cd_key_signer *)signer)->key : NULL;
}

static struct cd_keyring ring(struct fixture *f)
{
        return (struct cd_keyring){
                .store = f->store,
                .master = f->master,
                .now = f->clock.now,
                .actor = CD_STR("os:ana"),
        };
}

static cd_str issue(struct fixture *f)
{
        const struct cd_token_request ask = {
                .grant_type = CD_STR("client_credentials"),
                .client_id = CD_STR("file"),
                .client_secret = CD_STR("secret"),
        };
        struct cd_tokens tokens;

        assert_status(cd_token_issue(issuer(f), &f->arena, &ask, &tokens, NULL), CD_OK);
        return tokens.access_token;
}

static void add_ana(struct fixture *f)
{
        struct cd_user ana = { .name = CD_STR("ana"), .password = CD_STR("$none"), .claims = CD_STR("{}") };
        const struct cd_users_page page = { &ana, 1 };

        assert_status(f->store->users->add(f->store, &page, NULL, NULL), CD_OK);
}

/* Of the first generation, whatever happened to her since. */
static cd_str issue_to_ana(struct fixture *f)
{
        const struct cd_mint mint = {
                .alg = CD_ALG_ES256,
                .lifetime = 300,
                .audience = api[0],
                .client_id = CD_STR("file"),
                .subject = CD_STR("ana"),
                .generations = { .user = 2 },
        };
        cd_str token;

        assert_status(cd_token_mint(issuer(f), &f->arena, &mint, &token, NULL), CD_OK);
        return token;
}

static bool is_active(struct fixture *f, cd_str token)
{
        const struct cd_token_query ask = { .token = token,
                                            .client_id = CD_STR("file"),
                                            .client_secret = CD_STR("secret") };
        struct cd_introspection result;

        assert_status(cd_token_introspect(issuer(f), &f->revocations, &f->arena, &ask, &result, NULL), CD_OK);
        return result.active;
}

static void a_store_without_keys_gets_those_that_are_needed(void **state)
{
        struct fixture *f = *state;
        struct cd_key_records keys;

        f->common.basic_tokens.audience = api[0];
        begin(f);
        assert_status(f->store->keys->list(f->store, &f->arena, &keys, NULL), CD_OK);
        assert_int_equal(keys.count, 2);
        assert_int_equal(cd_jwk_alg(signing(f, issuer(f)->alg)), CD_ALG_ES256);
        assert_int_equal(cd_jwk_alg(signing(f, CD_ALG_RS256)), CD_ALG_RS256);
        assert_int_equal(issuer(f)->keys->count, 2);
        cd_store_watcher_free(f->watcher);
        begin(f);
        assert_status(f->store->keys->list(f->store, &f->arena, &keys, NULL), CD_OK);
        assert_int_equal(keys.count, 2);
}

static void a_node_whose_clock_is_behind_signs_with_the_first_key_too(void **state)
{
        struct fixture *f = *state;
        struct cd_key_records keys;

        begin(f);
        cd_str kid = cd_arena_copy(&f->arena, cd_jwk_kid(signing(f, issuer(f)->alg)));
        cd_store_watcher_free(f->watcher);
        f->clock.now = NOON - 3600;
        begin(f);
        assert_str(cd_jwk_kid(signing(f, issuer(f)->alg)), kid.ptr);
        assert_status(f->store->keys->list(f->store, &f->arena, &keys, NULL), CD_OK);
        assert_int_equal(keys.count, 1);
        assert_int_equal(keys.items[0].verify_until, 0);
}

static void one_rsa_key_does_for_both_kinds_of_tokens(void **state)
{
        struct fixture *f = *state;

        f->options.alg = CD_ALG_RS256;
        f->common.basic_tokens.audience = api[0];
        begin(f);
        assert_int_equal(issuer(f)->keys->count, 1);
        assert_int_equal(issuer(f)->alg, CD_ALG_RS256);
}

/* How the token that this client gets is signed. */
static enum cd_alg alg_of(struct fixture *f)
{
        struct cd_jws jws;

        assert_status(cd_jws_verify(&f->arena, issuer(f)->keys, issue(f), &jws, NULL), CD_OK);
        return jws.alg;
}

static void a_clients_alg_signs_its_tokens(void **state)
{
        struct fixture *f = *state;

        f->file_client.alg = CD_ALG_EDDSA;
        begin(f);
        assert_int_equal(issuer(f)->keys->count, 2);
        assert_int_equal(cd_jwk_alg(signing(f, issuer(f)->alg)), CD_ALG_ES256);
        assert_int_equal(alg_of(f), CD_ALG_EDDSA);
        assert_true(is_active(f, issue(f)));
}

static void a_clients_alg_in_the_store_makes_its_key_and_ends_with_the_client(void **state)
{
        struct fixture *f = *state;
        const struct cd_client_record client = { .id = CD_STR("old-phone"),
                                                 .grants = CD_GRANT_CLIENT_CREDENTIALS,
                                                 .alg = CD_STR("RS256") };
        const struct cd_audit_event event = { .at = NOON, .action = CD_STR("x"), .actor = CD_STR("x") };

        begin(f);
        assert_null(signing(f, CD_ALG_RS256));
        assert_status(f->store->clients->add(f->store, &client, NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_non_null(signing(f, CD_ALG_RS256));
        assert_true(cd_jwk_is_private(signing(f, CD_ALG_RS256)));
        assert_int_equal(issuer(f)->keys->count, 2);
        assert_int_equal(alg_of(f), CD_ALG_ES256); /* the others go on as before */
        assert_status(f->store->clients->remove(f->store, client.id, &event, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_null(signing(f, CD_ALG_RS256));       /* sealed again */
        assert_int_equal(issuer(f)->keys->count, 2); /* and what it signed still verifies */
}

static void a_key_of_the_configuration_signs_instead_of_the_stores(void **state)
{
        struct fixture *f = *state;
        struct cd_key_records keys;

        assert_status(cd_jwk_generate(CD_ALG_ES256, &f->options.fixed, NULL), CD_OK);
        begin(f);
        assert_status(f->store->keys->list(f->store, &f->arena, &keys, NULL), CD_OK);
        assert_int_equal(keys.count, 0);
        assert_true(is_active(f, issue(f)));
        cd_jwk_unref(f->options.fixed);
}

static void another_master_key_does_not_open_the_keys(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *other;
        struct cd_error err;

        begin(f);
        cd_store_watcher_free(f->watcher);
        f->watcher = NULL;
        make_master(&other);
        f->options.master = other;
        assert_status(cd_store_watcher_new(&f->options, &f->watcher, &err), CD_INVALID_REQUEST);
        assert_non_null(strstr(err.reason, "cannot be opened"));
        cd_master_key_free(other);
}

static struct cd_client_record client_of_the_store(struct fixture *f, const char *id)
{
        struct cd_client_record record = {
                .id = cd_str_from_c(id),
                .grants = CD_GRANT_CLIENT_CREDENTIALS,
                .introspect = { api, 1 },
                .created_at = NOON,
        };

        assert_status(cd_client_secret_mac(f->master, CD_STR("other"), record.secret, NULL), CD_OK);
        return record;
}

static cd_status authenticate(struct fixture *f, const char *id, const char *secret)
{
        const struct cd_client *client;

        return cd_clients_authenticate(issuer(f)->client_auth.clients, cd_str_from_c(id), cd_str_from_c(secret), NOON,
                                       &client, NULL);
}

static void a_client_that_is_added_or_removed_counts_at_the_next_look(void **state)
{
        struct fixture *f = *state;
        struct cd_client_record record = client_of_the_store(f, "store");
        struct cd_store *store = f->store;

        begin(f);
        assert_status(authenticate(f, "store", "other"), CD_INVALID_CLIENT);
        assert_status(store->clients->add(store, &record, NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(authenticate(f, "store", "other"), CD_OK);
        assert_status(authenticate(f, "file", "secret"), CD_OK);
        assert_status(store->clients->remove(store, CD_STR("store"), NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(authenticate(f, "store", "other"), CD_INVALID_CLIENT);
}

static void of_two_clients_with_one_id_the_configurations_counts(void **state)
{
        struct fixture *f = *state;
        struct cd_client_record record = client_of_the_store(f, "file"), fine = client_of_the_store(f, "store");
        struct cd_store *store = f->store;

        assert_status(store->clients->add(store, &record, NULL, NULL), CD_OK);
        assert_status(store->clients->add(store, &fine, NULL, NULL), CD_OK);
        begin(f);
        assert_status(authenticate(f, "file", "secret"), CD_OK);
        assert_status(authenticate(f, "file", "other"), CD_INVALID_CLIENT);
        assert_status(authenticate(f, "store", "other"), CD_OK);
}

static void what_another_node_revoked_is_known_at_the_next_look(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOON, .disabled = CD_USER_DISABLE };

        add_ana(f);
        begin(f);
        cd_str token = issue_to_ana(f);
        assert_true(is_active(f, token));
        assert_status(store->users->update(store, &change, NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(is_active(f, token));
}

static void what_was_revoked_before_the_start_is_known_from_the_first_snapshot(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        struct cd_user_change change = { .name = CD_STR("ana"), .now = NOON, .disabled = CD_USER_DISABLE };

        add_ana(f);
        assert_status(store->users->update(store, &change, NULL, NULL), CD_OK);
        begin(f);
        assert_false(is_active(f, issue_to_ana(f)));
}

static void a_rotated_key_begins_and_the_old_one_ends_with_the_time_alone(void **state)
{
        struct fixture *f = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .publish_before = 100 };
        struct cd_keyring keyring = ring(f);
        struct cd_key_record next;

        begin(f);
        cd_str old = issue(f);
        assert_status(cd_keyring_rotate(&keyring, &f->arena, &params, &next, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_int_equal(issuer(f)->keys->count, 2);
        assert_false(cd_str_eq(cd_jwk_kid(signing(f, issuer(f)->alg)), next.kid));
        f->clock.now = NOON + 100;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_true(cd_str_eq(cd_jwk_kid(signing(f, issuer(f)->alg)), next.kid));
        assert_true(is_active(f, old));
        assert_true(is_active(f, issue(f)));
        f->clock.now = NOON + 100 + CD_KEY_VERIFIES_AFTER - 1;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_int_equal(issuer(f)->keys->count, 2);
        f->clock.now++;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_int_equal(issuer(f)->keys->count, 1);
}

/* Its digest is in the verified-token cache: that must not help it. */
static void a_token_dies_with_its_retired_key_although_it_is_remembered(void **state)
{
        struct fixture *f = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .at_once = true };
        struct cd_keyring keyring = ring(f);

        begin(f);
        cd_str old = issue(f);
        cd_str kid = cd_arena_copy(&f->arena, cd_jwk_kid(signing(f, issuer(f)->alg)));
        assert_true(is_active(f, old));
        keyring.now = NOON + 1;
        f->clock.now = NOON + 1;
        assert_status(cd_keyring_rotate(&keyring, &f->arena, &params, NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_true(is_active(f, old));
        assert_status(cd_keyring_retire(&keyring, &f->arena, kid, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(is_active(f, old));
        assert_true(is_active(f, issue(f)));
}

static void where_the_last_key_ended_another_one_is_made(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;

        begin(f);
        cd_str kid = cd_arena_copy(&f->arena, cd_jwk_kid(signing(f, issuer(f)->alg)));
        assert_status(store->keys->set_verify_until(store, kid, NOON + CD_KEY_VERIFIES_AFTER, NULL, NULL), CD_OK);
        f->clock.now = NOON + CD_CLOCKS_DIFFER_MAX - 1;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_true(cd_str_eq(cd_jwk_kid(signing(f, issuer(f)->alg)), kid));
        f->clock.now = NOON + CD_CLOCKS_DIFFER_MAX; /* its next token could outlive it */
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(cd_str_eq(cd_jwk_kid(signing(f, issuer(f)->alg)), kid));
        assert_int_equal(issuer(f)->keys->count, 2);
}

static void only_keys_that_sign_are_opened(void **state)
{
        struct fixture *f = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .publish_before = 100 };
        struct cd_keyring keyring = ring(f);
        size_t private = 0;

        begin(f);
        assert_status(cd_keyring_rotate(&keyring, &f->arena, &params, NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        for (size_t i = 0; i < issuer(f)->keys->count; i++)
        private += cd_jwk_is_private(issuer(f)->keys->keys[i]);
        assert_int_equal(private, 1);
}

static cd_status is_gone(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr)
{
        (void)store, (void)ret;
        return cd_fail(reterr, CD_UNAVAILABLE, "connection refused");
}

static void while_the_store_is_unavailable_the_snapshot_stays_and_says_so(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store, whole = *store;
        struct cd_error err;

        begin(f);
        cd_str token = issue(f);
        store->versions = is_gone;
        assert_false(cd_store_watcher_step(f->watcher));
        assert_status(is_ready(f, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the store is unavailable");
        assert_true(is_active(f, token));
        assert_true(is_active(f, issue(f)));
        store->versions = whole.versions;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(is_ready(f, &err), CD_OK);
}

static cd_status has_gone(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr)
{
        (void)store, (void)ret;
        (void)cd_fail(reterr, CD_UNAVAILABLE, "/srv/cardea.db was deleted");
        reterr->summary = "the file is gone";
        return CD_UNAVAILABLE;
}

static void why_the_store_is_unavailable_is_said_in_words_for_anybody(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store, whole = *store;
        struct cd_error err;

        begin(f);
        store->versions = has_gone;
        assert_false(cd_store_watcher_step(f->watcher));
        assert_status(cd_store_state_need(&f->store_state, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the file is gone");
        store->versions = whole.versions;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(is_ready(f, &err), CD_OK);
}

static cd_status is_full(struct cd_store *store, const struct cd_store_expiry *expiry, size_t *ret_deleted,
                         struct cd_error *reterr)
{
        (void)store, (void)expiry, (void)ret_deleted;
        (void)cd_fail(reterr, CD_UNAVAILABLE, "the disk is full (13)");
        reterr->summary = "the disk is full";
        return CD_UNAVAILABLE;
}

static void lesson_35_a_store_that_cannot_be_written_is_not_ready_and_not_away(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store, whole = *store;
        struct cd_error err;

        store->expire = is_full;
        begin(f);
        assert_status(is_ready(f, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the disk is full");
        assert_status(cd_store_state_need(&f->store_state, &err), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(is_ready(f, &err), CD_UNAVAILABLE);
        /* Away meanwhile, then back: the write is tried at once, not after its five seconds. */
        store->versions = is_gone;
        assert_false(cd_store_watcher_step(f->watcher));
        store->versions = whole.versions;
        store->expire = whole.expire;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(is_ready(f, &err), CD_OK);
}

/* Revocations fail meanwhile. */
static void that_a_store_can_be_written_again_is_seen_within_a_second(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store, whole = *store;
        struct cd_error err;

        store->expire = is_full;
        begin(f);
        store->expire = whole.expire;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(cd_store_state_need_writable(&f->store_state, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the disk is full");
        assert_int_equal(err.retry_after, 1);
        f->clock.uptime += 1;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(cd_store_state_need_writable(&f->store_state, &err), CD_OK);
}

static cd_status cannot_flush(struct cd_store *store, struct cd_audit_flush *ret, struct cd_error *reterr)
{
        (void)store;
        *ret = (struct cd_audit_flush){ .waiting = 3 };
        return cd_fail(reterr, CD_UNAVAILABLE, "no room for events");
}

static void lesson_35_a_store_that_takes_no_events_is_not_ready(void **state)
{
        struct fixture *f = *state;
        struct cd_audit_ops ops = *f->store->audit;
        struct cd_error err;

        ops.flush = cannot_flush;
        f->store->audit = &ops;
        begin(f);
        assert_status(is_ready(f, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the store cannot be written");
}

/* ---- a reload ---- */

/* Another configuration: a client "new" instead of "file", other scopes and lifetime, tokens at /grant. */
struct other {
        struct cd_issuer common;
        struct cd_client_spec client;
        cd_str scope;
        struct cd_store_watcher_options options;
};

static void make_other(struct fixture *f, struct other *ret)
{
        *ret = (struct other){ .common = f->common, .client = f->file_client, .scope = CD_STR("write") };
        ret->client.id = CD_STR("new");
        ret->common.token_lifetime = 3600;
        ret->common.scopes = (struct cd_strs){ &ret->scope, 1 };
        ret->common.accounts = &cd_any_user;
        ret->common.basic_tokens =
                (struct cd_basic_token_settings){ .audience = api[0], .client_id = CD_STR("basic"), .lifetime = 60 };
        ret->options = f->options;
        ret->options.common = &ret->common;
        ret->options.clients = &ret->client;
}

static void assert_other(struct fixture *f, bool is_other)
{
        assert_status(authenticate(f, "new", "secret"), is_other ? CD_OK : CD_INVALID_CLIENT);
        assert_status(authenticate(f, "file", "secret"), is_other ? CD_INVALID_CLIENT : CD_OK);
        assert_int_equal(issuer(f)->token_lifetime, is_other ? 3600 : 300);
        assert_int_equal(issuer(f)->scopes.count, is_other);
        assert_ptr_equal(issuer(f)->accounts, is_other ? &cd_any_user : NULL);
        assert_int_equal(issuer(f)->signers[CD_ALG_RS256] != NULL, is_other);
}

static void lesson_27_other_settings_are_used_as_a_whole_and_what_they_were_made_of_may_go(void **state)
{
        struct fixture *f = *state;
        struct cd_client_record record = client_of_the_store(f, "store");
        struct other *other = malloc(sizeof(*other));

        assert_non_null(other);
        assert_status(f->store->clients->add(f->store, &record, NULL, NULL), CD_OK);
        begin(f);
        assert_other(f, false);
        make_other(f, other);
        assert_status(cd_store_watcher_reload(f->watcher, &other->options, NULL), CD_OK);
        assert_other(f, true);
        assert_status(cd_store_watcher_reload(f->watcher, &f->options, NULL), CD_OK);
        memset(other, 'x', sizeof(*other)); /* as a reload frees it */
        free(other);
        assert_other(f, false);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(authenticate(f, "store", "other"), CD_OK);
}

static void a_snapshot_has_its_own_copies_of_what_a_reload_frees(void **state)
{
        struct fixture *f = *state;
        struct other other;

        begin(f);
        make_other(f, &other);
        char scope[] = "write", audience[] = "https://api", id[] = "basic", url[] = "https://other";
        other.common.url = cd_str_from_c(url);
        other.scope = cd_str_from_c(scope);
        other.common.basic_tokens.audience = cd_str_from_c(audience);
        other.common.basic_tokens.client_id = cd_str_from_c(id);
        assert_status(cd_store_watcher_reload(f->watcher, &other.options, NULL), CD_OK);
        memset(scope, 'x', sizeof(scope)), memset(audience, 'x', sizeof(audience)), memset(id, 'x', sizeof(id));
        memset(url, 'x', sizeof(url));
        other.scope = CD_STR("x");
        assert_true(cd_str_eq(issuer(f)->scopes.items[0], CD_STR("write")));
        assert_true(cd_str_eq(issuer(f)->basic_tokens.audience, CD_STR("https://api")));
        assert_true(cd_str_eq(issuer(f)->basic_tokens.client_id, CD_STR("basic")));
        assert_true(cd_str_eq(issuer(f)->url, CD_STR("https://other")));
}

static cd_status lists_no_keys(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                               struct cd_error *reterr)
{
        (void)store, (void)arena, (void)ret;
        return cd_fail(reterr, CD_UNAVAILABLE, "connection refused");
}

static cd_status lists_no_clients(struct cd_store *store, struct cd_arena *arena, struct cd_client_records *ret,
                                  struct cd_error *reterr)
{
        (void)store, (void)arena, (void)ret;
        return cd_fail(reterr, CD_UNAVAILABLE, "connection refused");
}

static cd_status tells_no_versions(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr)
{
        (void)store, (void)ret;
        return cd_fail(reterr, CD_UNAVAILABLE, "connection refused");
}

static void lesson_27_a_reload_needs_no_store_where_no_key_is_missing(void **state)
{
        struct fixture *f = *state;
        struct cd_client_record record = client_of_the_store(f, "store");
        struct cd_store *store = f->store;
        struct cd_client_ops no_clients = *store->clients;
        struct cd_key_ops no_keys = *store->keys;
        const struct cd_store whole = *store;
        struct other other;

        assert_status(store->clients->add(store, &record, NULL, NULL), CD_OK);
        begin(f);
        no_clients.list = lists_no_clients;
        no_keys.list = lists_no_keys;
        store->clients = &no_clients;
        store->keys = &no_keys;
        store->versions = tells_no_versions;
        assert_false(cd_store_watcher_step(f->watcher));
        make_other(f, &other);
        other.common.basic_tokens.audience = CD_STR("");
        for (int i = 0; i < 3; i++) {
                bool is_other = i % 2 == 0;
                assert_status(cd_store_watcher_reload(f->watcher, is_other ? &other.options : &f->options, NULL),
                              CD_OK);
                assert_status(authenticate(f, "new", "secret"), is_other ? CD_OK : CD_INVALID_CLIENT);
                assert_status(authenticate(f, "file", "secret"), is_other ? CD_INVALID_CLIENT : CD_OK);
                assert_status(authenticate(f, "store", "other"), CD_OK);
        }
        *store = whole;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(authenticate(f, "store", "other"), CD_OK);
        assert_status(cd_store_watcher_reload(f->watcher, &f->options, NULL), CD_OK); /* `other` goes */
}

static void lesson_27_a_reload_that_fails_changes_nothing(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        struct cd_key_ops no_keys = *store->keys;
        const struct cd_store whole = *store;
        struct other other;
        struct cd_error err;

        begin(f);
        no_keys.list = lists_no_keys; /* that of /grant is missing */
        for (int i = 0; i < 2; i++) {
                make_other(f, &other);
                store->keys = &no_keys;
                assert_status(cd_store_watcher_reload(f->watcher, &other.options, &err), CD_UNAVAILABLE);
                *store = whole;
                memset(&other, 'x', sizeof(other));
                assert_other(f, false);
                assert_true(cd_store_watcher_step(f->watcher));
                assert_other(f, false);
                assert_int_equal(issuer(f)->keys->count, 1);
        }
}

static void lesson_22_what_expired_is_deleted_by_the_program_itself(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        struct cd_revocation revocation = { .jti = CD_STR("x"), .expires_at = NOON - 1 };
        struct cd_revocation_list list;

        assert_status(store->revocations->add(store, &revocation, NULL), CD_OK);
        begin(f);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(store->revocations->list(store, &f->arena, 0, 10, &list, NULL), CD_OK);
        assert_int_equal(list.count, 0);
}

static size_t count_rows(struct fixture *f)
{
        struct cd_store *store = f->store;
        struct cd_revocation_list revocations;
        struct cd_audit_events events;

        assert_status(store->revocations->list(store, &f->arena, 0, 10, &revocations, NULL), CD_OK);
        assert_status(store->audit->list(store, &f->arena, 0, 10, &events, NULL), CD_OK);
        return revocations.count + events.count;
}

/* Some seconds later, as the machine counts them, so that what is over is deleted again. */
static void look_again(struct fixture *f, cd_time now)
{
        f->clock.now = now;
        f->clock.uptime += 5;
        assert_true(cd_store_watcher_step(f->watcher));
}

static void a_clock_that_jumps_ahead_and_back_takes_no_revocation_and_no_audit_with_it(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        const struct cd_audit_event event = {
                .at = NOON, .action = CD_STR("x"), .actor = CD_STR("x"), .subject = CD_STR("x")
        };
        struct cd_revocation revocation = { .jti = CD_STR("x"), .expires_at = NOON + 300 };
        const cd_time hundred_days = 100 * 24 * 3600;
        bool is_revoked;

        assert_status(store->revocations->add(store, &revocation, NULL), CD_OK);
        begin(f);
        size_t keys_audited = count_rows(f) - 1;
        assert_status(store->audit->add(store, &event, NULL), CD_OK);
        for (int i = 0; i < 8; i++)
                look_again(f, NOON + hundred_days + i);
        assert_int_equal(count_rows(f), keys_audited + 2);
        look_again(f, NOON + 45);
        assert_int_equal(count_rows(f), keys_audited + 2);
        assert_status(cd_revoked_find(f->revocations.revoked, revocation.jti, CD_STR(""), 0, NOON, &is_revoked), CD_OK);
        assert_true(is_revoked);
}

static void a_jump_ahead_that_lasts_is_believed_after_a_day(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        struct cd_revocation revocation = { .jti = CD_STR("x"), .expires_at = NOON + 1000000 };
        const cd_time hundred_days = 100 * 24 * 3600;

        assert_status(store->revocations->add(store, &revocation, NULL), CD_OK);
        begin(f);
        look_again(f, NOON + 5);
        look_again(f, NOON + hundred_days);
        f->clock.uptime += 24 * 3600 - 10;
        look_again(f, NOON + hundred_days + 24 * 3600 - 5);
        assert_int_equal(cd_revoked_count(f->revocations.revoked), 1);
        look_again(f, NOON + hundred_days + 24 * 3600);
        assert_int_equal(cd_revoked_count(f->revocations.revoked), 0);
        assert_int_equal(count_rows(f), 0);
}

/* The thread itself, with readers beside it: run under the thread sanitizer. */
static void *read_snapshots(void *arg)
{
        struct fixture *f = arg;

        for (int i = 0; i < 20000; i++) {
                const struct cd_web *web = cd_shared_get(f->options.shared);
                if (!web->issuer->client_auth.clients || web->issuer->keys->count == 0 || web->jwks.len == 0)
                        return NULL;
        }
        return f;
}

static void readers_see_whole_snapshots_while_the_thread_makes_others(void **state)
{
        struct fixture *f = *state;
        struct cd_store *store = f->store;
        pthread_t threads[3];
        char id[16];
        void *result;

        begin(f);
        assert_status(cd_store_watcher_start(f->watcher, NULL), CD_OK);
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, read_snapshots, f), 0);
        for (int i = 0; i < 20; i++) {
                snprintf(id, sizeof(id), "client-%d", i);
                struct cd_client_record record = client_of_the_store(f, id);
                assert_status(store->clients->add(store, &record, NULL, NULL), CD_OK);
        }
        for (size_t i = 0; i < CD_LEN(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_non_null(result);
        }
        int64_t deadline = cd_monotonic_us() + 10000000;
        while (authenticate(f, "client-19", "other") != CD_OK && cd_monotonic_us() < deadline)
                continue;
        assert_status(authenticate(f, "client-19", "other"), CD_OK);
}

/* ---- sessions ---- */

/* A node with a cache, on which ana has a session; `sessions` is of another node, whose cache nobody told. */
struct node {
        struct cd_sessions sessions;
        struct cd_session session;
        struct cd_session_digest digest;
};

static void add_session(struct fixture *f, struct node *node)
{
        struct cd_cookie_token token;
        struct cd_arena *arena = &f->arena;
        const struct cd_session_params params = {
                .user = CD_STR("ana"), .generation = 2, .factors = 1, .idle_lifetime = 86400, .lifetime = 86400
        };

        assert_status(cd_session_start(&node->sessions, arena, &params, &node->session, &token, NULL), CD_OK);
        assert_status(cd_session_digest(&node->sessions, cd_cookie_text(&token), &node->digest, NULL), CD_OK);
}

static void cache_session(struct fixture *f, const struct node *node)
{
        struct cd_session_cache *cache = f->options.sessions;
        const struct cd_live_session live = { .user = CD_STR("ana"), .generation = 2, .expires_at = NOON + 86400 };

        cd_session_cache_put(cache, &node->digest, cd_session_cache_ticket(cache, &node->digest), f->clock.now, &live);
}

static bool is_cached(struct fixture *f, const struct node *node)
{
        struct cd_live_session live;

        return cd_session_cache_find(f->options.sessions, &node->digest, f->clock.now, &f->arena, &live) !=
               CD_SESSION_NOT_CACHED;
}

static void make_node(struct fixture *f, struct node *node)
{
        const struct cd_session_cache_options options = { 1000, 1 << 20, &f->clock.port, f->revocations.revoked };

        *node = (struct node){ .sessions = {
                                       .store = f->store, .clock = &f->clock.port, .random = &cd_random_system } };
        assert_status(cd_session_ids_key(f->master, &node->sessions.ids), CD_OK);
        f->options.sessions = cd_session_cache_new(&options);
        assert_non_null(f->options.sessions);
        add_ana(f);
        begin(f);
        add_session(f, node);
        cache_session(f, node);
        assert_true(is_cached(f, node));
}

static void free_node(struct fixture *f)
{
        cd_store_watcher_free(f->watcher);
        f->watcher = NULL;
        cd_session_cache_free(f->options.sessions);
}

static void lesson_12_what_another_node_ended_leaves_the_cache_at_the_next_look(void **state)
{
        struct fixture *f = *state;
        struct node node, other;

        make_node(f, &node);
        other = node;
        add_session(f, &other);
        cache_session(f, &other);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_true(is_cached(f, &node));
        assert_status(cd_session_log_out(&node.sessions, &f->arena, &node.session, CD_STR(""), NULL), CD_OK);
        assert_true(is_cached(f, &node));
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(is_cached(f, &node));
        assert_true(is_cached(f, &other));
        free_node(f);
}

static void lesson_12_a_token_that_another_node_revoked_leaves_the_cache_at_the_next_look(void **state)
{
        struct fixture *f = *state;
        struct cd_personal_token_text text;
        struct cd_personal_token token;
        struct cd_store_state works = { 0 };
        struct cd_live_token live;
        struct node node;

        make_node(f, &node);
        const struct cd_personal_token_params params = { .session = &node.session, .name = CD_STR("x"), .days = 1 };
        assert_status(cd_personal_token_create(&node.sessions, &f->arena, &params, &token, &text, NULL), CD_OK);
        struct cd_sessions here = node.sessions;
        here.cache = f->options.sessions;
        const struct cd_session_lookup lookup = { &here, &works };
        cd_str given = cd_str_of(text.text, sizeof(text.text));
        assert_status(cd_personal_token_look_up(&lookup, &f->arena, given, CD_STR(""), &live, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(cd_personal_token_look_in_cache(&lookup, &f->arena, given, f->clock.now, &live, NULL), CD_OK);
        assert_status(cd_personal_token_revoke(&node.sessions, &f->arena, &token, CD_STR(""), NULL), CD_OK);
        assert_status(cd_personal_token_look_in_cache(&lookup, &f->arena, given, f->clock.now, &live, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_status(cd_personal_token_look_in_cache(&lookup, &f->arena, given, f->clock.now, &live, NULL),
                      CD_NOT_FOUND);
        assert_true(is_cached(f, &node));
        free_node(f);
}

static void lesson_12_a_change_of_the_user_ends_the_cached_session_at_the_next_look(void **state)
{
        struct fixture *f = *state;
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = NOON, .disabled = CD_USER_DISABLE };
        struct node node;

        make_node(f, &node);
        assert_status(f->store->users->update(f->store, &change, NULL, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(is_cached(f, &node));
        free_node(f);
}

static void many_ends_are_all_read(void **state)
{
        struct fixture *f = *state;
        struct node node;
        struct node *many = calloc(50, sizeof(*many));

        make_node(f, &node);
        for (size_t i = 0; i < 50; i++) {
                many[i] = node;
                add_session(f, &many[i]);
                cache_session(f, &many[i]);
        }
        for (size_t i = 0; i < 50; i++)
                assert_status(cd_session_log_out(&node.sessions, &f->arena, &many[i].session, CD_STR(""), NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        for (size_t i = 0; i < 50; i++)
                assert_false(is_cached(f, &many[i]));
        assert_true(is_cached(f, &node));
        free(many);
        free_node(f);
}

static void while_the_store_is_unavailable_a_session_continues_for_a_while(void **state)
{
        struct fixture *f = *state;
        const struct cd_store whole = *f->store;
        struct node node;

        make_node(f, &node);
        f->store->versions = tells_no_versions;
        f->clock.uptime += CD_SESSION_END_LASTS - CD_CLOCKS_DIFFER_MAX;
        assert_false(cd_store_watcher_step(f->watcher));
        assert_true(is_cached(f, &node));
        f->clock.uptime += 1;
        assert_false(cd_store_watcher_step(f->watcher));
        assert_false(is_cached(f, &node));
        *f->store = whole;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(is_cached(f, &node)); /* its end may have been listed and deleted meanwhile */
        cache_session(f, &node);
        assert_true(is_cached(f, &node));
        free_node(f);
}

static cd_status tells_restored(struct cd_store *store, struct cd_store_versions *ret, struct cd_error *reterr)
{
        (void)store, (void)reterr;
        *ret = (struct cd_store_versions){ 1, 1, 1, 0, 1, 1 };
        return CD_OK;
}

/* Numbers of ends are assigned a second time. */
static void with_a_restored_store_the_cache_begins_anew(void **state)
{
        struct fixture *f = *state;
        const struct cd_store whole = *f->store;
        struct node node;

        make_node(f, &node);
        f->store->versions = tells_restored;
        assert_true(cd_store_watcher_step(f->watcher));
        assert_false(is_cached(f, &node));
        *f->store = whole;
        free_node(f);
}

static void count_mail(void *arg)
{
        ++*(int *)arg;
}

static void who_sends_email_is_told_of_each_that_was_added(void **state)
{
        struct fixture *f = *state;
        const struct cd_queued_mail mail = { .id = CD_STR("1"),
                                             .recipient = CD_STR("ana@example.com"),
                                             .sealed = CD_STR("x1.a"),
                                             .expires_at = NOON + 1000 };
        int told = 0;

        f->options.mail_added = count_mail;
        f->options.mail_arg = &told;
        begin(f);
        assert_int_equal(told, 1); /* at the start, some may wait already */
        assert_true(cd_store_watcher_step(f->watcher));
        assert_int_equal(told, 1);
        assert_status(f->store->mails->add(f->store, &mail, NULL), CD_OK);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_int_equal(told, 2);
        assert_true(cd_store_watcher_step(f->watcher));
        assert_int_equal(told, 2);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_store_without_keys_gets_those_that_are_needed),
                TEST(one_rsa_key_does_for_both_kinds_of_tokens),
                TEST(a_clients_alg_signs_its_tokens),
                TEST(a_clients_alg_in_the_store_makes_its_key_and_ends_with_the_client),
                TEST(a_node_whose_clock_is_behind_signs_with_the_first_key_too),
                TEST(a_key_of_the_configuration_signs_instead_of_the_stores),
                TEST(another_master_key_does_not_open_the_keys),
                TEST(a_client_that_is_added_or_removed_counts_at_the_next_look),
                TEST(of_two_clients_with_one_id_the_configurations_counts),
                TEST(what_another_node_revoked_is_known_at_the_next_look),
                TEST(what_was_revoked_before_the_start_is_known_from_the_first_snapshot),
                TEST(a_rotated_key_begins_and_the_old_one_ends_with_the_time_alone),
                TEST(a_token_dies_with_its_retired_key_although_it_is_remembered),
                TEST(where_the_last_key_ended_another_one_is_made),
                TEST(only_keys_that_sign_are_opened),
                TEST(while_the_store_is_unavailable_the_snapshot_stays_and_says_so),
                TEST(why_the_store_is_unavailable_is_said_in_words_for_anybody),
                TEST(lesson_35_a_store_that_cannot_be_written_is_not_ready_and_not_away),
                TEST(that_a_store_can_be_written_again_is_seen_within_a_second),
                TEST(lesson_35_a_store_that_takes_no_events_is_not_ready),
                TEST(lesson_27_other_settings_are_used_as_a_whole_and_what_they_were_made_of_may_go),
                TEST(a_snapshot_has_its_own_copies_of_what_a_reload_frees),
                TEST(lesson_27_a_reload_needs_no_store_where_no_key_is_missing),
                TEST(lesson_27_a_reload_that_fails_changes_nothing),
                TEST(lesson_22_what_expired_is_deleted_by_the_program_itself),
                TEST(a_clock_that_jumps_ahead_and_back_takes_no_revocation_and_no_audit_with_it),
                TEST(a_jump_ahead_that_lasts_is_believed_after_a_day),
                TEST(lesson_12_what_another_node_ended_leaves_the_cache_at_the_next_look),
                TEST(lesson_12_a_token_that_another_node_revoked_leaves_the_cache_at_the_next_look),
                TEST(lesson_12_a_change_of_the_user_ends_the_cached_session_at_the_next_look),
                TEST(many_ends_are_all_read),
                TEST(while_the_store_is_unavailable_a_session_continues_for_a_while),
                TEST(with_a_restored_store_the_cache_begins_anew),
                TEST(who_sends_email_is_told_of_each_that_was_added),
                TEST(readers_see_whole_snapshots_while_the_thread_makes_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
