#include "base/field.h"

#include "base/buf.h"

static void add_object(const struct cd_table *table, struct cd_buf *buf);

static void add_raw(struct cd_buf *buf, const char *text)
{
        cd_buf_add(buf, cd_str_from_c(text));
}

static void add_bound(struct cd_buf *buf, const char *keyword, int64_t value)
{
        add_raw(buf, ",\"");
        add_raw(buf, keyword);
        add_raw(buf, "\":");
        cd_buf_add_i64(buf, value);
}

/* For values that are written with a unit: no keyword of JSON Schema can compare them, so these members are for readers
 * and for our own programs. */
static void add_unit_bounds(const struct cd_field *field, const char *unit, struct cd_buf *buf)
{
        if (field->max <= field->min)
                return;
        add_raw(buf, ",\"x-unit\":");
        cd_buf_add_json(buf, cd_str_from_c(unit));
        add_bound(buf, "x-minimum", field->min);
        add_bound(buf, "x-maximum", field->max);
}

static void add_bounds(const struct cd_field *field, struct cd_buf *buf)
{
        if (field->max <= field->min)
                return;
        add_bound(buf, "minimum", field->min);
        add_bound(buf, "maximum", field->max);
}

static void add_choices(const struct cd_field *field, struct cd_buf *buf)
{
        add_raw(buf, ",\"enum\":[");
        for (size_t i = 0; field->choices[i]; i++) {
                if (i > 0)
                        cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, cd_str_from_c(field->choices[i]));
        }
        cd_buf_add_char(buf, ']');
}

/* Our lengths are bytes, those of JSON Schema characters; a text of n bytes has at most n characters. */
static void add_text(const struct cd_field *field, struct cd_buf *buf)
{
        add_raw(buf, "\"type\":\"string\"");
        if (field->min == 1)
                add_bound(buf, "minLength", 1);
        add_bound(buf, "maxLength", field->max > 0 ? field->max : 4096);
        if (field->type == CD_FIELD_SECRET)
                add_raw(buf, ",\"writeOnly\":true");
}

/* Writes the contents of an item's schema, without the braces. */
static void add_item(const struct cd_field *field, struct cd_buf *buf)
{
        if (!(field->flags & CD_FIELD_SHORTHAND)) {
                add_object(field->table, buf);
                return;
        }
        add_raw(buf, "\"anyOf\":[{");
        add_text(&field->table->fields[0], buf);
        add_raw(buf, "},{");
        add_object(field->table, buf);
        add_raw(buf, "}]");
}

static void add_type(const struct cd_field *field, struct cd_buf *buf)
{
        switch (field->type) {
        case CD_FIELD_STRING:
        case CD_FIELD_SECRET:
                add_text(field, buf);
                break;
        case CD_FIELD_BOOL:
        case CD_FIELD_TRISTATE:
                add_raw(buf, "\"type\":\"boolean\"");
                break;
        case CD_FIELD_INT:
                add_raw(buf, "\"type\":\"integer\"");
                add_bounds(field, buf);
                break;
        case CD_FIELD_DURATION:
                add_raw(buf, "\"type\":\"string\",\"pattern\":\"^");
                add_raw(buf, field->flags & CD_FIELD_OR_NONE ? "(none|(0|[1-9][0-9]*)(ms|s|m|h|d))$\""
                                                             : "(0|[1-9][0-9]*)(ms|s|m|h|d)$\"");
                add_unit_bounds(field, "ms", buf);
                break;
        case CD_FIELD_SIZE:
                add_raw(buf, "\"type\":[\"string\",\"integer\"],\"pattern\":\"^(0|[1-9][0-9]*)(KB|MB|GB)?$\"");
                add_bounds(field, buf); /* apply to a JSON number, which is in bytes */
                add_unit_bounds(field, "bytes", buf);
                break;
        case CD_FIELD_CHOICE:
                add_raw(buf, "\"type\":\"string\"");
                add_choices(field, buf);
                break;
        case CD_FIELD_STRINGS:
                add_raw(buf, field->flags & CD_FIELD_ONE_OR_MORE ? "\"type\":[\"array\",\"string\"]"
                             : field->flags & CD_FIELD_OR_BOOL   ? "\"type\":[\"array\",\"boolean\"]"
                                                                 : "\"type\":\"array\"");
                add_raw(buf, ",\"items\":{\"type\":\"string\"}");
                add_bound(buf, "maxItems", field->max > 0 ? field->max : CD_FIELD_MAX_ITEMS);
                break;
        case CD_FIELD_OBJECT:
                add_object(field->table, buf);
                break;
        case CD_FIELD_OBJECTS:
                add_raw(buf, "\"type\":\"array\",\"items\":{");
                add_item(field, buf);
                cd_buf_add_char(buf, '}');
                add_bound(buf, "maxItems", field->max > 0 ? field->max : CD_FIELD_MAX_ITEMS);
                break;
        }
}

static void add_words(cd_str words, struct cd_buf *buf)
{
        const char *before = "[";
        cd_str word;

        while (cd_str_take_word(&words, &word)) {
                add_raw(buf, before);
                cd_buf_add_json(buf, word);
                before = ",";
        }
        add_raw(buf, *before == '[' ? "[]" : "]");
}

static void add_default(const struct cd_field *field, struct cd_buf *buf)
{
        cd_str fallback = cd_str_from_c(field->fallback);

        if (!field->fallback || field->type == CD_FIELD_SECRET)
                return;
        add_raw(buf, ",\"default\":");
        if (field->type == CD_FIELD_STRINGS || field->type == CD_FIELD_OBJECTS)
                add_words(fallback, buf);
        else if (field->type == CD_FIELD_BOOL || field->type == CD_FIELD_INT)
                cd_buf_add(buf, fallback);
        else
                cd_buf_add_json(buf, fallback);
}

static void add_required(const struct cd_table *table, struct cd_buf *buf)
{
        const char *before = ",\"required\":[";

        for (size_t i = 0; i < table->count; i++) {
                if (!(table->fields[i].flags & CD_FIELD_REQUIRED))
                        continue;
                add_raw(buf, before);
                cd_buf_add_json(buf, cd_str_from_c(table->fields[i].name));
                before = ",";
        }
        if (before[1] == '\0')
                cd_buf_add_char(buf, ']');
}

/* Writes the contents of an object's schema, without the braces. */
static void add_object(const struct cd_table *table, struct cd_buf *buf)
{
        add_raw(buf, "\"type\":\"object\",\"properties\":{");
        for (size_t i = 0; i < table->count; i++) {
                const struct cd_field *field = &table->fields[i];
                if (i > 0)
                        cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, cd_str_from_c(field->name));
                add_raw(buf, ":{");
                add_type(field, buf);
                if (field->help) {
                        add_raw(buf, ",\"description\":");
                        cd_buf_add_json(buf, cd_str_from_c(field->help));
                }
                add_default(field, buf);
                cd_buf_add_char(buf, '}');
        }
        cd_buf_add_char(buf, '}');
        add_required(table, buf);
        if (table->closed)
                add_raw(buf, ",\"additionalProperties\":false");
}

void cd_table_schema(const struct cd_table *table, struct cd_buf *buf)
{
        add_raw(buf, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":");
        cd_buf_add_json(buf, cd_str_from_c(table->name));
        cd_buf_add_char(buf, ',');
        add_object(table, buf);
        cd_buf_add_char(buf, '}');
}
