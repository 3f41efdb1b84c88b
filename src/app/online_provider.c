/* Providers and the portal's own URL in the online check. */
#include <string.h>

#include "app/config_findings.h"
#include "app/config_path.h"
#include "app/online_task.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/secret.h"
#include "portal/instance.h"

enum {
        RESPONSE_MAX = 64 * 1024,
};

/* ---- the client ---- */

/* RFC 6749 §2.3.1: form-encoded before it is sent by Basic. ptr NULL: no memory. */
static cd_str encode(struct cd_arena *arena, cd_str text)
{
        struct cd_buf buf;
        cd_str encoded;

        cd_buf_init(&buf, arena, RESPONSE_MAX);
        cd_percent_encode(&buf, text);
        return cd_buf_view(&buf, &encoded) == CD_OK ? encoded : (cd_str){ NULL, 0 };
}

/* A code that nobody has: the provider first says whether it knows the client, and then that the code is wrong. */
static cd_status ask_with_made_up_code(struct cd_online_task *task, const struct cd_signin_provider_settings *p,
                                       struct cd_fetch_response *ret, struct cd_error *reterr)
{
        cd_str redirect = cd_arena_printf(&task->arena, "%.*s/signin/%.*s/callback",
                                          CD_STR_ARG(task->config->portal.url), CD_STR_ARG(p->name));
        struct cd_buf buf;
        cd_str form;

        cd_buf_init(&buf, &task->arena, RESPONSE_MAX);
        cd_signin_add_parameter(&buf, "grant_type", CD_STR("authorization_code"));
        cd_signin_add_parameter(&buf, "code", CD_STR("cardea-check-made-up-code"));
        cd_signin_add_parameter(&buf, "redirect_uri", redirect);
        cd_signin_add_parameter(&buf, "code_verifier", CD_STR("cardea-check-made-up-verifier-of-43-characters"));
        if (!p->basic) {
                cd_signin_add_parameter(&buf, "client_id", p->client_id);
                cd_signin_add_parameter(&buf, "client_secret", p->client_secret);
        }
        if (cd_buf_view(&buf, &form) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory");
        const struct cd_fetch_request request = {
                .method = CD_FETCH_POST,
                .url = p->token_endpoint,
                .name = CD_STR("check"),
                .basic_user = p->basic ? encode(&task->arena, p->client_id) : (cd_str){ 0 },
                .basic_password = p->basic ? encode(&task->arena, p->client_secret) : (cd_str){ 0 },
                .content_type = CD_STR("application/x-www-form-urlencoded"),
                .body = form,
                .timeout_ms = CD_ONLINE_TOTAL_MS,
                .arena = &task->arena,
        };
        return cd_fetch_call(task->fetch, &request, ret, reterr);
}

static cd_str member_of(struct cd_arena *arena, cd_str body, const char *name)
{
        const struct cd_json *root;
        struct cd_error err;

        if (cd_json_parse(arena, body, 0, &root, &err) != CD_OK)
                return CD_STR("");
        const struct cd_json *found = cd_json_find(root, cd_str_from_c(name));
        return found && found->type == CD_JSON_STRING ? found->text : CD_STR("");
}

/* RFC 6749 §5.2, and what GitHub answers with status 200. */
static void judge_answer(struct cd_online_task *task, const struct cd_fetch_response *answer)
{
        cd_str error = member_of(&task->arena, answer->body, "error");

        if (cd_str_eq(error, CD_STR("incorrect_client_credentials")) || cd_str_eq(error, CD_STR("invalid_client")) ||
            cd_str_eq(error, CD_STR("unauthorized_client")))
                cd_online_note(task, CD_FINDING_ERROR, "client_secret",
                               "copy client_id and client_secret again, both from the same application at the provider",
                               "is not the secret of this client_id: the provider answers %.*s", SHOWN(error));
        else if (cd_str_eq(error, CD_STR("redirect_uri_mismatch")))
                cd_online_note(task, CD_FINDING_ERROR, NULL,
                               "register it with the provider, to the letter: scheme, host, path, no slash at its end",
                               "the provider does not know the redirect URI %.*s/signin/%.*s/callback",
                               SHOWN(task->config->portal.url),
                               SHOWN(cd_config_provider_name((const struct cd_config_provider *)task->item)));
        else if (cd_str_eq(error, CD_STR("bad_verification_code")) || cd_str_eq(error, CD_STR("invalid_grant")))
                cd_online_note(task, CD_FINDING_OK, "client_secret", NULL, "the provider accepts it");
        else if (error.len)
                cd_online_note(task, CD_FINDING_WARNING, NULL, "see the provider's documentation for this error",
                               "the provider answers %.*s to a made-up code, which does not tell whether it knows the "
                               "client",
                               SHOWN(error));
        else
                cd_online_note(task, CD_FINDING_ERROR, "token_endpoint",
                               "correct it: it is the URL to which codes are sent, as the provider documents it",
                               "does not answer as a token endpoint does (status %d)", answer->status);
}

/* ---- discovery ---- */

static void compare(struct cd_online_task *task, cd_str document, const char *name, cd_str configured)
{
        cd_str said = member_of(&task->arena, document, name);

        if (configured.len && said.len && !cd_str_eq(said, configured))
                cd_online_note(task, CD_FINDING_WARNING, name, "write what the provider says, or leave it out",
                               "is not %.*s, which the provider publishes", SHOWN(said));
}

static bool is_openid(const struct cd_signin_provider_settings *p)
{
        return p->type == CD_SIGNIN_OIDC || p->type == CD_SIGNIN_GOOGLE;
}

/* What the configuration leaves to discovery. */
static void take_endpoints(struct cd_online_task *task, cd_str document, struct cd_signin_provider_settings *p)
{
        if (!is_openid(p))
                return;
        if (!p->token_endpoint.len)
                p->token_endpoint = member_of(&task->arena, document, "token_endpoint");
        if (!p->userinfo_endpoint.len)
                p->userinfo_endpoint = member_of(&task->arena, document, "userinfo_endpoint");
        if (!p->token_endpoint.len)
                cd_online_note(task, CD_FINDING_ERROR, "issuer", "ask the operator of the issuer",
                               "publishes no token_endpoint");
}

/* OpenID Connect Discovery 1.0 §4; only an issuer of OpenID Connect must publish something. */
static void check_discovery(struct cd_online_task *task, struct cd_signin_provider_settings *p)
{
        bool has_slash = cd_str_has_suffix(p->issuer, CD_STR("/"));
        const struct cd_fetch_request request = {
                .url = cd_arena_printf(&task->arena, "%.*s%s.well-known/openid-configuration", CD_STR_ARG(p->issuer),
                                       has_slash ? "" : "/"),
                .name = CD_STR("discovery"),
                .timeout_ms = CD_ONLINE_TOTAL_MS,
                .arena = &task->arena,
        };
        struct cd_fetch_response answer;
        struct cd_error err = { 0 };

        if (!p->issuer.len || !request.url.ptr)
                return;
        if (cd_fetch_call(task->fetch, &request, &answer, &err) != CD_OK)
                return cd_online_note(task, CD_FINDING_ERROR, "issuer", "correct it, or see whether the provider is up",
                                      "cannot be asked: %s", err.reason);
        if (answer.status != 200 && is_openid(p))
                cd_online_note(task, CD_FINDING_ERROR, "issuer",
                               "write the URL below which the provider has /.well-known/openid-configuration",
                               "%.*s is not there (status %d)", SHOWN_PATH(request.url), answer.status);
        if (answer.status != 200)
                return;
        cd_str issuer = member_of(&task->arena, answer.body, "issuer");
        if (!cd_str_eq(issuer, p->issuer))
                cd_online_note(task, CD_FINDING_ERROR, "issuer", "write it to the letter as the provider does",
                               "is not \"%.*s\", as the provider calls itself", SHOWN(issuer));
        compare(task, answer.body, "authorization_endpoint", p->authorization_endpoint);
        compare(task, answer.body, "token_endpoint", p->token_endpoint);
        compare(task, answer.body, "userinfo_endpoint", p->userinfo_endpoint);
        take_endpoints(task, answer.body, p);
}

/* What cd_fetch_call says of a connection, and what to do about it. */
static const char *fix_of_call(const struct cd_error *error)
{
        static const struct {
                const char *reason, *fix;
        } known[] = {
                { "connection refused", "nothing listens there: correct host and port, or start the provider" },
                { "TLS certificate rejected",
                  "name the PEM file of the CA that signed it as outgoing.ca, or correct the "
                  "host, if the certificate is of another one" },
                { "TLS handshake failed",
                  "see whether the port speaks https: http:// is accepted to this machine only" },
                { "no connection in time", "see whether a firewall is between, and whether host and port are right" },
        };

        for (size_t i = 0; i < CD_LEN(known); i++)
                if (cd_str_eq_c(cd_str_from_c(error->reason), known[i].reason))
                        return known[i].fix;
        return "see whether this machine may reach it";
}

/* Without a token it refuses, and says at least that it is there. */
static void check_userinfo(struct cd_online_task *task, const struct cd_signin_provider_settings *p)
{
        const struct cd_fetch_request request = {
                .url = p->userinfo_endpoint,
                .name = CD_STR("check"),
                .accept = CD_STR("application/json"),
                .timeout_ms = CD_ONLINE_TOTAL_MS,
                .arena = &task->arena,
        };
        struct cd_fetch_response answer;
        struct cd_error err = { 0 };

        if (!p->userinfo_endpoint.len || !cd_online_resolves(task, "userinfo_endpoint", p->userinfo_endpoint))
                return;
        if (cd_fetch_call(task->fetch, &request, &answer, &err) != CD_OK)
                cd_online_note(task, CD_FINDING_ERROR, "userinfo_endpoint", fix_of_call(&err),
                               "%.*s cannot be asked: %s", SHOWN(p->userinfo_endpoint), err.reason);
        else if (answer.status == 404)
                cd_online_note(task, CD_FINDING_ERROR, "userinfo_endpoint",
                               "correct it: it is the URL where the provider tells whose token it is",
                               "%.*s is not there (status 404)", SHOWN(p->userinfo_endpoint));
}

void cd_online_provider(struct cd_online_task *task)
{
        struct cd_signin_provider_settings p;
        struct cd_fetch_response answer;
        struct cd_error err = { 0 };

        if (cd_config_provider_read(task->item, &task->arena, &p, &err) != CD_OK)
                return cd_online_note(task, CD_FINDING_ERROR, NULL, NULL, "%s", err.reason);
        check_discovery(task, &p);
        if (!p.token_endpoint.len || !cd_online_resolves(task, "token_endpoint", p.token_endpoint))
                return;
        if (ask_with_made_up_code(task, &p, &answer, &err) != CD_OK)
                return cd_online_note(task, CD_FINDING_ERROR, "token_endpoint", fix_of_call(&err),
                                      "%.*s cannot be asked: %s", SHOWN(p.token_endpoint), err.reason);
        judge_answer(task, &answer);
        check_userinfo(task, &p);
        cd_online_check_clock(task, answer.date, p.token_endpoint);
}

/* ---- the portal's own URL ---- */

/* Not guarded: the URL is the operator's own, and often leads to this machine. */
static cd_status ask_instance(struct cd_online_task *task, cd_str url, struct cd_fetch_response *ret,
                              struct cd_error *reterr)
{
        cd_str ca = task->config->outgoing.ca;
        const struct cd_fetch_options options = {
                .connect_timeout_ms = CD_ONLINE_CONNECT_MS,
                .total_timeout_ms = CD_ONLINE_TOTAL_MS,
                .response_max = RESPONSE_MAX,
                .ca_file = ca.len ? cd_config_path(&task->arena, task->config_path, ca) : CD_STR(""),
        };
        const struct cd_fetch_request request = {
                .url = url,
                .name = CD_STR("instance"),
                .accept = CD_STR("text/plain"),
                .arena = &task->arena,
        };
        struct cd_fetch *fetch = NULL;

        cd_status status = cd_fetch_load(reterr);
        if (status == CD_OK)
                status = cd_fetch_new(&options, &fetch, reterr);
        if (status == CD_OK)
                status = cd_fetch_call(fetch, &request, ret, reterr);
        cd_fetch_free(fetch);
        return status;
}

static void judge_instance(struct cd_online_task *task, const struct cd_fetch_response *answer, cd_str expected)
{
        cd_str url = task->config->portal.url;

        if (answer->status == 200 && cd_secret_eq(answer->body, expected))
                cd_online_note(task, CD_FINDING_OK, NULL, NULL, "%.*s leads back to this instance", SHOWN(url));
        else if (answer->location.len)
                cd_online_note(task, CD_FINDING_ERROR, NULL, "write the URL that needs no redirect",
                               "%.*s redirects to %.*s: providers send codes to a URL that is registered to the letter",
                               SHOWN(url), SHOWN(answer->location));
        else if (answer->status >= 502 && answer->status <= 504)
                cd_online_note(task, CD_FINDING_WARNING, NULL, "start the server, or correct the proxy's upstream",
                               "%.*s answers %d: a proxy is there and does not reach this server", SHOWN(url),
                               answer->status);
        else
                cd_online_note(
                        task, CD_FINDING_ERROR, NULL,
                        "have the host's server pass requests below " CD_PORTAL_BASE
                        " on to this one, or correct the URL",
                        "%.*s answers (status %d), but it is another program, or a Cardea with another master key",
                        SHOWN(url), answer->status);
}

void cd_online_portal(struct cd_online_task *task)
{
        unsigned char random[CD_INSTANCE_NONCE_SIZE];
        char nonce[CD_INSTANCE_NONCE_TEXT], ask[CD_INSTANCE_PROOF_TEXT], answer[CD_INSTANCE_PROOF_TEXT];
        struct cd_master_key *master = NULL;
        struct cd_fetch_response said;
        struct cd_error err = { 0 };
        cd_str url = task->config->portal.url;

        if (!task->config->master_key.len)
                return cd_online_note(task, CD_FINDING_OK, NULL, NULL,
                                      "is not tried: without a store each start has a master key of its own");
        if (!cd_online_resolves(task, NULL, url))
                return;
        if (cd_random_system.fill(&cd_random_system, random, sizeof(random)) != CD_OK ||
            cd_master_key_parse(task->config->master_key, &cd_random_system, &master, &err) != CD_OK)
                return cd_online_note(task, CD_FINDING_ERROR, NULL, NULL, "cannot be tried: %s", err.reason);
        struct cd_mac *mac = cd_instance_mac_new(master);
        cd_master_key_free(master);
        cd_str text = cd_str_of(nonce, cd_base64url_encode(nonce, cd_str_of((const char *)random, sizeof(random))));
        bool is_made = mac && cd_instance_sign(mac, false, text, ask) == CD_OK &&
                       cd_instance_sign(mac, true, text, answer) == CD_OK;
        cd_mac_free(mac);
        cd_str full = cd_arena_printf(&task->arena, "%.*s" CD_INSTANCE_PATH "?nonce=%.*s&proof=%.*s", CD_STR_ARG(url),
                                      (int)sizeof(nonce), nonce, (int)sizeof(ask), ask);
        if (!is_made || !full.ptr)
                return cd_online_note(task, CD_FINDING_ERROR, NULL, NULL, "cannot be tried: no memory");
        if (ask_instance(task, full, &said, &err) != CD_OK)
                return cd_online_note(task, CD_FINDING_WARNING, NULL,
                                      "start the server and the proxy in front, or correct the URL",
                                      "%.*s does not answer: %s", SHOWN(url), err.reason);
        judge_instance(task, &said, cd_str_of(answer, sizeof(answer)));
}
