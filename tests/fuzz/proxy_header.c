/* PROXY headers as they come, byte by byte: once a header is whole, or there is none, more bytes change nothing. */
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* In memory that ends where the bytes end, so that a sanitizer sees one too far. */
static enum cd_proxy_step parse(const uint8_t *data, size_t size, struct cd_proxy_header *ret)
{
        char *copy = malloc(size ? size : 1);

        must(copy != NULL);
        if (size)
                memcpy(copy, data, size);
        enum cd_proxy_step step = cd_proxy_header_parse(cd_str_of(copy, size), ret);
        free(copy);
        return step;
}

static void check_header(const uint8_t *data, const struct cd_proxy_header *header)
{
        const struct cd_address none = { 0 };
        char text[CD_ADDRESS_TEXT_MAX];

        must(header->used <= (data[0] == 'P' ? (size_t)CD_PROXY_V1_MAX : (size_t)CD_PROXY_V2_MAX));
        if (header->local)
                must(header->port == 0 && memcmp(&header->address, &none, sizeof(none)) == 0);
        must(cd_address_format(&header->address, text) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cd_proxy_header whole = { 0 }, part = { 0 };
        size_t longest = size < 600 ? size : 600;
        enum cd_proxy_step step = parse(data, size, &whole), before = CD_PROXY_MORE;

        for (size_t len = 0; len <= longest; len++) {
                enum cd_proxy_step now = parse(data, len, &part);
                must(before == CD_PROXY_MORE || now == before);
                if (now == CD_PROXY_DONE) {
                        must(before == CD_PROXY_DONE || len == part.used);
                        must(step == CD_PROXY_DONE && part.used == whole.used && part.local == whole.local);
                        must(part.port == whole.port);
                        must(memcmp(&part.address, &whole.address, sizeof(part.address)) == 0);
                }
                before = now;
        }
        must(step == before); /* all is decided within 600 bytes */
        if (step == CD_PROXY_DONE)
                check_header(data, &whole);
        return 0;
}
