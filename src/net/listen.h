#pragma once
/* Sockets that listen: opened before privileges are given up, then accepting on each loop. */
#include "net/loop.h"
#include "net/address.h"

enum {
        CD_LISTEN_TEXT_MAX = CD_ADDRESS_TEXT_MAX + 8,
};

/* Where one of these fails with CD_UNAVAILABLE, errno says why. */

/* Opens a socket on the address; the port that it got is written back. `shared`: others of this process listen on it
 * too (SO_REUSEPORT). An IPv6 socket takes IPv4 as well unless `ipv6_only`. CD_UNAVAILABLE, field "listen", with the
 * address in the reason. */
cd_status cd_listen_open(struct sockaddr_storage *address, bool shared, bool ipv6_only, int *ret,
                         struct cd_error *reterr);
/* What a socket in the file system is made with. */
struct cd_listen_unix {
        cd_str path;
        int mode;     /* permissions; -1: by the umask */
        cd_str group; /* empty: that of the process */
};

/* Which file a Unix socket is, so that it is removed only while it is still ours. */
struct cd_listen_file {
        uint64_t device, inode; /* 0: none */
};

/* Opens a Unix socket. One that lies there already is replaced only when nobody answers on it; any other file is left
 * alone. Errors as above. */
cd_status cd_listen_open_unix(const struct cd_listen_unix *options, int *ret, struct cd_listen_file *retfile,
                              struct cd_error *reterr);
/* Gives the file of a socket of ours the mode and the group of *options. `umask`: of the process, for a mode of -1. Errors
 * as above; the file may then have one of the two. */
cd_status cd_listen_set_rights(const struct cd_listen_unix *options, mode_t umask, struct cd_error *reterr);
/* Removes the socket's file, where it is still that one. */
void cd_listen_remove_unix(cd_str path, const struct cd_listen_file *file);
/* What to do where an address cannot be listened on. Static. */
const char *cd_listen_fix(bool is_unix, int error);
/* The name of the socket that systemd has passed at this place, "unknown" where it has none
 * (sd_listen_fds_with_names(3)). False: there are no more. */
bool cd_listen_passed(size_t index, cd_str *ret);
/* A socket that systemd has opened for this process (sd_listen_fds(3)); a descriptor of its own. `ret_is_unix`: of
 * which kind. */
cd_status cd_listen_take_systemd(cd_str name, int *ret, bool *ret_is_unix, struct cd_error *reterr);

/* The kernel takes connections from now on, and keeps them until an acceptor starts. */
cd_status cd_listen_begin(int fd, struct cd_error *reterr);

/* "127.0.0.1:5001", "[::1]:5001"; NUL-terminated. */
void cd_listen_format(const struct sockaddr_storage *address, char to[CD_LISTEN_TEXT_MAX]);

struct cd_acceptor;
struct cd_acceptor_events {
        /* A connection: the socket is the callee's. `peer` NULL: a Unix socket. */
        void (*accepted)(struct cd_acceptor *acceptor, int fd, const struct cd_address *peer);
        /* Out of descriptors or memory (`error` is an errno): nothing is accepted for a moment, the kernel's queue
         * keeps what comes. Comes once until that queue has been empty, which `resumed` says. */
        void (*paused)(struct cd_acceptor *acceptor, int error);
        void (*resumed)(struct cd_acceptor *acceptor);
        /* The loop does not use it any more: its owner may free it. May be NULL. */
        void (*closed)(struct cd_acceptor *acceptor);
};

/* One listening socket on one loop. */
struct cd_acceptor {
        uv_poll_t poll;
        struct cd_loop *loop;
        const struct cd_acceptor_events *events;
        const void *listener; /* of the owner */
        struct cd_deadline resume;
        int fd;
        bool is_unix;
        bool is_open;
        bool is_short; /* `paused` was said */
};

/* Listens and accepts on the loop; takes the socket over also where it fails. */
cd_status cd_acceptor_start(struct cd_acceptor *acceptor, struct cd_loop *loop, int fd, struct cd_error *reterr);
/* Accepts what the kernel's queue holds, which a close would reset, and closes. From the loop's thread. */
void cd_acceptor_finish(struct cd_acceptor *acceptor);
/* Nothing more is accepted, and the socket is closed. Nothing where it is closed already. */
void cd_acceptor_close(struct cd_acceptor *acceptor);
