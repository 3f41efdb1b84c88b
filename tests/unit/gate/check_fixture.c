#include "unit/gate/check_fixture.h"

#include <stdlib.h>
#include <string.h>

static int64_t uptime(const struct cd_clock *clock)
{
        (void)clock;
        return 1000;
}

static void nothing(void *version)
{
        (void)version;
}

static struct cd_access *make_access(void)
{
        static const cd_str staff[] = { CD_STR_INIT("staff") }, ana[] = { CD_STR_INIT("ana") },
                            bo[] = { CD_STR_INIT("bo") };
        static const cd_str gets[] = { CD_STR_INIT("GET"), CD_STR_INIT("HEAD") };
        static const struct cd_network network = { .base = { { [10] = 255, [11] = 255, [12] = 10 } }, .bits = 104 };
        const struct cd_access_rule rules[] = {
                { .host = CD_STR("wiki.example.com"), .allow = { .is_given = true, .groups = { staff, 1 } } },
                { .host = CD_STR("pub.example.com"), .is_public = true },
                { .host = CD_STR("two.example.com"), .allow = { .is_given = true, .users = { ana, 1 }, .factors = 2 } },
                { .host = CD_STR("bo.example.com"), .allow = { .is_given = true, .users = { bo, 1 } } },
                { .host = CD_STR("get.example.com"),
                  .methods = { gets, 2 },
                  .allow = { .is_given = true, .users = { ana, 1 } } },
                { .host = CD_STR("net.example.com"),
                  .allow = { .is_given = true, .users = { ana, 1 }, .networks = &network, .network_count = 1 } },
                { .host = CD_STR("path.example.com"), .path = CD_STR("/open/"), .is_public = true },
                { .host = CD_STR("path.example.com"), .allow = { .is_given = true, .users = { ana, 1 } } },
                { .host = CD_STR("api.example.com"),
                  .allow = { .is_given = true, .users = { ana, 1 } },
                  .bearer = { CD_STR("https://api.example"), CD_STR("read") } },
                { .host = CD_STR("only.example.com"),
                  .bearer = { CD_STR("https://api.example"), CD_STR("read write") } },
        };
        struct cd_access *access;

        assert_status(cd_access_new(rules, CD_LEN(rules), &access, NULL), CD_OK);
        return access;
}

static void add_details(struct factor_fixture *f)
{
        static const cd_str names[] = { CD_STR_INIT("admins"), CD_STR_INIT("staff") };
        const struct cd_strs groups = { names, 2 };
        const struct cd_user_change change = { .name = CD_STR("ana"),
                                               .now = FACTOR_NOON,
                                               .display_name = CD_STR("Ana Müller"),
                                               .email = CD_STR("ana@example.com"),
                                               .groups = &groups };

        assert_status(f->store->users->update(f->store, &change, NULL, &f->err), CD_OK);
        f->ana = factor_find(f, "ana");
}

void start_session(struct fixture *t, unsigned factors)
{
        const struct cd_session_params params = { .user = CD_STR("ana"),
                                                  .generation = t->f->ana.generation,
                                                  .factors = factors,
                                                  .address = CD_STR("192.0.2.1"),
                                                  .idle_lifetime = 600,
                                                  .lifetime = 1500 };

        assert_status(cd_session_start(&t->f->sessions, &t->f->arena, &params, &t->session, &t->token, &t->f->err),
                      CD_OK);
}

int set_up(void **state)
{
        struct fixture *t = calloc(1, sizeof(*t));
        void *fixture;

        assert_non_null(t);
        assert_int_equal(factor_set_up(&fixture), 0);
        t->f = fixture;
        t->f->clock.uptime = uptime;
        const struct cd_session_cache_options options = { 1000, 1 << 20, &t->f->clock, NULL };
        t->f->sessions.cache = cd_session_cache_new(&options);
        cd_session_cache_fed(t->f->sessions.cache, 1000);
        add_details(t->f);
        start_session(t, CD_FACTOR_PASSWORD);
        t->access = make_access();
        t->gate = (struct cd_gate){
                .is_enabled = true,
                .access = t->access,
                .cookie = CD_STR("__Secure-cardea_session"),
                .host_cookie = CD_STR("__Host-cardea_session"),
                .identity = { CD_STR("Remote-User"), CD_STR("Remote-Groups"), CD_STR("Remote-Email"),
                              CD_STR("Remote-Name") },
                .lookup = { &t->f->sessions, &t->state },
        };
        assert_status(cd_portal_url_parse(&t->f->arena, CD_STR("https://auth.example.com/_auth"), &t->gate.portal,
                                          &t->f->err),
                      CD_OK);
        t->app.gates = cd_shared_new(nothing);
        assert_status(cd_shared_set(t->app.gates, &t->gate), CD_OK);
        cd_arena_init(&t->arena, 1 << 20);
        *state = t;
        return 0;
}

int tear_down(void **state)
{
        struct fixture *t = *state;
        void *fixture = t->f;

        cd_shared_free(t->app.gates);
        cd_access_free(t->access);
        cd_session_cache_free(t->f->sessions.cache);
        cd_arena_done(&t->arena);
        free(t);
        return factor_tear_down(&fixture);
}

/* ---- requests ---- */

void add(struct fixture *t, const char *name, cd_str value)
{
        assert_true(t->req.header_count < HEADERS);
        t->headers[t->req.header_count++] = (struct cd_http_header){ cd_str_from_c(name), value };
}

void add_c(struct fixture *t, const char *name, const char *value)
{
        add(t, name, cd_str_from_c(value));
}

void begin(struct fixture *t, const char *path)
{
        cd_arena_reset(&t->arena);
        t->log = (struct cd_http_log_context){ 0 };
        t->req = (struct cd_http_request){
                .arena = &t->arena,
                .method = CD_HTTP_GET,
                .method_name = CD_STR("GET"),
                .scheme = CD_STR("https"),
                .path = cd_str_from_c(path),
                .path_as_sent = cd_str_from_c(path),
                .authority = CD_STR("auth.example.com"),
                .host = CD_STR("auth.example.com"),
                .headers = t->headers,
                .peer = CD_STR("127.0.0.1"),
                .client_address = CD_STR("127.0.0.1"),
                .is_from_proxy = true,
                .log = &t->log,
        };
}

void nginx(struct fixture *t, const char *method, const char *url)
{
        begin(t, "/_auth/check/nginx");
        add_c(t, "X-Original-Method", method);
        add_c(t, "X-Original-URL", url);
}

void forward(struct fixture *t, const char *host, const char *uri)
{
        begin(t, "/_auth/check/forward");
        add_c(t, "X-Forwarded-Method", "GET");
        add_c(t, "X-Forwarded-Proto", "https");
        add_c(t, "X-Forwarded-Host", host);
        add_c(t, "X-Forwarded-Uri", uri);
}

void with_cookie(struct fixture *t, const char *before, const char *after)
{
        add(t, "Cookie",
            cd_arena_printf(&t->arena, "%s__Secure-cardea_session=%.*s%s", before,
                            CD_STR_ARG(cd_cookie_text(&t->token)), after));
}

/* As the engine runs the handler: on the loop, and then on a worker if it says so. The status. */
int ask(struct fixture *t, cd_http_handler *handler)
{
        cd_http_response_init(&t->res, NULL, &t->arena);
        handler(&t->app, &t->req, &t->res);
        t->was_on_worker = t->res.next != NULL;
        if (t->was_on_worker) {
                assert_int_equal(t->res.next_where, CD_HTTP_WORKER);
                cd_http_handler *next = t->res.next;
                t->req.state = t->res.next_state;
                t->log = (struct cd_http_log_context){ 0 };
                cd_http_response_init(&t->res, NULL, &t->arena);
                next(&t->app, &t->req, &t->res);
                assert_null(t->res.next);
        }
        assert_true(cd_http_can_send(&t->res));
        return t->res.status;
}

int ask_nginx(struct fixture *t)
{
        return ask(t, cd_gate_check_nginx);
}

int ask_forward(struct fixture *t)
{
        return ask(t, cd_gate_check_forward);
}

/* Of a header of the answer that occurs once; ptr NULL: none. */
cd_str header(struct fixture *t, const char *name)
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

void logs(struct fixture *t, const char *error, const char *reason)
{
        assert_str(t->log.error, error);
        assert_str(t->log.reason, reason);
}
