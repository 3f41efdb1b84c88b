#include "unit/portal/portal_fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/personal_token.h"

enum {
        BOTH = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP
};

#define WIKI "&name=Backup&days=30&hosts=wiki.example.com&paths=%2Fapi%2F&methods=get+head&networks=10.0.0.0%2F8"

static struct answer tokens(struct portal_fixture *p)
{
        return portal_get(p, &p->browser, cd_portal_tokens, "/tokens");
}

static struct answer make(struct portal_fixture *p, const char *fields)
{
        return portal_post(p, &p->browser, cd_portal_tokens, "/tokens", fields);
}

static struct answer revoke(struct portal_fixture *p, cd_str id)
{
        cd_str fields = cd_arena_printf(&p->f->arena, "&token=%.*s", CD_STR_ARG(id));

        return portal_post(p, &p->browser, cd_portal_revoke_token, "/tokens/revoke", fields.ptr);
}

static struct cd_personal_tokens_list list_of(struct portal_fixture *p, const char *user)
{
        struct cd_personal_tokens_list list;

        assert_status(cd_personal_token_list(&p->f->sessions, &p->f->arena, cd_str_from_c(user), &list, &p->f->err),
                      CD_OK);
        return list;
}

/* The token that the page shows. */
static cd_str shown(const struct answer *page)
{
        const char *at = strstr(page->body.ptr, "id=\"token\">cdp_");

        assert_non_null(at);
        return cd_str_of(at + strlen("id=\"token\">"), CD_PERSONAL_TOKEN_SIZE);
}

static int64_t uptime(const struct cd_clock *clock)
{
        (void)clock;
        return 1000;
}

static void a_token_is_shown_once_and_then_listed_without_it(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer made = make(p, WIKI);
        assert_int_equal(made.status, 200);
        assert_str(answer_header(&made, "Cache-Control"), "no-store");
        cd_str token = cd_arena_copy(&p->f->arena, cd_arena_printf(&p->f->arena, "%.*s", CD_STR_ARG(shown(&made))));
        assert_true(answer_has(&made, "Authorization: Bearer cdp_"));
        assert_true(answer_has(&made, "curl -H @token.txt https://wiki.example.com/"));

        struct answer page = tokens(p);
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "<bdi>Backup</bdi>"));
        assert_true(answer_has(&page, "valid until 2026-12-22 12:00 UTC"));
        assert_true(answer_has(&page, "made 2026-11-22 12:00 UTC"));
        assert_true(answer_has(&page, "never used"));
        assert_true(answer_has(&page, "Hosts: <bdi>wiki.example.com</bdi>"));
        assert_true(answer_has(&page, "Paths: <bdi>/api/</bdi>"));
        assert_true(answer_has(&page, "Methods: <bdi>GET, HEAD</bdi>"));
        assert_true(answer_has(&page, "Networks: <bdi>10.0.0.0/8</bdi>"));
        assert_false(answer_has(&page, "cdp_"));
        assert_int_equal(list_of(p, "ana").items[0].factors, BOTH);

        /* It is the token of that user. */
        const struct cd_session_lookup lookup = { &p->f->sessions, &p->store_state };
        const struct cd_session_cache_options options = { 100, 1 << 16, &p->f->clock, NULL };
        struct cd_live_token live;
        p->f->clock.uptime = uptime;
        p->f->sessions.cache = cd_session_cache_new(&options);
        assert_status(cd_personal_token_look_up(&lookup, &p->f->arena, cd_str_of(token.ptr, token.len),
                                                CD_STR("10.0.0.7"), &live, &p->f->err),
                      CD_OK);
        assert_str(live.owner.user, "ana");
        cd_session_cache_free(p->f->sessions.cache);
        p->f->sessions.cache = NULL;
        page = tokens(p);
        assert_true(answer_has(&page, "last used 2026-11-22 12:00 UTC"));
        assert_true(answer_has(&page, "<bdi>10.0.0.7</bdi>"));
}

static void the_example_is_a_site_that_exists(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        struct answer made = make(p, "&name=x&days=1&hosts=*.lab.example.com+grafana.example.com");
        assert_true(answer_has(&made, "https://grafana.example.com/"));
        made = make(p, "&name=x&days=1");
        assert_true(answer_has(&made, "https://wiki.example.com/"));
        portal_set_rules(p, NULL, 0);
        made = make(p, "&name=x&days=1");
        assert_true(answer_has(&made, "https://auth.example.com/"));
}

static void what_is_wrong_is_said_and_what_was_typed_stays(void **state)
{
        static const struct {
                const char *fields, *text;
                int status;
        } samples[] = {
                { "&name=&days=30", "Fill in every field.", 400 },
                { "&name=x&days=", "Fill in every field.", 400 },
                { "&name=x&days=0", "A token is valid for a whole number of days, at most 365.", 400 },
                { "&name=x&days=366", "A token is valid for a whole number of days, at most 365.", 400 },
                { "&name=x&days=1.5", "A token is valid for a whole number of days, at most 365.", 400 },
                { "&name=x&days=30&hosts=https%3A%2F%2Fwiki",
                  "Write at most 16 hosts without a port, as in wiki.example.com or *.example.com.", 400 },
                { "&name=x&days=30&hosts=wiki.example.com%3A8443",
                  "Write at most 16 hosts without a port, as in wiki.example.com or *.example.com.", 400 },
                { "&name=x&days=30&paths=api", "Write at most 16 paths, as in /status or /api/.", 400 },
                { "&name=x&days=30&methods=1", "Write at most 16 methods, as in GET or POST.", 400 },
                { "&name=x&days=30&networks=here", "Write at most 16 networks, as in 192.0.2.7 or 10.0.0.0/8.", 400 },
                { "&name=0123456789012345678901234567890123456789012345678901234567890123x&days=30",
                  "This name is too long, or has characters that cannot be shown.", 400 },
                { "&name=a%00b&days=30", "The form could not be read. Send it again.", 400 },
                { "&name=x&name=y&days=30", "The form could not be read. Send it again.", 400 },
        };
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                struct answer answer = make(p, samples[i].fields);
                assert_error(&answer, samples[i].status, samples[i].text);
        }
        struct answer answer = make(p, "&name=Backup&days=30&hosts=wiki.example.com&paths=api");
        assert_true(answer_has(&answer, "value=\"Backup\""));
        assert_true(answer_has(&answer, "value=\"wiki.example.com\""));
        assert_true(answer_has(&answer, "name=\"paths\" autocomplete=\"off\" autocapitalize=\"none\" "
                                        "spellcheck=\"false\" value=\"api\" aria-invalid=\"true\""));
        assert_int_equal(list_of(p, "ana").count, 0);
        p->browser.accept = "application/json";
        answer = make(p, "&name=x&days=");
        assert_int_equal(answer.status, 400);
        assert_true(answer_has(&answer, "{\"error\":\"invalid_request\""));
}

static void there_are_30_tokens_and_not_31(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        for (int i = 0; i < CD_PERSONAL_TOKENS_MAX; i++) {
                struct answer page = tokens(p);
                assert_true(answer_has(&page, "Make the token"));
                assert_int_equal(make(p, WIKI).status, 200);
        }
        struct answer answer = make(p, WIKI);
        assert_error(&answer, 409, "There can be 30 tokens, and no more. Revoke one first.");
        assert_false(answer_has(&answer, "Make the token"));
}

/* As many tokens as a user can have, each with limits as long as they can be, within the memory of one request. */
static void the_largest_page_fits(void **state)
{
        struct portal_fixture *p = *state;
        struct cd_buf paths, hosts;
        cd_str fields;

        portal_log_in(p, &p->browser, "ana", BOTH);
        cd_buf_init(&paths, &p->f->arena, 4096);
        cd_buf_init(&hosts, &p->f->arena, 4096);
        for (int i = 0; i < CD_PERSONAL_TOKEN_ITEMS_MAX; i++) { /* "&" takes five characters in a page */
                cd_buf_printf(&paths,
                              "%s%%2F%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26"
                              "%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26",
                              i ? "+" : "");
                cd_buf_printf(&hosts, "%s%c%029d", i ? "+" : "", 'a' + i, i);
        }
        cd_buf_add_char(&paths, '\0');
        cd_buf_add_char(&hosts, '\0');
        assert_status(cd_buf_view(&paths, &fields), CD_OK);
        const char *path_text = fields.ptr;
        assert_status(cd_buf_view(&hosts, &fields), CD_OK);
        cd_str form = cd_arena_printf(&p->f->arena,
                                      "&name=%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26%%26"
                                      "&days=365&paths=%s&hosts=%s",
                                      path_text, fields.ptr);
        for (int i = 0; i < CD_PERSONAL_TOKENS_MAX; i++)
                assert_int_equal(make(p, form.ptr).status, 200);
        p->f->arena.ceiling = p->f->arena.used + 1024 * 1024;
        struct answer page = tokens(p);
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "</html>"));
}

static void a_token_needs_a_recent_second_factor(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->now += 600;
        assert_int_equal(make(p, WIKI).status, 200);
        p->f->now += 1;
        struct answer page = tokens(p);
        assert_int_equal(page.status, 200);
        assert_true(answer_has(&page, "/step-up?return_to=%2F_auth%2Ftokens"));
        assert_false(answer_has(&page, "Make the token"));
        struct answer answer = make(p, WIKI);
        assert_redirect(&answer, "/step-up?return_to=/_auth/tokens");
        assert_int_equal(list_of(p, "ana").count, 1);

        portal_log_in(p, &p->browser, "ana", CD_FACTOR_PASSWORD); /* recent, but without it */
        answer = make(p, WIKI);
        assert_redirect(&answer, "/step-up?return_to=/_auth/tokens");
        assert_int_equal(list_of(p, "ana").count, 1);
}

static void without_a_second_factor_a_token_needs_a_recent_password(void **state)
{
        struct portal_fixture *p = *state;

        portal_add_user(p, "bo");
        portal_log_in(p, &p->browser, "bo", CD_FACTOR_PASSWORD);
        assert_int_equal(make(p, WIKI).status, 200);
        p->f->now += 601;
        struct answer answer = make(p, WIKI);
        assert_redirect(&answer, "/step-up?return_to=/_auth/tokens");
        answer = portal_post(p, &p->browser, cd_portal_step_up, "/step-up",
                             "&password=password+of+ana&return_to=%2F_auth%2Ftokens");
        assert_redirect(&answer, "/tokens");
        assert_int_equal(make(p, WIKI).status, 200);
        assert_int_equal(list_of(p, "bo").count, 2);
        assert_int_equal(list_of(p, "bo").items[0].factors, CD_FACTOR_PASSWORD);
}

static void after_a_step_up_the_user_makes_the_token(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        p->f->now += 1200;
        cd_str form = cd_arena_printf(&p->f->arena, "&code=%.*s&return_to=%%2F_auth%%2Ftokens",
                                      CD_STR_ARG(factor_code(p->f, p->f->now)));
        struct answer answer = portal_post(p, &p->browser, cd_portal_step_up, "/step-up", form.ptr);
        assert_redirect(&answer, "/tokens");
        assert_int_equal(make(p, WIKI).status, 200);
}

static void lesson_12_a_revoked_token_is_gone(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        assert_int_equal(make(p, WIKI).status, 200);
        assert_int_equal(make(p, WIKI).status, 200);
        p->f->now += 1200; /* a step-up is not asked for */
        cd_str id = list_of(p, "ana").items[0].id;
        struct answer answer = revoke(p, id);
        assert_redirect(&answer, "/tokens?done=token-revoked");
        assert_int_equal(list_of(p, "ana").count, 1);
        assert_false(cd_str_eq(list_of(p, "ana").items[0].id, id));
        answer = portal_get(p, &p->browser, cd_portal_tokens, "/tokens?done=token-revoked");
        assert_true(answer_has(&answer, "The token is revoked."));
        answer = revoke(p, id); /* twice is the same */
        assert_redirect(&answer, "/tokens?done=token-revoked");
}

static void nobody_revokes_the_token_of_another_user(void **state)
{
        struct portal_fixture *p = *state;
        struct browser other = { 0 };

        portal_log_in(p, &p->browser, "ana", BOTH);
        assert_int_equal(make(p, WIKI).status, 200);
        portal_add_user(p, "bo");
        portal_log_in(p, &other, "bo", CD_FACTOR_PASSWORD);
        cd_str form = cd_arena_printf(&p->f->arena, "&token=%.*s", CD_STR_ARG(list_of(p, "ana").items[0].id));
        struct answer answer = portal_post(p, &other, cd_portal_revoke_token, "/tokens/revoke", form.ptr);
        assert_redirect(&answer, "/tokens?done=token-revoked");
        assert_int_equal(list_of(p, "ana").count, 1);
        struct answer page = portal_get(p, &other, cd_portal_tokens, "/tokens");
        assert_false(answer_has(&page, "Backup"));
}

static void forms_need_their_csrf_and_a_session(void **state)
{
        struct portal_fixture *p = *state;
        struct answer answer = tokens(p);

        assert_redirect(&answer, "/login?return_to=%2F_auth%2Ftokens");
        answer = make(p, WIKI);
        assert_int_equal(answer.status, 401);
        portal_log_in(p, &p->browser, "ana", BOTH);
        assert_int_equal(make(p, WIKI).status, 200);
        cd_str id = list_of(p, "ana").items[0].id;
        answer = portal_send(p, &p->browser, cd_portal_tokens, "/tokens", CD_STR("csrf=x" WIKI));
        assert_error(&answer, 403, "This form had expired, and nothing was changed. Send it again.");
        answer = portal_send(p, &p->browser, cd_portal_revoke_token, "/tokens/revoke",
                             cd_arena_printf(&p->f->arena, "csrf=x&token=%.*s", CD_STR_ARG(id)));
        assert_error(&answer, 403, "This form had expired, and nothing was changed. Send it again.");
        p->browser.origin = "https://evil.example.org";
        answer = make(p, WIKI);
        assert_error(&answer, 403, "The form was sent from another site, so it was refused.");
        answer = revoke(p, id);
        assert_error(&answer, 403, "The form was sent from another site, so it was refused.");
        assert_int_equal(list_of(p, "ana").count, 1);
}

static void lesson_12_this_was_not_me_ends_the_tokens(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        assert_int_equal(make(p, WIKI).status, 200);
        portal_post(p, &p->browser, cd_portal_not_me, "/not-me", "");
        assert_int_equal(list_of(p, "ana").count, 0);
}

/* LESSONS 31 */
static void without_randomness_no_token_is_made(void **state)
{
        struct portal_fixture *p = *state;

        portal_log_in(p, &p->browser, "ana", BOTH);
        (void)portal_csrf(p, &p->browser);
        p->f->random_fails = true;
        struct answer answer = make(p, WIKI);
        assert_int_equal(answer.status, 503);
        p->f->random_fails = false;
        assert_int_equal(list_of(p, "ana").count, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PORTAL_TEST(a_token_is_shown_once_and_then_listed_without_it),
                PORTAL_TEST(the_example_is_a_site_that_exists),
                PORTAL_TEST(what_is_wrong_is_said_and_what_was_typed_stays),
                PORTAL_TEST(there_are_30_tokens_and_not_31),
                PORTAL_TEST(the_largest_page_fits),
                PORTAL_TEST(a_token_needs_a_recent_second_factor),
                PORTAL_TEST(without_a_second_factor_a_token_needs_a_recent_password),
                PORTAL_TEST(after_a_step_up_the_user_makes_the_token),
                PORTAL_TEST(lesson_12_a_revoked_token_is_gone),
                PORTAL_TEST(nobody_revokes_the_token_of_another_user),
                PORTAL_TEST(forms_need_their_csrf_and_a_session),
                PORTAL_TEST(lesson_12_this_was_not_me_ends_the_tokens),
                PORTAL_TEST(without_randomness_no_token_is_made),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
