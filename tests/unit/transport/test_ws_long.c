// SPDX-License-Identifier: MIT
// Frames longer than what is read ahead, whose payload goes past the stream's own buffers: echoed
// whole, with a ping in the middle, however they are cut, and whatever is interrupted.

#include "unit.h"
#include "ws_peer.h"
#include "ws_words.h"

#define LONGEST (8 * WS_BUFFER_SIZE + 1)
#define TEXT    0x81
#define BINARY  0x82
#define PING    0x89
#define PONG    0x8a

static const struct ws_options options = {.initial = WS_TEXT, .message_max = 2 * LONGEST};

// What no mask and no shift of places looks like; ASCII, to be text as well.
static void fill(uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(' ' + (i * 7 + i / 251) % 95);
}

// A message in two fragments with a ping between, and one whole.
static void send_messages(struct ws_peer *peer, uint8_t first, const uint8_t *data, size_t n)
{
    frame_add(&peer->sends, first & 0x7f, true, data, n);
    frame_add(&peer->sends, PING, true, data, 3);
    frame_add(&peer->sends, 0x80, true, data, n);
    frame_add(&peer->sends, first, true, data, n);
}

// All payload of data frames, one behind the other, and how many messages and pongs there were.
struct seen {
    struct ws_bytes payload;
    size_t n_messages, n_pongs;
};

static void read_frames(const struct ws_bytes *from, struct seen *ret)
{
    for (size_t at = 0; at < from->length;) {
        const uint8_t *payload = NULL;
        uint8_t first = 0;
        size_t length = 0;
        size_t n = frame_read(from->data + at, from->length - at, &first, &payload, &length);

        assert_int_not_equal(n, 0);
        if (first != PONG)
            bytes_add(&ret->payload, payload, length);
        ret->n_pongs += first == PONG;
        ret->n_messages += first != PONG && (first & 0x80);
        at += n;
    }
}

static void check_echo(struct ws_peer *peer, uint8_t first, const uint8_t *data, size_t n,
                       size_t buffer)
{
    struct ws_stream *stream = peer_stream(peer, &options);
    struct seen seen = {0};

    send_messages(peer, first, data, n);
    assert_int_equal(peer_echo(peer, stream, buffer), 0);
    read_frames(&peer->got, &seen);
    assert_int_equal(seen.n_messages, 2);
    assert_int_equal(seen.n_pongs, 1);
    assert_int_equal(seen.payload.length, 3 * n);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(seen.payload.data + i * n, data, n);
    bytes_free(&seen.payload);
    ws_stream_free(stream);
    peer_done(peer);
}

static void test_echo(void **state)
{
    static const size_t sizes[] = {WS_BUFFER_SIZE - 1,
                                   WS_BUFFER_SIZE,
                                   WS_BUFFER_SIZE + 1,
                                   3 * WS_BUFFER_SIZE,
                                   65535,
                                   65536,
                                   LONGEST};
    static const size_t chops[] = {0, 1000, WS_BUFFER_SIZE, 40000};
    static const size_t rooms[] = {0, 999, 20000};
    static const size_t buffers[] = {100, WS_BUFFER_SIZE, 4 * WS_BUFFER_SIZE};
    static const int errors[] = {EAGAIN, EINTR};
    static uint8_t data[LONGEST];

    (void)state;
    fill(data, sizeof(data));
    for (size_t i = 0; i < ELEMENTS(sizes) * ELEMENTS(chops) * ELEMENTS(rooms); i++)
        for (size_t k = 0; k < ELEMENTS(buffers) * ELEMENTS(errors); k++) {
            struct ws_peer peer = {.chop = chops[i / ELEMENTS(sizes) % ELEMENTS(chops)],
                                   .room = rooms[i / ELEMENTS(sizes) / ELEMENTS(chops)],
                                   .error = errors[k % ELEMENTS(errors)]};

            check_echo(&peer, k % 2 ? TEXT : BINARY, data, sizes[i % ELEMENTS(sizes)],
                       buffers[k / ELEMENTS(errors)]);
        }
}

// Who waits is interrupted, too; nothing is sent twice.
static void test_interrupted(void **state)
{
    static const size_t sizes[] = {0, 5, WS_BUFFER_SIZE, WS_BUFFER_SIZE + 1};
    static uint8_t data[LONGEST];

    (void)state;
    fill(data, sizeof(data));
    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        struct ws_peer peer = {.room = 1000, .error = EINTR};
        struct ws_stream *stream = peer_stream(&peer, &options);
        struct seen seen = {0};

        for (size_t done = 0, n; done < sizes[i] || peer.n_gives == 0; done += n) {
            ssize_t r = ws_stream_give(stream, data + done, sizes[i] - done, 0, true);

            assert_true(r >= 0 || errno == EINTR);
            n = r < 0 ? 0 : (size_t)r;
        }
        while (ws_stream_flush(stream, 0) < 0)
            assert_int_equal(errno, EINTR);
        read_frames(&peer.got, &seen);
        assert_int_equal(seen.n_messages, 1);
        assert_int_equal(seen.payload.length, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(seen.payload.data, data, sizes[i]);
        bytes_free(&seen.payload);
        ws_stream_free(stream);
        peer_done(&peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
