#include <stdlib.h>

#include "base/secret.h"
#include "upstream/internal.h"

enum {
        HOST_MAX = 253,       /* bytes (RFC 1035 §2.3.4) */
        PATH_MAX_BYTES = 107, /* of a Unix socket */
};

struct scheme {
        cd_str prefix;
        uint16_t port; /* 0: must be given */
        bool is_uwsgi, is_tls, is_unix;
};

static const struct scheme schemes[] = {
        { CD_STR_INIT("http://"), 80, false, false, false },  { CD_STR_INIT("https://"), 443, false, true, false },
        { CD_STR_INIT("unix:"), 0, false, false, true },      { CD_STR_INIT("uwsgi://"), 0, true, false, false },
        { CD_STR_INIT("uwsgi+unix:"), 0, true, false, true },
};

/* ---- the URL ---- */

static cd_status fail_url(struct cd_error *reterr, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("url"), reason);
}

static bool is_name_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_';
}

static bool is_name(cd_str host)
{
        for (size_t i = 0; i < host.len; i++)
                if (!is_name_char(host.ptr[i]))
                        return false;
        return host.len > 0 && host.len <= HOST_MAX && host.ptr[0] != '.' && host.ptr[0] != '-';
}

/* "HOST", "[ADDRESS]", each with ":PORT" or without; *port is the default. */
static cd_status parse_authority(cd_str text, cd_str *host, uint16_t *port, struct cd_error *reterr)
{
        bool has_brackets = cd_str_has_prefix(text, CD_STR("["));
        size_t end = has_brackets ? cd_str_index(text, ']') : cd_str_index(text, ':');
        struct cd_address address;
        uint64_t number = *port;

        *host = has_brackets ? cd_str_slice(text, 1, end - 1) : cd_str_slice(text, 0, end);
        cd_str rest = cd_str_slice(text, has_brackets ? end + 1 : end, text.len);
        bool is_valid = has_brackets
                                ? end < text.len && cd_address_parse(*host, &address) && !cd_address_is_ipv4(&address)
                                : is_name(*host);
        if (!is_valid)
                return fail_url(reterr,
                                "has no valid host; write a name, an IPv4 address, or an IPv6 address in brackets");
        if (rest.len > 0 && (rest.ptr[0] != ':' || !cd_str_to_u64(cd_str_slice(rest, 1, rest.len), &number)))
                return fail_url(reterr, "has text after the host that is no port; write HOST:PORT");
        if (number == 0 && rest.len == 0)
                return fail_url(reterr, "has no port; uwsgi has no usual one, so write uwsgi://HOST:PORT");
        if (number == 0 || number > 65535)
                return fail_url(reterr, "has a port that is not 1 to 65535");
        *port = (uint16_t)number;
        return CD_OK;
}

static cd_status parse_path(cd_str path, struct cd_error *reterr)
{
        if (!cd_str_has_prefix(path, CD_STR("/")) || cd_str_has_prefix(path, CD_STR("//")))
                return fail_url(reterr, "has no absolute path; write unix:/PATH or uwsgi+unix:/PATH");
        if (cd_str_has_control(path))
                return fail_url(reterr, "has a control character in its path");
        if (path.len > PATH_MAX_BYTES)
                return fail_url(reterr, "has a path that is longer than a Unix socket's, 107 bytes");
        return CD_OK;
}

static const struct scheme *find_scheme(cd_str url)
{
        for (size_t i = 0; i < CD_LEN(schemes); i++)
                if (cd_str_has_prefix(url, schemes[i].prefix))
                        return &schemes[i];
        return NULL;
}

/* Fills what the URL says; the views are into `url`. */
static cd_status parse_url(cd_str url, struct cd_upstream *ret, bool *is_tls, struct cd_error *reterr)
{
        const struct scheme *scheme = find_scheme(url);

        if (!scheme)
                return fail_url(reterr, "has an unknown scheme; write http://, https://, unix:/PATH, uwsgi:// or "
                                        "uwsgi+unix:/PATH");
        cd_str rest = cd_str_slice(url, scheme->prefix.len, url.len);
        ret->is_uwsgi = scheme->is_uwsgi;
        ret->is_unix = scheme->is_unix;
        ret->port = scheme->port;
        *is_tls = scheme->is_tls;
        if (scheme->is_unix) {
                ret->path = rest;
                ret->authority = CD_STR("localhost");
                return parse_path(rest, reterr);
        }
        if (cd_str_index(rest, '@') < rest.len)
                return fail_url(reterr, "has a user or password; the upstream is given no credentials in its URL");
        if (cd_str_index(rest, '/') < rest.len || cd_str_index(rest, '?') < rest.len)
                return fail_url(reterr, "has a path; write only the host and port, as the request's path is used");
        ret->authority = rest;
        return parse_authority(rest, &ret->host, &ret->port, reterr);
}

cd_status cd_upstream_check_url(cd_str url, struct cd_error *reterr)
{
        struct cd_upstream parsed;
        bool is_tls;

        return parse_url(url, &parsed, &is_tls, reterr);
}

/* ---- the object ---- */

static void add_part(char **at, cd_str part)
{
        if (part.len)
                memcpy(*at, part.ptr, part.len);
        *at += part.len;
        *(*at)++ = '\0';
}

/* FNV-1a: a short name for the identity, which is compared as well. */
static uint64_t hash_of(cd_str text)
{
        uint64_t hash = 0xcbf29ce484222325;

        for (size_t i = 0; i < text.len; i++)
                hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3;
        return hash;
}

/* Copies the texts. None of them has a NUL, so the identity cannot be read in two ways. */
static struct cd_upstream *new_upstream(const struct cd_upstream_options *options)
{
        const cd_str parts[] = { options->url, options->ca, options->certificate, options->key, options->server_name };
        size_t size = 0;

        for (size_t i = 0; i < CD_LEN(parts); i++)
                size += parts[i].len + 1;
        struct cd_upstream *upstream = malloc(sizeof(*upstream) + size);
        if (!upstream)
                return NULL;
        *upstream = (struct cd_upstream){ .refs = 1, .options = *options };
        char *at = upstream->text;
        for (size_t i = 0; i < CD_LEN(parts); i++)
                add_part(&at, parts[i]);
        upstream->identity = cd_str_of(upstream->text, size);
        upstream->hash = hash_of(upstream->identity);
        upstream->options.url = cd_str_of(upstream->text, options->url.len);
        upstream->options.ca = upstream->options.certificate = upstream->options.key = CD_STR("");
        upstream->options.server_name = CD_STR("");
        upstream->options.authorities = NULL;
        return upstream;
}

static cd_status make_tls(struct cd_upstream *upstream, const struct cd_upstream_options *options, bool is_tls,
                          struct cd_error *reterr)
{
        struct cd_tls_client_options tls = {
                .server_name = options->server_name.len ? options->server_name : upstream->host,
                .ca = options->ca,
                .certificate = options->certificate,
                .key = options->key,
                .authorities = options->authorities,
        };

        return is_tls ? cd_tls_client_new(&tls, &upstream->tls, reterr) : CD_OK;
}

cd_status cd_upstream_new(const struct cd_upstream_options *options, struct cd_upstream **ret, struct cd_error *reterr)
{
        struct cd_upstream *upstream = new_upstream(options);
        bool is_tls = false;

        if (!upstream)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an upstream");
        cd_status status = parse_url(upstream->options.url, upstream, &is_tls, reterr);
        if (status == CD_OK)
                status = make_tls(upstream, options, is_tls, reterr);
        if (status != CD_OK)
                cd_upstream_unref(upstream);
        else
                *ret = upstream;
        return status;
}

struct cd_upstream *cd_upstream_ref(struct cd_upstream *upstream)
{
        atomic_fetch_add_explicit(&upstream->refs, 1, memory_order_relaxed);
        return upstream;
}

void cd_upstream_unref(struct cd_upstream *upstream)
{
        if (!upstream || atomic_fetch_sub_explicit(&upstream->refs, 1, memory_order_acq_rel) > 1)
                return;
        cd_tls_client_free(upstream->tls);
        cd_wipe(upstream->text, upstream->identity.len); /* has the private key */
        free(upstream);
}

bool cd_upstream_is_uwsgi(const struct cd_upstream *upstream)
{
        return upstream->is_uwsgi;
}

bool cd_upstream_is_tls(const struct cd_upstream *upstream)
{
        return upstream->tls;
}

cd_str cd_upstream_url(const struct cd_upstream *upstream)
{
        return upstream->options.url;
}

bool cd_upstream_is_up(const struct cd_upstream *upstream)
{
        return !atomic_load_explicit(&upstream->is_down, memory_order_relaxed);
}

cd_str cd_upstream_authority(const struct cd_upstream *upstream)
{
        return upstream->authority;
}
