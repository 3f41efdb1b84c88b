#include "unit/gate/proxy_fixture.h"

#include <stdlib.h>

#include "http/response.h"

struct proxy t;

static int64_t uptime(const struct cd_clock *clock)
{
        (void)clock;
        return 1000;
}

static void free_version(void *arg)
{
        struct gate_version *version = arg;

        cd_access_free(version->access);
        free(version);
}

static void hello(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("text/plain"), CD_STR("of Cardea"));
}

static const struct cd_http_route routes[] = {
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/_auth"), .is_prefix = true, .handler = hello },
        { .methods = CD_HTTP_ANY, .path = CD_STR_INIT("/token"), .handler = hello },
};

/* The name of the page, for users and programs. */
static void respond(const struct cd_gate_pages *pages, const struct cd_http_request *req, enum cd_gate_page page,
                    const struct cd_gate_route *route, struct cd_http_response *res)
{
        static const struct {
                int status;
                const char *name;
        } kinds[] = {
                [CD_GATE_PAGE_LOST_POST] = { 401, "lost_post" },
                [CD_GATE_PAGE_CROSS_SITE_POST] = { 401, "cross_site_post" },
                [CD_GATE_PAGE_FORBIDDEN] = { 403, "forbidden" },
                [CD_GATE_PAGE_NOT_FOUND] = { 404, "not_found" },
                [CD_GATE_PAGE_TOO_LARGE] = { 413, "too_large" },
                [CD_GATE_PAGE_TOO_MANY] = { 429, "too_many" },
                [CD_GATE_PAGE_BAD_GATEWAY] = { 502, "bad_gateway" },
                [CD_GATE_PAGE_UNAVAILABLE] = { 503, "unavailable" },
                [CD_GATE_PAGE_TIMEOUT] = { 504, "timeout" },
                [CD_GATE_PAGE_MAINTENANCE] = { 503, "maintenance" },
                [CD_GATE_PAGE_CONNECT] = { 403, "connect" },
                [CD_GATE_PAGE_PROVIDER] = { 503, "provider" },
        };
        cd_str name = cd_arena_printf(req->arena, "%s of %.*s", kinds[page].name,
                                      CD_STR_ARG(route ? route->name : req->host));

        (void)pages;
        cd_http_respond(res, res->status ? res->status : kinds[page].status, CD_STR("text/plain"), name);
        req->log->error = cd_str_from_c(kinds[page].name);
}

static const struct cd_gate_pages pages = { respond };

/* "good" is a client's own token. */
static cd_status verify(const struct cd_gate_tokens *port, struct cd_arena *arena, cd_str token, struct cd_claims *ret,
                        struct cd_error *reterr)
{
        (void)port, (void)arena;
        *ret = (struct cd_claims){ .sub = CD_STR("app"),
                                   .client_id = CD_STR("app"),
                                   .aud = CD_STR("https://api.example") };
        return cd_str_eq(token, CD_STR("good")) && !t.is_token_revoked
                       ? CD_OK
                       : cd_fail(reterr, CD_INVALID_TOKEN, "not a token");
}

static const struct cd_gate_tokens tokens = { verify };

struct gate_version *proxy_make_version(bool allow)
{
        static const cd_str staff[] = { CD_STR_INIT("staff") }, ana[] = { CD_STR_INIT("ana") },
                            bob[] = { CD_STR_INIT("bob") }, nobody[] = { CD_STR_INIT("nobody") };
        const struct cd_access_allow is_staff = { .is_given = true, .groups = { allow ? staff : nobody, 1 } };
        const struct cd_access_allow is_ana = { .is_given = true, .users = { ana, 1 } };
        const struct cd_access_allow is_bob = { .is_given = true, .users = { bob, 1 } };
        const struct cd_access_rule rules[] = {
                { .host = CD_STR("checked.example.com"), .allow = is_ana },
                { .host = CD_STR("wiki.example.com"), .allow = is_staff },
                { .host = CD_STR("pub.example.com"), .is_public = true },
                { .host = CD_STR("tools.example.com"), .path = CD_STR("/old/"), .allow = is_ana },
                { .host = CD_STR("raw.example.com"), .allow = is_ana },
                { .host = CD_STR("dav.example.com"), .path = CD_STR("/ana/"), .allow = is_ana },
                { .host = CD_STR("dav.example.com"), .path = CD_STR("/bob/"), .allow = is_bob },
                { .host = CD_STR("dav.example.com"), .path = CD_STR("/open/"), .is_public = true },
                { .host = CD_STR("api.example.com"), .bearer = { .audience = CD_STR("https://api.example") } },
        };
        struct gate_version *version = calloc(1, sizeof(*version));

        assert_non_null(version);
        assert_status(cd_access_new(rules, CD_LEN(rules), &version->access, NULL), CD_OK);
        for (size_t i = 1; i < CD_LEN(rules); i++)
                version->routes[i - 1] = (struct cd_gate_route){
                        .name = rules[i].host,
                        .host = rules[i].host,
                        .path = rules[i].path,
                        .upstream = &t.upstream,
                        .identity = { CD_STR("Remote-User"), CD_STR("Remote-Groups"), CD_STR(""), CD_STR("") },
                        .paths = i == 4 ? CD_GATE_OPAQUE : CD_GATE_CANONICAL,
                };
        version->gate = (struct cd_gate){
                .routes = version->routes,
                .route_count = CD_LEN(rules) - 1,
                .first_rule = 1,
                .pages = &pages,
                .tokens = &tokens,
                .is_enabled = true,
                .access = version->access,
                .cookie = CD_STR("__Secure-cardea_session"),
                .host_cookie = CD_STR("__Host-cardea_session"),
                .lookup = { &t.f->sessions, &t.state },
        };
        assert_status(cd_portal_url_parse(&t.f->arena, CD_STR("https://auth.example.com/_auth"), &version->gate.portal,
                                          &t.f->err),
                      CD_OK);
        return version;
}

void proxy_publish(struct gate_version *version)
{
        assert_status(cd_shared_set(t.app.gates, version), CD_OK);
        t.version = version;
}

static void start_session(void)
{
        static const cd_str names[] = { CD_STR_INIT("staff") };
        const struct cd_strs groups = { names, 1 };
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = FACTOR_NOON, .groups = &groups };

        assert_status(t.f->store->users->update(t.f->store, &change, NULL, &t.f->err), CD_OK);
        t.f->ana = factor_find(t.f, "ana");
        const struct cd_session_params params = { .user = CD_STR("ana"),
                                                  .generation = t.f->ana.generation,
                                                  .factors = CD_FACTOR_PASSWORD,
                                                  .address = CD_STR("192.0.2.1"),
                                                  .idle_lifetime = 600,
                                                  .lifetime = 1500 };
        assert_status(cd_session_start(&t.f->sessions, &t.f->arena, &params, &t.session, &t.token, &t.f->err), CD_OK);
}

void proxy_connect(struct client *client, size_t window)
{
        *client = (struct client){ .peer = { .address = CD_STR("192.0.2.7"), .is_secure = true } };
        client_connect_as(client, &t.server, window);
}

int proxy_set_up(void **state)
{
        void *fixture;

        t = (struct proxy){ 0 };
        fake_reset();
        assert_int_equal(factor_set_up(&fixture), 0);
        t.f = fixture;
        t.f->clock.uptime = uptime;
        const struct cd_session_cache_options options = { 1000, 1 << 20, &t.f->clock, NULL };
        t.f->sessions.cache = cd_session_cache_new(&options);
        cd_session_cache_fed(t.f->sessions.cache, 1000);
        start_session();
        t.app.gates = cd_shared_new(free_version);
        t.app.limits = cd_gate_limits_new();
        assert_non_null(t.app.limits);
        proxy_publish(proxy_make_version(true));
        cd_gate_sites_init(&t.sites, &t.app);
        fixture_start(&t.server, routes, CD_LEN(routes), NULL);
        fixture_start_log(&t.server, CD_LOG_INFO);
        fixture_add_pool(&t.server, CD_HTTP_WORKER, 1, 10);
        fixture_add_pool(&t.server, CD_HTTP_OUTGOING, 1, 10);
        t.server.listener.offer.table.sites = &t.sites;
        proxy_connect(&t.client, 1024 * 1024);
        *state = &t;
        return 0;
}

int proxy_tear_down(void **state)
{
        void *fixture = t.f;

        (void)state;
        client_done(&t.client);
        fixture_stop(&t.server);
        assert_null(fake.call); /* none is left behind */
        cd_shared_free(t.app.gates);
        cd_gate_limits_free(t.app.limits);
        cd_session_cache_free(t.f->sessions.cache);
        return factor_tear_down(&fixture);
}

const char *proxy_cookie(void)
{
        return cd_arena_printf(&t.f->arena, "Cookie: a=b; __Secure-cardea_session=%.*s\r\n",
                               CD_STR_ARG(cd_cookie_text(&t.token)))
                .ptr;
}

void proxy_ask(const char *request_line, const char *host, const char *more, const char *body)
{
        cd_str text = cd_arena_printf(&t.f->arena, "%s\r\nHost: %s\r\n%s\r\n%s", request_line, host, more, body);

        assert_true(client_send(&t.client, text));
        assert_true(fixture_wait_for_jobs(&t.server));
}

struct answer proxy_answer(void)
{
        return client_answer(&t.client, false);
}

void proxy_forget_session(void)
{
        cd_session_cache_clear(t.f->sessions.cache);
        cd_session_cache_fed(t.f->sessions.cache, 1000);
}
