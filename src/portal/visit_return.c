/* The page to return to after a login, and browsers that would go in a circle. */
#include <string.h>

#include "base/base64.h"
#include "base/canonical.h"
#include "core/cookie_names.h"
#include "core/hand_over.h"
#include "portal/visit.h"

enum {
        RETURN_COOKIE_MAX = 3072, /* characters, so that a browser keeps the cookie */
        SENT_MAX = 3,             /* times that a browser is sent to a page that sends it back */
        SENT_LASTS = 60,          /* seconds from one time to the next */
        SENT_MARK = '-',          /* before the URL in the cookie, once for each time */
};

/* "host:port" of an origin. */
static cd_str host_of(cd_str origin)
{
        return cd_str_slice(origin, cd_str_index(origin, ':') + 3, origin.len);
}

void cd_visit_keep_return(struct cd_visit *visit, cd_str return_to)
{
        char *text = cd_arena_alloc(visit->req->arena, cd_base64url_length(return_to.len) + 1);

        if (!return_to.len || !text || cd_base64url_length(return_to.len) > RETURN_COOKIE_MAX) {
                cd_visit_drop_cookie(visit, CD_COOKIE_RETURN);
                return;
        }
        cd_visit_set_cookie(visit, CD_COOKIE_RETURN, cd_str_of(text, cd_base64url_encode(text, return_to)), 0);
}

/* *ret_sent: how many times the browser was sent there. */
static cd_str read_return(const struct cd_visit *visit, int *ret_sent)
{
        cd_str text, url;

        *ret_sent = 0;
        if (!cd_visit_cookie(visit, CD_COOKIE_RETURN, &text))
                return (cd_str){ 0 };
        for (; text.len && text.ptr[0] == SENT_MARK; text = cd_str_slice(text, 1, text.len))
                ++*ret_sent;
        if (cd_base64url_decode_arena(visit->req->arena, text, &url) != CD_OK || !cd_str_is_utf8(url) ||
            cd_str_has_control(url))
                return (cd_str){ 0 };
        return url;
}

cd_str cd_visit_kept_return(const struct cd_visit *visit)
{
        int sent;
        cd_str url = read_return(visit, &sent);

        return sent ? (cd_str){ 0 } : url;
}

static struct cd_return_to judge_return(const struct cd_visit *visit, cd_str return_to)
{
        const struct cd_portal *portal = visit->portal;

        return cd_return_to_decide(visit->req->arena, portal->settings.access, &portal->url, return_to);
}

static cd_str decide(const struct cd_visit *visit, cd_str return_to)
{
        return judge_return(visit, return_to).url;
}

cd_str cd_visit_way_to(const struct cd_visit *visit, const struct cd_return_to *page)
{
        cd_str url;

        if (!cd_portal_hands_over(visit->portal, page->host))
                return page->url;
        /* The page itself leads there too, if its site has no session. */
        return cd_hand_over_start_url(visit->req->arena, page, &url) == CD_OK ? url : page->url;
}

cd_str cd_visit_destination(struct cd_visit *visit, cd_str return_to)
{
        cd_str origin = cd_page_url_origin(decide(visit, return_to));

        if (!return_to.len || cd_str_eq(origin, visit->portal->url.origin))
                return (cd_str){ 0 };
        visit->form_action = origin;
        return host_of(origin);
}

/* Whether the browser keeps the session's cookie for this page: CD_MESSAGE_NONE, or why not. */
static enum cd_message judge_cookie(const struct cd_portal *portal, const struct cd_return_to *page)
{
        cd_str domain = portal->settings.cookie_domain;
        bool is_own = cd_str_eq(page->host, portal->url.host);
        bool is_below = domain.len && cd_host_is_within(page->host, domain);

        if (!is_own && !is_below && !cd_portal_hands_over(portal, page->host))
                return CD_MESSAGE_COOKIE_OTHER_HOST;
        if (!portal->is_plain && cd_str_has_prefix(page->url, CD_STR("http://")))
                return CD_MESSAGE_COOKIE_INSECURE;
        return CD_MESSAGE_NONE;
}

static void show_cookie(struct cd_visit *visit, struct cd_page_cookie *fields, cd_str why)
{
        struct cd_buf buf;

        if (!fields->again.checked.len)
                (void)cd_page_url_check(CD_STR(CD_PORTAL_BASE "/"), &fields->again);
        cd_visit_drop_cookie(visit, CD_COOKIE_RETURN);
        if (visit->wants_json)
                visit->view.error = fields->reason;
        visit->req->log->reason = why;
        cd_visit_begin_page(visit, &buf);
        cd_page_cookie(&visit->view, fields, &buf);
        cd_visit_end_page(visit, 400, &buf);
}

static void explain_cookie(struct cd_visit *visit, const struct cd_return_to *page, enum cd_message reason)
{
        const struct cd_portal *portal = visit->portal;
        bool is_handed = cd_portal_hands_over(portal, page->host);
        struct cd_page_cookie fields = {
                .name = is_handed ? cd_session_cookie_name(!portal->is_plain, false)
                                  : portal->cookies[CD_COOKIE_SESSION],
                .host = host_of(cd_page_url_origin(page->url)),
                .domain = is_handed ? (cd_str){ 0 } : portal->settings.cookie_domain,
                .reason = { .id = reason },
        };

        show_cookie(visit, &fields, CD_STR("the session's cookie does not come back from the page"));
}

void cd_visit_explain_start(struct cd_visit *visit, cd_str host)
{
        bool is_insecure = !visit->portal->is_plain && !cd_str_eq(visit->req->scheme, CD_STR("https"));
        struct cd_page_cookie fields = {
                .name = visit->portal->cookies[CD_COOKIE_START],
                .host = host,
                .reason = { .id = is_insecure ? CD_MESSAGE_COOKIE_INSECURE : CD_MESSAGE_COOKIE_MISSING },
        };

        (void)cd_page_url_check(CD_STR("/"), &fields.again); /* of the site */
        show_cookie(visit, &fields, CD_STR("the browser did not send the nonce of its hand-over"));
}

/* How many times the browser was sent to this URL lately. */
static int count_sent(const struct cd_visit *visit, cd_str url)
{
        int sent;
        cd_str before = read_return(visit, &sent);

        return cd_str_eq(before, url) ? sent : 0;
}

static void note_sent(struct cd_visit *visit, cd_str url, int times)
{
        size_t marks = (size_t)times, size = marks + cd_base64url_length(url.len);
        char *text = size <= RETURN_COOKIE_MAX ? cd_arena_alloc(visit->req->arena, size) : NULL;

        if (!text)
                return;
        memset(text, SENT_MARK, marks);
        (void)cd_base64url_encode(text + marks, url);
        cd_visit_set_cookie(visit, CD_COOKIE_RETURN, cd_str_of(text, size), SENT_LASTS);
}

/* False: it has answered. */
static bool note_one_more(struct cd_visit *visit, const struct cd_return_to *page, int sent, int max)
{
        enum cd_message reason = judge_cookie(visit->portal, page);

        if (reason == CD_MESSAGE_NONE && sent >= max)
                reason = CD_MESSAGE_COOKIE_MISSING;
        if (reason == CD_MESSAGE_NONE)
                note_sent(visit, page->url, sent + 1);
        else
                explain_cookie(visit, page, reason);
        return reason == CD_MESSAGE_NONE;
}

void cd_visit_return(struct cd_visit *visit, cd_str return_to)
{
        const struct cd_return_to page = judge_return(visit, return_to);
        bool is_handed = cd_portal_hands_over(visit->portal, page.host);
        /* The portal has the session, so its own pages do not send the browser back; nor is a browser in a circle whose
         * user has just logged in. What a hand-over has counted stays, since it is the next page. */
        bool may_circle = !visit->has_logged_in && !cd_str_has_prefix(page.url, visit->portal->url.home);
        int sent = may_circle && !is_handed ? count_sent(visit, page.url) : 0;

        if ((is_handed && may_circle) || note_one_more(visit, &page, sent, SENT_MAX))
                cd_visit_redirect(visit, cd_visit_way_to(visit, &page));
}

/* One more than for other pages: the login before the first has counted too. */
bool cd_visit_note_hand_over(struct cd_visit *visit, const struct cd_return_to *page)
{
        return note_one_more(visit, page, count_sent(visit, page->url), SENT_MAX + 1);
}

bool cd_visit_explain_circle(struct cd_visit *visit, cd_str return_to)
{
        struct cd_return_to page = judge_return(visit, return_to);
        cd_str cookie;

        /* A cookie that came is of a session that has ended. */
        if (!return_to.len || cd_visit_cookie(visit, CD_COOKIE_SESSION, &cookie) || !count_sent(visit, page.url))
                return false;
        if (cd_portal_hands_over(visit->portal, page.host)) /* the portal itself has not got it back */
                page = judge_return(visit, CD_STR(CD_PORTAL_BASE "/"));
        explain_cookie(visit, &page, CD_MESSAGE_COOKIE_MISSING);
        return true;
}

void cd_visit_log_in(struct cd_visit *visit, const struct cd_visit_login *login)
{
        if (cd_visit_start_session(visit, login))
                cd_visit_return(visit, cd_visit_kept_return(visit));
}
