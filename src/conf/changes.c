#include "conf/changes.h"

static bool is_same_object(const struct cd_table *table, const void *a, const void *b);

static bool is_same_objects(const struct cd_table *table, const struct cd_objects *a, const struct cd_objects *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!is_same_object(table, (const char *)a->items + i * table->size,
                                    (const char *)b->items + i * table->size))
                        return false;
        return true;
}

/* `a` and `b` are members of the field's type. */
static bool is_same_member(const struct cd_field *field, const void *a, const void *b)
{
        switch (field->type) {
        case CD_FIELD_SECRET:
        case CD_FIELD_STRING:
                return cd_str_eq(*(const cd_str *)a, *(const cd_str *)b);
        case CD_FIELD_BOOL:
                return *(const bool *)a == *(const bool *)b;
        case CD_FIELD_TRISTATE:
        case CD_FIELD_CHOICE:
                return *(const int *)a == *(const int *)b;
        case CD_FIELD_INT:
        case CD_FIELD_DURATION:
        case CD_FIELD_SIZE:
                return *(const int64_t *)a == *(const int64_t *)b;
        case CD_FIELD_STRINGS:
                return cd_strs_eq(a, b);
        case CD_FIELD_OBJECT:
                return is_same_object(field->table, a, b);
        case CD_FIELD_OBJECTS:
                return is_same_objects(field->table, a, b);
        }
        return false;
}

static bool is_same_object(const struct cd_table *table, const void *a, const void *b)
{
        for (size_t i = 0; i < table->count; i++) {
                size_t offset = table->fields[i].offset;
                if (!is_same_member(&table->fields[i], (const char *)a + offset, (const char *)b + offset))
                        return false;
        }
        return true;
}

static bool is_listed(const char *const *paths, cd_str path)
{
        for (; *paths; paths++)
                if (cd_str_eq_c(path, *paths))
                        return true;
        return false;
}

static void compare(struct cd_report *report, const struct cd_table *table, cd_str prefix, const void *then,
                    const void *now, const char *const *may_change)
{
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_field *field = &table->fields[i];
                const void *a = (const char *)then + field->offset, *b = (const char *)now + field->offset;
                cd_str path = cd_arena_printf(report->arena, "%.*s%s%s", CD_STR_ARG(prefix), prefix.len ? "." : "",
                                              field->name);
                report->no_memory |= !path.ptr;
                if (!path.ptr || is_listed(may_change, path) || cd_report_is_kept(report, path))
                        continue;
                if (field->type == CD_FIELD_OBJECT)
                        compare(report, field->table, path, a, b, may_change);
                else if (!is_same_member(field, a, b))
                        cd_report_about(report, CD_FINDING_ERROR, path, "restart the service, or undo the change",
                                        "restart needed: it cannot change while the service runs");
        }
}

void cd_settings_forbid_changes(struct cd_report *report, const struct cd_table *table, const void *then,
                                const void *now, const char *const *may_change)
{
        compare(report, table, CD_STR(""), then, now, may_change);
}
