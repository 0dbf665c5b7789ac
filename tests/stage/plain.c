// SPDX-License-Identifier: MIT
// In place of src/transport/plain.c, for `make STAGE=xor`: every stream has two stages. Each turns
// every byte into another one, by its position, and both together into what it was: so all that
// passes through both is right, and what misses one of them is wrong. They do all that a stage may
// do: keep bytes inside, take pieces of any size, fail with EAGAIN and EINTR in the middle, want to
// write before they read. TCPD_TEST_STAGES in the environment: `one` leaves one of them, whose
// bytes are others on the wire, so that what misses both is found; `whole`: what comes at once is
// taken at once, for tests of just that.

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "transport/packet.h"
#include "transport/transport.h"

#define ROOM 5000

struct xor_stage {
    struct stage stage; // the first, so that a pointer to it is one to all
    uint64_t n_in, n_out;
    size_t start, n;         // of `in`, what was not taken yet
    size_t out_start, out_n; // of `out`, what is on its way
    size_t taken;            // how many bytes of the caller's are in `out`
    bool wants_out;          // to write, it says, before it reads
    uint8_t in[ROOM], out[ROOM];
};

static struct xor_stage stages[2];

static bool is_whole;

// Below `most`, another for each call.
static size_t by_chance(size_t most)
{
    static uint32_t state = 1;

    if (is_whole)
        return most - 1;
    state = state * 1664525 + 1013904223;
    return (state >> 8) % most;
}

static void turn(uint8_t *bytes, size_t n, uint64_t position)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] ^= (uint8_t)(0x5a + (position + i) * 7);
}

static void start(struct stage *stage)
{
    struct xor_stage * xor = (struct xor_stage *)stage;

    xor->n_in = xor->n_out = 0;
    xor->start = xor->n = xor->out_start = xor->out_n = xor->taken = 0;
    xor->wants_out = false;
}

// Fails as a stage may at any time. True: it did.
static bool stumbles(int flags)
{
    size_t chance = by_chance(16);

    if (chance == 0)
        errno = EINTR;
    else if (chance == 1 && (flags & MSG_DONTWAIT))
        errno = EAGAIN;
    return chance == 0 || (chance == 1 && (flags & MSG_DONTWAIT));
}

static ssize_t take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    struct xor_stage * xor = (struct xor_stage *)stage;
    size_t n;

    *ret_last = false;
    xor->wants_out = false;
    if (stumbles(flags)) {
        xor->wants_out = errno == EAGAIN;
        return -1;
    }
    if (xor->n == 0) {
        ssize_t r = stage->below.take(stage->below.cookie, xor->in, 1 + by_chance(ROOM), flags);

        if (r <= 0)
            return r;
        turn(xor->in, (size_t)r, xor->n_in);
        xor->n_in += (uint64_t)r;
        xor->start = 0;
        xor->n = (size_t)r;
    }
    n = 1 + by_chance(xor->n < size ? xor->n : size);
    memcpy(data, xor->in + xor->start, n);
    xor->start += n;
    xor->n -= n;
    return (ssize_t)n;
}

static ssize_t give(struct stage *stage, const void *data, size_t size, int flags, bool is_last)
{
    struct xor_stage * xor = (struct xor_stage *)stage;

    (void)is_last;
    if (size == 0)
        return 0;
    if (xor->out_n == 0) {
        xor->taken = xor->out_n = 1 + by_chance(size < ROOM ? size : ROOM);
        xor->out_start = 0;
        memcpy(xor->out, data, xor->taken);
        turn(xor->out, xor->taken, xor->n_out);
        xor->n_out += xor->taken;
    }
    while (xor->out_n > 0) {
        ssize_t n;

        if (stumbles(flags))
            return -1;
        n = stage->below.give(stage->below.cookie, xor->out + xor->out_start,
                              1 + by_chance(xor->out_n), flags);
        if (n < 0)
            return -1;
        xor->out_start += (size_t)n;
        xor->out_n -= (size_t)n;
    }
    return (ssize_t) xor->taken;
}

static bool has_more(const struct stage *stage)
{
    return ((const struct xor_stage *)stage)->n > 0;
}

static short wants(const struct stage *stage, short events)
{
    return ((const struct xor_stage *)stage)->wants_out && (events & POLLIN)
               ? (short)((events & ~POLLIN) | POLLOUT)
               : events;
}

static const struct stage_ops ops = {
    .name = "xor", .open = start, .take = take, .give = give, .has_more = has_more, .wants = wants};

struct stage *transport_plain(int type, struct stage_end socket)
{
    const char *how = getenv("TCPD_TEST_STAGES");

    is_whole = how && strcmp(how, "whole") == 0;
    if (type != SOCK_STREAM)
        return type == SOCK_SEQPACKET ? packet_stage(socket) : NULL;
    for (size_t i = 0; i < ELEMENTS(stages); i++)
        stages[i].stage = (struct stage){.ops = &ops, .below = socket};
    if (how && strcmp(how, "one") == 0)
        return &stages[0].stage;
    stage_put_on(&stages[1].stage, &stages[0].stage);
    return &stages[1].stage;
}
