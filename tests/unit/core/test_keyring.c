#include "core/keyring.h"
#include "core/master_rotation.h"

#include <string.h>

#include "base/json.h"
#include "support/memory_store.h"
#include "unit/core/parts.h"

struct ring_fixture {
        struct test_random random;
        struct cd_keyring ring;
        struct cd_arena arena;
};

static struct cd_master_key *make_master(struct ring_fixture *f)
{
        char text[CD_MASTER_KEY_TEXT];
        struct cd_master_key *master;

        assert_status(cd_master_key_generate(&f->random.port, text, NULL), CD_OK);
        assert_status(cd_master_key_parse(cd_str_of(text, sizeof(text)), &f->random.port, &master, NULL), CD_OK);
        return master;
}

static int set_up(void **state)
{
        static struct ring_fixture r;

        r = (struct ring_fixture){ .random = test_random() };
        r.ring = (struct cd_keyring){
                .store = new_memory_store(),
                .master = make_master(&r),
                .now = NOON,
                .actor = CD_STR("os:ana"),
        };
        cd_arena_init(&r.arena, 1 << 20);
        *state = &r;
        return 0;
}

static int tear_down(void **state)
{
        struct ring_fixture *r = *state;

        cd_master_key_free((struct cd_master_key *)r->ring.master);
        cd_arena_done(&r->arena);
        r->ring.store->free(r->ring.store);
        return 0;
}

static struct cd_key_record row(const char *kid, cd_time sign_from, cd_time verify_until)
{
        return (struct cd_key_record){ .kid = cd_str_from_c(kid),
                                       .alg = CD_STR("ES256"),
                                       .created_at = 1,
                                       .sign_from = sign_from,
                                       .verify_until = verify_until };
}

static const char *signing(const struct cd_key_records *keys, cd_time now)
{
        const struct cd_key_record *key = cd_key_signing(keys, CD_STR("ES256"), now);
        return key ? key->kid.ptr : "none";
}

static void the_latest_key_whose_time_has_come_signs(void **state)
{
        struct cd_key_record rows[] = { row("old", 100, 500), row("now", 200, 0), row("next", 300, 0) };
        const struct cd_key_records keys = { rows, 3 };

        (void)state;
        assert_string_equal(signing(&keys, 99), "none");
        assert_string_equal(signing(&keys, 100), "old");
        assert_string_equal(signing(&keys, 299), "now");
        assert_string_equal(signing(&keys, 300), "next");
        assert_null(cd_key_signing(&keys, CD_STR("RS256"), 300));
}

static void a_key_that_is_over_neither_signs_nor_verifies(void **state)
{
        struct cd_key_record rows[] = { row("a", 100, 0), row("b", 200, 400) };
        const struct cd_key_records keys = { rows, 2 };

        (void)state;
        assert_string_equal(signing(&keys, 399), "b");
        assert_string_equal(signing(&keys, 400), "a");
        assert_true(cd_key_is_published(&rows[1], 399));
        assert_false(cd_key_is_published(&rows[1], 400));
        assert_true(cd_key_is_published(&rows[1], 0));
}

static void nodes_agree_also_where_two_keys_begin_together(void **state)
{
        struct cd_key_record rows[] = { row("b", 100, 0), row("c", 100, 0), row("a", 100, 0) };
        const struct cd_key_records keys = { rows, 3 };

        (void)state;
        assert_string_equal(signing(&keys, 100), "c");
        rows[2].created_at = 2;
        assert_string_equal(signing(&keys, 100), "a");
}

static void what_a_key_does_has_a_name_for_readers(void **state)
{
        struct cd_key_record rows[] = { row("old", 50, 150), row("before", 100, 500), row("now", 200, 0),
                                        row("next", 300, 0) };
        const struct cd_key_records keys = { rows, 4 };
        static const char *const names[] = { "retired", "verifying", "signing", "next" };

        (void)state;
        for (size_t i = 0; i < 4; i++)
                assert_str(cd_key_state(&keys, &rows[i], 200), names[i]);
}

static void the_next_change_is_the_next_beginning_or_end(void **state)
{
        struct cd_key_record rows[] = { row("a", 100, 500), row("b", 300, 0) };
        const struct cd_key_records keys = { rows, 2 };

        (void)state;
        assert_int_equal(cd_keys_next_change(&keys, 0), 100);
        assert_int_equal(cd_keys_next_change(&keys, 100), 300);
        assert_int_equal(cd_keys_next_change(&keys, 300), 500);
        assert_int_equal(cd_keys_next_change(&keys, 500), 0);
}

static struct cd_key_records list(struct ring_fixture *r)
{
        struct cd_key_records keys;

        assert_status(r->ring.store->keys->list(r->ring.store, &r->arena, &keys, NULL), CD_OK);
        return keys;
}

static struct cd_key_record find(struct ring_fixture *r, cd_str kid)
{
        struct cd_key_records keys = list(r);

        for (size_t i = 0; i < keys.count; i++)
                if (cd_str_eq(keys.items[i].kid, kid))
                        return keys.items[i];
        fail();
        return (struct cd_key_record){ 0 };
}

static struct cd_key_record generate(struct ring_fixture *r)
{
        const struct cd_key_params params = { .alg = CD_ALG_ES256 };
        struct cd_key_record record;

        assert_status(cd_keyring_generate(&r->ring, &r->arena, &params, &record, NULL), CD_OK);
        return record;
}

static void a_key_is_sealed_in_the_store_and_opens_with_the_master_key_alone(void **state)
{
        struct ring_fixture *r = *state;
        struct cd_key_record record = generate(r), there = find(r, record.kid), moved = there;
        struct cd_master_key *other = make_master(r);
        struct cd_jwk *jwk;
        struct cd_error err;

        assert_int_equal(there.sign_from, NOON - CD_KEY_FIRST_BEFORE);
        assert_int_equal(there.verify_until, 0);
        assert_status(cd_keyring_unseal(r->ring.master, &there, &jwk, NULL), CD_OK);
        assert_true(cd_jwk_is_private(jwk));
        assert_true(cd_str_eq(cd_jwk_kid(jwk), record.kid));
        cd_jwk_unref(jwk);
        assert_status(cd_keyring_unseal(other, &there, &jwk, &err), CD_INVALID_REQUEST);
        moved.kid = CD_STR("another");
        assert_status(cd_keyring_unseal(r->ring.master, &moved, &jwk, &err), CD_INVALID_REQUEST);
        cd_master_key_free(other);
}

static void the_public_part_is_published_without_the_private(void **state)
{
        struct ring_fixture *r = *state;
        struct cd_key_record record = generate(r);
        const struct cd_json *object;

        assert_status(cd_json_parse(&r->arena, record.public_jwk, 0, &object, NULL), CD_OK);
        assert_non_null(cd_json_find(object, CD_STR("x")));
        assert_null(cd_json_find(object, CD_STR("d")));
}

/* It was ended by hand, and the tokens of it live still. */
static void a_first_key_takes_over_from_one_that_ends(void **state)
{
        struct ring_fixture *r = *state;
        struct cd_key_record old = generate(r);

        r->ring.now = NOON + 10;
        assert_status(r->ring.store->keys->set_verify_until(r->ring.store, old.kid, NOON + 100, NULL, NULL), CD_OK);
        struct cd_key_record next = generate(r);
        struct cd_key_records keys = list(r);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), NOON + 10)->kid, next.kid.ptr);
}

static void an_alg_has_one_first_key(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256 };
        struct cd_error err;

        generate(r);
        assert_status(cd_keyring_generate(&r->ring, &r->arena, &params, NULL, &err), CD_EXISTS);
        assert_string_equal(err.reason, "there is a key for ES256 already");
}

static void an_rsa_key_has_the_bits_that_were_ordered(void **state)
{
        struct ring_fixture *r = *state;
        struct cd_key_params params = { .alg = CD_ALG_RS256, .rsa_bits = 1024 };
        struct cd_key_record record;
        const struct cd_json *object;

        assert_status(cd_keyring_generate(&r->ring, &r->arena, &params, &record, NULL), CD_INVALID_REQUEST);
        params.rsa_bits = 3072;
        assert_status(cd_keyring_generate(&r->ring, &r->arena, &params, &record, NULL), CD_OK);
        assert_status(cd_json_parse(&r->arena, record.public_jwk, 0, &object, NULL), CD_OK);
        assert_int_equal(cd_json_find(object, CD_STR("n"))->text.len, 512);
}

static void a_rotation_publishes_first_signs_later_and_ends_the_old_when_its_tokens_have_expired(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .publish_before = 600 };
        struct cd_key_record old = generate(r), next;
        struct cd_error err;

        r->ring.now = NOON + 50;
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, &next, NULL), CD_OK);
        assert_int_equal(next.sign_from, NOON + 650);
        assert_int_equal(find(r, old.kid).verify_until, NOON + 650 + CD_KEY_VERIFIES_AFTER);
        struct cd_key_records keys = list(r);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), NOON + 649)->kid, old.kid.ptr);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), NOON + 650)->kid, next.kid.ptr);
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, NULL, &err), CD_EXISTS);
        assert_non_null(strstr(err.reason, "is published already and signs from 2026-"));
}

static void a_rotation_at_once_replaces_the_next_key_too(void **state)
{
        struct ring_fixture *r = *state;
        struct cd_key_params params = { .alg = CD_ALG_ES256 };
        struct cd_key_record old = generate(r), next, now;

        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, &next, NULL), CD_OK);
        params.at_once = true;
        r->ring.now = NOON + 10;
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, &now, NULL), CD_OK);
        struct cd_key_records keys = list(r);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), NOON + 10)->kid, now.kid.ptr);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), NOON + 100000)->kid, now.kid.ptr);
        assert_int_equal(find(r, next.kid).verify_until, NOON + 10);
        assert_int_equal(find(r, old.kid).verify_until, NOON + 10 + CD_KEY_VERIFIES_AFTER);
}

static void a_rotation_in_the_second_of_the_last_one_takes_over_in_the_next(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .at_once = true };
        struct cd_key_record old, now;

        generate(r);
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, &old, NULL), CD_OK);
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, &now, NULL), CD_OK);
        assert_int_equal(now.sign_from, old.sign_from + 1);
        struct cd_key_records keys = list(r);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), old.sign_from)->kid, old.kid.ptr);
        assert_str(cd_key_signing(&keys, CD_STR("ES256"), old.sign_from + 1)->kid, now.kid.ptr);
}

/* The store's keys as of one moment, after which another node rotates them. */
static struct {
        struct ring_fixture *r;
        struct cd_key_ops ops;
        const struct cd_key_ops *real;
        const struct cd_key_params *params; /* of the other node; NULL: it has rotated */
        cd_status status;
        struct cd_key_record made;
} elsewhere;

static cd_status list_then_rotate(struct cd_store *store, struct cd_arena *arena, struct cd_key_records *ret,
                                  struct cd_error *reterr)
{
        const struct cd_key_params *params = elsewhere.params;

        cd_status status = elsewhere.real->list(store, arena, ret, reterr);
        elsewhere.params = NULL;
        if (params)
                elsewhere.status =
                        cd_keyring_rotate(&elsewhere.r->ring, &elsewhere.r->arena, params, &elsewhere.made, NULL);
        return status;
}

static cd_status rotate_beside_another(struct ring_fixture *r, const struct cd_key_params *params,
                                       struct cd_key_record *ret, struct cd_error *reterr)
{
        elsewhere.r = r;
        elsewhere.real = r->ring.store->keys;
        elsewhere.ops = *elsewhere.real;
        elsewhere.ops.list = list_then_rotate;
        elsewhere.params = params;
        r->ring.store->keys = &elsewhere.ops;
        cd_status status = cd_keyring_rotate(&r->ring, &r->arena, params, ret, reterr);
        r->ring.store->keys = elsewhere.real;
        assert_status(elsewhere.status, CD_OK);
        return status;
}

/* Else there were two next keys from one second on, and which of them signs would be the toss of a coin: also the one
 * that ends before its tokens do. */
static void of_two_who_rotate_at_once_one_is_told_of_the_others_key(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256 };
        struct cd_key_record next;
        struct cd_error err;

        generate(r);
        assert_status(rotate_beside_another(r, &params, &next, &err), CD_EXISTS);
        assert_non_null(strstr(err.reason, "is published already and signs from 2026-"));
        assert_int_equal(list(r).count, 2);
        assert_int_equal(find(r, elsewhere.made.kid).verify_until, 0);
}

static void of_two_who_rotate_now_the_second_takes_over_after_the_first(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .at_once = true };
        struct cd_key_record now;

        generate(r);
        assert_status(rotate_beside_another(r, &params, &now, NULL), CD_OK);
        assert_int_equal(now.sign_from, elsewhere.made.sign_from + 1);
        assert_int_equal(find(r, now.kid).verify_until, 0);
        assert_int_equal(find(r, elsewhere.made.kid).verify_until, now.sign_from + CD_KEY_VERIFIES_AFTER);
}

static void nothing_rotates_where_there_is_no_key(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_EDDSA };
        struct cd_error err;

        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, NULL, &err), CD_NOT_FOUND);
        assert_string_equal(err.reason, "there is no key for EdDSA");
}

static void a_key_that_signs_is_not_retired(void **state)
{
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .at_once = true };
        struct cd_key_record old = generate(r);
        struct cd_error err;

        assert_status(cd_keyring_retire(&r->ring, &r->arena, CD_STR("none"), &err), CD_NOT_FOUND);
        assert_status(cd_keyring_retire(&r->ring, &r->arena, old.kid, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "it signs now: rotate first");
        r->ring.now = NOON + 1;
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, NULL, NULL), CD_OK);
        assert_status(cd_keyring_retire(&r->ring, &r->arena, old.kid, NULL), CD_OK);
        assert_int_equal(find(r, old.kid).verify_until, NOON + 1);
        r->ring.now = NOON + 9;
        assert_status(cd_keyring_retire(&r->ring, &r->arena, old.kid, NULL), CD_OK);
        assert_int_equal(find(r, old.kid).verify_until, NOON + 1);
}

static void every_change_is_an_audit_event(void **state)
{
        static const char *const actions[] = { "key.generate", "key.rotate", "key.retire" };
        struct ring_fixture *r = *state;
        const struct cd_key_params params = { .alg = CD_ALG_ES256, .at_once = true };
        struct cd_key_record old = generate(r);
        struct cd_audit_events events;

        r->ring.now = NOON + 1;
        assert_status(cd_keyring_rotate(&r->ring, &r->arena, &params, NULL, NULL), CD_OK);
        assert_status(cd_keyring_retire(&r->ring, &r->arena, old.kid, NULL), CD_OK);
        assert_status(r->ring.store->audit->list(r->ring.store, &r->arena, 0, 10, &events, NULL), CD_OK);
        assert_int_equal(events.count, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_str(events.items[i].action, actions[i]);
                assert_str(events.items[i].actor, "os:ana");
        }
        assert_non_null(strstr(events.items[0].detail.ptr, "ES256, signs from 2026-11-21T"));
}

static void another_master_key_is_noticed(void **state)
{
        struct ring_fixture *r = *state;
        struct cd_keyring other = r->ring;
        struct cd_error err;

        assert_status(cd_master_use(&r->ring, (struct cd_master_key *)r->ring.master, NULL), CD_OK);
        assert_status(cd_master_use(&r->ring, (struct cd_master_key *)r->ring.master, NULL), CD_OK);
        other.master = make_master(r);
        assert_status(cd_master_use(&other, (struct cd_master_key *)other.master, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.field, "master_key");
        assert_string_equal(err.reason, "is not the one that this store was created with; restore that one");
        cd_master_key_free((struct cd_master_key *)other.master);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_latest_key_whose_time_has_come_signs),
                cmocka_unit_test(a_key_that_is_over_neither_signs_nor_verifies),
                cmocka_unit_test(nodes_agree_also_where_two_keys_begin_together),
                cmocka_unit_test(what_a_key_does_has_a_name_for_readers),
                cmocka_unit_test(the_next_change_is_the_next_beginning_or_end),
                TEST(a_key_is_sealed_in_the_store_and_opens_with_the_master_key_alone),
                TEST(the_public_part_is_published_without_the_private),
                TEST(an_alg_has_one_first_key),
                TEST(a_first_key_takes_over_from_one_that_ends),
                TEST(an_rsa_key_has_the_bits_that_were_ordered),
                TEST(a_rotation_publishes_first_signs_later_and_ends_the_old_when_its_tokens_have_expired),
                TEST(a_rotation_at_once_replaces_the_next_key_too),
                TEST(a_rotation_in_the_second_of_the_last_one_takes_over_in_the_next),
                TEST(of_two_who_rotate_at_once_one_is_told_of_the_others_key),
                TEST(of_two_who_rotate_now_the_second_takes_over_after_the_first),
                TEST(nothing_rotates_where_there_is_no_key),
                TEST(a_key_that_signs_is_not_retired),
                TEST(every_change_is_an_audit_event),
                TEST(another_master_key_is_noticed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
