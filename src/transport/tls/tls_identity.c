// SPDX-License-Identifier: MIT
// Certificates and their keys: what cannot serve is refused, what clients may refuse is warned of.

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/tls/tls_private.h"

#define RSA_BITS_MIN  2048
#define KEY_KINDS_MAX 8

// What is being loaded.
struct loading {
    struct tls_complaints *complaints;
    const struct tls_pair *pair;
    X509 *own;              // the server's
    STACK_OF(X509) * above; // those that have signed it
    EVP_PKEY *key;
};

// ---- Looking ------------------------------------------------------------------------------------

static bool is_weak_signature(X509 *certificate)
{
    int digest = NID_undef;

    if (X509_self_signed(certificate, 0) == 1) // nobody looks at it
        return false;
    (void)X509_get_signature_info(certificate, &digest, NULL, NULL, NULL);
    return digest == NID_sha1 || digest == NID_md5 || digest == NID_md5_sha1;
}

static bool fits(const struct loading *loading)
{
    const struct tls_pair *pair = loading->pair;

    if (X509_check_private_key(loading->own, loading->key) == 1)
        return true;
    ERR_clear_error();
    for (int i = 0; i < sk_X509_num(loading->above); i++) {
        if (X509_check_private_key(sk_X509_value(loading->above, i), loading->key) == 1) {
            tls_complain(
                loading->complaints, TLS_CHAIN, false,
                "the server's own certificate must be the first in \"%s\", and is number %d",
                pair->chain.path, i + 2);
            return false;
        }
        ERR_clear_error();
    }
    if (strcmp(pair->key.path, pair->chain.path) == 0)
        tls_complain(loading->complaints, TLS_KEY, false,
                     "the key in \"%s\" does not belong to the certificate there", pair->key.path);
    else
        tls_complain(loading->complaints, TLS_KEY, false, "key \"%s\" does not belong to \"%s\"",
                     pair->key.path, pair->chain.path);
    return false;
}

static bool has_weak_signature(const struct loading *loading)
{
    int n = 0;

    while (n <= sk_X509_num(loading->above) &&
           !is_weak_signature(n == 0 ? loading->own : sk_X509_value(loading->above, n - 1)))
        n++;
    if (n > sk_X509_num(loading->above))
        return false;
    tls_complain(loading->complaints, TLS_CHAIN, false,
                 "certificate %d in \"%s\" is signed with SHA-1 or MD5, which clients refuse",
                 n + 1, loading->pair->chain.path);
    return true;
}

// Of curves clients know those of NIST; with another one each handshake would fail.
static bool is_on_known_curve(const struct loading *loading)
{
    char curve[64] = "";

    if (EVP_PKEY_get_base_id(loading->key) != EVP_PKEY_EC)
        return true;
    (void)EVP_PKEY_get_group_name(loading->key, curve, sizeof(curve), NULL);
    if (strcmp(curve, SN_X9_62_prime256v1) == 0 || strcmp(curve, SN_secp384r1) == 0 ||
        strcmp(curve, SN_secp521r1) == 0)
        return true;
    tls_complain(loading->complaints, TLS_KEY, false,
                 "the key in \"%s\" is on a curve that clients do not know (%s); use P-256",
                 loading->pair->key.path, curve);
    return false;
}

static bool is_strong(const struct loading *loading)
{
    if (EVP_PKEY_get_base_id(loading->key) == EVP_PKEY_RSA &&
        EVP_PKEY_get_bits(loading->key) < RSA_BITS_MIN) {
        tls_complain(loading->complaints, TLS_KEY, false,
                     "the RSA key in \"%s\" has %d bits; at least %d are needed",
                     loading->pair->key.path, EVP_PKEY_get_bits(loading->key), RSA_BITS_MIN);
        return false;
    }
    return is_on_known_curve(loading) && !has_weak_signature(loading);
}

static int64_t in_seconds(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;
}

static void look_at_time(const struct loading *loading)
{
    const ASN1_TIME *first = X509_get0_notBefore(loading->own);
    const ASN1_TIME *last = X509_get0_notAfter(loading->own);
    const char *path = loading->pair->chain.path;
    char when[64];

    if (X509_cmp_current_time(last) < 0)
        tls_complain(loading->complaints, TLS_CHAIN, true,
                     "the certificate in \"%s\" has expired on %s", path,
                     tls_spell_time(last, when, sizeof(when)));
    else if (X509_cmp_current_time(first) > 0)
        tls_complain(loading->complaints, TLS_CHAIN, true,
                     "the certificate in \"%s\" is not valid before %s", path,
                     tls_spell_time(first, when, sizeof(when)));
}

// "RSA 2048", "EC P-256", "ED25519".
static const char *spell_key(const EVP_PKEY *key, char *text, size_t size)
{
    const char *kind = EVP_PKEY_get0_type_name(key);
    const char *curve = NULL;
    char group[64] = "";

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1)
        curve = EC_curve_nid2nist(OBJ_txt2nid(group));
    if (curve)
        (void)snprintf(text, size, "%s %s", kind, curve);
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        (void)snprintf(text, size, "%s %d", kind, EVP_PKEY_get_bits(key));
    else
        (void)snprintf(text, size, "%s", kind);
    return text;
}

static void warn(const struct loading *loading, bool has_names)
{
    const char *path = loading->pair->chain.path;
    bool is_of_itself = X509_self_signed(loading->own, 0) == 1;

    look_at_time(loading);
    if (!has_names)
        tls_complain(loading->complaints, TLS_CHAIN, true,
                     "the certificate in \"%s\" has no subjectAltName; browsers refuse it", path);
    if (!is_of_itself && X509_check_ca(loading->own) > 0)
        tls_complain(loading->complaints, TLS_CHAIN, true,
                     "the certificate in \"%s\" is that of an authority", path);
    else if (X509_check_purpose(loading->own, X509_PURPOSE_SSL_SERVER, 0) != 1)
        tls_complain(loading->complaints, TLS_CHAIN, true,
                     "the certificate in \"%s\" is not for servers (extendedKeyUsage)", path);
    if (!is_of_itself && sk_X509_num(loading->above) == 0)
        tls_complain(loading->complaints, TLS_CHAIN, true,
                     "\"%s\" has the server's own certificate alone; is that of an intermediate "
                     "authority missing?",
                     path);
    ERR_clear_error();
}

// ---- Names --------------------------------------------------------------------------------------

static void add_name(struct tls_server *server, SSL_CTX *context, const char *text)
{
    struct tls_name *names;
    char *copy = strdup(text);

    for (char *c = copy; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; copy && i < server->n_names; i++)
        if (strcmp(server->names[i].text, copy) == 0) { // of the first that has it
            free(copy);
            return;
        }
    names = copy ? reallocarray(server->names, server->n_names + 1, sizeof(*names)) : NULL;
    if (!names) {
        free(copy);
        return;
    }
    server->names = names;
    server->names[server->n_names++] = (struct tls_name){.text = copy, .context = context};
}

// The name of a host in a certificate, NULL: it is of another kind, or has a NUL within.
static const char *host_of(const GENERAL_NAME *name)
{
    const char *text;

    if (name->type != GEN_DNS)
        return NULL;
    text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
    return strlen(text) == (size_t)ASN1_STRING_length(name->d.dNSName) ? text : NULL;
}

// Whether it has names or numbers at all. Those of hosts come into text, too, as far as they fit.
static bool add_names(struct tls_server *server, SSL_CTX *context, const X509 *own, char *text,
                      size_t size)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(own, NID_subject_alt_name, NULL, NULL);
    bool has_some = all && sk_GENERAL_NAME_num(all) > 0;

    for (int i = 0; all && i < sk_GENERAL_NAME_num(all); i++) {
        const char *host = host_of(sk_GENERAL_NAME_value(all, i));
        size_t used = strlen(text);

        if (!host)
            continue;
        add_name(server, context, host);
        if (used + 1 + strlen(host) < size)
            (void)snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "", host);
    }
    GENERAL_NAMES_free(all);
    return has_some;
}

// ---- All of it ----------------------------------------------------------------------------------

static bool is_new_kind(const struct loading *loading, int *kinds, size_t *n_kinds)
{
    int kind = EVP_PKEY_get_base_id(loading->key);

    for (size_t i = 0; i < *n_kinds; i++)
        if (kinds[i] == kind) {
            tls_complain(loading->complaints, TLS_KEY, false,
                         "\"%s\" is a second %s key; a certificate has one of each kind",
                         loading->pair->key.path, EVP_PKEY_get0_type_name(loading->key));
            return false;
        }
    if (*n_kinds < KEY_KINDS_MAX)
        kinds[(*n_kinds)++] = kind;
    return true;
}

static bool use(const struct loading *loading, SSL_CTX *context)
{
    if (SSL_CTX_use_cert_and_key(context, loading->own, loading->key, loading->above, 1) == 1)
        return true;
    tls_complain(loading->complaints, TLS_CHAIN, false, "\"%s\" cannot be used: %s",
                 loading->pair->chain.path, tls_reason());
    return false;
}

// Says what it is, and what is odd about it.
static void announce(const struct loading *loading, struct tls_server *server, SSL_CTX *context)
{
    const struct tls_audience *audience = loading->complaints->audience;
    char key[96], names[512] = "";
    bool has_names = add_names(server, context, loading->own, names, sizeof(names));
    const struct tls_shown shown = {.identity = loading->complaints->identity,
                                    .since = in_seconds(X509_get0_notBefore(loading->own)),
                                    .until = in_seconds(X509_get0_notAfter(loading->own)),
                                    .key = spell_key(loading->key, key, sizeof(key)),
                                    .names = names};

    warn(loading, has_names);
    audience->note(&shown, audience->data);
}

void tls_identity_load(struct tls_server *server, SSL_CTX *context,
                       const struct tls_identity *identity, struct tls_complaints *complaints)
{
    int kinds[KEY_KINDS_MAX];
    size_t n_kinds = 0;

    for (size_t i = 0; i < identity->n; i++) {
        struct loading loading = {.complaints = complaints, .pair = &identity->pairs[i]};

        ERR_clear_error();
        loading.above = tls_read_certificates(&loading.pair->chain, TLS_CHAIN, complaints);
        loading.own = loading.above ? sk_X509_shift(loading.above) : NULL;
        loading.key = tls_read_key(&loading.pair->key, complaints);
        if (loading.own && loading.key && fits(&loading) && is_strong(&loading) &&
            is_new_kind(&loading, kinds, &n_kinds) && use(&loading, context))
            announce(&loading, server, context);
        X509_free(loading.own);
        sk_X509_pop_free(loading.above, X509_free);
        EVP_PKEY_free(loading.key);
    }
}
