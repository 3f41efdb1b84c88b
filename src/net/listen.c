#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
        BACKLOG = 4096,
        /* connections accepted in one turn, so that a flood of them does not delay open connections */
        ACCEPT_BATCH = 64,
        PAUSE_MS = 100,
};

/* ---- opening ---- */

void cd_listen_format(const struct sockaddr_storage *address, char to[CD_LISTEN_TEXT_MAX])
{
        bool is_ipv6 = address->ss_family == AF_INET6;
        struct cd_address plain;
        char text[CD_ADDRESS_TEXT_MAX];
        int len = cd_address_from_socket((const struct sockaddr *)address, &plain)
                          ? (int)cd_address_format(&plain, text)
                          : 0;

        snprintf(to, CD_LISTEN_TEXT_MAX, "%s%.*s%s:%u", is_ipv6 ? "[" : "", len, text, is_ipv6 ? "]" : "",
                 (unsigned)cd_socket_port(address));
}

const char *cd_listen_fix(bool is_unix, int error)
{
        if (error == EADDRINUSE)
                return is_unix ? "choose another path, or stop the program that listens there"
                               : "choose another port, or stop the program that listens there";
        if (error == EMFILE || error == ENFILE)
                return "raise the limit of open files (LimitNOFILE= in a unit, ulimit -n in a shell)";
        if (is_unix)
                return "choose a new path, in a folder that exists and that the service may write to";
        if (error == EACCES)
                return "ports below 1024 need a right: have systemd open it (a socket unit, listen: systemd:NAME), set "
                       "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, lower "
                       "net.ipv4.ip_unprivileged_port_start by sysctl, or listen above 1023 behind a proxy or a "
                       "redirect";
        return "choose an address of this machine, which ip address lists";
}

static cd_status fail(const struct sockaddr_storage *address, struct cd_error *reterr)
{
        int error = errno;
        char text[CD_LISTEN_TEXT_MAX], owner[CD_LISTEN_OWNER_MAX] = "";

        cd_listen_format(address, text);
        if (error == EADDRINUSE)
                cd_listen_owner(address, owner);
        cd_status status = cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "%s cannot be listened on: %s%s%s; %s",
                                    text, strerror(error), *owner ? " by " : "", owner, cd_listen_fix(false, error));
        errno = error;
        return status;
}

/* errno stays what made it fail. */
static void close_failed(int fd)
{
        int error = errno;

        close(fd);
        errno = error;
}

static cd_status open_socket(const struct sockaddr_storage *address, bool shared, bool ipv6_only, int *ret,
                             struct cd_error *reterr)
{
        bool is_ipv6 = address->ss_family == AF_INET6;
        socklen_t size = is_ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        int on = 1, only = ipv6_only, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return fail(address, reterr);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (shared)
                setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        if (is_ipv6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
        /* Accepted connections inherit it, which saves a system call for each. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (bind(fd, (const struct sockaddr *)address, size) != 0) {
                cd_status status = fail(address, reterr);
                close_failed(fd);
                return status;
        }
        *ret = fd;
        return CD_OK;
}

cd_status cd_listen_open(struct sockaddr_storage *address, bool shared, bool ipv6_only, int *ret,
                         struct cd_error *reterr)
{
        socklen_t size = sizeof(*address);
        cd_status status = open_socket(address, shared, ipv6_only, ret, reterr);

        if (status == CD_OK)
                getsockname(*ret, (struct sockaddr *)address, &size);
        return status;
}

/* ---- Unix sockets ---- */

static cd_status fail_path(cd_str path, const char *what, struct cd_error *reterr)
{
        int error = errno;

        cd_status status =
                cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "unix:%.*s cannot be listened on: %s%s%s; %s",
                         CD_STR_ARG(path), what, *what ? ": " : "", strerror(error), cd_listen_fix(true, error));
        errno = error;
        return status;
}

/* Makes the path free: nothing is there, or a socket on which no server answers, which is removed. */
static cd_status clear_path(const struct sockaddr_un *address, cd_str path, struct cd_error *reterr)
{
        struct stat found;

        if (lstat(address->sun_path, &found) != 0)
                return errno == ENOENT ? CD_OK : fail_path(path, "stat", reterr);
        if (!S_ISSOCK(found.st_mode)) {
                errno = EEXIST;
                return fail_path(path, "the path is not a socket", reterr);
        }
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return fail_path(path, "socket", reterr);
        bool is_unused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
        close(fd);
        if (!is_unused) {
                errno = EADDRINUSE;
                return fail_path(path, "another program answers there", reterr);
        }
        return unlink(address->sun_path) == 0 ? CD_OK : fail_path(path, "remove the old socket", reterr);
}

static cd_status set_group(const char *path, const struct cd_listen_unix *options, struct cd_error *reterr)
{
        char name[64], memory[64 * 1024];
        struct group group, *found = NULL;

        if (options->group.len >= sizeof(name))
                return cd_fail(reterr, CD_INVALID_REQUEST, "group: the name is too long");
        snprintf(name, sizeof(name), "%.*s", CD_STR_ARG(options->group));
        if (getgrnam_r(name, &group, memory, sizeof(memory), &found) != 0 || !found)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("listen"),
                                "group: \"%s\" is not a group of this machine", name);
        return chown(path, (uid_t)-1, found->gr_gid) == 0 ? CD_OK
                                                          : fail_path(options->path, "change its group", reterr);
}

static cd_status set_rights(const struct sockaddr_un *address, const struct cd_listen_unix *options,
                            struct cd_error *reterr)
{
        cd_status status = options->group.len ? set_group(address->sun_path, options, reterr) : CD_OK;

        if (status == CD_OK && options->mode >= 0 && chmod(address->sun_path, (mode_t)options->mode) != 0)
                return fail_path(options->path, "change its mode", reterr);
        return status;
}

/* Nobody reaches it before its rights are set: Linux gives the file the mode of the socket, less the umask, which is of
 * the whole process and stays as it is. */
static cd_status bind_unix(int fd, const struct sockaddr_un *address, const struct cd_listen_unix *options,
                           struct cd_error *reterr)
{
        bool is_free = options->mode < 0 && !options->group.len;

        if ((!is_free && fchmod(fd, 0600) != 0) || bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
                return fail_path(options->path, "", reterr);
        cd_status status = set_rights(address, options, reterr);
        if (status != CD_OK) {
                int error = errno;
                unlink(address->sun_path);
                errno = error;
        }
        return status;
}

static bool fill_address(cd_str path, struct sockaddr_un *ret)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (path.len >= sizeof(ret->sun_path))
                return false;
        memcpy(ret->sun_path, path.ptr, path.len);
        return true;
}

cd_status cd_listen_open_unix(const struct cd_listen_unix *options, int *ret, struct cd_listen_file *retfile,
                              struct cd_error *reterr)
{
        struct sockaddr_un address;
        struct stat made;

        if (!fill_address(options->path, &address))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path of a Unix socket is too long");
        cd_status status = clear_path(&address, options->path, reterr);
        if (status != CD_OK)
                return status;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return fail_path(options->path, "socket", reterr);
        status = bind_unix(fd, &address, options, reterr);
        if (status != CD_OK) {
                close_failed(fd);
                return status;
        }
        *retfile = (struct cd_listen_file){ 0 };
        if (lstat(address.sun_path, &made) == 0)
                *retfile = (struct cd_listen_file){ made.st_dev, made.st_ino };
        *ret = fd;
        return CD_OK;
}

/* Somebody may have put another file in its place. */
static bool is_file(const struct sockaddr_un *address, const struct cd_listen_file *file)
{
        struct stat found;

        return lstat(address->sun_path, &found) == 0 && found.st_dev == file->device && found.st_ino == file->inode;
}

bool cd_listen_is_file_gone(cd_str path)
{
        struct sockaddr_un address;
        struct stat found;

        return fill_address(path, &address) && lstat(address.sun_path, &found) != 0 && errno == ENOENT;
}

cd_status cd_listen_set_rights(const struct cd_listen_unix *options, const struct cd_listen_file *file, mode_t umask,
                               struct cd_error *reterr)
{
        struct cd_listen_unix all = *options;
        struct sockaddr_un address;

        if (!fill_address(options->path, &address))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path of a Unix socket is too long");
        if (!file->inode || !is_file(&address, file))
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"),
                                "the file of unix:%.*s is another one; take the address out of the "
                                "configuration, reload, and put it back",
                                CD_STR_ARG(options->path));
        if (all.mode < 0)
                all.mode = all.group.len ? 0600 : (int)(0777 & ~umask); /* as cd_listen_open_unix has it */
        if (!all.group.len && chown(address.sun_path, (uid_t)-1, getegid()) != 0)
                return fail_path(options->path, "change its group", reterr);
        return set_rights(&address, &all, reterr);
}

void cd_listen_remove_unix(cd_str path, const struct cd_listen_file *file)
{
        struct sockaddr_un address;

        if (file->inode && fill_address(path, &address) && is_file(&address, file))
                unlink(address.sun_path);
}

/* ---- sockets of systemd ---- */

enum {
        FIRST_PASSED = 3, /* SD_LISTEN_FDS_START */
        PASSED_MAX = 1024,
};

bool cd_listen_passed(size_t index, cd_str *ret)
{
        const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
        cd_str names = cd_str_from_c(getenv("LISTEN_FDNAMES"));
        uint64_t ours, most;

        if (!pid || !count || !cd_str_to_u64(cd_str_from_c(pid), &ours) || ours != (uint64_t)getpid() ||
            !cd_str_to_u64(cd_str_from_c(count), &most) || index >= most)
                return false;
        for (size_t i = 0; i <= index; i++)
                if (!cd_str_take_until(&names, ':', ret) || !ret->len)
                        *ret = CD_STR("unknown");
        return true;
}

/* -1 if no socket has that name. */
static int find_passed(cd_str name)
{
        cd_str each;

        for (size_t i = 0; i < PASSED_MAX && cd_listen_passed(i, &each); i++)
                if (cd_str_eq(each, name))
                        return FIRST_PASSED + (int)i;
        return -1;
}

cd_status cd_listen_take_systemd(cd_str name, int *ret, bool *ret_is_unix, struct cd_error *reterr)
{
        int passed = find_passed(name), on = 1, type = 0;
        struct sockaddr_storage address = { 0 };
        socklen_t size = sizeof(address), type_size = sizeof(type);

        if (passed < 0)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"),
                                "systemd:%.*s cannot be listened on: systemd passed no socket with this name; set "
                                "FileDescriptorName= in the socket unit",
                                CD_STR_ARG(name));
        if (getsockopt(passed, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_STREAM ||
            getsockname(passed, (struct sockaddr *)&address, &size) != 0)
                return cd_failf(
                        reterr, CD_UNAVAILABLE, CD_STR("listen"),
                        "systemd:%.*s cannot be listened on: it is not a stream socket; use ListenStream= in the "
                        "socket unit",
                        CD_STR_ARG(name));
        int fd = fcntl(passed, F_DUPFD_CLOEXEC, FIRST_PASSED);
        if (fd < 0)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "systemd:%.*s: %s", CD_STR_ARG(name),
                                strerror(errno));
        fcntl(fd, F_SETFL, O_NONBLOCK);
        *ret_is_unix = address.ss_family == AF_UNIX;
        if (!*ret_is_unix)
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        *ret = fd;
        return CD_OK;
}

/* ---- accepting ---- */

static bool is_shortage(int error)
{
        return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void pause_accepting(struct cd_acceptor *acceptor, int error)
{
        uv_poll_stop(&acceptor->poll);
        cd_loop_set_deadline(acceptor->loop, &acceptor->resume, PAUSE_MS);
        if (!acceptor->is_short)
                acceptor->events->paused(acceptor, error);
        acceptor->is_short = true;
}

/* The kernel's queue is empty. */
static void has_accepted_all(struct cd_acceptor *acceptor)
{
        if (acceptor->is_short)
                acceptor->events->resumed(acceptor);
        acceptor->is_short = false;
}

static void accept_some(struct cd_acceptor *acceptor, int most)
{
        for (int i = 0; i < most; i++) {
                struct sockaddr_storage from = { 0 };
                socklen_t size = sizeof(from);
                struct cd_address peer;
                int fd = accept4(acceptor->fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0) {
                        bool is_known = cd_address_from_socket((struct sockaddr *)&from, &peer);
                        acceptor->events->accepted(acceptor, fd, is_known ? &peer : NULL);
                } else if (is_shortage(errno)) {
                        pause_accepting(acceptor, errno);
                        return;
                } else if (errno != ECONNABORTED && errno != EINTR) {
                        has_accepted_all(acceptor);
                        return;
                }
        }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        (void)status, (void)events;
        accept_some(poll->data, ACCEPT_BATCH);
}

static void on_resume(struct cd_deadline *deadline)
{
        struct cd_acceptor *acceptor = (void *)((char *)deadline - offsetof(struct cd_acceptor, resume));

        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

cd_status cd_listen_begin(int fd, struct cd_error *reterr)
{
        if (listen(fd, BACKLOG) == 0)
                return CD_OK;
        int error = errno;
        cd_status status = cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "listen: %s", strerror(error));
        errno = error;
        return status;
}

cd_status cd_acceptor_start(struct cd_acceptor *acceptor, struct cd_loop *loop, int fd, struct cd_error *reterr)
{
        int err =
                listen(fd, BACKLOG) == 0 ? uv_poll_init(&loop->uv, &acceptor->poll, fd) : uv_translate_sys_error(errno);

        if (err != 0) {
                close(fd);
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("listen"), "listen: %s", uv_strerror(err));
        }
        acceptor->loop = loop;
        acceptor->fd = fd;
        acceptor->is_open = true;
        acceptor->poll.data = acceptor;
        acceptor->resume.expired = on_resume;
        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
        return CD_OK;
}

void cd_acceptor_finish(struct cd_acceptor *acceptor)
{
        if (acceptor->is_open)
                accept_some(acceptor, BACKLOG);
        cd_acceptor_close(acceptor);
}

static void on_closed(uv_handle_t *handle)
{
        struct cd_acceptor *acceptor = handle->data;

        if (acceptor->events->closed)
                acceptor->events->closed(acceptor);
}

void cd_acceptor_close(struct cd_acceptor *acceptor)
{
        if (!acceptor->is_open)
                return;
        acceptor->is_open = false;
        has_accepted_all(acceptor); /* or never will */
        cd_loop_cancel_deadline(acceptor->loop, &acceptor->resume);
        uv_poll_stop(&acceptor->poll);
        uv_close((uv_handle_t *)&acceptor->poll, on_closed);
        close(acceptor->fd);
}
