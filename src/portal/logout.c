/* Logging out, who is logged in, and the styles of the pages. */
#include "base/buf.h"
#include "core/cookie_names.h"
#include "core/ports.h"
#include "portal/signin.h"

enum {
        ME_MAX = 64 * 1024, /* bytes */
};

struct logout_form {
        cd_str csrf, return_to;
};

static const struct cd_field logout_fields[] = {
        CD_VISIT_CSRF_FIELD(struct logout_form),
        { .name = "return_to", .offset = offsetof(struct logout_form, return_to), .max = CD_RETURN_TO_MAX },
};
static const struct cd_table logout_table = { "logout", logout_fields, CD_LEN(logout_fields),
                                              sizeof(struct logout_form), false };

static void show_logout(struct cd_visit *visit, int status, cd_str username, cd_str return_to)
{
        const struct cd_page_logout fields = { .username = username, .return_to = return_to };
        struct cd_buf buf;

        (void)cd_visit_destination(visit, return_to);
        cd_visit_begin_page(visit, &buf);
        cd_page_logout(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

/* The cookies go even if nobody was logged in. `page` is where a browser goes that is to return to no other. */
static void leave(struct cd_visit *visit, cd_str return_to, cd_str page)
{
        const struct cd_portal *portal = visit->portal;

        cd_visit_drop_cookie(visit, CD_COOKIE_SESSION);
        cd_visit_drop_cookie(visit, CD_COOKIE_LOGIN);
        cd_visit_drop_cookie(visit, CD_COOKIE_ENROL);
        if (return_to.len)
                cd_visit_redirect(
                        visit,
                        cd_return_to_decide(visit->req->arena, portal->settings.access, &portal->url, return_to).url);
        else
                cd_visit_redirect(visit, page);
}

/* Ends every session that the browser has sent, beginning with `first`. Another one comes from an earlier
 * cookie_domain, or from a host below the domain, and deleting the cookie of the first would uncover it. */
static cd_status end_sessions(const struct cd_visit *visit, const struct cd_session *first, struct cd_error *reterr)
{
        const struct cd_http_request *req = visit->req;
        struct cd_session session = *first;

        for (int i = 0; i < CD_SESSION_COOKIES_MAX; i++) {
                cd_status status = cd_session_log_out(visit->portal->services.sessions, req->arena, &session,
                                                      req->client_address, reterr);
                if (status == CD_OK)
                        status = cd_visit_find_session(visit, &session, reterr);
                if (status != CD_OK)
                        return status == CD_NOT_FOUND ? CD_OK : status;
        }
        return CD_OK;
}

void cd_portal_logout(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct logout_form form = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        cd_str page = CD_STR("/login?done=logged-out");
        struct cd_error err;
        int wrong;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        cd_status status = cd_visit_find_session(&visit, &session, &err);
        if (status != CD_OK && status != CD_NOT_FOUND) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        cd_str user = status == CD_OK ? session.user : (cd_str){ 0 };
        if (req->method != CD_HTTP_POST) {
                cd_str return_to = cd_visit_parameter(&visit, CD_STR("return_to"));
                if (status == CD_OK)
                        show_logout(&visit, 200, user, return_to);
                else
                        leave(&visit, return_to, page);
                return;
        }
        if (!cd_visit_read_form(&visit, &logout_table, &form, &wrong)) {
                show_logout(&visit, wrong, user, form.return_to);
                return;
        }
        if (status == CD_OK && !form.return_to.len)
                page = cd_portal_logged_out_page(&visit, &session);
        if (status == CD_OK && end_sessions(&visit, &session, &err) != CD_OK) {
                cd_visit_fail_error(&visit, &err);
                return;
        }
        leave(&visit, form.return_to, page);
}

/* ---- who is logged in ---- */

static void add_groups(struct cd_buf *buf, struct cd_strs groups)
{
        cd_buf_add_char(buf, '[');
        for (size_t i = 0; i < groups.count; i++) {
                if (i)
                        cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, groups.items[i]);
        }
        cd_buf_add_char(buf, ']');
}

void cd_portal_me(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_buf buf;
        cd_str body;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        visit.wants_json = true;
        if (!cd_visit_need_session(&visit, &session, &user))
                return;
        cd_buf_init(&buf, req->arena, ME_MAX);
        cd_buf_add(&buf, CD_STR("{\"user\":"));
        cd_buf_add_json(&buf, user.name);
        cd_buf_add(&buf, CD_STR(",\"display_name\":"));
        cd_buf_add_json(&buf, user.display_name);
        cd_buf_add(&buf, CD_STR(",\"email\":"));
        cd_buf_add_json(&buf, user.email);
        cd_buf_add(&buf, user.email_verified ? CD_STR(",\"email_verified\":true,\"groups\":")
                                             : CD_STR(",\"email_verified\":false,\"groups\":"));
        add_groups(&buf, user.groups);
        cd_buf_printf(&buf, ",\"factors\":%u,\"auth_time\":%lld,\"expires_at\":%lld}",
                      cd_session_factor_count(&session), (long long)session.auth_time, (long long)session.expires_at);
        if (cd_buf_view(&buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, 200, CD_STR("application/json"), body);
        cd_visit_add_common_headers(&visit);
}

/* ---- the styles ---- */

void cd_portal_styles(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        /* A copy: a reload may free the portal before a slow client has read it. */
        cd_str styles = cd_arena_copy(req->arena, visit.portal->styles);
        if (!styles.ptr)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, 200, CD_STR("text/css; charset=utf-8"), styles);
        cd_http_response_header(res, CD_STR("Cache-Control"), CD_STR("public, max-age=31536000, immutable"));
        cd_http_response_header(res, CD_STR("X-Content-Type-Options"), CD_STR("nosniff"));
}
