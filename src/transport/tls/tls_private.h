// SPDX-License-Identifier: MIT
// What the files of tls.so have in common.
#pragma once

#include <openssl/ssl.h>

#include "transport/tls/tls.h"

#define TLS_WRONG_MAX 160

// A name of a certificate and the context that serves it; "*.example.org" is one, too.
struct tls_name {
    char *text; // in small letters
    SSL_CTX *context; // of the identity
};

struct tls_server {
    SSL_CTX **contexts; // one for each identity; the first serves names that none has
    size_t n;
    struct tls_name *names;
    size_t n_names;
    enum tls_profile profile;
    bool is_strict;
};

// ---- tls_identity.c: certificates and keys ------------------------------------------------------
struct tls_complaints {
    void (*complain)(const struct tls_complaint *complaint, void *data);
    void *data;
    size_t identity, pair; // that are looked at
    size_t n_wrong;        // that were no warnings
};

// Gives the context the identity's certificates and keys, and their names to the server.
void tls_identity_load(struct tls_server *server, SSL_CTX *context,
                       const struct tls_identity *identity, struct tls_complaints *complaints);

// ---- tls_keys.c: where keys are -----------------------------------------------------------------
// Private keys that are read from now on lie in OpenSSL's secure heap: between guard pages, in no
// core, and in no swap where that is allowed. Once for all.
void tls_keys_prepare(void);
void tls_keys_forget(bool is_wiped);
// Whether what OpenSSL frees is overwritten.
void tls_keys_wipe(bool on);

// ---- tls_server.c -------------------------------------------------------------------------------
struct tls_server *tls_server_load(const struct tls_settings *settings,
                                   void (*complain)(const struct tls_complaint *, void *),
                                   void *data);
void tls_server_unload(struct tls_server *server);
struct stage *tls_stage_make(const struct tls_server *server, struct stage_end below);

// ---- tls_link.c: an SSL on the lower end of a stage, of a server or a client --------------------
struct tls_link {
    SSL *ssl; // NULL: none; owned
    struct stage_end below;
    int flags;     // of the call that is being made: its MSG_DONTWAIT
    int error;     // what the lower end has said, an errno, 0: nothing
    uint64_t n_received; // bytes, of the lower end
    bool is_eof;   // the lower end has no more
    bool is_cut;   // and no close_notify came before
    bool has_more; // there may be bytes inside, of which poll(2) does not know
    bool is_broken; // a fatal error: OpenSSL must not be asked again
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
