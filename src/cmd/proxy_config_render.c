#include "cmd/proxy_config.h"

/* The value of a key; ptr NULL: there is no such key. */
static cd_str find_value(const struct cd_proxy_values *values, cd_str key)
{
#define FIND(name, member)                                                                                             \
        if (cd_str_eq(key, CD_STR(#name)))                                                                             \
                return values->member;
        CD_PROXY_KEYS(FIND)
#undef FIND
        return (cd_str){ 0 };
}

static bool holds(const struct cd_proxy_values *values, cd_str condition)
{
#define HOLDS(name, member)                                                                                            \
        if (cd_str_eq(condition, CD_STR(#name)))                                                                       \
                return values->member;
        CD_PROXY_CONDITIONS(HOLDS)
#undef HOLDS
        return false;
}

static size_t word_length(cd_str text, char first, char last)
{
        size_t length = 0;

        while (length < text.len &&
               ((text.ptr[length] >= first && text.ptr[length] <= last) || text.ptr[length] == '_'))
                length++;
        return length;
}

/* Takes "%tls%!portal|" off the front of *line. Returns whether all conditions hold. */
static bool take_conditions(cd_str *line, const struct cd_proxy_values *values)
{
        bool all = true;

        while (line->len && line->ptr[0] == '%') {
                bool wanted = line->len < 2 || line->ptr[1] != '!';
                cd_str rest = cd_str_slice(*line, wanted ? 1 : 2, line->len);
                size_t length = word_length(rest, 'a', 'z');
                all &= holds(values, cd_str_slice(rest, 0, length)) == wanted;
                *line = cd_str_slice(rest, length, rest.len);
        }
        if (line->len && line->ptr[0] == '|')
                *line = cd_str_slice(*line, 1, line->len);
        return all;
}

static void add_line(cd_str line, const struct cd_proxy_values *values, struct cd_buf *to)
{
        while (line.len) {
                size_t at = cd_str_index(line, '@');
                cd_buf_add(to, cd_str_slice(line, 0, at));
                line = cd_str_slice(line, at, line.len);
                if (!line.len)
                        break;
                size_t length = word_length(cd_str_slice(line, 1, line.len), 'A', 'Z');
                cd_str value = find_value(values, cd_str_slice(line, 1, length));
                bool is_key = value.ptr && length + 1 < line.len && line.ptr[length + 1] == '@';
                cd_buf_add(to, is_key ? value : CD_STR("@"));
                line = cd_str_slice(line, is_key ? length + 2 : 1, line.len);
        }
        cd_buf_add_char(to, '\n');
}

static void add_each(cd_str line, const struct cd_proxy_values *values, struct cd_buf *to)
{
        struct cd_proxy_values with = *values;

        for (size_t i = 0; i < values->spellings.count; i++) {
                with.spelling = values->spellings.items[i];
                add_line(line, &with, to);
        }
}

void cd_proxy_render(cd_str text, const struct cd_proxy_values *values, struct cd_buf *to)
{
        static const cd_str each = CD_STR_INIT("%each|");
        cd_str line;

        while (text.len && cd_str_take_until(&text, '\n', &line)) {
                if (cd_str_has_prefix(line, each))
                        add_each(cd_str_slice(line, each.len, line.len), values, to);
                else if (take_conditions(&line, values))
                        add_line(line, values, to);
        }
}
