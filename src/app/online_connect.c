/* Names, connections and clocks of the online check. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "app/config_findings.h"
#include "app/online_task.h"
#include "app/sentry_dsn.h"
#include "base/clock.h"
#include "base/url.h"

enum {
        CLOCK_WARNING = 60, /* seconds */
        CLOCK_ERROR = 300,
};

static const char *const name_fix = "correct the name, or add it to the DNS or to /etc/hosts";

/* "HOST:PORT", "[ADDRESS]:PORT", each with or without the port. */
static void split(cd_str authority, const char *default_port, char host[256], char port[16])
{
        bool is_bracketed = cd_str_has_prefix(authority, CD_STR("["));
        size_t end = cd_str_index(authority, is_bracketed ? ']' : ':');
        cd_str name = cd_str_slice(authority, is_bracketed, end - is_bracketed);
        cd_str rest = cd_str_slice(authority, end + is_bracketed, authority.len);

        snprintf(host, 256, "%.*s", CD_STR_ARG(name));
        if (cd_str_has_prefix(rest, CD_STR(":")))
                snprintf(port, 16, "%.*s", CD_STR_ARG(cd_str_slice(rest, 1, rest.len)));
        else
                snprintf(port, 16, "%s", default_port);
}

static struct addrinfo *resolve(struct cd_online_task *task, const char *member, const char *host, const char *port)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;

        int error = getaddrinfo(host, port, &hints, &found);
        if (error == 0)
                return found;
        cd_online_note(task, CD_FINDING_ERROR, member, name_fix, "%s does not resolve: %s", host,
                       error == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(error));
        return NULL;
}

bool cd_online_resolves(struct cd_online_task *task, const char *member, cd_str url)
{
        char host[256], port[16];
        struct cd_url parts;

        cd_url_split(url, &parts);
        split(parts.authority, parts.is_https ? "443" : "80", host, port);
        struct addrinfo *found = resolve(task, member, host, port);
        if (!found)
                return false;
        freeaddrinfo(found);
        return true;
}

/* 0 and *ret_fd, or an errno. */
static int connect_one(const struct sockaddr *address, socklen_t size, int *ret_fd)
{
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
        socklen_t length = sizeof(error);
        struct pollfd wait = { .fd = fd, .events = POLLOUT };

        if (fd < 0)
                return errno;
        if (connect(fd, address, size) < 0)
                error = errno;
        if (error == EINPROGRESS) {
                error = poll(&wait, 1, CD_ONLINE_CONNECT_MS) == 1 ? 0 : ETIMEDOUT;
                if (error == 0)
                        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
        }
        if (error == 0)
                *ret_fd = fd;
        else
                close(fd);
        return error;
}

static void keep_or_close(int fd, int *ret_fd)
{
        if (ret_fd)
                *ret_fd = fd;
        else
                close(fd);
}

bool cd_online_connect(struct cd_online_task *task, const char *member, cd_str authority, const char *default_port,
                       int *ret_fd)
{
        char host[256], port[16];
        int error = EHOSTUNREACH, fd = -1;

        split(authority, default_port, host, port);
        struct addrinfo *found = resolve(task, member, host, port);
        if (!found)
                return false;
        for (const struct addrinfo *at = found; at && error; at = at->ai_next)
                error = connect_one(at->ai_addr, at->ai_addrlen, &fd);
        freeaddrinfo(found);
        if (error)
                cd_online_note(task, CD_FINDING_ERROR, member,
                               "start the program that should listen there, or correct the address",
                               "%s port %s cannot be connected to: %s", host, port, strerrordesc_np(error));
        else
                keep_or_close(fd, ret_fd);
        return error == 0;
}

bool cd_online_connect_unix(struct cd_online_task *task, const char *member, cd_str path)
{
        struct sockaddr_un where = { .sun_family = AF_UNIX };
        int fd = -1;

        snprintf(where.sun_path, sizeof(where.sun_path), "%.*s", CD_STR_ARG(path));
        int error = connect_one((const struct sockaddr *)&where, sizeof(where), &fd);
        if (error)
                cd_online_note(task, CD_FINDING_ERROR, member,
                               error == EACCES ? "let the user of this program write to the socket"
                                               : "start the program that should listen there, or correct the path",
                               "the socket %.*s cannot be connected to: %s", SHOWN(path), strerrordesc_np(error));
        else
                close(fd);
        return error == 0;
}

void cd_online_check_clock(struct cd_online_task *task, cd_str date, cd_str url)
{
        struct tm parts = { 0 };
        char text[64];

        snprintf(text, sizeof(text), "%.*s", CD_STR_ARG(cd_str_slice(date, 0, 63)));
        const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts); /* RFC 9110 section 5.6.7 */
        if (!end || *end)
                return;
        long long off = (long long)(cd_clock_system.now(&cd_clock_system) - (cd_time)timegm(&parts));
        long long by = off < 0 ? -off : off;
        if (by <= CLOCK_WARNING)
                return;
        cd_online_note(
                task, by >= CLOCK_ERROR ? CD_FINDING_ERROR : CD_FINDING_WARNING, NULL,
                "set the clock with NTP (timedatectl set-ntp true)",
                "the clock of this machine is %lld seconds %s that of %.*s: codes and tokens seem expired, or not "
                "yet valid",
                by, off < 0 ? "behind" : "ahead of", SHOWN(url));
}

/* ---- what only needs a connection ---- */

void cd_online_upstream(struct cd_online_task *task)
{
        const struct cd_config_route *route = task->item;
        cd_str url = route->upstream;
        size_t colon = cd_str_index(url, ':');
        cd_str scheme = cd_str_slice(url, 0, colon), rest = cd_str_slice(url, colon + 1, url.len);
        const char *port = cd_str_eq(scheme, CD_STR("https")) ? "443" : "80";
        bool is_unix = cd_str_has_suffix(scheme, CD_STR("unix"));

        if (is_unix ? cd_online_connect_unix(task, "upstream", rest)
                    : cd_online_connect(task, "upstream", cd_str_slice(rest, 2, rest.len), port, NULL))
                cd_online_note(task, CD_FINDING_OK, "upstream", NULL, "%.*s accepts connections", SHOWN(url));
}

/* Nothing is written to it, so that the program sees an empty delivery, as of a sender that went away. */
void cd_online_relay(struct cd_online_task *task)
{
        cd_str url = ((const struct cd_config_relay *)task->item)->deliver;
        bool is_unix = cd_str_has_prefix(url, CD_STR("unix:"));
        cd_str rest = cd_str_slice(url, is_unix ? 5 : 6, url.len); /* "tcp://" */

        if (is_unix ? cd_online_connect_unix(task, "deliver", rest)
                    : cd_online_connect(task, "deliver", rest, "", NULL))
                cd_online_note(task, CD_FINDING_OK, "deliver", NULL, "%.*s accepts connections", SHOWN(url));
}

/* A server of e-mails greets with "220 "; one of smtps does it inside TLS. */
void cd_online_smtp(struct cd_online_task *task)
{
        cd_str url = task->config->smtp.url;
        bool is_tls = cd_str_has_prefix(url, CD_STR("smtps://"));
        char greeting[256];
        int fd = -1;

        if (!cd_online_connect(task, NULL, cd_str_slice(url, is_tls ? 8 : 7, url.len), is_tls ? "465" : "587", &fd))
                return;
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        ssize_t n = is_tls || poll(&wait, 1, CD_ONLINE_TOTAL_MS) != 1 ? 0 : read(fd, greeting, sizeof(greeting));
        close(fd);
        if (is_tls)
                cd_online_note(task, CD_FINDING_OK, NULL, NULL, "%.*s accepts connections", SHOWN(url));
        else if (n < 4 || memcmp(greeting, "220", 3) != 0)
                cd_online_note(task, CD_FINDING_ERROR, NULL, "name the port of the mail server, mostly 587",
                               "%.*s accepts connections and does not greet as a mail server does", SHOWN(url));
        else
                cd_online_note(task, CD_FINDING_OK, NULL, NULL, "%.*s greets as a mail server", SHOWN(url));
}

/* A GET sends no event: whatever the answer is, the server is there. */
void cd_online_sentry(struct cd_online_task *task)
{
        struct cd_fetch_response answer;
        struct cd_sentry_dsn dsn;
        struct cd_error err;

        if (cd_sentry_dsn_parse(task->config->sentry.dsn, &dsn))
                return; /* cd_config_check_sentry has said so */
        const struct cd_fetch_request request = {
                .url = cd_sentry_dsn_url(&dsn, &task->arena),
                .name = CD_STR("check"),
                .timeout_ms = CD_ONLINE_TOTAL_MS,
                .arena = &task->arena,
        };
        if (!request.url.ptr)
                return;
        if (cd_fetch_call(task->fetch, &request, &answer, &err) != CD_OK)
                cd_online_note(task, CD_FINDING_ERROR, NULL,
                               "copy the DSN again from Sentry, or list the address of your own Sentry in "
                               "outgoing.networks",
                               "errors cannot be sent: %s", err.reason);
        else
                cd_online_note(task, CD_FINDING_OK, NULL, NULL, "%.*s answers", CD_STR_ARG(dsn.authority));
}
