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
 * A token passes only if its signature, its `alg` against the key, its `typ`, `iss`, `aud`, `exp` and `nbf` all do;
 * none of these checks can be left out (CARDEA_ALLOW_NO_TYP is for issuers that write no `typ`). ES256, RS256 and EdDSA
 * (also called Ed25519) are known. Nothing that a token says is ever fetched.
 *
 * A verifier is made once and shared by all threads. It fetches the keys when they are first needed, again when they
 * are old, and when a token names a key that it does not know, but not more often than `refresh_gap_ms`; while they
 * cannot be fetched it goes on with those that it has. Made before fork(), it may be used in the child only if no call
 * was running in another thread. */
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
        CARDEA_UNAVAILABLE,    /* there are no keys yet and none could be fetched; later may help: HTTP 503 */
        CARDEA_WOULD_BLOCK,    /* of cardea_verify_cached: the keys must be fetched before anything can be said */
        CARDEA_NO_MEMORY,
        CARDEA_INTERNAL /* a fault of this library or of one below it */
} cardea_code;

/* Every function that takes a cardea_error also takes NULL. It is written on failure only. */
typedef struct cardea_error {
        cardea_code code;
        char reason[384]; /* one sentence for a log, in English, ends with NUL; holds no part of a token */
} cardea_error;

enum cardea_flags {
        /* http:// also for other hosts: an attacker in between can then put in keys of his own */
        CARDEA_ALLOW_HTTP = 1,
        CARDEA_EAGER = 2, /* begin to fetch the keys at once, in a thread, instead of at the first token */
        /* A token without `typ` in its header passes too; of its claims `iss`, `aud` and `exp` are required. Nothing
         * then tells an access token from an ID token but its audience. */
        CARDEA_ALLOW_NO_TYP = 4
};

/* Strings are copied. What is 0 or NULL has its default. */
typedef struct cardea_options {
        size_t size;          /* of this struct; CARDEA_OPTIONS_INIT sets it */
        const char *jwks;     /* required: an https:// URL, an http:// URL of this host, or the path of a file */
        const char *issuer;   /* required: the `iss` of the tokens, byte for byte */
        const char *audience; /* required: one of the `aud` of the tokens must be this, byte for byte */
        const char *typ;      /* of the tokens' header; NULL: "at+jwt", for which the claims of RFC 9068 are required */
        const char *ca_file;  /* PEM of the authorities to trust for https://, instead of the system's */
        int64_t leeway_s;     /* seconds that `exp` and `nbf` may be missed by: 0 to 300; 0 by default */
        int64_t refresh_after_ms;   /* keys older than this are fetched again: 1000 to 86400000; 300000 (a file: 1000) */
        int64_t refresh_gap_ms;     /* the least time between two attempts, also failed ones: 100 to 3600000; 5000 */
        int64_t connect_timeout_ms; /* 10 to 60000; 2000 */
        int64_t timeout_ms;         /* of a whole fetch: 10 to 60000; 5000 */
        unsigned flags;             /* of enum cardea_flags */
} cardea_options;

/* clang-format off */
#define CARDEA_OPTIONS_INIT { sizeof(cardea_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* Makes a verifier, to be freed with cardea_verifier_free. Fetches nothing and waits for nothing: a server of keys that
 * is down, or a file that is not there yet, is no error here (see cardea_refresh). CARDEA_INVALID_OPTION,
 * CARDEA_NO_MEMORY, CARDEA_INTERNAL. */
cardea_code cardea_verifier_new(const cardea_options *options, cardea_verifier **ret, cardea_error *reterr);
/* No other call may be running. Waits for a fetch in the background, at most timeout_ms. NULL is fine. */
void cardea_verifier_free(cardea_verifier *verifier);

/* Judges a token in compact form (three parts, at most 16 KB; it needs no NUL). CARDEA_OK with claims that the caller
 * frees; CARDEA_INVALID_TOKEN; CARDEA_UNAVAILABLE; CARDEA_NO_MEMORY; CARDEA_INTERNAL. Thread-safe. May wait for one
 * fetch of the keys, for at most timeout_ms: of callers at the same time one fetches and the others wait for it. */
cardea_code cardea_verify(cardea_verifier *verifier, const char *token, size_t len, cardea_claims **ret,
                          cardea_error *reterr);
/* The same with the keys at hand, without ever waiting, for event loops. CARDEA_WOULD_BLOCK where the keys must be
 * fetched: then cardea_verify is to be called where waiting is allowed. Keys that are old are used, and fetched again in
 * the background. */
cardea_code cardea_verify_cached(cardea_verifier *verifier, const char *token, size_t len, cardea_claims **ret,
                                 cardea_error *reterr);

/* Fetches the keys now, or waits for who does; to know at the start whether that works. CARDEA_UNAVAILABLE with the
 * reason where they could not be had, or were tried for less than refresh_gap_ms ago without success. Previous keys
 * stay in use. Thread-safe. */
cardea_code cardea_refresh(cardea_verifier *verifier, cardea_error *reterr);
/* Whether there are keys (1), fresh or old, or none yet (0). Thread-safe, never waits. */
int cardea_has_keys(const cardea_verifier *verifier);

/* Claims. What these return belongs to `claims` and lives until cardea_claims_free; text ends with NUL. One thread at a
 * time. */
void cardea_claims_free(cardea_claims *claims); /* NULL is fine */
/* `iss`, `sub`, and the `aud` that was asked for. A token of another typ than at+jwt need not have a `sub`: then "". */
const char *cardea_claims_issuer(const cardea_claims *claims);
const char *cardea_claims_subject(const cardea_claims *claims);
const char *cardea_claims_audience(const cardea_claims *claims);
/* `exp`, seconds since 1970, without its fraction. */
int64_t cardea_claims_expires_at(const cardea_claims *claims);
/* 1 where `scope` is one of the words of the claim `scope` (RFC 6749 section 3.3), else 0. */
int cardea_claims_has_scope(const cardea_claims *claims, const char *scope);
/* The claim of that name as JSON text, such as "[1,2]" or "\"ana\"". NULL where it is absent, or memory is out.
 * `retlen` may be NULL. */
const char *cardea_claims_json(cardea_claims *claims, const char *name, size_t *retlen);
/* The claim of that name where it is a string, decoded; it may hold a NUL where the token has \u0000, so mind *retlen
 * (which may be NULL). NULL where it is absent or no string, or memory is out. */
const char *cardea_claims_string(cardea_claims *claims, const char *name, size_t *retlen);
/* The whole payload, a JSON object as it was signed: UTF-8, no name twice. `retlen` may be NULL. */
const char *cardea_claims_payload(const cardea_claims *claims, size_t *retlen);

/* "invalid_token" and so on, for logs. */
const char *cardea_code_name(cardea_code code);
/* The version of the library that runs, such as "0.1.0". */
const char *cardea_version(void);

#ifdef __cplusplus
}
#endif

#endif
