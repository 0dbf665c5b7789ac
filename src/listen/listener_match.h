// SPDX-License-Identifier: MIT
// Which socket is the one that is asked for; for listener.c alone.
#pragma once

#include "listen/listener.h"

// Whether the listener is what an entry with this address asks for.
bool match_serves(const struct listener *listener, const struct address *address);

// Whether bind() would refuse the address because of one of the set. Looks at the folders of paths.
bool match_overlaps_any(const struct listener_set *set, const struct address *address);

// Whether the service has the entry in the running configuration as well; at the start (NULL) any.
bool match_is_accustomed(const struct config *running, const struct service *service,
                         const struct listen *entry);
