/* The settings that every service has, and what they become. */
#include <arpa/inet.h>
#include <string.h>

#include "app/service.h"

static const char *const log_levels[] = { "debug", "info", "warn", "error", "off", NULL };

static const struct cd_field log_fields[] = {
        { .name = "level",
          .offset = offsetof(struct cd_service_log, level),
          .type = CD_FIELD_CHOICE,
          .choices = log_levels,
          .fallback = "info",
          .help = "the least level that is written" },
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

const char *cd_service_check_listen(cd_str value)
{
        static const char wrong[] = "must be ADDRESS:PORT, such as 127.0.0.1:5001 or [::1]:5001";
        size_t colon = value.len;
        uint64_t port;

        while (colon && value.ptr[colon - 1] != ':')
                colon--;
        if (!colon || !cd_str_to_u64(cd_str_slice(value, colon, value.len), &port) || port > 65535)
                return wrong;
        cd_str host = cd_str_slice(value, 0, colon - 1);
        if (is_address(AF_INET, host))
                return NULL;
        if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']' &&
            is_address(AF_INET6, cd_str_slice(host, 1, host.len - 2)))
                return NULL;
        return wrong;
}

const char *cd_service_check_proxy(cd_str value)
{
        size_t slash = cd_str_index(value, '/');
        cd_str address = cd_str_slice(value, 0, slash);
        bool v4 = is_address(AF_INET, address), v6 = is_address(AF_INET6, address);
        uint64_t bits = 0;

        if ((v4 || v6) && (slash == value.len || (cd_str_to_u64(cd_str_slice(value, slash + 1, value.len), &bits) &&
                                                  bits <= (v4 ? 32 : 128))))
                return NULL;
        return "must be an address or a network, such as 10.0.0.1 or 10.0.0.0/8";
}

struct cd_http_server_options cd_service_server_options(const struct cd_service_settings *settings)
{
        return (struct cd_http_server_options){
                .listen = &settings->listen,
                .redirect_listen = &settings->redirect_listen,
                .threads = settings->threads,
                .worker_threads = settings->worker_threads,
                .outgoing_threads = settings->outgoing_threads,
                .shutdown_grace_ms = settings->shutdown_grace,
                .trusted_proxies = &settings->trusted_proxies,
                .limits = settings->limits,
        };
}
