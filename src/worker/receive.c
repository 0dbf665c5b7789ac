// SPDX-License-Identifier: MIT
#include "worker/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/base.h"
#include "config/handler.h"
#include "transport/datagram.h"
#include "transport/transport.h"

static int next_connection(const struct receiver *receiver, struct tcpd_session *session)
{
    int fd;

    session->peer_length = sizeof(session->peer);
    session->peer.any.sa_family = AF_UNSPEC;
    fd = accept4(receiver->listener, &session->peer.any, &session->peer_length, SOCK_CLOEXEC);
    if (session->peer_length > sizeof(session->peer))
        session->peer_length = sizeof(session->peer); // the kernel cut it
    return fd;
}

static int next_datagram(const struct receiver *receiver, struct tcpd_session *session)
{
    int r = datagram_receive(receiver->listener, &session->peer.storage, &session->peer_length);

    return r < 0 ? -1 : receiver->out;
}

// poll(2) does not wait for the dead socket, and is not restarted by a signal. Nor does it wait for
// a listener that somebody has shut down.
static int next_run(const struct receiver *receiver, struct tcpd_session *session)
{
    struct pollfd queue = {.fd = receiver->listener, .events = POLLIN | POLLRDHUP};

    if (poll(&queue, 1, -1) < 0)
        return -1;
    if ((queue.revents & (POLLHUP | POLLRDHUP)) != 0) {
        errno = EINVAL; // as of accept()
        return -1;
    }
    session->peer.any.sa_family = AF_UNSPEC;
    session->peer_length = sizeof(sa_family_t);
    return receiver->out;
}

int receive_prepare(struct receiver *receiver, const struct worker_setup *setup)
{
    int type = SOCK_STREAM;

    *receiver = (struct receiver){.listener = setup->listener, .out = -1, .next = next_connection};
    if (getsockopt(setup->listener, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof(type)}) < 0)
        return -errno;
    if (setup->service->leaves_clients)
        receiver->next = next_run;
    else if (type == SOCK_DGRAM)
        receiver->next = next_datagram;
    else
        return 0;
    receiver->out = fcntl(setup->listener, F_DUPFD_CLOEXEC, 3);
    return receiver->out < 0 ? -errno : 0;
}

void receive_open(struct receiver *receiver, const struct worker_setup *setup,
                  struct pool_hint *hint, struct tcpd_session *session)
{
    const struct door door = {setup->service, setup->speaks, setup->listener};
    const struct datagram_settings settings = {
        .rules = {.amplification = setup->service->amplification,
                  .ports = setup->ports,
                  .n_ports = setup->n_ports,
                  .answers_all = !setup->service->handler->loads_code},
        .losses = &hint->datagrams,
        .out = receiver->out,
    };

    transport_forget_keys(&door);
    session->is_run = setup->service->leaves_clients;
    if (!session->is_run)
        session->stage = receiver->out >= 0 ? datagram_stage(&settings)
                                            : transport_stack(&door, session_socket(session));
}
