// SPDX-License-Identifier: MIT
// A client's connection, for tcpc: the server's certificate is verified, and its name, unless the
// user wants none of that.

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_number.h"
#include "transport/tls/tls_private.h"

struct tls_client {
    struct tls_link link;
    SSL_CTX *context;
    const char *name;
    char names[256]; // that the server's certificate has, once it was refused
    char wrong[512];
};

static bool fail(char *why, size_t size, const char *what, const char *about)
{
    unsigned long error = ERR_peek_error(); // the first is the nearest to what is wrong
    const char *reason = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                                 : ERR_reason_error_string(error);

    (void)snprintf(why, size, "%s%s%s%s", what, about, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return false;
}

// Nobody is asked: standard input is the peer's.
static int refuse_to_say(char *text, int size, int writing, void *data)
{
    (void)text;
    (void)size;
    (void)writing;
    *(bool *)data = true;
    return -1;
}

static bool read_files(SSL_CTX *context, const struct tls_client_settings *settings, char *why,
                       size_t size)
{
    const char *key = settings->key ? settings->key : settings->certificate;
    bool was_asked = false;

    SSL_CTX_set_default_passwd_cb(context, refuse_to_say);
    SSL_CTX_set_default_passwd_cb_userdata(context, &was_asked);
    if (settings->ca_file ? SSL_CTX_load_verify_file(context, settings->ca_file) != 1
                          : SSL_CTX_set_default_verify_paths(context) != 1)
        return fail(why, size, "authorities: ", settings->ca_file ? settings->ca_file : "system's");
    if (!settings->certificate)
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, settings->certificate) != 1)
        return fail(why, size, "certificate: ", settings->certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
        return true;
    if (was_asked)
        ERR_clear_error();
    return fail(why, size,
                was_asked ? "key: it is encrypted, see openssl-pkey(1): " : "key: ", key);
}

// The names of a certificate: "a.example, b.example". Returns text.
static const char *list_names(const X509 *certificate, char *text, size_t size)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all) && used + 1 < size; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        const ASN1_STRING *string = name->d.ia5;
        char shown[256] = "";

        if (name->type == GEN_DNS)
            (void)snprintf(shown, sizeof(shown), "%.*s", ASN1_STRING_length(string),
                           (const char *)ASN1_STRING_get0_data(string));
        else if (name->type == GEN_IPADD)
            (void)inet_ntop(ASN1_STRING_length(string) == 4 ? AF_INET : AF_INET6,
                            ASN1_STRING_get0_data(string), shown, sizeof(shown));
        else
            continue;
        for (char *c = shown; *c; c++)
            *c = (char)(*c > ' ' && *c <= '~' ? *c : '?');
        (void)snprintf(text + used, size - used, "%s%s%s", used > 0 ? ", " : "",
                       name->type == GEN_DNS && host_is_number(shown) ? "the name " : "", shown);
        used += strlen(text + used);
    }
    GENERAL_NAMES_free(all);
    if (used == 0)
        (void)snprintf(text, size, "nobody");
    return text;
}

// Of a refusal: OpenSSL forgets the certificate then.
static int note_names(int is_right, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_client *client = SSL_get_app_data(ssl);
    const X509 *shown = X509_STORE_CTX_get0_cert(store);

    if (!is_right && shown)
        (void)list_names(shown, client->names, sizeof(client->names));
    return is_right;
}

static bool expect(SSL *ssl, const struct tls_client_settings *settings)
{
    const char *name = settings->name;

    SSL_set_connect_state(ssl);
    // Names are in subjectAltName alone (RFC 9525, 2): a subject's is text for people.
    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    SSL_set_verify(ssl, settings->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, note_names);
    return (!settings->sni ||
            SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)settings->sni) == 1) &&
           (!name ||
            (host_is_number(name) ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
                                  : SSL_set1_host(ssl, name) == 1));
}

struct tls_client *tls_client_open(const struct tls_client_settings *settings,
                                   struct stage_end below, char *why, size_t size)
{
    struct tls_client *client = calloc(1, sizeof(*client));

    if (!client) {
        (void)snprintf(why, size, "out of memory");
        return NULL;
    }
    ERR_clear_error();
    client->name = settings->name;
    client->context = SSL_CTX_new(TLS_client_method());
    if (!client->context || SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION) != 1) {
        (void)fail(why, size, "OpenSSL", "");
        tls_client_close(client);
        return NULL;
    }
    (void)SSL_CTX_set_mode(client->context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!read_files(client->context, settings, why, size)) {
        tls_client_close(client);
        return NULL;
    }
    if (!tls_link_open(&client->link, client->context, below) ||
        SSL_set_app_data(client->link.ssl, client) != 1 || !expect(client->link.ssl, settings)) {
        (void)fail(why, size, "OpenSSL", "");
        tls_client_close(client);
        return NULL;
    }
    return client;
}

void tls_client_close(struct tls_client *client)
{
    tls_link_close(&client->link);
    SSL_CTX_free(client->context);
    free(client);
}

static void explain(struct tls_client *client)
{
    long result = SSL_get_verify_result(client->link.ssl);

    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        (void)snprintf(client->wrong, sizeof(client->wrong), "the certificate is for %s, not %s",
                       client->names, client->name);
    else if (result != X509_V_OK)
        (void)snprintf(client->wrong, sizeof(client->wrong), "the certificate is not trusted: %s",
                       X509_verify_cert_error_string(result));
    else
        (void)snprintf(client->wrong, sizeof(client->wrong), "%s", client->link.wrong);
}

int tls_client_begin(struct tls_client *client, int flags)
{
    int r = tls_link_begin(&client->link, flags);

    if (r > 0)
        return r;
    if (r == 0)
        (void)snprintf(client->wrong, sizeof(client->wrong), "the server has ended at once");
    else if (errno == EKEYREJECTED)
        explain(client);
    errno = r == 0 ? EKEYREJECTED : errno;
    return -1;
}

ssize_t tls_client_take(struct tls_client *client, void *data, size_t size, int flags)
{
    ssize_t n = tls_link_take(&client->link, data, size, flags);

    if (n < 0 && client->link.is_cut)
        errno = ECONNABORTED;
    return n;
}

ssize_t tls_client_give(struct tls_client *client, const void *data, size_t size, int flags)
{
    return tls_link_give(&client->link, data, size, flags);
}

int tls_client_end(struct tls_client *client, int flags)
{
    return tls_link_end(&client->link, flags);
}

bool tls_client_has_more(const struct tls_client *client)
{
    return client->link.has_more;
}

short tls_client_wants(const struct tls_client *client, short events)
{
    return tls_link_wants(&client->link, events);
}

const char *tls_client_wrong(const struct tls_client *client)
{
    return client->wrong[0] ? client->wrong : client->link.wrong;
}

static void describe_certificate(const X509 *certificate, int i,
                                 void (*line)(const char *text, void *data), void *data)
{
    char subject[256], issuer[256], names[512], until[64], text[1536];
    char digits[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    (void)X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
    (void)X509_NAME_oneline(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
    (void)tls_spell_time(X509_get0_notAfter(certificate), until, sizeof(until));
    if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1)
        n = 0;
    for (unsigned k = 0; k < n; k++)
        (void)snprintf(digits + (size_t)2 * k, 3, "%02x", digest[k]);
    (void)snprintf(text, sizeof(text), "certificate %d: %s, for %s, by %s, until %s, SHA-256 %s",
                   i + 1, subject, list_names(certificate, names, sizeof(names)), issuer, until,
                   digits);
    line(text, data);
}

void tls_client_describe(const struct tls_client *client,
                         void (*line)(const char *text, void *data), void *data)
{
    const SSL *ssl = client->link.ssl;
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    const char *group = OBJ_nid2sn(
        (int)(SSL_get_negotiated_group((SSL *)(uintptr_t)ssl) & ~TLSEXT_nid_unknown));
    char text[256];

    (void)snprintf(text, sizeof(text), "%s, %s, %s%s", SSL_get_version(ssl),
                   SSL_get_cipher_name(ssl), group ? group : "an unknown group",
                   SSL_session_reused(ssl) ? ", resumed" : "");
    line(text, data);
    for (int i = 0; i < sk_X509_num(chain); i++)
        describe_certificate(sk_X509_value(chain, i), i, line, data);
    (void)snprintf(text, sizeof(text), "verified: %s",
                   X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    line(text, data);
}
