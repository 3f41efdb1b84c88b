/* What the pages about a user's own account, and the actions on them, ask and do alike. */
#include "portal/account.h"

#include "crypto/password.h"
#include "core/ports.h"

struct cd_operator cd_account_operator(const struct cd_visit *visit, cd_str user)
{
        struct cd_operator by = visit->portal->settings.by;
        cd_str actor = cd_arena_printf(visit->req->arena, "user:%.*s", CD_STR_ARG(user));

        if (actor.ptr)
                by.actor = actor;
        by.address = visit->req->client_address;
        return by;
}

bool cd_account_has_password(const struct cd_visit *visit, const struct cd_user *user)
{
        return visit->portal->settings.factors & CD_FACTOR_PASSWORD && !cd_password_is_none(user->password);
}

bool cd_account_uses_totp(const struct cd_visit *visit)
{
        for (size_t i = 0; visit->signin && i < cd_signin_count(visit->signin); i++)
                if (cd_signin_asks_second_factor(cd_signin_at(visit->signin, i)))
                        return true;
        return visit->portal->settings.factors & CD_FACTOR_TOTP;
}

cd_status cd_account_has_totp(const struct cd_visit *visit, cd_str user, bool *ret, struct cd_error *reterr)
{
        struct cd_store *store = visit->portal->services.sessions->store;
        struct cd_totp_factor factor;

        *ret = false;
        if (!cd_account_uses_totp(visit))
                return CD_OK;
        cd_status status = store->totp->find(store, visit->req->arena, user, &factor, reterr);
        *ret = status == CD_OK;
        return status == CD_NOT_FOUND ? CD_OK : status;
}

bool cd_account_is_recent(const struct cd_session *session, cd_time now)
{
        return session->factors & (CD_FACTOR_TOTP | CD_FACTOR_RECOVERY) &&
               now - session->auth_time <= CD_ACCOUNT_RECENT && session->auth_time - now <= CD_CLOCKS_DIFFER_MAX;
}

/* As for new recovery codes, a user who has a second factor has shown it just now, and another one the password. */
cd_status cd_account_is_confirmed(const struct cd_visit *visit, const struct cd_session *session, bool *ret,
                                  struct cd_error *reterr)
{
        bool has_totp;
        cd_time now;

        cd_status status = cd_account_has_totp(visit, session->user, &has_totp, reterr);
        if (status == CD_OK)
                status = cd_clock_read(visit->portal->services.sessions->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        *ret = has_totp ? cd_account_is_recent(session, now)
                        : now - session->auth_time <= CD_ACCOUNT_RECENT &&
                                  session->auth_time - now <= CD_CLOCKS_DIFFER_MAX;
        return CD_OK;
}

void cd_account_set_cookie(struct cd_visit *visit, const struct cd_session *session,
                           const struct cd_cookie_token *token)
{
        /* Only the session of a browser that is to be remembered may be unused for longer than others. */
        bool is_remembered = session->idle_lifetime > visit->portal->settings.idle_lifetime;

        cd_visit_set_cookie(visit, CD_COOKIE_SESSION, cd_cookie_text(token),
                            is_remembered ? session->ends_at - session->seen_at : 0);
}

bool cd_account_raise_session(struct cd_visit *visit, const struct cd_session *session, unsigned factors)
{
        struct cd_cookie_token *token = CD_NEW(visit->req->arena, struct cd_cookie_token);
        struct cd_session raised;
        struct cd_error err;

        cd_status status = token ? cd_session_raise(visit->portal->services.sessions, visit->req->arena, session,
                                                    factors, &raised, token, &err)
                                 : cd_fail(&err, CD_NO_MEMORY, "no memory for a session");
        if (status == CD_OK)
                cd_account_set_cookie(visit, &raised, token);
        else if (status == CD_NOT_FOUND) /* it was ended, or has got another id, while the form was sent */
                cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_SESSION_EXPIRED });
        else
                cd_visit_fail_error(visit, &err);
        return status == CD_OK;
}
