#include "core/user_name.h"

#include <string.h>

static bool is_allowed(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c && memchr("._-@+:", c, 6));
}

static cd_status check(cd_str name, struct cd_error *reterr)
{
        if (name.len == 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "the user name is empty");
        if (name.len > CD_USER_NAME_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the user name is longer than %d characters",
                                CD_USER_NAME_MAX);
        for (size_t i = 0; i < name.len; i++)
                if (!is_allowed(name.ptr[i]))
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                        "byte %zu of the user name is not allowed; use letters a-z, digits and "
                                        ". _ - @ +",
                                        i + 1);
        return CD_OK;
}

cd_status cd_user_name_canonical(struct cd_arena *arena, cd_str name, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = check(name, reterr);

        if (status != CD_OK)
                return status;
        char *to = cd_arena_alloc(arena, name.len + 1);
        if (!to)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        for (size_t i = 0; i < name.len; i++)
                to[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] | 0x20) : name.ptr[i];
        to[name.len] = '\0';
        *ret = cd_str_of(to, name.len);
        return CD_OK;
}

cd_status cd_user_name_new(struct cd_arena *arena, cd_str name, cd_str *ret, struct cd_error *reterr)
{
        if (cd_str_eq_c(name, ".") || cd_str_eq_c(name, ".."))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "nobody can be called \"%.*s\", which means a folder in a path; use another name",
                                CD_STR_ARG(name));
        if (cd_str_index(name, ':') < name.len)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "byte %zu of the user name is not allowed; use letters a-z, digits and . _ - @ +",
                                cd_str_index(name, ':') + 1);
        return cd_user_name_canonical(arena, name, ret, reterr);
}

bool cd_user_name_has_provider(cd_str name)
{
        size_t colon = cd_str_index(name, ':');
        cd_str login = cd_str_slice(name, colon + 1, name.len);

        return colon > 0 && login.len > 0 && cd_str_index(login, ':') == login.len;
}
