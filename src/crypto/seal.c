#include "crypto/seal.h"

#include <string.h>

#include <sodium.h>

#include "base/base64.h"
#include "base/secret.h"
#include "crypto/sodium_start.h"

enum {
        NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
        TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
};

struct cd_master_key {
        unsigned char bytes[CD_MASTER_KEY_SIZE];
        unsigned char sealing[CD_DERIVED_SIZE];
        unsigned char root[CD_MASTER_ROOT_SIZE];
        unsigned char old[CD_MASTER_KEY_SIZE], old_sealing[CD_DERIVED_SIZE];
        bool has_old;
        const struct cd_random *random;
};

_Static_assert(CD_MASTER_ROOT_SIZE == 2 * CD_MASTER_KEY_SIZE, "both roots begin as the master key");

static const cd_str prefix = CD_STR_INIT("x1.");

static cd_status derive(const unsigned char master[CD_MASTER_KEY_SIZE], cd_str purpose,
                        unsigned char ret[CD_DERIVED_SIZE])
{
        static const unsigned char salt[crypto_generichash_blake2b_SALTBYTES];
        static const unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES + 1] = "cardea master v1";

        return crypto_generichash_blake2b_salt_personal(ret, CD_DERIVED_SIZE, (const unsigned char *)purpose.ptr,
                                                        purpose.len, master, CD_MASTER_KEY_SIZE, salt, personal) == 0
                       ? CD_OK
                       : CD_INTERNAL;
}

static const unsigned char *root_of(const struct cd_master_key *key, cd_str purpose)
{
        static const cd_str own[] = { CD_STR_INIT("check"), CD_STR_INIT("backup"), CD_STR_INIT("fingerprint"),
                                      CD_STR_INIT("instance") };
        static const cd_str stored[] = { CD_STR_INIT("client-secret"), CD_STR_INIT("recovery-code") };

        for (size_t i = 0; i < CD_LEN(own); i++)
                if (cd_str_eq(purpose, own[i]))
                        return key->bytes;
        for (size_t i = 0; i < CD_LEN(stored); i++)
                if (cd_str_eq(purpose, stored[i]))
                        return key->root;
        return key->root + CD_DERIVED_SIZE;
}

cd_status cd_master_key_derive(const struct cd_master_key *key, cd_str purpose, unsigned char ret[CD_DERIVED_SIZE])
{
        return derive(root_of(key, purpose), purpose, ret);
}

cd_status cd_master_key_derive_old(const struct cd_master_key *key, cd_str purpose, unsigned char ret[CD_DERIVED_SIZE])
{
        return key->has_old ? derive(key->old, purpose, ret) : CD_NOT_FOUND;
}

/* ---- a master key that replaces another one ---- */

void cd_master_key_accept(struct cd_master_key *key, const struct cd_master_key *old)
{
        (void)sodium_mprotect_readwrite(key);
        memcpy(key->old, old->bytes, sizeof(key->old));
        memcpy(key->old_sealing, old->sealing, sizeof(key->old_sealing));
        key->has_old = true;
        (void)sodium_mprotect_readonly(key);
}

bool cd_master_key_has_old(const struct cd_master_key *key)
{
        return key->has_old;
}

void cd_master_key_set_root(struct cd_master_key *key, const unsigned char root[CD_MASTER_ROOT_SIZE])
{
        (void)sodium_mprotect_readwrite(key);
        memcpy(key->root, root, sizeof(key->root));
        (void)sodium_mprotect_readonly(key);
}

void cd_master_key_root(const struct cd_master_key *key, unsigned char ret[CD_MASTER_ROOT_SIZE])
{
        memcpy(ret, key->root, sizeof(key->root));
}

void cd_master_key_use_former_root(struct cd_master_key *key)
{
        (void)sodium_mprotect_readwrite(key);
        memcpy(key->root, key->old, CD_MASTER_KEY_SIZE);
        memcpy(key->root + CD_MASTER_KEY_SIZE, key->old, CD_MASTER_KEY_SIZE);
        (void)sodium_mprotect_readonly(key);
}

cd_status cd_master_key_renew_root(struct cd_master_key *key)
{
        (void)sodium_mprotect_readwrite(key);
        cd_status status = key->random->fill(key->random, key->root + CD_DERIVED_SIZE, CD_DERIVED_SIZE);
        (void)sodium_mprotect_readonly(key);
        return status;
}

/* Whether `text` is the base64 of a master key, which is then written to `to`. */
static bool decode_key(cd_str text, unsigned char to[CD_MASTER_KEY_SIZE])
{
        char bytes[CD_MASTER_KEY_TEXT / 4 * 3 + 2];
        size_t size = 0;

        bool is_key = text.len == CD_MASTER_KEY_TEXT && cd_base64_decode(text, bytes, &size) == CD_OK &&
                      size == CD_MASTER_KEY_SIZE;
        for (size_t i = 0; is_key && i < CD_MASTER_KEY_SIZE; i++)
                to[i] = (unsigned char)bytes[i];
        cd_wipe(bytes, sizeof(bytes));
        return is_key;
}

/* Half of a key, a key in hex, or something else. */
static cd_status fail_key(cd_str text, struct cd_error *reterr)
{
        bool is_hex = text.len == 2 * CD_MASTER_KEY_SIZE;

        for (size_t i = 0; i < text.len; i++)
                is_hex = is_hex && memchr("0123456789abcdefABCDEF", text.ptr[i], 22);
        if (is_hex)
                return cd_fail(reterr, CD_MALFORMED,
                               "is in hex, but a master key is in base64: 32 bytes, 44 characters");
        if (text.len != CD_MASTER_KEY_TEXT)
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""),
                                "is not a master key: 32 bytes in base64, 44 characters, and not %zu", text.len);
        return cd_fail(reterr, CD_MALFORMED, "is not a master key: 32 bytes in base64, 44 characters");
}

static cd_str without_line_end(cd_str text)
{
        if (cd_str_has_suffix(text, CD_STR("\n")))
                text.len--;
        if (cd_str_has_suffix(text, CD_STR("\r")))
                text.len--;
        return text;
}

cd_status cd_master_key_parse(cd_str text, const struct cd_random *random, struct cd_master_key **ret,
                              struct cd_error *reterr)
{
        if (!cd_sodium_start())
                return cd_fail(reterr, CD_INTERNAL, "libsodium could not be initialised");
        struct cd_master_key *key = sodium_malloc(sizeof(*key));
        if (!key)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (!decode_key(without_line_end(text), key->bytes)) {
                cd_master_key_free(key);
                return fail_key(without_line_end(text), reterr);
        }
        if (derive(key->bytes, CD_STR("seal"), key->sealing) != CD_OK) {
                cd_master_key_free(key);
                return cd_fail(reterr, CD_INTERNAL, "BLAKE2b failed");
        }
        key->random = random;
        key->has_old = false;
        memcpy(key->root, key->bytes, CD_MASTER_KEY_SIZE);
        memcpy(key->root + CD_MASTER_KEY_SIZE, key->bytes, CD_MASTER_KEY_SIZE);
        (void)sodium_mprotect_readonly(key);
        *ret = key;
        return CD_OK;
}

void cd_master_key_free(struct cd_master_key *key)
{
        sodium_free(key); /* also wipes it */
}

cd_status cd_master_key_generate(const struct cd_random *random, char ret[CD_MASTER_KEY_TEXT], struct cd_error *reterr)
{
        char bytes[CD_MASTER_KEY_SIZE];

        if (random->fill(random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_base64_encode(ret, cd_str_of(bytes, sizeof(bytes)));
        cd_wipe(bytes, sizeof(bytes));
        return CD_OK;
}

/* Returns nonce, ciphertext and tag as text in the arena; ptr is NULL if that is full. */
static cd_str write_text(struct cd_arena *arena, cd_str bytes)
{
        size_t size = prefix.len + cd_base64url_length(bytes.len);
        char *text = cd_arena_alloc(arena, size);

        if (!text)
                return cd_str_of(NULL, 0);
        for (size_t i = 0; i < prefix.len; i++)
                text[i] = prefix.ptr[i];
        cd_base64url_encode(text + prefix.len, bytes);
        return cd_str_of(text, size);
}

struct cd_mac *cd_master_key_mac(const struct cd_master_key *key, cd_str purpose)
{
        unsigned char derived[CD_DERIVED_SIZE];

        if (cd_master_key_derive(key, purpose, derived) != CD_OK)
                return NULL;
        struct cd_mac *mac = cd_mac_new(cd_str_of((const char *)derived, sizeof(derived)));
        cd_wipe(derived, sizeof(derived));
        return mac;
}

cd_status cd_seal(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str secret, cd_str *ret,
                  struct cd_error *reterr)
{
        if (secret.len > CD_SEALED_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the secret is too large to be sealed");
        size_t size = NONCE_SIZE + secret.len + TAG_SIZE;
        unsigned char *bytes = cd_arena_alloc(arena, size);
        if (!bytes)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (key->random->fill(key->random, bytes, NONCE_SIZE) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE_SIZE, NULL, (const unsigned char *)secret.ptr,
                                                   secret.len, (const unsigned char *)context.ptr, context.len, NULL,
                                                   bytes, key->sealing);
        cd_str text = write_text(arena, cd_str_of((const char *)bytes, size));
        if (!text.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        *ret = text;
        return CD_OK;
}

/* `bytes`: nonce, ciphertext and tag. */
static bool decrypt(const unsigned char sealing[CD_DERIVED_SIZE], cd_str context, cd_str bytes, unsigned char *ret)
{
        const unsigned char *nonce = (const unsigned char *)bytes.ptr;

        return crypto_aead_xchacha20poly1305_ietf_decrypt(ret, NULL, NULL, nonce + NONCE_SIZE, bytes.len - NONCE_SIZE,
                                                          (const unsigned char *)context.ptr, context.len, nonce,
                                                          sealing) == 0;
}

/* With `is_now` under the key itself only. */
static cd_status unseal(const struct cd_master_key *key, struct cd_arena *arena, bool is_now, cd_str context,
                        cd_str sealed, cd_str *ret)
{
        cd_str bytes = { NULL, 0 };

        if (!cd_str_has_prefix(sealed, prefix) || sealed.len > 2 * CD_SEALED_MAX)
                return CD_MALFORMED;
        cd_status status = cd_base64url_decode_arena(arena, cd_str_slice(sealed, prefix.len, sealed.len), &bytes);
        if (status == CD_NO_MEMORY)
                return CD_NO_MEMORY;
        if (status != CD_OK || bytes.len < NONCE_SIZE + TAG_SIZE)
                return CD_MALFORMED;
        size_t size = bytes.len - NONCE_SIZE - TAG_SIZE;
        unsigned char *secret = cd_arena_alloc(arena, size + 1);
        if (!secret)
                return CD_NO_MEMORY;
        if (!decrypt(key->sealing, context, bytes, secret) &&
            !(key->has_old && !is_now && decrypt(key->old_sealing, context, bytes, secret)))
                return CD_INVALID_REQUEST;
        secret[size] = '\0';
        *ret = cd_str_of((const char *)secret, size);
        return CD_OK;
}

cd_status cd_unseal(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str sealed, cd_str *ret,
                    struct cd_error *reterr)
{
        cd_status status = unseal(key, arena, false, context, sealed, ret);

        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, status, "out of memory");
        if (status == CD_MALFORMED)
                return cd_fail(reterr, status, "not a sealed secret");
        return status == CD_OK ? CD_OK
                               : cd_fail(reterr, status, "the secret was sealed under another master key, or modified");
}

bool cd_is_sealed_now(const struct cd_master_key *key, struct cd_arena *arena, cd_str context, cd_str sealed)
{
        cd_str secret;

        return unseal(key, arena, true, context, sealed, &secret) == CD_OK;
}
