/* What the tables of `signin` cannot say. */
#include <string.h>

#include "app/config.h"
#include "app/config_authority.h"
#include "app/config_path.h"
#include "app/config_findings.h"
#include "base/address.h"
#include "base/url.h"
#include "conf/value_fault.h"
#include "core/user_details.h"

struct check {
        const struct cd_config *config;
        struct cd_report *report;
        const struct cd_config_provider *provider;
        enum cd_signin_type type; /* CD_SIGNIN_TYPES: unknown, and there is a finding */
        cd_str path;              /* "signin.providers[0]" */
};

static cd_str member(const struct check *c, const char *name)
{
        return cd_arena_printf(c->report->arena, "%.*s.%s", CD_STR_ARG(c->path), name);
}

static cd_str item(const struct check *c, const char *name, size_t index)
{
        return cd_arena_printf(c->report->arena, "%.*s.%s[%zu]", CD_STR_ARG(c->path), name, index);
}

static bool is_given(const struct check *c, const char *name)
{
        return cd_report_find_source(c->report, member(c, name)) != NULL;
}

/* ---- name and type ---- */

static void check_type(const struct check *c)
{
        const char *nearest = cd_config_provider_nearest_type(c->provider->type);
        cd_str fix = nearest ? cd_arena_printf(c->report->arena, "did you mean \"%s\"?", nearest)
                             : CD_STR("there are github, osu, discord, google, oidc and oauth2");

        if (!c->provider->type.len) /* missing: a finding already */
                return;
        if (c->type == CD_SIGNIN_TYPES)
                ERROR(c->report, member(c, "type"), fix.ptr, "\"%.*s\" is no type of provider",
                      SHOWN(c->provider->type));
}

static void check_name(const struct check *c, size_t index)
{
        static const cd_str allowed = CD_STR_INIT("abcdefghijklmnopqrstuvwxyz0123456789-");
        const struct cd_config_provider *others = c->config->signin.providers.items;
        cd_str name = cd_config_provider_name(c->provider);

        for (size_t i = 0; i < name.len; i++)
                if (c->provider->name.len && !memchr(allowed.ptr, name.ptr[i], allowed.len))
                        return ERROR(c->report, member(c, "name"), "use a-z, 0-9 and -, as in github-work",
                                     "\"%.*s\" has a character that a URL or the store does not allow", SHOWN(name));
        for (size_t i = 0; i < index && name.len; i++)
                if (cd_str_eq(name, cd_config_provider_name(&others[i])))
                        return ERROR(c->report, member(c, "name"), "give each provider a name of its own",
                                     "\"%.*s\" is the name of signin.providers[%zu] too", SHOWN(name), i);
}

/* ---- the client ---- */

static bool has_only(cd_str text, const char *bytes)
{
        for (size_t i = 0; i < text.len; i++)
                if (!memchr(bytes, text.ptr[i], strlen(bytes)))
                        return false;
        return text.len > 0;
}

static bool is_number(cd_str text)
{
        return has_only(text, "0123456789");
}

/* RFC 6749 Appendix A.1 and A.2. */
static bool is_ascii(cd_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] & 0x80)
                        return false;
        return true;
}

/* What an empty or odd value leads to is an answer of the provider that does not say why. */
static void check_credential(const struct check *c, const char *name, cd_str value)
{
        cd_str setting = member(c, name), folder = cd_config_path(c->report->arena, c->report->file_name, CD_STR("."));
        struct cd_value_fault fault;

        if (cd_report_is_kept(c->report, setting))
                return;
        if (!value.len)
                ERROR(c->report, setting,
                      "write what the provider shows for your application, as ${env:NAME} or ${file:PATH}",
                      "is missing or empty");
        else if (cd_value_find_fault(c->report->arena, folder, value, CD_VALUE_SECRET, &fault) &&
                 fault.level == CD_FINDING_ERROR)
                ERROR(c->report, setting, fault.fix.ptr, "%s", fault.what);
        else if (memmem(value.ptr, value.len, "${", 2))
                ERROR(c->report, setting,
                      "write ${env:NAME} with one $, and set the variable where this program is started",
                      "contains a literal ${, which nothing replaces");
        else if (cd_str_index(value, ' ') < value.len)
                ERROR(c->report, setting, "copy it again from the provider", "has white space in it");
        else if (!is_ascii(value))
                ERROR(c->report, setting, "copy it again from the provider",
                      "has a character that is not ASCII, such as a curved quotation mark");
}

static void check_client_form(const struct check *c)
{
        const struct cd_config_provider *p = c->provider;
        bool is_numbered = c->type == CD_SIGNIN_OSU || c->type == CD_SIGNIN_DISCORD;

        if (!p->client_id.len || cd_report_has_error(c->report, member(c, "client_id")))
                return;
        if (p->client_secret.len && cd_str_eq(p->client_id, p->client_secret))
                ERROR(c->report, member(c, "client_secret"), "write the secret that belongs to the id",
                      "is the client_id");
        else if (is_numbered && is_number(p->client_secret) && !is_number(p->client_id))
                ERROR(c->report, member(c, "client_id"), "swap client_id and client_secret",
                      "is not a number, but client_secret is");
        else if (is_numbered && !is_number(p->client_id))
                ERROR(c->report, member(c, "client_id"),
                      "write the number that the provider shows for your application, or correct type",
                      "is not a number, as the ids of %.*s are", SHOWN(p->type));
        else if (c->type == CD_SIGNIN_GITHUB && p->client_id.len == 40 && has_only(p->client_id, "0123456789abcdef"))
                ERROR(c->report, member(c, "client_id"),
                      "swap client_id and client_secret, or write the id that GitHub shows for your application",
                      "has the form of a secret of GitHub");
}

/* ---- URLs ---- */

/* Whether requests to this machine are let through. */
static bool allows_loopback(const struct check *c)
{
        const struct cd_strs *networks = &c->config->outgoing.networks;
        struct cd_network network;

        for (size_t i = 0; i < networks->count; i++)
                if (cd_network_parse(networks->items[i], &network, NULL) == CD_OK &&
                    cd_address_is_loopback(&network.base))
                        return true;
        return false;
}

static void check_url(const struct check *c, const char *name, cd_str url)
{
        cd_str setting = member(c, name);
        bool is_local = false;
        struct cd_url parts;

        if (!cd_url_split(url, &parts))
                ERROR(c->report, setting, "write it as in https://example.com/oauth/token",
                      "\"%.*s\" is not a URL of https", SHOWN(url));
        else if (cd_str_index(parts.authority, '@') < parts.authority.len)
                ERROR(c->report, setting, "remove them", "has a user name or a password in it");
        else if (!cd_config_authority_parse(parts.authority, &is_local))
                ERROR(c->report, setting, "write it as in https://example.com/oauth/token",
                      "\"%.*s\" is not a URL with a host", SHOWN(url));
        else if (cd_str_index(url, '#') < url.len || cd_str_index(url, ' ') < url.len)
                ERROR(c->report, setting, "remove it", "has a # or a space in it");
        else if (memmem(url.ptr, url.len, "${", 2))
                ERROR(c->report, setting, "write ${env:NAME} with one $",
                      "contains a literal ${, which nothing replaces");
        else if (!parts.is_https && !is_local)
                ERROR(c->report, setting, "write https://",
                      "is http: codes, tokens and the secret would travel in the clear");
        else if (is_local && !allows_loopback(c))
                ERROR(c->report, CD_STR("outgoing.networks"), "add 127.0.0.0/8",
                      "lacks this machine, to which %.*s leads", CD_STR_ARG(setting));
}

static void check_urls(const struct check *c)
{
        const struct cd_config_provider *p = c->provider;
        const struct {
                const char *name;
                cd_str url;
        } urls[] = { { "issuer", p->issuer },
                     { "authorization_endpoint", p->authorization_endpoint },
                     { "token_endpoint", p->token_endpoint },
                     { "userinfo_endpoint", p->userinfo_endpoint } };

        for (size_t i = 0; i < CD_LEN(urls); i++)
                if (urls[i].url.len)
                        check_url(c, urls[i].name, urls[i].url);
                else if (i > 0 && c->type == CD_SIGNIN_OAUTH2)
                        ERROR(c->report, member(c, urls[i].name),
                              "write the URL that the provider's documentation names",
                              "is missing: a provider of type oauth2 has no endpoints of its own");
        if (!p->issuer.len && c->type == CD_SIGNIN_OIDC)
                ERROR(c->report, member(c, "issuer"), "write it as in https://accounts.example.com", "is missing");
        if (p->issuer.len && p->issuer.ptr[p->issuer.len - 1] == '/')
                WARN(c->report, member(c, "issuer"), "remove it, unless the provider's own \"issuer\" ends with one",
                     "ends with a /: it is compared to the letter");
}

/* ---- who may come in ---- */

static bool is_empty(const struct cd_signin_allow *allow)
{
        return !allow->subjects.count && !allow->organizations.count && !allow->teams.count &&
               !allow->email_domains.count;
}

static void check_subjects(const struct check *c)
{
        struct cd_strs subjects = c->provider->allow.subjects;
        bool is_numbered = c->type == CD_SIGNIN_GITHUB || c->type == CD_SIGNIN_OSU || c->type == CD_SIGNIN_DISCORD;

        for (size_t i = 0; i < subjects.count; i++)
                if (is_numbered && !is_number(subjects.items[i]))
                        ERROR(c->report, item(c, "allow.subjects", i),
                              c->type == CD_SIGNIN_GITHUB
                                      ? "write the \"id\" that https://api.github.com/users/LOGIN shows, in quotes"
                                      : "write the number of the account, in quotes",
                              "\"%.*s\" is not an id, and a name can pass to somebody else", SHOWN(subjects.items[i]));
                else if (!subjects.items[i].len)
                        ERROR(c->report, item(c, "allow.subjects", i), "write the id, or remove the item", "is empty");
}

static bool is_login(cd_str text)
{
        return has_only(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
}

static void check_organizations(const struct check *c)
{
        const struct cd_signin_allow *allow = &c->provider->allow;
        const char *first = allow->organizations.count ? "allow.organizations" : "allow.teams";

        if (c->type != CD_SIGNIN_GITHUB && (allow->organizations.count || allow->teams.count))
                return ERROR(c->report, member(c, first), "use subjects or email_domains", "only GitHub has it");
        for (size_t i = 0; i < allow->organizations.count; i++)
                if (!is_login(allow->organizations.items[i]))
                        ERROR(c->report, item(c, "allow.organizations", i), "write it as in its URL, github.com/NAME",
                              "\"%.*s\" is not the name of an organisation", SHOWN(allow->organizations.items[i]));
        for (size_t i = 0; i < allow->teams.count; i++) {
                cd_str team = allow->teams.items[i];
                size_t slash = cd_str_index(team, '/');
                if (!is_login(cd_str_slice(team, 0, slash)) || !is_login(cd_str_slice(team, slash + 1, team.len)))
                        ERROR(c->report, item(c, "allow.teams", i), "write it as in example/operators",
                              "\"%.*s\" is not of the form ORGANISATION/TEAM", SHOWN(team));
        }
}

static void check_domains(const struct check *c)
{
        struct cd_strs domains = c->provider->allow.email_domains;

        if (domains.count && c->type == CD_SIGNIN_OSU)
                return ERROR(c->report, member(c, "allow.email_domains"), "use subjects",
                             "osu! tells no e-mail addresses");
        for (size_t i = 0; i < domains.count; i++) {
                cd_str domain = domains.items[i];
                if (!domain.len || cd_str_index(domain, '@') < domain.len || cd_str_index(domain, '*') < domain.len ||
                    cd_str_index(domain, ' ') < domain.len || domain.ptr[0] == '.' || domain.ptr[domain.len - 1] == '.')
                        ERROR(c->report, item(c, "allow.email_domains", i), "write it as in example.com",
                              "\"%.*s\" is not a domain", SHOWN(domain));
        }
}

static bool has_any(struct cd_strs list, const char *const *names)
{
        for (; *names; names++)
                if (cd_strs_has(list, cd_str_from_c(*names)))
                        return true;
        return false;
}

/* Scopes that the configuration names replace the defaults, and can lack what `allow` needs. */
static void check_scopes(const struct check *c)
{
        static const char *const orgs[] = { "read:org", "write:org", "admin:org", NULL };
        static const char *const emails[] = { "user:email", "user", NULL };
        static const char *const email[] = { "email", NULL };
        const struct cd_signin_allow *allow = &c->provider->allow;
        struct cd_strs scopes = c->provider->scopes;

        for (size_t i = 0; i < scopes.count; i++)
                if (!scopes.items[i].len || cd_str_index(scopes.items[i], ' ') < scopes.items[i].len ||
                    cd_str_index(scopes.items[i], ',') < scopes.items[i].len)
                        return ERROR(c->report, item(c, "scopes", i), "write each scope as an item of the list",
                                     "\"%.*s\" is not one scope", SHOWN(scopes.items[i]));
        if (!scopes.count)
                return;
        if (c->type == CD_SIGNIN_GITHUB && (allow->organizations.count || allow->teams.count) && !has_any(scopes, orgs))
                ERROR(c->report, member(c, "scopes"), "add read:org, or leave out scopes",
                      "lacks read:org, without which GitHub tells no private membership of allow.organizations");
        if (allow->email_domains.count && ((c->type == CD_SIGNIN_GITHUB && !has_any(scopes, emails)) ||
                                           (c->type == CD_SIGNIN_DISCORD && !has_any(scopes, email))))
                ERROR(c->report, member(c, "scopes"),
                      c->type == CD_SIGNIN_GITHUB ? "add user:email, or leave out scopes"
                                                  : "add email, or leave out scopes",
                      "lacks the scope for e-mail addresses, which allow.email_domains needs");
}

static void check_create(const struct check *c)
{
        const struct cd_config_provider *p = c->provider;
        struct cd_error err;

        if (p->create && is_empty(&p->allow))
                ERROR(c->report, member(c, "create"), "say in allow who may come in, or leave out create",
                      "is true, but allow names nobody: no user would ever be made");
        if (!p->create && p->groups.count)
                WARN(c->report, member(c, "groups"), "set create: true, or leave out groups",
                     "is for users that create makes, and it makes none");
        for (size_t i = 0; i < p->groups.count; i++)
                if (cd_group_name_check(p->groups.items[i], &err) != CD_OK)
                        ERROR(c->report, item(c, "groups", i), "use ASCII letters, digits and . _ - @ + : /", "%s",
                              err.reason);
        if (c->type != CD_SIGNIN_OAUTH2 && is_given(c, "identity.subject"))
                WARN(c->report, member(c, "identity"), "leave it out", "is for type oauth2; this type has its own");
}

/* ---- all ---- */

/* Providers send codes to it, and refuse http but to this machine. */
static void check_redirect_uri(const struct check *c)
{
        cd_str url = c->config->portal.url;
        bool is_local = false;
        struct cd_url parts;

        if (!url.len && !cd_report_has_error(c->report, CD_STR("portal.url")))
                ERROR(c->report, CD_STR("portal.url"), "set it, as in https://auth.example.com" CD_PORTAL_BASE,
                      "is missing, and the redirect URI of signin.providers is below it");
        if (!cd_url_split(url, &parts) || parts.is_https)
                return;
        if (!cd_config_authority_parse(parts.authority, &is_local) || !is_local)
                ERROR(c->report, CD_STR("portal.url"), "write https://",
                      "is http, and so are the redirect URIs of signin.providers: codes would travel in the clear, and "
                      "providers refuse them");
}

/* Without passwords, users who exist have no way to link an account on the account page. */
static void check_way_in(const struct check *c)
{
        const struct cd_config_provider *providers = c->config->signin.providers.items;

        for (size_t i = 0; i < c->config->signin.providers.count; i++)
                if (providers[i].create)
                        return;
        if (!c->config->portal.factors.count)
                WARN(c->report, CD_STR("portal.factors"),
                     "set allow and create: true of a provider, or link accounts with cardea user link",
                     "names no factor, and no provider makes users: only accounts that are linked already get in");
}

static void check_provider(struct check *c, size_t index)
{
        size_t before = c->report->errors;

        check_type(c);
        check_name(c, index);
        check_credential(c, "client_id", c->provider->client_id);
        check_credential(c, "client_secret", c->provider->client_secret);
        check_client_form(c);
        if (c->type != CD_SIGNIN_TYPES) {
                check_urls(c);
                check_subjects(c);
                check_organizations(c);
                check_domains(c);
                check_scopes(c);
                check_create(c);
        }
        if (c->report->errors == before && c->config->portal.url.len)
                FINE(c->report, c->path, "\"%.*s\" returns to %.*s/signin/%.*s/callback",
                     CD_STR_ARG(cd_config_provider_name(c->provider)), SHOWN(c->config->portal.url),
                     CD_STR_ARG(cd_config_provider_name(c->provider)));
}

void cd_config_check_signin(const struct cd_config *config, struct cd_report *report)
{
        size_t before = report->errors;
        struct cd_error err;
        const struct cd_config_provider *providers = config->signin.providers.items;
        struct check c = { .config = config, .report = report };

        if (!config->signin.providers.count)
                return;
        check_redirect_uri(&c);
        for (size_t i = 0; i < config->signin.providers.count; i++) {
                c.provider = &providers[i];
                c.type = cd_config_provider_type(providers[i].type);
                c.path = cd_arena_printf(report->arena, "signin.providers[%zu]", i);
                check_provider(&c, i);
        }
        check_way_in(&c);
        if (report->errors == before && cd_report_needs(report, CD_STR("signin.providers.client_secret")) &&
            cd_fetch_load(&err) != CD_OK)
                ERROR(report, CD_STR("signin"), NULL, "needs a library: %s", err.reason);
}
