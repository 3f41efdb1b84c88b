#include "contract/stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
        QUEUED = 10,
        EXPIRES = 100, /* of some_mail */
        NOW = 20,
        CLAIM_ENDS = 30,
};

static struct cd_queued_mail some_mail(const char *id, const char *recipient)
{
        return (struct cd_queued_mail){
                .id = cd_str_from_c(id),
                .recipient = cd_str_from_c(recipient),
                .sealed = CD_STR("x1.sealed"),
                .created_at = QUEUED,
                .expires_at = EXPIRES,
                .next_at = QUEUED,
        };
}

static cd_status add(struct stage *s, struct cd_queued_mail mail)
{
        return s->store->mails->add(s->store, &mail, &s->error);
}

static cd_status add_to(struct stage *s, const char *id, const char *recipient)
{
        return add(s, some_mail(id, recipient));
}

static cd_status claim_at(struct stage *s, cd_time now, struct cd_queued_mail *ret)
{
        return s->store->mails->claim(s->store, &s->arena, now, now + CLAIM_ENDS - NOW, ret, &s->error);
}

static struct cd_queued_mail claim(struct stage *s, cd_time now, const char *id)
{
        struct cd_queued_mail mail = { 0 };

        assert_status(claim_at(s, now, &mail), CD_OK);
        assert_str(mail.id, id);
        return mail;
}

static void none_is_due(struct stage *s, cd_time now)
{
        struct cd_queued_mail mail;

        assert_status(claim_at(s, now, &mail), CD_NOT_FOUND);
}

static size_t count(struct stage *s)
{
        size_t found = 99;

        assert_status(s->store->mails->count(s->store, &found, &s->error), CD_OK);
        return found;
}

static cd_status finish(struct stage *s, struct cd_queued_mail mail)
{
        return s->store->mails->remove(s->store, &mail, NULL, &s->error);
}

static cd_status postpone(struct stage *s, struct cd_queued_mail mail, cd_time next_at)
{
        return s->store->mails->postpone(s->store, &mail, next_at, &s->error);
}

static void an_email_is_claimed_with_every_field_and_gone_once_sent(void **state)
{
        struct stage *s = *state;

        none_is_due(s, NOW);
        assert_status(add_to(s, "m1", "ana@example.com"), CD_OK);
        assert_int_equal(count(s), 1);
        none_is_due(s, QUEUED - 1);
        stage_reopen(s);
        struct cd_queued_mail mail = claim(s, NOW, "m1");
        assert_str(mail.recipient, "ana@example.com");
        assert_str(mail.sealed, "x1.sealed");
        assert_int_equal(mail.created_at, QUEUED);
        assert_int_equal(mail.expires_at, EXPIRES);
        assert_int_equal(mail.attempts, 1);
        assert_int_equal(mail.next_at, CLAIM_ENDS);
        none_is_due(s, NOW);
        assert_int_equal(count(s), 1);
        assert_status(finish(s, mail), CD_OK);
        assert_int_equal(count(s), 0);
        assert_status(finish(s, mail), CD_NOT_FOUND);
        assert_int_equal(count_events(s), 0);
}

static void the_one_that_is_due_longest_is_claimed_first(void **state)
{
        struct stage *s = *state;
        struct cd_queued_mail late = some_mail("a", "ana@example.com");

        late.next_at = QUEUED + 2;
        assert_status(add(s, late), CD_OK);
        assert_status(add_to(s, "b", "ana@example.com"), CD_OK);
        claim(s, NOW, "b");
        claim(s, NOW, "a");
        none_is_due(s, NOW);
}

static void a_claim_ends_by_itself_and_the_former_owner_can_change_nothing(void **state)
{
        struct stage *s = *state;

        assert_status(add_to(s, "m1", "ana@example.com"), CD_OK);
        struct cd_queued_mail first = claim(s, NOW, "m1");
        none_is_due(s, CLAIM_ENDS - 1);
        struct cd_queued_mail second = claim(s, CLAIM_ENDS, "m1");
        assert_int_equal(second.attempts, 2);
        assert_status(postpone(s, first, NOW), CD_NOT_FOUND);
        assert_status(finish(s, first), CD_NOT_FOUND);
        none_is_due(s, CLAIM_ENDS);
        assert_status(s->store->mails->remove(s->store, &second, &an_event, &s->error), CD_OK);
        assert_int_equal(count(s), 0);
        assert_int_equal(count_events(s), 1);
}

static void a_postponed_email_is_due_at_its_time_and_never_once_it_has_expired(void **state)
{
        struct stage *s = *state;

        assert_status(add_to(s, "m1", "ana@example.com"), CD_OK);
        assert_status(postpone(s, claim(s, NOW, "m1"), 50), CD_OK);
        none_is_due(s, 49);
        struct cd_queued_mail mail = claim(s, 50, "m1");
        assert_int_equal(mail.attempts, 2);
        assert_status(postpone(s, mail, EXPIRES - 1), CD_OK);
        none_is_due(s, EXPIRES);
        claim(s, EXPIRES - 1, "m1");
        none_is_due(s, EXPIRES + 1000);
}

static void lesson_22_the_queue_is_bounded_for_one_and_for_all(void **state)
{
        struct stage *s = *state;
        char text[64];

        for (int i = 0; i < CD_MAILS_MAX; i++) {
                snprintf(text, sizeof(text), "m%d", i);
                struct cd_queued_mail mail = some_mail(text, "ana@example.com");
                char recipient[64];
                snprintf(recipient, sizeof(recipient), "u%d@example.com", i / CD_MAILS_TO_ONE_MAX);
                mail.recipient = cd_str_from_c(recipient);
                assert_status(add(s, mail), CD_OK);
                if (i == CD_MAILS_TO_ONE_MAX - 1) {
                        assert_status(add_to(s, "x", "u0@example.com"), CD_THROTTLED);
                        assert_string_equal(s->error.field, "to");
                }
        }
        assert_int_equal(count(s), CD_MAILS_MAX);
        assert_status(add_to(s, "x", "other@example.com"), CD_THROTTLED);
        assert_string_equal(s->error.field, "");
        assert_status(finish(s, claim(s, NOW, "m0")), CD_OK);
        assert_status(add_to(s, "x", "u0@example.com"), CD_OK);
        assert_status(add_to(s, "y", "other@example.com"), CD_THROTTLED);
        assert_int_equal(count(s), CD_MAILS_MAX);
}

static void an_id_is_there_once_and_texts_are_texts(void **state)
{
        struct stage *s = *state;
        struct cd_queued_mail odd = some_mail("m2", "ana@example.com");

        assert_status(add_to(s, "m1", "ana@example.com"), CD_OK);
        assert_status(add_to(s, "m1", "bo@example.com"), CD_EXISTS);
        odd.sealed = CD_STR("\xff");
        assert_status(add(s, odd), CD_INVALID_REQUEST);
        odd = some_mail("m2", "ana@example.com");
        odd.recipient = cd_str_of("a\0b", 3);
        assert_status(add(s, odd), CD_INVALID_REQUEST);
        assert_int_equal(count(s), 1);
}

static void lesson_22_expired_emails_are_deleted(void **state)
{
        struct stage *s = *state;
        struct cd_store_expiry expiry = { .now = EXPIRES - 1, .limit = 100 };
        size_t deleted;

        assert_status(add_to(s, "m1", "ana@example.com"), CD_OK);
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(count(s), 1);
        expiry.now = EXPIRES;
        assert_status(s->store->expire(s->store, &expiry, &deleted, &s->error), CD_OK);
        assert_int_equal(deleted, 1);
        assert_int_equal(count(s), 0);
}

static void the_version_grows_with_each_that_is_added_and_with_nothing_else(void **state)
{
        struct stage *s = *state;
        int64_t before = get_versions(s).mails;

        assert_status(add_to(s, "m1", "ana@example.com"), CD_OK);
        int64_t after = get_versions(s).mails;
        assert_true(after > before);
        struct cd_queued_mail mail = claim(s, NOW, "m1");
        assert_status(postpone(s, mail, NOW), CD_OK);
        assert_status(finish(s, claim(s, NOW, "m1")), CD_OK);
        assert_int_equal(get_versions(s).mails, after);
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
        struct cd_queued_mail mail;
        struct cd_arena arena;
        struct cd_error error;
        uint64_t which = TO_CLAIM;

        cd_arena_init(&arena, 1 << 20);
        cd_status status = store->mails->claim(store, &arena, NOW, CLAIM_ENDS, &mail, &error);
        bool ok = status == CD_NOT_FOUND ||
                  (status == CD_OK && cd_str_to_u64(cd_str_slice(mail.id, 1, mail.id.len), &which) && which < TO_CLAIM);
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
        char id[16], recipient[32];

        for (int i = 0; i < TO_CLAIM; i++) {
                snprintf(id, sizeof(id), "m%d", i);
                snprintf(recipient, sizeof(recipient), "u%d@example.com", i);
                assert_status(add_to(s, id, recipient), CD_OK);
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

static atomic_int added;

static const char *add_one(struct stage *s, size_t number)
{
        struct cd_store *store = another && number % 2 ? another : s->store;
        struct cd_error error;
        char id[16];

        snprintf(id, sizeof(id), "m%zu", number);
        struct cd_queued_mail mail = some_mail(id, "ana@example.com");
        cd_status status = store->mails->add(store, &mail, &error);
        if (status == CD_OK)
                atomic_fetch_add(&added, 1);
        return status == CD_OK || status == CD_THROTTLED ? NULL : "an addition failed";
}

static void of_50_that_are_added_at_once_for_one_recipient_5_are(void **state)
{
        struct stage *s = *state;

        atomic_store(&added, 0);
        another = s->row->is_durable ? stage_open_another(s) : NULL;
        at_once(s, 50, add_one);
        if (another)
                another->free(another);
        assert_int_equal(atomic_load(&added), CD_MAILS_TO_ONE_MAX);
        assert_int_equal(count(s), CD_MAILS_TO_ONE_MAX);
}

int run_mails_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(an_email_is_claimed_with_every_field_and_gone_once_sent),
                CONTRACT(the_one_that_is_due_longest_is_claimed_first),
                CONTRACT(a_claim_ends_by_itself_and_the_former_owner_can_change_nothing),
                CONTRACT(a_postponed_email_is_due_at_its_time_and_never_once_it_has_expired),
                CONTRACT(lesson_22_the_queue_is_bounded_for_one_and_for_all),
                CONTRACT(an_id_is_there_once_and_texts_are_texts),
                CONTRACT(lesson_22_expired_emails_are_deleted),
                CONTRACT(the_version_grows_with_each_that_is_added_and_with_nothing_else),
                CONTRACT(of_50_who_claim_on_two_nodes_no_two_get_the_same),
                CONTRACT(of_50_that_are_added_at_once_for_one_recipient_5_are),
        };

        return cmocka_run_group_tests_name("mails", tests, NULL, NULL);
}
