#include "app/config_relay.h"

#include <sys/un.h>

#include "app/config.h"
#include "app/config_findings.h"
#include "app/storage.h"
#include "base/canonical.h"
#include "gate/gate.h"
#include "portal/portal.h"
#include "web/web.h"

static const char *const encodings[] = { [CD_RELAY_PICKLE] = "pickle", [CD_RELAY_JSON] = "json", NULL };
static const char *const states[] = { [CD_RELAY_OPAQUE] = "opaque", [CD_RELAY_SIGNED] = "signed", NULL };

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_config_relay, member), .type = CD_FIELD_##kind,          \
                __VA_ARGS__                                                                                            \
        }

static const struct cd_field fields[] = {
        FIELD(path, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 1024,
              .help = "the path of the redirect URI; with a slash at its end it is caught too"),
        FIELD(host, STRING, .min = 1, .max = 255, .help = "the host of the redirect URI; default: any"),
        FIELD(deliver, STRING, .flags = CD_FIELD_REQUIRED, .min = 1, .max = 1024,
              .help = "the program that gets the code: tcp://ADDRESS:PORT or unix:/PATH"),
        FIELD(encoding, CHOICE, .flags = CD_FIELD_REQUIRED, .choices = encodings,
              .help = "how it is written: one Python pickle each way, or one line of JSON"),
        FIELD(timeout, DURATION, .min = 100, .max = 600000, .fallback = "10s",
              .help = "for all attempts to connect, and until the answer is read"),
        FIELD(hold, DURATION, .flags = CD_FIELD_OR_NONE, .min = 1000, .max = 7 * 86400000, .fallback = "none",
              .help = "how long a delivery is kept in the store while the program is not there"),
        FIELD(state, CHOICE, .choices = states, .fallback = "opaque",
              .help = "opaque: any state is passed on; signed: only those of cardea relay link"),
};
const struct cd_table cd_config_relay_table = { "relay", fields, CD_LEN(fields), sizeof(struct cd_config_relay), true };

/* ---- the receiver ---- */

static const char *const deliver_form = "write it as in tcp://127.0.0.1:7865, tcp://[::1]:7865 or unix:/run/bot.sock";

/* Fills in the address, or the path of the socket. Otherwise returns what is wrong, in words for a finding. */
static const char *read_receiver(cd_str text, struct cd_relay_route *ret)
{
        const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
        cd_str tcp = CD_STR("tcp://"), local = CD_STR("unix:"), rest, host;
        uint64_t port;

        if (cd_str_has_prefix(text, local)) {
                ret->socket_path = cd_str_slice(text, local.len, text.len);
                if (!cd_str_has_prefix(ret->socket_path, CD_STR("/")))
                        return "is not an absolute path after unix:";
                return ret->socket_path.len > longest ? "is longer than the path of a Unix socket may be" : NULL;
        }
        if (!cd_str_has_prefix(text, tcp))
                return "begins with neither tcp:// nor unix:";
        rest = cd_str_slice(text, tcp.len, text.len);
        bool is_bracketed = cd_str_has_prefix(rest, CD_STR("["));
        size_t end = cd_str_index(rest, is_bracketed ? ']' : ':');
        host = cd_str_slice(rest, is_bracketed, end - is_bracketed);
        rest = cd_str_slice(rest, end + is_bracketed, rest.len);
        if (!cd_str_has_prefix(rest, CD_STR(":")) || !cd_str_to_u64(cd_str_slice(rest, 1, rest.len), &port) ||
            port == 0 || port > 65535)
                return "has no port from 1 to 65535 at its end";
        if (!cd_address_parse(host, &ret->address) || cd_address_is_ipv4(&ret->address) == is_bracketed)
                return "has no IP address; a name is not resolved";
        ret->port = (uint16_t)port;
        return NULL;
}

cd_status cd_config_relay_read(const struct cd_config_relay *relay, struct cd_arena *arena, struct cd_relay_route *ret,
                               struct cd_error *reterr)
{
        bool is_tcp = cd_str_has_prefix(relay->deliver, CD_STR("tcp://"));
        cd_str deliver = cd_arena_copy(arena, relay->deliver);

        *ret = (struct cd_relay_route){
                .path = cd_arena_copy(arena, relay->path),
                .host = cd_arena_copy(arena, relay->host),
                .deliver = is_tcp ? cd_str_slice(deliver, sizeof("tcp://") - 1, deliver.len) : deliver,
                .encoding = (enum cd_relay_encoding)relay->encoding,
                .state = (enum cd_relay_state)relay->state,
                .timeout_ms = relay->timeout,
                .hold_ms = relay->hold,
        };
        if (!deliver.ptr || !ret->path.ptr || !ret->host.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for relay");
        const char *wrong = read_receiver(deliver, ret);
        return wrong ? cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("deliver"), wrong) : CD_OK;
}

/* ---- checks ---- */

struct check {
        const struct cd_config *config;
        struct cd_report *report;
        const struct cd_config_relay *relay;
        size_t index;
};

static cd_str member(const struct check *c, const char *name)
{
        return cd_arena_printf(c->report->arena, "relay[%zu].%s", c->index, name);
}

static const char *write_it_as(const struct check *c, cd_str text)
{
        return cd_arena_printf(c->report->arena, "write %.*s", CD_STR_ARG(text)).ptr;
}

/* Whether this server answers the path itself. */
static bool is_own_path(cd_str path)
{
        const struct cd_http_routes groups[] = { cd_web_routes, cd_portal_routes, cd_gate_routes };
        const struct cd_http_table table = { .groups = groups, .count = CD_LEN(groups) };
        const struct cd_http_request req = { .path = path, .method = CD_HTTP_GET };
        unsigned allowed;
        void *app;

        return cd_portal_has_path(path) || cd_http_find_route(&table, &req, &app, &allowed) || allowed;
}

static void check_path(const struct check *c)
{
        cd_str path = c->relay->path, setting = member(c, "path"), canonical;

        if (!path.len)
                return; /* missing: a finding already */
        if (path.ptr[0] != '/')
                ERROR(c->report, setting, "write the path alone, as in /register; relay[].host is for the host",
                      "\"%.*s\" does not begin with a slash", SHOWN(path));
        else if (cd_canonical_path(c->report->arena, path, &canonical) != CD_OK)
                ERROR(c->report, setting, "write a plain path, as in /register",
                      "\"%.*s\" is not a path, or not only one", SHOWN(path));
        else if (!cd_str_eq(canonical, path))
                ERROR(c->report, setting, write_it_as(c, canonical), "\"%.*s\" is not canonical", SHOWN(path));
        else if (path.len > 1 && cd_str_has_suffix(path, CD_STR("/")))
                ERROR(c->report, setting, write_it_as(c, cd_str_slice(path, 0, path.len - 1)),
                      "\"%.*s\" ends with a slash; with and without it is caught in any case", SHOWN(path));
        else if (is_own_path(path) || is_own_path(cd_arena_printf(c->report->arena, "%.*s/", CD_STR_ARG(path))))
                ERROR(c->report, setting, "choose another path, and register it with the provider",
                      "%.*s is a path of this server itself", SHOWN(path));
}

static void check_host(const struct check *c)
{
        cd_str host = c->relay->host, setting = member(c, "host"), canonical;

        if (!host.len)
                return;
        if (cd_canonical_host(c->report->arena, host, &canonical) != CD_OK)
                ERROR(c->report, setting, "write a host without scheme and path, as in bot.example.com",
                      "\"%.*s\" is not a host", SHOWN(host));
        else if (!cd_str_eq(canonical, host))
                ERROR(c->report, setting, write_it_as(c, canonical), "\"%.*s\" is not canonical", SHOWN(host));
}

/* An entry of any host has the path on the hosts of the gate, too. */
static void check_shadows(const struct check *c)
{
        const struct cd_config_relay *relays = c->config->relay.items;

        for (size_t i = 0; i < c->index; i++)
                if (cd_str_eq(relays[i].path, c->relay->path) && cd_str_eq(relays[i].host, c->relay->host))
                        ERROR(c->report, member(c, "path"), "give it another path or another host",
                              "relay[%zu] has the same path and host", i);
        if (!c->relay->host.len && c->config->gate.routes.count)
                WARN(c->report, cd_arena_printf(c->report->arena, "relay[%zu]", c->index),
                     "name the host of the redirect URI as host",
                     "has no host: %.*s is the relay's on the hosts of gate.routes, too", SHOWN(c->relay->path));
}

static void check_deliver(const struct check *c)
{
        cd_str deliver = c->relay->deliver, setting = member(c, "deliver");
        struct cd_relay_route route = { 0 };

        if (!deliver.len)
                return;
        const char *wrong = read_receiver(deliver, &route);
        if (wrong)
                ERROR(c->report, setting, deliver_form, "\"%.*s\" %s", SHOWN(deliver), wrong);
        else if (cd_service_listens_on(&c->config->service,
                                       route.socket_path.len ? deliver : cd_str_slice(deliver, 6, deliver.len)))
                ERROR(c->report, setting, "name the address of the program",
                      "is an address of listen: this server would ask itself");
        else if (!route.socket_path.len && !cd_address_is_loopback(&route.address))
                WARN(c->report, setting,
                     "have the program listen on this machine, or reach it through an encrypted tunnel",
                     "is not on this machine, and codes and states travel in clear text");
}

static void check_store(const struct check *c)
{
        bool is_durable = cd_config_is_durable(c->config) || cd_report_has_error(c->report, CD_STR("store"));

        if (c->relay->hold % 1000)
                ERROR(c->report, member(c, "hold"), "write whole seconds", "has a fraction of a second");
        if (c->relay->hold && !is_durable)
                ERROR(c->report, member(c, "hold"), "write store: sqlite:cardea.db and a master_key, or leave out hold",
                      "needs a store: without one a delivery is kept in memory, and lost at the end of the process");
        if (c->relay->state == CD_RELAY_SIGNED && !is_durable)
                ERROR(c->report, member(c, "state"), "write store: sqlite:cardea.db and a master_key, or state: opaque",
                      "is signed and needs a store and a master_key: cardea relay link signs with that key");
}

static void check_entry(const struct check *c)
{
        cd_str entry = cd_arena_printf(c->report->arena, "relay[%zu]", c->index);

        cd_report_add_fix(c->report, member(c, "path"), "write the path of the redirect URI, as in /register");
        cd_report_add_fix(c->report, member(c, "deliver"), deliver_form);
        cd_report_add_fix(c->report, member(c, "encoding"), "write pickle or json, as the program expects");
        check_path(c);
        check_host(c);
        check_shadows(c);
        check_deliver(c);
        check_store(c);
        if (!cd_report_has_error_within(c->report, entry))
                FINE(c->report, entry, "%.*s is delivered to %.*s as %s", SHOWN(c->relay->path),
                     SHOWN(c->relay->deliver), encodings[c->relay->encoding]);
}

void cd_config_check_relay(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_relay *relays = config->relay.items;

        for (size_t i = 0; i < config->relay.count; i++)
                check_entry(&(struct check){ config, report, &relays[i], i });
}
