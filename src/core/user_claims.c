#include "core/user_claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "core/oauth/scope.h"
#include "core/user_details.h"

struct claim {
        cd_str name;
        const struct cd_json *value; /* NULL or JSON null: absent */
};

struct claims {
        struct claim *items;
        size_t count;
};

enum {
        /* Bytes of "groups" with all names, a quote at each end of a name and a comma. */
        DIFFERENCE_VALUE_MAX = 150, /* bytes of a value, in the audit */
        GROUPS_TEXT_MAX = CD_GROUPS_MAX * (CD_GROUP_NAME_MAX + 3) + 16,
};

static const cd_str scope_name = CD_STR_INIT("scope");

bool cd_user_claims_is_reserved(cd_str name)
{
        static const char *const reserved[] = {
                "iss",       "sub",        "aud",
                "exp",       "nbf",        "iat",
                "jti",       "client_id",  "scope",
                "cnf",       "act",        "may_act",
                "typ",       "azp",        "nonce",
                "auth_time", "acr",        "amr",
                "sid",       "events",     "active",
                "username",  "token_type", "at_hash",
                "c_hash",    "s_hash",     "sub_jwk",
                "sub_id",    "toe",        "txn",
                "vot",       "vtm",        "authorization_details",
        };

        for (size_t i = 0; i < CD_LEN(reserved); i++)
                if (cd_str_eq_nocase(name, cd_str_from_c(reserved[i])))
                        return true;
        return false;
}

static cd_status check_name(cd_str name, struct cd_error *reterr)
{
        if (name.len == 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "a claim's name is empty");
        if (name.len > CD_USER_CLAIMS_NAME_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "a claim's name is longer than %d bytes",
                                CD_USER_CLAIMS_NAME_MAX);
        if (!cd_str_is_utf8(name))
                return cd_fail(reterr, CD_INVALID_REQUEST, "a claim's name is not UTF-8");
        if (cd_str_has_control(name))
                return cd_fail(reterr, CD_INVALID_REQUEST, "a claim's name has a control character in it");
        if (cd_user_claims_is_reserved(name) && !cd_str_eq(name, scope_name))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "tokens give this name a meaning of their own");
        return CD_OK;
}

/* 1e400 is valid JSON, but no reader of a token could represent it. */
static bool is_finite(cd_str number)
{
        char text[64];

        if (number.len >= sizeof(text))
                return false;
        memcpy(text, number.ptr, number.len);
        text[number.len] = '\0';
        return isfinite(strtod(text, NULL));
}

static cd_status check_value(const struct cd_json *node, cd_str name, unsigned depth, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        if (node->type == CD_JSON_NUMBER && !is_finite(node->text))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "a number is too large or too long");
        if (node->type != CD_JSON_ARRAY && node->type != CD_JSON_OBJECT)
                return CD_OK;
        if (depth > CD_USER_CLAIMS_DEPTH)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "nested too deep");
        for (const struct cd_json *child = node->child; child && status == CD_OK; child = child->next)
                status = check_value(child, name, depth + 1, reterr);
        return status;
}

/* An extra space, or an empty text, yields an empty word, which is not a scope. */
static cd_status check_scope(const struct cd_json *value, struct cd_strs scopes, struct cd_error *reterr)
{
        cd_str rest = value->text, word;

        if (value->type != CD_JSON_STRING)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, scope_name, "must be a string");
        while (cd_str_take_until(&rest, ' ', &word)) {
                if (!cd_scope_token_is_valid(word))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, scope_name,
                                             "must be scopes with one space between them");
                if (!cd_strs_has(scopes, word))
                        return cd_failf(reterr, CD_INVALID_REQUEST, scope_name,
                                        "\"%.*s\" does not exist; add it to the setting \"scopes\" first",
                                        CD_STR_ARG(cd_str_slice(word, 0, 100)));
        }
        return CD_OK;
}

static const struct claim *find(const struct claims *claims, cd_str name)
{
        for (size_t i = 0; i < claims->count; i++)
                if (cd_str_eq(claims->items[i].name, name))
                        return &claims->items[i];
        return NULL;
}

static bool is_there(const struct claim *claim)
{
        return claim && claim->value && claim->value->type != CD_JSON_NULL;
}

static cd_status write_claims(const struct claims *claims, struct cd_buf *buf, struct cd_error *reterr)
{
        bool is_first = true;

        cd_buf_add_char(buf, '{');
        for (size_t i = 0; i < claims->count; i++) {
                const struct claim *claim = &claims->items[i];
                if (!is_there(claim))
                        continue;
                cd_status status = check_name(claim->name, reterr);
                if (status == CD_OK)
                        status = check_value(claim->value, claim->name, 2, reterr);
                if (status != CD_OK)
                        return status;
                if (!is_first)
                        cd_buf_add_char(buf, ',');
                is_first = false;
                cd_buf_add_json(buf, claim->name);
                cd_buf_add_char(buf, ':');
                cd_json_write(claim->value, buf);
        }
        cd_buf_add_char(buf, '}');
        return CD_OK;
}

static cd_status finish(struct cd_arena *arena, const struct claims *claims, cd_str *ret, struct cd_error *reterr)
{
        char memory[CD_USER_CLAIMS_MAX];
        struct cd_buf buf;
        cd_str text = { NULL, 0 };

        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        cd_status status = write_claims(claims, &buf, reterr);
        if (status != CD_OK)
                return status;
        if (cd_buf_view(&buf, &text) != CD_OK)
                return cd_failf(reterr, CD_TOO_LARGE, CD_STR(""), "the claims take more than %d bytes",
                                CD_USER_CLAIMS_MAX);
        text = cd_arena_copy(arena, text);
        if (!text.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        *ret = text;
        return CD_OK;
}

/* Prefixes the JSON error with what it refers to. */
static cd_status malformed(cd_str name, struct cd_error *why, struct cd_error *reterr)
{
        if (why->status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        return cd_failf(reterr, CD_INVALID_REQUEST, name, "%s: %s", name.len ? "not JSON" : "the claims are not JSON",
                        why->reason);
}

/* The members of an object as a list, with room for `more` further ones. */
static cd_status read_claims(struct cd_arena *arena, cd_str text, size_t more, struct claims *ret,
                             struct cd_error *reterr)
{
        const struct cd_json *object = NULL;
        struct cd_error why = { 0 };

        if (text.len > CD_USER_CLAIMS_TEXT_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the text of the claims is too long");
        if (cd_json_parse(arena, text.len ? text : CD_STR("{}"), CD_JSON_UNIQUE_NAMES, &object, &why) != CD_OK)
                return malformed(CD_STR(""), &why, reterr);
        if (object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the claims are not a JSON object");
        *ret = (struct claims){ .items = cd_arena_calloc(arena, object->count + more + 1, sizeof(struct claim)) };
        if (!ret->items)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        for (const struct cd_json *member = object->child; member; member = member->next)
                ret->items[ret->count++] = (struct claim){ member->name, member };
        return CD_OK;
}

static cd_status check_and_finish(struct cd_arena *arena, const struct claims *claims, struct cd_strs scopes,
                                  cd_str *ret, struct cd_error *reterr)
{
        const struct claim *scope = find(claims, scope_name);
        cd_status status = is_there(scope) ? check_scope(scope->value, scopes, reterr) : CD_OK;

        return status == CD_OK ? finish(arena, claims, ret, reterr) : status;
}

cd_status cd_user_claims_canonical(struct cd_arena *arena, cd_str text, struct cd_strs scopes, cd_str *ret,
                                   struct cd_error *reterr)
{
        struct claims claims;

        if (text.len == 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the claims are not a JSON object");
        cd_status status = read_claims(arena, text, 0, &claims, reterr);
        return status == CD_OK ? check_and_finish(arena, &claims, scopes, ret, reterr) : status;
}

/* Removes "scope" from the claims; *ret has those of its scopes that exist. */
static cd_status take_scope(struct cd_arena *arena, struct claims *claims, struct cd_strs scopes, cd_str *ret,
                            struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str word, rest = { NULL, 0 };

        for (size_t i = 0; i < claims->count; i++) {
                struct claim *claim = &claims->items[i];
                if (!cd_str_eq(claim->name, scope_name))
                        continue;
                if (is_there(claim) && claim->value->type != CD_JSON_STRING)
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, scope_name, "must be a string");
                rest = is_there(claim) ? claim->value->text : rest;
                claim->value = NULL;
        }
        cd_buf_init(&buf, arena, CD_USER_CLAIMS_MAX);
        while (cd_str_take_word(&rest, &word)) {
                if (!cd_strs_has(scopes, word))
                        continue;
                if (buf.len)
                        cd_buf_add_char(&buf, ' ');
                cd_buf_add(&buf, word);
        }
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "out of memory");
}

/* The object with "groups" as its last member. */
static cd_status add_groups(struct cd_arena *arena, cd_str object, struct cd_strs groups, cd_str *ret,
                            struct cd_error *reterr)
{
        char memory[CD_USER_CLAIMS_MAX + GROUPS_TEXT_MAX];
        struct cd_buf buf;
        cd_str text = { NULL, 0 };

        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        cd_buf_add(&buf, cd_str_slice(object, 0, object.len - 1));
        cd_buf_add(&buf, object.len > 2 ? CD_STR(",\"groups\":") : CD_STR("\"groups\":"));
        cd_json_write_strs(groups, &buf);
        cd_buf_add_char(&buf, '}');
        if (cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("groups"), "are too long, or not UTF-8");
        text = cd_arena_copy(arena, text);
        if (!text.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        *ret = text;
        return CD_OK;
}

cd_status cd_user_claims_for_token(struct cd_arena *arena, cd_str text, struct cd_strs groups, struct cd_strs scopes,
                                   struct cd_user_token_claims *ret, struct cd_error *reterr)
{
        struct cd_user_token_claims token;
        struct claims claims;

        cd_status status = read_claims(arena, text, 0, &claims, reterr);
        if (status == CD_OK)
                status = take_scope(arena, &claims, scopes, &token.scope, reterr);
        if (status == CD_OK)
                status = finish(arena, &claims, &token.extra, reterr);
        if (status == CD_OK && groups.count && !is_there(find(&claims, CD_STR("groups"))))
                status = add_groups(arena, token.extra, groups, &token.extra, reterr);
        if (status == CD_OK)
                *ret = token;
        return status;
}

static cd_status read_value(struct cd_arena *arena, cd_str name, cd_str text, const struct cd_json **ret,
                            struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        if (text.len > CD_USER_CLAIMS_TEXT_MAX)
                return cd_fail_field(reterr, CD_TOO_LARGE, name, "the value is too long");
        if (cd_json_parse(arena, text, CD_JSON_UNIQUE_NAMES, ret, &why) == CD_OK)
                return CD_OK;
        if (why.status == CD_NO_MEMORY || (text.len && memchr("{[\"", text.ptr[0], 3)))
                return malformed(name, &why, reterr);
        if (!cd_str_is_utf8(text))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, name, "the value is not UTF-8");
        struct cd_json *string = CD_NEW(arena, struct cd_json);
        if (!string)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        *string = (struct cd_json){ .type = CD_JSON_STRING, .text = text };
        *ret = string;
        return CD_OK;
}

static struct claim *find_or_append(struct claims *claims, cd_str name)
{
        for (size_t i = 0; i < claims->count; i++)
                if (cd_str_eq(claims->items[i].name, name))
                        return &claims->items[i];
        claims->items[claims->count].name = name;
        return &claims->items[claims->count++];
}

static cd_status assign(struct cd_arena *arena, struct claims *claims, cd_str assignment, struct cd_error *reterr)
{
        const struct cd_json *value = NULL;
        size_t at = cd_str_index(assignment, '=');

        if (at == assignment.len)
                return cd_fail(reterr, CD_INVALID_REQUEST, "a claim is written name=value");
        cd_str name = cd_str_slice(assignment, 0, at);
        cd_status status = check_name(name, reterr);
        if (status == CD_OK)
                status = read_value(arena, name, cd_str_slice(assignment, at + 1, assignment.len), &value, reterr);
        if (status == CD_OK)
                find_or_append(claims, name)->value = value;
        return status;
}

cd_status cd_user_claims_assign(struct cd_arena *arena, cd_str claims, struct cd_strs assignments,
                                struct cd_strs scopes, cd_str *ret, struct cd_error *reterr)
{
        struct claims list;

        cd_status status = read_claims(arena, claims, assignments.count, &list, reterr);
        for (size_t i = 0; i < assignments.count && status == CD_OK; i++)
                status = assign(arena, &list, assignments.items[i], reterr);
        return status == CD_OK ? check_and_finish(arena, &list, scopes, ret, reterr) : status;
}

/* The value as JSON, bounded; "none" if there is none. */
static void add_value(struct cd_buf *buf, struct cd_arena *arena, const struct claim *claim)
{
        struct cd_buf value;
        cd_str text;

        if (!is_there(claim)) {
                cd_buf_add(buf, CD_STR("none"));
                return;
        }
        cd_buf_init(&value, arena, CD_USER_CLAIMS_TEXT_MAX);
        cd_json_write(claim->value, &value);
        if (cd_buf_view(&value, &text) != CD_OK)
                text = CD_STR("?");
        cd_buf_add(buf, cd_str_utf8_prefix(text, DIFFERENCE_VALUE_MAX));
        if (text.len > DIFFERENCE_VALUE_MAX)
                cd_buf_add(buf, CD_STR("…"));
}

static bool is_same(struct cd_arena *arena, const struct claim *a, const struct claim *b)
{
        struct cd_buf bufs[2];
        cd_str texts[2];

        if (!is_there(a) || !is_there(b))
                return is_there(a) == is_there(b);
        for (size_t i = 0; i < 2; i++) {
                cd_buf_init(&bufs[i], arena, CD_USER_CLAIMS_TEXT_MAX);
                cd_json_write((i ? b : a)->value, &bufs[i]);
                if (cd_buf_view(&bufs[i], &texts[i]) != CD_OK)
                        return false;
        }
        return cd_str_eq(texts[0], texts[1]);
}

static void add_difference(struct cd_buf *buf, struct cd_arena *arena, const struct claims *before,
                           const struct claims *after, cd_str name)
{
        const struct claim *old = find(before, name), *new = find(after, name);

        if (is_same(arena, old, new))
                return;
        cd_buf_printf(buf, "%s%.*s: ", buf->len ? "; " : "", CD_STR_ARG(name));
        add_value(buf, arena, old);
        cd_buf_add(buf, CD_STR(" -> "));
        add_value(buf, arena, new);
}

cd_str cd_user_claims_difference(struct cd_arena *arena, cd_str before, cd_str after)
{
        struct claims old, new;
        struct cd_buf buf;
        cd_str text;

        if (read_claims(arena, before, 0, &old, NULL) != CD_OK || read_claims(arena, after, 0, &new, NULL) != CD_OK)
                return CD_STR("claims");
        cd_buf_init(&buf, arena, (size_t)8 * CD_USER_CLAIMS_TEXT_MAX);
        for (size_t i = 0; i < old.count; i++)
                add_difference(&buf, arena, &old, &new, old.items[i].name);
        for (size_t i = 0; i < new.count; i++)
                if (!find(&old, new.items[i].name))
                        add_difference(&buf, arena, &old, &new, new.items[i].name);
        if (cd_buf_view(&buf, &text) != CD_OK)
                return CD_STR("claims");
        if (text.len <= CD_USER_CLAIMS_DIFFERENCE_MAX)
                return text;
        text = cd_str_utf8_prefix(text, CD_USER_CLAIMS_DIFFERENCE_MAX - 3);
        text = cd_arena_printf(arena, "%.*s…", CD_STR_ARG(text));
        return text.ptr ? text : CD_STR("claims");
}
