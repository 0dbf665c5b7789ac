// SPDX-License-Identifier: MIT
// Sockets that were handed over for a service, whether `listen` has them or not. What is spoken at
// one that no entry lists, nobody says: it may be TLS, and must not be served without.

#include "listen/listener_handed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "listen/listener_bind.h"
#include "listen/listener_inherit.h"
#include "listen/listener_match.h"
#include "listen/listener_set.h"

void handed_take(const struct config *config, const struct service *service,
                 const struct listener_set *old, struct listener_set *set)
{
    int fd;

    for (size_t i = 0; i < old->n; i++) {
        struct listener *listener = old->items[i].listener;

        if (listener->origin == LISTENER_ACTIVATED && strcmp(listener->service, service->name) == 0)
            listener_set_add(set, listener, service);
    }
    while ((fd = inherited_take_named(service->name,
                                      config->n_services + config->n_left_out == 1)) >= 0)
        listener_set_add(set, listener_adopt(fd, service), service);
}

bool handed_any(const struct listener_set *set, const struct service *service)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].service == service &&
            set->items[i].listener->origin == LISTENER_ACTIVATED)
            return true;
    return false;
}

// Whether what no entry lists can be nothing but plain.
static bool speaks_plain_only(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.speaks != SPEAKS_PLAIN)
            return false;
    return true;
}

// Another service may list it, whose name systemd was not told.
static bool speaks_otherwise(const struct listeners_request *request,
                             const struct listener *listener)
{
    for (size_t i = 0; i < request->plan->n; i++) {
        const struct planned *planned = &request->plan->items[i];
        const struct service *service = &request->config->services[planned->service];

        if (service->listen.items[planned->entry].spec.speaks != SPEAKS_PLAIN &&
            match_serves(listener, &planned->address))
            return true;
    }
    return false;
}

static void drop(struct listener_set *set, size_t i)
{
    listener_undo(set->items[i].listener);
    set->n--;
    memmove(&set->items[i], &set->items[i + 1], (set->n - i) * sizeof(set->items[0]));
}

static int refuse(const struct listeners_request *request, const struct service *service,
                  struct listener_set *set, size_t i)
{
    const struct listener *listener = set->items[i].listener;

    problems_add(request->skipped ? request->skipped : request->problems, service->file,
                 service->line,
                 "socket %s of %s is in no listen entry, so what it speaks is unknown; it is not "
                 "served",
                 listener->address, service->name);
    if (!request->skipped)
        return -EDESTADDRREQ;
    listener_set_lacks(set, service, listener->address,
                       "it is in no listen entry, so what it speaks is unknown");
    set->error = set->error < 0 ? set->error : -EDESTADDRREQ;
    drop(set, i);
    return 0;
}

// Somebody may believe that a closed door is one that stands open.
static void warn(const struct listeners_request *request, const struct service *service,
                 const struct listener *listener)
{
    problems_add(request->warnings, service->file, service->line,
                 "service \"%s\": %s is served, as systemd handed it over, though listen "
                 "does not have it; \"tcpdctl sockets apply\" closes it",
                 service->name, listener->address);
}

int handed_check(const struct listeners_request *request, struct listener_set *set,
                 const struct service *service)
{
    bool is_plain = speaks_plain_only(service);
    int r = 0;

    for (size_t i = set->n; i-- > 0;) {
        const struct listener *listener = set->items[i].listener;

        if (set->items[i].service != service || listener->origin != LISTENER_ACTIVATED ||
            set->items[i].is_listed)
            continue;
        if (!is_plain || listener->bound.type == SOCK_DGRAM || speaks_otherwise(request, listener))
            r = refuse(request, service, set, i);
        else if (service->listen.n > 0)
            warn(request, service, listener);
    }
    return r;
}
