// SPDX-License-Identifier: MIT
// What would happen to a client, by the files alone.

#include <errno.h>

#include "access/explain.h"
#include "base/base.h"
#include "config/config.h"

// At one address to listen on, NULL: one that systemd hands over. Returns whether it is served.
static bool explain(const struct service *service, const struct listen *entry,
                    const struct sockaddr_storage *client, const struct sockaddr_storage *through,
                    FILE *stream)
{
    const struct explain_listener listener = {
        .service = service->name,
        .address = entry ? entry->text : "sockets that systemd hands over",
        .access = &service->access,
        .is_unix = entry && entry->spec.kind == ADDRESS_UNIX,
        .is_plain = !entry || entry->spec.speaks == SPEAKS_PLAIN,
        .is_datagram = entry && entry->spec.type == SOCK_DGRAM,
        .sources = &service->sources,
    };
    struct explanation explanation;

    explain_make(&explanation, &listener, client, through);
    explain_print(&explanation, stream);
    return explanation.is_served;
}

int config_explain(const struct config *config, const char *address, const char *through,
                   FILE *stream)
{
    struct sockaddr_storage client, proxy = {0}, *announces = through ? &proxy : NULL;
    bool is_served = true;

    if (!explain_parse(address, &client) || (through && !explain_parse(through, &proxy)))
        return -EINVAL;
    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        for (size_t k = 0; k < service->listen.n; k++)
            is_served = explain(service, &service->listen.items[k], &client, announces, stream) &&
                        is_served;
        if (service->listen.n == 0)
            is_served = explain(service, NULL, &client, announces, stream) && is_served;
    }
    return is_served;
}
