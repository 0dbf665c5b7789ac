// SPDX-License-Identifier: MIT
// The contexts of a service: what is spoken (Mozilla's profiles, https://wiki.mozilla.org/Security/
// Server_Side_TLS), and which certificate a client gets by the name that it asks for (RFC 6066, 3;
// RFC 9525, 6.3). They are made before workers are and never changed.

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "transport/tls/tls_private.h"

#define CIPHERS                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS      "X25519:P-256:P-384"
#define NEWER_GROUP "X25519MLKEM768" // since OpenSSL 3.5; keeps what is recorded today for later

static struct tls_server *all;

static struct tls_name *find(const struct tls_server *server, const char *text)
{
    for (size_t i = 0; i < server->n_names; i++)
        if (strcasecmp(server->names[i].text, text) == 0)
            return &server->names[i];
    return NULL;
}

// By the name as it is, then by one whose first label is '*'.
static const struct tls_name *find_asked(const struct tls_server *server, const char *asked)
{
    const struct tls_name *name = find(server, asked);
    const char *dot = strchr(asked, '.');
    char wild[258] = "*";

    if (name || !dot || strlen(dot) >= sizeof(wild) - 1)
        return name;
    strcpy(wild + 1, dot); // it fits
    return find(server, wild);
}

static int choose_name(SSL *ssl, int *alert, void *data)
{
    const struct tls_server *server = data;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct tls_name *name = asked ? find_asked(server, asked) : NULL;

    if (name)
        (void)SSL_set_SSL_CTX(ssl, name->context);
    if (name || !asked || !server->refuses_unknown)
        return SSL_TLSEXT_ERR_OK; // the first one's serves
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// RFC 7301. Ours are preferred; without any the extension is left alone, but where HTTP is spoken.
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                           const unsigned char *offered, unsigned n_offered, void *data)
{
    static const unsigned char http[] = "\x08http/1.1";
    const struct tls_server *server = data;
    const unsigned char *ours = server->alpn ? server->alpn : http;
    unsigned n = server->alpn ? server->n_alpn : sizeof(http) - 1;
    unsigned char *chosen = NULL;

    (void)ssl;
    if (!server->alpn && !tls_stage_is_http())
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&chosen, ret_n, ours, n, offered, n_offered) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // no_application_protocol
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// OpenSSL's macro takes the const away.
static bool set_groups_list(SSL_CTX *context, const char *groups)
{
    return SSL_CTX_set1_groups_list(context, (char *)(uintptr_t)groups) == 1;
}

static bool set_groups(SSL_CTX *context)
{
    if (set_groups_list(context, NEWER_GROUP ":" GROUPS))
        return true;
    ERR_clear_error();
    return set_groups_list(context, GROUPS);
}

static bool set_up(SSL_CTX *context, const struct tls_server *server)
{
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA;

    if (!server->is_strict)
        options |= SSL_OP_IGNORE_UNEXPECTED_EOF;
    (void)SSL_CTX_set_options(context, options);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    return SSL_CTX_set_min_proto_version(context, server->profile == TLS_MODERN ? TLS1_3_VERSION
                                                                                : TLS1_2_VERSION) &&
           SSL_CTX_set_cipher_list(context, CIPHERS) && set_groups(context) &&
           tls_tickets_set(context, server);
}

static SSL_CTX *make_context(struct tls_server *server)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context || !set_up(context, server)) {
        SSL_CTX_free(context);
        return NULL;
    }
    (void)SSL_CTX_set_tlsext_servername_callback(context, choose_name);
    (void)SSL_CTX_set_tlsext_servername_arg(context, server);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, server);
    tls_clients_set(context, server);
    return context;
}

static bool set_protocols(struct tls_server *server, const struct tls_settings *settings)
{
    size_t size = 0;

    for (size_t i = 0; i < settings->n_alpn; i++)
        size += 1 + strlen(settings->alpn[i]);
    if (size == 0)
        return true;
    server->alpn = malloc(size);
    for (size_t i = 0; server->alpn && i < settings->n_alpn; i++) {
        size_t length = strlen(settings->alpn[i]);

        server->alpn[server->n_alpn++] = (unsigned char)length;
        memcpy(server->alpn + server->n_alpn, settings->alpn[i], length);
        server->n_alpn += (unsigned)length;
    }
    return server->alpn != NULL;
}

static void load(struct tls_server *server, const struct tls_settings *settings,
                 struct tls_complaints *complaints)
{
    server->profile = settings->profile;
    server->refuses_unknown = settings->refuses_unknown;
    server->is_strict = settings->is_strict;
    server->contexts = calloc(settings->n, sizeof(SSL_CTX *));
    if (!server->contexts || !set_protocols(server, settings))
        tls_complain(complaints, TLS_CHAIN, false, "out of memory");
    else if (!tls_tickets_load(server, settings))
        tls_complain(complaints, TLS_CHAIN, false, "%s", tls_reason());
    else if (tls_clients_load(server, settings, complaints))
        for (size_t i = 0; i < settings->n; i++) {
            SSL_CTX *context = make_context(server);

            complaints->identity = i;
            server->contexts[server->n++] = context;
            if (context)
                tls_identity_load(server, context, &settings->identities[i], complaints);
            else if (!tls_keys_have_room())
                tls_complain(complaints, TLS_KEY, false, "no room for its key: " TLS_KEYS_FULL);
            else
                tls_complain(complaints, TLS_CHAIN, false, "%s", tls_reason());
        }
}

struct tls_server *tls_server_load(const struct tls_settings *settings,
                                   const struct tls_audience *audience)
{
    struct tls_complaints complaints = {.audience = audience};
    struct tls_server *server = calloc(1, sizeof(*server));

    tls_keys_prepare();
    ERR_clear_error();
    if (server)
        load(server, settings, &complaints);
    else
        tls_complain(&complaints, TLS_CHAIN, false, "out of memory");
    ERR_clear_error();
    if (server && complaints.n_wrong == 0) {
        server->next = all;
        return all = server;
    }
    tls_server_unload(server);
    return NULL;
}

void tls_server_unload(struct tls_server *server)
{
    struct tls_server **link = &all;

    if (!server)
        return;
    while (*link && *link != server)
        link = &(*link)->next;
    if (*link)
        *link = server->next;
    for (size_t i = 0; i < server->n; i++)
        SSL_CTX_free(server->contexts[i]);
    for (size_t i = 0; i < server->n_names; i++)
        free(server->names[i].text);
    free(server->names);
    free(server->contexts);
    free(server->alpn);
    tls_clients_unload(server);
    free(server);
}

void tls_server_unload_all(void)
{
    while (all)
        tls_server_unload(all);
}
