#include "base/field.h"

#include <string.h>

#include "base/percent.h"

enum {
        MAX_PARAMETERS = 256
};

static cd_status decode_part(struct cd_arena *arena, cd_str raw, cd_str name, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = cd_percent_decode(arena, raw, true, ret);

        if (status == CD_NO_MEMORY)
                return cd_fail_field(reterr, CD_NO_MEMORY, name, "out of memory");
        if (status != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name,
                                     name.len ? "invalid percent-encoding" : "invalid percent-encoding in a name");
        return CD_OK;
}

static cd_status bind_parameter(struct cd_arena *arena, cd_str pair, const struct cd_table *table, void *target,
                                uint64_t *seen, struct cd_error *reterr)
{
        size_t equals = cd_str_index(pair, '=');
        cd_str raw_value = cd_str_slice(pair, equals + 1, pair.len), name, value;
        cd_status status = decode_part(arena, cd_str_slice(pair, 0, equals), CD_STR(""), &name, reterr);
        if (status != CD_OK)
                return status;

        const struct cd_field *field = cd_table_find(table, name);
        if (!field)
                return cd_table_unknown(table, name, reterr);
        if (raw_value.len == 0)
                return CD_OK;
        status = decode_part(arena, raw_value, name, &value, reterr);
        if (status == CD_OK)
                status = cd_table_mark(table, field, seen, reterr);
        if (status == CD_OK) {
                cd_field_clear(field, target);
                status = cd_field_bind(arena, field, value, target, reterr);
        }
        return status;
}

cd_status cd_form_decode(struct cd_arena *arena, cd_str body, const struct cd_table *table, void *ret,
                         struct cd_error *reterr)
{
        void *target = cd_arena_calloc(arena, 1, table->size);
        uint64_t seen = 0;
        size_t count = 0;
        cd_str pair;

        if (!target || cd_table_set_defaults(arena, table, target) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        while (cd_str_take_until(&body, '&', &pair)) {
                if (pair.len == 0)
                        continue;
                if (++count > MAX_PARAMETERS)
                        return cd_fail(reterr, CD_INVALID_REQUEST, "more than 256 parameters");
                cd_status status = bind_parameter(arena, pair, table, target, &seen, reterr);
                if (status != CD_OK)
                        return status;
        }
        cd_status status = cd_table_check_required(table, seen, reterr);
        if (status == CD_OK)
                memcpy(ret, target, table->size);
        return status;
}
