/* The settings common to all services, and the server options made from them. */
#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"
#include "base/address.h"
#include "net/listen_address.h"

#define LISTEN(member, kind, ...)                                                                                      \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_http_listen, member), .type = CD_FIELD_##kind,           \
                __VA_ARGS__                                                                                            \
        }
static const char *check_mode(cd_str value);

static const struct cd_field listen_fields[] = {
        LISTEN(address, STRING, .flags = CD_FIELD_REQUIRED, .check = cd_service_check_listen,
               .help = "ADDRESS:PORT, unix:/PATH for a Unix socket, or systemd:NAME for a socket that systemd passes"),
        LISTEN(http2, TRISTATE, .help = "whether HTTP/2 is spoken besides HTTP/1.1; by default with TLS only"),
        LISTEN(proxy_protocol, BOOL, .fallback = "false",
               .help = "each connection from a trusted proxy begins with a PROXY protocol header"),
        LISTEN(ipv6_only, BOOL, .fallback = "false", .help = "an IPv6 address does not accept IPv4 connections"),
        LISTEN(mode, STRING, .check = check_mode, .help = "permissions of a Unix socket, octal, such as \"0660\""),
        LISTEN(group, STRING, .max = 256, .check = cd_privileges_check_group, .help = "the group of a Unix socket"),
};
const struct cd_table cd_service_listen_table = { "listen", listen_fields, CD_LEN(listen_fields),
                                                  sizeof(struct cd_http_listen), true };

static const char *const log_levels[] = { "debug", "info", "warn", "error", "off", NULL };

static const char *const log_formats[] = { "auto", "json", "text", NULL };

static const char *const log_priorities[] = { "auto", "on", "off", NULL };

static const char *const access_forms[] = { "json", "combined", "off", NULL };

static const char *const outgoing_details[] = { "off", "summary", "full", NULL };

static const struct cd_field log_fields[] = {
        { .name = "level",
          .offset = offsetof(struct cd_service_log, level),
          .type = CD_FIELD_CHOICE,
          .choices = log_levels,
          .fallback = "info",
          .help = "the least level that is written" },
        { .name = "format",
          .offset = offsetof(struct cd_service_log, format),
          .type = CD_FIELD_CHOICE,
          .choices = log_formats,
          .fallback = "auto",
          .help = "JSON lines, or text; auto: text on a terminal only" },
        { .name = "priority",
          .offset = offsetof(struct cd_service_log, priority),
          .type = CD_FIELD_CHOICE,
          .choices = log_priorities,
          .fallback = "auto",
          .help = "begin each line with its priority, as <3>, for journald and syslog; auto: for journald only" },
        { .name = "access",
          .offset = offsetof(struct cd_service_log, access),
          .type = CD_FIELD_CHOICE,
          .choices = access_forms,
          .fallback = "json",
          .help = "a line for each request: an event as others, Apache's combined format, or none" },
        { .name = "outgoing",
          .offset = offsetof(struct cd_service_log, outgoing),
          .type = CD_FIELD_CHOICE,
          .choices = outgoing_details,
          .fallback = "summary",
          .help = "requests to other servers: off, a summary, or in full with headers and bodies, without secrets" },
};
const struct cd_table cd_service_log_table = { "log", log_fields, CD_LEN(log_fields), sizeof(struct cd_service_log),
                                               true };

static const char *const client_certificates[] = { "none", "request", "require", NULL };

static const struct cd_field tls_fields[] = {
        { .name = "certificate",
          .offset = offsetof(struct cd_service_tls, certificate),
          .help = "PEM file: the server's certificate, then those that lead from it to a root" },
        { .name = "key",
          .offset = offsetof(struct cd_service_tls, key),
          .help = "PEM file: its private key; nobody but its owner may be able to read it" },
        { .name = "client_ca",
          .offset = offsetof(struct cd_service_tls, client_ca),
          .help = "PEM file: whose client certificates are believed" },
        { .name = "client_certificate",
          .offset = offsetof(struct cd_service_tls, client_certificate),
          .type = CD_FIELD_CHOICE,
          .choices = client_certificates,
          .fallback = "none",
          .help = "whether clients are asked for a certificate, and must have one" },
};
const struct cd_table cd_service_tls_table = { "tls", tls_fields, CD_LEN(tls_fields), sizeof(struct cd_service_tls),
                                               true };

static const struct cd_field metrics_fields[] = {
        { .name = "listen",
          .offset = offsetof(struct cd_service_metrics_settings, listen),
          .type = CD_FIELD_STRINGS,
          .check = cd_service_check_listen,
          .help = "addresses that serve /metrics, without a login, and nothing else, such as 127.0.0.1:9464" },
};
const struct cd_table cd_service_metrics_table = { "metrics", metrics_fields, CD_LEN(metrics_fields),
                                                   sizeof(struct cd_service_metrics_settings), true };

#define LIMIT(setting, member, kind, least, most, default_, text)                                                      \
        {                                                                                                              \
                .name = setting, .offset = offsetof(struct cd_http_limits, member), .type = CD_FIELD_##kind,           \
                .min = least, .max = most, .fallback = default_, .help = text                                          \
        }
enum {
        KB = 1024,
        MB = 1024 * 1024,
        SECOND = 1000,
        HOUR = 3600 * SECOND,
};
static const struct cd_field limits_fields[] = {
        LIMIT("request_line", request_line, SIZE, 64, 64 * KB, "8KB", "longer: 414"),
        LIMIT("headers", headers, SIZE, 256, MB, "16KB", "all headers together; more: 431"),
        LIMIT("header_count", header_count, INT, 1, 1000, "100", "header fields; more: 431"),
        LIMIT("body", body, SIZE, 0, 64 * MB, "64KB", "larger: 413"),
        LIMIT("header_timeout", header_timeout_ms, DURATION, 10, HOUR, "10s", "to send the headers; later: 408"),
        LIMIT("body_timeout", body_timeout_ms, DURATION, 10, HOUR, "10s", "to send the body; later: 408"),
        LIMIT("idle_timeout", idle_timeout_ms, DURATION, 10, HOUR, "75s", "between requests of one connection"),
        LIMIT("write_timeout", write_timeout_ms, DURATION, 10, HOUR, "30s", "without progress on an answer"),
        LIMIT("connections", connections, INT, 1, 10000000, "20000", "at once; one more is answered 503"),
        LIMIT("output", output, SIZE, 4 * KB, 64 * MB, "256KB", "bytes that wait for one slow reader"),
        LIMIT("queue", queue, INT, 1, 1000000, "1024", "requests that wait for a thread; one more is answered 503"),
};
const struct cd_table cd_service_limits_table = { "limits", limits_fields, CD_LEN(limits_fields),
                                                  sizeof(struct cd_http_limits), true };

static bool is_address(int family, cd_str text)
{
        char z[64], bytes[16];

        if (text.len == 0 || text.len >= sizeof(z))
                return false;
        memcpy(z, text.ptr, text.len);
        z[text.len] = '\0';
        return inet_pton(family, z, bytes) == 1;
}

static const char *check_mode(cd_str value)
{
        bool fits = value.len == 0 || value.len == 3 || (value.len == 4 && value.ptr[0] == '0');

        for (size_t i = 0; i < value.len; i++)
                fits = fits && value.ptr[i] >= '0' && value.ptr[i] <= '7';
        return fits ? NULL : "must be an octal number of three digits, such as 0660";
}

const char *cd_service_check_address(cd_str value)
{
        struct cd_listen_address where;

        return cd_listen_address_parse(value, &where, NULL) == CD_OK && where.kind == CD_LISTEN_TCP
                       ? NULL
                       : "must be ADDRESS:PORT with an IP address, such as 127.0.0.1:5001 or [::1]:5001";
}

/* The part of the text after its last ':'; empty: there is none. */
static cd_str port_of(cd_str text)
{
        size_t from = text.len;

        while (from && text.ptr[from - 1] != ':')
                from--;
        return from ? cd_str_slice(text, from, text.len) : CD_STR("");
}

static bool is_number(cd_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] < '0' || text.ptr[i] > '9')
                        return false;
        return text.len > 0;
}

/* What is wrong with an address that looks like ADDRESS:PORT. */
static const char *judge_address(cd_str value)
{
        cd_str port = port_of(value), host = cd_str_slice(value, 0, value.len - port.len - (port.len > 0));
        uint64_t number;

        if (is_number(value))
                return "is a port without an address: must be ADDRESS:PORT, such as 127.0.0.1:5001 for this machine "
                       "only, "
                       "0.0.0.0:5001 or [::]:5001 for all of its addresses";
        if (cd_str_eq(host, CD_STR("")) || cd_str_eq(host, CD_STR("*")))
                return "names no IP address: must be ADDRESS:PORT, such as 127.0.0.1:5001 for this machine only, "
                       "0.0.0.0:5001 or [::]:5001 for all of its addresses";
        if (memmem(value.ptr, value.len, "://", 3))
                return "is a URL: must be ADDRESS:PORT alone, such as 127.0.0.1:5001; TLS is what the setting tls is "
                       "for";
        if (!is_number(port))
                return is_address(AF_INET6, value) || is_address(AF_INET, value)
                               ? "has no port: must be ADDRESS:PORT, such as 127.0.0.1:5001 or [::1]:5001"
                               : NULL;
        if (!cd_str_to_u64(port, &number) || number > 65535)
                return "has no such port: must be ADDRESS:PORT with a port of at most 65535, such as 127.0.0.1:5001";
        if (is_address(AF_INET6, host))
                return "is an IPv6 address without brackets: must be [ADDRESS]:PORT, such as [::1]:5001";
        return "has a name, and names are not resolved here: must be ADDRESS:PORT with an IP address, such as "
               "127.0.0.1:5001 for localhost";
}

const char *cd_service_check_listen(cd_str value)
{
        struct cd_listen_address where;

        if (cd_listen_address_parse(value, &where, NULL) == CD_OK)
                return NULL;
        if (cd_str_has_prefix(value, CD_STR("unix:")))
                return "must be unix: and an absolute path of at most 107 bytes, such as unix:/run/cardea/cardea.sock";
        if (cd_str_has_prefix(value, CD_STR("systemd:")))
                return "must be systemd: and the FileDescriptorName= of a socket unit: 1 to 255 printable ASCII "
                       "characters without a colon";
        const char *wrong = judge_address(value);
        return wrong ? wrong
                     : "must be ADDRESS:PORT with an IP address, such as 127.0.0.1:5001 or [::1]:5001, or unix:/PATH "
                       "or "
                       "systemd:NAME";
}

const char *cd_service_check_control(cd_str value)
{
        return cd_str_has_prefix(value, CD_STR("unix:")) && value.len > strlen("unix:")
                       ? NULL
                       : "must be unix: and the path of a Unix socket, such as unix:/run/cardea/control.sock";
}

const char *cd_service_check_proxy(cd_str value)
{
        struct cd_network network;

        return cd_str_eq(value, CD_STR("unix:")) || cd_network_parse(value, &network, NULL) == CD_OK
                       ? NULL
                       : "must be an address, a network without bits after its prefix, or unix:, such as 10.0.0.1, "
                         "10.0.0.0/8 or unix:";
}

void cd_service_complete(struct cd_service_settings *settings)
{
        struct cd_http_listen *listeners = settings->listen.items;
        int by_default = settings->tls.certificate.len ? CD_TRISTATE_TRUE : CD_TRISTATE_FALSE;

        for (size_t i = 0; i < settings->listen.count; i++)
                if (listeners[i].http2 == CD_TRISTATE_UNSET)
                        listeners[i].http2 = by_default;
}

static void refuse_for(const struct cd_http_listen *listener, size_t index, const char *name, const char *what,
                       const char *fix, struct cd_report *report)
{
        cd_str setting = cd_arena_printf(report->arena, "listen[%zu].%s", index, name);

        cd_report_about(report, CD_FINDING_ERROR, setting, fix, "is only for %s, which %.*s is not", what,
                        CD_STR_ARG(listener->address));
}

/* The PROXY header is believed only from a listed address, and on such a listener all other peers are disconnected. */
static void check_proxy_protocol(const struct cd_service_settings *settings, size_t index, bool is_unix,
                                 struct cd_report *report)
{
        const struct cd_strs *trusted = &settings->trusted_proxies;
        bool has_one = false;

        for (size_t i = 0; i < trusted->count; i++)
                has_one |= cd_str_eq(trusted->items[i], CD_STR("unix:")) == is_unix;
        if (has_one)
                return;
        cd_report_about(report, CD_FINDING_ERROR, cd_arena_printf(report->arena, "listen[%zu].proxy_protocol", index),
                        is_unix ? "add unix: to trusted_proxies" : "add the proxy's address to trusted_proxies",
                        "closes every connection, since trusted_proxies lists no %s",
                        is_unix ? "peer on a Unix socket" : "address");
}

/* 0: not a TCP address. */
static unsigned read_port(cd_str address)
{
        struct cd_listen_address where;

        if (cd_listen_address_parse(address, &where, NULL) != CD_OK || where.kind != CD_LISTEN_TCP)
                return 0;
        return ntohs(((const struct sockaddr_in *)&where.socket)->sin_port); /* at the same place for IPv6 */
}

/* Whether `all` stands for all addresses, of which `one` is one. The kernel then refuses the second of them, but
 * accepts 0.0.0.0 besides [::]. */
static bool covers(const struct cd_http_listen *all, const struct cd_http_listen *one)
{
        bool is_v6 = cd_str_has_prefix(all->address, CD_STR("[::]:")), one_is_v6 = one->address.ptr[0] == '[';

        if (!is_v6 && !cd_str_has_prefix(all->address, CD_STR("0.0.0.0:")))
                return false;
        return !cd_str_has_prefix(one->address, CD_STR("0.0.0.0:")) &&
               (is_v6 == one_is_v6 || (is_v6 && !all->ipv6_only)) && read_port(all->address) == read_port(one->address);
}

static bool overlap(const struct cd_http_listen *a, const struct cd_http_listen *b)
{
        return cd_str_eq(a->address, b->address) || covers(a, b) || covers(b, a);
}

/* Listening twice on one address would fail as "in use" by this very process. */
static void check_twice(const struct cd_http_listen *listeners, size_t index, struct cd_report *report)
{
        cd_str address = listeners[index].address;

        if (cd_str_has_suffix(address, CD_STR(":0"))) /* each gets a port of its own */
                return;
        for (size_t i = 0; i < index; i++)
                if (overlap(&listeners[i], &listeners[index]))
                        cd_report_about(
                                report, CD_FINDING_ERROR, cd_arena_printf(report->arena, "listen[%zu].address", index),
                                "remove one of them",
                                cd_str_eq(address, listeners[i].address) ? "%.*s is also listen[%zu]"
                                                                         : "%.*s contains or is within listen[%zu]",
                                CD_STR_ARG(address), i);
}

/* An address of a setting that lists nothing else. */
struct listed {
        const char *setting;
        size_t index;
        cd_str address;
};

static void refuse_listed(const struct listed *listed, const char *other, size_t other_index, struct cd_report *report)
{
        cd_report_about(report, CD_FINDING_ERROR,
                        cd_arena_printf(report->arena, "%s[%zu]", listed->setting, listed->index), "remove one of them",
                        "%.*s is also %s[%zu]", CD_STR_ARG(listed->address), other, other_index);
}

static void refuse_same(const struct listed *listed, const char *other, const struct cd_strs *addresses, size_t count,
                        struct cd_report *report)
{
        for (size_t i = 0; i < count; i++)
                if (cd_str_eq(addresses->items[i], listed->address))
                        refuse_listed(listed, other, i, report);
}

/* `earlier` may be NULL: another such setting. */
static void check_list(const struct cd_service_settings *settings, const char *name, const struct cd_strs *addresses,
                       const struct cd_strs *earlier, struct cd_report *report)
{
        const struct cd_http_listen *listeners = settings->listen.items;

        for (size_t i = 0; i < addresses->count; i++) {
                const struct listed listed = { name, i, addresses->items[i] };
                if (!listed.address.len || cd_str_has_suffix(listed.address, CD_STR(":0")))
                        continue;
                for (size_t k = 0; k < settings->listen.count; k++)
                        if (cd_str_eq(listeners[k].address, listed.address))
                                refuse_listed(&listed, "listen", k, report);
                if (earlier)
                        refuse_same(&listed, "redirect_listen", earlier, earlier->count, report);
                refuse_same(&listed, name, addresses, i, report);
        }
}

/* /metrics has no login: which clients and routes there are, and when users log in, is nobody else's business. */
static void check_metrics(const struct cd_service_settings *settings, struct cd_report *report)
{
        const struct cd_strs *addresses = &settings->metrics.listen;

        check_list(settings, "metrics.listen", addresses, &settings->redirect_listen, report);
        for (size_t i = 0; i < addresses->count; i++) {
                struct cd_listen_address where;
                cd_str address = addresses->items[i];
                if (cd_listen_address_parse(address, &where, NULL) != CD_OK || where.kind != CD_LISTEN_TCP ||
                    cd_str_has_prefix(address, CD_STR("127.")) || cd_str_has_prefix(address, CD_STR("[::1]:")))
                        continue;
                cd_report_about(report, CD_FINDING_WARNING, cd_arena_printf(report->arena, "metrics.listen[%zu]", i),
                                "listen on 127.0.0.1, or let a firewall admit the address of Prometheus only",
                                "%.*s can be reached from other machines, and /metrics asks for no login",
                                CD_STR_ARG(address));
        }
}

/* A prefix of no bits: everybody is a proxy, so that any client chooses the address that lockout and logs see. */
static void check_trusted_proxies(const struct cd_service_settings *settings, struct cd_report *report)
{
        for (size_t i = 0; i < settings->trusted_proxies.count; i++) {
                cd_str proxy = settings->trusted_proxies.items[i];
                cd_str bits = cd_str_slice(proxy, cd_str_index(proxy, '/') + 1, proxy.len);
                uint64_t count;
                if (cd_str_to_u64(bits, &count) && count == 0)
                        cd_report_about(report, CD_FINDING_WARNING,
                                        cd_arena_printf(report->arena, "trusted_proxies[%zu]", i),
                                        "name the addresses of your proxies only",
                                        "%.*s is every address: any client can send another client's address in a "
                                        "header, and is believed",
                                        CD_STR_ARG(proxy));
        }
}

void cd_service_check_listeners(const struct cd_service_settings *settings, struct cd_report *report)
{
        static const char fix[] = "leave it out, or set address to unix:/PATH";
        const struct cd_http_listen *listeners = settings->listen.items;

        for (size_t i = 0; i < settings->listen.count; i++) {
                const struct cd_http_listen *l = &listeners[i];
                bool is_unix = cd_str_has_prefix(l->address, CD_STR("unix:"));
                if (!l->address.len) /* reported already */
                        continue;
                check_twice(listeners, i, report);
                if (l->proxy_protocol && !cd_str_has_prefix(l->address, CD_STR("systemd:")))
                        check_proxy_protocol(settings, i, is_unix, report);
                if (l->mode.len && !is_unix)
                        refuse_for(l, i, "mode", "a Unix socket", fix, report);
                if (l->group.len && !is_unix)
                        refuse_for(l, i, "group", "a Unix socket", fix, report);
                if (l->ipv6_only && !cd_str_has_prefix(l->address, CD_STR("[")))
                        refuse_for(l, i, "ipv6_only", "an IPv6 address", "leave it out, or set address to [::]:PORT",
                                   report);
        }
        check_list(settings, "redirect_listen", &settings->redirect_listen, NULL, report);
        check_metrics(settings, report);
        check_trusted_proxies(settings, report);
        cd_service_check_deny(settings, cd_clock_system.now(&cd_clock_system), report);
}

/* The folder of the configuration, with "/" at its end. */
static cd_str folder_of(const struct cd_report *report)
{
        cd_str folder = report->file_name;
        char path[PATH_MAX];

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        cd_str text = cd_arena_printf(report->arena, "%.*s.", CD_STR_ARG(folder));
        if (!text.ptr || !realpath(text.ptr, path))
                return folder;
        return cd_arena_printf(report->arena, "%s/", path);
}

void cd_service_resolve_control(struct cd_service_settings *settings, struct cd_report *report)
{
        static const char setting[] = "control", prefix[] = "unix:";
        struct cd_listen_address where;
        cd_str path = settings->control;

        if (!cd_str_has_prefix(path, cd_str_from_c(prefix)))
                return; /* empty, or reported already */
        path = cd_str_slice(path, strlen(prefix), path.len);
        settings->control = cd_arena_printf(
                report->arena, "unix:%.*s%.*s",
                CD_STR_ARG(cd_str_has_prefix(path, CD_STR("/")) ? CD_STR("") : folder_of(report)), CD_STR_ARG(path));
        report->no_memory |= !settings->control.ptr;
        if (settings->control.ptr && cd_listen_address_parse(settings->control, &where, NULL) != CD_OK)
                cd_report_about(report, CD_FINDING_ERROR, cd_str_from_c(setting),
                                "name a shorter path, such as "
                                "unix:/run/cardea/control.sock",
                                "is %.*s, and the path of a Unix socket has at most 107 bytes",
                                CD_STR_ARG(settings->control));
}

/* Those of `listen`, then those with tables of their own. */
static cd_status collect_listeners(const struct cd_service_settings *settings, const struct cd_service_tables *tables,
                                   struct cd_arena *arena, struct cd_http_server_options *ret, struct cd_error *reterr)
{
        const struct cd_strs *metrics = &settings->metrics.listen;
        size_t count = settings->listen.count;
        struct cd_http_listen *listen = cd_arena_calloc(arena, count + 1 + metrics->count, sizeof(*listen));

        if (!listen)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the listeners");
        if (count)
                memcpy(listen, settings->listen.items, count * sizeof(*listen));
        if (tables->control && settings->control.len)
                listen[count++] = (struct cd_http_listen){ .address = settings->control,
                                                           .mode = CD_STR("0600"),
                                                           .table = tables->control,
                                                           .setting = CD_STR("control") };
        for (size_t i = 0; tables->metrics && i < metrics->count; i++)
                listen[count++] =
                        (struct cd_http_listen){ .address = metrics->items[i],
                                                 .table = tables->metrics,
                                                 .setting = cd_arena_printf(arena, "metrics.listen[%zu]", i) };
        ret->listen = listen;
        ret->listen_count = count;
        return CD_OK;
}

cd_status cd_service_server_options(const struct cd_service *service, const void *config,
                                    const struct cd_service_tables *tables, struct cd_arena *arena,
                                    struct cd_http_server_options *ret, struct cd_error *reterr)
{
        const struct cd_service_settings *settings = (const void *)((const char *)config + service->settings_offset);

        *ret = (struct cd_http_server_options){
                .redirect_listen = &settings->redirect_listen,
                .threads = settings->threads,
                .worker_threads = settings->worker_threads,
                .outgoing_threads = settings->outgoing_threads,
                .shutdown_grace_ms = settings->shutdown_grace,
                .drain_delay_ms = settings->drain_delay,
                .trusted_proxies = &settings->trusted_proxies,
                .deny = settings->deny.items,
                .deny_count = settings->deny.count,
                .limits = settings->limits,
        };

        if (service->tune)
                service->tune(config, ret);
        return collect_listeners(settings, tables, arena, ret, reterr);
}

void cd_service_apply(const struct cd_service_settings *settings, struct cd_log *log, struct cd_http_server *server)
{
        const struct cd_service_log *how = &settings->log;

        cd_log_set_level(log, (enum cd_log_level)how->level);
        cd_log_set_format(log, (enum cd_log_format)how->format, (enum cd_log_priority)how->priority);
        cd_http_server_set_access(server, (enum cd_http_access)how->access);
        cd_metrics_enable(settings->metrics.listen.count > 0);
}

bool cd_service_listens_on(const struct cd_service_settings *settings, cd_str address)
{
        const struct cd_http_listen *listeners = settings->listen.items;

        for (size_t i = 0; i < settings->listen.count; i++)
                if (cd_str_eq(listeners[i].address, address))
                        return true;
        return false;
}
