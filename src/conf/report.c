#include "conf/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"

void cd_report_init(struct cd_report *report, struct cd_arena *arena, cd_str file_name)
{
        *report = (struct cd_report){ .arena = arena, .file_name = file_name, .stage = CD_STAGE_WRITTEN };
}

static const struct cd_setting_source **bucket_of(const struct cd_report *report, cd_str setting)
{
        /* fixed, because the author of the file has no reason to cause collisions */
        static const uint64_t key[2] = { 0 };

        return &report->sources[cd_siphash(key, setting) % report->bucket_count];
}

/* Doubles the number of buckets. If memory is exhausted, lookups only become slower. */
static void grow(struct cd_report *report)
{
        struct cd_report old = *report;
        size_t count = old.bucket_count ? 2 * old.bucket_count : 64;
        const struct cd_setting_source **buckets = cd_arena_calloc(report->arena, count, sizeof(const void *));

        if (!buckets)
                return;
        report->sources = buckets;
        report->bucket_count = count;
        for (size_t i = 0; i < old.bucket_count; i++) {
                for (const struct cd_setting_source *s = old.sources[i], *next; s; s = next) {
                        const struct cd_setting_source **bucket = bucket_of(report, s->setting);
                        next = s->next;
                        ((struct cd_setting_source *)s)->next = *bucket;
                        *bucket = s;
                }
        }
}

void cd_report_add_source(struct cd_report *report, const struct cd_setting_source *source)
{
        struct cd_setting_source *copy = CD_NEW(report->arena, struct cd_setting_source);

        if (report->source_count >= report->bucket_count)
                grow(report);
        if (!copy || !report->bucket_count) {
                report->no_memory = true;
                return;
        }
        *copy = *source;
        const struct cd_setting_source **bucket = bucket_of(report, copy->setting);
        copy->next = *bucket;
        *bucket = copy;
        report->source_count++;
}

const struct cd_setting_source *cd_report_find_source(const struct cd_report *report, cd_str setting)
{
        if (!report->bucket_count)
                return NULL;
        for (const struct cd_setting_source *s = *bucket_of(report, setting); s; s = s->next)
                if (cd_str_eq(s->setting, setting))
                        return s;
        return NULL;
}

/* "clients[0].secret" and "clients[12].secret". */
static bool differ_in_indexes_only(cd_str a, cd_str b)
{
        size_t i = 0, k = 0;

        while (i < a.len && k < b.len && a.ptr[i] == b.ptr[k]) {
                bool is_index = a.ptr[i] == '[';
                i++, k++;
                while (is_index && i < a.len && a.ptr[i] != ']')
                        i++;
                while (is_index && k < b.len && b.ptr[k] != ']')
                        k++;
        }
        return i == a.len && k == b.len;
}

const struct cd_setting_source *cd_report_find_written(const struct cd_report *report, cd_str setting, uint64_t written)
{
        const struct cd_setting_source *source = cd_report_find_source(report, setting);

        if (source && source->written == written)
                return source;
        for (size_t i = 0; i < report->bucket_count; i++)
                for (source = report->sources[i]; source; source = source->next)
                        if (source->written == written && differ_in_indexes_only(source->setting, setting))
                                return source;
        return NULL;
}

/* "clients[0].id" is within "clients" and around "clients.id.x". */
static bool is_within_or_around(cd_str setting, cd_str path)
{
        size_t i = 0, k = 0;

        while (i < setting.len && k < path.len) {
                if (setting.ptr[i] == '[')
                        i += cd_str_index(cd_str_slice(setting, i, setting.len), ']') + 1;
                else if (setting.ptr[i++] != path.ptr[k++])
                        return false;
        }
        if (k == path.len)
                return i >= setting.len || setting.ptr[i] == '.' || setting.ptr[i] == '[';
        return path.ptr[k] == '.';
}

bool cd_report_needs(const struct cd_report *report, cd_str setting)
{
        cd_str rest = cd_str_from_c(report->needed), path;

        while (report->needed && cd_str_take_until(&rest, ' ', &path))
                if (is_within_or_around(setting, path))
                        return true;
        return !report->needed;
}

bool cd_report_is_kept(const struct cd_report *report, cd_str setting)
{
        const struct cd_setting_source *source = cd_report_find_source(report, setting);

        return source && source->is_kept;
}

/* "clients[0].secret" -> "clients[0]" -> "clients" -> "". */
static cd_str parent_of(cd_str setting)
{
        while (setting.len && setting.ptr[setting.len - 1] != '.' && setting.ptr[setting.len - 1] != '[')
                setting.len--;
        return cd_str_slice(setting, 0, setting.len ? setting.len - 1 : 0);
}

static void append(struct cd_report *report, struct cd_finding *finding)
{
        finding->next = NULL;
        if (report->last)
                ((struct cd_finding *)report->last)->next = finding;
        else
                report->findings = finding;
        report->last = finding;
}

void cd_report_add(struct cd_report *report, const struct cd_finding *finding)
{
        struct cd_finding *copy = CD_NEW(report->arena, struct cd_finding);

        if (!copy) {
                report->no_memory = true;
                report->errors += finding->level == CD_FINDING_ERROR;
                return;
        }
        *copy = *finding;
        if (copy->level == CD_FINDING_ERROR && copy->setting.len && !cd_report_needs(report, copy->setting))
                copy->level = CD_FINDING_WARNING;
        report->errors += copy->level == CD_FINDING_ERROR;
        report->warnings += copy->level == CD_FINDING_WARNING;
        if (copy->stage == CD_STAGE_CURRENT)
                copy->stage = report->stage;
        append(report, copy);
}

void cd_report_order(struct cd_report *report)
{
        const struct cd_finding *all = report->findings, *next;

        report->findings = report->last = NULL;
        for (int level = CD_FINDING_ERROR; level >= CD_FINDING_OK; level--)
                for (int stage = CD_STAGE_UNRESOLVED; stage <= CD_STAGE_TRIED; stage++)
                        for (const struct cd_finding **at = &all, *f; (f = *at);) {
                                next = f->next;
                                if ((int)f->level == level && (int)f->stage == stage) {
                                        *at = next;
                                        append(report, (struct cd_finding *)f);
                                } else {
                                        at = (const struct cd_finding **)&((struct cd_finding *)f)->next;
                                }
                        }
}

bool cd_report_has_error(const struct cd_report *report, cd_str setting)
{
        for (const struct cd_finding *f = report->errors ? report->findings : NULL; f; f = f->next)
                if (f->level == CD_FINDING_ERROR && cd_str_eq(f->setting, setting))
                        return true;
        return false;
}

bool cd_report_has_error_within(const struct cd_report *report, cd_str setting)
{
        for (const struct cd_finding *f = report->errors ? report->findings : NULL; f; f = f->next)
                if (f->level == CD_FINDING_ERROR && cd_str_has_prefix(f->setting, setting))
                        return true;
        return false;
}

/* "clients[0].id" is within "clients", "clients[0]" and itself. */
static bool is_within(cd_str setting, cd_str outer)
{
        cd_str rest = cd_str_slice(setting, outer.len, setting.len);

        return outer.len && cd_str_has_prefix(setting, outer) &&
               (!rest.len || rest.ptr[0] == '.' || rest.ptr[0] == '[');
}

const struct cd_finding *cd_report_find_error(const struct cd_report *report, cd_str setting)
{
        for (const struct cd_finding *f = report->errors ? report->findings : NULL; f; f = f->next)
                if (f->level == CD_FINDING_ERROR && (is_within(f->setting, setting) || is_within(setting, f->setting)))
                        return f;
        return NULL;
}

void cd_report_add_fix(struct cd_report *report, cd_str setting, const char *fix)
{
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR && !f->fix.len && cd_str_index(f->what, ';') == f->what.len &&
                    cd_str_eq(f->setting, setting))
                        ((struct cd_finding *)f)->fix = cd_str_from_c(fix);
}

void cd_report_last_is_temporary(struct cd_report *report)
{
        if (report->last)
                ((struct cd_finding *)report->last)->is_temporary = true;
}

void cd_report_about(struct cd_report *report, enum cd_finding_level level, cd_str setting, const char *fix,
                     const char *format, ...)
{
        struct cd_finding finding = { .level = level, .fix = cd_str_from_c(fix) };
        char what[384];
        va_list args;

        if (cd_report_has_error(report, setting)) /* an error found later would only hide the first one */
                return;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        finding.setting = cd_arena_copy(report->arena, setting);
        finding.what = cd_arena_copy(report->arena, cd_str_from_c(what));

        const struct cd_setting_source *source = cd_report_find_source(report, setting);
        if (source)
                finding.from = source->from;
        for (cd_str at = setting; !source && at.len;) {
                at = parent_of(at);
                source = cd_report_find_source(report, at);
        }
        if (source) {
                finding.line = source->line;
                finding.column = source->column;
        }
        cd_report_add(report, &finding);
}

cd_str cd_finding_text(const struct cd_report *report, const struct cd_finding *f)
{
        struct cd_arena *arena = report->arena;
        cd_str where =
                report->file_name.len == 0 ? CD_STR("")
                : f->line ? cd_arena_printf(arena, "%.*s:%u:%u: ", CD_STR_ARG(report->file_name), f->line, f->column)
                          : cd_arena_printf(arena, "%.*s: ", CD_STR_ARG(report->file_name));
        cd_str text = cd_arena_printf(arena, "%.*s%.*s%s%.*s%s%.*s%s%s%.*s", CD_STR_ARG(where), CD_STR_ARG(f->setting),
                                      f->setting.len ? ": " : "", CD_STR_ARG(f->what), f->from.len ? " (from " : "",
                                      CD_STR_ARG(f->from), f->from.len ? ")" : "", f->fix.len ? "; " : "",
                                      CD_STR_ARG(f->fix));

        /* A name in the file may contain any character. */
        char *safe = text.ptr ? cd_arena_alloc(arena, 4 * text.len + 1) : NULL;
        return safe ? cd_str_of(safe, cd_str_write_safe(text, safe, 4 * text.len)) : CD_STR("");
}

cd_status cd_report_status(const struct cd_report *report, struct cd_error *reterr)
{
        if (report->no_memory)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the configuration");
        for (const struct cd_finding *f = report->findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR)
                        return cd_failf(reterr, CD_INVALID_REQUEST, f->setting, "%.*s",
                                        CD_STR_ARG(cd_finding_text(report, f)));
        return CD_OK;
}
