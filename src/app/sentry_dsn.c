#include "app/sentry_dsn.h"

#include "app/config_authority.h"
#include "base/url.h"

static bool is_made_of(cd_str text, bool (*fits)(char c))
{
        for (size_t i = 0; i < text.len; i++)
                if (!fits(text.ptr[i]))
                        return false;
        return text.len > 0;
}

static bool is_word(char c)
{
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_';
}

static bool is_path(char c)
{
        return is_word(c) || c == '/' || c == '.';
}

const char *cd_sentry_dsn_parse(cd_str text, struct cd_sentry_dsn *ret)
{
        struct cd_url url;
        cd_str user;

        *ret = (struct cd_sentry_dsn){ 0 };
        if (!cd_url_split(text, &url))
                return "does not begin with https://";
        ret->is_https = url.is_https;
        size_t at = cd_str_index(url.authority, '@');
        if (at == url.authority.len)
                return "has no key: KEY@ is missing before the host";
        user = cd_str_slice(url.authority, 0, at);
        ret->key = cd_str_slice(user, 0, cd_str_index(user, ':')); /* old DSNs have a secret too, which is not used */
        ret->authority = cd_str_slice(url.authority, at + 1, url.authority.len);
        if (!is_made_of(ret->key, is_word))
                return "has no key, or a key with other characters than letters and digits, before the @";
        if (!ret->authority.len)
                return "has no host after the @";
        if (!cd_config_authority_parse(ret->authority, &ret->is_local))
                return "has a host that is neither a name nor an address, with or without a port";
        size_t slash = url.rest.len;
        while (slash && url.rest.ptr[slash - 1] != '/')
                slash--;
        ret->project = cd_str_slice(url.rest, slash, url.rest.len);
        ret->path = cd_str_slice(url.rest, 0, slash ? slash - 1 : 0);
        if (!is_made_of(ret->project, is_word) || (ret->path.len && !is_made_of(ret->path, is_path)))
                return "has no project: the number at its end, after the last /, is missing";
        return NULL;
}

cd_str cd_sentry_dsn_url(const struct cd_sentry_dsn *dsn, struct cd_arena *arena)
{
        return cd_arena_printf(arena, "%s://%.*s%.*s/api/%.*s/envelope/", dsn->is_https ? "https" : "http",
                               CD_STR_ARG(dsn->authority), CD_STR_ARG(dsn->path), CD_STR_ARG(dsn->project));
}
