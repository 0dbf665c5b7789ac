// SPDX-License-Identifier: MIT
// Spans of time as people write them: 500ms, 30s, "1min 30s", 2h, 1d; a bare number is seconds.
// The spelling follows systemd.time(7). Pure: no clock is read, nothing is allocated or logged.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The longest span taken: about 100 years; a sum beyond it is an error, never a wrap.
#define TIMESPAN_MAX_USEC (UINT64_C(36500) * 24 * 3600 * 1000000)
// Enough for every text that timespan_format() makes.
#define TIMESPAN_TEXT_MAX 64

// Parses the whole of text into microseconds. 0, -EINVAL for a malformed text, -ERANGE above the
// maximum; *ret_usec is set on success only.
int timespan_parse(const char *text, uint64_t *ret_usec);

// Writes usec in its largest exact units ("1min 30s", "0") into text and returns text.
const char *timespan_format(uint64_t usec, char *text, size_t size);
