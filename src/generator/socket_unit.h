// SPDX-License-Identifier: MIT
// The text of the systemd socket unit for a service: systemd.socket(5). Writes to a stream, opens
// nothing, logs nothing. Names are looked up in /etc/hosts at most when names_files_only() was
// called: a generator runs before there is a network.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "config/config.h"

// "tcpd.service", "tcpd.socket" and "tcpd-echo.socket"; or, for /etc/tcpd/web.conf,
// "tcpd@web.service", "tcpd@web.socket" and "tcpd:web:echo.socket", which is no instance of
// tcpd@.socket even where its file has gone.
struct unit_family {
    char base[256];
    char prefix[256];
};

// Addresses that units have already, "127.0.0.1:7007" and the like.
struct taken_addresses {
    char **texts;
    size_t n;
};

// From now on names of hosts, services, users and groups come from the files in /etc alone.
void names_files_only(void);

// Whether a unit can have the service's name in it; one with another is refused at the start.
bool unit_is_for(const struct service *service);

void unit_name(const struct unit_family *family, const struct service *service, char *name,
               size_t size);

// Writes the unit, which starts after the unit `previous` (NULL: none) and before the family's own
// socket. While systemd gives a path its owner, a child of it has all its sockets open; in a fixed
// order, of all families, none of them is one that a restart opens anew. What cannot be in it goes
// to problems. How many addresses it has: without any it is not a valid unit.
size_t socket_unit_write(FILE *stream, const struct unit_family *family,
                         const struct service *service, const char *previous,
                         struct taken_addresses *taken, struct problems *problems);
void taken_addresses_done(struct taken_addresses *taken);
