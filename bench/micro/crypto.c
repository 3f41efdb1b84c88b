/* What one core does in a second, to hold against `openssl speed`: bench/micro/crypto [seconds for each line] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/jwk_internal.h"
#include "crypto/jwt.h"
#include "crypto/mac.h"

static int64_t duration_us = 1000000;

static struct bench {
        struct cd_arena arena;
        struct cd_jwk *key;
        struct cd_jwks keys;
        struct cd_mac *mac;
        cd_str message, token;
        unsigned char signature[CD_SIGNATURE_MAX];
        struct cd_claims claims;
        struct cd_jwt_expect expect;
} bench = {
        .claims = { .iss = CD_STR_INIT("http://localhost:5001"),
                    .sub = CD_STR_INIT("alice@example.com"),
                    .aud = CD_STR_INIT("http://localhost:5002"),
                    .client_id = CD_STR_INIT("1234"),
                    .scope = CD_STR_INIT("current_time epoch_time"),
                    .jti = CD_STR_INIT("b1Y3cK0n3mXwqZ9fT2LQ8w"),
                    .exp = 2000000300,
                    .iat = 2000000000 },
        .expect = { .typ = CD_STR_INIT("at+jwt"),
                    .iss = CD_STR_INIT("http://localhost:5001"),
                    .aud = CD_STR_INIT("http://localhost:5002"),
                    .now = 2000000100 },
};

/* Microseconds of processor time, as `openssl speed` counts: what other processes take does not show. */
static int64_t cpu_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void must(cd_status status, const char *what)
{
        if (status == CD_OK)
                return;
        fprintf(stderr, "%s failed: %.*s\n", what, CD_STR_ARG(cd_status_name(status)));
        exit(1);
}

/* The signature alone, of a digest's length: what `openssl speed` measures. */
static cd_status sign_raw(void)
{
        return cd_signature_make(bench.key, CD_STR("0123456789abcdef0123456789abcdef"), bench.signature, NULL);
}

static cd_status verify_raw(void)
{
        return cd_signature_check(bench.key, CD_STR("0123456789abcdef0123456789abcdef"),
                                  cd_str_of((const char *)bench.signature, bench.key->signature_size), NULL);
}

static cd_status sign(void)
{
        cd_str token;
        return cd_jwt_sign(&bench.arena, bench.key, CD_STR("at+jwt"), &bench.claims, &token, NULL);
}

static cd_status verify(void)
{
        struct cd_claims claims;
        return cd_jwt_verify(&bench.arena, &bench.keys, bench.token, &bench.expect, &claims, NULL);
}

static cd_status decode(void)
{
        struct cd_claims claims;
        return cd_jwt_decode(&bench.arena, &bench.keys, bench.token, &bench.expect, &claims, NULL);
}

static cd_status hmac(void)
{
        unsigned char sum[CD_MAC_SIZE];
        return cd_mac_sum(bench.mac, bench.message, sum);
}

static cd_status sha256(void)
{
        unsigned char sum[CD_SHA256_SIZE];
        return cd_sha256(bench.message, sum);
}

static void measure(const char *name, cd_status (*once)(void))
{
        int64_t start = cpu_us(), now = start;
        uint64_t count = 0;

        while (now - start < duration_us) {
                for (int i = 0; i < 64; i++, count++) {
                        must(once(), name);
                        cd_arena_reset(&bench.arena);
                }
                now = cpu_us();
        }
        printf("%-24s %10.0f /s %9.2f us\n", name, (double)count * 1e6 / (double)(now - start),
               (double)(now - start) / (double)count);
}

static void measure_alg(enum cd_alg alg)
{
        static const struct {
                const char *name;
                cd_status (*once)(void);
        } lines[] = {
                { "sign", sign_raw },     { "verify", verify_raw }, { "jwt_sign", sign },
                { "jwt_verify", verify }, { "jwt_decode", decode },
        };
        struct cd_arena lasting;
        char name[32];

        cd_arena_init(&lasting, 65536);
        must(cd_jwk_generate(alg, &bench.key, NULL), "key");
        must(cd_jwks_add(&bench.keys, bench.key, NULL), "set");
        must(cd_jwt_sign(&lasting, bench.key, CD_STR("at+jwt"), &bench.claims, &bench.token, NULL), "token");
        printf("# %.*s, token of %zu bytes\n", CD_STR_ARG(cd_alg_name(alg)), bench.token.len);
        for (size_t i = 0; i < CD_LEN(lines); i++) {
                snprintf(name, sizeof(name), "%s %.*s", lines[i].name, CD_STR_ARG(cd_alg_name(alg)));
                measure(name, lines[i].once);
        }
        cd_jwks_done(&bench.keys);
        cd_jwk_unref(bench.key);
        cd_arena_done(&lasting);
}

int main(int argc, char **argv)
{
        char message[256] = { 0 };

        if (argc > 1)
                duration_us = (int64_t)(strtod(argv[1], NULL) * 1e6);
        cd_arena_init(&bench.arena, 65536);
        measure_alg(CD_ALG_ES256);
        measure_alg(CD_ALG_RS256);
        measure_alg(CD_ALG_EDDSA);
        bench.mac = cd_mac_new(CD_STR("0123456789abcdef0123456789abcdef"));
        if (!bench.mac)
                return 1;
        bench.message = cd_str_of(message, sizeof(message));
        measure("hmac_sha256 of 256 B", hmac);
        measure("sha256 of 256 B", sha256);
        bench.message.len = 43;
        measure("hmac_sha256 of 43 B", hmac);
        measure("sha256 of 43 B", sha256);
        cd_mac_free(bench.mac);
        cd_arena_done(&bench.arena);
        return 0;
}
