// SPDX-License-Identifier: MIT
// Copying both ways at once. Nothing here blocks but the poll: a peer that echoes must be read
// while it is written to, or both stop with full buffers. When the peer stops reading, what it has
// sent is still copied out before that is told: its last words are often the reason.

#include "client/copy.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "client/output.h"
#include "client/trace.h"

#define BUFFER_SIZE (64 * 1024)

// One way: what was read and is not yet written.
struct flow {
    bool ended; // its source has no more
    size_t start, end;
    uint8_t data[BUFFER_SIZE];
};

struct copy {
    struct peer *peer;
    struct flow up, down;   // to the peer, from the peer
    int peer_error;         // of writing to the peer; told when its last bytes are out
    uint64_t deadline_usec; // for the peer's next move; USEC_NEVER while it is not its turn
    short peer_wants;       // events that it is to be served for
    bool has_more;          // of it, whatever its socket says
    size_t output_piece;    // the most that standard output takes without blocking
};

enum { INPUT, OUTPUT, PEER, N_FDS };

static bool flow_is_empty(const struct flow *flow)
{
    return flow->start == flow->end;
}

static void flow_consume(struct flow *flow, size_t size)
{
    flow->start += size;
    if (flow_is_empty(flow))
        flow->start = flow->end = 0;
}

// The clock runs while only the peer can go on: it has bytes to take, or the input has ended; and
// what it sent is out. Anything that it does winds the clock up again.
static void set_deadline(struct copy *copy, bool moved)
{
    bool its_turn = flow_is_empty(&copy->down) && (copy->up.ended || !flow_is_empty(&copy->up));

    if (!its_turn)
        copy->deadline_usec = USEC_NEVER;
    else if (moved || copy->deadline_usec == USEC_NEVER)
        copy->deadline_usec = peer_deadline(copy->peer->timeout_usec);
}

// Waits for what each flow needs next: room for what it holds, else more. After the peer's end only
// the rest of the output matters. An fd not needed is left out: poll would else report its hang-up
// again and again.
static int copy_wait(struct copy *copy, struct pollfd fds[N_FDS])
{
    bool up_holds = !flow_is_empty(&copy->up), down_holds = !flow_is_empty(&copy->down);
    bool input = !copy->down.ended && !copy->up.ended && !up_holds;
    int r;
    short wants = (short)((up_holds ? POLLOUT : 0) | (down_holds ? 0 : POLLIN));

    if (copy->down.ended)
        wants = 0;
    fds[INPUT] = (struct pollfd){input ? STDIN_FILENO : -1, POLLIN, 0};
    fds[OUTPUT] = (struct pollfd){down_holds ? STDOUT_FILENO : -1, POLLOUT, 0};
    copy->peer_wants = wants;
    copy->has_more = (copy->peer_wants & POLLIN) && peer_has_more(copy->peer);
    fds[PEER] = (struct pollfd){copy->peer_wants ? copy->peer->fd : -1,
                                peer_events(copy->peer, copy->peer_wants), 0};
    r = peer_poll(fds, N_FDS, copy->has_more ? base_now_usec() : copy->deadline_usec);
    return r == -ETIMEDOUT && copy->has_more ? 0 : r;
}

static int read_peer(struct copy *copy)
{
    ssize_t n = peer_read(copy->peer, copy->down.data, BUFFER_SIZE);

    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    copy->down.end = (size_t)n;
    copy->down.ended = n == 0;
    return 1;
}

// Writing to a peer that is gone fails, reading what it sent before does not.
static int write_peer(struct copy *copy)
{
    struct flow *up = &copy->up;
    ssize_t n = peer_write(copy->peer, up->data + up->start, up->end - up->start);

    if (n == -EAGAIN)
        return 0;
    if (n < 0) {
        copy->peer_error = (int)n;
        up->ended = true;
        n = (ssize_t)(up->end - up->start);
        trace_say("the peer takes no more: %s", status_words(copy->peer_error));
    }
    flow_consume(up, (size_t)n);
    return 1;
}

static int read_input(struct copy *copy)
{
    ssize_t n = read(STDIN_FILENO, copy->up.data, BUFFER_SIZE);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    copy->up.end = (size_t)n;
    copy->up.ended = n == 0;
    if (n == 0) {
        trace_say("standard input ended");
        peer_end_output(copy->peer);
    }
    return 0;
}

static int write_output(struct copy *copy)
{
    struct flow *down = &copy->down;
    size_t held = down->end - down->start;
    ssize_t n = output_write_some(down->data + down->start,
                                  held < copy->output_piece ? held : copy->output_piece);

    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    flow_consume(down, (size_t)n);
    return 0;
}

// Serves the standard streams; STATUS_DONE or a failure that was told.
static enum status serve_streams(struct copy *copy, const struct pollfd fds[N_FDS])
{
    int r;

    if (fds[OUTPUT].revents) {
        r = write_output(copy);
        if (r < 0)
            return status_say(STATUS_SYSTEM, "standard output: %s", strerror(-r));
    }
    if (fds[INPUT].revents && !copy->down.ended) {
        r = read_input(copy);
        if (r < 0)
            return status_say(STATUS_SYSTEM, "standard input: %s", strerror(-r));
    }
    return STATUS_DONE;
}

// Serves the peer: reading first, so that its end is seen before more is written to it.
static int serve_peer(struct copy *copy, const struct pollfd *fd)
{
    int moved = 0;

    if (!fd->revents && !copy->has_more)
        return 0;
    if (copy->peer_wants & POLLIN)
        moved = read_peer(copy);
    if (moved >= 0 && !copy->down.ended && (copy->peer_wants & POLLOUT))
        moved |= write_peer(copy);
    return moved;
}

static enum status tell_end(const struct copy *copy)
{
    size_t unsent = copy->up.end - copy->up.start;

    if (copy->peer_error < 0)
        return status_tell(copy->peer->name, copy->peer_error);
    if (unsent > 0)
        return status_say(STATUS_CUT_SHORT, "%s: cut short: the peer closed with %zu byte%s unsent",
                          copy->peer->name, unsent, PLURAL(unsent));
    return STATUS_DONE;
}

enum status copy_run(struct peer *peer)
{
    struct copy copy = {.peer = peer, .deadline_usec = USEC_NEVER, .output_piece = output_piece()};

    while (!copy.down.ended || !flow_is_empty(&copy.down)) {
        struct pollfd fds[N_FDS];
        enum status status;
        int r = copy_wait(&copy, fds);

        if (r >= 0)
            r = serve_peer(&copy, &fds[PEER]);
        if (r < 0)
            return status_tell(peer->name, r);
        status = serve_streams(&copy, fds);
        if (status != STATUS_DONE)
            return status;
        set_deadline(&copy, r > 0);
    }
    return tell_end(&copy);
}
