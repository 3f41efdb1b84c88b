#include "unit/portal/portal_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/admin_users.h"
#include "http/response.h"

#define ORIGIN "https://auth.example.com"

static const struct cd_access_rule rules[] = {
        { .host = CD_STR_INIT("wiki.example.com"), .path = CD_STR_INIT("/never") },
        { .host = CD_STR_INIT("wiki.example.com"), .allow = { .is_given = true } },
        { .host = CD_STR_INIT("admin.example.com"), .allow = { .is_given = true, .factors = 2 } },
        { .host = CD_STR_INIT("fresh.example.com"), .allow = { .is_given = true, .max_age = 600 } },
        { .host = CD_STR_INIT("both.example.com"), .allow = { .is_given = true, .factors = 2, .max_age = 600 } },
        { .host = CD_STR_INIT("closed.example.com") },
        { .host = CD_STR_INIT("public.example.com"), .is_public = true },
        { .host = CD_STR_INIT("*.wild.example.com"), .allow = { .is_given = true, .factors = 2 } },
};

void portal_set_rules(struct portal_fixture *p, const struct cd_access_rule *given, size_t count)
{
        struct cd_portal *portal = NULL;

        assert_status(cd_access_new(given, count, &p->settings.access, NULL), CD_OK);
        assert_status(cd_portal_new(&p->settings, &p->services, &portal, &p->f->err), CD_OK);
        assert_status(cd_shared_set(p->app.portals, portal), CD_OK);
}

void portal_rebuild(struct portal_fixture *p)
{
        portal_set_rules(p, rules, CD_LEN(rules));
}

int portal_set_up(void **state)
{
        struct portal_fixture *p = calloc(1, sizeof(*p));
        void *factors = NULL;

        assert_non_null(p);
        assert_int_equal(factor_set_up(&factors), 0);
        p->f = factors;
        struct cd_user_result result;
        assert_status(cd_admin_user_set_password(&p->f->by, &p->f->arena, CD_STR("ana"), CD_STR(ANA_PASSWORD), &result,
                                                 &p->f->err),
                      CD_OK);
        p->f->ana = factor_find(p->f, "ana");
        p->login = cd_login(p->f->store, &p->store_state, p->f->factors.lockout, &p->f->hasher.port, &p->f->clock);
        p->login.devices = &p->f->devices;
        p->services = (struct cd_portal_services){
                .sessions = &p->f->sessions,
                .factors = &p->f->factors,
                .forms = cd_portal_forms_new(p->f->master),
                .store_state = &p->store_state,
        };
        p->settings = (struct cd_portal_settings){
                .url = CD_STR(ORIGIN "/_auth"),
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .idle_lifetime = PORTAL_IDLE,
                .lifetime = PORTAL_LIFETIME,
                .remember_for = PORTAL_REMEMBER,
                .title = CD_STR("Example"),
                .accent = CD_PAGE_ACCENT,
                .accounts = &p->login.port,
                .by = p->f->by,
        };
        p->settings.by.password_min = 8;
        p->app.portals = cd_shared_new(cd_portal_free);
        assert_non_null(p->services.forms);
        assert_non_null(p->app.portals);
        portal_rebuild(p);
        *state = p;
        return 0;
}

int portal_tear_down(void **state)
{
        struct portal_fixture *p = *state;
        void *factors = p->f;

        cd_shared_free(p->app.portals);
        cd_mac_free(p->services.forms);
        free(p);
        return factor_tear_down(&factors);
}

struct cd_user portal_add_user(struct portal_fixture *p, const char *name)
{
        const struct cd_user_params params = { .name = cd_str_from_c(name), .password = CD_STR(ANA_PASSWORD) };
        struct cd_user_result result;

        assert_status(cd_admin_user_add(&p->f->by, &p->f->arena, &params, &result, &p->f->err), CD_OK);
        return factor_find(p->f, name);
}

/* ---- the browser ---- */

static const char *const names[CD_COOKIE_COUNT] = { "session", "login",   "form",    "enrol",  "invite",  "reset",
                                                    "return",  "start",   "lang",    "device", "connect", "failure",
                                                    "signin0", "signin1", "signin2", "signin3" };

static void set_cookie(struct browser *browser, enum cd_portal_cookie kind, cd_str value)
{
        assert_true(value.len < sizeof(browser->cookies[kind]));
        memcpy(browser->cookies[kind], value.ptr, value.len);
        browser->cookies[kind][value.len] = '\0';
}

static void keep_cookie(struct browser *browser, cd_str header)
{
        cd_str rest = header, pair;

        assert_true(cd_str_take_until(&rest, ';', &pair));
        size_t equals = cd_str_index(pair, '=');
        for (size_t i = 0; i < CD_COOKIE_COUNT; i++) {
                char name[64];
                (void)snprintf(name, sizeof(name), "__Host-cardea_%s", names[i]);
                if (!cd_str_eq_c(cd_str_slice(pair, 0, equals), name))
                        continue;
                const char *age = strstr(header.ptr, "Max-Age=");
                browser->max_age[i] = age ? strtoll(age + 8, NULL, 10) : 0;
                set_cookie(browser, (enum cd_portal_cookie)i,
                           age && browser->max_age[i] == 0 ? CD_STR("") : cd_str_slice(pair, equals + 1, pair.len));
                return;
        }
        fail_msg("a foreign cookie: %.*s", CD_STR_ARG(header));
}

static cd_str cookie_header(struct portal_fixture *p, const struct browser *browser)
{
        char text[8 * 4200] = "";

        for (size_t i = 0; i < CD_COOKIE_COUNT; i++) {
                if (!browser->cookies[i][0])
                        continue;
                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s__Host-cardea_%s=%s",
                               text[0] ? "; " : "", names[i], browser->cookies[i]);
        }
        return cd_arena_copy(&p->f->arena, cd_str_from_c(text));
}

static cd_str or_default(const char *text, const char *fallback)
{
        return cd_str_from_c(text ? text : fallback);
}

/* Runs the handler, and what it continues with. */
static void run(struct portal_fixture *p, cd_http_handler *handler, struct cd_http_request *req,
                struct cd_http_response *res)
{
        cd_http_response_init(res, NULL, req->arena);
        handler(&p->app, req, res);
        if (!res->next)
                return;
        cd_http_handler *next = res->next;
        req->state = res->next_state;
        cd_http_response_init(res, NULL, req->arena);
        next(&p->app, req, res);
}

static struct answer ask(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                         struct cd_http_request req, const char *target)
{
        struct cd_arena *arena = &p->f->arena;
        struct cd_http_log_context log = { 0 };
        struct cd_http_response res;
        cd_str path = cd_str_from_c(target), query = { 0 };
        struct cd_http_header headers[] = {
                { CD_STR("Cookie"), cookie_header(p, browser) },
                { CD_STR("Accept"), or_default(browser->accept, "text/html") },
                { CD_STR("User-Agent"), or_default(browser->agent, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) "
                                                                   "Gecko/20100101 Firefox/128.0") },
                { CD_STR("Content-Type"), CD_STR("application/x-www-form-urlencoded") },
                { CD_STR("Origin"), or_default(browser->origin, ORIGIN) },
        };

        size_t mark = cd_str_index(path, '?');
        if (mark < path.len)
                query = cd_str_slice(path, mark + 1, path.len);
        path = cd_str_slice(path, 0, mark);
        req.arena = arena;
        req.scheme = CD_STR("https");
        req.host = req.authority = CD_STR("auth.example.com");
        req.path = cd_str_has_prefix(path, CD_STR("/.well-known"))
                           ? path
                           : cd_arena_printf(arena, "/_auth%.*s", CD_STR_ARG(path));
        req.query = query;
        req.headers = headers;
        req.header_count = req.method == CD_HTTP_POST ? CD_LEN(headers) : CD_LEN(headers) - 2;
        req.peer = req.client_address = or_default(browser->address, "192.0.2.1");
        req.request_id = CD_STR("test");
        req.log = &log;
        run(p, handler, &req, &res);
        assert_true(res.status == 0 || cd_http_can_send(&res));
        struct answer answer = { .status = res.status,
                                 .body = cd_arena_copy(arena, res.body),
                                 .log_reason = log.reason,
                                 .headers = res.headers,
                                 .header_count = res.header_count };
        for (size_t i = 0; i < res.header_count; i++)
                if (cd_str_eq(res.headers[i].name, CD_STR("Set-Cookie")))
                        keep_cookie(browser, cd_arena_copy(arena, res.headers[i].value));
        answer.location = answer_header(&answer, "Location");
        return answer;
}

struct answer portal_get(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                         const char *target)
{
        struct cd_http_request req = { .method = CD_HTTP_GET, .method_name = CD_STR("GET") };

        return ask(p, browser, handler, req, target);
}

struct answer portal_send(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                          const char *target, cd_str body)
{
        struct cd_http_request req = { .method = CD_HTTP_POST, .method_name = CD_STR("POST"), .body = body };

        return ask(p, browser, handler, req, target);
}

cd_str portal_csrf(struct portal_fixture *p, struct browser *browser)
{
        struct answer page = portal_get(p, browser, cd_portal_password, "/password");
        const char *mark = "name=\"csrf\" value=\"";

        const char *at = page.body.ptr ? strstr(page.body.ptr, mark) : NULL;
        if (!at) { /* without a session: the login page has one too */
                page = portal_get(p, browser, cd_portal_login, "/login");
                at = page.body.ptr ? strstr(page.body.ptr, mark) : NULL;
        }
        assert_non_null(at);
        at += strlen(mark);
        return cd_str_of(at, strcspn(at, "\""));
}

struct answer portal_post(struct portal_fixture *p, struct browser *browser, cd_http_handler *handler,
                          const char *target, const char *fields)
{
        cd_str csrf = portal_csrf(p, browser);

        return portal_send(p, browser, handler, target,
                           cd_arena_printf(&p->f->arena, "csrf=%.*s%s", CD_STR_ARG(csrf), fields));
}

struct cd_session portal_log_in(struct portal_fixture *p, struct browser *browser, const char *user, unsigned factors)
{
        struct cd_user found = factor_find(p->f, user);
        const struct cd_session_params params = {
                .user = found.name,
                .generation = found.generation,
                .factors = factors,
                .device = CD_STR("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
                .address = or_default(browser->address, "192.0.2.1"),
                .idle_lifetime = PORTAL_IDLE,
                .lifetime = PORTAL_LIFETIME,
        };
        struct cd_cookie_token token;
        struct cd_session session;

        assert_status(cd_session_start(&p->f->sessions, &p->f->arena, &params, &session, &token, &p->f->err), CD_OK);
        set_cookie(browser, CD_COOKIE_SESSION, cd_cookie_text(&token));
        return session;
}

bool portal_session(struct portal_fixture *p, struct browser *browser, struct cd_session *ret)
{
        cd_str token = cd_arena_copy(&p->f->arena, cd_str_from_c(browser->cookies[CD_COOKIE_SESSION]));

        return cd_session_find(&p->f->sessions, &p->f->arena, token, ret, &p->f->err) == CD_OK;
}

/* ---- answers ---- */

bool answer_has(const struct answer *answer, const char *part)
{
        return answer->body.ptr && strstr(answer->body.ptr, part) != NULL;
}

cd_str answer_header(const struct answer *answer, const char *name)
{
        for (size_t i = 0; i < answer->header_count; i++)
                if (cd_str_eq_c(answer->headers[i].name, name))
                        return answer->headers[i].value;
        return (cd_str){ 0 };
}

void assert_redirect(const struct answer *answer, const char *to)
{
        char url[2 * CD_RETURN_TO_MAX];

        (void)snprintf(url, sizeof(url), "%s%s", to[0] == '/' ? ORIGIN "/_auth" : "", to);
        assert_int_equal(answer->status, 303);
        assert_str(answer->location, url);
}

void assert_error(const struct answer *answer, int status, const char *text)
{
        assert_int_equal(answer->status, status);
        if (!answer_has(answer, "id=\"error\"") || !answer_has(answer, text))
                fail_msg("\"%s\" is not in\n%.*s", text, CD_STR_ARG(answer->body));
}
