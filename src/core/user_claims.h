#pragma once
/* A user's permissions, in the terms of the applications: a JSON object whose members become claims of the user's
 * tokens. Its stored form is unique: no white space, members in the order given, strings as cd_buf_add_json writes
 * them. */
#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"

enum {
        CD_USER_CLAIMS_MAX = 4096,           /* bytes of the stored text */
        CD_USER_CLAIMS_DEPTH = 8,            /* nested objects and arrays, the outer object included */
        CD_USER_CLAIMS_NAME_MAX = 64,        /* bytes of a member's name */
        CD_USER_CLAIMS_TEXT_MAX = 64 * 1024, /* bytes of a text that is read, white space included */
};

/* Whether tokens or introspection responses define the claim (RFC 7519 §4.1, RFC 7662 §2.2, RFC 7800, RFC 8417, RFC
 * 8693, RFC 9068 §2.2, OpenID Connect Core §2), so that a user must not have it. Compared without case. The names that
 * RFC 9068 §2.2.3 defines for this purpose ("roles", "groups", "entitlements") are free. "scope" is reserved too, but
 * is the one that a user may have: see below. */
bool cd_user_claims_is_reserved(cd_str name);

/* The stored form of a JSON object. A member that is null is omitted. CD_INVALID_REQUEST: not a JSON object with unique
 * names; a name that is empty, long, reserved or has control characters (`field` is the name); nested too deep; a
 * number beyond a double; a "scope" that is not a string of scopes separated by one space (RFC 6749 §3.3), all of which
 * must be in `scopes`, the existing ones; CD_TOO_LARGE; CD_NO_MEMORY. */
cd_status cd_user_claims_canonical(struct cd_arena *arena, cd_str text, struct cd_strs scopes, cd_str *ret,
                                   struct cd_error *reterr);

/* Applies assignments "name=value" to `claims` (in the stored form; empty: none yet), in order. A value that is JSON is
 * used as such (role="editor", projects=["a"], level=3, beta=true), null removes the member, and any other value is a
 * string (role=editor). A value that begins like a JSON object, array or string must be one. Errors as above, and
 * CD_INVALID_REQUEST if there is no "=". */
cd_status cd_user_claims_assign(struct cd_arena *arena, cd_str claims, struct cd_strs assignments,
                                struct cd_strs scopes, cd_str *ret, struct cd_error *reterr);

/* What differs between two stored forms (empty: no claims), for the audit: `level: 2 -> 3; role: none -> "editor"`. A
 * long value ends with "…", and so does the whole text, of at most CD_USER_CLAIMS_DIFFERENCE_MAX bytes, where something
 * is left out. In the arena; "claims" if one of them is damaged, or memory is out. */
enum {
        CD_USER_CLAIMS_DIFFERENCE_MAX = 900,
};
cd_str cd_user_claims_difference(struct cd_arena *arena, cd_str before, cd_str after);

/* A user's claims in a token. */
struct cd_user_token_claims {
        cd_str scope; /* the scopes of the claim "scope" that still exist */
        cd_str extra; /* JSON object: the other claims, then "groups" */
};

/* Converts stored claims, which were checked when they were written, although `scopes` may have changed since. The
 * groups become an array of names (RFC 9068 §2.2.3.1); it is omitted if there are none, or if the user has a claim with
 * that name, which takes precedence. In the arena. Errors as for cd_user_claims_canonical. */
cd_status cd_user_claims_for_token(struct cd_arena *arena, cd_str claims, struct cd_strs groups, struct cd_strs scopes,
                                   struct cd_user_token_claims *ret, struct cd_error *reterr);
