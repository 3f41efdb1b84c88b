/* Why a login at a provider has failed: the event in the log, and the page. The callback redirects to it, so that no
 * code and no state stays in the browser's history or in a Referer. */
#include "base/base64.h"
#include "portal/signin.h"

enum {
        FAILURE_LASTS = 600, /* seconds */
        AGAIN_AFTER = 5,     /* seconds */
        ACCOUNT_SHOWN = 64,  /* bytes of an account's name at the provider */
};

/* `name` is the last part of the page's path, and the reason in the log. */
static const struct failure {
        const char *name;
        enum cd_message message;
        int status;
        bool is_final;     /* to begin again would not help */
        bool is_operators; /* for the operator to repair */
        const char *fix;   /* what the operator can do, in the log; NULL: it is for the user to do something */
} failures[] = {
        [CD_SIGNIN_DENIED] = { "denied", CD_MESSAGE_SIGNIN_DENIED, 403, false, false, NULL },
        [CD_SIGNIN_NO_STATE] = { "no-state", CD_MESSAGE_SIGNIN_NO_STATE, 400, false, false,
                                 "if it is so for everybody, browsers come back to another host than portal.url, or "
                                 "keep no cookies" },
        [CD_SIGNIN_EXPIRED] = { "expired", CD_MESSAGE_SIGNIN_EXPIRED, 400, false, false, NULL },
        [CD_SIGNIN_USED] = { "used", CD_MESSAGE_SIGNIN_USED, 400, false, false, NULL },
        [CD_SIGNIN_MALFORMED] = { "malformed", CD_MESSAGE_SIGNIN_MALFORMED, 400, false, false, NULL },
        [CD_SIGNIN_NOT_ALLOWED] = { "not-allowed", CD_MESSAGE_SIGNIN_NOT_ALLOWED, 403, false, false,
                                    "add the subject to allow.subjects of this provider, or what else is to let it in "
                                    "to allow" },
        [CD_SIGNIN_NOT_LINKED] = { "not-connected", CD_MESSAGE_SIGNIN_NOT_LINKED, 403, false, false,
                                   "set create: true of this provider to make a user at the first login, or let the "
                                   "user log in in another way and connect the account" },
        [CD_SIGNIN_NAME_TAKEN] = { "name-taken", CD_MESSAGE_SIGNIN_NAME_TAKEN, 403, false, false,
                                   "let the user of that name log in in another way and connect the account" },
        [CD_SIGNIN_DISABLED] = { "disabled", CD_MESSAGE_SIGNIN_DISABLED, 403, true, false,
                                 "cardea user enable lets the user in again" },
        [CD_SIGNIN_LINKED_ELSEWHERE] = { "connected-elsewhere", CD_MESSAGE_SIGNIN_LINKED_ELSEWHERE, 409, true, false,
                                         NULL },
        [CD_SIGNIN_TOO_MANY] = { "too-many-accounts", CD_MESSAGE_SIGNIN_TOO_MANY, 409, true, false, NULL },
        [CD_SIGNIN_WRONG_USER] = { "another-user", CD_MESSAGE_SIGNIN_WRONG_USER, 403, true, false, NULL },
        [CD_SIGNIN_PROVIDER_DOWN] = { "no-answer", CD_MESSAGE_SIGNIN_PROVIDER_DOWN, 503, false, true,
                                      "if it lasts, cardea check --online says which endpoint does not answer, and "
                                      "why" },
        [CD_SIGNIN_PROVIDER_ERROR] = { "wrong-answer", CD_MESSAGE_SIGNIN_PROVIDER_ERROR, 502, false, true,
                                       "if a setting of this provider is wrong, cardea check --online says which; "
                                       "cardea check prints the redirect URI to register; log.outgoing: full shows "
                                       "what was sent and answered" },
        [CD_SIGNIN_BUSY] = { "busy", CD_MESSAGE_SIGNIN_BUSY, 503, false, true,
                             "if it is so often, raise max_in_flight of this provider" },
        [CD_SIGNIN_UNAVAILABLE] = { "unavailable", CD_MESSAGE_UNAVAILABLE, 503, false, true, NULL },
};
_Static_assert(CD_LEN(failures) == CD_SIGNIN_FAILURES, "each failure has a page");

/* ---- metrics ---- */

static const char *const outcomes[] = { "ok", "refused", "error" };
static const struct cd_metric_label outcome_label = { .name = "outcome",
                                                      .values = outcomes,
                                                      .count = CD_LEN(outcomes) };
static const struct cd_tally signins = { .codes = &outcome_label, .code_count = 1, .text = "provider" };

void cd_portal_count_signin(const struct cd_signin_provider *provider, enum cd_signin_failure failure)
{
        uint16_t code = failure == CD_SIGNIN_OK ? 0 : failures[failure].is_operators ? 2 : 1;

        cd_count(&signins, (struct cd_metric_key){ .codes = { code }, .text = cd_signin_name(provider) });
}

const struct cd_metric cd_portal_metrics[] = {
        { .name = "cardea_provider_logins_total",
          .help = "Logins that came back from another provider; refused: by the user, the provider or the settings.",
          .type = CD_METRIC_COUNTER,
          .tally = &signins,
          .labels = 1 | CD_METRIC_TEXT },
};
const size_t cd_portal_metric_count = CD_LEN(cd_portal_metrics);

/* ---- the event ---- */

static void log_failure(const struct cd_visit *visit, const struct cd_portal_failure *failure, cd_str name)
{
        enum cd_log_level level = failures[failure->failure].is_operators ? CD_LOG_WARN : CD_LOG_INFO;
        struct cd_log_event event;

        visit->req->log->error = name;
        visit->req->log->reason = failure->said;
        cd_log_begin(&event, visit->portal->services.log, level, "signin_failed");
        cd_log_str(&event, "provider", cd_signin_name(failure->provider));
        cd_log_str(&event, "reason", name);
        cd_log_str(&event, "details", failure->said);
        if (failure->result->subject.len)
                cd_log_str(&event, "subject", failure->result->subject);
        if (failure->result->login.len)
                cd_log_str(&event, "login", failure->result->login);
        if (failures[failure->failure].fix)
                cd_log_str(&event, "fix", cd_str_from_c(failures[failure->failure].fix));
        cd_log_end(&event);
}

/* The cookie for the page: "REQUEST_ID:LOGIN", base64url. */
static void keep_details(struct cd_visit *visit, cd_str login)
{
        cd_str text = cd_arena_printf(visit->req->arena, "%.*s:%.*s", CD_STR_ARG(visit->req->request_id),
                                      CD_STR_ARG(cd_str_slice(login, 0, ACCOUNT_SHOWN)));
        char *value = cd_arena_alloc(visit->req->arena, cd_base64url_length(text.len) + 1);

        if (text.ptr && value)
                cd_visit_set_cookie(visit, CD_COOKIE_FAILURE, cd_str_of(value, cd_base64url_encode(value, text)),
                                    FAILURE_LASTS);
}

/* Whatever the cookie says is shown as text. */
static void read_details(const struct cd_visit *visit, struct cd_page_signin_failed *fields)
{
        cd_str value, text;

        if (!cd_visit_cookie(visit, CD_COOKIE_FAILURE, &value) ||
            cd_base64url_decode_arena(visit->req->arena, value, &text) != CD_OK || !cd_str_is_utf8(text) ||
            text.len > CD_RETURN_TO_MAX)
                return;
        size_t colon = cd_str_index(text, ':');
        fields->request_id = cd_str_slice(text, 0, colon);
        fields->account = cd_str_slice(text, colon + 1, text.len);
}

static cd_str path_below(const struct cd_visit *visit, const struct cd_signin_provider *provider, cd_str last)
{
        return cd_arena_printf(visit->req->arena, "/signin/%.*s/%.*s", CD_STR_ARG(cd_signin_name(provider)),
                               CD_STR_ARG(last));
}

void cd_portal_fail_signin(struct cd_visit *visit, const struct cd_portal_failure *failure)
{
        cd_str name = cd_str_from_c(failures[failure->failure].name);
        cd_str path = path_below(visit, failure->provider, name);

        log_failure(visit, failure, name);
        keep_details(visit, failure->result->login);
        if (path.ptr) /* otherwise there is no status, and the server answers 500 */
                cd_visit_redirect_for(visit, path, failure->return_to);
}

static void show(struct cd_visit *visit, const struct cd_signin_provider *provider, const struct failure *failure)
{
        cd_str return_to = cd_visit_parameter(visit, CD_STR("return_to")), session;
        struct cd_page_signin_failed fields = {
                .provider = cd_signin_label(provider),
                .is_logged_in = cd_visit_cookie(visit, CD_COOKIE_SESSION, &session),
                .code = failure->status,
        };
        struct cd_buf buf;

        read_details(visit, &fields);
        (void)cd_page_url_check(cd_portal_url_for(visit, CD_STR("/login"), return_to), &fields.next);
        if (!failure->is_final)
                (void)cd_page_url_check(cd_portal_signin_url(visit, provider, return_to, false), &fields.again);
        visit->view.error.id = failure->message;
        cd_visit_begin_page(visit, &buf);
        cd_page_signin_failed(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, failure->status, &buf);
        if (failure->status == 503)
                cd_visit_retry_after(visit, AGAIN_AFTER);
}

bool cd_portal_show_signin_failure(struct cd_visit *visit, const struct cd_signin_provider *provider, cd_str name)
{
        for (size_t i = 0; i < CD_LEN(failures); i++)
                if (failures[i].name && cd_str_eq_c(name, failures[i].name)) {
                        show(visit, provider, &failures[i]);
                        return true;
                }
        return false;
}
