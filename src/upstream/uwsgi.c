#include "upstream/uwsgi.h"

enum {
        LENGTH_SIZE = 2,
};

/* Percent-decoded, so that any byte but NUL may occur in them. */
static bool is_decoded(cd_str name)
{
        return cd_str_eq(name, CD_STR("PATH_INFO")) || cd_str_eq(name, CD_STR("SCRIPT_NAME"));
}

static bool is_variable(const struct cd_http_header *variable)
{
        cd_str value = variable->value;
        bool may_have_lines = is_decoded(variable->name);

        for (size_t at = 0; (at = cd_str_next_control(value, at)) < value.len; at++) {
                char c = value.ptr[at];
                if (c == '\0' || (!may_have_lines && (c == '\r' || c == '\n')))
                        return false;
        }
        return cd_http_is_token(variable->name);
}

static cd_status measure(const struct cd_http_header *variables, size_t count, size_t max, size_t *ret)
{
        size_t size = 0;

        for (size_t i = 0; i < count; i++) {
                size_t more = variables[i].name.len + variables[i].value.len + 2 * LENGTH_SIZE;
                if (more > max - size)
                        return CD_TOO_LARGE;
                if (!is_variable(&variables[i]))
                        return CD_MALFORMED;
                size += more;
        }
        *ret = size;
        return CD_OK;
}

/* Little endian. */
static char *put_u16(char *to, size_t value)
{
        *to++ = (char)(value & 0xff);
        *to++ = (char)(value >> 8);
        return to;
}

static char *put_text(char *to, cd_str s)
{
        to = put_u16(to, s.len);
        if (s.len)
                memcpy(to, s.ptr, s.len);
        return to + s.len;
}

cd_status cd_uwsgi_write_block(struct cd_buf *to, const struct cd_http_header *variables, size_t count,
                               size_t buffer_size)
{
        size_t size, max = buffer_size < CD_UWSGI_BLOCK_MAX ? buffer_size : CD_UWSGI_BLOCK_MAX;
        cd_status status = measure(variables, count, max, &size);

        if (status != CD_OK)
                return status;
        char *at = cd_buf_reserve(to, CD_UWSGI_HEADER_SIZE + size);
        if (!at)
                return CD_TOO_LARGE;
        *at++ = 0; /* modifier1: a WSGI application */
        at = put_u16(at, size);
        *at++ = 0; /* modifier2 */
        for (size_t i = 0; i < count; i++)
                at = put_text(put_text(at, variables[i].name), variables[i].value);
        to->len += CD_UWSGI_HEADER_SIZE + size;
        return CD_OK;
}
