// SPDX-License-Identifier: MIT
// `tcpdctl sockets apply`: has systemd open and close what the configuration has changed, and tcpd
// serve it. Sockets that stay are held by systemd all the while, so that their clients wait for a
// moment and lose nothing. Runs tcpd -t, tcpd-generator and systemctl; waits for them.
#pragma once

#include <stdbool.h>

// control: the path of the daemon's control socket, which tells whose sockets are meant. is_plan:
// only says what would be done. The exit status; what went wrong is told on stderr.
int sockets_apply(const char *control, bool is_plan);
