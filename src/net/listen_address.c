#include "net/listen_address.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == CD_LISTEN_PATH_MAX + 1, "a path must fit with its NUL");

/* Quotes only the beginning of the text, so that a long text does not displace the fix from the reason. */
static cd_status refuse(cd_str text, const char *why_and_fix, struct cd_error *reterr)
{
        enum {
                SHOWN_MAX = 160
        };

        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("listen"), "\"%.*s\" %s",
                        CD_STR_ARG(cd_str_slice(text, 0, SHOWN_MAX)), why_and_fix);
}

/* Brackets are required for IPv6 and not allowed otherwise; "[::ffff:1.2.3.4]" stays IPv6. */
static bool parse_host(cd_str host, struct sockaddr_storage *ret)
{
        struct sockaddr_storage socket = { 0 };
        struct cd_address address;
        bool is_bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

        if (is_bracketed)
                host = cd_str_slice(host, 1, host.len - 2);
        if (is_bracketed != (cd_str_index(host, ':') < host.len) || !cd_address_parse(host, &address))
                return false;
        socket.ss_family = is_bracketed ? AF_INET6 : AF_INET;
        if (is_bracketed)
                memcpy(&((struct sockaddr_in6 *)&socket)->sin6_addr, address.bytes, 16);
        else
                memcpy(&((struct sockaddr_in *)&socket)->sin_addr, address.bytes + 12, 4);
        *ret = socket;
        return true;
}

static cd_status parse_tcp(cd_str text, struct sockaddr_storage *ret, struct cd_error *reterr)
{
        size_t colon = text.len;
        uint64_t port;

        while (colon > 0 && text.ptr[colon - 1] != ':')
                colon--;
        if (colon == 0 || !cd_str_to_u64(cd_str_slice(text, colon, text.len), &port) || port > 65535 ||
            !parse_host(cd_str_slice(text, 0, colon - 1), ret))
                return refuse(text, "is not an address and a port like 127.0.0.1:5001 or [::1]:5001", reterr);
        cd_socket_set_port(ret, (uint16_t)port);
        return CD_OK;
}

static cd_status check_path(cd_str text, cd_str path, struct cd_error *reterr)
{
        if (path.len == 0 || path.ptr[0] != '/')
                return refuse(text, "has no absolute path; write it like unix:/run/cardea/http.sock", reterr);
        if (cd_str_has_control(path))
                return refuse(text, "contains a control character; choose a path without one", reterr);
        if (path.ptr[path.len - 1] == '/')
                return refuse(text, "is a folder; add the name of the socket", reterr);
        if (path.len > CD_LISTEN_PATH_MAX)
                return refuse(text,
                              "has more than 107 bytes after unix:, the limit for the path of a socket; "
                              "choose a shorter path",
                              reterr);
        return CD_OK;
}

static cd_status check_name(cd_str text, cd_str name, struct cd_error *reterr)
{
        if (name.len == 0)
                return refuse(text,
                              "has no name; write the FileDescriptorName= of the socket unit after systemd:", reterr);
        for (size_t i = 0; i < name.len; i++)
                if (name.ptr[i] < 0x20 || name.ptr[i] > 0x7e || name.ptr[i] == ':')
                        return refuse(text,
                                      "contains a character that is not allowed in FileDescriptorName=; "
                                      "use printable ASCII characters without \":\"",
                                      reterr);
        if (name.len > CD_LISTEN_NAME_MAX)
                return refuse(text,
                              "has more than 255 characters after systemd:, the limit for a "
                              "FileDescriptorName=; choose a shorter name",
                              reterr);
        return CD_OK;
}

cd_status cd_listen_address_parse(cd_str text, struct cd_listen_address *ret, struct cd_error *reterr)
{
        static const cd_str unix_prefix = CD_STR_INIT("unix:"), systemd_prefix = CD_STR_INIT("systemd:");
        struct cd_listen_address address = { 0 };
        cd_status status;

        if (cd_str_has_prefix(text, unix_prefix)) {
                address.kind = CD_LISTEN_UNIX;
                address.path = cd_str_slice(text, unix_prefix.len, text.len);
                status = check_path(text, address.path, reterr);
        } else if (cd_str_has_prefix(text, systemd_prefix)) {
                address.kind = CD_LISTEN_SYSTEMD;
                address.name = cd_str_slice(text, systemd_prefix.len, text.len);
                status = check_name(text, address.name, reterr);
        } else {
                status = parse_tcp(text, &address.socket, reterr);
        }
        if (status == CD_OK)
                *ret = address;
        return status;
}
