// SPDX-License-Identifier: MIT
// Sockets that systemd handed over for a service; for listener.c alone.
#pragma once

#include "listen/listener.h"

// Takes what was handed over for the service, now or before.
void handed_take(const struct config *config, const struct service *service,
                 const struct listener_set *old, struct listener_set *set);

// Whether the service has any.
bool handed_any(const struct listener_set *set, const struct service *service);

// Looks at those that no entry of the service lists: warns of one that is served all the same. 0;
// -EDESTADDRREQ with problems: there is one that cannot be. Where that is skipped, it is given
// back.
int handed_check(const struct listeners_request *request, struct listener_set *set,
                 const struct service *service);
