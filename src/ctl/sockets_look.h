// SPDX-License-Identifier: MIT
// What `tcpdctl sockets apply` has to know: what is configured, and what systemd has. What fails is
// told on stderr, once, here; results are exit statuses.
#pragma once

#include <stdbool.h>

#include "ctl/sockets_units.h"

// Whose sockets: "tcpd.service", "tcpd.socket" and "tcpd-echo.socket"; or "tcpd@web.service",
// "tcpd@web.socket" and "tcpd:web:echo.socket".
struct socket_family {
    char service[256], socket[256], prefix[256];
};

// That of the control socket /run/tcpd/control or /run/tcpd/NAME.control. False: of neither.
bool sockets_find_family(const char *control, struct socket_family *ret);

// Whether systemd says that the unit is active; a service that is just starting is.
bool sockets_is_active(const char *unit);

// Has the daemon check the configuration as it would read it. EX_OK, or mistakes were printed.
int sockets_check(const struct socket_family *family);

// Adds what the configuration asks for, then what systemd has. EX_OK or not.
int sockets_look_wanted(const struct socket_family *family, struct socket_units *units);
int sockets_look_loaded(const struct socket_family *family, struct socket_units *units);

// Whether systemd has all addresses of the unit open, as far as that can be seen.
bool sockets_are_held(const struct socket_family *family, const struct socket_unit *unit);
