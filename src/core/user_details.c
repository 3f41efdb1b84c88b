#include "core/user_details.h"

#include <string.h>

static bool is_letter_or_digit(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Whether the text has only letters, digits and characters of `others`. */
static bool has_only(cd_str text, cd_str others)
{
        for (size_t i = 0; i < text.len; i++)
                if (!is_letter_or_digit(text.ptr[i]) && !memchr(others.ptr, text.ptr[i], others.len))
                        return false;
        return true;
}

static cd_status refuse(struct cd_error *reterr, const char *reason)
{
        return cd_fail(reterr, CD_INVALID_REQUEST, reason);
}

cd_status cd_display_name_check(cd_str name, struct cd_error *reterr)
{
        if (name.len == 0)
                return refuse(reterr, "the display name is empty");
        if (name.len > CD_DISPLAY_NAME_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the display name is longer than %d bytes",
                                CD_DISPLAY_NAME_MAX);
        if (!cd_str_is_utf8(name))
                return refuse(reterr, "the display name is not UTF-8");
        for (cd_str rest = name; rest.len;) {
                size_t size = cd_str_safe_sequence(rest);
                if (size == 0)
                        return refuse(reterr, "the display name has a control character in it, or one that sets the "
                                              "direction of writing");
                rest = cd_str_slice(rest, size, rest.len);
        }
        if (name.ptr[0] == ' ' || name.ptr[name.len - 1] == ' ')
                return refuse(reterr, "the display name begins or ends with a space");
        return CD_OK;
}

/* Dot-string: atoms separated by single dots. */
static bool is_local_part(cd_str local)
{
        cd_str atom;

        while (cd_str_take_until(&local, '.', &atom))
                if (atom.len == 0 || !has_only(atom, CD_STR("!#$%&'*+-/=?^_`{|}~")))
                        return false;
        return true;
}

static bool is_number(cd_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] < '0' || text.ptr[i] > '9')
                        return false;
        return true;
}

/* The last label is not a number, as no top-level domain is one (RFC 3696 §2): such a text is an IP address. */
static bool is_domain(cd_str domain)
{
        cd_str label = { NULL, 0 };

        while (cd_str_take_until(&domain, '.', &label))
                if (label.len == 0 || label.len > CD_EMAIL_LABEL_MAX || !has_only(label, CD_STR("-")) ||
                    label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
                        return false;
        return !is_number(label);
}

cd_status cd_email_check(cd_str email, struct cd_error *reterr)
{
        size_t at = cd_str_index(email, '@');
        cd_str local = cd_str_slice(email, 0, at), domain = cd_str_slice(email, at + 1, email.len);

        if (email.len > CD_EMAIL_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the e-mail address is longer than %d bytes",
                                CD_EMAIL_MAX);
        if (at == email.len)
                return refuse(reterr, "an e-mail address has the form name@domain");
        if (local.len > CD_EMAIL_LOCAL_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "before the \"@\" of an e-mail address there are at most %d bytes", CD_EMAIL_LOCAL_MAX);
        if (!is_local_part(local))
                return refuse(reterr, "before the \"@\" of an e-mail address there are ASCII letters, digits and "
                                      "!#$%&'*+-/=?^_`{|}~, and single dots between them");
        if (!is_domain(domain))
                return refuse(reterr,
                              "after the \"@\" of an e-mail address there is a domain of ASCII letters, digits, "
                              "hyphens and dots, and no IP address");
        return CD_OK;
}

cd_status cd_group_name_check(cd_str name, struct cd_error *reterr)
{
        if (name.len == 0)
                return refuse(reterr, "the name of a group is empty");
        if (name.len > CD_GROUP_NAME_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "\"%.*s…\" is longer than %d characters",
                                CD_STR_ARG(cd_str_slice(name, 0, 20)), CD_GROUP_NAME_MAX);
        if (!has_only(name, CD_STR("._-@+:/")))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "\"%.*s\" has a character that is none of: ASCII letters, digits, . _ - @ + : /",
                                CD_STR_ARG(name));
        return CD_OK;
}

static int compare(cd_str a, cd_str b)
{
        int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

        return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Inserts the name among `count` sorted ones, unless it is present. False if there is no room. */
static bool insert(cd_str sorted[CD_GROUPS_MAX], size_t *count, cd_str name)
{
        size_t at = 0;

        while (at < *count && compare(sorted[at], name) < 0)
                at++;
        if (at < *count && cd_str_eq(sorted[at], name))
                return true;
        if (*count == CD_GROUPS_MAX)
                return false;
        memmove(&sorted[at + 1], &sorted[at], (*count - at) * sizeof(*sorted));
        sorted[at] = name;
        ++*count;
        return true;
}

cd_status cd_groups_canonical(struct cd_arena *arena, struct cd_strs names, struct cd_strs *ret,
                              struct cd_error *reterr)
{
        cd_str *sorted = cd_arena_calloc(arena, CD_GROUPS_MAX, sizeof(*sorted));
        size_t count = 0;

        if (!sorted)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        for (size_t i = 0; i < names.count; i++) {
                cd_status status = cd_group_name_check(names.items[i], reterr);
                if (status != CD_OK)
                        return status;
                if (!insert(sorted, &count, names.items[i]))
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "a user is in at most %d groups",
                                        CD_GROUPS_MAX);
        }
        *ret = (struct cd_strs){ sorted, count };
        return CD_OK;
}
