#pragma once
/* The store's data about personal tokens. Part of core/ports.h, which documents the rules for every call. */
#include "core/factor_ports.h"

enum {
        CD_PERSONAL_TOKENS_MAX = 30,    /* per user; one more is refused until one expires or is revoked */
        CD_PERSONAL_TOKEN_ID_SIZE = 16, /* characters: 8 random bytes in hexadecimal */
};

/* A token with which a user's programs pass the gate. It belongs to the user's generation, as a session does. */
struct cd_personal_token {
        cd_str digest; /* SHA-256 of the id in the token, in base64url; the store never holds the id itself */
        cd_str id;     /* its name in lists, logs and the audit; not secret */
        cd_str user;
        int64_t generation;                             /* the user's */
        cd_str name;                                    /* what the user calls it */
        unsigned factors;                               /* of the session that made it; bits of enum cd_factor */
        struct cd_strs hosts, paths, methods, networks; /* what it is limited to; empty: any */
        cd_time created_at, expires_at;
        cd_time used_at; /* 0: never */
        cd_str address;  /* of its last use */
};

struct cd_personal_tokens_list {
        struct cd_personal_token *items;
        size_t count;
};

/* A token is valid while it has not been revoked or expired, and its user exists, is enabled and has its generation. A
 * change of the user's groups or claims gives the tokens the user's new generation, so that they continue; every other
 * change that ends the user's sessions deletes them (struct cd_user_change). Other nodes learn of both from the
 * revocations, and of one token that was revoked from the sessions' list_ended. */
struct cd_personal_token_ops {
        /* CD_NOT_FOUND: no such user with that generation, or disabled. CD_TOO_LARGE: the user has
         * CD_PERSONAL_TOKENS_MAX tokens. CD_EXISTS: the digest exists. */
        cd_status (*add)(struct cd_store *store, const struct cd_personal_token *token,
                         const struct cd_audit_event *event, struct cd_error *reterr);
        /* CD_NOT_FOUND. Also finds a token that has expired but was not deleted yet. */
        cd_status (*find)(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_personal_token *ret,
                          struct cd_error *reterr);
        /* The user's tokens that are valid at `now`, by created_at. */
        cd_status (*list)(struct cd_store *store, struct cd_arena *arena, cd_str user, cd_time now,
                          struct cd_personal_tokens_list *ret, struct cd_error *reterr);
        /* May return before the change can be read. Does nothing for a token that was used later, or is revoked. */
        cd_status (*note_used)(struct cd_store *store, cd_str digest, cd_str address, cd_time now,
                               struct cd_error *reterr);
        /* Revokes the user's token with that id. CD_NOT_FOUND. */
        cd_status (*end)(struct cd_store *store, const struct cd_personal_token *token, cd_time now,
                         const struct cd_audit_event *event, struct cd_error *reterr);
};
