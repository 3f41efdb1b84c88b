#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/probe.h"

/* Fills *ret from "ADDRESS:PORT", whose form the check of the settings' table has validated. */
static socklen_t parse_address(cd_str text, struct sockaddr_storage *ret)
{
        struct sockaddr_in *v4 = (void *)ret;
        struct sockaddr_in6 *v6 = (void *)ret;
        size_t colon = text.len;
        uint64_t port = 0;
        char host[64];

        while (colon && text.ptr[colon - 1] != ':')
                colon--;
        if (!colon || !cd_str_to_u64(cd_str_slice(text, colon, text.len), &port) || port > 65535)
                return 0;
        bool bracketed = text.ptr[0] == '[' && colon > 2;
        cd_str address = cd_str_slice(text, bracketed, colon - 1 - (bracketed ? 2 : 0));
        if (address.len >= sizeof(host))
                return 0;
        memcpy(host, address.ptr, address.len);
        host[address.len] = '\0';
        memset(ret, 0, sizeof(*ret));
        if (bracketed) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons((uint16_t)port);
                return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
        }
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? sizeof(*v4) : 0;
}

/* Whether a new socket could be created in the folder. */
static int probe_folder(const char *path)
{
        char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
        size_t len = strlen(path);

        while (len > 1 && path[len - 1] != '/')
                len--;
        memcpy(folder, path, len);
        folder[len] = '\0';
        return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

static int probe_unix(cd_str path)
{
        struct sockaddr_un where = { .sun_family = AF_UNIX };
        struct stat status;

        if (path.len >= sizeof(where.sun_path))
                return ENAMETOOLONG;
        memcpy(where.sun_path, path.ptr, path.len);
        if (lstat(where.sun_path, &status) < 0)
                return errno == ENOENT ? probe_folder(where.sun_path) : errno;
        if (!S_ISSOCK(status.st_mode))
                return EEXIST;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return errno;
        int error = connect(fd, (struct sockaddr *)&where, sizeof(where)) < 0 ? errno : 0;
        close(fd);
        if (error == ECONNREFUSED) /* no program listens there any more */
                return 0;
        return error == 0 || error == EAGAIN ? EADDRINUSE : error;
}

int cd_probe_listen(cd_str address)
{
        struct sockaddr_storage where;

        if (cd_str_has_prefix(address, CD_STR("unix:")))
                return probe_unix(cd_str_slice(address, 5, address.len));
        socklen_t size = parse_address(address, &where);
        int one = 1, error = 0;

        if (!size)
                return EINVAL;
        int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return errno;
        /* SO_REUSEADDR for ports in TIME_WAIT, but not SO_REUSEPORT, because another server's port must not seem
         * free. */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&where, size) < 0 || listen(fd, 1) < 0)
                error = errno;
        close(fd);
        return error;
}
