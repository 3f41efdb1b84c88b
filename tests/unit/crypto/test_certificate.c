/* Certificates that sign themselves: what is in them, and which names they take. */
#include "fixture.h"

#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/certificate.h"

enum {
        NOW = 1790000000, /* 2026-09-21 */
        DAY = 86400,
};

static X509 *read_certificate(cd_str pem)
{
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        BIO_free(bio);
        assert_non_null(x509);
        return x509;
}

static X509 *make(struct fixture *f, const cd_str *names, size_t count, int64_t days, cd_str *ret_key)
{
        struct cd_certificate_spec spec = { .names = { names, count }, .now = NOW, .days = days };
        cd_str certificate;

        assert_ok(cd_certificate_self_signed(&spec, &f->arena, &certificate, ret_key, &f->err));
        return read_certificate(certificate);
}

static void a_certificate_holds_its_names_and_no_others(void **state)
{
        struct fixture *f = *state;
        const cd_str names[] = { CD_STR_INIT("auth.example.org"), CD_STR_INIT("*.apps.example.org"),
                                 CD_STR_INIT("192.0.2.7"), CD_STR_INIT("2001:db8::1") };
        cd_str key;
        X509 *x509 = make(f, names, CD_LEN(names), 30, &key);
        char cn[100];

        assert_int_equal(X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, cn, sizeof(cn)), 16);
        assert_string_equal(cn, "auth.example.org");
        assert_int_equal(X509_check_host(x509, "auth.example.org", 0, 0, NULL), 1);
        assert_int_equal(X509_check_host(x509, "wiki.apps.example.org", 0, 0, NULL), 1);
        assert_int_equal(X509_check_host(x509, "example.org", 0, 0, NULL), 0);
        assert_int_equal(X509_check_ip_asc(x509, "192.0.2.7", 0), 1);
        assert_int_equal(X509_check_ip_asc(x509, "2001:db8:0::1", 0), 1);
        assert_int_equal(X509_check_ip_asc(x509, "192.0.2.8", 0), 0);
        X509_free(x509);
}

static void a_certificate_is_of_a_server_and_verifies_itself_and_its_key(void **state)
{
        struct fixture *f = *state;
        const cd_str name = CD_STR("localhost");
        cd_str pem;
        X509 *x509 = make(f, &name, 1, 30, &pem);
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

        assert_non_null(key);
        assert_string_equal(EVP_PKEY_get0_type_name(key), "EC");
        assert_int_equal(X509_check_private_key(x509, key), 1);
        assert_int_equal(X509_verify(x509, key), 1);
        assert_int_equal(X509_get_version(x509), 2);
        assert_int_equal(X509_check_purpose(x509, X509_PURPOSE_SSL_SERVER, 0), 1);
        assert_int_equal(X509_check_purpose(x509, X509_PURPOSE_SSL_CLIENT, 0), 0);
        assert_int_equal(X509_check_ca(x509), 0);
        assert_int_equal(X509_get_key_usage(x509), KU_DIGITAL_SIGNATURE);
        assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(x509)), 16);
        EVP_PKEY_free(key);
        BIO_free(bio);
        X509_free(x509);
}

static void a_certificate_lasts_as_long_as_asked(void **state)
{
        struct fixture *f = *state;
        const cd_str name = CD_STR("localhost");
        cd_str key;
        X509 *x509 = make(f, &name, 1, 30, &key);

        assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x509), NOW - 3600), 0);
        assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x509), NOW + 30 * DAY), 0);
        X509_free(x509);
}

static void no_two_certificates_have_one_serial_number_or_key(void **state)
{
        struct fixture *f = *state;
        const cd_str name = CD_STR("localhost");
        cd_str first_key, second_key;
        X509 *first = make(f, &name, 1, 30, &first_key), *second = make(f, &name, 1, 30, &second_key);

        assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(first), X509_get0_serialNumber(second)), 0);
        assert_false(cd_str_eq(first_key, second_key));
        X509_free(first);
        X509_free(second);
}

static void a_name_that_no_certificate_can_hold_is_refused(void **state)
{
        struct fixture *f = *state;
        static const char *const bad[] = { "",       "a b",     "https://a", "a..b",        "-a.org",    "a-.org",
                                           "a.org.", "a.*.org", "*.",        "127.1",       "1.2.3.256", "[::1]",
                                           "::1/64", "a:80",    "a\n.org",   "\xc3\xa4.org" };
        char longest[300];
        cd_str certificate, key;

        for (size_t i = 0; i < CD_LEN(bad); i++) {
                cd_str name = cd_str_from_c(bad[i]);
                struct cd_certificate_spec spec = { .names = { &name, 1 }, .now = NOW, .days = 1 };
                const char *shown = strchr(bad[i], '\n') ? "a\\x0a.org" : bad[i];
                cd_str reason = cd_arena_printf(&f->arena, "\"%s\" is neither a DNS name nor an address", shown);
                assert_refused(cd_certificate_self_signed(&spec, &f->arena, &certificate, &key, &f->err),
                               CD_INVALID_REQUEST, reason.ptr);
        }
        memset(longest, 'a', sizeof(longest));
        cd_str label = cd_str_of(longest, 64);
        struct cd_certificate_spec spec = { .names = { &label, 1 }, .now = NOW, .days = 1 };
        assert_int_equal(cd_certificate_self_signed(&spec, &f->arena, &certificate, &key, NULL), CD_INVALID_REQUEST);
}

static void a_name_too_long_for_the_subject_is_an_alternative_name_all_the_same(void **state)
{
        struct fixture *f = *state;
        char text[80];
        cd_str key;

        memset(text, 'a', sizeof(text));
        text[40] = '.';
        text[79] = '\0';
        cd_str name = cd_str_from_c(text);
        X509 *x509 = make(f, &name, 1, 1, &key);
        assert_int_equal(X509_check_host(x509, text, 0, 0, NULL), 1);
        X509_free(x509);
}

static void days_and_numbers_of_names_have_bounds(void **state)
{
        struct fixture *f = *state;
        cd_str names[CD_CERTIFICATE_NAMES_MAX + 1], certificate, key;

        for (size_t i = 0; i < CD_LEN(names); i++)
                names[i] = CD_STR("localhost");
        struct cd_certificate_spec spec = { .names = { names, CD_LEN(names) }, .now = NOW, .days = 1 };
        assert_refused(cd_certificate_self_signed(&spec, &f->arena, &certificate, &key, &f->err), CD_INVALID_REQUEST,
                       "a certificate has 1 to 64 names");
        spec.names.count = 0;
        assert_int_equal(cd_certificate_self_signed(&spec, &f->arena, &certificate, &key, NULL), CD_INVALID_REQUEST);
        spec.names.count = 1;
        for (int i = 0; i < 2; i++) {
                spec.days = i ? CD_CERTIFICATE_DAYS_MAX + 1 : 0;
                assert_refused(cd_certificate_self_signed(&spec, &f->arena, &certificate, &key, &f->err),
                               CD_INVALID_REQUEST, "a certificate lasts 1 to 3650 days");
        }
}

static void the_names_of_this_host_make_a_certificate(void **state)
{
        struct fixture *f = *state;
        struct cd_certificate_spec spec = { .now = NOW, .days = 1 };
        cd_str certificate, key;
        char host[256];

        assert_ok(cd_certificate_names_of_host(&f->arena, &spec.names, &f->err));
        assert_str(spec.names.items[0], "localhost");
        assert_str(spec.names.items[1], "127.0.0.1");
        assert_str(spec.names.items[2], "::1");
        assert_int_equal(gethostname(host, sizeof(host)), 0);
        if (spec.names.count == 4)
                assert_str(spec.names.items[3], host);
        assert_ok(cd_certificate_self_signed(&spec, &f->arena, &certificate, &key, &f->err));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_certificate_holds_its_names_and_no_others),
                cmocka_unit_test(a_certificate_is_of_a_server_and_verifies_itself_and_its_key),
                cmocka_unit_test(a_certificate_lasts_as_long_as_asked),
                cmocka_unit_test(no_two_certificates_have_one_serial_number_or_key),
                cmocka_unit_test(a_name_that_no_certificate_can_hold_is_refused),
                cmocka_unit_test(a_name_too_long_for_the_subject_is_an_alternative_name_all_the_same),
                cmocka_unit_test(days_and_numbers_of_names_have_bounds),
                cmocka_unit_test(the_names_of_this_host_make_a_certificate),
        };
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
