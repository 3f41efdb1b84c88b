/* A document of keys and a token, both from outside: the text before the first zero byte is what the server of keys
 * answers, what is after it is the token. A token that passes must do so again, and its claims must be readable. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "libcardea/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cd_str document;

static cd_time tell_now(const struct cd_clock *clock)
{
        (void)clock;
        return 1500;
}

static int64_t tell_us(void)
{
        return 1;
}

static cd_status answer(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        (void)source, (void)arena, (void)reterr;
        *ret = document;
        return CD_OK;
}

static void keep(struct cd_source *source)
{
        (void)source;
}

static void must(bool is_so)
{
        if (!is_so)
                abort();
}

static void read_claims(cardea_claims *claims)
{
        struct cd_arena arena;
        const struct cd_json *object;
        size_t len = 0;

        cd_arena_init(&arena, 1 << 20);
        const char *payload = cardea_claims_payload(claims, &len);
        must(strcmp(cardea_claims_issuer(claims), "https://as") == 0 && cardea_claims_expires_at(claims) > 1500);
        must(cd_json_parse(&arena, cd_str_of(payload, len), CD_JSON_UNIQUE_NAMES, &object, NULL) == CD_OK);
        for (const struct cd_json *member = object->child; member; member = member->next) {
                cd_str name = cd_arena_copy(&arena, member->name);
                if (memchr(name.ptr, 0, name.len))
                        continue;
                must(cardea_claims_json(claims, name.ptr, &len) != NULL);
                must((cardea_claims_string(claims, name.ptr, &len) != NULL) == (member->type == CD_JSON_STRING));
        }
        cd_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct cd_clock clock = { .now = tell_now };
        const struct cd_verifier_ports ports = { &clock, tell_us, answer, keep };
        cardea_options options = CARDEA_OPTIONS_INIT;
        cardea_claims *claims = NULL, *again = NULL;
        cardea_verifier *verifier;
        cardea_error err = { 0 };

        cd_str input = cd_str_of((const char *)data, size);
        document = cd_str_slice(input, 0, cd_str_index(input, '\0'));
        if (!document.ptr)
                document.ptr = "";
        cd_str token = cd_str_slice(input, document.len + 1, size);
        options.jwks = "keys.json";
        options.issuer = "https://as";
        options.audience = "https://rs";
        must(cd_verifier_new(&options, &ports, &verifier, NULL) == CARDEA_OK);
        cardea_code code = cardea_verify(verifier, token.ptr, token.len, &claims, &err);
        if (code == CARDEA_OK) {
                read_claims(claims);
                must(cardea_verify_cached(verifier, token.ptr, token.len, &again, NULL) == CARDEA_OK);
                must(strcmp(cardea_claims_payload(claims, NULL), cardea_claims_payload(again, NULL)) == 0);
                cardea_claims_free(again);
                cardea_claims_free(claims);
        } else {
                must(err.reason[0] && memchr(err.reason, 0, sizeof(err.reason)));
                must(cardea_has_keys(verifier) || code != CARDEA_INVALID_TOKEN);
        }
        cardea_verifier_free(verifier);
        return 0;
}
