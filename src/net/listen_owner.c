/* Which program has a port: from /proc, as far as the kernel shows it to this process. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listen.h"

enum {
        LISTENING = 0x0a, /* TCP_LISTEN in /proc/net/tcp */
};

/* A listening socket. */
struct entry {
        unsigned uid;
        unsigned long inode;
};

static void close_file(FILE **file)
{
        if (*file)
                fclose(*file);
}

static void close_folder(DIR **folder)
{
        if (*folder)
                closedir(*folder);
}

/* As /proc/net/tcp has it: the words of the address in the order of this machine. */
static void write_host(const struct sockaddr_storage *address, char to[33])
{
        uint32_t words[4];
        size_t count = address->ss_family == AF_INET6 ? 4 : 1;

        if (count == 4)
                memcpy(words, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(words));
        else
                memcpy(words, &((const struct sockaddr_in *)address)->sin_addr, sizeof(words[0]));
        for (size_t i = 0; i < count; i++)
                snprintf(to + 8 * i, 9, "%08X", words[i]);
}

static bool is_any(const char *host)
{
        return host[strspn(host, "0")] == '\0';
}

/* Finds the socket that has the port on this address, or on all. */
static bool find_entry(const char *table, const char *host, unsigned port, struct entry *ret)
{
        __attribute__((cleanup(close_file))) FILE *file = fopen(table, "re");
        char line[512], found_host[33];
        unsigned found_port, state;

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %u %*s %lu", found_host,
                           &found_port, &state, &ret->uid, &ret->inode) == 5 &&
                    state == LISTENING && found_port == port &&
                    (is_any(host) || is_any(found_host) || !strcmp(host, found_host)))
                        return true;
        return false;
}

static bool has_socket(const char *process, const char *link)
{
        char path[64], target[64];

        snprintf(path, sizeof(path), "/proc/%.20s/fd", process);
        __attribute__((cleanup(close_folder))) DIR *folder = opendir(path);
        for (const struct dirent *each; folder && (each = readdir(folder));) {
                ssize_t len = readlinkat(dirfd(folder), each->d_name, target, sizeof(target) - 1);
                if (len > 0 && (size_t)len == strlen(link) && !memcmp(target, link, (size_t)len))
                        return true;
        }
        return false;
}

static bool name_process(const struct entry *entry, char *to, size_t size)
{
        __attribute__((cleanup(close_folder))) DIR *folder = opendir("/proc");
        char link[64], path[64], name[32] = "";

        snprintf(link, sizeof(link), "socket:[%lu]", entry->inode);
        for (const struct dirent *each; folder && (each = readdir(folder));) {
                if (each->d_name[0] < '1' || each->d_name[0] > '9' || !has_socket(each->d_name, link))
                        continue;
                snprintf(path, sizeof(path), "/proc/%.20s/comm", each->d_name);
                __attribute__((cleanup(close_file))) FILE *file = fopen(path, "re");
                if (!file || !fgets(name, sizeof(name), file))
                        return false;
                name[strcspn(name, "\n")] = '\0';
                snprintf(to, size, "%s (process %.20s)", name, each->d_name);
                return true;
        }
        return false;
}

void cd_listen_owner(const struct sockaddr_storage *address, char to[CD_LISTEN_OWNER_MAX])
{
        unsigned port = ntohs(((const struct sockaddr_in *)address)->sin_port); /* at the same place for IPv6 */
        char host[33], room[4096];
        struct passwd user, *found = NULL;
        struct entry entry;

        to[0] = '\0';
        write_host(address, host);
        if (!find_entry(address->ss_family == AF_INET6 ? "/proc/net/tcp6" : "/proc/net/tcp", host, port, &entry) &&
            !find_entry("/proc/net/tcp6", "-", port, &entry))
                return;
        if (name_process(&entry, to, CD_LISTEN_OWNER_MAX))
                return;
        if (getpwuid_r(entry.uid, &user, room, sizeof(room), &found) == 0 && found)
                snprintf(to, CD_LISTEN_OWNER_MAX, "a program of user %s", found->pw_name);
        else
                snprintf(to, CD_LISTEN_OWNER_MAX, "a program of user %u", entry.uid);
}
