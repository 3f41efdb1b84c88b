#include "core/session_id.h"

#include <string.h>

#include "base/base64.h"
#include "base/secret.h"
#include "core/digest.h"

enum {
        ID_SIZE = 32,  /* bytes */
        KIND_MAX = 16, /* characters */
};

/* Of the kind, too, so that one kind is never taken for another. */
static void tag_id(const struct cd_sessions *sessions, cd_str kind, const char id[ID_SIZE],
                   unsigned char ret[CD_TAG_SIZE])
{
        char message[KIND_MAX + ID_SIZE] = { 0 };

        memcpy(message, kind.ptr, kind.len);
        memcpy(message + KIND_MAX, id, ID_SIZE);
        cd_tag(&sessions->ids, cd_str_of(message, sizeof(message)), ret);
        cd_wipe(message, sizeof(message));
}

cd_status cd_session_id_new(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str kind, cd_str *ret_digest,
                            struct cd_cookie_token *ret_token, struct cd_error *reterr)
{
        char bytes[ID_SIZE + CD_TAG_SIZE];

        if (sessions->random->fill(sessions->random, bytes, ID_SIZE) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        tag_id(sessions, kind, bytes, (unsigned char *)bytes + ID_SIZE);
        cd_base64url_encode(ret_token->text, cd_str_of(bytes, sizeof(bytes)));
        cd_status status = cd_digest_text(arena, cd_str_of(bytes, ID_SIZE), ret_digest, reterr);
        cd_wipe(bytes, sizeof(bytes));
        return status;
}

/* The id itself, which the caller wipes. */
static cd_status read_id(const struct cd_sessions *sessions, cd_str kind, cd_str token, char ret[ID_SIZE],
                         struct cd_error *reterr)
{
        char bytes[CD_COOKIE_TOKEN_SIZE / 4 * 3 + 2];
        unsigned char tag[CD_TAG_SIZE];
        size_t size = 0;

        if (token.len != CD_COOKIE_TOKEN_SIZE || cd_base64url_decode(token, bytes, &size) != CD_OK ||
            size != ID_SIZE + CD_TAG_SIZE)
                return cd_fail(reterr, CD_INVALID_TOKEN, "the cookie or token is none of ours");
        tag_id(sessions, kind, bytes, tag);
        bool is_ours = cd_secret_eq(cd_str_of(bytes + ID_SIZE, CD_TAG_SIZE), cd_str_of((const char *)tag, CD_TAG_SIZE));
        memcpy(ret, bytes, ID_SIZE);
        cd_wipe(bytes, sizeof(bytes));
        return is_ours ? CD_OK : cd_fail(reterr, CD_INVALID_TOKEN, "the cookie or token is none of ours");
}

cd_status cd_session_id_digest(const struct cd_sessions *sessions, cd_str kind, cd_str token,
                               struct cd_session_digest *ret, struct cd_error *reterr)
{
        char id[ID_SIZE];
        cd_status status = read_id(sessions, kind, token, id, reterr);

        if (status == CD_OK && cd_sha256(cd_str_of(id, ID_SIZE), ret->bytes) != CD_OK)
                status = cd_fail(reterr, CD_INTERNAL, "SHA-256 failed");
        cd_wipe(id, sizeof(id));
        return status;
}
