/* cardea proxy-config: what a proxy needs to ask Cardea about every request to a site. */
#include "cmd/proxy_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/canonical.h"
#include "base/streams.h"
#include "base/url.h"
#include "cmd/context.h"
#include "core/hand_over.h"

enum {
        TEXT_MAX = 256 * 1024, /* bytes of a configuration */
        PORT_MAX = 65535,
        SPELLINGS_MAX = 81, /* of one header: of four hyphens */
};

#define PROXIES "nginx, caddy, haproxy, apache, uwsgi, traefik, envoy"

static const struct proxy {
        const char *name, *installed; /* the include file, in the installed folder */
        const char *own;              /* where one for another configuration goes */
} proxies[] = {
        { "nginx", "nginx.conf", "/etc/nginx/cardea-auth.conf" },
        { "caddy", "caddy.conf", "/etc/caddy/cardea-auth.conf" },
        { "haproxy", "haproxy.lua", "/etc/haproxy/cardea-auth.lua" },
        { "apache", "apache.lua", "/etc/apache2/cardea-auth.lua" },
        { "uwsgi", "uwsgi.py", "/etc/uwsgi/cardea-auth.py" },
        { "traefik", "traefik.yaml", "a file in the folder of the file provider" },
        { "envoy", "envoy.yaml", "the settings of the HTTP connection manager and the clusters" },
};

/* The words of the command line; NULL: not given. */
struct words {
        const char *proxy, *host, *upstream, *cardea;
        bool include;
};

/* "https://wiki.example.com:8443" in parts. */
struct origin {
        cd_str text, scheme, address, name, port;
};

struct ask {
        const char *command, *config; /* NULL: the defaults */
        struct cd_admin *admin;       /* for the configuration alone */
        const struct proxy *proxy;
        struct words words;
        struct origin site, upstream, cardea, portal; /* portal.text empty: there is none */
        struct cd_proxy_values values;
};

/* ---- where everything is ---- */

static cd_status fail_option(struct cd_error *reterr, const char *option, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(option), reason);
}

/* Of "host", "host:8443", "[::1]:8443". The port of the scheme is left out of the texts. */
static cd_status read_authority(struct cd_arena *arena, cd_str authority, struct origin *ret)
{
        size_t end = authority.len && authority.ptr[0] == '[' ? cd_str_index(authority, ']') : 0;
        cd_str rest = cd_str_slice(authority, end, authority.len);
        size_t colon = end + cd_str_index(rest, ':');
        bool is_https = cd_str_eq(ret->scheme, CD_STR("https"));
        cd_str usual = is_https ? CD_STR("443") : CD_STR("80");
        uint64_t number;

        if (cd_canonical_host(arena, authority, &ret->name) != CD_OK)
                return CD_MALFORMED;
        ret->port = colon < authority.len ? cd_str_slice(authority, colon + 1, authority.len) : usual;
        if (!cd_str_to_u64(ret->port, &number) || number < 1 || number > PORT_MAX)
                return CD_MALFORMED;
        ret->address = cd_arena_printf(arena, "%.*s:%.*s", CD_STR_ARG(ret->name), CD_STR_ARG(ret->port));
        cd_str shown = cd_str_eq(ret->port, usual) ? ret->name : ret->address;
        ret->text = cd_arena_printf(arena, "%.*s://%.*s", CD_STR_ARG(ret->scheme), CD_STR_ARG(shown));
        return ret->text.ptr ? CD_OK : CD_NO_MEMORY;
}

/* "http://127.0.0.1:3000" */
static cd_status read_origin(struct cd_arena *arena, const char *option, cd_str text, struct origin *ret,
                             struct cd_error *reterr)
{
        struct cd_url url;
        bool is_url = cd_url_split(text, &url) && !url.rest.len;

        ret->scheme = url.is_https ? CD_STR("https") : CD_STR("http");
        if (!is_url || read_authority(arena, url.authority, ret) != CD_OK)
                return fail_option(reterr, option,
                                   "is not an address; write it as in http://127.0.0.1:3000, without a path");
        return CD_OK;
}

/* The site as browsers reach it: by https, unless the portal itself is reached by http on this machine. */
static cd_status read_site(struct ask *ask, struct cd_error *reterr)
{
        bool is_http = cd_str_has_prefix(ask->admin->config.portal.url, CD_STR("http://"));
        cd_str host = cd_str_from_c(ask->words.host ? ask->words.host : "localhost");

        ask->site.scheme = is_http ? CD_STR("http") : CD_STR("https");
        if (read_authority(&ask->admin->arena, host, &ask->site) != CD_OK)
                return fail_option(reterr, "--host", "is not a host; write it as in wiki.example.com");
        if (cd_str_eq(ask->site.port, is_http ? CD_STR("443") : CD_STR("80")))
                return fail_option(
                        reterr, "--host",
                        is_http ? "has the port of https, and the site is reached by http, as portal.url is; "
                                  "leave the port out"
                                : "has the port of http, and the site is reached by https; leave the port out");
        return CD_OK;
}

/* The first listener that a proxy on this machine can reach. With TLS, a certificate of "cardea init" is for
 * localhost. */
static cd_str find_listener(struct ask *ask)
{
        const struct cd_service_settings *settings = &ask->admin->config.service;
        const struct cd_http_listen *listen = settings->listen.items;
        struct cd_arena *arena = &ask->admin->arena;

        for (size_t i = 0; i < settings->listen.count; i++) {
                cd_str address = listen[i].address, name = address, rest;
                while (cd_str_index(name, ':') < name.len)
                        name = cd_str_slice(name, cd_str_index(name, ':') + 1, name.len); /* after the last: the port */
                rest = cd_str_slice(address, 0, address.len - name.len);
                uint64_t port;
                if (listen[i].proxy_protocol || !cd_str_to_u64(name, &port) || port == 0)
                        continue;
                if (settings->tls.certificate.len)
                        return cd_arena_printf(arena, "https://localhost:%.*s", CD_STR_ARG(name));
                if (cd_str_eq(rest, CD_STR("0.0.0.0:")))
                        rest = CD_STR("127.0.0.1:");
                if (cd_str_eq(rest, CD_STR("[::]:")))
                        rest = CD_STR("[::1]:");
                return cd_arena_printf(arena, "http://%.*s%.*s", CD_STR_ARG(rest), CD_STR_ARG(name));
        }
        return (cd_str){ 0 };
}

static cd_status read_cardea(struct ask *ask, struct cd_error *reterr)
{
        cd_str text = ask->words.cardea ? cd_str_from_c(ask->words.cardea) : find_listener(ask);

        if (!text.ptr)
                return fail_option(reterr, "--cardea",
                                   "is missing: no item of listen is an address that a proxy could use; "
                                   "name the one that the proxy reaches, as in http://127.0.0.1:5001");
        return read_origin(&ask->admin->arena, "--cardea", text, &ask->cardea, reterr);
}

/* ---- the values ---- */

/* A name for the site in configurations that allow no dots. */
static cd_str make_word(struct cd_arena *arena, cd_str name)
{
        char *word = cd_arena_alloc(arena, name.len);

        for (size_t i = 0; word && i < name.len; i++)
                word[i] = strchr(".:[]", name.ptr[i]) ? '-' : name.ptr[i];
        return word ? cd_str_of(word, name.len) : name;
}

/* "remote_user" */
static cd_str make_variable(struct cd_arena *arena, cd_str name)
{
        char *text = cd_arena_alloc(arena, name.len);

        for (size_t i = 0; text && i < name.len; i++)
                text[i] = name.ptr[i] == '-'
                                  ? '_'
                                  : (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
        return text ? cd_str_of(text, name.len) : name;
}

/* "remote[-_.]user" */
static void add_pattern(cd_str name, struct cd_buf *to)
{
        for (size_t i = 0; i < name.len; i++)
                if (name.ptr[i] == '-')
                        cd_buf_add(to, CD_STR("[-_.]"));
                else
                        cd_buf_add_char(to, name.ptr[i]);
}

/* Every "-" of the name as one of three characters. */
static cd_status add_spellings(struct cd_arena *arena, cd_str name, struct cd_strs *to, struct cd_error *reterr)
{
        static const char separators[] = { '-', '_', '.' };
        size_t total = 1;

        for (size_t i = 0; i < name.len; i++)
                total *= name.ptr[i] == '-' && total <= SPELLINGS_MAX ? CD_LEN(separators) : 1;
        cd_str *items = cd_arena_calloc(arena, to->count + total, sizeof(*items));
        if (total > SPELLINGS_MAX || !items)
                return cd_failf(
                        reterr, CD_INVALID_REQUEST, CD_STR("portal.identity"),
                        "the header %.*s has more spellings than can be deleted; name one with at most four hyphens",
                        CD_STR_ARG(name));
        for (size_t i = 0; i < to->count; i++)
                items[i] = to->items[i];
        for (size_t n = 0; n < total; n++) {
                char *text = cd_arena_alloc(arena, name.len);
                if (!text)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the headers");
                for (size_t i = 0, rest = n; i < name.len; i++) {
                        bool varies = name.ptr[i] == '-';
                        text[i] = varies ? separators[rest % CD_LEN(separators)] : name.ptr[i];
                        rest /= varies ? CD_LEN(separators) : 1;
                }
                items[to->count++] = cd_str_of(text, name.len);
        }
        to->items = items;
        return CD_OK;
}

static cd_status name_headers(struct ask *ask, struct cd_error *reterr)
{
        const struct cd_identity_headers headers = cd_config_identity_headers(&ask->admin->config.portal.identity);
        const cd_str names[] = { headers.user, headers.groups, headers.email, headers.name };
        struct cd_arena *arena = &ask->admin->arena;
        struct cd_proxy_values *values = &ask->values;
        struct cd_buf pattern;

        cd_buf_init(&pattern, arena, TEXT_MAX);
        for (size_t i = 0; i < CD_LEN(names); i++) {
                cd_status status = add_spellings(arena, names[i], &values->spellings, reterr);
                if (status != CD_OK)
                        return status;
                cd_buf_add(&pattern, i > 0 ? CD_STR("|") : CD_STR(""));
                add_pattern(names[i], &pattern);
        }
        values->user = headers.user;
        values->groups = headers.groups;
        values->email = headers.email;
        values->full_name = headers.name;
        values->user_variable = make_variable(arena, headers.user);
        values->groups_variable = make_variable(arena, headers.groups);
        values->email_variable = make_variable(arena, headers.email);
        values->full_name_variable = make_variable(arena, headers.name);
        return cd_buf_view(&pattern, &values->pattern);
}

/* A site of another root domain has a part of the portal (core/hand_over.h). */
static bool is_handed_over(const struct ask *ask)
{
        return cd_hand_over_reaches(ask->admin->config.portal.other_domains, ask->site.name);
}

static bool is_portal(const struct ask *ask)
{
        return cd_str_eq(ask->portal.text, ask->site.text);
}

static struct cd_proxy_values make_values(struct ask *ask)
{
        struct cd_arena *arena = &ask->admin->arena;
        const struct origin *site = &ask->site, *upstream = &ask->upstream, *cardea = &ask->cardea;
        cd_str host = cd_str_slice(site->text, site->scheme.len + 3, site->text.len);

        return (struct cd_proxy_values){
                .site = site->text,
                .scheme = site->scheme,
                .host = host,
                .name = site->name,
                .port = site->port,
                .word = make_word(arena, site->name),
                .upstream = upstream->text,
                .app_address = upstream->address,
                .app_name = upstream->name,
                .app_port = upstream->port,
                .cardea = cardea->text,
                .cardea_scheme = cardea->scheme,
                .cardea_address = cardea->address,
                .cardea_name = cardea->name,
                .cardea_port = cardea->port,
                .is_https = cd_str_eq(site->scheme, CD_STR("https")),
                .is_local = cd_str_eq(site->name, CD_STR("localhost")),
                .is_check_tls = cd_str_eq(cardea->scheme, CD_STR("https")),
                .is_upstream_tls = cd_str_eq(upstream->scheme, CD_STR("https")),
                .has_portal = is_portal(ask) || is_handed_over(ask),
        };
}

static cd_status read_values(struct ask *ask, struct cd_error *reterr)
{
        const struct words *words = &ask->words;
        cd_str url = ask->admin->config.portal.url;
        cd_str upstream = cd_str_from_c(words->upstream ? words->upstream : "http://127.0.0.1:3000");
        struct cd_portal_url portal;

        cd_status status = read_site(ask, reterr);
        if (status == CD_OK)
                status = read_origin(&ask->admin->arena, "--upstream", upstream, &ask->upstream, reterr);
        if (status == CD_OK)
                status = read_cardea(ask, reterr);
        if (status == CD_OK && url.len)
                status = cd_portal_url_parse(&ask->admin->arena, url, &portal, reterr);
        if (status == CD_OK && url.len)
                status = read_origin(&ask->admin->arena, "portal.url", portal.origin, &ask->portal, reterr);
        if (status != CD_OK)
                return status;
        ask->values = make_values(ask);
        /* The portal's own host need not have an application. */
        ask->values.has_app = words->upstream || !is_portal(ask);
        return name_headers(ask, reterr);
}

/* ---- what is printed ---- */

static cd_status render(const struct proxy *proxy, const char *name, const struct cd_proxy_values *values,
                        struct cd_arena *arena, cd_str *ret)
{
        const struct cd_proxy_template *row = cd_proxy_templates;
        struct cd_buf out;

        while (strcmp(row->proxy, proxy->name) != 0 || strcmp(row->name, name) != 0)
                row++;
        cd_buf_init(&out, arena, TEXT_MAX);
        cd_proxy_render(row->text, values, &out);
        return cd_buf_view(&out, ret);
}

/* Whether the include file for this configuration is the installed one. */
static bool is_include_installed(struct ask *ask, cd_str include)
{
        struct cd_admin none = { 0 };
        struct ask usual = { .admin = &none, .proxy = ask->proxy, .words.cardea = "http://127.0.0.1:5001" };
        struct cd_error err;
        cd_str text;

        cd_arena_init(&none.arena, CD_SERVICE_ARENA);
        bool same = read_values(&usual, &err) == CD_OK &&
                    render(ask->proxy, "include", &usual.values, &none.arena, &text) == CD_OK &&
                    cd_str_eq(text, include);
        cd_arena_done(&none.arena);
        return same;
}

/* ---- what is not right yet ---- */

#define NOTE(ask, ...) (fprintf(stderr, "cardea %s: ", (ask)->command), cd_print_line(stderr, __VA_ARGS__))

static bool has_rule(const struct cd_config *config, cd_str host, bool needs_exact)
{
        const struct cd_config_access *rules = config->access.items;

        for (size_t i = 0; i < config->access.count; i++) {
                cd_str named = rules[i].host;
                bool is_wildcard = !needs_exact && cd_str_has_prefix(named, CD_STR("*."));
                if (cd_str_eq(named, host) ||
                    (is_wildcard && cd_str_has_suffix(host, cd_str_slice(named, 1, named.len))))
                        return true;
        }
        return false;
}

/* The address from which the proxy connects to Cardea, if it is on the same machine. */
static bool is_proxy_trusted(const struct ask *ask)
{
        cd_str name = ask->cardea.name;
        const struct cd_strs *trusted = &ask->admin->config.service.trusted_proxies;
        struct cd_address own;
        struct cd_network network;
        struct cd_error err;

        if (name.len && name.ptr[0] == '[')
                name = cd_str_slice(name, 1, name.len - 2);
        if (cd_str_eq(name, CD_STR("localhost")))
                name = CD_STR("127.0.0.1");
        if (!cd_address_parse(name, &own) || !cd_address_is_loopback(&own))
                return trusted->count > 0; /* another machine, whose address is not known here */
        for (size_t i = 0; i < trusted->count; i++)
                if (cd_network_parse(trusted->items[i], &network, &err) == CD_OK && cd_network_has(&network, &own))
                        return true;
        return false;
}

static void note_config(const struct ask *ask)
{
        const struct cd_config *config = &ask->admin->config;
        cd_str name = ask->site.name, domain = config->portal.cookie_domain;

        if (!is_proxy_trusted(ask))
                NOTE(ask,
                     "trusted_proxies: does not have the address from which the proxy asks %.*s, so that every "
                     "check is refused; add it, 127.0.0.1 if both are on this machine",
                     CD_STR_ARG(ask->cardea.text));
        if (!config->portal.url.len)
                NOTE(ask,
                     "portal.url: is not set, so that nobody can log in; set it, as in https://auth.example.com/_auth");
        else if (ask->values.has_app && !cd_str_eq(name, ask->portal.name) &&
                 !(domain.len && cd_host_is_within(name, domain)) && !is_handed_over(ask))
                NOTE(ask,
                     "portal.cookie_domain: does not have the host %.*s, so that no login reaches it; set it to "
                     "a domain that has both this host and that of portal.url, or add the host's own domain to "
                     "portal.other_domains",
                     CD_STR_ARG(name));
        if (cd_str_eq(name, ask->portal.name) && !ask->values.has_portal)
                NOTE(ask,
                     "--host: is the host of portal.url with another port, so that what is printed does not pass the "
                     "login page on; if it is the portal, write its port as portal.url has it (%.*s)",
                     CD_STR_ARG(ask->portal.text));
        if (ask->values.has_app && !has_rule(config, name, false))
                NOTE(ask, "access: no rule has the host %.*s, so that every request to it is denied; add one",
                     CD_STR_ARG(name));
        else if (is_handed_over(ask) && !has_rule(config, name, true))
                NOTE(ask,
                     "access: no rule names the host %.*s itself, so that no login reaches it, since it is below "
                     "portal.other_domains; add one",
                     CD_STR_ARG(name));
}

/* ---- the command ---- */

static int print(cd_str text)
{
        fwrite(text.ptr, 1, text.len, stdout);
        return CD_EXIT_OK;
}

/* The proxy may be on another machine, or Cardea not be installed yet. */
static void note_include(const struct ask *ask, cd_str site)
{
        cd_str include = ask->values.include;

        if (memmem(site.ptr, site.len, include.ptr, include.len) && access(include.ptr, F_OK) != 0)
                NOTE(ask,
                     "%.*s: is not on this machine; install Cardea where the proxy is, or repeat this command with "
                     "--include, write its output to a file there, and name that file instead",
                     CD_STR_ARG(include));
}

static int print_include(struct ask *ask)
{
        cd_str include;

        cd_status status = render(ask->proxy, "include", &ask->values, &ask->admin->arena, &include);
        return status == CD_OK ? print(include) : CD_EXIT_FAILED;
}

static int print_site(struct ask *ask)
{
        const struct proxy *proxy = ask->proxy;
        struct cd_arena *arena = &ask->admin->arena;
        cd_str include, site;

        if (render(proxy, "include", &ask->values, arena, &include) != CD_OK)
                return CD_EXIT_FAILED;
        bool is_installed = is_include_installed(ask, include);
        if (is_installed) {
                ask->values.include = cd_arena_printf(arena, "%s/cardea/proxy/%s", CD_DATADIR, proxy->installed);
        } else {
                ask->values.include = cd_str_from_c(proxy->own);
                NOTE(ask,
                     "needs another include file than the installed one: repeat this command with "
                     "--include, and write its output to %.*s",
                     CD_STR_ARG(ask->values.include));
        }
        if (!ask->values.include.ptr || render(proxy, "site", &ask->values, arena, &site) != CD_OK)
                return CD_EXIT_FAILED;
        if (is_installed)
                note_include(ask, site);
        if (ask->config)
                note_config(ask);
        return print(site);
}

static const struct proxy *find_proxy(const char *name)
{
        for (size_t i = 0; name && i < CD_LEN(proxies); i++)
                if (cd_str_eq_c(cd_str_from_c(name), proxies[i].name))
                        return &proxies[i];
        return NULL;
}

static int act(struct cd_context *context, void *p)
{
        const struct words *words = p;
        struct ask ask = { .command = context->command,
                           .config = context->config,
                           .admin = &context->admin,
                           .proxy = find_proxy(words->proxy),
                           .words = *words };
        struct cd_error err = { 0 };

        if (!ask.proxy)
                return cd_usage_error(context->command, "there is no proxy \"%s\"; name one of " PROXIES, words->proxy);
        if (!words->host && !words->include)
                return cd_usage_error(context->command, "name the host of the site: --host HOST");
        if (read_values(&ask, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return words->include ? print_include(&ask) : print_site(&ask);
}

static const struct cd_argument arguments[] = {
        { "PROXY", offsetof(struct words, proxy), .help = "one of " PROXIES,
          .choices = "nginx caddy haproxy apache uwsgi traefik envoy" },
        { 0 },
};
static const struct cd_option options[] = {
        CD_VALUE(struct words, host, "--host", 0, "HOST",
                 "the host of the site, with its port if that is not the usual one; not needed with --include"),
        CD_VALUE(struct words, upstream, "--upstream", 0, "URL",
                 "where the proxy reaches the application (default: http://127.0.0.1:3000)"),
        CD_VALUE(struct words, cardea, "--cardea", 0, "URL",
                 "where the proxy reaches Cardea (default: the first usable address of \"listen\")"),
        CD_FLAG(struct words, include, "--include", 0, "print the file that the site's configuration includes"),
        { 0 },
};

const struct cd_command cd_cmd_proxy_config = {
        .name = "proxy-config",
        .summary = "print the configuration of a proxy that asks for access",
        .about = "Prints what PROXY needs for one site, so that it asks Cardea about every request. What the "
                 "configuration of Cardea lacks for this is said on standard error. Without --config, the defaults of "
                 "\"cardea serve\" count.",
        .examples = "cardea proxy-config nginx --host wiki.example.com\n"
                    "cardea proxy-config nginx --include",
        .arguments = arguments,
        .options = options,
        .ask_size = sizeof(struct words),
        .act = act,
        .opens = CD_OPENS_CONFIG_OR_DEFAULTS,
};
