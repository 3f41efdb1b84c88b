#include "fixture.h"

#include "crypto/fingerprint.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/tag.h"

static void assert_hex(const unsigned char *bytes, size_t len, const char *want)
{
        char hex[2 * 64 + 1] = "";

        for (size_t i = 0; i < len; i++)
                snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
        assert_string_equal(hex, want);
}

static void assert_mac(cd_str key, cd_str message, const char *want)
{
        unsigned char sum[CD_MAC_SIZE];
        struct cd_mac *mac = cd_mac_new(key);

        assert_non_null(mac);
        for (int i = 0; i < 3; i++) { /* the context is used again from the second time on */
                assert_int_equal(cd_mac_sum(mac, message, sum), CD_OK);
                assert_hex(sum, sizeof(sum), want);
        }
        cd_mac_free(mac);
}

static void hmac_gives_the_examples_of_rfc_4231(void **state)
{
        (void)state;
        assert_mac(CD_STR("Jefe"), CD_STR("what do ya want for nothing?"),
                   "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        char key[131];
        memset(key, 0xaa, sizeof(key));
        assert_mac(cd_str_of(key, sizeof(key)), CD_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
                   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* vectors.h of the authors' reference implementation: the key is 0, 1, … 15, and so are the messages. */
static void a_tag_is_siphash_with_128_bits(void **state)
{
        static const char *const want[] = { "a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45" };
        unsigned char tag[CD_TAG_SIZE];
        struct cd_tag_key key;

        (void)state;
        for (size_t i = 0; i < sizeof(key.bytes); i++)
                key.bytes[i] = (unsigned char)i;
        for (size_t i = 0; i < CD_LEN(want); i++) {
                cd_tag(&key, cd_str_of("", i), tag);
                assert_hex(tag, sizeof(tag), want[i]);
        }
}

static void a_purpose_has_a_key_of_its_own(void **state)
{
        struct cd_tag_key one, again, other;
        struct cd_master_key *master;

        (void)state;
        assert_int_equal(cd_master_key_parse(CD_STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &cd_random_system,
                                             &master, NULL),
                         CD_OK);
        assert_int_equal(cd_tag_key_derive(master, CD_STR("one"), &one), CD_OK);
        assert_int_equal(cd_tag_key_derive(master, CD_STR("one"), &again), CD_OK);
        assert_int_equal(cd_tag_key_derive(master, CD_STR("other"), &other), CD_OK);
        assert_memory_equal(&one, &again, sizeof(one));
        assert_memory_not_equal(&one, &other, sizeof(one));
        cd_master_key_free(master);
}

static void hmac_takes_an_empty_key_and_an_empty_message(void **state)
{
        (void)state;
        assert_mac(CD_STR(""), CD_STR(""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
        assert_mac((cd_str){ NULL, 0 }, (cd_str){ NULL, 0 },
                   "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void sha256_gives_the_examples_of_fips_180(void **state)
{
        unsigned char sum[CD_SHA256_SIZE];

        (void)state;
        for (int i = 0; i < 3; i++) {
                assert_int_equal(cd_sha256(CD_STR("abc"), sum), CD_OK);
                assert_hex(sum, sizeof(sum), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
                assert_int_equal(cd_sha256((cd_str){ NULL, 0 }, sum), CD_OK);
                assert_hex(sum, sizeof(sum), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        }
}

static struct cd_master_key *master_key(char last)
{
        char text[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDA=";
        struct cd_master_key *master = NULL;

        text[41] = last;
        assert_int_equal(cd_master_key_parse(cd_str_from_c(text), &cd_random_system, &master, NULL), CD_OK);
        return master;
}

static void assert_fingerprint(struct cd_fingerprints *fingerprints, cd_str secret, const char *want, bool is_same)
{
        char got[CD_FINGERPRINT_LEN + 1] = "";

        assert_non_null(fingerprints);
        assert_int_equal(cd_fingerprint_of(fingerprints, secret, got), CD_OK);
        assert_int_equal(strspn(got, "0123456789abcdef"), CD_FINGERPRINT_LEN);
        assert_int_equal(strcmp(got, want) == 0, is_same);
        cd_fingerprints_free(fingerprints);
}

/* A plain hash would let anybody who sees it try guesses. */
static void a_fingerprint_needs_the_master_key(void **state)
{
        struct cd_master_key *master = master_key('D'), *other = master_key('T');
        char first[CD_FINGERPRINT_LEN + 1] = "";
        struct cd_fingerprints *fingerprints = cd_fingerprints_new(master);

        (void)state;
        assert_int_equal(cd_fingerprint_of(fingerprints, CD_STR("abc"), first), CD_OK);
        assert_string_not_equal(first, "ba7816bf8f01cfea"); /* SHA-256 */
        assert_fingerprint(fingerprints, CD_STR("abc"), first, true);
        assert_fingerprint(cd_fingerprints_new(master), CD_STR("abc"), first, true);
        assert_fingerprint(cd_fingerprints_new(master), CD_STR("abc "), first, false);
        assert_fingerprint(cd_fingerprints_new(master), CD_STR(""), first, false);
        assert_fingerprint(cd_fingerprints_new(other), CD_STR("abc"), first, false);
        assert_fingerprint(cd_fingerprints_new(NULL), CD_STR("abc"), first, false);
        cd_master_key_free(master);
        cd_master_key_free(other);
}

static void random_bytes_fill_all_of_it_and_differ(void **state)
{
        unsigned char a[64] = { 0 }, b[64] = { 0 };

        (void)state;
        assert_int_equal(cd_random_system.fill(&cd_random_system, a, sizeof(a)), CD_OK);
        assert_int_equal(cd_random_system.fill(&cd_random_system, b, sizeof(b)), CD_OK);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_memory_not_equal(a + 32, (unsigned char[32]){ 0 }, 32);
        assert_int_equal(cd_random_system.fill(&cd_random_system, a, 0), CD_OK);
}

/* Small amounts come from a stock: no byte of it is handed out twice, and its edge is no seam. */
static void small_random_amounts_never_repeat(void **state)
{
        enum {
                DRAWS = 400,
                SIZE = 13
        };
        static unsigned char drawn[DRAWS][SIZE];

        (void)state;
        for (int i = 0; i < DRAWS; i++) {
                assert_int_equal(cd_random_system.fill(&cd_random_system, drawn[i], SIZE), CD_OK);
                for (int k = 0; k < i; k++)
                        assert_memory_not_equal(drawn[i], drawn[k], SIZE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hmac_gives_the_examples_of_rfc_4231),
                cmocka_unit_test(a_tag_is_siphash_with_128_bits),
                cmocka_unit_test(a_purpose_has_a_key_of_its_own),
                cmocka_unit_test(hmac_takes_an_empty_key_and_an_empty_message),
                cmocka_unit_test(sha256_gives_the_examples_of_fips_180),
                cmocka_unit_test(a_fingerprint_needs_the_master_key),
                cmocka_unit_test(random_bytes_fill_all_of_it_and_differ),
                cmocka_unit_test(small_random_amounts_never_repeat),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
