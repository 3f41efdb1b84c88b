/* What the table of `gate` cannot say. */
#include <sys/un.h>

#include "app/config.h"
#include "app/config_authority.h"
#include "app/config_findings.h"
#include "base/canonical.h"
#include "base/url.h"

struct check {
        const struct cd_config *config;
        struct cd_report *report;
        const struct cd_config_route *route;
        cd_str path; /* "gate.routes[3]" */
};

static cd_str member(const struct check *c, const char *name)
{
        return cd_arena_printf(c->report->arena, "%.*s.%s", CD_STR_ARG(c->path), name);
}

static bool is_given(const struct check *c, const char *name)
{
        return cd_report_find_source(c->report, member(c, name)) != NULL;
}

static bool has_error(const struct check *c, const char *name)
{
        return cd_report_has_error(c->report, member(c, name));
}

/* Also of what is in it: its value is then unknown. */
static bool has_error_within(const struct check *c, const char *name)
{
        return cd_report_has_error_within(c->report, member(c, name));
}

/* ---- the host ---- */

static bool is_wildcard(cd_str host)
{
        return cd_str_has_prefix(host, CD_STR("*."));
}

/* Whether a host exists that both match. */
static bool hosts_overlap(cd_str a, cd_str b)
{
        if (!is_wildcard(a) && !is_wildcard(b))
                return cd_str_eq(a, b);
        if (!is_wildcard(a))
                return hosts_overlap(b, a);
        cd_str below = cd_str_slice(a, 1, a.len); /* ".example.com" */
        return cd_str_has_suffix(is_wildcard(b) ? cd_str_slice(b, 1, b.len) : b, below) ||
               (is_wildcard(b) && cd_str_has_suffix(below, cd_str_slice(b, 1, b.len)));
}

/* One section decides on a host: a proxy that asks, and the gate, must not differ about it. */
static void check_sections(const struct check *c)
{
        const struct cd_config_access *rules = c->config->access.items;
        cd_str host = c->route->rule.host;

        for (size_t i = 0; i < c->config->access.count; i++)
                if (host.len && rules[i].host.len && hosts_overlap(rules[i].host, host))
                        return ERROR(c->report, member(c, "host"),
                                     "name each host in one of the two: in access if another proxy asks this server, "
                                     "in gate.routes if this server passes the requests on",
                                     "%.*s is in access[%zu] too (%.*s)", SHOWN(host), i, SHOWN(rules[i].host));
}

/* The host in a URL, canonical; empty: none. */
static cd_str host_of(const struct check *c, cd_str url)
{
        struct cd_url parts;
        cd_str canonical;

        return cd_url_split(url, &parts) && cd_canonical_host(c->report->arena, parts.authority, &canonical) == CD_OK
                       ? canonical
                       : CD_STR("");
}

/* All paths of a host are the gate's, but those of the portal, whose host no wildcard has. */
static void check_issuer(const struct check *c)
{
        cd_str host = c->route->rule.host, issuer;

        if (!cd_report_find_source(c->report, CD_STR("issuer")) || !host.len ||
            cd_report_has_error(c->report, CD_STR("issuer")))
                return;
        issuer = host_of(c, c->config->issuer);
        if (is_wildcard(host) && cd_str_eq(issuer, host_of(c, c->config->portal.url)))
                return;
        if (issuer.len && hosts_overlap(host, issuer))
                WARN(c->report, member(c, "host"), "give the application a host of its own",
                     "%.*s is the host of issuer: clients cannot reach /oauth/token and the other endpoints there",
                     SHOWN(issuer));
}

/* ---- the upstream ---- */

static const char *const url_form =
        "write it as in http://127.0.0.1:3000, https://app.internal, unix:/run/app.sock, uwsgi://127.0.0.1:3031 or "
        "uwsgi+unix:/run/app.sock";

static const cd_str schemes[] = { CD_STR_INIT("http://"), CD_STR_INIT("https://"), CD_STR_INIT("uwsgi://"),
                                  CD_STR_INIT("unix:"), CD_STR_INIT("uwsgi+unix:") };

static cd_str scheme_of(cd_str url)
{
        for (size_t i = 0; i < CD_LEN(schemes); i++)
                if (cd_str_has_prefix(url, schemes[i]))
                        return schemes[i];
        return CD_STR("");
}

static bool is_uwsgi(cd_str url)
{
        return cd_str_has_prefix(scheme_of(url), CD_STR("uwsgi"));
}

static void check_socket(const struct check *c, cd_str setting, cd_str path)
{
        const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

        if (!cd_str_has_prefix(path, CD_STR("/")))
                ERROR(c->report, setting, "write the whole path, as in unix:/run/app.sock",
                      "\"%.*s\" is not an absolute path", SHOWN(path));
        else if (path.len > longest)
                ERROR(c->report, setting, "choose a shorter one",
                      "is a path of %zu bytes; a Unix socket has at most %zu", path.len, longest);
}

static bool has_port(cd_str authority)
{
        size_t host = cd_str_has_prefix(authority, CD_STR("[")) ? cd_str_index(authority, ']') : 0;
        cd_str rest = cd_str_slice(authority, host, authority.len);

        return cd_str_index(rest, ':') < rest.len;
}

static void check_authority(const struct check *c, cd_str setting, cd_str authority)
{
        bool is_local;

        if (cd_str_index(authority, '@') < authority.len)
                ERROR(c->report, setting, "remove them", "has a user name or a password in it");
        else if (cd_str_index(authority, '/') < authority.len)
                ERROR(c->report, setting,
                      "end it after the host and the port; the application gets the path that the client asked for",
                      "has a path");
        else if (!cd_config_authority_parse(authority, &is_local))
                ERROR(c->report, setting, url_form, "\"%.*s\" is not a host, or not a host and a port",
                      SHOWN(authority));
        else if (is_uwsgi(c->route->upstream) && !has_port(authority))
                ERROR(c->report, setting, "write it as in uwsgi://127.0.0.1:3031", "has no port");
        else if (cd_service_listens_on(&c->config->service, authority))
                ERROR(c->report, setting, "name the address of the application",
                      "is an address of listen: this server would ask itself");
}

static void check_upstream(const struct check *c)
{
        cd_str setting = member(c, "upstream"), url = c->route->upstream, scheme = scheme_of(url);
        cd_str rest = cd_str_slice(url, scheme.len, url.len);
        struct cd_error err = { 0 };

        if (!url.len) /* missing: a finding already */
                return;
        if (!scheme.len)
                ERROR(c->report, setting, url_form, "\"%.*s\" has none of the schemes that an upstream may have",
                      SHOWN(url));
        else if (cd_str_has_suffix(scheme, CD_STR("//")))
                check_authority(c, setting, rest);
        else
                check_socket(c, setting, rest);
        if (!has_error(c, "upstream") && cd_upstream_check_url(url, &err) != CD_OK)
                ERROR(c->report, setting, NULL, "%s", err.reason);
        if (is_given(c, "buffer_size") && scheme.len && !is_uwsgi(url))
                WARN(c->report, member(c, "buffer_size"), "leave it out",
                     "is for uWSGI, and upstream is not one of uwsgi");
}

static void check_tls_options(const struct check *c)
{
        const struct cd_config_route_tls *tls = &c->route->tls;
        bool is_any = tls->ca.len || tls->certificate.len || tls->key.len || tls->server_name.len;
        cd_str scheme = scheme_of(c->route->upstream), canonical;

        if (!is_any)
                return;
        if (scheme.len && !cd_str_eq(scheme, CD_STR("https://")))
                return ERROR(c->report, member(c, "tls"), "write https:// in upstream, or leave out tls",
                             "is for an upstream of https, and this one is %.*s", SHOWN(c->route->upstream));
        if (tls->certificate.len && !tls->key.len && !has_error(c, "tls.key"))
                ERROR(c->report, member(c, "tls.key"), "name the file with the private key of tls.certificate",
                      "is missing, and tls.certificate is set");
        if (tls->key.len && !tls->certificate.len && !has_error(c, "tls.certificate"))
                ERROR(c->report, member(c, "tls.certificate"), "name the file with the certificate of tls.key",
                      "is missing, and tls.key is set");
        if (tls->server_name.len && (cd_canonical_host(c->report->arena, tls->server_name, &canonical) != CD_OK ||
                                     !cd_str_eq_nocase(canonical, tls->server_name)))
                ERROR(c->report, member(c, "tls.server_name"), "write it as in app.internal, without a port",
                      "\"%.*s\" is not a host", SHOWN(tls->server_name));
}

/* Reads the files, and makes of them what the server would. */
static void check_files(const struct check *c)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        const struct cd_upstream_options common = { 0 };
        struct cd_upstream *upstream = NULL;
        const struct cd_config_route_tls *tls = &c->route->tls;
        struct cd_error err = { 0 };

        if (!c->route->upstream.len || has_error(c, "upstream") || has_error_within(c, "tls"))
                return;
        /* The authorities of the system take 30 ms to read, for each route. */
        if (cd_str_has_prefix(c->route->upstream, CD_STR("https://")) && !tls->ca.len && !tls->certificate.len)
                return;
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        cd_status status = cd_config_route_upstream(c->route, c->report->file_name, &arena, &common, &upstream, &err);
        cd_upstream_unref(upstream);
        if (status == CD_NO_MEMORY)
                c->report->no_memory = true;
        else if (status != CD_OK)
                ERROR(c->report, member(c, err.field), NULL, "%s", err.reason);
}

/* ---- what is passed on ---- */

static void check_set_host(const struct check *c)
{
        cd_str setting = member(c, "set_host"), host = c->route->set_host, canonical;
        bool is_local;

        if (host.len && (cd_canonical_host(c->report->arena, host, &canonical) != CD_OK ||
                         !cd_config_authority_parse(host, &is_local)))
                ERROR(c->report, setting, "write it as in app.internal or app.internal:8080, without scheme and path",
                      "\"%.*s\" is not a host", SHOWN(host));
}

static void check_strip_path(const struct check *c)
{
        const struct cd_config_route *route = c->route;

        if (!route->strip_path || has_error(c, "path"))
                return;
        if (!route->rule.path.len)
                ERROR(c->report, member(c, "strip_path"), "add path, as in path: /app/, or leave out strip_path",
                      "takes path off, and there is none");
        else if (!cd_str_has_suffix(route->rule.path, CD_STR("/")))
                ERROR(c->report, member(c, "path"),
                      cd_arena_printf(c->report->arena, "write %.*s/", CD_STR_ARG(route->rule.path)).ptr,
                      "does not end in /, as strip_path needs it");
}

static void check_limits(const struct check *c)
{
        const struct cd_config_route *route = c->route;
        int64_t headers = (int64_t)c->config->service.limits.headers;

        if (route->hsts % 1000)
                ERROR(c->report, member(c, "hsts"), "write it as in 365d", "is not a whole number of seconds");
        if (route->max_request_head > headers && !cd_report_has_error(c->report, CD_STR("limits.headers")))
                WARN(c->report, member(c, "max_request_head"), "raise limits.headers, or leave it out",
                     "is more than limits.headers, which the server applies before");
        if (route->timeouts.total && route->timeouts.total < route->timeouts.first_byte)
                WARN(c->report, member(c, "timeouts.first_byte"), "lower it, or raise timeouts.total",
                     "is longer than timeouts.total, which ends the request before");
}

static void check_identity(const struct check *c)
{
        const struct cd_identity_headers headers = cd_config_route_identity(c->config, c->route);

        if (c->route->identity.jwt && !cd_report_find_source(c->report, CD_STR("issuer")))
                ERROR(c->report, member(c, "identity.jwt"), "set issuer to the URL of this server",
                      "needs issuer, which is not set: the application could not tell whose token it is");
        /* Those of the portal alone are reported there. */
        if (is_given(c, "identity.headers") || c->route->identity.preset)
                cd_config_check_identity(&headers, member(c, "identity.headers"), c->report);
}

/* ---- the user's token of a provider ---- */

/* Letters, digits and "_", and none that means something to uWSGI, to WSGI or to the gate. */
static const char *variable_fault(const struct check *c, cd_str name)
{
        static const cd_str others[] = {
                CD_STR_INIT("AUTH_TYPE"), CD_STR_INIT("CARDEA_CLAIMS"), CD_STR_INIT("CARDEA_GROUPS"),
                CD_STR_INIT("CONTENT_"),  CD_STR_INIT("DOCUMENT_ROOT"), CD_STR_INIT("GATEWAY_"),
                CD_STR_INIT("HTTPS"),     CD_STR_INIT("PATH_"),         CD_STR_INIT("QUERY_STRING"),
                CD_STR_INIT("REMOTE_"),   CD_STR_INIT("REQUEST_"),      CD_STR_INIT("SCRIPT_"),
                CD_STR_INIT("SERVER_"),   CD_STR_INIT("UWSGI_"),
        };
        cd_str header = cd_str_slice(name, 5, name.len);

        for (size_t i = 0; i < name.len; i++) {
                char at = name.ptr[i];
                if (!(at >= 'A' && at <= 'Z') && !(at >= '0' && at <= '9') && at != '_')
                        return "must be capital letters, digits and _, as in CARDEA_PROVIDER_TOKEN";
        }
        for (size_t i = 0; i < CD_LEN(others); i++)
                if (cd_str_has_prefix(name, others[i]))
                        return "is a variable with a meaning of its own";
        if (!cd_str_has_prefix(name, CD_STR("HTTP_")))
                return NULL;
        char *text = cd_arena_alloc(c->report->arena, header.len + 1);
        for (size_t i = 0; text && i < header.len; i++)
                text[i] = header.ptr[i] == '_' ? '-' : header.ptr[i];
        return text ? cd_config_header_fault(cd_str_of(text, header.len)) : NULL;
}

static void check_token_header(const struct check *c)
{
        const struct cd_identity_headers identity = cd_config_route_identity(c->config, c->route);
        const cd_str taken[] = { identity.user, identity.groups, identity.email, identity.name };
        cd_str setting = member(c, "token_header"), name = c->route->token_header;

        const char *fault = is_uwsgi(c->route->upstream) ? variable_fault(c, name) : cd_config_header_fault(name);
        if (fault)
                return ERROR(c->report, setting, "choose another name", "\"%.*s\" %s", SHOWN(name), fault);
        for (size_t i = 0; i < CD_LEN(taken) && !is_uwsgi(c->route->upstream); i++)
                if (cd_str_eq_nocase(name, taken[i]))
                        ERROR(c->report, setting, "choose another name",
                              "%.*s is a header that tells the application who the user is", SHOWN(name));
}

static void check_provider(const struct check *c)
{
        const struct cd_config_provider *providers = c->config->signin.providers.items;
        cd_str name = c->route->pass_token, nearest = { NULL, 0 };
        unsigned distance = 3;

        for (size_t i = 0; i < c->config->signin.providers.count; i++) {
                cd_str candidate = cd_config_provider_name(&providers[i]);
                if (cd_str_eq(candidate, name))
                        return;
                if (cd_str_distance(name, candidate) <= distance) {
                        distance = cd_str_distance(name, candidate);
                        nearest = candidate;
                }
        }
        cd_str fix = nearest.len ? cd_arena_printf(c->report->arena, "did you mean \"%.*s\"?", CD_STR_ARG(nearest))
                                 : CD_STR("add a provider of that name there");
        ERROR(c->report, member(c, "pass_token"), fix.ptr, "\"%.*s\" is no provider of signin.providers", SHOWN(name));
}

static void check_pass_token(const struct check *c)
{
        if (c->route->pass_token.len && !has_error(c, "pass_token"))
                check_provider(c);
        if (c->route->token_header.len && !c->route->pass_token.len && !has_error(c, "pass_token"))
                return ERROR(c->report, member(c, "token_header"), "add pass_token with the name of a provider",
                             "is for pass_token, which is not set");
        if (c->route->token_header.len && !has_error(c, "token_header"))
                check_token_header(c);
}

/* ---- who may ---- */

static void check_who(const struct check *c)
{
        const struct cd_config_access rule = cd_config_route_rule(c->config, c->route);
        bool is_for_every_user = cd_config_route_is_for_every_user(c->route);

        cd_config_check_rule(c->config, &rule, c->path, c->report);
        if (has_error_within(c, "allow") || has_error_within(c, "public") || has_error_within(c, "bearer"))
                return;
        /* An empty list is what a template writes that has no names: it must not open the application. */
        if (is_given(c, "allow") && !cd_config_access_has_allow(&c->route->rule))
                ERROR(c->report, member(c, "allow"),
                      "name users or groups, or write allow: { factors: 1 } for every user who can log in",
                      "is empty: it says of nobody whether they may");
        else if (is_for_every_user)
                WARN(c->report, c->path, "add allow, as in allow: { groups: [staff] }",
                     "has no allow: every user who can log in gets in");
}

static bool needs_login(const struct cd_config_route *route)
{
        bool is_by_token = route->rule.bearer.audience.len && !cd_config_access_has_allow(&route->rule);

        return !cd_config_access_is_public(&route->rule) && !is_by_token;
}

static void check_portal(const struct check *c)
{
        if (!c->config->portal.url.len && needs_login(c->route) &&
            !cd_report_has_error(c->report, CD_STR("portal.url")))
                ERROR(c->report, CD_STR("portal.url"), "write it as in https://auth.example.com" CD_PORTAL_BASE,
                      "is missing, and users must log in for %.*s (%.*s)", CD_STR_ARG(c->path),
                      SHOWN(c->route->rule.host));
}

static void take_route(struct check *c, const struct cd_config_route *route, size_t index)
{
        c->route = route;
        c->path = cd_arena_printf(c->report->arena, "gate.routes[%zu]", index);
}

void cd_config_check_gate(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_route *routes = config->gate.routes.items;
        struct check c = { .config = config, .report = report };

        for (size_t i = 0; i < config->gate.routes.count; i++) {
                take_route(&c, &routes[i], i);
                check_who(&c);
                check_portal(&c);
                check_sections(&c);
                check_issuer(&c);
                check_upstream(&c);
                check_tls_options(&c);
                check_set_host(&c);
                check_strip_path(&c);
                check_limits(&c);
                check_identity(&c);
                check_pass_token(&c);
        }
}

void cd_config_check_gate_files(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_route *routes = config->gate.routes.items;
        struct check c = { .config = config, .report = report };

        for (size_t i = 0; i < config->gate.routes.count; i++) {
                take_route(&c, &routes[i], i);
                check_files(&c);
        }
}
