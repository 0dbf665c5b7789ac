// SPDX-License-Identifier: MIT
// Standard output: bytes as they are for copying, messages as lines for reading. Unbuffered, so
// that what was printed has been written when a function returns. Silent; negative errno on
// failure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// How messages are printed.
struct output_style {
    bool raw;    // bytes as they are instead of escaped
    bool prefix; // "Message from server: " before each, its trailing NULs, CRs and LFs dropped
};

#define OUTPUT_PREFIX "Message from server: "

// Writes all of data to standard output. Blocks.
int output_write(const void *data, size_t size);

// The most that one write takes, after poll() found standard output ready, without blocking.
size_t output_piece(void);

// Writes some of data, at most output_piece() bytes. The number of bytes, or -EAGAIN.
ssize_t output_write_some(const void *data, size_t size);

// Writes data in the style's form, without prefix or line end. Blocks.
int output_text(const struct output_style *style, const void *data, size_t size);

// How much of data is left when its trailing NULs, CRs and LFs are dropped.
size_t output_trim(const void *data, size_t size);

// Writes one message as one line. Blocks.
int output_line(const struct output_style *style, const void *data, size_t size);
