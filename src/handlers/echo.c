// SPDX-License-Identifier: MIT
// echo, RFC 862: every byte comes back, of any size, in order. The peer's end of input ends
// reading; what was read before it is still answered, then the caller closes.
// The bytes go through a buffer, or through a pipe by splice(2), which spares the copies and the
// processor but costs two more system calls and, on a stream that fills the buffer each time, rate.
// `transfer = auto` takes the pipe after a message of a size for which that was measured to be
// faster, and the buffer after any other.

#include <fcntl.h>

#include "base.h"
#include "handler.h"
#include "session.h"

#define SPLICE_LEAST (8 * 1024) // messages below are copied

struct path {
    enum transfer transfer;
    int in, out; // the pipe's ends, -1: none yet
    bool splices;
};

// A pipe takes room in the kernel, and all of a user's pipes together have a limit (pipe(7)); so
// only a session that has a use for it has one, and one that came out too small is none.
static bool open_pipe(struct path *path)
{
    int ends[2];

    if (path->in >= 0)
        return true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    if (fcntl(ends[0], F_GETPIPE_SZ) < SESSION_BUFFER_SIZE) {
        base_close_fd(&ends[0]);
        base_close_fd(&ends[1]);
        return false;
    }
    path->out = ends[0];
    path->in = ends[1];
    return true;
}

static void choose(struct path *path, ssize_t n)
{
    bool is_good = n >= SPLICE_LEAST && n < SESSION_BUFFER_SIZE;

    if (path->transfer != TRANSFER_AUTO)
        return;
    path->splices = is_good && open_pipe(path);
    if (is_good && !path->splices)
        path->transfer = TRANSFER_COPY;
}

static ssize_t echo_once(struct session *session, const struct path *path)
{
    uint8_t *buffer = session_buffer();
    ssize_t n;
    int r;

    n = path->splices ? session_splice_read(session, path->in, SESSION_BUFFER_SIZE)
                      : session_read(session, buffer, SESSION_BUFFER_SIZE);
    if (n <= 0)
        return n;
    r = path->splices ? session_splice_write(session, path->out, (size_t)n)
                      : session_write(session, buffer, (size_t)n);
    return r < 0 ? r : n;
}

static void serve(struct session *session)
{
    struct path path = {.transfer = session->service->options.transfer, .in = -1, .out = -1};
    ssize_t n;

    if (session->peer.any.sa_family == AF_UNIX)
        path.transfer = TRANSFER_COPY; // its splice copies all the same
    path.splices = path.transfer == TRANSFER_SPLICE && open_pipe(&path);
    while ((n = echo_once(session, &path)) > 0)
        choose(&path, n);
    base_close_fd(&path.in);
    base_close_fd(&path.out);
}

const struct handler handler_echo = {.name = "echo", .serve = serve};
