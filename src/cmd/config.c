/* cardea config show: each effective setting, its value and its origin. */
#include <string.h>

#include "cmd/context.h"
#include "cmd/text_table.h"
#include "crypto/fingerprint.h"

enum {
        SHOW_MAX = 64 * 1024 * 1024
};

struct ask {
        bool json;
};

struct show {
        const struct cd_report *report;
        struct cd_fingerprints
                *fingerprints; /* under the master key; NULL: there is none, and only lengths are shown */
        struct cd_buf *out;
        bool json;
        size_t count; /* settings written so far */
};

static void add_unit(struct cd_buf *out, int64_t value, const int64_t *factors, const char *const *units, size_t count)
{
        size_t i = 0;

        while (i + 1 < count && (value == 0 || value % factors[i]))
                i++;
        cd_buf_add_char(out, '"');
        cd_buf_add_i64(out, value / factors[i]);
        cd_buf_add(out, cd_str_from_c(units[i]));
        cd_buf_add_char(out, '"');
}

static void add_duration(struct cd_buf *out, int64_t ms)
{
        static const int64_t factors[] = { 86400000, 3600000, 60000, 1000, 1 };
        static const char *const units[] = { "d", "h", "m", "s", "ms" };

        add_unit(out, ms, factors, units, CD_LEN(factors));
}

static void add_size(struct cd_buf *out, int64_t bytes)
{
        static const int64_t factors[] = { 1024 * 1024, 1024, 1 };
        static const char *const units[] = { "MB", "KB", "" };

        add_unit(out, bytes, factors, units, CD_LEN(factors));
}

static void add_secret(const struct show *show, cd_str secret)
{
        char fingerprint[CD_FINGERPRINT_LEN];

        if (!secret.len)
                cd_buf_add(show->out, CD_STR("\"not set\""));
        else if (!show->fingerprints)
                cd_buf_printf(show->out, "\"%zu bytes, no fingerprint without master_key\"", secret.len);
        else if (cd_fingerprint_of(show->fingerprints, secret, fingerprint) != CD_OK)
                cd_buf_printf(show->out, "\"%zu bytes\"", secret.len);
        else
                cd_buf_printf(show->out, "\"%zu bytes, fingerprint %.8s…\"", secret.len, fingerprint);
}

/* What is before the host of a URL may be a password, also in a setting that must not have one. */
static void add_text(const struct show *show, cd_str text)
{
        size_t begin = cd_str_index(text, ':') + 1, end, at = 0;

        for (; begin < text.len && text.ptr[begin] == '/'; begin++)
                at = begin + 1;
        for (end = begin; at && end < text.len && !strchr("/?#", text.ptr[end]); end++)
                if (text.ptr[end] == '@')
                        at = end;
        if (at > begin)
                text = cd_arena_printf(show->report->arena, "%.*s***%.*s", CD_STR_ARG(cd_str_slice(text, 0, begin)),
                                       CD_STR_ARG(cd_str_slice(text, at, text.len)));
        cd_buf_add_json(show->out, text);
}

static void add_strings(const struct show *show, const struct cd_strs *list)
{
        struct cd_buf *out = show->out;

        cd_buf_add_char(out, '[');
        for (size_t i = 0; i < list->count; i++) {
                if (i)
                        cd_buf_add(out, CD_STR(", "));
                add_text(show, list->items[i]);
        }
        cd_buf_add_char(out, ']');
}

static void add_value(const struct show *show, const struct cd_field *field, const void *member);

/* The first field of each struct. */
static void add_first_fields(const struct show *show, const struct cd_table *table, const struct cd_objects *list)
{
        struct cd_buf *out = show->out;

        cd_buf_add_char(out, '[');
        for (size_t i = 0; i < list->count; i++) {
                if (i)
                        cd_buf_add(out, CD_STR(", "));
                add_value(show, &table->fields[0],
                          (const char *)list->items + i * table->size + table->fields[0].offset);
        }
        cd_buf_add_char(out, ']');
}

static void add_value(const struct show *show, const struct cd_field *field, const void *member)
{
        struct cd_buf *out = show->out;
        cd_str text;

        switch (field->type) {
        case CD_FIELD_STRING:
                text = *(const cd_str *)member;
                if (field->show)
                        cd_buf_add_json(out, field->show(show->report->arena, text));
                else
                        add_text(show, text);
                break;
        case CD_FIELD_SECRET:
                add_secret(show, *(const cd_str *)member);
                break;
        case CD_FIELD_BOOL:
                cd_buf_add(out, *(const bool *)member ? CD_STR("true") : CD_STR("false"));
                break;
        case CD_FIELD_TRISTATE:
                cd_buf_add(out, *(const int *)member == CD_TRISTATE_UNSET  ? CD_STR("null")
                                : *(const int *)member == CD_TRISTATE_TRUE ? CD_STR("true")
                                                                           : CD_STR("false"));
                break;
        case CD_FIELD_INT:
                cd_buf_add_i64(out, *(const int64_t *)member);
                break;
        case CD_FIELD_DURATION:
                if (field->flags & CD_FIELD_OR_NONE && *(const int64_t *)member == 0)
                        cd_buf_add(out, CD_STR("\"none\""));
                else
                        add_duration(out, *(const int64_t *)member);
                break;
        case CD_FIELD_SIZE:
                add_size(out, *(const int64_t *)member);
                break;
        case CD_FIELD_CHOICE:
                cd_buf_add_json(out, cd_str_from_c(field->choices[*(const int *)member]));
                break;
        case CD_FIELD_STRINGS:
                add_strings(show, member);
                break;
        case CD_FIELD_OBJECTS: /* only an empty list, or a list of texts that stand for objects */
                add_first_fields(show, field->table, member);
                break;
        case CD_FIELD_OBJECT: /* shown as its members */
                break;
        }
}

/* The sources from which the value, or the items of a list, were composed: "env A, file B". */
static cd_str origin(const struct show *show, cd_str setting, const struct cd_setting_source *source)
{
        cd_str from = source->from;

        for (size_t i = 0;; i++) {
                cd_str item = cd_arena_printf(show->report->arena, "%.*s[%zu]", CD_STR_ARG(setting), i);
                const struct cd_setting_source *s = item.ptr ? cd_report_find_source(show->report, item) : NULL;
                if (!s)
                        return from.ptr ? from : CD_STR("");
                if (s->from.len)
                        from = cd_arena_printf(show->report->arena, "%.*s%s%.*s", CD_STR_ARG(from),
                                               from.len ? ", " : "", CD_STR_ARG(s->from));
        }
}

/* Where the value was written, or the error is that left the setting without one. Line 0: it has its default. */
static struct cd_setting_source source_of(const struct show *show, cd_str setting, const struct cd_finding *error)
{
        const struct cd_setting_source *source = cd_report_find_source(show->report, setting);

        if (source || !error)
                return source ? *source : (struct cd_setting_source){ 0 };
        return (struct cd_setting_source){ .line = error->line, .column = error->column, .from = error->from };
}

static void show_json(struct show *show, cd_str setting, const struct cd_field *field, const void *member)
{
        const struct cd_finding *error = cd_report_find_error(show->report, setting);
        const struct cd_setting_source source = source_of(show, setting, error);
        struct cd_buf *out = show->out;

        cd_buf_add(out, show->count ? CD_STR(",\n  {\"setting\":") : CD_STR("\n  {\"setting\":"));
        cd_buf_add_json(out, setting);
        if (error) {
                cd_buf_add(out, CD_STR(",\"value\":null,\"error\":"));
                cd_buf_add_json(out, error->what);
        } else {
                cd_buf_add(out, CD_STR(",\"value\":"));
                add_value(show, field, member);
        }
        cd_buf_add(out, CD_STR(",\"source\":"));
        if (!source.line) {
                cd_buf_add(out, CD_STR("\"default\"}"));
                return;
        }
        cd_str from = origin(show, setting, &source);
        cd_buf_add(out, CD_STR("{\"file\":"));
        cd_buf_add_json(out, show->report->file_name);
        cd_buf_printf(out, ",\"line\":%u,\"column\":%u", source.line, source.column);
        if (from.len) {
                cd_buf_add(out, CD_STR(",\"from\":"));
                cd_buf_add_json(out, from);
        }
        cd_buf_add(out, CD_STR("}}"));
}

/* Adds at least one space, and enough to fill the column that began at `start`. */
static void pad_to(struct cd_buf *out, size_t start, size_t width)
{
        size_t shown = 0;

        for (size_t i = start; i < out->len; i++)
                shown += (out->ptr[i] & 0xc0) != 0x80; /* characters, not bytes */
        do
                cd_buf_add_char(out, ' ');
        while (++shown < width);
}

static void show_text(struct show *show, cd_str setting, const struct cd_field *field, const void *member)
{
        const struct cd_finding *error = cd_report_find_error(show->report, setting);
        const struct cd_setting_source source = source_of(show, setting, error);
        struct cd_buf *out = show->out;

        size_t start = out->len;
        cd_buf_add(out, setting);
        pad_to(out, start, 26);
        start = out->len;
        if (error)
                cd_buf_add(out, CD_STR("error"));
        else
                add_value(show, field, member);
        pad_to(out, start, 38);
        if (!source.line) {
                cd_buf_add(out, CD_STR("default\n"));
                return;
        }
        cd_str from = origin(show, setting, &source);
        cd_buf_add_safe(out, show->report->file_name);
        cd_buf_printf(out, ":%u:%u", source.line, source.column);
        if (from.len) {
                cd_buf_add(out, CD_STR(" from "));
                cd_buf_add_safe(out, from);
        }
        cd_buf_add_char(out, '\n');
}

static void show_table(struct show *show, const struct cd_table *table, const char *target, cd_str path);

/* Whether each item is the default or was written as one text, which then is the whole value to show. */
static bool is_list_of_texts(const struct show *show, const struct cd_field *field, const struct cd_objects *list,
                             cd_str setting)
{
        const struct cd_report *report = show->report;

        if (!(field->flags & CD_FIELD_SHORTHAND))
                return list->count == 0;
        for (size_t i = 0; i < list->count; i++) {
                cd_str path = cd_arena_printf(report->arena, "%.*s[%zu]", CD_STR_ARG(setting), i);
                const struct cd_setting_source *item = cd_report_find_source(report, path);
                for (size_t k = 0; k < field->table->count; k++) {
                        cd_str name = cd_arena_printf(report->arena, "%.*s.%s", CD_STR_ARG(path),
                                                      field->table->fields[k].name);
                        const struct cd_setting_source *member = cd_report_find_source(report, name);
                        bool is_item = k == 0 && member && item && member->line == item->line &&
                                       member->column == item->column;
                        if (member && !is_item)
                                return false;
                }
        }
        return true;
}

static void show_field(struct show *show, const struct cd_field *field, const char *target, cd_str path)
{
        struct cd_arena *arena = show->report->arena;
        cd_str setting = cd_arena_printf(arena, "%.*s%s%s", CD_STR_ARG(path), path.len ? "." : "", field->name);
        const char *member = target + field->offset;

        if (!setting.ptr) {
                show->out->failed = true;
                return;
        }
        if (field->type == CD_FIELD_OBJECT) {
                show_table(show, field->table, member, setting);
                return;
        }
        const struct cd_objects *list = (const void *)member;
        if (field->type == CD_FIELD_OBJECTS && !is_list_of_texts(show, field, list, setting)) {
                for (size_t i = 0; i < list->count; i++)
                        show_table(show, field->table, (const char *)list->items + i * field->table->size,
                                   cd_arena_printf(arena, "%.*s[%zu]", CD_STR_ARG(setting), i));
                return;
        }
        if (show->json)
                show_json(show, setting, field, member);
        else
                show_text(show, setting, field, member);
        show->count++;
}

static void show_table(struct show *show, const struct cd_table *table, const char *target, cd_str path)
{
        for (size_t i = 0; i < table->count; i++)
                show_field(show, &table->fields[i], target, path);
}

/* NULL: the configuration has no master key that can be used. */
static struct cd_fingerprints *fingerprints_of(const struct cd_config *config)
{
        struct cd_master_key *master;

        if (!config->master_key.len ||
            cd_master_key_parse(config->master_key, &cd_random_system, &master, NULL) != CD_OK)
                return NULL;
        struct cd_fingerprints *fingerprints = cd_fingerprints_new(master);
        cd_master_key_free(master);
        return fingerprints;
}

static int act(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_report *report = &context->admin.report;
        struct cd_config *config = &context->admin.config;
        struct cd_error err = { 0 };
        struct cd_buf out;

        cd_report_init(report, &context->arena, cd_str_from_c(context->config));
        bool is_valid = cd_settings_load(report, &cd_config_table, config, &err) == CD_OK;
        int exit_code = is_valid ? CD_EXIT_OK : cd_context_fail_open(context->command, &context->admin, &err);
        if (report->unread || report->no_memory)
                return exit_code;
        cd_config_complete(config);
        cd_buf_init(&out, NULL, SHOW_MAX);
        struct show show = { report, fingerprints_of(config), &out, .json = ask->json };
        if (ask->json)
                cd_buf_add(&out, CD_STR("{\"settings\":["));
        show_table(&show, &cd_config_table, (const char *)config, CD_STR(""));
        if (ask->json)
                cd_buf_add(&out, CD_STR("\n]}\n"));
        cd_fingerprints_free(show.fingerprints);
        return cd_json_print(&out) ? exit_code : CD_EXIT_FAILED;
}

static const struct cd_option show_options[] = {
        CD_FLAG(struct ask, json, "--json", 0, "print JSON"),
        { 0 },
};

static const struct cd_command config_show = {
        .name = "show",
        .summary = "show each effective setting and where it came from",
        .about = "Prints each setting of \"cardea serve\", its effective value, and its source: \"default\", or "
                 "file:line:column and the environment variables and files that the value came from. A secret is shown "
                 "as its length and a fingerprint under the master key, as in the log. Without a configuration, the "
                 "defaults are shown. Where the file has errors, such as a variable that is not set, they are printed "
                 "on standard error, and the settings that they are about are shown as \"error\".",
        .examples = "cardea config show --config cardea.yaml",
        .exit_codes = "2 the command line is wrong, or the configuration has errors; the other settings are printed",
        .options = show_options,
        .ask_size = sizeof(struct ask),
        .act = act,
        .opens = CD_OPENS_NOTHING_OR_DEFAULTS,
};

static const struct cd_command *const actions[] = { &config_show, NULL };

const struct cd_command cd_cmd_config = {
        .name = "config",
        .summary = "show each effective setting and where it came from",
        .actions = actions,
};
