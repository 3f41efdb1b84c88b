/* Prints the tables of the program as one JSON object, for what is made of them: cardea.yaml(5), docs/openapi.yaml.
 * "config": the JSON Schema of the configuration; "reload": the settings that a reload applies; "forms": the schema of
 * each message that an endpoint accepts; "routes": all that the server answers by itself. */
#include <stdio.h>

#include "app/config.h"
#include "app/server.h"
#include "base/buf.h"
#include "gate/gate.h"
#include "portal/portal.h"
#include "service/reload.h"
#include "web/web.h"

enum {
        OUTPUT_MAX = 4 * 1024 * 1024
};

static void add_paths(struct cd_buf *buf, const char *const *paths, const char *before)
{
        for (; *paths; paths++) {
                cd_buf_add(buf, cd_str_from_c(before));
                cd_buf_add_json(buf, cd_str_from_c(*paths));
                before = ",";
        }
}

static void add_methods(struct cd_buf *buf, unsigned methods)
{
        static const struct {
                unsigned bit;
                const char *name;
        } names[] = {
                { CD_HTTP_GET, "get" },       { CD_HTTP_POST, "post" },   { CD_HTTP_PUT, "put" },
                { CD_HTTP_DELETE, "delete" }, { CD_HTTP_PATCH, "patch" }, { CD_HTTP_OPTIONS, "options" },
        };
        const char *before = "";

        for (size_t i = 0; i < CD_LEN(names); i++) {
                if (!(methods & names[i].bit))
                        continue;
                cd_buf_printf(buf, "%s\"%s\"", before, names[i].name);
                before = ",";
        }
}

static void add_routes(struct cd_buf *buf, const char *part, const struct cd_http_routes *routes, const char *before)
{
        for (size_t i = 0; i < routes->count; i++) {
                const struct cd_http_route *route = &routes->items[i];
                cd_buf_printf(buf, "%s\n{\"part\":\"%s\",\"path\":", before, part);
                cd_buf_add_json(buf, route->path);
                cd_buf_printf(buf, ",\"prefix\":%s,\"any\":%s,\"methods\":[", route->is_prefix ? "true" : "false",
                              route->methods == CD_HTTP_ANY ? "true" : "false");
                add_methods(buf, route->methods);
                cd_buf_add(buf, CD_STR("]}"));
                before = ",";
        }
}

static void add_forms(struct cd_buf *buf)
{
        static const struct cd_table *const forms[] = { &cd_web_token_form, &cd_web_token_query_form };

        for (size_t i = 0; i < CD_LEN(forms); i++) {
                cd_buf_printf(buf, "%s\"%s\":", i ? "," : "", forms[i]->name);
                cd_table_schema(forms[i], buf);
        }
}

int main(void)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, NULL, OUTPUT_MAX);
        cd_buf_add(&buf, CD_STR("{\"config\":"));
        cd_table_schema(&cd_config_table, &buf);
        cd_buf_add(&buf, CD_STR(",\n\"reload\":["));
        add_paths(&buf, cd_reload_settings, "");
        add_paths(&buf, cd_server_service()->may_change, ",");
        cd_buf_add(&buf, CD_STR("],\n\"forms\":{"));
        add_forms(&buf);
        cd_buf_add(&buf, CD_STR("},\n\"routes\":["));
        add_routes(&buf, "web", &cd_web_routes, "");
        add_routes(&buf, "portal", &cd_portal_routes, ",");
        add_routes(&buf, "gate", &cd_gate_routes, ",");
        cd_buf_add(&buf, CD_STR("]}"));
        if (cd_buf_view(&buf, &text) != CD_OK || printf("%.*s\n", CD_STR_ARG(text)) < 0 || fflush(stdout) != 0)
                return 1;
        cd_buf_done(&buf);
        return 0;
}
