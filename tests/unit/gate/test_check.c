#include "unit/gate/check_fixture.h"

#define WIKI_LOGIN "https://auth.example.com/_auth/login?return_to=https%3A%2F%2Fwiki.example.com%2Fa%3Fb%3Dc%2526d"

/* ---- nobody is logged in ---- */

static void nginx_is_told_401_and_where_the_login_is(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://wiki.example.com/a?b=c%26d");
        add_c(t, "Accept", "text/html");
        assert_int_equal(ask_nginx(t), 401);
        assert_false(t->was_on_worker);
        assert_str(header(t, "Location"), WIKI_LOGIN);
        assert_str(header(t, "WWW-Authenticate"), "Cardea realm=\"auth.example.com\"");
        assert_str(header(t, "Cache-Control"), "no-store");
        assert_true(cd_str_has_prefix(t->res.body, CD_STR("{\"error\":\"login_required\",")));
        assert_null(header(t, "Remote-User").ptr);
        assert_str(t->log.error, "login_required");
}

static void a_browser_is_redirected_by_forward(void **state)
{
        struct fixture *t = *state;

        forward(t, "wiki.example.com", "/a?b=c%26d");
        add_c(t, "Accept", "text/html,application/xhtml+xml");
        assert_int_equal(ask_forward(t), 302);
        assert_str(header(t, "Location"), WIKI_LOGIN);
        assert_str(header(t, "Cache-Control"), "no-store");
        assert_int_equal(t->res.body.len, 0);
        assert_null(header(t, "WWW-Authenticate").ptr);
}

static void a_program_is_told_401_by_forward(void **state)
{
        struct fixture *t = *state;
        static const char *const signs[][2] = { { "Accept", "application/json" },
                                                { "X-Requested-With", "XMLHttpRequest" },
                                                { "Sec-Fetch-Mode", "cors" } };

        for (size_t i = 0; i < CD_LEN(signs); i++) {
                forward(t, "wiki.example.com", "/a?b=c%26d");
                add_c(t, signs[i][0], signs[i][1]);
                if (i)
                        add_c(t, "Accept", "text/html");
                assert_int_equal(ask_forward(t), 401);
                assert_str(header(t, "Location"), WIKI_LOGIN);
                assert_str(t->res.content_type, "application/json");
                assert_non_null(header(t, "WWW-Authenticate").ptr);
        }
}

/* LESSONS 7: the login page would not return there either. */
static void lesson_7_a_page_that_the_login_does_not_return_to_is_not_named(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "http://wiki.example.com/");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"), "https://auth.example.com/_auth/login");
}

/* ---- a site of another root domain ---- */

static void hand_over_to(struct fixture *t, const char *domain)
{
        static cd_str items[1];

        items[0] = cd_str_from_c(domain);
        t->gate.other_domains = (struct cd_strs){ items, 1 };
}

static void with_host_cookie(struct fixture *t)
{
        add(t, "Cookie",
            cd_arena_printf(&t->f->arena, "__Host-cardea_session=%.*s", CD_STR_ARG(cd_cookie_text(&t->token))));
}

static void a_login_for_a_site_of_another_domain_begins_on_the_site(void **state)
{
        struct fixture *t = *state;
        const char *start = "https://wiki.example.com/_auth/start?return_to="
                            "https%3A%2F%2Fwiki.example.com%2Fa%3Fb%3Dc%2526d";

        hand_over_to(t, "wiki.example.com");
        nginx(t, "GET", "https://wiki.example.com/a?b=c%26d");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"), start);
        forward(t, "wiki.example.com", "/a?b=c%26d");
        add_c(t, "Accept", "text/html");
        assert_int_equal(ask_forward(t), 302);
        assert_str(header(t, "Location"), start);
        nginx(t, "GET", "https://wiki.example.com:8443/a");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"), "https://wiki.example.com:8443/_auth/start?return_to="
                                          "https%3A%2F%2Fwiki.example.com%3A8443%2Fa");
        hand_over_to(t, "other.example.com");
        nginx(t, "GET", "https://wiki.example.com/a?b=c%26d");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"), WIKI_LOGIN);
}

/* LESSONS 7: there is no hand-over for a page to which nobody is returned. */
static void lesson_7_a_page_without_a_return_has_no_hand_over(void **state)
{
        struct fixture *t = *state;

        hand_over_to(t, "example.com");
        nginx(t, "GET", "http://wiki.example.com/");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"), "https://auth.example.com/_auth/login");
}

/* LESSONS 7: another host of its domain could set a cookie that is not the host's own. */
static void lesson_7_a_site_of_another_domain_has_a_cookie_of_its_own(void **state)
{
        struct fixture *t = *state;

        hand_over_to(t, "wiki.example.com");
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 401);
        nginx(t, "GET", "https://wiki.example.com/a");
        with_host_cookie(t);
        assert_int_equal(ask_nginx(t), 200);
        assert_true(t->was_on_worker);
        nginx(t, "GET", "https://wiki.example.com/a");
        with_host_cookie(t);
        assert_int_equal(ask_nginx(t), 200);
        assert_false(t->was_on_worker);
        hand_over_to(t, "other.example.com");
        nginx(t, "GET", "https://wiki.example.com/a");
        with_host_cookie(t);
        assert_int_equal(ask_nginx(t), 401);
}

static void more_factors_for_a_site_of_another_domain_are_the_portals_matter(void **state)
{
        struct fixture *t = *state;

        hand_over_to(t, "two.example.com");
        nginx(t, "GET", "https://two.example.com/a");
        with_host_cookie(t);
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"),
                   "https://auth.example.com/_auth/step-up?return_to=https%3A%2F%2Ftwo.example.com%2Fa");
}

/* LESSONS 25 */
static void lesson_25_a_proxy_without_the_portals_route_is_told_so(void **state)
{
        struct fixture *t = *state;

        hand_over_to(t, "wiki.example.com");
        nginx(t, "GET", "https://wiki.example.com/_auth/start?return_to=x");
        assert_int_equal(ask_nginx(t), 403);
        logs(t, "access_denied", "the proxy does not pass /_auth/ of this host on to Cardea (cardea proxy-config)");
        nginx(t, "GET", "https://wiki.example.com/_auth/%73tart?return_to=x");
        assert_int_equal(ask_nginx(t), 403);
        hand_over_to(t, "other.example.com");
        nginx(t, "GET", "https://wiki.example.com/_auth/start");
        assert_int_equal(ask_nginx(t), 401);
}

/* ---- a session ---- */

static void a_session_is_read_once_and_then_judged_on_the_loop(void **state)
{
        struct fixture *t = *state;

        for (int i = 0; i < 2; i++) {
                nginx(t, "GET", "https://wiki.example.com/a");
                with_cookie(t, "a=b; ", "; c=\"d;e\"");
                assert_int_equal(ask_nginx(t), 200);
                assert_int_equal(t->was_on_worker, i == 0);
                assert_str(header(t, "Remote-User"), "ana");
                assert_str(header(t, "Remote-Groups"), "admins,staff");
                assert_str(header(t, "Remote-Email"), "ana@example.com");
                assert_str(header(t, "Remote-Name"), "Ana Müller");
                assert_str(header(t, "Cookie"), "a=b; c=\"d; e\"");
                assert_str(header(t, "Cache-Control"), "no-store");
                assert_int_equal(t->res.body.len, 0);
                assert_str(t->log.user, "ana");
                assert_true(t->log.session.len > 0); /* from the cache too */
        }
}

static void the_names_of_the_headers_are_those_of_the_gate(void **state)
{
        struct fixture *t = *state;

        t->gate.identity = (struct cd_identity_headers){ CD_STR("X-U"), CD_STR("X-G"), CD_STR("X-E"), CD_STR("X-N") };
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "X-U"), "ana");
        assert_str(header(t, "X-G"), "admins,staff");
        assert_str(header(t, "X-E"), "ana@example.com");
        assert_str(header(t, "X-N"), "Ana Müller");
        assert_null(header(t, "Remote-User").ptr);
}

static void too_few_factors_lead_to_the_step_up_page(void **state)
{
        struct fixture *t = *state;
        const char *location = "https://auth.example.com/_auth/step-up?return_to=https%3A%2F%2Ftwo.example.com%2Fa";

        nginx(t, "GET", "https://two.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 401);
        assert_str(header(t, "Location"), location);
        assert_str(t->log.error, "insufficient_user_authentication");
        forward(t, "two.example.com", "/a");
        add_c(t, "Accept", "text/html");
        with_cookie(t, "", "");
        assert_int_equal(ask_forward(t), 302);
        assert_str(header(t, "Location"), location);
        start_session(t, CD_FACTOR_PASSWORD | CD_FACTOR_RECOVERY);
        nginx(t, "GET", "https://two.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
}

static void another_account_may_be_allowed_where_this_one_is_not(void **state)
{
        struct fixture *t = *state;

        forward(t, "bo.example.com", "/a");
        add_c(t, "Accept", "text/html");
        with_cookie(t, "", "");
        assert_int_equal(ask_forward(t), 302);
        assert_str(header(t, "Location"),
                   "https://auth.example.com/_auth/forbidden?return_to=https%3A%2F%2Fbo.example.com%2Fa");
        assert_str(t->res.body, "");
        logs(t, "access_denied", "bo.example.com: user ana is none of the rule's users");
        assert_null(header(t, "Remote-User").ptr);
}

static void lesson_1_what_no_rule_allows_is_denied_without_a_lookup(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://other.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 403);
        assert_false(t->was_on_worker);
        assert_null(header(t, "Location").ptr);
        logs(t, "access_denied", "other.example.com: no rule has this host and path");
}

static void a_method_that_the_rule_lacks_is_denied(void **state)
{
        struct fixture *t = *state;

        nginx(t, "POST", "https://get.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 403);
        nginx(t, "HEAD", "https://get.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
}

static void lesson_2_a_path_that_is_not_canonical_is_denied_where_a_rule_names_one(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://path.example.com/open/%2e%2e/secret");
        assert_int_equal(ask_nginx(t), 403);
        nginx(t, "GET", "https://path.example.com//open/");
        assert_int_equal(ask_nginx(t), 403);
        nginx(t, "GET", "https://path.example.com/open/x");
        assert_int_equal(ask_nginx(t), 200);
        nginx(t, "GET", "https://wiki.example.com/a/%2e%2e/b");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
}

/* ---- where everybody may go ---- */

static void lesson_45_every_header_is_in_every_200(void **state)
{
        struct fixture *t = *state;
        static const char *const empty[] = { "Remote-User", "Remote-Groups", "Remote-Email",
                                             "Remote-Name", "Authorization", "X-Api-Key" };

        nginx(t, "GET", "https://pub.example.com/a");
        add_c(t, "Remote-User", "root");
        add_c(t, "remote_user", "root");
        assert_int_equal(ask_nginx(t), 200);
        for (size_t i = 0; i < CD_LEN(empty); i++) {
                assert_non_null(header(t, empty[i]).ptr);
                assert_str(header(t, empty[i]), "");
        }
        assert_str(header(t, "Cookie"), "cardea-filtered=1");
}

static void a_user_who_is_logged_in_is_named_there_too(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://pub.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Remote-User"), "ana");
}

static void without_the_store_everybody_may_still_go_there(void **state)
{
        struct fixture *t = *state;

        t->state.is_unavailable = true;
        nginx(t, "GET", "https://pub.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Remote-User"), "");
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 503);
        assert_str(header(t, "Retry-After"), "1");
        assert_null(header(t, "Remote-User").ptr);
        logs(t, "temporarily_unavailable", "the store is unavailable");
}

/* Another node has ended the session, and the cache of this one has it still: the identity that was read from there
 * must not stay in the answer. */
static void lesson_12_a_session_that_has_ended_elsewhere_is_named_nowhere(void **state)
{
        struct fixture *t = *state;
        const struct cd_session_ending ending = { .digest = t->session.digest, .now = t->f->now };

        nginx(t, "GET", "https://pub.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Remote-User"), "ana");
        assert_status(t->f->store->sessions->end(t->f->store, &ending, NULL, &t->f->err), CD_OK);
        t->f->now += CD_SESSION_REREAD_EVERY;
        nginx(t, "GET", "https://pub.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_true(t->was_on_worker);
        assert_str(header(t, "Remote-User"), "");
        assert_str(header(t, "Remote-Groups"), "");
}

static void without_the_store_a_user_whose_sessions_have_ended_is_named_nowhere(void **state)
{
        struct fixture *t = *state;
        struct cd_session_cache *before = t->f->sessions.cache;
        struct cd_revoked *revoked = cd_revoked_new(10);
        const struct cd_revocation all = { .user = CD_STR("ana"),
                                           .seq = t->f->ana.generation + 1,
                                           .expires_at = t->f->now + 600 };
        const struct cd_session_cache_options options = { 1000, 1 << 20, &t->f->clock, revoked };

        assert_non_null(revoked);
        t->f->sessions.cache = cd_session_cache_new(&options);
        cd_session_cache_fed(t->f->sessions.cache, 1000);
        nginx(t, "GET", "https://pub.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Remote-User"), "ana");
        assert_status(cd_revoked_add(revoked, &all), CD_OK);
        t->state.is_unavailable = true;
        nginx(t, "GET", "https://pub.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Remote-User"), "");
        cd_session_cache_free(t->f->sessions.cache);
        cd_revoked_free(revoked);
        t->f->sessions.cache = before;
}

/* ---- what goes on to the application ---- */

static void lesson_6_none_of_our_cookies_goes_on(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://wiki.example.com/a");
        add_c(t, "Cookie",
              "__Host-cardea_session=x; __Host-cardea_login=x; a=1; cardea_form=y; __Secure-cardea_lang=z");
        with_cookie(t, "", "; b=2");
        add_c(t, "cookie", "cardea_return=1; __Host-cardea_enrol=2; __Host-cardea_invite=3; Cardea_Session=theirs");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Cookie"), "a=1; b=2; Cardea_Session=theirs");
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Cookie"), "cardea-filtered=1");
}

static void credentials_that_are_not_ours_go_on_byte_for_byte(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        add_c(t, "authorization", "Basic  YTpi\t=");
        add_c(t, "X-API-KEY", "k\xc3\xa9y");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(header(t, "Authorization"), "Basic  YTpi\t=");
        assert_str(header(t, "X-Api-Key"), "k\xc3\xa9y");
}

static void a_users_details_with_a_control_character_go_nowhere(void **state)
{
        struct fixture *t = *state;
        struct cd_session_digest digest;
        struct cd_live_session live = { .user = CD_STR("ana"),
                                        .groups = CD_STR("staff"),
                                        .display_name = CD_STR("Ana\r\nRemote-User: root"),
                                        .generation = 2,
                                        .expires_at = FACTOR_NOON + 600 };

        assert_status(cd_session_digest(&t->f->sessions, cd_cookie_text(&t->token), &digest, NULL), CD_OK);
        cd_session_cache_put(t->f->sessions.cache, &digest, cd_session_cache_ticket(t->f->sessions.cache, &digest),
                             FACTOR_NOON, &live);
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 403);
        assert_null(header(t, "Remote-Name").ptr);
}

/* ---- cookies ---- */

static void at_most_eight_cookies_of_the_session_are_tried(void **state)
{
        struct fixture *t = *state;

        for (int others = 7; others <= 8; others++) {
                nginx(t, "GET", "https://wiki.example.com/a");
                for (int i = 0; i < others; i++)
                        add_c(t, "Cookie", "__Secure-cardea_session=garbage");
                with_cookie(t, "", "");
                assert_int_equal(ask_nginx(t), others == 7 ? 200 : 401);
        }
        nginx(t, "GET", "https://wiki.example.com/a");
        for (int i = 0; i < 100; i++)
                add_c(t, "Cookie", "__Secure-cardea_session=garbage");
        assert_int_equal(ask_nginx(t), 401);
        assert_false(t->was_on_worker);
}

static void a_session_that_has_ended_does_not_hide_the_next(void **state)
{
        struct fixture *t = *state;
        const struct cd_cookie_token ended = t->token;

        assert_status(cd_session_log_out(&t->f->sessions, &t->f->arena, &t->session, CD_STR(""), &t->f->err), CD_OK);
        start_session(t, CD_FACTOR_PASSWORD);
        nginx(t, "GET", "https://wiki.example.com/a");
        add(t, "Cookie",
            cd_arena_printf(&t->arena, "__Secure-cardea_session=%.*s", CD_STR_ARG(cd_cookie_text(&ended))));
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_true(t->was_on_worker);
}

static void another_name_than_the_configured_one_is_no_session(void **state)
{
        struct fixture *t = *state;

        t->gate.cookie = CD_STR("__Host-cardea_session");
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 401);
}

static void lesson_12_a_logout_holds_at_once(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_status(cd_session_log_out(&t->f->sessions, &t->f->arena, &t->session, CD_STR(""), &t->f->err), CD_OK);
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 401);
}

/* ---- who asks ---- */

static void lesson_3_only_a_trusted_proxy_may_ask(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://pub.example.com/a");
        t->req.is_from_proxy = false;
        assert_int_equal(ask_nginx(t), 403);
        logs(t, "invalid_request", "the peer is not in trusted_proxies, so its headers are not believed");
}

/* LESSONS 45: what a client adds to the source of another endpoint does not count. */
static void lesson_45_each_endpoint_reads_its_own_source_alone(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://wiki.example.com/a");
        add_c(t, "X-Forwarded-Host", "pub.example.com");
        add_c(t, "X-Forwarded-Uri", "/open");
        assert_int_equal(ask_nginx(t), 401);
        forward(t, "wiki.example.com", "/a");
        add_c(t, "X-Original-URL", "https://pub.example.com/");
        assert_int_equal(ask_forward(t), 401);
        nginx(t, "GET", "https://wiki.example.com/a");
        add_c(t, "X-Original-URL", "https://pub.example.com/");
        assert_int_equal(ask_nginx(t), 403);
        logs(t, "invalid_request", "X-Original-URL comes twice: the proxy must replace what a client sends");
        begin(t, "/_auth/check/nginx");
        add_c(t, "X-Original-Method", "GET");
        assert_int_equal(ask_nginx(t), 403);
        logs(t, "invalid_request", "X-Original-URL is missing: the proxy must send it to this endpoint");
        assert_null(header(t, "Location").ptr);
}

static void lesson_3_the_proxys_own_address_is_no_clients(void **state)
{
        struct fixture *t = *state;

        nginx(t, "GET", "https://net.example.com/a");
        with_cookie(t, "", "");
        t->req.peer = t->req.client_address = CD_STR("10.0.0.1");
        assert_int_equal(ask_nginx(t), 403);
        t->req.peer = CD_STR("127.0.0.1"); /* an address from Forwarded */
        assert_int_equal(ask_nginx(t), 403);
        add_c(t, "X-Forwarded-For", "10.0.0.1");
        assert_int_equal(ask_nginx(t), 200);
        t->req.client_address = CD_STR("10.255.255.255");
        assert_int_equal(ask_nginx(t), 200);
        t->req.client_address = CD_STR("11.0.0.1");
        assert_int_equal(ask_nginx(t), 403);
        t->req.client_address = CD_STR("");
        assert_int_equal(ask_nginx(t), 403);
}

static cd_str address_of_session(struct fixture *t)
{
        struct cd_session session;

        assert_status(cd_session_find(&t->f->sessions, &t->f->arena, cd_cookie_text(&t->token), &session, &t->f->err),
                      CD_OK);
        return session.address;
}

static void the_proxys_own_address_is_not_where_a_session_was_used(void **state)
{
        struct fixture *t = *state;

        t->f->now += CD_SESSION_SEEN_EVERY;
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(address_of_session(t), "192.0.2.1");
        t->f->now += CD_SESSION_SEEN_EVERY;
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        add_c(t, "X-Forwarded-For", "192.0.2.7");
        t->req.client_address = CD_STR("192.0.2.7");
        assert_int_equal(ask_nginx(t), 200);
        assert_str(address_of_session(t), "192.0.2.7");
}

static void envoy_asks_with_the_request_itself(void **state)
{
        struct fixture *t = *state;

        begin(t, "/_auth/check/envoy/a/b");
        t->req.host = t->req.authority = CD_STR("wiki.example.com");
        t->req.query = CD_STR("c=d");
        add_c(t, "Accept", "text/html");
        add_c(t, "X-Original-URL", "https://pub.example.com/");
        assert_int_equal(ask(t, cd_gate_check_envoy), 302);
        assert_str(header(t, "Location"),
                   "https://auth.example.com/_auth/login?return_to=https%3A%2F%2Fwiki.example.com%2Fa%2Fb%3Fc%3Dd");
        with_cookie(t, "", "");
        assert_int_equal(ask(t, cd_gate_check_envoy), 200);
        assert_str(header(t, "Remote-User"), "ana");
}

/* ---- upgrades ---- */

static int upgrade(struct fixture *t, const char *url, const char *origin)
{
        nginx(t, "GET", url);
        with_cookie(t, "", "");
        add_c(t, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        if (origin)
                add_c(t, "Origin", origin);
        return ask_nginx(t);
}

static void lesson_8_an_upgrade_must_come_from_a_page_of_the_site(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(upgrade(t, "https://wiki.example.com/ws", "https://wiki.example.com"), 200);
        assert_int_equal(upgrade(t, "https://Wiki.Example.com.:443/ws", "https://wiki.example.com"), 200);
        assert_int_equal(upgrade(t, "https://wiki.example.com:8443/ws", "https://wiki.example.com:8443"), 200);
        assert_int_equal(upgrade(t, "http://wiki.example.com:80/ws", "http://wiki.example.com"), 200);
        assert_int_equal(upgrade(t, "https://wiki.example.com/ws", NULL), 200); /* a program */
        assert_int_equal(upgrade(t, "https://wiki.example.com/ws", "https://evil.example.com"), 403);
        logs(t, "access_denied", "an upgrade whose Origin is not the site's own (Origin, Sec-Fetch-Site)");
        assert_int_equal(upgrade(t, "https://wiki.example.com/ws", "http://wiki.example.com"), 403);
        assert_int_equal(upgrade(t, "https://wiki.example.com:8443/ws", "https://wiki.example.com"), 403);
        assert_int_equal(upgrade(t, "https://wiki.example.com/ws", "null"), 403);
        assert_int_equal(upgrade(t, "https://pub.example.com/ws", "https://evil.example.com"), 403);
}

static void lesson_8_an_upgrade_without_a_login_is_no_page(void **state)
{
        struct fixture *t = *state;

        forward(t, "wiki.example.com", "/ws");
        add_c(t, "Upgrade", "websocket");
        add_c(t, "Accept", "text/html");
        assert_int_equal(ask_forward(t), 401);
}

/* ---- the rest ---- */

static void without_a_portal_there_is_no_check(void **state)
{
        struct fixture *t = *state;

        t->gate.is_enabled = false;
        nginx(t, "GET", "https://pub.example.com/a");
        assert_int_equal(ask_nginx(t), 404);
}

static void without_a_clock_nobody_is_allowed(void **state)
{
        struct fixture *t = *state;

        t->f->now = -1;
        nginx(t, "GET", "https://wiki.example.com/a");
        with_cookie(t, "", "");
        assert_int_equal(ask_nginx(t), 503);
}

/* Runs the check with more and more memory, until it has that status; before, it is 503, or an answer that the engine
 * replaces. */
static void needs_memory(struct fixture *t, const char *url, bool has_cookie, int status)
{
        bool is_done = false;

        for (size_t ceiling = 0; ceiling < 64 * 1024 && !is_done; ceiling += 512) {
                cd_arena_done(&t->arena);
                cd_arena_init(&t->arena, 1 << 20);
                nginx(t, "GET", url);
                if (has_cookie)
                        with_cookie(t, "", "");
                t->arena.ceiling = t->arena.used + ceiling;
                cd_http_response_init(&t->res, NULL, &t->arena);
                cd_gate_check_nginx(&t->app, &t->req, &t->res);
                if (t->res.next) {
                        cd_http_handler *next = t->res.next;
                        t->req.state = t->res.next_state;
                        cd_http_response_init(&t->res, NULL, &t->arena);
                        next(&t->app, &t->req, &t->res);
                }
                is_done = t->res.status == status && cd_http_can_send(&t->res);
                assert_true(is_done || t->res.status == 503 || !cd_http_can_send(&t->res));
        }
        assert_true(is_done);
}

static void lesson_31_without_memory_nobody_is_allowed(void **state)
{
        struct fixture *t = *state;

        needs_memory(t, "https://wiki.example.com/a", true, 200);
        needs_memory(t, "https://wiki.example.com/a", false, 401);
        assert_str(header(t, "Location"),
                   "https://auth.example.com/_auth/login?return_to=https%3A%2F%2Fwiki.example.com%2Fa");
        needs_memory(t, "https://two.example.com/a", true, 401);
        needs_memory(t, "https://bo.example.com/a", true, 403);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nginx_is_told_401_and_where_the_login_is),
                TEST(a_browser_is_redirected_by_forward),
                TEST(a_program_is_told_401_by_forward),
                TEST(lesson_7_a_page_that_the_login_does_not_return_to_is_not_named),
                TEST(a_login_for_a_site_of_another_domain_begins_on_the_site),
                TEST(lesson_7_a_page_without_a_return_has_no_hand_over),
                TEST(lesson_7_a_site_of_another_domain_has_a_cookie_of_its_own),
                TEST(more_factors_for_a_site_of_another_domain_are_the_portals_matter),
                TEST(lesson_25_a_proxy_without_the_portals_route_is_told_so),
                TEST(a_session_is_read_once_and_then_judged_on_the_loop),
                TEST(the_names_of_the_headers_are_those_of_the_gate),
                TEST(too_few_factors_lead_to_the_step_up_page),
                TEST(another_account_may_be_allowed_where_this_one_is_not),
                TEST(lesson_1_what_no_rule_allows_is_denied_without_a_lookup),
                TEST(a_method_that_the_rule_lacks_is_denied),
                TEST(lesson_2_a_path_that_is_not_canonical_is_denied_where_a_rule_names_one),
                TEST(lesson_45_every_header_is_in_every_200),
                TEST(a_user_who_is_logged_in_is_named_there_too),
                TEST(without_the_store_everybody_may_still_go_there),
                TEST(lesson_12_a_session_that_has_ended_elsewhere_is_named_nowhere),
                TEST(without_the_store_a_user_whose_sessions_have_ended_is_named_nowhere),
                TEST(lesson_6_none_of_our_cookies_goes_on),
                TEST(credentials_that_are_not_ours_go_on_byte_for_byte),
                TEST(a_users_details_with_a_control_character_go_nowhere),
                TEST(at_most_eight_cookies_of_the_session_are_tried),
                TEST(a_session_that_has_ended_does_not_hide_the_next),
                TEST(another_name_than_the_configured_one_is_no_session),
                TEST(lesson_12_a_logout_holds_at_once),
                TEST(lesson_3_only_a_trusted_proxy_may_ask),
                TEST(lesson_45_each_endpoint_reads_its_own_source_alone),
                TEST(lesson_3_the_proxys_own_address_is_no_clients),
                TEST(the_proxys_own_address_is_not_where_a_session_was_used),
                TEST(envoy_asks_with_the_request_itself),
                TEST(lesson_8_an_upgrade_must_come_from_a_page_of_the_site),
                TEST(lesson_8_an_upgrade_without_a_login_is_no_page),
                TEST(without_a_portal_there_is_no_check),
                TEST(without_a_clock_nobody_is_allowed),
                TEST(lesson_31_without_memory_nobody_is_allowed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
