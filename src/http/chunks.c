#include "http/chunks.h"

enum chunk_state {
        SIZE,
        EXTENSION,
        SIZE_LF,
        DATA,
        DATA_CR,
        DATA_LF,
        LAST,
};

enum {
        DIGITS_MAX = 8, /* of a chunk's size; leading zeros count */
};

static void go_to(struct cd_http_chunks *chunks, enum chunk_state state)
{
        chunks->state = (unsigned char)state;
}

static const char *take_size(struct cd_http_chunks *chunks, char c)
{
        int digit = cd_hex_value(c);

        if (digit >= 0) {
                chunks->left = chunks->left << 4 | (unsigned)digit;
                return ++chunks->digits <= DIGITS_MAX ? NULL : "a chunk size with too many digits";
        }
        if (chunks->digits == 0 || (c != ';' && c != '\r'))
                return "a chunk size that is not hexadecimal";
        go_to(chunks, c == ';' ? EXTENSION : SIZE_LF);
        return NULL;
}

static const char *take_extension(struct cd_http_chunks *chunks, char c)
{
        if (c == '\r') {
                go_to(chunks, SIZE_LF);
                return NULL;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
                return "a control character in a chunk extension";
        return ++chunks->extra <= CD_HTTP_CHUNKS_EXTRA_MAX ? NULL : "chunk extensions too long";
}

static const char *expect(struct cd_http_chunks *chunks, char c, char wanted, enum chunk_state next)
{
        go_to(chunks, next);
        return c == wanted ? NULL : "a chunk that does not end with CRLF";
}

/* One byte that is not of the data. NULL, or what is wrong with it. */
static const char *take_byte(struct cd_http_chunks *chunks, char c)
{
        switch ((enum chunk_state)chunks->state) {
        case SIZE:
                return take_size(chunks, c);
        case EXTENSION:
                return take_extension(chunks, c);
        case SIZE_LF:
                return expect(chunks, c, '\n', chunks->left ? DATA : LAST);
        case DATA_CR:
                return expect(chunks, c, '\r', DATA_LF);
        case DATA_LF:
                chunks->digits = 0;
                return expect(chunks, c, '\n', SIZE);
        case DATA:
        case LAST:
                break;
        }
        return "unreachable";
}

enum cd_http_chunks_step cd_http_chunks_next(struct cd_http_chunks *chunks, cd_str bytes, size_t *retused,
                                             const char **retreason)
{
        size_t at = 0;

        while (at < bytes.len && chunks->state != DATA && chunks->state != LAST) {
                *retreason = take_byte(chunks, bytes.ptr[at++]);
                if (*retreason)
                        return CD_HTTP_CHUNKS_INVALID;
        }
        *retused = at;
        if (chunks->state == DATA)
                return CD_HTTP_CHUNKS_DATA;
        return chunks->state == LAST ? CD_HTTP_CHUNKS_LAST : CD_HTTP_CHUNKS_MORE;
}

cd_str cd_http_chunks_take(struct cd_http_chunks *chunks, cd_str bytes)
{
        size_t len = bytes.len < chunks->left ? bytes.len : (size_t)chunks->left;

        chunks->left -= len;
        if (chunks->left == 0)
                go_to(chunks, DATA_CR);
        return cd_str_slice(bytes, 0, len);
}

bool cd_http_chunks_is_data(const struct cd_http_chunks *chunks)
{
        return chunks->state == DATA;
}
