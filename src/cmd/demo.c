/* cardea demo: becomes the program of examples/demo, where that is built or installed. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/streams.h"
#include "cmd/cmd.h"

enum {
        PORT_BASE_MAX = 65535 - 443, /* the last port is that of the gate with TLS */
};

struct ask {
        const char *port_base;
};

static int run_demo(const char *command, void *p)
{
        static const char *const places[] = { "examples/demo", "../libexec/cardea" }; /* built, installed */
        const char *base = ((const struct ask *)p)->port_base;
        char own[PATH_MAX], path[2 * PATH_MAX];
        uint64_t number;

        base = base ? base : "5000";
        if (!cd_str_to_u64(cd_str_from_c(base), &number) || number < 1 || number > PORT_BASE_MAX)
                return cd_usage_error(command, "--port-base must be a number from 1 to %d, not \"%s\"", PORT_BASE_MAX,
                                      base);
        ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
        own[n > 0 ? n : 0] = '\0';
        char *slash = strrchr(own, '/');
        if (slash)
                *slash = '\0';
        for (size_t i = 0; i < CD_LEN(places); i++) {
                snprintf(path, sizeof(path), "%s/%s/cardea-demo", own, places[i]);
                execv(path, (char *const[]){ path, (char *)"--port-base", (char *)base, NULL });
                if (errno != ENOENT)
                        break;
        }
        if (errno == ENOENT)
                cd_print_line(stderr,
                              "cardea %s: the demonstration is not installed: cardea-demo is neither in %s/%s "
                              "nor in %s/%s; build it with ./dev demo in Cardea's source tree",
                              command, own, places[0], own, places[1]);
        else
                cd_print_line(stderr, "cardea %s: %s: %s", command, path, strerror(errno));
        return CD_EXIT_FAILED;
}

static const struct cd_option options[] = {
        CD_VALUE(
                struct ask, port_base, "--port-base", 0, "N",
                "use the ports N (gate), N+1 (authorization server), N+2 (resource server), N+3 (web application), N+4 "
                "(Basic token service), N+5 (its resource service), N+6 (Flask application), N+7 (chat), N+8 (commits "
                "application), N+9 (fake GitHub) and N+443 (gate with TLS and HTTP/2); N is 5000 if not given"),
        { 0 },
};

const struct cd_command cd_cmd_demo = {
        .name = "demo",
        .summary = "run demonstration services",
        .about = "Runs demonstration services on 127.0.0.1 in the foreground, prints what to try, and stops all of "
                 "them on Ctrl-C, SIGTERM or SIGHUP. They are three applications without a login of their own behind "
                 "the gate: a Flask one that uWSGI runs, a chat, and one that shows a user's commits at GitHub, with a "
                 "fake GitHub to log in with; an authorization server with a resource server and a web application; "
                 "and, with TLS, a Basic token service with two users and a resource service.\n\n"
                 "Their files are in a private folder under $TMPDIR or /tmp, which is removed at the end, with the "
                 "accounts. Their logs go to standard error; if that is a terminal, to a file in that folder.",
        .examples = "cardea demo\ncardea demo --port-base 7000",
        .exit_codes = "0 stopped by a signal\n1 a port is in use, or a service stopped by itself",
        .options = options,
        .ask_size = sizeof(struct ask),
        .act_alone = run_demo,
};
