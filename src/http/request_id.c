#include "http/request_id.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

bool cd_ids_init(struct cd_ids *ids)
{
        return getrandom(ids->state, sizeof(ids->state), 0) == (ssize_t)sizeof(ids->state);
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014). */
static uint64_t next(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15u;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

/* Eight hex characters at once: each nibble is moved to a byte of its own, and values over 9 are raised to 'a'. */
static void put_hex(char *to, uint32_t value)
{
        uint64_t x = value;

        x = (x | x << 16) & 0x0000ffff0000ffffu;
        x = (x | x << 8) & 0x00ff00ff00ff00ffu;
        x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
        uint64_t letters = ((x + 0x0606060606060606u) >> 4) & 0x0101010101010101u;
        x += 0x3030303030303030u + letters * ('a' - '0' - 10);
        x = htobe64(x);
        memcpy(to, &x, sizeof(x));
}

void cd_ids_make_64(struct cd_ids *ids, char to[16])
{
        uint64_t value = next(&ids->state[0]);

        if (value == 0)
                value = 1;
        put_hex(to, (uint32_t)(value >> 32));
        put_hex(to + 8, (uint32_t)value);
}

void cd_ids_make_128(struct cd_ids *ids, char to[32])
{
        uint64_t value = next(&ids->state[1]);

        cd_ids_make_64(ids, to);
        put_hex(to + 16, (uint32_t)(value >> 32));
        put_hex(to + 24, (uint32_t)value);
}

static bool is_id_character(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
               c == '-';
}

bool cd_request_id_is_valid(cd_str id)
{
        for (size_t i = 0; i < id.len; i++)
                if (!is_id_character(id.ptr[i]))
                        return false;
        return id.len > 0 && id.len <= CD_REQUEST_ID_MAX;
}

/* Lower-case hex (W3C Trace Context §3.2.2). */
static bool is_hex(cd_str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (cd_hex_value(s.ptr[i]) < 0 || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F'))
                        return false;
        return true;
}

static bool is_zero(cd_str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] != '0')
                        return false;
        return true;
}

bool cd_traceparent_parse(cd_str header, struct cd_http_trace *ret)
{
        enum {
                LEN = 55
        }; /* 00-{32}-{16}-{2} */
        cd_str version = cd_str_slice(header, 0, 2);
        cd_str trace = cd_str_slice(header, 3, 32), parent = cd_str_slice(header, 36, 16),
               flags = cd_str_slice(header, 53, 2);

        if (header.len < LEN || header.ptr[2] != '-' || header.ptr[35] != '-' || header.ptr[52] != '-')
                return false;
        if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(flags))
                return false;
        if (cd_str_eq(version, CD_STR("ff")) || is_zero(trace) || is_zero(parent))
                return false;
        /* Version 00 ends here; later versions may continue after a dash (§4.3). */
        if (header.len > LEN && (is_zero(version) || header.ptr[LEN] != '-'))
                return false;
        memcpy(ret->trace_id, trace.ptr, sizeof(ret->trace_id));
        ret->sampled = cd_hex_value(flags.ptr[1]) & 1;
        return true;
}
