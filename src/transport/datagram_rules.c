// SPDX-License-Identifier: MIT
#include "transport/datagram_rules.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/address.h"

#define IPV4_HEADERS (sizeof(struct iphdr) + sizeof(struct udphdr))
#define IPV6_HEADERS (sizeof(struct ip6_hdr) + sizeof(struct udphdr))

// True and the address in host order: it is IPv4, maybe mapped into IPv6.
static bool is_ipv4(const struct sockaddr *address, uint32_t *ret)
{
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;
    uint32_t net = in->sin_addr.s_addr;

    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        memcpy(&net, &in6->sin6_addr.s6_addr[12], sizeof(net));
    else if (address->sa_family != AF_INET)
        return false;
    *ret = ntohl(net);
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const void *)address;
    uint32_t ipv4;

    if (is_ipv4(address, &ipv4))
        return ipv4 >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

// 0.0.0.0/8, multicast, and what is above it, broadcast: nobody has such an address. A network's
// own broadcast address cannot be told; the kernel sends nothing there unless asked to.
static bool is_nobody(const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const void *)address;
    uint32_t ipv4;

    if (is_ipv4(address, &ipv4))
        return ipv4 >> IN_CLASSA_NSHIFT == 0 || ipv4 >= INADDR_UNSPEC_GROUP;
    return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) || IN6_IS_ADDR_MULTICAST(&in6->sin6_addr);
}

static bool is_same_host(const struct datagram_ends *ends)
{
    const struct sockaddr_in6 *peer = (const void *)ends->peer, *local = (const void *)ends->local;
    uint32_t a, b;

    if (is_ipv4(ends->peer, &a))
        return is_ipv4(ends->local, &b) && a == b;
    return local->sin6_family == AF_INET6 &&
           IN6_ARE_ADDR_EQUAL(&peer->sin6_addr, &local->sin6_addr);
}

// What comes from one of our ports may be an answer: from another of our addresses, of which IPv6
// takes any from the network, or from a machine that has the same services. Two that answer all
// would never end. A protocol of a module's may have peers at its own port.
static bool is_own(const struct datagram_rules *rules, const struct datagram_ends *ends)
{
    unsigned port = address_port(ends->peer);

    if (!rules->answers_all && !is_loopback(ends->peer) && !is_same_host(ends))
        return false;
    for (size_t i = 0; i < rules->n_ports; i++)
        if (rules->ports[i] == port)
            return true;
    return false;
}

enum datagram_loss datagram_judge_source(const struct datagram_rules *rules,
                                         const struct datagram_ends *ends)
{
    if (ends->peer->sa_family == AF_UNIX)
        return DATAGRAM_GOOD; // nobody can forge one
    if (address_port(ends->peer) < IPPORT_RESERVED)
        return DATAGRAM_SOURCE_PORT;
    if (is_nobody(ends->peer))
        return DATAGRAM_SOURCE_ADDRESS;
    return is_own(rules, ends) ? DATAGRAM_OWN_SOURCE : DATAGRAM_GOOD;
}

static bool is_bounded(const struct datagram_rules *rules, const struct datagram_ends *ends)
{
    return rules->amplification > 0 && ends->peer->sa_family != AF_UNIX &&
           !(is_loopback(ends->peer) && is_loopback(ends->local));
}

enum datagram_loss datagram_judge_answer(const struct datagram_rules *rules,
                                         const struct datagram_ends *ends,
                                         struct datagram_account *account, size_t n)
{
    uint32_t ipv4;
    size_t headers = is_ipv4(ends->peer, &ipv4) ? IPV4_HEADERS : IPV6_HEADERS;
    uint64_t all = account->answers_wire + headers + n;

    if (account->n_answers >= DATAGRAM_ANSWERS_MAX)
        return DATAGRAM_TOO_MANY;
    if (is_bounded(rules, ends) &&
        all > (uint64_t)rules->amplification * (headers + account->n_question))
        return DATAGRAM_AMPLIFIED;
    account->n_answers++;
    account->answers_wire = all;
    return DATAGRAM_GOOD;
}
