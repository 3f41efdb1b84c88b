#pragma once
/* Handing a session over to a site of another root domain, for which the portal cannot set a cookie
 * (docs/several-domains.md).
 *
 * The site's own host gives the browser a nonce in a cookie, and sends it to the portal with the nonce's hash. The
 * portal makes a code and sends the browser back to the host, where the code becomes the session's cookie. The code
 * counts once, for CD_HAND_OVER_LIFETIME, on that host, and only together with the nonce. Otherwise somebody could make
 * a browser of somebody else use a code of their own, and so log it in as themselves (session fixation). */
#include "core/return_to.h"
#include "core/session.h"

enum {
        CD_HAND_OVER_SECRET_SIZE = 43,     /* characters: base64url of 32 bytes; the hash of a nonce is as long */
        CD_HAND_OVER_LIFETIME = 60,        /* seconds, of a code */
        CD_HAND_OVER_NONCE_LIFETIME = 300, /* seconds, of the cookie with the nonce */
};

/* A code, or a nonce. */
struct cd_hand_over_secret {
        char text[CD_HAND_OVER_SECRET_SIZE];
};

/* Lives as long as the process. */
struct cd_hand_overs {
        const struct cd_sessions *sessions;
        const struct cd_master_key *master;
};

/* Whether sessions are handed over to a host: it is one of the domains, or below one. Which of these hosts have a site,
 * cd_return_to_decide says. */
bool cd_hand_over_reaches(struct cd_strs domains, cd_str host);
/* Where the hand-over of an accepted page begins, on the page's own host; in the arena. CD_NO_MEMORY. */
cd_status cd_hand_over_start_url(struct cd_arena *arena, const struct cd_return_to *page, cd_str *ret);
/* The other URLs of it lead to the portal and back: "https://wiki.example.org/_auth/finish?code=…". CD_NO_MEMORY. */
cd_status cd_hand_over_finish_url(struct cd_arena *arena, const struct cd_return_to *page,
                                  const struct cd_hand_over_secret *code, cd_str *ret);

/* Whether a text has the form of a code, of a nonce or of its hash. Memory only. */
bool cd_hand_over_is_secret(cd_str text);
/* CD_UNAVAILABLE if the random source fails. */
cd_status cd_hand_over_new_secret(const struct cd_random *random, struct cd_hand_over_secret *ret,
                                  struct cd_error *reterr);

struct cd_hand_over_params {
        const struct cd_session *session;
        cd_str token;                    /* the value of its cookie */
        const struct cd_return_to *page; /* accepted */
        cd_str nonce_hash;               /* cd_digest_text of the nonce */
};
/* Makes a code. The store holds its hash, and the token only sealed. At most CD_HAND_OVERS_MAX of a session count; one
 * more replaces the oldest. CD_UNAVAILABLE if the clock or the random source fails, and the store's errors. Blocks. */
cd_status cd_hand_over_give(const struct cd_hand_overs *all, struct cd_arena *arena,
                            const struct cd_hand_over_params *params, struct cd_hand_over_secret *ret,
                            struct cd_error *reterr);

struct cd_hand_over_claim {
        cd_str code, nonce; /* as the browser sends them: any text */
        cd_str host;        /* canonical, of the request */
};
/* All in the arena. */
struct cd_handed_over {
        struct cd_session session;
        cd_str token; /* the value of its cookie */
        cd_str url;   /* of the page, which has to be decided on again: the rules may have changed */
};
/* Consumes a code: of many calls, one succeeds. CD_NOT_FOUND with one reason: the code is unknown, was used, has
 * expired, or is for another host or browser, in which case it is not consumed; or its session has ended. Blocks. */
cd_status cd_hand_over_take(const struct cd_hand_overs *all, struct cd_arena *arena,
                            const struct cd_hand_over_claim *claim, struct cd_handed_over *ret,
                            struct cd_error *reterr);
