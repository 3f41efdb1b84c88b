#include "conf/value_fault.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"

enum {
        WORD_MAX = 32, /* bytes of a word that stands for a secret */
};

static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_line_end(char c)
{
        return c == '\r' || c == '\n';
}

static cd_str trim(cd_str value)
{
        while (value.len && is_blank(value.ptr[value.len - 1]))
                value.len--;
        while (value.len && is_blank(value.ptr[0]))
                value = cd_str_slice(value, 1, value.len);
        return value;
}

static bool is_enclosed(cd_str value, const char *before, const char *after)
{
        return value.len > strlen(before) + strlen(after) && cd_str_has_prefix(value, cd_str_from_c(before)) &&
               cd_str_has_suffix(value, cd_str_from_c(after));
}

static bool has_only(cd_str text, const char *bytes)
{
        for (size_t i = 0; i < text.len; i++)
                if (!memchr(bytes, text.ptr[i], strlen(bytes)))
                        return false;
        return text.len > 0;
}

/* ---- white space ---- */

static const char *find_white_space(cd_str value, const char **ret_fix)
{
        cd_str inner = trim(value);

        *ret_fix = "remove it, where the value is set";
        if (!inner.len) {
                *ret_fix = "write the value, where it is set";
                return "has nothing but white space";
        }
        if (is_blank(value.ptr[0]))
                return "has white space at its beginning";
        if (is_line_end(value.ptr[value.len - 1]))
                return "has white space at its end: a line break";
        if (is_blank(value.ptr[value.len - 1]))
                return "has white space at its end";
        for (size_t i = 0; i < value.len; i++)
                if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f) {
                        *ret_fix = "copy it again";
                        return is_line_end(value.ptr[i]) ? "has more than one line" : "has a control character in it";
                }
        return NULL;
}

/* ---- names and placeholders ---- */

/* $NAME of a shell and %NAME% of Windows. Empty: none. */
static cd_str find_variable(cd_str value)
{
        cd_str name = cd_str_slice(value, 1, value.len);

        if (is_enclosed(value, "%", "%"))
                name = cd_str_slice(value, 1, value.len - 2);
        else if (!cd_str_has_prefix(value, CD_STR("$")))
                return CD_STR("");
        return has_only(name, capitals) && name.len < 64 ? name : CD_STR("");
}

/* What was meant as ${file:PATH} or ${env:NAME}. */
static bool is_bare_reference(cd_str value)
{
        cd_str env = CD_STR("env:"), file = CD_STR("file:");

        if (cd_str_has_prefix(value, env))
                return has_only(cd_str_slice(value, env.len, value.len), capitals);
        return cd_str_has_prefix(value, file) && value.len > file.len && cd_str_index(value, ' ') == value.len;
}

static const char *find_placeholder(cd_str value, const char **ret_fix)
{
        *ret_fix = "write the value itself";
        if (is_enclosed(value, "${", "}")) {
                *ret_fix = "write ${env:NAME} with one $, and set the variable where this program is started";
                return "contains a literal ${, which nothing replaces";
        }
        if (is_enclosed(value, "$(", ")") || is_enclosed(value, "`", "`")) {
                *ret_fix = "write ${env:NAME} or ${file:PATH}";
                return "is a command of a shell, which is not run here";
        }
        if (is_enclosed(value, "{{", "}}") || is_enclosed(value, "<", ">"))
                return "is a placeholder that was not filled in";
        return NULL;
}

/* Words that stand for a secret in examples, and those that are tried first. */
static bool is_example(cd_str value)
{
        static const char *const words[] = { "changeme", "changethis", "changeit",     "replaceme", "secret",
                                             "mysecret", "yoursecret", "clientsecret", "password",  "mypassword",
                                             "passwd",   "example",    "todo",         "tbd",       "insecure",
                                             "default",  "none",       "null",         NULL };
        char word[WORD_MAX];
        size_t len = 0;

        for (size_t i = 0; i < value.len; i++) {
                char c = value.ptr[i];
                if (c == '-' || c == '_' || c == ' ' || c == '!' || c == '.')
                        continue;
                if (len + 1 == sizeof(word))
                        break;
                word[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        word[len] = '\0';
        bool is_one = len > 3 && (has_only(cd_str_of(word, len), "x") || has_only(cd_str_of(word, len), "*"));
        for (size_t i = 0; words[i]; i++)
                is_one = is_one || !strcmp(word, words[i]);
        cd_wipe(word, sizeof(word));
        return is_one;
}

static bool names_file(cd_str folder, cd_str value)
{
        bool is_relative = folder.len && value.ptr[0] != '/';
        char path[PATH_MAX];
        struct stat st;

        int len = snprintf(path, sizeof(path), "%.*s%s%.*s", CD_STR_ARG(is_relative ? folder : CD_STR("")),
                           is_relative ? "/" : "", CD_STR_ARG(value));
        bool is_name = len > 0 && (size_t)len < sizeof(path) && strlen(path) == (size_t)len && stat(path, &st) == 0 &&
                       S_ISREG(st.st_mode);
        cd_wipe(path, sizeof(path));
        return is_name;
}

/* A private key that is not one, or the name that files with secrets have. */
static bool looks_like_name(cd_str value)
{
        static const char *const endings[] = { ".pem", ".key", ".txt", ".secret" };

        for (size_t i = 0; i < CD_LEN(endings); i++)
                if (cd_str_has_suffix(value, cd_str_from_c(endings[i])))
                        return cd_str_index(value, ' ') == value.len && cd_str_index(value, '\n') == value.len;
        return false;
}

/* ---- all ---- */

static bool error(struct cd_value_fault *ret, const char *what, cd_str fix)
{
        *ret = (struct cd_value_fault){ CD_FINDING_ERROR, what, fix.ptr ? fix : CD_STR("correct it") };
        return true;
}

static bool find_of_secret(struct cd_arena *arena, cd_str folder, cd_str value, struct cd_value_fault *ret)
{
        cd_str variable = find_variable(value);
        const char *fix, *what = find_placeholder(value, &fix);

        if (what)
                return error(ret, what, cd_str_from_c(fix));
        if (variable.len)
                return error(ret, "is the name of a variable, which is not replaced in this form",
                             cd_arena_printf(arena, "write ${env:%.*s}", CD_STR_ARG(variable)));
        if (is_bare_reference(value))
                return error(ret, "is a reference without its \"${\" and \"}\"",
                             cd_arena_printf(arena, "write ${%.*s}", CD_STR_ARG(value)));
        if (names_file(folder, value) || looks_like_name(value))
                return error(ret, "is the name of a file, not what the file has",
                             looks_like_name(value) ? cd_arena_printf(arena, "write ${file:%.*s}", CD_STR_ARG(value))
                                                    : CD_STR("write ${file:PATH} with that name"));
        if (!is_example(value))
                return false;
        *ret = (struct cd_value_fault){ CD_FINDING_WARNING, "is a word of examples, which anybody can guess",
                                        CD_STR("write the real one; openssl rand -hex 32 prints a random one") };
        return true;
}

bool cd_value_find_fault(struct cd_arena *arena, cd_str folder, cd_str value, enum cd_value_kind kind,
                         struct cd_value_fault *ret)
{
        const char *fix = "", *what = NULL;
        cd_str inner = trim(value);

        if (!value.len)
                return false;
        if (kind != CD_VALUE_PEM || !inner.len)
                what = find_white_space(value, &fix);
        if (what)
                return error(ret, what, cd_str_from_c(fix));
        if (cd_str_has_prefix(inner, CD_STR("\xef\xbb\xbf")))
                return error(ret, "begins with a byte order mark", CD_STR("save it without a byte order mark"));
        if (is_enclosed(inner, "\"", "\"") || is_enclosed(inner, "'", "'") || is_enclosed(inner, "“", "”"))
                return error(ret, "has quotation marks around it",
                             CD_STR("remove them: docker --env-file, for example, keeps quotation marks as part of a "
                                    "value"));
        return kind != CD_VALUE_INSERTED && find_of_secret(arena, folder, inner, ret);
}
