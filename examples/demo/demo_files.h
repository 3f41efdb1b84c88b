#pragma once
/* Locates the demo's programs, and writes their configuration. */
#include <stdbool.h>
#include <stdint.h>

enum {
        /* In the order of their ports. */
        DEMO_GATE,
        DEMO_AUTHORIZATION,
        DEMO_RESOURCE,
        DEMO_WEBAPP,
        DEMO_BASIC,
        DEMO_BASIC_RESOURCE,
        DEMO_FLASK,
        DEMO_CHAT,
        DEMO_COMMITS,
        DEMO_PROVIDERS,
        DEMO_TLS_GATE,
        DEMO_COUNT,
        DEMO_TLS_PORT = 443, /* after the base: 5443 by default */
        DEMO_USERS = 2,
        DEMO_PASSWORD_LEN = 16,
        DEMO_PATH_MAX = 1024,
};

struct demo_user {
        const char *name;
        char password[DEMO_PASSWORD_LEN + 1]; /* new for each demo */
};

struct demo_files {
        char programs[DEMO_COUNT][DEMO_PATH_MAX]; /* of a Flask application, its script */
        char uwsgi[DEMO_PATH_MAX];                /* runs those */
        char folder[DEMO_PATH_MAX];               /* a private folder, removed at the end; empty: not created yet */
        char configs[DEMO_COUNT][DEMO_PATH_MAX];  /* of the chat, which has none, its program */
        /* Of the CA that signed the certificate of the services with TLS. */
        char certificate[DEMO_PATH_MAX];
        struct demo_user users[DEMO_USERS];
};

/* The port of a service. */
static inline unsigned demo_port(unsigned base, unsigned which)
{
        return base + (which == DEMO_TLS_GATE ? DEMO_TLS_PORT : which);
}

/* Whether uWSGI runs it. */
bool demo_is_flask(unsigned which);
/* Locates the programs relative to this executable, in a build tree or in an installation (libexec/cardea and bin); and
 * uWSGI on the PATH. False after an error on standard error. */
bool demo_files_find(struct demo_files *files);
/* Creates the folder under $TMPDIR or /tmp (0700) and the files in it (0600): the configurations, and what "cardea
 * init" and "cardea user add" create for the Basic token service. False after an error on standard error. */
bool demo_files_write(struct demo_files *files, unsigned base);
void demo_files_remove(struct demo_files *files);
