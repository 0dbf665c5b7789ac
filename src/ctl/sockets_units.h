// SPDX-License-Identifier: MIT
// Socket units of a tcpd: which there should be by its configuration, which there are, and what
// lies between. Pure, but for names of interfaces and ports in addresses.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/address.h"

enum socket_change {
    SOCKETS_UNCHANGED,
    SOCKETS_OPENED,
    SOCKETS_CHANGED, // some addresses are new, have gone, or have other options
    SOCKETS_CLOSED,
    SOCKETS_IGNORED, // it is gone, and closed
};

struct socket_unit {
    char *name;            // "tcpd-echo.socket"
    char *wanted, *loaded; // its section [Socket]; NULL: there is none
    bool is_active;        // says systemd
    bool is_foreign;       // somebody has written it by hand
    enum socket_change change;
};

struct socket_units {
    struct socket_unit *items;
    size_t n;
};

// An address of a unit: as tcpd.conf has it, and as the kernel does, with length 0 if that is
// unknown.
struct unit_address {
    char text[ADDRESS_TEXT_MAX];
    struct address address;
};

// The unit of that name, new if there is none.
struct socket_unit *units_get(struct socket_units *units, const char *name);
// Puts them into the order of their names.
void units_sort(struct socket_units *units);
void units_done(struct socket_units *units);

// The section [Socket] in the text of a unit's file, as an owned text.
char *units_section(const char *text);

// The addresses of such a section (NULL: none); an owned list, how many in *ret_n.
struct unit_address *units_addresses(const char *section, size_t *ret_n);

// What has to be done for a unit. is_held: systemd has all of its addresses open.
enum socket_change units_decide(const struct socket_unit *unit, bool is_held);

// Prints a line for each address that is opened, closed or opened anew. is_plan: in the future.
void units_print(const struct socket_unit *unit, bool is_plan, FILE *stream);
