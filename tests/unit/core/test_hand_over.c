#include "core/hand_over.h"

#include <string.h>

#include "core/digest.h"
#include "unit/core/factor_fixture.h"

#define PAGE "https://wiki.example.org/x?a=b"
static const cd_str wiki = CD_STR_INIT("wiki.example.org");

static struct cd_hand_overs all_of(struct factor_fixture *f)
{
        return (struct cd_hand_overs){ &f->sessions, f->master };
}

static cd_str text_of(const struct cd_hand_over_secret *secret)
{
        return cd_str_of(secret->text, sizeof(secret->text));
}

/* What a test hands over: a session of ana's, to a browser that has the nonce. */
struct hand_over {
        struct cd_session session;
        struct cd_cookie_token token;
        struct cd_hand_over_secret nonce, code;
};

static cd_status give(struct factor_fixture *f, struct hand_over *h)
{
        const struct cd_return_to page = { .url = CD_STR(PAGE), .host = wiki, .path = CD_STR("/x") };
        const struct cd_hand_overs all = all_of(f);
        struct cd_hand_over_params params = { &h->session, cd_cookie_text(&h->token), &page, { 0 } };

        assert_status(cd_digest_text(&f->arena, text_of(&h->nonce), &params.nonce_hash, NULL), CD_OK);
        return cd_hand_over_give(&all, &f->arena, &params, &h->code, &f->err);
}

static struct hand_over begin(struct factor_fixture *f)
{
        const struct cd_session_params params = {
                .user = f->ana.name,
                .generation = f->ana.generation,
                .factors = CD_FACTOR_PASSWORD,
                .idle_lifetime = 600,
                .lifetime = 1500,
        };
        struct hand_over h;

        assert_status(cd_session_start(&f->sessions, &f->arena, &params, &h.session, &h.token, &f->err), CD_OK);
        assert_status(cd_hand_over_new_secret(&f->random, &h.nonce, &f->err), CD_OK);
        assert_status(give(f, &h), CD_OK);
        return h;
}

static cd_status take(struct factor_fixture *f, cd_str code, cd_str nonce, cd_str host, struct cd_handed_over *ret)
{
        const struct cd_hand_overs all = all_of(f);
        const struct cd_hand_over_claim claim = { code, nonce, host };

        memset(&f->err, 0, sizeof(f->err));
        return cd_hand_over_take(&all, &f->arena, &claim, ret, &f->err);
}

static cd_status take_it(struct factor_fixture *f, const struct hand_over *h, struct cd_handed_over *ret)
{
        return take(f, text_of(&h->code), text_of(&h->nonce), wiki, ret);
}

static void assert_refused(struct factor_fixture *f, cd_status status)
{
        assert_status(status, CD_NOT_FOUND);
        assert_string_equal(f->err.reason, "the code was used already, has expired, or is for another host or browser");
}

static void a_code_becomes_the_same_session_once(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f);
        struct cd_handed_over handed;

        assert_status(take_it(f, &h, &handed), CD_OK);
        assert_true(cd_str_eq(handed.token, cd_cookie_text(&h.token)));
        assert_true(cd_str_eq(handed.session.digest, h.session.digest));
        assert_str(handed.session.user, "ana");
        assert_str(handed.url, PAGE);
        assert_refused(f, take_it(f, &h, &handed));
}

/* LESSONS 7: an attacker makes a browser of somebody else use the attacker's code. */
static void lesson_7_a_code_counts_only_with_the_nonce_of_its_browser(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f), other = begin(f);
        struct cd_handed_over handed;

        assert_refused(f, take(f, text_of(&h.code), text_of(&other.nonce), wiki, &handed));
        assert_refused(f, take(f, text_of(&h.code), CD_STR(""), wiki, &handed));
        assert_refused(f, take(f, text_of(&h.code), text_of(&h.code), wiki, &handed));
        cd_str hash;
        assert_status(cd_digest_text(&f->arena, text_of(&h.nonce), &hash, NULL), CD_OK);
        assert_refused(f, take(f, text_of(&h.code), hash, wiki, &handed)); /* it was in a URL */
        assert_status(take_it(f, &h, &handed), CD_OK);                     /* nothing of that has consumed it */
        assert_status(take_it(f, &other, &handed), CD_OK);
}

static void a_code_counts_on_its_host_alone(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f);
        struct cd_handed_over handed;

        assert_refused(f, take(f, text_of(&h.code), text_of(&h.nonce), CD_STR("example.org"), &handed));
        assert_refused(f, take(f, text_of(&h.code), text_of(&h.nonce), CD_STR("git.example.org"), &handed));
        assert_refused(f, take(f, text_of(&h.code), text_of(&h.nonce), CD_STR(""), &handed));
        assert_status(take_it(f, &h, &handed), CD_OK);
}

static void a_code_counts_for_60_seconds(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f), other = begin(f);
        struct cd_handed_over handed;

        f->now = FACTOR_NOON + 59;
        assert_status(take_it(f, &h, &handed), CD_OK);
        f->now = FACTOR_NOON + 60;
        assert_refused(f, take_it(f, &other, &handed));
}

static void what_is_no_code_is_refused(void **state)
{
        static const char *const codes[] = {
                "",
                "x",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/+",
                "\xff\xff",
        };
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f);
        struct cd_handed_over handed;

        for (size_t i = 0; i < CD_LEN(codes); i++)
                assert_refused(f, take(f, cd_str_from_c(codes[i]), text_of(&h.nonce), wiki, &handed));
        assert_true(cd_hand_over_is_secret(text_of(&h.code)));
        assert_false(cd_hand_over_is_secret(CD_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")));
}

static void a_session_that_has_ended_is_not_handed_over(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f), other = begin(f);
        struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .disabled = CD_USER_DISABLE };
        struct cd_handed_over handed;

        assert_status(cd_session_log_out(&f->sessions, &f->arena, &h.session, CD_STR(""), &f->err), CD_OK);
        assert_refused(f, take_it(f, &h, &handed));
        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        assert_refused(f, take_it(f, &other, &handed));
}

/* LESSONS 12: the raised session has another id, and is handed over anew. */
static void lesson_12_a_code_from_before_a_rise_is_of_no_use(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f);
        struct cd_handed_over handed;
        struct cd_session raised;

        assert_status(cd_session_raise(&f->sessions, &f->arena, &h.session, CD_FACTOR_TOTP, &raised, &h.token, &f->err),
                      CD_OK);
        assert_refused(f, take_it(f, &h, &handed));
        h.session = raised;
        assert_status(give(f, &h), CD_OK);
        assert_status(take_it(f, &h, &handed), CD_OK);
        assert_int_equal(handed.session.factors, CD_FACTOR_PASSWORD | CD_FACTOR_TOTP);
}

/* LESSONS 28: a reader of the store gets neither the code nor the session. */
static void the_store_has_neither_code_nor_cookie(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f);
        struct cd_hand_over row;
        cd_str digest;

        assert_status(cd_digest_text(&f->arena, text_of(&h.code), &digest, NULL), CD_OK);
        assert_status(f->store->hand_overs->find(f->store, &f->arena, digest, &row, NULL), CD_OK);
        assert_false(cd_str_eq(row.nonce, text_of(&h.nonce)));
        assert_null(memmem(row.sealed.ptr, row.sealed.len, h.token.text, sizeof(h.token.text)));
        assert_int_equal(row.expires_at, FACTOR_NOON + 60);

        /* moved to the row of another code */
        struct hand_over other = begin(f);
        struct cd_handed_over handed;
        assert_status(cd_digest_text(&f->arena, text_of(&other.code), &digest, NULL), CD_OK);
        struct cd_hand_over moved = row, old;
        assert_status(f->store->hand_overs->find(f->store, &f->arena, digest, &old, NULL), CD_OK);
        assert_status(f->store->hand_overs->take(f->store, &old, FACTOR_NOON, NULL), CD_OK);
        moved.digest = digest;
        moved.nonce = old.nonce;
        assert_status(f->store->hand_overs->put(f->store, &moved, NULL), CD_OK);
        assert_status(take_it(f, &other, &handed), CD_INVALID_REQUEST);
}

static void lesson_31_without_clock_or_randomness_there_is_no_code(void **state)
{
        struct factor_fixture *f = *state;
        struct hand_over h = begin(f);
        struct cd_hand_over_secret nonce;
        struct cd_handed_over handed;

        f->random_fails = true;
        assert_status(cd_hand_over_new_secret(&f->random, &nonce, &f->err), CD_UNAVAILABLE);
        assert_status(give(f, &h), CD_UNAVAILABLE);
        f->random_fails = false;
        f->now = -1;
        assert_status(give(f, &h), CD_UNAVAILABLE);
        assert_status(take_it(f, &h, &handed), CD_UNAVAILABLE);
        f->now = FACTOR_NOON;
        assert_status(take_it(f, &h, &handed), CD_OK);
}

static void the_domains_are_reached_with_what_is_below(void **state)
{
        static const cd_str items[] = { CD_STR_INIT("example.org"), CD_STR_INIT("example.net") };
        const struct cd_strs domains = { items, CD_LEN(items) };

        (void)state;
        assert_true(cd_hand_over_reaches(domains, CD_STR("example.org")));
        assert_true(cd_hand_over_reaches(domains, CD_STR("a.b.example.net")));
        assert_false(cd_hand_over_reaches(domains, CD_STR("notexample.org")));
        assert_false(cd_hand_over_reaches(domains, CD_STR("example.com")));
        assert_false(cd_hand_over_reaches(domains, CD_STR("")));
        assert_false(cd_hand_over_reaches((struct cd_strs){ 0 }, CD_STR("example.org")));
}

static void the_addresses_are_on_the_host_of_the_page(void **state)
{
        static const struct {
                const char *page, *start, *finish;
        } cases[] = {
                { "https://wiki.example.org/x?a=b&c",
                  "https://wiki.example.org/_auth/start?return_to="
                  "https%3A%2F%2Fwiki.example.org%2Fx%3Fa%3Db%26c",
                  "https://wiki.example.org/_auth/finish?code=" },
                { "http://b.localhost:5000",
                  "http://b.localhost:5000/_auth/start?return_to=http%3A%2F%2Fb.localhost%3A5000",
                  "http://b.localhost:5000/_auth/finish?code=" },
                { "https://[::1]:8/", "https://[::1]:8/_auth/start?return_to=https%3A%2F%2F%5B%3A%3A1%5D%3A8%2F",
                  "https://[::1]:8/_auth/finish?code=" },
        };
        struct factor_fixture *f = *state;
        struct cd_hand_over_secret code;
        cd_str url;

        memset(code.text, 'c', sizeof(code.text));
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                const struct cd_return_to page = { .url = cd_str_from_c(cases[i].page) };
                assert_status(cd_hand_over_start_url(&f->arena, &page, &url), CD_OK);
                assert_str(url, cases[i].start);
                assert_status(cd_hand_over_finish_url(&f->arena, &page, &code, &url), CD_OK);
                assert_true(cd_str_has_prefix(url, cd_str_from_c(cases[i].finish)));
                assert_int_equal(url.len, strlen(cases[i].finish) + CD_HAND_OVER_SECRET_SIZE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FACTOR_TEST(a_code_becomes_the_same_session_once),
                FACTOR_TEST(lesson_7_a_code_counts_only_with_the_nonce_of_its_browser),
                FACTOR_TEST(a_code_counts_on_its_host_alone),
                FACTOR_TEST(a_code_counts_for_60_seconds),
                FACTOR_TEST(what_is_no_code_is_refused),
                FACTOR_TEST(a_session_that_has_ended_is_not_handed_over),
                FACTOR_TEST(lesson_12_a_code_from_before_a_rise_is_of_no_use),
                FACTOR_TEST(the_store_has_neither_code_nor_cookie),
                FACTOR_TEST(lesson_31_without_clock_or_randomness_there_is_no_code),
                cmocka_unit_test(the_domains_are_reached_with_what_is_below),
                FACTOR_TEST(the_addresses_are_on_the_host_of_the_page),
        };

        return cmocka_run_group_tests_name("hand_over", tests, NULL, NULL);
}
