#include "web/web.h"

void cd_web_healthz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)app, (void)req;
        cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{\"status\":\"ok\"}"));
}

void cd_web_readyz(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        struct cd_error err = { 0 };

        if (cd_http_is_stopping(res)) {
                (void)cd_fail(&err, CD_UNAVAILABLE, "the server is stopping");
        } else if (cd_issuer_check(web->issuer, &err) == CD_OK &&
                   cd_store_state_need_writable(web->revocations->store_state, &err) == CD_OK) {
                cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{\"status\":\"ready\"}"));
                return;
        }
        cd_http_respond_error(req, res, 503, CD_STR("not_ready"), cd_str_from_c(err.reason));
        cd_http_response_header(res, CD_STR("Retry-After"), CD_STR("1"));
}
