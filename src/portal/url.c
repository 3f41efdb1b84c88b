#include "portal/url.h"

static bool is_plain(cd_str text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                if (c <= ' ' || c > '~' || strchr("\"'<>\\`", c))
                        return false;
        }
        return text.len > 0 && text.len <= CD_PAGE_URL_MAX;
}

/* What follows "https://": a host, and before its end nothing that moves it elsewhere. */
static bool has_host(cd_str rest)
{
        size_t end = 0;

        while (end < rest.len && !strchr("/?#", rest.ptr[end]))
                end++;
        cd_str authority = cd_str_slice(rest, 0, end);
        return end > 0 && authority.ptr[0] != ':' && cd_str_index(authority, '@') == authority.len;
}

cd_status cd_page_url_check(cd_str text, struct cd_page_url *ret)
{
        cd_str schemes[] = { CD_STR("https://"), CD_STR("http://") };

        if (!is_plain(text))
                return CD_MALFORMED;
        if (text.ptr[0] == '/') {
                if (cd_str_has_prefix(text, CD_STR("//")))
                        return CD_MALFORMED;
                ret->checked = text;
                return CD_OK;
        }
        for (size_t i = 0; i < CD_LEN(schemes); i++)
                if (cd_str_has_prefix(text, schemes[i]) && has_host(cd_str_slice(text, schemes[i].len, text.len))) {
                        ret->checked = text;
                        return CD_OK;
                }
        return CD_MALFORMED;
}

cd_status cd_page_url_check_otpauth(cd_str text, struct cd_page_url *ret)
{
        cd_str start = CD_STR("otpauth://totp/");

        if (!is_plain(text) || !cd_str_has_prefix(text, start) || text.len == start.len)
                return CD_MALFORMED;
        ret->checked = text;
        return CD_OK;
}

cd_str cd_page_url_origin(cd_str url)
{
        size_t host = cd_str_index(url, ':') + 3;

        if (host > url.len || cd_str_has_prefix(url, CD_STR("/")))
                return (cd_str){ 0 };
        return cd_str_slice(url, 0, host + cd_str_index(cd_str_slice(url, host, url.len), '/'));
}
