// SPDX-License-Identifier: MIT
// Asking and receiving. While a text is being sent, what the peer sends is read too: a peer that
// replies before it has read all must not stop both sides for ever. The peer may end instead of
// replying to the last text (that is how `exit` is answered), but not before it.

#include "client/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "client/inbox.h"
#include "client/trace.h"

#define cleanup_inbox __attribute__((cleanup(inbox_done)))

// The text in its framing, in one block so that it leaves in one segment if it can. Owned by the
// caller, NULL without memory.
static char *frame_text(enum framing framing, const char *text, size_t *ret_size)
{
    uint8_t head[FRAMING_HEAD_MAX];
    const char *tail = framing_tail(framing);
    size_t length = strlen(text), head_length = framing_head(framing, length, head);
    char *frame = malloc(head_length + length + strlen(tail) + 1);

    if (!frame)
        return NULL;
    memcpy(frame, head, head_length);
    *ret_size = (size_t)(stpcpy(stpcpy(frame + head_length, text), tail) - frame);
    return frame;
}

// Waits until more can be sent, and takes in what the peer sends meanwhile.
static int wait_for_room(struct inbox *inbox)
{
    int r = peer_wait(inbox->peer, inbox_is_open(inbox) ? POLLIN | POLLOUT : POLLOUT);

    if (r < 0)
        return r;
    inbox_fill(inbox);
    return 0;
}

static int send_text(enum framing framing, const char *text, struct inbox *inbox)
{
    size_t size = 0, sent = 0;
    cleanup_free char *frame = frame_text(framing, text, &size);

    if (!frame)
        return -ENOMEM;
    while (sent < size) {
        ssize_t n = peer_write(inbox->peer, frame + sent, size - sent);

        if (n == -EAGAIN)
            n = wait_for_room(inbox);
        else if (n > 0)
            sent += (size_t)n;
        if (n < 0)
            return (int)n;
    }
    trace_say("sent %zu byte%s", size, PLURAL(size));
    return 0;
}

// Waits for one message and prints it. 1: printed; 0: the peer ended instead; negative: failed and
// told, the exit status is in *ret_status.
static int print_next(const struct ask *ask, struct inbox *inbox, enum status *ret_status)
{
    struct message message = {0};
    int r = inbox_next(inbox, ask->framing, &message);

    if (r < 0)
        *ret_status = status_tell(inbox->peer->name, r);
    if (r <= 0)
        return r;
    trace_say("received a message of %zu byte%s", message.length, PLURAL(message.length));
    r = output_line(&ask->style, message.data, message.length);
    if (r < 0)
        *ret_status = status_say(STATUS_SYSTEM, "standard output: %s", strerror(-r));
    return r < 0 ? r : 1;
}

static enum status tell_cut_short(const struct peer *peer, size_t n_sent, size_t n_texts)
{
    return status_say(STATUS_CUT_SHORT, "%s: cut short: the peer closed with %zu of %zu texts sent",
                      peer->name, n_sent, n_texts);
}

static enum status converse(const struct ask *ask, struct inbox *inbox)
{
    enum status status = STATUS_SYSTEM;
    int r;

    if (ask->greeting) {
        r = print_next(ask, inbox, &status);
        if (r < 0)
            return status;
        if (r == 0)
            return status_say(STATUS_CUT_SHORT, "%s: cut short: the peer closed without a greeting",
                              inbox->peer->name);
    }
    for (size_t i = 0; i < ask->n_texts; i++) {
        if (inbox->ended)
            return tell_cut_short(inbox->peer, i, ask->n_texts);
        r = send_text(ask->framing, ask->texts[i], inbox);
        if (r < 0)
            return status_tell(inbox->peer->name, r);
        r = print_next(ask, inbox, &status);
        if (r < 0)
            return status;
        if (r == 0 && i + 1 < ask->n_texts)
            return tell_cut_short(inbox->peer, i + 1, ask->n_texts);
    }
    peer_end_output(inbox->peer);
    do
        r = print_next(ask, inbox, &status);
    while (r > 0);
    return r < 0 ? status : STATUS_DONE;
}

enum status ask_run(const struct ask *ask, struct peer *peer)
{
    cleanup_inbox struct inbox inbox;
    int r = inbox_init(&inbox, peer);

    inbox.by_message = peer->has_messages;
    return r < 0 ? status_tell(peer->name, r) : converse(ask, &inbox);
}

// How many bytes at the end begin a UTF-8 character without ending it.
static size_t open_character(const uint8_t *data, size_t length)
{
    for (size_t n = 1; n <= 3 && n <= length; n++) {
        uint8_t byte = data[length - n];

        if (byte >= 0xc0)
            return n < (byte >= 0xf0 ? 4U : byte >= 0xe0 ? 3U : 2U) ? n : 0;
        if (byte < 0x80)
            return 0;
    }
    return 0;
}

// Prints what comes until the peer ends or fails, a full inbox at a time, but for a character that
// the inbox's end has cut. Fails only when standard output does.
static int print_rest(const struct output_style *style, struct inbox *inbox)
{
    bool more;

    do {
        const uint8_t *data;
        size_t length;
        int r;

        more = inbox_collect(inbox);
        data = inbox->data + inbox->start;
        length = inbox->end - inbox->start;
        length = more ? length - open_character(data, length) : output_trim(data, length);
        r = output_text(style, data, length);
        if (r < 0)
            return r;
        inbox->start += length;
    } while (more);
    return 0;
}

enum status ask_receive(const struct output_style *style, struct peer *peer)
{
    cleanup_inbox struct inbox inbox;
    int r = inbox_init(&inbox, peer);

    if (r < 0)
        return status_tell(peer->name, r);
    peer_end_output(peer);
    r = output_write(OUTPUT_PREFIX, strlen(OUTPUT_PREFIX));
    if (r == 0)
        r = print_rest(style, &inbox);
    if (r == 0)
        r = output_write("\n", 1);
    if (r < 0)
        return status_say(STATUS_SYSTEM, "standard output: %s", strerror(-r));
    return inbox.error < 0 ? status_tell(peer->name, inbox.error) : STATUS_DONE;
}
