// SPDX-License-Identifier: MIT
// Who is in the way of addresses that are planned. The child that rehearses looks, as it takes
// time, and notes an answer (answers.h) for each; whoever is refused such an address then reads it.
#pragma once

#include "base/holder.h"
#include "listen/listen_plan.h"

// Looks who has the addresses of the plan, but for those of sockets that this process has open:
// after two seconds at no more of them.
void holders_note(const struct listen_plan *plan);

// The head, then what was noted, in words, or without a note how to find out. Returns text.
const char *holders_describe(const struct address *address, const char *head, char *text,
                             size_t size);

// Whether a program that is neither a tcpd nor systemd was found listening there.
bool holders_has_stranger(const struct address *address);
