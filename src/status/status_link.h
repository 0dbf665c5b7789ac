// SPDX-License-Identifier: MIT
// A worker's way to the master: a connection to its control socket, of its own and for one request.
// Blocks until a deadline, and logs nothing.
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

// 0, then *ret is the caller's, to be closed by sd_bus_close_unref(); -ENOENT: tcpd has no control
// socket; or -errno. The deadline is also the calls'.
int status_link_open(uint64_t deadline_usec, sd_bus **ret);

// A call to be filled and sent, which the caller gives up; 0 or -errno.
int status_link_new(sd_bus *bus, const char *method, sd_bus_message **ret);
int status_link_send(sd_bus *bus, sd_bus_message *call, uint64_t deadline_usec,
                     sd_bus_message **ret_reply);
// Calls a method without arguments. 0, then *ret_reply is the caller's; or -errno.
int status_link_call(sd_bus *bus, const char *method, uint64_t deadline_usec,
                     sd_bus_message **ret_reply);
