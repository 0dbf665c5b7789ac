// SPDX-License-Identifier: MIT
#include "transport/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"

static WITH_SMALL_ONES struct packet {
    struct stage stage; // the first, so that a pointer to it is one to all
    size_t start, n;    // of the message that came, what was not taken yet
    size_t n_out;       // of the message that is being written
    bool is_whole;      // which waits for room
} packet;

static uint8_t in[PACKET_MAX], out[PACKET_MAX];

static void start(struct stage *stage)
{
    (void)stage;
    packet.start = packet.n = packet.n_out = 0;
    packet.is_whole = false;
}

// Reads the next message. As recv(2).
static ssize_t fill(const struct stage *stage, int flags)
{
    ssize_t n = stage->below.take(stage->below.cookie, in, PACKET_MAX, flags | MSG_TRUNC);

    if (n > PACKET_MAX) {
        errno = EPROTO;
        return -1;
    }
    packet.start = 0;
    packet.n = n > 0 ? (size_t)n : 0;
    return n;
}

static ssize_t take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    ssize_t r = packet.n > 0 ? 1 : fill(stage, flags);
    size_t n = packet.n < size ? packet.n : size;

    *ret_last = false;
    if (r <= 0)
        return r;
    memcpy(data, in + packet.start, n);
    packet.start += n;
    packet.n -= n;
    *ret_last = packet.n == 0;
    return (ssize_t)n;
}

static ssize_t give(struct stage *stage, const void *data, size_t size, int flags, bool is_last)
{
    if (!packet.is_whole) {
        if (size > PACKET_MAX - packet.n_out) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(out + packet.n_out, data, size);
        packet.n_out += size;
        packet.is_whole = is_last;
    }
    if (packet.is_whole && packet.n_out > 0 && // an empty one would be our end to the peer
        stage->below.give(stage->below.cookie, out, packet.n_out, flags) < 0)
        return -1;
    if (packet.is_whole)
        packet.n_out = 0;
    packet.is_whole = false;
    return (ssize_t)size;
}

static bool has_more(const struct stage *stage)
{
    (void)stage;
    return packet.n > 0;
}

static const struct stage_ops ops = {.name = "packet",
                                     .has_messages = true,
                                     .is_thin = true,
                                     .open = start,
                                     .take = take,
                                     .give = give,
                                     .has_more = has_more};

struct stage *packet_stage(struct stage_end socket)
{
    packet.stage = (struct stage){.ops = &ops, .below = socket};
    return &packet.stage;
}
