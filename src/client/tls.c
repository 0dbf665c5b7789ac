// SPDX-License-Identifier: MIT
#include "client/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/host_number.h"
#include "base/own_object.h"
#include "client/peer.h"
#include "client/trace.h"
#include "transport/tls/tls.h"

struct tls {
    const struct tls_face *face;
    struct tls_client *client;
    int fd;
};

static ssize_t take(void *cookie, void *data, size_t size, int flags)
{
    const struct tls *tls = cookie;

    return recv(tls->fd, data, size, flags);
}

static ssize_t give(void *cookie, const void *data, size_t size, int flags)
{
    const struct tls *tls = cookie;

    return send(tls->fd, data, size, flags | MSG_NOSIGNAL);
}

static void say(const char *text, void *data)
{
    (void)data;
    trace_say("%s", text);
}

// "example.org." is a way to look a name up; the name has no dot at its end. Returns name.
static const char *without_dot(const char *host, char *name, size_t size)
{
    size_t n = strlen(host);

    (void)snprintf(name, size, "%.*s", (int)(n > 1 && host[n - 1] == '.' ? n - 1 : n), host);
    return name;
}

static enum status shake_hands(struct tls *tls, const struct peer *peer)
{
    uint64_t deadline = peer_deadline(peer->timeout_usec);

    while (tls->face->client_begin(tls->client, MSG_DONTWAIT) < 0) {
        struct pollfd fd = {.fd = peer->fd, .events = tls->face->client_wants(tls->client, POLLIN)};
        int r = errno == EAGAIN ? peer_poll(&fd, 1, deadline) : -errno;

        if (r == -EKEYREJECTED)
            return status_say(STATUS_TLS, "%s: TLS failed: %s", peer->name,
                              tls->face->client_wrong(tls->client));
        if (r < 0 && r != -EINTR)
            return status_tell(peer->name, r);
    }
    tls->face->client_describe(tls->client, say, NULL);
    return STATUS_DONE;
}

enum status tls_begin(struct peer *peer, const struct tls_options *options, const char *host)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    char name[256];
    const struct tls_client_settings settings = {
        .name = without_dot(host, name, sizeof(name)),
        .sni = options->sni           ? options->sni
               : host_is_number(host) ? NULL
                                      : without_dot(host, name, sizeof(name)),
        .ca_file = options->ca_file,
        .certificate = options->certificate,
        .key = options->key,
        .is_insecure = options->is_insecure,
    };
    char why[512];

    if (!tls)
        return status_tell(peer->name, -ENOMEM);
    peer->tls = tls;
    tls->fd = peer->fd;
    tls->face = own_object_load("tls", "tcpd_tls", why, sizeof(why));
    if (tls->face)
        tls->client = tls->face->client_open(
            &settings, (struct stage_end){.take = take, .give = give, .cookie = tls}, why,
            sizeof(why));
    if (!tls->client)
        return status_say(STATUS_SYSTEM, "TLS: %s", why);
    if (options->is_insecure)
        (void)status_say(STATUS_DONE, "%s: --insecure: anybody may be the peer", peer->name);
    return shake_hands(tls, peer);
}

void tls_done(struct tls *tls)
{
    if (tls && tls->client)
        tls->face->client_close(tls->client);
    free(tls);
}

static ssize_t result(const struct tls *tls, ssize_t n)
{
    if (n >= 0)
        return n;
    if (errno == EPROTO) {
        status_explain_tls(tls->face->client_wrong(tls->client));
        return -EKEYREJECTED;
    }
    return errno == EINTR ? -EAGAIN : -errno;
}

ssize_t tls_read(struct tls *tls, void *data, size_t size)
{
    return result(tls, tls->face->client_take(tls->client, data, size, MSG_DONTWAIT));
}

ssize_t tls_write(struct tls *tls, const void *data, size_t size)
{
    ssize_t n = result(tls, tls->face->client_give(tls->client, data, size, MSG_DONTWAIT));
    char rest[1];

    // A server that refuses us in TLS 1.3 does so after our handshake, and ends: its reason may be
    // there.
    if ((n == -EPIPE || n == -ECONNRESET) && tls_read(tls, rest, sizeof(rest)) == -EKEYREJECTED)
        return -EKEYREJECTED;
    return n;
}

int tls_end(struct tls *tls)
{
    return (int)result(tls, tls->face->client_end(tls->client, MSG_DONTWAIT));
}

bool tls_has_more(const struct tls *tls)
{
    return tls && tls->face->client_has_more(tls->client);
}

short tls_wants(const struct tls *tls, short events)
{
    return tls ? tls->face->client_wants(tls->client, events) : events;
}
