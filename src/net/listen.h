#pragma once
/* Listening sockets: opened before privileges are dropped; accept connections on each loop. */
#include "net/loop.h"
#include "base/address.h"

enum {
        CD_LISTEN_TEXT_MAX = CD_ADDRESS_TEXT_MAX + 8,
};

/* Opens a socket on the address and writes the port that it got back. `shared`: other sockets of this process listen on
 * the same address (SO_REUSEPORT). An IPv6 socket accepts IPv4 too unless `ipv6_only`. CD_UNAVAILABLE, field "listen",
 * with the address in the reason. */
cd_status cd_listen_open(struct sockaddr_storage *address, bool shared, bool ipv6_only, int *ret,
                         struct cd_error *reterr);
/* Describes a socket in the file system. */
struct cd_listen_unix {
        cd_str path;
        int mode;     /* permissions; -1: from the umask */
        cd_str group; /* empty: the group of the process */
};

/* Identifies the file of a Unix socket, so that it is removed only if this process created it. */
struct cd_listen_file {
        uint64_t device, inode; /* 0: none */
};

/* Opens a Unix socket. An existing socket is replaced only if no server answers on it; any other file is left alone.
 * Errors as for cd_listen_open. */
cd_status cd_listen_open_unix(const struct cd_listen_unix *options, int *ret, struct cd_listen_file *retfile,
                              struct cd_error *reterr);
/* Whether there is no file at the path of a socket of ours: nobody can connect to it any more. */
bool cd_listen_is_file_gone(cd_str path);
/* Gives the file of a socket of ours the mode and the group of *options. `umask`: of the process, for a mode of -1.
 * Errors as above; the file may then have one of the two. CD_UNAVAILABLE too where another file is in its place. */
cd_status cd_listen_set_rights(const struct cd_listen_unix *options, const struct cd_listen_file *file, mode_t umask,
                               struct cd_error *reterr);
/* Removes the socket's file, where it is still that one. */
void cd_listen_remove_unix(cd_str path, const struct cd_listen_file *file);
/* How to fix the error if listening on an address failed. Static. */
const char *cd_listen_fix(bool is_unix, int error);
enum {
        CD_LISTEN_OWNER_MAX = 96, /* bytes, with the NUL */
};
/* Who has a TCP address that is in use: "nginx (process 812)", or "a program of user www-data" where the kernel does
 * not show this process more; empty: not known. */
void cd_listen_owner(const struct sockaddr_storage *address, char to[CD_LISTEN_OWNER_MAX]);
/* The name of the socket that systemd passed at this index; "unknown" if it has none (sd_listen_fds_with_names(3)).
 * False if there is no such socket. */
bool cd_listen_passed(size_t index, cd_str *ret);
/* Returns a socket that systemd opened for this process (sd_listen_fds(3)), as a new descriptor. `ret_is_unix`: whether
 * it is a Unix socket. */
cd_status cd_listen_take_systemd(cd_str name, int *ret, bool *ret_is_unix, struct cd_error *reterr);

/* The kernel takes connections from now on, and keeps them until an acceptor starts. */
cd_status cd_listen_begin(int fd, struct cd_error *reterr);

/* "127.0.0.1:5001", "[::1]:5001"; NUL-terminated. */
void cd_listen_format(const struct sockaddr_storage *address, char to[CD_LISTEN_TEXT_MAX]);

struct cd_acceptor;
struct cd_acceptor_events {
        /* A new connection; the callee owns the socket. `peer` is NULL for a Unix socket. */
        void (*accepted)(struct cd_acceptor *acceptor, int fd, const struct cd_address *peer);
        /* Descriptors or memory are exhausted (`error` is an errno): the acceptor pauses for a moment,
         * and new connections wait in the kernel's queue. Called once until that queue has been
         * emptied, which calls `resumed`. */
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
        const void *listener; /* belongs to the owner */
        struct cd_deadline resume;
        int fd;
        bool is_unix;
        bool is_open;
        bool is_short; /* `paused` was called */
};

/* Listens and accepts on the loop. Takes ownership of the socket, also on failure. */
cd_status cd_acceptor_start(struct cd_acceptor *acceptor, struct cd_loop *loop, int fd, struct cd_error *reterr);
/* Accepts the connections in the kernel's queue, which a close would reset, then closes. On the loop's thread. */
void cd_acceptor_finish(struct cd_acceptor *acceptor);
/* Closes the socket; no further connections are accepted. Does nothing if it is closed. */
void cd_acceptor_close(struct cd_acceptor *acceptor);
