// SPDX-License-Identifier: MIT
// What a socket unit keeps away by itself, for unit_filter: the kernel drops packets of those whom
// the service would refuse. IPAddressAllow= and IPAddressDeny= of systemd.resource-control(5);
// there allow beats deny whatever the lengths, so only one list can be said. Pure.
#pragma once

#include <stdio.h>

#include "config/config.h"

// Why the lists of a service cannot be said so, "needs ...", with what is allowed; NULL: they can.
const char *unit_filter_lacks(const struct service *service);

// Writes the lines for its unit; none without unit_filter, or where it lacks something.
void unit_filter_write(FILE *stream, const struct service *service);

// Whether a unit that was made for one service is right for the other.
bool unit_filter_is_same(const struct service *a, const struct service *b);
