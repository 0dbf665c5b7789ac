// SPDX-License-Identifier: MIT
// ws_stream beyond what an echo shows: limits, ends, half-written frames, early bytes, what is
// known to be inside, the type of what is sent, pings by the clock.

#include "unit.h"
#include "ws_peer.h"
#include "ws_words.h"

static const struct ws_options plain = {.initial = WS_TEXT, .message_max = 1000};

struct take {
    ssize_t n;
    bool last;
    int error;
};

static struct take take(struct ws_stream *stream, void *data, size_t size, int flags)
{
    struct take take = {0};

    take.n = ws_stream_take(stream, data, size, flags, &take.last);
    take.error = take.n < 0 ? errno : 0;
    return take;
}

static void check_take(const char *row, struct ws_stream *stream, const char *text, bool last)
{
    char data[64];
    struct take got = take(stream, data, sizeof(data), MSG_DONTWAIT);

    check_bytes(row, data, (size_t)(got.n < 0 ? 0 : got.n), text, strlen(text));
    check_number(row, got.last, last);
    check_number(row, got.error, 0);
}

static void check_error(const char *row, struct ws_stream *stream, int flags, int error)
{
    char data[64];

    check_number(row, take(stream, data, sizeof(data), flags).error, error);
}

static void check_got(const char *row, struct ws_peer *peer, const char *wanted)
{
    char got[512];

    frames_to_words(&peer->got, got, sizeof(got));
    check_text(row, got, wanted);
    peer->got.length = 0;
}

static void peer_send(struct ws_peer *peer, const char *words)
{
    (void)words_to_frames(words, &peer->sends, NULL, 0);
}

// What is refused, and how the end of the stream is told.
static void test_ends(void **state)
{
    static const struct {
        const char *name, *words;
        const char *raw; // behind them, in hex
        bool is_cut;     // the stream ends behind it
        int error;
        enum ws_code fault, peer_code;
        const char *answer;
    } rows[] = {
        {"at the limit", "t*1000", "", false, 0, 0, 0, "t*1000"},
        {"beyond", "t*1001", "", false, EPROTO, WS_TOO_BIG, 0, "x1009"},
        {"in fragments", "t-*500 c-*500 c*1", "", false, EPROTO, WS_TOO_BIG, 0, "x1009"},
        {"two of them", "t*600 t*600", "", false, 0, 0, 0, "t*600 t*600"},
        {"62 empty fragments",
         "t- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- "
         "c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- "
         "c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c'12345678'",
         "", false, 0, 0, 0, "t'12345678'"},
        {"63",
         "t- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- "
         "c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- c- "
         "c- c- c- c- c- c- c- c- c- c- c- c",
         "", false, EPROTO, WS_TOO_BIG, 0, "x1009"},
        {"2^63-1 bytes, and the end", "", "82ff7fffffffffffffff0000000000", true, EPROTO,
         WS_TOO_BIG, 0, "x1009"},
        {"2^63 bytes", "", "82ff800000000000000000000000", false, EPROTO, WS_PROTOCOL_ERROR, 0,
         "x1002"},
        {"125 bytes in 2 of length", "", "82fe007d00000000", false, EPROTO, WS_PROTOCOL_ERROR, 0,
         "x1002"},
        {"65535 bytes in 8", "", "82ff000000000000ffff00000000", false, EPROTO, WS_PROTOCOL_ERROR,
         0, "x1002"},
        {"mask 0", "",
         "828100000000"
         "62",
         false, 0, 0, 0, "b'b'"},
        {"a Close", "t'a' x4000", "", true, 0, 0, 4000, "t'a' x4000"},
        {"an empty Close", "x", "", true, 0, 0, WS_NO_CODE, "x"},
        {"no Close", "t'a'", "", true, 0, 0, WS_NO_CLOSE, "t'a'"},
        {"nothing at all", "", "", true, 0, 0, WS_NO_CLOSE, ""},
        {"cut in a header", "t'a'", "81", true, ECONNRESET, 0, WS_NO_CLOSE, "t'a'"},
        {"in a mask", "t'a'", "81810000", true, ECONNRESET, 0, WS_NO_CLOSE, "t'a'"},
        {"before the payload", "t'a'", "818100000000", true, ECONNRESET, 0, WS_NO_CLOSE, "t'a'"},
        {"in a frame", "",
         "8182000000"
         "0061",
         true, ECONNRESET, 0, WS_NO_CLOSE, ""},
        {"between fragments", "t-'a'", "", true, ECONNRESET, 0, WS_NO_CLOSE, ""},
        {"in a ping", "", "89820000000061", true, ECONNRESET, 0, WS_NO_CLOSE, ""},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (size_t chop = 0; chop < 4; chop++) {
            struct ws_peer peer = {.chop = chop, .is_behind_end = rows[i].is_cut};
            struct ws_stream *stream = peer_stream(&peer, &plain);
            char got[256];

            peer_send(&peer, rows[i].words);
            snprintf(got, sizeof(got), "#%s", rows[i].raw);
            (void)read_payload(got, &peer.sends);
            check_number(rows[i].name, peer_echo(&peer, stream, 100), rows[i].error);
            check_number(rows[i].name, ws_stream_fault(stream), rows[i].fault);
            check_number(rows[i].name, ws_stream_peer_code(stream), rows[i].peer_code);
            frames_to_words(&peer.got, got, sizeof(got));
            check_text(rows[i].name, got, rows[i].answer);
            ws_stream_free(stream);
            peer_done(&peer);
        }
}

// A frame is half out while pings come: it is finished, then the newest is answered, then we go on.
static void test_half_written(void **state)
{
    struct ws_peer peer = {.room = 2};
    struct ws_stream *stream = peer_stream(&peer, &plain);
    char data[8];

    (void)state;
    peer.is_full = true; // takes two bytes, then none
    assert_int_equal(ws_stream_give(stream, "Hello", 5, MSG_DONTWAIT, true), 5);
    assert_true(ws_stream_wants_to_send(stream));
    assert_int_equal(peer.got.length, 2);
    peer_send(&peer, "p'1' p'2' p'3'");
    peer.is_stuck = true;
    assert_int_equal(take(stream, data, sizeof(data), MSG_DONTWAIT).error, EAGAIN);
    peer.is_stuck = false;
    assert_int_equal(give_all(stream, (const uint8_t *)"World", 5, true), 0);
    while (ws_stream_flush(stream, MSG_DONTWAIT) < 0)
        assert_int_equal(errno, EAGAIN);
    assert_false(ws_stream_wants_to_send(stream));
    check_got("half written", &peer, "t'Hello' q'3' t'World'");
    ws_stream_free(stream);
    peer_done(&peer);
}

// Who waits is told that the peer does not read its pongs; who does not, reads on.
static void test_pongs_unread(void **state)
{
    static const int flags[] = {0, MSG_DONTWAIT};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(flags); i++) {
        struct ws_peer peer = {.is_stuck = true};
        struct ws_stream *stream = peer_stream(&peer, &plain);
        char data[8];

        peer_send(&peer, "p'1' t'a'");
        assert_int_equal(take(stream, data, sizeof(data), flags[i]).n, flags[i] ? 1 : -1);
        assert_true(ws_stream_wants_to_send(stream));
        ws_stream_free(stream);
        peer_done(&peer);
    }
}

// One send for a frame; a message of several frames; nothing behind a Close of either side.
static void test_give(void **state)
{
    static const uint8_t large[3 * WS_BUFFER_SIZE];
    struct ws_options options = {.type = WS_BINARY, .message_max = 1000};
    struct ws_peer peer = {0};
    struct ws_stream *stream = peer_stream(&peer, &options);
    size_t n;

    (void)state;
    assert_int_equal(ws_stream_give(stream, "Hello", 5, 0, true), 5);
    assert_int_equal(peer.n_gives, 1);
    check_got("whole", &peer, "b'Hello'");
    assert_int_equal(ws_stream_give(stream, "He", 2, 0, false), 2);
    assert_int_equal(ws_stream_give(stream, "", 0, 0, false), 0);
    assert_int_equal(ws_stream_give(stream, "llo", 3, 0, false), 3);
    assert_int_equal(ws_stream_give(stream, "", 0, 0, true), 0);
    assert_int_equal(ws_stream_give(stream, "", 0, 0, true), 0);
    check_got("in pieces", &peer, "b'Hello' b");
    assert_int_equal(peer.n_gives, 5);
    assert_int_equal(ws_stream_give(stream, large, sizeof(large), 0, true), sizeof(large));
    assert_int_equal(peer.n_gives, 7);
    n = peer.got.length;
    assert_int_equal(n, sizeof(large) + 4);
    peer.got.length = 0;
    assert_int_equal(ws_stream_end(stream, WS_GOING_AWAY, "bye", 0), 0);
    assert_int_equal(ws_stream_end(stream, WS_OK, "", 0), 0);
    assert_int_equal(ws_stream_give(stream, "x", 1, 0, true), -1);
    assert_int_equal(errno, EPIPE);
    check_got("an end", &peer, "x1001'bye'");
    peer_send(&peer, "t'late' x1001");
    check_take("what was on its way", stream, "late", true);
    check_take("the peer's Close", stream, "", false);
    check_got("is not answered again", &peer, "");
    ws_stream_free(stream);
    peer_done(&peer);
}

// The type follows the peer's last message; a text that is none is not sent.
static void test_types(void **state)
{
    struct ws_peer peer = {0};
    struct ws_stream *stream = peer_stream(&peer, &plain);

    (void)state;
    assert_int_equal(ws_stream_give(stream, "a", 1, 0, true), 1);
    peer_send(&peer, "b'b'");
    check_take("binary", stream, "b", true);
    assert_int_equal(ws_stream_give(stream, "\xff", 1, 0, true), 1);
    peer_send(&peer, "t't'");
    check_take("text", stream, "t", true);
    assert_int_equal(ws_stream_give(stream, "\xce", 1, 0, false), 1);
    assert_int_equal(ws_stream_give(stream, "\xba", 1, 0, true), 2 - 1);
    check_got("types", &peer, "t'a' b#ff t#ceba");
    assert_int_equal(ws_stream_give(stream, "\xce", 1, 0, true), -1);
    assert_int_equal(errno, EILSEQ);
    assert_int_equal(ws_stream_end(stream, WS_INTERNAL_ERROR, "not UTF-8", 0), 0);
    check_got("no text", &peer, "x1011'not UTF-8'");
    ws_stream_free(stream);
    peer_done(&peer);
}

// A reason too long is cut between characters.
static void test_reason(void **state)
{
    char reason[130];
    uint8_t payload[WS_CONTROL_MAX];

    (void)state;
    memset(reason, 'r', sizeof(reason));
    reason[129] = '\0';
    assert_int_equal(ws_close_write(WS_OK, reason, payload), 125);
    memcpy(reason + 122, "\xce\xba", 2);
    assert_int_equal(ws_close_write(WS_OK, reason, payload), 124);
    assert_int_equal(ws_close_read(payload, 124), WS_OK);
}

// What came behind the request is read first; has_more() knows what poll(2) does not.
static void test_inside(void **state)
{
    struct ws_bytes early = {0};
    struct ws_peer peer = {0};
    const struct stage_end below = {.take = peer_take, .give = peer_give, .cookie = &peer};
    struct ws_stream *stream;
    char data[2];

    (void)state;
    (void)words_to_frames("t'one' t'two' t't'", &early, NULL, 0);
    early.length -= 3; // without half its mask, and its payload
    stream = ws_stream_new(&below, &plain, early.data, early.length);
    assert_true(ws_stream_has_more(stream));
    assert_int_equal(take(stream, data, sizeof(data), MSG_DONTWAIT).n, 2);
    assert_true(ws_stream_has_more(stream));
    check_take("the rest of a message", stream, "e", true);
    assert_true(ws_stream_has_more(stream));
    check_take("the second", stream, "two", true);
    assert_int_equal(peer.n_takes, 0);
    assert_true(ws_stream_has_more(stream));
    check_error("half a header", stream, MSG_DONTWAIT, EAGAIN);
    assert_false(ws_stream_has_more(stream)); // or the caller would spin
    bytes_add(&peer.sends, early.data + early.length, 3);
    check_take("its end", stream, "t", true);
    assert_false(ws_stream_has_more(stream));
    assert_int_equal(peer.n_takes, 2);
    peer_send(&peer, "t#ce6161");
    check_take("up to the bad byte", stream, "\xce", false);
    assert_true(ws_stream_has_more(stream));
    check_error("then it is told", stream, MSG_DONTWAIT, EPROTO);
    check_error("and again", stream, 0, EPROTO);
    check_got("once to the peer", &peer, "x1007");
    ws_stream_free(stream);
    peer_done(&peer);
    bytes_free(&early);
}

// Who has something to tell does not wait for more.
static void test_no_wait(void **state)
{
    struct ws_peer peer = {0};
    struct ws_stream *stream = peer_stream(&peer, &plain);

    (void)state;
    peer_send(&peer, "t-'frag'");
    check_take("a fragment", stream, "frag", false);
    assert_int_equal(peer.n_takes, 1);
    peer_send(&peer, "p t");
    check_error("a text within a text", stream, 0, EPROTO);
    assert_int_equal(peer.n_takes, 2);
    check_got("in order", &peer, "q x1002");
    ws_stream_free(stream);
    peer_done(&peer);
}

// A Close comes and the peer has gone: that is an end, not a failure.
static ssize_t broken_give(void *cookie, const void *data, size_t size, int flags)
{
    (void)cookie, (void)data, (void)size, (void)flags;
    errno = EPIPE;
    return -1;
}

static void test_gone(void **state)
{
    struct ws_peer peer = {0};
    const struct stage_end below = {.take = peer_take, .give = broken_give, .cookie = &peer};
    struct ws_stream *stream = ws_stream_new(&below, &plain, NULL, 0);

    (void)state;
    peer_send(&peer, "x1001");
    check_take("gone", stream, "", false);
    assert_int_equal(ws_stream_peer_code(stream), WS_GOING_AWAY);
    assert_int_equal(ws_stream_end(stream, WS_OK, "", 0), -1);
    assert_int_equal(errno, EPIPE);
    ws_stream_free(stream);
    peer_done(&peer);
}

#define PING_USEC (30 * USEC_PER_SEC)

static void test_ping(void **state)
{
    const struct ws_options options = {.message_max = 1000, .ping_usec = PING_USEC};
    struct ws_peer peer = {0};
    uint64_t start = base_now_usec(), late;
    struct ws_stream *stream = peer_stream(&peer, &options), *silent = peer_stream(&peer, &plain);

    (void)state;
    assert_true(ws_stream_wake_usec(silent) == USEC_NEVER);
    assert_in_range(ws_stream_wake_usec(stream), start + PING_USEC, base_now_usec() + PING_USEC);
    assert_int_equal(ws_stream_wake(stream, start, 0), 0);
    check_got("not yet", &peer, "");
    late = start + 10 * PING_USEC; // the handler was busy
    assert_int_equal(ws_stream_wake(stream, late, 0), 0);
    check_got("after a while", &peer, "p");
    assert_true(ws_stream_wake_usec(stream) == late + PING_USEC);
    assert_int_equal(ws_stream_wake(stream, late + PING_USEC - 1, 0), 0);
    peer_send(&peer, "q");
    check_error("its pong", stream, MSG_DONTWAIT, EAGAIN);
    assert_in_range(ws_stream_wake_usec(stream), start + PING_USEC, base_now_usec() + PING_USEC);
    assert_int_equal(ws_stream_wake(stream, late, 0), 0);
    assert_int_equal(ws_stream_wake(stream, late + PING_USEC, 0), -1);
    assert_int_equal(errno, ETIMEDOUT);
    check_got("lost", &peer, "p");
    ws_stream_free(stream);
    ws_stream_free(silent);
    peer_done(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),   cmocka_unit_test(test_half_written),
        cmocka_unit_test(test_give),   cmocka_unit_test(test_pongs_unread),
        cmocka_unit_test(test_types),  cmocka_unit_test(test_reason),
        cmocka_unit_test(test_inside), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_ping),   cmocka_unit_test(test_no_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
