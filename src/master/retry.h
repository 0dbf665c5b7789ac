// SPDX-License-Identifier: MIT
// The time before the next attempt, after a start that has failed as the one before it did. systemd
// starts tcpd again a second after it has exited: so a crash costs a second, and a mistake, which
// waits for a person, costs an attempt in half a minute.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// A number that is another one when somebody has changed the configuration, path or path.d/*.conf.
// Reads none of them.
uint64_t retry_mark(const char *path);

// Waits after the n-th failure of a kind, n > 0: 1, 2, 4, 8, 16 s, then 30 s; not longer than until
// the configuration's mark is another one than before it was read, or HUP comes. True: tcpd is to
// stop. The signals that say so are blocked.
bool retry_wait(const char *path, uint64_t mark, unsigned n);
