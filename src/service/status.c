#include "service/status.h"

#include "base/json.h"

static const struct cd_field queue_fields[] = {
        CD_STATUS_FIELD(struct cd_service_status_queue, waiting, INT),
        CD_STATUS_FIELD(struct cd_service_status_queue, max, INT),
};
static const struct cd_table queue_table = { "queue", queue_fields, CD_LEN(queue_fields),
                                             sizeof(struct cd_service_status_queue), false };

static const struct cd_field fields[] = {
        CD_STATUS_FIELD(struct cd_service_status, service, STRING),
        CD_STATUS_FIELD(struct cd_service_status, version, STRING, .flags = CD_FIELD_REQUIRED),
        CD_STATUS_FIELD(struct cd_service_status, pid, INT),
        CD_STATUS_FIELD(struct cd_service_status, started_at, STRING),
        CD_STATUS_FIELD(struct cd_service_status, uptime, INT),
        CD_STATUS_FIELD(struct cd_service_status, configuration, STRING),
        CD_STATUS_FIELD(struct cd_service_status, reloaded_at, STRING),
        CD_STATUS_FIELD(struct cd_service_status, reload_failed_at, STRING),
        CD_STATUS_FIELD(struct cd_service_status, reload_error, STRING),
        CD_STATUS_FIELD(struct cd_service_status, listen, STRINGS),
        CD_STATUS_FIELD(struct cd_service_status, connections, INT),
        CD_STATUS_FIELD(struct cd_service_status, queue, OBJECT, .table = &queue_table),
        CD_STATUS_FIELD(struct cd_service_status, certificate_until, STRING),
};
const struct cd_table cd_service_status_table = { "status", fields, CD_LEN(fields), sizeof(struct cd_service_status),
                                                  false };

static void write_object(const struct cd_table *table, const void *item, struct cd_buf *buf)
{
        cd_status_write(table, item, '{', buf);
        cd_buf_add_char(buf, '}');
}

static void write_objects(const struct cd_table *table, const struct cd_objects *objects, struct cd_buf *buf)
{
        cd_buf_add_char(buf, '[');
        for (size_t i = 0; i < objects->count; i++) {
                if (i)
                        cd_buf_add_char(buf, ',');
                write_object(table, (const char *)objects->items + i * table->size, buf);
        }
        cd_buf_add_char(buf, ']');
}

static void write_value(const struct cd_field *field, const void *value, struct cd_buf *buf)
{
        switch (field->type) {
        case CD_FIELD_STRING:
                cd_buf_add_json(buf, *(const cd_str *)value);
                break;
        case CD_FIELD_BOOL:
                cd_buf_add(buf, *(const bool *)value ? CD_STR("true") : CD_STR("false"));
                break;
        case CD_FIELD_INT:
                cd_buf_add_i64(buf, *(const int64_t *)value);
                break;
        case CD_FIELD_STRINGS:
                cd_json_write_strs(*(const struct cd_strs *)value, buf);
                break;
        case CD_FIELD_OBJECT:
                write_object(field->table, value, buf);
                break;
        case CD_FIELD_OBJECTS:
                write_objects(field->table, value, buf);
                break;
        default:
                buf->failed = true; /* no table of a status has it */
        }
}

void cd_status_write(const struct cd_table *table, const void *item, char before, struct cd_buf *buf)
{
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_field *field = &table->fields[i];
                const void *value = (const char *)item + field->offset;
                if (field->type == CD_FIELD_STRING && !((const cd_str *)value)->len)
                        continue;
                cd_buf_add_char(buf, before);
                before = ',';
                cd_buf_add_json(buf, cd_str_from_c(field->name));
                cd_buf_add_char(buf, ':');
                write_value(field, value, buf);
        }
}
