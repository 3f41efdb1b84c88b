/* Inside of the gate: who is logged in, by a cookie. */
#include "core/cookie_names.h"
#include "core/hand_over.h"
#include "gate/check.h"
#include "http/cookie.h"

cd_status cd_gate_log_in(const struct cd_gate *gate, const struct cd_http_request *req,
                         const struct cd_live_session *session, struct cd_gate_check *c)
{
        if (cd_live_session_login(session, req->arena, &c->login) != CD_OK)
                return CD_NO_MEMORY;
        c->session = *session;
        c->request.login = &c->login;
        req->log->user = c->session.user;
        req->log->session = c->session.sid;
        cd_gate_decide(gate, c);
        return CD_OK;
}

static cd_str cookie_of(const struct cd_gate *gate, const struct cd_gate_check *c)
{
        return cd_hand_over_reaches(gate->other_domains, c->original.host) ? gate->host_cookie : gate->cookie;
}

cd_status cd_gate_look_in_cache(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c)
{
        struct cd_http_cookies at = { 0 };
        struct cd_live_session session;
        cd_str token, name = cookie_of(gate, c);

        for (int i = 0; i < CD_SESSION_COOKIES_MAX && cd_http_cookie_next(req, &at, name, &token); i++) {
                cd_status status =
                        cd_session_look_in_cache(&gate->lookup, req->arena, token, c->request.now, &session, NULL);
                if (status != CD_INVALID_TOKEN)
                        return status == CD_OK ? cd_gate_log_in(gate, req, &session, c) : status;
        }
        return CD_OK;
}

cd_status cd_gate_look_up(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                          struct cd_error *reterr)
{
        struct cd_http_cookies at = { 0 };
        struct cd_live_session session;
        cd_str token, name = cookie_of(gate, c), address = cd_gate_client(req, c);

        for (int i = 0; i < CD_SESSION_COOKIES_MAX && cd_http_cookie_next(req, &at, name, &token); i++) {
                cd_status status = cd_session_look_up(&gate->lookup, req->arena, token, address, &session, reterr);
                if (status != CD_INVALID_TOKEN && status != CD_NOT_FOUND)
                        return status == CD_OK ? cd_gate_log_in(gate, req, &session, c) : status;
        }
        return CD_OK;
}
