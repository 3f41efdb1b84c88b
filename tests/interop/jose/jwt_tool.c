/* What the library does with keys and tokens, on the command line: the other side of test_jose.py. Not installed.
 *   jwt_tool generate ALG                    a private key as PEM
 *   jwt_tool jwks PEM-FILE...                their public keys as a set
 *   jwt_tool sign PEM-FILE TYP < claims      claims as a JSON object, signed by cd_jwt_sign
 *   jwt_tool verify JWKS-FILE TYP ISS AUD NOW < token    the claims as they were read; exit 1 and the reason where it is refused
 *   jwt_tool thumbprint JWK-FILE             the kid of a JWK */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "crypto/jwt.h"

enum {
        INPUT_MAX = 1 << 20
};

static struct cd_arena arena;
static struct cd_error error;

static void must(cd_status status)
{
        if (status == CD_OK)
                return;
        fprintf(stderr, "%.*s: %s\n", CD_STR_ARG(cd_status_name(status)), error.reason);
        exit(1);
}

static cd_str read_all(FILE *file)
{
        char *memory = file ? cd_arena_alloc(&arena, INPUT_MAX) : NULL;
        if (!memory) {
                fprintf(stderr, "cannot read the input\n");
                exit(2);
        }
        return cd_str_of(memory, fread(memory, 1, INPUT_MAX, file));
}

static cd_str read_file(const char *path)
{
        FILE *file = fopen(path, "re");
        cd_str text = read_all(file);
        fclose(file);
        return text;
}

static cd_str read_line(void)
{
        cd_str text = read_all(stdin);
        while (text.len && text.ptr[text.len - 1] == '\n')
                text.len--;
        return text;
}

static struct cd_jwk *read_key(const char *path)
{
        struct cd_jwk *key;
        must(cd_jwk_from_pem(read_file(path), &key, &error));
        return key;
}

static void print(cd_str text)
{
        fwrite(text.ptr, 1, text.len, stdout);
        putchar('\n');
}

static int generate(char **args)
{
        struct cd_jwk *key;
        cd_str pem;

        must(cd_jwk_generate(cd_alg_from_name(cd_str_from_c(args[0])), &key, &error));
        must(cd_jwk_write_pem(key, &arena, &pem, &error));
        fwrite(pem.ptr, 1, pem.len, stdout);
        cd_jwk_unref(key);
        return 0;
}

static int write_jwks(char **args)
{
        struct cd_jwks set = { 0 };
        struct cd_buf buf;
        cd_str text;

        for (; *args; args++) {
                struct cd_jwk *key = read_key(*args);
                must(cd_jwks_add(&set, key, &error));
                cd_jwk_unref(key);
        }
        cd_buf_init(&buf, &arena, INPUT_MAX);
        cd_jwks_write(&set, &buf);
        must(cd_buf_view(&buf, &text));
        print(text);
        cd_jwks_done(&set);
        return 0;
}

static cd_str text_of(const struct cd_json *object, const char *name)
{
        const struct cd_json *member = cd_json_find(object, cd_str_from_c(name));
        return member ? member->text : CD_STR("");
}

static cd_time time_of(const struct cd_json *object, const char *name)
{
        const struct cd_json *member = cd_json_find(object, cd_str_from_c(name));
        int64_t value = 0;
        return member && cd_json_int64(member, &value) ? value : 0;
}

static int sign(char **args)
{
        const struct cd_json *object;
        struct cd_jwk *key = read_key(args[0]);
        cd_str token;

        must(cd_json_parse(&arena, read_line(), CD_JSON_UNIQUE_NAMES, &object, &error));
        struct cd_claims claims = {
                .iss = text_of(object, "iss"),
                .sub = text_of(object, "sub"),
                .aud = text_of(object, "aud"),
                .client_id = text_of(object, "client_id"),
                .scope = text_of(object, "scope"),
                .jti = text_of(object, "jti"),
                .exp = time_of(object, "exp"),
                .iat = time_of(object, "iat"),
                .nbf = time_of(object, "nbf"),
        };
        must(cd_jwt_sign(&arena, key, cd_str_from_c(args[1]), &claims, &token, &error));
        print(token);
        cd_jwk_unref(key);
        return 0;
}

static void add_claim(struct cd_buf *buf, const char *name, cd_str value)
{
        cd_buf_printf(buf, "%c\"%s\":", buf->len ? ',' : '{', name);
        cd_buf_add_json(buf, value);
}

static int verify(char **args)
{
        struct cd_jwks set;
        struct cd_claims claims;
        struct cd_buf buf;
        cd_str text;

        must(cd_jwks_parse(read_file(args[0]), &set, &error));
        const struct cd_jwt_expect expect = {
                .typ = cd_str_from_c(args[1]),
                .iss = cd_str_from_c(args[2]),
                .aud = cd_str_from_c(args[3]),
                .now = strtoll(args[4], NULL, 10),
        };
        must(cd_jwt_verify(&arena, &set, read_line(), &expect, &claims, &error));
        cd_buf_init(&buf, &arena, INPUT_MAX);
        add_claim(&buf, "iss", claims.iss);
        add_claim(&buf, "sub", claims.sub);
        add_claim(&buf, "aud", claims.aud);
        add_claim(&buf, "client_id", claims.client_id);
        add_claim(&buf, "scope", claims.scope);
        add_claim(&buf, "jti", claims.jti);
        cd_buf_printf(&buf, ",\"exp\":%lld,\"iat\":%lld}", (long long)claims.exp, (long long)claims.iat);
        must(cd_buf_view(&buf, &text));
        print(text);
        cd_jwks_done(&set);
        return 0;
}

static int thumbprint(char **args)
{
        const struct cd_json *object;
        struct cd_jwk *key;

        must(cd_json_parse(&arena, read_file(args[0]), CD_JSON_UNIQUE_NAMES, &object, &error));
        must(cd_jwk_from_json(&arena, object, &key, &error));
        print(cd_jwk_kid(key));
        cd_jwk_unref(key);
        return 0;
}

static const struct command {
        const char *name;
        int args; /* at least so many */
        int (*run)(char **args);
} commands[] = {
        { "generate", 1, generate }, { "jwks", 1, write_jwks },       { "sign", 2, sign },
        { "verify", 5, verify },     { "thumbprint", 1, thumbprint },
};

int main(int argc, char **argv)
{
        cd_arena_init(&arena, 16 << 20);
        for (size_t i = 0; i < CD_LEN(commands); i++)
                if (argc >= 2 + commands[i].args && strcmp(argv[1], commands[i].name) == 0) {
                        int code = commands[i].run(argv + 2);
                        cd_arena_done(&arena);
                        return code;
                }
        fprintf(stderr, "usage: jwt_tool generate|jwks|sign|verify|thumbprint ...\n");
        return 2;
}
