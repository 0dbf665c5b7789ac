// SPDX-License-Identifier: MIT
// A configuration in words.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"
#include "config/config.h"
#include "config/handler.h"

// A path may hold what a terminal obeys.
static void print_address(const char *text, const char *before, FILE *stream)
{
    size_t length = strlen(text), size = 4 * length + 1;
    cleanup_free char *shown = base_checked(malloc(size));

    (void)escape_bytes(text, length, shown, size);
    (void)fprintf(stream, "%s %s", before, shown);
}

static void describe_service(const struct service *service, FILE *stream)
{
    const struct handler *handler = service->handler;
    const char *runs = handler->runs ? handler->runs(service) : NULL;

    (void)fprintf(stream, "service \"%s\": handler %s%s%s, %u to %u worker%s, %u spare, on",
                  service->name, handler->name, runs ? " " : "", runs ? runs : "",
                  service->min_workers, service->max_workers, PLURAL(service->max_workers),
                  service->spare_workers);
    for (size_t i = 0; i < service->listen.n; i++)
        print_address(service->listen.items[i].text, i > 0 ? "," : "", stream);
    (void)fprintf(stream, "%s\n", service->listen.n == 0 ? " sockets that systemd hands over" : "");
}

void config_describe(const struct config *config, const char *source, FILE *stream)
{
    size_t n = config->n_services;

    for (size_t i = 0; i < n; i++)
        describe_service(&config->services[i], stream);
    (void)fprintf(stream, "%s: configuration is right: %zu service%s\n", source, n, PLURAL(n));
}
