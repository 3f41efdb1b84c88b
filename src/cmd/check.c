#include <stdio.h>
#include <unistd.h>

#include "app/config.h"
#include "app/online.h"
#include "app/server.h"
#include "base/buf.h"
#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/text_table.h"

static const char *const levels[] = {
        [CD_FINDING_OK] = "ok", [CD_FINDING_WARNING] = "warning", [CD_FINDING_ERROR] = "error"
};

static void print_findings(const struct cd_report *report)
{
        static const char *const prefixes[] = {
                [CD_FINDING_OK] = "ok    ", [CD_FINDING_WARNING] = "warn  ", [CD_FINDING_ERROR] = "error "
        };

        cd_service_print_findings(stdout, prefixes, report);
}

static void add_finding(struct cd_buf *buf, const struct cd_report *report, const struct cd_finding *f)
{
        cd_buf_add_char(buf, '{');
        cd_json_add_str(buf, "level", cd_str_from_c(levels[f->level]));
        cd_json_add_str(buf, "setting", f->setting);
        cd_json_add_str(buf, "file", report->file_name);
        cd_buf_printf(buf, ",\"line\":%u,\"column\":%u", f->line, f->column);
        cd_json_add_str(buf, "from", f->from);
        cd_json_add_str(buf, "what", f->what);
        cd_json_add_str(buf, "why", f->why.len ? f->why : cd_str_from_c(cd_config_why(f->setting)));
        cd_json_add_str(buf, "fix", f->fix);
        cd_buf_add_char(buf, '}');
}

/* One finding a line. */
static bool print_json(const struct cd_report *report)
{
        struct cd_buf buf;

        cd_buf_init(&buf, NULL, CD_SERVICE_ARENA);
        cd_buf_printf(&buf, "{\"errors\":%zu,\"warnings\":%zu,\"findings\":[", report->errors, report->warnings);
        for (const struct cd_finding *f = report->findings; f; f = f->next) {
                cd_buf_add(&buf, f == report->findings ? CD_STR("\n") : CD_STR(",\n"));
                add_finding(&buf, report, f);
        }
        cd_buf_add(&buf, CD_STR("\n]}\n"));
        return cd_json_print(&buf);
}

struct ask {
        bool json, online;
};

static int act(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_config config;
        struct cd_report report;
        struct cd_error err;

        cd_report_init(&report, &context->arena, cd_str_from_c(context->config));
        cd_status status = cd_service_check(cd_server_service(), CD_CHECK_ONLY, &report, &config, &err);
        bool is_over = status != CD_OK || !ask->online || cd_online_check(&config, &report);
        if (status != CD_OK && !report.errors) {
                cd_print_line(stderr, "cardea check: %s", err.reason);
                return CD_EXIT_FAILED;
        }
        if (!ask->json)
                print_findings(&report);
        else if (!print_json(&report))
                return CD_EXIT_FAILED;
        int code = report.errors ? CD_EXIT_USAGE : CD_EXIT_OK;
        if (!is_over) /* a thread waits for a name, which nothing can end, and uses the configuration */
                _exit(cd_finish_output("cardea check") ? code : CD_EXIT_FAILED);
        return code;
}

static const struct cd_option options[] = {
        CD_FLAG(struct ask, online, "--online", 0,
                "if there are no errors, also ask providers whether they accept client_id and client_secret, compare "
                "their clock with this machine's, connect to applications and the mail server, and see whether "
                "portal.url leads back"),
        CD_FLAG(struct ask, json, "--json", 0, "print one JSON object"),
        { 0 },
};

const struct cd_command cd_cmd_check = {
        .name = "check",
        .summary = "check a configuration without starting the server",
        .about = "Checks a configuration as \"cardea serve\" and a reload do: resolves its variables and files, opens "
                 "its store, and tries its listen addresses. Prints one line for each finding: \"error\", \"warn\" or "
                 "\"ok\", then file:line:column, the setting, what is wrong, where the value came from, and how to fix "
                 "it. Errors come first, and before them what may have caused the others. An indented line says why a "
                 "finding matters. For an environment variable that is not set, the finding says how this process was "
                 "started, and where that takes its variables from. The last line has the number of errors and "
                 "warnings.",
        .examples = "cardea check --config cardea.yaml\ncardea check --online",
        .exit_codes = "0 no errors\n2 at least one error, or the command line is wrong",
        .options = options,
        .ask_size = sizeof(struct ask),
        .act = act,
        .opens = CD_OPENS_NOTHING,
};
