/* Lines of headers. What is read must be clean, and what a client wrote must not change what a proxy appends to it. */
#include <stdlib.h>
#include <string.h>

#include "http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        HEADERS = 16
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_result(const struct cd_forwarded *forwarded)
{
        struct cd_address again;

        must(!(forwarded->has_address && forwarded->unreadable));
        must(forwarded->has_address == (forwarded->address_text.ptr != NULL));
        if (forwarded->has_address) {
                must(cd_address_parse(forwarded->address_text, &again));
                must(memcmp(&again, &forwarded->address, sizeof(again)) == 0);
                must(cd_address_parse_node(forwarded->address_text, &again));
                must(memcmp(&again, &forwarded->address, sizeof(again)) == 0);
        }
        must(!forwarded->proto.ptr || cd_str_eq(forwarded->proto, CD_STR("http")) ||
             cd_str_eq(forwarded->proto, CD_STR("https")));
        must(!forwarded->host.ptr || forwarded->host.len > 0);
}

static size_t split_lines(cd_str text, struct cd_http_header headers[HEADERS])
{
        size_t count = 0;
        cd_str line;

        while (count < HEADERS && cd_str_take_until(&text, '\n', &line)) {
                size_t colon = cd_str_index(line, ':');
                headers[count].name = cd_str_slice(line, 0, colon);
                headers[count++].value = cd_str_trim(cd_str_slice(line, colon + 1, line.len));
        }
        return count;
}

static void check_appended(struct cd_arena *arena, const struct cd_network *trusted, cd_str text)
{
        static const cd_str client = CD_STR_INIT("203.0.113.7");
        struct cd_http_header header = { CD_STR("X-Forwarded-For"),
                                         cd_arena_printf(arena, "%.*s, 203.0.113.7, 10.0.0.1", CD_STR_ARG(text)) };
        struct cd_forwarded forwarded;

        must(cd_forwarded_read(arena, &header, 1, trusted, 1, &forwarded) == CD_OK);
        must(forwarded.has_address && cd_str_eq(forwarded.address_text, client));

        header.name = CD_STR("Forwarded");
        header.value = cd_arena_printf(arena, "%.*s, for=203.0.113.7;proto=http;host=a", CD_STR_ARG(text));
        must(cd_forwarded_read(arena, &header, 1, trusted, 1, &forwarded) == CD_OK);
        if (!forwarded.unreadable)
                must(forwarded.has_address && cd_str_eq(forwarded.address_text, client) &&
                     cd_str_eq(forwarded.proto, CD_STR("http")) && cd_str_eq(forwarded.host, CD_STR("a")));
        else
                must(!forwarded.proto.ptr && !forwarded.host.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str text = cd_str_of((const char *)data, size);
        struct cd_http_header headers[HEADERS];
        struct cd_forwarded forwarded;
        struct cd_network trusted;
        struct cd_arena arena;

        must(cd_network_parse(CD_STR("10.0.0.0/8"), &trusted, NULL) == CD_OK);
        size_t count = split_lines(text, headers);
        cd_arena_init(&arena, 64 << 20);
        must(cd_forwarded_read(&arena, headers, count, &trusted, 1, &forwarded) == CD_OK);
        check_result(&forwarded);
        if (!memchr(data, '\0', size)) /* of which printf makes an end */
                check_appended(&arena, &trusted, count ? headers[0].value : text);
        cd_arena_done(&arena);

        /* So small an arena that every allocation gets its turn to fail. */
        cd_arena_init(&arena, size % 64 * 16);
        if (cd_forwarded_read(&arena, headers, count, &trusted, 1, &forwarded) == CD_OK)
                check_result(&forwarded);
        cd_arena_done(&arena);
        return 0;
}
