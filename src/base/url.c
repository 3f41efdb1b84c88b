#include "base/url.h"

bool cd_url_split(cd_str url, struct cd_url *ret)
{
        cd_str https = CD_STR("https://"), http = CD_STR("http://");
        size_t end = 0;

        *ret = (struct cd_url){ .is_https = cd_str_has_prefix(url, https) };
        if (!ret->is_https && !cd_str_has_prefix(url, http))
                return false;
        cd_str rest = cd_str_slice(url, ret->is_https ? https.len : http.len, url.len);
        while (end < rest.len && !memchr("/?#", rest.ptr[end], 3))
                end++;
        ret->authority = cd_str_slice(rest, 0, end);
        ret->rest = cd_str_slice(rest, end, rest.len);
        return true;
}
