/* Writes the files of cardea init: the configurations, the master key, the certificate. */
#include <stdio.h>

#include "base/clock.h"
#include "base/secret.h"
#include "cmd/init.h"
#include "crypto/certificate.h"
#include "crypto/seal.h"

enum {
        CERTIFICATE_DAYS = 825,
        INIT_URL_MAX = 512,
};

/* The host of the issuer, without its port; empty if there is none. */
static cd_str issuer_host(const struct init *init)
{
        cd_str rest = cd_str_from_c(init->issuer);
        size_t end = 0;

        if (!cd_str_has_prefix(rest, CD_STR("https://")))
                return CD_STR("");
        rest = cd_str_slice(rest, 8, rest.len);
        if (rest.len && rest.ptr[0] == '[')
                return cd_str_slice(rest, 1, cd_str_index(rest, ']') - 1);
        while (end < rest.len && rest.ptr[end] != ':' && rest.ptr[end] != '/')
                end++;
        return cd_str_slice(rest, 0, end);
}

/* The names of this host, and the issuer's host if it differs. */
static cd_status list_names(struct init *init, struct cd_strs *ret, struct cd_error *reterr)
{
        struct cd_strs names;
        cd_str host = issuer_host(init);

        cd_status status = cd_certificate_names_of_host(&init->arena, &names, reterr);
        if (status != CD_OK)
                return status;
        cd_str *all = cd_arena_calloc(&init->arena, names.count + 1, sizeof(*all));
        if (!all)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the names of the certificate");
        bool is_known = !host.len;
        for (size_t i = 0; i < names.count; i++) {
                all[i] = names.items[i];
                is_known |= cd_str_eq_nocase(names.items[i], host);
        }
        if (!is_known)
                all[names.count] = host;
        *ret = (struct cd_strs){ all, names.count + !is_known };
        return CD_OK;
}

static cd_status write_certificate(struct init *init, struct cd_error *reterr)
{
        struct cd_certificate_spec spec = { .now = cd_clock_system.now(&cd_clock_system), .days = CERTIFICATE_DAYS };
        struct cd_certificate_set set;

        cd_status status = list_names(init, &spec.names, reterr);
        if (status == CD_OK)
                status = cd_certificate_make(&spec, &init->arena, &set, reterr);
        if (status != CD_OK)
                return status;
        /* The CA's key is discarded, so that it cannot sign another certificate. */
        status = init_files_write(&init->files, "ca.pem", 0644, set.ca, reterr);
        if (status == CD_OK)
                status = init_files_write(&init->files, "cert.pem", 0644, set.certificate, reterr);
        if (status == CD_OK)
                status = init_files_write(&init->files, "key.pem", 0600, set.key, reterr);
        return status;
}

static cd_status write_master_key(struct init *init, struct cd_error *reterr)
{
        char text[CD_MASTER_KEY_TEXT + 1];

        cd_status status = cd_master_key_generate(&cd_random_system, text, reterr);
        if (status != CD_OK)
                return status;
        text[CD_MASTER_KEY_TEXT] = '\n';
        status = init_files_write(&init->files, "master.key", 0600, cd_str_of(text, sizeof(text)), reterr);
        cd_wipe(text, sizeof(text));
        return status;
}

/* "NAME: VALUE", with the value quoted so that YAML reads it unchanged. */
static void add_setting(struct cd_buf *buf, const char *name, cd_str value, const char *comment)
{
        cd_buf_add(buf, cd_str_from_c(name));
        cd_buf_add(buf, CD_STR(": "));
        cd_buf_add_json(buf, value);
        cd_buf_add(buf, cd_str_from_c(comment));
        cd_buf_add_char(buf, '\n');
}

/* The URL of the resource service: the host of the issuer, where its certificate is for, and the next port. */
static cd_str resource_url(const struct init *init, char *to, size_t size)
{
        cd_str host = issuer_host(init);
        bool is_ipv6 = cd_str_index(host, ':') < host.len;

        int len = snprintf(to, size, "https://%s%.*s%s:%u", is_ipv6 ? "[" : "",
                           CD_STR_ARG(host.len ? host : CD_STR("localhost")), is_ipv6 ? "]" : "", init->port + 1);
        return len > 0 && (size_t)len < size ? cd_str_of(to, (size_t)len) : CD_STR("");
}

static void compose_server(const struct init *init, struct cd_buf *buf)
{
        char audience[INIT_URL_MAX];

        cd_buf_add(buf, CD_STR("# Cardea's configuration. All settings: man cardea.yaml. The effective values:\n"
                               "# cardea config show --config cardea.yaml. File names are relative to this file.\n"
                               "listen: ["));
        cd_buf_add_json(buf, cd_str_from_c(init->listen));
        cd_buf_add(buf, CD_STR("]\n"));
        add_setting(buf, "issuer", cd_str_from_c(init->issuer),
                    "   # the URL of this server for clients, and \"iss\" of its tokens");
        cd_buf_add(buf, CD_STR("tls: { certificate: cert.pem, key: key.pem }   # made by init, signed by ca.pem; "
                               "replace them with your own\n"));
        if (init->user)
                add_setting(buf, "user", cd_str_from_c(init->user), "   # the user to become when started as root");
        if (init->control)
                add_setting(buf, "control", cd_str_from_c(init->control), "   # cardea status, cardea reload");
        else
                cd_buf_add(buf,
                           CD_STR("# For cardea status and cardea reload; the path of this folder is too long for a "
                                  "socket in it.\n# control: unix:/run/cardea/control.sock\n"));
        cd_buf_add(buf, CD_STR("# With a load balancer that polls /readyz: the time that it has to notice a stop.\n"
                               "# drain_delay: 5s\n"));
        cd_buf_add(
                buf,
                CD_STR("\n# The store of users, clients, keys and the audit log. For several nodes, use PostgreSQL:\n"
                       "# store: postgresql://cardea@db.example.org/cardea\n"));
        add_setting(buf, "store", cd_str_from_c(init->store), "");
        cd_buf_add(buf,
                   CD_STR("# Encrypts the private keys in the store. Keep a copy elsewhere: without it they are lost.\n"
                          "master_key: ${file:master.key}\n"
                          "\n# GET /grant issues a token with the user's claims for a user name and password.\n"
                          "basic_tokens:\n"));
        add_setting(buf, "  audience", resource_url(init, audience, sizeof(audience)),
                    "   # \"aud\" of these tokens: the resource service");
        cd_buf_add(buf, CD_STR("  lifetime: 5m\n"
                               "\n# Tokens of clients (cardea client add), and the scopes that clients may have.\n"
                               "tokens: { lifetime: 5m, alg: ES256 }\n"
                               "scopes: [read, write]\n"
                               "\npassword_hashing: { memory: 19MB, iterations: 2 }   # Argon2id; a change applies to "
                               "a user at the next login\n"
                               "log: { level: info }\n"));
}

static void compose_resource(const struct init *init, struct cd_buf *buf)
{
        char url[INIT_URL_MAX];

        cd_buf_printf(buf,
                      "# An example resource service: grant-resource --config resource.yaml\n"
                      "listen: [\"%.*s:%u\"]\n",
                      CD_STR_ARG(init->host), init->port + 1);
        cd_buf_add(buf, CD_STR("tls: { certificate: cert.pem, key: key.pem }\n"));
        add_setting(buf, "issuer", cd_str_from_c(init->issuer), "   # the issuer of the tokens that it accepts");
        snprintf(url, sizeof(url), "https://localhost:%u/.well-known/jwks.json", init->port);
        add_setting(buf, "jwks", cd_str_from_c(url), "   # the keys of the issuer");
        add_setting(buf, "audience", resource_url(init, url, sizeof(url)), "   # the audience that tokens must have");
        cd_buf_add(buf, CD_STR("ca: ca.pem   # the certificate authority for jwks\n"));
}

static cd_status write_text(struct init *init, const char *name, void (*compose)(const struct init *, struct cd_buf *),
                            struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, &init->arena, INIT_TEXT_MAX);
        compose(init, &buf);
        if (cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail(reterr, CD_TOO_LARGE, "the configuration would be too long");
        return init_files_write(&init->files, name, 0600, text, reterr);
}

cd_status init_write(struct init *init, struct cd_error *reterr)
{
        cd_status status = write_text(init, "cardea.yaml", compose_server, reterr);

        if (status == CD_OK)
                status = write_text(init, "resource.yaml", compose_resource, reterr);
        if (status == CD_OK)
                status = write_master_key(init, reterr);
        if (status == CD_OK)
                status = write_certificate(init, reterr);
        return status;
}
