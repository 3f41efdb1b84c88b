#pragma once
/* Reads public test vectors, which lie beside the project and not in it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"

enum {
        VECTORS_SKIP = 77
}; /* what Meson takes for "skipped" */

/* The folder: $CARDEA_VECTORS, else the one that the build names. */
static inline const char *vectors_folder(void)
{
        const char *folder = getenv("CARDEA_VECTORS");
        return folder ? folder : CARDEA_VECTORS_DEFAULT;
}

static inline void vectors_need(void)
{
        if (access(vectors_folder(), R_OK) == 0)
                return;
        printf("skipped: no test vectors in %s (set CARDEA_VECTORS)\n", vectors_folder());
        exit(VECTORS_SKIP);
}

static inline const struct cd_json *vectors_load(struct cd_arena *arena, const char *name)
{
        char path[4096];
        struct stat st;
        const struct cd_json *root;
        struct cd_error err = { 0 };

        snprintf(path, sizeof(path), "%s/%s", vectors_folder(), name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = fd >= 0 && fstat(fd, &st) == 0 ? cd_arena_alloc(arena, (size_t)st.st_size) : NULL;
        if (!text || read(fd, text, (size_t)st.st_size) != st.st_size) {
                perror(path);
                exit(1);
        }
        close(fd);
        if (cd_json_parse(arena, cd_str_of(text, (size_t)st.st_size), CD_JSON_UNIQUE_NAMES, &root, &err) != CD_OK) {
                fprintf(stderr, "%s: %s\n", path, err.reason);
                exit(1);
        }
        return root;
}

/* The string of that name; empty where there is none. */
static inline cd_str vectors_text(const struct cd_json *object, const char *name)
{
        const struct cd_json *member = cd_json_find(object, cd_str_from_c(name));
        return member ? member->text : CD_STR("");
}

/* The bytes of a hexadecimal string. */
static inline cd_str vectors_hex(struct cd_arena *arena, const struct cd_json *object, const char *name)
{
        static const char digits[] = "0123456789abcdef";
        cd_str hex = vectors_text(object, name);
        char *to = cd_arena_alloc(arena, hex.len / 2 + 1);

        for (size_t i = 0; to && i + 1 < hex.len; i += 2)
                to[i / 2] =
                        (char)((strchr(digits, hex.ptr[i]) - digits) << 4 | (strchr(digits, hex.ptr[i + 1]) - digits));
        return cd_str_of(to, hex.len / 2);
}
