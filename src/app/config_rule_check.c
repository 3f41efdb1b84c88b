/* What the tables cannot say of one rule, of `access` or of a route of `gate`. */
#include "app/config.h"
#include "app/config_findings.h"
#include "base/canonical.h"
#include "core/hand_over.h"
#include "core/oauth/scope.h"
#include "core/user_details.h"
#include "core/user_name.h"
#include "portal/url.h"

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

static void check_method_names(const struct check *c, const char *name, struct cd_strs methods)
{
        for (size_t i = 0; i < methods.count; i++) {
                cd_str method = methods.items[i];
                bool right = method.len > 0;
                for (size_t k = 0; k < method.len; k++)
                        right &= (method.ptr[k] >= 'A' && method.ptr[k] <= 'Z') || method.ptr[k] == '-';
                if (!right)
                        ERROR(c->report, item(c, name, i), "write it in capitals, as in GET",
                              "\"%.*s\" is not a method", SHOWN(method));
        }
}

static void check_methods(const struct check *c)
{
        check_method_names(c, "methods", c->rule->methods);
        check_method_names(c, "allow.methods", c->rule->allow.methods);
        if (c->rule->methods.count && c->rule->allow.methods.count)
                ERROR(c->report, member(c, "allow.methods"), "leave one of them out", "is the same as %.*s.methods",
                      CD_STR_ARG(c->path));
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

void cd_config_check_rule(const struct cd_config *config, const struct cd_config_access *rule, cd_str path,
                          struct cd_report *report)
{
        struct check check = { .config = config, .report = report, .rule = rule, .path = path };
        const struct check *c = &check;

        check.has_portal = cd_portal_url_parse(report->arena, config->portal.url, &check.portal, NULL) == CD_OK;
        check_host(c);
        check_reach(c);
        check_path(c, member(c, "path"), rule->path);
        check_methods(c);
        check_public(c);
        check_allow(c);
        check_bearer(c);
        check_purpose(c);
}
