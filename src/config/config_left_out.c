// SPDX-License-Identifier: MIT
// Which services are left out. A problem belongs to a service by its place: from the first line of
// the section to the last.

#include "config/config_left_out.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"

void config_part_left_out(struct config *config)
{
    size_t n = config->n_services + config->n_left_out, n_served = 0;

    for (size_t i = 0; i < n; i++) {
        struct service service = config->services[i];

        if (service.left_out.n > 0 || service.is_again)
            continue;
        memmove(&config->services[n_served + 1], &config->services[n_served],
                (i - n_served) * sizeof(service));
        config->services[n_served++] = service;
    }
    config->n_services = n_served;
    config->n_left_out = n - n_served;
}

static bool is_in(const struct place *place, const struct service *service)
{
    return place->file && strcmp(place->file, service->file) == 0 && service->first_line > 0 &&
           place->line >= service->first_line && place->line <= service->line;
}

static bool has_text(const struct problems *problems, const char *text)
{
    for (size_t i = 0; i < problems->n; i++)
        if (strcmp(problems->texts[i], text) == 0)
            return true;
    return false;
}

// Of two sections that meet in one line it is both.
static bool give_to_services(struct config *config, const struct problems *problems, size_t i)
{
    size_t n = config->n_services + config->n_left_out;
    bool is_one = false;

    for (size_t s = 0; s < n; s++) {
        struct service *service = &config->services[s];

        if (!is_in(&problems->places[i], service))
            continue;
        if (!has_text(&service->left_out, problems->texts[i]))
            problems_copy(&service->left_out, problems, i);
        is_one = true;
    }
    return is_one;
}

bool config_leave_out(struct config *config, const struct problems *problems)
{
    bool all = true;

    for (size_t i = 0; i < problems->n; i++)
        all = give_to_services(config, problems, i) && all;
    config_part_left_out(config);
    return all;
}

static const struct service *find_service(const struct service *services, size_t n,
                                          const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

int config_check_left_out(const struct config *config, const struct config *running,
                          struct problems *problems, struct problems *warnings)
{
    size_t before = problems->n;

    for (size_t i = 0; i < config->n_left_out; i++) {
        const struct service *service = &config->services[config->n_services + i];
        bool is_refused = running ? !find_service(running->services + running->n_services,
                                                  running->n_left_out, service->name)
                                  : config->n_services == 0;

        for (size_t t = 0; t < service->left_out.n; t++)
            problems_copy(is_refused ? problems : warnings, &service->left_out, t);
    }
    return problems->n > before ? -EDESTADDRREQ : 0;
}
