#include "crypto/certificate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "crypto/random.h"

enum {
        DAY = 24 * 60 * 60,
        SKEW = 60 * 60,
        DNS_NAME_MAX = 253, /* RFC 1035 §2.3.4, as text */
        DNS_LABEL_MAX = 63,
        COMMON_NAME_MAX = 64, /* RFC 5280 appendix A.1, ub-common-name */
        SERIAL_SIZE = 16,     /* bytes; at most 20 (RFC 5280 §4.1.2.2) */
        X509_V3 = 2,
};

/* ---- names ---- */

static bool is_label(cd_str label)
{
        for (size_t i = 0; i < label.len; i++) {
                char c = label.ptr[i];
                bool is_edge = i == 0 || i == label.len - 1;
                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' &&
                    (c != '-' || is_edge))
                        return false;
        }
        return label.len > 0 && label.len <= DNS_LABEL_MAX;
}

static bool is_dns_name(cd_str name)
{
        if (name.len == 0 || name.len > DNS_NAME_MAX)
                return false;
        if (cd_str_has_prefix(name, CD_STR("*.")))
                name = cd_str_slice(name, 2, name.len);
        for (;;) {
                size_t dot = cd_str_index(name, '.');
                if (!is_label(cd_str_slice(name, 0, dot)))
                        return false;
                if (dot == name.len)
                        return true;
                name = cd_str_slice(name, dot + 1, name.len);
        }
}

/* Length of the address in bytes, 4 or 16; 0 if the text is not an IP address. */
static int parse_ip(cd_str name, unsigned char to[16])
{
        char z[INET6_ADDRSTRLEN];

        if (name.len == 0 || name.len >= sizeof(z))
                return 0;
        memcpy(z, name.ptr, name.len);
        z[name.len] = '\0';
        return inet_pton(AF_INET, z, to) == 1 ? 4 : inet_pton(AF_INET6, z, to) == 1 ? 16 : 0;
}

static bool is_all_digits_and_dots(cd_str name)
{
        for (size_t i = 0; i < name.len; i++)
                if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9'))
                        return false;
        return true;
}

/* "127.1" is a mistyped address, not a name. */
static bool is_name(cd_str name)
{
        unsigned char bytes[16];

        return parse_ip(name, bytes) || (is_dns_name(name) && !is_all_digits_and_dots(name));
}

static cd_status check_spec(const struct cd_certificate_spec *spec, struct cd_error *reterr)
{
        if (spec->names.count == 0 || spec->names.count > CD_CERTIFICATE_NAMES_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("names"), "a certificate has 1 to %d names",
                                CD_CERTIFICATE_NAMES_MAX);
        if (spec->days < 1 || spec->days > CD_CERTIFICATE_DAYS_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("days"), "a certificate lasts 1 to %d days",
                                CD_CERTIFICATE_DAYS_MAX);
        for (size_t i = 0; i < spec->names.count; i++)
                if (!is_name(spec->names.items[i]))
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("names"),
                                        "\"%.*s\" is neither a DNS name nor an IP address",
                                        CD_STR_ARG(cd_str_slice(spec->names.items[i], 0, 100)));
        return CD_OK;
}

cd_status cd_certificate_names_of_host(struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr)
{
        static const cd_str fixed[] = { CD_STR_INIT("localhost"), CD_STR_INIT("127.0.0.1"), CD_STR_INIT("::1") };
        cd_str *names = cd_arena_calloc(arena, CD_LEN(fixed) + 1, sizeof(*names));
        char host[DNS_NAME_MAX + 2] = "";
        size_t count = CD_LEN(fixed);

        if (!names)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the names");
        memcpy(names, fixed, sizeof(fixed));
        if (gethostname(host, sizeof(host) - 1) != 0)
                host[0] = '\0';
        cd_str name = cd_str_from_c(host);
        if (is_name(name) && !cd_str_eq_nocase(name, fixed[0])) {
                names[count] = cd_arena_copy(arena, name);
                if (!names[count++].ptr)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the names");
        }
        *ret = (struct cd_strs){ names, count };
        return CD_OK;
}

/* ---- the certificate ---- */

static void free_names(GENERAL_NAMES **names)
{
        GENERAL_NAMES_free(*names);
}

static void free_name(GENERAL_NAME **name)
{
        GENERAL_NAME_free(*name);
}

static bool add_alternative_name(GENERAL_NAMES *names, cd_str text)
{
        unsigned char bytes[16];
        int size = parse_ip(text, bytes);
        __attribute__((cleanup(free_name))) GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *value = size ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

        if (!name || !value) {
                ASN1_STRING_free(value);
                return false;
        }
        GENERAL_NAME_set0_value(name, size ? GEN_IPADD : GEN_DNS, value);
        if (!ASN1_STRING_set(value, size ? (const void *)bytes : text.ptr, size ? size : (int)text.len) ||
            !sk_GENERAL_NAME_push(names, name))
                return false;
        name = NULL;
        return true;
}

static bool set_alternative_names(X509 *x509, struct cd_strs texts)
{
        __attribute__((cleanup(free_names))) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

        for (size_t i = 0; i < texts.count; i++)
                if (!names || !add_alternative_name(names, texts.items[i]))
                        return false;
        return X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1;
}

static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX context;

        X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        bool ok = extension && X509_add_ext(x509, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        return ok;
}

static bool set_serial(X509 *x509)
{
        unsigned char bytes[SERIAL_SIZE];

        if (cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes)) != CD_OK)
                return false;
        bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always of full length */
        BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
        bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
        BN_free(number);
        return ok;
}

static bool set_subject(X509 *x509, cd_str name)
{
        return X509_NAME_add_entry_by_NID(X509_get_subject_name(x509), NID_commonName, MBSTRING_ASC,
                                          (const unsigned char *)name.ptr, (int)name.len, -1, 0) == 1;
}

static bool begin(X509 *x509, const struct cd_certificate_spec *spec, EVP_PKEY *key)
{
        return X509_set_version(x509, X509_V3) == 1 && set_serial(x509) &&
               ASN1_TIME_set(X509_getm_notBefore(x509), spec->now - SKEW) &&
               ASN1_TIME_set(X509_getm_notAfter(x509), spec->now + spec->days * DAY) && X509_set_pubkey(x509, key) == 1;
}

/* Derived from the key, so that two CAs never have the same name, and a CA that keeps its key keeps its name. */
static bool set_ca_subject(X509 *ca)
{
        unsigned char digest[EVP_MAX_MD_SIZE];
        char name[sizeof(CD_CERTIFICATE_CA_NAME) + 16];
        unsigned size = 0;

        if (X509_pubkey_digest(ca, EVP_sha256(), digest, &size) != 1)
                return false;
        snprintf(name, sizeof(name), CD_CERTIFICATE_CA_NAME " %02x%02x%02x%02x", digest[0], digest[1], digest[2],
                 digest[3]);
        return set_subject(ca, cd_str_from_c(name));
}

static bool fill_ca(X509 *ca, const struct cd_certificate_spec *spec, EVP_PKEY *key)
{
        return begin(ca, spec, key) && set_ca_subject(ca) && X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
               add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
               add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
               add_extension(ca, ca, NID_subject_key_identifier, "hash") && X509_sign(ca, key, EVP_sha256()) > 0;
}

/* A name that is too long for a CN is only in the subjectAltName, which is what clients check (RFC 6125 §6.4.4). */
static bool fill_leaf(X509 *leaf, X509 *ca, const struct cd_certificate_spec *spec, EVP_PKEY *key, EVP_PKEY *ca_key)
{
        cd_str first = spec->names.items[0];

        return begin(leaf, spec, key) && set_subject(leaf, first.len > COMMON_NAME_MAX ? CD_STR("Cardea") : first) &&
               X509_set_issuer_name(leaf, X509_get_subject_name(ca)) == 1 && set_alternative_names(leaf, spec->names) &&
               add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
               add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature") &&
               add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") &&
               add_extension(leaf, ca, NID_subject_key_identifier, "hash") &&
               add_extension(leaf, ca, NID_authority_key_identifier, "keyid:always") &&
               X509_sign(leaf, ca_key, EVP_sha256()) > 0;
}

/* ---- as text ---- */

static void free_bio(BIO **bio)
{
        BIO_free(*bio); /* wipes its contents */
}

/* Copies what was written to the BIO into the arena; ptr is NULL on failure. */
static cd_str copy_of(BIO *bio, bool written, struct cd_arena *arena)
{
        char *text = NULL;
        long len = written ? BIO_get_mem_data(bio, &text) : 0;

        return len > 0 ? cd_arena_copy(arena, cd_str_of(text, (size_t)len)) : (cd_str){ NULL, 0 };
}

static cd_str certificate_text(X509 *x509, struct cd_arena *arena)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new(BIO_s_mem());

        return copy_of(bio, bio && PEM_write_bio_X509(bio, x509) == 1, arena);
}

static cd_str key_text(EVP_PKEY *key, struct cd_arena *arena)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new(BIO_s_mem());

        return copy_of(bio, bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, arena);
}

static void free_key(EVP_PKEY **key)
{
        EVP_PKEY_free(*key);
}

static void free_x509(X509 **x509)
{
        X509_free(*x509);
}

static EVP_PKEY *new_key(void)
{
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

/* Never prompts for a password. */
static EVP_PKEY *read_key(cd_str pem)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);

        return bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
}

static cd_status make_all(const struct cd_certificate_spec *spec, EVP_PKEY *ca_key, struct cd_arena *arena,
                          struct cd_certificate_set *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(free_key))) EVP_PKEY *key = spec->key.len ? read_key(spec->key) : new_key();
        __attribute__((cleanup(free_x509))) X509 *ca = X509_new();
        __attribute__((cleanup(free_x509))) X509 *leaf = X509_new();

        if (spec->key.len && !key) {
                ERR_clear_error();
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("key"), "holds no private key in PEM");
        }
        if (key && ca && leaf && fill_ca(ca, spec, ca_key) && fill_leaf(leaf, ca, spec, key, ca_key)) {
                const struct cd_certificate_set set = {
                        .ca = certificate_text(ca, arena),
                        .ca_key = key_text(ca_key, arena),
                        .certificate = certificate_text(leaf, arena),
                        .key = key_text(key, arena),
                };
                if (set.ca.ptr && set.ca_key.ptr && set.certificate.ptr && set.key.ptr) {
                        *ret = set;
                        return CD_OK;
                }
        }
        ERR_clear_error();
        return cd_fail(reterr, CD_UNAVAILABLE, "the certificate could not be generated");
}

cd_status cd_certificate_make(const struct cd_certificate_spec *spec, struct cd_arena *arena,
                              struct cd_certificate_set *ret, struct cd_error *reterr)
{
        cd_status status = check_spec(spec, reterr);

        if (status != CD_OK)
                return status;
        __attribute__((cleanup(free_key))) EVP_PKEY *ca_key = spec->ca_key.len ? read_key(spec->ca_key) : new_key();
        if (spec->ca_key.len && (!ca_key || !EVP_PKEY_is_a(ca_key, "EC"))) {
                ERR_clear_error();
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("ca_key"), "contains no EC private key in PEM");
        }
        return ca_key ? make_all(spec, ca_key, arena, ret, reterr)
                      : cd_fail(reterr, CD_UNAVAILABLE, "the certificate could not be generated");
}

/* ---- reading ---- */

/* The name as text; empty if it is of another type or memory is exhausted. */
static cd_str alternative_name_text(const GENERAL_NAME *name, struct cd_arena *arena)
{
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
        char text[INET6_ADDRSTRLEN];

        if (type == GEN_DNS)
                return cd_arena_copy(arena, cd_str_of((const char *)ASN1_STRING_get0_data(value),
                                                      (size_t)ASN1_STRING_length(value)));
        if (type != GEN_IPADD || (ASN1_STRING_length(value) != 4 && ASN1_STRING_length(value) != 16) ||
            !inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), text,
                       sizeof(text)))
                return CD_STR("");
        return cd_arena_copy(arena, cd_str_from_c(text));
}

static X509 *read_x509(BIO *bio)
{
        return bio ? PEM_read_bio_X509(bio, NULL, NULL, (void *)"") : NULL;
}

static cd_str find_signer(X509 *x509, BIO *authorities, struct cd_arena *arena)
{
        for (;;) {
                __attribute__((cleanup(free_x509))) X509 *ca = read_x509(authorities);
                if (!ca)
                        return CD_STR("");
                if (X509_verify(x509, X509_get0_pubkey(ca)) == 1)
                        return certificate_text(ca, arena);
        }
}

cd_str cd_certificate_find_issuer(cd_str certificate, cd_str authorities, struct cd_arena *arena)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new_mem_buf(certificate.ptr, (int)certificate.len);
        __attribute__((cleanup(free_bio))) BIO *list = BIO_new_mem_buf(authorities.ptr, (int)authorities.len);
        __attribute__((cleanup(free_x509))) X509 *x509 = read_x509(bio);
        cd_str found = x509 ? find_signer(x509, list, arena) : CD_STR("");

        ERR_clear_error();
        return found;
}

bool cd_certificate_is_for(cd_str pem, cd_str host)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        __attribute__((cleanup(free_x509))) X509 *x509 = read_x509(bio);
        char name[DNS_NAME_MAX + 1];

        ERR_clear_error();
        if (!x509 || !host.len || host.len > DNS_NAME_MAX)
                return true;
        memcpy(name, host.ptr, host.len);
        name[host.len] = '\0';
        int matches = X509_check_ip_asc(x509, name, 0);
        if (matches == -2) /* not an address */
                matches = X509_check_host(x509, name, host.len, 0, NULL);
        ERR_clear_error();
        return matches != 0;
}

static bool is_by_us(const X509 *x509)
{
        char issuer[128] = "";

        X509_NAME_get_text_by_NID(X509_get_issuer_name(x509), NID_commonName, issuer, sizeof(issuer));
        return cd_str_has_prefix(cd_str_from_c(issuer), CD_STR(CD_CERTIFICATE_CA_NAME " "));
}

cd_status cd_certificate_read_names(cd_str pem, struct cd_arena *arena, struct cd_strs *ret, struct cd_error *reterr)
{
        __attribute__((cleanup(free_bio))) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        __attribute__((cleanup(free_x509))) X509 *x509 = read_x509(bio);
        __attribute__((cleanup(free_names))) GENERAL_NAMES *names = NULL;

        ERR_clear_error();
        if (!x509)
                return cd_fail(reterr, CD_MALFORMED, "contains no certificate");
        if (!is_by_us(x509))
                return cd_fail(reterr, CD_INVALID_REQUEST,
                               "was not made by cardea cert; renew it with the CA that issued it");
        names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
        int count = sk_GENERAL_NAME_num(names); /* -1 if there are none */
        if (count < 1 || count > CD_CERTIFICATE_NAMES_MAX)
                return cd_fail(reterr, CD_MALFORMED, "contains no names");
        cd_str *texts = cd_arena_calloc(arena, (size_t)count, sizeof(*texts));
        for (int i = 0; texts && i < count; i++) {
                texts[i] = alternative_name_text(sk_GENERAL_NAME_value(names, i), arena);
                if (!texts[i].len)
                        return cd_fail(reterr, CD_MALFORMED,
                                       "contains a name that is neither a DNS name nor an IP address");
        }
        *ret = (struct cd_strs){ texts, texts ? (size_t)count : 0 };
        return texts ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the names");
}
