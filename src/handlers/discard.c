// SPDX-License-Identifier: MIT
// discard, RFC 863: everything is read and dropped; nothing is ever sent.

#include "handlers/handlers.h"

static void serve(struct tcpd_session *session)
{
    while (tcpd_discard(session) > 0)
        ;
}

const struct handler handler_discard = {
    .name = "discard",
    .face = {.abi = TCPD_HANDLER_ABI, .serve = serve, .kinds = HANDLER_ALL_KINDS}};
