/* What a completed login gives the browser: a session, and a device cookie (core/known_device.h). */
#include "core/known_device.h"
#include "core/ports.h"
#include "portal/visit.h"

cd_str cd_visit_device(const struct cd_visit *visit)
{
        cd_str cookie = { NULL, 0 };

        (void)cd_visit_cookie(visit, CD_COOKIE_DEVICE, &cookie);
        return cookie;
}

void cd_visit_know_device(struct cd_visit *visit, const struct cd_user *user)
{
        const struct cd_known_devices *devices = visit->portal->services.factors->devices;
        cd_time now;
        cd_str made;

        if (devices && cd_clock_read(visit->portal->services.sessions->clock, &now, NULL) == CD_OK &&
            cd_known_device_cookie(devices, visit->req->arena, user, cd_visit_device(visit), now, &made, NULL) == CD_OK)
                cd_visit_set_cookie(visit, CD_COOKIE_DEVICE, made, CD_DEVICE_LIFETIME);
}

static void record(const struct cd_visit *visit, const struct cd_visit_login *login)
{
        const struct cd_code_attempt attempt = { .address = visit->req->client_address, .by = CD_STR("portal") };

        if (login->after)
                cd_login_record(visit->portal->services.factors, visit->req->arena, login->user, &attempt,
                                login->after);
}

bool cd_visit_start_session(struct cd_visit *visit, const struct cd_visit_login *login)
{
        const struct cd_portal_settings *settings = &visit->portal->settings;
        bool remember = login->remember && settings->remember_for > 0;
        const struct cd_session_params params = {
                .user = login->user->name,
                .generation = login->user->generation,
                .factors = login->factors,
                .device = cd_http_header_get(visit->req, CD_STR("User-Agent")),
                .address = visit->req->client_address,
                .idle_lifetime = remember ? settings->remember_for : settings->idle_lifetime,
                .lifetime = remember ? settings->remember_for : settings->lifetime,
                .pending = login->pending,
        };
        struct cd_cookie_token *token = CD_NEW(visit->req->arena, struct cd_cookie_token);
        struct cd_session session;
        struct cd_error err;

        cd_status status = token ? cd_session_start(visit->portal->services.sessions, visit->req->arena, &params,
                                                    &session, token, &err)
                                 : cd_fail(&err, CD_NO_MEMORY, "no memory for a session");
        if (status == CD_NOT_FOUND) { /* another request was faster, or the user has changed */
                cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_LOGIN_EXPIRED });
                return false;
        }
        if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return false;
        }
        visit->has_logged_in = true;
        visit->req->log->user = session.user;
        visit->req->log->session = session.sid;
        record(visit, login);
        cd_visit_know_device(visit, login->user);
        cd_visit_set_cookie(visit, CD_COOKIE_SESSION, cd_cookie_text(token), remember ? settings->remember_for : 0);
        cd_visit_drop_cookie(visit, CD_COOKIE_LOGIN);
        cd_visit_drop_cookie(visit, CD_COOKIE_ENROL);
        cd_visit_drop_cookie(visit, CD_COOKIE_INVITE);
        return true;
}

void cd_visit_ask_second_factor(struct cd_visit *visit, const struct cd_user *user, unsigned factors)
{
        struct cd_cookie_token *token = CD_NEW(visit->req->arena, struct cd_cookie_token);
        struct cd_pending_login pending;
        struct cd_error err;

        cd_status status = token ? cd_pending_login_start(visit->portal->services.sessions, visit->req->arena, user,
                                                          factors, &pending, token, &err)
                                 : cd_fail(&err, CD_NO_MEMORY, "no memory for a login");
        if (status != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return;
        }
        cd_visit_set_cookie(visit, CD_COOKIE_LOGIN, cd_cookie_text(token), CD_PENDING_LOGIN_LIFETIME);
        cd_visit_redirect(visit, CD_STR("/totp"));
}
