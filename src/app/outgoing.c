#include "app/outgoing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/config_path.h"
#include "conf/interpolate.h"

#define ERROR(report, setting, fix, ...) cd_report_about(report, CD_FINDING_ERROR, setting, fix, __VA_ARGS__)
#define WARN(report, setting, fix, ...)  cd_report_about(report, CD_FINDING_WARNING, setting, fix, __VA_ARGS__)
#define SHOWN(text)                      CD_STR_ARG(cd_str_slice(text, 0, 200))

enum {
        CONNECT_MS = 5 * 1000,
        TOTAL_MS = 10 * 1000, /* a user waits for it */
        HOST_CONCURRENCY = 16,
        WIDE_IPV4 = 96 + 8, /* no private network has a shorter prefix */
        WIDE_IPV6 = 7,
        CA_MAX = 4 * 1024 * 1024, /* bytes */
};

static const cd_str CERTIFICATE = CD_STR_INIT("CERTIFICATE-----"); /* also of BEGIN TRUSTED CERTIFICATE */

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_config_outgoing, member), .type = CD_FIELD_##kind,       \
                __VA_ARGS__                                                                                            \
        }

static const struct cd_field fields[] = {
        FIELD(networks, STRINGS, .max = 64,
              .help = "private, loopback and other special addresses to which URLs of providers may lead"),
        FIELD(ca, STRING, .min = 1, .max = 4096,
              .help = "PEM file: whose certificates providers may have; default: those that the system trusts"),
};
const struct cd_table cd_config_outgoing_table = { "outgoing", fields, CD_LEN(fields),
                                                   sizeof(struct cd_config_outgoing), true };

void cd_config_check_outgoing(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_strs *networks = &config->outgoing.networks;

        for (size_t i = 0; i < networks->count; i++) {
                cd_str setting = cd_arena_printf(report->arena, "outgoing.networks[%zu]", i);
                struct cd_network network;
                struct cd_error err;
                if (cd_network_parse(networks->items[i], &network, &err) != CD_OK) {
                        ERROR(report, setting, "write it as in 10.1.2.0/24 or 10.1.2.3", "%s", err.reason);
                        continue;
                }
                bool is_ipv4 = network.bits >= 96 && cd_address_is_ipv4(&network.base);
                if (network.bits < (is_ipv4 ? WIDE_IPV4 : WIDE_IPV6))
                        WARN(report, setting, "name the networks of your providers only",
                             "%.*s is wider than any private network: URLs may lead to nearly every machine inside",
                             SHOWN(networks->items[i]));
        }
}

/* libcurl would say so at the first request only. A file that is too large to look at is taken as it is. */
static void check_ca(cd_str path, struct cd_report *report)
{
        cd_str pem;

        if (cd_read_file(report->arena, path, CA_MAX, &pem, NULL, NULL) == CD_OK &&
            !memmem(pem.ptr, pem.len, CERTIFICATE.ptr, CERTIFICATE.len))
                ERROR(report, CD_STR("outgoing.ca"), "name the PEM file with the certificate of the authority",
                      "%.*s has no certificate", SHOWN(path));
}

void cd_config_check_outgoing_files(const struct cd_config *config, struct cd_report *report)
{
        cd_str ca = config->outgoing.ca;

        if (!ca.len)
                return;
        cd_str path = cd_config_path(report->arena, report->file_name, ca);
        int fd = path.ptr ? open(path.ptr, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
                ERROR(report, CD_STR("outgoing.ca"), "name a PEM file that the server may read, also while it runs",
                      "%.*s cannot be read: %s", SHOWN(path), strerrordesc_np(path.ptr ? errno : ENOMEM));
        else
                close(fd);
        if (fd >= 0)
                check_ca(path, report);
}

static cd_status read_networks(const struct cd_strs *list, struct cd_arena *arena, struct cd_fetch_guard *ret,
                               struct cd_error *reterr)
{
        struct cd_network *networks = cd_arena_calloc(arena, list->count + 1, sizeof(*networks));

        if (!networks)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings of outgoing");
        for (size_t i = 0; i < list->count; i++) {
                cd_status status = cd_network_parse(list->items[i], &networks[i], reterr);
                if (status != CD_OK)
                        return status;
        }
        *ret = (struct cd_fetch_guard){ networks, list->count };
        return CD_OK;
}

cd_status cd_outgoing_client_new(const struct cd_outgoing_client_options *options, struct cd_fetch **ret,
                                 struct cd_error *reterr)
{
        const struct cd_config_outgoing *outgoing = &options->config->outgoing;
        struct cd_fetch_guard guard;
        cd_str ca = CD_STR("");

        if (outgoing->ca.len)
                ca = cd_config_path(options->arena, options->file_name, outgoing->ca);
        if (!ca.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings of outgoing");
        cd_status status = read_networks(&outgoing->networks, options->arena, &guard, reterr);
        if (status == CD_OK)
                status = cd_fetch_load(reterr);
        if (status != CD_OK)
                return status;
        const struct cd_fetch_options fetch = {
                .connect_timeout_ms = CONNECT_MS,
                .total_timeout_ms = TOTAL_MS,
                .response_max = options->response_max,
                .ca_file = ca,
                .guard = &guard,
                .host_concurrency = HOST_CONCURRENCY,
                .record = options->log ? cd_outgoing_log_fetch : NULL,
                .record_arg = options->log,
        };
        return cd_fetch_new(&fetch, ret, reterr);
}
