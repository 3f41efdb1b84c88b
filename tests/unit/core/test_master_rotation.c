/* The master key of a store is replaced, with a secret of each kind, and interrupted at every step. */
#include "core/master_rotation.h"

#include <stdlib.h>
#include <string.h>

#include "core/client.h"
#include "core/mail.h"
#include "core/recovery.h"
#include "core/second_factor.h"
#include "crypto/random.h"
#include "support/memory_store.h"

enum {
        NOW = 1000000
};

struct fixture {
        struct cd_store *store;
        struct cd_arena arena;
        char old[CD_MASTER_KEY_TEXT], new[CD_MASTER_KEY_TEXT];
        int64_t generation;
        cd_str kid;
};

static struct cd_master_key *parse(const char text[CD_MASTER_KEY_TEXT])
{
        struct cd_master_key *key = NULL;

        assert_status(cd_master_key_parse(cd_str_of(text, CD_MASTER_KEY_TEXT), &cd_random_system, &key, NULL), CD_OK);
        return key;
}

/* The new key, with the old one if the setting is there. */
static struct cd_master_key *new_key(struct fixture *f, bool accepts_old)
{
        struct cd_master_key *key = parse(f->new), *old = parse(f->old);

        if (accepts_old)
                cd_master_key_accept(key, old);
        cd_master_key_free(old);
        return key;
}

static struct cd_keyring ring_of(struct fixture *f, const struct cd_master_key *master)
{
        return (struct cd_keyring){ .store = f->store, .master = master, .now = NOW, .actor = CD_STR("os:tester") };
}

static cd_status use(struct fixture *f, struct cd_master_key *master)
{
        const struct cd_keyring ring = ring_of(f, master);

        return cd_master_use(&ring, master, NULL);
}

static cd_str seal(struct fixture *f, const struct cd_master_key *master, const char *context)
{
        cd_str sealed = { NULL, 0 };

        assert_status(cd_seal(master, &f->arena, cd_str_from_c(context), cd_str_from_c(context), &sealed, NULL), CD_OK);
        return sealed;
}

/* What was sealed by `seal`. */
static bool opens(struct fixture *f, const struct cd_master_key *master, const char *context, cd_str sealed)
{
        cd_str secret;

        return cd_unseal(master, &f->arena, cd_str_from_c(context), sealed, &secret, NULL) == CD_OK &&
               cd_str_eq_c(secret, context);
}

static void add_secrets(struct fixture *f, const struct cd_master_key *master)
{
        const struct cd_keyring ring = ring_of(f, master);
        const struct cd_key_params params = { .alg = CD_ALG_ES256 };
        struct cd_user user = { .name = CD_STR("ana"), .password = CD_STR("x"), .claims = CD_STR("{}") };
        struct cd_users_page page = { &user, 1 };
        struct cd_totp_change totp = { .factor = { .user = CD_STR("ana") } };
        const struct cd_mail mail = { .to = CD_STR("ana@example.org"),
                                      .subject = CD_STR("Hello"),
                                      .text = CD_STR("A text\n"),
                                      .created_at = NOW,
                                      .expires_at = NOW + 100 };
        struct cd_hand_over hand_over = { .digest = CD_STR("h1"),
                                          .session = CD_STR("s"),
                                          .host = CD_STR("a"),
                                          .nonce = CD_STR("n"),
                                          .sealed = seal(f, master, "hand-over:h1"),
                                          .expires_at = NOW + 100 };
        struct cd_delivery delivery = { .id = CD_STR("d1"),
                                        .relay = CD_STR("relay.example.org/cb"),
                                        .sealed = seal(f, master, "relay-delivery:d1"),
                                        .hold_until = NOW + 100,
                                        .expires_at = NOW + 100 };
        struct cd_provider_account account = { .provider = CD_STR("osu"),
                                               .subject = CD_STR("7"),
                                               .user = CD_STR("ana") };
        struct cd_provider_token token = { .user = CD_STR("ana"),
                                           .provider = CD_STR("osu"),
                                           .sealed = seal(f, master, "provider-token:osu:ana") };
        const struct cd_audit_event event = { .at = NOW, .action = CD_STR("a"), .actor = CD_STR("b") };
        struct cd_key_record key;

        assert_status(cd_keyring_generate(&ring, &f->arena, &params, &key, NULL), CD_OK);
        f->kid = key.kid;
        assert_status(f->store->users->add(f->store, &page, NULL, NULL), CD_OK);
        assert_status(f->store->users->find(f->store, &f->arena, user.name, &user, NULL), CD_OK);
        totp.if_generation = user.generation;
        assert_status(cd_totp_seal(master, &f->arena, user.name, CD_STR("totp secret"), &totp.factor.sealed, NULL),
                      CD_OK);
        assert_status(f->store->totp->put(f->store, &totp, &event, NULL), CD_OK);
        assert_status(cd_mail_queue(f->store, master, &mail, NULL), CD_OK);
        assert_status(f->store->hand_overs->put(f->store, &hand_over, NULL), CD_OK);
        assert_status(f->store->deliveries->add(f->store, &delivery, NULL), CD_OK);
        assert_status(f->store->provider_accounts->add(f->store, &account, &event, NULL), CD_OK);
        assert_status(f->store->provider_tokens->put(f->store, &token, NULL), CD_OK);
}

enum {
        SECRETS = 6
};

/* How many of the secrets the key opens. */
static int count_open(struct fixture *f, const struct cd_master_key *master)
{
        struct cd_key_records keys;
        struct cd_jwk *jwk = NULL;
        struct cd_totp_factor factor;
        struct cd_queued_mail queued;
        struct cd_mail mail;
        struct cd_hand_over hand_over;
        struct cd_delivery delivery;
        struct cd_provider_token token;
        cd_str secret;
        int count = 0;

        assert_status(f->store->keys->list(f->store, &f->arena, &keys, NULL), CD_OK);
        count += cd_keyring_unseal(master, &keys.items[0], &jwk, NULL) == CD_OK;
        cd_jwk_unref(jwk);
        assert_status(f->store->totp->find(f->store, &f->arena, CD_STR("ana"), &factor, NULL), CD_OK);
        count += cd_totp_unseal(master, &f->arena, &factor, &secret, NULL) == CD_OK &&
                 cd_str_eq_c(secret, "totp secret");
        assert_status(f->store->mails->claim(f->store, &f->arena, NOW, NOW, &queued, NULL), CD_OK);
        count += cd_mail_unseal(master, &f->arena, &queued, &mail, NULL) == CD_OK && cd_str_eq_c(mail.subject, "Hello");
        assert_status(f->store->hand_overs->find(f->store, &f->arena, CD_STR("h1"), &hand_over, NULL), CD_OK);
        count += opens(f, master, "hand-over:h1", hand_over.sealed);
        assert_status(f->store->deliveries->find(f->store, &f->arena, CD_STR("d1"), &delivery, NULL), CD_OK);
        count += opens(f, master, "relay-delivery:d1", delivery.sealed);
        assert_status(f->store->provider_tokens->find(f->store, &f->arena, CD_STR("ana"), CD_STR("osu"), &token, NULL),
                      CD_OK);
        count += opens(f, master, "provider-token:osu:ana", token.sealed);
        return count;
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->store = new_memory_store();
        cd_arena_init(&f->arena, 16 << 20);
        assert_status(cd_master_key_generate(&cd_random_system, f->old, NULL), CD_OK);
        assert_status(cd_master_key_generate(&cd_random_system, f->new, NULL), CD_OK);
        struct cd_master_key *old = parse(f->old);
        assert_status(use(f, old), CD_OK);
        add_secrets(f, old);
        assert_int_equal(count_open(f, old), SECRETS);
        cd_master_key_free(old);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        f->store->free(f->store);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static cd_status rotate(struct fixture *f, struct cd_rotation *rotation)
{
        struct cd_master_key *master = new_key(f, true);
        const struct cd_keyring ring = ring_of(f, master);

        cd_status status = cd_master_use(&ring, master, NULL);
        if (status == CD_OK)
                status = cd_master_rotate(&ring, master, rotation, NULL);
        cd_master_key_free(master);
        return status;
}

static void assert_rotated(struct fixture *f)
{
        struct cd_master_key *new = new_key(f, false), *old = parse(f->old);

        assert_status(use(f, new), CD_OK);
        assert_int_equal(count_open(f, new), SECRETS);
        assert_status(use(f, old), CD_INVALID_REQUEST);
        assert_int_equal(count_open(f, old), 0);
        cd_master_key_free(new);
        cd_master_key_free(old);
}

static void every_secret_is_sealed_again(void **state)
{
        struct fixture *f = *state;
        struct cd_rotation rotation = { 0 };
        struct cd_audit_events events;

        assert_status(rotate(f, &rotation), CD_OK);
        assert_int_equal(rotation.resealed, SECRETS);
        assert_int_equal(rotation.unreadable, 0);
        assert_false(rotation.was_done);
        assert_rotated(f);
        assert_status(f->store->audit->list(f->store, &f->arena, -1, 1, &events, NULL), CD_OK);
        assert_str(events.items[0].action, "key.rotate_master");
        assert_status(rotate(f, &rotation), CD_OK);
        assert_true(rotation.was_done);
        assert_int_equal(rotation.resealed, 0);
}

static void what_a_server_with_the_old_key_sealed_later_is_found(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *old = parse(f->old);
        struct cd_rotation rotation = { 0 };
        struct cd_provider_token token = { .user = CD_STR("ana"), .provider = CD_STR("osu") };

        assert_status(rotate(f, &rotation), CD_OK);
        token.sealed = seal(f, old, "provider-token:osu:ana");
        assert_status(f->store->provider_tokens->put(f->store, &token, NULL), CD_OK);
        assert_status(rotate(f, &rotation), CD_OK);
        assert_int_equal(rotation.resealed, 1);
        assert_rotated(f);
        cd_master_key_free(old);
}

static void derived(const struct cd_master_key *key, const char *purpose, unsigned char ret[CD_DERIVED_SIZE])
{
        assert_status(cd_master_key_derive(key, cd_str_from_c(purpose), ret), CD_OK);
}

static bool is_same(struct fixture *f, const char *purpose)
{
        unsigned char before[CD_DERIVED_SIZE], after[CD_DERIVED_SIZE];
        struct cd_master_key *old = parse(f->old), *new = new_key(f, false);

        assert_status(use(f, new), CD_OK);
        derived(old, purpose, before);
        derived(new, purpose, after);
        cd_master_key_free(old);
        cd_master_key_free(new);
        return memcmp(before, after, sizeof(before)) == 0;
}

static void what_is_kept_as_a_mac_stays_valid(void **state)
{
        struct fixture *f = *state;
        struct cd_rotation rotation = { 0 };

        assert_status(rotate(f, &rotation), CD_OK);
        assert_true(is_same(f, "client-secret") && is_same(f, "recovery-code"));
        assert_true(is_same(f, "session-id") && is_same(f, "portal-form") && is_same(f, "relay-state"));
        assert_false(is_same(f, "check") || is_same(f, "backup") || is_same(f, "fingerprint"));
        /* And again, with a third key. */
        char first[CD_MASTER_KEY_TEXT];
        memcpy(first, f->old, sizeof(first));
        memcpy(f->old, f->new, sizeof(f->old));
        assert_status(cd_master_key_generate(&cd_random_system, f->new, NULL), CD_OK);
        assert_status(rotate(f, &rotation), CD_OK);
        assert_rotated(f);
        memcpy(f->old, first, sizeof(first));
        assert_true(is_same(f, "client-secret") && is_same(f, "session-id"));
}

static void after_a_leak_the_key_of_cookies_is_another(void **state)
{
        struct fixture *f = *state;
        struct cd_rotation rotation = { 0 };

        assert_status(rotate(f, &rotation), CD_OK);
        assert_true(is_same(f, "session-id"));
        rotation.leaked = true; /* found out later */
        assert_status(rotate(f, &rotation), CD_OK);
        assert_true(is_same(f, "client-secret") && is_same(f, "recovery-code"));
        assert_false(is_same(f, "session-id") || is_same(f, "known-device") || is_same(f, "relay-state"));
        assert_rotated(f);
}

/* ---- interrupted ---- */

static const struct cd_sealed_ops *real;
static int steps_left;

struct counted {
        cd_reseal *reseal;
        void *arg;
};

static bool is_over(void)
{
        return steps_left-- <= 0;
}

/* Fails in the middle of a transaction, which therefore does nothing. */
static cd_status counted_one(void *arg, struct cd_arena *arena, cd_str context, cd_str sealed, cd_str *ret,
                             struct cd_error *reterr)
{
        struct counted *counted = arg;

        if (is_over())
                return cd_fail(reterr, CD_UNAVAILABLE, "killed");
        return counted->reseal(counted->arg, arena, context, sealed, ret, reterr);
}

static cd_status counted_all(struct cd_store *store, cd_reseal *reseal, void *arg, struct cd_error *reterr)
{
        struct counted counted = { reseal, arg };

        return real->reseal(store, counted_one, &counted, reterr);
}

static cd_status counted_change(struct cd_store *store, const struct cd_value_change *changes, size_t count,
                                const struct cd_audit_event *event, struct cd_error *reterr)
{
        if (is_over())
                return cd_fail(reterr, CD_UNAVAILABLE, "killed");
        return real->change_values(store, changes, count, event, reterr);
}

static void interrupted_at_any_step_nothing_is_lost(void **state)
{
        struct fixture *f = *state;
        struct cd_sealed_ops counting = *f->store->sealed;
        struct cd_rotation rotation = { 0 };
        cd_status status = CD_UNAVAILABLE;
        int steps = 0;

        real = f->store->sealed;
        counting.reseal = counted_all;
        counting.change_values = counted_change;
        for (; status != CD_OK && steps < 100; steps++) {
                /* From the beginning each time, until a run gets through. */
                steps_left = steps;
                f->store->sealed = &counting;
                status = rotate(f, &rotation);
                f->store->sealed = real;
                struct cd_master_key *both = new_key(f, true);
                assert_status(use(f, both), CD_OK);
                assert_int_equal(count_open(f, both), SECRETS);
                cd_master_key_free(both);
        }
        assert_status(status, CD_OK);
        assert_true(steps > SECRETS);
        assert_rotated(f);
}

static void without_the_earlier_key_nothing_changes(void **state)
{
        struct fixture *f = *state;
        struct cd_master_key *alone = new_key(f, false);
        const struct cd_keyring ring = ring_of(f, alone);
        struct cd_rotation rotation = { 0 };
        struct cd_error err = { 0 };

        assert_status(cd_master_use(&ring, alone, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "master_key");
        assert_status(cd_master_rotate(&ring, alone, &rotation, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "master_key_old");
        cd_master_key_free(alone);
        struct cd_master_key *old = parse(f->old);
        assert_status(use(f, old), CD_OK);
        assert_int_equal(count_open(f, old), SECRETS);
        cd_master_key_free(old);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(every_secret_is_sealed_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_a_server_with_the_old_key_sealed_later_is_found, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_is_kept_as_a_mac_stays_valid, set_up, tear_down),
                cmocka_unit_test_setup_teardown(after_a_leak_the_key_of_cookies_is_another, set_up, tear_down),
                cmocka_unit_test_setup_teardown(interrupted_at_any_step_nothing_is_lost, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_the_earlier_key_nothing_changes, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
