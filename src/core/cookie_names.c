#include "core/cookie_names.h"

#define THREE(name)                                                                                                    \
        CD_STR_INIT("__Host-cardea_" name), CD_STR_INIT("__Secure-cardea_" name), CD_STR_INIT("cardea_" name)

static const cd_str names[] = {
        THREE("session"), THREE("login"),  THREE("form"), THREE("enrol"),
        THREE("invite"),  THREE("return"), THREE("lang"),
};
const struct cd_strs cd_own_cookie_names = { names, CD_LEN(names) };

cd_str cd_session_cookie_name(bool is_https, bool has_domain)
{
        if (!is_https)
                return CD_STR("cardea_session");
        return has_domain ? CD_STR("__Secure-cardea_session") : CD_STR("__Host-cardea_session");
}
