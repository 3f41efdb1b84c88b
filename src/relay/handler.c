#include "relay/handler.h"

#include <stdlib.h>

#include "base/base64.h"
#include "http/body.h"
#include "relay/message.h"
#include "relay/params.h"

enum {
        BODY_MAX = 64 * 1024, /* bytes of a form: four parameters, percent-encoded */
        ARENA = 1024 * 1024,  /* bytes of one delivery: what is sent, and the answer */
        ID_TEXT = 43,         /* characters of an id in base64url */
};

/* One request. A delivery that was sent goes on if the browser leaves: its answer is for a page that comes back. */
struct relayed {
        struct cd_relay_app *app;
        struct cd_shared_version *version; /* of the relays */
        const struct cd_relay_route *route;
        struct cd_exchange *x; /* NULL: the browser has left */
        struct cd_arena arena;
        struct cd_buf body;
        struct cd_relay_params params;
        unsigned char id[CD_RELAY_ID_SIZE];
        struct cd_relay_link link; /* of a signed state */
        cd_str request, request_id;
        struct cd_relay_call *call;
        bool has_begun;   /* among the recent ones it is in flight */
        bool is_admitted; /* its signed state was used */
        bool is_held;     /* it is in the store */
        cd_status status; /* of what a worker did */
        struct cd_relay_page page;
        struct cd_error err;
};

/* ---- routes ---- */

const struct cd_relay_route *cd_relay_find(const struct cd_relay *relay, cd_str host, cd_str path)
{
        const struct cd_relay_route *found = NULL;
        cd_str bare = path.len > 1 && path.ptr[path.len - 1] == '/' ? cd_str_slice(path, 0, path.len - 1) : path;

        for (size_t i = 0; relay && i < relay->count; i++) {
                const struct cd_relay_route *route = &relay->routes[i];
                if (!cd_str_eq(route->path, bare) || (route->host.len && !cd_str_eq(route->host, host)))
                        continue;
                if (!found || route->host.len)
                        found = route;
        }
        return found;
}

static const struct cd_http_streaming streaming;
static const struct cd_http_route site = { .methods = CD_HTTP_ANY, .streaming = &streaming, .body_max = BODY_MAX };

static const struct cd_http_route *find(void *app, cd_str host, cd_str path)
{
        const struct cd_relay *relay = cd_shared_get(((struct cd_relay_app *)app)->relays);

        return path.ptr && cd_relay_find(relay, host, path) ? &site : NULL;
}

void cd_relay_sites_init(struct cd_http_sites *sites, struct cd_relay_app *app)
{
        *sites = (struct cd_http_sites){ .find = find, .app = app };
}

struct cd_mac *cd_relay_ids(const struct cd_master_key *master)
{
        return cd_master_key_mac(master, CD_STR("relay-delivery"));
}

/* ---- answers ---- */

static void free_relayed(struct relayed *r)
{
        cd_shared_release(r->version);
        cd_arena_done(&r->arena);
        free(r);
}

/* The response was filled. */
static void answer(struct relayed *r)
{
        struct cd_exchange *x = r->x;

        free_relayed(r);
        cd_http_answer(x);
}

static void show(struct relayed *r, struct cd_relay_page *page, cd_str reason)
{
        const struct cd_http_request *req = cd_http_exchange_request(r->x);

        if (!page->status)
                page->status = cd_relay_page_status(page->kind);
        if (page->kind == CD_RELAY_PAGE_UNREACHABLE || page->kind == CD_RELAY_PAGE_BUSY ||
            page->kind == CD_RELAY_PAGE_FAILED) {
                page->state = r->params.state;
                page->code = r->params.code;
                page->error = r->params.error;
                page->error_description = r->params.error_description;
        }
        if (reason.len)
                req->log->reason = cd_arena_copy(req->arena, reason);
        r->app->pages->respond(r->app->pages, req, page, cd_http_exchange_response(r->x));
        answer(r);
}

static void show_kind(struct relayed *r, enum cd_relay_page_kind kind, cd_str reason)
{
        struct cd_relay_page page = { .kind = kind };

        show(r, &page, reason);
}

static void show_error(struct relayed *r, enum cd_relay_page_kind kind, const struct cd_error *err)
{
        show_kind(r, kind, cd_arena_printf(&r->arena, "%s%s%s", err->field, err->field[0] ? " " : "", err->reason));
}

static cd_str id_text(struct relayed *r)
{
        char *text = cd_arena_alloc(cd_http_exchange_request(r->x)->arena, ID_TEXT);

        if (!text)
                return CD_STR("");
        return cd_str_of(text, cd_base64url_encode(text, cd_str_of((const char *)r->id, sizeof(r->id))));
}

/* To the page that waits: the code and the state leave the address bar. Relative, since a proxy may serve the relay
 * below another path. */
static void redirect_to_wait(struct relayed *r)
{
        struct cd_http_response *res = cd_http_exchange_response(r->x);
        cd_str location =
                cd_arena_printf(cd_http_exchange_request(r->x)->arena, "?waiting=%.*s", CD_STR_ARG(id_text(r)));

        if (location.ptr) {
                cd_http_respond(res, 303, (cd_str){ NULL, 0 }, CD_STR(""));
                cd_http_response_header(res, CD_STR("Location"), location);
                cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
                cd_http_response_header(res, CD_STR("Referrer-Policy"), CD_STR("no-referrer"));
        }
        answer(r);
}

/* ---- the delivery ---- */

static void call_has_ended(void *owner, const struct cd_relay_call_end *end)
{
        struct relayed *r = owner;
        struct cd_relay_result result;

        cd_relay_result_read(r->route, &r->arena, end, &result);
        if (result.page.kind == CD_RELAY_PAGE_UNREACHABLE)
                cd_relay_recent_undo(r->app->recent, r->id, r->is_admitted);
        else
                cd_relay_recent_finish(r->app->recent, r->id, &result.page);
        const struct cd_relay_event event = {
                .relay = r->route->path,
                .receiver = r->route->deliver,
                .request_id = r->request_id,
                .end = end,
                .result = &result,
                .encoding = r->route->encoding,
                .request = r->request,
        };
        r->app->observer->ended(r->app->observer, &event);
        r->has_begun = false;
        r->call = NULL;
        if (r->x)
                show(r, &result.page, result.reason);
        else
                free_relayed(r);
}

static void undo(struct relayed *r)
{
        if (r->has_begun)
                cd_relay_recent_undo(r->app->recent, r->id, r->is_admitted);
        r->has_begun = false;
}

static void start_call(struct relayed *r)
{
        const struct cd_relay_call_options options = {
                .route = r->route,
                .request = r->request,
                .done = call_has_ended,
                .owner = r,
        };

        r->call = cd_relay_call_start(cd_http_exchange_loop(r->x), &options);
        if (r->call)
                return;
        undo(r);
        show_kind(r, CD_RELAY_PAGE_FAILED, CD_STR("out of memory"));
}

/* On a worker. A signed state is used before anything is sent or kept. */
static void ask_store(struct cd_exchange *x)
{
        struct relayed *r = cd_http_exchange_state(x);

        if (r->route->state == CD_RELAY_SIGNED && !r->is_admitted) {
                r->status = cd_relay_link_use(&r->app->links, &r->arena, r->params.state, &r->link, &r->err);
                r->is_admitted = r->status == CD_OK;
                /* By this very delivery, before this process was started? */
                if (r->status == CD_EXISTS && r->route->hold_ms)
                        r->is_held = cd_relay_hold_find(&r->app->holds, &r->arena, r->id, &r->page, NULL) == CD_OK;
                if (r->status != CD_OK)
                        return;
        }
        if (!r->route->hold_ms)
                return;
        r->status = cd_relay_hold_add(&r->app->holds, &r->arena, r->route, r->id, r->request, &r->err);
        r->is_held = r->status == CD_OK || r->status == CD_EXISTS;
        if (r->status == CD_OK)
                r->app->held(r->app->held_arg);
}

static void store_was_asked(struct cd_exchange *x)
{
        struct relayed *r = cd_http_exchange_state(x);

        if (r->status == CD_OK && !r->is_held) {
                start_call(r);
                return;
        }
        undo(r);
        if (r->is_held)
                redirect_to_wait(r);
        else if (r->status == CD_EXISTS)
                show_kind(r, CD_RELAY_PAGE_LINK_INVALID, CD_STR("state was used before"));
        else
                show_error(r, r->status == CD_THROTTLED ? CD_RELAY_PAGE_BUSY : CD_RELAY_PAGE_FAILED, &r->err);
}

static void admit(struct relayed *r)
{
        if (r->route->state == CD_RELAY_OPAQUE && !r->route->hold_ms) {
                start_call(r);
                return;
        }
        cd_status status = cd_http_run_on(r->x, CD_HTTP_WORKER, ask_store, store_was_asked);
        if (status == CD_OK)
                return;
        undo(r);
        show_kind(r, CD_RELAY_PAGE_BUSY,
                  status == CD_NO_MEMORY ? CD_STR("out of memory") : CD_STR("the queue of the pool is full"));
}

/* ---- what was asked for ---- */

static void add_part(struct cd_buf *buf, cd_str part)
{
        cd_buf_add_u64(buf, part.len);
        cd_buf_add_char(buf, ':');
        cd_buf_add(buf, part);
}

static cd_status make_id(struct relayed *r)
{
        const struct cd_relay_params *p = &r->params;
        const cd_str parts[] = { r->route->host, r->route->path, p->state, p->code, p->error, p->error_description };
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &r->arena, ARENA);
        for (size_t i = 0; i < CD_LEN(parts); i++)
                add_part(&buf, parts[i]);
        cd_status status = cd_buf_view(&buf, &text);
        return status == CD_OK ? cd_mac_sum(r->app->ids, text, r->id) : status;
}

static cd_status make_request(struct relayed *r)
{
        const struct cd_relay_params *p = &r->params;
        const struct cd_relay_delivery delivery = {
                .state = p->state,
                .code = p->code,
                .error = p->error,
                .error_description = p->error_description,
                .data = r->route->state == CD_RELAY_SIGNED ? r->link.data : (cd_str){ 0 },
        };
        struct cd_buf buf;

        cd_buf_init(&buf, &r->arena, CD_RELAY_MESSAGE_WIRE_MAX);
        cd_relay_write(r->route->encoding, &delivery, &buf);
        return cd_buf_view(&buf, &r->request);
}

static void begin_delivery(struct relayed *r)
{
        struct cd_relay_page page;

        if (make_id(r) != CD_OK || make_request(r) != CD_OK) {
                show_kind(r, CD_RELAY_PAGE_FAILED, CD_STR("out of memory"));
                return;
        }
        switch (cd_relay_recent_begin(r->app->recent, r->id, &r->arena, &page, &r->is_admitted)) {
        case CD_RELAY_NEW:
                r->has_begun = true;
                admit(r);
                break;
        case CD_RELAY_IN_FLIGHT:
                redirect_to_wait(r);
                break;
        case CD_RELAY_ENDED:
                show(r, &page, CD_STR("delivered before"));
                break;
        case CD_RELAY_FULL:
                show_kind(r, CD_RELAY_PAGE_BUSY, CD_STR("too many deliveries are in flight"));
                break;
        }
}

static void deliver(struct relayed *r)
{
        cd_status status = cd_relay_params_check(&r->params, &r->err);

        if (status != CD_OK) {
                show_error(r, CD_RELAY_PAGE_INVALID, &r->err);
                return;
        }
        if (r->route->state == CD_RELAY_SIGNED)
                status = cd_relay_link_check(&r->app->links, &r->arena, r->route, r->params.state, &r->link, &r->err);
        if (status == CD_OK)
                begin_delivery(r);
        else if (status == CD_INVALID_REQUEST || status == CD_TIMEOUT)
                show_error(r, CD_RELAY_PAGE_LINK_INVALID, &r->err);
        else
                show_error(r, CD_RELAY_PAGE_FAILED, &r->err);
}

/* ---- the page that waits ---- */

static void look_up(struct cd_exchange *x)
{
        struct relayed *r = cd_http_exchange_state(x);

        r->status = cd_relay_hold_find(&r->app->holds, &r->arena, r->id, &r->page, &r->err);
}

static void was_looked_up(struct cd_exchange *x)
{
        struct relayed *r = cd_http_exchange_state(x);

        if (r->status == CD_OK) {
                r->page.waiting = id_text(r);
                show(r, &r->page, CD_STR(""));
        } else {
                show_error(r, r->status == CD_NOT_FOUND ? CD_RELAY_PAGE_UNKNOWN : CD_RELAY_PAGE_FAILED, &r->err);
        }
}

static void wait_for(struct relayed *r)
{
        struct cd_relay_page page = { .kind = CD_RELAY_PAGE_WAITING, .waiting = r->params.waiting };
        char id[ID_TEXT / 4 * 3 + 2];
        size_t len;

        if (r->params.waiting.len != ID_TEXT || cd_base64url_decode(r->params.waiting, id, &len) != CD_OK) {
                show_kind(r, CD_RELAY_PAGE_UNKNOWN, CD_STR("waiting is no id of a delivery"));
                return;
        }
        memcpy(r->id, id, sizeof(r->id));
        enum cd_relay_known known = cd_relay_recent_find(r->app->recent, r->id, &r->arena, &page);
        if (known == CD_RELAY_IN_FLIGHT || known == CD_RELAY_ENDED)
                show(r, &page, CD_STR(""));
        else if (!r->route->hold_ms && known == CD_RELAY_NEW) /* another page of the browser has the button */
                show_kind(r, CD_RELAY_PAGE_UNREACHABLE, CD_STR("nothing was sent"));
        else if (!r->route->hold_ms)
                show_kind(r, CD_RELAY_PAGE_UNKNOWN, CD_STR("there is no such delivery"));
        else if (cd_http_run_on(r->x, CD_HTTP_WORKER, look_up, was_looked_up) != CD_OK)
                show(r, &page, CD_STR("the queue of the pool is full"));
}

/* ---- events ---- */

static void take(struct relayed *r, cd_str query)
{
        bool is_form = cd_http_exchange_request(r->x)->method == CD_HTTP_POST;

        if (cd_relay_params_read(&r->arena, query, &r->params, &r->err) != CD_OK)
                show_error(r, CD_RELAY_PAGE_INVALID, &r->err);
        else if (r->params.waiting.len && !is_form)
                wait_for(r);
        else
                deliver(r);
}

/* By a browser that only guesses that the page will be asked for: nobody has come back from the provider. */
static bool is_prefetch(const struct cd_http_request *req)
{
        return cd_str_has_prefix(cd_http_header_get(req, CD_STR("Sec-Purpose")), CD_STR("prefetch")) ||
               cd_str_eq_nocase(cd_http_header_get(req, CD_STR("Purpose")), CD_STR("prefetch")) ||
               cd_str_eq_nocase(cd_http_header_get(req, CD_STR("X-Moz")), CD_STR("prefetch"));
}

static void answer_plainly(struct relayed *r, int status)
{
        struct cd_http_response *res = cd_http_exchange_response(r->x);

        cd_http_respond(res, status, CD_STR("text/html; charset=utf-8"), CD_STR(""));
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("no-store"));
        if (status == 405)
                cd_http_response_header(res, CD_STR("Allow"), CD_STR("GET, HEAD, POST"));
        answer(r);
}

static void answer_styles(struct relayed *r, const struct cd_http_request *req)
{
        r->app->pages->respond_styles(r->app->pages, req, cd_http_exchange_response(r->x));
        answer(r);
}

static bool is_form(const struct cd_http_request *req)
{
        cd_str type = cd_http_header_get(req, CD_STR("Content-Type"));

        return cd_str_eq_nocase(cd_str_trim(cd_str_slice(type, 0, cd_str_index(type, ';'))),
                                CD_STR("application/x-www-form-urlencoded"));
}

static void route_request(struct relayed *r, const struct cd_http_request *req)
{
        if (req->method == CD_HTTP_HEAD)
                answer_plainly(r, 200); /* a link preview: only GET delivers */
        else if (req->method == CD_HTTP_GET && cd_str_eq(req->query, CD_STR("styles")))
                answer_styles(r, req);
        else if (req->method == CD_HTTP_GET && is_prefetch(req))
                answer_plainly(r, 503);
        else if (req->method == CD_HTTP_GET)
                take(r, req->query);
        else if (req->method != CD_HTTP_POST)
                answer_plainly(r, 405);
        else if (is_form(req))
                cd_http_pull(r->x, BODY_MAX);
        else
                show_kind(r, CD_RELAY_PAGE_INVALID, CD_STR("the body is not a form"));
}

static void begin(void *app, struct cd_exchange *x)
{
        const struct cd_http_request *req = cd_http_exchange_request(x);
        struct relayed *r = calloc(1, sizeof(*r));

        if (!r) {
                cd_http_respond(cd_http_exchange_response(x), 503, CD_STR("text/plain"), CD_STR("out of memory\n"));
                cd_http_answer(x);
                return;
        }
        r->app = app;
        r->x = x;
        cd_arena_init(&r->arena, ARENA);
        cd_buf_init(&r->body, &r->arena, BODY_MAX);
        cd_http_exchange_set_state(x, r);
        r->route = cd_relay_find(cd_shared_hold(r->app->relays, &r->version), req->host, req->path);
        r->request_id = cd_arena_copy(&r->arena, req->request_id);
        if (!r->route) /* a reload has removed it in this moment */
                answer_plainly(r, 404);
        else
                route_request(r, req);
}

static void data(struct cd_exchange *x, cd_str bytes)
{
        cd_buf_add(&((struct relayed *)cd_http_exchange_state(x))->body, bytes);
}

static void end(struct cd_exchange *x)
{
        struct relayed *r = cd_http_exchange_state(x);
        cd_str body;

        if (cd_http_exchange_request(x)->method != CD_HTTP_POST)
                return;
        if (cd_buf_view(&r->body, &body) == CD_OK)
                take(r, body);
        else
                show_kind(r, CD_RELAY_PAGE_FAILED, CD_STR("out of memory"));
}

static void cancelled(struct cd_exchange *x)
{
        struct relayed *r = cd_http_exchange_state(x);

        r->x = NULL;
        if (r->call && cd_relay_call_has_sent(r->call))
                return;
        if (r->call)
                cd_relay_call_cancel(r->call);
        undo(r);
        free_relayed(r);
}

static const struct cd_http_streaming streaming = {
        .begin = begin,
        .data = data,
        .end = end,
        .cancelled = cancelled,
};
