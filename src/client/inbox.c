// SPDX-License-Identifier: MIT
// The inbox. It takes bytes in any segmentation and never waits while it holds a whole message. A
// failed read is remembered, not returned at once: what came before it must not be lost.

#include "client/inbox.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"

int inbox_init(struct inbox *inbox, struct peer *peer)
{
    *inbox = (struct inbox){.peer = peer, .data = malloc(INBOX_MAX)};
    return inbox->data ? 0 : -ENOMEM;
}

void inbox_done(struct inbox *inbox)
{
    base_free(&inbox->data);
    inbox->data = NULL;
}

bool inbox_is_open(const struct inbox *inbox)
{
    size_t held = inbox->end - inbox->start;

    return !inbox->ended && inbox->error == 0 && held < (inbox->by_message ? 1 : INBOX_MAX);
}

static void make_room(struct inbox *inbox)
{
    if (inbox->end < INBOX_MAX && inbox->start < inbox->end)
        return; // moving only at need keeps a burst of small messages from being quadratic
    memmove(inbox->data, inbox->data + inbox->start, inbox->end - inbox->start);
    inbox->end -= inbox->start;
    inbox->start = 0;
}

void inbox_fill(struct inbox *inbox)
{
    while (inbox_is_open(inbox)) {
        ssize_t n;

        make_room(inbox);
        n = peer_read(inbox->peer, inbox->data + inbox->end, INBOX_MAX - inbox->end);
        if (n == -EAGAIN)
            return;
        if (n < 0)
            inbox->error = (int)n;
        else
            inbox->end += (size_t)n;
        inbox->ended = n == 0;
    }
}

static void wait_and_fill(struct inbox *inbox)
{
    int r = peer_wait(inbox->peer, POLLIN);

    if (r < 0)
        inbox->error = r;
    inbox_fill(inbox);
}

bool inbox_collect(struct inbox *inbox)
{
    while (inbox_is_open(inbox))
        wait_and_fill(inbox);
    return !inbox->ended && inbox->error == 0;
}

static int find_message(const struct inbox *inbox, enum framing framing, struct message *ret)
{
    const uint8_t *data = inbox->data + inbox->start;
    size_t length = inbox->end - inbox->start;

    if (framing != FRAMING_CHUNK)
        return framing_next(framing, data, length, inbox->ended, ret);
    *ret = (struct message){.data = data, .length = length, .consumed = length};
    return length > 0;
}

int inbox_next(struct inbox *inbox, enum framing framing, struct message *ret)
{
    if (framing == FRAMING_CHUNK && inbox->end > inbox->start)
        inbox_fill(inbox);
    for (;;) {
        int r = find_message(inbox, framing, ret);

        if (r == 1)
            inbox->start += ret->consumed;
        if (r != 0 || inbox->ended)
            return r;
        if (inbox->error < 0)
            return inbox->error;
        wait_and_fill(inbox);
    }
}
