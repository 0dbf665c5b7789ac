// SPDX-License-Identifier: MIT
// ws_lines.c: messages in any pieces are the same lines.

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text want, got;
    struct cuts cuts = {size ? data[0] : 0};

    if (size == 0 || size > MAX)
        return 0;
    want.n = got.n = 0;
    reference_in(&want, data + 1, size - 1);
    pieces_in(&got, data + 1, size - 1, &cuts);
    MUST(want.n == got.n && memcmp(want.data, got.data, got.n) == 0);
    return 0;
}
