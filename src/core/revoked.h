#pragma once
/* What is revoked, in memory: the cache of the store that introspection looks at. Thread-safe; a look while nothing is
 * revoked takes no lock. Adding is the business of the writer to the store, and of the one who follows it. */
#include "core/ports.h"

struct cd_revoked;

/* `capacity` is how many tokens clients may revoke; about 150 bytes each. NULL where memory is out. */
struct cd_revoked *cd_revoked_new(size_t capacity);
void cd_revoked_free(struct cd_revoked *revoked); /* NULL is fine */

/* No further revocation should be taken from that client: it has as many as there is room left, so a client that
 * revokes without end gets half of the room, and stops no other client. None is ever dropped to make room. Those of
 * users do not count, and what others have written still comes in. */
bool cd_revoked_is_full(struct cd_revoked *revoked, cd_str client_id);
/* Twice is fine: of two about one user the later one counts. CD_NO_MEMORY. */
cd_status cd_revoked_add(struct cd_revoked *revoked, const struct cd_revocation *revocation);
/* false: something could not be added. Until it is true again nothing counts as not revoked. */
void cd_revoked_set_complete(struct cd_revoked *revoked, bool is_complete);

/* Whether the token of that jti has ended, or all of its user's of that generation. `user` empty: it is no user's.
 * CD_UNAVAILABLE while the cache is not complete: counts as revoked. */
cd_status cd_revoked_find(struct cd_revoked *revoked, cd_str jti, cd_str user, int64_t generation, bool *ret);
/* Looks at up to `steps` entries and drops those that are over. */
void cd_revoked_sweep(struct cd_revoked *revoked, cd_time now, size_t steps);
size_t cd_revoked_count(struct cd_revoked *revoked);
