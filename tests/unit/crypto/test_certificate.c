/* Certificates and the authorities that sign them: what is in them, and which names they take. */
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

#define OTHER_CERTIFICATE                                                                                              \
        "-----BEGIN CERTIFICATE-----\n"                                                                                \
        "MIIBgTCCASegAwIBAgIUabLpoqDUsANycFSX16DJ++aY1PMwCgYIKoZIzj0EAwIw\n"                                           \
        "FjEUMBIGA1UEAwwLQ2FyZGVhIENBZmUwHhcNMjYxMTI5MDQ1ODU4WhcNMzYxMTI2\n"                                           \
        "MDQ1ODU4WjAWMRQwEgYDVQQDDAtDYXJkZWEgQ0FmZTBZMBMGByqGSM49AgEGCCqG\n"                                           \
        "SM49AwEHA0IABErnd7BXD8kSWNB4YOCq2xhquvRPSLZ0ECOwFYajKk0wIKw6a1mY\n"                                           \
        "9LBAjsFUKfD0MI4PNaaToAYSlj5eyb3Vg2mjUzBRMB0GA1UdDgQWBBR9q1whsk/j\n"                                           \
        "gOB0KpAUbJq6bVTsIzAfBgNVHSMEGDAWgBR9q1whsk/jgOB0KpAUbJq6bVTsIzAP\n"                                           \
        "BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDmmhAIr5eId3Rmmcy5\n"                                           \
        "HLlqA0Fyfuoq+XVKujOOPpkZsQIgAUuR8vgQU09v6Fgqs8F/Tws33J86W+YmdUgP\n"                                           \
        "Lkh/Ew0=\n"                                                                                                   \
        "-----END CERTIFICATE-----\n"

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
        struct cd_certificate_set set;

        assert_ok(cd_certificate_make(&spec, &f->arena, &set, &f->err));
        *ret_key = set.key;
        return read_certificate(set.certificate);
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

static void a_certificate_is_of_a_server_and_fits_its_key(void **state)
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
        assert_int_equal(X509_verify(x509, key), 0); /* it does not sign itself */
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

static const cd_str localhost = CD_STR_INIT("localhost");

static void an_authority_signs_it_and_lasts_as_long(void **state)
{
        struct fixture *f = *state;
        const struct cd_certificate_spec spec = { .names = { &localhost, 1 }, .now = NOW, .days = 30 };
        struct cd_certificate_set set;

        assert_ok(cd_certificate_make(&spec, &f->arena, &set, &f->err));
        X509 *ca = read_certificate(set.ca), *leaf = read_certificate(set.certificate);
        assert_int_equal(X509_verify(leaf, X509_get0_pubkey(ca)), 1);
        assert_int_equal(X509_verify(ca, X509_get0_pubkey(ca)), 1);
        assert_int_equal(X509_check_issued(ca, leaf), X509_V_OK);
        assert_int_equal(X509_check_ca(ca), 1);
        assert_int_equal(X509_get_pathlen(ca), 0);
        assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
        assert_int_equal(ASN1_TIME_compare(X509_get0_notBefore(ca), X509_get0_notBefore(leaf)), 0);
        assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(ca), X509_get0_notAfter(leaf)), 0);
        assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(ca), X509_get0_serialNumber(leaf)), 0);
        assert_false(cd_str_eq(set.key, set.ca_key));
        X509_free(ca);
        X509_free(leaf);
}

static void an_authority_that_keeps_its_key_keeps_its_name(void **state)
{
        struct fixture *f = *state;
        struct cd_certificate_spec spec = { .names = { &localhost, 1 }, .now = NOW, .days = 30 };
        struct cd_certificate_set first, again, other;

        assert_ok(cd_certificate_make(&spec, &f->arena, &first, &f->err));
        assert_ok(cd_certificate_make(&spec, &f->arena, &other, &f->err));
        spec.ca_key = first.ca_key;
        assert_ok(cd_certificate_make(&spec, &f->arena, &again, &f->err));
        X509 *ca = read_certificate(first.ca), *leaf = read_certificate(again.certificate),
             *third = read_certificate(other.ca);
        assert_int_equal(X509_check_issued(ca, leaf), X509_V_OK);
        assert_int_equal(X509_verify(leaf, X509_get0_pubkey(ca)), 1);
        assert_true(cd_str_eq(first.ca_key, again.ca_key));
        assert_int_not_equal(X509_NAME_cmp(X509_get_subject_name(ca), X509_get_subject_name(third)), 0);
        X509_free(ca);
        X509_free(leaf);
        X509_free(third);
}

static void a_key_that_is_given_is_kept(void **state)
{
        struct fixture *f = *state;
        struct cd_certificate_spec spec = { .names = { &localhost, 1 }, .now = NOW, .days = 30 };
        struct cd_certificate_set first, again;

        assert_ok(cd_certificate_make(&spec, &f->arena, &first, &f->err));
        spec.key = first.key;
        assert_ok(cd_certificate_make(&spec, &f->arena, &again, &f->err));
        X509 *one = read_certificate(first.certificate), *other = read_certificate(again.certificate);
        assert_true(cd_str_eq(first.key, again.key));
        assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(one), X509_get0_pubkey(other)), 1);
        X509_free(one);
        X509_free(other);
        spec.key = first.certificate;
        assert_refused(cd_certificate_make(&spec, &f->arena, &again, &f->err), CD_INVALID_REQUEST,
                       "holds no private key in PEM");
        assert_string_equal(f->err.field, "key");
}

static void the_authority_that_signed_is_found_in_a_list(void **state)
{
        struct fixture *f = *state;
        const struct cd_certificate_spec spec = { .names = { &localhost, 1 }, .now = NOW, .days = 30 };
        struct cd_certificate_set first, other;

        assert_ok(cd_certificate_make(&spec, &f->arena, &first, &f->err));
        assert_ok(cd_certificate_make(&spec, &f->arena, &other, &f->err));
        cd_str both = cd_arena_printf(&f->arena, "%.*s%.*s", CD_STR_ARG(other.ca), CD_STR_ARG(first.ca));
        assert_true(cd_str_eq(cd_certificate_find_issuer(first.certificate, both, &f->arena), first.ca));
        assert_true(cd_str_eq(cd_certificate_find_issuer(other.certificate, both, &f->arena), other.ca));
        assert_int_equal(cd_certificate_find_issuer(first.certificate, other.ca, &f->arena).len, 0);
        assert_int_equal(cd_certificate_find_issuer(first.certificate, CD_STR(""), &f->arena).len, 0);
        assert_int_equal(cd_certificate_find_issuer(CD_STR("none"), both, &f->arena).len, 0);
}

static void what_is_no_key_of_an_authority_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cd_certificate_spec spec = { .names = { &localhost, 1 }, .now = NOW, .days = 30 };
        struct cd_certificate_set set;
        cd_str rsa;

        assert_ok(cd_jwk_write_pem(f->rs256, &f->arena, &rsa, &f->err));
        const cd_str bad[] = { CD_STR("x"), rsa };
        for (size_t i = 0; i < CD_LEN(bad); i++) {
                spec.ca_key = bad[i];
                assert_refused(cd_certificate_make(&spec, &f->arena, &set, &f->err), CD_INVALID_REQUEST,
                               "contains no EC private key in PEM");
                assert_string_equal(f->err.field, "ca_key");
        }
}

static void the_names_of_a_certificate_can_be_read_again(void **state)
{
        struct fixture *f = *state;
        const cd_str names[] = { CD_STR_INIT("auth.example.org"), CD_STR_INIT("*.example.org"),
                                 CD_STR_INIT("192.0.2.7"), CD_STR_INIT("2001:db8::1") };
        const struct cd_certificate_spec spec = { .names = { names, CD_LEN(names) }, .now = NOW, .days = 1 };
        struct cd_certificate_set set;
        struct cd_strs read;

        assert_ok(cd_certificate_make(&spec, &f->arena, &set, &f->err));
        assert_ok(cd_certificate_read_names(set.certificate, &f->arena, &read, &f->err));
        assert_int_equal(read.count, CD_LEN(names));
        for (size_t i = 0; i < CD_LEN(names); i++)
                assert_true(cd_str_eq(read.items[i], names[i]));
}

static void names_of_what_another_authority_signed_are_not_read(void **state)
{
        /* openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj '/CN=Cardea CAfe' */
        static const char other[] = OTHER_CERTIFICATE;
        struct fixture *f = *state;
        const struct cd_certificate_spec spec = { .names = { &localhost, 1 }, .now = NOW, .days = 1 };
        struct cd_certificate_set set;
        struct cd_strs read;

        assert_refused(cd_certificate_read_names(cd_str_from_c(other), &f->arena, &read, &f->err), CD_INVALID_REQUEST,
                       "was not made by cardea cert; renew it with the CA that issued it");
        assert_refused(cd_certificate_read_names(CD_STR("x"), &f->arena, &read, &f->err), CD_MALFORMED,
                       "contains no certificate");
        assert_ok(cd_certificate_make(&spec, &f->arena, &set, &f->err));
        assert_refused(cd_certificate_read_names(set.ca, &f->arena, &read, &f->err), CD_MALFORMED, "contains no names");
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
        struct cd_certificate_set set;

        for (size_t i = 0; i < CD_LEN(bad); i++) {
                cd_str name = cd_str_from_c(bad[i]);
                struct cd_certificate_spec spec = { .names = { &name, 1 }, .now = NOW, .days = 1 };
                const char *shown = strchr(bad[i], '\n') ? "a\\x0a.org" : bad[i];
                cd_str reason = cd_arena_printf(&f->arena, "\"%s\" is neither a DNS name nor an IP address", shown);
                assert_refused(cd_certificate_make(&spec, &f->arena, &set, &f->err), CD_INVALID_REQUEST, reason.ptr);
        }
        memset(longest, 'a', sizeof(longest));
        cd_str label = cd_str_of(longest, 64);
        struct cd_certificate_spec spec = { .names = { &label, 1 }, .now = NOW, .days = 1 };
        assert_int_equal(cd_certificate_make(&spec, &f->arena, &set, NULL), CD_INVALID_REQUEST);
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
        cd_str names[CD_CERTIFICATE_NAMES_MAX + 1];
        struct cd_certificate_set set;

        for (size_t i = 0; i < CD_LEN(names); i++)
                names[i] = CD_STR("localhost");
        struct cd_certificate_spec spec = { .names = { names, CD_LEN(names) }, .now = NOW, .days = 1 };
        assert_refused(cd_certificate_make(&spec, &f->arena, &set, &f->err), CD_INVALID_REQUEST,
                       "a certificate has 1 to 64 names");
        spec.names.count = 0;
        assert_int_equal(cd_certificate_make(&spec, &f->arena, &set, NULL), CD_INVALID_REQUEST);
        spec.names.count = 1;
        for (int i = 0; i < 2; i++) {
                spec.days = i ? CD_CERTIFICATE_DAYS_MAX + 1 : 0;
                assert_refused(cd_certificate_make(&spec, &f->arena, &set, &f->err), CD_INVALID_REQUEST,
                               "a certificate lasts 1 to 3650 days");
        }
}

static void the_names_of_this_host_make_a_certificate(void **state)
{
        struct fixture *f = *state;
        struct cd_certificate_spec spec = { .now = NOW, .days = 1 };
        struct cd_certificate_set set;
        char host[256];

        assert_ok(cd_certificate_names_of_host(&f->arena, &spec.names, &f->err));
        assert_str(spec.names.items[0], "localhost");
        assert_str(spec.names.items[1], "127.0.0.1");
        assert_str(spec.names.items[2], "::1");
        assert_int_equal(gethostname(host, sizeof(host)), 0);
        if (spec.names.count == 4)
                assert_str(spec.names.items[3], host);
        assert_ok(cd_certificate_make(&spec, &f->arena, &set, &f->err));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_certificate_holds_its_names_and_no_others),
                cmocka_unit_test(a_certificate_is_of_a_server_and_fits_its_key),
                cmocka_unit_test(an_authority_signs_it_and_lasts_as_long),
                cmocka_unit_test(an_authority_that_keeps_its_key_keeps_its_name),
                cmocka_unit_test(a_key_that_is_given_is_kept),
                cmocka_unit_test(the_authority_that_signed_is_found_in_a_list),
                cmocka_unit_test(what_is_no_key_of_an_authority_is_refused),
                cmocka_unit_test(the_names_of_a_certificate_can_be_read_again),
                cmocka_unit_test(names_of_what_another_authority_signed_are_not_read),
                cmocka_unit_test(a_certificate_lasts_as_long_as_asked),
                cmocka_unit_test(no_two_certificates_have_one_serial_number_or_key),
                cmocka_unit_test(a_name_that_no_certificate_can_hold_is_refused),
                cmocka_unit_test(a_name_too_long_for_the_subject_is_an_alternative_name_all_the_same),
                cmocka_unit_test(days_and_numbers_of_names_have_bounds),
                cmocka_unit_test(the_names_of_this_host_make_a_certificate),
        };
        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
