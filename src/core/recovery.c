#include "core/recovery.h"

#include <string.h>

#include "base/base64.h"
#include "base/secret.h"
#include "core/user_name.h"

/* Crockford's base32: no letter can be mistaken for another. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct cd_mac *cd_recovery_macs_new(const struct cd_master_key *master)
{
        return cd_master_key_mac(master, CD_STR("recovery-code"));
}

/* A NUL separates name and code: names contain none, so that a name with a code is never another name with another
 * code. */
static cd_status sum(struct cd_mac *mac, cd_str user, const char letters[CD_RECOVERY_CODE_LETTERS],
                     char ret[CD_RECOVERY_MAC_TEXT])
{
        char message[CD_USER_NAME_MAX + 1 + CD_RECOVERY_CODE_LETTERS];
        unsigned char bytes[CD_MAC_SIZE];

        if (user.len == 0 || user.len > CD_USER_NAME_MAX)
                return CD_MALFORMED;
        memcpy(message, user.ptr, user.len);
        message[user.len] = '\0';
        memcpy(message + user.len + 1, letters, CD_RECOVERY_CODE_LETTERS);
        cd_status status = cd_mac_sum(mac, cd_str_of(message, user.len + 1 + CD_RECOVERY_CODE_LETTERS), bytes);
        cd_wipe(message, sizeof(message));
        if (status == CD_OK)
                cd_base64url_encode(ret, cd_str_of((const char *)bytes, sizeof(bytes)));
        return status;
}

static void write_code(const char letters[CD_RECOVERY_CODE_LETTERS], struct cd_recovery_code *ret)
{
        char *to = ret->text;

        for (size_t i = 0; i < CD_RECOVERY_CODE_LETTERS; i++) {
                if (i && i % 4 == 0)
                        *to++ = '-';
                *to++ = letters[i];
        }
}

cd_status cd_recovery_generate(struct cd_mac *mac, const struct cd_random *random, cd_str user,
                               struct cd_recovery_code ret[CD_RECOVERY_CODES], struct cd_recovery_macs *ret_macs,
                               struct cd_error *reterr)
{
        unsigned char bytes[CD_RECOVERY_CODES][CD_RECOVERY_CODE_LETTERS];
        char letters[CD_RECOVERY_CODE_LETTERS];
        cd_status status = CD_OK;

        if (random->fill(random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        for (size_t i = 0; i < CD_RECOVERY_CODES && status == CD_OK; i++) {
                for (size_t j = 0; j < sizeof(letters); j++)
                        letters[j] = alphabet[bytes[i][j] & 31];
                write_code(letters, &ret[i]);
                status = sum(mac, user, letters, ret_macs->text[i]);
        }
        ret_macs->count = CD_RECOVERY_CODES;
        cd_wipe(bytes, sizeof(bytes));
        cd_wipe(letters, sizeof(letters));
        return status == CD_OK ? CD_OK : cd_fail(reterr, status, "the keyed hash of a recovery code failed");
}

bool cd_recovery_is_code(cd_str text)
{
        if (text.len != CD_RECOVERY_CODE_SIZE)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                if (i % 5 == 4 ? c != '-' : !c || !memchr(alphabet, c, sizeof(alphabet) - 1))
                        return false;
        }
        return true;
}

/* '\0' for a character that is not in the alphabet. */
static char letter_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                c = (char)(c | 0x20);
        if (c == 'o')
                return '0';
        if (c == 'i' || c == 'l')
                return '1';
        return c && memchr(alphabet, c, sizeof(alphabet) - 1) ? c : '\0';
}

cd_status cd_recovery_mac_of(struct cd_mac *mac, cd_str user, cd_str code, char ret[CD_RECOVERY_MAC_TEXT])
{
        char letters[CD_RECOVERY_CODE_LETTERS];
        size_t count = 0;

        for (size_t i = 0; i < code.len; i++) {
                if (code.ptr[i] == '-' || code.ptr[i] == ' ')
                        continue;
                char letter = letter_of(code.ptr[i]);
                if (!letter || count == sizeof(letters))
                        return CD_MALFORMED;
                letters[count++] = letter;
        }
        if (count < sizeof(letters))
                return CD_MALFORMED;
        cd_status status = sum(mac, user, letters, ret);
        cd_wipe(letters, sizeof(letters));
        return status;
}
