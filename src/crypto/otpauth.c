#include "crypto/otpauth.h"

#include "base/percent.h"
#include "crypto/totp.h"

/* ---- base32 ---- */

void cd_base32_encode(struct cd_buf *buf, cd_str bytes)
{
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        unsigned waiting = 0, bits = 0;

        for (size_t i = 0; i < bytes.len; i++) {
                waiting = (waiting << 8 | (unsigned char)bytes.ptr[i]) & 0xffff;
                for (bits += 8; bits >= 5; bits -= 5)
                        cd_buf_add_char(buf, alphabet[waiting >> (bits - 5) & 31]);
        }
        if (bits)
                cd_buf_add_char(buf, alphabet[waiting << (5 - bits) & 31]);
}

/* -1: not of the alphabet. */
static int base32_value(char c)
{
        if (c >= '2' && c <= '7')
                return c - '2' + 26;
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'z' ? c - 'a' : -1;
}

/* Without the padding at the end, however much there is: what counts are the characters before it. */
static cd_str without_padding(cd_str text)
{
        while (text.len && (text.ptr[text.len - 1] == '=' || text.ptr[text.len - 1] == ' '))
                text.len--;
        return text;
}

cd_status cd_base32_decode(struct cd_arena *arena, cd_str text, cd_str *ret)
{
        char *to = cd_arena_alloc(arena, text.len * 5 / 8 + 1);
        unsigned waiting = 0, bits = 0;
        size_t size = 0;

        if (!to)
                return CD_NO_MEMORY;
        text = without_padding(text);
        for (size_t i = 0; i < text.len; i++) {
                if (text.ptr[i] == ' ' || text.ptr[i] == '-')
                        continue;
                int value = base32_value(text.ptr[i]);
                if (value < 0)
                        return CD_MALFORMED;
                waiting = (waiting << 5 | (unsigned)value) & 0xffff;
                bits += 5;
                if (bits >= 8) {
                        bits -= 8;
                        to[size++] = (char)(waiting >> bits & 255);
                }
        }
        if (bits >= 5 || (waiting & ((1u << bits) - 1)))
                return CD_MALFORMED; /* characters that end no byte, or say something beyond the last one */
        *ret = cd_str_of(to, size);
        return CD_OK;
}

/* ---- otpauth ---- */

enum {
        PARAMETERS_MAX = 32
};

static cd_status fail(struct cd_error *reterr, const char *field, const char *reason)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), reason);
}

static cd_status decode(struct cd_arena *arena, cd_str text, const char *field, cd_str *ret, struct cd_error *reterr)
{
        cd_status status = cd_percent_decode(arena, text, false, ret);

        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an otpauth URI");
        if (status != CD_OK || !cd_str_is_utf8(*ret) || cd_str_has_control(*ret))
                return fail(reterr, field, "is not percent-encoded UTF-8 without control characters");
        return CD_OK;
}

/* "Issuer:account" or "account". A colon that is written as one separates; else an encoded one does. */
static cd_status parse_label(struct cd_arena *arena, cd_str label, struct cd_otpauth *ret, struct cd_error *reterr)
{
        size_t colon = cd_str_index(label, ':');
        cd_str issuer = CD_STR(""), account;
        cd_status status = CD_OK;

        if (colon < label.len)
                status = decode(arena, cd_str_slice(label, 0, colon), "label", &issuer, reterr);
        if (status == CD_OK)
                status = decode(arena, colon < label.len ? cd_str_slice(label, colon + 1, label.len) : label, "label",
                                &account, reterr);
        if (status != CD_OK)
                return status;
        size_t encoded = colon < label.len ? account.len : cd_str_index(account, ':');
        if (encoded < account.len) {
                issuer = cd_str_slice(account, 0, encoded);
                account = cd_str_slice(account, encoded + 1, account.len);
        }
        ret->issuer = cd_str_trim(issuer);
        ret->account = cd_str_trim(account);
        return CD_OK;
}

static cd_status take_secret(struct cd_arena *arena, cd_str value, struct cd_otpauth *ret, struct cd_error *reterr)
{
        cd_status status = cd_base32_decode(arena, value, &ret->secret);

        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an otpauth URI");
        if (status != CD_OK)
                return fail(reterr, "secret", "is not base32 (A to Z and 2 to 7)");
        if (ret->secret.len < CD_TOTP_SECRET_MIN || ret->secret.len > CD_TOTP_SECRET_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("secret"),
                                "has %zu bytes; secrets have %d to %d (16 to 205 characters)", ret->secret.len,
                                CD_TOTP_SECRET_MIN, CD_TOTP_SECRET_MAX);
        return CD_OK;
}

static cd_status take_issuer(struct cd_arena *arena, cd_str value, struct cd_otpauth *ret, struct cd_error *reterr)
{
        (void)arena;
        (void)reterr;
        ret->issuer = value;
        return CD_OK;
}

static cd_status take_algorithm(struct cd_arena *arena, cd_str value, struct cd_otpauth *ret, struct cd_error *reterr)
{
        (void)arena;
        (void)ret;
        return cd_str_eq_nocase(value, CD_STR("SHA1")) ? CD_OK
                                                       : fail(reterr, "algorithm", "is not supported: only SHA1 is");
}

static cd_status take_digits(struct cd_arena *arena, cd_str value, struct cd_otpauth *ret, struct cd_error *reterr)
{
        (void)arena;
        (void)ret;
        return cd_str_eq(value, CD_STR("6")) ? CD_OK : fail(reterr, "digits", "is not supported: only 6 is");
}

static cd_status take_period(struct cd_arena *arena, cd_str value, struct cd_otpauth *ret, struct cd_error *reterr)
{
        (void)arena;
        (void)ret;
        return cd_str_eq(value, CD_STR("30")) ? CD_OK : fail(reterr, "period", "is not supported: only 30 (s) is");
}

static const struct parameter {
        const char *name;
        cd_status (*take)(struct cd_arena *arena, cd_str value, struct cd_otpauth *ret, struct cd_error *reterr);
} parameters[] = {
        { "secret", take_secret }, { "issuer", take_issuer }, { "algorithm", take_algorithm },
        { "digits", take_digits }, { "period", take_period },
};

static cd_status take_parameter(struct cd_arena *arena, cd_str part, unsigned *seen, struct cd_otpauth *ret,
                                struct cd_error *reterr)
{
        size_t equals = cd_str_index(part, '=');
        cd_str name = cd_str_slice(part, 0, equals), value;

        for (size_t i = 0; i < CD_LEN(parameters); i++) {
                const struct parameter *parameter = &parameters[i];
                if (!cd_str_eq_nocase(name, cd_str_from_c(parameter->name)))
                        continue;
                if (*seen & 1u << i)
                        return fail(reterr, parameter->name, "is given twice");
                *seen |= 1u << i;
                cd_status status =
                        decode(arena, cd_str_slice(part, equals + 1, part.len), parameter->name, &value, reterr);
                return status == CD_OK ? parameter->take(arena, value, ret, reterr) : status;
        }
        return CD_OK;
}

static cd_status parse_parameters(struct cd_arena *arena, cd_str query, struct cd_otpauth *ret, struct cd_error *reterr)
{
        unsigned seen = 0, count = 0;
        cd_str part;

        while (cd_str_take_until(&query, '&', &part)) {
                if (++count > PARAMETERS_MAX)
                        return fail(reterr, "", "the otpauth URI has too many parameters");
                cd_status status = take_parameter(arena, part, &seen, ret, reterr);
                if (status != CD_OK)
                        return status;
        }
        return seen & 1 ? CD_OK : fail(reterr, "secret", "is missing from the otpauth URI");
}

cd_status cd_otpauth_parse(struct cd_arena *arena, cd_str uri, struct cd_otpauth *ret, struct cd_error *reterr)
{
        static const cd_str scheme = CD_STR_INIT("otpauth://");
        struct cd_otpauth found = { 0 };

        if (uri.len > CD_OTPAUTH_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the otpauth URI is longer than %d bytes",
                                CD_OTPAUTH_MAX);
        if (!cd_str_eq_nocase(cd_str_slice(uri, 0, scheme.len), scheme))
                return fail(reterr, "", "is not an otpauth URI: it does not begin with otpauth://");
        cd_str rest = cd_str_slice(uri, scheme.len, uri.len);
        size_t slash = cd_str_index(rest, '/');
        if (!cd_str_eq_nocase(cd_str_slice(rest, 0, slash), CD_STR("totp")))
                return fail(reterr, "type", "is not supported: only time-based codes (otpauth://totp/) are");
        rest = cd_str_slice(rest, slash + 1, rest.len);
        rest = cd_str_slice(rest, 0, cd_str_index(rest, '#'));
        size_t question = cd_str_index(rest, '?');
        cd_status status = parse_label(arena, cd_str_slice(rest, 0, question), &found, reterr);
        if (status == CD_OK)
                status = parse_parameters(arena, cd_str_slice(rest, question + 1, rest.len), &found, reterr);
        if (status == CD_OK)
                *ret = found;
        return status;
}

void cd_otpauth_write(struct cd_buf *buf, const struct cd_otpauth *params)
{
        cd_buf_add(buf, CD_STR("otpauth://totp/"));
        if (params->issuer.len) {
                cd_percent_encode(buf, params->issuer);
                cd_buf_add_char(buf, ':');
        }
        cd_percent_encode(buf, params->account);
        cd_buf_add(buf, CD_STR("?secret="));
        cd_base32_encode(buf, params->secret);
        if (params->issuer.len) {
                cd_buf_add(buf, CD_STR("&issuer="));
                cd_percent_encode(buf, params->issuer);
        }
        cd_buf_add(buf, CD_STR("&algorithm=SHA1&digits=6&period=30"));
}
