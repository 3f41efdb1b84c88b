#include "core/oauth/introspect.h"
#include "http/form.h"
#include "web/client_auth.h"
#include "web/oauth_error.h"
#include "web/web.h"

/* `error` is used if status is not CD_OK. */
static void answer(const struct cd_http_request *req, struct cd_http_response *res, cd_status status,
                   const struct cd_error *error)
{
        if (status != CD_OK) {
                cd_web_send_oauth_error(req, res, error);
                return;
        }
        /* The client ignores the body of the response (RFC 7009 §2.2). */
        cd_http_respond(res, 200, CD_STR("application/json"), CD_STR("{}"));
        cd_web_no_store(res);
}

/* Runs on the worker pool, because it may wait for the store. */
static void keep(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_token_revocation *revocation = req->state;
        struct cd_error err = { 0 };

        req->log->client_id = revocation->kept.client_id;
        cd_status status = cd_revocations_keep(cd_web_get(app)->revocations, revocation, &err);
        answer(req, res, status, &err);
}

/* Decided on the loop, so that a revocation that cannot be stored fails at once, however many requests wait for the
 * store. */
void cd_web_oauth_revoke(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        const struct cd_web *web = cd_web_get(app);
        struct cd_token_revocation *revocation = CD_NEW(req->arena, struct cd_token_revocation);
        struct cd_token_query ask = { 0 };
        struct cd_error err = { 0 };

        if (!revocation) {
                (void)cd_fail(&err, CD_NO_MEMORY, "no memory for a revocation");
                cd_web_send_oauth_error(req, res, &err);
                return;
        }
        cd_status status = cd_http_form_decode(req, &cd_web_token_query_form, &ask, &err);
        ask.address = req->client_address;
        if (status == CD_OK)
                status = cd_web_client_credentials(req, &ask.client_id, &ask.client_secret, &err);
        /* A copy, because the snapshot may have been freed before the line is written. */
        req->log->client_id =
                cd_arena_copy(req->arena, cd_clients_known_id(web->issuer->client_auth.clients, ask.client_id));
        if (status == CD_OK)
                status = cd_token_revoke(web->issuer, web->revocations, req->arena, &ask, revocation, &err);
        if (status == CD_OK && revocation->kept.jti.len)
                cd_http_continue_on(res, CD_HTTP_WORKER, keep, revocation);
        else
                answer(req, res, status, &err);
}
