#include "service/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

void cd_notify_init(struct cd_notify *ret)
{
        const char *socket = getenv("NOTIFY_SOCKET");
        size_t len = socket ? strlen(socket) : 0;

        *ret = (struct cd_notify){ .address.sun_family = AF_UNIX };
        if (len > 1 && len < sizeof(ret->address.sun_path) && (socket[0] == '/' || socket[0] == '@')) {
                memcpy(ret->address.sun_path, socket, len);
                if (socket[0] == '@')
                        ret->address.sun_path[0] = '\0';
                /* All bytes up to the length are the name of an abstract socket. */
                ret->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        }
        unsetenv("NOTIFY_SOCKET");
}

cd_status cd_notify_send(const struct cd_notify *notify, const char *state, struct cd_error *reterr)
{
        static const struct timeval patience = { .tv_sec = 1 };

        if (!notify->address_len)
                return CD_OK;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        bool was_sent = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
                        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
                               notify->address_len) >= 0;
        int number = errno;
        if (fd >= 0)
                close(fd);
        if (was_sent)
                return CD_OK;
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "the service manager cannot be told: %s",
                        strerrordesc_np(number));
}
