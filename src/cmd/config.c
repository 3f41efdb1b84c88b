#include <stdio.h>

#include "app/config.h"
#include "base/streams.h"
#include "cmd/cmd.h"
#include "cmd/config_show.h"
#include "cmd/context.h"

enum {
        SHOW_MAX = 64 * 1024 * 1024
};

struct ask {
        const char *config;
        bool json;
};

static void print_errors(const char *command, const struct cd_report *report)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR)
                        cd_print_line(stderr, "cardea %s: %.*s", command, CD_STR_ARG(cd_finding_text(report, f)));
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

static int show(struct cd_arena *arena, const char *command, const struct ask *ask)
{
        struct cd_config config;
        struct cd_report report;
        struct cd_error err;
        struct cd_buf out;
        cd_str text;

        cd_report_init(&report, arena, cd_str_from_c(ask->config));
        if (cd_settings_load(&report, &cd_config_table, &config, &err) != CD_OK) {
                print_errors(command, &report);
                return CD_EXIT_USAGE;
        }
        cd_config_complete(&config);
        cd_buf_init(&out, NULL, SHOW_MAX);
        const struct cd_config_shown shown = { &report, &cd_config_table, &config, fingerprints_of(&config) };
        if (ask->json)
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

static int act(const char *command, void *p)
{
        struct ask *ask = p;
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        if (!cd_context_find_config(command, true, &ask->config))
                return CD_EXIT_USAGE;
        return show(&arena, command, ask);
}

static const struct cd_option show_options[] = {
        CD_FLAG(struct ask, json, "--json", 0, "print JSON"),
        CD_VALUE(struct ask, config, "--config", 'c', "FILE",
                 "the configuration, in YAML (default: $CARDEA_CONFIG, ./cardea.yaml or /etc/cardea/cardea.yaml; "
                 "without any of "
                 "them, the defaults)",
                 .names = CD_NAMES_FILE),
        { 0 },
};

static const struct cd_command config_show = {
        .name = "show",
        .summary = "show each effective setting and where it came from",
        .about = "Prints each setting of \"cardea serve\", its effective value, and its source: \"default\", or "
                 "file:line:column and the environment variables and files that the value came from. A secret is shown "
                 "as its length and a fingerprint under the master key, as in the log.",
        .examples = "cardea config show --config cardea.yaml",
        .exit_codes = "2 the command line is wrong, or the file is not a valid configuration",
        .options = show_options,
        .ask_size = sizeof(struct ask),
        .act_alone = act,
};

static const struct cd_command *const actions[] = { &config_show, NULL };

const struct cd_command cd_cmd_config = {
        .name = "config",
        .summary = "show each effective setting and where it came from",
        .actions = actions,
};
