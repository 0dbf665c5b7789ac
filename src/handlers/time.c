// SPDX-License-Identifier: MIT
// time, RFC 868: seconds since 1900-01-01 00:00 UTC, 32 bits in network byte order. The count wraps
// in 2036; the low 32 bits are sent, as the protocol has no more.

#include <endian.h>
#include <time.h>

#include "handlers/handlers.h"

#define SECONDS_1900_TO_1970 UINT64_C(2208988800)

static void serve(struct tcpd_session *session)
{
    struct timespec now; // time(2) may lag a few milliseconds behind, across a second's edge
    uint32_t seconds;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    seconds = htobe32((uint32_t)((uint64_t)now.tv_sec + SECONDS_1900_TO_1970));
    (void)tcpd_write(session, &seconds, sizeof(seconds)); // the session keeps the result
}

const struct handler handler_time = {
    .name = "time",
    .face = {.abi = TCPD_HANDLER_ABI, .serve = serve, .kinds = HANDLER_ALL_KINDS},
    .is_binary = true};
