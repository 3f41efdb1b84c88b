/* What users write about users. "n": a name. "d": a display name. "e": an e-mail address. "r": names of groups, a line
 * each. "g": claims as JSON. "a": lines, the first of them claims, the others assignments. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "core/user_claims.h"
#include "core/user_details.h"
#include "core/user_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void try_name(struct cd_arena *arena, cd_str text)
{
        struct cd_error err = { 0 };
        cd_str name, again;

        if (cd_user_name_canonical(arena, text, &name, &err) != CD_OK) {
                must(err.status == CD_INVALID_REQUEST && err.reason[0]);
                return;
        }
        must(name.len == text.len && cd_str_eq_nocase(name, text));
        must(cd_user_name_canonical(arena, name, &again, NULL) == CD_OK && cd_str_eq(name, again));
}

/* What is accepted can stand in a header, an address line, or a list. */
static void try_detail(cd_status status, cd_str text, const char *excluded)
{
        if (status != CD_OK)
                return;
        must(text.len && cd_str_is_utf8(text) && !cd_str_has_control(text));
        for (; *excluded; excluded++)
                must(cd_str_index(text, *excluded) == text.len);
}

static void try_groups(struct cd_arena *arena, cd_str text)
{
        cd_str list[100];
        struct cd_strs groups;
        size_t count = 0;

        while (count < CD_LEN(list) && cd_str_take_until(&text, '\n', &list[count]))
                count++;
        if (cd_groups_canonical(arena, (struct cd_strs){ list, count }, &groups, NULL) != CD_OK)
                return;
        must(groups.count <= CD_GROUPS_MAX && groups.count <= count);
        for (size_t i = 0; i < groups.count; i++)
                try_detail(CD_OK, groups.items[i], " ,;\"\\");
        for (size_t i = 0; i < count; i++)
                must(cd_strs_has(groups, list[i]));
}

static const cd_str scope_items[] = { CD_STR_INIT("read"), CD_STR_INIT("a") };
static const struct cd_strs scopes = { scope_items, CD_LEN(scope_items) };

/* What is stored says no registered claim, is no longer than it may be, and stays as it is when it is read again. */
static void check_stored(struct cd_arena *arena, cd_str stored)
{
        const struct cd_json *object;
        struct cd_user_token_claims token;
        cd_str again;

        must(stored.len <= CD_USER_CLAIMS_MAX && cd_str_is_utf8(stored));
        must(cd_json_parse(arena, stored, CD_JSON_UNIQUE_NAMES, &object, NULL) == CD_OK);
        must(object->type == CD_JSON_OBJECT);
        for (const struct cd_json *m = object->child; m; m = m->next)
                must(m->type != CD_JSON_NULL &&
                     (cd_str_eq(m->name, CD_STR("scope")) || !cd_user_claims_is_reserved(m->name)));
        must(cd_user_claims_for_token(arena, stored, (struct cd_strs){ 0 }, scopes, &token, NULL) == CD_OK &&
             token.extra.len + token.scope.len <= stored.len + 2);
        must(cd_user_claims_for_token(arena, stored, scopes, scopes, &token, NULL) == CD_OK &&
             cd_json_parse(arena, token.extra, CD_JSON_UNIQUE_NAMES, &object, NULL) == CD_OK &&
             cd_json_find(object, CD_STR("groups")));
        must(cd_user_claims_canonical(arena, stored, scopes, &again, NULL) == CD_OK && cd_str_eq(stored, again));
}

static void try_claims(struct cd_arena *arena, cd_str text)
{
        struct cd_error err = { 0 };
        cd_str stored;

        if (cd_user_claims_canonical(arena, text, scopes, &stored, &err) == CD_OK)
                check_stored(arena, stored);
        else
                must(err.reason[0]);
}

static void try_assignments(struct cd_arena *arena, cd_str text)
{
        cd_str claims, stored, list[32];
        struct cd_error err = { 0 };
        size_t count = 0;

        cd_str_take_until(&text, '\n', &claims);
        while (count < CD_LEN(list) && cd_str_take_until(&text, '\n', &list[count]))
                count++;
        if (cd_user_claims_assign(arena, claims, (struct cd_strs){ list, count }, scopes, &stored, &err) == CD_OK)
                check_stored(arena, stored);
        else
                must(err.reason[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_arena arena;

        if (size == 0)
                return 0;
        cd_str rest = cd_str_of((const char *)data + 1, size - 1);
        cd_arena_init(&arena, 16 << 20);
        switch (data[0]) {
        case 'n':
                try_name(&arena, rest);
                break;
        case 'd':
                try_detail(cd_display_name_check(rest, NULL), rest, "");
                break;
        case 'e':
                try_detail(cd_email_check(rest, NULL), rest, " ,;:<>\"\\()[]");
                break;
        case 'r':
                try_groups(&arena, rest);
                break;
        case 'g':
                try_claims(&arena, rest);
                break;
        case 'a':
                try_assignments(&arena, rest);
                break;
        }
        cd_arena_done(&arena);
        return 0;
}
