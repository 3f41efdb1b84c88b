#include "libcardea/verifier.h"

#include <stdlib.h>
#include <string.h>

enum {
        ARENA = 64 * 1024, /* bytes, for the strings in the options */
        STRING_MAX = 4096, /* bytes of one option */
        FILE_AFTER_MS = 1000,
};

const struct cd_verifier_ports cd_verifier_ports_system = {
        .clock = &cd_clock_system,
        .monotonic_us = cd_monotonic_us,
        .read = cd_source_read,
        .keep = cd_source_keep,
};

/* The numeric options, with their bounds and defaults. */
#define NUMBER(member, min, max, fallback)                                                                             \
        {                                                                                                              \
#member, offsetof(cardea_options, member), min, max, fallback                                          \
        }
static const struct {
        const char *name;
        size_t offset;
        int64_t min, max, fallback;
} numbers[] = {
        NUMBER(leeway_s, 0, 300, 0),
        NUMBER(refresh_after_ms, 1000, 86400000, 300000),
        NUMBER(refresh_gap_ms, 100, 3600000, 5000),
        NUMBER(connect_timeout_ms, 10, 60000, 2000),
        NUMBER(timeout_ms, 10, 60000, 5000),
};

static cd_status complete_numbers(cardea_options *options, struct cd_error *reterr)
{
        for (size_t i = 0; i < CD_LEN(numbers); i++) {
                int64_t *value = (int64_t *)(void *)((char *)options + numbers[i].offset);
                if (*value == 0)
                        *value = numbers[i].fallback;
                if (*value < numbers[i].min || *value > numbers[i].max)
                        return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(numbers[i].name),
                                        "%s must be from %lld to %lld", numbers[i].name, (long long)numbers[i].min,
                                        (long long)numbers[i].max);
        }
        return CD_OK;
}

static cd_status check_strings(const cardea_options *options, struct cd_error *reterr)
{
        const struct {
                const char *name, *value;
                bool is_required;
        } strings[] = {
                { "jwks", options->jwks, true },         { "issuer", options->issuer, true },
                { "audience", options->audience, true }, { "typ", options->typ, false },
                { "ca_file", options->ca_file, false },
        };

        for (size_t i = 0; i < CD_LEN(strings); i++) {
                cd_str name = cd_str_from_c(strings[i].name);
                if (!strings[i].value && !strings[i].is_required)
                        continue;
                if (!strings[i].value || !*strings[i].value)
                        return cd_failf(reterr, CD_INVALID_REQUEST, name, "%s is %s", name.ptr,
                                        strings[i].value ? "empty" : "missing");
                if (strnlen(strings[i].value, STRING_MAX) == STRING_MAX)
                        return cd_failf(reterr, CD_INVALID_REQUEST, name, "%s is too long", name.ptr);
        }
        return CD_OK;
}

/* Copies the options of a caller that was compiled with an earlier or later version of cardea.h. */
static cd_status read_options(const cardea_options *options, cardea_options *ret, struct cd_error *reterr)
{
        const unsigned known = CARDEA_ALLOW_HTTP | CARDEA_EAGER | CARDEA_ALLOW_NO_TYP;

        if (!options || options->size == 0 || options->size > sizeof(*options))
                return cd_fail(reterr, CD_INVALID_REQUEST, "the options were made for another version of the library");
        *ret = (cardea_options){ 0 };
        memcpy(ret, options, options->size);
        if (ret->flags & ~known)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("flags"), "a flag is unknown");
        cd_status status = check_strings(ret, reterr);
        return status == CD_OK ? complete_numbers(ret, reterr) : status;
}

static cd_status fill(cardea_verifier *verifier, const cardea_options *options, struct cd_error *reterr)
{
        const struct cd_source_options source = {
                .jwks = cd_str_from_c(options->jwks),
                .ca_file = cd_str_from_c(options->ca_file),
                .connect_timeout_ms = options->connect_timeout_ms,
                .timeout_ms = options->timeout_ms,
                .allow_http = options->flags & CARDEA_ALLOW_HTTP,
        };

        verifier->expect = (struct cd_jwt_expect){
                .typ = cd_arena_copy(&verifier->arena, options->typ ? cd_str_from_c(options->typ) : CD_STR("at+jwt")),
                .iss = cd_arena_copy(&verifier->arena, cd_str_from_c(options->issuer)),
                .aud = cd_arena_copy(&verifier->arena, cd_str_from_c(options->audience)),
                .leeway = options->leeway_s,
                .is_foreign = true,
                .allows_no_typ = options->flags & CARDEA_ALLOW_NO_TYP,
        };
        if (!verifier->expect.typ.ptr || !verifier->expect.iss.ptr || !verifier->expect.aud.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a verifier");
        return cd_source_new(&source, &verifier->source, reterr);
}

cardea_code cd_verifier_new(const cardea_options *given, const struct cd_verifier_ports *ports, cardea_verifier **ret,
                            cardea_error *reterr)
{
        struct cd_error err = { .status = CD_NO_MEMORY, .reason = "no memory for a verifier" };
        cardea_options options;

        if (read_options(given, &options, &err) != CD_OK)
                return cd_code_fail(reterr, &err);
        /* Aligned, because its guards have cache lines of their own. */
        cardea_verifier *verifier =
                aligned_alloc(CD_KEYRING_CACHE_LINE, (sizeof(*verifier) + CD_KEYRING_CACHE_LINE - 1) /
                                                             CD_KEYRING_CACHE_LINE * CD_KEYRING_CACHE_LINE);
        if (!verifier)
                return cd_code_fail(reterr, &err);
        memset(verifier, 0, sizeof(*verifier));
        verifier->ports = *ports;
        cd_arena_init(&verifier->arena, ARENA);
        if (fill(verifier, &options, &err) != CD_OK) {
                cd_arena_done(&verifier->arena);
                free(verifier);
                return cd_code_fail(reterr, &err);
        }
        cd_keyring_init(&verifier->keyring);
        cd_refresher_init(&verifier->refresher,
                          cd_source_is_file(verifier->source) ? FILE_AFTER_MS : options.refresh_after_ms,
                          options.refresh_gap_ms);
        if (options.flags & CARDEA_EAGER)
                cd_refresh_in_background(verifier);
        *ret = verifier;
        return CARDEA_OK;
}

cardea_code cardea_verifier_new(const cardea_options *options, cardea_verifier **ret, cardea_error *reterr)
{
        return cd_verifier_new(options, &cd_verifier_ports_system, ret, reterr);
}

void cardea_verifier_free(cardea_verifier *verifier)
{
        if (!verifier)
                return;
        cd_refresher_done(&verifier->refresher);
        cd_keyring_done(&verifier->keyring);
        cd_source_free(verifier->source);
        cd_arena_done(&verifier->arena);
        free(verifier);
}

cardea_code cardea_refresh(cardea_verifier *verifier, cardea_error *reterr)
{
        struct cd_error err;

        return cd_refresh(verifier, &err) == CD_OK ? CARDEA_OK : cd_code_fail(reterr, &err);
}

int cardea_has_keys(const cardea_verifier *verifier)
{
        return cd_keyring_has_keys(&verifier->keyring);
}

static cardea_code code_of(cd_status status)
{
        switch (status) {
        case CD_OK:
                return CARDEA_OK;
        case CD_INVALID_TOKEN:
        case CD_MALFORMED:
        case CD_TOO_LARGE:
                return CARDEA_INVALID_TOKEN;
        case CD_INVALID_REQUEST:
                return CARDEA_INVALID_OPTION;
        case CD_UNAVAILABLE:
        case CD_TIMEOUT:
                return CARDEA_UNAVAILABLE;
        case CD_NO_MEMORY:
                return CARDEA_NO_MEMORY;
        default:
                return CARDEA_INTERNAL;
        }
}

cardea_code cd_code_fail(cardea_error *reterr, const struct cd_error *error)
{
        cardea_code code = code_of(error->status);

        _Static_assert(sizeof(reterr->reason) >= sizeof(error->reason), "a reason fits");
        if (reterr) {
                reterr->code = code;
                memcpy(reterr->reason, error->reason, sizeof(error->reason));
        }
        return code;
}

const char *cardea_code_name(cardea_code code)
{
        static const char *const names[] = {
                [CARDEA_OK] = "ok",
                [CARDEA_INVALID_TOKEN] = "invalid_token",
                [CARDEA_INVALID_OPTION] = "invalid_option",
                [CARDEA_UNAVAILABLE] = "unavailable",
                [CARDEA_WOULD_BLOCK] = "would_block",
                [CARDEA_NO_MEMORY] = "no_memory",
                [CARDEA_INTERNAL] = "internal",
        };
        return (size_t)code < CD_LEN(names) ? names[code] : "unknown";
}

const char *cardea_version(void)
{
        return CD_VERSION;
}
