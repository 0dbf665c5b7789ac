// SPDX-License-Identifier: MIT
// Services that are not served, while the others are: those that cannot be where tcpd runs, though
// they are right, and at a start those with a mistake in their own sections. They stand behind the
// others, each with the reasons.
#pragma once

#include "config/config.h"

// Puts those that cannot be served behind the others. In between all stay in their order.
void config_part_left_out(struct config *config);

// Leaves out each service whose section one of these problems is in. False: some of them are in
// none of a service. May be called with the same ones again.
bool config_leave_out(struct config *config, const struct problems *problems);

// The services that are left out: what says why goes to warnings, and the others are served; or,
// where nothing else would be, or the running configuration (NULL: none) serves it or has no such
// service, to problems. 0, or -EDESTADDRREQ with problems.
int config_check_left_out(const struct config *config, const struct config *running,
                          struct problems *problems, struct problems *warnings);
