// SPDX-License-Identifier: MIT
// The sockets that systemd handed over, sd_listen_fds(3), until somebody takes them: those of
// socket units, by name or by address; those that tcpd had bound before a restart and stored; and
// the control socket. What nobody takes is named in the log and closed.
#pragma once

#include <stdbool.h>

#include "base/address.h"

// '@' and ';' cannot stand in the name of a service.
#define INHERITED_CONTROL "@control"
#define INHERITED_STORED  "bound-" // then the address, with ; for :
#define INHERITED_MAX     (ADDRESS_TEXT_MAX + sizeof(INHERITED_STORED))

// Takes them out of the environment. Once, before anything else opens descriptors. Logs and closes
// what does not listen for streams.
void inherited_open(void);

// Each gives one socket, whose owner is the caller then, or -1. `alone`: there is one service, to
// which a lone socket without a name of its own belongs.
int inherited_take_named(const char *service, bool alone);
int inherited_take_address(const struct address *address);
int inherited_take_stored(const struct address *address);

// Whether there was any at all: then systemd opens the sockets, and tcpd may be forbidden to.
bool inherited_any(void);
bool inherited_has_address(const struct address *address);

// The socket named "@control"; -1: there is none. It is no service's, and stays for this call.
int inherited_take_control(void);

// Logs and closes those of the others that are left.
void inherited_close(void);

// The name that a bound socket with this address has in the store.
void inherited_store_name(const struct address *address, char *name);

// The address of a socket.
struct address inherited_address(int fd);
