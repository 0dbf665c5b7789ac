// SPDX-License-Identifier: MIT
// What `ps` shows of a process: its command line, overwritten in place. setproctitle(3bsd) without
// its library.
#pragma once

#include <stddef.h>

// Measures the room that argv and the environment have and moves the environment out of it. Once,
// in main, before anything keeps a pointer into either. Aborts without memory.
void title_init(char **argv);

// Sets the title, cut to the room there is. Returns its length.
size_t title_set(const char *text);

// Adds text to a title of that length, in place of what was added before; "" adds nothing. end:
// what the call before has returned, at first the length. Returns where the title ends now. The
// caller keeps both, as a variable here would cost each worker a page.
size_t title_add(size_t length, const char *text, size_t end);
