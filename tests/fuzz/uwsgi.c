/* Variables of any kind in a uwsgi block: a decoder, written from the protocol alone, finds the same variables again
 * and nothing else, and what could be read in two ways is never written. The input is the buffer size, the scale of the
 * values' lengths, and a list of texts, each with its length in one byte: names and values in turn. */
#include <stdlib.h>
#include <string.h>

#include "upstream/uwsgi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        VARIABLES_MAX = 64,
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

static size_t u16(const char *at)
{
        return (size_t)(unsigned char)at[0] | (size_t)(unsigned char)at[1] << 8;
}

static cd_str take_text(cd_str *rest)
{
        must(rest->len >= 2);
        size_t len = u16(rest->ptr);
        must(len <= rest->len - 2);
        cd_str text = cd_str_of(rest->ptr + 2, len);
        *rest = cd_str_of(rest->ptr + 2 + len, rest->len - 2 - len);
        return text;
}

static void check_value(cd_str name, cd_str value)
{
        bool is_path = cd_str_eq(name, CD_STR("PATH_INFO")) || cd_str_eq(name, CD_STR("SCRIPT_NAME"));

        for (size_t i = 0; i < value.len; i++)
                must(value.ptr[i] != '\0' && (is_path || (value.ptr[i] != '\r' && value.ptr[i] != '\n')));
}

static void check_block(cd_str block, const struct cd_http_header *variables, size_t count, size_t max)
{
        must(block.len >= 4 && block.ptr[0] == 0 && block.ptr[3] == 0);
        must(u16(block.ptr + 1) == block.len - 4 && block.len - 4 <= max);
        cd_str rest = cd_str_of(block.ptr + 4, block.len - 4);
        for (size_t i = 0; i < count; i++) {
                cd_str name = take_text(&rest), value = take_text(&rest);
                must(cd_str_eq(name, variables[i].name) && cd_str_eq(value, variables[i].value));
                must(name.len > 0 && cd_str_index(name, '=') == name.len);
                check_value(name, value);
        }
        must(rest.len == 0);
}

/* Each length counts `scale` times, as far as there are bytes, so that blocks over the limit come as well. */
static cd_str take_input(cd_str *rest, size_t scale)
{
        size_t len = rest->len ? (unsigned char)rest->ptr[0] * scale : 0;
        cd_str after = cd_str_slice(*rest, 1, rest->len), text = cd_str_slice(after, 0, len);

        *rest = cd_str_slice(after, text.len, after.len);
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_http_header variables[VARIABLES_MAX];
        size_t count = 0, sum = 0;
        struct cd_buf out;

        if (size < 3)
                return 0;
        size_t max = u16((const char *)data);
        cd_str rest = cd_str_of((const char *)data + 3, size - 3);
        for (; rest.len > 0 && count < VARIABLES_MAX; count++) {
                variables[count].name = take_input(&rest, 1);
                variables[count].value = take_input(&rest, 1 + data[2]);
                sum += 4 + variables[count].name.len + variables[count].value.len;
        }
        cd_buf_init(&out, NULL, SIZE_MAX);
        cd_status status = cd_uwsgi_write_block(&out, variables, count, max);
        must(!out.failed && (status == CD_OK || out.len == 0));
        must(status != CD_OK || sum <= max);
        must(status != CD_TOO_LARGE || sum > max);
        if (status == CD_OK)
                check_block(cd_str_of(out.ptr, out.len), variables, count, max);
        cd_buf_done(&out);
        return 0;
}
