// SPDX-License-Identifier: MIT
// What is in a set of listeners, and what is not; for whoever opens them.
#pragma once

#include "listen/listener.h"

// Adds a listener, which no entry lists yet.
void listener_set_add(struct listener_set *set, struct listener *listener,
                      const struct service *service);
// Something that the service asks for is not there; copies the texts. Once for an address.
void listener_set_lacks(struct listener_set *set, const struct service *service,
                        const char *address, const char *why);
// NULL as the set: it is empty.
bool listener_set_contains(const struct listener_set *set, const struct listener *listener);
// The index in the set of a listener that was asked for with this address, or handed over with it,
// and is not in `taken` (NULL: nothing is); set->n: none. Port 0 may be asked for twice.
size_t listener_set_find(const struct listener_set *set, const struct address *address,
                         const struct listener_set *taken);
// How many services have one.
size_t listener_set_count_services(const struct listener_set *set, const struct config *config);
