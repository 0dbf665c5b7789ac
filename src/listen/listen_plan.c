// SPDX-License-Identifier: MIT
// From names to addresses. The only caller of a resolver in src/listen/: the start, a reload and
// -t plan in the same way, and what follows needs nobody's answer.

#include "listen/listen_plan.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static bool lacks_scope(const struct address *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;

    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) &&
           in6->sin6_scope_id == 0;
}

// Binds to the address without a port, which takes nothing from anybody.
static int try_address(const struct address *address)
{
    cleanup_close int fd = -1;
    struct address any_port = *address;
    int on = 1;

    if (address->any.sa_family == AF_UNIX || address->dual_stack)
        return 0;
    if (lacks_scope(address))
        return -EINVAL;
    fd = socket(address->any.sa_family, address->type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (address->any.sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)&any_port.storage)->sin6_port = 0;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)); // as it will be bound
    } else {
        ((struct sockaddr_in *)&any_port.storage)->sin_port = 0;
    }
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)); // spares one
    return bind(fd, &any_port.any, any_port.length) < 0 ? -errno : 0;
}

static int say_unresolved(const struct listen *entry, int error, struct problems *problems)
{
    const char *scope = strchr(entry->spec.host, '%');

    if (error != EAI_SYSTEM && scope && if_nametoindex(scope + 1) == 0)
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\": there is no interface \"%s\"", entry->text, scope + 1);
    else
        problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                     address_strerror(error));
    return -EHOSTUNREACH;
}

static int say_no_scope(const struct listen *entry, struct problems *problems)
{
    problems_add(problems, entry->file, entry->line,
                 "listen = \"%s\": a link-local address is one of an interface; write its name as "
                 "well: [%s%%eth0]:%s",
                 entry->text, entry->spec.host, entry->spec.port);
    return -EDESTADDRREQ;
}

static int plan_entry(const struct config *config, size_t service, size_t index,
                      struct listen_plan *plan, struct problems *problems)
{
    const struct listen *entry = &config->services[service].listen.items[index];
    struct address list[ADDRESS_MAX];
    int n = address_resolve(&entry->spec, AF_UNSPEC, true, list, ELEMENTS(list));

    if (n <= 0)
        return say_unresolved(entry, n, problems);
    if (n == 1 && lacks_scope(&list[0]))
        return say_no_scope(entry, problems);
    plan->items = base_checked(
        reallocarray(plan->items, plan->n + (size_t)n, sizeof(plan->items[0])));
    for (int i = 0; i < n; i++)
        plan->items[plan->n++] = (struct planned){
            .service = service, .entry = index, .error = try_address(&list[i]), .address = list[i]};
    return 0;
}

int listen_plan_make(const struct config *config, struct listen_plan *ret,
                     struct problems *problems)
{
    struct listen_plan plan = {0};
    int first_error = 0;

    for (size_t s = 0; s < config->n_services; s++)
        for (size_t i = 0; i < config->services[s].listen.n; i++) {
            int r = plan_entry(config, s, i, &plan, problems);

            if (r < 0 && first_error == 0)
                first_error = r;
        }
    if (first_error < 0)
        listen_plan_done(&plan);
    *ret = plan;
    return first_error;
}

size_t listen_plan_find(const struct listen_plan *plan, size_t service, size_t entry,
                        const struct planned **ret)
{
    size_t i = 0, n = 0;

    while (i < plan->n && (plan->items[i].service != service || plan->items[i].entry != entry))
        i++;
    *ret = &plan->items[i];
    while (i + n < plan->n && plan->items[i + n].service == service &&
           plan->items[i + n].entry == entry)
        n++;
    return n;
}

void listen_plan_done(struct listen_plan *plan)
{
    free(plan->items);
    *plan = (struct listen_plan){0};
}
