// SPDX-License-Identifier: MIT
// The trace of -v. Never fails: a step that cannot be told is not a reason to stop. Peers' bytes
// are never in it, only their number.

#include "client/trace.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/base.h"

// The log target of the client.
static struct {
    bool on;
    uint64_t start_usec;
} trace;

static const char *const state_names[] = {
    [TCP_ESTABLISHED] = "ESTABLISHED",
    [TCP_SYN_SENT] = "SYN_SENT",
    [TCP_SYN_RECV] = "SYN_RECV",
    [TCP_FIN_WAIT1] = "FIN_WAIT_1",
    [TCP_FIN_WAIT2] = "FIN_WAIT_2",
    [TCP_TIME_WAIT] = "TIME_WAIT",
    [TCP_CLOSE] = "CLOSED",
    [TCP_CLOSE_WAIT] = "CLOSE_WAIT",
    [TCP_LAST_ACK] = "LAST_ACK",
    [TCP_LISTEN] = "LISTEN",
    [TCP_CLOSING] = "CLOSING",
};

void trace_start(uint64_t start_usec)
{
    trace.on = true;
    trace.start_usec = start_usec;
}

void trace_say(const char *format, ...)
{
    uint64_t elapsed_usec;
    va_list arguments;

    if (!trace.on)
        return;
    elapsed_usec = base_now_usec() - trace.start_usec;
    fprintf(stderr, "+%" PRIu64 ".%06" PRIu64 " ", elapsed_usec / USEC_PER_SEC,
            elapsed_usec % USEC_PER_SEC);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void trace_say_kernel(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);
    const char *state = NULL;

    if (!trace.on || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return;
    if (info.tcpi_state < ELEMENTS(state_names))
        state = state_names[info.tcpi_state];
    trace_say("kernel: state %s, RTT %u.%03u ms, RTO %u.%03u ms, MSS %u, retransmits %u",
              state ? state : "unknown", info.tcpi_rtt / 1000, info.tcpi_rtt % 1000,
              info.tcpi_rto / 1000, info.tcpi_rto % 1000, info.tcpi_snd_mss,
              info.tcpi_total_retrans);
}
