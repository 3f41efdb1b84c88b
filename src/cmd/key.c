/* cardea key: the keys that sign tokens. */
#include <stdio.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/context.h"

#define CONFIG_HELP "  -c, --config FILE         the server's configuration: names its store and its master key\n"
#define ALG_HELP    "      --alg ALG             ES256, RS256 or EdDSA; what tokens.alg says if not given\n"
#define BITS_HELP   "      --bits N              of an RSA key: 2048 (if not given) or 3072\n"

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
        .summary = "make the first key of an algorithm",
        .help = "Usage: cardea key generate --config FILE [--alg ALG] [--bits N]\n"
                "\n"
                "Makes the first key of an algorithm; it signs at once. Where there is one, rotate it.\n"
                "\n" CONFIG_HELP ALG_HELP BITS_HELP "\n"
                "Exit codes: 0 done, 1 failed at run time, 2 the command line or the configuration is wrong, 4 there "
                "is a "
                "key.\n",
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
        .summary = "make the next key; it is published now and signs in an hour",
        .help = "Usage: cardea key rotate --config FILE [--alg ALG] [--bits N] [--now]\n"
                "\n"
                "Makes the next key of an algorithm. It is published at once and signs in an hour, so that a "
                "verifier that caches the JWKS\n"
                "has it by then. The last one stays published until the last of its tokens has expired. No server is "
                "restarted.\n"
                "\n" CONFIG_HELP ALG_HELP BITS_HELP "      --now                 it signs at once: where the last key "
                "may be known to others. Verifiers that "
                "cache the\n"
                "                            JWKS refuse its tokens until they fetch it again\n"
                "\n"
                "Exit codes: 0 done, 1 failed at run time, 2 the command line or the configuration is wrong, 3 there "
                "is "
                "no key of\n"
                "that algorithm yet, 4 there is a next key already.\n",
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
        table.has_begun = look->json; /* no heading over JSON */
        return cd_text_table_end(&table) && fine ? CD_EXIT_OK : CD_EXIT_FAILED;
}

static int run_list(int argc, char **argv)
{
        return cd_context_look(argc, argv, NULL, list_keys);
}

static const struct cd_command key_list = {
        .name = "list",
        .summary = "list the keys and what each does now",
        .help = "Usage: cardea key list --config FILE [--json]\n"
                "\n"
                "Prints the keys with their states: \"next\" is published and signs later, \"signing\", \"verifying\" "
                "signs no "
                "more but\n"
                "its tokens are valid, \"retired\". Times are UTC.\n"
                "\n" CONFIG_HELP "      --json                one JSON object a line\n"
                "\n"
                "Exit codes: 0 done, 1 failed at run time, 2 the command line or the configuration is wrong.\n",
        .run = run_list,
};

/* The keys that are published now, or the one of that kid, in the order of the list. */
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

/* What the server publishes now, as GET /.well-known/jwks.json does. */
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

/* A program that reads PEM takes one key of a file, so that there is one: of several the first would be as good as
 * random. */
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
                fprintf(stderr, "cardea %s: %zu keys are published, and PEM holds one; name it by --kid:\n",
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
        .summary = "write the public keys as a JWKS, or one as PEM",
        .help = "Usage: cardea key export --config FILE [--kid KID] [--pem]\n"
                "\n"
                "Writes the public keys that are published now, or the one named, as a JSON Web Key Set: for verifiers "
                "that cannot\n"
                "fetch it. No private key leaves the store.\n"
                "\n" CONFIG_HELP "      --kid KID             this key alone\n"
                "      --pem                 one key as PEM (SubjectPublicKeyInfo), for verifiers that read no JWKS; "
                "where several are\n"
                "                            published, name one\n"
                "\n"
                "Exit codes: 0 done, 1 failed at run time, 2 the command line or the configuration is wrong, 3 there "
                "is "
                "no such key.\n",
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
        .summary = "end a key now, with all its tokens",
        .help = "Usage: cardea key retire KID --config FILE\n"
                "\n"
                "Ends a key that does not sign: it is no longer published, and its tokens are no longer valid. The one "
                "that signs "
                "is "
                "first\n"
                "rotated: cardea key rotate --now.\n"
                "\n" CONFIG_HELP "\n"
                "Exit codes: 0 done, 1 failed at run time, 2 the command line or the configuration is wrong, or the "
                "key "
                "signs, 3\n"
                "there is no such key.\n",
        .run = run_retire,
};

static const struct cd_command *const actions[] = { &key_generate, &key_list,   &key_rotate,
                                                    &key_retire,   &key_export, NULL };

const struct cd_command cd_cmd_key = {
        .name = "key",
        .summary = "make, rotate and retire the keys that sign tokens",
        .help = "A running server sees every change within a second.\n",
        .actions = actions,
};
