// SPDX-License-Identifier: MIT
// What `ps` shows of a process: its command line, overwritten in place. setproctitle(3bsd) without
// its library.
#pragma once

// Measures the room that argv and the environment have and moves the environment out of it. Once,
// in main, before anything keeps a pointer into either. Aborts without memory.
void title_init(char **argv);

// Sets the title, cut to the room there is.
void title_set(const char *text);
