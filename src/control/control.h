// SPDX-License-Identifier: MIT
// The control plane: D-Bus messages, peer to peer without a bus, on the listening unix socket that
// systemd hands over as "@control". Object /tcpd, interface tcpd.Manager: Check(), Reload(),
// Stop(), GetStatus(). Who may connect is the socket's file mode to say; all but GetStatus() are
// for root and for the user that tcpd runs as. Nothing here blocks, and no peer can end or stall
// the master. All functions take NULL: no such socket was handed over.
#pragma once

struct control;
struct master;

// Serves the listening socket in the master's event loop and watches the master, which must stay
// until it is closed; owns the socket from now on, also on failure. fd -1: sets NULL. 0 or -errno.
int control_open(struct control **ret, struct master *master, int fd);
// Closes every connection and the socket, and frees it all; returns NULL.
struct control *control_close(struct control *control);
