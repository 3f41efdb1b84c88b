#pragma once
/* What is revoked, in memory: the mirror of the store that introspection looks at. Thread-safe; a look while nothing is revoked takes
 * no lock. Adding is the business of whoever wrote to the store, and of the one who follows it. */
#include "core/ports.h"

struct cd_revoked;

/* `capacity` is when cd_revoked_is_full says so; about 150 bytes each. NULL where memory is out. */
struct cd_revoked *cd_revoked_new(size_t capacity);
void cd_revoked_free(struct cd_revoked *revoked); /* NULL is fine */

/* No further revocation should be taken from a client: none is ever dropped to make room. What others have written still comes in. */
bool cd_revoked_is_full(struct cd_revoked *revoked);
/* Twice is fine: of two about one user the later cut counts. CD_NO_MEMORY. */
cd_status cd_revoked_add(struct cd_revoked *revoked, const struct cd_revocation *revocation, cd_time now);
/* false: something could not be added. Until it is true again nothing counts as not revoked. */
void cd_revoked_set_complete(struct cd_revoked *revoked, bool is_complete);

/* Whether the token of that jti, subject and time of issue has ended. CD_UNAVAILABLE while the mirror is not complete: counts as revoked. */
cd_status cd_revoked_find(struct cd_revoked *revoked, cd_str jti, cd_str sub, cd_time iat, bool *ret);
/* Looks at up to `steps` entries and drops those that are over. Each addition does a few steps too. */
void cd_revoked_sweep(struct cd_revoked *revoked, cd_time now, size_t steps);
size_t cd_revoked_count(struct cd_revoked *revoked);
