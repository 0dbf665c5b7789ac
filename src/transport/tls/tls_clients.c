// SPDX-License-Identifier: MIT
// Which certificates clients must show. Nothing is looked up anywhere: whoever is revoked is in the
// list that was read.

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "transport/tls/tls_private.h"

static bool add_authorities(struct tls_server *server, const struct tls_file *file,
                            struct tls_complaints *complaints)
{
    STACK_OF(X509) *all = tls_read_certificates(file, TLS_CLIENT_CA, complaints);
    bool is_whole = all != NULL;

    for (int i = 0; i < sk_X509_num(all) && is_whole; i++) {
        X509 *authority = sk_X509_value(all, i);
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(authority));

        is_whole = name && X509_STORE_add_cert(server->authorities, authority) == 1 &&
                   sk_X509_NAME_push(server->ca_names, name) > 0;
        if (!is_whole) {
            X509_NAME_free(name);
            tls_complain(complaints, TLS_CLIENT_CA, false, "certificate %d in \"%s\": %s", i + 1,
                         file->path, tls_reason());
        } else if (X509_check_ca(authority) == 0) {
            tls_complain(complaints, TLS_CLIENT_CA, true,
                         "certificate %d in \"%s\" is not that of an authority", i + 1, file->path);
        }
    }
    sk_X509_pop_free(all, X509_free);
    return is_whole;
}

// An old list would have every client refused.
static bool is_current(const X509_CRL *list, const struct tls_file *file,
                       struct tls_complaints *complaints)
{
    const ASN1_TIME *until = X509_CRL_get0_nextUpdate(list);
    char when[64];

    if (!until || X509_cmp_current_time(until) > 0)
        return true;
    tls_complain(complaints, TLS_CLIENT_CRL, false,
                 "the list of revoked certificates in \"%s\" has expired on %s", file->path,
                 tls_spell_time(until, when, sizeof(when)));
    return false;
}

static bool add_revocations(struct tls_server *server, const struct tls_file *file,
                            struct tls_complaints *complaints)
{
    STACK_OF(X509_CRL) *all = tls_read_revocations(file, complaints);
    bool is_whole = all != NULL;

    for (int i = 0; i < sk_X509_CRL_num(all) && is_whole; i++) {
        X509_CRL *list = sk_X509_CRL_value(all, i);

        is_whole = is_current(list, file, complaints);
        if (is_whole && X509_STORE_add_crl(server->authorities, list) != 1) {
            tls_complain(complaints, TLS_CLIENT_CRL, false, "list %d in \"%s\": %s", i + 1,
                         file->path, tls_reason());
            is_whole = false;
        }
    }
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return is_whole && X509_STORE_set_flags(server->authorities, X509_V_FLAG_CRL_CHECK) == 1;
}

bool tls_clients_load(struct tls_server *server, const struct tls_settings *settings,
                      struct tls_complaints *complaints)
{
    server->clients = settings->clients;
    if (settings->clients == TLS_ANY_CLIENT)
        return true;
    server->authorities = X509_STORE_new();
    server->ca_names = sk_X509_NAME_new_null();
    if (!server->authorities || !server->ca_names) {
        tls_complain(complaints, TLS_CLIENT_CA, false, "\"%s\": %s", settings->client_ca.path,
                     tls_reason());
        return false;
    }
    return add_authorities(server, &settings->client_ca, complaints) &&
           (!settings->client_crl.bytes ||
            add_revocations(server, &settings->client_crl, complaints));
}

void tls_clients_set(SSL_CTX *context, const struct tls_server *server)
{
    if (server->clients == TLS_ANY_CLIENT)
        return;
    SSL_CTX_set1_cert_store(context, server->authorities);
    SSL_CTX_set_client_CA_list(
        context, sk_X509_NAME_deep_copy(server->ca_names, X509_NAME_dup, X509_NAME_free));
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER |
                           (server->clients == TLS_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
}

void tls_clients_unload(struct tls_server *server)
{
    X509_STORE_free(server->authorities);
    sk_X509_NAME_pop_free(server->ca_names, X509_NAME_free);
}
