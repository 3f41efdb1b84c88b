#pragma once
/* Tells the service manager how far a service is: the protocol of sd_notify(3), one datagram to the Unix socket that
 * $NOTIFY_SOCKET names. */
#include <sys/socket.h>
#include <sys/un.h>

#include "base/status.h"

struct cd_notify {
        struct sockaddr_un address;
        socklen_t address_len; /* 0: there is no manager to tell */
};

/* Reads the variable and removes it, so that no child speaks for the service. Call before the first thread is started.
 * A value that is neither an absolute path nor "@NAME" of an abstract socket counts as none. */
void cd_notify_init(struct cd_notify *ret);
/* `state`: lines, such as "READY=1\nSTATUS=serving". CD_UNAVAILABLE if it cannot be sent within a second; CD_OK if
 * there is no manager. Thread-safe. */
cd_status cd_notify_send(const struct cd_notify *notify, const char *state, struct cd_error *reterr);
