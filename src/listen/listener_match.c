// SPDX-License-Identifier: MIT
// Comparing what is asked for with what there is. Opens nothing.

#include "listen/listener_match.h"

#include <string.h>

#include "listen/listener_path.h"

// For "*:PORT" systemd may have a socket for each family.
bool match_serves(const struct listener *listener, const struct address *address)
{
    if (listener->origin == LISTENER_BOUND)
        return address_is_same(&listener->wanted, address);
    return address_is_same(&listener->bound, address) ||
           (address->dual_stack && listener->bound.type == address->type &&
            address_is_wildcard(&listener->bound.any) &&
            address_port(&listener->bound.any) == address_port(&address->any));
}

// Whether a socket at one address would be in the way of one at the other.
static bool overlaps(const struct address *a, const struct address *b)
{
    bool unix_path = a->any.sa_family == AF_UNIX || b->any.sa_family == AF_UNIX;

    if (unix_path)
        return a->any.sa_family == b->any.sa_family && path_is_same(a, b);
    if (a->type != b->type || address_port(&a->any) != address_port(&b->any) ||
        address_port(&a->any) == 0)
        return false;
    if (a->dual_stack || b->dual_stack)
        return true;
    return a->any.sa_family == b->any.sa_family &&
           (address_is_wildcard(&a->any) || address_is_wildcard(&b->any) || address_is_same(a, b));
}

bool match_overlaps_any(const struct listener_set *set, const struct address *address)
{
    for (size_t i = 0; i < set->n; i++)
        if (overlaps(&set->items[i].listener->bound, address))
            return true;
    return false;
}

// An entry that the running configuration has too, or any at start.
bool match_is_accustomed(const struct config *running, const struct service *service,
                         const struct listen *entry)
{
    for (size_t s = 0; running && s < running->n_services; s++)
        for (size_t i = 0; i < running->services[s].listen.n; i++)
            if (strcmp(running->services[s].name, service->name) == 0 &&
                strcmp(running->services[s].listen.items[i].text, entry->text) == 0)
                return true;
    return running == NULL;
}
