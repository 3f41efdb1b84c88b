#pragma once
/* The ids of sessions, half-finished logins and personal tokens: 256 random bits with a MAC that depends on the kind,
 * so that one kind is never taken for another. Only src/core uses it. */
#include "core/session.h"

/* Makes an id of that kind, a constant of at most 16 characters. *ret_digest is what the store holds; in the arena.
 * CD_UNAVAILABLE if the random source fails; CD_NO_MEMORY, CD_INTERNAL. */
cd_status cd_session_id_new(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str kind, cd_str *ret_digest,
                            struct cd_cookie_token *ret_token, struct cd_error *reterr);
/* The digest of an id of that kind that this or another node has made; otherwise CD_INVALID_TOKEN. */
cd_status cd_session_id_digest(const struct cd_sessions *sessions, cd_str kind, cd_str token,
                               struct cd_session_digest *ret, struct cd_error *reterr);
