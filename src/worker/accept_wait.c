// SPDX-License-Identifier: MIT
// tcp(7), TCP_INFO: tcpi_last_data_sent is set by the handshake, and by nothing that the client
// does, nor by keepalive.

#include "worker/accept_wait.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/base.h"
#include "board/score_counts.h"

#define AT_ONCE_USEC   USEC_PER_MSEC // accept() may have taken that long without waiting
#define ASK_AGAIN_USEC 250
#define TICK_USEC      (10 * USEC_PER_MSEC) // of the kernel's clock, at the longest

// How long a connection was in the queue: nothing has been sent on it yet, so that the time since
// then is the time since its handshake, in ticks of the kernel's clock. USEC_NEVER: not known.
static uint64_t ask_wait(const struct tcpd_session *session, uint64_t idle_usec)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    uint64_t wait;

    if (getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return USEC_NEVER;
    wait = (uint64_t)info.tcpi_last_data_sent * USEC_PER_MSEC;
    // It came while this worker waited, and a tick fell in between.
    return wait <= TICK_USEC && wait <= idle_usec ? 0 : wait;
}

// Who meets a worker that has waited for a while, and is not the last one, has not waited: nobody
// is asked, but for a worker's first, as its start takes time after it is idle. Sessions that
// follow each other at once count as the one before did.
void accept_wait_count(struct accept_wait *wait, struct tcpd_session *session, bool has_idle,
                       struct histogram *counts)
{
    uint64_t idle_usec = session->started_usec - wait->idle_usec;

    if (session->peer.any.sa_family == AF_UNIX || session_is_datagram(session) || session->is_run)
        return;
    if (has_idle && idle_usec >= AT_ONCE_USEC && wait->asked_usec != 0) {
        session->wait_usec = 0;
    } else if (session->started_usec - wait->asked_usec >= ASK_AGAIN_USEC) {
        wait->asked_usec = session->started_usec;
        wait->answer = session->wait_usec = ask_wait(session, idle_usec);
    } else if (wait->answer != USEC_NEVER) {
        score_observe(counts, wait->answer, 1);
    }
    if (session->wait_usec != USEC_NEVER)
        score_observe(counts, session->wait_usec, 1);
}
