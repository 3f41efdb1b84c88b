/* cardea key: the keys that sign tokens. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/context.h"
#include "cmd/key.h"

#define ALG_HELP  "      --alg ALG             ES256, RS256 or EdDSA; tokens.alg if not given\n"
#define BITS_HELP "      --bits N              the size of an RSA key: 2048 or 3072; 2048 if not given\n"

enum {
        JSON_MAX = 1024 * 1024, /* bytes of all public keys */
};

/* --- generate, rotate --------------------------------------------------------------------------------------------- */

typedef cd_status make_fn(const struct cd_keyring *ring, struct cd_arena *arena, const struct cd_key_params *params,
                          struct cd_key_record *ret, struct cd_error *reterr);

struct make_ask {
        const char *config, *alg, *bits;
        bool now;
        make_fn *make;
};

static bool read_params(const struct make_ask *ask, const char *command, struct cd_key_params *ret)
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

static const char *fix_of(struct cd_context *context, const struct make_ask *ask, const struct cd_key_params *params,
                          cd_status status)
{
        if (status == CD_NOT_FOUND) {
                cd_str fix = cd_arena_printf(&context->arena, "make the first one: cardea key generate --alg %.*s",
                                             CD_STR_ARG(cd_alg_name(params->alg)));
                return fix.ptr ? fix.ptr : "make the first one: cardea key generate";
        }
        return ask->make == cd_keyring_rotate
                       ? "nothing needs to be done until then; --now makes another key that signs at once"
                       : "to replace it: cardea key rotate";
}

static int make_key(struct cd_context *context, const struct make_ask *ask)
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
                status = ask->make(&ring, &context->arena, &params, &key, &err);
        if (status == CD_NOT_FOUND || status == CD_EXISTS)
                return fail_with(context->command, &err, fix_of(context, ask, &params, status));
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "%.*s key %.*s generated; it signs from %.*s on", CD_STR_ARG(key.alg),
                      CD_STR_ARG(key.kid), CD_STR_ARG(cd_time_text(&context->arena, key.sign_from)));
        return CD_EXIT_OK;
}

static int run_make(int argc, char **argv, const struct cd_option *options, const struct make_ask *ask)
{
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        int code = cd_context_open(&context, argv[0], ask->config);
        if (code == CD_EXIT_OK)
                code = make_key(&context, ask);
        cd_context_close(&context);
        return code;
}

static int run_generate(int argc, char **argv)
{
        struct make_ask ask = { .make = cd_keyring_generate, .now = true };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--alg", .value = &ask.alg },
                                             { .name = "--bits", .value = &ask.bits },
                                             { 0 } };

        return run_make(argc, argv, options, &ask);
}

static const struct cd_command key_generate = {
        .name = "generate",
        .summary = "generate the first key of an algorithm",
        .help = "Usage: cardea key generate --config FILE [--alg ALG] [--bits N]\n"
                "\n"
                "Generates the first key of an algorithm, which signs at once. If there is a key already, use\n"
                "\"cardea key rotate\".\n"
                "\n" CD_CONTEXT_CONFIG_HELP ALG_HELP BITS_HELP "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong, 4\n"
                "there is a key already.\n",
        .run = run_generate,
};

static int run_rotate(int argc, char **argv)
{
        struct make_ask ask = { .make = cd_keyring_rotate };
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &ask.config },
                                             { .name = "--alg", .value = &ask.alg },
                                             { .name = "--bits", .value = &ask.bits },
                                             { .name = "--now", .flag = &ask.now },
                                             { 0 } };

        return run_make(argc, argv, options, &ask);
}

static const struct cd_command key_rotate = {
        .name = "rotate",
        .summary = "generate the next key, which signs in an hour",
        .help = "Usage: cardea key rotate --config FILE [--alg ALG] [--bits N] [--now]\n"
                "\n"
                "Generates the next key of an algorithm. It is published at once and signs in an hour, when every\n"
                "verifier that caches the JWKS has fetched it. The previous key stays published until its last\n"
                "token has expired. Servers need no restart.\n"
                "\n" CD_CONTEXT_CONFIG_HELP ALG_HELP BITS_HELP
                "      --now                 sign with the new key at once, because others may know the previous\n"
                "                            one. A verifier that caches the JWKS rejects new tokens until it\n"
                "                            fetches it again\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong, 3\n"
                "there is no key of that algorithm yet, 4 there is a next key already.\n",
        .run = run_rotate,
};

/* --- list, export ------------------------------------------------------------------------------------------------- */

static const char *const columns[] = { "KID", "ALG", "STATE", "CREATED", "SIGNS FROM", "VERIFIES UNTIL" };

static bool print_key_json(const struct cd_key_record *key, cd_str state)
{
        struct cd_buf buf;

        cd_json_begin(&buf, JSON_MAX, "kid", key->kid);
        cd_json_add_str(&buf, "alg", key->alg);
        cd_json_add_str(&buf, "state", state);
        cd_json_add_time(&buf, "created_at", key->created_at);
        cd_json_add_time(&buf, "sign_from", key->sign_from);
        cd_json_add_time(&buf, "verify_until", key->verify_until);
        return cd_json_end(&buf);
}

static int list_keys(struct cd_context *context, const struct cd_look *look)
{
        struct cd_arena *arena = &context->arena;
        struct cd_key_records keys;
        struct cd_keyring ring;
        struct cd_error err = { 0 };
        struct cd_text_table table;
        bool fine = true;

        if (cd_admin_keyring(&context->admin, &ring, &err) != CD_OK ||
            context->by.store->keys->list(context->by.store, arena, &keys, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_text_table_init(&table, columns, CD_LEN(columns));
        for (size_t i = 0; i < keys.count; i++) {
                const struct cd_key_record *key = &keys.items[i];
                cd_str state = cd_key_state(&keys, key, ring.now);
                const cd_str cells[CD_LEN(columns)] = {
                        key->kid,
                        key->alg,
                        state,
                        cd_time_text(arena, key->created_at),
                        cd_time_text(arena, key->sign_from),
                        cd_time_text(arena, key->verify_until),
                };
                if (look->json)
                        fine = fine && print_key_json(key, state);
                else
                        cd_text_table_add(&table, cells);
        }
        table.has_begun = look->json; /* no heading above JSON */
        return cd_text_table_end(&table) && fine ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static int run_list(int argc, char **argv)
{
        return cd_context_look(argc, argv, NULL, list_keys);
}

static const struct cd_command key_list = {
        .name = "list",
        .summary = "list the keys and their states",
        .help = "Usage: cardea key list --config FILE [--json]\n"
                "\n"
                "Prints the keys with their states: a \"next\" key is published and signs later, a \"signing\"\n"
                "key signs, a \"verifying\" key signs no more but its tokens are valid, a \"retired\" key does\n"
                "neither. Times are UTC.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --json                print one JSON object per line\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong.\n",
        .run = run_list,
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

static int export_keys(struct cd_context *context, const char *kid, bool as_pem)
{
        struct cd_key_records keys;
        struct cd_error err = { 0 };

        if (read_exported(context, kid, &keys, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        return as_pem ? print_pem(context, &keys) : print_jwks(&keys);
}

static int run_export(int argc, char **argv)
{
        const char *config = NULL, *kid = NULL;
        bool as_pem = false;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config },
                                             { .name = "--kid", .value = &kid },
                                             { .name = "--pem", .flag = &as_pem },
                                             { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, NULL, 0))
                return CD_EXIT_USAGE;
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = export_keys(&context, kid, as_pem);
        cd_context_close(&context);
        return code;
}

static const struct cd_command key_export = {
        .name = "export",
        .summary = "print the public keys as a JWKS, or one as PEM",
        .help = "Usage: cardea key export --config FILE [--kid KID] [--pem]\n"
                "\n"
                "Prints the published keys, or one of them, as a JSON Web Key Set, for verifiers that cannot fetch\n"
                "it. Private keys never leave the store.\n"
                "\n" CD_CONTEXT_CONFIG_HELP "      --kid KID             only this key\n"
                "      --pem                 one key as PEM (SubjectPublicKeyInfo), for verifiers that cannot read\n"
                "                            a JWKS; if several keys are published, --kid is required\n"
                "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong, 3\n"
                "the key does not exist.\n",
        .run = run_export,
};

/* --- retire ------------------------------------------------------------------------------------------------------- */

static int retire_key(struct cd_context *context, const char *kid)
{
        struct cd_keyring ring;
        struct cd_error err = { 0 };

        cd_status status = cd_admin_keyring(&context->admin, &ring, &err);
        if (status == CD_OK)
                status = cd_keyring_retire(&ring, &context->arena, cd_str_from_c(kid), &err);
        if (status == CD_NOT_FOUND)
                return fail_with(context->command, &err, "cardea key list shows the ids of all keys");
        if (status == CD_INVALID_REQUEST)
                return fail_with(context->command, &err,
                                 "cardea key rotate --now makes another key that signs at once");
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(stdout, "key %s retired; its tokens are no longer valid", kid);
        return CD_EXIT_OK;
}

static int run_retire(int argc, char **argv)
{
        const char *config = NULL, *kid;
        const struct cd_option options[] = { { .name = "--config", .letter = 'c', .value = &config }, { 0 } };
        struct cd_context context;

        if (!cd_options_parse(argc, argv, options, &kid, 1))
                return CD_EXIT_USAGE;
        if (!kid)
                return cd_usage_error(argv[0], "name a key: cardea key retire KID");
        int code = cd_context_open(&context, argv[0], config);
        if (code == CD_EXIT_OK)
                code = retire_key(&context, kid);
        cd_context_close(&context);
        return code;
}

static const struct cd_command key_retire = {
        .name = "retire",
        .summary = "retire a key and end all its tokens",
        .help = "Usage: cardea key retire KID --config FILE\n"
                "\n"
                "Retires a key that does not sign: it is no longer published, and its tokens are no longer valid.\n"
                "To retire the signing key, first run \"cardea key rotate --now\".\n"
                "\n" CD_CONTEXT_CONFIG_HELP "\n"
                "Exit codes: 0 success, 1 failed at run time, 2 the command line or the configuration is wrong, or\n"
                "the key signs, 3 the key does not exist.\n",
        .run = run_retire,
};

static const struct cd_command *const actions[] = { &key_generate, &key_list,   &key_rotate,
                                                    &key_retire,   &key_export, &cd_key_rotate_master,
                                                    NULL };

const struct cd_command cd_cmd_key = {
        .name = "key",
        .summary = "generate, rotate and retire the keys that sign tokens",
        .help = "A running server applies every change within a second.\n",
        .actions = actions,
};
