#include "libcardea/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/url.h"
#include "fetch/fetch.h"

enum {
        URL_MAX = 2048,
        HEADERS_MAX = 32 * 1024, /* bytes of the header section of a response */
};

struct cd_source {
        char *path; /* NULL: the source is a URL */
        char *url;
        struct cd_fetch *fetch;
        struct stat seen, kept; /* the file as last read, and as last accepted */
};

/* Without port and brackets; empty if it is missing or ambiguous. */
static cd_str host_of(cd_str authority)
{
        if (authority.len && authority.ptr[0] == '[') {
                size_t close = cd_str_index(authority, ']');
                bool is_whole =
                        close + 1 == authority.len || (close < authority.len && authority.ptr[close + 1] == ':');
                return cd_str_slice(authority, 1, is_whole ? close - 1 : 0);
        }
        return cd_str_slice(authority, 0, cd_str_index(authority, ':'));
}

/* An address in 127.0.0.0/8, ::1, or "localhost", which libcurl itself resolves to these. */
static bool is_loopback(cd_str host)
{
        char text[64];
        struct in_addr v4;
        struct in6_addr v6;

        if (cd_str_eq(host, CD_STR("localhost")))
                return true;
        if (host.len >= sizeof(text))
                return false;
        memcpy(text, host.ptr, host.len);
        text[host.len] = '\0';
        if (inet_pton(AF_INET, text, &v4) == 1)
                return ntohl(v4.s_addr) >> 24 == 127;
        return inet_pton(AF_INET6, text, &v6) == 1 && memcmp(&v6, &in6addr_loopback, sizeof(v6)) == 0;
}

const char *cd_source_check_url(cd_str url, bool allow_http)
{
        struct cd_url parts;

        if (!cd_url_split(url, &parts))
                return "is a URL that is neither https:// nor http://";
        if (url.len > URL_MAX)
                return "is longer than 2048 bytes";
        for (size_t i = 0; i < url.len; i++)
                if ((unsigned char)url.ptr[i] <= 0x20 || (unsigned char)url.ptr[i] >= 0x7f || url.ptr[i] == '\\')
                        return "contains a character that is not allowed in a URL";
        cd_str host = host_of(parts.authority);
        if (host.len == 0)
                return "has no host";
        if (cd_str_index(url, '@') != url.len)
                return "contains a user name";
        if (!parts.is_https && !allow_http && !is_loopback(host))
                return "is an http:// URL of another host: an attacker on the network could substitute keys; use "
                       "https://";
        return NULL;
}

static cd_status new_fetch(struct cd_source *source, const struct cd_source_options *options, struct cd_error *reterr)
{
        const struct cd_fetch_options fetch = {
                .connect_timeout_ms = options->connect_timeout_ms,
                .total_timeout_ms = options->timeout_ms,
                .response_max = CD_SOURCE_TEXT_MAX + HEADERS_MAX,
                .idle_handles = 1,
                .user_agent = CD_STR("libcardea/" CD_VERSION),
                .ca_file = options->ca_file,
        };
        return cd_fetch_new(&fetch, &source->fetch, reterr);
}

static cd_status check_options(const struct cd_source_options *options, bool is_url, struct cd_error *reterr)
{
        char path[4096];

        const char *wrong = is_url ? cd_source_check_url(options->jwks, options->allow_http) : NULL;
        if (wrong)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("jwks"), "jwks %s", wrong);
        if (options->ca_file.len >= sizeof(path))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("ca_file"), "ca_file is too long");
        if (options->ca_file.len) {
                memcpy(path, options->ca_file.ptr, options->ca_file.len);
                path[options->ca_file.len] = '\0';
                if (access(path, R_OK) < 0)
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("ca_file"), "ca_file cannot be read: %s",
                                        strerrordesc_np(errno));
        }
        return CD_OK;
}

static bool has_scheme(cd_str s)
{
        for (size_t i = 0; i + 3 <= s.len; i++)
                if (memcmp(s.ptr + i, "://", 3) == 0)
                        return true;
        return false;
}

cd_status cd_source_new(const struct cd_source_options *options, struct cd_source **ret, struct cd_error *reterr)
{
        bool is_url = has_scheme(options->jwks);

        cd_status status = check_options(options, is_url, reterr);
        if (status != CD_OK)
                return status;
        struct cd_source *source = calloc(1, sizeof(*source));
        char *copy = strndup(options->jwks.ptr, options->jwks.len);
        if (!source || !copy) {
                free(source);
                free(copy);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a verifier");
        }
        if (is_url) {
                source->url = copy;
                status = new_fetch(source, options, reterr);
        } else {
                source->path = copy;
        }
        if (status != CD_OK) {
                cd_source_free(source);
                return status;
        }
        *ret = source;
        return CD_OK;
}

void cd_source_free(struct cd_source *source)
{
        if (!source)
                return;
        cd_fetch_free(source->fetch);
        free(source->path);
        free(source->url);
        free(source);
}

bool cd_source_is_file(const struct cd_source *source)
{
        return source->path != NULL;
}

static cd_status read_url(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        const struct cd_fetch_request request = { .url = cd_str_from_c(source->url), .arena = arena };
        struct cd_fetch_response response;

        cd_status status = cd_fetch_call(source->fetch, &request, &response, reterr);
        if (status != CD_OK)
                return status;
        if (response.status >= 300 && response.status <= 399)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("jwks"),
                                "the server answered %d; redirects are not followed", response.status);
        if (response.status != 200)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("jwks"), "the server answered %d", response.status);
        *ret = response.body;
        return CD_OK;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static cd_status fail_file(struct cd_error *reterr, const char *what)
{
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("jwks"), "the key file %s: %s", what, strerrordesc_np(errno));
}

static cd_status read_open(struct cd_source *source, int fd, struct cd_arena *arena, cd_str *ret,
                           struct cd_error *reterr)
{
        size_t len = 0;

        if (fstat(fd, &source->seen) < 0)
                return fail_file(reterr, "cannot be read");
        if (!S_ISREG(source->seen.st_mode))
                return cd_fail_field(reterr, CD_UNAVAILABLE, CD_STR("jwks"), "the key file is not a regular file");
        if (is_same_file(&source->seen, &source->kept)) {
                *ret = (cd_str){ NULL, 0 };
                return CD_OK;
        }
        char *text = cd_arena_alloc(arena, CD_SOURCE_TEXT_MAX + 1);
        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a set of keys");
        while (len <= CD_SOURCE_TEXT_MAX) {
                ssize_t n = read(fd, text + len, CD_SOURCE_TEXT_MAX + 1 - len);
                if (n < 0 && errno != EINTR)
                        return fail_file(reterr, "cannot be read");
                if (n == 0)
                        break;
                len += n > 0 ? (size_t)n : 0;
        }
        *ret = cd_str_of(text, len); /* of a larger file one byte too many, which cd_jwks_parse rejects */
        return CD_OK;
}

static cd_status read_file(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block here */

        if (fd < 0)
                return fail_file(reterr, "cannot be opened");
        cd_status status = read_open(source, fd, arena, ret, reterr);
        close(fd);
        return status;
}

cd_status cd_source_read(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        return source->path ? read_file(source, arena, ret, reterr) : read_url(source, arena, ret, reterr);
}

void cd_source_keep(struct cd_source *source)
{
        source->kept = source->seen;
}
