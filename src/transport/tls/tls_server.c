// SPDX-License-Identifier: MIT
// The contexts of a service: what is spoken (Mozilla's profiles, https://wiki.mozilla.org/Security/
// Server_Side_TLS), and which certificate a client gets by the name that it asks for (RFC 6066, 3;
// RFC 9525, 6.3). They are made before workers are and never changed.

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "transport/tls/tls_private.h"

#define CIPHERS                                                                                   \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

static struct tls_name *find(const struct tls_server *server, const char *text)
{
    for (size_t i = 0; i < server->n_names; i++)
        if (strcasecmp(server->names[i].text, text) == 0)
            return &server->names[i];
    return NULL;
}

// By the name as it is, then by one whose first label is '*'.
static SSL_CTX *context_for(const struct tls_server *server, const char *asked)
{
    const struct tls_name *name = find(server, asked);
    const char *dot = strchr(asked, '.');
    char wild[258] = "*";

    if (!name && dot && strlen(dot) < sizeof(wild) - 1) {
        strcpy(wild + 1, dot); // it fits
        name = find(server, wild);
    }
    return name ? name->context : server->contexts[0];
}

static int choose_name(SSL *ssl, int *alert, void *data)
{
    const struct tls_server *server = data;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (asked && server->n > 1)
        (void)SSL_set_SSL_CTX(ssl, context_for(server, asked));
    return SSL_TLSEXT_ERR_OK; // without a name as with one that nobody has
}

static bool set_up(SSL_CTX *context, const struct tls_server *server, const char *service)
{
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                       SSL_OP_PRIORITIZE_CHACHA;

    if (!server->is_strict)
        options |= SSL_OP_IGNORE_UNEXPECTED_EOF;
    (void)SSL_CTX_set_options(context, options);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    return SSL_CTX_set_num_tickets(context, 0) &&
           SSL_CTX_set_min_proto_version(context, server->profile == TLS_MODERN ? TLS1_3_VERSION
                                                                                : TLS1_2_VERSION) &&
           SSL_CTX_set_cipher_list(context, CIPHERS) && SSL_CTX_set1_groups_list(context, GROUPS) &&
           SSL_CTX_set_session_id_context(context, (const unsigned char *)service,
                                          (unsigned)strnlen(service, SSL_MAX_SID_CTX_LENGTH));
}

static SSL_CTX *make_context(struct tls_server *server, const char *service)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context || !set_up(context, server, service)) {
        SSL_CTX_free(context);
        return NULL;
    }
    (void)SSL_CTX_set_tlsext_servername_callback(context, choose_name);
    (void)SSL_CTX_set_tlsext_servername_arg(context, server);
    return context;
}

static void complain_of_library(struct tls_complaints *complaints)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    const struct tls_complaint complaint = {.text = reason ? reason : "OpenSSL has no memory"};

    complaints->complain(&complaint, complaints->data);
    complaints->n_wrong++;
}

struct tls_server *tls_server_load(const struct tls_settings *settings,
                                   void (*complain)(const struct tls_complaint *, void *),
                                   void *data)
{
    struct tls_complaints complaints = {.complain = complain, .data = data};
    struct tls_server *server = calloc(1, sizeof(*server));

    tls_keys_prepare();
    if (server)
        server->contexts = calloc(settings->n, sizeof(SSL_CTX *));
    if (!server || !server->contexts) {
        complain_of_library(&complaints);
        tls_server_unload(server);
        return NULL;
    }
    server->profile = settings->profile;
    server->is_strict = settings->is_strict;
    for (size_t i = 0; i < settings->n; i++) {
        SSL_CTX *context = make_context(server, settings->service);

        complaints.identity = i;
        server->contexts[server->n++] = context;
        if (context)
            tls_identity_load(server, context, &settings->identities[i], &complaints);
        else
            complain_of_library(&complaints);
    }
    ERR_clear_error();
    if (complaints.n_wrong == 0)
        return server;
    tls_server_unload(server);
    return NULL;
}

void tls_server_unload(struct tls_server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->n; i++)
        SSL_CTX_free(server->contexts[i]);
    for (size_t i = 0; i < server->n_names; i++)
        free(server->names[i].text);
    free(server->names);
    free(server->contexts);
    free(server);
}
