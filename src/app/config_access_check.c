/* What the tables of `access` and `portal` cannot say. */
#include "app/config.h"
#include "app/public_suffix.h"
#include "base/canonical.h"
#include "core/hand_over.h"
#include "core/oauth/scope.h"
#include "core/user_details.h"
#include "core/user_name.h"
#include "crypto/totp.h"
#include "portal/mails.h"
#include "portal/qr.h"
#include "portal/style.h"
#include "portal/url.h"

#define ERROR(report, setting, fix, ...) cd_report_about(report, CD_FINDING_ERROR, setting, fix, __VA_ARGS__)
#define WARN(report, setting, fix, ...)  cd_report_about(report, CD_FINDING_WARNING, setting, fix, __VA_ARGS__)
#define FINE(report, setting, ...)       cd_report_about(report, CD_FINDING_OK, setting, NULL, __VA_ARGS__)

/* "%.*s" for what an operator wrote: enough of it to be found. */
#define SHOWN(text) CD_STR_ARG(cd_str_slice(text, 0, 100))

/* Where the check is. */
struct check {
        const struct cd_config *config;
        struct cd_report *report;
        const struct cd_config_access *rule;
        cd_str path; /* "access[3]" */
        bool has_portal;
        struct cd_portal_url portal;
};

static cd_str member(const struct check *c, const char *name)
{
        return cd_arena_printf(c->report->arena, "%.*s.%s", CD_STR_ARG(c->path), name);
}

static cd_str item(const struct check *c, const char *name, size_t index)
{
        return cd_arena_printf(c->report->arena, "%.*s.%s[%zu]", CD_STR_ARG(c->path), name, index);
}

static const char *write_it_as(const struct check *c, const char *before, cd_str text)
{
        return cd_arena_printf(c->report->arena, "write %s%.*s", before, CD_STR_ARG(text)).ptr;
}

/* ---- hosts ---- */

static bool is_wildcard(cd_str host)
{
        return cd_str_has_prefix(host, CD_STR("*."));
}

static void check_host(const struct check *c)
{
        bool wildcard = is_wildcard(c->rule->host);
        cd_str setting = member(c, "host"), host = cd_str_slice(c->rule->host, wildcard ? 2 : 0, c->rule->host.len);
        const char *before = wildcard ? "*." : "";
        struct cd_address address;
        cd_str canonical;

        if (!c->rule->host.len) /* missing: a finding already */
                return;
        if (cd_str_index(host, '*') < host.len)
                return ERROR(c->report, setting, "write *.example.com for all hosts below a domain",
                             "\"%.*s\" has a * in another place than its beginning", SHOWN(c->rule->host));
        cd_status status = cd_canonical_host(c->report->arena, host, &canonical);
        if (status != CD_OK)
                return ERROR(c->report, setting, "write it as in wiki.example.com, without scheme and path",
                             "\"%.*s\" is not a host", SHOWN(c->rule->host));
        if (!cd_str_eq(canonical, host) && host.ptr[0] != '[' && cd_str_index(host, ':') < host.len)
                return ERROR(c->report, setting, write_it_as(c, before, canonical),
                             "has a port: a rule is for all ports of its host");
        if (!cd_str_eq(canonical, host))
                return ERROR(c->report, setting, write_it_as(c, before, canonical),
                             "\"%.*s\" is not the canonical form of the host", SHOWN(c->rule->host));
        if (wildcard && (host.ptr[0] == '[' || cd_address_parse(host, &address)))
                ERROR(c->report, setting, "write a domain, as in *.example.com", "\"%.*s\" is below an address",
                      SHOWN(c->rule->host));
}

static bool accepts_tokens_only(const struct cd_config_access *rule)
{
        return rule->bearer.audience.len && !cd_config_access_has_allow(rule);
}

/* Where the login cookie does not reach, nobody is ever logged in. */
static void check_reach(const struct check *c)
{
        cd_str domain = c->config->portal.cookie_domain;
        cd_str host = cd_str_slice(c->rule->host, is_wildcard(c->rule->host) ? 2 : 0, c->rule->host.len);

        if (!c->has_portal || cd_config_access_is_public(c->rule) || accepts_tokens_only(c->rule))
                return;
        if (cd_hand_over_reaches(c->config->portal.other_domains, host)) {
                if (is_wildcard(c->rule->host))
                        WARN(c->report, member(c, "host"), "write a rule for each site that has users who log in",
                             "is below one of portal.other_domains, where logins reach only hosts that a rule names");
                return;
        }
        if (cd_report_has_error(c->report, CD_STR("portal.cookie_domain")))
                return;
        if (domain.len && !cd_host_is_within(host, domain))
                WARN(c->report, member(c, "host"),
                     "move the site below that domain, or add its own to portal.other_domains",
                     "is outside of portal.cookie_domain (%.*s): no login reaches it", SHOWN(domain));
        else if (!domain.len && !cd_str_eq(c->rule->host, c->portal.host))
                WARN(c->report, member(c, "host"),
                     "set portal.cookie_domain to a domain that has both, or add this one to portal.other_domains",
                     "is not the host of portal.url: without portal.cookie_domain no login reaches it");
}

/* ---- paths, methods ---- */

static void check_path(const struct check *c, cd_str setting, cd_str path)
{
        cd_str canonical;

        if (!path.len)
                return;
        if (path.ptr[0] != '/')
                return ERROR(c->report, setting, write_it_as(c, "/", path), "does not begin with /");
        if (cd_str_index(path, '*') < path.len)
                return ERROR(c->report, setting, "end it in / for all paths that begin so",
                             "\"%.*s\" has a *, which stands for nothing else", SHOWN(path));
        if (cd_canonical_path(c->report->arena, path, &canonical) != CD_OK)
                return ERROR(c->report, setting, "write a path without query, \"..\", \";\" and \"%2F\"",
                             "\"%.*s\" has no canonical form, so no request has it", SHOWN(path));
        if (!cd_str_eq(canonical, path))
                ERROR(c->report, setting, write_it_as(c, "", canonical),
                      "\"%.*s\" is not canonical, so no request has it", SHOWN(path));
}

static void check_methods(const struct check *c)
{
        for (size_t i = 0; i < c->rule->methods.count; i++) {
                cd_str method = c->rule->methods.items[i];
                bool right = method.len > 0;
                for (size_t k = 0; k < method.len; k++)
                        right &= (method.ptr[k] >= 'A' && method.ptr[k] <= 'Z') || method.ptr[k] == '-';
                if (!right)
                        ERROR(c->report, item(c, "methods", i), "write it in capitals, as in GET",
                              "\"%.*s\" is not a method", SHOWN(method));
        }
}

static bool is_below(cd_str path, cd_str rule_path)
{
        return !rule_path.len || cd_str_eq(path, rule_path) ||
               (cd_str_has_suffix(rule_path, CD_STR("/")) && cd_str_has_prefix(path, rule_path));
}

static void check_public(const struct check *c)
{
        struct cd_strs paths = c->rule->public;

        if (cd_config_access_is_public(c->rule))
                return;
        for (size_t i = 0; i < paths.count; i++) {
                cd_str setting = item(c, "public", i);
                check_path(c, setting, paths.items[i]);
                if (!is_below(paths.items[i], c->rule->path))
                        WARN(c->report, setting, "give it a rule of its own", "is not below the path of its rule");
        }
}

/* ---- allow ---- */

static void check_names(const struct check *c)
{
        const struct cd_config_allow *allow = &c->rule->allow;
        struct cd_error err;
        cd_str canonical;

        for (size_t i = 0; i < allow->users.count; i++) {
                cd_str setting = item(c, "allow.users", i), name = allow->users.items[i];
                if (cd_user_name_canonical(c->report->arena, name, &canonical, &err) != CD_OK)
                        ERROR(c->report, setting, "write the name of a user", "\"%.*s\": %s", SHOWN(name), err.reason);
                else if (!cd_str_eq(name, canonical))
                        ERROR(c->report, setting, write_it_as(c, "", canonical), "names of users are lower case");
        }
        for (size_t i = 0; i < allow->groups.count; i++)
                if (cd_group_name_check(allow->groups.items[i], NULL) != CD_OK)
                        ERROR(c->report, item(c, "allow.groups", i),
                              "write 1 to 64 of: letters a-z and A-Z, digits, . _ - @ + : /",
                              "\"%.*s\" is not the name of a group", SHOWN(allow->groups.items[i]));
}

static void check_allow(const struct check *c)
{
        const struct cd_config_allow *allow = &c->rule->allow;
        size_t factors = c->config->portal.factors.count;
        struct cd_network network;
        struct cd_error err;

        check_names(c);
        for (size_t i = 0; i < allow->networks.count; i++)
                if (cd_network_parse(allow->networks.items[i], &network, &err) != CD_OK)
                        ERROR(c->report, item(c, "allow.networks", i), "write it as in 10.0.0.0/8 or 2001:db8::/32",
                              "%s", err.reason);
        if (allow->max_age % 1000)
                ERROR(c->report, member(c, "allow.max_age"), "write it as in 8h", "is not a whole number of seconds");
        if (factors && (uint64_t)allow->factors > factors)
                ERROR(c->report, member(c, "allow.factors"), "lower it, or add to portal.factors",
                      "is %lld, and a login has no more than portal.factors has: %zu", (long long)allow->factors,
                      factors);
}

/* Whether something of the rule could not be read: then nobody knows what it allows. */
static bool has_error(const struct check *c)
{
        for (const struct cd_finding *f = c->report->errors ? c->report->findings : NULL; f; f = f->next)
                if (f->level == CD_FINDING_ERROR && cd_str_has_prefix(f->setting, c->path) &&
                    f->setting.len > c->path.len && f->setting.ptr[c->path.len] == '.')
                        return true;
        return false;
}

static void check_scope(const struct check *c)
{
        cd_str setting = member(c, "bearer.scope"), rest = c->rule->bearer.scope, word;

        while (cd_str_take_word(&rest, &word))
                if (!cd_scope_token_is_valid(word))
                        ERROR(c->report, setting, "write scopes with a space between two",
                              "\"%.*s\" has a character that is in no scope", SHOWN(word));
                else if (!cd_strs_has(c->config->scopes, word))
                        WARN(c->report, setting, "add it to scopes, or leave it out",
                             "%.*s is none of scopes, so that no token has it", SHOWN(word));
}

static void check_bearer(const struct check *c)
{
        const struct cd_config_bearer *bearer = &c->rule->bearer;

        if (!bearer->audience.len && !bearer->scope.len && !cd_report_find_source(c->report, member(c, "bearer")))
                return;
        if (!bearer->audience.len && !has_error(c))
                ERROR(c->report, member(c, "bearer.audience"), "write the audience of your clients' tokens",
                      "is missing: a token for another service would be accepted");
        if (!cd_report_find_source(c->report, CD_STR("issuer")))
                ERROR(c->report, member(c, "bearer"), "set issuer to the URL of this server",
                      "needs issuer, which is not set: no token is known to be this server's");
        if (c->config->accept_any_user != CD_ANY_USER_NEVER)
                ERROR(c->report, member(c, "bearer"), "set accept_any_user to never",
                      "protects nothing: with accept_any_user, anybody gets a token of any user");
        if (cd_config_access_is_public(c->rule))
                ERROR(c->report, member(c, "bearer"), "leave it out, or leave public out",
                      "does nothing: the rule is public");
        check_scope(c);
}

/* Whether the rule says who may. */
static void check_purpose(const struct check *c)
{
        bool allows = cd_config_access_has_allow(c->rule), is_public = cd_config_access_is_public(c->rule);

        if (is_public && allows)
                ERROR(c->report, member(c, "allow"), "leave it out, or leave public out",
                      "does nothing: the rule is public");
        if (is_public || allows || c->rule->bearer.audience.len || has_error(c))
                return;
        if (c->rule->public.count)
                WARN(c->report, c->path, "add allow", "allows nobody but on its public paths");
        else
                ERROR(c->report, c->path,
                      "write public: true, or allow: { factors: 1 } for every user who can log in, or leave the rule "
                      "out",
                      "allows nobody");
}

/* ---- the whole ---- */

static void check_rules(struct check *c)
{
        const struct cd_config_access *rules = c->config->access.items;

        for (size_t i = 0; i < c->config->access.count; i++) {
                c->rule = &rules[i];
                c->path = cd_arena_printf(c->report->arena, "access[%zu]", i);
                check_host(c);
                check_reach(c);
                check_path(c, member(c, "path"), c->rule->path);
                check_methods(c);
                check_public(c);
                check_allow(c);
                check_bearer(c);
                check_purpose(c);
        }
}

/* Rules without an error of their own, as they decide: one that an earlier one covers never does. */
static void check_order(const struct check *c)
{
        size_t count = c->config->access.count;
        struct cd_access *access;
        struct cd_error err;

        if (!count && c->has_portal)
                WARN(c->report, CD_STR("access"),
                     "add a rule for each site, as in - { host: wiki.example.com, allow: { groups: [staff] } }",
                     "has no rule: every request that a proxy asks about is denied");
        if (count && !c->has_portal)
                WARN(c->report, CD_STR("access"), "set portal.url, as in https://auth.example.com" CD_PORTAL_BASE,
                     "decides nothing without portal.url: a proxy that asks gets 404");
        cd_status status = cd_config_access_new(c->config, &access, &err);
        if (status == CD_TOO_LARGE)
                return ERROR(c->report, CD_STR("access"), "use fewer, for longer beginnings of paths", "%s",
                             err.reason);
        if (status != CD_OK) {
                c->report->no_memory = true;
                return;
        }
        for (size_t i = 0; i < count; i++) {
                size_t earlier = cd_access_covered_by(access, i);
                if (earlier != CD_ACCESS_NO_RULE)
                        WARN(c->report, cd_arena_printf(c->report->arena, "access[%zu]", i),
                             "put it before that one, or leave it out",
                             "never decides: access[%zu] comes first and has every host and path of it", earlier);
        }
        cd_access_free(access);
        if (count)
                FINE(c->report, CD_STR("access"), "%zu rule%s", count, count == 1 ? "" : "s");
}

/* False: a finding says why this is no domain that can be the operator's. */
static bool check_domain(const struct check *c, cd_str setting, cd_str domain)
{
        struct cd_report *report = c->report;
        size_t before = report->errors;
        struct cd_address address;
        struct cd_error err;
        bool is_public;
        cd_str canonical;

        if (domain.len && domain.ptr[0] == '.')
                ERROR(report, setting, write_it_as(c, "", cd_str_slice(domain, 1, domain.len)), "begins with a dot");
        else if (cd_canonical_host(report->arena, domain, &canonical) != CD_OK || domain.ptr[0] == '[' ||
                 cd_address_parse(domain, &address))
                ERROR(report, setting, "write a domain, as in example.com", "\"%.*s\" is not a domain", SHOWN(domain));
        else if (!cd_str_eq(canonical, domain))
                ERROR(report, setting, write_it_as(c, "", canonical), "\"%.*s\" is not canonical", SHOWN(domain));
        else if (cd_is_public_suffix(domain, &is_public, &err) != CD_OK)
                ERROR(report, setting, NULL, "cannot be checked: %s", err.reason);
        else if (is_public)
                ERROR(report, setting, "name a domain of your own, or leave it out",
                      "%.*s is a public suffix: browsers refuse a cookie for it", SHOWN(domain));
        else if (!c->config->portal.url.len)
                ERROR(report, setting, "set portal.url", "is for a portal, and there is none");
        return report->errors == before;
}

static void check_cookie_domain(const struct check *c)
{
        cd_str setting = CD_STR("portal.cookie_domain"), domain = c->config->portal.cookie_domain;

        if (domain.len && check_domain(c, setting, domain) && c->has_portal &&
            !cd_host_is_within(c->portal.host, domain))
                ERROR(c->report, setting, "write the domain that has the host of portal.url",
                      "%.*s does not have the host of portal.url, %.*s", SHOWN(domain), SHOWN(c->portal.host));
}

static bool overlap(cd_str a, cd_str b)
{
        return cd_host_is_within(a, b) || cd_host_is_within(b, a);
}

/* A host is reached by the cookie or by a hand-over, not by both. */
static void check_other_domains(const struct check *c)
{
        const struct cd_config_portal *portal = &c->config->portal;
        struct cd_strs others = portal->other_domains;

        for (size_t i = 0; i < others.count; i++) {
                cd_str setting = cd_arena_printf(c->report->arena, "portal.other_domains[%zu]", i);
                cd_str domain = others.items[i];
                if (!check_domain(c, setting, domain))
                        continue;
                if (portal->cookie_domain.len && overlap(domain, portal->cookie_domain))
                        ERROR(c->report, setting, "leave it out: its sites have the login cookie already",
                              "%.*s overlaps with portal.cookie_domain (%.*s)", SHOWN(domain),
                              SHOWN(portal->cookie_domain));
                else if (c->has_portal && cd_host_is_within(c->portal.host, domain))
                        ERROR(c->report, setting, "write it as portal.cookie_domain",
                              "%.*s has the host of portal.url, %.*s", SHOWN(domain), SHOWN(c->portal.host));
                for (size_t k = 0; k < i; k++)
                        if (overlap(domain, others.items[k]))
                                ERROR(c->report, setting, "leave one of them out",
                                      "%.*s overlaps with portal.other_domains[%zu] (%.*s)", SHOWN(domain), k,
                                      SHOWN(others.items[k]));
        }
}

/* They are loaded when the first user needs them, and must not be missing then. */
static void check_libraries(const struct check *c)
{
        cd_str setting = CD_STR("portal.factors");
        struct cd_error err;

        for (size_t i = 0; i < c->config->portal.factors.count; i++)
                if (cd_str_eq(c->config->portal.factors.items[i], CD_STR("totp")) &&
                    (cd_totp_load(&err) != CD_OK || cd_page_qr_load(&err) != CD_OK))
                        ERROR(c->report, setting, NULL, "totp needs a library: %s", err.reason);
}

static void check_url(struct check *c)
{
        cd_str setting = CD_STR("portal.url"), url = c->config->portal.url;
        struct cd_error err;

        if (!url.len)
                return;
        c->has_portal = cd_portal_url_parse(c->report->arena, url, &c->portal, &err) == CD_OK;
        if (!c->has_portal)
                ERROR(c->report, setting, "write it as in https://auth.example.com" CD_PORTAL_BASE, "%s", err.reason);
        else if (!cd_str_eq_c(cd_str_slice(url, c->portal.origin.len, url.len), CD_PORTAL_BASE))
                ERROR(c->report, setting, NULL,
                      "must end in " CD_PORTAL_BASE ", as in https://auth.example.com" CD_PORTAL_BASE);
        else
                FINE(c->report, setting, "%.*s", SHOWN(url));
}

static void check_factors(const struct check *c)
{
        cd_str setting = CD_STR("portal.factors");
        struct cd_strs factors = c->config->portal.factors;

        if (!factors.count)
                ERROR(c->report, setting, "write [password, totp], [password] or [totp]", "names no factor");
        else if (factors.count == 2 && cd_str_eq(factors.items[0], factors.items[1]))
                ERROR(c->report, setting, "name each once", "has %.*s twice", SHOWN(factors.items[0]));
}

static void check_looks(const struct check *c)
{
        const struct cd_config_portal *portal = &c->config->portal;
        struct cd_page_url logo;
        struct cd_page_colour accent;

        /* A browser does not load an image over http into a page that it got over https. */
        if (portal->logo.len &&
            (cd_page_url_check(portal->logo, &logo) != CD_OK || cd_str_has_prefix(portal->logo, CD_STR("http:"))))
                ERROR(c->report, CD_STR("portal.logo"),
                      "write it as in https://www.example.com/logo.svg or /logo.svg, with other characters than "
                      "letters, digits and punctuation percent-encoded",
                      "\"%.*s\" is neither a URL of https nor an absolute path", SHOWN(portal->logo));
        if (!cd_mails_language(portal->language))
                ERROR(c->report, CD_STR("portal.language"), "write en or de", "there are no texts in \"%.*s\"",
                      SHOWN(portal->language));
        if (portal->accent.len && cd_page_colour_parse(portal->accent, &accent) != CD_OK)
                ERROR(c->report, CD_STR("portal.accent"), "write it as in \"#1f5fb4\", with the quotes",
                      "\"%.*s\" is not a colour", SHOWN(portal->accent));
}

static void check_lifetimes(const struct check *c)
{
        const struct cd_config_portal *portal = &c->config->portal;
        const struct {
                cd_str setting;
                int64_t value;
        } all[] = { { CD_STR("portal.session_idle"), portal->session_idle },
                    { CD_STR("portal.session_lifetime"), portal->session_lifetime },
                    { CD_STR("portal.remember_for"), portal->remember_for } };

        for (size_t i = 0; i < CD_LEN(all); i++)
                if (all[i].value % 1000)
                        ERROR(c->report, all[i].setting, "write it as in 1h", "is not a whole number of seconds");
        if (portal->session_idle > portal->session_lifetime)
                ERROR(c->report, all[0].setting, "lower it, or raise portal.session_lifetime",
                      "is longer than portal.session_lifetime");
        if (portal->remember_for && portal->remember_for < portal->session_lifetime)
                ERROR(c->report, all[2].setting, "raise it, or write 0s so that users cannot choose to stay logged in",
                      "is shorter than portal.session_lifetime");
}

void cd_config_check_access(const struct cd_config *config, struct cd_report *report)
{
        struct check check = { .config = config, .report = report };
        size_t before = report->errors;

        check_url(&check);
        check_cookie_domain(&check);
        check_other_domains(&check);
        check_factors(&check);
        if (check.has_portal)
                check_libraries(&check);
        check_looks(&check);
        check_lifetimes(&check);
        cd_config_check_identity(&config->portal.identity, report);
        check_rules(&check);
        if (report->errors == before)
                check_order(&check);
}
