#include "app/config_smtp.h"

#include "app/config.h"
#include "app/config_authority.h"
#include "app/config_findings.h"
#include "app/config_path.h"

enum {
        CONNECT_MS = 30 * 1000, /* including the greeting, which some servers delay, and the login */
        TOTAL_MS = 60 * 1000,   /* less than a claim of the queue lasts */
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_config_smtp, member), .type = CD_FIELD_##kind,           \
                __VA_ARGS__                                                                                            \
        }

static const struct cd_field fields[] = {
        FIELD(url, STRING, .min = 1, .max = 1024,
              .help = "smtp://HOST:PORT with STARTTLS, or smtps://HOST:PORT; without it no e-mail is sent"),
        FIELD(username, STRING, .min = 1, .max = 256, .help = "the name to log in with; default: no login"),
        FIELD(password, SECRET, .min = 1, .max = 1024, .help = "its password"),
        FIELD(from, STRING, .min = 1, .max = 600, .help = "the sender, as in Cardea <auth@example.com>"),
        FIELD(ca_file, STRING, .min = 1, .max = 4096,
              .help = "PEM file: whose certificate the server may have; default: those that the system trusts"),
        FIELD(plaintext, TRISTATE, .help = "send without TLS; default: only to a server on this machine"),
};
const struct cd_table cd_config_smtp_table = { "smtp", fields, CD_LEN(fields), sizeof(struct cd_config_smtp), true };

/* What a URL says. */
struct server {
        bool is_tls, is_local;
};

static cd_str scheme_of(cd_str url, struct server *ret)
{
        ret->is_tls = cd_str_has_prefix(url, CD_STR("smtps://"));
        if (ret->is_tls)
                return CD_STR("smtps://");
        return cd_str_has_prefix(url, CD_STR("smtp://")) ? CD_STR("smtp://") : CD_STR("");
}

static bool check_url(cd_str url, struct cd_report *report, struct server *ret)
{
        static const char form[] = "write it as in smtp://mail.example.com:587 or smtps://mail.example.com:465";
        cd_str setting = CD_STR("smtp.url"), scheme = scheme_of(url, ret);
        cd_str rest = cd_str_slice(url, scheme.len, url.len);
        size_t before = report->errors;

        if (!scheme.len)
                ERROR(report, setting, form, "is not an smtp or smtps URL");
        else if (cd_str_index(rest, '@') < rest.len)
                ERROR(report, setting, "write them as smtp.username and smtp.password",
                      "has a user name or a password in it");
        else if (cd_str_index(rest, '/') < rest.len)
                ERROR(report, setting, "remove what follows the host and the port", "has a path");
        else if (!cd_config_authority_parse(rest, &ret->is_local))
                ERROR(report, setting, form, "is not a URL with a host");
        /* RFC 8314 section 3.3, RFC 6409 section 3.1 */
        else if (!ret->is_tls && cd_str_has_suffix(rest, CD_STR(":465")))
                WARN(report, setting, "write smtps://", "is smtp, and servers expect TLS at once on port 465");
        else if (ret->is_tls && cd_str_has_suffix(rest, CD_STR(":587")))
                WARN(report, setting, "write smtp://, with which TLS is used too",
                     "is smtps, and servers expect STARTTLS on port 587");
        return report->errors == before;
}

static void check_from(cd_str from, struct cd_report *report)
{
        static const char form[] = "write it as in Cardea <auth@example.com>";
        struct cd_mailbox box;
        struct cd_error err;

        if (!from.len)
                ERROR(report, CD_STR("smtp.from"), form, "is missing");
        else if (cd_mailbox_parse(from, &box, &err) != CD_OK)
                ERROR(report, CD_STR("smtp.from"), form, "\"%.*s\" is not a sender: %s", SHOWN_PATH(from), err.reason);
}

static void check_login(const struct cd_config_smtp *smtp, struct cd_report *report)
{
        bool has_password = smtp->password.len || cd_report_is_kept(report, CD_STR("smtp.password")) ||
                            cd_report_has_error(report, CD_STR("smtp.password"));

        if (smtp->username.len && !has_password)
                ERROR(report, CD_STR("smtp.password"), "write password: ${file:PATH}, or leave out username",
                      "is missing, and smtp.username is set");
        if (!smtp->username.len && has_password)
                ERROR(report, CD_STR("smtp.username"), "name the user whose password it is, or leave out password",
                      "is missing, and smtp.password is set");
}

static void check_encryption(const struct cd_config_smtp *smtp, const struct server *server, struct cd_report *report)
{
        if (smtp->plaintext == CD_TRISTATE_TRUE && server->is_tls)
                ERROR(report, CD_STR("smtp.plaintext"), "leave it out, or write smtp:// in smtp.url",
                      "contradicts smtp.url, which is smtps");
        else if (smtp->plaintext == CD_TRISTATE_TRUE && !server->is_local)
                WARN(report, CD_STR("smtp.plaintext"), "leave it out if the server has STARTTLS or smtps",
                     smtp->username.len
                             ? "is true: the password, and links that are as good as one, travel in the clear"
                             : "is true: links that are as good as a password travel in the clear");
}

void cd_config_check_smtp_files(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_smtp *smtp = &config->smtp;

        if (smtp->url.len && smtp->ca_file.len)
                cd_config_check_pem(report, CD_STR("smtp.ca_file"), smtp->ca_file);
}

static bool is_given(const struct cd_config_smtp *smtp, const struct cd_report *report)
{
        return smtp->username.len || smtp->password.len || smtp->from.len || smtp->ca_file.len ||
               smtp->plaintext != CD_TRISTATE_UNSET || cd_report_has_error(report, CD_STR("smtp.password"));
}

void cd_config_check_smtp(const struct cd_config *config, struct cd_report *report)
{
        const struct cd_config_smtp *smtp = &config->smtp;
        size_t before = report->errors;
        struct server server = { 0 };
        struct cd_error err;

        if (!smtp->url.len) {
                if (is_given(smtp, report))
                        ERROR(report, CD_STR("smtp.url"), "write it as in smtp://mail.example.com:587",
                              "is missing, and other settings of smtp are set");
                return;
        }
        if (check_url(smtp->url, report, &server))
                check_encryption(smtp, &server, report);
        check_from(smtp->from, report);
        check_login(smtp, report);
        if (report->errors == before && cd_report_needs(report, CD_STR("smtp.password")) && cd_smtp_load(&err) != CD_OK)
                ERROR(report, CD_STR("smtp"), NULL, "needs a library: %s", err.reason);
        if (!config->portal.url.len)
                WARN(report, CD_STR("smtp"), "set portal.url, or leave out smtp",
                     "sends nothing: e-mails are sent for the portal, and there is none");
        if (report->errors == before)
                FINE(report, CD_STR("smtp"), "e-mail from %.*s by %.*s", SHOWN_PATH(smtp->from), SHOWN_PATH(smtp->url));
}

cd_status cd_config_smtp_read(const struct cd_config_smtp *smtp, cd_str file_name, struct cd_arena *arena,
                              struct cd_smtp_server *ret_server, struct cd_mailbox *ret_from, struct cd_error *reterr)
{
        struct server server = { 0 };
        cd_str scheme = scheme_of(smtp->url, &server), ca_file = CD_STR("");
        bool is_plain;

        if (!cd_config_authority_parse(cd_str_slice(smtp->url, scheme.len, smtp->url.len), &server.is_local))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("smtp.url"), "is not a URL with a host");
        cd_status status = cd_mailbox_parse(smtp->from, ret_from, reterr);
        if (status != CD_OK)
                return status;
        if (smtp->ca_file.len)
                ca_file = cd_config_path(arena, file_name, smtp->ca_file);
        if (!ca_file.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the settings of smtp");
        is_plain = smtp->plaintext == CD_TRISTATE_TRUE || (smtp->plaintext == CD_TRISTATE_UNSET && server.is_local);
        *ret_server = (struct cd_smtp_server){
                .url = smtp->url,
                .user_name = smtp->username,
                .password = smtp->password,
                .ca_file = ca_file,
                .starttls = !server.is_tls && !is_plain,
                .connect_timeout_ms = CONNECT_MS,
                .total_timeout_ms = TOTAL_MS,
        };
        return CD_OK;
}
