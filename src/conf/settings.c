#include "conf/settings.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "conf/interpolate.h"
#include "conf/similar.h"
#include "conf/value_fault.h"
#include "conf/yaml.h"

/* The current position in the file and the settings. */
struct cursor {
        struct cd_report *report;
        struct cd_arena *scratch; /* wiped at the end, so that only one copy of a secret remains */
        cd_str folder;
        cd_str path; /* dotted; empty at the root */
        /* what every user of the machine can do to the file; *NULL: nothing, or already reported */
        const char **file_fault;
};

/* The same file with another path. */
static struct cursor cursor_at(const struct cursor *from, cd_str path)
{
        struct cursor cursor = *from;

        cursor.path = path;
        return cursor;
}

static cd_str member_path(const struct cursor *at, cd_str name)
{
        cd_str path = cd_arena_printf(at->report->arena, "%.*s%s%.*s", CD_STR_ARG(at->path), at->path.len ? "." : "",
                                      CD_STR_ARG(cd_str_slice(name, 0, 100)));
        if (!path.ptr)
                at->report->no_memory = true;
        return path.ptr ? path : CD_STR("");
}

static cd_str item_path(const struct cursor *at, size_t index)
{
        cd_str path = cd_arena_printf(at->report->arena, "%.*s[%zu]", CD_STR_ARG(at->path), index);
        if (!path.ptr)
                at->report->no_memory = true;
        return path.ptr ? path : CD_STR("");
}

static void add_error(const struct cursor *at, struct cd_yaml_mark mark, cd_str what, cd_str fix)
{
        struct cd_finding finding = { .level = CD_FINDING_ERROR,
                                      .line = mark.line,
                                      .column = mark.column,
                                      .setting = at->path,
                                      .what = what,
                                      .fix = fix };

        if (!what.ptr)
                at->report->no_memory = true;
        cd_report_add(at->report, &finding);
}

/* What an environment variable should have been, is for those to say who know how the process was started. */
static void add_unresolved(const struct cursor *at, struct cd_yaml_mark mark, const struct cd_interpolated *value,
                           const struct cd_error *err)
{
        struct cd_arena *arena = at->report->arena;
        struct cd_finding finding = { .level = CD_FINDING_ERROR,
                                      .line = mark.line,
                                      .column = mark.column,
                                      .setting = at->path,
                                      .what = cd_arena_copy(arena, cd_str_from_c(err->reason)),
                                      .variable = cd_arena_copy(arena, value->variable),
                                      .stage = CD_STAGE_UNRESOLVED };

        if (!finding.what.ptr || !finding.variable.ptr)
                at->report->no_memory = true;
        cd_report_add(at->report, &finding);
}

static uint64_t hash_of(cd_str text)
{
        /* fixed: the value is only compared with another text by the same author */
        static const uint64_t key[2] = { 0 };

        return text.ptr ? cd_siphash(key, text) : 0;
}

static void note_source(const struct cursor *at, const struct cd_yaml_node *node, cd_str from)
{
        cd_report_add_source(at->report, &(struct cd_setting_source){ .setting = at->path,
                                                                      .line = node->mark.line,
                                                                      .column = node->mark.column,
                                                                      .from = from,
                                                                      .written = hash_of(node->text) });
}

/* Leaves a setting that nobody uses as it is, rather than read its files and variables. */
static bool leave_unresolved(const struct cursor *at, const struct cd_yaml_node *node)
{
        if (cd_report_needs(at->report, at->path) || !memmem(node->text.ptr, node->text.len, "${", 2))
                return false;
        cd_report_add_source(at->report, &(struct cd_setting_source){ .setting = at->path,
                                                                      .line = node->mark.line,
                                                                      .column = node->mark.column,
                                                                      .written = hash_of(node->text),
                                                                      .is_kept = true });
        return true;
}

/* See cd_report.earlier. */
static bool keep_secret(const struct cursor *at, const struct cd_field *field, const struct cd_yaml_node *node)
{
        const struct cd_report *earlier = at->report->earlier;
        const struct cd_setting_source *before = NULL;

        if (earlier && field->type == CD_FIELD_SECRET)
                before = cd_report_find_written(earlier, at->path, hash_of(node->text));
        if (!before)
                return false;
        cd_report_add_source(at->report,
                             &(struct cd_setting_source){ .setting = at->path,
                                                          .line = node->mark.line,
                                                          .column = node->mark.column,
                                                          .from = cd_arena_copy(at->report->arena, before->from),
                                                          .written = before->written,
                                                          .is_kept = true });
        return true;
}

static void bind_table(const struct cursor *at, const struct cd_table *table, const struct cd_yaml_node *mapping,
                       void *target);

static void judge_value(const struct cursor *at, const struct cd_field *field, const struct cd_interpolated *value)
{
        if (value->unfit_file.len && field->type == CD_FIELD_SECRET) {
                cd_str fix = cd_secret_file_fix(&value->unfit, at->report->arena, value->unfit_file);
                cd_report_about(at->report, CD_FINDING_ERROR, at->path, fix.ptr,
                                "contains a secret from a file that %s", cd_secret_file_fault(&value->unfit));
        }
        if (value->left_over)
                cd_report_about(at->report, CD_FINDING_WARNING, at->path, NULL,
                                "the inserted text contains \"${\", which is not expanded");
}

/* A secret, or a text that holds one (the password of a URL). */
static bool holds_secret(struct cd_arena *arena, const struct cd_field *field, cd_str value)
{
        return value.len &&
               (field->type == CD_FIELD_SECRET || (field->show && !cd_str_eq(field->show(arena, value), value)));
}

/* Whether an error of the value itself was reported, which is one that no table can know of. */
static bool refuse_value(const struct cursor *at, const struct cd_field *field, const struct cd_interpolated *value)
{
        struct cd_value_fault fault;
        enum cd_value_kind kind = field->type != CD_FIELD_SECRET      ? CD_VALUE_INSERTED
                                  : field->flags & CD_FIELD_MULTILINE ? CD_VALUE_PEM
                                                                      : CD_VALUE_SECRET;

        if ((kind == CD_VALUE_INSERTED && !value->from.len) ||
            !cd_value_find_fault(at->report->arena, at->folder, value->text, kind, &fault))
                return false;
        cd_report_about(at->report, fault.level, at->path, fault.fix.ptr, "%s", fault.what);
        return fault.level == CD_FINDING_ERROR;
}

/* Warns only about the first such setting. */
static void judge_inline(const struct cursor *at, const struct cd_field *field, const struct cd_interpolated *value)
{
        if (!*at->file_fault || value->from.len || !holds_secret(at->report->arena, field, value->text))
                return;
        const char *fault = *at->file_fault;
        *at->file_fault = NULL;
        cd_str fix = cd_arena_printf(at->report->arena, "chmod o= %.*s, or keep it in another file: ${file:PATH}",
                                     CD_STR_ARG(at->report->file_name));
        cd_report_about(at->report, CD_FINDING_WARNING, at->path, fix.ptr,
                        "is a secret in a file that every user of this machine can %s", fault);
}

/* Returns the node's value with its placeholders resolved, in the scratch memory. */
static cd_status resolve(const struct cursor *at, const struct cd_yaml_node *node, struct cd_interpolated *ret,
                         struct cd_error *reterr)
{
        struct cd_arena *arena = at->report->arena;
        cd_status status = cd_interpolate(at->scratch, at->folder, node->text, ret, reterr);

        if (status != CD_OK)
                return status;
        ret->text = cd_arena_copy(arena, ret->text);
        ret->from = cd_arena_copy(arena, ret->from);
        return ret->text.ptr && ret->from.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a value");
}

/* A value that does not fit its field. What a check refuses is shown, if the file itself has it, unless the
 * reason begins with what it must be. */
static void add_misfit(const struct cursor *at, const struct cd_field *field, const struct cd_interpolated *value,
                       const struct cd_error *err, struct cd_yaml_mark mark)
{
        struct cd_arena *arena = at->report->arena;
        cd_str what = cd_arena_copy(arena, cd_str_from_c(err->reason));
        const char *refused = field->check && !value->from.len ? field->check(value->text) : NULL;

        if (refused && value->text.len && !strcmp(refused, err->reason) && strncmp(refused, "must ", 5) != 0 &&
            !holds_secret(arena, field, value->text))
                what = cd_arena_printf(arena, "\"%.*s\" %s", CD_STR_ARG(cd_str_slice(value->text, 0, 100)), refused);
        cd_report_add(at->report, &(struct cd_finding){ .level = CD_FINDING_ERROR,
                                                        .line = mark.line,
                                                        .column = mark.column,
                                                        .setting = at->path,
                                                        .from = value->from,
                                                        .what = what });
}

/* Interpolates one scalar and binds it into `target`. `field` may be an item's copy of a list's field. */
static void bind_scalar(const struct cursor *at, const struct cd_field *field, const struct cd_yaml_node *node,
                        void *target)
{
        struct cd_interpolated value;
        struct cd_error err;

        if (node->type != CD_YAML_SCALAR)
                return add_error(at, node->mark, CD_STR("expects one value"), CD_STR("write it without [ ] and { }"));
        if (cd_yaml_is_null(node))
                return add_error(at, node->mark, CD_STR("has no value"),
                                 CD_STR("leave the line out for the default, or write \"\" for an empty text"));
        if (leave_unresolved(at, node))
                return;
        cd_status status = resolve(at, node, &value, &err);
        if (status != CD_OK && value.is_denied && keep_secret(at, field, node))
                return;
        if (status != CD_OK)
                return add_unresolved(at, node->mark, &value, &err);
        note_source(at, node, value.from);
        if (refuse_value(at, field, &value))
                return;
        if (cd_field_bind(at->report->arena, field, value.text, target, &err) != CD_OK)
                return add_misfit(at, field, &value, &err, node->mark);
        judge_value(at, field, &value);
        judge_inline(at, field, &value);
}

#define LIST_OF_TEXTS "write [\"a\", \"b\"], or one \"- a\" on each line"

static bool expect_list(const struct cursor *at, const struct cd_field *field, const struct cd_yaml_node *node,
                        cd_str example)
{
        size_t most = field->max > 0 ? (size_t)field->max : CD_FIELD_MAX_ITEMS;

        if (node->type != CD_YAML_SEQUENCE)
                add_error(at, node->mark, CD_STR("expects a list"), example);
        else if (node->count > most)
                add_error(at, node->mark, cd_arena_printf(at->report->arena, "has too many items (at most %zu)", most),
                          CD_STR(""));
        else
                return true;
        return false;
}

static const char *check_bool_for_list(cd_str value)
{
        return cd_str_eq(value, CD_STR("true")) || cd_str_eq(value, CD_STR("false")) ? NULL
                                                                                     : "must be true, false or a list";
}

/* See CD_FIELD_OR_BOOL. */
static void bind_bool_for_list(const struct cursor *at, const struct cd_yaml_node *node, struct cd_strs *ret)
{
        static const cd_str yes = CD_STR_INIT("true");
        static const struct cd_field field = { .name = "", .type = CD_FIELD_STRING, .check = check_bool_for_list };
        cd_str value = { 0 };

        bind_scalar(at, &field, node, &value);
        *ret = (struct cd_strs){ .items = &yes, .count = cd_str_eq(value, yes) };
}

static void bind_strings(const struct cursor *at, const struct cd_field *field, const struct cd_yaml_node *list,
                         struct cd_strs *ret)
{
        struct cd_field item_field = *field;

        if (field->flags & CD_FIELD_OR_BOOL && list->type == CD_YAML_SCALAR)
                return bind_bool_for_list(at, list, ret);
        if (!expect_list(at, field, list, CD_STR(LIST_OF_TEXTS)))
                return;
        cd_str *items = cd_arena_calloc(at->report->arena, list->count + 1, sizeof(*items));
        if (!items) {
                at->report->no_memory = true;
                return;
        }
        item_field.offset = 0;
        size_t index = 0;
        for (const struct cd_yaml_node *node = list->child; node; node = node->next, index++) {
                struct cursor item = cursor_at(at, item_path(at, index));
                struct cd_strs one = { 0 };
                bind_scalar(&item, &item_field, node, &one);
                items[index] = one.count == 1 ? one.items[0] : CD_STR("");
        }
        note_source(at, list, CD_STR(""));
        *ret = (struct cd_strs){ .items = items, .count = index };
}

static void require_members(const struct cursor *at, const struct cd_table *table, const bool *seen,
                            struct cd_yaml_mark mark);

/* Binds one value that stands for an object: it is the object's first field. Errors name only the item,
 * as the file does. */
static void bind_shorthand(const struct cursor *at, const struct cd_table *table, const struct cd_yaml_node *node,
                           void *target)
{
        const bool seen[CD_TABLE_MAX_FIELDS] = { true };

        if (node->type != CD_YAML_SCALAR)
                return add_error(at, node->mark, CD_STR("expects one value, or settings of the form \"name: value\""),
                                 CD_STR(""));
        bind_scalar(at, &table->fields[0], node, target);
        const struct cd_setting_source *source = cd_report_find_source(at->report, at->path);
        struct cursor first = cursor_at(at, member_path(at, cd_str_from_c(table->fields[0].name)));
        if (source)
                note_source(&first, node, source->from);
        require_members(at, table, seen, node->mark);
}

static void bind_objects(const struct cursor *at, const struct cd_field *field, const struct cd_yaml_node *list,
                         struct cd_objects *ret)
{
        const struct cd_table *table = field->table;
        bool shorthand = field->flags & CD_FIELD_SHORTHAND;

        if (!expect_list(at, field, list, shorthand ? CD_STR(LIST_OF_TEXTS) : CD_STR("begin each item with \"- \"")))
                return;
        char *items = cd_arena_calloc(at->report->arena, list->count + 1, table->size);
        if (!items) {
                at->report->no_memory = true;
                return;
        }
        note_source(at, list, CD_STR(""));
        size_t index = 0;
        for (const struct cd_yaml_node *node = list->child; node; node = node->next, index++) {
                struct cursor item = cursor_at(at, item_path(at, index));
                if (cd_table_set_defaults(at->report->arena, table, items + index * table->size) != CD_OK)
                        at->report->no_memory = true;
                if (shorthand && node->type != CD_YAML_MAPPING) {
                        bind_shorthand(&item, table, node, items + index * table->size);
                        continue;
                }
                note_source(&item, node, CD_STR(""));
                bind_table(&item, table, node, items + index * table->size);
        }
        *ret = (struct cd_objects){ .items = items, .count = index };
}

static void bind_member(const struct cursor *at, const struct cd_field *field, const struct cd_yaml_node *node,
                        void *target)
{
        void *member = (char *)target + field->offset;

        switch (field->type) {
        case CD_FIELD_OBJECT:
                note_source(at, node, CD_STR(""));
                bind_table(at, field->table, node, member);
                break;
        case CD_FIELD_OBJECTS:
                bind_objects(at, field, node, member);
                break;
        case CD_FIELD_STRINGS:
                bind_strings(at, field, node, member);
                break;
        default:
                bind_scalar(at, field, node, target);
        }
}

static void refuse_unknown(const struct cursor *at, const struct cd_table *table, const struct cd_yaml_node *node)
{
        struct cd_arena *arena = at->report->arena;
        const char *nearest = cd_table_nearest(table, node->key);
        cd_str name = nearest ? cd_str_from_c(nearest) : cd_setting_similar(arena, table, node->key);
        cd_str path = member_path(at, node->key), fix = CD_STR("");

        if (cd_str_eq(name, node->key)) {
                size_t dot = cd_str_index(name, '.');
                fix = cd_arena_printf(arena, "write \"%.*s: { %.*s: … }\"", CD_STR_ARG(cd_str_slice(name, 0, dot)),
                                      CD_STR_ARG(cd_str_slice(name, dot + 1, name.len)));
        } else if (name.len)
                fix = cd_arena_printf(arena, "did you mean \"%.*s\"?", CD_STR_ARG(member_path(at, name)));
        else
                fix = cd_setting_name_all(arena, table);
        struct cd_finding finding = { .level = CD_FINDING_ERROR,
                                      .line = node->key_mark.line,
                                      .column = node->key_mark.column,
                                      .what = cd_arena_printf(arena, "unknown setting \"%.*s\"", CD_STR_ARG(path)),
                                      .fix = fix };

        /* What is meant may be a setting that is needed. */
        if (!cd_report_needs(at->report, name.len ? member_path(at, name) : path))
                finding.level = CD_FINDING_WARNING;
        if (!finding.what.ptr)
                at->report->no_memory = true;
        cd_report_add(at->report, &finding);
}

static cd_str missing_fix(const struct cursor *at, const struct cd_field *field)
{
        if (!field->help)
                return CD_STR("add it");
        return cd_arena_printf(at->report->arena, "add it: %s", field->help);
}

static void require_members(const struct cursor *at, const struct cd_table *table, const bool *seen,
                            struct cd_yaml_mark mark)
{
        for (size_t i = 0; i < table->count; i++) {
                if (seen[i] || !(table->fields[i].flags & CD_FIELD_REQUIRED))
                        continue;
                struct cursor member = cursor_at(at, member_path(at, cd_str_from_c(table->fields[i].name)));
                add_error(&member, mark, CD_STR("is missing"), missing_fix(at, &table->fields[i]));
                ((struct cd_finding *)at->report->last)->stage = CD_STAGE_MISSING;
        }
}

/* `mapping` may be NULL: nothing is set. */
static void bind_table(const struct cursor *at, const struct cd_table *table, const struct cd_yaml_node *mapping,
                       void *target)
{
        static const struct cd_yaml_node nothing = { .type = CD_YAML_MAPPING, .mark = { 1, 1 } };
        bool *seen = cd_arena_calloc(at->report->arena, table->count, sizeof(*seen));

        if (!seen) {
                at->report->no_memory = true;
                return;
        }
        if (!mapping)
                mapping = &nothing;
        else if (mapping->type != CD_YAML_MAPPING && !cd_yaml_is_null(mapping))
                return add_error(at, mapping->mark, CD_STR("expects settings of the form \"name: value\""),
                                 !at->path.len ? CD_STR("write a colon and a space in each")
                                 : cd_str_has_suffix(at->path, CD_STR("]")) ? CD_STR("")
                                                                            : CD_STR("write them below it, indented"));
        for (const struct cd_yaml_node *node = mapping->child; node; node = node->next) {
                const struct cd_field *field = cd_table_find(table, node->key);
                if (!field) {
                        refuse_unknown(at, table, node);
                        continue;
                }
                struct cursor member = cursor_at(at, member_path(at, node->key));
                if (seen[field - table->fields])
                        add_error(&member, node->key_mark, CD_STR("is given twice"), CD_STR("keep one of them"));
                else
                        bind_member(&member, field, node, target);
                seen[field - table->fields] = true;
        }
        require_members(at, table, seen, mapping->mark);
}

static cd_str folder_of(cd_str path)
{
        while (path.len && path.ptr[path.len - 1] != '/')
                path.len--;
        return path.len > 1 ? cd_str_slice(path, 0, path.len - 1) : path;
}

/* Reports an error that stopped the parser. Its text contains the file name and the position already. */
static cd_status fail_whole(struct cd_report *report, const struct cd_error *err, struct cd_error *reterr)
{
        cd_str what = cd_arena_copy(report->arena, cd_str_from_c(err->reason));

        report->file_name = CD_STR("");
        report->unread = true;
        cd_report_add(report, &(struct cd_finding){ .level = CD_FINDING_ERROR, .what = what });
        return cd_fail(reterr, err->status, err->reason);
}

/* The group and the owner are ignored: the operator chose them. */
static const char *find_file_fault(cd_str file_name)
{
        char path[PATH_MAX];
        struct stat st;

        if (!file_name.len || file_name.len >= sizeof(path))
                return NULL;
        memcpy(path, file_name.ptr, file_name.len);
        path[file_name.len] = '\0';
        if (stat(path, &st) != 0)
                return NULL;
        if (st.st_mode & S_IWOTH) /* a user who can write the file can replace the secret */
                return "write";
        return st.st_mode & S_IROTH ? "read" : NULL;
}

static cd_status decode(struct cd_report *report, struct cd_arena *scratch, cd_str text, const struct cd_table *table,
                        void *ret, struct cd_error *reterr)
{
        const char *file_fault = find_file_fault(report->file_name);
        struct cursor at = { report, scratch, folder_of(report->file_name), CD_STR(""), &file_fault };
        const struct cd_yaml_node *root = NULL;
        struct cd_error err;

        if (cd_yaml_parse(scratch, text, report->file_name, &root, &err) != CD_OK)
                return fail_whole(report, &err, reterr);
        report->unread = root && root->type != CD_YAML_MAPPING && !cd_yaml_is_null(root);
        bind_table(&at, table, root, ret);
        return cd_report_status(report, reterr);
}

static void set_defaults(struct cd_report *report, const struct cd_table *table, void *ret)
{
        memset(ret, 0, table->size);
        if (cd_table_set_defaults(report->arena, table, ret) != CD_OK)
                report->no_memory = true;
}

cd_status cd_settings_decode(struct cd_report *report, cd_str text, const struct cd_table *table, void *ret,
                             struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena scratch;

        cd_arena_init(&scratch, report->arena->ceiling);
        set_defaults(report, table, ret);
        return decode(report, &scratch, text, table, ret, reterr);
}

/* What to do about a configuration that cannot be read. */
static void add_file_fix(const struct cd_report *report, struct cd_error *err)
{
        cd_str folder = cd_arena_printf(report->arena, "%.*s/.", CD_STR_ARG(report->file_name));
        struct cd_error why = *err;

        if (folder.ptr && access(folder.ptr, F_OK) == 0)
                (void)cd_failf(err, why.status, CD_STR(""),
                               "%.*s is a folder; name the file in it, as in %.*s/cardea.yaml",
                               CD_STR_ARG(report->file_name), CD_STR_ARG(report->file_name));
        else if (!strchr(why.reason, ';'))
                (void)cd_failf(err, why.status, CD_STR(""), "%s; correct the path of the configuration", why.reason);
}

static bool is_blank(cd_str text)
{
        while (text.len && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
                text.len--;
        return text.len == 0;
}

cd_status cd_settings_load(struct cd_report *report, const struct cd_table *table, void *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena scratch;
        struct cd_error err;
        cd_str text = CD_STR("");

        cd_arena_init(&scratch, report->arena->ceiling);
        set_defaults(report, table, ret);
        if (report->file_name.len &&
            cd_read_file(&scratch, report->file_name, CD_YAML_MAX_SIZE, &text, NULL, &err) != CD_OK) {
                add_file_fix(report, &err);
                return fail_whole(report, &err, reterr);
        }
        /* A file that was cut short, or is being written, must not be read as "all defaults". */
        if (report->file_name.len && is_blank(text)) {
                (void)cd_failf(&err, CD_INVALID_REQUEST, CD_STR(""), "file %.*s is empty; restore it",
                               CD_STR_ARG(report->file_name));
                return fail_whole(report, &err, reterr);
        }
        return decode(report, &scratch, text, table, ret, reterr);
}
