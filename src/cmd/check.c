#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/storage.h"
#include "app/server.h"
#include "base/streams.h"
#include "cmd/cmd.h"
#include "conf/interpolate.h"
#include "crypto/certificate.h"
#include "net/listen.h"

enum {
        CERTIFICATE_MAX = 256 * 1024 /* bytes of a file of certificates */
};

static void check_address(const char *name, size_t index, cd_str address, struct cd_report *report)
{
        cd_str setting = cd_arena_printf(report->arena, "%s[%zu]", name, index);

        if (cd_str_has_prefix(address, CD_STR("systemd:")))
                return cd_report_about(report, CD_FINDING_OK, setting, NULL,
                                       "%.*s comes from systemd at the start and is not tried here",
                                       CD_STR_ARG(address));
        int error = cd_probe_listen(address);
        const char *fix = cd_listen_fix(cd_str_has_prefix(address, CD_STR("unix:")), error);
        if (error == 0)
                cd_report_about(report, CD_FINDING_OK, setting, NULL, "%.*s can be listened on", CD_STR_ARG(address));
        else if (error == EADDRINUSE)
                cd_report_about(
                        report, CD_FINDING_WARNING, setting,
                        cd_arena_printf(report->arena, "no problem if it is this service itself, otherwise %s", fix)
                                .ptr,
                        "something listens on %.*s already", CD_STR_ARG(address));
        else
                cd_report_about(report, CD_FINDING_ERROR, setting, fix, "%.*s cannot be listened on: %s",
                                CD_STR_ARG(address), strerror(error));
}

static void check_addresses(const struct cd_service_settings *settings, struct cd_report *report)
{
        const struct cd_http_listen *listeners = settings->listen.items;

        for (size_t i = 0; i < settings->listen.count; i++)
                check_address("listen", i, listeners[i].address, report);
        for (size_t i = 0; i < settings->redirect_listen.count; i++)
                check_address("redirect_listen", i, settings->redirect_listen.items[i], report);
}

/* The host of an issuer that was checked already: "https://HOST[:PORT]". */
static cd_str host_of(cd_str issuer)
{
        cd_str rest = cd_str_slice(issuer, cd_str_index(issuer, ':') + 3, issuer.len);

        if (cd_str_has_prefix(rest, CD_STR("[")))
                return cd_str_slice(rest, 1, cd_str_index(rest, ']') - 1);
        return cd_str_slice(rest, 0, cd_str_index(rest, ':'));
}

/* Clients that connect to the issuer would refuse the certificate. A proxy in front may have another one. */
static void check_issuer(const struct cd_config *config, struct cd_report *report)
{
        cd_str path = config->service.tls.certificate, host = host_of(config->issuer), pem;

        if (!path.len || config->service.trusted_proxies.count ||
            !cd_str_has_prefix(config->issuer, CD_STR("https://")) ||
            cd_read_file(report->arena, path, CERTIFICATE_MAX, &pem, NULL, NULL) != CD_OK)
                return;
        if (!cd_certificate_is_for(pem, host))
                cd_report_about(report, CD_FINDING_WARNING, CD_STR("issuer"),
                                "use a name of the certificate, or a certificate for this name",
                                "tls.certificate is not for %.*s, so clients will not connect", CD_STR_ARG(host));
}

static void print_findings(const struct cd_report *report)
{
        static const char *const levels[] = {
                [CD_FINDING_OK] = "ok   ", [CD_FINDING_WARNING] = "warn ", [CD_FINDING_ERROR] = "error"
        };

        for (const struct cd_finding *f = report->findings; f; f = f->next)
                cd_print_line(stdout, "%s %.*s", levels[f->level], CD_STR_ARG(cd_finding_text(report, f)));
        cd_print_line(stdout, "%zu error%s, %zu warning%s", report->errors, report->errors == 1 ? "" : "s",
                      report->warnings, report->warnings == 1 ? "" : "s");
}

static int check_file(struct cd_arena *arena, const char *path)
{
        struct cd_config config;
        struct cd_report report;
        struct cd_error err;

        cd_report_init(&report, arena, cd_str_from_c(path));
        cd_status status = cd_service_check(cd_server_service(), &report, &config, &err);
        if (status == CD_OK) {
                cd_storage_check(&config, &report);
                check_addresses(&config.service, &report);
                check_issuer(&config, &report);
                status = cd_report_status(&report, &err);
        }
        print_findings(&report);
        if (status != CD_OK && !report.errors) {
                cd_print_line(stderr, "cardea check: %s", err.reason);
                return CD_EXIT_FAILED;
        }
        return report.errors ? CD_EXIT_USAGE : CD_EXIT_OK;
}

static int run(int argc, char **argv)
{
        const char *path = NULL;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &path }, { 0 } };
        struct cd_arena arena;

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        if (!path)
                return cd_usage_error(argv[0], "name a file: cardea check --config FILE");
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        int code = check_file(&arena, path);
        cd_arena_done(&arena);
        return code;
}

const struct cd_command cd_cmd_check = {
        .name = "check",
        .summary = "check a configuration without starting the server",
        .help = "Usage: cardea check --config FILE\n"
                "\n"
                "Reads a configuration as \"cardea serve\" does, resolves its variables and files, opens its\n"
                "store, and tries its listen addresses. Prints one line for each finding: \"error\", \"warn\"\n"
                "or \"ok\", then file:line:column, the setting, what is wrong, where the value came from, and\n"
                "how to fix it. The last line has the number of errors and warnings.\n"
                "\n"
                "  -c, --config FILE  the configuration, in YAML\n"
                "\n"
                "Exit codes: 0 no errors, 1 failed at run time, 2 at least one error, or the command line is wrong.\n",
        .run = run,
};
