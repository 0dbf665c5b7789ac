// SPDX-License-Identifier: MIT
// echo, RFC 862: every byte comes back, of any size, in order. The peer's end of input ends
// reading; what was read before it is still answered, then the caller closes.

#include "handler.h"
#include "session.h"

static void serve(struct session *session)
{
    uint8_t *buffer = session_buffer();
    ssize_t n;

    while ((n = session_read(session, buffer, SESSION_BUFFER_SIZE)) > 0)
        if (session_write(session, buffer, (size_t)n) < 0)
            return;
}

const struct handler handler_echo = {.name = "echo", .serve = serve};
