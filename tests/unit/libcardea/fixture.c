#include "fixture.h"

#include <sched.h>

#include "base/base64.h"

struct fake_source fake_source;
cd_time fake_now;
_Atomic int64_t fake_us;

static cd_time tell_now(const struct cd_clock *clock)
{
        (void)clock;
        return fake_now;
}

static int64_t tell_us(void)
{
        return atomic_load(&fake_us);
}

static cd_status answer(struct cd_source *source, struct cd_arena *arena, cd_str *ret, struct cd_error *reterr)
{
        (void)source;
        atomic_fetch_add(&fake_source.reads, 1);
        while (fake_source.hold && atomic_load(fake_source.hold))
                sched_yield();
        if (!fake_source.text)
                return cd_fail(reterr, fake_source.failure, "the server is down");
        *ret = cd_arena_copy(arena, cd_str_from_c(fake_source.text));
        return CD_OK;
}

static void keep(struct cd_source *source)
{
        (void)source;
        atomic_fetch_add(&fake_source.keeps, 1);
}

cd_str set_of(struct fixture *f, struct cd_jwk *const *keys, size_t count)
{
        struct cd_jwks set = { 0 };
        struct cd_buf buf;
        cd_str text;

        for (size_t i = 0; i < count; i++)
                assert_int_equal(cd_jwks_add(&set, keys[i], NULL), CD_OK);
        cd_buf_init(&buf, &f->arena, 65536);
        cd_jwks_write(&set, &buf);
        assert_int_equal(cd_buf_view(&buf, &text), CD_OK);
        cd_jwks_done(&set);
        return cd_arena_copy(&f->arena, text);
}

/* One reference more to a key that all tests share: making one for RS256 takes most of the time of a test. */
static struct cd_jwk *share(struct cd_jwk **key, enum cd_alg alg)
{
        if (!*key)
                assert_int_equal(cd_jwk_generate(alg, key, NULL), CD_OK);
        return cd_jwk_ref(*key);
}

int setup(void **state)
{
        static struct cd_jwk *es256, *rs256, *eddsa, *next;
        struct fixture *f = calloc(1, sizeof(*f));

        cd_arena_init(&f->arena, 1 << 20);
        f->es256 = share(&es256, CD_ALG_ES256);
        f->rs256 = share(&rs256, CD_ALG_RS256);
        f->eddsa = share(&eddsa, CD_ALG_EDDSA);
        f->next = share(&next, CD_ALG_ES256);
        f->jwks = set_of(f, (struct cd_jwk *[]){ f->es256, f->rs256, f->eddsa }, 3);
        f->jwks_next = set_of(f, &f->next, 1);
        f->options = (cardea_options){
                .size = sizeof(f->options),
                .jwks = "http://127.0.0.1/",
                .issuer = ISSUER,
                .audience = AUDIENCE,
                .refresh_after_ms = AFTER_MS,
                .refresh_gap_ms = GAP_MS,
        };
        fake_source = (struct fake_source){ .text = f->jwks.ptr, .failure = CD_UNAVAILABLE };
        fake_now = NOW;
        atomic_store(&fake_us, 1000000);
        *state = f;
        return 0;
}

int teardown(void **state)
{
        struct fixture *f = *state;

        cardea_claims_free(f->claims);
        cardea_verifier_free(f->verifier);
        cd_jwk_unref(f->es256);
        cd_jwk_unref(f->rs256);
        cd_jwk_unref(f->eddsa);
        cd_jwk_unref(f->next);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

void start(struct fixture *f)
{
        static const struct cd_clock clock = { .now = tell_now };
        const struct cd_verifier_ports ports = { &clock, tell_us, answer, keep };

        assert_code(cd_verifier_new(&f->options, &ports, &f->verifier, &f->err), CARDEA_OK);
}

void pass_ms(int64_t ms)
{
        atomic_fetch_add(&fake_us, ms * 1000);
}

static cd_str encode(struct fixture *f, cd_str bytes)
{
        char *to = cd_arena_alloc(&f->arena, cd_base64url_length(bytes.len) + 1);

        assert_non_null(to);
        return cd_str_of(to, cd_base64url_encode(to, bytes));
}

cd_str forge(struct fixture *f, const struct cd_jwk *key, cd_str header, cd_str payload)
{
        unsigned char signature[CD_SIGNATURE_MAX];
        cd_str h = encode(f, header), p = encode(f, payload);

        cd_str input = cd_arena_printf(&f->arena, "%.*s.%.*s", CD_STR_ARG(h), CD_STR_ARG(p));
        assert_int_equal(cd_signature_make(key, input, signature, NULL), CD_OK);
        cd_str s = encode(f, cd_str_of((const char *)signature, key->signature_size));
        return cd_arena_printf(&f->arena, "%.*s.%.*s", CD_STR_ARG(input), CD_STR_ARG(s));
}

cd_str header_of(struct fixture *f, const struct cd_jwk *key, const char *typ)
{
        cd_str alg = cd_alg_name(key->alg);

        return cd_arena_printf(&f->arena, "{\"typ\":\"%s\",\"alg\":\"%.*s\",\"kid\":\"%.*s\"}", typ, CD_STR_ARG(alg),
                               CD_STR_ARG(key->kid));
}

static cd_str payload_with(struct fixture *f, const char *name, const char *value)
{
        static const char *const claims[][2] = {
                { "iss", "\"" ISSUER "\"" }, { "sub", "\"ana\"" },  { "aud", "\"" AUDIENCE "\"" }, { "exp", "1300" },
                { "iat", "1000" },           { "jti", "\"id-1\"" }, { "client_id", "\"grant\"" },
        };
        cd_str json = CD_STR("");
        bool is_new = value != NULL;

        for (size_t i = 0; i < CD_LEN(claims); i++) {
                bool is_it = name && strcmp(name, claims[i][0]) == 0;
                is_new &= !is_it;
                if (is_it && !value)
                        continue;
                json = cd_arena_printf(&f->arena, "%.*s%s\"%s\":%s", CD_STR_ARG(json), json.len ? "," : "",
                                       claims[i][0], is_it ? value : claims[i][1]);
        }
        if (is_new)
                json = cd_arena_printf(&f->arena, "%.*s,\"%s\":%s", CD_STR_ARG(json), name, value);
        return cd_arena_printf(&f->arena, "{%.*s}", CD_STR_ARG(json));
}

cd_str token_of(struct fixture *f, const struct cd_jwk *key)
{
        return forge(f, key, header_of(f, key, "at+jwt"), payload_with(f, NULL, NULL));
}

cd_str token_with(struct fixture *f, const char *name, const char *value)
{
        return forge(f, f->es256, header_of(f, f->es256, "at+jwt"), payload_with(f, name, value));
}

static cardea_code note(struct fixture *f, cardea_code code, cardea_claims *claims)
{
        if (code == CARDEA_OK) {
                cardea_claims_free(f->claims);
                f->claims = claims;
        }
        return code;
}

cardea_code verify(struct fixture *f, cd_str token)
{
        cardea_claims *claims = NULL;

        cardea_code code = cardea_verify(f->verifier, token.ptr, token.len, &claims, &f->err);
        return note(f, code, claims);
}

cardea_code verify_cached(struct fixture *f, cd_str token)
{
        cardea_claims *claims = NULL;

        cardea_code code = cardea_verify_cached(f->verifier, token.ptr, token.len, &claims, &f->err);
        return note(f, code, claims);
}

void wait_for_background(struct fixture *f)
{
        struct cd_refresher *refresher = &f->verifier->refresher;

        pthread_mutex_lock(&refresher->lock);
        while (refresher->in_background)
                pthread_cond_wait(&refresher->ended, &refresher->lock);
        pthread_mutex_unlock(&refresher->lock);
}
