#pragma once
/* Where the demo's programs are, and the configuration that it writes for them. */
#include <stdbool.h>
#include <stdint.h>

enum {
        DEMO_AUTHORIZATION,
        DEMO_RESOURCE,
        DEMO_WEBAPP,
        DEMO_COUNT,
        DEMO_PATH_MAX = 1024,
};

struct demo_files {
        char programs[DEMO_COUNT][DEMO_PATH_MAX];
        char folder[DEMO_PATH_MAX]; /* a private one, removed at the end; empty: not made yet */
        char configs[DEMO_COUNT][DEMO_PATH_MAX];
};

/* Beside this executable: examples/time-api/ in a build tree, ../libexec/cardea/ where installed. False with a sentence on
 * standard error. */
bool demo_files_find(struct demo_files *files);
/* Makes the folder under $TMPDIR or /tmp (0700) and the three files in it (0600), for ports base+1 to base+3. */
bool demo_files_write(struct demo_files *files, unsigned base);
void demo_files_remove(struct demo_files *files);
