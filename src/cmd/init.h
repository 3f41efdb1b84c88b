#pragma once
/* The options of cardea init, and what its parts share. */
#include "base/buf.h"
#include "cmd/init_files.h"

enum {
        INIT_TEXT_MAX = 64 * 1024,  /* bytes of a configuration */
        INIT_SOCKET_PATH_MAX = 107, /* bytes of the path of a Unix socket (unix(7)) */
};

struct init {
        const char *command;
        const char *dir, *listen, *issuer, *store, *user;
        const char *control; /* the control socket; NULL: none */
        cd_str host;         /* the host of listen, without its port */
        unsigned port;
        struct cd_arena arena;
        struct init_files files;
};

/* Writes the configurations, the master key and the certificate into init->files. CD_EXISTS, CD_UNAVAILABLE,
 * CD_NO_MEMORY, CD_TOO_LARGE. */
cd_status init_write(struct init *init, struct cd_error *reterr);
