#pragma once
/* What a user may do, in the words of the applications: a JSON object whose members become claims of the user's tokens.
 * Stored in one spelling: no white space, members in the order given, strings as cd_buf_add_json writes them. */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"

enum {
        CD_USER_CLAIMS_MAX = 4096,           /* bytes of the stored text */
        CD_USER_CLAIMS_DEPTH = 8,            /* objects and arrays in one another, the outer one included */
        CD_USER_CLAIMS_NAME_MAX = 64,        /* bytes of a member's name */
        CD_USER_CLAIMS_TEXT_MAX = 64 * 1024, /* bytes of a text that is read, white space and all */
};

/* The claims that a token or the answer to an introspection gives a meaning of its own (RFC 7519 §4.1, RFC 7662 §2.2,
 * RFC 7800, RFC 8417, RFC 8693, RFC 9068 §2.2, OpenID Connect Core §2): no user's claim may say them. Compared without
 * case. What RFC 9068 §2.2.3 has for this purpose ("roles", "groups", "entitlements") is free. "scope" is reserved too,
 * and the one that a user may have: see below. */
bool cd_user_claims_is_reserved(cd_str name);

/* The stored form of a JSON object. A member that is null is left out. CD_INVALID_REQUEST: not a JSON object with
 * unique names; a name that is empty, long, reserved or has control characters (`field` is the name); nested too deep;
 * a number beyond a double; a "scope" that is not a string of scopes with one space between (RFC 6749 §3.3), each of
 * them in `scopes`, which are all that exist; CD_TOO_LARGE; CD_NO_MEMORY. */
cd_status cd_user_claims_canonical(struct cd_arena *arena, cd_str text, struct cd_strs scopes, cd_str *ret,
                                   struct cd_error *reterr);

/* `claims` (of the stored form; empty: none yet) with assignments "name=value" made in their order. The value is JSON
 * where it is JSON (role="editor", projects=["a"], level=3, beta=true), null removes the member, and anything else is a
 * string (role=editor). What begins like an object, an array or a string of JSON must be one. As above, and
 * CD_INVALID_REQUEST where there is no "=". */
cd_status cd_user_claims_assign(struct cd_arena *arena, cd_str claims, struct cd_strs assignments,
                                struct cd_strs scopes, cd_str *ret, struct cd_error *reterr);

/* What a token says of a user. */
struct cd_user_token_claims {
        cd_str scope; /* those of the claim "scope" that exist still */
        cd_str extra; /* JSON object: the other claims, then "groups" */
};

/* Of stored claims, which were checked when they were written, but `scopes` may have changed; and of the groups, an
 * array of names (RFC 9068 §2.2.3.1), which is left out where there are none, or where the user has a claim of that
 * name: what an operator has written there counts. In the arena. As cd_user_claims_canonical. */
cd_status cd_user_claims_for_token(struct cd_arena *arena, cd_str claims, struct cd_strs groups, struct cd_strs scopes,
                                   struct cd_user_token_claims *ret, struct cd_error *reterr);
