// SPDX-License-Identifier: MIT
// O_NONBLOCK belongs to the open file description, which whoever started us and every program have
// as well: it is never set on theirs. A pipe or a terminal is opened anew, for a description of our
// own; a socket is asked for each message. Where neither is possible there is a look before each
// write. A file has an offset that is shared, so it is written to as it is; it always has room.

#include "log/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/base.h"

#define SIP 128 // a terminal that polls writable takes so much

#define LOWEST 10
#define FLAGS  (O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static struct {
    int own;    // a description that does not block, or -1
    int shared; // else this one of everybody's
    bool is_file, is_socket;
    bool is_cut; // in the middle of a line
} output = {.own = -1, .shared = STDERR_FILENO};

int output_move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST);

    (void)close(fd);
    return moved;
}

// Some devices are another one each time they are opened; of those only terminals say which.
static bool is_same_terminal(int fd)
{
    unsigned ours = 0, shared = 0;

    return ioctl(STDERR_FILENO, TIOCGDEV, &shared) == 0 && ioctl(fd, TIOCGDEV, &ours) == 0 &&
           ours == shared;
}

static int open_anew(bool is_pipe)
{
    int fd;

    if (!is_pipe && !isatty(STDERR_FILENO))
        return -1;
    fd = open("/proc/self/fd/2", FLAGS);
    if (fd >= 0 && !is_pipe && !is_same_terminal(fd)) {
        (void)close(fd);
        return -1;
    }
    return fd < 0 ? -1 : output_move_up(fd);
}

void output_open(void)
{
    struct stat st;

    if (output.own >= 0 || fstat(STDERR_FILENO, &st) < 0)
        return;
    output.is_file = S_ISREG(st.st_mode);
    output.is_socket = S_ISSOCK(st.st_mode);
    if (!output.is_file && !output.is_socket)
        output.own = open_anew(S_ISFIFO(st.st_mode));
}

void output_renew(void)
{
    int fd;

    if (output.own < 0)
        return;
    fd = open("/proc/self/fd/2", FLAGS); // the same thing as the parent's
    if (fd == output.own)
        return;
    // Nothing is written to memory that an idle worker shares with the master.
    if (fd < 0 || dup3(fd, output.own, O_CLOEXEC) < 0)
        output.own = -1;
    base_close_fd(&fd);
}

void output_leave(void)
{
    int fd = output.own >= 0 ? output.own : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, LOWEST);

    if (fd >= 0)
        output.shared = fd;
}

// How much of it a terminal takes at once. What it makes two bytes of, or eight, wants a look of
// its own.
static size_t sip(const char *bytes, size_t size)
{
    size_t n = 0;

    while (n < size && n < SIP && !strchr("\b\t\n\r", bytes[n]))
        n++;
    return n > 0 ? n : 1;
}

// Linux 6.4 and newer can write to a pipe without waiting, whatever it is set to.
static ssize_t write_shared(const char *bytes, size_t size)
{
    struct pollfd reader = {.fd = output.shared, .events = POLLOUT};
    struct iovec iov = {.iov_base = (char *)(uintptr_t)bytes, .iov_len = size};
    ssize_t n = pwritev2(output.shared, &iov, 1, -1, RWF_NOWAIT);
    bool is_terminal = isatty(output.shared);
    size_t done = 0;

    if (n >= 0 || errno == EAGAIN)
        return n;
    while (done < size) {
        if (poll(&reader, 1, 0) <= 0) {
            errno = EAGAIN; // also when a signal came: never write without knowing of room
            break;
        }
        n = write(output.shared, bytes + done,
                  is_terminal ? sip(bytes + done, size - done) : size - done);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    return done > 0 ? (ssize_t)done : -1;
}

static ssize_t write_some(const char *bytes, size_t size)
{
    ssize_t n = output.is_file     ? write(output.shared, bytes, size)
                : output.is_socket ? send(output.shared, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                : output.own >= 0  ? write(output.own, bytes, size)
                                   : write_shared(bytes, size);

    return n < 0 ? -errno : n;
}

// The bytes of n that are whole lines. The rest of a line that was cut off will not come: the next
// one begins on a line of its own.
static ssize_t count_whole(const char *lines, size_t n)
{
    const char *last = memrchr(lines, '\n', n);
    size_t whole = last ? (size_t)(last - lines) + 1 : 0;

    output.is_cut = whole < n;
    return whole > 0 ? (ssize_t)whole : -EAGAIN;
}

static ssize_t try(const char *lines, size_t size)
{
    ssize_t n = output.is_cut ? write_some("\n", 1) : 0;

    if (n < 0)
        return n;
    output.is_cut = false;
    n = write_some(lines, size);
    return n > 0 ? count_whole(lines, (size_t)n) : n;
}

ssize_t output_write(const char *lines, size_t size, int patience_ms)
{
    struct pollfd reader = {.fd = output.shared, .events = POLLOUT};
    ssize_t n = try(lines, size);

    if (n == -EAGAIN && patience_ms > 0 && poll(&reader, 1, patience_ms) > 0)
        n = try(lines, size);
    return n;
}
