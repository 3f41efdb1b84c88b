#include "base/field.h"

#include <string.h>

#include "base/buf.h"

enum {
        STRING_MAX = 4096
};

struct unit {
        const char *name;
        int64_t factor;
};

static const struct unit durations[] = {
        { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 60 * 60 * 1000 }, { "d", 24 * 60 * 60 * 1000 },
        { NULL, 0 }
};
static const struct unit sizes[] = { { "", 1 }, { "KB", 1 << 10 }, { "MB", 1 << 20 }, { "GB", 1 << 30 }, { NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *units_of(const struct cd_field *field)
{
        return field->type == CD_FIELD_DURATION ? durations : field->type == CD_FIELD_SIZE ? sizes : plain;
}

static cd_str name_of(const struct cd_field *field)
{
        return cd_str_from_c(field->name);
}

static void *member_of(const struct cd_field *field, void *target)
{
        return (char *)target + field->offset;
}

static cd_status refuse(const struct cd_field *field, const char *reason, struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, name_of(field), reason);
}

/* Index of the first byte that is not printable ASCII, or s.len. */
static size_t printable_prefix(cd_str s)
{
        const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
        size_t i = 0;
        uint64_t word;

        for (; s.len - i >= sizeof(word); i += sizeof(word)) {
                memcpy(&word, s.ptr + i, sizeof(word));
                if ((word | (word - ones * 0x20) | ((word ^ ones * 0x7f) - ones)) & highs)
                        break;
        }
        while (i < s.len && (unsigned char)s.ptr[i] >= 0x20 && (unsigned char)s.ptr[i] < 0x7f)
                i++;
        return i;
}

/* Returns NULL, or what is wrong with the bytes of a text. C1 controls (U+0080 to U+009F) count as controls too. */
static const char *judge_text(cd_str s, unsigned flags)
{
        bool multiline = flags & CD_FIELD_MULTILINE;

        if (flags & CD_FIELD_RAW)
                return !cd_str_is_utf8(s)              ? "must be UTF-8"
                       : cd_str_index(s, '\0') < s.len ? "must not contain NUL"
                                                       : NULL;
        for (size_t i; (i = printable_prefix(s)) < s.len;) {
                s = cd_str_slice(s, i, s.len);
                unsigned char c = (unsigned char)s.ptr[0];
                size_t n = cd_str_utf8_sequence(s);
                if (n == 0)
                        return "must be UTF-8";
                if (c < 0x80 && !(multiline && (c == '\n' || c == '\r' || c == '\t')))
                        return multiline ? "must not contain control characters except tabs and line breaks"
                                         : "must not contain control characters";
                if (c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0)
                        return "must not contain control characters";
                s = cd_str_slice(s, n, s.len);
        }
        return NULL;
}

static cd_status check_text(const struct cd_field *field, cd_str value, int64_t min, int64_t max,
                            struct cd_error *reterr)
{
        if (value.len == 0 && min == 1)
                return refuse(field, "must not be empty", reterr);
        if (value.len < (uint64_t)(min > 0 ? min : 0))
                return cd_failf(reterr, CD_INVALID_REQUEST, name_of(field), "must be at least %lld bytes",
                                (long long)min);
        if (value.len > (uint64_t)max)
                return cd_failf(reterr, CD_INVALID_REQUEST, name_of(field), "must be at most %lld bytes",
                                (long long)max);

        const char *wrong = judge_text(value, field->flags);
        if (!wrong && field->check)
                wrong = field->check(value);
        return wrong ? refuse(field, wrong, reterr) : CD_OK;
}

static cd_str present(cd_str value)
{
        return value.ptr ? value : CD_STR("");
}

static cd_status bind_string(const struct cd_field *field, cd_str value, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = check_text(field, value, field->min, field->max > 0 ? field->max : STRING_MAX, reterr);
        if (status == CD_OK)
                *ret = present(value);
        return status;
}

static cd_status bind_bool(const struct cd_field *field, cd_str value, bool *ret, struct cd_error *reterr)
{
        bool is_true = cd_str_eq(value, CD_STR("true"));

        if (!is_true && !cd_str_eq(value, CD_STR("false")))
                return refuse(field, "must be true or false", reterr);
        *ret = is_true;
        return CD_OK;
}

static cd_status bind_tristate(const struct cd_field *field, cd_str value, int *ret, struct cd_error *reterr)
{
        bool is_true;
        cd_status status = bind_bool(field, value, &is_true, reterr);
        if (status == CD_OK)
                *ret = is_true ? CD_TRISTATE_TRUE : CD_TRISTATE_FALSE;
        return status;
}

/* Writes the value in the largest unit that divides it: "10m", "64KB". */
static void add_amount(struct cd_buf *buf, const struct unit *units, int64_t value)
{
        const struct unit *best = units;

        for (const struct unit *u = units; u->name; u++)
                if (value % u->factor == 0 && value != 0)
                        best = u;
        cd_buf_add_i64(buf, value / best->factor);
        cd_buf_add(buf, cd_str_from_c(best->name));
}

static cd_status refuse_range(const struct cd_field *field, struct cd_error *reterr)
{
        char memory[96];
        struct cd_buf buf;
        cd_str text;

        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        add_amount(&buf, units_of(field), field->min);
        cd_buf_add(&buf, CD_STR(" to "));
        add_amount(&buf, units_of(field), field->max);
        if (cd_buf_view(&buf, &text) != CD_OK)
                text = CD_STR("within its bounds");
        return cd_failf(reterr, CD_INVALID_REQUEST, name_of(field), "must be %.*s", CD_STR_ARG(text));
}

static bool fits(const struct cd_field *field, int64_t value)
{
        return field->max <= field->min || (value >= field->min && value <= field->max);
}

/* Parses digits and a unit. False if the text has another form; *ret is INT64_MAX if the amount does not fit. */
static bool parse_amount(cd_str value, const struct unit *units, int64_t *ret)
{
        size_t digits = 0;
        int64_t number;

        while (digits < value.len && value.ptr[digits] >= '0' && value.ptr[digits] <= '9')
                digits++;
        if (digits == 0 || (digits > 1 && value.ptr[0] == '0'))
                return false;
        for (const struct unit *u = units; u->name; u++) {
                if (!cd_str_eq_c(cd_str_slice(value, digits, value.len), u->name))
                        continue;
                if (!cd_str_to_i64(cd_str_slice(value, 0, digits), &number) ||
                    __builtin_mul_overflow(number, u->factor, ret))
                        *ret = INT64_MAX;
                return true;
        }
        return false;
}

static const char *form_of_amount(const struct cd_field *field)
{
        if (field->type == CD_FIELD_SIZE)
                return "must be a size such as 512, 64KB or 1MB";
        return field->flags & CD_FIELD_OR_NONE ? "must be none, or a duration such as 250ms, 5s, 10m, 1h or 7d"
                                               : "must be a duration such as 250ms, 5s, 10m, 1h or 7d";
}

static cd_status bind_amount(const struct cd_field *field, cd_str value, int64_t *ret, struct cd_error *reterr)
{
        int64_t amount;

        if (field->flags & CD_FIELD_OR_NONE && cd_str_eq(value, CD_STR("none"))) {
                *ret = 0;
                return CD_OK;
        }
        if (!parse_amount(value, units_of(field), &amount))
                return refuse(field, form_of_amount(field), reterr);
        if (!fits(field, amount))
                return refuse_range(field, reterr);
        if (amount == INT64_MAX)
                return refuse(field, "is too large", reterr);
        *ret = amount;
        return CD_OK;
}

static bool is_whole_number(cd_str s)
{
        size_t i = s.len && s.ptr[0] == '-', first = i;

        while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
                i++;
        return i == s.len && i > first && (s.ptr[first] != '0' || i == first + 1);
}

static cd_status bind_int(const struct cd_field *field, cd_str value, int64_t *ret, struct cd_error *reterr)
{
        int64_t number;

        if (!is_whole_number(value))
                return refuse(field, "must be a whole number", reterr);
        bool small = cd_str_to_i64(value, &number);
        if (!small && field->max <= field->min)
                return refuse(field, "does not fit into 64 bits", reterr);
        if (!small || !fits(field, number))
                return refuse_range(field, reterr);
        *ret = number;
        return CD_OK;
}

static cd_status bind_choice(const struct cd_field *field, cd_str value, int *ret, struct cd_error *reterr)
{
        char memory[160];
        struct cd_buf buf;
        cd_str text = CD_STR("the listed ones");

        for (int i = 0; field->choices[i]; i++) {
                if (cd_str_eq_c(value, field->choices[i])) {
                        *ret = i;
                        return CD_OK;
                }
        }
        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        for (int i = 0; field->choices[i]; i++) {
                if (i > 0)
                        cd_buf_add(&buf, CD_STR(", "));
                cd_buf_add(&buf, cd_str_from_c(field->choices[i]));
        }
        if (cd_buf_view(&buf, &text) != CD_OK)
                text = CD_STR("the documented words");
        return cd_failf(reterr, CD_INVALID_REQUEST, name_of(field), "must be one of %.*s", CD_STR_ARG(text));
}

/* The capacity is always the next power of two, so it needs no member of its own. */
cd_status cd_field_grow(struct cd_arena *arena, const struct cd_field *field, size_t count, size_t size, void **items,
                        struct cd_error *reterr)
{
        enum {
                FIRST = 4
        };
        size_t max = field->max > 0 ? (size_t)field->max : CD_FIELD_MAX_ITEMS;

        if (count >= max)
                return cd_failf(reterr, CD_INVALID_REQUEST, name_of(field), "must have at most %zu items", max);
        if (count > 0 && (count < FIRST || count & (count - 1)))
                return CD_OK;
        void *to = cd_arena_calloc(arena, count ? count * 2 : FIRST, size);
        if (!to)
                return cd_fail_field(reterr, CD_NO_MEMORY, name_of(field), "out of memory");
        if (count)
                memcpy(to, *items, count * size);
        *items = to;
        return CD_OK;
}

static cd_status append_string(struct cd_arena *arena, const struct cd_field *field, cd_str value, struct cd_strs *list,
                               struct cd_error *reterr)
{
        void *items = (void *)list->items;
        cd_status status = cd_field_grow(arena, field, list->count, sizeof(value), &items, reterr);
        if (status == CD_OK)
                status = check_text(field, value, 0, STRING_MAX, reterr);
        if (status != CD_OK)
                return status;

        ((cd_str *)items)[list->count] = present(value);
        *list = (struct cd_strs){ items, list->count + 1 };
        return CD_OK;
}

cd_status cd_field_bind(struct cd_arena *arena, const struct cd_field *field, cd_str value, void *target,
                        struct cd_error *reterr)
{
        void *member = member_of(field, target);

        switch (field->type) {
        case CD_FIELD_STRING:
        case CD_FIELD_SECRET:
                return bind_string(field, value, member, reterr);
        case CD_FIELD_BOOL:
                return bind_bool(field, value, member, reterr);
        case CD_FIELD_TRISTATE:
                return bind_tristate(field, value, member, reterr);
        case CD_FIELD_INT:
                return bind_int(field, value, member, reterr);
        case CD_FIELD_DURATION:
        case CD_FIELD_SIZE:
                return bind_amount(field, value, member, reterr);
        case CD_FIELD_CHOICE:
                return bind_choice(field, value, member, reterr);
        case CD_FIELD_STRINGS:
                return append_string(arena, field, value, member, reterr);
        case CD_FIELD_OBJECT:
        case CD_FIELD_OBJECTS:
                break;
        }
        return refuse(field, "must be an object", reterr);
}
