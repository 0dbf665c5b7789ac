// SPDX-License-Identifier: MIT
// session_line.c: what is read as a line is written as the same bytes, and what is written from any
// numbers is read as these.

#include "view/session_line.h"

#include "fuzz.h"

static uint64_t take(const uint8_t *data, size_t size, size_t i)
{
    uint64_t number = 0;

    if ((i + 1) * sizeof(number) <= size)
        memcpy(&number, data + i * sizeof(number), sizeof(number));
    return number;
}

static void write_numbers(const uint8_t *data, size_t size)
{
    struct session_line got, line = {
                                 .end_realtime_usec = take(data, size, 0) % 253402300799999999,
                                 .peer = "192.0.2.7:48764",
                                 .through = size % 2 == 0 ? "[::1]:7" : NULL,
                                 .result = "idle_timeout",
                                 .duration_usec = take(data, size, 1),
                                 .received = take(data, size, 2),
                                 .sent = take(data, size, 3),
                                 .wait_usec = (uint32_t)take(data, size, 4),
                                 .pid = take(data, size, 5),
                                 .number = take(data, size, 6),
                                 .is_slow = size % 3 == 0,
                             };
    char text[SESSION_LINE_MAX];

    MUST(session_line_format(&line, text) == strlen(text));
    MUST(strlen(text) < sizeof(text));
    MUST(session_line_parse(text, &got) == 0);
    MUST(got.end_realtime_usec == line.end_realtime_usec && strcmp(got.peer, line.peer) == 0);
    MUST((got.through == NULL) == (line.through == NULL) && strcmp(got.result, line.result) == 0);
    MUST(got.duration_usec == line.duration_usec && got.received == line.received);
    MUST(got.sent == line.sent && got.pid == line.pid && got.number == line.number);
    MUST(got.is_slow == line.is_slow);
    MUST(line.wait_usec == SESSION_LINE_UNKNOWN ? got.wait_usec == line.wait_usec
                                                : got.wait_usec == line.wait_usec / 1000 * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2 * SESSION_LINE_MAX], cut[sizeof(text)], written[SESSION_LINE_MAX];
    struct session_line line;

    write_numbers(data, size);
    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    memcpy(cut, text, size + 1);
    if (session_line_parse(cut, &line) < 0)
        return 0;
    MUST(session_line_format(&line, written) < sizeof(written));
    MUST(strcmp(written, text) == 0);
    return 0;
}
