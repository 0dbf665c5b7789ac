// SPDX-License-Identifier: MIT
// What the sandbox of a unit keeps from tcpd and its programs, by what the kernel says of our
// mounts; systemd.exec(5). Looks, and changes nothing.
#pragma once

#include <stdbool.h>

struct sandbox_part {
    const char *path, *directive; // what is hidden, and by what
    bool is_writable;             // there is something else in its place, which a program may fill
};

// Whether a path that is not there for us is hidden; NULL: no.
const struct sandbox_part *sandbox_hides(const char *path);

// Whether a file that cannot be executed lies where nothing may be: NoExecPaths=/.
bool sandbox_forbids_execution(const char *path);
