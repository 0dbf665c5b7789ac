// SPDX-License-Identifier: MIT
// Standard output. Its file description is shared with whoever started us, so O_NONBLOCK is never
// set on it, and may be set by others: both kinds of description must work. Prints by length; a
// peer's NUL ends nothing.

#include "client/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/escape.h"
#include "client/peer.h"

#define PIECE_MAX (64 * 1024)

int output_write(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, size);

        if (n >= 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};

            (void)peer_poll(&fd, 1, USEC_NEVER); // the next write tells what is wrong
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

size_t output_piece(void)
{
    struct stat status;

    // poll() promises room for PIPE_BUF bytes in a pipe; a longer write may block half-way.
    if (fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode))
        return PIECE_MAX;
    return PIPE_BUF;
}

ssize_t output_write_some(const void *data, size_t size)
{
    ssize_t n;

    do
        n = write(STDOUT_FILENO, data, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int output_text(const struct output_style *style, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    char text[4096];

    if (style->raw)
        return output_write(data, size);
    while (size > 0) {
        size_t n = escape_bytes(bytes, size, text, sizeof(text));
        int r = output_write(text, strlen(text));

        if (r < 0)
            return r;
        bytes += n;
        size -= n;
    }
    return 0;
}

size_t output_trim(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size > 0 && memchr("\r\n", bytes[size - 1], sizeof("\r\n"))) // its NUL counts too
        size--;
    return size;
}

int output_line(const struct output_style *style, const void *data, size_t size)
{
    int r = style->prefix ? output_write(OUTPUT_PREFIX, strlen(OUTPUT_PREFIX)) : 0;

    if (r == 0)
        r = output_text(style, data, style->prefix ? output_trim(data, size) : size);
    if (r == 0)
        r = output_write("\n", 1);
    return r;
}
