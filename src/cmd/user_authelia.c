#include "cmd/user_authelia.h"

/* *ret is NULL if the member is absent or null. If there are two with that name, it is an error. */
static cd_status find(const struct cd_yaml_node *mapping, const char *key, const struct cd_yaml_node **ret,
                      struct cd_error *reterr)
{
        const struct cd_yaml_node *found = NULL;

        for (const struct cd_yaml_node *child = mapping->child; child; child = child->next) {
                if (!cd_str_eq_c(child->key, key))
                        continue;
                if (found)
                        return cd_fail_field(reterr, CD_MALFORMED, cd_str_from_c(key), "is given twice");
                found = child;
        }
        *ret = found && cd_yaml_is_null(found) ? NULL : found;
        return CD_OK;
}

cd_status cd_user_authelia_open(struct cd_arena *arena, cd_str text, cd_str file_name, const struct cd_yaml_node **ret,
                                struct cd_error *reterr)
{
        const struct cd_yaml_node *root = NULL, *users = NULL;

        cd_status status = cd_yaml_parse(arena, text, file_name, &root, reterr);
        if (status == CD_OK && root && root->type == CD_YAML_MAPPING)
                status = find(root, "users", &users, reterr);
        if (status != CD_OK)
                return status;
        if (!users || users->type != CD_YAML_MAPPING)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""),
                                "%.*s has no mapping \"users\", as Authelia's file has", CD_STR_ARG(file_name));
        *ret = users->child;
        return CD_OK;
}

static cd_status read_text(const struct cd_yaml_node *user, const char *key, cd_str *ret, struct cd_error *reterr)
{
        const struct cd_yaml_node *node = NULL;

        cd_status status = find(user, key, &node, reterr);
        if (status != CD_OK || !node)
                return status;
        if (node->type != CD_YAML_SCALAR)
                return cd_fail_field(reterr, CD_MALFORMED, cd_str_from_c(key), "must be a string");
        *ret = node->text;
        return CD_OK;
}

static cd_status read_disabled(const struct cd_yaml_node *user, bool *ret, struct cd_error *reterr)
{
        cd_str text = CD_STR("false");

        cd_status status = read_text(user, "disabled", &text, reterr);
        if (status != CD_OK)
                return status;
        *ret = cd_str_eq_nocase(text, CD_STR("true"));
        if (!*ret && !cd_str_eq_nocase(text, CD_STR("false")))
                return cd_fail_field(reterr, CD_MALFORMED, CD_STR("disabled"), "must be true or false");
        return CD_OK;
}

static cd_status read_groups(struct cd_arena *arena, const struct cd_yaml_node *user, struct cd_strs *ret,
                             struct cd_error *reterr)
{
        const struct cd_yaml_node *groups = NULL;
        size_t count = 0;

        cd_status status = find(user, "groups", &groups, reterr);
        if (status != CD_OK || !groups)
                return status;
        if (groups->type != CD_YAML_SEQUENCE)
                return cd_fail_field(reterr, CD_MALFORMED, CD_STR("groups"), "must be a list of names");
        cd_str *names = cd_arena_calloc(arena, groups->count + 1, sizeof(*names));
        if (!names)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the groups");
        for (const struct cd_yaml_node *name = groups->child; name; name = name->next) {
                if (name->type != CD_YAML_SCALAR)
                        return cd_fail_field(reterr, CD_MALFORMED, CD_STR("groups"), "must be a list of names");
                names[count++] = name->text;
        }
        *ret = (struct cd_strs){ names, count };
        return CD_OK;
}

static cd_status read_members(struct cd_arena *arena, const struct cd_yaml_node *user, struct cd_user_params *ret,
                              struct cd_error *reterr)
{
        const cd_str crypt = CD_STR("{CRYPT}"); /* early versions wrote this before any hash */
        cd_status status;

        if (user->type != CD_YAML_MAPPING)
                return cd_fail(reterr, CD_MALFORMED, "must be a mapping with a password");
        if ((status = read_text(user, "password", &ret->stored, reterr)) != CD_OK ||
            (status = read_text(user, "displayname", &ret->display_name, reterr)) != CD_OK ||
            (status = read_text(user, "email", &ret->email, reterr)) != CD_OK ||
            (status = read_disabled(user, &ret->disabled, reterr)) != CD_OK)
                return status;
        if (cd_str_has_prefix(ret->stored, crypt))
                ret->stored = cd_str_slice(ret->stored, crypt.len, ret->stored.len);
        return read_groups(arena, user, &ret->groups, reterr);
}

cd_status cd_user_authelia_read(struct cd_arena *arena, const struct cd_yaml_node *user, struct cd_user_params *ret,
                                struct cd_error *reterr)
{
        struct cd_user_params params = { .name = user->key };
        struct cd_error why = { 0 };

        if (read_members(arena, user, &params, &why) == CD_OK) {
                *ret = params;
                return CD_OK;
        }
        if (why.status != CD_NO_MEMORY)
                cd_user_authelia_name_user(user->key, &why);
        if (reterr)
                *reterr = why;
        return why.status;
}

void cd_user_authelia_name_user(cd_str name, struct cd_error *error)
{
        const struct cd_error why = *error;

        (void)cd_failf(error, why.status, CD_STR(""), "user \"%.*s\": %s%s%s", CD_STR_ARG(cd_str_slice(name, 0, 128)),
                       why.field, why.field[0] ? ": " : "", why.reason);
}
