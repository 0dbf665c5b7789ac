// SPDX-License-Identifier: MIT
// The control socket where systemd hands over none: a path that tcpd makes itself. Its mode lets
// the user in that tcpd runs as, and root. A stale one is replaced, one that somebody listens on is
// not; at the end it is removed, if it is still there.
#pragma once

#include "base/problems.h"
#include "config/config.h"
#include "listen/listener_path.h"

struct control_socket {
    char *given; // on the command line, an owned text; NULL: nothing
    int fd;      // -1: there is none
    struct address address;
    struct path_object object; // what the path led to; all 0: it is systemd's
};

// The text of --control, "/PATH", "PATH" or "unix:/PATH", as an entry of a configuration, an owned
// text.
char *control_spell(const char *text);

// Takes what systemd has handed over; else opens what was given on the command line, else what the
// configuration has. For a moment blocks on the file system. 0 or -errno with a problem. Warns when
// systemd's takes the place of another.
int control_socket_open(struct control_socket *control, const struct config *config,
                        struct problems *problems);

// The descriptor, whose owner is the caller then.
int control_socket_take(struct control_socket *control);

// Closes it, if it was not taken, removes its path, and frees what was given.
void control_socket_close(struct control_socket *control);
