#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
        ADDED = 10,
        NOW = 20,
        CLAIM_ENDS = 30,
        HOLD_UNTIL = 100,
        EXPIRES = 200,
};

static struct cd_delivery some_delivery(const char *id)
{
        return (struct cd_delivery){
                .id = cd_str_from_c(id),
                .relay = CD_STR("/register"),
                .sealed = CD_STR("x1.sealed"),
                .created_at = ADDED,
                .next_at = ADDED,
                .hold_until = HOLD_UNTIL,
                .expires_at = EXPIRES,
        };
}

static cd_status add(struct stage *s, struct cd_delivery delivery)
{
        return s->store->deliveries->add(s->store, &delivery, &s->error);
}

static struct cd_delivery find(struct stage *s, const char *id)
{
        struct cd_delivery found = { 0 };

        assert_status(s->store->deliveries->find(s->store, &s->arena, cd_str_from_c(id), &found, &s->error), CD_OK);
        return found;
}

static cd_status claim_at(struct stage *s, cd_time now, struct cd_delivery *ret)
{
        return s->store->deliveries->claim(s->store, &s->arena, now, now + CLAIM_ENDS - NOW, ret, &s->error);
}

static struct cd_delivery claim(struct stage *s, cd_time now, const char *id)
{
        struct cd_delivery delivery = { 0 };

        assert_status(claim_at(s, now, &delivery), CD_OK);
        assert_str(delivery.id, id);
        return delivery;
}

static void none_is_due(struct stage *s, cd_time now)
{
        struct cd_delivery delivery;

        assert_status(claim_at(s, now, &delivery), CD_NOT_FOUND);
}

static cd_status update(struct stage *s, struct cd_delivery delivery, int64_t state, cd_time next_at)
{
        delivery.state = state;
        delivery.next_at = next_at;
        return s->store->deliveries->update(s->store, &delivery, &s->error);
}

static void a_delivery_is_found_and_claimed_with_every_field(void **state)
{
        struct stage *s = *state;
        struct cd_delivery odd = some_delivery("d1");

        none_is_due(s, NOW);
        odd.state = CD_DELIVERY_ANSWERED; /* ignored, like the next one */
        odd.attempts = 7;
        assert_status(add(s, odd), CD_OK);
        struct cd_delivery found = find(s, "d1");
        assert_int_equal(found.state, CD_DELIVERY_WAITING);
        assert_int_equal(found.attempts, 0);
        assert_int_equal(found.next_at, ADDED);
        none_is_due(s, ADDED - 1);
        struct cd_delivery claimed = claim(s, NOW, "d1");
        found = find(s, "d1");
        for (int i = 0; i < 2; i++, claimed = found) {
                assert_str(claimed.relay, "/register");
                assert_str(claimed.sealed, "x1.sealed");
                assert_int_equal(claimed.state, CD_DELIVERY_SENDING);
                assert_int_equal(claimed.attempts, 1);
                assert_int_equal(claimed.created_at, ADDED);
                assert_int_equal(claimed.next_at, CLAIM_ENDS);
                assert_int_equal(claimed.hold_until, HOLD_UNTIL);
                assert_int_equal(claimed.expires_at, EXPIRES);
        }
        none_is_due(s, CLAIM_ENDS - 1);
        assert_status(s->store->deliveries->find(s->store, &s->arena, CD_STR("d2"), &found, &s->error), CD_NOT_FOUND);
}

static void the_one_that_is_due_longest_is_claimed_first(void **state)
{
        struct stage *s = *state;
        struct cd_delivery late = some_delivery("a");

        late.next_at = ADDED + 1;
        assert_status(add(s, late), CD_OK);
        assert_status(add(s, some_delivery("b")), CD_OK);
        claim(s, NOW, "b");
        claim(s, NOW, "a");
        none_is_due(s, NOW);
}

static void what_was_answered_or_given_up_is_never_claimed_or_changed_again(void **state)
{
        struct stage *s = *state;

        for (int64_t end = CD_DELIVERY_ANSWERED; end <= CD_DELIVERY_FAILED; end++) {
                const char *id = end == CD_DELIVERY_ANSWERED ? "d1" : "d2";
                assert_status(add(s, some_delivery(id)), CD_OK);
                struct cd_delivery claimed = claim(s, NOW, id);
                claimed.sealed = CD_STR("x1.answer");
                assert_status(update(s, claimed, end, NOW), CD_OK);
                stage_reopen(s);
                none_is_due(s, CLAIM_ENDS + 1);
                assert_int_equal(find(s, id).state, end);
                assert_str(find(s, id).sealed, "x1.answer");
                claimed.sealed = CD_STR("x1.late");
                assert_status(update(s, claimed, CD_DELIVERY_WAITING, NOW), CD_NOT_FOUND);
                assert_status(update(s, claimed, CD_DELIVERY_ANSWERED, NOW), CD_NOT_FOUND);
                assert_int_equal(find(s, id).state, end);
                assert_str(find(s, id).sealed, "x1.answer");
        }
}

static void a_claim_ends_by_itself_and_its_former_owner_changes_nothing(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, some_delivery("d1")), CD_OK);
        struct cd_delivery first = claim(s, NOW, "d1");
        struct cd_delivery second = claim(s, CLAIM_ENDS, "d1");
        assert_int_equal(second.attempts, 2);
        assert_status(update(s, first, CD_DELIVERY_FAILED, NOW), CD_NOT_FOUND);
        assert_int_equal(find(s, "d1").state, CD_DELIVERY_SENDING);
        assert_status(update(s, second, CD_DELIVERY_WAITING, 50), CD_OK);
        none_is_due(s, 49);
        struct cd_delivery third = claim(s, 50, "d1");
        assert_int_equal(third.attempts, 3);
        assert_status(update(s, third, CD_DELIVERY_ANSWERED, 50), CD_OK);
}

static void nothing_is_claimed_that_is_held_no_longer(void **state)
{
        struct stage *s = *state;

        assert_status(add(s, some_delivery("d1")), CD_OK);
        none_is_due(s, HOLD_UNTIL);
        struct cd_delivery claimed = claim(s, HOLD_UNTIL - 1, "d1");
        none_is_due(s, EXPIRES);
        assert_status(update(s, claimed, CD_DELIVERY_ANSWERED, EXPIRES), CD_OK);
}

static size_t expire_at(struct stage *s, cd_time now)
{
        const struct cd_store_expiry expiry = { .now = now, .limit = 100 };
        size_t deleted = 0;

        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        return deleted;
}

enum {
        ADDERS = 50 /* which add as many as may wait */
};

/* On a busy machine, a call beside 49 others may end for its time, having added the delivery or not. */
static cd_status add_patiently(struct stage *s, const struct cd_delivery *delivery)
{
        cd_status status = CD_TIMEOUT;
        struct cd_error error;

        for (int attempt = 0; attempt < 10 && (status == CD_TIMEOUT || status == CD_UNAVAILABLE); attempt++) {
                status = s->store->deliveries->add(s->store, delivery, &error);
                if (attempt && status == CD_EXISTS)
                        status = CD_OK;
        }
        return status;
}

static const char *add_many(struct stage *s, size_t number)
{
        struct cd_delivery delivery = some_delivery("");
        char id[16];

        for (size_t i = 0; i < CD_DELIVERIES_MAX / ADDERS; i++) {
                snprintf(id, sizeof(id), "d%05zu", i * ADDERS + number);
                delivery.id = cd_str_from_c(id);
                if (add_patiently(s, &delivery) != CD_OK)
                        return "a delivery could not be added";
        }
        return NULL;
}

static void lesson_22_the_number_that_waits_is_bounded_and_what_expires_is_deleted(void **state)
{
        struct stage *s = *state;

        at_once(s, ADDERS, add_many);
        assert_status(add(s, some_delivery("x")), CD_THROTTLED);
        assert_status(update(s, claim(s, NOW, "d00000"), CD_DELIVERY_WAITING, NOW), CD_OK);
        assert_status(add(s, some_delivery("x")), CD_THROTTLED);
        assert_status(update(s, claim(s, NOW, "d00001"), CD_DELIVERY_FAILED, NOW), CD_OK);
        assert_status(add(s, some_delivery("x")), CD_OK);
        assert_status(add(s, some_delivery("y")), CD_THROTTLED);
        struct cd_delivery later = some_delivery("later"); /* by then, no other is held any more */
        later.created_at = HOLD_UNTIL;
        later.hold_until = EXPIRES;
        later.expires_at = EXPIRES + 1;
        assert_status(add(s, later), CD_OK);
        assert_int_equal(expire_at(s, EXPIRES - 1), 0);
        assert_int_equal(expire_at(s, EXPIRES), 100);
}

static void an_id_is_there_once_and_texts_are_texts(void **state)
{
        struct stage *s = *state;
        struct cd_delivery odd = some_delivery("d2");
        int64_t before = get_versions(s).deliveries;

        assert_status(add(s, some_delivery("d1")), CD_OK);
        assert_true(get_versions(s).deliveries > before);
        assert_status(add(s, some_delivery("d1")), CD_EXISTS);
        odd.sealed = CD_STR("\xff");
        assert_status(add(s, odd), CD_INVALID_REQUEST);
        before = get_versions(s).deliveries;
        assert_status(update(s, claim(s, NOW, "d1"), CD_DELIVERY_ANSWERED, NOW), CD_OK);
        assert_int_equal(get_versions(s).deliveries, before);
}

enum {
        CLAIMERS = 50,
        TO_CLAIM = 20,
};

static atomic_int claims[TO_CLAIM];
static atomic_int none;
static struct cd_store *another; /* where the store is durable: half of the claims are of another node */

static const char *claim_one(struct stage *s, size_t number)
{
        struct cd_store *store = another && number % 2 ? another : s->store;
        struct cd_delivery delivery;
        struct cd_arena arena;
        struct cd_error error;
        uint64_t which = TO_CLAIM;

        cd_arena_init(&arena, 1 << 20);
        cd_status status = store->deliveries->claim(store, &arena, NOW, CLAIM_ENDS, &delivery, &error);
        bool ok = status == CD_NOT_FOUND ||
                  (status == CD_OK && delivery.id.len > 1 &&
                   cd_str_to_u64(cd_str_slice(delivery.id, 1, delivery.id.len), &which) && which < TO_CLAIM);
        if (status == CD_OK && ok)
                atomic_fetch_add(&claims[which], 1);
        if (status == CD_NOT_FOUND)
                atomic_fetch_add(&none, 1);
        cd_arena_done(&arena);
        return ok ? NULL : "a claim failed";
}

static void of_50_who_claim_on_two_nodes_no_two_get_the_same(void **state)
{
        struct stage *s = *state;
        char id[16];

        for (int i = 0; i < TO_CLAIM; i++) {
                snprintf(id, sizeof(id), "d%d", i);
                assert_status(add(s, some_delivery(id)), CD_OK);
                atomic_store(&claims[i], 0);
        }
        atomic_store(&none, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, CLAIMERS, claim_one);
        if (another)
                another->free(another);
        for (int i = 0; i < TO_CLAIM; i++)
                assert_int_equal(atomic_load(&claims[i]), 1);
        assert_int_equal(atomic_load(&none), CLAIMERS - TO_CLAIM);
}

int run_deliveries_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_delivery_is_found_and_claimed_with_every_field),
                CONTRACT(the_one_that_is_due_longest_is_claimed_first),
                CONTRACT(what_was_answered_or_given_up_is_never_claimed_or_changed_again),
                CONTRACT(a_claim_ends_by_itself_and_its_former_owner_changes_nothing),
                CONTRACT(nothing_is_claimed_that_is_held_no_longer),
                CONTRACT(lesson_22_the_number_that_waits_is_bounded_and_what_expires_is_deleted),
                CONTRACT(an_id_is_there_once_and_texts_are_texts),
                CONTRACT(of_50_who_claim_on_two_nodes_no_two_get_the_same),
        };

        return cmocka_run_group_tests_name("deliveries", tests, NULL, NULL);
}
