/* The networks that are not served. */
#include "base/address.h"
#include "base/clock.h"
#include "service/service.h"

static const char *check_network(cd_str value)
{
        struct cd_network network;

        return cd_network_parse(value, &network, NULL) == CD_OK
                       ? NULL
                       : "must be an address, or a network without bits after its prefix, such as 203.0.113.7 or "
                         "203.0.113.0/24";
}

static const char *check_until(cd_str value)
{
        cd_time until;

        return cd_time_parse_rfc3339(value, &until) ? NULL : "must be a time in UTC, such as 2026-12-31T00:00:00Z";
}

static const struct cd_field deny_fields[] = {
        { .name = "networks",
          .offset = offsetof(struct cd_http_deny, networks),
          .type = CD_FIELD_STRINGS,
          .flags = CD_FIELD_REQUIRED,
          .max = CD_HTTP_DENIED_MAX,
          .check = check_network,
          .help = "addresses or networks" },
        { .name = "until",
          .offset = offsetof(struct cd_http_deny, until),
          .type = CD_FIELD_STRING,
          .max = CD_RFC3339_LEN,
          .check = check_until,
          .help = "when they are served again, in UTC, as in 2026-12-31T00:00:00Z; default: never" },
};
const struct cd_table cd_service_deny_table = { "deny", deny_fields, CD_LEN(deny_fields), sizeof(struct cd_http_deny),
                                                true };

static bool overlap(const struct cd_network *a, const struct cd_network *b)
{
        return cd_network_has(a, &b->base) || cd_network_has(b, &a->base);
}

static bool overlaps(const struct cd_network *network, cd_str text)
{
        struct cd_network other;

        return cd_network_parse(text, &other, NULL) == CD_OK && overlap(network, &other);
}

static void warn_of(const struct cd_service_settings *settings, cd_str text, cd_str setting, struct cd_report *report)
{
        static const char fix[] = "name the networks of the clients only";
        const struct cd_strs *trusted = &settings->trusted_proxies;
        struct cd_network network;

        if (cd_network_parse(text, &network, NULL) != CD_OK) /* reported already */
                return;
        if (cd_str_has_suffix(text, CD_STR("/0"))) {
                cd_report_about(report, CD_FINDING_WARNING, setting, fix, "%.*s is every address: no client is served",
                                CD_STR_ARG(text));
                return;
        }
        if (overlaps(&network, CD_STR("127.0.0.0/8")) || overlaps(&network, CD_STR("::1")))
                cd_report_about(report, CD_FINDING_WARNING, setting, fix,
                                "%.*s has addresses of this machine: health checks and programs on it are not served",
                                CD_STR_ARG(text));
        for (size_t i = 0; i < trusted->count; i++)
                if (overlaps(&network, trusted->items[i]))
                        cd_report_about(report, CD_FINDING_WARNING, setting, fix,
                                        "%.*s has addresses of trusted_proxies[%zu], whose own requests are not served",
                                        CD_STR_ARG(text), i);
}

void cd_service_check_deny(const struct cd_service_settings *settings, cd_time now, struct cd_report *report)
{
        const struct cd_http_deny *deny = settings->deny.items;
        size_t networks = 0;
        cd_time until;

        for (size_t i = 0; i < settings->deny.count; i++) {
                cd_str item = cd_arena_printf(report->arena, "deny[%zu]", i);
                if (cd_report_has_error(report, item)) { /* it is no object */
                        cd_report_add_fix(report, item, "write - { networks: [10.1.0.0/16] }");
                        continue;
                }
                networks += deny[i].networks.count;
                if (!deny[i].networks.count)
                        cd_report_about(report, CD_FINDING_ERROR,
                                        cd_arena_printf(report->arena, "deny[%zu].networks", i),
                                        "name a network, or remove the entry", "is empty");
                if (deny[i].until.len && cd_time_parse_rfc3339(deny[i].until, &until) && until <= now) {
                        cd_report_about(report, CD_FINDING_WARNING,
                                        cd_arena_printf(report->arena, "deny[%zu].until", i), "remove the entry",
                                        "has passed, so that the networks are served");
                        continue;
                }
                for (size_t k = 0; k < deny[i].networks.count; k++)
                        warn_of(settings, deny[i].networks.items[k],
                                cd_arena_printf(report->arena, "deny[%zu].networks[%zu]", i, k), report);
        }
        if (networks > CD_HTTP_DENIED_MAX)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("deny"), "deny larger networks, or use a firewall",
                                "has %zu networks, and at most %d are allowed", networks, CD_HTTP_DENIED_MAX);
}
