// SPDX-License-Identifier: MIT
// Certificates, keys and lists of revoked certificates out of files in PEM (RFC 7468), and what is
// wrong with those. They are an administrator's, never a peer's bytes.

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transport/tls/tls_private.h"

void tls_complain(struct tls_complaints *complaints, enum tls_about about, bool is_warning,
                  const char *format, ...)
{
    char text[1024];
    const struct tls_complaint complaint = {
        .about = about, .identity = complaints->identity, .is_warning = is_warning, .text = text};
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    complaints->audience->complain(&complaint, complaints->audience->data);
    complaints->n_wrong += !is_warning;
}

const char *tls_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason ? reason : "out of memory, or an unknown error";
}

// No PEM of that kind in a file: what it may be instead.
static void complain_of_form(const struct tls_file *file, const char *what, enum tls_about about,
                             struct tls_complaints *complaints)
{
    const unsigned char *bytes = (const unsigned char *)file->bytes;

    if (file->n == 0)
        tls_complain(complaints, about, false, "\"%s\" is empty", file->path);
    else if (file->n > 2 && bytes[0] == 0x30 && (bytes[1] > 0x80 || bytes[1] == file->n - 2))
        tls_complain(complaints, about, false,
                     "\"%s\" is in DER or PKCS#12, not in PEM; see openssl-x509(1), "
                     "openssl-pkcs12(1)",
                     file->path);
    else
        tls_complain(complaints, about, false, "\"%s\" has no %s in PEM", file->path, what);
}

// Forgets OpenSSL's last error. Whether that was but the end of the file.
static bool was_end(void)
{
    unsigned long error = ERR_peek_last_error();

    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

STACK_OF(X509) * tls_read_certificates(const struct tls_file *file, enum tls_about about,
                                       struct tls_complaints *complaints)
{
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->n);
    STACK_OF(X509) *all = sk_X509_new_null();
    X509 *next;
    bool is_whole;

    while (bio && all && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (sk_X509_push(all, next) <= 0)
            X509_free(next);
    BIO_free(bio);
    is_whole = was_end() && sk_X509_num(all) > 0;
    if (is_whole)
        return all;
    if (ERR_peek_last_error() != 0)
        tls_complain(complaints, about, false, "certificate %d in \"%s\" is damaged: %s",
                     sk_X509_num(all) + 1, file->path, tls_reason());
    else
        complain_of_form(file, "certificate", about, complaints);
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

static int refuse_to_say(char *text, int size, int writing, void *was_asked)
{
    (void)text;
    (void)size;
    (void)writing;
    *(bool *)was_asked = true;
    return -1;
}

EVP_PKEY *tls_read_key(const struct tls_file *file, struct tls_complaints *complaints)
{
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->n);
    bool was_asked = false;
    EVP_PKEY *key;

    tls_keys_wipe(true);
    key = bio ? PEM_read_bio_PrivateKey(bio, NULL, refuse_to_say, &was_asked) : NULL;
    BIO_free(bio);
    tls_keys_wipe(false);
    if (key) {
        ERR_clear_error();
        return key;
    }
    if (was_asked)
        tls_complain(complaints, TLS_KEY, false,
                     "the key in \"%s\" is encrypted, and nobody can be asked for the passphrase "
                     "at a start; see openssl-pkey(1)",
                     file->path);
    else if (!strstr(file->bytes, "PRIVATE KEY-----"))
        complain_of_form(file, "private key", TLS_KEY, complaints);
    else if (!tls_keys_have_room())
        tls_complain(complaints, TLS_KEY, false, "no room for the key in \"%s\": " TLS_KEYS_FULL,
                     file->path);
    else
        tls_complain(complaints, TLS_KEY, false, "the key in \"%s\" is damaged: %s", file->path,
                     tls_reason());
    ERR_clear_error();
    return NULL;
}

STACK_OF(X509_CRL) *
    tls_read_revocations(const struct tls_file *file, struct tls_complaints *complaints)
{
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->n);
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    X509_CRL *next;

    while (bio && all && (next = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)))
        if (sk_X509_CRL_push(all, next) <= 0)
            X509_CRL_free(next);
    BIO_free(bio);
    if (was_end() && sk_X509_CRL_num(all) > 0)
        return all;
    if (ERR_peek_last_error() != 0)
        tls_complain(complaints, TLS_CLIENT_CRL, false, "list %d in \"%s\" is damaged: %s",
                     sk_X509_CRL_num(all) + 1, file->path, tls_reason());
    else
        complain_of_form(file, "list of revoked certificates (CRL)", TLS_CLIENT_CRL, complaints);
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return NULL;
}

const char *tls_spell_time(const ASN1_TIME *time, char *text, size_t size)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(text, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        (void)snprintf(text, size, "an unknown time");
    return text;
}
