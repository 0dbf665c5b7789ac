// SPDX-License-Identifier: MIT
// What tcpd.conf says of proxies.

#include "base/base.h"
#include "config/config.h"
#include "config/config_check.h"

#define TIMEOUT_LEAST (3 * USEC_PER_SEC) // as the specification wants it: a segment may be lost
#define TIMEOUT_MOST  (60 * USEC_PER_SEC)

static void complain(const struct service *service, const struct section *section,
                     const char *setting, const char *what, struct problems *problems)
{
    int line = section_line(section, setting);

    problems_add(problems, service->file, line > 0 ? line : service->line,
                 "%s of service \"%s\" %s", setting, service->name, what);
}

// Settings that mean nothing, as no header is read.
static void check_off(const struct service *service, const struct section *section,
                      struct problems *problems)
{
    static const char *const names[] = {"proxy_trusted", "proxy_timeout", "proxy_version",
                                        "proxy_unknown"};

    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (section_line(section, names[i]) != 0)
            complain(service, section, names[i],
                     "needs proxy_protocol = required, or trusted if some clients come by "
                     "themselves",
                     problems);
}

void config_check_proxy(const struct service *service, const struct section *section,
                        struct problems *problems)
{
    const struct senders *senders = &service->access.senders;

    if (service->leaves_clients)
        return; // which is refused already
    if (section_line(section, "proxy_protocol") == 0)
        check_off(service, section, problems);
    if (senders->protocol == PROXY_OFF)
        return;
    if (senders->trusted.n_entries == 0 && !senders->trusted.has_mistakes)
        complain(service, section, "proxy_protocol",
                 "needs proxy_trusted: the addresses that may say for whom they connect", problems);
    if (service->proxy.timeout_usec < TIMEOUT_LEAST || service->proxy.timeout_usec > TIMEOUT_MOST)
        complain(service, section, "proxy_timeout", "must be between 3s and 60s", problems);
    for (size_t i = 0; i < service->listen.n; i++) {
        const struct listen *entry = &service->listen.items[i];

        if (entry->spec.type != SOCK_STREAM)
            problems_add(problems, entry->file, entry->line,
                         "listen = \"%s\": proxy_protocol is for streams", entry->text);
    }
}

void config_warn_of_senders(const struct config *config, struct problems *warnings)
{
    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];
        const struct rule_list *trusted = &service->access.senders.trusted;
        size_t k = 0;

        if (service->access.senders.protocol == PROXY_OFF)
            continue;
        while (k < trusted->n && trusted->rules[k].prefix.length > 0)
            k++;
        if (k < trusted->n)
            problems_add(warnings, service->file, service->line,
                         "proxy_trusted of service \"%s\" has any: whoever connects may say to be "
                         "anybody",
                         service->name);
    }
}
