#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/probe.h"
#include "net/listen_address.h"

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
        struct cd_listen_address where;
        int one = 1, error = 0;

        if (cd_listen_address_parse(address, &where, NULL) != CD_OK || where.kind == CD_LISTEN_SYSTEMD)
                return EINVAL;
        if (where.kind == CD_LISTEN_UNIX)
                return probe_unix(where.path);
        int fd = socket(where.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return errno;
        /* SO_REUSEADDR for ports in TIME_WAIT, but not SO_REUSEPORT, because another server's port must not seem
         * free. */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&where.socket, sizeof(where.socket)) < 0 || listen(fd, 1) < 0)
                error = errno;
        close(fd);
        return error;
}
