// SPDX-License-Identifier: MIT
// What tls.so has: TLS (RFC 8446, RFC 5246) by OpenSSL, as a stage for the daemon and as a
// connection for tcpc. It is loaded only where TLS is wanted, by tls_load.h, and calls nothing of
// the program that loads it. This is the only folder that includes OpenSSL's headers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "transport/stage.h"
#include "transport/tls/tls_tickets.h"

// ---- A server -----------------------------------------------------------------------------------

// A file that was read whole. Of keys: memory that is overwritten when it is freed.
struct tls_file {
    const char *path; // for messages
    const char *bytes;
    size_t n;
};

// A certificate with those above it, the server's own first, and its key, all in PEM.
struct tls_pair {
    struct tls_file chain, key; // the same file twice: the key is beside it
};

// A `certificate` section: several pairs have keys of several kinds, for the same names.
struct tls_identity {
    const char *name;
    const struct tls_pair *pairs;
    size_t n;
};

enum tls_clients { TLS_ANY_CLIENT, TLS_REQUEST, TLS_REQUIRE }; // what they must show
enum tls_profile { TLS_INTERMEDIATE, TLS_MODERN, TLS_PROFILES };

struct tls_settings {
    const char *service;
    const struct tls_identity *identities; // the first is for names that none of them has
    size_t n;
    enum tls_profile profile;
    bool refuses_unknown; // a name that no identity has
    enum tls_clients clients;
    struct tls_file client_ca, client_crl; // in PEM; bytes NULL: none
    const char *const *alpn;               // names of protocols, the preferred one first
    size_t n_alpn;
    const struct tls_ticket_page *tickets; // stays; NULL: no tickets
    bool is_strict; // a client's end without close_notify breaks the protocol
};

enum tls_about { TLS_CHAIN, TLS_KEY, TLS_CLIENT_CA, TLS_CLIENT_CRL };

// What is wrong with a file, in words that name it where it helps.
struct tls_complaint {
    enum tls_about about;
    size_t identity; // of a chain or a key
    bool is_warning;
    const char *text; // valid during the call
};

// What an identity's certificate says of itself.
struct tls_shown {
    size_t identity;
    int64_t since, until;    // when it is valid, in seconds since 1970
    const char *key, *names; // "RSA 2048"; "www.example.org *.example.net"; valid during the call
};

// Who hears of what is loaded.
struct tls_audience {
    void (*complain)(const struct tls_complaint *complaint, void *data);
    void (*note)(const struct tls_shown *shown, void *data); // of each certificate
    void *data;
};

// Contexts of one service: made before workers are, and never changed.
struct tls_server;

// ---- A client -----------------------------------------------------------------------------------

struct tls_client_settings {
    const char *name;        // that the certificate must have: a host's or a number; NULL: any
    const char *sni;         // what is asked for, NULL: nothing
    const char *ca_file;     // PEM; NULL: the system's
    const char *certificate; // a file with our own in PEM, NULL: none
    const char *key;         // its key's, NULL: in the same file
    bool is_insecure;        // whatever the server shows is fine
};

struct tls_client;

// What a stage needs before its first session.
struct tls_front {
    struct stage stage; // the first, so that a pointer to it is one to all
    const struct tls_server *server;
    bool is_http;
};

// ---- The object ---------------------------------------------------------------------------------

struct tls_face {
    const char *version; // of tcpd: both must have the same
    const char *library; // OpenSSL's name and version

    // NULL with at least one complaint that is no warning. Blocks on nothing.
    struct tls_server *(*load)(const struct tls_settings *settings,
                               const struct tls_audience *audience);
    void (*unload)(struct tls_server *server);
    // In a process that needs no keys: whatever load() has read is gone from its memory; no server
    // may be used or unloaded there. may_use_library: somebody else may use OpenSSL in the process;
    // if not, it cannot be used any more.
    void (*forget_keys)(bool may_use_library);
    // Makes the stage of this process in *ret, on `below`, once; writes nothing else. is_http:
    // without alpn of its own it agrees on http/1.1 alone.
    void (*make)(struct tls_front *ret, const struct tls_server *server, struct stage_end below,
                 bool is_http);

    // NULL, and `why` says what is wrong. The name is checked in the handshake. Reads files.
    struct tls_client *(*client_open)(const struct tls_client_settings *settings,
                                      struct stage_end below, char *why, size_t size);
    void (*client_close)(struct tls_client *client);
    // As stage_ops has them: begin (EKEYREJECTED: refused, client_wrong says why), take (0: the
    // server's end; ECONNABORTED: an end without close_notify), give, end, has_more, wants.
    int (*client_begin)(struct tls_client *client, int flags);
    ssize_t (*client_take)(struct tls_client *client, void *data, size_t size, int flags);
    ssize_t (*client_give)(struct tls_client *client, const void *data, size_t size, int flags);
    int (*client_end)(struct tls_client *client, int flags);
    bool (*client_has_more)(const struct tls_client *client);
    short (*client_wants)(const struct tls_client *client, short events);
    const char *(*client_wrong)(const struct tls_client *client);
    // What was agreed on and what the server has shown, a line each, for -v.
    void (*client_describe)(const struct tls_client *client,
                            void (*line)(const char *text, void *data), void *data);
};

extern const struct tls_face tcpd_tls;
