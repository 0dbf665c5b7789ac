// SPDX-License-Identifier: MIT
// What is allowed, and does not do what it looks like.

#include <sys/prctl.h>

#include "base/base.h"
#include "config/config.h"
#include "config/config_check.h"
#include "config/handler.h"

static bool has_udp(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.type == SOCK_DGRAM &&
            service->listen.items[i].spec.kind != ADDRESS_UNIX)
            return true;
    return false;
}

static void warn_of_service(const struct config *config, const struct service *service,
                            struct problems *warnings)
{
    if (config->exit_idle_usec > 0 && service->accepts_itself)
        problems_add(warnings, service->file, service->line,
                     "exit_idle_time has no effect while a copy of the program of service \"%s\" "
                     "runs: with program_mode = listener nobody but the program knows whether it "
                     "is idle; it may exit with status 0 when it is",
                     service->name);
    if (service->amplification == 0 && !service->leaves_clients && has_udp(service))
        problems_add(warnings, service->file, service->line,
                     "amplification = 0 of service \"%s\": whoever forges a sender can have long "
                     "answers sent there",
                     service->name);
    if (service->core_dumps)
        problems_add(warnings, service->file, service->line,
                     "core_dumps = yes: programs and modules of all services, and whatever else "
                     "runs as tcpd's user, can read and change the memory of service \"%s\"'s "
                     "workers",
                     service->name);
    // What keeps privileges from tcpd keeps them from whatever it starts.
    if (service->new_privileges && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        problems_add(warnings, service->file, service->line,
                     "new_privileges = yes of service \"%s\": set-user-ID files have no effect "
                     "nevertheless, as tcpd itself may gain no privileges (NoNewPrivileges= of its "
                     "unit, and what implies that)",
                     service->name);
}

// Whoever asks the agent goes on sending clients until it has asked again.
static void warn_of_agents(const struct config *config, struct problems *warnings)
{
    for (size_t i = 0; config->drain_delay_usec == 0 && i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        if (service->handler->is_agent) {
            problems_add(warnings, service->file, service->line,
                         "service \"%s\" tells load balancers of a stop, but drain_delay = 0 "
                         "leaves them no time to ask; 5s is right for HAProxy's agent-inter of 2s",
                         service->name);
            return;
        }
    }
}

void config_warn(const struct config *config, struct problems *warnings)
{
    warn_of_agents(config, warnings);
    for (size_t i = 0; i < config->n_services; i++)
        warn_of_service(config, &config->services[i], warnings);
    config_warn_of_senders(config, warnings);
    config_warn_of_certificates(config, warnings);
}
