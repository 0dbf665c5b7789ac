// SPDX-License-Identifier: MIT
// Peek, take what is surely the header's, repeat. What is peeked and has no end in it belongs to
// the header whole, so it is taken and the queue is empty again: the next wait is one, with no spin
// and no SO_RCVLOWAT. A header that is there as a whole costs two calls. The wait is poll(2)'s, as
// a time set on the socket would be a program's, too, and would begin anew with each byte.

#include "session/proxy_reader.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/base.h"

void proxy_reader_open(struct proxy_reader *reader, enum proxy_versions versions)
{
    reader->versions = versions;
    reader->n_held = reader->n_seen = 0;
    reader->error = 0;
}

static enum proxy_read fail(struct proxy_reader *reader, int error)
{
    reader->error = error;
    return PROXY_READ_FAILED;
}

// Bytes that were peeked are there, but for a socket that has been reset since.
static int take_exactly(struct proxy_reader *reader, int fd, size_t size)
{
    while (size > 0) {
        ssize_t n = recv(fd, reader->bytes + reader->n_held, size, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ECONNRESET;
        reader->n_held += (size_t)n;
        size -= (size_t)n;
    }
    return 0;
}

enum proxy_read proxy_reader_take(struct proxy_reader *reader, int fd)
{
    enum proxy_verdict verdict;
    ssize_t n;
    int r;

    do
        n = recv(fd, reader->bytes + reader->n_held, sizeof(reader->bytes) - reader->n_held,
                 MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? PROXY_READ_WAIT : fail(reader, errno);
    if (n == 0)
        return PROXY_READ_ENDED;
    reader->n_seen = reader->n_held + (size_t)n;
    verdict = proxy_header_scan(reader->bytes, reader->n_seen, reader->versions, &reader->header);
    if (verdict == PROXY_BAD)
        return PROXY_READ_BAD;
    assert(verdict == PROXY_MORE || reader->header.length > reader->n_held);
    r = take_exactly(reader, fd,
                     verdict == PROXY_DONE ? reader->header.length - reader->n_held : (size_t)n);
    if (r < 0)
        return fail(reader, -r);
    return verdict == PROXY_DONE ? PROXY_READ_WHOLE : PROXY_READ_WAIT;
}

enum proxy_read proxy_reader_run(struct proxy_reader *reader, int fd, uint64_t due_usec)
{
    struct pollfd peer = {.fd = fd, .events = POLLIN};

    for (;;) {
        enum proxy_read read = proxy_reader_take(reader, fd);
        struct timespec left;
        uint64_t now;

        if (read != PROXY_READ_WAIT)
            return read;
        now = base_now_usec();
        if (now >= due_usec)
            return PROXY_READ_WAIT;
        left = base_timespec(due_usec - now);
        if (ppoll(&peer, 1, due_usec == USEC_NEVER ? NULL : &left, NULL) <= 0)
            return PROXY_READ_WAIT;
    }
}
