// SPDX-License-Identifier: MIT
// How long a burst is held: until standard input ends. Whoever started us is told by a line when
// all were answered, so that something can be done to the server meanwhile.
#pragma once

#include <err.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

// True when standard input has ended. The first call says "held". Does not block.
static inline bool hold_is_over(void)
{
    static bool said;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char block[512];

    if (!said && (puts("held") < 0 || fflush(stdout) != 0))
        err(71, "stdout");
    said = true;
    return poll(&input, 1, 0) != 0 && read(STDIN_FILENO, block, sizeof(block)) <= 0;
}
