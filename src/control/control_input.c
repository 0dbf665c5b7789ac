// SPDX-License-Identifier: MIT
// A pipe holds what sd-bus has not taken yet, a page at most; sd-bus itself one line or message.

#include "control/control_input.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/base.h"

#define HEADER 16 // byte order, type, flags, version; length of the body; serial; of the fields

int control_input_open(struct control_input *input, int socket, int *ret_fd)
{
    int ends[2];

    *input = (struct control_input){.socket = socket, .pipe = -1};
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    *ret_fd = ends[0];
    input->pipe = ends[1];
    return fcntl(ends[1], F_SETPIPE_SZ, CONTROL_PIECE) < 0 ? -errno : 0;
}

int control_input_start(struct control_input *input, sd_bus *bus, sd_event *event, int64_t priority,
                        sd_event_io_handler_t on_ready, void *userdata)
{
    int r = sd_event_add_io(event, &input->source, input->socket, EPOLLIN, on_ready, userdata);

    input->bus = bus;
    return r < 0 ? r : sd_event_source_set_priority(input->source, priority);
}

void control_input_close(struct control_input *input)
{
    input->source = sd_event_source_disable_unref(input->source);
    base_close_fd(&input->pipe);
}

static bool holds_bytes(int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

static bool may_pass(const struct control_input *input)
{
    uint64_t n_unread = 0;

    return input->pipe >= 0 && !holds_bytes(input->pipe) &&
           sd_bus_get_n_queued_write(input->bus, &n_unread) >= 0 && n_unread == 0;
}

bool control_input_is_pending(const struct control_input *input)
{
    return input->pipe >= 0 &&
           (holds_bytes(input->pipe) || (holds_bytes(input->socket) && may_pass(input)));
}

void control_input_look(struct control_input *input)
{
    (void)sd_event_source_set_enabled(input->source, may_pass(input) ? SD_EVENT_ON : SD_EVENT_OFF);
}

// Reads at most size bytes. > 0: how many; 0: none now. The peer's end is passed on.
static size_t take(struct control_input *input, void *data, size_t size, int flags)
{
    ssize_t n = recv(input->socket, data, size, MSG_DONTWAIT | flags);

    if (n > 0)
        return (size_t)n;
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        base_close_fd(&input->pipe);
    }
    return 0;
}

// The pipe is empty, and has room for a piece.
static bool give(const struct control_input *input, const void *data, size_t size)
{
    return write(input->pipe, data, size) == (ssize_t)size;
}

// A whole line of the authentication, as sd-bus reads on behind it.
static bool pass_line(struct control_input *input)
{
    char *line = input->start;
    size_t n = take(input, line + input->n, sizeof(input->start) - input->n, MSG_PEEK);
    const char *end = memchr(line + input->n, '\n', n);

    if (end)
        n = (size_t)(end - line) + 1 - input->n;
    input->n += n > 0 ? take(input, line + input->n, n, 0) : 0;
    if (!end)
        return input->n < sizeof(input->start);
    n = input->n;
    input->n = 0;
    input->began = n >= 7 && memcmp(line + n - 7, "BEGIN\r\n", 7) == 0;
    return ++input->n_lines <= CONTROL_LINES && give(input, line, n);
}

static uint32_t number(const char *data, bool is_little)
{
    uint32_t n;

    memcpy(&n, data, sizeof(n));
    return is_little ? le32toh(n) : be32toh(n);
}

// The length of the message behind its header; more than allowed for what is none.
static uint64_t rest_of(const char *header)
{
    bool is_little = header[0] == 'l';
    uint64_t fields = number(header + 12, is_little), body = number(header + 4, is_little);

    if (!is_little && header[0] != 'B')
        return UINT64_MAX;
    return (fields + 7) / 8 * 8 + body;
}

static bool pass_header(struct control_input *input)
{
    input->n += take(input, input->start + input->n, HEADER - input->n, 0);
    if (input->n < HEADER)
        return true;
    input->n = 0;
    input->left = rest_of(input->start);
    return input->left <= CONTROL_MESSAGE_MAX - HEADER && give(input, input->start, HEADER);
}

static bool pass_rest(struct control_input *input)
{
    char piece[CONTROL_PIECE];
    size_t n = take(input, piece, input->left < sizeof(piece) ? input->left : sizeof(piece), 0);

    input->left -= n;
    return n == 0 || give(input, piece, n);
}

bool control_input_pass(struct control_input *input)
{
    if (!may_pass(input))
        return true;
    if (!input->began)
        return pass_line(input);
    return input->left > 0 ? pass_rest(input) : pass_header(input);
}
