// SPDX-License-Identifier: MIT
// tcpc: a client of TCP, UDP and unix sockets. Connects, then copies, asks or receives, and says
// with its exit status how that went. Every failure is told in one line on stderr by the module
// that met it; main only joins them.

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>

#include "base/base.h"
#include "client/ask.h"
#include "client/connect.h"
#include "client/copy.h"
#include "client/datagram.h"
#include "client/options.h"
#include "client/peer.h"
#include "client/proxy.h"
#include "client/status.h"
#include "client/tls.h"
#include "client/trace.h"

// A closed standard stream's number would be given to the socket, and messages sent to the peer.
static void open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); // stays open on purpose when it fills such a gap
    while (fd >= 0 && fd <= STDERR_FILENO);
    base_close_fd(&fd);
}

static enum status run(const struct options *options, struct peer *peer)
{
    if (peer->is_datagram)
        return options->mode == OPTIONS_ASK ? datagram_ask(&options->ask, peer)
                                            : datagram_copy(options->ask.framing, peer);
    if (options->mode == OPTIONS_ASK)
        return ask_run(&options->ask, peer);
    if (options->mode == OPTIONS_RECEIVE)
        return ask_receive(&options->ask.style, peer);
    return copy_run(peer);
}

static enum status connect_and_run(const struct options *options)
{
    struct peer peer = {.fd = -1};
    enum status status = connect_open(&options->request, &peer);

    if (status != STATUS_DONE)
        return status;
    if (options->proxy.is_on)
        status = proxy_begin(&options->proxy, &peer);
    if (status == STATUS_DONE && options->tls.is_on)
        status = tls_begin(&peer, &options->tls, options->request.target.host);
    if (status == STATUS_DONE)
        status = run(options, &peer);
    trace_say("sent %" PRIu64 " byte%s, received %" PRIu64 " byte%s", peer.n_sent,
              PLURAL(peer.n_sent), peer.n_received, PLURAL(peer.n_received));
    trace_say_kernel(peer.fd);
    peer_close(&peer);
    return status;
}

int main(int argc, char **argv)
{
    uint64_t start_usec = base_now_usec();
    struct options options;
    enum status status;

    open_standard_streams();
    (void)signal(SIGPIPE, SIG_IGN); // a failed write tells it better; cannot fail for this signal
    status = options_parse(argc, argv, &options);
    if (options.verbose)
        trace_start(start_usec);
    if (status == STATUS_DONE && options.mode != OPTIONS_INFORM)
        status = connect_and_run(&options);
    options_done(&options);
    return (int)status;
}
