#include "cmd/text_table.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/field.h"
#include "base/json.h"
#include "cmd/cmd.h"

enum {
        PAGE = 500, /* rows aligned together, so that a list of any length needs little memory */
        PAGE_MEMORY = 64 * 1024 * 1024,
        GAP = 2,            /* spaces between columns */
        DETAIL_WIDTH = 12,  /* characters for the name of a detail */
        ITEM_MAX = 1 << 20, /* bytes of an item as JSON */
};

cd_str cd_safe_text(struct cd_arena *arena, cd_str text)
{
        char *safe = cd_arena_alloc(arena, 4 * text.len + 1);

        return safe ? cd_str_of(safe, cd_str_write_safe(text, safe, 4 * text.len)) : CD_STR("");
}

static size_t count_characters(cd_str text)
{
        size_t count = 0;

        for (size_t i = 0; i < text.len; i++)
                count += (text.ptr[i] & 0xc0) != 0x80;
        return count;
}

static void print_cells(const struct cd_list *list, const cd_str *cells)
{
        for (size_t i = 0; i < list->count; i++) {
                size_t width = count_characters(cells[i]);
                int pad = i + 1 < list->count ? (int)(list->widths[i] - width) + GAP : 0;
                printf("%.*s%*s", CD_STR_ARG(cells[i]), pad, "");
        }
        putchar('\n');
}

/* As psql does: nothing is cut off. */
static void print_upright(const struct cd_list *list, const cd_str *cells)
{
        size_t width = 0;

        for (size_t i = 0; i < list->count; i++)
                if (strlen(list->names[i]) > width)
                        width = strlen(list->names[i]);
        for (size_t i = 0; i < list->count; i++)
                printf("%-*s%.*s\n", (int)width + GAP, list->names[i], CD_STR_ARG(cells[i]));
}

/* Whether the rows so far are wider than the terminal. */
static bool is_too_wide(const struct cd_list *list)
{
        struct winsize size;
        size_t width = 0;

        if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col)
                return false;
        for (size_t i = 0; i < list->count; i++)
                width += list->widths[i] + (i ? GAP : 0);
        return width > size.ws_col;
}

static void print_page(struct cd_list *list)
{
        cd_str head[CD_LIST_COLUMNS_MAX];
        bool is_first = !list->has_begun;

        for (size_t i = 0; i < list->count; i++)
                head[i] = cd_str_from_c(list->names[i]);
        if (is_first)
                list->is_upright = list->row_count && is_too_wide(list);
        if (is_first && !list->is_upright)
                print_cells(list, head);
        list->has_begun = true;
        for (size_t i = 0; i < list->row_count; i++) {
                const cd_str *cells = list->rows + i * list->count;
                if (!list->is_upright) {
                        print_cells(list, cells);
                        continue;
                }
                if (i || !is_first)
                        putchar('\n');
                print_upright(list, cells);
        }
        cd_arena_reset(&list->arena);
        list->rows = NULL;
        list->row_count = 0;
}

void cd_print_details(struct cd_arena *arena, const struct cd_detail *details, size_t count)
{
        for (size_t i = 0; i < count; i++)
                printf("%-*s %.*s\n", DETAIL_WIDTH, details[i].name, CD_STR_ARG(cd_safe_text(arena, details[i].value)));
}

cd_str cd_time_text(struct cd_arena *arena, cd_time time)
{
        char text[CD_RFC3339_LEN];

        if (!time)
                return CD_STR("-");
        cd_time_format_rfc3339(time, text);
        return cd_arena_copy(arena, cd_str_of(text, sizeof(text)));
}

cd_str cd_list_text(struct cd_arena *arena, const struct cd_strs *list)
{
        cd_str text = CD_STR("-");

        for (size_t i = 0; i < list->count && text.ptr; i++)
                text = i ? cd_arena_printf(arena, "%.*s %.*s", CD_STR_ARG(text), CD_STR_ARG(list->items[i]))
                         : list->items[i];
        return text.ptr ? text : CD_STR("");
}

void cd_json_begin(struct cd_buf *buf, size_t ceiling, const char *name, cd_str value)
{
        cd_buf_init(buf, NULL, ceiling);
        cd_buf_add_char(buf, '{');
        cd_json_add_str(buf, name, value);
}

void cd_json_add(struct cd_buf *buf, const char *name)
{
        bool is_first = buf->len && buf->ptr[buf->len - 1] == '{';

        cd_buf_printf(buf, "%s\"%s\":", is_first ? "" : ",", name);
}

void cd_json_add_str(struct cd_buf *buf, const char *name, cd_str value)
{
        cd_json_add(buf, name);
        cd_buf_add_json(buf, value);
}

void cd_json_add_str_or_null(struct cd_buf *buf, const char *name, cd_str value)
{
        cd_json_add(buf, name);
        if (value.len)
                cd_buf_add_json(buf, value);
        else
                cd_buf_add(buf, CD_STR("null"));
}

void cd_json_add_bool(struct cd_buf *buf, const char *name, bool value)
{
        cd_json_add(buf, name);
        cd_buf_add(buf, value ? CD_STR("true") : CD_STR("false"));
}

void cd_json_add_strs(struct cd_buf *buf, const char *name, const struct cd_strs *list)
{
        cd_json_add(buf, name);
        cd_json_write_strs(*list, buf);
}

void cd_json_add_time(struct cd_buf *buf, const char *name, cd_time time)
{
        char text[CD_RFC3339_LEN];

        if (time)
                cd_time_format_rfc3339(time, text);
        cd_json_add_str_or_null(buf, name, cd_str_of(text, time ? sizeof(text) : 0));
}

bool cd_json_end(struct cd_buf *buf)
{
        cd_buf_add(buf, CD_STR("}\n"));
        return cd_json_print(buf);
}

bool cd_json_print(struct cd_buf *buf)
{
        cd_str text;
        bool fine = cd_buf_view(buf, &text) == CD_OK;

        if (fine)
                fwrite(text.ptr, 1, text.len, stdout);
        cd_buf_done(buf);
        return fine;
}

static const void *member_of(const struct cd_column *column, const void *item)
{
        return (const char *)item + column->offset;
}

static cd_str text_of(struct cd_arena *arena, const struct cd_column *column, const void *item)
{
        const void *member = member_of(column, item);
        cd_str text = CD_STR("");

        if (column->text)
                text = column->text(arena, item);
        else if (column->kind == CD_COLUMN_TIME)
                text = cd_time_text(arena, *(const cd_time *)member);
        else if (column->kind == CD_COLUMN_LIST)
                text = cd_list_text(arena, member);
        else if (column->kind == CD_COLUMN_FLAG)
                text = *(const bool *)member ? CD_STR("yes") : CD_STR("no");
        else if (column->kind == CD_COLUMN_NUMBER)
                text = cd_arena_printf(arena, "%lld", (long long)*(const int64_t *)member);
        else
                text = *(const cd_str *)member;
        return text.len ? text : CD_STR("-");
}

static void add_json_member(struct cd_buf *buf, struct cd_arena *arena, const struct cd_column *column,
                            const void *item)
{
        const void *member = member_of(column, item);

        if (column->write) {
                cd_json_add(buf, column->json);
                column->write(buf, item);
        } else if (column->text) {
                cd_json_add_str(buf, column->json, column->text(arena, item));
        } else if (column->kind == CD_COLUMN_TIME) {
                cd_json_add_time(buf, column->json, *(const cd_time *)member);
        } else if (column->kind == CD_COLUMN_LIST) {
                cd_json_add_strs(buf, column->json, member);
        } else if (column->kind == CD_COLUMN_FLAG) {
                cd_json_add_bool(buf, column->json, *(const bool *)member);
        } else if (column->kind == CD_COLUMN_NUMBER) {
                cd_json_add(buf, column->json);
                cd_buf_add_i64(buf, *(const int64_t *)member);
        } else if (column->kind == CD_COLUMN_JSON) {
                cd_json_add(buf, column->json);
                cd_buf_add(buf, *(const cd_str *)member);
        } else if (column->kind == CD_COLUMN_TEXT_OR_NULL) {
                cd_json_add_str_or_null(buf, column->json, *(const cd_str *)member);
        } else {
                cd_json_add_str(buf, column->json, *(const cd_str *)member);
        }
}

static bool print_item_json(const struct cd_column *columns, const void *item)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_buf buf;

        cd_arena_init(&arena, ITEM_MAX);
        cd_buf_init(&buf, NULL, ITEM_MAX);
        cd_buf_add_char(&buf, '{');
        for (const struct cd_column *c = columns; c->json || c->title || c->detail; c++)
                if (c->json)
                        add_json_member(&buf, &arena, c, item);
        return cd_json_end(&buf);
}

void cd_list_begin(struct cd_list *list, const struct cd_column *columns, bool json)
{
        *list = (struct cd_list){ .columns = columns, .json = json, .has_begun = json }; /* no titles above JSON */
        cd_arena_init(&list->arena, PAGE_MEMORY);
        for (const struct cd_column *c = columns; c->json || c->title || c->detail; c++)
                if (c->title && list->count < CD_LIST_COLUMNS_MAX) {
                        list->widths[list->count] = strlen(c->title);
                        list->names[list->count++] = c->title;
                }
}

void cd_list_add(struct cd_list *list, const void *item)
{
        if (list->json) {
                list->failed |= !print_item_json(list->columns, item);
                return;
        }
        if (!list->rows)
                list->rows = cd_arena_calloc(&list->arena, PAGE * list->count, sizeof(cd_str));
        if (!list->rows) {
                list->failed = true;
                return;
        }
        cd_str *cell = list->rows + list->row_count++ * list->count;
        size_t i = 0;
        for (const struct cd_column *c = list->columns; i < list->count; c++) {
                if (!c->title)
                        continue;
                cd_str text = text_of(&list->arena, c, item);
                cell[i] = cd_safe_text(&list->arena, text);
                list->failed |= text.len && !cell[i].len;
                size_t width = count_characters(cell[i]);
                if (width > list->widths[i])
                        list->widths[i] = width;
                i++;
        }
        if (list->row_count == PAGE)
                print_page(list);
}

void cd_list_flush(struct cd_list *list)
{
        if (list->row_count || !list->has_begun)
                print_page(list);
}

bool cd_list_end(struct cd_list *list)
{
        cd_list_flush(list);
        cd_arena_done(&list->arena);
        return !list->failed;
}

int cd_list_print(const struct cd_column *columns, bool json, const void *items, size_t count, size_t size)
{
        struct cd_list list;

        cd_list_begin(&list, columns, json);
        for (size_t i = 0; i < count; i++)
                cd_list_add(&list, (const char *)items + i * size);
        return cd_list_end(&list) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

bool cd_item_print(const struct cd_column *columns, const void *item, bool json)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;

        cd_arena_init(&arena, PAGE_MEMORY);
        if (json)
                return print_item_json(columns, item);
        for (const struct cd_column *c = columns; c->json || c->title || c->detail; c++)
                if (c->detail)
                        cd_print_details(&arena, &(struct cd_detail){ c->detail, text_of(&arena, c, item) }, 1);
        return true;
}
