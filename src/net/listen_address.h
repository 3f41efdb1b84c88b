#pragma once
/* The address of a listener, as the settings `listen` and `redirect_listen` give it. Nothing is resolved or opened. */
#include <sys/socket.h>

#include "base/status.h"

enum cd_listen_kind {
        CD_LISTEN_TCP,     /* "127.0.0.1:5001" or "[::1]:5001"; names are not resolved */
        CD_LISTEN_UNIX,    /* "unix:/run/cardea/http.sock" */
        CD_LISTEN_SYSTEMD, /* "systemd:http": a socket that systemd passes with this FileDescriptorName= */
};

enum {
        CD_LISTEN_PATH_MAX = 107, /* bytes of sun_path without its NUL (unix(7)) */
        CD_LISTEN_NAME_MAX = 255, /* the limit in systemd */
};

struct cd_listen_address {
        enum cd_listen_kind kind;
        struct sockaddr_storage socket; /* TCP; else all zero */
        cd_str path;                    /* UNIX: absolute, 1 to CD_LISTEN_PATH_MAX bytes, no control characters */
        cd_str name;                    /* SYSTEMD: 1 to CD_LISTEN_NAME_MAX printable ASCII characters without ':' */
};

/* `path` and `name` are views into `text`. CD_INVALID_REQUEST with field "listen" for any other text. The reason quotes
 * the text (shortened if long) and says what is wrong with it and what to write. */
cd_status cd_listen_address_parse(cd_str text, struct cd_listen_address *ret, struct cd_error *reterr);
