// SPDX-License-Identifier: MIT
// framing.c: whatever way a stream arrives in two reads, its messages are the same (T6); what ends
// one, what is too long, what is left at the end. A reference splitter that knows no buffers is
// compared with it over all short streams.

#include <errno.h>

#include "base/framing.h"
#include "unit.h"

#define MAX FRAMING_MESSAGE_MAX

// What came of a stream: messages one behind the other, each with a length before it; a result.
struct outcome {
    uint8_t text[256];
    size_t n_text;
    size_t n_messages;
    int result;    // 0, or the error that ended it
    size_t n_left; // bytes that no message took
};

static void outcome_add(struct outcome *outcome, const uint8_t *data, size_t length)
{
    assert_true(outcome->n_text + length + 1 < sizeof(outcome->text));
    outcome->text[outcome->n_text++] = (uint8_t)length;
    memcpy(outcome->text + outcome->n_text, data, length);
    outcome->n_text += length;
    outcome->n_messages++;
}

// Reads a stream in two parts the way a server does: take all messages, keep the rest, read on.
static struct outcome read_parts(enum framing framing, const uint8_t *data, size_t length,
                                 size_t cut)
{
    const size_t ends[] = {cut, length, length};
    struct outcome outcome = {0};
    size_t done = 0;

    for (size_t i = 0; i < ELEMENTS(ends); i++) {
        struct message message;
        int r;

        while ((r = framing_next(framing, data + done, ends[i] - done, i == 2, &message)) > 0) {
            assert_true(message.consumed > 0 && message.consumed <= ends[i] - done);
            outcome_add(&outcome, message.data, message.length);
            done += message.consumed;
        }
        outcome.result = r;
        if (r < 0)
            break;
    }
    outcome.n_left = length - done;
    return outcome;
}

// The lines of a stream, by the words of framing.h.
static struct outcome reference_lines(const uint8_t *data, size_t length)
{
    struct outcome outcome = {0};
    size_t start = 0;

    for (size_t i = 0; i < length; i++)
        if (data[i] == '\n') {
            size_t end = i > start && data[i - 1] == '\r' ? i - 1 : i;

            outcome_add(&outcome, data + start, end - start);
            start = i + 1;
        }
    if (start < length)
        outcome_add(&outcome, data + start, length - start);
    return outcome;
}

// The length-framed messages of a stream of bytes that are lengths, fillers or both.
static struct outcome reference_lengths(const uint8_t *data, size_t length)
{
    struct outcome outcome = {0};

    while (length >= 4) {
        size_t size = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 |
                      data[3];

        if (size > MAX)
            outcome.result = -EMSGSIZE;
        if (size > MAX || length - 4 < size)
            break;
        outcome_add(&outcome, data + 4, size);
        data += 4 + size;
        length -= 4 + size;
    }
    if (length > 0 && outcome.result == 0)
        outcome.result = -EBADMSG;
    outcome.n_left = length;
    return outcome;
}

static void check_outcome(const uint8_t *data, size_t length, size_t cut, const struct outcome *got,
                          const struct outcome *want)
{
    char row[128];
    int used = snprintf(row, sizeof(row), "cut at %zu:", cut);

    for (size_t i = 0; i < length; i++)
        used += snprintf(row + used, sizeof(row) - (size_t)used, " %02x", data[i]);
    check_number(row, got->result, want->result);
    check_bytes(row, got->text, got->n_text, want->text, want->n_text);
    check_number(row, got->n_left, want->n_left);
}

// All streams of up to max bytes out of the alphabet, cut at every place.
static void sweep(enum framing framing, const uint8_t *alphabet, size_t n_letters, size_t max,
                  struct outcome (*reference)(const uint8_t *, size_t))
{
    for (size_t length = 0, n = 1; length <= max; length++, n *= n_letters)
        for (size_t number = 0; number < n; number++) {
            struct outcome want;
            uint8_t data[16];
            size_t rest = number;

            for (size_t i = 0; i < length; i++, rest /= n_letters)
                data[i] = alphabet[rest % n_letters];
            want = reference(data, length);
            for (size_t cut = 0; cut <= length; cut++) {
                struct outcome got = read_parts(framing, data, length, cut);

                check_outcome(data, length, cut, &got, &want);
            }
        }
}

static void test_line_sweep(void **state)
{
    (void)state;
    sweep(FRAMING_LINE, (const uint8_t *)"a\r\n\0", 4, 7, reference_lines);
}

static void test_length_sweep(void **state)
{
    static const uint8_t alphabet[] = {0, 1, 3};

    (void)state;
    sweep(FRAMING_LENGTH, alphabet, ELEMENTS(alphabet), 10, reference_lengths);
}

static const struct {
    const char *name;
    enum framing framing;
    const char *stream;
    size_t length;
    int result;
    size_t n_messages;
    const char *messages; // each with its length before it
    size_t n_text;
} streams[] = {
    {"T6, lines", FRAMING_LINE, "Michael\nTracy\nSarah\n", 20, 0, 3, "\7Michael\5Tracy\5Sarah", 20},
    {"T6, CRLF", FRAMING_LINE, "abc\r\nabc\r\nabc\r\n", 15, 0, 3, "\3abc\3abc\3abc", 12},
    {"T6, lengths", FRAMING_LENGTH, "\0\0\0\3abc\0\0\0\3abc\0\0\0\3abc", 21, 0, 3,
     "\3abc\3abc\3abc", 12},
    {"mixed line ends", FRAMING_LINE, "a\r\nb\n\nc", 7, 0, 4, "\1a\1b\0\1c", 7},
    {"an empty line", FRAMING_LINE, "\n", 1, 0, 1, "\0", 1},
    {"an empty line, CRLF", FRAMING_LINE, "\r\n", 2, 0, 1, "\0", 1},
    {"CR within a line", FRAMING_LINE, "a\rb\n", 4, 0, 1, "\3a\rb", 4},
    {"two CR before LF", FRAMING_LINE, "a\r\r\n", 4, 0, 1, "\2a\r", 3},
    {"NUL in a line", FRAMING_LINE, "a\0b\n", 4, 0, 1, "\3a\0b", 4},
    {"no LF at the end", FRAMING_LINE, "exit", 4, 0, 1, "\4exit", 5},
    {"length 0", FRAMING_LENGTH, "\0\0\0\0\0\0\0\0", 8, 0, 2, "\0\0", 2},
    {"line ends in a body", FRAMING_LENGTH, "\0\0\0\2\r\n", 6, 0, 1, "\2\r\n", 3},
    {"a head cut", FRAMING_LENGTH, "\0\0\0\1x\0\0\0", 8, -EBADMSG, 1, "\1x", 2},
    {"a body cut", FRAMING_LENGTH, "\0\0\0\1x\0\0\0\2y", 10, -EBADMSG, 1, "\1x", 2},
    {"a length beyond", FRAMING_LENGTH, "\0\0\0\1x\0\1\0\1", 9, -EMSGSIZE, 1, "\1x", 2},
    {"a length with its top bit", FRAMING_LENGTH, "\x80\0\0\0", 4, -EMSGSIZE, 0, "", 0},
    {"the highest length", FRAMING_LENGTH, "\xff\xff\xff\xff", 4, -EMSGSIZE, 0, "", 0},
    {"nothing, line", FRAMING_LINE, "", 0, 0, 0, "", 0},
    {"nothing, length", FRAMING_LENGTH, "", 0, 0, 0, "", 0},
    {"nothing, chunk", FRAMING_CHUNK, "", 0, 0, 0, "", 0},
};

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(streams); i++)
        for (size_t cut = 0; cut <= streams[i].length; cut++) {
            struct outcome got = read_parts(streams[i].framing, (const uint8_t *)streams[i].stream,
                                            streams[i].length, cut);

            check_number(streams[i].name, got.result, streams[i].result);
            check_number(streams[i].name, got.n_messages, streams[i].n_messages);
            check_bytes(streams[i].name, got.text, got.n_text, streams[i].messages,
                        streams[i].n_text);
        }
}

static const struct {
    const char *name;
    enum framing framing;
    size_t n; // bytes 'x' (of a body, in length framing)
    const char *tail;
    bool at_end;
    int want;
    size_t length, consumed;
} limits[] = {
    {"line of the maximum", FRAMING_LINE, MAX, "\n", false, 1, MAX, MAX + 1},
    {"line of the maximum, CRLF", FRAMING_LINE, MAX, "\r\n", false, 1, MAX, MAX + 2},
    {"line of the maximum, end", FRAMING_LINE, MAX, "", true, 1, MAX, MAX},
    {"line of the maximum, no LF yet", FRAMING_LINE, MAX, "", false, 0, 0, 0},
    {"line of the maximum, CR so far", FRAMING_LINE, MAX, "\r", false, 0, 0, 0},
    {"line of the maximum and a CR, end", FRAMING_LINE, MAX, "\r", true, -EMSGSIZE, 0, 0},
    {"line too long", FRAMING_LINE, MAX + 1, "\n", false, -EMSGSIZE, 0, 0},
    {"line too long, CRLF", FRAMING_LINE, MAX + 1, "\r\n", false, -EMSGSIZE, 0, 0},
    {"line too long, two CR", FRAMING_LINE, MAX, "\r\r\n", false, -EMSGSIZE, 0, 0},
    {"line too long, end", FRAMING_LINE, MAX + 1, "", true, -EMSGSIZE, 0, 0},
    {"line too long, no LF yet", FRAMING_LINE, MAX + 2, "", false, -EMSGSIZE, 0, 0},
    {"length of the maximum", FRAMING_LENGTH, MAX, "", false, 1, MAX, MAX + 4},
    {"length of the maximum, end", FRAMING_LENGTH, MAX, "", true, 1, MAX, MAX + 4},
    {"length too long", FRAMING_LENGTH, MAX + 1, "", false, -EMSGSIZE, 0, 0},
    {"a chunk", FRAMING_CHUNK, 1, "", false, 1, 1, 1},
    {"a chunk of the maximum", FRAMING_CHUNK, 1024, "", false, 1, 1024, 1024},
    {"a chunk too long is cut", FRAMING_CHUNK, 1025, "", false, 1, 1024, 1024},
    {"a chunk, end", FRAMING_CHUNK, 7, "\n", true, 1, 8, 8},
};

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(limits); i++) {
        cleanup_free uint8_t *data = malloc(MAX + 16);
        struct message got = {0};
        size_t n = framing_head(limits[i].framing, limits[i].n, data);

        memset(data + n, 'x', limits[i].n);
        n += limits[i].n;
        memcpy(data + n, limits[i].tail, strlen(limits[i].tail));
        n += strlen(limits[i].tail);
        check_number(limits[i].name,
                     framing_next(limits[i].framing, data, n, limits[i].at_end, &got),
                     limits[i].want);
        if (limits[i].want != 1)
            continue;
        check_number(limits[i].name, got.length, limits[i].length);
        check_number(limits[i].name, got.consumed, limits[i].consumed);
        check_number(limits[i].name, got.data - data, limits[i].framing == FRAMING_LENGTH ? 4 : 0);
    }
}

// Any byte is data: written with head and tail it comes back, alone and between others.
static void test_every_byte(void **state)
{
    (void)state;
    for (int framing = 0; framing < FRAMING_N; framing++)
        for (int byte = 0; byte < 256; byte++) {
            const uint8_t body[] = {'<', (uint8_t)byte, '>'};
            const char *tail = framing_tail((enum framing)framing);
            uint8_t data[16];
            size_t n = framing_head((enum framing)framing, sizeof(body), data);
            struct message got;
            char row[32];

            if (framing == FRAMING_LINE && byte == '\n')
                continue;
            (void)snprintf(row, sizeof(row), "%s 0x%02x", framing_names[framing], byte);
            memcpy(data + n, body, sizeof(body));
            memcpy(data + n + sizeof(body), tail, strlen(tail) + 1);
            n += sizeof(body) + strlen(tail);
            check_number(row, framing_next((enum framing)framing, data, n, false, &got), 1);
            check_bytes(row, got.data, got.length, body, sizeof(body));
            check_number(row, got.consumed, n);
        }
}

static void test_heads(void **state)
{
    static const uint8_t want[] = {0, 1, 2, 3};
    uint8_t head[FRAMING_HEAD_MAX];

    (void)state;
    check_number("length", framing_head(FRAMING_LENGTH, 0x010203, head), 4);
    check_bytes("length", head, 4, want, 4);
    check_number("line", framing_head(FRAMING_LINE, 7, head), 0);
    check_number("chunk", framing_head(FRAMING_CHUNK, 7, head), 0);
    check_text("line", framing_tail(FRAMING_LINE), "\n");
    check_text("length", framing_tail(FRAMING_LENGTH), "");
    check_text("chunk", framing_tail(FRAMING_CHUNK), "");
    check_text("line", framing_names[FRAMING_LINE], "line");
    check_text("length", framing_names[FRAMING_LENGTH], "length");
    check_text("chunk", framing_names[FRAMING_CHUNK], "chunk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_sweep), cmocka_unit_test(test_length_sweep),
        cmocka_unit_test(test_streams),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
