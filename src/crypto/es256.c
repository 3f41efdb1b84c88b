/* Converts ES256 signatures between their two forms: r||s in JWS and DER in libcrypto. Written by hand, because
 * ECDSA_SIG needs three allocations and two bignums each way. */
#include <string.h>

#include "crypto/jwk_internal.h"

enum {
        HALF = CD_ES256_SIZE / 2,
        TAG_INTEGER = 0x02,
        TAG_SEQUENCE = 0x30,
};

/* n, the order of P-256 (FIPS 186-4 §D.1.2.3). */
static const unsigned char order[HALF] = {
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static bool in_range(const unsigned char half[HALF])
{
        static const unsigned char zero[HALF];
        return memcmp(half, zero, HALF) != 0 && memcmp(half, order, HALF) < 0;
}

/* Writes one INTEGER to `to`: tag, length, a zero if the number would look negative, and the number without leading
 * zeros. Returns its length. */
static size_t put_integer(unsigned char *to, const unsigned char half[HALF])
{
        size_t skip = 0;
        while (half[skip] == 0) /* ends, because the number is not zero */
                skip++;
        size_t pad = half[skip] >> 7, len = HALF - skip;

        to[0] = TAG_INTEGER;
        to[1] = (unsigned char)(pad + len);
        to[2] = 0;
        memcpy(to + 2 + pad, half + skip, len);
        return 2 + pad + len;
}

bool cd_es256_to_der(const unsigned char raw[CD_ES256_SIZE], unsigned char ret[CD_ES256_DER_MAX], size_t *retlen)
{
        if (!in_range(raw) || !in_range(raw + HALF))
                return false;

        size_t len = put_integer(ret + 2, raw);
        len += put_integer(ret + 2 + len, raw + HALF);
        ret[0] = TAG_SEQUENCE;
        ret[1] = (unsigned char)len;
        *retlen = 2 + len;
        return true;
}

/* Takes one INTEGER off the front. */
static bool take_integer(const unsigned char **der, size_t *left, unsigned char half[HALF])
{
        if (*left < 3 || (*der)[0] != TAG_INTEGER)
                return false;
        size_t len = (*der)[1];
        const unsigned char *number = *der + 2;
        if (len == 0 || len > HALF + 1 || len > *left - 2 || number[0] & 0x80)
                return false;
        *der = number + len;
        *left -= 2 + len;

        if (number[0] == 0) {
                number++, len--;
                if (len == 0 || !(number[0] & 0x80)) /* zero itself, or a zero byte that is not needed */
                        return false;
        }
        if (len > HALF)
                return false;
        memset(half, 0, HALF - len);
        memcpy(half + HALF - len, number, len);
        return in_range(half);
}

bool cd_es256_from_der(const unsigned char *der, size_t len, unsigned char ret[CD_ES256_SIZE])
{
        unsigned char raw[CD_ES256_SIZE];

        if (len < 2 || len > CD_ES256_DER_MAX || der[0] != TAG_SEQUENCE || der[1] != len - 2)
                return false;
        der += 2, len -= 2;
        if (!take_integer(&der, &len, raw) || !take_integer(&der, &len, raw + HALF) || len != 0)
                return false;
        memcpy(ret, raw, sizeof(raw));
        return true;
}
