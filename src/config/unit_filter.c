// SPDX-License-Identifier: MIT

#include "config/unit_filter.h"

#include "access/prefix.h"
#include "base/base.h"

struct filter {
    const struct rule_list *list; // NULL: nobody is kept away
    bool allows;                  // only those in it
};

static struct filter find(const struct service *service)
{
    const struct access *access = &service->access;

    if (!service->unit_filter || unit_filter_lacks(service))
        return (struct filter){0};
    if (access->senders.protocol == PROXY_REQUIRED)
        return (struct filter){&access->senders.trusted, true};
    return access->allow.n_entries > 0 ? (struct filter){&access->allow, true}
                                       : (struct filter){&access->deny, false};
}

const char *unit_filter_lacks(const struct service *service)
{
    const struct access *access = &service->access;
    bool allows = access->allow.n_entries > 0, denies = access->deny.n_entries > 0;

    if (access->senders.protocol == PROXY_TRUSTED)
        return "needs proxy_protocol = required or off: with trusted, anybody may connect";
    if (access->senders.protocol == PROXY_REQUIRED)
        return NULL; // each connection is a sender's; rules are about those whom it announces
    if (allows && denies)
        return "needs allow or deny alone: for a socket unit allow beats deny, whichever prefix is "
               "longer";
    return allows || denies ? NULL : "needs allow, deny, or proxy_protocol = required";
}

void unit_filter_write(FILE *stream, const struct service *service)
{
    const struct filter filter = find(service);
    char text[PREFIX_TEXT_MAX];

    if (filter.allows) // tcpd itself judges those of this machine
        (void)fputs("IPAddressDeny=any\nIPAddressAllow=localhost\n", stream);
    for (size_t i = 0; filter.list && i < filter.list->n; i++)
        (void)fprintf(stream, "%s=%s\n", filter.allows ? "IPAddressAllow" : "IPAddressDeny",
                      prefix_format(&filter.list->rules[i].prefix, text, sizeof(text)));
}

bool unit_filter_is_same(const struct service *a, const struct service *b)
{
    const struct filter of_a = find(a), of_b = find(b);

    if (!of_a.list || !of_b.list)
        return of_a.list == of_b.list;
    if (of_a.allows != of_b.allows || of_a.list->n != of_b.list->n)
        return false;
    for (size_t i = 0; i < of_a.list->n; i++)
        if (!prefix_is_same(&of_a.list->rules[i].prefix, &of_b.list->rules[i].prefix))
            return false;
    return true;
}
