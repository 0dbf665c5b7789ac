// SPDX-License-Identifier: MIT
#include "listen/listener_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "listen/listener_match.h"
#include "log/log.h"

void listener_set_add(struct listener_set *set, struct listener *listener,
                      const struct service *service)
{
    set->items = base_checked(reallocarray(set->items, set->n + 1, sizeof(set->items[0])));
    memset(&set->items[set->n], 0, sizeof(set->items[0]));
    set->items[set->n].listener = listener;
    set->items[set->n++].service = service;
}

void listener_set_lacks(struct listener_set *set, const struct service *service,
                        const char *address, const char *why)
{
    for (size_t i = 0; i < set->n_unserved; i++)
        if (strcmp(set->unserved[i].service, service->name) == 0 &&
            strcmp(set->unserved[i].address, address) == 0)
            return;
    set->unserved = base_checked(
        reallocarray(set->unserved, set->n_unserved + 1, sizeof(set->unserved[0])));
    set->unserved[set->n_unserved++] = (struct unserved){
        .service = base_checked(strdup(service->name)),
        .address = base_checked(strdup(address)),
        .why = base_checked(strdup(why)),
    };
}

bool listener_set_contains(const struct listener_set *set, const struct listener *listener)
{
    for (size_t i = 0; set && i < set->n; i++)
        if (set->items[i].listener == listener)
            return true;
    return false;
}

size_t listener_set_find(const struct listener_set *set, const struct address *address,
                         const struct listener_set *taken)
{
    size_t i = 0;

    while (i < set->n && (!match_serves(set->items[i].listener, address) ||
                          listener_set_contains(taken, set->items[i].listener)))
        i++;
    return i;
}

size_t listener_set_count_services(const struct listener_set *set, const struct config *config)
{
    size_t n = 0;

    for (size_t s = 0; s < config->n_services; s++) {
        size_t i = 0;

        while (i < set->n && set->items[i].service != &config->services[s])
            i++;
        n += i < set->n;
    }
    return n;
}

void listeners_forget(struct listener_set *set)
{
    for (size_t i = 0; i < set->n_unserved; i++) {
        free(set->unserved[i].service);
        free(set->unserved[i].address);
        free(set->unserved[i].why);
    }
    free(set->unserved);
    free(set->items);
    *set = (struct listener_set){0};
}

void listeners_store(const struct listener_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct listener *listener = set->items[i].listener;
        const char *from = listener->origin == LISTENER_ACTIVATED ? ", handed over"
                           : listener->taken_back                 ? ", taken back"
                                                                  : "";
        char room[64];

        listener_store(listener);
        log_info("%s %s: listening, %s%s", set->items[i].service->name, listener->address,
                 listener_describe_room(listener, room, sizeof(room)), from);
    }
}
