#pragma once
/* Personal tokens: with one, a program of a user passes the gate where the user could. A token is "cdp_" and an id of
 * 256 random bits with a MAC, so that garbage costs no lookup; the store holds only the id's hash. It is limited to
 * hosts, paths, methods, networks and a time, and never allows more than the access rules allow its user. Valid tokens
 * are kept in the cache of sessions (core/session_cache.h), by the same rules. */
#include "core/session_lookup.h"

#define CD_PERSONAL_TOKEN_PREFIX "cdp_"

enum {
        CD_PERSONAL_TOKEN_SIZE = 4 + CD_COOKIE_TOKEN_SIZE, /* characters */
        CD_PERSONAL_TOKEN_NAME_MAX = 64,                   /* bytes */
        CD_PERSONAL_TOKEN_DAYS_MAX = 365,
        CD_PERSONAL_TOKEN_ITEMS_MAX = 16,      /* of each kind of limit */
        CD_PERSONAL_TOKEN_LIMIT_MAX = 512,     /* bytes of one kind of limit, as it is written */
        CD_PERSONAL_TOKEN_USED_EVERY = 5 * 60, /* seconds: the precision of used_at */
};

/* The token itself. It is secret: a client that has it is treated as the user. */
struct cd_personal_token_text {
        char text[CD_PERSONAL_TOKEN_SIZE];
};

/* ---- who a token belongs to ---- */

/* A token whose owner was found too, with what limits it. */
struct cd_live_token {
        /* factors: as of the session that made the token; auth_time: when it was made. */
        struct cd_live_session owner;
        cd_str id;                            /* its name in logs and the audit */
        struct cd_strs hosts, paths, methods; /* empty: any */
        const struct cd_network *networks;
        size_t network_count; /* 0: any */
};

/* Whether credentials are meant for Cardea, so that the application must not see them; they may be wrong. */
static inline bool cd_personal_token_is_ours(cd_str text)
{
        return cd_str_has_prefix(text, CD_STR(CD_PERSONAL_TOKEN_PREFIX));
}

/* Without the store, for loops. CD_INVALID_TOKEN: this service has not made it. CD_NOT_FOUND: only the store knows, or
 * the token should be read again: call cd_personal_token_look_up. *ret lives in the arena. */
cd_status cd_personal_token_look_in_cache(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                                          cd_time now, struct cd_live_token *ret, struct cd_error *reterr);
/* Reads token and user, notes that the token is used from `address` (empty: not known), and fills the cache.
 * CD_INVALID_TOKEN: not made by this service, unknown, revoked or expired, or the user may not log in. While the store
 * does not answer, a token in the cache is still found; for another one the result is CD_UNAVAILABLE or CD_TIMEOUT.
 * Blocks. */
cd_status cd_personal_token_look_up(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                                    cd_str address, struct cd_live_token *ret, struct cd_error *reterr);
/* Whether the token may be used for this request. What is not known of the request (path ptr NULL, an empty method, no
 * address) is covered only by a token without a limit of that kind. The access rules decide besides. */
bool cd_live_token_covers(const struct cd_live_token *token, const struct cd_access_request *request);

/* ---- a user's tokens ---- */

struct cd_personal_token_params {
        const struct cd_session *session; /* of the user who makes it; the token gets its factors */
        cd_str name;                      /* what the user calls it: as cd_display_name_check, and not longer than
                                           * CD_PERSONAL_TOKEN_NAME_MAX */
        int64_t days;                     /* until it expires, at most CD_PERSONAL_TOKEN_DAYS_MAX */
        /* Words between spaces, commas or line ends; empty: any. A host is exact or "*.domain"; a path is exact or, if
         * it ends in "/", a prefix; methods may be in any case; a network is an address or in CIDR notation. */
        cd_str hosts, paths, methods, networks;
        cd_str address; /* for the audit */
};

/* Makes a token, which *ret_text returns once. The texts of *ret are in the arena or belong to the params. Audit:
 * "token.create". CD_INVALID_REQUEST with field "name", "days", "hosts", "paths", "methods" or "networks";
 * CD_TOO_LARGE: the user has CD_PERSONAL_TOKENS_MAX; CD_NOT_FOUND: the session has ended. CD_UNAVAILABLE if the clock
 * or the random source fails, and the store's errors. Blocks. */
cd_status cd_personal_token_create(const struct cd_sessions *sessions, struct cd_arena *arena,
                                   const struct cd_personal_token_params *params, struct cd_personal_token *ret,
                                   struct cd_personal_token_text *ret_text, struct cd_error *reterr);
/* The user's valid tokens, the oldest first. Blocks. */
cd_status cd_personal_token_list(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str user,
                                 struct cd_personal_tokens_list *ret, struct cd_error *reterr);
/* Revokes one of the listed tokens: at once here, within 1 s on other nodes. `address` is for the audit,
 * "token.revoke". CD_NOT_FOUND: the user has no such token. Blocks. */
cd_status cd_personal_token_revoke(const struct cd_sessions *sessions, struct cd_arena *arena,
                                   const struct cd_personal_token *token, cd_str address, struct cd_error *reterr);

/* ---- only src/core uses it ---- */

/* Writes the limits of *params into *ret, in canonical form. CD_INVALID_REQUEST with the field. */
cd_status cd_personal_token_read_limits(struct cd_arena *arena, const struct cd_personal_token_params *params,
                                        struct cd_personal_token *ret, struct cd_error *reterr);
