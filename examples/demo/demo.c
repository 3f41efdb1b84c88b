/* cardea-demo, which "cardea demo" runs: starts, watches and stops three systems of services: three applications behind the gate, which is there
 * with http and with TLS, and a fake GitHub to log in with; an authorization server with a resource server and a web
 * application; a Basic token service with a resource service. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/streams.h"
#include "demo_child.h"
#include "demo_files.h"

enum {
        READY_WITHIN_US = 60000000, /* uWSGI and Flask take a while on a busy machine */
        STOP_WITHIN_MS = 5000,
        PORT_BASE_MAX = 65535 - DEMO_TLS_PORT,
        EXIT_USAGE = 2,
};

struct demo {
        unsigned base;
        struct demo_files files;
        struct demo_child children[DEMO_COUNT];
        char log[DEMO_PATH_MAX + 4]; /* the file of the services' logs; empty: standard error */
        bool announced;
        int64_t started_us;
};

static const struct {
        const char *name, *scheme;
} kinds[DEMO_COUNT] = {
        [DEMO_GATE] = { "gate", "http" },
        [DEMO_AUTHORIZATION] = { "authorization server", "http" },
        [DEMO_RESOURCE] = { "resource server", "http" },
        [DEMO_WEBAPP] = { "web application", "http" },
        [DEMO_BASIC] = { "Basic token service", "https" },
        [DEMO_BASIC_RESOURCE] = { "resource service", "https" },
        [DEMO_FLASK] = { "Flask application", "uwsgi" },
        [DEMO_CHAT] = { "chat", "http" },
        [DEMO_COMMITS] = { "commits application", "uwsgi" },
        [DEMO_PROVIDERS] = { "fake GitHub", "http" },
        [DEMO_TLS_GATE] = { "gate with TLS", "https" },
};

static void describe_child(struct demo *demo, unsigned which)
{
        static char address[32];
        struct demo_child *child = &demo->children[which];
        size_t n = 0;

        *child = (struct demo_child){ .name = kinds[which].name,
                                      .says = demo_is_flask(which) ? "spawned uWSGI worker" : "\"event\":\"ready\"",
                                      .log = -1,
                                      .port = (uint16_t)demo_port(demo->base, which) };
        child->argv[n++] = demo->files.programs[which];
        if (demo_is_flask(which)) {
                child->argv[0] = demo->files.uwsgi;
                child->argv[n++] = "--ini";
        } else if (which == DEMO_CHAT) {
                snprintf(address, sizeof(address), "127.0.0.1:%u", child->port);
                child->argv[n] = address;
                return;
        } else if (which == DEMO_PROVIDERS) {
                child->argv[n++] = "--settings";
        } else {
                if (which != DEMO_RESOURCE && which != DEMO_WEBAPP && which != DEMO_BASIC_RESOURCE)
                        child->argv[n++] = "serve";
                child->argv[n++] = "--config";
        }
        child->argv[n] = demo->files.configs[which];
}

/* 0, or the errno of a socket that would listen there. */
static int probe_port(uint16_t port)
{
        const struct sockaddr_in where = { .sin_family = AF_INET,
                                           .sin_port = htons(port),
                                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, error = 0;

        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* for ports in TIME_WAIT */
        if (fd < 0 || bind(fd, (const struct sockaddr *)&where, sizeof(where)) < 0 || listen(fd, 1) < 0)
                error = errno;
        if (fd >= 0)
                close(fd);
        return error;
}

static bool ports_are_free(const struct demo *demo)
{
        bool free = true;

        for (size_t i = 0; i < DEMO_COUNT; i++) {
                const struct demo_child *child = &demo->children[i];
                int error = probe_port(child->port);
                if (!error)
                        continue;
                free = false;
                cd_print_line(stderr, "cardea demo: port %u, for the %s, %s", child->port, child->name,
                              error == EADDRINUSE ? "is taken; choose others with --port-base N" : strerror(error));
        }
        return free;
}

/* In a terminal, the logs would bury what there is to read. */
static bool choose_log(struct demo *demo)
{
        int fd = STDERR_FILENO;

        if (isatty(STDERR_FILENO)) {
                snprintf(demo->log, sizeof(demo->log), "%s/log", demo->files.folder);
                fd = open(demo->log, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        }
        for (size_t i = 0; i < DEMO_COUNT; i++)
                demo->children[i].passes_to = fd;
        if (fd < 0)
                cd_print_line(stderr, "cardea demo: %s: %s", demo->log, strerror(errno));
        return fd >= 0;
}

static bool start_all(struct demo *demo)
{
        demo->started_us = cd_monotonic_us();
        for (size_t i = 0; i < DEMO_COUNT; i++) {
                if (demo_child_start(&demo->children[i]))
                        continue;
                cd_print_line(stderr, "cardea demo: the %s does not start: %s", demo->children[i].name,
                              strerror(errno));
                return false;
        }
        return true;
}

static void announce_applications(const struct demo *demo)
{
        unsigned tls = demo_port(demo->base, DEMO_TLS_GATE);

        printf("The demo is ready after %lld ms.\n"
               "\n"
               "  open http://localhost:%u/\n"
               "\n"
               "You land on the login page. Register: a name, a password, the QR code in an authenticator app, and "
               "one\n"
               "code that the app shows. Then you are at a Flask application without a login of its own, which shows "
               "who\n"
               "you are. Write a note; open /chat/ in two tabs, and talk. Log out, and both are closed to you.\n"
               "\n"
               "Log in with an account at GitHub, a fake one on this machine, and see its commits:\n"
               "  open http://localhost:%u/commits/\n"
               "  open http://localhost:%u/ledger           # what the fake GitHub received\n"
               "\n"
               "The same over HTTP/2, with a login of its own, once your browser trusts the certificate's issuer:\n"
               "  open https://localhost:%u/        # issuer: %s\n"
               "  curl -i --cacert %s https://localhost:%u/\n",
               (long long)(cd_monotonic_us() - demo->started_us) / 1000, demo->base, demo->base,
               demo->base + DEMO_PROVIDERS, tls, demo->files.certificate, demo->files.certificate, tls);
}

static void announce_time_api(const struct demo *demo)
{
        unsigned as = demo->base + 1, rs = demo->base + 2, web = demo->base + 3;

        printf("\nIn another terminal, try tokens for services:\n"
               "  curl http://localhost:%u/current_time\n"
               "  curl http://localhost:%u/epoch_time\n"
               "  curl -u 1234:qwerty -d grant_type=client_credentials -d scope=epoch_time "
               "http://localhost:%u/oauth/token\n"
               "  curl -u 1234:qwerty -d grant_type=password -d username=ana -d password=any "
               "http://localhost:%u/oauth/token\n"
               "  curl -u 1234:qwerty -d token=TOKEN http://localhost:%u/oauth/introspect\n"
               "  curl -H \"Authorization: Bearer TOKEN\" http://localhost:%u/epoch_time     # within its 5 seconds\n",
               web, web, as, as, as, rs);
}

static void announce_basic_tokens(const struct demo *demo)
{
        const struct demo_files *files = &demo->files;
        const char *certificate = files->certificate;

        printf("\nand tokens for users:\n");
        for (size_t i = 0; i < DEMO_USERS; i++)
                printf("  curl --cacert %s -u %s:%s https://localhost:%u/grant\n", certificate, files->users[i].name,
                       files->users[i].password, demo->base + 4);
        printf("  curl --cacert %s -H \"Authorization: Bearer TOKEN\" https://localhost:%u/\n"
               "  %s user list --config %s\n",
               certificate, demo->base + 5, files->programs[DEMO_BASIC], files->configs[DEMO_BASIC]);
}

/* False: the output is closed, so the passwords cannot be read either. */
static bool announce(struct demo *demo)
{
        announce_applications(demo);
        printf("\nThese services run:\n");
        for (size_t i = 0; i < DEMO_COUNT; i++)
                printf("  %-20s  %s://localhost:%u  pid %d  %s\n", demo->children[i].name, kinds[i].scheme,
                       demo->children[i].port, (int)demo->children[i].pid, demo->files.configs[i]);
        announce_time_api(demo);
        announce_basic_tokens(demo);
        printf("\nAll services log to %s, as JSON lines but for uWSGI; all lines of one call have the same "
               "request_id.\n"
               "Ctrl-C stops everything.\n",
               demo->log[0] ? demo->log : "standard error");
        demo->announced = true;
        return cd_output_error() == 0;
}

static bool all_ready(struct demo *demo)
{
        bool all = true;

        for (size_t i = 0; i < DEMO_COUNT; i++)
                all &= demo->children[i].ready;
        return all;
}

static bool all_live(struct demo *demo)
{
        for (size_t i = 0; i < DEMO_COUNT; i++) {
                struct demo_child *child = &demo->children[i];
                char how[96];
                if (!demo_child_ended(child))
                        continue;
                demo_child_pump(child);
                demo_child_describe_end(child, how, sizeof(how));
                cd_print_line(stderr, "cardea demo: the %s %s; its last line: %.*s", child->name, how,
                              child->len ? (int)child->len : 6, child->len ? child->line : "(none)");
                return false;
        }
        return true;
}

static bool is_late(const struct demo *demo)
{
        if (demo->announced || cd_monotonic_us() - demo->started_us < READY_WITHIN_US)
                return false;
        for (size_t i = 0; i < DEMO_COUNT; i++)
                if (!demo->children[i].ready)
                        cd_print_line(stderr, "cardea demo: the %s did not become ready on port %u",
                                      demo->children[i].name, demo->children[i].port);
        return true;
}

/* Runs until a signal (returns 0) or a failure (returns 1). */
static int watch(struct demo *demo, int signals)
{
        for (;;) {
                struct pollfd fds[DEMO_COUNT + 1] = { { .fd = signals, .events = POLLIN } };
                struct signalfd_siginfo info;

                for (size_t i = 0; i < DEMO_COUNT; i++)
                        fds[i + 1] = (struct pollfd){ .fd = demo->children[i].log, .events = POLLIN };
                poll(fds, DEMO_COUNT + 1, demo->announced ? -1 : 100);
                for (size_t i = 0; i < DEMO_COUNT; i++)
                        demo_child_pump(&demo->children[i]);
                while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                        if (info.ssi_signo != SIGCHLD)
                                return EXIT_SUCCESS;
                if (!all_live(demo) || is_late(demo))
                        return EXIT_FAILURE;
                if (!demo->announced && all_ready(demo) && !announce(demo))
                        return EXIT_FAILURE;
        }
}

static int run_demo(struct demo *demo)
{
        struct sigaction hangup;
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        /* A blocked signal reaches the descriptor even if nohup has set it to be ignored. */
        if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
                sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0) {
                cd_print_line(stderr, "cardea demo: %s", strerror(errno));
                return EXIT_FAILURE;
        }
        int code = start_all(demo) ? watch(demo, signals) : EXIT_FAILURE;
        demo_children_stop(demo->children, DEMO_COUNT, STOP_WITHIN_MS);
        close(signals);
        return code;
}

int main(int argc, char **argv)
{
        static struct demo demo;
        uint64_t number;

        if (!cd_open_standard_streams()) {
                fprintf(stderr, "cardea: /dev/null cannot be opened: %s\n", strerror(errno));
                return EXIT_FAILURE;
        }
        if (argc != 3 || strcmp(argv[1], "--port-base") != 0 || !cd_str_to_u64(cd_str_from_c(argv[2]), &number) ||
            number < 1 || number > PORT_BASE_MAX) {
                fprintf(stderr, "Usage: cardea-demo --port-base N, with N from 1 to %d; or: cardea demo\n",
                        PORT_BASE_MAX);
                return EXIT_USAGE;
        }
        demo.base = (unsigned)number;
        for (unsigned i = 0; i < DEMO_COUNT; i++)
                describe_child(&demo, i);
        if (!demo_files_find(&demo.files) || !ports_are_free(&demo))
                return EXIT_FAILURE;
        int code = demo_files_write(&demo.files, demo.base) && choose_log(&demo) ? run_demo(&demo) : EXIT_FAILURE;
        demo_files_remove(&demo.files);
        return cd_finish_output("cardea") ? code : EXIT_FAILURE;
}
