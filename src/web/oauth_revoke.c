#include "core/oauth/introspect.h"
#include "web/client_auth.h"
#include "web/oauth_error.h"
#include "web/web.h"

void cd_web_oauth_revoke(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        struct cd_token_query ask = { 0 };
        struct cd_error err = { 0 };

        cd_status status = cd_web_decode_form(req, &cd_web_token_query_form, &ask, &err);
        ask.address = req->client_address;
        if (status == CD_OK)
                status = cd_web_client_credentials(req, &ask.client_id, &ask.client_secret, &err);
        /* A copy: the line is written on another thread, when the snapshot may be gone. */
        req->log->client_id = cd_arena_copy(req->arena, cd_clients_known_id(web->core->clients, ask.client_id));
        if (status == CD_OK)
                status = cd_token_revoke(web->core, req->arena, &ask, &err);
        if (status == CD_OK) {
                /* The answer's body is ignored (RFC 7009 §2.2). */
                cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{}"));
                cd_web_no_store(res);
        } else {
                cd_web_send_oauth_error(req, res, &err);
        }
}
