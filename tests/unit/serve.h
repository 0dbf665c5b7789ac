// SPDX-License-Identifier: MIT
// One session of a handler, from its first byte to its close, as worker.c does it, with the client
// of peer.h at the other end.
#pragma once

#include "pair.h"
#include "peer.h"
#include "service.h"
#include "session/serving.h"
#include "session/session.h"

// Serves peer, which was told what to do; its text, to be freed, is in peer->got afterwards.
// Returns the session, whose socket is closed.
static inline struct tcpd_session serve_peer(enum pair_kind kind, const struct service *service,
                                             struct peer *peer)
{
    struct pair pair = pair_open(kind);
    struct tcpd_session session = {.fd = -1};
    struct tcpd_worker worker = {.service = service};

    peer->fd = pair.client;
    check_number("open", serving_open(&worker), 0);
    session_init(&session, pair.server, service);
    peer_start(peer);
    service->handler->face.serve(&session);
    session_close(&session);
    peer_join(peer);
    base_close_fd(&pair.client);
    return session;
}

// Checks what the peer got, that the session counted it, and how it ended.
static inline void check_served(const char *row, const struct tcpd_session *session,
                                const struct peer *peer, enum session_result result,
                                const void *want, size_t n_want)
{
    if (session->result != result)
        fail_msg("%s: \"%s\", not \"%s\"", row, session_result_names[session->result],
                 session_result_names[result]);
    check_number(row, peer->error, 0);
    check_bytes(row, peer->got, peer->n_got, want, n_want);
    check_number(row, session->bytes_out, n_want);
    check_number(row, session->fd, -1);
}
