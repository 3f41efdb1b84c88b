/* What limits a personal token, as users write it. */
#include "base/canonical.h"
#include "core/personal_token.h"

/* One word in canonical form. CD_INVALID_REQUEST with the field. */
typedef cd_status read_word(struct cd_arena *arena, cd_str word, cd_str *ret, struct cd_error *reterr);

/* "%.*s" for what a user wrote: enough of it to be found. */
#define SHOWN(text) CD_STR_ARG(cd_str_slice(text, 0, 100))

static cd_status fail_memory(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the limits of a token");
}

/* Without a port, which no limit distinguishes. */
static cd_status read_host(struct cd_arena *arena, cd_str word, cd_str *ret, struct cd_error *reterr)
{
        bool wildcard = cd_str_has_prefix(word, CD_STR("*."));
        cd_str host = cd_str_slice(word, wildcard ? 2 : 0, word.len), canonical;
        struct cd_address address;

        cd_status status = cd_canonical_host(arena, host, &canonical);
        if (status == CD_NO_MEMORY)
                return fail_memory(reterr);
        if (status != CD_OK || !cd_str_eq_nocase(host, canonical) ||
            (wildcard && (host.ptr[0] == '[' || cd_address_parse(host, &address))))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("hosts"),
                                "\"%.*s\" is not a host such as wiki.example.com or *.example.com", SHOWN(word));
        *ret = wildcard ? cd_arena_printf(arena, "*.%.*s", CD_STR_ARG(canonical)) : canonical;
        return ret->ptr ? CD_OK : fail_memory(reterr);
}

static cd_status read_path(struct cd_arena *arena, cd_str word, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = cd_canonical_path(arena, word, ret);

        if (status == CD_NO_MEMORY)
                return fail_memory(reterr);
        if (status != CD_OK || !cd_str_eq(word, *ret) || cd_str_index(word, '*') < word.len)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("paths"),
                                "\"%.*s\" is not a canonical path such as /api/v1 or, for all below, /api/",
                                SHOWN(word));
        return CD_OK;
}

static cd_status read_method(struct cd_arena *arena, cd_str word, cd_str *ret, struct cd_error *reterr)
{
        cd_str copy = cd_arena_copy(arena, word);
        bool is_method = true;

        if (!copy.ptr)
                return fail_memory(reterr);
        for (size_t i = 0; i < copy.len; i++) {
                char *c = (char *)copy.ptr + i; /* our copy */
                if (*c >= 'a' && *c <= 'z')
                        *c = (char)(*c - 'a' + 'A');
                is_method &= (*c >= 'A' && *c <= 'Z') || *c == '-';
        }
        if (!is_method)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("methods"), "\"%.*s\" is not a method such as GET",
                                SHOWN(word));
        *ret = copy;
        return CD_OK;
}

static cd_status read_network(struct cd_arena *arena, cd_str word, cd_str *ret, struct cd_error *reterr)
{
        struct cd_network network;

        if (cd_network_parse(word, &network, NULL) != CD_OK)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("networks"),
                                "\"%.*s\" is not an address or network such as 192.0.2.1 or 10.0.0.0/8", SHOWN(word));
        *ret = cd_arena_copy(arena, word);
        return ret->ptr ? CD_OK : fail_memory(reterr);
}

static bool is_separator(char c)
{
        return c == ' ' || c == ',' || c == '\t' || c == '\r' || c == '\n';
}

static bool take_word(cd_str *rest, cd_str *ret)
{
        size_t from = 0, to;

        while (from < rest->len && is_separator(rest->ptr[from]))
                from++;
        for (to = from; to < rest->len && !is_separator(rest->ptr[to]); to++)
                continue;
        *ret = cd_str_slice(*rest, from, to - from);
        *rest = cd_str_slice(*rest, to, rest->len);
        return ret->len > 0;
}

static cd_status read_words(struct cd_arena *arena, const char *field, cd_str text, read_word *read,
                            struct cd_strs *ret, struct cd_error *reterr)
{
        cd_str *items = cd_arena_calloc(arena, CD_PERSONAL_TOKEN_ITEMS_MAX, sizeof(*items)), whole = text, word;
        size_t count = 0;

        if (!items)
                return fail_memory(reterr);
        if (text.len > CD_PERSONAL_TOKEN_LIMIT_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), "has more than %d characters",
                                CD_PERSONAL_TOKEN_LIMIT_MAX);
        while (take_word(&text, &word)) {
                if (count == CD_PERSONAL_TOKEN_ITEMS_MAX)
                        return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), "has more than %d entries",
                                        CD_PERSONAL_TOKEN_ITEMS_MAX);
                cd_status status = read(arena, word, &items[count++], reterr);
                if (status != CD_OK)
                        return status;
        }
        if (whole.len && count == 0)
                return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(field),
                                "has no entry; leave it empty for any");
        *ret = (struct cd_strs){ items, count };
        return CD_OK;
}

cd_status cd_personal_token_read_limits(struct cd_arena *arena, const struct cd_personal_token_params *params,
                                        struct cd_personal_token *ret, struct cd_error *reterr)
{
        cd_status status = read_words(arena, "hosts", params->hosts, read_host, &ret->hosts, reterr);

        if (status == CD_OK)
                status = read_words(arena, "paths", params->paths, read_path, &ret->paths, reterr);
        if (status == CD_OK)
                status = read_words(arena, "methods", params->methods, read_method, &ret->methods, reterr);
        if (status == CD_OK)
                status = read_words(arena, "networks", params->networks, read_network, &ret->networks, reterr);
        return status;
}
