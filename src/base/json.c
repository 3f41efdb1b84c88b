#include "base/json.h"

#include <string.h>

#include "base/buf.h"
#include "base/field.h"

struct parser {
        const char *start, *at, *end;
        struct cd_arena *arena;
        struct cd_error *reterr;
        size_t nodes;
        unsigned depth, flags;
};

static cd_status parse_value(struct parser *p, struct cd_json *node);

static cd_status fail_at(const struct parser *p, cd_status status, const char *at, const char *what)
{
        return cd_failf(p->reterr, status, CD_STR(""), "%s at byte %zu", what, (size_t)(at - p->start));
}

static cd_status malformed(const struct parser *p, const char *what)
{
        return fail_at(p, CD_MALFORMED, p->at, p->at == p->end ? "the text ends too early" : what);
}

static cd_status no_memory(const struct parser *p)
{
        return cd_fail(p->reterr, CD_NO_MEMORY, "out of memory");
}

static inline bool is_space(char c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_space(struct parser *p)
{
        while (p->at < p->end && is_space(*p->at))
                p->at++;
}

static inline bool take(struct parser *p, char c)
{
        if (p->at == p->end || *p->at != c)
                return false;
        p->at++;
        return true;
}

/* After the opening quote: finds the closing one and skips it. *ret is the text between them, with its escapes. */
static cd_status scan_string(struct parser *p, cd_str *ret, bool *ret_escaped)
{
        const char *from = p->at;
        bool escaped = false;

        for (;;) {
                p->at += cd_str_json_plain(cd_str_of(p->at, (size_t)(p->end - p->at)));
                if (p->at == p->end)
                        return malformed(p, "");
                unsigned char c = (unsigned char)*p->at;
                if (c == '"')
                        break;
                if (c < 0x20)
                        return malformed(p, "control character in a string");
                size_t n = 2;
                if (c == '\\')
                        escaped = true;
                else
                        n = cd_str_utf8_sequence(cd_str_of(p->at, (size_t)(p->end - p->at)));
                if (n == 0)
                        return malformed(p, "not UTF-8");
                p->at = n < (size_t)(p->end - p->at) ? p->at + n : p->end;
        }
        *ret = cd_str_of(from, (size_t)(p->at - from));
        *ret_escaped = escaped;
        p->at++;
        return CD_OK;
}

/* Four hex digits, or -1. */
static int32_t hex4(const char *at, const char *end)
{
        int32_t value = 0;

        if (end - at < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int digit = cd_hex_value(at[i]);
                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

static char *put_utf8(char *to, uint32_t c)
{
        if (c < 0x80) {
                *to++ = (char)c;
                return to;
        }
        if (c < 0x800) {
                *to++ = (char)(0xc0 | c >> 6);
        } else {
                if (c < 0x10000) {
                        *to++ = (char)(0xe0 | c >> 12);
                } else {
                        *to++ = (char)(0xf0 | c >> 18);
                        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
                }
                *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        }
        *to++ = (char)(0x80 | (c & 0x3f));
        return to;
}

/* Decodes the four digits of \u, and the second half of a surrogate pair. Returns the bytes read, or 0 if malformed. */
static size_t decode_unicode(const char *at, const char *end, uint32_t *ret)
{
        int32_t first = hex4(at, end);

        if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
                return 0;
        *ret = (uint32_t)first;
        if (first < 0xd800 || first > 0xdbff)
                return 4;

        if (end - at < 10 || at[4] != '\\' || at[5] != 'u')
                return 0;
        int32_t second = hex4(at + 6, end);
        if (second < 0xdc00 || second > 0xdfff)
                return 0;
        *ret = 0x10000 + ((uint32_t)(first - 0xd800) << 10) + (uint32_t)(second - 0xdc00);
        return 10;
}

/* An escape is never shorter than the character it encodes, so the raw length is sufficient. */
static cd_status decode_escapes(struct parser *p, cd_str raw, cd_str *ret)
{
        static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        char *start = cd_arena_alloc(p->arena, raw.len), *to = start;
        const char *at = raw.ptr, *end = raw.ptr + raw.len;

        if (!start)
                return no_memory(p);
        while (at < end) {
                if (*at != '\\') {
                        *to++ = *at++;
                        continue;
                }
                const char *escape = at++, *letter = memchr(letters, *at, sizeof(letters) - 1);
                uint32_t c;
                size_t n = *at == 'u' ? decode_unicode(at + 1, end, &c) : 0;
                if (letter)
                        *to++ = meant[letter - letters];
                else if (n)
                        to = put_utf8(to, c);
                else
                        return fail_at(p, CD_MALFORMED, escape, "bad escape or lone surrogate");
                at += 1 + n;
        }
        *ret = cd_str_of(start, (size_t)(to - start));
        return CD_OK;
}

static cd_status parse_string(struct parser *p, cd_str *ret)
{
        bool escaped = false;
        cd_status status = scan_string(p, ret, &escaped);

        return status == CD_OK && escaped ? decode_escapes(p, *ret, ret) : status;
}

static bool take_digits(struct parser *p)
{
        const char *from = p->at;
        while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
                p->at++;
        return p->at > from;
}

/* RFC 8259 §6 */
static cd_status parse_number(struct parser *p, struct cd_json *node)
{
        const char *from = p->at;

        take(p, '-');
        if (!take(p, '0') && !take_digits(p))
                return malformed(p, "expected a digit");
        if (take(p, '.') && !take_digits(p))
                return malformed(p, "expected a digit");
        if (take(p, 'e') || take(p, 'E')) {
                if (!take(p, '+'))
                        take(p, '-');
                if (!take_digits(p))
                        return malformed(p, "expected a digit");
        }
        node->type = CD_JSON_NUMBER;
        node->text = cd_str_of(from, (size_t)(p->at - from));
        return CD_OK;
}

static cd_status parse_word(struct parser *p, struct cd_json *node, cd_str word, enum cd_json_type type)
{
        if (!cd_str_has_prefix(cd_str_of(p->at, (size_t)(p->end - p->at)), word))
                return malformed(p, "expected a value");
        node->type = type;
        node->text = cd_str_of(p->at, word.len);
        p->at += word.len;
        return CD_OK;
}

static cd_status new_node(struct parser *p, struct cd_json **ret)
{
        if (p->nodes++ == CD_JSON_MAX_NODES)
                return fail_at(p, CD_TOO_LARGE, p->at, "too many values");
        *ret = CD_NEW(p->arena, struct cd_json);
        return *ret ? CD_OK : no_memory(p);
}

static cd_status parse_name(struct parser *p, struct cd_json *member)
{
        skip_space(p);
        if (!take(p, '"'))
                return malformed(p, "expected a member name");
        cd_status status = parse_string(p, &member->name);
        if (status != CD_OK)
                return status;
        skip_space(p);
        return take(p, ':') ? CD_OK : malformed(p, "expected ':'");
}

/* Parses the members or elements after the opening bracket, and the closing bracket. */
static cd_status parse_children(struct parser *p, struct cd_json *parent, char closing)
{
        struct cd_json **tail = &parent->child;

        skip_space(p);
        if (take(p, closing))
                return CD_OK;
        do {
                struct cd_json *child = NULL;
                cd_status status = new_node(p, &child);
                if (status == CD_OK && parent->type == CD_JSON_OBJECT)
                        status = parse_name(p, child);
                if (status == CD_OK)
                        status = parse_value(p, child);
                if (status != CD_OK)
                        return status;
                *tail = child;
                tail = &child->next;
                parent->count++;
                skip_space(p);
        } while (take(p, ','));
        return take(p, closing) ? CD_OK : malformed(p, "expected ',' or the end of the list");
}

static int compare_names(cd_str a, cd_str b)
{
        if (a.len != b.len)
                return a.len < b.len ? -1 : 1;
        return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

/* Merges two sorted runs. False if a name is in both. Runs contain no duplicates, so each pair is compared once. */
static bool merge(const cd_str *a, size_t a_count, const cd_str *b, size_t b_count, cd_str *to)
{
        while (a_count && b_count) {
                int order = compare_names(*a, *b);
                if (order == 0)
                        return false;
                *to++ = order < 0 ? *a++ : *b++;
                order < 0 ? a_count-- : b_count--;
        }
        for (; a_count; a_count--)
                *to++ = *a++;
        for (; b_count; b_count--)
                *to++ = *b++;
        return true;
}

/* Merge sort: no input makes it quadratic, and it needs no random seed. */
static cd_status check_many_names(struct parser *p, const struct cd_json *object)
{
        size_t count = object->count, i = 0;
        cd_str *names = cd_arena_calloc(p->arena, count * 2, sizeof(*names)), *other = names + count;

        if (!names)
                return no_memory(p);
        for (const struct cd_json *m = object->child; m; m = m->next)
                names[i++] = m->name;
        for (size_t run = 1; run < count; run *= 2) {
                for (i = 0; i < count; i += 2 * run) {
                        size_t a = count - i < run ? count - i : run;
                        size_t b = count - i - a < run ? count - i - a : run;
                        if (!merge(names + i, a, names + i + a, b, other + i))
                                return fail_at(p, CD_MALFORMED, object->text.ptr,
                                               "duplicate member name in the object");
                }
                cd_str *swap = names;
                names = other;
                other = swap;
        }
        return CD_OK;
}

static cd_status check_names(struct parser *p, const struct cd_json *object)
{
        enum {
                FEW = 32
        };

        if (object->count > FEW)
                return check_many_names(p, object);
        for (const struct cd_json *a = object->child; a; a = a->next)
                for (const struct cd_json *b = a->next; b; b = b->next)
                        if (a->name.len == b->name.len && cd_str_eq(a->name, b->name))
                                return fail_at(p, CD_MALFORMED, object->text.ptr,
                                               "duplicate member name in the object");
        return CD_OK;
}

static cd_status parse_container(struct parser *p, struct cd_json *node, enum cd_json_type type)
{
        const char *from = p->at;

        if (p->depth == CD_JSON_MAX_DEPTH)
                return fail_at(p, CD_TOO_LARGE, p->at, "nested too deep");
        p->depth++;
        p->at++;
        node->type = type;
        cd_status status = parse_children(p, node, type == CD_JSON_OBJECT ? '}' : ']');
        node->text = cd_str_of(from, (size_t)(p->at - from));
        if (status == CD_OK && type == CD_JSON_OBJECT && p->flags & CD_JSON_UNIQUE_NAMES)
                status = check_names(p, node);
        p->depth--;
        return status;
}

static cd_status parse_value(struct parser *p, struct cd_json *node)
{
        skip_space(p);
        switch (p->at < p->end ? *p->at : '\0') {
        case '"':
                p->at++;
                node->type = CD_JSON_STRING;
                return parse_string(p, &node->text);
        case '{':
                return parse_container(p, node, CD_JSON_OBJECT);
        case '[':
                return parse_container(p, node, CD_JSON_ARRAY);
        case 't':
                return parse_word(p, node, CD_STR("true"), CD_JSON_BOOL);
        case 'f':
                return parse_word(p, node, CD_STR("false"), CD_JSON_BOOL);
        case 'n':
                return parse_word(p, node, CD_STR("null"), CD_JSON_NULL);
        case '-':
        case '0' ... '9':
                return parse_number(p, node);
        default:
                return malformed(p, "expected a value");
        }
}

cd_status cd_json_parse(struct cd_arena *arena, cd_str text, unsigned flags, const struct cd_json **ret,
                        struct cd_error *reterr)
{
        const char *start = text.ptr ? text.ptr : "";
        struct parser p = {
                .start = start, .at = start, .end = start + text.len, .arena = arena, .reterr = reterr, .flags = flags
        };
        struct cd_json *root = NULL;
        cd_status status = new_node(&p, &root);

        if (status == CD_OK)
                status = parse_value(&p, root);
        if (status != CD_OK)
                return status;
        skip_space(&p);
        if (p.at < p.end)
                return malformed(&p, "more text after the value");
        *ret = root;
        return CD_OK;
}

/* --- checking without parsing ------------------------------------------------------------------------------------ */

/* RFC 8259 §7: any four hex digits may follow \u, including those of a lone surrogate. */
static cd_status check_string(struct parser *p)
{
        cd_str raw = { NULL, 0 };
        bool escaped;
        cd_status status = take(p, '"') ? scan_string(p, &raw, &escaped) : malformed(p, "expected a member name");

        if (status != CD_OK)
                return status;
        for (const char *at = raw.ptr, *end = at + raw.len; at < end; at++)
                if (*at == '\\' && (*++at == 'u' ? hex4(at + 1, end) < 0 : !memchr("\"\\/bfnrt", *at, 8)))
                        return fail_at(p, CD_MALFORMED, at - 1, "bad escape");
        return CD_OK;
}

static cd_status check_member_name(struct parser *p)
{
        skip_space(p);
        cd_status status = check_string(p);
        if (status != CD_OK)
                return status;
        skip_space(p);
        return take(p, ':') ? CD_OK : malformed(p, "expected ':'");
}

/* One bit for each open bracket: whether it opens an object. */
struct levels {
        unsigned char *bits;
        size_t depth;
};

static bool is_in_object(const struct levels *levels)
{
        size_t top = levels->depth - 1;

        return levels->depth && levels->bits[top / 8] >> top % 8 & 1;
}

static void open_level(struct levels *levels, bool is_object)
{
        unsigned char *byte = &levels->bits[levels->depth / 8], bit = (unsigned char)(1u << levels->depth % 8);

        *byte = (unsigned char)(is_object ? *byte | bit : *byte & ~bit);
        levels->depth++;
}

/* Skips to the end of the next value without children: a scalar, or an empty object or array. */
static cd_status check_first_leaf(struct parser *p, struct levels *levels)
{
        for (;;) {
                struct cd_json scalar;
                skip_space(p);
                if (p->at < p->end && *p->at == '"')
                        return check_string(p);
                bool is_object = take(p, '{');
                if (!is_object && !take(p, '['))
                        return parse_value(p, &scalar);
                skip_space(p);
                if (take(p, is_object ? '}' : ']'))
                        return CD_OK;
                open_level(levels, is_object);
                cd_status status = is_object ? check_member_name(p) : CD_OK;
                if (status != CD_OK)
                        return status;
        }
}

cd_status cd_json_check(struct cd_arena *arena, cd_str text, struct cd_error *reterr)
{
        const char *start = text.ptr ? text.ptr : "";
        struct parser p = { .start = start, .at = start, .end = start + text.len, .arena = arena, .reterr = reterr };
        struct levels levels = { .bits = cd_arena_alloc(arena, text.len / 8 + 1) };

        if (!levels.bits)
                return no_memory(&p);
        do {
                cd_status status = check_first_leaf(&p, &levels);
                if (status != CD_OK)
                        return status;
                skip_space(&p);
                while (levels.depth && take(&p, is_in_object(&levels) ? '}' : ']')) {
                        levels.depth--;
                        skip_space(&p);
                }
                if (!levels.depth)
                        return p.at < p.end ? malformed(&p, "more text after the value") : CD_OK;
                if (!take(&p, ','))
                        return malformed(&p, "expected ',' or the end of the list");
                status = is_in_object(&levels) ? check_member_name(&p) : CD_OK;
                if (status != CD_OK)
                        return status;
        } while (true);
}

static cd_str trim(cd_str text)
{
        while (text.len && is_space(text.ptr[0]))
                text = cd_str_slice(text, 1, text.len);
        while (text.len && is_space(text.ptr[text.len - 1]))
                text.len--;
        return text;
}

bool cd_json_inside(cd_str value, char opening, cd_str *ret)
{
        cd_str text = trim(value);

        if (!text.len || text.ptr[0] != opening)
                return false;
        *ret = trim(cd_str_slice(text, 1, text.len - 2));
        return true;
}

/* After the opening quote: number of bytes up to and including the closing one. */
static size_t string_length(cd_str s)
{
        size_t i = 0;

        while (s.ptr[i] != '"')
                i += s.ptr[i] == '\\' ? 2 : 1;
        return i + 1;
}

bool cd_json_take_part(cd_str *rest, cd_str *ret)
{
        size_t depth = 0, i = 0;

        if (!rest->len)
                return false;
        for (; i < rest->len; i++) {
                char c = rest->ptr[i];
                if (c == '"')
                        i += string_length(cd_str_slice(*rest, i + 1, rest->len));
                else if (c == '{' || c == '[')
                        depth++;
                else if (c == '}' || c == ']')
                        depth--;
                else if (!depth && (c == ',' || c == ':'))
                        break;
        }
        *ret = cd_str_slice(*rest, 0, i);
        *rest = cd_str_slice(*rest, i + 1, rest->len);
        return true;
}

const struct cd_json *cd_json_find(const struct cd_json *object, cd_str name)
{
        if (!object || object->type != CD_JSON_OBJECT)
                return NULL;
        for (const struct cd_json *m = object->child; m; m = m->next)
                if (m->name.len == name.len && cd_str_eq(m->name, name))
                        return m;
        return NULL;
}

bool cd_json_int64(const struct cd_json *node, int64_t *ret)
{
        return node && node->type == CD_JSON_NUMBER && cd_str_to_i64(node->text, ret);
}

/* Recursion is bounded, because the parser limits the depth. */
void cd_json_write(const struct cd_json *node, struct cd_buf *buf)
{
        bool is_object = node->type == CD_JSON_OBJECT;

        if (node->type == CD_JSON_STRING) {
                cd_buf_add_json(buf, node->text);
                return;
        }
        if (!is_object && node->type != CD_JSON_ARRAY) {
                cd_buf_add(buf, node->text);
                return;
        }
        cd_buf_add_char(buf, is_object ? '{' : '[');
        for (const struct cd_json *child = node->child; child; child = child->next) {
                if (child != node->child)
                        cd_buf_add_char(buf, ',');
                if (is_object) {
                        cd_buf_add_json(buf, child->name);
                        cd_buf_add_char(buf, ':');
                }
                cd_json_write(child, buf);
        }
        cd_buf_add_char(buf, is_object ? '}' : ']');
}

void cd_json_write_strs(struct cd_strs strings, struct cd_buf *buf)
{
        cd_buf_add_char(buf, '[');
        for (size_t i = 0; i < strings.count; i++) {
                if (i)
                        cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, strings.items[i]);
        }
        cd_buf_add_char(buf, ']');
}
