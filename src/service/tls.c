#include "service/tls.h"

#include <stdio.h>
#include <string.h>

#include "conf/interpolate.h"

enum {
        FILE_MAX = 256 * 1024,
        DAY = 24 * 60 * 60,
};

/* ---- paths ---- */

/* Always copies, because the result must end with a NUL. */
static void resolve(cd_str *path, cd_str folder, struct cd_report *report)
{
        bool is_absolute = cd_str_has_prefix(*path, CD_STR("/"));

        *path = cd_arena_printf(report->arena, "%.*s%.*s", CD_STR_ARG(is_absolute || !path->len ? CD_STR("") : folder),
                                CD_STR_ARG(*path));
        report->no_memory |= !path->ptr;
}

void cd_service_tls_resolve(struct cd_service_settings *settings, struct cd_report *report)
{
        cd_str folder = report->file_name;

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        resolve(&settings->tls.certificate, folder, report);
        resolve(&settings->tls.key, folder, report);
        resolve(&settings->tls.client_ca, folder, report);
}

/* ---- files ---- */

static cd_status fail_setting(struct cd_error *reterr, const char *name, const struct cd_error *why)
{
        char setting[sizeof(why->field) + sizeof("tls.")];

        snprintf(setting, sizeof(setting), "tls.%s", name);
        return cd_failf(reterr, why->status, cd_str_from_c(setting), "%s", why->reason);
}

/* Reads nothing if the path is empty. */
static cd_status read_file(const char *name, cd_str path, struct cd_arena *arena, cd_str *ret,
                           struct cd_secret_file *ret_file, struct cd_error *reterr)
{
        struct cd_error err;

        *ret = CD_STR("");
        if (path.len == 0 || cd_read_file(arena, path, FILE_MAX, ret, ret_file, &err) == CD_OK)
                return CD_OK;
        return fail_setting(reterr, name, &err);
}

static cd_status read_files(const struct cd_service_tls *tls, struct cd_arena *arena, struct cd_tls_options *ret,
                            struct cd_error *reterr)
{
        struct cd_secret_file key = { 0 };
        cd_status status = read_file("certificate", tls->certificate, arena, &ret->certificate, NULL, reterr);

        if (status == CD_OK)
                status = read_file("client_ca", tls->client_ca, arena, &ret->client_ca, NULL, reterr);
        if (status == CD_OK)
                status = read_file("key", tls->key, arena, &ret->key, &key, reterr);
        const char *fault = cd_secret_file_fault(&key);
        if (status == CD_OK && fault)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("tls.key"), "is in a file that %s; %.*s", fault,
                                CD_STR_ARG(cd_secret_file_fix(&key, arena, tls->key)));
        ret->client_certificate = (enum cd_tls_client_certificate)tls->client_certificate;
        return status;
}

/* "2026-11-22" */
static cd_str day_of(struct cd_arena *arena, cd_time time)
{
        char text[CD_RFC3339_LEN];

        cd_time_format_rfc3339(time, text);
        return cd_arena_copy(arena, cd_str_of(text, 10));
}

cd_status cd_service_tls_read(const struct cd_service_tls *tls, cd_time now, struct cd_arena *arena,
                              struct cd_tls_options *ret, struct cd_tls_validity *ret_validity, struct cd_error *reterr)
{
        struct cd_tls_options options = { 0 };
        struct cd_tls_validity validity;
        struct cd_error err;

        cd_status status = read_files(tls, arena, &options, reterr);
        if (status != CD_OK)
                return status;
        if (cd_tls_check(&options, &validity, &err) != CD_OK)
                return fail_setting(reterr, err.field, &err);
        if (now >= validity.not_after)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("tls.certificate"),
                                "expired on %.*s; replace the files (cardea cert renew, where cardea made them)",
                                CD_STR_ARG(day_of(arena, validity.not_after)));
        if (now < validity.not_before)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("tls.certificate"),
                                "is valid from %.*s on only; correct the clock of this machine, or replace the files",
                                CD_STR_ARG(day_of(arena, validity.not_before)));
        *ret = options;
        *ret_validity = validity;
        return CD_OK;
}

/* ---- checks ---- */

/* Whether a port can be told to clients; the ports of sockets from systemd are not known yet. */
static bool has_port(const struct cd_service_settings *settings)
{
        const struct cd_http_listen *listeners = settings->listen.items;

        for (size_t i = 0; i < settings->listen.count; i++)
                if (!cd_str_has_prefix(listeners[i].address, CD_STR("unix:")))
                        return true;
        return false;
}

void cd_service_tls_check_settings(const struct cd_service_settings *settings, struct cd_report *report)
{
        const struct cd_service_tls *tls = &settings->tls;
        bool asks = tls->client_certificate != CD_TLS_CLIENT_NONE;
        bool has_certificate = tls->certificate.len || cd_report_has_error(report, CD_STR("tls.certificate"));

        if (!has_certificate && (tls->key.len || tls->client_ca.len || asks))
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("tls.certificate"),
                                "name a PEM file; \"cardea cert new\" makes one", "is missing");
        if (tls->certificate.len && !tls->key.len)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("tls.key"),
                                "name the PEM file of the certificate's private key", "is missing");
        if (asks && !tls->client_ca.len)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("tls.client_ca"),
                                "name the PEM file of the CA that signs them",
                                "is missing, and is needed to verify clients' certificates");
        if (!asks && tls->client_ca.len)
                cd_report_about(report, CD_FINDING_WARNING, CD_STR("tls.client_ca"),
                                "set tls.client_certificate to request or require",
                                "is not used: no client is asked for a certificate");
        if (settings->redirect_listen.count && !has_port(settings))
                cd_report_about(report, CD_FINDING_WARNING, CD_STR("redirect_listen"),
                                "make sure that port 443 leads to this server, or add an address with a port to listen",
                                "redirects to port 443, since no address of listen has a port");
        if (settings->redirect_listen.count && !has_certificate)
                cd_report_about(report, CD_FINDING_ERROR, CD_STR("redirect_listen"), "set tls, or use listen",
                                "redirects to https, but no listener speaks TLS");
}

static void check_validity(const struct cd_tls_validity *validity, cd_time now, struct cd_report *report)
{
        int64_t days = (validity->not_after - now) / DAY;
        cd_str until = day_of(report->arena, validity->not_after);

        if (days < CD_TLS_WARN_DAYS)
                cd_report_about(
                        report, CD_FINDING_WARNING, CD_STR("tls.certificate"),
                        "replace the files (cardea cert renew, where cardea made them); a running server loads them "
                        "by itself",
                        "the certificate expires in %lld day%s, on %.*s", (long long)days, days == 1 ? "" : "s",
                        CD_STR_ARG(until));
        else
                cd_report_about(report, CD_FINDING_OK, CD_STR("tls.certificate"), NULL, "valid until %.*s",
                                CD_STR_ARG(until));
        cd_report_about(report, CD_FINDING_OK, CD_STR("tls.key"), NULL, "fits the certificate");
}

/* Where the error does not say it. */
static const char *fix_of(const struct cd_error *err)
{
        if (strchr(err->reason, ';'))
                return NULL;
        if (!strncmp(err->reason, "file ", 5))
                return "correct the path, which is relative to the folder of the configuration; cardea cert new makes "
                       "a "
                       "certificate and its key";
        return "name a PEM file with what the setting asks for; cardea cert new makes a certificate and its key";
}

void cd_service_tls_check_files(const struct cd_service_settings *settings, struct cd_report *report,
                                struct cd_service_tls_files *ret)
{
        const struct cd_service_tls *tls = &settings->tls;
        bool lacks_ca = tls->client_certificate != CD_TLS_CLIENT_NONE && !tls->client_ca.len;
        struct cd_error err;

        *ret = (struct cd_service_tls_files){ 0 };
        cd_arena_init(&ret->arena, CD_SERVICE_ARENA);
        if (!cd_service_has_tls(settings) || !tls->key.len || lacks_ca ||
            cd_report_has_error(report, CD_STR("tls.key"))) /* reported already */
                return;
        cd_status status = cd_service_tls_read(tls, cd_clock_system.now(&cd_clock_system), &ret->arena, &ret->options,
                                               &ret->validity, &err);
        ret->are_usable = status == CD_OK;
        if (status == CD_OK)
                check_validity(&ret->validity, cd_clock_system.now(&cd_clock_system), report);
        else if (status == CD_NO_MEMORY)
                report->no_memory = true;
        else
                cd_report_about(report, CD_FINDING_ERROR, cd_str_from_c(err.field), fix_of(&err), "%s", err.reason);
}

void cd_service_tls_files_done(struct cd_service_tls_files *files)
{
        cd_arena_done(&files->arena);
}
