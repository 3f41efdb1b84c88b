#include "app/status.h"

#include "core/key_signer.h"

/* The state in a word, and a text that may be shown to anyone where it is not "ok". */
static void write_store(const struct cd_app_status *status, struct cd_buf *buf)
{
        struct cd_error err = { 0 };
        bool is_available = cd_store_state_need(status->store_state, &err) == CD_OK;
        bool is_writable = is_available && cd_store_state_need_writable(status->store_state, &err) == CD_OK;

        cd_buf_add(buf, CD_STR(",\"store\":{\"location\":"));
        cd_buf_add_json(buf, status->storage->location);
        cd_buf_printf(buf, ",\"state\":\"%s\"", is_writable ? "ok" : is_available ? "not writable" : "unavailable");
        if (!is_writable) {
                cd_buf_add(buf, CD_STR(",\"reason\":"));
                cd_buf_add_json(buf, cd_str_from_c(err.reason));
        }
        cd_buf_add_char(buf, '}');
}

static void write_keys(const struct cd_issuer *issuer, struct cd_buf *buf)
{
        cd_buf_add(buf, CD_STR(",\"keys\":["));
        for (size_t i = 0; i < issuer->keys->count; i++) {
                const struct cd_jwk *key = issuer->keys->keys[i];
                const struct cd_key_signer *signer = (const void *)issuer->signers[cd_jwk_alg(key)];
                cd_buf_add(buf, i ? CD_STR(",{\"kid\":") : CD_STR("{\"kid\":"));
                cd_buf_add_json(buf, cd_jwk_kid(key));
                cd_buf_printf(buf, ",\"alg\":\"%.*s\",\"signs\":%s}", CD_STR_ARG(cd_alg_name(cd_jwk_alg(key))),
                              signer && cd_str_eq(cd_jwk_kid(signer->key), cd_jwk_kid(key)) ? "true" : "false");
        }
        cd_buf_add_char(buf, ']');
}

void cd_app_status_write(const struct cd_app_status *status, struct cd_buf *buf)
{
        write_store(status, buf);
        write_keys(cd_web_get(status->web)->issuer, buf);
}
