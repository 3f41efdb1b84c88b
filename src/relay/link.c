#include "relay/link.h"

#include "base/base64.h"
#include "base/secret.h"
#include "core/digest.h"
#include "core/ports.h"
#include "crypto/seal.h"

enum {
        TIME_SIZE = 8,   /* bytes */
        NONCE_SIZE = 16, /* bytes */
        HEAD_SIZE = CD_MAC_SIZE + TIME_SIZE + NONCE_SIZE,
        STATE_SIZE_MAX = HEAD_SIZE + CD_RELAY_LINK_DATA_MAX,
};
_Static_assert((STATE_SIZE_MAX * 4 + 2) / 3 <= CD_RELAY_LINK_MAX, "a state fits");

struct cd_mac *cd_relay_links_mac(const struct cd_master_key *master)
{
        return cd_master_key_mac(master, CD_STR("relay-state"));
}

/* The host cannot contain a space, and the path begins with "/". */
static cd_status sum(struct cd_mac *mac, struct cd_arena *arena, const struct cd_relay_route *route, cd_str body,
                     unsigned char ret[CD_MAC_SIZE], struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str message;

        cd_buf_init(&buf, arena, route->host.len + route->path.len + body.len + 2);
        cd_buf_add(&buf, route->host);
        cd_buf_add_char(&buf, ' ');
        cd_buf_add(&buf, route->path);
        cd_buf_add_char(&buf, '\0');
        cd_buf_add(&buf, body);
        if (cd_buf_view(&buf, &message) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (cd_mac_sum(mac, message, ret) != CD_OK)
                return cd_fail(reterr, CD_INTERNAL, "the MAC of a state could not be computed");
        return CD_OK;
}

cd_status cd_relay_link_make(const struct cd_relay_links *links, struct cd_arena *arena,
                             const struct cd_relay_route *route, const struct cd_relay_link *link, cd_str *ret,
                             struct cd_error *reterr)
{
        char bytes[STATE_SIZE_MAX], *at = bytes + CD_MAC_SIZE;
        struct cd_buf text;

        if (link->data.len > CD_RELAY_LINK_DATA_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("data"),
                                "has %zu bytes; a state has room for %d, so pass an id of what you keep elsewhere",
                                link->data.len, CD_RELAY_LINK_DATA_MAX);
        if (!cd_str_is_utf8(link->data) || cd_str_has_control(link->data))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("data"),
                                     "is not UTF-8 text on one line; encode other bytes, for instance as base64");
        for (int i = 0; i < TIME_SIZE; i++)
                *at++ = (char)((uint64_t)link->expires_at >> (8 * (TIME_SIZE - 1 - i)));
        if (links->random->fill(links->random, at, NONCE_SIZE) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        at += NONCE_SIZE;
        if (link->data.len)
                memcpy(at, link->data.ptr, link->data.len);
        cd_str body = cd_str_of(bytes + CD_MAC_SIZE, TIME_SIZE + NONCE_SIZE + link->data.len);
        cd_status status = sum(links->mac, arena, route, body, (unsigned char *)bytes, reterr);
        if (status != CD_OK)
                return status;
        cd_buf_init(&text, arena, CD_RELAY_LINK_MAX);
        cd_buf_add_base64url(&text, cd_str_of(bytes, CD_MAC_SIZE + body.len));
        return cd_buf_view(&text, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "out of memory");
}

static cd_status fail_foreign(struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("state"),
                             "was not made by \"cardea relay link\" for this path");
}

cd_status cd_relay_link_check(const struct cd_relay_links *links, struct cd_arena *arena,
                              const struct cd_relay_route *route, cd_str state, struct cd_relay_link *ret,
                              struct cd_error *reterr)
{
        unsigned char mac[CD_MAC_SIZE];
        uint64_t expires_at = 0;
        cd_time now;
        cd_str bytes;

        if (state.len > CD_RELAY_LINK_MAX)
                return fail_foreign(reterr);
        cd_status status = cd_base64url_decode_arena(arena, state, &bytes);
        if (status == CD_NO_MEMORY)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (status != CD_OK || bytes.len < HEAD_SIZE)
                return fail_foreign(reterr);
        status = sum(links->mac, arena, route, cd_str_slice(bytes, CD_MAC_SIZE, bytes.len), mac, reterr);
        if (status != CD_OK)
                return status;
        if (!cd_secret_eq(cd_str_of((char *)mac, sizeof(mac)), cd_str_slice(bytes, 0, CD_MAC_SIZE)))
                return fail_foreign(reterr);
        for (int i = 0; i < TIME_SIZE; i++)
                expires_at = expires_at << 8 | (unsigned char)bytes.ptr[CD_MAC_SIZE + i];
        status = cd_clock_read(links->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        if (now >= (cd_time)expires_at)
                return cd_fail_field(reterr, CD_TIMEOUT, CD_STR("state"), "has expired; ask for a new link");
        *ret = (struct cd_relay_link){ cd_str_slice(bytes, HEAD_SIZE, bytes.len), (cd_time)expires_at };
        return CD_OK;
}

cd_status cd_relay_link_use(const struct cd_relay_links *links, struct cd_arena *arena, cd_str state,
                            const struct cd_relay_link *link, struct cd_error *reterr)
{
        cd_str digest;
        cd_status status = cd_digest_text(arena, state, &digest, reterr);

        if (status != CD_OK)
                return status;
        status = links->store->used_states->use(links->store, digest, link->expires_at, reterr);
        return status == CD_EXISTS ? cd_fail_field(reterr, CD_EXISTS, CD_STR("state"), "was used before") : status;
}
