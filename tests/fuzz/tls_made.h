// SPDX-License-Identifier: MIT
// Certificates and keys that the targets of TLS make for themselves: none is kept in a file.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "fuzz.h"

// A key and the certificate of it, with that of the one who has signed.
struct made {
    EVP_PKEY *key;
    X509 *certificate;
};

static inline void made_extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    MUST(extension && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

// by: NULL: itself, an authority. Its key stays the caller's.
static inline struct made made_new(const char *name, EVP_PKEY *key, const struct made *by)
{
    struct made made = {.key = key, .certificate = X509_new()};
    const X509 *above = by ? by->certificate : made.certificate;
    EVP_PKEY *signer = by ? by->key : key;
    bool is_edwards = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;

    MUST(key && made.certificate);
    MUST(X509_set_version(made.certificate, X509_VERSION_3) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), by ? 2 : 1) == 1);
    MUST(X509_gmtime_adj(X509_getm_notBefore(made.certificate), -86400));
    MUST(X509_gmtime_adj(X509_getm_notAfter(made.certificate), 86400 * 90L));
    MUST(X509_NAME_add_entry_by_txt(X509_get_subject_name(made.certificate), "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0) == 1);
    MUST(X509_set_issuer_name(made.certificate, X509_get_subject_name(above)) == 1);
    MUST(X509_set_pubkey(made.certificate, key) == 1);
    made_extend(made.certificate, NID_basic_constraints, by ? "CA:FALSE" : "critical,CA:TRUE");
    if (by) {
        made_extend(made.certificate, NID_subject_alt_name, "DNS:localhost,DNS:*.one.localhost");
        made_extend(made.certificate, NID_ext_key_usage, "serverAuth");
    }
    MUST(X509_sign(made.certificate, signer, is_edwards ? NULL : EVP_sha256()) > 0);
    return made;
}

// What was written to a memory BIO; freed with it. Returns an owned text.
static inline char *made_text(BIO *bio)
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    char *text = n > 0 ? strndup(data, (size_t)n) : strdup("");

    MUST(text);
    BIO_free(bio);
    return text;
}

static inline char *made_chain_text(const struct made *made, const struct made *above)
{
    BIO *bio = BIO_new(BIO_s_mem());

    MUST(PEM_write_bio_X509(bio, made->certificate) == 1);
    MUST(!above || PEM_write_bio_X509(bio, above->certificate) == 1);
    return made_text(bio);
}

static inline char *made_key_text(const struct made *made, const EVP_CIPHER *cipher)
{
    static unsigned char passphrase[] = "x";
    BIO *bio = BIO_new(BIO_s_mem());

    MUST(PEM_write_bio_PrivateKey(bio, made->key, cipher, cipher ? passphrase : NULL,
                                  cipher ? 1 : 0, NULL, NULL) == 1);
    return made_text(bio);
}
