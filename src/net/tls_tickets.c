/* Session tickets (RFC 5077, RFC 8446 §4.6.1): the client stores the session, encrypted by the server.
 * The key of a ticket would let an attacker read its TLS 1.2 session, so keys are generated here, never
 * stored anywhere, and short-lived. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/secret.h"
#include "net/tls_internal.h"

enum {
        NAME_SIZE = 16,
        KEY_SIZE = 32,
        KEYS = 3, /* the one that encrypts, and its predecessors */
        ROTATION_MS = 60 * 60 * 1000,
};

struct ticket_key {
        unsigned char name[NAME_SIZE], aes[KEY_SIZE], mac[KEY_SIZE];
        int64_t made_us; /* cd_monotonic_us; 0: no key */
};

struct cd_tls_tickets {
        pthread_mutex_t lock; /* protects the keys */
        int64_t rotation_us;
        struct ticket_key keys[KEYS]; /* newest first */
};

static bool fill_random(void *to, size_t size)
{
        return getrandom(to, size, 0) == (ssize_t)size;
}

static bool make_key(struct ticket_key *ret)
{
        ret->made_us = cd_monotonic_us();
        return fill_random(ret->name, NAME_SIZE) && fill_random(ret->aes, KEY_SIZE) && fill_random(ret->mac, KEY_SIZE);
}

struct cd_tls_tickets *cd_tls_tickets_new(int64_t rotation_ms)
{
        struct cd_tls_tickets *tickets = calloc(1, sizeof(*tickets));

        if (!tickets)
                return NULL;
        pthread_mutex_init(&tickets->lock, NULL);
        tickets->rotation_us = (rotation_ms > 0 ? rotation_ms : ROTATION_MS) * 1000;
        if (make_key(&tickets->keys[0]))
                return tickets;
        cd_tls_tickets_free(tickets);
        return NULL;
}

void cd_tls_tickets_free(struct cd_tls_tickets *tickets)
{
        if (!tickets)
                return;
        pthread_mutex_destroy(&tickets->lock);
        cd_wipe(tickets->keys, sizeof(tickets->keys));
        free(tickets);
}

/* Chosen so that a ticket's key is accepted as long as the ticket lasts. */
long cd_tls_tickets_lifetime(const struct cd_tls_tickets *tickets)
{
        int64_t seconds = tickets->rotation_us * (KEYS - 1) / 1000000;

        return seconds > 0 ? (long)seconds : 1;
}

/* With the lock held. If the random source fails, the current key stays in use. */
static void rotate_if_due(struct cd_tls_tickets *tickets)
{
        struct ticket_key key;

        if (cd_monotonic_us() - tickets->keys[0].made_us < tickets->rotation_us || !make_key(&key))
                return;
        memmove(tickets->keys + 1, tickets->keys, (KEYS - 1) * sizeof(key));
        tickets->keys[0] = key;
        cd_wipe(&key, sizeof(key));
}

/* Finds the current key (`name` NULL) or the key of that name. *ret_old: tickets of this key should be replaced. */
static bool find_key(struct cd_tls_tickets *tickets, const unsigned char *name, struct ticket_key *ret, bool *ret_old)
{
        bool found = false;

        pthread_mutex_lock(&tickets->lock);
        rotate_if_due(tickets);
        int64_t oldest = cd_monotonic_us() - KEYS * tickets->rotation_us;
        for (size_t i = 0; i < KEYS && !found; i++) {
                const struct ticket_key *key = &tickets->keys[i];
                if (key->made_us == 0 || key->made_us < oldest || (name && memcmp(key->name, name, NAME_SIZE) != 0))
                        continue;
                *ret = *key;
                *ret_old = i > 0;
                found = true;
        }
        pthread_mutex_unlock(&tickets->lock);
        return found;
}

static bool set_up(const struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int encrypt)
{
        const OSSL_PARAM params[] = {
                OSSL_PARAM_construct_octet_string("key", (void *)key->mac, KEY_SIZE),
                OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0),
                OSSL_PARAM_construct_end(),
        };

        return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypt) == 1 &&
               EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* Returns as OpenSSL requires: 1 for success, 2 for success with a new ticket for the client, 0 for no ticket or a full
 * handshake, -1 for failure. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int encrypt)
{
        struct cd_tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        struct ticket_key key;
        bool is_old = false;

        if (!find_key(tickets, encrypt ? NULL : name, &key, &is_old))
                return 0;
        if (encrypt) {
                memcpy(name, key.name, NAME_SIZE);
                if (!fill_random(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()))) {
                        cd_wipe(&key, sizeof(key));
                        return 0;
                }
        }
        bool ok = set_up(&key, iv, cipher, mac, encrypt);
        cd_wipe(&key, sizeof(key));
        return ok ? 1 + is_old : -1;
}

void cd_tls_tickets_attach(struct cd_tls_tickets *tickets, struct ssl_ctx_st *context)
{
        SSL_CTX_set_app_data(context, tickets);
        SSL_CTX_set_timeout(context, cd_tls_tickets_lifetime(tickets));
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}
