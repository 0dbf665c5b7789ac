// SPDX-License-Identifier: MIT
// discard, RFC 863: everything is read and dropped; nothing is ever sent.

#include "handler.h"
#include "session.h"

static void serve(struct session *session)
{
    while (session_discard(session) > 0)
        ;
}

const struct handler handler_discard = {.name = "discard", .serve = serve};
