#include "conf/similar.h"

#include "base/buf.h"

/* The one setting of that name a level below: "gate.routes" for "routes". */
static cd_str nested_name(struct cd_arena *arena, const struct cd_table *table, cd_str key)
{
        const char *parent = NULL;

        for (size_t i = 0; i < table->count; i++) {
                const struct cd_field *field = &table->fields[i];
                if (field->type != CD_FIELD_OBJECT || !cd_table_find(field->table, key))
                        continue;
                if (parent)
                        return CD_STR("");
                parent = field->name;
        }
        return parent ? cd_arena_printf(arena, "%s.%.*s", parent, CD_STR_ARG(key)) : CD_STR("");
}

cd_str cd_setting_similar(struct cd_arena *arena, const struct cd_table *table, cd_str key)
{
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_field *field = &table->fields[i];
                cd_str name = cd_str_from_c(field->name);
                bool goes_on = cd_str_has_prefix(key, name) && key.len > name.len + 1 &&
                               (key.ptr[name.len] == '_' || key.ptr[name.len] == '.');
                cd_str rest = cd_str_slice(key, name.len + 1, key.len);
                bool ends_so = cd_str_has_suffix(key, name) && key.len > name.len + 1 &&
                               key.ptr[key.len - name.len - 1] == '_';
                if ((key.len > 2 && cd_str_has_prefix(name, key)) || ends_so)
                        return name;
                if (goes_on && field->type == CD_FIELD_OBJECT && cd_table_find(field->table, rest))
                        return cd_arena_printf(arena, "%.*s.%.*s", CD_STR_ARG(name), CD_STR_ARG(rest));
                if (goes_on && field->type != CD_FIELD_OBJECT && key.ptr[name.len] == '.')
                        return name;
        }
        return nested_name(arena, table, key);
}

cd_str cd_setting_name_all(struct cd_arena *arena, const struct cd_table *table)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, 4096);
        cd_buf_add(&buf, CD_STR("remove it; the settings here are "));
        for (size_t i = 0; i < table->count; i++)
                cd_buf_printf(&buf, "%s%s", i ? ", " : "", table->fields[i].name);
        return cd_buf_view(&buf, &text) == CD_OK ? text : CD_STR("remove it");
}
