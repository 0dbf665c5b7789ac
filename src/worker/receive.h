// SPDX-License-Identifier: MIT
// Where a worker's sessions come from: connections, by accept(), or datagrams, by recvmsg(), of the
// one socket that all workers of a pool have. What its program takes by itself is only waited for.
#pragma once

#include "board/scoreboard.h"
#include "session/session.h"
#include "worker/worker.h"

struct receiver {
    int listener;
    int out; // the listener once more, which TERM does not take away: where answers to datagrams
             // leave, or what a program gets; -1: connections come
    // Waits for the next one, which is the session's, with its peer. The session's socket, or -1
    // and errno.
    int (*next)(const struct receiver *receiver, struct tcpd_session *session);
};

// Before TERM may come, which puts the dead socket in the listener's place. 0 or -errno.
int receive_prepare(struct receiver *receiver, const struct worker_setup *setup);

// Gives the session its stage, if there is one. For the life of the process.
void receive_open(struct receiver *receiver, const struct worker_setup *setup,
                  struct pool_hint *hint, struct tcpd_session *session);
