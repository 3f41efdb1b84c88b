#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Open addressing with linear probing; at most three quarters of the slots are used. A removal moves later entries
 * back, so that no tombstones are needed. */
struct slot {
        uint64_t hash; /* 0: empty */
        cd_str key;
        void *value;
};

struct cd_map {
        uint64_t seed[2];
        struct slot *slots;
        size_t mask; /* number of slots minus 1; the number is a power of two */
        size_t count;
};

enum {
        FIRST_SLOTS = 16
};

struct cd_map *cd_map_new(void)
{
        struct cd_map *map = calloc(1, sizeof(*map));
        struct slot *slots = calloc(FIRST_SLOTS, sizeof(*slots));

        if (!map || !slots || getrandom(map->seed, sizeof(map->seed), 0) != (ssize_t)sizeof(map->seed)) {
                free(map);
                free(slots);
                return NULL;
        }
        map->slots = slots;
        map->mask = FIRST_SLOTS - 1;
        return map;
}

void cd_map_free(struct cd_map *map)
{
        if (!map)
                return;
        free(map->slots);
        free(map);
}

static uint64_t hash_of(const struct cd_map *map, cd_str key)
{
        uint64_t hash = cd_siphash(map->seed, key);
        return hash ? hash : 1;
}

/* The slot of the key, or the empty slot where it would be inserted. */
static size_t probe(const struct cd_map *map, uint64_t hash, cd_str key)
{
        size_t i = hash & map->mask;

        while (map->slots[i].hash && (map->slots[i].hash != hash || !cd_str_eq(map->slots[i].key, key)))
                i = (i + 1) & map->mask;
        return i;
}

static bool grow(struct cd_map *map)
{
        size_t count = (map->mask + 1) * 2;
        struct slot *slots = calloc(count, sizeof(*slots));
        if (!slots)
                return false;

        struct slot *old = map->slots;
        size_t old_count = map->mask + 1;
        map->slots = slots;
        map->mask = count - 1;
        for (size_t i = 0; i < old_count; i++)
                if (old[i].hash)
                        slots[probe(map, old[i].hash, old[i].key)] = old[i];
        free(old);
        return true;
}

cd_status cd_map_add(struct cd_map *map, cd_str key, void *value)
{
        uint64_t hash = hash_of(map, key);

        if (map->slots[probe(map, hash, key)].hash)
                return CD_INVALID_REQUEST;
        if (map->count + 1 > (map->mask + 1) / 4 * 3 && !grow(map))
                return CD_NO_MEMORY;
        map->slots[probe(map, hash, key)] = (struct slot){ hash, key, value };
        map->count++;
        return CD_OK;
}

void *cd_map_find(const struct cd_map *map, cd_str key)
{
        return map->slots[probe(map, hash_of(map, key), key)].value;
}

void *cd_map_remove(struct cd_map *map, cd_str key)
{
        size_t hole = probe(map, hash_of(map, key), key);
        void *value = map->slots[hole].value;

        if (!map->slots[hole].hash)
                return NULL;
        for (size_t i = (hole + 1) & map->mask; map->slots[i].hash; i = (i + 1) & map->mask) {
                size_t home = map->slots[i].hash & map->mask;
                /* An entry may move back into the hole only if its home slot is not after the hole. */
                if (((i - home) & map->mask) < ((i - hole) & map->mask))
                        continue;
                map->slots[hole] = map->slots[i];
                hole = i;
        }
        map->slots[hole] = (struct slot){ 0 };
        map->count--;
        return value;
}

size_t cd_map_count(const struct cd_map *map)
{
        return map->count;
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
        return x << by | x >> (64 - by);
}

static inline void sip_rounds(uint64_t v[4], unsigned rounds)
{
        for (unsigned i = 0; i < rounds; i++) {
                v[0] += v[1];
                v[1] = rotate(v[1], 13) ^ v[0];
                v[0] = rotate(v[0], 32);
                v[2] += v[3];
                v[3] = rotate(v[3], 16) ^ v[2];
                v[0] += v[3];
                v[3] = rotate(v[3], 21) ^ v[0];
                v[2] += v[1];
                v[1] = rotate(v[1], 17) ^ v[2];
                v[2] = rotate(v[2], 32);
        }
}

/* Little-endian on any machine, as the SipHash paper specifies. */
static inline uint64_t load(const char *p, size_t len)
{
        uint64_t word = 0;

        for (size_t i = 0; i < len; i++)
                word |= (uint64_t)(unsigned char)p[i] << (8 * i);
        return word;
}

uint64_t cd_siphash_rounds(const uint64_t key[2], cd_str bytes, unsigned compression, unsigned finalization)
{
        uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                          key[1] ^ 0x7465646279746573 };
        size_t whole = bytes.len & ~(size_t)7;

        for (size_t i = 0; i < whole; i += 8) {
                uint64_t word = load(bytes.ptr + i, 8);
                v[3] ^= word;
                sip_rounds(v, compression);
                v[0] ^= word;
        }
        uint64_t last =
                (uint64_t)bytes.len << 56 | (bytes.len > whole ? load(bytes.ptr + whole, bytes.len - whole) : 0);
        v[3] ^= last;
        sip_rounds(v, compression);
        v[0] ^= last;
        v[2] ^= 0xff;
        sip_rounds(v, finalization);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t cd_siphash(const uint64_t key[2], cd_str bytes)
{
        return cd_siphash_rounds(key, bytes, 1, 3);
}
