/* The first line of the input is an Authorization, the second an X-Api-Key, and a third another Authorization: what
 * is a personal token in the eyes of an application that reads the header strictly is one for the gate too, so that it
 * is never passed on. */
#include <stdint.h>
#include <stdlib.h>

#include "base/base64.h"
#include "core/personal_token.h"
#include "gate/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* "Bearer TOKEN", "Basic base64(NAME:TOKEN)" or the token itself. */
static bool is_token_of_ours(struct cd_arena *arena, cd_str value)
{
        cd_str scheme = cd_str_slice(value, 0, cd_str_index(value, ' '));
        cd_str rest = cd_str_trim(cd_str_slice(value, scheme.len, value.len));
        char *text = cd_arena_alloc(arena, rest.len + 4);
        size_t len;

        must(text);
        if (cd_personal_token_is_ours(value))
                return true;
        if (cd_str_eq_nocase(scheme, CD_STR("Bearer")))
                return cd_personal_token_is_ours(rest);
        if (!cd_str_eq_nocase(scheme, CD_STR("Basic")) || cd_base64_decode(rest, text, &len) != CD_OK)
                return false;
        cd_str pair = cd_str_of(text, len);
        return cd_personal_token_is_ours(cd_str_slice(pair, cd_str_index(pair, ':') + 1, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const cd_str names[] = { CD_STR_INIT("Authorization"), CD_STR_INIT("X-Api-Key"),
                                        CD_STR_INIT("authorization") };
        cd_str rest = cd_str_of((const char *)data, size), value;
        struct cd_http_header headers[3];
        struct cd_gate_credentials found;
        struct cd_arena arena;
        size_t count = 0;
        bool is_ours = false;

        cd_arena_init(&arena, 1 << 24);
        while (count < 3 && cd_str_take_until(&rest, '\n', &value)) {
                value = cd_str_trim(value);
                is_ours |= is_token_of_ours(&arena, value);
                headers[count] = (struct cd_http_header){ names[count], value };
                count++;
        }
        const struct cd_http_request req = { .arena = &arena, .headers = headers, .header_count = count };
        must(cd_gate_credentials_read(&req, &found) == CD_OK);
        must(!is_ours || found.has_token);
        must(!found.has_token || found.is_authorization || found.is_api_key || found.rejected);
        must(!found.has_token || found.rejected || cd_personal_token_is_ours(found.token) || found.is_api_key);
        must(!found.bearer.len || !cd_personal_token_is_ours(found.bearer));
        must(!found.name.ptr || (found.name.len && !cd_str_has_control(found.name)));
        cd_arena_done(&arena);
        return 0;
}
