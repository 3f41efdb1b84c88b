/* A configuration file, from its bytes to the checks, with every finding written out. */
#include "app/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_config config;
        struct cd_report report;
        struct cd_arena arena;
        struct cd_error err;

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        cd_report_init(&report, &arena, CD_STR("corpus/f.yaml"));
        cd_status status =
                cd_settings_decode(&report, cd_str_of((const char *)data, size), &cd_config_table, &config, &err);
        if (status == CD_OK)
                cd_config_check(&config, &report);
        if ((status != CD_OK) != (report.errors > 0 || report.no_memory) && status != CD_OK)
                __builtin_trap(); /* refused without a finding that says why */
        for (const struct cd_finding *f = report.findings; f; f = f->next)
                if (!cd_finding_text(&report, f).ptr)
                        __builtin_trap();
        cd_arena_done(&arena);
        return 0;
}
