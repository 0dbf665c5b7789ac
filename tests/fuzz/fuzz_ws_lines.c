// SPDX-License-Identifier: MIT
// ws_lines.c: messages in any pieces are the same lines; lines in any pieces are the same messages;
// and a message that is a line comes back as it was.

#include "transport/websocket/ws_lines.h"

#include "fuzz.h"

#define MAX 4096

struct text {
    uint8_t data[3 * MAX];
    size_t n;
};

static void add(struct text *text, const void *data, size_t n)
{
    memcpy(text->data + text->n, data, n);
    text->n += n;
}

// The byte 0xff ends a message.
static void reference_in(struct text *lines, const uint8_t *data, size_t size)
{
    for (size_t i = 0, begin = 0; i < size; i++) {
        if (data[i] != 0xff)
            continue;
        add(lines, data + begin, i - begin);
        if (i == begin || data[i - 1] != '\n')
            add(lines, "\n", 1);
        begin = i + 1;
    }
}

static void pieces_in(struct text *lines, const uint8_t *data, size_t size, struct cuts *cuts)
{
    struct ws_line line = {0};
    const uint8_t *end;

    while (size > 0 && (end = memchr(data, 0xff, size))) {
        size_t left = (size_t)(end - data);
        size_t n = left ? next_piece(cuts, left) : 0;
        bool last = n == left && (n == 0 || cuts->state & 1 << 20);

        add(lines, data, n);
        if (ws_line_take(&line, data, n, last))
            add(lines, "\n", 1);
        data += n + last;
        size -= n + last;
    }
}

// The messages of a text, each with 0xff behind it; the text comes in pieces.
static void lines_out(struct text *messages, const struct text *lines, struct cuts *cuts)
{
    size_t done = 0, came = 0;
    struct message message;

    do {
        came += came < lines->n ? next_piece(cuts, lines->n - came) : 0;
        while (ws_lines_next(lines->data + done, came - done, came == lines->n, &message) > 0) {
            add(messages, message.data, message.length);
            add(messages, "\xff", 1);
            done += message.consumed;
        }
    } while (came < lines->n);
    MUST(done == lines->n);
}

static void reference_out(struct text *messages, const struct text *lines)
{
    for (size_t i = 0, begin = 0; i < lines->n; i++)
        if (lines->data[i] == '\n' || i + 1 == lines->n) {
            size_t end = lines->data[i] == '\n' ? i : i + 1;

            if (end == i && end > begin && lines->data[end - 1] == '\r')
                end--;
            add(messages, lines->data + begin, end - begin);
            add(messages, "\xff", 1);
            begin = i + 1;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text want, got, messages, pieces;
    struct cuts cuts = {size ? data[0] : 0};

    if (size == 0 || size > MAX)
        return 0;
    want.n = got.n = messages.n = pieces.n = 0;
    reference_in(&want, data + 1, size - 1);
    pieces_in(&got, data + 1, size - 1, &cuts);
    MUST(want.n == got.n && memcmp(want.data, got.data, got.n) == 0);
    got.n = 0;
    add(&got, data + 1, size - 1);
    reference_out(&messages, &got);
    lines_out(&pieces, &got, &cuts);
    MUST(messages.n == pieces.n && memcmp(messages.data, pieces.data, pieces.n) == 0);
    if (memchr(data + 1, '\n', size - 1) || memchr(data + 1, '\r', size - 1))
        return 0;
    messages.n = 0;
    lines_out(&messages, &want, &cuts); // there and back
    MUST(messages.n <= size - 1 && memcmp(messages.data, data + 1, messages.n) == 0);
    return 0;
}
