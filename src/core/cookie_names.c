#include "core/cookie_names.h"

static const cd_str prefixes[] = { CD_STR_INIT("__Host-cardea_"), CD_STR_INIT("__Secure-cardea_"),
                                   CD_STR_INIT("cardea_") };
const struct cd_strs cd_own_cookie_prefixes = { prefixes, CD_LEN(prefixes) };

cd_str cd_session_cookie_name(bool is_https, bool has_domain)
{
        if (!is_https)
                return CD_STR("cardea_session");
        return has_domain ? CD_STR("__Secure-cardea_session") : CD_STR("__Host-cardea_session");
}
