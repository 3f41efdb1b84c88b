#pragma once
/* Where the demo's programs are, and the configuration that it writes for them. */
#include <stdbool.h>
#include <stdint.h>

enum {
        DEMO_AUTHORIZATION,
        DEMO_RESOURCE,
        DEMO_WEBAPP,
        DEMO_BASIC,
        DEMO_BASIC_RESOURCE,
        DEMO_COUNT,
        DEMO_USERS = 2,
        DEMO_PASSWORD_LEN = 16,
        DEMO_PATH_MAX = 1024,
};

struct demo_user {
        const char *name;
        char password[DEMO_PASSWORD_LEN + 1]; /* new for each demo */
};

struct demo_files {
        char programs[DEMO_COUNT][DEMO_PATH_MAX];
        char folder[DEMO_PATH_MAX]; /* a private one, removed at the end; empty: not made yet */
        char configs[DEMO_COUNT][DEMO_PATH_MAX];
        char certificate[DEMO_PATH_MAX]; /* of who signed those of the Basic token service and its resource service */
        struct demo_user users[DEMO_USERS];
};

/* Beside this executable: in examples/ of a build tree, or ../libexec/cardea/ and ../bin/ where installed. False with a
 * sentence on standard error. */
bool demo_files_find(struct demo_files *files);
/* Makes the folder under $TMPDIR or /tmp (0700) and what is in it (0600), for ports base+1 to base+5: three
 * configurations, and what "cardea init" and "cardea user add" make for the Basic token service. False with a sentence
 * on standard error. */
bool demo_files_write(struct demo_files *files, unsigned base);
void demo_files_remove(struct demo_files *files);
