// SPDX-License-Identifier: MIT
// Bytes of a peer made fit for a log or a terminal: printing ASCII and valid UTF-8 stay, every
// other byte (controls, DEL, C1 controls, broken UTF-8) and the backslash become \xNN. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ESCAPE_MAX 256 // bytes of a peer shown at most in a log; an escaped byte takes 4

// Whether all of data is UTF-8 that a log may show, and plain ASCII.
bool escape_is_utf8(const void *data, size_t length);

// Writes the escaped form of data into text, cut at size - 1 between characters, NUL-terminated.
// Returns how many bytes of data the text shows.
size_t escape_bytes(const void *data, size_t length, char *text, size_t size);

// The same for a line that a program has written for people: a backslash stays, but for one that
// seems to begin such an escape, \xNN. So all bytes can be told from the text here, too.
size_t escape_line(const void *data, size_t length, char *text, size_t size);

// How many bytes, length at most, of a longer text that is escaped already: it is cut neither
// within a character of UTF-8 nor within an escape.
size_t escape_cut(const char *text, size_t length);

// Copies what is escaped already, cut so; size is at least 1.
void escape_copy(const char *text, char *ret, size_t size);

// For a text of ours that quotes what somebody has written for us: the backslash stays as it is,
// and what would not be seen is named, <U+200B>. Cut as above; size is at least 1.
void escape_text(const char *words, char *text, size_t size);
