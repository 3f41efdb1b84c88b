#include "app/config_authority.h"

#include "base/address.h"

static bool is_port(cd_str text)
{
        uint64_t port;

        return cd_str_to_u64(text, &port) && port > 0 && port <= 65535;
}

static bool is_host_name(cd_str text)
{
        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i], lower = c | 0x20;
                if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
                        return false;
        }
        return text.len > 0;
}

bool cd_config_authority_parse(cd_str text, bool *ret_local)
{
        bool bracketed = cd_str_has_prefix(text, CD_STR("["));
        size_t end = bracketed ? cd_str_index(text, ']') : cd_str_index(text, ':');
        cd_str host = cd_str_slice(text, bracketed, end - bracketed),
               rest = cd_str_slice(text, end + bracketed, text.len);
        struct cd_address address;

        if (bracketed && (end == text.len || cd_str_index(host, ':') == host.len || !cd_address_parse(host, &address)))
                return false;
        if (!bracketed && !is_host_name(host))
                return false;
        if (rest.len && (rest.ptr[0] != ':' || !is_port(cd_str_slice(rest, 1, rest.len))))
                return false;
        *ret_local = cd_str_eq_nocase(host, CD_STR("localhost")) ||
                     (cd_address_parse(host, &address) && cd_address_is_loopback(&address));
        return true;
}
