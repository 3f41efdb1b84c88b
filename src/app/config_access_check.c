/* What the tables of `access` and `portal` cannot say. */
#include "app/config.h"
#include "app/config_findings.h"
#include "app/public_suffix.h"
#include "base/canonical.h"
#include "crypto/totp.h"
#include "portal/mails.h"
#include "portal/qr.h"
#include "portal/style.h"
#include "portal/url.h"

/* Where the check is. */
struct check {
        const struct cd_config *config;
        struct cd_report *report;
        bool has_portal;
        struct cd_portal_url portal;
};

static const char *write_it_as(const struct check *c, cd_str text)
{
        return cd_arena_printf(c->report->arena, "write %.*s", CD_STR_ARG(text)).ptr;
}

static void check_rules(const struct check *c)
{
        const struct cd_config_access *rules = c->config->access.items;

        for (size_t i = 0; i < c->config->access.count; i++)
                cd_config_check_rule(c->config, &rules[i], cd_arena_printf(c->report->arena, "access[%zu]", i),
                                     c->report);
}

static void warn_of_no_purpose(const struct check *c)
{
        size_t count = c->config->access.count;

        if (!count && !c->config->gate.routes.count && c->has_portal)
                WARN(c->report, CD_STR("access"),
                     "add a rule for each site, as in - { host: wiki.example.com, allow: { groups: [staff] } }, or "
                     "gate.routes, if this server is the proxy",
                     "has no rule: every request that a proxy asks about is denied");
        if (count && !c->has_portal)
                WARN(c->report, CD_STR("access"), "set portal.url, as in https://auth.example.com" CD_PORTAL_BASE,
                     "decides nothing without portal.url: a proxy that asks gets 404");
}

/* By the index of a rule of cd_config_access_new. */
static cd_str rule_at(const struct check *c, size_t index)
{
        size_t first_route = c->config->access.count;

        return index < first_route ? cd_arena_printf(c->report->arena, "access[%zu]", index)
                                   : cd_arena_printf(c->report->arena, "gate.routes[%zu]", index - first_route);
}

static void check_order(const struct check *c)
{
        size_t count = c->config->access.count, routes = c->config->gate.routes.count;
        struct cd_access *access;
        struct cd_error err;

        warn_of_no_purpose(c);
        cd_status status = cd_config_access_new(c->config, &access, &err);
        if (status == CD_TOO_LARGE)
                return ERROR(c->report, count ? CD_STR("access") : CD_STR("gate.routes"),
                             "use fewer, for longer beginnings of paths", "%s", err.reason);
        if (status != CD_OK) {
                c->report->no_memory = true;
                return;
        }
        for (size_t i = 0; i < count + routes; i++) {
                size_t earlier = cd_access_covered_by(access, i);
                if (earlier != CD_ACCESS_NO_RULE)
                        cd_report_about(c->report, i < count ? CD_FINDING_WARNING : CD_FINDING_ERROR, rule_at(c, i),
                                        "put it before that one, or leave it out",
                                        "never decides: %.*s comes first and has every host and path of it",
                                        CD_STR_ARG(rule_at(c, earlier)));
        }
        cd_access_free(access);
        if (count)
                FINE(c->report, CD_STR("access"), "%zu rule%s", count, count == 1 ? "" : "s");
        if (routes && !c->report->errors)
                FINE(c->report, CD_STR("gate.routes"), "%zu route%s", routes, routes == 1 ? "" : "s");
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
                ERROR(report, setting, write_it_as(c, cd_str_slice(domain, 1, domain.len)), "begins with a dot");
        else if (cd_canonical_host(report->arena, domain, &canonical) != CD_OK || domain.ptr[0] == '[' ||
                 cd_address_parse(domain, &address))
                ERROR(report, setting, "write a domain, as in example.com", "\"%.*s\" is not a domain", SHOWN(domain));
        else if (!cd_str_eq(canonical, domain))
                ERROR(report, setting, write_it_as(c, canonical), "\"%.*s\" is not canonical", SHOWN(domain));
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

        if (!factors.count && !c->config->signin.providers.count)
                ERROR(c->report, setting,
                      "write [password, totp], [password] or [totp]; or configure signin.providers, with which all "
                      "users then log in",
                      "names no factor");
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
        const struct cd_identity_headers headers = cd_config_identity_headers(&config->portal.identity);
        cd_config_check_identity(&headers, CD_STR("portal.identity"), report);
        check_rules(&check);
        cd_config_check_gate(config, report);
        if (report->errors == before)
                check_order(&check);
}
