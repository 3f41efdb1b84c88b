#pragma once
/* Scopes (RFC 6749 §3.3). */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"

enum {
        /* Bytes of a granted scope, and so of all scopes of a client with a space between two: it may ask for all of
         * them, and gets them when it asks for nothing. With the longest of everything else a token stays below
         * CD_JWS_MAX. */
        CD_SCOPE_MAX = 4096,
};

/* Bytes of the list with a space between two. */
size_t cd_scope_length(struct cd_strs scopes);
/* One scope-token: 1*( %x21 / %x23-5B / %x5D-7E ). */
bool cd_scope_token_is_valid(cd_str token);
/* Whether the space-separated list holds the token. */
bool cd_scope_has(cd_str scope, cd_str token);
/* What a client gets: what it asked for, each once, in its order, if all of it is in `allowed`; all of `allowed` where
 * it asked for nothing (ptr NULL). CD_INVALID_SCOPE else, also for a list with a space too many; the reason names a
 * scope only if it is one of `known`, another one is reterr->quoted, which is part of `asked`. The text lives in the
 * arena. */
cd_status cd_scope_grant(struct cd_arena *arena, cd_str asked, struct cd_strs allowed, struct cd_strs known,
                         cd_str *ret, struct cd_error *reterr);
