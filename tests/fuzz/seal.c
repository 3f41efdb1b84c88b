/* Sealed secrets. "o": opened as they are. "c": a sealed one with bytes changed, each three bytes where (two) and what;
 * only the unchanged one opens. "k": a master key. */
#include <stdlib.h>
#include <string.h>

#include "crypto/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char master[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static struct cd_master_key *key;

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void try_open(struct cd_arena *arena, cd_str text)
{
        struct cd_error err = { 0 };
        cd_str secret;

        if (cd_unseal(key, arena, CD_STR("context"), text, &secret, &err) != CD_OK)
                must(err.reason[0]);
}

static void try_changes(struct cd_arena *arena, cd_str input)
{
        cd_str sealed, secret;

        must(cd_seal(key, arena, CD_STR("context"), CD_STR("a secret"), &sealed, NULL) == CD_OK);
        cd_str changed = cd_arena_copy(arena, sealed);
        char *bytes = (char *)(uintptr_t)changed.ptr;
        for (size_t i = 0; i + 2 < input.len; i += 3)
                bytes[((size_t)(unsigned char)input.ptr[i] << 8 | (unsigned char)input.ptr[i + 1]) % changed.len] =
                        input.ptr[i + 2];
        bool opens = cd_unseal(key, arena, CD_STR("context"), changed, &secret, NULL) == CD_OK;
        must(opens == cd_str_eq(changed, sealed));
}

static void try_key(cd_str text)
{
        struct cd_master_key *other;
        struct cd_error err = { 0 };

        if (cd_master_key_parse(text, &cd_random_system, &other, &err) == CD_OK)
                cd_master_key_free(other);
        else
                must(err.reason[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_arena arena;

        if (size == 0)
                return 0;
        if (!key)
                must(cd_master_key_parse(cd_str_from_c(master), &cd_random_system, &key, NULL) == CD_OK);
        cd_str rest = cd_str_of((const char *)data + 1, size - 1);
        cd_arena_init(&arena, 1 << 20);
        switch (data[0]) {
        case 'o':
                try_open(&arena, rest);
                break;
        case 'c':
                try_changes(&arena, rest);
                break;
        case 'k':
                try_key(rest);
                break;
        }
        cd_arena_done(&arena);
        return 0;
}
