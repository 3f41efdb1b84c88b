#include "app/server.h"
#include "cmd/context.h"

static int act(struct cd_context *context, void *ask)
{
        (void)ask;
        return cd_service_run(cd_server_service(), context->config);
}

const struct cd_command cd_cmd_serve = {
        .name = "serve",
        .summary = "run the gate, the login portal and the authorization server",
        .about =
                "Runs the login portal, the checks that proxies ask for, and the OAuth 2.0 authorization server, in "
                "the foreground, until SIGTERM or SIGINT. Then /readyz answers 503 for drain_delay; after that, the "
                "server closes its listeners, finishes running requests for at most shutdown_grace, and exits with 0. "
                "SIGHUP makes it reload its configuration.\n"
                "\n"
                "Without a configuration, the server listens on 127.0.0.1:5001, its issuer is http://localhost:5001, "
                "it has no clients, and it generates a signing key.\n"
                "\n"
                "Errors that \"cardea check\" would report go to standard error, and the server does not start. Once "
                "it runs, it writes log events to standard error: as text on a terminal, elsewhere as JSON lines; with "
                "priorities for journald. With sentry.dsn, it reports its errors to Sentry, and after a crash what is "
                "left of it.",
        .examples = "cardea serve --config /etc/cardea/cardea.yaml",
        .exit_codes = "0 stopped by a signal\n1 failed at run time (such as a port in use)\n2 the command line or the "
                      "configuration is wrong",
        .act = act,
        .opens = CD_OPENS_NOTHING_OR_DEFAULTS,
};
