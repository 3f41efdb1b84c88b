/* cardea key: the keys that sign tokens. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/context.h"
#include "cmd/key.h"

enum {
        JSON_MAX = 1024 * 1024, /* bytes of all public keys */
};

/* The arguments of an action; each action has options for some of them. */
struct ask {
        const char *alg, *bits, *kid;
        bool now, json, pem;
};

/* --- generate, rotate --------------------------------------------------------------------------------------------- */

typedef cd_status make_fn(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                          struct cd_key_record *ret, struct cd_error *reterr);

static bool read_params(const struct ask *ask, const char *command, struct cd_key_params *ret)
{
        *ret = (struct cd_key_params){ .at_once = ask->now };
        if (ask->alg && (ret->alg = cd_alg_from_name(cd_str_from_c(ask->alg))) == CD_ALG_NONE) {
                cd_usage_error(command, "--alg must be ES256, RS256 or EdDSA, not \"%s\"", ask->alg);
                return false;
        }
        if (ask->bits && strcmp(ask->bits, "2048") != 0 && strcmp(ask->bits, "3072") != 0) {
                cd_usage_error(command, "--bits must be 2048 or 3072, not \"%s\"", ask->bits);
                return false;
        }
        ret->rsa_bits = ask->bits && ask->bits[0] == '3' ? 3072 : 2048;
        return true;
}

/* Prints the error, and how to fix it. */
static int fail_with(const char *command, const struct cd_error *why, const char *fix)
{
        struct cd_error err = { 0 };

        (void)cd_failf(&err, why->status, cd_str_from_c(why->field), "%s; %s", why->reason, fix);
        return cd_context_fail(command, &err);
}

static const char *fix_of(struct cd_context *context, make_fn *make, const struct cd_key_params *params,
                          cd_status status)
{
        if (status == CD_NOT_FOUND) {
                cd_str fix = cd_arena_printf(&context->arena, "make the first one: cardea key generate --alg %.*s",
                                             CD_STR_ARG(cd_alg_name(params->alg)));
                return fix.ptr ? fix.ptr : "make the first one: cardea key generate";
        }
        return make == cd_keyring_rotate
                       ? "nothing needs to be done until then; --now makes another key that signs at once"
                       : "to replace it: cardea key rotate";
}

static int make_key(struct cd_context *context, const struct ask *ask, make_fn *make)
{
        struct cd_key_params params;
        struct cd_keyring ring;
        struct cd_key_record key;
        struct cd_error err = { 0 };

        if (!read_params(ask, context->command, &params))
                return CD_EXIT_USAGE;
        if (params.alg == CD_ALG_NONE)
                params.alg = cd_config_alg(&context->admin.config);
        if (ask->bits && params.alg != CD_ALG_RS256)
                return cd_usage_error(context->command, "--bits is for RS256 only");
        cd_status status = cd_admin_keyring(&context->admin, &ring, &err);
        if (status == CD_OK)
                status = make(&ring, &context->arena, &params, &key, &err);
        if (status == CD_NOT_FOUND || status == CD_EXISTS)
                return fail_with(context->command, &err, fix_of(context, make, &params, status));
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "%.*s key %.*s generated; it signs from %.*s on", CD_STR_ARG(key.alg),
                      CD_STR_ARG(key.kid), CD_STR_ARG(cd_time_text(&context->arena, key.sign_from)));
        return CD_EXIT_OK;
}

#define MAKE_OPTIONS                                                                                                   \
        CD_VALUE(struct ask, alg, "--alg", 0, "ALG", "ES256, RS256 or EdDSA; tokens.alg if not given",                 \
                 .choices = "ES256 RS256 EdDSA"),                                                                      \
                CD_VALUE(struct ask, bits, "--bits", 0, "N",                                                           \
                         "the size of an RSA key: 2048 or 3072; 2048 if not given", .choices = "2048 3072")

static int generate(struct cd_context *context, void *p)
{
        struct ask *ask = p;

        ask->now = true;
        return make_key(context, ask, cd_keyring_generate);
}

static const struct cd_option generate_options[] = { MAKE_OPTIONS, { 0 } };

static const struct cd_command key_generate = {
        .name = "generate",
        .summary = "generate the first key of an algorithm",
        .about =
                "Generates the first key of an algorithm, which signs at once. If there is a key already, use \"cardea "
                "key rotate\".",
        .examples = "cardea key generate\ncardea key generate --alg RS256 --bits 3072",
        .exit_codes = "4 there is a key already",
        .options = generate_options,
        .ask_size = sizeof(struct ask),
        .act = generate,
};

static int rotate(struct cd_context *context, void *ask)
{
        return make_key(context, ask, cd_keyring_rotate);
}

static const struct cd_option rotate_options[] = {
        MAKE_OPTIONS,
        CD_FLAG(struct ask, now, "--now", 0,
                "sign with the new key at once, because others may know the previous one. A verifier that caches the "
                "JWKS rejects new tokens until it fetches it again"),
        { 0 },
};

static const struct cd_command key_rotate = {
        .name = "rotate",
        .summary = "generate the next key, which signs in an hour",
        .about = "Generates the next key of an algorithm. It is published at once and signs in an hour, when every "
                 "verifier that caches the JWKS has fetched it. The previous key stays published until its last token "
                 "has expired. Servers need no restart.",
        .examples = "cardea key rotate\ncardea key rotate --now",
        .exit_codes = "3 there is no key of that algorithm yet\n4 there is a next key already",
        .options = rotate_options,
        .ask_size = sizeof(struct ask),
        .act = rotate,
};

/* --- list, export ------------------------------------------------------------------------------------------------- */

struct listed {
        struct cd_key_record key;
        cd_str state;
};

static const struct cd_column columns[] = {
        CD_COLUMN("kid", "KID", NULL, TEXT, struct listed, key.kid),
        CD_COLUMN("alg", "ALG", NULL, TEXT, struct listed, key.alg),
        CD_COLUMN("state", "STATE", NULL, TEXT, struct listed, state),
        CD_COLUMN("created_at", "CREATED", NULL, TIME, struct listed, key.created_at),
        CD_COLUMN("sign_from", "SIGNS FROM", NULL, TIME, struct listed, key.sign_from),
        CD_COLUMN("verify_until", "VERIFIES UNTIL", NULL, TIME, struct listed, key.verify_until),
        { 0 },
};

static int list_keys(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_key_records keys;
        struct cd_keyring ring;
        struct cd_error err = { 0 };
        struct cd_list list;

        if (cd_admin_keyring(&context->admin, &ring, &err) != CD_OK ||
            context->by.store->keys->list(context->by.store, &context->arena, &keys, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_list_begin(&list, columns, ask->json);
        for (size_t i = 0; i < keys.count; i++)
                cd_list_add(&list, &(struct listed){ keys.items[i], cd_key_state(&keys, &keys.items[i], ring.now) });
        return cd_list_end(&list) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static const struct cd_option list_options[] = {
        CD_FLAG(struct ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

static const struct cd_command key_list = {
        .name = "list",
        .summary = "list the keys and their states",
        .about = "Prints the keys with their states: a \"next\" key is published and signs later, a \"signing\" key "
                 "signs, a \"verifying\" key signs no more but its tokens are valid, a \"retired\" key does neither. "
                 "Times are UTC.",
        .examples = "cardea key list",
        .options = list_options,
        .ask_size = sizeof(struct ask),
        .act = list_keys,
};

/* The keys that are published now, or the one with that kid, in the order of the list. */
static cd_status read_exported(struct cd_context *context, const char *kid, struct cd_key_records *ret,
                               struct cd_error *reterr)
{
        struct cd_keyring ring;
        size_t count = 0;

        cd_status status = cd_admin_keyring(&context->admin, &ring, reterr);
        if (status == CD_OK)
                status = context->by.store->keys->list(context->by.store, &context->arena, ret, reterr);
        if (status != CD_OK)
                return status;
        for (size_t i = 0; i < ret->count; i++)
                if (kid ? cd_str_eq_c(ret->items[i].kid, kid) : cd_key_is_published(&ret->items[i], ring.now))
                        ret->items[count++] = ret->items[i];
        ret->count = count;
        if (kid && !count)
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR(""), "there is no key \"%s\"", kid);
        return CD_OK;
}

/* Prints what the server publishes now at GET /.well-known/jwks.json. */
static int print_jwks(const struct cd_key_records *keys)
{
        struct cd_buf buf;

        cd_buf_init(&buf, NULL, JSON_MAX);
        cd_buf_add(&buf, CD_STR("{\"keys\":["));
        for (size_t i = 0; i < keys->count; i++) {
                if (i)
                        cd_buf_add_char(&buf, ',');
                cd_buf_add(&buf, keys->items[i].public_jwk);
        }
        cd_buf_add(&buf, CD_STR("]}\n"));
        return cd_json_print(&buf) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

/* A program that reads PEM uses one key of a file, so exactly one is exported: the first of several would be an
 * arbitrary choice. */
static int print_pem(struct cd_context *context, const struct cd_key_records *keys)
{
        struct cd_error err = { 0 };
        struct cd_jwk *jwk;
        struct cd_buf buf;
        cd_str pem;

        if (!keys->count) {
                cd_print_line(stderr,
                              "cardea %s: the store has no key that is published; make one: cardea key generate",
                              context->command);
                return CD_EXIT_NOT_FOUND;
        }
        if (keys->count != 1) {
                fprintf(stderr, "cardea %s: %zu keys are published, but PEM holds only one; select it with --kid:\n",
                        context->command, keys->count);
                for (size_t i = 0; i < keys->count; i++)
                        fprintf(stderr, "  %.*s  %.*s\n", CD_STR_ARG(keys->items[i].kid),
                                CD_STR_ARG(keys->items[i].alg));
                return CD_EXIT_USAGE;
        }
        cd_status status = cd_keyring_read_public(&keys->items[0], &jwk, &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        status = cd_jwk_write_public_pem(jwk, &context->arena, &pem, &err);
        cd_jwk_unref(jwk);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_buf_init(&buf, NULL, JSON_MAX);
        cd_buf_add(&buf, pem);
        return cd_json_print(&buf) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static int export_keys(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_key_records keys;
        struct cd_error err = { 0 };

        if (read_exported(context, ask->kid, &keys, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return ask->pem ? print_pem(context, &keys) : print_jwks(&keys);
}

static const struct cd_option export_options[] = {
        CD_VALUE(struct ask, kid, "--kid", 0, "KID", "only this key", .names = CD_NAMES_KEY),
        CD_FLAG(struct ask, pem, "--pem", 0,
                "one key as PEM (SubjectPublicKeyInfo), for verifiers that cannot read a JWKS; if several keys are "
                "published, --kid is required"),
        { 0 },
};

static const struct cd_command key_export = {
        .name = "export",
        .summary = "print the public keys as a JWKS, or one as PEM",
        .about =
                "Prints the published keys, or one of them, as a JSON Web Key Set, for verifiers that cannot fetch it. "
                "Private keys never leave the store.",
        .examples = "cardea key export\ncardea key export --pem",
        .exit_codes = "3 the key does not exist",
        .options = export_options,
        .ask_size = sizeof(struct ask),
        .act = export_keys,
};

/* --- retire ------------------------------------------------------------------------------------------------------- */

static int retire_key(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_keyring ring;
        struct cd_error err = { 0 };

        cd_status status = cd_admin_keyring(&context->admin, &ring, &err);
        if (status == CD_OK)
                status = cd_keyring_retire(&ring, &context->arena, cd_str_from_c(ask->kid), &err);
        if (status == CD_NOT_FOUND)
                return fail_with(context->command, &err, "cardea key list shows the ids of all keys");
        if (status == CD_INVALID_REQUEST)
                return fail_with(context->command, &err,
                                 "cardea key rotate --now makes another key that signs at once");
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "key %s retired; its tokens are no longer valid", ask->kid);
        return CD_EXIT_OK;
}

static const struct cd_argument retire_arguments[] = {
        { "KID", offsetof(struct ask, kid), .help = "the id of the key", .names = CD_NAMES_KEY },
        { 0 },
};

static const struct cd_command key_retire = {
        .name = "retire",
        .summary = "retire a key and end all its tokens",
        .about = "Retires a key that does not sign: it is no longer published, and its tokens are no longer valid. To "
                 "retire the signing key, first run \"cardea key rotate --now\".",
        .examples = "cardea key retire pk8P-3ExampleKid",
        .exit_codes = "2 the command line or the configuration is wrong, or the key signs\n3 the key does not exist",
        .arguments = retire_arguments,
        .ask_size = sizeof(struct ask),
        .act = retire_key,
};

static const struct cd_command *const actions[] = { &key_generate, &key_list,   &key_rotate,
                                                    &key_retire,   &key_export, &cd_key_rotate_master,
                                                    NULL };

const struct cd_command cd_cmd_key = {
        .name = "key",
        .summary = "generate, rotate and retire the keys that sign tokens",
        .about = "A running server applies every change within a second.",
        .actions = actions,
};
