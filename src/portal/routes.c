#include "portal/instance.h"
#include "portal/visit.h"

#define ROUTE(methods_, path_, where_, handler_)                                                                       \
        {                                                                                                              \
                .methods = methods_, .path = CD_STR_INIT(path_), .where = CD_HTTP_##where_, .handler = handler_,       \
                .admit = cd_portal_admit, .overloaded = cd_portal_overloaded                                           \
        }
/* What only ends something, and so must not wait for others of the network. */
#define ENDING(methods_, path_, where_, handler_)                                                                      \
        {                                                                                                              \
                .methods = methods_, .path = CD_STR_INIT(path_), .where = CD_HTTP_##where_, .handler = handler_,       \
                .overloaded = cd_portal_overloaded                                                                     \
        }
/* And all below it. */
#define BELOW(path_, handler_)                                                                                         \
        {                                                                                                              \
                .methods = CD_HTTP_GET, .path = CD_STR_INIT(path_), .is_prefix = true, .where = CD_HTTP_INLINE,        \
                .handler = handler_, .overloaded = handler_##_overloaded                                               \
        }
#define BOTH (CD_HTTP_GET | CD_HTTP_POST)

/* A page that asks the store runs on the worker pool, and what hashes a password on the CPU pool, whose queue bounds
 * the memory of the hashes (LESSONS 15). The login page itself is written on the loop. */
static const struct cd_http_route routes[] = {
        ROUTE(BOTH, CD_PORTAL_BASE "/login", INLINE, cd_portal_login),
        ROUTE(BOTH, CD_PORTAL_BASE "/forgot", INLINE, cd_portal_forgot),
        ROUTE(BOTH, CD_PORTAL_BASE "/totp", WORKER, cd_portal_totp),
        ROUTE(BOTH, CD_PORTAL_BASE "/recovery", WORKER, cd_portal_recovery),
        ENDING(BOTH, CD_PORTAL_BASE "/logout", WORKER, cd_portal_logout),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/me", WORKER, cd_portal_me),
        BELOW(CD_PORTAL_BASE "/signin", cd_portal_signin),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/account/link", WORKER, cd_portal_connect),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/account/unlink", WORKER, cd_portal_disconnect),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/start", INLINE, cd_portal_start),
        ENDING(CD_HTTP_GET, CD_PORTAL_BASE CD_INSTANCE_PATH, INLINE, cd_portal_instance),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/hand-over", WORKER, cd_portal_hand_over),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/finish", WORKER, cd_portal_finish),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/invite", INLINE, cd_portal_invite),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/register", WORKER, cd_portal_register),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/register", CPU, cd_portal_register),
        ROUTE(BOTH, CD_PORTAL_BASE "/register/totp", WORKER, cd_portal_register_totp),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/recovery-codes", WORKER, cd_portal_recovery_codes),
        ROUTE(BOTH, CD_PORTAL_BASE "/totp/replace", WORKER, cd_portal_replace_totp),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/style.css", INLINE, cd_portal_styles),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE, WORKER, cd_portal_account),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/", WORKER, cd_portal_account),
        ENDING(CD_HTTP_POST, CD_PORTAL_BASE "/sessions/end", WORKER, cd_portal_end_session),
        ENDING(CD_HTTP_POST, CD_PORTAL_BASE "/sessions/end-others", WORKER, cd_portal_end_others),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/recovery-codes/new", WORKER, cd_portal_renew_codes),
        ENDING(CD_HTTP_POST, CD_PORTAL_BASE "/not-me", WORKER, cd_portal_not_me),
        ROUTE(BOTH, CD_PORTAL_BASE "/tokens", WORKER, cd_portal_tokens),
        ENDING(CD_HTTP_POST, CD_PORTAL_BASE "/tokens/revoke", WORKER, cd_portal_revoke_token),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/password", WORKER, cd_portal_password),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/password", CPU, cd_portal_password),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/reset", WORKER, cd_portal_reset),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/reset", CPU, cd_portal_reset),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/step-up", WORKER, cd_portal_step_up),
        ROUTE(CD_HTTP_POST, CD_PORTAL_BASE "/step-up", CPU, cd_portal_step_up),
        ROUTE(CD_HTTP_GET, CD_PORTAL_BASE "/forbidden", WORKER, cd_portal_forbidden),
        ROUTE(CD_HTTP_GET, "/.well-known/change-password", INLINE, cd_portal_change_password),
};
const struct cd_http_routes cd_portal_routes = { .items = routes, .count = CD_LEN(routes) };
