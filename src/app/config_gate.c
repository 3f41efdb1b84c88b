#include "app/config_gate.h"

#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "app/config_path.h"
#include "conf/interpolate.h"
#include "conf/secret_file.h"

enum {
        KB = 1024,
        SECOND = 1000,
        HOUR = 3600 * SECOND,
        RESPONSE_HEAD = 64 * KB, /* bytes, if the route does not say another */
        PEM_MAX = 1024 * KB,
        KEEP = 256, /* connections, idle ones, for each loop */
        /* Shorter than the 5 s after which Node and Apache close an idle connection. */
        KEEP_IDLE = 4 * SECOND,
        KEEP_AGE = HOUR,
};

#define FIELD(type_, member, kind, ...)                                                                                \
        {                                                                                                              \
                .name = #member, .offset = offsetof(type_, member), .type = CD_FIELD_##kind, __VA_ARGS__               \
        }

/* ---- the tables ---- */

static const struct cd_field timeout_fields[] = {
        FIELD(struct cd_config_route_timeouts, connect, DURATION, .min = 10, .max = HOUR, .fallback = "5s",
              .help = "to connect to one address, TLS included; later: 504"),
        FIELD(struct cd_config_route_timeouts, first_byte, DURATION, .min = 10, .max = 24 * HOUR, .fallback = "60s",
              .help = "from the complete request to the head of the response; later: 504"),
        FIELD(struct cd_config_route_timeouts, idle, DURATION, .min = 10, .max = 24 * HOUR, .fallback = "60s",
              .help = "without a byte in either direction after that; later it is cut"),
        FIELD(struct cd_config_route_timeouts, total, DURATION, .flags = CD_FIELD_OR_NONE, .min = 10, .max = 24 * HOUR,
              .fallback = "none", .help = "for the whole request; none: as long as it is not idle"),
};
static const struct cd_table timeout_table = { "timeouts", timeout_fields, CD_LEN(timeout_fields),
                                               sizeof(struct cd_config_route_timeouts), true };

static const struct cd_field tls_fields[] = {
        FIELD(struct cd_config_route_tls, ca, STRING, .min = 1, .max = 4096,
              .help = "PEM file with the authorities that may sign the upstream's certificate; default: the system's"),
        FIELD(struct cd_config_route_tls, certificate, STRING, .min = 1, .max = 4096,
              .help = "PEM file with the certificate that this server presents"),
        FIELD(struct cd_config_route_tls, key, STRING, .min = 1, .max = 4096, .help = "PEM file with its private key"),
        FIELD(struct cd_config_route_tls, server_name, STRING, .min = 1, .max = 253,
              .help = "the name that the upstream's certificate must have; default: the host of upstream"),
};
static const struct cd_table tls_table = { "tls", tls_fields, CD_LEN(tls_fields), sizeof(struct cd_config_route_tls),
                                           true };

static const char *const presets[] = { "portal", "remote", "x-auth-request", "x-forwarded-user", NULL };

static const struct cd_field identity_fields[] = {
        FIELD(struct cd_config_route_identity, preset, CHOICE, .choices = presets, .fallback = "portal",
              .help = "the headers that tell the application who the user is: those of portal.identity, or others"),
        { .name = "headers",
          .offset = offsetof(struct cd_config_route_identity, header),
          .type = CD_FIELD_OBJECT,
          .table = &cd_config_identity_headers_table,
          .help = "names instead of the preset's" },
        FIELD(struct cd_config_route_identity, jwt, BOOL, .fallback = "false",
              .help = "also Cardea-Identity, a signed token for this route"),
};
static const struct cd_table identity_table = { "identity", identity_fields, CD_LEN(identity_fields),
                                                sizeof(struct cd_config_route_identity), true };

static const char *const paths[] = {
        [CD_GATE_CANONICAL] = "canonical",
        [CD_GATE_OPAQUE] = "opaque",
        NULL,
};

static const char *check_pass(cd_str name)
{
        return cd_str_eq(name, CD_STR("session")) || cd_str_eq(name, CD_STR("tokens")) ? NULL
                                                                                       : "must be session or tokens";
}

#define ROUTE(member, kind, ...) FIELD(struct cd_config_route, member, kind, __VA_ARGS__)
#define RULE(member, kind, ...)                                                                                        \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_config_route, rule.member), .type = CD_FIELD_##kind,     \
                __VA_ARGS__                                                                                            \
        }

static const struct cd_field route_fields[] = {
        RULE(host, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 255,
             .help = "the host, or *.DOMAIN for all hosts below a domain"),
        RULE(path, STRING, .min = 1, .max = 1024,
             .help = "the path, or the beginning of the paths where it ends in /; default: every path"),
        ROUTE(upstream, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 1024,
              .help = "the server that answers: http://HOST[:PORT], https://HOST[:PORT], unix:/PATH, uwsgi://HOST:PORT "
                      "or uwsgi+unix:/PATH"),
        RULE(allow, OBJECT, .table = &cd_config_allow_table,
             .help = "who may, after a login; every key that is given must hold"),
        RULE(public, STRINGS, .flags = CD_FIELD_OR_BOOL, .max = CD_ACCESS_PUBLIC_MAX,
             .help = "true: no login is needed; a list: it is not needed for these paths"),
        RULE(bearer, OBJECT, .table = &cd_config_bearer_table,
             .help = "which access tokens of this server are accepted beside that"),
        RULE(methods, STRINGS, .max = CD_ACCESS_METHODS_MAX,
             .help = "the methods that the route lets through; any other is denied"),
        ROUTE(identity, OBJECT, .table = &identity_table, .help = "how the application is told who the user is"),
        ROUTE(strip_path, BOOL, .fallback = "false", .help = "whether path is taken off what the application sees"),
        ROUTE(paths, CHOICE, .choices = paths, .fallback = "canonical",
              .help = "which path is passed on: the canonical one, or the bytes that the client sent"),
        ROUTE(set_host, STRING, .min = 1, .max = 261,
              .help = "the Host that the application sees; default: the "
                      "client's"),
        ROUTE(rewrite, BOOL, .fallback = "false",
              .help = "whether Location and cookies are made to fit what the client sees"),
        ROUTE(pass, STRINGS, .max = 2, .check = check_pass,
              .help = "what the application gets although it is as good as a login: session, tokens"),
        ROUTE(pass_token, STRING, .min = 1, .max = CD_PROVIDER_NAME_MAX,
              .help = "the provider of signin.providers whose token of the user the application gets"),
        ROUTE(token_header, STRING, .min = 1, .max = 64,
              .help = "the header with it, or over uwsgi the variable; default: Cardea-Provider-Token, or "
                      "CARDEA_PROVIDER_TOKEN"),
        ROUTE(timeouts, OBJECT, .table = &timeout_table, .help = "how long the upstream may take"),
        ROUTE(tls, OBJECT, .table = &tls_table, .help = "TLS to an upstream of https"),
        ROUTE(buffer_size, SIZE, .min = 4096, .max = CD_CONFIG_UWSGI_BLOCK_MAX, .fallback = "65535",
              .help = "the variables of a request to uWSGI, as its own option buffer-size; more: 431"),
        ROUTE(max_body, SIZE, .max = (int64_t)1 << 40, .fallback = "0",
              .help = "the body of a request; larger: 413; 0: no limit"),
        ROUTE(max_request_head, SIZE, .max = 1024 * KB, .fallback = "0",
              .help = "the headers of a request; more: 431; 0: limits.headers"),
        ROUTE(max_response_head, SIZE, .max = 1024 * KB, .fallback = "0",
              .help = "the headers of a response; more: 502; 0: 64KB"),
        ROUTE(concurrency, INT, .max = 1000000, .fallback = "0",
              .help = "requests at a time; one more: 503; 0: no limit"),
        ROUTE(web_sockets, INT, .max = 1000000, .fallback = "100",
              .help = "open web sockets of one user; one more: 429; 0: no limit"),
        ROUTE(rate, INT, .max = 10000000, .fallback = "0",
              .help = "requests a minute from one address; one more: 429; 0: no limit"),
        ROUTE(hsts, DURATION, .max = 63072000000, .fallback = "0s",
              .help = "how long a browser uses https only (Strict-Transport-Security); 0s: the header is not added"),
        ROUTE(security_headers, BOOL, .fallback = "false",
              .help = "whether X-Content-Type-Options, Referrer-Policy and X-Frame-Options are added"),
        ROUTE(maintenance, STRING, .min = 1, .max = CD_CONFIG_MAINTENANCE_MAX,
              .help = "the text of a page that users see instead of the application"),
};
static const struct cd_table route_table = { "route", route_fields, CD_LEN(route_fields),
                                             sizeof(struct cd_config_route), true };

static const struct cd_field gate_fields[] = {
        FIELD(struct cd_config_gate, routes, OBJECTS, .max = CD_ACCESS_RULES_MAX, .table = &route_table,
              .help = "which requests go to which server; the first route whose host and path match decides"),
};
const struct cd_table cd_config_gate_table = { "gate", gate_fields, CD_LEN(gate_fields), sizeof(struct cd_config_gate),
                                               true };

/* ---- what the settings mean ---- */

bool cd_config_route_is_for_every_user(const struct cd_config_route *route)
{
        const struct cd_config_access *rule = &route->rule;

        return !cd_config_access_has_allow(rule) && !rule->public.count && !rule->bearer.audience.len;
}

struct cd_config_access cd_config_route_rule(const struct cd_config *config, const struct cd_config_route *route)
{
        struct cd_config_access rule = route->rule;

        if (cd_config_route_is_for_every_user(route))
                rule.allow.factors = (int64_t)config->portal.factors.count;
        return rule;
}

struct cd_identity_headers cd_config_route_identity(const struct cd_config *config, const struct cd_config_route *route)
{
        const struct cd_config_route_identity *identity = &route->identity;
        struct cd_config_identity from = config->portal.identity;

        if (identity->preset > 0)
                from = (struct cd_config_identity){ .preset = identity->preset - 1 };
        const cd_str given[] = { identity->header.user, identity->header.groups, identity->header.email,
                                 identity->header.name };
        cd_str *const names[] = { &from.user, &from.groups, &from.email, &from.name };
        for (size_t i = 0; i < CD_LEN(given); i++)
                if (given[i].len)
                        *names[i] = given[i];
        return cd_config_identity_headers(&from);
}

cd_str cd_config_route_token_header(const struct cd_config_route *route)
{
        if (!route->pass_token.len || route->token_header.len)
                return route->pass_token.len ? route->token_header : CD_STR("");
        return cd_str_has_prefix(route->upstream, CD_STR("uwsgi")) ? CD_STR("CARDEA_PROVIDER_TOKEN")
                                                                   : CD_STR("Cardea-Provider-Token");
}

bool cd_config_gate_passes_token(const struct cd_config_gate *gate, cd_str provider)
{
        const struct cd_config_route *routes = gate->routes.items;

        for (size_t i = 0; i < gate->routes.count; i++)
                if (provider.len && cd_str_eq(routes[i].pass_token, provider))
                        return true;
        return false;
}

static cd_status read_pem(struct cd_arena *arena, cd_str file_name, cd_str path, cd_str *ret,
                          struct cd_secret_file *ret_file, struct cd_error *reterr)
{
        if (!path.len)
                return CD_OK;
        cd_str full = cd_config_path(arena, file_name, path);
        if (!full.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the routes");
        return cd_read_file(arena, full, PEM_MAX, ret, ret_file, reterr);
}

static cd_status read_files(const struct cd_config_route_tls *tls, cd_str file_name, struct cd_arena *arena,
                            struct cd_upstream_options *ret, struct cd_error *reterr)
{
        struct cd_secret_file key_file = { 0 };
        const struct {
                cd_str setting, path;
                cd_str *text;
                struct cd_secret_file *file;
        } files[] = {
                { CD_STR("tls.ca"), tls->ca, &ret->ca, NULL },
                { CD_STR("tls.certificate"), tls->certificate, &ret->certificate, NULL },
                { CD_STR("tls.key"), tls->key, &ret->key, &key_file },
        };
        struct cd_error why;

        for (size_t i = 0; i < CD_LEN(files); i++)
                if (read_pem(arena, file_name, files[i].path, files[i].text, files[i].file, &why) != CD_OK)
                        return cd_fail_field(reterr, why.status, files[i].setting, why.reason);
        const char *fault = tls->key.len ? cd_secret_file_fault(&key_file) : NULL;
        return fault ? cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("tls.key"), "is in a file that %s; %.*s", fault,
                                CD_STR_ARG(cd_secret_file_fix(&key_file, arena, tls->key)))
                     : CD_OK;
}

cd_status cd_config_route_options(const struct cd_config_route *route, cd_str file_name, struct cd_arena *arena,
                                  struct cd_upstream_options *ret, struct cd_error *reterr)
{
        *ret = (struct cd_upstream_options){
                .authorities = ret->authorities,
                .changed = ret->changed,
                .changed_owner = ret->changed_owner,
                .url = route->upstream,
                .server_name = route->tls.server_name,
                .connect_ms = route->timeouts.connect,
                .first_byte_ms = route->timeouts.first_byte,
                .idle_ms = route->timeouts.idle,
                .total_ms = route->timeouts.total,
                .head_max = route->max_response_head ? (size_t)route->max_response_head : RESPONSE_HEAD,
                .buffer_size = (size_t)route->buffer_size,
                .keep = KEEP,
                .keep_idle_ms = KEEP_IDLE,
                .keep_age_ms = KEEP_AGE,
        };
        return read_files(&route->tls, file_name, arena, ret, reterr);
}

/* Names the setting instead of the member of struct cd_upstream_options. */
static cd_status fail_upstream(const struct cd_error *why, struct cd_error *reterr)
{
        char setting[sizeof(why->field) + sizeof("tls.")];

        if (!why->field[0] || strcmp(why->field, "url") == 0)
                snprintf(setting, sizeof(setting), "upstream");
        else
                snprintf(setting, sizeof(setting), "tls.%s", why->field);
        return cd_fail_field(reterr, why->status, cd_str_from_c(setting), why->reason);
}

cd_status cd_config_route_upstream(const struct cd_config_route *route, cd_str file_name, struct cd_arena *arena,
                                   const struct cd_upstream_options *common, struct cd_upstream **ret,
                                   struct cd_error *reterr)
{
        struct cd_upstream_options options = *common;
        struct cd_error why = { 0 };

        cd_status status = cd_config_route_options(route, file_name, arena, &options, reterr);
        if (status != CD_OK)
                return status;
        status = cd_upstream_new(&options, ret, &why);
        return status == CD_OK ? CD_OK : fail_upstream(&why, reterr);
}

static unsigned pass_of(const struct cd_config_route *route)
{
        return (cd_strs_has(route->pass, CD_STR("session")) ? CD_GATE_PASS_SESSION : 0u) |
               (cd_strs_has(route->pass, CD_STR("tokens")) ? CD_GATE_PASS_TOKENS : 0u);
}

cd_status cd_config_route_fill(const struct cd_config *config, const struct cd_config_route *route,
                               struct cd_arena *arena, struct cd_gate_route *ret, struct cd_error *reterr)
{
        const struct cd_config_access *rule = &route->rule;

        *ret = (struct cd_gate_route){
                .name = cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(rule->host), CD_STR_ARG(rule->path)),
                .host = rule->host,
                .path = rule->path,
                .identity = cd_config_route_identity(config, route),
                .pass_token = route->pass_token,
                .token_header = cd_config_route_token_header(route),
                .identity_jwt = route->identity.jwt,
                .strip_path = route->strip_path,
                .paths = (enum cd_gate_paths)route->paths,
                .pass = pass_of(route),
                .set_host = route->set_host,
                .rewrite = route->rewrite,
                .max_body = (uint64_t)route->max_body,
                .max_request_head = (size_t)route->max_request_head,
                .concurrency = (size_t)route->concurrency,
                .web_sockets = (size_t)route->web_sockets,
                .rate = route->rate,
                .hsts = route->hsts / 1000,
                .security_headers = route->security_headers,
                .maintenance = route->maintenance,
        };
        cd_str *const texts[] = { &ret->host,           &ret->path,          &ret->set_host,
                                  &ret->maintenance,    &ret->identity.user, &ret->identity.groups,
                                  &ret->identity.email, &ret->identity.name, &ret->pass_token,
                                  &ret->token_header };
        bool is_copied = ret->name.ptr != NULL;
        for (size_t i = 0; i < CD_LEN(texts) && is_copied; i++) {
                *texts[i] = cd_arena_copy(arena, *texts[i]);
                is_copied = texts[i]->ptr != NULL;
        }
        return is_copied ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the routes");
}
