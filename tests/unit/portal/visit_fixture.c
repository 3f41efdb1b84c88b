#include "unit/portal/visit_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the portal ---- */

static cd_status log_in(const struct cd_accounts *accounts, struct cd_arena *arena,
                        const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr)
{
        const struct visit_fixture *t =
                (const struct visit_fixture *)((const char *)accounts - offsetof(struct visit_fixture, accounts));

        (void)arena;
        (void)attempt;
        if (t->password_status != CD_OK)
                return cd_fail(reterr, t->password_status, "as the test wants it");
        *ret = t->f->ana;
        return CD_OK;
}

static cd_status check_address(const struct cd_accounts *accounts, cd_str address, struct cd_error *reterr)
{
        (void)accounts;
        (void)address;
        (void)reterr;
        return CD_OK;
}

static struct cd_access *make_access(void)
{
        const struct cd_access_rule rules[] = { { .host = CD_STR("wiki.example.com"), .is_public = true },
                                                { .host = CD_STR("notexample.com"), .is_public = true },
                                                { .host = CD_STR("example.com"), .is_public = true },
                                                { .host = CD_STR("localhost"), .is_public = true } };
        struct cd_access *access;

        assert_status(cd_access_new(rules, CD_LEN(rules), &access, NULL), CD_OK);
        return access;
}

void visit_use_portal(struct visit_fixture *t, const char *url, unsigned factors, const char *cookie_domain)
{
        const struct cd_portal_settings settings = { .url = cd_str_from_c(url),
                                                     .cookie_domain = cd_str_from_c(cookie_domain),
                                                     .factors = factors,
                                                     .idle_lifetime = 3600,
                                                     .lifetime = 7200,
                                                     .title = CD_STR("Cardea"),
                                                     .accent = CD_PAGE_ACCENT,
                                                     .accounts = &t->accounts,
                                                     .by = t->f->by,
                                                     .access = make_access() };
        struct cd_portal *portal;

        assert_status(cd_portal_new(&settings, &t->services, &portal, &t->f->err), CD_OK);
        assert_status(cd_shared_set(t->app.portals, portal), CD_OK);
}

int visit_set_up(void **state)
{
        struct visit_fixture *t = calloc(1, sizeof(*t));
        void *fixture;

        assert_non_null(t);
        assert_int_equal(factor_set_up(&fixture), 0);
        t->f = fixture;
        t->accounts = (struct cd_accounts){ .login = log_in, .check_address = check_address };
        t->services = (struct cd_portal_services){
                .sessions = &t->f->sessions,
                .factors = &t->f->factors,
                .forms = cd_portal_forms_new(t->f->master),
                .store_state = &t->state,
        };
        assert_non_null(t->services.forms);
        t->app.portals = cd_shared_new(cd_portal_free);
        assert_non_null(t->app.portals);
        visit_use_portal(t, "https://auth.example.com/_auth", CD_FACTOR_PASSWORD | CD_FACTOR_TOTP, "example.com");
        t->arena_max = VISIT_ARENA;
        *state = t;
        return 0;
}

int visit_tear_down(void **state)
{
        struct visit_fixture *t = *state;
        void *fixture = t->f;

        cd_shared_free(t->app.portals);
        cd_mac_free(t->services.forms);
        cd_arena_done(&t->arena);
        free(t);
        return factor_tear_down(&fixture);
}

/* ---- cookies ---- */

static struct visit_cookie *find_cookie(struct visit_fixture *t, const char *name)
{
        for (size_t i = 0; i < VISIT_JAR; i++)
                if (!strcmp(t->jar[i].name, name))
                        return &t->jar[i];
        return NULL;
}

void visit_set_cookie(struct visit_fixture *t, const char *name, cd_str value)
{
        struct visit_cookie *cookie = find_cookie(t, name);

        if (!cookie)
                cookie = find_cookie(t, "");
        assert_non_null(cookie);
        snprintf(cookie->name, sizeof(cookie->name), "%s", name);
        snprintf(cookie->value, sizeof(cookie->value), "%.*s", CD_STR_ARG(value));
}

void visit_forget_cookie(struct visit_fixture *t, const char *name)
{
        struct visit_cookie *cookie = find_cookie(t, name);

        if (cookie)
                *cookie = (struct visit_cookie){ 0 };
}

bool visit_has_cookie(struct visit_fixture *t, const char *name)
{
        return find_cookie(t, name) != NULL;
}

/* "NAME=VALUE; Path=/; …", where Max-Age=0 deletes. */
static void keep(struct visit_fixture *t, cd_str text)
{
        char name[64];
        cd_str pair, rest = text;

        assert_true(cd_str_take_until(&rest, ';', &pair));
        size_t equals = cd_str_index(pair, '=');
        snprintf(name, sizeof(name), "%.*s", (int)equals, pair.ptr);
        visit_forget_cookie(t, name);
        if (!memmem(text.ptr, text.len, "Max-Age=0", 9))
                visit_set_cookie(t, name, cd_str_slice(pair, equals + 1, pair.len));
}

/* ---- requests ---- */

static void begin(struct visit_fixture *t, enum cd_http_method method, const char *path)
{
        struct cd_buf cookies;
        cd_str value = { 0 };
        size_t count = 0;
        static char text[4096];

        cd_arena_done(&t->arena);
        cd_arena_init(&t->arena, t->arena_max);
        t->log = (struct cd_http_log_context){ 0 };
        cd_buf_init_fixed(&cookies, text, sizeof(text));
        for (size_t i = 0; i < VISIT_JAR; i++)
                if (t->jar[i].name[0])
                        cd_buf_printf(&cookies, "%s%s=%s", count++ ? "; " : "", t->jar[i].name, t->jar[i].value);
        assert_status(cd_buf_view(&cookies, &value), CD_OK);
        t->headers[0] = (struct cd_http_header){ CD_STR("Cookie"), value };
        t->headers[1] = (struct cd_http_header){ CD_STR("Content-Type"), CD_STR("application/x-www-form-urlencoded") };
        t->headers[2] = (struct cd_http_header){ CD_STR("Accept"),
                                                 t->accepts_json ? CD_STR("application/json") : CD_STR("text/html") };
        t->req = (struct cd_http_request){
                .arena = &t->arena,
                .method = method,
                .method_name = method == CD_HTTP_POST ? CD_STR("POST") : CD_STR("GET"),
                .scheme = CD_STR("https"),
                .path = cd_str_from_c(path),
                .host = t->host,
                .headers = t->headers,
                .header_count = 3,
                .peer = CD_STR("127.0.0.1"),
                .client_address = CD_STR("127.0.0.1"),
                .request_id = CD_STR("the-request"),
                .log = &t->log,
        };
}

static void read_csrf(struct visit_fixture *t)
{
        static const char before[] = "name=\"csrf\" value=\"";
        const char *found =
                t->res.body.len ? memmem(t->res.body.ptr, t->res.body.len, before, sizeof(before) - 1) : NULL;

        if (!found)
                return;
        t->csrf[0] = '\0';
        sscanf(found + sizeof(before) - 1, "%63[A-Za-z0-9_-]", t->csrf);
}

static int ask(struct visit_fixture *t, cd_http_handler *handler)
{
        cd_http_response_init(&t->res, NULL, &t->arena);
        handler(&t->app, &t->req, &t->res);
        if (t->res.next) {
                cd_http_handler *next = t->res.next;
                t->req.state = t->res.next_state;
                t->log = (struct cd_http_log_context){ 0 };
                cd_http_response_init(&t->res, NULL, &t->arena);
                next(&t->app, &t->req, &t->res);
                assert_null(t->res.next);
        }
        if (!cd_http_can_send(&t->res)) {
                cd_http_own_answer(&t->res, 500);
                return 500;
        }
        for (size_t i = 0; i < t->res.header_count; i++)
                if (cd_str_eq_nocase(t->res.headers[i].name, CD_STR("Set-Cookie")))
                        keep(t, t->res.headers[i].value);
        read_csrf(t);
        return t->res.status;
}

int visit_get(struct visit_fixture *t, cd_http_handler *handler, const char *path, const char *query)
{
        begin(t, CD_HTTP_GET, path);
        if (query)
                t->req.query = cd_str_from_c(query);
        return ask(t, handler);
}

int visit_post(struct visit_fixture *t, cd_http_handler *handler, const char *path, const char *body)
{
        static char text[8192];

        begin(t, CD_HTTP_POST, path);
        snprintf(text, sizeof(text), "csrf=%s&%s", t->csrf, body);
        t->req.body = cd_str_from_c(text);
        return ask(t, handler);
}

cd_str visit_header(struct visit_fixture *t, const char *name)
{
        cd_str found = { NULL, 0 };

        for (size_t i = 0; i < t->res.header_count; i++) {
                if (!cd_str_eq_nocase(t->res.headers[i].name, cd_str_from_c(name)))
                        continue;
                if (found.ptr)
                        fail_msg("two of %s", name);
                found = t->res.headers[i].value;
        }
        return found;
}

bool visit_shows(struct visit_fixture *t, const char *text)
{
        return t->res.body.len && memmem(t->res.body.ptr, t->res.body.len, text, strlen(text)) != NULL;
}

size_t visit_sessions(struct visit_fixture *t)
{
        struct cd_sessions_list list = { 0 };

        assert_status(
                t->f->store->sessions->list(t->f->store, &t->f->arena, CD_STR("ana"), FACTOR_NOON, &list, &t->f->err),
                CD_OK);
        return list.count;
}

void visit_enter_password(struct visit_fixture *t)
{
        assert_int_equal(visit_get(t, cd_portal_login, "/_auth/login", NULL), 200);
        assert_int_equal(visit_post(t, cd_portal_login, "/_auth/login", "username=ana&password=p"), 303);
        assert_int_equal(visit_get(t, cd_portal_totp, "/_auth/totp", NULL), 200);
}

void visit_log_in(struct visit_fixture *t)
{
        char body[32];

        visit_enter_password(t);
        cd_str code = factor_code(t->f, FACTOR_NOON);
        snprintf(body, sizeof(body), "code=%.*s", CD_STR_ARG(code));
        assert_int_equal(visit_post(t, cd_portal_totp, "/_auth/totp", body), 303);
        assert_true(visit_has_cookie(t, "__Secure-cardea_session"));
}
