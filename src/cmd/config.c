#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "app/config_path.h"
#include "base/streams.h"
#include "cmd/cmd.h"
#include "cmd/config_show.h"

enum {
        SHOW_MAX = 64 * 1024 * 1024
};

static void print_errors(const struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR)
                        cd_print_line(stderr, "cardea config: %.*s", CD_STR_ARG(cd_finding_text(report, f)));
}

/* NULL: the configuration has no master key that can be used. */
static struct cd_fingerprints *fingerprints_of(const struct cd_config *config)
{
        struct cd_master_key *master;

        if (!config->master_key.len ||
            cd_master_key_parse(config->master_key, &cd_random_system, &master, NULL) != CD_OK)
                return NULL;
        struct cd_fingerprints *fingerprints = cd_fingerprints_new(master);
        cd_master_key_free(master);
        return fingerprints;
}

static int show(struct cd_arena *arena, const char *path, bool json)
{
        struct cd_config config;
        struct cd_report report;
        struct cd_error err;
        struct cd_buf out;
        cd_str text;

        cd_report_init(&report, arena, cd_str_from_c(path));
        if (cd_settings_load(&report, &cd_config_table, &config, &err) != CD_OK) {
                print_errors(&report);
                return CD_EXIT_USAGE;
        }
        cd_config_complete(&config);
        cd_buf_init(&out, NULL, SHOW_MAX);
        const struct cd_config_shown shown = { &report, &cd_config_table, &config, fingerprints_of(&config) };
        if (json)
                cd_config_show_json(&shown, &out);
        else
                cd_config_show_text(&shown, &out);
        cd_fingerprints_free(shown.fingerprints);
        cd_status status = cd_buf_view(&out, &text);
        if (status == CD_OK)
                fwrite(text.ptr, 1, text.len, stdout);
        cd_buf_done(&out);
        return status == CD_OK ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static int run(int argc, char **argv)
{
        const char *path = NULL, *action;
        bool json = false;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &path },
                                             { .name = "--json", .flag = &json },
                                             { 0 } };
        struct cd_arena arena;

        if (!cd_options_parse(argc, argv, options, &action, 1))
                return CD_EXIT_USAGE;
        if (!action || strcmp(action, "show") != 0)
                return cd_usage_error(argv[0], "there is one action: cardea config show");
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        int code = show(&arena, cd_config_path_find(path), json);
        cd_arena_done(&arena);
        return code;
}

const struct cd_command cd_cmd_config = {
        .name = "config",
        .summary = "show each effective setting and where it came from",
        .help = "Usage: cardea config show [--config FILE] [--json]\n"
                "\n"
                "Prints each setting of \"cardea serve\", its effective value, and its source: \"default\", or\n"
                "file:line:column and the environment variables and files that the value came from. A secret is\n"
                "shown as its length and a fingerprint under the master key, as in the log.\n"
                "\n"
                "  -c, --config FILE  the configuration, in YAML; the defaults if not given\n"
                "      --json         print JSON\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line is wrong, or the file is not a valid\n"
                "configuration.\n",
        .run = run,
};
