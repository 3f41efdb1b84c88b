/* Fetches the keys: one thread at a time while the others wait, and never more often than the gap allows, whatever
 * tokens are presented. */
#include <signal.h>
#include <string.h>

#include "libcardea/verifier.h"

enum {
        ARENA = 4 * 1024 * 1024, /* bytes: the text twice, its nodes and its numbers */
        STACK = 512 * 1024,      /* bytes, for the background thread */
};

void cd_refresher_init(struct cd_refresher *refresher, int64_t after_ms, int64_t gap_ms)
{
        /* The keys never become stale before they may be fetched again. */
        *refresher = (struct cd_refresher){ .after_us = (after_ms > gap_ms ? after_ms : gap_ms) * 1000,
                                            .gap_us = gap_ms * 1000 };
        atomic_init(&refresher->due_us, INT64_MAX);
        atomic_init(&refresher->closed_us, INT64_MIN);
        pthread_mutex_init(&refresher->lock, NULL);
        pthread_cond_init(&refresher->ended, NULL);
}

void cd_refresher_done(struct cd_refresher *refresher)
{
        pthread_mutex_lock(&refresher->lock);
        while (refresher->in_background)
                pthread_cond_wait(&refresher->ended, &refresher->lock);
        pthread_mutex_unlock(&refresher->lock);
        pthread_cond_destroy(&refresher->ended);
        pthread_mutex_destroy(&refresher->lock);
}

/* A set without a usable key is an error: it is much more likely a fault than intended, and the previous keys are
 * better than none. */
static cd_status parse(cd_str text, struct cd_jwks *ret, struct cd_error *reterr)
{
        struct cd_error why;
        cd_status status = cd_jwks_parse(text, ret, &why);

        if (status == CD_OK)
                return CD_OK;
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, status, why.reason);
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR("jwks"), "the key set cannot be used: %.340s", why.reason);
}

/* If the text is unchanged, the current keys stay in use, with the state prepared for them. A text with skipped entries
 * is parsed again each time, because an entry may have been skipped for lack of memory. */
static cd_status take_over(cardea_verifier *verifier, cd_str text, struct cd_error *reterr)
{
        struct cd_refresher *refresher = &verifier->refresher;
        unsigned char digest[CD_SHA256_SIZE];
        struct cd_jwks keys;

        cd_status status = cd_sha256(text, digest);
        if (status != CD_OK)
                return cd_fail(reterr, status, "SHA-256 failed");
        if (refresher->has_digest && memcmp(digest, refresher->digest, sizeof(digest)) == 0)
                return CD_OK;
        status = parse(text, &keys, reterr);
        if (status != CD_OK)
                return status;
        bool is_whole = keys.skipped == 0;
        if (cd_keyring_publish(&verifier->keyring, &keys) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a set of keys");
        memcpy(refresher->digest, digest, sizeof(digest));
        refresher->has_digest = is_whole;
        return CD_OK;
}

/* CD_NO_MEMORY, or CD_UNAVAILABLE for any fault of the server or of its response. */
static cd_status fetch(cardea_verifier *verifier, struct cd_error *reterr)
{
        struct cd_arena arena;
        cd_str text;

        cd_arena_init(&arena, ARENA);
        cd_status status = verifier->ports.read(verifier->source, &arena, &text, reterr);
        if (status == CD_OK && text.ptr) {
                status = take_over(verifier, text, reterr);
                if (status == CD_OK && verifier->refresher.has_digest)
                        verifier->ports.keep(verifier->source);
        }
        cd_arena_done(&arena);
        if (status != CD_OK && status != CD_NO_MEMORY)
                status = reterr->status = CD_UNAVAILABLE;
        return status;
}

/* Whether this thread becomes the one that fetches. Called with the lock held. */
static bool begin(cardea_verifier *verifier)
{
        struct cd_refresher *refresher = &verifier->refresher;
        int64_t now = verifier->ports.monotonic_us();

        if (atomic_load(&refresher->is_running) || now < atomic_load(&refresher->closed_us))
                return false;
        atomic_store(&refresher->is_running, true);
        atomic_store(&refresher->due_us, INT64_MAX);
        return true;
}

static cd_status run(cardea_verifier *verifier, bool in_background, struct cd_error *reterr)
{
        struct cd_refresher *refresher = &verifier->refresher;
        struct cd_error err = { .status = CD_OK };

        cd_status status = fetch(verifier, &err);
        int64_t now = verifier->ports.monotonic_us();
        pthread_mutex_lock(&refresher->lock);
        refresher->last = status == CD_OK ? (struct cd_error){ .status = CD_OK } : err;
        refresher->count++;
        atomic_store(&refresher->closed_us, now + refresher->gap_us);
        atomic_store(&refresher->due_us, now + (status == CD_OK ? refresher->after_us : refresher->gap_us));
        atomic_store(&refresher->is_running, false);
        if (in_background)
                refresher->in_background = false;
        /* with the lock held, because a waiter in done() frees the object next */
        pthread_cond_broadcast(&refresher->ended);
        pthread_mutex_unlock(&refresher->lock);
        if (status != CD_OK && reterr)
                *reterr = err;
        return status;
}

/* Waits for the fetch that is running. Called with the lock held. */
static void wait_for_running(struct cd_refresher *refresher)
{
        uint64_t count = refresher->count;

        while (atomic_load(&refresher->is_running) && refresher->count == count)
                pthread_cond_wait(&refresher->ended, &refresher->lock);
}

cd_status cd_refresh(cardea_verifier *verifier, struct cd_error *reterr)
{
        struct cd_refresher *refresher = &verifier->refresher;
        struct cd_error last;

        pthread_mutex_lock(&refresher->lock);
        bool mine = begin(verifier);
        if (!mine) {
                wait_for_running(refresher);
                last = refresher->last;
        }
        pthread_mutex_unlock(&refresher->lock);
        if (mine)
                return run(verifier, false, reterr);
        if (last.status != CD_OK && reterr)
                *reterr = last;
        return last.status;
}

bool cd_refresh_is_possible(cardea_verifier *verifier)
{
        struct cd_refresher *refresher = &verifier->refresher;

        return atomic_load(&refresher->is_running) ||
               verifier->ports.monotonic_us() >= atomic_load(&refresher->closed_us);
}

static void *work(void *argument)
{
        (void)run(argument, true, NULL);
        return NULL;
}

/* The thread blocks all signals: they belong to the program. */
static bool start_thread(cardea_verifier *verifier)
{
        pthread_attr_t attributes;
        pthread_t thread;
        sigset_t all, before;

        if (pthread_attr_init(&attributes) != 0)
                return false;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        bool started = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                       pthread_attr_setstacksize(&attributes, STACK) == 0 &&
                       pthread_create(&thread, &attributes, work, verifier) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return started;
}

void cd_refresh_in_background(cardea_verifier *verifier)
{
        struct cd_refresher *refresher = &verifier->refresher;

        pthread_mutex_lock(&refresher->lock);
        if (begin(verifier)) {
                refresher->in_background = start_thread(verifier);
                if (!refresher->in_background) { /* tried again after the gap */
                        int64_t later = verifier->ports.monotonic_us() + refresher->gap_us;
                        atomic_store(&refresher->closed_us, later);
                        atomic_store(&refresher->due_us, later);
                        atomic_store(&refresher->is_running, false);
                        pthread_cond_broadcast(&refresher->ended);
                }
        }
        pthread_mutex_unlock(&refresher->lock);
}

void cd_refresh_if_due(cardea_verifier *verifier)
{
        int64_t due = atomic_load_explicit(&verifier->refresher.due_us, memory_order_relaxed);

        if (verifier->ports.monotonic_us() < due)
                return;
        /* Only one of the threads that see this continues and takes the lock. */
        if (atomic_compare_exchange_strong(&verifier->refresher.due_us, &due, INT64_MAX))
                cd_refresh_in_background(verifier);
}
