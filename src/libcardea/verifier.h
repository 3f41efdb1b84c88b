#pragma once
/* The parts of a verifier, for this layer and its tests. */
#include "base/clock.h"
#include "cardea.h"
#include "crypto/jwt.h"
#include "crypto/mac.h"
#include "libcardea/keyring.h"
#include "libcardea/source.h"

/* Clock and key source, replaceable in tests. */
struct cd_verifier_ports {
        const struct cd_clock *clock;
        int64_t (*monotonic_us)(void);
        /* Like cd_source_read and cd_source_keep; `source` belongs to the verifier. */
        cd_status (*read)(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);
        void (*keep)(struct cd_source *source);
};

extern const struct cd_verifier_ports cd_verifier_ports_system;

/* Decides when keys are fetched: by one thread at a time, and not too often. */
struct cd_refresher {
        int64_t after_us, gap_us;
        _Atomic int64_t due_us;    /* when the keys become stale; the thread that advances it starts the refresh */
        _Atomic int64_t closed_us; /* no fetch before this time */
        atomic_bool is_running;    /* written under the lock */
        pthread_mutex_t lock;      /* protects the following members */
        pthread_cond_t ended;
        uint64_t count;       /* number of completed refreshes */
        struct cd_error last; /* result of the last refresh; its status is CD_OK after a success */
        bool in_background;   /* the background thread exists */
        bool has_digest;
        unsigned char digest[CD_SHA256_SIZE]; /* of the current text; used only by the thread that runs a refresh */
};

struct cardea_verifier {
        struct cd_verifier_ports ports;
        struct cd_source *source;
        struct cd_jwt_expect expect; /* without the time; its strings live in `arena` */
        struct cd_arena arena;
        struct cd_keyring keyring;
        struct cd_refresher refresher;
};

struct cardea_claims {
        struct cd_arena arena;
        struct cd_jwt jwt;
};

/* cardea_verifier_new with other ports. */
cardea_code cd_verifier_new(const cardea_options *options, const struct cd_verifier_ports *ports, cardea_verifier **ret,
                            cardea_error *reterr);

/* refresh.c */
void cd_refresher_init(struct cd_refresher *refresher, int64_t after_ms, int64_t gap_ms);
/* Waits for the background thread. */
void cd_refresher_done(struct cd_refresher *refresher);
/* Fetches the keys, or waits for a fetch that is already running. Fails with CD_UNAVAILABLE (or another error of
 * cd_source_read) if the fetch failed, or if the last attempt was less than the gap ago. */
cd_status cd_refresh(cardea_verifier *verifier, struct cd_error *reterr);
/* Starts a thread that refreshes the keys if they are stale. Never waits. */
void cd_refresh_if_due(cardea_verifier *verifier);
void cd_refresh_in_background(cardea_verifier *verifier);
/* Whether cd_refresh would start a fetch or wait for one now. */
bool cd_refresh_is_possible(cardea_verifier *verifier);

/* Fills *reterr (may be NULL) from an error of a lower layer, and returns its code. */
cardea_code cd_code_fail(cardea_error *reterr, const struct cd_error *error);
