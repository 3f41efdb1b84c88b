/* Logging in with an account at another provider: the browser goes there, and comes back with a code. The form that
 * connects an account to a user who is logged in is in provider_accounts.c. */
#include "portal/signin.h"

#include "base/percent.h"
#include "signin/trace.h"

enum {
        RETURN_SEALED_MAX =
                1024, /* bytes of the page to return to in the sealed cookie; the portal keeps a longer one */
        FREE_SLOT_ATTEMPTS = 16,
};

/* Before the state, in the cookie of a login that has ended: so the back button leads to a page that says so. */
#define USED_MARK CD_STR("-")

/* The page that sends the user back to the terminal. */
#define TRACED "traced"

/* What follows "/_auth/signin/". */
struct target {
        const struct cd_signin_provider *provider; /* NULL: there is none of that name */
        cd_str page;                               /* "callback"; empty: the start */
};

static struct target find_target(const struct cd_visit *visit)
{
        cd_str base = CD_STR(CD_PORTAL_BASE "/signin/"), path = visit->req->path;
        struct target ret = { 0 };

        if (!visit->signin || !cd_str_has_prefix(path, base))
                return ret;
        cd_str rest = cd_str_slice(path, base.len, path.len);
        size_t slash = cd_str_index(rest, '/');
        ret.provider = cd_signin_find(visit->signin, cd_str_slice(rest, 0, slash));
        ret.page = cd_str_slice(rest, slash + 1, rest.len);
        if (cd_str_eq_c(ret.page, "callback/")) /* GitHub reports a redirect URI that is off by a slash to that URI */
                ret.page.len--;
        return ret;
}

/* What each handler on a pool begins with: the provider may be gone since the loop has looked. False: it has
 * answered. */
static bool begin(void *app, const struct cd_http_request *req, struct cd_http_response *res, struct cd_visit *visit,
                  struct target *ret)
{
        if (!cd_visit_begin(app, req, res, visit))
                return false;
        visit->has_secret_url = true;
        *ret = find_target(visit);
        if (ret->provider)
                return true;
        cd_visit_fail(visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
        return false;
}

/* ---- the start ---- */

/* Whether a login that this browser has begun, and that has not ended, has that slot. */
static bool is_taken(const struct cd_visit *visit, unsigned slot)
{
        cd_str cookie;

        return cd_visit_cookie(visit, CD_COOKIE_STATE + slot, &cookie) && !cd_str_has_prefix(cookie, USED_MARK);
}

/* The cookie of a login that has begun is lost if another one gets its slot. So a free slot is looked for; if there is
 * none, this login replaces another (LESSONS 26). */
static enum cd_signin_failure begin_in_free_slot(const struct cd_visit *visit,
                                                 const struct cd_signin_provider *provider,
                                                 const struct cd_signin_begin *params, struct cd_signin_started *ret,
                                                 struct cd_error *reterr)
{
        for (int i = 0;; i++) {
                enum cd_signin_failure failure = cd_signin_begin(provider, visit->req->arena, params, ret, reterr);
                if (failure != CD_SIGNIN_OK || i == FREE_SLOT_ATTEMPTS || !is_taken(visit, ret->slot))
                        return failure;
        }
}

/* 302: the browser goes to the provider. */
static void go_to_provider(struct cd_visit *visit, const struct cd_signin_started *started)
{
        cd_visit_set_cookie(visit, CD_COOKIE_STATE + started->slot, started->cookie, CD_SIGNIN_STATE_LIFETIME);
        cd_visit_drop_cookie(visit, CD_COOKIE_FAILURE);
        cd_http_respond(visit->res, 302, (cd_str){ 0 }, (cd_str){ 0 });
        cd_http_response_header(visit->res, CD_STR("Location"), started->url);
        cd_visit_add_common_headers(visit);
}

static void start(struct cd_visit *visit, const struct cd_signin_provider *provider,
                  const struct cd_signin_begin *params, cd_str return_to)
{
        struct cd_signin_result unknown = { 0 };
        struct cd_signin_started started;
        struct cd_error err = { 0 };

        enum cd_signin_failure failure = begin_in_free_slot(visit, provider, params, &started, &err);
        if (failure == CD_SIGNIN_OK) {
                go_to_provider(visit, &started);
                return;
        }
        cd_portal_fail_signin(visit, &(struct cd_portal_failure){
                                             .failure = failure,
                                             .provider = provider,
                                             .result = &unknown,
                                             .return_to = return_to,
                                             .said = cd_arena_copy(visit->req->arena, cd_str_from_c(err.reason)),
                                     });
}

/* A browser that has a session needs no login, unless it is to confirm who the user is. */
static void begin_login(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct target target;
        struct cd_visit visit;
        struct cd_error err;

        if (!begin(app, req, res, &visit, &target))
                return;
        cd_str return_to = cd_visit_parameter(&visit, CD_STR("return_to"));
        cd_status status = cd_visit_find_session(&visit, &session, &err);
        if (status == CD_OK && !cd_visit_parameter(&visit, CD_STR("again")).len) {
                cd_visit_return(&visit, return_to);
                return;
        }
        if (status != CD_OK && status != CD_NOT_FOUND) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        bool is_long = return_to.len > RETURN_SEALED_MAX;
        const struct cd_signin_begin params = { .return_to = is_long ? (cd_str){ 0 } : return_to };
        cd_visit_keep_return(&visit, is_long ? return_to : (cd_str){ 0 });
        start(&visit, target.provider, &params, return_to);
}

/* After the form of the account page, see provider_accounts.c. */
static void begin_connecting(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct target target;
        struct cd_visit visit;
        struct cd_user user;

        if (!begin(app, req, res, &visit, &target) || !cd_visit_need_session(&visit, &session, &user))
                return;
        if (!cd_portal_takes_connect(&visit, &session, cd_signin_name(target.provider))) {
                cd_visit_redirect(&visit, CD_STR("/"));
                return;
        }
        const struct cd_signin_begin params = { .link_user = user.name, .link_sid = session.sid };
        start(&visit, target.provider, &params, (cd_str){ 0 });
}

/* ---- the callback ---- */

static void complete(struct cd_visit *visit, const struct cd_signin_provider *provider,
                     const struct cd_signin_result *result, const struct cd_session *session)
{
        cd_str return_to = result->return_to.len ? result->return_to : cd_visit_kept_return(visit);
        cd_str name = cd_signin_name(provider);
        cd_str after = cd_arena_printf(visit->req->arena, "with the provider %.*s", CD_STR_ARG(name));
        const struct cd_visit_login login = {
                .user = &result->user,
                .factors = CD_FACTOR_PROVIDER,
                .after = after.ptr ? after.ptr : "with a provider",
        };

        if (result->linked) {
                cd_visit_redirect(visit, CD_STR("/?done=connected"));
                return;
        }
        if (cd_signin_asks_second_factor(provider)) {
                cd_visit_keep_return(visit, return_to);
                cd_visit_ask_second_factor(visit, &result->user, CD_FACTOR_PROVIDER);
                return;
        }
        if (!cd_visit_start_session(visit, &login))
                return;
        if (session && cd_str_eq(session->user, result->user.name)) /* which this one replaces */
                (void)cd_session_log_out(visit->portal->services.sessions, visit->req->arena, session,
                                         visit->req->client_address, NULL);
        cd_visit_return(visit, return_to);
}

/* The state is used up, unless the login can be tried again, or is none of this browser: a site that leads it here with
 * another state must not end the login that it has begun. */
static void mark_used(struct cd_visit *visit, enum cd_signin_failure failure, cd_str state)
{
        if (failure == CD_SIGNIN_BUSY || failure == CD_SIGNIN_UNAVAILABLE || failure == CD_SIGNIN_NO_STATE ||
            failure == CD_SIGNIN_MALFORMED)
                return;
        cd_str mark = cd_arena_printf(visit->req->arena, "%.*s%.*s", CD_STR_ARG(USED_MARK), CD_STR_ARG(state));
        if (mark.ptr)
                cd_visit_set_cookie(visit, CD_COOKIE_STATE + cd_signin_slot(state), mark, CD_SIGNIN_STATE_LIFETIME);
}

static enum cd_signin_failure finish(struct cd_visit *visit, const struct cd_signin_provider *provider,
                                     struct cd_signin_callback *callback, struct cd_signin_result *ret,
                                     struct cd_error *reterr)
{
        unsigned slot = cd_signin_slot(callback->state);
        (void)cd_visit_cookie(visit, CD_COOKIE_STATE + slot, &callback->cookie);
        if (cd_str_has_prefix(callback->cookie, USED_MARK) && callback->state.len &&
            cd_str_eq(cd_str_slice(callback->cookie, USED_MARK.len, callback->cookie.len), callback->state)) {
                (void)cd_fail(reterr, CD_INVALID_REQUEST, "this browser has used the state before");
                return CD_SIGNIN_USED;
        }
        enum cd_signin_failure failure = cd_signin_finish(provider, visit->req->arena, callback, ret, reterr);
        mark_used(visit, failure, callback->state);
        cd_portal_count_signin(provider, failure);
        return failure;
}

/* Whether the session with which the callback came has not ended since. */
static bool session_lasts(void *arg)
{
        const struct cd_visit *visit = arg;
        struct cd_store *store = visit->portal->services.sessions->store;
        struct cd_session session;
        struct cd_user user;

        return cd_visit_find_session(visit, &session, NULL) == CD_OK &&
               store->users->find(store, visit->req->arena, session.user, &user, NULL) == CD_OK &&
               user.generation == session.generation && !user.disabled;
}

/* `cardea trace login` waits for this callback. The browser's own logins are not touched. */
static enum cd_signin_failure pass_to_trace(struct cd_visit *visit, const struct cd_signin_provider *provider,
                                            const struct cd_signin_callback *callback, struct cd_error *reterr)
{
        cd_str page = cd_arena_printf(visit->req->arena, "/signin/%.*s/" TRACED, CD_STR_ARG(cd_signin_name(provider)));
        struct cd_log_event event;

        enum cd_signin_failure failure = cd_signin_trace_keep(provider, visit->req->arena, callback, reterr);
        if (failure != CD_SIGNIN_OK || !page.ptr)
                return failure;
        cd_log_begin(&event, visit->portal->services.log, CD_LOG_INFO, "signin_traced");
        cd_log_str(&event, "provider", cd_signin_name(provider));
        cd_log_end(&event);
        cd_visit_redirect(visit, page);
        return CD_SIGNIN_OK;
}

static void show_traced(struct cd_visit *visit, const struct cd_signin_provider *provider)
{
        const struct cd_page_signin_traced fields = { .provider = cd_signin_label(provider) };
        struct cd_buf buf;

        cd_visit_begin_page(visit, &buf);
        cd_page_signin_traced(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, 200, &buf);
}

static enum cd_signin_failure fail_unreadable(struct cd_error *reterr)
{
        (void)cd_fail(reterr, CD_INVALID_REQUEST, "a parameter of the callback is not percent-encoded UTF-8");
        return CD_SIGNIN_MALFORMED;
}

static void finish_login(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;
        struct cd_signin_callback callback = { .session_lasts = session_lasts,
                                               .session_arg = &visit,
                                               .address = req->client_address };
        struct cd_signin_result result = { 0 };
        struct cd_session session;
        struct target target;
        struct cd_error err = { 0 };

        if (!begin(app, req, res, &visit, &target))
                return;
        bool is_readable = cd_signin_read_callback(req->arena, req->query, &callback);
        bool is_trace = is_readable && cd_signin_is_trace(callback.state);
        cd_status status = cd_visit_find_session(&visit, &session, &err);
        if (status == CD_OK) {
                callback.session_user = session.user;
                callback.session_sid = session.sid;
        }
        enum cd_signin_failure failure = !is_readable ? fail_unreadable(&err)
                                         : is_trace   ? pass_to_trace(&visit, target.provider, &callback, &err)
                                                      : finish(&visit, target.provider, &callback, &result, &err);
        if (failure == CD_SIGNIN_OK && is_trace)
                return;
        if (failure == CD_SIGNIN_OK) {
                complete(&visit, target.provider, &result, status == CD_OK ? &session : NULL);
                return;
        }
        const struct cd_portal_failure failed = {
                .failure = failure,
                .provider = target.provider,
                .result = &result,
                .return_to = result.return_to.len ? result.return_to : cd_visit_kept_return(&visit),
                .said = cd_arena_copy(req->arena, cd_str_from_c(err.reason)),
        };
        cd_portal_fail_signin(&visit, &failed);
}

/* ---- routes ---- */

/* On the loop. What may ask the provider or the store runs on the pool for outgoing HTTP. */
void cd_portal_signin(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct target target;
        struct cd_visit visit;

        if (!begin(app, req, res, &visit, &target))
                return;
        if (req->method == CD_HTTP_HEAD) /* which must not begin or end anything */
                cd_visit_redirect(&visit, CD_STR("/login"));
        else if (!target.page.len)
                cd_http_continue_on(res, CD_HTTP_OUTGOING, begin_login, NULL);
        else if (cd_str_eq_c(target.page, "connect"))
                cd_http_continue_on(res, CD_HTTP_OUTGOING, begin_connecting, NULL);
        else if (cd_str_eq_c(target.page, "callback"))
                cd_http_continue_on(res, CD_HTTP_OUTGOING, finish_login, NULL);
        else if (cd_str_eq_c(target.page, TRACED))
                show_traced(&visit, target.provider);
        else if (!cd_portal_show_signin_failure(&visit, target.provider, target.page))
                cd_visit_fail(&visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
}

/* The queue of the pool is full. */
void cd_portal_signin_overloaded(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_signin_result unknown = { 0 };
        struct target target;
        struct cd_visit visit;

        if (begin(app, req, res, &visit, &target))
                cd_portal_fail_signin(&visit, &(struct cd_portal_failure){
                                                      .failure = CD_SIGNIN_BUSY,
                                                      .provider = target.provider,
                                                      .result = &unknown,
                                                      .return_to = cd_visit_parameter(&visit, CD_STR("return_to")),
                                                      .said = CD_STR("the queue for logins at providers is full"),
                                              });
}
