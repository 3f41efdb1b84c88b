/* libcardea: verifies JSON Web Tokens (RFC 7519) against the published keys of their issuer (RFC 7517).
 *
 *      cardea_verifier *verifier;
 *      cardea_claims *claims;
 *      cardea_error error;
 *      cardea_options options = CARDEA_OPTIONS_INIT;
 *
 *      options.jwks = "https://auth.example.org/.well-known/jwks.json";
 *      options.issuer = "https://auth.example.org";
 *      options.audience = "https://api.example.org";
 *      if (cardea_verifier_new(&options, &verifier, &error) != CARDEA_OK)
 *              return fail(error.reason);
 *      …
 *      if (cardea_verify(verifier, token, strlen(token), &claims, &error) == CARDEA_OK) {
 *              serve(cardea_claims_subject(claims));
 *              cardea_claims_free(claims);
 *      }
 *
 * A token is valid only if its signature, `alg`, `typ`, `iss`, `aud`, `exp` and `nbf` all pass. No check can be
 * switched off, except `typ` for issuers that do not write one (CARDEA_ALLOW_NO_TYP). Supported algorithms are ES256,
 * RS256 and EdDSA (also called Ed25519). The library never fetches a URL that a token names.
 *
 * Create one verifier and share it between all threads. It fetches the keys when they are first needed, when they are
 * older than `refresh_after_ms`, and when a token names an unknown key, but never more often than once in
 * `refresh_gap_ms`. If a fetch fails, the verifier continues with the keys that it has. A verifier created before
 * fork() may be used in the child only if no other thread was in a call at the time of the fork. */
#ifndef CARDEA_H
#define CARDEA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cardea_verifier cardea_verifier;
typedef struct cardea_claims cardea_claims;

typedef enum cardea_code {
        CARDEA_OK = 0,
        CARDEA_INVALID_TOKEN,  /* the token is invalid: HTTP 401, error="invalid_token" (RFC 6750 section 3.1) */
        CARDEA_INVALID_OPTION, /* an option of cardea_verifier_new is missing or wrong */
        CARDEA_UNAVAILABLE,    /* no keys were fetched yet, and the fetch failed; a later call may succeed: HTTP 503 */
        CARDEA_WOULD_BLOCK,    /* cardea_verify_cached only: the keys must be fetched first */
        CARDEA_NO_MEMORY,
        CARDEA_INTERNAL /* a fault in this library or in one that it uses */
} cardea_code;

/* Every function accepts NULL for its cardea_error. The error is written only on failure. */
typedef struct cardea_error {
        cardea_code code;
        char reason[384]; /* one sentence in English for a log, NUL-terminated; never contains any part of a token */
} cardea_error;

enum cardea_flags {
        /* permits http:// to other hosts too; an attacker on the network can then substitute keys */
        CARDEA_ALLOW_HTTP = 1,
        CARDEA_EAGER = 2, /* start fetching the keys at once, in a thread, instead of at the first token */
        /* Accepts tokens without `typ` in their header as well. Of such a token, only the claims `iss`, `aud` and `exp`
         * are required, and only the audience then distinguishes an access token from an ID token. */
        CARDEA_ALLOW_NO_TYP = 4
};

/* Strings are copied. A member that is 0 or NULL takes its default. */
typedef struct cardea_options {
        size_t size;          /* sizeof(cardea_options); set by CARDEA_OPTIONS_INIT */
        const char *jwks;     /* required: an https:// URL, an http:// URL of the local host, or the path of a file */
        const char *issuer;   /* required: the `iss` of the tokens, compared byte for byte */
        const char *audience; /* required: must be one of the `aud` of the token, compared byte for byte */
        const char *typ;      /* the `typ` of the header; NULL: "at+jwt", which also requires the claims of RFC 9068 */
        const char *ca_file;  /* PEM file of the CAs to trust for https:// instead of those of the system */
        int64_t leeway_s;     /* tolerance for `exp` and `nbf`, in seconds: 0 to 300; default 0 */
        /* age at which keys are fetched again: 1000 to 86400000; default 300000 (for a file: 1000) */
        int64_t refresh_after_ms;
        /* minimum time between two attempts, including failed ones: 100 to 3600000; default 5000 */
        int64_t refresh_gap_ms;
        int64_t connect_timeout_ms; /* 10 to 60000; default 2000 */
        int64_t timeout_ms;         /* for a complete fetch: 10 to 60000; default 5000 */
        unsigned flags;             /* of enum cardea_flags */
} cardea_options;

/* clang-format off */
#define CARDEA_OPTIONS_INIT { sizeof(cardea_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* Creates a verifier, which the caller frees with cardea_verifier_free. Neither fetches nor waits: an unreachable key
 * server or a missing file is not an error at this point (see cardea_refresh). Returns CARDEA_INVALID_OPTION,
 * CARDEA_NO_MEMORY or CARDEA_INTERNAL on failure. */
cardea_code cardea_verifier_new(const cardea_options *options, cardea_verifier **ret, cardea_error *reterr);
/* No other call may be running. Waits at most timeout_ms for a fetch in the background. NULL is allowed. */
void cardea_verifier_free(cardea_verifier *verifier);

/* Verifies a token in compact form (three parts, at most 16 KB, no NUL needed). On CARDEA_OK the caller frees the
 * claims. Fails with CARDEA_INVALID_TOKEN, CARDEA_UNAVAILABLE, CARDEA_NO_MEMORY or CARDEA_INTERNAL. Thread-safe. May
 * wait for one fetch of the keys, at most timeout_ms; if several threads need the keys at once, one fetches and the
 * others wait for it. */
cardea_code cardea_verify(cardea_verifier *verifier, const char *token, size_t len, cardea_claims **ret,
                          cardea_error *reterr);
/* Like cardea_verify, but with the keys that are already loaded; for event loops. Never waits. Returns
 * CARDEA_WOULD_BLOCK if the keys must be fetched first: call cardea_verify from a thread that may wait. Keys older than
 * refresh_after_ms are still used, and fetched again in the background. */
cardea_code cardea_verify_cached(cardea_verifier *verifier, const char *token, size_t len, cardea_claims **ret,
                                 cardea_error *reterr);

/* Fetches the keys now, or waits for a fetch that is already running; for example to test the configuration at start.
 * Returns CARDEA_UNAVAILABLE with the reason if the fetch failed, or if the last attempt failed less than
 * refresh_gap_ms ago. The previous keys stay in use. Thread-safe. */
cardea_code cardea_refresh(cardea_verifier *verifier, cardea_error *reterr);
/* Returns 1 if keys are loaded, of whatever age, else 0. Thread-safe, never waits. */
int cardea_has_keys(const cardea_verifier *verifier);

/* Claims. Returned pointers belong to `claims` and are valid until cardea_claims_free; strings are NUL-terminated. One
 * thread at a time. */
void cardea_claims_free(cardea_claims *claims); /* NULL is allowed */
/* `iss`, `sub`, and the `aud` that matched options.audience. `sub` is "" if absent, which only a `typ`
 * other than at+jwt allows. */
const char *cardea_claims_issuer(const cardea_claims *claims);
const char *cardea_claims_subject(const cardea_claims *claims);
const char *cardea_claims_audience(const cardea_claims *claims);
/* `exp` in whole seconds since 1970. */
int64_t cardea_claims_expires_at(const cardea_claims *claims);
/* Returns 1 if the claim `scope` contains the word `scope` (RFC 6749 section 3.3), else 0. */
int cardea_claims_has_scope(const cardea_claims *claims, const char *scope);
/* Returns the named claim as JSON text, for example "[1,2]" or "\"ana\"". NULL if the claim is absent or memory is
 * exhausted. `retlen` may be NULL. */
const char *cardea_claims_json(cardea_claims *claims, const char *name, size_t *retlen);
/* Returns the named claim, decoded, if it is a string. The text may contain a NUL (from \u0000), so use *retlen
 * (`retlen` may be NULL). NULL if the claim is absent or not a string, or memory is exhausted. */
const char *cardea_claims_string(cardea_claims *claims, const char *name, size_t *retlen);
/* The complete payload as signed: a JSON object in UTF-8 without duplicate names. `retlen` may be NULL. */
const char *cardea_claims_payload(const cardea_claims *claims, size_t *retlen);

/* "invalid_token" and so on, for logs. */
const char *cardea_code_name(cardea_code code);
/* The version of the library at run time, for example "0.1.0". */
const char *cardea_version(void);

#ifdef __cplusplus
}
#endif

#endif
