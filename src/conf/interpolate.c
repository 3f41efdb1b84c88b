#include "conf/interpolate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static cd_status fail_file(struct cd_error *reterr, cd_str path, const char *what)
{
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "file %.*s %s", CD_STR_ARG(path), what);
}

static cd_status fail_errno(struct cd_error *reterr, cd_str path, int error)
{
        if (error == ENOENT)
                return fail_file(reterr, path, "does not exist");
        if (error == EACCES)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "file %.*s cannot be read: %s; run this as a user who may read it, or give it to this "
                                "user (%lu) with mode 600, and let that user enter the folders above",
                                CD_STR_ARG(path), strerror(error), (unsigned long)geteuid());
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "file %.*s cannot be read: %s", CD_STR_ARG(path),
                        strerror(error));
}

static cd_status read_all(struct cd_arena *arena, int fd, cd_str path, size_t max, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, max + 1);
        for (;;) {
                size_t room = max + 1 - buf.len < 8192 ? max + 1 - buf.len : 8192;
                char *to = room ? cd_buf_reserve(&buf, room) : NULL;
                if (!to)
                        return room ? cd_fail(reterr, CD_NO_MEMORY, "no memory for a file")
                                    : cd_failf(reterr, CD_TOO_LARGE, CD_STR(""), "file %.*s is larger than %zu KB",
                                               CD_STR_ARG(path), max / 1024);
                ssize_t n = read(fd, to, room);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fail_errno(reterr, path, errno);
                buf.len += (size_t)n;
                if (n == 0)
                        return cd_buf_view(&buf, ret);
        }
}

cd_status cd_read_file(struct cd_arena *arena, cd_str path, size_t max, cd_str *ret, struct cd_secret_file *ret_file,
                       struct cd_error *reterr)
{
        cd_str name = cd_arena_copy(arena, path);
        struct stat st;

        if (!name.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a path");
        if (memchr(name.ptr, '\0', name.len))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the path contains a NUL");
        /* Without O_NONBLOCK, opening a FIFO would wait forever. */
        __attribute__((cleanup(close_fd))) int fd = open(name.ptr, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fail_errno(reterr, path, errno);
        if (!S_ISREG(st.st_mode))
                return fail_file(reterr, path, "is not a regular file");
        if (ret_file && !cd_secret_file_look(fd, ret_file))
                return fail_errno(reterr, path, errno);
        return read_all(arena, fd, path, max, ret, reterr);
}

static bool is_variable_name(cd_str name)
{
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];
                bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
                if (!letter && !(i > 0 && c >= '0' && c <= '9'))
                        return false;
        }
        return name.len > 0;
}

static cd_status resolve_env(struct cd_arena *arena, cd_str name, struct cd_interpolated *into, cd_str *ret,
                             struct cd_error *reterr)
{
        if (!is_variable_name(name))
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "\"%.*s\" is not the name of an environment variable (letters, digits, _); write "
                                "${env:NAME}, without a default",
                                CD_STR_ARG(cd_str_slice(name, 0, 64)));
        cd_str z = cd_arena_copy(arena, name);
        if (!z.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a value");
        const char *value = getenv(z.ptr);
        if (!value || !*value) {
                into->variable = z;
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "environment variable %s is %s", z.ptr,
                                value ? "empty" : "not set");
        }
        *ret = cd_arena_copy(arena, cd_str_from_c(value));
        return ret->ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a value");
}

/* Reads the text of a file that holds one value. */
static cd_status read_value(struct cd_arena *arena, cd_str path, struct cd_interpolated *into, cd_str *ret,
                            struct cd_secret_file *ret_file, struct cd_error *reterr)
{
        cd_str text;

        cd_status status = cd_read_file(arena, path, CD_SECRET_FILE_MAX, &text, ret_file, reterr);
        if (status != CD_OK) {
                cd_str name = cd_arena_copy(arena, path);
                into->is_denied = name.ptr && eaccess(name.ptr, R_OK) != 0 && errno == EACCES;
                return status;
        }
        if (cd_str_has_suffix(text, CD_STR("\r\n")))
                text.len -= 2;
        else if (cd_str_has_suffix(text, CD_STR("\n")))
                text.len--;
        if (text.len == 0)
                return fail_file(reterr, path, "is empty");
        *ret = text;
        return CD_OK;
}

static cd_status resolve_file(struct cd_arena *arena, cd_str folder, cd_str path, struct cd_interpolated *into,
                              cd_str *ret, struct cd_error *reterr)
{
        bool relative = folder.len && !cd_str_has_prefix(path, CD_STR("/"));
        cd_str full = relative ? cd_arena_printf(arena, "%.*s/%.*s", CD_STR_ARG(folder), CD_STR_ARG(path)) : path;
        struct cd_secret_file file;

        if (!path.len)
                return cd_fail(reterr, CD_INVALID_REQUEST, "${file:} names no file");
        if (!full.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a path");
        cd_status status = read_value(arena, full, into, ret, &file, reterr);
        if (status == CD_OK && cd_secret_file_fault(&file)) {
                into->unfit_file = full;
                into->unfit = file;
        }
        return status;
}

/* The mode of a credential is not checked: it is in a folder that only its service can enter. */
static cd_status resolve_credential(struct cd_arena *arena, cd_str name, struct cd_interpolated *into, cd_str *ret,
                                    struct cd_error *reterr)
{
        const char *folder = getenv("CREDENTIALS_DIRECTORY");

        if (!name.len || cd_str_index(name, '/') < name.len)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "\"%.*s\" is not the name of a credential",
                                CD_STR_ARG(cd_str_slice(name, 0, 64)));
        if (!folder || !*folder)
                return cd_failf(
                        reterr, CD_INVALID_REQUEST, CD_STR(""),
                        "credential %.*s does not exist: systemd passed no credentials to this process "
                        "(LoadCredential=); outside its unit, set CREDENTIALS_DIRECTORY to the folder that contains it",
                        CD_STR_ARG(name));
        cd_str path = cd_arena_printf(arena, "%s/%.*s", folder, CD_STR_ARG(name));
        if (!path.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a path");
        return read_value(arena, path, into, ret, NULL, reterr);
}

/* `inner` is the text between "${" and "}". */
static cd_status resolve(struct cd_arena *arena, cd_str folder, cd_str inner, struct cd_interpolated *into, cd_str *ret,
                         struct cd_error *reterr)
{
        size_t colon = cd_str_index(inner, ':');
        cd_str kind = cd_str_slice(inner, 0, colon), name = cd_str_slice(inner, colon + 1, inner.len);
        cd_status status;

        if (cd_str_eq(kind, CD_STR("env")) && colon < inner.len)
                status = resolve_env(arena, name, into, ret, reterr);
        else if (cd_str_eq(kind, CD_STR("file")) && colon < inner.len)
                status = resolve_file(arena, folder, name, into, ret, reterr);
        else if (cd_str_eq(kind, CD_STR("credential")) && colon < inner.len)
                status = resolve_credential(arena, name, into, ret, reterr);
        else
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "\"${\" must begin ${env:NAME}, ${file:PATH} or ${credential:NAME}; write $${ for a "
                               "literal ${");
        if (status != CD_OK)
                return status;
        for (size_t i = 0; i + 1 < ret->len; i++)
                into->left_over |= ret->ptr[i] == '$' && ret->ptr[i + 1] == '{';
        into->from = cd_arena_printf(arena, "%.*s%s%.*s %.*s", CD_STR_ARG(into->from), into->from.len ? ", " : "",
                                     CD_STR_ARG(kind), CD_STR_ARG(name));
        return into->from.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a value");
}

static cd_status expand(struct cd_arena *arena, cd_str folder, cd_str value, struct cd_buf *out,
                        struct cd_interpolated *into, struct cd_error *reterr)
{
        for (size_t i = 0; i < value.len;) {
                cd_str rest = cd_str_slice(value, i, value.len);
                if (cd_str_has_prefix(rest, CD_STR("$${"))) {
                        cd_buf_add(out, CD_STR("${"));
                        i += 3;
                        continue;
                }
                if (!cd_str_has_prefix(rest, CD_STR("${"))) {
                        cd_buf_add_char(out, value.ptr[i++]);
                        continue;
                }
                size_t end = cd_str_index(rest, '}');
                if (end == rest.len)
                        return cd_fail(reterr, CD_INVALID_REQUEST,
                                       "\"${\" without its \"}\"; write $${ for a literal ${");
                cd_str text;
                cd_status status = resolve(arena, folder, cd_str_slice(rest, 2, end - 2), into, &text, reterr);
                if (status != CD_OK)
                        return status;
                cd_buf_add(out, text);
                i += end + 1;
        }
        return CD_OK;
}

cd_status cd_interpolate(struct cd_arena *arena, cd_str folder, cd_str value, struct cd_interpolated *ret,
                         struct cd_error *reterr)
{
        struct cd_buf out;

        *ret = (struct cd_interpolated){
                .text = value, .from = CD_STR(""), .variable = CD_STR(""), .unfit_file = CD_STR("")
        };
        if (!value.len || !memmem(value.ptr, value.len, "${", 2))
                return CD_OK;
        /* Enough for twenty references to the largest file; a longer value is a mistake. */
        cd_buf_init(&out, arena, 20 * (size_t)CD_SECRET_FILE_MAX);
        cd_status status = expand(arena, folder, value, &out, ret, reterr);
        if (status != CD_OK)
                return status;
        if (cd_buf_view(&out, &ret->text) != CD_OK)
                return cd_fail(reterr, CD_TOO_LARGE,
                               "the value is too long after its files and variables are inserted");
        return CD_OK;
}
