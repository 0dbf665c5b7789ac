// SPDX-License-Identifier: MIT
// Back-off for one client. A client that has ended its side only is still there.

#include "program/program_patience.h"

#include <errno.h>
#include <linux/tcp.h> // libc's struct tcp_info is older
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>

#include "base/base.h"
#include "process/process.h"
#include "program/program.h"

#define FIRST_USEC (100 * USEC_PER_MSEC)
#define SHIFT_MAX  4

uint64_t program_due(const struct tcpd_session *session, enum session_result *ret_result)
{
    uint64_t limit = program_options(session->service)->timeout_usec;
    uint64_t due = limit > 0 ? session->started_usec + limit : USEC_NEVER;

    *ret_result = due < session->deadline_usec ? SESSION_PROGRAM_TIMEOUT : SESSION_TIMEOUT;
    return due < session->deadline_usec ? due : session->deadline_usec;
}

bool program_is_shortage(const struct service *service, int error)
{
    // Memory that limit_as takes away comes not back.
    return error == -EAGAIN || error == -ENFILE || error == -ENOBUFS ||
           (error == -ENOMEM && program_options(service)->limit_as == INHERIT);
}

// An error queue that a program has asked for (MSG_ZEROCOPY) looks like an error to poll(2).
bool program_client_is_dead(const struct tcpd_session *session)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    return session->peer.any.sa_family == AF_UNIX ||
           getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
           info.tcpi_state == CLOSED;
}

static bool wait_for_room(struct tcpd_session *session, unsigned *n_waits)
{
    uint64_t wait = FIRST_USEC << (*n_waits < SHIFT_MAX ? *n_waits : SHIFT_MAX);
    uint64_t until = base_now_usec() + wait + arc4random_uniform((uint32_t)wait / 4);
    enum session_result late;
    uint64_t due = program_due(session, &late);
    struct pollfd client = {.fd = session->fd};

    (*n_waits)++;
    for (uint64_t now = base_now_usec(); now < until; now = base_now_usec()) {
        if (program_is_late() || now >= due) {
            session_stop(session, late);
            return false;
        }
        program_poll(&client, 1, until < due ? until : due);
        if (client.revents != 0 && program_client_is_dead(session)) {
            session_stop(session, SESSION_RESET);
            return false;
        }
        if (client.revents != 0)
            client.fd = -1; // both sides have ended, which is no error
    }
    return true;
}

bool program_tries_again(struct tcpd_session *session, int error, unsigned *n_waits)
{
    if (program_is_shortage(session->service, error))
        return wait_for_room(session, n_waits);
    session_stop(session, SESSION_FAILED);
    process_leave(WORKER_EXIT_PROGRAM);
    return false;
}
