/* What a browser or an import file says of factors. "o": an otpauth URI. "b": base32. "c": a TOTP code. "r": a recovery
 * code. "s": the cookie of a session or half-finished login, or a personal token, of which nothing is valid: the store
 * is never asked. "l": the limits of a personal token. */
#include <stdlib.h>
#include <string.h>

#include "core/personal_token.h"
#include "core/recovery.h"
#include "core/session.h"
#include "crypto/otpauth.h"
#include "crypto/totp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char master_text[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static struct cd_master_key *master;
static struct cd_mac *recovery_codes;
static struct cd_sessions sessions;

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void set_up(void)
{
        must(cd_master_key_parse(cd_str_from_c(master_text), &cd_random_system, &master, NULL) == CD_OK);
        recovery_codes = cd_recovery_macs_new(master);
        sessions = (struct cd_sessions){ .clock = &cd_clock_system };
        must(recovery_codes && cd_session_ids_key(master, &sessions.ids) == CD_OK);
}

/* What was read is read again from what is written of it. */
static void try_uri(struct cd_arena *arena, cd_str text)
{
        struct cd_otpauth found, again;
        struct cd_error err = { 0 };
        struct cd_buf buf;
        cd_str uri;

        if (cd_otpauth_parse(arena, text, &found, &err) != CD_OK) {
                must(err.reason[0]);
                return;
        }
        must(found.secret.len >= CD_TOTP_SECRET_MIN && found.secret.len <= CD_TOTP_SECRET_MAX);
        cd_buf_init(&buf, arena, 1 << 16);
        cd_otpauth_write(&buf, &found);
        must(cd_buf_view(&buf, &uri) == CD_OK);
        if (uri.len <= CD_OTPAUTH_MAX) {
                must(cd_otpauth_parse(arena, uri, &again, NULL) == CD_OK);
                must(cd_str_eq(again.secret, found.secret));
        }
}

static void try_base32(struct cd_arena *arena, cd_str text)
{
        struct cd_buf buf;
        cd_str bytes, written, again;

        if (cd_base32_decode(arena, text, &bytes) != CD_OK)
                return;
        cd_buf_init(&buf, arena, 1 << 20);
        cd_base32_encode(&buf, bytes);
        must(cd_buf_view(&buf, &written) == CD_OK);
        must(cd_base32_decode(arena, written, &again) == CD_OK && cd_str_eq(bytes, again));
}

static void try_code(cd_str text)
{
        char code[CD_TOTP_DIGITS];

        if (cd_totp_read(text, code))
                for (size_t i = 0; i < sizeof(code); i++)
                        must(code[i] >= '0' && code[i] <= '9');
}

static void try_cookie(struct cd_arena *arena, cd_str text)
{
        const struct cd_session_lookup lookup = { .sessions = &sessions };
        struct cd_live_token live;
        struct cd_pending_login pending;
        struct cd_session session;

        must(cd_session_find(&sessions, arena, text, &session, NULL) == CD_INVALID_TOKEN);
        must(cd_pending_login_find(&sessions, arena, text, &pending, NULL) == CD_INVALID_TOKEN);
        must(cd_personal_token_look_in_cache(&lookup, arena, text, 0, &live, NULL) == CD_INVALID_TOKEN);
        must(cd_personal_token_look_up(&lookup, arena, text, CD_STR(""), &live, NULL) == CD_INVALID_TOKEN);
}

/* What is read is read again as the same, and cannot end a line of the cache. */
static void try_limit(struct cd_arena *arena, cd_str text, size_t kind)
{
        struct cd_personal_token_params params = { 0 }, again = { 0 };
        cd_str *const given[] = { &params.hosts, &params.paths, &params.methods, &params.networks };
        cd_str *const written[] = { &again.hosts, &again.paths, &again.methods, &again.networks };
        struct cd_personal_token token = { 0 }, same = { 0 };
        const struct cd_strs *const read[] = { &token.hosts, &token.paths, &token.methods, &token.networks };
        struct cd_error err = { 0 };

        *given[kind] = text;
        if (cd_personal_token_read_limits(arena, &params, &token, &err) != CD_OK) {
                must(err.reason[0] && err.field[0]);
                return;
        }
        must(read[kind]->count <= CD_PERSONAL_TOKEN_ITEMS_MAX);
        for (size_t i = 0; i < read[kind]->count; i++) {
                cd_str item = read[kind]->items[i];
                must(item.len && !cd_str_has_control(item) && cd_str_is_utf8(item));
                *written[kind] = item;
                must(cd_personal_token_read_limits(arena, &again, &same, NULL) == CD_OK);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char mac[CD_RECOVERY_MAC_TEXT];
        struct cd_arena arena;

        if (size == 0)
                return 0;
        if (!master)
                set_up();
        cd_str rest = cd_str_of((const char *)data + 1, size - 1);
        cd_arena_init(&arena, 8 << 20);
        switch (data[0]) {
        case 'o':
                try_uri(&arena, rest);
                break;
        case 'b':
                try_base32(&arena, rest);
                break;
        case 'c':
                try_code(rest);
                break;
        case 'r':
                (void)cd_recovery_mac_of(recovery_codes, CD_STR("ana"), rest, mac);
                break;
        case 's':
                try_cookie(&arena, rest);
                break;
        case 'l':
                for (size_t kind = 0; kind < 4; kind++)
                        try_limit(&arena, rest, kind);
                break;
        }
        cd_arena_done(&arena);
        return 0;
}
