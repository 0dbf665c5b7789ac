// SPDX-License-Identifier: MIT
// The daemon is asked now and then whether sessions are left: it may serve for hours, and who waits
// may leave at any time.

#include "ctl/node.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"

#define LOOK_USEC (250 * USEC_PER_MSEC)

// How many sessions the services have, and how long balancers are to have still to learn of it.
static int ask(sd_bus *bus, const struct options *options, uint64_t *ret_sessions,
               uint64_t *ret_usec)
{
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Sessions", options->services, (const char *[]){NULL},
                                LINK_ANSWER_USEC, &reply);

    if (status != EX_OK)
        return status;
    if (sd_bus_message_read(reply, "tt", ret_sessions, ret_usec) < 0)
        status = fail(EXIT_FAILURE, "tcpd's answer cannot be read");
    (void)sd_bus_message_unref(reply);
    return status;
}

static int wait_for_end(sd_bus *bus, const struct options *options)
{
    uint64_t begin_usec = base_now_usec();

    for (;;) {
        const struct timespec pause = base_timespec(LOOK_USEC);
        uint64_t n = 0, left_usec = 0;
        int status = ask(bus, options, &n, &left_usec);

        if (status != EX_OK || (n == 0 && left_usec == 0))
            return status;
        if (base_now_usec() - begin_usec >= options->timeout_usec)
            return fail(EX_UNAVAILABLE,
                        "time is over: %" PRIu64 " session%s left; it stays drained", n, PLURAL(n));
        (void)nanosleep(&pause, NULL);
    }
}

int node_order(sd_bus *bus, const struct options *options)
{
    const char *method = options->command == COMMAND_DRAIN   ? "Drain"
                         : options->command == COMMAND_READY ? "Ready"
                                                             : "Maintain";
    uint64_t answer = options->timeout_usec < LINK_ANSWER_USEC ? options->timeout_usec
                                                               : LINK_ANSWER_USEC;
    int status = link_call_with(bus, method, options->services,
                                (const char *[]){options->reason, NULL}, answer, NULL);

    return status == EX_OK && options->wait ? wait_for_end(bus, options) : status;
}
