// SPDX-License-Identifier: MIT
// The way to the daemon: D-Bus messages on its control socket. Every wait has an end, unless the
// caller asks for none. What fails is told on stderr, once, here; results are exit statuses.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define LINK_ANSWER_USEC UINT64_C(25000000) // for what the daemon answers at once

// Whether somebody listens at path; says nothing. It may be somebody who starts the daemon for it.
bool link_is_there(const char *path);

// Connects to the socket at path. EX_OK, then *ret is the caller's; EX_UNAVAILABLE, EX_NOPERM.
int link_open(const char *path, uint64_t timeout_usec, sd_bus **ret);

// Calls a method of tcpd.Manager without arguments. EX_OK, then *ret_reply (which may be NULL) is
// the caller's; EXIT_FAILURE when the daemon says no, EX_CONFIG
// when a configuration that it has checked is wrong, EX_NOPERM, EX_UNAVAILABLE without an answer.
int link_call(sd_bus *bus, const char *method, uint64_t timeout_usec, sd_bus_message **ret_reply);

// The same with services, if it takes such (they end with NULL), and with texts, then NULL.
int link_call_with(sd_bus *bus, const char *method, char **services, const char *const *texts,
                   uint64_t timeout_usec, sd_bus_message **ret_reply);

// The same in pieces, for calls with other arguments: makes one, 0 or -errno; and sends it.
int link_new(sd_bus *bus, const char *method, sd_bus_message **ret);
int link_send(sd_bus *bus, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret_reply);
// Says what an error means; error NULL: r, -errno, is all there is. The exit status.
int link_fail(const sd_bus_error *error, int r);

// How often who only listens has to call: the daemon closes a connection that is silent for 30 s.
#define LINK_PING_USEC UINT64_C(10000000)
// True when the daemon answers, or leaves.
bool link_ping(sd_bus *bus, uint64_t usec);

// Waits until the daemon is gone. EX_OK, EX_UNAVAILABLE when it no longer answers.
int link_wait_end(sd_bus *bus, uint64_t timeout_usec);
