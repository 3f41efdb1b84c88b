/* An answer of a receiver, read from any bytes: the first says the encoding. What is accepted is text, and what a pickle
 * has can be found again. */
#include <stdint.h>
#include <stdlib.h>

#include "relay/message.h"
#include "relay/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void read_pickle(struct cd_arena *arena, cd_str bytes)
{
        struct cd_pickle_dict dict;

        if (cd_pickle_read(arena, bytes, &dict, NULL) != CD_OK)
                return;
        must(dict.count <= CD_PICKLE_ITEMS_MAX);
        for (size_t i = 0; i < dict.count; i++) {
                must(cd_str_is_utf8(dict.items[i].key));
                must(cd_pickle_find(&dict, dict.items[i].key) == &dict.items[i].value);
                must(dict.items[i].value.type != CD_PICKLE_STR || cd_str_is_utf8(dict.items[i].value.text));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_relay_answer answer;
        struct cd_error err = { 0 };
        struct cd_arena arena;

        if (size == 0)
                return 0;
        enum cd_relay_encoding encoding = data[0] & 1 ? CD_RELAY_JSON : CD_RELAY_PICKLE;
        cd_str bytes = cd_str_of((const char *)data + 1, size - 1);

        cd_arena_init(&arena, 1 << 24);
        cd_relay_answer_ends(encoding, bytes);
        if (cd_relay_read_answer(encoding, &arena, bytes, &answer, &err) == CD_OK)
                must(cd_str_is_utf8(answer.message) && answer.message.len <= size);
        else
                must(err.reason[0]);
        read_pickle(&arena, bytes);
        cd_arena_done(&arena);
        return 0;
}
