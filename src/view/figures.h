// SPDX-License-Identifier: MIT
// Figures as people read them in a table: few characters, rounded down.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FIGURE_MAX 24

// "840", "1.2K", "12M": in powers of 1000. Returns text.
const char *figure_bytes(uint64_t n, char *text, size_t size);
// "0.4s", "42s", "2m13s", "2h13m", "3d4h". Returns text.
const char *figure_age(uint64_t usec, char *text, size_t size);
// "31 clients wait", "somebody waits": of a unix socket the kernel does not say how many, 1 is any
// number. Returns text.
const char *figure_queue(uint64_t n, char *text, size_t size);
// "0.3ms", "31ms", "1.2s": of a round trip. Returns text.
const char *figure_latency(uint64_t usec, char *text, size_t size);
