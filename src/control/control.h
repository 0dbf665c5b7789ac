// SPDX-License-Identifier: MIT
// The control plane: D-Bus messages, peer to peer without a bus, on the listening unix socket that
// systemd hands over as "@control". Object /tcpd, interface tcpd.Manager: Reload(), Stop(),
// GetStatus(). Who may connect is the socket's file mode to say; Reload() and Stop() are for root
// and for the user that tcpd runs as. Nothing here blocks, and no peer can end or stall the master.
// All functions take NULL: no such socket was handed over.
#pragma once

#include <stdbool.h>

#include "config/config.h"

struct control;
struct master;

// Serves the listening socket in the master's event loop; owns it from now on, also on failure.
// fd -1: sets NULL. 0 or -errno.
int control_open(struct control **ret, struct master *master, int fd);
// Closes every connection and the socket, and frees it all; returns NULL.
struct control *control_close(struct control *control);

// The connections that are open.
unsigned control_connections(const struct control *control);

// A reload begins to read the configuration: it answers every Reload() that was called before.
void control_reload_started(struct control *control);
// The reload has changed nothing, for the problems: answers those calls with them.
void control_reload_refused(struct control *control, const struct problems *problems);
// The reload is over: answers those calls. Not ready: some new workers are still missing.
void control_reload_ended(struct control *control, bool ready);
// The master stops: no reload will come any more.
void control_stopping(struct control *control);
