#include "app/config_path.h"
#include "app/server.h"
#include "cmd/cmd.h"

static int run(int argc, char **argv)
{
        const char *config = NULL;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config }, { 0 } };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        return cd_service_run(cd_server_service(), cd_config_path_find(config));
}

const struct cd_command cd_cmd_serve = {
        .name = "serve",
        .summary = "run the gate, the login portal and the authorization server",
        .help = "Usage: cardea serve [--config FILE]\n"
                "\n"
                "Runs the login portal, the checks that proxies ask for, and the OAuth 2.0 authorization server, in\n"
                "the foreground, until SIGTERM or SIGINT. Then /readyz answers 503 for drain_delay; after that, the\n"
                "server closes its listeners, finishes running requests for at most shutdown_grace, and exits with 0.\n"
                "SIGHUP makes it reload its configuration.\n"
                "\n"
                "  -c, --config FILE  the configuration, in YAML. Without it, the server listens on 127.0.0.1:5001,\n"
                "                     its issuer is http://localhost:5001, it has no clients, and it generates a\n"
                "                     signing key\n"
                "\n"
                "Errors that \"cardea check\" would report go to standard error, and the server does not start.\n"
                "Once it runs, it writes log events to standard error, as JSON lines.\n"
                "Exit codes: 0 stopped by a signal, 1 failed at run time (such as a port in use), 2 the command\n"
                "line or the configuration is wrong.\n",
        .run = run,
};
