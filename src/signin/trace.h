#pragma once
/* Walks a login at a provider without logging anybody in (`cardea trace login`). Its state can be made only with the
 * master key. A running server that gets the callback of such a state keeps its parameters in the store, where the
 * command takes them. No user, session or link is made or changed, and no browser's login is touched. */
#include "signin/signin.h"

/* A login that is traced. All texts are in the arena. */
struct cd_signin_trace {
        const struct cd_signin_provider *provider;
        struct cd_arena *arena;
        const struct cd_signin_provider_settings *settings;
        cd_str url;                    /* where the user's browser is to go */
        cd_str state, nonce, verifier; /* secrets, but for the state, which is part of the URL */
        cd_time expires_at;            /* from then on the state is refused */
        /* What the issuer publishes; empty: it was not asked. */
        cd_str found_authorization, found_token, found_userinfo;
};

/* May ask the provider (discovery): blocks. */
enum cd_signin_failure cd_signin_trace_begin(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                             struct cd_signin_trace *ret, struct cd_error *reterr);

/* ---- in the server ---- */

/* Whether the state of a callback claims to be one of a trace; only cd_signin_trace_keep tells whether it is. */
bool cd_signin_is_trace(cd_str state);
/* Keeps the callback, sealed, until the state expires. The state is checked before the store is asked, so that nobody
 * without the master key can fill it. NO_STATE: it was not made for this provider, or not with this master key;
 * EXPIRED; USED: it was kept before; MALFORMED, BUSY, UNAVAILABLE. Blocks. */
enum cd_signin_failure cd_signin_trace_keep(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                            const struct cd_signin_callback *callback, struct cd_error *reterr);

/* ---- in the command ---- */

/* Takes what a server has kept, once. CD_NOT_FOUND: nothing yet. Blocks. */
cd_status cd_signin_trace_take(const struct cd_signin_trace *trace, struct cd_signin_callback *ret,
                               struct cd_error *reterr);

struct cd_signin_traced {
        enum cd_signin_step step; /* the last one that was begun */
        /* Who the provider says it is; as far as it is known. */
        cd_str subject, login, name, email;
        bool email_verified;
        struct cd_strs organizations, teams;
        cd_str entry; /* "allow.organizations: example" lets the account in; empty: no entry does */
        cd_str user;  /* who has linked the account, or would be made; empty: nobody */
        bool is_linked;
};

/* What a login with this callback would end with: asks the provider as a login does, and decides without a change.
 * Blocks. */
enum cd_signin_failure cd_signin_trace_finish(const struct cd_signin_trace *trace,
                                              const struct cd_signin_callback *callback, struct cd_signin_traced *ret,
                                              struct cd_error *reterr);
