// SPDX-License-Identifier: MIT
// TLS of a connected socket: tls.so, loaded when it is asked for.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "client/status.h"

struct peer;

// What --tls and its companions say.
struct tls_options {
    bool is_on, is_insecure;
    const char *ca_file, *sni, *certificate, *key; // NULL: not given
};

struct tls;

// Makes the handshake, within the peer's timeout; the peer owns what comes of it. host: the name
// that the certificate must have. Blocks. Every failure is told.
enum status tls_begin(struct peer *peer, const struct tls_options *options, const char *host);
void tls_done(struct tls *tls);

// As peer_read() and peer_write(): never block. -ECONNABORTED: the peer has ended without saying
// so; -EKEYREJECTED: the protocol is broken.
ssize_t tls_read(struct tls *tls, void *data, size_t size);
ssize_t tls_write(struct tls *tls, const void *data, size_t size);
// Says that nothing more will come. 0, -EAGAIN.
int tls_end(struct tls *tls);

// Whether there are bytes that poll(2) does not know of; and what to poll for instead.
bool tls_has_more(const struct tls *tls);
short tls_wants(const struct tls *tls, short events);
