#include <stdatomic.h>
#include <stdio.h>

#include "contract/stage.h"

static struct cd_key_addition some_key(const char *kid, cd_time created_at)
{
        return (struct cd_key_addition){
                .key = {
                        .kid = cd_str_from_c(kid),
                        .alg = CD_STR("ES256"),
                        .sealed = CD_STR("x1.abc"),
                        .public_jwk = CD_STR("{\"kty\":\"EC\"}"),
                        .created_at = created_at,
                        .sign_from = created_at + 3600,
                },
        };
}

static cd_status add(struct stage *s, const struct cd_key_addition *addition)
{
        return s->store->keys->add(s->store, addition, &an_event, &s->error);
}

static struct cd_key_records list(struct stage *s)
{
        struct cd_key_records keys = { 0 };

        assert_status(s->store->keys->list(s->store, &s->arena, &keys, &s->error), CD_OK);
        return keys;
}

static cd_time verify_until(struct stage *s, const char *kid)
{
        struct cd_key_records keys = list(s);

        for (size_t i = 0; i < keys.count; i++)
                if (cd_str_eq_c(keys.items[i].kid, kid))
                        return keys.items[i].verify_until;
        fail_msg("no key %s", kid);
        return -1;
}

static void a_key_is_listed_with_every_field_as_given(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition addition = some_key("k1", 100);

        addition.key.verify_until = 9999;
        assert_int_equal(list(s).count, 0);
        assert_status(add(s, &addition), CD_OK);
        struct cd_key_records keys = list(s);
        assert_int_equal(keys.count, 1);
        assert_str(keys.items[0].kid, "k1");
        assert_str(keys.items[0].alg, "ES256");
        assert_str(keys.items[0].sealed, "x1.abc");
        assert_str(keys.items[0].public_jwk, "{\"kty\":\"EC\"}");
        assert_int_equal(keys.items[0].created_at, 100);
        assert_int_equal(keys.items[0].sign_from, 3700);
        assert_int_equal(keys.items[0].verify_until, 9999);
        assert_int_equal(count_events(s), 1);
}

static void keys_are_listed_by_age_then_by_kid(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition b = some_key("b", 100), c = some_key("c", 50), a = some_key("a", 100);

        assert_status(add(s, &b), CD_OK);
        assert_status(add(s, &c), CD_OK);
        assert_status(add(s, &a), CD_OK);
        struct cd_key_records keys = list(s);
        assert_str(keys.items[0].kid, "c");
        assert_str(keys.items[1].kid, "a");
        assert_str(keys.items[2].kid, "b");
}

static void a_kid_that_is_there_is_refused_and_ends_no_key(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition first = some_key("k1", 100), again = some_key("k1", 200);

        assert_status(add(s, &first), CD_OK);
        again.others_until = 500;
        assert_status(add(s, &again), CD_EXISTS);
        assert_int_equal(list(s).count, 1);
        assert_int_equal(list(s).items[0].created_at, 100);
        assert_int_equal(verify_until(s, "k1"), 0);
        assert_int_equal(count_events(s), 1);
}

static void a_first_key_is_refused_where_one_of_its_alg_is_open(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition es = some_key("es", 100), rs = some_key("rs", 100), next = some_key("next", 200);

        es.only_if_first = rs.only_if_first = next.only_if_first = true;
        rs.key.alg = CD_STR("RS256");
        assert_status(add(s, &es), CD_OK);
        assert_status(add(s, &rs), CD_OK);
        assert_status(add(s, &next), CD_EXISTS);
        assert_int_equal(list(s).count, 2);
        assert_status(s->store->keys->set_verify_until(s->store, CD_STR("es"), 300, &an_event, &s->error), CD_OK);
        assert_status(add(s, &next), CD_OK);
}

static void the_next_key_sets_the_end_of_the_others_of_its_alg(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition open = some_key("open", 1), later = some_key("later", 2), over = some_key("over", 3);
        struct cd_key_addition other = some_key("other", 4), next = some_key("next", 5);

        later.key.verify_until = 9000;
        over.key.verify_until = 400;
        other.key.alg = CD_STR("RS256");
        next.others_until = 5000;
        assert_status(add(s, &open), CD_OK);
        assert_status(add(s, &later), CD_OK);
        assert_status(add(s, &over), CD_OK);
        assert_status(add(s, &other), CD_OK);
        assert_status(add(s, &next), CD_OK);
        assert_int_equal(verify_until(s, "open"), 5000);
        assert_int_equal(verify_until(s, "later"), 5000);
        assert_int_equal(verify_until(s, "over"), 400);
        assert_int_equal(verify_until(s, "other"), 0);
        assert_int_equal(verify_until(s, "next"), 0);
}

static void the_end_of_a_key_can_be_set(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition key = some_key("k1", 100);

        assert_status(add(s, &key), CD_OK);
        assert_status(s->store->keys->set_verify_until(s->store, CD_STR("k1"), 777, &an_event, &s->error), CD_OK);
        assert_int_equal(verify_until(s, "k1"), 777);
        assert_status(s->store->keys->set_verify_until(s->store, CD_STR("k2"), 777, &an_event, &s->error),
                      CD_NOT_FOUND);
        assert_int_equal(count_events(s), 2);
}

static void every_change_of_keys_grows_their_version_alone(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition key = some_key("k1", 100);
        struct cd_store_versions first = get_versions(s);

        assert_status(add(s, &key), CD_OK);
        struct cd_store_versions second = get_versions(s);
        assert_true(second.keys > first.keys);
        assert_status(s->store->keys->set_verify_until(s->store, CD_STR("k1"), 777, &an_event, &s->error), CD_OK);
        assert_true(get_versions(s).keys > second.keys);
        assert_int_equal(get_versions(s).clients, first.clients);
        assert_int_equal(get_versions(s).revocations, first.revocations);
}

static _Atomic int made;

static const char *make_the_first_key(struct stage *s, size_t number)
{
        char kid[16];
        struct cd_error error;

        snprintf(kid, sizeof(kid), "k%zu", number);
        struct cd_key_addition addition = some_key(kid, 100);
        addition.only_if_first = true;
        cd_status status = s->store->keys->add(s->store, &addition, &an_event, &error);
        if (status == CD_OK)
                made++;
        return status == CD_OK || status == CD_EXISTS ? NULL : "neither made nor there";
}

static void of_many_who_make_the_first_key_at_once_one_does(void **state)
{
        struct stage *s = *state;

        made = 0;
        at_once(s, 16, make_the_first_key);
        assert_int_equal(made, 1);
        assert_int_equal(list(s).count, 1);
        assert_int_equal(count_events(s), 1);
}

static void a_key_is_refused_where_the_keys_are_of_another_version(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition first = some_key("first", 100), second = some_key("second", 200);

        assert_status(add(s, &first), CD_OK);
        second.if_version = get_versions(s).keys;
        second.others_until = 5000;
        assert_status(s->store->keys->set_verify_until(s->store, CD_STR("first"), 9000, &an_event, &s->error), CD_OK);
        assert_status(add(s, &second), CD_EXISTS);
        assert_string_equal(s->error.reason, "the keys have changed meanwhile");
        assert_int_equal(list(s).count, 1);
        assert_int_equal(verify_until(s, "first"), 9000);
        assert_int_equal(count_events(s), 2);
        second.if_version = get_versions(s).keys;
        assert_status(add(s, &second), CD_OK);
        assert_int_equal(verify_until(s, "first"), 5000);
}

/* In one step with the new key: between two somebody would see the replaced one take over at its time. */
static void a_key_ends_the_one_that_it_replaces(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition signing = some_key("signing", 100), next = some_key("next", 200),
                               new = some_key("new", 300);

        assert_status(add(s, &signing), CD_OK);
        assert_status(add(s, &next), CD_OK);
        new.others_until = 9000;
        new.replaces = CD_STR("next");
        new.if_version = get_versions(s).keys - 1;
        assert_status(add(s, &new), CD_EXISTS);
        assert_int_equal(verify_until(s, "next"), 0);
        new.if_version = 0;
        assert_status(add(s, &new), CD_OK);
        assert_int_equal(verify_until(s, "signing"), 9000);
        assert_int_equal(verify_until(s, "next"), 300);
        assert_int_equal(verify_until(s, "new"), 0);
}

static int64_t version_seen;

static const char *make_the_next_key(struct stage *s, size_t number)
{
        char kid[16];
        struct cd_error error;

        snprintf(kid, sizeof(kid), "n%zu", number);
        struct cd_key_addition addition = some_key(kid, 100);
        addition.if_version = version_seen;
        cd_status status = s->store->keys->add(s->store, &addition, &an_event, &error);
        if (status == CD_OK)
                made++;
        return status == CD_OK || status == CD_EXISTS ? NULL : "neither made nor changed meanwhile";
}

static void of_many_who_add_to_one_version_at_once_one_does(void **state)
{
        struct stage *s = *state;
        struct cd_key_addition first = some_key("first", 100);

        assert_status(add(s, &first), CD_OK);
        version_seen = get_versions(s).keys;
        made = 0;
        at_once(s, 16, make_the_next_key);
        assert_int_equal(made, 1);
        assert_int_equal(list(s).count, 2);
}

static void a_long_key_comes_back_whole(void **state)
{
        struct stage *s = *state;
        static char sealed[8001];
        struct cd_key_addition addition = some_key("k1", 100);

        for (size_t i = 0; i < sizeof(sealed) - 1; i++)
                sealed[i] = (char)('a' + i % 26);
        addition.key.sealed = cd_str_from_c(sealed);
        assert_status(add(s, &addition), CD_OK);
        assert_str(list(s).items[0].sealed, sealed);
}

int run_keys_contract(void)
{
        const struct CMUnitTest tests[] = {
                CONTRACT(a_key_is_listed_with_every_field_as_given),
                CONTRACT(keys_are_listed_by_age_then_by_kid),
                CONTRACT(a_kid_that_is_there_is_refused_and_ends_no_key),
                CONTRACT(a_first_key_is_refused_where_one_of_its_alg_is_open),
                CONTRACT(the_next_key_sets_the_end_of_the_others_of_its_alg),
                CONTRACT(the_end_of_a_key_can_be_set),
                CONTRACT(every_change_of_keys_grows_their_version_alone),
                CONTRACT(of_many_who_make_the_first_key_at_once_one_does),
                CONTRACT(a_key_is_refused_where_the_keys_are_of_another_version),
                CONTRACT(a_key_ends_the_one_that_it_replaces),
                CONTRACT(of_many_who_add_to_one_version_at_once_one_does),
                CONTRACT(a_long_key_comes_back_whole),
        };

        return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
