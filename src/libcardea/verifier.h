#pragma once
/* What a verifier is made of; for this layer and its tests. */
#include "base/clock.h"
#include "cardea.h"
#include "crypto/jwt.h"
#include "crypto/mac.h"
#include "libcardea/keyring.h"
#include "libcardea/source.h"

/* The world outside, so that tests fix it. */
struct cd_verifier_ports {
        const struct cd_clock *clock;
        int64_t (*monotonic_us)(void);
        /* As cd_source_read and cd_source_keep; `source` is the verifier's own. */
        cd_status (*read)(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr);
        void (*keep)(struct cd_source *source);
};

extern const struct cd_verifier_ports cd_verifier_ports_system;

/* When the keys are fetched: by one thread at a time, and not too often. */
struct cd_refresher {
        int64_t after_us, gap_us;
        _Atomic int64_t due_us;    /* when the keys are old; the thread that moves it starts the refresh */
        _Atomic int64_t closed_us; /* before that nobody fetches again */
        atomic_bool is_running;    /* written under the lock */
        pthread_mutex_t lock;      /* of what follows */
        pthread_cond_t ended;
        uint64_t count;       /* of refreshes that ended */
        struct cd_error last; /* of the last one; status CD_OK where it went well */
        bool in_background;   /* a thread of ours exists */
        bool has_digest;
        unsigned char digest[CD_SHA256_SIZE]; /* of the text in use; only for the thread that runs a refresh */
};

struct cardea_verifier {
        struct cd_verifier_ports ports;
        struct cd_source *source;
        struct cd_jwt_expect expect; /* without the time; its strings are in `arena` */
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
/* Waits for the thread in the background. */
void cd_refresher_done(struct cd_refresher *refresher);
/* Fetches the keys, or waits for who does. CD_UNAVAILABLE (and the rest of cd_source_read) where that failed, or the
 * last attempt was less than the gap ago. */
cd_status cd_refresh(cardea_verifier *verifier, struct cd_error *reterr);
/* Starts a thread that does, where the keys are due. Never waits. */
void cd_refresh_if_due(cardea_verifier *verifier);
void cd_refresh_in_background(cardea_verifier *verifier);
/* Whether cd_refresh would do or wait for something now. */
bool cd_refresh_is_possible(cardea_verifier *verifier);

/* Fills *reterr (may be NULL) from an error of the layers below, and returns its code. */
cardea_code cd_code_fail(cardea_error *reterr, const struct cd_error *error);
