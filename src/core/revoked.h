#pragma once
/* The revoked tokens, in memory: a cache of the store that introspection uses. Thread-safe; while nothing is revoked, a
 * lookup takes no lock. Only the writer to the store and the store watcher add to it. */
#include "core/ports.h"

struct cd_revoked;

/* `capacity` is the number of tokens that clients may revoke; about 150 bytes each. NULL if memory is out. */
struct cd_revoked *cd_revoked_new(size_t capacity);
void cd_revoked_free(struct cd_revoked *revoked); /* NULL is fine */

/* Whether no further revocation should be accepted from that client, because it has as many as there is room left. A
 * client that revokes without end thus gets half of the room, and stops no other client. Entries are never dropped to
 * make room. Revocations of users do not count, and those that others have written are always added. */
bool cd_revoked_is_full(struct cd_revoked *revoked, cd_str client_id);
/* Adding twice is fine: of two revocations for one user the later one is effective. CD_NO_MEMORY. */
cd_status cd_revoked_add(struct cd_revoked *revoked, const struct cd_revocation *revocation);
/* false: something could not be added. Until it is true again, every token counts as revoked. */
void cd_revoked_set_complete(struct cd_revoked *revoked, bool is_complete);

/* Whether the token with that jti was revoked, or all tokens of its user and generation were, or all that were issued
 * before then. `user` empty: it is not a user's token. CD_UNAVAILABLE while the cache is incomplete: the token counts
 * as revoked. */
cd_status cd_revoked_find(struct cd_revoked *revoked, cd_str jti, cd_str user, int64_t generation, cd_time issued_at,
                          bool *ret);
/* Looks at up to `steps` entries and drops those that have expired. */
void cd_revoked_sweep(struct cd_revoked *revoked, cd_time now, size_t steps);
size_t cd_revoked_count(struct cd_revoked *revoked);
