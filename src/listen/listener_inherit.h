// SPDX-License-Identifier: MIT
// The sockets that systemd handed over, sd_listen_fds(3), until somebody takes them: those of
// socket units, by name or by address; those that tcpd had bound before a restart and stored; and
// the control socket. What nobody takes is named in the log and closed.
#pragma once

#include <stdbool.h>

#include "base/address.h"
#include "base/problems.h"
#include "listen/listener_path.h"

// '@' and ';' cannot stand in the name of a service.
#define INHERITED_CONTROL "@control"
#define INHERITED_NODES   "@node-state"
#define INHERITED_STORED  "bound-" // then the address, with ; for :
#define INHERITED_MAX     256      // what systemd takes, with a NUL

// Takes them out of the environment. Once, before anything else opens descriptors. 0, or -errno
// with problems: what is announced is not there, or cannot be listened on.
int inherited_open(struct problems *problems);

// Each gives one socket, whose owner is the caller then, or -1. `alone`: there is one service, to
// which a lone socket without a name of its own belongs.
int inherited_take_named(const char *service, bool alone);
int inherited_take_address(const struct address *address);
// Undoes either. fd: as it was given.
void inherited_give_back(int fd);
// ret: what a path led to when it was stored, all 0: not known.
int inherited_take_stored(const struct address *address, struct path_object *ret);

// Whether there was any at all: then systemd opens the sockets, and tcpd may be forbidden to.
bool inherited_any(void);
bool inherited_has_address(const struct address *address);

// The socket named "@control"; -1: there is none. It is no service's, and stays for this call.
int inherited_take_control(void);

// What a tcpd before has stored of its node, node_store.h; -1: nothing. The caller's from now on.
int inherited_take_nodes(void);

// Logs and closes those of the others that are left. are_kept: not those of units, as a service
// that is left out now may take them at a reload.
void inherited_close(bool are_kept);

// The name, INHERITED_MAX bytes, that a bound socket with this address has in the store. object: of
// a path; the one that takes its place has another.
void inherited_store_name(const struct address *address, const struct path_object *object,
                          char *name);

// The address of a socket.
struct address inherited_address(int fd);
