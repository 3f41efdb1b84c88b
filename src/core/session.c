#include "core/session.h"

#include <string.h>

#include "base/base64.h"
#include "core/audit.h"
#include "core/digest.h"
#include "core/session_id.h"

enum {
        SID_BYTES = 16,
};

static const cd_str session_kind = CD_STR_INIT("session"), pending_kind = CD_STR_INIT("pending");

cd_status cd_session_ids_key(const struct cd_master_key *master, struct cd_tag_key *ret)
{
        return cd_tag_key_derive(master, CD_STR("session-id"), ret);
}

/* ---- ids ---- */

static cd_status check_token(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str kind, cd_str token,
                             cd_str *ret, struct cd_error *reterr)
{
        struct cd_session_digest digest;
        cd_status status = cd_session_id_digest(sessions, kind, token, &digest, reterr);

        return status == CD_OK ? cd_digest_encode(arena, digest.bytes, ret, reterr) : status;
}

cd_status cd_session_digest(const struct cd_sessions *sessions, cd_str token, struct cd_session_digest *ret,
                            struct cd_error *reterr)
{
        return cd_session_id_digest(sessions, session_kind, token, ret, reterr);
}

/* ---- the contents of a session ---- */

static unsigned factor_count(unsigned factors)
{
        unsigned first = factors & (CD_FACTOR_PASSWORD | CD_FACTOR_PROVIDER) ? 1 : 0;

        return factors & (CD_FACTOR_TOTP | CD_FACTOR_RECOVERY) ? first + 1 : first;
}

/* RFC 8176 has no name for a recovery code. "otp" is the nearest, because a recovery code is a password that is valid
 * once. It has none for a login at another provider either, whose own factors are not known here. */
static struct cd_strs amr_of(struct cd_arena *arena, unsigned factors)
{
        cd_str *names = cd_arena_calloc(arena, 3, sizeof(*names));
        size_t count = 0;

        if (!names)
                return (struct cd_strs){ NULL, 0 };
        if (factors & CD_FACTOR_PASSWORD)
                names[count++] = CD_STR("pwd");
        if (factors & (CD_FACTOR_TOTP | CD_FACTOR_RECOVERY))
                names[count++] = CD_STR("otp");
        if (factor_count(factors) == 2)
                names[count++] = CD_STR("mfa");
        return (struct cd_strs){ names, count };
}

unsigned cd_session_factor_count(const struct cd_session *session)
{
        return factor_count(session->factors);
}

/* The User-Agent header may contain any bytes. */
static cd_str clean_device(struct cd_arena *arena, cd_str device)
{
        char memory[CD_AUDIT_TEXT_MAX];
        cd_str text = cd_audit_text(cd_str_slice(device, 0, CD_DEVICE_MAX), memory);
        cd_str copy = cd_arena_copy(arena, text);

        return copy.ptr ? copy : CD_STR("");
}

static cd_time earlier(cd_time a, cd_time b)
{
        return a < b ? a : b;
}

static cd_status new_sid(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str *ret,
                         struct cd_error *reterr)
{
        char bytes[SID_BYTES], *text = cd_arena_alloc(arena, CD_SID_SIZE);

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (sessions->random->fill(sessions->random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_base64url_encode(text, cd_str_of(bytes, sizeof(bytes)));
        *ret = cd_str_of(text, CD_SID_SIZE);
        return CD_OK;
}

/* ---- sessions ---- */

cd_status cd_session_start(const struct cd_sessions *sessions, struct cd_arena *arena,
                           const struct cd_session_params *params, struct cd_session *ret,
                           struct cd_cookie_token *ret_token, struct cd_error *reterr)
{
        struct cd_session_start start = { .pending = params->pending };
        struct cd_session *session = &start.session;
        cd_status status = cd_clock_read(sessions->clock, &start.now, reterr);

        if (status != CD_OK)
                return status;
        *session = (struct cd_session){
                .user = params->user,
                .generation = params->generation,
                .amr = amr_of(arena, params->factors),
                .factors = params->factors,
                .auth_time = params->auth_time ? params->auth_time : start.now,
                .device = clean_device(arena, params->device),
                .address = params->address,
                .created_at = start.now,
                .seen_at = start.now,
                .idle_lifetime = params->idle_lifetime,
                .ends_at = start.now + params->lifetime,
                .expires_at = start.now + earlier(params->lifetime, params->idle_lifetime),
        };
        if (!session->amr.items)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        status = new_sid(sessions, arena, &session->sid, reterr);
        if (status == CD_OK)
                status = cd_session_id_new(sessions, arena, session_kind, &session->digest, ret_token, reterr);
        if (status == CD_OK)
                status = sessions->store->sessions->start(sessions->store, &start, NULL, reterr);
        if (status == CD_OK)
                *ret = *session;
        return status;
}

static void note_end(const struct cd_sessions *sessions, cd_str digest)
{
        if (sessions->cache)
                cd_session_cache_end(sessions->cache, digest);
}

cd_status cd_session_raise(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_session *session,
                           unsigned factors, struct cd_session *ret, struct cd_cookie_token *ret_token,
                           struct cd_error *reterr)
{
        struct cd_session_start start = { .session = *session, .replaces = session->digest };
        struct cd_session *next = &start.session;
        cd_status status = cd_clock_read(sessions->clock, &start.now, reterr);

        if (status != CD_OK)
                return status;
        next->factors |= factors;
        next->amr = amr_of(arena, next->factors);
        next->auth_time = next->seen_at = start.now;
        next->expires_at = earlier(start.now + next->idle_lifetime, next->ends_at);
        if (!next->amr.items)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        status = cd_session_id_new(sessions, arena, session_kind, &next->digest, ret_token, reterr);
        if (status == CD_OK)
                status = sessions->store->sessions->start(sessions->store, &start, NULL, reterr);
        if (status != CD_OK)
                return status;
        note_end(sessions, session->digest);
        *ret = *next;
        return CD_OK;
}

cd_status cd_session_find(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token,
                          struct cd_session *ret, struct cd_error *reterr)
{
        struct cd_session session;
        cd_str digest;
        cd_time now;
        cd_status status = check_token(sessions, arena, session_kind, token, &digest, reterr);

        if (status == CD_OK)
                status = cd_clock_read(sessions->clock, &now, reterr);
        if (status == CD_OK)
                status = sessions->store->sessions->find(sessions->store, arena, digest, &session, reterr);
        if (status != CD_OK)
                return status;
        if (now >= session.expires_at)
                return cd_fail(reterr, CD_NOT_FOUND, "the session has expired");
        *ret = session;
        return CD_OK;
}

cd_status cd_session_note_seen(const struct cd_sessions *sessions, const struct cd_session *session, cd_str address,
                               struct cd_error *reterr)
{
        cd_time now;
        cd_status status = cd_clock_read(sessions->clock, &now, reterr);

        if (status != CD_OK)
                return status;
        if (!address.len)
                address = session->address;
        if (now <= session->seen_at ||
            (now - session->seen_at < CD_SESSION_SEEN_EVERY && cd_str_eq(address, session->address)))
                return CD_OK;
        const struct cd_session_seen seen = {
                .digest = session->digest,
                .address = address,
                .seen_at = now,
                .expires_at = earlier(now + session->idle_lifetime, session->ends_at),
        };
        return sessions->store->sessions->note_seen(sessions->store, &seen, reterr);
}

cd_status cd_session_log_out(const struct cd_sessions *sessions, struct cd_arena *arena,
                             const struct cd_session *session, cd_str address, struct cd_error *reterr)
{
        struct cd_session_ending ending = { .digest = session->digest };
        cd_str user = cd_arena_printf(arena, "user:%.*s", CD_STR_ARG(session->user));
        cd_status status = cd_clock_read(sessions->clock, &ending.now, reterr);

        if (status != CD_OK)
                return status;
        if (!user.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        const struct cd_audit_event event = {
                .at = ending.now,
                .action = CD_STR("session.end"),
                .actor = user,
                .subject = user,
                .address = address,
                .detail = session->sid,
        };
        status = sessions->store->sessions->end(sessions->store, &ending, &event, reterr);
        note_end(sessions, session->digest);
        return status == CD_NOT_FOUND ? CD_OK : status;
}

/* ---- half-finished logins ---- */

cd_status cd_pending_login_start(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_user *user,
                                 unsigned factors, struct cd_pending_login *ret, struct cd_cookie_token *ret_token,
                                 struct cd_error *reterr)
{
        struct cd_pending_login pending = { .user = user->name, .generation = user->generation, .factors = factors };
        cd_status status = cd_clock_read(sessions->clock, &pending.created_at, reterr);

        if (status != CD_OK)
                return status;
        pending.expires_at = pending.created_at + CD_PENDING_LOGIN_LIFETIME;
        status = cd_session_id_new(sessions, arena, pending_kind, &pending.digest, ret_token, reterr);
        if (status == CD_OK)
                status = sessions->store->pending_logins->put(sessions->store, &pending, reterr);
        if (status == CD_OK)
                *ret = pending;
        return status;
}

cd_status cd_pending_login_find(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str token,
                                struct cd_pending_login *ret, struct cd_error *reterr)
{
        struct cd_pending_login pending;
        cd_str digest;
        cd_time now;
        cd_status status = check_token(sessions, arena, pending_kind, token, &digest, reterr);

        if (status == CD_OK)
                status = cd_clock_read(sessions->clock, &now, reterr);
        if (status == CD_OK)
                status = sessions->store->pending_logins->find(sessions->store, arena, digest, &pending, reterr);
        if (status != CD_OK)
                return status;
        if (now >= pending.expires_at)
                return cd_fail(reterr, CD_NOT_FOUND, "the login has expired");
        *ret = pending;
        return CD_OK;
}
