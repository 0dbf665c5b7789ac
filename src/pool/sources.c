// SPDX-License-Identifier: MIT
// A small table, searched from its start; who comes new takes the place of the one that was quiet
// for longest.

#include "pool/sources.h"

#include <netinet/in.h>
#include <string.h>

#include "base/base.h"

#define FORGET_USEC (60 * USEC_PER_SEC)

// The source that a client belongs to, without deaths; of family 0 where it has no address.
static struct source source_of(const struct score_peer *peer)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = peer->family == AF_INET6 && memcmp(peer->ip, mapped, sizeof(mapped)) == 0;
    bool is_ip4 = peer->family == AF_INET || is_mapped;
    struct source source = {.family = is_ip4 ? AF_INET : AF_INET6};

    if (!is_ip4 && peer->family != AF_INET6)
        return (struct source){0};
    if (is_ip4)
        memcpy(source.prefix, peer->ip + (is_mapped ? sizeof(mapped) : 0), 4);
    else
        memcpy(source.prefix, peer->ip, sizeof(source.prefix));
    return source;
}

static bool is_same(const struct source *a, const struct source *b)
{
    return a->family == b->family && memcmp(a->prefix, b->prefix, sizeof(a->prefix)) == 0;
}

unsigned sources_charge(struct sources *sources, const struct score_peer *peer, uint64_t now_usec)
{
    struct source charged = source_of(peer), *place = &sources->items[0];

    if (charged.family == 0)
        return 0;
    for (size_t i = 0; i < SOURCES; i++) {
        struct source *item = &sources->items[i];

        if (is_same(item, &charged)) {
            place = item;
            break;
        }
        if (item->last_usec < place->last_usec)
            place = item;
    }
    if (!is_same(place, &charged) || now_usec - place->last_usec >= FORGET_USEC)
        *place = charged;
    place->last_usec = now_usec;
    return ++place->n_deaths;
}
