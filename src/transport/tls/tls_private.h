// SPDX-License-Identifier: MIT
// What the files of tls.so have in common.
#pragma once

#include <openssl/ssl.h>

#include "transport/tls/tls.h"

#define TLS_WRONG_MAX 160

// A name of a certificate and the context that serves it; "*.example.org" is one, too.
struct tls_name {
    char *text;       // in small letters
    SSL_CTX *context; // of the identity
};

struct tls_server {
    struct tls_server *next; // of all that are loaded
    SSL_CTX **contexts;      // one for each identity; the first serves names that none has
    size_t n;
    struct tls_name *names;
    size_t n_names;
    enum tls_profile profile;
    bool refuses_unknown, is_strict;
    enum tls_clients clients;
    X509_STORE *authorities;               // of clients, NULL: none
    STACK_OF(X509_NAME) * ca_names;        // of those
    const struct tls_ticket_page *tickets; // NULL: there are none
    unsigned char policy[32];              // a digest of what a ticket vouches for
    unsigned char *alpn;                   // as on the wire: each with its length in front
    unsigned n_alpn;
};

// ---- tls_pem.c: files ---------------------------------------------------------------------------
struct tls_complaints {
    const struct tls_audience *audience;
    size_t identity; // that is looked at
    size_t n_wrong;  // that were no warnings
};

__attribute__((format(printf, 4, 5))) void tls_complain(struct tls_complaints *complaints,
                                                        enum tls_about about, bool is_warning,
                                                        const char *format, ...);
// Certificates, or none with a complaint; the first and those behind it.
STACK_OF(X509) * tls_read_certificates(const struct tls_file *file, enum tls_about about,
                                       struct tls_complaints *complaints);
EVP_PKEY *tls_read_key(const struct tls_file *file, struct tls_complaints *complaints);
STACK_OF(X509_CRL) *
    tls_read_revocations(const struct tls_file *file, struct tls_complaints *complaints);
const char *tls_spell_time(const ASN1_TIME *time, char *text, size_t size);
// Why OpenSSL's last call failed, in words; forgets it.
const char *tls_reason(void);

// ---- tls_identity.c: certificates and keys ------------------------------------------------------
// Gives the context the identity's certificates and keys, and their names to the server.
void tls_identity_load(struct tls_server *server, SSL_CTX *context,
                       const struct tls_identity *identity, struct tls_complaints *complaints);

// ---- tls_keys.c: where keys are -----------------------------------------------------------------
// Private keys that are read from now on lie in OpenSSL's secure heap: between guard pages, in no
// core, and in no swap where that is allowed. Once for all.
void tls_keys_prepare(void);
void tls_keys_forget(bool may_use_library);
// For another one. OpenSSL itself calls what does not fit "unsupported", or "malloc failure".
bool tls_keys_have_room(void);
#define TLS_KEYS_FULL                                                                         \
    "the memory for keys is full, in which those of earlier configurations stay while their " \
    "sessions go on; ECDSA keys need less"
// Whether what OpenSSL frees is overwritten.
void tls_keys_wipe(bool on);

// ---- tls_server.c -------------------------------------------------------------------------------
struct tls_server *tls_server_load(const struct tls_settings *settings,
                                   const struct tls_audience *audience);
void tls_server_unload(struct tls_server *server);
void tls_server_unload_all(void);
void tls_stage_make(struct tls_front *ret, const struct tls_server *server, struct stage_end below,
                    bool is_http);

// The session's ticket is of an old secret, and it gets another one.
void tls_stage_wants_ticket(void);
bool tls_stage_is_http(void);

// ---- tls_tickets.c ------------------------------------------------------------------------------
bool tls_tickets_load(struct tls_server *server, const struct tls_settings *settings);
bool tls_tickets_set(SSL_CTX *context, const struct tls_server *server);

// ---- tls_clients.c: what clients must show, and what is said of them ----------------------------
// Reads who may sign clients' certificates. False: something is wrong.
bool tls_clients_load(struct tls_server *server, const struct tls_settings *settings,
                      struct tls_complaints *complaints);
void tls_clients_set(SSL_CTX *context, const struct tls_server *server);
void tls_clients_unload(struct tls_server *server);

// ---- tls_link.c: an SSL on the lower end of a stage, of a server or a client --------------------
struct tls_link {
    SSL *ssl; // NULL: none; owned
    struct stage_end below;
    int flags;                     // of the call that is being made: its MSG_DONTWAIT
    int error;                     // what the lower end has said, an errno, 0: nothing
    uint64_t n_received;           // bytes, of the lower end
    unsigned n_idle_records;       // since the last data
    bool has_begun;                // the handshake is over
    bool has_ended;                // our close_notify was sent, all of it
    bool is_eof;                   // the lower end has no more
    bool is_cut;                   // and no close_notify came before
    bool has_more;                 // there may be bytes inside, of which poll(2) does not know
    bool is_broken;                // a fatal error: OpenSSL must not be asked again
    short read_wants, write_wants; // events that the last call of that kind waits for, 0: its own
    char wrong[TLS_WRONG_MAX];     // why it is broken
};

// A new SSL of the context for a connection; its parameters are the caller's to set. false: without
// memory, and the link is broken.
bool tls_link_open(struct tls_link *link, SSL_CTX *context, struct stage_end below);
void tls_link_close(struct tls_link *link);
// As stage_ops; the role was set with SSL_set_accept_state() or SSL_set_connect_state(). begin: 0:
// the peer went without a byte; -1 and EKEYREJECTED: the handshake failed, and `wrong` says why.
int tls_link_begin(struct tls_link *link, int flags);
ssize_t tls_link_take(struct tls_link *link, void *data, size_t size, int flags);
ssize_t tls_link_give(struct tls_link *link, const void *data, size_t size, int flags);
int tls_link_end(struct tls_link *link, int flags);
short tls_link_wants(const struct tls_link *link, short events);

// ---- tls_client.c: as struct tls_face has them --------------------------------------------------
struct tls_client *tls_client_open(const struct tls_client_settings *settings,
                                   struct stage_end below, char *why, size_t size);
void tls_client_close(struct tls_client *client);
int tls_client_begin(struct tls_client *client, int flags);
ssize_t tls_client_take(struct tls_client *client, void *data, size_t size, int flags);
ssize_t tls_client_give(struct tls_client *client, const void *data, size_t size, int flags);
int tls_client_end(struct tls_client *client, int flags);
bool tls_client_has_more(const struct tls_client *client);
short tls_client_wants(const struct tls_client *client, short events);
const char *tls_client_wrong(const struct tls_client *client);
void tls_client_describe(const struct tls_client *client,
                         void (*line)(const char *text, void *data), void *data);
