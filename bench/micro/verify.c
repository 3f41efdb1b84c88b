/* How many distinct ES256 access tokens libcardea verifies in a second of one core: bench/micro/verify [seconds] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cardea.h"
#include "crypto/jwt.h"

enum {
        TOKENS_PER_SECOND = 40000, /* made beforehand, so that none comes twice; a faster machine begins anew */
};

static struct bench {
        struct cd_arena arena;
        struct cd_jwk *key;
        cd_str *tokens;
        size_t count;
        char path[64];
        cardea_verifier *verifier;
} bench;

/* Microseconds of processor time, as `openssl speed` counts: what other processes take does not show. */
static int64_t cpu_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void must(bool is_good, const char *what)
{
        if (is_good)
                return;
        fprintf(stderr, "verify: %s failed\n", what);
        if (bench.path[0])
                (void)unlink(bench.path);
        exit(1);
}

static void make_tokens(size_t count)
{
        struct cd_claims claims = {
                .iss = CD_STR("http://localhost:5001"),
                .sub = CD_STR("alice@example.com"),
                .aud = CD_STR("http://localhost:5002"),
                .client_id = CD_STR("1234"),
                .scope = CD_STR("current_time epoch_time"),
                .iat = time(NULL),
        };

        claims.exp = claims.iat + 86400;
        bench.tokens = calloc(count, sizeof(*bench.tokens));
        must(bench.tokens, "memory");
        for (bench.count = 0; bench.count < count; bench.count++) {
                claims.jti = cd_arena_printf(&bench.arena, "b1Y3cK0n3mXwq%09zu", bench.count);
                must(cd_jwt_sign(&bench.arena, bench.key, CD_STR("at+jwt"), &claims, &bench.tokens[bench.count],
                                 NULL) == CD_OK,
                     "signing");
        }
}

static void write_keys(void)
{
        char memory[4096];
        struct cd_jwks keys = { 0 };
        struct cd_buf buf;
        cd_str text;

        cd_buf_init_fixed(&buf, memory, sizeof(memory));
        must(cd_jwks_add(&keys, bench.key, NULL) == CD_OK, "set");
        cd_jwks_write(&keys, &buf);
        must(cd_buf_view(&buf, &text) == CD_OK, "set");
        cd_jwks_done(&keys);
        strcpy(bench.path, "/tmp/cardea-bench-XXXXXX");
        int fd = mkstemp(bench.path);
        must(fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len, "file of keys");
        close(fd);
}

static void verify(cd_str token)
{
        cardea_claims *claims;

        must(cardea_verify(bench.verifier, token.ptr, token.len, &claims, NULL) == CARDEA_OK, "verification");
        cardea_claims_free(claims);
}

int main(int argc, char **argv)
{
        cardea_options options = CARDEA_OPTIONS_INIT;
        double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;

        cd_arena_init(&bench.arena, SIZE_MAX / 2);
        must(cd_jwk_generate(CD_ALG_ES256, &bench.key, NULL) == CD_OK, "key");
        make_tokens((size_t)(seconds * TOKENS_PER_SECOND) + 1);
        write_keys();
        options.jwks = bench.path;
        options.issuer = "http://localhost:5001";
        options.audience = "http://localhost:5002";
        must(cardea_verifier_new(&options, &bench.verifier, NULL) == CARDEA_OK, "verifier");
        must(cardea_refresh(bench.verifier, NULL) == CARDEA_OK, "reading the keys");

        int64_t start = cpu_us(), now = start;
        size_t done = 0;
        while ((double)(now - start) < seconds * 1e6) {
                for (int i = 0; i < 64; i++, done++)
                        verify(bench.tokens[done % bench.count]);
                now = cpu_us();
        }
        printf("{\"verifications_per_second\":%.1f,\"microseconds\":%.2f,\"token_bytes\":%zu}\n",
               (double)done * 1e6 / (double)(now - start), (double)(now - start) / (double)done, bench.tokens[0].len);
        cardea_verifier_free(bench.verifier);
        (void)unlink(bench.path);
        free(bench.tokens);
        cd_jwk_unref(bench.key);
        cd_arena_done(&bench.arena);
        return 0;
}
