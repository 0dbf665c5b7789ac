// SPDX-License-Identifier: MIT
// only_from and no_access. xinetd refuses whom no_access has, whatever only_from says, though its
// manual has the better match decide; tcpd goes by the longer network. What would let in more than
// before is not served.

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "import/networks.h"
#include "import/xinetd_private.h"

#define REMOVE "; remove the # below when something else keeps them out"

// Of only_from what is no address keeps more out; of no_access it lets more in.
static void take_list(struct xservice *service, const struct xlist *list, bool is_allow,
                      struct networks *networks)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct xword *word = &list->items[i];
        const char *wrong = networks_add_xinetd(networks, word->text);

        service->is_inherited = word->is_inherited;
        if (wrong && is_allow)
            xservice_lose(service, word->from, "%s: %s", word->text, wrong);
        else if (wrong)
            xservice_block(service, word->from, "%s: %s" REMOVE, word->text, wrong);
    }
    service->is_inherited = false;
    networks_sort(networks);
}

static void drop_denied(struct xservice *service, const struct xlist *only_from,
                        struct networks *allow, const struct networks *deny)
{
    for (size_t i = 0; i < allow->n;) {
        const struct network *around = networks_around(deny, &allow->items[i]);
        char inner[NETWORK_TEXT_MAX], outer[NETWORK_TEXT_MAX];

        if (!around) {
            i++;
            continue;
        }
        import_lose(service->import, service->entry,
                    only_from->is_changed ? &only_from->last->place : &service->section->place,
                    "only_from: %s is left out, as no_access has %s: xinetd lets nobody of it in, "
                    "though its "
                    "manual says otherwise",
                    network_format(&allow->items[i], inner, sizeof(inner)),
                    network_format(around, outer, sizeof(outer)));
        networks_remove(allow, i);
    }
}

// Whether tcpd can have lists for the service.
static bool check_support(struct xservice *service, const struct xlist *list)
{
    bool has_lists = service->import->features->access, waits = service->entry->waits;

    service->is_inherited = !list->is_changed;
    if (list->last && !has_lists)
        xservice_block(service, list->last,
                       "this tcpd has no rules on addresses; a firewall has" REMOVE);
    else if (list->last && waits)
        xservice_block(service, list->last,
                       "with wait the program accepts, and tcpd sees no client; a firewall "
                       "does" REMOVE);
    service->is_inherited = false;
    return has_lists && !waits;
}

// A list may mean more than it says.
static void check_removal(struct xservice *service, const struct xlist *list)
{
    if (list->unmatched)
        xservice_block(service, list->unmatched,
                       "what -= takes away is not written so before; write the list anew with =");
}

// Whether a door is one for IPv4, or can become it.
static bool can_be_ipv4(const struct door *door)
{
    return door->kind == DOOR_ANY || door->kind == DOOR_IPV4 ||
           (door->kind == DOOR_HOST && strspn(door->host, "0123456789.") == strlen(door->host));
}

// "only_from = 0.0.0.0/0" is everybody of IPv4: that is a matter of where to listen.
static bool is_for_all(struct entry *entry, const struct networks *allow)
{
    static const struct network ipv4 = {0}, ipv6 = {.is_ipv6 = true};

    if (!networks_around(allow, &ipv4))
        return false;
    if (networks_around(allow, &ipv6))
        return true;
    for (size_t d = 0; d < entry->n_doors; d++)
        if (!can_be_ipv4(&entry->doors[d]))
            return false;
    for (size_t d = 0; d < entry->n_doors; d++)
        if (entry->doors[d].kind == DOOR_ANY)
            entry->doors[d].kind = DOOR_IPV4;
    return true;
}

static void restrict_clients(struct xservice *service, const struct xlist *only_from,
                             const struct xlist *no_access, struct networks *allow)
{
    bool is_supported = check_support(service, only_from->last ? only_from : no_access);
    struct networks deny = {0};

    check_removal(service, only_from);
    check_removal(service, no_access);
    take_list(service, no_access, false, &deny);
    drop_denied(service, only_from, allow, &deny);
    if (only_from->last && allow->n == 0) { // nobody
        deny.n = 0;
        networks_add_all(&deny);
    }
    if (allow->n > NETWORKS_MAX || deny.n > NETWORKS_MAX)
        import_block(service->import, service->entry, &service->section->place,
                     "a list of tcpd has at most %d addresses; a firewall takes more" REMOVE,
                     NETWORKS_MAX);
    if (is_supported) {
        entry_set_networks(service->entry, "allow", allow);
        entry_set_networks(service->entry, "deny", &deny);
    }
    networks_done(&deny);
}

void xservice_access(struct xservice *service)
{
    struct xlist only_from = xlist_make(service, "only_from");
    struct xlist no_access = xlist_make(service, "no_access");
    struct networks allow = {0};

    take_list(service, &only_from, true, &allow);
    if (!service->is_defaults &&
        (only_from.unmatched || no_access.n > 0 || !is_for_all(service->entry, &allow)))
        restrict_clients(service, &only_from, &no_access, &allow);
    networks_done(&allow);
    free(only_from.items);
    free(no_access.items);
}
