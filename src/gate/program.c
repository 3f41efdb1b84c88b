/* Programs: requests with a personal token, or with an access token of the issuer. */
#include "core/lockout.h"
#include "core/metrics.h"
#include "core/oauth/introspect.h"
#include "gate/check.h"

/* ---- personal tokens ---- */

static void audit_locked(const struct cd_gate *gate, cd_str address, cd_time now)
{
        const struct cd_audit_event event = {
                .at = now,
                .action = CD_STR("token.locked"),
                .actor = CD_STR("cardea"),
                .subject = CD_STR(""),
                .address = address,
                .detail = CD_STR("too many wrong personal tokens from the address"),
        };
        struct cd_store *store = gate->lookup.sessions->store;

        cd_count_lockout(CD_LOCKED_TOKEN);
        (void)store->audit->add_later(store, &event, NULL);
}

static struct cd_lockout_subject subject_of(const struct cd_http_request *req, const struct cd_gate_check *c)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_TOKEN, .key = cd_gate_client(req, c) };
}

/* True if the address has sent too many wrong tokens, and the request was answered. */
static bool must_wait(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                      struct cd_http_response *res)
{
        const struct cd_lockout_subject subject = subject_of(req, c);
        struct cd_error err = { 0 };

        if (cd_lockout_check(gate->lockout, &subject, c->request.now, &err) == CD_OK)
                return false;
        cd_gate_make_wait(req, c, &err, res);
        return true;
}

static enum cd_gate_verdict refuse_wrong(const struct cd_gate *gate, const struct cd_http_request *req,
                                         const struct cd_gate_check *c, const char *reason,
                                         struct cd_http_response *res)
{
        const struct cd_lockout_subject subject = subject_of(req, c);

        if (must_wait(gate, req, c, res))
                return CD_GATE_ANSWERED;
        if (cd_lockout_count(gate->lockout, &subject, c->request.now))
                audit_locked(gate, subject.key, c->request.now);
        cd_gate_refuse_token(gate, req, c, cd_str_from_c(reason), res);
        return CD_GATE_ANSWERED;
}

static bool covers(const struct cd_live_token *token, const struct cd_gate_check *c)
{
        struct cd_access_request destination = c->request;

        destination.path = c->destination;
        return cd_live_token_covers(token, &c->request) &&
               (!c->destination.ptr || cd_live_token_covers(token, &destination));
}

/* The rules judge the owner as after a login, and the token's own limits must have the request too. */
static enum cd_gate_verdict judge(const struct cd_gate *gate, const struct cd_http_request *req,
                                  struct cd_gate_check *c, const struct cd_live_token *token,
                                  struct cd_http_response *res)
{
        cd_str name = c->credentials.name;

        req->log->token_id = token->id;
        if (name.ptr && !cd_str_eq(name, token->owner.user))
                return refuse_wrong(gate, req, c, "a personal token with the name of another user", res);
        c->is_by_token = true;
        if (cd_gate_log_in(gate, req, &token->owner, c) != CD_OK) {
                cd_gate_fail_memory(req, res);
                return CD_GATE_ANSWERED;
        }
        if (c->decision.outcome != CD_ACCESS_ALLOW || covers(token, c))
                return CD_GATE_DECIDED;
        cd_gate_refuse(req, res, CD_STR("access_denied"),
                       cd_arena_printf(req->arena,
                                       "%.*s: the personal token is not for this host, path, method or network",
                                       CD_STR_ARG(c->original.host)));
        return CD_GATE_ANSWERED;
}

static enum cd_gate_verdict judge_result(const struct cd_gate *gate, const struct cd_http_request *req,
                                         struct cd_gate_check *c, cd_status status, const struct cd_live_token *token,
                                         struct cd_http_response *res)
{
        if (status == CD_OK)
                return judge(gate, req, c, token, res);
        return refuse_wrong(gate, req, c, "the personal token is wrong, revoked or expired", res);
}

static bool is_failure(cd_status status)
{
        return status != CD_OK && status != CD_INVALID_TOKEN && status != CD_NOT_FOUND;
}

enum cd_gate_verdict cd_gate_look_up_token(const struct cd_gate *gate, const struct cd_http_request *req,
                                           struct cd_gate_check *c, struct cd_http_response *res)
{
        struct cd_live_token token;
        struct cd_error err = { 0 };

        cd_status status = cd_personal_token_look_up(&gate->lookup, req->arena, c->credentials.token,
                                                     cd_gate_client(req, c), &token, &err);
        if (!is_failure(status))
                return judge_result(gate, req, c, status, &token, res);
        cd_gate_fail(req, res, &err);
        return CD_GATE_ANSWERED;
}

/* A token that is known goes on being accepted from an address that must wait, so that one program with an old token
 * does not stop all others behind the same address. */
enum cd_gate_verdict cd_gate_check_token(const struct cd_gate *gate, const struct cd_http_request *req,
                                         struct cd_gate_check *c, struct cd_http_response *res)
{
        const struct cd_lockout_subject subject = subject_of(req, c);
        struct cd_live_token token;
        struct cd_error err = { 0 };

        if (c->credentials.rejected)
                return refuse_wrong(gate, req, c, c->credentials.rejected, res);
        cd_status status = cd_personal_token_look_in_cache(&gate->lookup, req->arena, c->credentials.token,
                                                           c->request.now, &token, &err);
        /* One that is to be read again is found by a second look; it is read once the address need not wait. */
        if (status == CD_NOT_FOUND && cd_lockout_check(gate->lockout, &subject, c->request.now, &err) != CD_OK)
                status = cd_personal_token_look_in_cache(&gate->lookup, req->arena, c->credentials.token,
                                                         c->request.now, &token, &err);
        if (is_failure(status)) {
                cd_gate_fail(req, res, &err);
                return CD_GATE_ANSWERED;
        }
        if (status != CD_NOT_FOUND)
                return judge_result(gate, req, c, status, &token, res);
        if (must_wait(gate, req, c, res))
                return CD_GATE_ANSWERED;
        c->asks_for_token = true;
        return CD_GATE_ASK_STORE;
}

/* ---- access tokens ---- */

cd_status cd_gate_take_bearer(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                              struct cd_error *reterr)
{
        const struct cd_gate_tokens *tokens = gate->tokens;

        cd_status status = tokens->verify(tokens, req->arena, c->credentials.bearer, &c->claims, reterr);
        if (status == CD_INVALID_TOKEN) /* the application's, perhaps */
                return CD_OK;
        if (status != CD_OK)
                return status;
        c->token = (struct cd_access_token){ c->claims.aud, c->claims.scope };
        c->request.token = &c->token;
        cd_gate_decide(gate, c);
        return CD_OK;
}

void cd_gate_withhold_bearer(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c)
{
        const struct cd_gate_tokens *tokens = gate->tokens;
        struct cd_claims claims;

        if (c->credentials.bearer.len && c->decision.reason != CD_ACCESS_BY_TOKEN)
                c->credentials.is_authorization |=
                        tokens->verify(tokens, req->arena, c->credentials.bearer, &claims, NULL) != CD_INVALID_TOKEN;
}
