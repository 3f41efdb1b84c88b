#include "base/field.h"

#include <string.h>

#include "base/json.h"

static cd_status bind_members(struct cd_arena *arena, const struct cd_json *object, const struct cd_table *table,
                              void *target, struct cd_error *reterr);

static const char *expected_type(const struct cd_field *field)
{
        switch (field->type) {
        case CD_FIELD_BOOL:
        case CD_FIELD_TRISTATE:
                return "must be true or false";
        case CD_FIELD_INT:
                return "must be a whole number";
        case CD_FIELD_SIZE:
                return "must be a string or a whole number";
        case CD_FIELD_STRINGS:
                return "must be an array of strings";
        case CD_FIELD_OBJECT:
                return "must be an object";
        case CD_FIELD_OBJECTS:
                return field->flags & CD_FIELD_SHORTHAND ? "must be an array of strings or objects"
                                                         : "must be an array of objects";
        case CD_FIELD_STRING:
        case CD_FIELD_SECRET:
        case CD_FIELD_DURATION:
        case CD_FIELD_CHOICE:
                break;
        }
        return "must be a string";
}

static bool has_right_type(const struct cd_field *field, const struct cd_json *value)
{
        switch (field->type) {
        case CD_FIELD_BOOL:
        case CD_FIELD_TRISTATE:
                return value->type == CD_JSON_BOOL;
        case CD_FIELD_INT:
                return value->type == CD_JSON_NUMBER;
        case CD_FIELD_SIZE:
                return value->type == CD_JSON_STRING || value->type == CD_JSON_NUMBER;
        case CD_FIELD_STRINGS:
                return value->type == CD_JSON_ARRAY ||
                       (field->flags & CD_FIELD_ONE_OR_MORE && value->type == CD_JSON_STRING);
        case CD_FIELD_OBJECTS:
                return value->type == CD_JSON_ARRAY;
        case CD_FIELD_OBJECT:
                return value->type == CD_JSON_OBJECT;
        case CD_FIELD_STRING:
        case CD_FIELD_SECRET:
        case CD_FIELD_DURATION:
        case CD_FIELD_CHOICE:
                break;
        }
        return value->type == CD_JSON_STRING;
}

static cd_status refuse_type(const struct cd_field *field, struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(field->name), expected_type(field));
}

static cd_status within(const struct cd_field *field, size_t index, cd_status status, struct cd_error *reterr)
{
        if (status != CD_OK && reterr)
                cd_field_prefix_error(field, index, reterr);
        return status;
}

static cd_status bind_strings(struct cd_arena *arena, const struct cd_field *field, const struct cd_json *array,
                              void *target, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        cd_field_clear(field, target);
        if (array->type == CD_JSON_STRING)
                return cd_field_bind(arena, field, array->text, target, reterr);
        for (const struct cd_json *item = array->child; item && status == CD_OK; item = item->next)
                status = item->type == CD_JSON_STRING ? cd_field_bind(arena, field, item->text, target, reterr)
                                                      : refuse_type(field, reterr);
        return status;
}

static cd_status bind_objects(struct cd_arena *arena, const struct cd_field *field, const struct cd_json *array,
                              void *target, struct cd_error *reterr)
{
        size_t index = 0;

        cd_field_clear(field, target);
        for (const struct cd_json *item = array->child; item; item = item->next, index++) {
                void *element = NULL;
                if (item->type == CD_JSON_STRING && field->flags & CD_FIELD_SHORTHAND) {
                        cd_status status = cd_objects_append_text(arena, field, item->text, target, reterr);
                        if (status != CD_OK)
                                return status;
                        continue;
                }
                if (item->type != CD_JSON_OBJECT)
                        return refuse_type(field, reterr);
                cd_status status = cd_objects_append(arena, field, target, &element, reterr);
                if (status != CD_OK)
                        return status;
                status = bind_members(arena, item, field->table, element, reterr);
                if (status != CD_OK)
                        return within(field, index, status, reterr);
        }
        return CD_OK;
}

static cd_status bind_value(struct cd_arena *arena, const struct cd_field *field, const struct cd_json *value,
                            void *target, struct cd_error *reterr)
{
        if (!has_right_type(field, value))
                return refuse_type(field, reterr);
        if (field->type == CD_FIELD_STRINGS)
                return bind_strings(arena, field, value, target, reterr);
        if (field->type == CD_FIELD_OBJECTS)
                return bind_objects(arena, field, value, target, reterr);
        if (field->type == CD_FIELD_OBJECT)
                return within(field, SIZE_MAX,
                              bind_members(arena, value, field->table, (char *)target + field->offset, reterr), reterr);
        return cd_field_bind(arena, field, value->text, target, reterr);
}

static cd_status bind_members(struct cd_arena *arena, const struct cd_json *object, const struct cd_table *table,
                              void *target, struct cd_error *reterr)
{
        uint64_t seen = 0;

        for (const struct cd_json *member = object->child; member; member = member->next) {
                const struct cd_field *field = cd_table_find(table, member->name);
                cd_status status = CD_OK;
                if (!field)
                        status = cd_table_unknown(table, member->name, reterr);
                else if (member->type != CD_JSON_NULL) {
                        status = cd_table_mark(table, field, &seen, reterr);
                        if (status == CD_OK)
                                status = bind_value(arena, field, member, target, reterr);
                }
                if (status != CD_OK)
                        return status;
        }
        return cd_table_check_required(table, seen, reterr);
}

cd_status cd_json_bind(struct cd_arena *arena, const struct cd_json *object, const struct cd_table *table, void *ret,
                       struct cd_error *reterr)
{
        if (object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_INVALID_REQUEST, "must be a JSON object");

        void *target = cd_arena_calloc(arena, 1, table->size);
        if (!target || cd_table_set_defaults(arena, table, target) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        cd_status status = bind_members(arena, object, table, target, reterr);
        if (status == CD_OK)
                memcpy(ret, target, table->size);
        return status;
}

cd_status cd_json_decode(struct cd_arena *arena, cd_str text, const struct cd_table *table, void *ret,
                         struct cd_error *reterr)
{
        const struct cd_json *object = NULL;
        cd_status status = cd_json_parse(arena, text, CD_JSON_UNIQUE_NAMES, &object, reterr);

        return status == CD_OK ? cd_json_bind(arena, object, table, ret, reterr) : status;
}
