// SPDX-License-Identifier: MIT
// What systemd is told, as by sd_notify(3), but without waiting for it. Without NOTIFY_SOCKET every
// call does nothing. No call fails: what cannot be sent now is owed, and sent again by
// notify_tick(). (To the host of a virtual machine, vsock:, libsystemd sends, and may wait.)
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Opens what messages leave through, so that they need no descriptor when there is none left. What
// fails is tried again with each message.
void notify_open(void);

void notify_ready(const char *status);
void notify_reloading(const char *status); // with MONOTONIC_USEC, as Type=notify-reload wants it
void notify_stopping(const char *status);
void notify_status(const char *status);
// False: it could not be sent now.
bool notify_watchdog(void);
// The stop goes on: do not lose patience before `usec` from now.
void notify_extend(uint64_t usec);
// Why the start fails: an errno and a text.
void notify_failure(int error, const char *status);

// How often systemd wants to hear WATCHDOG=1, 0: never.
uint64_t notify_watchdog_usec(void);

// Gives a descriptor to the manager's store, from which the next start gets it under that name.
// False: the manager stores none. The caller's descriptor may be closed at once.
bool notify_store(const char *name, int fd);
void notify_unstore(const char *name);

// Sends what is owed, as far as there is room.
void notify_tick(void);
