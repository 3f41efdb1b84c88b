#include "base/field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *member_of(const struct cd_field *field, void *target)
{
        return (char *)target + field->offset;
}

static cd_status refuse(const struct cd_field *field, const char *reason, struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(field->name), reason);
}

const struct cd_field *cd_table_find(const struct cd_table *table, cd_str name)
{
        for (size_t i = 0; i < table->count; i++)
                if (cd_str_eq_c(name, table->fields[i].name))
                        return &table->fields[i];
        return NULL;
}

const char *cd_table_nearest(const struct cd_table *table, cd_str name)
{
        /* one more than the largest distance that counts as near */
        unsigned least = name.len < 8 ? (unsigned)name.len / 4 + 2 : 4;
        const char *nearest = NULL;

        for (size_t i = 0; i < table->count; i++) {
                unsigned distance = cd_str_distance(name, cd_str_from_c(table->fields[i].name));
                if (distance < least) {
                        least = distance;
                        nearest = table->fields[i].name;
                }
        }
        return nearest;
}

static cd_status set_default(struct cd_arena *arena, const struct cd_field *field, void *target)
{
        cd_str fallback = cd_str_from_c(field->fallback), word = fallback;
        bool is_objects = field->type == CD_FIELD_OBJECTS && field->flags & CD_FIELD_SHORTHAND;
        bool is_list = field->type == CD_FIELD_STRINGS || is_objects;
        struct cd_error err;

        while (!is_list || cd_str_take_word(&fallback, &word)) {
                cd_status status = is_objects ? cd_objects_append_text(arena, field, word, target, &err)
                                              : cd_field_bind(arena, field, word, target, &err);
                if (status == CD_NO_MEMORY)
                        return status;
                if (status != CD_OK) {
                        fprintf(stderr, "the default of %s does not fit: %s\n", field->name, err.reason);
                        abort();
                }
                if (!is_list)
                        break;
        }
        return CD_OK;
}

cd_status cd_table_set_defaults(struct cd_arena *arena, const struct cd_table *table, void *target)
{
        cd_status status = CD_OK;

        for (size_t i = 0; i < table->count && status == CD_OK; i++) {
                const struct cd_field *field = &table->fields[i];
                if (field->type == CD_FIELD_OBJECT)
                        status = cd_table_set_defaults(arena, field->table, member_of(field, target));
                else if (field->fallback)
                        status = set_default(arena, field, target);
        }
        return status;
}

cd_status cd_objects_append(struct cd_arena *arena, const struct cd_field *field, void *target, void **ret,
                            struct cd_error *reterr)
{
        struct cd_objects *list = member_of(field, target);
        size_t size = field->table->size;
        void *items = list->items;
        cd_status status = cd_field_grow(arena, field, list->count, size, &items, reterr);
        if (status != CD_OK)
                return status;

        char *added = (char *)items + list->count * size;
        if (cd_table_set_defaults(arena, field->table, added) != CD_OK)
                return cd_fail_field(reterr, CD_NO_MEMORY, cd_str_from_c(field->name), "out of memory");
        *ret = added;
        *list = (struct cd_objects){ items, list->count + 1 };
        return CD_OK;
}

cd_status cd_objects_append_text(struct cd_arena *arena, const struct cd_field *field, cd_str value, void *target,
                                 struct cd_error *reterr)
{
        const struct cd_objects *list = member_of(field, target);
        size_t index = list->count;
        void *object;
        cd_status status = cd_objects_append(arena, field, target, &object, reterr);
        if (status != CD_OK)
                return status;

        status = cd_field_bind(arena, &field->table->fields[0], value, object, reterr);
        if (status != CD_OK && reterr)
                reterr->field[0] = '\0'; /* the error names the item as written, not its first field */
        if (status == CD_OK)
                status = cd_table_check_required(field->table, 1, reterr);
        if (status != CD_OK && reterr)
                cd_field_prefix_error(field, index, reterr);
        return status;
}

cd_status cd_table_mark(const struct cd_table *table, const struct cd_field *field, uint64_t *seen,
                        struct cd_error *reterr)
{
        uint64_t bit = (uint64_t)1 << (field - table->fields);

        if (*seen & bit)
                return refuse(field, "given more than once", reterr);
        *seen |= bit;
        return CD_OK;
}

cd_status cd_table_check_required(const struct cd_table *table, uint64_t seen, struct cd_error *reterr)
{
        for (size_t i = 0; i < table->count; i++)
                if (table->fields[i].flags & CD_FIELD_REQUIRED && !(seen >> i & 1))
                        return refuse(&table->fields[i], "missing", reterr);
        return CD_OK;
}

cd_status cd_table_unknown(const struct cd_table *table, cd_str name, struct cd_error *reterr)
{
        const char *nearest = table->closed ? cd_table_nearest(table, name) : NULL;

        if (!table->closed)
                return CD_OK;
        if (!nearest)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "unknown");
        return cd_failf(reterr, CD_INVALID_REQUEST, name, "unknown, did you mean \"%s\"?", nearest);
}

void cd_field_clear(const struct cd_field *field, void *target)
{
        if (field->type == CD_FIELD_STRINGS)
                *(struct cd_strs *)member_of(field, target) = (struct cd_strs){ 0 };
        else if (field->type == CD_FIELD_OBJECTS)
                *(struct cd_objects *)member_of(field, target) = (struct cd_objects){ 0 };
}

void cd_field_prefix_error(const struct cd_field *parent, size_t index, struct cd_error *error)
{
        char path[sizeof(error->field) + 128];
        const char *dot = error->field[0] ? "." : "";

        if (index == SIZE_MAX)
                snprintf(path, sizeof(path), "%s%s%s", parent->name, dot, error->field);
        else
                snprintf(path, sizeof(path), "%s[%zu]%s%s", parent->name, index, dot, error->field);
        /* A path that is too long loses its end, because users look for the beginning. */
        path[sizeof(error->field) - 1] = '\0';
        memcpy(error->field, path, sizeof(error->field));
}
