#include "core/hand_over.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/canonical.h"
#include "base/percent.h"
#include "base/secret.h"
#include "core/digest.h"

enum {
        SECRET_BYTES = 32,
        SEALED_TEXT_MAX = CD_COOKIE_TOKEN_SIZE + 2 * CD_RETURN_TO_MAX, /* bytes */
        URL_MAX = 4 * CD_RETURN_TO_MAX,                                /* bytes */
};

bool cd_hand_over_reaches(struct cd_strs domains, cd_str host)
{
        for (size_t i = 0; i < domains.count; i++)
                if (cd_host_is_within(host, domains.items[i]))
                        return true;
        return false;
}

/* ---- addresses ---- */

/* "https://wiki.example.org:8443" of an accepted page, whose URL has a "/" after that, or nothing. */
static cd_str origin_of(cd_str url)
{
        size_t host = cd_str_index(url, ':') + 3;

        return cd_str_slice(url, 0, host + cd_str_index(cd_str_slice(url, host, url.len), '/'));
}

cd_status cd_hand_over_start_url(struct cd_arena *arena, const struct cd_return_to *page, cd_str *ret)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, URL_MAX);
        cd_buf_add(&buf, origin_of(page->url));
        cd_buf_add(&buf, CD_STR(CD_PORTAL_BASE "/start?return_to="));
        cd_percent_encode(&buf, page->url);
        return cd_buf_view(&buf, ret);
}

cd_status cd_hand_over_finish_url(struct cd_arena *arena, const struct cd_return_to *page,
                                  const struct cd_hand_over_secret *code, cd_str *ret)
{
        *ret = cd_arena_printf(arena, "%.*s" CD_PORTAL_BASE "/finish?code=%.*s", CD_STR_ARG(origin_of(page->url)),
                               (int)sizeof(code->text), code->text);
        return ret->ptr ? CD_OK : CD_NO_MEMORY;
}

/* ---- codes and nonces ---- */

bool cd_hand_over_is_secret(cd_str text)
{
        char bytes[CD_HAND_OVER_SECRET_SIZE];
        size_t size;

        return text.len == CD_HAND_OVER_SECRET_SIZE && cd_base64url_decode(text, bytes, &size) == CD_OK;
}

cd_status cd_hand_over_new_secret(const struct cd_random *random, struct cd_hand_over_secret *ret,
                                  struct cd_error *reterr)
{
        char bytes[SECRET_BYTES];

        if (random->fill(random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_base64url_encode(ret->text, cd_str_of(bytes, sizeof(bytes)));
        cd_wipe(bytes, sizeof(bytes));
        return CD_OK;
}

static cd_status context_of(struct cd_arena *arena, cd_str digest, cd_str *ret, struct cd_error *reterr)
{
        *ret = cd_arena_printf(arena, "hand-over:%.*s", CD_STR_ARG(digest));
        return ret->ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "out of memory");
}

/* The token, which has a fixed length, and the page. */
static cd_status seal(const struct cd_hand_overs *all, struct cd_arena *arena, const struct cd_hand_over_params *params,
                      struct cd_hand_over *row, struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str context, text;
        cd_status status = context_of(arena, row->digest, &context, reterr);

        if (status != CD_OK)
                return status;
        cd_buf_init(&buf, arena, SEALED_TEXT_MAX);
        cd_buf_add(&buf, params->token);
        cd_buf_add(&buf, params->page->url);
        if (cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        return cd_seal(all->master, arena, context, text, &row->sealed, reterr);
}

cd_status cd_hand_over_give(const struct cd_hand_overs *all, struct cd_arena *arena,
                            const struct cd_hand_over_params *params, struct cd_hand_over_secret *ret,
                            struct cd_error *reterr)
{
        const struct cd_sessions *sessions = all->sessions;
        struct cd_hand_over row = {
                .session = params->session->digest,
                .host = params->page->host,
                .nonce = params->nonce_hash,
        };
        struct cd_hand_over_secret code;
        cd_status status = cd_clock_read(sessions->clock, &row.created_at, reterr);

        if (status != CD_OK)
                return status;
        row.expires_at = row.created_at + CD_HAND_OVER_LIFETIME;
        status = cd_hand_over_new_secret(sessions->random, &code, reterr);
        if (status == CD_OK)
                status = cd_digest_text(arena, cd_str_of(code.text, sizeof(code.text)), &row.digest, reterr);
        if (status == CD_OK)
                status = seal(all, arena, params, &row, reterr);
        if (status == CD_OK)
                status = sessions->store->hand_overs->put(sessions->store, &row, reterr);
        if (status == CD_OK)
                *ret = code;
        return status;
}

/* ---- exchange ---- */

/* One reason for everything that can be wrong with a code. */
static cd_status fail_code(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NOT_FOUND,
                       "the code was used already, has expired, or is for another host or browser");
}

static cd_status find(const struct cd_hand_overs *all, struct cd_arena *arena, const struct cd_hand_over_claim *claim,
                      cd_time now, struct cd_hand_over *ret, struct cd_error *reterr)
{
        struct cd_store *store = all->sessions->store;
        struct cd_hand_over row;
        cd_str digest, nonce;

        if (!cd_hand_over_is_secret(claim->code) || !cd_hand_over_is_secret(claim->nonce))
                return fail_code(reterr);
        cd_status status = cd_digest_text(arena, claim->code, &digest, reterr);
        if (status == CD_OK)
                status = cd_digest_text(arena, claim->nonce, &nonce, reterr);
        if (status == CD_OK)
                status = store->hand_overs->find(store, arena, digest, &row, reterr);
        if (status == CD_NOT_FOUND)
                return fail_code(reterr);
        if (status != CD_OK)
                return status;
        if (now >= row.expires_at || !cd_str_eq(row.host, claim->host) || !cd_secret_eq(row.nonce, nonce))
                return fail_code(reterr);
        *ret = row;
        return CD_OK;
}

static cd_status unseal(const struct cd_hand_overs *all, struct cd_arena *arena, const struct cd_hand_over *row,
                        struct cd_handed_over *ret, struct cd_error *reterr)
{
        cd_str context, text;
        cd_status status = context_of(arena, row->digest, &context, reterr);

        if (status == CD_OK)
                status = cd_unseal(all->master, arena, context, row->sealed, &text, reterr);
        if (status != CD_OK)
                return status;
        ret->token = cd_str_slice(text, 0, CD_COOKIE_TOKEN_SIZE);
        ret->url = cd_str_slice(text, CD_COOKIE_TOKEN_SIZE, text.len);
        return CD_OK;
}

cd_status cd_hand_over_take(const struct cd_hand_overs *all, struct cd_arena *arena,
                            const struct cd_hand_over_claim *claim, struct cd_handed_over *ret, struct cd_error *reterr)
{
        struct cd_store *store = all->sessions->store;
        struct cd_handed_over handed = { 0 };
        struct cd_hand_over row;
        cd_time now;
        cd_status status = cd_clock_read(all->sessions->clock, &now, reterr);

        if (status == CD_OK)
                status = find(all, arena, claim, now, &row, reterr);
        if (status == CD_OK)
                status = unseal(all, arena, &row, &handed, reterr);
        if (status != CD_OK)
                return status;
        status = store->hand_overs->take(store, &row, now, reterr);
        if (status == CD_OK)
                status = cd_session_find(all->sessions, arena, handed.token, &handed.session, reterr);
        if (status == CD_NOT_FOUND)
                return fail_code(reterr);
        if (status == CD_OK)
                *ret = handed;
        return status;
}
