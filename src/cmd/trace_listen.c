#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/server.h"
#include "base/secret.h"
#include "cmd/trace.h"
#include "portal/portal.h"
#include "service/tls.h"

enum {
        QUERY_MAX = 5 * CD_SIGNIN_CODE_MAX,
        GRACE_MS = 1000, /* for the page */
};

struct cd_trace_listener {
        const struct cd_signin_trace *login;
        char path[128];
        struct cd_http_route route;
        struct cd_http_routes group;
        struct cd_http_table table;
        struct cd_http_server *server;
        pthread_t thread;
        bool is_running;
        int fd;
        pthread_mutex_t lock;
        size_t len;
        char query[QUERY_MAX];
};

/* False: it came before, or does not fit. */
static bool keep(struct cd_trace_listener *l, cd_str query)
{
        uint64_t one = 1;

        pthread_mutex_lock(&l->lock);
        bool is_first = !l->len && query.len && query.len <= sizeof(l->query);
        if (is_first) {
                memcpy(l->query, query.ptr, query.len);
                l->len = query.len;
        }
        pthread_mutex_unlock(&l->lock);
        return is_first && write(l->fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
}

/* On the loop. */
static void answer(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_trace_listener *l = app;
        struct cd_signin_callback callback = { 0 };
        bool is_ours = cd_signin_read_callback(req->arena, req->query, &callback) &&
                       cd_secret_eq(callback.state, l->login->state);

        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
        cd_http_response_header(res, CD_STR("Referrer-Policy"), CD_STR("no-referrer"));
        if (is_ours && req->method == CD_HTTP_GET && keep(l, req->query))
                cd_http_respond(res, 200, CD_STR("text/plain; charset=utf-8"),
                                CD_STR("Go back to your terminal. You can close this page; it logs nobody in.\n"
                                       "Gehen Sie zurück zu Ihrem Terminal. Sie können diese Seite schließen; sie "
                                       "meldet niemanden an.\n"));
        else
                cd_http_respond(res, 400, CD_STR("text/plain; charset=utf-8"),
                                CD_STR("This is not the login that is traced, or it came before.\n"
                                       "Das ist nicht die Anmeldung, die verfolgt wird, oder sie kam schon einmal.\n"));
}

static void *run(void *arg)
{
        struct cd_trace_listener *l = arg;

        (void)cd_http_server_run(l->server, NULL);
        return NULL;
}

static cd_status open_server(struct cd_trace_listener *l, const struct cd_trace *trace, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena scratch;
        const struct cd_config *config = &trace->context->admin.config;
        const struct cd_service_tables tables = { 0 };
        struct cd_http_server_options options;
        struct cd_tls_validity validity;
        struct cd_tls_options tls;

        cd_arena_init(&scratch, CD_SERVICE_ARENA);
        cd_status status = cd_service_server_options(cd_server_service(), config, &tables, &scratch, &options, reterr);
        if (status != CD_OK)
                return status;
        options.table = &l->table;
        options.threads = 1;
        options.shutdown_grace_ms = GRACE_MS;
        options.drain_delay_ms = 0;
        if (cd_service_has_tls(&config->service)) {
                status = cd_service_tls_read(&config->service.tls, cd_clock_system.now(&cd_clock_system), &scratch,
                                             &tls, &validity, reterr);
                if (status != CD_OK)
                        return status;
                options.tls = &tls;
        }
        return cd_http_server_new(&options, &l->server, reterr);
}

cd_status cd_trace_listen(const struct cd_trace *trace, struct cd_trace_listener **ret, struct cd_error *reterr)
{
        struct cd_trace_listener *l = calloc(1, sizeof(*l));

        if (!l)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to listen");
        l->login = &trace->login;
        l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&l->lock, NULL);
        snprintf(l->path, sizeof(l->path), CD_PORTAL_BASE "/signin/%.*s/callback",
                 CD_STR_ARG(cd_signin_name(trace->provider)));
        l->route = (struct cd_http_route){
                .methods = CD_HTTP_GET, .path = cd_str_from_c(l->path), .where = CD_HTTP_INLINE, .handler = answer
        };
        l->group = (struct cd_http_routes){ .items = &l->route, .count = 1, .app = l };
        l->table = (struct cd_http_table){ .groups = &l->group, .count = 1 };
        cd_status status = l->fd < 0 ? cd_fail(reterr, CD_UNAVAILABLE, "no descriptor") : open_server(l, trace, reterr);
        if (status == CD_OK && pthread_create(&l->thread, NULL, run, l) != 0)
                status = cd_fail(reterr, CD_UNAVAILABLE, "no thread to listen with");
        l->is_running = status == CD_OK;
        if (status == CD_OK)
                *ret = l;
        else
                cd_trace_listener_free(l);
        return status;
}

int cd_trace_listener_fd(const struct cd_trace_listener *listener)
{
        return listener->fd;
}

/* Written once, before the descriptor became readable. */
cd_str cd_trace_listener_query(const struct cd_trace_listener *listener)
{
        return cd_str_of(listener->query, listener->len);
}

void cd_trace_listener_free(struct cd_trace_listener *l)
{
        if (!l)
                return;
        if (l->is_running) {
                cd_http_server_stop(l->server);
                pthread_join(l->thread, NULL);
        }
        (void)cd_http_server_free(l->server); /* no handler runs on a pool */
        if (l->fd >= 0)
                close(l->fd);
        pthread_mutex_destroy(&l->lock);
        cd_wipe(l->query, sizeof(l->query));
        free(l);
}
