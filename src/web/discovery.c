/* Responses that depend on keys and settings only: JWKS (RFC 7517 §5) and metadata (RFC 8414). Written once for each
 * snapshot. */
#include "base/buf.h"
#include "base/json.h"
#include "core/oauth/token.h"
#include "web/web.h"

enum {
        DOCUMENT_MAX = 64 * 1024
};

static void add_url(struct cd_buf *buf, cd_str name, cd_str issuer, const char *path)
{
        cd_str url = cd_arena_printf(buf->arena, "%.*s%s", CD_STR_ARG(issuer), path);

        if (!url.ptr)
                buf->failed = true;
        cd_buf_add(buf, name);
        cd_buf_add_json(buf, url);
}

static void write_metadata(const struct cd_issuer *issuer, struct cd_buf *buf)
{
        static const cd_str methods = CD_STR_INIT("[\"client_secret_basic\",\"client_secret_post\"]");

        cd_buf_add(buf, CD_STR("{\"issuer\":"));
        cd_buf_add_json(buf, issuer->url);
        add_url(buf, CD_STR(",\"token_endpoint\":"), issuer->url, "/oauth/token");
        add_url(buf, CD_STR(",\"introspection_endpoint\":"), issuer->url, "/oauth/introspect");
        add_url(buf, CD_STR(",\"revocation_endpoint\":"), issuer->url, "/oauth/revoke");
        add_url(buf, CD_STR(",\"jwks_uri\":"), issuer->url, "/.well-known/jwks.json");
        cd_buf_add(buf, CD_STR(",\"scopes_supported\":"));
        cd_json_write_strs(issuer->scopes, buf);
        /* Required (RFC 8414 §2), and empty: there is no authorization endpoint. */
        cd_buf_add(buf, CD_STR(",\"response_types_supported\":[],\"grant_types_supported\":["));
        for (size_t i = 0; cd_grant_names[i]; i++) {
                if (i)
                        cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, cd_str_from_c(cd_grant_names[i]));
        }
        cd_buf_add(buf, CD_STR("],\"token_endpoint_auth_methods_supported\":"));
        cd_buf_add(buf, methods);
        cd_buf_add(buf, CD_STR(",\"introspection_endpoint_auth_methods_supported\":"));
        cd_buf_add(buf, methods);
        cd_buf_add(buf, CD_STR(",\"revocation_endpoint_auth_methods_supported\":"));
        cd_buf_add(buf, methods);
        cd_buf_add_char(buf, '}');
}

const struct cd_web *cd_web_get(void *app)
{
        return cd_shared_get(((const struct cd_web_app *)app)->snapshots);
}

cd_status cd_web_init(struct cd_web *ret, const struct cd_issuer *issuer, const struct cd_revocations *revocations,
                      cd_str realm, struct cd_arena *arena, struct cd_error *reterr)
{
        struct cd_web web = { .issuer = issuer, .revocations = revocations };
        struct cd_buf jwks, metadata;

        cd_buf_init(&jwks, arena, DOCUMENT_MAX);
        cd_buf_init(&metadata, arena, DOCUMENT_MAX);
        cd_jwks_write(issuer->keys, &jwks);
        write_metadata(issuer, &metadata);
        if (cd_buf_view(&jwks, &web.jwks) != CD_OK || cd_buf_view(&metadata, &web.metadata) != CD_OK)
                return cd_fail(reterr, CD_TOO_LARGE, "keys or scopes are too many for one document");
        web.basic_challenge = cd_arena_printf(arena, "Basic realm=\"%.*s\", charset=\"UTF-8\"", CD_STR_ARG(realm));
        if (!web.basic_challenge.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the endpoints");
        *ret = web;
        return CD_OK;
}

/* Short enough that a new key is seen in time, and long enough that clients do not ask for each token. */
static const cd_str cache = CD_STR_INIT("public, max-age=60");

/* These documents are public and the same for every client. A page of any origin may read them, and sends no
 * credentials (LESSONS 44). */
static void allow_any_origin(struct cd_http_response *res)
{
        cd_http_response_header(res, CD_STR("Access-Control-Allow-Origin"), CD_STR("*"));
}

/* A copy: the snapshot that has the document may be freed before a slow reader has all of it. */
static void send_document(struct cd_http_response *res, cd_str content_type, cd_str document)
{
        cd_str body = cd_arena_copy(res->arena, document);

        if (!body.ptr)
                return; /* answered with 500 */
        cd_http_respond(res, 200, content_type, body);
        cd_http_response_header(res, CD_STR("Cache-Control"), cache);
        allow_any_origin(res);
}

void cd_web_jwks(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)req;
        send_document(res, CD_STR("application/jwk-set+json"), cd_web_get(app)->jwks);
}

void cd_web_metadata(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        (void)req;
        send_document(res, CD_STR("application/json"), cd_web_get(app)->metadata);
}

/* A page may send any header, because none is read. A day is the longest time for which browsers cache the answer. */
void cd_web_document_options(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        static const cd_str asks = CD_STR_INIT("Access-Control-Request-Headers");

        (void)app;
        cd_http_respond(res, 204, (cd_str){ NULL, 0 }, CD_STR(""));
        cd_http_response_header(res, CD_STR("Allow"), CD_STR("GET, HEAD, OPTIONS"));
        allow_any_origin(res);
        cd_http_response_header(res, CD_STR("Access-Control-Allow-Methods"), CD_STR("GET, HEAD"));
        if (cd_http_header_count(req, asks) == 1)
                cd_http_response_header(res, CD_STR("Access-Control-Allow-Headers"), cd_http_header_get(req, asks));
        cd_http_response_header(res, CD_STR("Access-Control-Max-Age"), CD_STR("86400"));
}
