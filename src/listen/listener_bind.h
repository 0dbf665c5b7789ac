// SPDX-License-Identifier: MIT
// Making one listening socket, for listener.c alone: binding, taking over, keeping.
#pragma once

#include "listen/listener.h"

// Binds and listens. 0 and a listener owned by the caller, or -errno with nothing left open.
int listener_bind(const struct service *service, const struct address *address,
                  struct listener **ret);

// Makes a listener of a socket that was handed over; owns fd from now on.
struct listener *listener_adopt(int fd, const struct service *service);

// What is spoken to its clients from now on, which shows in its address.
void listener_speak(struct listener *listener, enum address_speaks speaks);

// What a failure of listener_bind() means, in words.
const char *listener_bind_strerror(int error);

// Whether it is what a unit that takes the network or the file system away makes of bind().
bool listener_bind_is_forbidden(int error, const struct address *address);

// Makes a listener of a socket that tcpd had bound to this address before it was restarted; owns fd
// from now on. object: what its path led to, all 0: not known.
struct listener *listener_take_back(int fd, const struct service *service,
                                    const struct address *address,
                                    const struct path_object *object);

// A listener as it would be, without a socket.
struct listener *listener_imagine(const struct service *service, const struct address *address);

// Removes the path of a bound unix socket, unless somebody has put another object there, or systemd
// keeps the socket for the next start.
void listener_remove_path(const struct listener *listener);
