/* The known answers are of Python's argon2, bcrypt, crypt and hashlib, of htpasswd and of openssl passwd. */
#include "support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/password.h"

#define PASSWORD "correct horse \xc3\xbc"

static const struct cd_password_cost least = { .memory = 8192, .iterations = 1 };

static bool random_fails, memory_fails;

static cd_status fill(const struct cd_random *random, void *to, size_t size)
{
        (void)random;
        memset(to, 0, size);
        return random_fails ? CD_UNAVAILABLE : CD_OK;
}

static const struct cd_random zeros = { fill };

int __real_crypto_pwhash(unsigned char *out, unsigned long long out_size, const char *password, unsigned long long size,
                         const unsigned char *salt, unsigned long long passes, size_t memory, int alg);
int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_size, const char *password, unsigned long long size,
                         const unsigned char *salt, unsigned long long passes, size_t memory, int alg);
int __real_crypto_pwhash_str_verify(const char *stored, const char *password, unsigned long long size);
int __wrap_crypto_pwhash_str_verify(const char *stored, const char *password, unsigned long long size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_size, const char *password, unsigned long long size,
                         const unsigned char *salt, unsigned long long passes, size_t memory, int alg)
{
        if (!memory_fails)
                return __real_crypto_pwhash(out, out_size, password, size, salt, passes, memory, alg);
        errno = ENOMEM;
        return -1;
}

int __wrap_crypto_pwhash_str_verify(const char *stored, const char *password, unsigned long long size)
{
        if (!memory_fails)
                return __real_crypto_pwhash_str_verify(stored, password, size);
        errno = ENOMEM;
        return -1;
}

void *__wrap_calloc(size_t count, size_t size)
{
        return memory_fails ? NULL : __real_calloc(count, size);
}

/* One of each form, all of PASSWORD. */
static const char *const known[] = {
        "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$HvGbtoXJ1g/GSKahxd8TmT0458KArkZOybIHBRcRn4k",
        "$argon2id$v=19$m=64,t=2,p=4$MDEyMzQ1Njc4OWFiY2RlZg$67JAkRGwrHLQ2eEKux5J1g",
        "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$in19KwvYgl7Uk9el+BDcg6AuyBZdRxSMiodN1wWIT8I",
        "$2b$04$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcAr2",
        "$2y$04$58LvjnDJD4vzu9/XJkqZ3.W9mWoSM1H7rPFAR3u3omDAAxuRZ5QTy",
        "$2a$04$abcdefghijklmnopqrstuujF7xYRGlruqbhzUFxAkw6PpBCswQb.m",
        /* The same, the bits of the salt's last character that count for nothing set. */
        "$2a$04$abcdefghijklmnopqrstuvjF7xYRGlruqbhzUFxAkw6PpBCswQb.m",
        "$6$saltsalt$39CUoS5DpRehDNj5lpRIRK9uuBCyd.BFvzF9/"
        "YpisXgTEmG8MhP6lVfEY4mn8Wp5GYzzsc2Ckplq1srvTICoh1",
        "$6$rounds=1000$ab$GjRt/nUxR/"
        "cBsbP3D5p0l7tSc.TPcuLiU0hEMgkBDEeIc54TWdGSYf9n0CJK6VzjMPdFrzMmNaNlwujJk74zK1",
        "$y$j75$saltsaltsaltsalt$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$2Dv5tR0ffskSNykvS9oVH1cmMZ2r6jeGoTEkhqqW.EB",
        "$blake2b$000102030405060708090a0b0c0d0e0f$90a124907f16238d7029d0fd124e18fb",
        "$blake2b$000102030405060708090A0B0C0D0E0F$"
        "7a8674e6150faa170b3234ac31f0c8c2b2fb0ce92135507a2703de878eb2cfdf",
        "$blake2b$000102030405060708090a0b0c0d0e0f$"
        "a429c43952320ad0c794c5f004d363d7675595c95c53cde676deb692a66629ee4f7daffcaa9bf533994e74557f608e9faa064d5adb5f4f"
        "4145a3d3a56139328f",
};

static bool matches(const char *stored, cd_str password)
{
        struct cd_error err = { 0 };
        bool is_right = false;

        if (cd_password_verify(cd_str_from_c(stored), password, &is_right, &err) != CD_OK)
                fail_msg("%s: %s", stored, err.reason);
        return is_right;
}

static void a_right_password_matches_every_form(void **state)
{
        (void)state;
        for (size_t i = 0; i < CD_LEN(known); i++) {
                assert_status(cd_password_check_form(cd_str_from_c(known[i]), NULL), CD_OK);
                assert_true(matches(known[i], CD_STR(PASSWORD)));
        }
}

static void a_wrong_password_matches_none(void **state)
{
        (void)state;
        for (size_t i = 0; i < CD_LEN(known); i++) {
                assert_false(matches(known[i], CD_STR("correct horse u")));
                assert_false(matches(known[i], CD_STR(PASSWORD " ")));
        }
}

/* Each of its last characters in turn, which are hash in every form. */
static void a_hash_with_one_character_changed_matches_nothing(void **state)
{
        char stored[CD_PASSWORD_STORED_MAX + 1];

        (void)state;
        for (size_t i = 0; i < CD_LEN(known); i++) {
                size_t len = strlen(known[i]);
                for (size_t at = len - 8; at < len; at++) {
                        bool is_right = false;
                        memcpy(stored, known[i], len + 1);
                        stored[at] = stored[at] == '0' ? '1' : '0';
                        cd_status status = cd_password_verify(cd_str_from_c(stored), CD_STR(PASSWORD), &is_right, NULL);
                        assert_true(status == CD_OK || status == CD_MALFORMED);
                        assert_false(is_right);
                }
        }
}

static void what_cannot_be_a_password_matches_nothing(void **state)
{
        /* The empty password, which Python can hash. */
        static const char empty[] = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
                                    "YdvKnHDNdnx3UXOE4OXsgVckBvuq3gpvrMbEV3UYnbY";
        static const char x[] = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
                                "nExs6F5aSyFdCBFWsDPERSu6Kn58pvJNrPEVy1YGfGk";
        char longest[CD_PASSWORD_MAX + 1];

        (void)state;
        memset(longest, 'a', sizeof(longest));
        assert_false(matches(empty, CD_STR("")));
        /* Nor does it match what is hashed in its place. */
        assert_true(matches(x, CD_STR("x")));
        assert_false(matches(x, CD_STR("")));
        for (size_t i = 0; i < CD_LEN(known); i++) {
                assert_false(matches(known[i], CD_STR(PASSWORD "\0")));
                assert_false(matches(known[i], CD_STR("correct horse \xfc")));
                assert_false(matches(known[i], cd_str_of(longest, sizeof(longest))));
                assert_false(matches(known[i], cd_str_of(longest, CD_PASSWORD_MAX)));
        }
}

static void a_password_is_1_to_1024_bytes_of_utf8_without_nul(void **state)
{
        struct cd_error err;
        char text[CD_PASSWORD_MAX + 1];

        (void)state;
        memset(text, 'a', sizeof(text));
        assert_status(cd_password_check(cd_str_of(text, 1), &err), CD_OK);
        assert_status(cd_password_check(cd_str_of(text, CD_PASSWORD_MAX), &err), CD_OK);
        assert_status(cd_password_check(cd_str_of(text, CD_PASSWORD_MAX + 1), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "the password is longer than 1024 bytes");
        assert_status(cd_password_check(CD_STR(""), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "the password is empty");
        assert_status(cd_password_check(CD_STR("a\0b"), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "the password contains a control character");
        assert_status(cd_password_check(CD_STR("a\tb"), &err), CD_INVALID_REQUEST);
        assert_status(cd_password_check(CD_STR("a\x7f"), &err), CD_INVALID_REQUEST);
        assert_status(cd_password_check(CD_STR("a\xc2\x85"), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "the password contains a control character");
        assert_status(cd_password_check(CD_STR("a\xc2\xa0"), &err), CD_OK);
        assert_status(cd_password_check(CD_STR("\xc3"), &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "the password is not UTF-8");
}

static void bcrypt_looks_at_72_bytes_and_libcrypt_at_511(void **state)
{
        /* Of 72 times "a", and of 511 times "p". */
        static const char bcrypt[] = "$2b$04$V8OWrlj3DCuZkriCONPZiuLQzKzmgPIP2MD9MkpGFlYyqVXRT.kaG";
        static const char sha512[] = "$6$rounds=1000$ab$E8x1hYLKszWmHuxw8mgPYUonw8b3fsRFbmNaleCgzjalgBGrvWOU6r1C7GCV1nM"
                                     "d/nWa8QY5hn.zW.Dbp.B3R0";
        char a[100], p[512];

        (void)state;
        memset(a, 'a', sizeof(a));
        memset(p, 'p', sizeof(p));
        assert_true(matches(bcrypt, cd_str_of(a, 72)));
        assert_true(matches(bcrypt, cd_str_of(a, 100)));
        assert_false(matches(bcrypt, cd_str_of(a, 71)));
        assert_true(matches(sha512, cd_str_of(p, 511)));
        assert_false(matches(sha512, cd_str_of(p, 512)));
}

static void a_new_hash_is_what_python_makes_of_the_same_salt(void **state)
{
        struct cd_arena arena;
        cd_str stored;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(cd_password_hash(&least, &zeros, CD_STR(PASSWORD), &arena, &stored, NULL), CD_OK);
        assert_str(stored, "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                           "eVM1uhziUmOr0KbyRM7kOYlE/tRzqH7mhckWQU1NwpQ");
        assert_true(matches(stored.ptr, CD_STR(PASSWORD)));
        cd_arena_done(&arena);
}

static void two_hashes_of_one_password_have_two_salts(void **state)
{
        struct cd_arena arena;
        cd_str a, b;

        (void)state;
        cd_arena_init(&arena, 4096);
        assert_status(cd_password_hash(&least, &cd_random_system, CD_STR("x"), &arena, &a, NULL), CD_OK);
        assert_status(cd_password_hash(&least, &cd_random_system, CD_STR("x"), &arena, &b, NULL), CD_OK);
        assert_false(cd_str_eq(a, b));
        assert_true(matches(a.ptr, CD_STR("x")) && matches(b.ptr, CD_STR("x")));
        cd_arena_done(&arena);
}

static void lesson_31_hashing_survives_without_randomness_or_memory(void **state)
{
        struct cd_arena arena;
        struct cd_error err;
        cd_str stored = { NULL, 0 };
        bool is_right;

        (void)state;
        cd_arena_init(&arena, 0);
        random_fails = true;
        assert_status(cd_password_hash(&least, &zeros, CD_STR("x"), &arena, &stored, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the random source failed");
        random_fails = false;
        assert_status(cd_password_hash(&least, &zeros, CD_STR("x"), &arena, &stored, &err), CD_NO_MEMORY);
        assert_string_equal(err.reason, "out of memory");
        memory_fails = true;
        cd_status hashed = cd_password_hash(&least, &zeros, CD_STR("x"), &arena, &stored, &err);
        cd_status dummy = cd_password_dummy(&least, CD_STR("x"), NULL);
        cd_status argon2 = cd_password_verify(cd_str_from_c(known[0]), CD_STR(PASSWORD), &is_right, NULL);
        cd_status bcrypt = cd_password_verify(cd_str_from_c(known[3]), CD_STR(PASSWORD), &is_right, NULL);
        memory_fails = false;
        assert_status(hashed, CD_NO_MEMORY);
        assert_string_equal(err.reason, "not enough memory to hash a password");
        assert_status(dummy, CD_NO_MEMORY);
        assert_status(argon2, CD_NO_MEMORY);
        assert_status(bcrypt, CD_NO_MEMORY);
        assert_null(stored.ptr);
        cd_arena_done(&arena);
}

static void a_cost_out_of_bounds_is_refused(void **state)
{
        static const struct cd_password_cost wrong[] = {
                { 8191, 1 }, { (1ll << 30) + 1, 1 }, { 8192, 0 }, { 8192, 65 }
        };
        struct cd_error err;
        struct cd_arena arena;
        cd_str stored;

        (void)state;
        cd_arena_init(&arena, 4096);
        for (size_t i = 0; i < CD_LEN(wrong); i++) {
                assert_status(cd_password_hash(&wrong[i], &zeros, CD_STR("x"), &arena, &stored, &err),
                              CD_INVALID_REQUEST);
                assert_string_equal(err.reason, "the cost of password hashing is out of bounds");
                assert_status(cd_password_dummy(&wrong[i], CD_STR("x"), &err), CD_INVALID_REQUEST);
        }
        assert_status(cd_password_dummy(&least, CD_STR(""), &err), CD_OK);
        cd_arena_done(&arena);
}

static void what_is_foreign_or_too_cheap_needs_a_new_hash(void **state)
{
        static const struct {
                struct cd_password_cost cost;
                bool needs;
        } costs[] = {
                { { 1 << 20, 2 }, false },         { { 1 << 19, 2 }, false }, { { 1 << 20, 1 }, false },
                { { 2 << 20, 2 }, true },          { { 1 << 20, 3 }, true },  { { (1 << 20) + 1023, 2 }, false },
                { { (1 << 20) + 1024, 2 }, true },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(costs); i++)
                assert_int_equal(cd_password_needs_rehash(cd_str_from_c(known[2]), &costs[i].cost), costs[i].needs);
        assert_false(cd_password_needs_rehash(cd_str_from_c(known[0]), &least));
        for (size_t i = 0; i < CD_LEN(known); i++)
                if (i != 0 && i != 2)
                        assert_true(cd_password_needs_rehash(cd_str_from_c(known[i]), &least));
        assert_true(cd_password_needs_rehash(CD_STR(""), &least));
}

/* A password that was written down with it, or an empty one, is a password like any other. */
static void no_password_is_the_one_of_a_user_without_one(void **state)
{
        static const char *const passwords[] = { "*", "", "x", PASSWORD };
        static const char *const others[] = { "", "**", "*0", "*1", " *", "* ", "!", "x" };

        (void)state;
        assert_true(cd_password_is_none(CD_PASSWORD_NONE));
        assert_status(cd_password_check_form(CD_PASSWORD_NONE, NULL), CD_OK);
        for (size_t i = 0; i < CD_LEN(passwords); i++) {
                bool is_right = true;
                assert_status(cd_password_verify(CD_PASSWORD_NONE, cd_str_from_c(passwords[i]), &is_right, NULL),
                              CD_OK);
                assert_false(is_right);
        }
        for (size_t i = 0; i < CD_LEN(others); i++) {
                assert_false(cd_password_is_none(cd_str_from_c(others[i])));
                assert_status(cd_password_check_form(cd_str_from_c(others[i]), NULL), CD_MALFORMED);
        }
        for (size_t i = 0; i < CD_LEN(known); i++)
                assert_false(cd_password_is_none(cd_str_from_c(known[i])));
}

struct refusal {
        const char *stored, *reason;
};

static void check_refusals(const struct refusal *refusals, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct cd_error err = { 0 };
                bool is_right;
                cd_str stored = cd_str_from_c(refusals[i].stored);
                assert_status(cd_password_check_form(stored, &err), CD_MALFORMED);
                assert_string_equal(err.reason, refusals[i].reason);
                assert_status(cd_password_verify(stored, CD_STR("x"), &is_right, NULL), CD_MALFORMED);
        }
}

static void forms_that_are_guessed_too_fast_are_refused_by_name(void **state)
{
        static const struct refusal refusals[] = {
                { "", "the password hash is empty" },
                { "secret", "not a supported password hash; plain-text passwords are not supported" },
                { "$9$what", "not a supported password hash; plain-text passwords are not supported" },
                { "$apr1$OL9XgYG4$ugyZmxyormmyQ7oh2AH.l0",
                  "apr1 MD5 of htpasswd is not supported: it can be guessed too fast; use htpasswd -B" },
                { "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=",
                  "{SHA} of htpasswd is not supported: it has no salt and can be guessed at once; use htpasswd -B" },
                { "{SSHA}x", "{SSHA} is not supported: SHA-1 can be guessed too fast" },
                { "{CRYPT}x", "a hash with a scheme in braces is not supported" },
                { "IofrHIhstQMwE",
                  "13 characters look like DES crypt, which is not supported: it can be guessed at once" },
                { "$1$abc$x", "md5-crypt is not supported: it can be guessed too fast" },
                { "$5$abc$x", "sha256-crypt is not supported, only sha512-crypt ($6$)" },
                { "$pbkdf2$310000$x$y", "PBKDF2 is not supported; add this user with a new password" },
                { "$pbkdf2-sha512$310000$x$y", "PBKDF2 is not supported; add this user with a new password" },
                { "$scrypt$ln=16,r=8,p=1$x$y", "scrypt is not supported; add this user with a new password" },
                { "$bcrypt-sha256$v=2,t=2b,r=12$x$y",
                  "bcrypt-sha256 is not supported; add this user with a new password" },
                { "$7$abc$x", "scrypt is not supported, only yescrypt ($y$)" },
                { "$gy$abc$x", "gost-yescrypt is not supported, only yescrypt ($y$)" },
                { "$2$04$x", "the first bcrypt ($2$) is not supported, only $2a$, $2b$ and $2y$" },
                { "$2x$04$x", "$2x$ is not supported: it marks bcrypt hashes of a faulty program" },
                { "$argon2i$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$QB6iuUkuoGzcCpZFuIruzUskiqinOD9KHDe482aLTUw",
                  "of Argon2, only Argon2id is supported" },
                { "$argon2d$v=19$", "of Argon2, only Argon2id is supported" },
        };

        (void)state;
        check_refusals(refusals, CD_LEN(refusals));
}

#define SALT "$MDEyMzQ1Njc4OWFiY2RlZg"
#define HASH "$HvGbtoXJ1g/GSKahxd8TmT0458KArkZOybIHBRcRn4k"
#define FORM "not of the form $argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash"

static void a_hash_that_costs_too_much_is_refused(void **state)
{
        static const struct refusal refusals[] = {
                { "$argon2id$v=19$m=1048577,t=1,p=1" SALT HASH,
                  "Argon2id is supported with 8 KiB for each lane to 1 GiB in total" },
                { "$argon2id$v=19$m=18446744073709551615,t=1,p=1" SALT HASH,
                  "Argon2id is supported with 8 KiB for each lane to 1 GiB in total" },
                { "$argon2id$v=19$m=7,t=1,p=1" SALT HASH,
                  "Argon2id is supported with 8 KiB for each lane to 1 GiB in total" },
                { "$argon2id$v=19$m=31,t=1,p=4" SALT HASH,
                  "Argon2id is supported with 8 KiB for each lane to 1 GiB in total" },
                { "$argon2id$v=19$m=64,t=65,p=1" SALT HASH, "Argon2id is supported with 1 to 64 passes" },
                { "$argon2id$v=19$m=64,t=0,p=1" SALT HASH, "Argon2id is supported with 1 to 64 passes" },
                { "$argon2id$v=19$m=1024,t=1,p=17" SALT HASH, "Argon2id is supported with 1 to 16 lanes" },
                { "$argon2id$v=19$m=64,t=1,p=0" SALT HASH, "Argon2id is supported with 1 to 16 lanes" },
                { "$2b$16$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcAr2",
                  "bcrypt is supported with cost 4 to 15" },
                { "$2b$31$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcAr2",
                  "bcrypt is supported with cost 4 to 15" },
                { "$2b$03$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcAr2",
                  "bcrypt is supported with cost 4 to 15" },
                { "$6$rounds=1000001$ab$x", "sha512-crypt is supported with 1000 to 1000000 rounds" },
                { "$6$rounds=999$ab$x", "sha512-crypt is supported with 1000 to 1000000 rounds" },
                { "$6$rounds=$ab$x", "sha512-crypt is supported with 1000 to 1000000 rounds" },
                /* 2 GiB; a block too long; lanes and passes of their own; other flavours. */
                { "$y$jGT$salt$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "yescrypt is supported with the settings of crypt_gensalt and up to 1 GiB" },
                { "$y$jzT$salt$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "yescrypt is supported with the settings of crypt_gensalt and up to 1 GiB" },
                { "$y$j9U$salt$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "yescrypt is supported with the settings of crypt_gensalt and up to 1 GiB" },
                { "$y$/9T$salt$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "yescrypt is supported with the settings of crypt_gensalt and up to 1 GiB" },
                { "$y$j9T/.$salt$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "not of the form $y$jNr$salt$hash of yescrypt" },
        };

        (void)state;
        check_refusals(refusals, CD_LEN(refusals));
}

static void a_hash_that_is_not_whole_is_refused(void **state)
{
        static const struct refusal refusals[] = {
                { "$argon2id$", FORM },
                { "$argon2id$v=16$m=64,t=1,p=1" SALT HASH, FORM },
                { "$argon2id$v=19$m=064,t=1,p=1" SALT HASH, FORM },
                { "$argon2id$v=19$m=64,t=1" SALT HASH, FORM },
                { "$argon2id$v=19$m=64,t=1,p=1,x=1" SALT HASH, FORM },
                { "$argon2id$v=19$m=64,t=1,p=1" SALT HASH "$", FORM },
                { "$argon2id$v=19$m=64,t=1,p=1" SALT HASH "=", FORM },
                { "$argon2id$v=19$m=64,t=1,p=1" SALT, FORM },
                { "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZh" HASH, FORM },
                { "$argon2id$v=19$m=64,t=1,p=1$MDEy" HASH, "the Argon2id salt or hash is too short" },
                { "$argon2id$v=19$m=64,t=1,p=1" SALT "$MDEy", "the Argon2id salt or hash is too short" },
                { "$2b$04$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcAr",
                  "not of the form $2b$cost$ and 53 characters of bcrypt" },
                { "$2b$04$V8OWrlj3DCuZkriCONPZiuGvTGv82EqMW8j19z3fgWcvv3cwIcA:2",
                  "not of the form $2b$cost$ and 53 characters of bcrypt" },
                { "$6$", "not of the form $6$[rounds=N$]salt$hash of sha512-crypt" },
                { "$6$rounds=1000", "not of the form $6$[rounds=N$]salt$hash of sha512-crypt" },
                { "$6$salt$x", "not of the form $6$[rounds=N$]salt$hash of sha512-crypt" },
                { "$y$", "not of the form $y$jNr$salt$hash of yescrypt" },
                { "$y$j9T$salt", "not of the form $y$jNr$salt$hash of yescrypt" },
                { "$y$j9T$salt$x", "not of the form $y$jNr$salt$hash of yescrypt" },
                { "$y$j75$s$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "not of the form $y$jNr$salt$hash of yescrypt" },
                { "$y$j75$s2$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "not of the form $y$jNr$salt$hash of yescrypt" },
                { "$y$j75$saE$ZaZTeLuNcLJ4o4YxDKbj4fsL3okKIF5DzQOCs9DQ4X1",
                  "not of the form $y$jNr$salt$hash of yescrypt" },
                { "$blake2b$00$90a124907f16238d7029d0fd124e18fb",
                  "not of the form $blake2b$salt$hash, in hex, of 16 and of 16 to 64 bytes" },
                { "$blake2b$000102030405060708090a0b0c0d0e0f",
                  "not of the form $blake2b$salt$hash, in hex, of 16 and of 16 to 64 bytes" },
                { "$blake2b$000102030405060708090a0b0c0d0e0f$90a124907f16238d7029d0fd124e18f",
                  "not of the form $blake2b$salt$hash, in hex, of 16 and of 16 to 64 bytes" },
                { "$blake2b$000102030405060708090a0b0c0d0e0f$90a124907f16238d7029d0fd124e18fg",
                  "not of the form $blake2b$salt$hash, in hex, of 16 and of 16 to 64 bytes" },
                { "$blake2b$000102030405060708090a0b0c0d0e0f$90a124907f16238d7029d0fd124e18",
                  "not of the form $blake2b$salt$hash, in hex, of 16 and of 16 to 64 bytes" },
        };

        (void)state;
        check_refusals(refusals, CD_LEN(refusals));
}

static void a_hash_that_is_too_long_is_refused(void **state)
{
        char stored[CD_PASSWORD_STORED_MAX + 1];
        struct cd_error err;

        (void)state;
        memset(stored, 'a', sizeof(stored));
        memcpy(stored, "$argon2id$", 10);
        assert_status(cd_password_check_form(cd_str_of(stored, sizeof(stored)), &err), CD_MALFORMED);
        assert_string_equal(err.reason, "the password hash is too long");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_right_password_matches_every_form),
                cmocka_unit_test(a_wrong_password_matches_none),
                cmocka_unit_test(a_hash_with_one_character_changed_matches_nothing),
                cmocka_unit_test(what_cannot_be_a_password_matches_nothing),
                cmocka_unit_test(a_password_is_1_to_1024_bytes_of_utf8_without_nul),
                cmocka_unit_test(bcrypt_looks_at_72_bytes_and_libcrypt_at_511),
                cmocka_unit_test(a_new_hash_is_what_python_makes_of_the_same_salt),
                cmocka_unit_test(two_hashes_of_one_password_have_two_salts),
                cmocka_unit_test(lesson_31_hashing_survives_without_randomness_or_memory),
                cmocka_unit_test(a_cost_out_of_bounds_is_refused),
                cmocka_unit_test(what_is_foreign_or_too_cheap_needs_a_new_hash),
                cmocka_unit_test(no_password_is_the_one_of_a_user_without_one),
                cmocka_unit_test(forms_that_are_guessed_too_fast_are_refused_by_name),
                cmocka_unit_test(a_hash_that_costs_too_much_is_refused),
                cmocka_unit_test(a_hash_that_is_not_whole_is_refused),
                cmocka_unit_test(a_hash_that_is_too_long_is_refused),
        };
        return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
