#include "http/forwarded.h"

#include <string.h>

enum parameter {
        FOR,
        PROTO,
        HOST,
        BY,
        PARAMETERS,
};

static const cd_str parameter_names[PARAMETERS] = {
        [FOR] = CD_STR_INIT("for"),
        [PROTO] = CD_STR_INIT("proto"),
        [HOST] = CD_STR_INIT("host"),
        [BY] = CD_STR_INIT("by"),
};

/* One element of Forwarded: what one proxy reports. ptr NULL: not given. */
struct element {
        cd_str values[PARAMETERS];
};

/* The state while the list of one kind is read from the right. */
struct walk {
        struct cd_arena *arena;
        const struct cd_network *trusted;
        size_t trusted_count;
        bool is_rfc7239; /* Forwarded, else X-Forwarded-For */
        size_t met;      /* elements read so far */
        bool ended;      /* elements further left are ignored */
        bool has_address, unreadable;
        bool silent;               /* an element had no for= */
        struct cd_address address; /* of the element that was read last */
        cd_str proto, host;        /* of the rightmost element of Forwarded */
};

static bool is_token_char(char c)
{
        return cd_http_is_token(cd_str_of(&c, 1));
}

/* Some proxies write addresses and ports without the quotes that RFC 7239 §4 requires. None of these characters ends a
 * value, so such a value is unambiguous. */
static bool is_value_char(char c)
{
        return is_token_char(c) || c == ':' || c == '[' || c == ']';
}

static cd_str take_while(cd_str *rest, bool (*is)(char))
{
        size_t len = 0;

        while (len < rest->len && is(rest->ptr[len]))
                len++;
        cd_str taken = cd_str_slice(*rest, 0, len);
        *rest = cd_str_slice(*rest, len, rest->len);
        return taken;
}

/* Reads a quoted-string (RFC 9110 §5.6.4) from the front of *rest, without quotes and escapes. */
static cd_status take_quoted(struct cd_arena *arena, cd_str *rest, cd_str *ret)
{
        size_t end = 1, len = 0;
        bool has_escapes = false;

        for (; end < rest->len && rest->ptr[end] != '"'; end++)
                if (rest->ptr[end] == '\\') {
                        has_escapes = true;
                        end++;
                }
        if (end >= rest->len)
                return CD_MALFORMED;
        cd_str inner = cd_str_slice(*rest, 1, end - 1);
        *rest = cd_str_slice(*rest, end + 1, rest->len);
        *ret = inner;
        if (!has_escapes)
                return CD_OK;

        char *to = cd_arena_alloc(arena, inner.len);
        if (!to)
                return CD_NO_MEMORY;
        for (size_t i = 0; i < inner.len; i++) {
                i += inner.ptr[i] == '\\';
                to[len++] = inner.ptr[i];
        }
        *ret = cd_str_of(to, len);
        return CD_OK;
}

/* Reads "name=value" from the front of *rest (RFC 7239 §4, forwarded-pair). Skips unknown parameters. */
static cd_status take_pair(struct cd_arena *arena, cd_str *rest, struct element *element)
{
        cd_str name = take_while(rest, is_token_char), value;

        if (name.len == 0 || rest->len < 2 || rest->ptr[0] != '=')
                return CD_MALFORMED;
        *rest = cd_str_slice(*rest, 1, rest->len);
        if (rest->ptr[0] == '"') {
                cd_status status = take_quoted(arena, rest, &value);
                if (status != CD_OK)
                        return status;
        } else {
                value = take_while(rest, is_value_char);
                if (value.len == 0)
                        return CD_MALFORMED;
        }
        for (size_t i = 0; i < PARAMETERS; i++) {
                if (!cd_str_eq_nocase(name, parameter_names[i]))
                        continue;
                if (element->values[i].ptr) /* each may occur once */
                        return CD_MALFORMED;
                element->values[i] = value;
        }
        return CD_OK;
}

/* Pairs, some of them empty, between semicolons. The RFC does not allow blanks beside the semicolons, but they are in
 * use. */
static cd_status parse_element(struct cd_arena *arena, cd_str text, struct element *ret)
{
        struct element element = { 0 };

        for (text = cd_str_trim(text); text.len; text = cd_str_trim(text)) {
                if (text.ptr[0] != ';') {
                        cd_status status = take_pair(arena, &text, &element);
                        if (status != CD_OK)
                                return status;
                        text = cd_str_trim(text);
                        if (text.len == 0)
                                break;
                        if (text.ptr[0] != ';')
                                return CD_MALFORMED;
                }
                text = cd_str_slice(text, 1, text.len);
        }
        *ret = element;
        return CD_OK;
}

/* In lower case; ptr NULL for any value but these two. */
static cd_str known_proto(cd_str text)
{
        if (cd_str_eq_nocase(text, CD_STR("https")))
                return CD_STR("https");
        return cd_str_eq_nocase(text, CD_STR("http")) ? CD_STR("http") : (cd_str){ NULL, 0 };
}

static cd_status meet_address(struct walk *walk, cd_str node)
{
        struct cd_address address;

        if (!cd_address_parse_node(node, &address))
                return CD_MALFORMED;
        walk->address = address;
        walk->has_address = true;
        walk->ended = !cd_networks_have(walk->trusted, walk->trusted_count, &address);
        return CD_OK;
}

static cd_status meet_element(struct walk *walk, cd_str text)
{
        struct element element;
        cd_status status = parse_element(walk->arena, text, &element);

        if (status != CD_OK)
                return status;
        if (walk->met == 1) {
                walk->proto = known_proto(element.values[PROTO]);
                if (element.values[HOST].len)
                        walk->host = element.values[HOST];
        }
        /* Either all proxies name an address or none does: in a mixture, an address is missing. */
        walk->silent = walk->silent || !element.values[FOR].ptr;
        if (!element.values[FOR].ptr)
                return walk->has_address ? CD_MALFORMED : CD_OK;
        return walk->silent ? CD_MALFORMED : meet_address(walk, element.values[FOR]);
}

/* The non-empty elements of a line (RFC 9110 §5.6.1.2); if there are more than fit, the last ones, in a ring buffer.
 * Quotes are special in Forwarded only: an address needs none, and in X-Forwarded-For a quote written by the client
 * must not hide what a proxy appended. False: a quoted string has no end. */
static bool split(cd_str line, bool has_quotes, cd_str ring[CD_FORWARDED_ELEMENTS_MAX], size_t *retcount)
{
        size_t start = 0, count = 0;
        bool quoted = false;

        for (size_t i = 0; i <= line.len; i++) {
                char c = i < line.len ? line.ptr[i] : ',';
                if (quoted && i < line.len) {
                        i += c == '\\';
                        quoted = c != '"';
                } else if (has_quotes && c == '"') {
                        quoted = true;
                } else if (c == ',') {
                        cd_str element = cd_str_trim(cd_str_slice(line, start, i - start));
                        if (element.len)
                                ring[count++ % CD_FORWARDED_ELEMENTS_MAX] = element;
                        start = i + 1;
                }
        }
        *retcount = count;
        return !quoted;
}

static cd_status walk_line(struct walk *walk, cd_str line)
{
        cd_str ring[CD_FORWARDED_ELEMENTS_MAX];
        size_t count;

        if (!split(line, walk->is_rfc7239, ring, &count))
                return CD_MALFORMED;
        /* If the ring has been overwritten, the walk reaches its maximum of elements before the missing ones. */
        while (count-- > 0 && !walk->ended) {
                cd_str element = ring[count % CD_FORWARDED_ELEMENTS_MAX];
                if (walk->met++ == CD_FORWARDED_ELEMENTS_MAX)
                        return CD_TOO_LARGE;
                cd_status status = walk->is_rfc7239 ? meet_element(walk, element) : meet_address(walk, element);
                if (status != CD_OK)
                        return status;
        }
        return CD_OK;
}

/* Fails with CD_NO_MEMORY only. */
static cd_status walk_headers(struct walk *walk, const struct cd_http_header *headers, size_t count)
{
        cd_str name = walk->is_rfc7239 ? CD_STR("Forwarded") : CD_STR("X-Forwarded-For");

        while (count-- > 0 && !walk->ended) {
                if (!cd_str_eq_nocase(headers[count].name, name))
                        continue;
                cd_status status = walk_line(walk, headers[count].value);
                if (status == CD_NO_MEMORY)
                        return status;
                if (status != CD_OK) {
                        walk->ended = walk->unreadable = true;
                        walk->has_address = false;
                }
        }
        return CD_OK;
}

/* The rightmost non-empty element across all lines with that name. ptr NULL: none. */
static cd_str last_element(const struct cd_http_header *headers, size_t count, cd_str name)
{
        while (count-- > 0) {
                cd_str line = headers[count].value;
                if (!cd_str_eq_nocase(headers[count].name, name))
                        continue;
                while (line.len) {
                        size_t start = line.len;
                        while (start > 0 && line.ptr[start - 1] != ',')
                                start--;
                        cd_str element = cd_str_trim(cd_str_slice(line, start, line.len));
                        if (element.len)
                                return element;
                        line.len = start ? start - 1 : 0;
                }
        }
        return (cd_str){ NULL, 0 };
}

static cd_status set_address(struct cd_arena *arena, const struct cd_address *address, struct cd_forwarded *forwarded)
{
        char text[CD_ADDRESS_TEXT_MAX];

        forwarded->address = *address;
        forwarded->address_text = cd_arena_copy(arena, cd_str_of(text, cd_address_format(address, text)));
        forwarded->has_address = true;
        return forwarded->address_text.ptr ? CD_OK : CD_NO_MEMORY;
}

cd_status cd_forwarded_read(struct cd_arena *arena, const struct cd_http_header *headers, size_t count,
                            const struct cd_network *trusted, size_t trusted_count, struct cd_forwarded *ret)
{
        struct walk walk = { .arena = arena, .trusted = trusted, .trusted_count = trusted_count };
        struct cd_forwarded forwarded = { .host = last_element(headers, count, CD_STR("X-Forwarded-Host")) };
        cd_str proto = last_element(headers, count, CD_STR("X-Forwarded-Proto"));
        cd_status status = walk_headers(&walk, headers, count);

        if (status != CD_OK)
                return status;
        forwarded.proto = known_proto(proto);
        if (!walk.met && !walk.unreadable && !proto.ptr && !forwarded.host.ptr) {
                walk.is_rfc7239 = true;
                status = walk_headers(&walk, headers, count);
                forwarded.proto = walk.proto;
                forwarded.host = walk.host;
        }
        forwarded.unreadable = walk.unreadable;
        if (status == CD_OK && walk.has_address && !walk.unreadable)
                status = set_address(arena, &walk.address, &forwarded);
        if (status == CD_OK)
                *ret = forwarded;
        return status;
}
