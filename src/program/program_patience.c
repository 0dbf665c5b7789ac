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
#include "session/session_kick.h"

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

// It counts as a byte.
bool program_end_is_acknowledged(const struct tcp_info *info)
{
    return info->tcpi_bytes_acked > info->tcpi_bytes_sent - info->tcpi_bytes_retrans;
}

// An error queue that a program has asked for (MSG_ZEROCOPY) looks like an error to poll(2).
bool program_client_is_dead(const struct tcpd_session *session, int revents)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (session->is_unix)
        return (revents & POLLERR) != 0;
    if (getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return true;
    return info.tcpi_state == CLOSED &&
           ((revents & POLLERR) != 0 || !program_end_is_acknowledged(&info));
}

void progress_note(struct progress *progress, uint64_t value, uint64_t now_usec)
{
    if (value != progress->value)
        *progress = (struct progress){.value = value, .since_usec = now_usec};
}

bool program_was_left_long_enough(const struct tcpd_session *session, struct progress *reading,
                                  uint64_t unread, uint64_t now_usec)
{
    const struct program_options *options = program_options(session->service);
    uint64_t idle = session->service->deadlines.idle_usec;

    progress_note(reading, unread, now_usec);
    if (options->kill_mode == KILL_NONE || (unread > 0 && idle == 0))
        return false;
    return now_usec - reading->since_usec >= (unread > 0 ? idle : options->kill_grace_usec);
}

static bool wait_for_room(struct tcpd_session *session, unsigned *n_waits)
{
    uint64_t wait = FIRST_USEC << (*n_waits < SHIFT_MAX ? *n_waits : SHIFT_MAX);
    uint64_t until = base_now_usec() + wait + arc4random_uniform((uint32_t)wait / 4);
    enum session_result late;
    uint64_t due = program_due(session, &late);
    struct pollfd client = {.fd = session->is_run ? -1 : session->fd};

    (*n_waits)++;
    for (uint64_t now = base_now_usec(); now < until; now = base_now_usec()) {
        if (program_is_late() || now >= due || session_kick_has_come()) {
            session_stop(session, late); // or ended by an administrator
            return false;
        }
        program_poll(&client, 1, until < due ? until : due);
        if (client.revents != 0 && program_client_is_dead(session, client.revents)) {
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
