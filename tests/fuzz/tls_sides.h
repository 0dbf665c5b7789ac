// SPDX-License-Identifier: MIT
// The two sides of a connection of TLS: servers as tcpd loads them, clients of OpenSSL's own, and
// what is on its way between them.
#pragma once

#include <openssl/ssl.h>

#include "transport/tls/tls_private.h"

#include "tls_made.h"

#define QUEUE_MAX (256 * 1024)

enum option { OF_12 = 1, IS_STRICT = 2, HAS_TICKETS = 4, ASKS = 8, IS_RAW = 16, IS_SLOW = 32 };

// What was sent one way and not yet received.
struct queue {
    uint8_t bytes[QUEUE_MAX];
    size_t first, n;
    bool is_over; // nothing comes behind it
};

static struct queue to_server, to_client;

static struct tls_server *servers[16];
static SSL_CTX *clients[2];
static struct tls_ticket_page page = {.sequence = 2, .n = 1, .secrets = {{.name = "a ticket"}}};

static inline size_t queue_add(struct queue *queue, const void *data, size_t n)
{
    MUST(queue->first + queue->n <= QUEUE_MAX);
    memmove(queue->bytes, queue->bytes + queue->first, queue->n);
    queue->first = 0;
    n = n < QUEUE_MAX - queue->n ? n : QUEUE_MAX - queue->n;
    if (n > 0)
        memcpy(queue->bytes + queue->n, data, n);
    queue->n += n;
    return n;
}

static inline size_t queue_take(struct queue *queue, void *data, size_t n)
{
    n = n < queue->n ? n : queue->n;
    memcpy(data, queue->bytes + queue->first, n);
    queue->first += n;
    queue->n -= n;
    return n;
}

static inline void complain(const struct tls_complaint *complaint, void *data)
{
    (void)data;
    fprintf(stderr, "%s\n", complaint->text);
}

static inline void note(const struct tls_shown *shown, void *data)
{
    (void)shown, (void)data;
}

static inline void sides_init(void)
{
    static const int versions[2] = {TLS1_3_VERSION, TLS1_2_VERSION};
    const struct tls_audience audience = {complain, note, NULL};
    struct made authority, leaf;
    char *chain, *key, *ca;

    tls_keys_prepare();
    authority = made_new("authority", EVP_EC_gen("P-256"), NULL);
    leaf = made_new("www", EVP_EC_gen("P-256"), &authority);
    chain = made_chain_text(&leaf, &authority);
    key = made_key_text(&leaf, NULL);
    ca = made_chain_text(&authority, NULL);
    for (unsigned i = 0; i < 16; i++) {
        const struct tls_pair pair = {{"chain", chain, strlen(chain)}, {"key", key, strlen(key)}};
        const struct tls_identity identity = {.name = "www", .pairs = &pair, .n = 1};
        const struct tls_settings settings = {.service = "echo",
                                              .identities = &identity,
                                              .n = 1,
                                              .clients = i & ASKS ? TLS_REQUEST : TLS_ANY_CLIENT,
                                              .client_ca = {"ca", ca, strlen(ca)},
                                              .tickets = i & HAS_TICKETS ? &page : NULL,
                                              .is_strict = i & IS_STRICT};

        MUST((servers[i] = tls_server_load(&settings, &audience)));
    }
    free(chain);
    free(key);
    free(ca);
    X509_free(leaf.certificate);
    X509_free(authority.certificate);
    EVP_PKEY_free(leaf.key);
    EVP_PKEY_free(authority.key);
    for (int i = 0; i < 2; i++) {
        clients[i] = SSL_CTX_new(TLS_client_method());
        MUST(clients[i] && SSL_CTX_set_max_proto_version(clients[i], versions[i]) == 1);
        SSL_CTX_set_session_cache_mode(clients[i], SSL_SESS_CACHE_OFF);
    }
}
