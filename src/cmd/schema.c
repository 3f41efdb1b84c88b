#include <stdio.h>

#include "app/config.h"
#include "cmd/cmd.h"
#include "cmd/text_table.h"
#include "web/web.h"

enum {
        SCHEMA_MAX = 1024 * 1024
};

static const struct cd_table *const tables[] = { &cd_config_table, &cd_web_token_form, &cd_web_token_query_form };

static const char *nearest_table(cd_str name)
{
        for (size_t i = 0; i < CD_LEN(tables); i++)
                if (cd_str_distance(cd_str_from_c(tables[i]->name), name) < 4)
                        return tables[i]->name;
        return NULL;
}

static int print_schema(const struct cd_table *table)
{
        struct cd_buf buf;

        cd_buf_init(&buf, NULL, SCHEMA_MAX);
        cd_table_schema(table, &buf);
        cd_buf_add_char(&buf, '\n');
        return cd_json_print(&buf) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

struct ask {
        const char *name;
};

static int act(const char *command, void *p)
{
        const char *name = ((const struct ask *)p)->name;

        for (size_t i = 0; i < CD_LEN(tables); i++) {
                if (!name)
                        printf("%s\n", tables[i]->name);
                else if (cd_str_eq(cd_str_from_c(tables[i]->name), cd_str_from_c(name)))
                        return print_schema(tables[i]);
        }
        if (!name)
                return CD_EXIT_OK;
        const char *nearest = nearest_table(cd_str_from_c(name));
        if (nearest)
                return cd_usage_error(command, "no message \"%s\"; did you mean \"%s\"?", name, nearest);
        return cd_usage_error(command, "no message \"%s\"; \"cardea schema\" lists them", name);
}

static const struct cd_argument arguments[] = {
        { "NAME", offsetof(struct ask, name), .help = "one of the list", .optional = true },
        { 0 },
};

const struct cd_command cd_cmd_schema = {
        .name = "schema",
        .summary = "print the JSON Schema of the configuration or of a message",
        .about = "Prints a JSON Schema (draft 2020-12): \"config\" is the configuration of \"cardea serve\", the other "
                 "names are the request forms of its endpoints. Without NAME, lists the names.",
        .examples = "cardea schema\ncardea schema config > cardea.schema.json",
        .arguments = arguments,
        .ask_size = sizeof(struct ask),
        .act_alone = act,
};
