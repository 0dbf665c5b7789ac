// SPDX-License-Identifier: MIT
// ws_stream.c: a stream of frames in any cut, into buffers of any size, is what a simple decoder
// makes of it: the same messages, the same answers, the same end. And what it writes, in whatever
// pieces the client takes it, is frames again.

#include <errno.h>
#include <sys/socket.h>

#include "ws_memory.h"
#include "ws_reference.h"

#define MESSAGE_MAX 3000

struct client {
    struct cuts cuts;
    const uint8_t *data;
    size_t left;
    struct ws_bytes got;
    bool is_slow; // takes little at a time
};

static ssize_t client_take(void *cookie, void *data, size_t size, int flags)
{
    struct client *client = cookie;
    size_t n = client->left ? next_piece(&client->cuts, client->left) : 0;

    (void)flags;
    if (client->cuts.state & 1 << 10) {
        errno = EAGAIN;
        return -1;
    }
    n = n < size ? n : size;
    if (n > 0)
        memcpy(data, client->data, n);
    client->data += n;
    client->left -= n;
    return (ssize_t)n;
}

static ssize_t client_give(void *cookie, const void *data, size_t size, int flags)
{
    struct client *client = cookie;

    (void)flags;
    if (client->is_slow)
        size = next_piece(&client->cuts, size);
    if (client->is_slow && client->cuts.state & 1 << 10) {
        errno = EAGAIN;
        return -1;
    }
    bytes_add(&client->got, data, size);
    return (ssize_t)size;
}

static const struct ws_options options = {.initial = WS_BINARY, .message_max = MESSAGE_MAX};

static struct ws_stream *open_stream(struct client *client, size_t n_early)
{
    const struct stage_end below = {.take = client_take, .give = client_give, .cookie = client};
    struct ws_stream *stream;

    n_early = n_early < client->left ? n_early : client->left;
    n_early = n_early < WS_BUFFER_SIZE ? n_early : WS_BUFFER_SIZE;
    stream = ws_stream_new(&below, &options, client->data, n_early);
    client->data += n_early;
    client->left -= n_early;
    MUST(stream);
    return stream;
}

// Reads to the end. A reader does not ask for the type of a message: "?".
static void read_all(struct ws_stream *stream, struct client *client, struct ws_outcome *outcome)
{
    uint8_t buffer[5000];
    size_t length = 0;
    ssize_t n;
    bool last;

    do {
        size_t size = next_cut(&client->cuts, sizeof(buffer));

        n = ws_stream_take(stream, buffer, size, 0, &last);
        if (n < 0 && errno == EAGAIN) {
            MUST(!ws_stream_has_more(stream) || ws_stream_wants_to_send(stream));
            continue;
        }
        outcome->error = n < 0 ? errno : 0;
        MUST(n <= (ssize_t)size && (n >= 0 || !last));
        bytes_add(&outcome->read, buffer, n > 0 ? (size_t)n : 0);
        length += n > 0 ? (size_t)n : 0;
        if (last) {
            bytes_add(&outcome->read, "?", 1);
            bytes_add(&outcome->read, &length, sizeof(length));
            length = 0;
        }
    } while (n > 0 || last || (n < 0 && errno == EAGAIN));
    outcome->fault = (int)ws_stream_fault(stream);
    outcome->peer_code = (int)ws_stream_peer_code(stream);
}

static void check_same(const struct ws_bytes *got, const struct ws_bytes *want, bool has_types)
{
    MUST(got->length == want->length);
    for (size_t i = 0; i < got->length; i++)
        MUST(got->data[i] == want->data[i] ||
             (has_types && got->data[i] == '?' && strchr("TB", want->data[i])));
}

static void check_reading(const uint8_t *data, size_t size, struct cuts cuts, size_t n_early)
{
    struct client client = {.cuts = cuts, .data = data, .left = size};
    struct ws_outcome got = {0}, want = {0};
    struct ws_stream *stream = open_stream(&client, n_early);

    reference_read(data, size, MESSAGE_MAX, &want);
    read_all(stream, &client, &got);
    check_same(&got.read, &want.read, true);
    check_same(&client.got, &want.answer, false);
    MUST(got.error == want.error && got.fault == want.fault && got.peer_code == want.peer_code);
    ws_stream_free(stream);
    bytes_free(&client.got);
    bytes_free(&got.read);
    bytes_free(&want.read);
    bytes_free(&want.answer);
}

// Echoes without waiting; what comes of it has to be frames, with one Close at most, at the end.
static void check_writing(const uint8_t *data, size_t size, struct cuts cuts)
{
    struct client client = {.cuts = cuts, .data = data, .left = size, .is_slow = true};
    struct ws_stream *stream = open_stream(&client, 0);
    uint8_t buffer[2 * WS_BUFFER_SIZE], first = 0;
    const uint8_t *payload;
    size_t length, n_frame;
    ssize_t n;
    bool last;

    for (;;) {
        n = ws_stream_take(stream, buffer, sizeof(buffer), MSG_DONTWAIT, &last);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0 || (n == 0 && !last))
            break;
        for (size_t done = 0;;) {
            ssize_t r = ws_stream_give(stream, buffer + done, (size_t)n - done, MSG_DONTWAIT, last);

            if (r < 0 && errno != EAGAIN)
                break;
            done += r > 0 ? (size_t)r : 0;
            if (r >= 0 && done == (size_t)n)
                break;
        }
    }
    while (ws_stream_end(stream, WS_OK, "the end", MSG_DONTWAIT) < 0)
        MUST(errno == EAGAIN);
    for (size_t at = 0; at < client.got.length; at += n_frame) {
        MUST(first != 0x88);
        n_frame = frame_read(client.got.data + at, client.got.length - at, &first, &payload,
                             &length);
        MUST(n_frame > 0);
    }
    MUST(first == 0x88);
    ws_stream_free(stream);
    bytes_free(&client.got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    check_reading(data + 2, size - 2, (struct cuts){data[0]}, data[1]);
    check_writing(data + 2, size - 2, (struct cuts){data[0]});
    return 0;
}
