#include "app/server.h"
#include "cmd/cmd.h"

static int run(int argc, char **argv)
{
        const char *config = NULL;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config }, { 0 } };

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        return cd_service_run(cd_server_service(), config);
}

const struct cd_command cd_cmd_serve = {
        .name = "serve",
        .summary = "run the authorization server",
        .help = "Usage: cardea serve [--config FILE]\n"
                "\n"
                "Runs the OAuth 2.0 authorization server in the foreground until SIGTERM or SIGINT. Then /readyz says "
                "503 for\n"
                "drain_delay, after which it takes no new connections, finishes what runs (at most shutdown_grace), "
                "and "
                "exits 0.\n"
                "SIGHUP makes it read its certificate anew.\n"
                "\n"
                "  -c, --config FILE  settings in YAML. Without it: 127.0.0.1:5001, issuer http://localhost:5001, no "
                "clients,\n"
                "                     and a signing key that is made anew at each start.\n"
                "\n"
                "The configuration is checked as by \"cardea check\"; an error refuses to start, said in a sentence on "
                "standard\n"
                "error. Then standard error gets log events, one JSON line each.\n"
                "Exit codes: 0 stopped by a signal, 1 failed at run time (such as a taken port), 2 wrong "
                "configuration.\n",
        .run = run,
};
