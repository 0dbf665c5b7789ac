// SPDX-License-Identifier: MIT
// datagram_rules.c against the same rules over addresses of 16 bytes, of which IPv4 is a part, and
// over all that was said so far: what must not be answered is not, and everything else is.

#include "transport/datagram_rules.h"

#include <netinet/in.h>

#include "fuzz.h"

#define PORTS_MAX   4
#define ANSWERS_MAX 200

#define IPV4 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff

// All hosts whose addresses begin with these bits.
struct network {
    uint8_t bytes[16];
    unsigned n_bits;
};

static const struct network ipv4 = {{IPV4}, 96};
static const struct network loopback[] = {{{IPV4, 127}, 104}, {{[15] = 1}, 128}, {.n_bits = 999}};
static const struct network nobody[] = {
    {{IPV4, 0}, 104}, {{IPV4, 0xe0}, 99}, {{0}, 128}, {{0xff}, 8}, {.n_bits = 999}};

// Hosts at both sides of each border.
static const uint8_t hosts[][16] = {
    {IPV4, 127, 0, 0, 1},
    {IPV4, 126, 255, 255, 255},
    {IPV4, 128, 0, 0, 0},
    {IPV4, 0, 255, 255, 255},
    {IPV4, 1, 0, 0, 0},
    {IPV4, 223, 255, 255, 255},
    {IPV4, 224, 0, 0, 0},
    {IPV4, 255, 255, 255, 255},
    {[15] = 1},
    {[15] = 2},
    {0},
    {0xff, 2, [15] = 1},
    {0xfe, 0x80, [15] = 1},
    {0x20, 1, 0x0d, 0xb8, [15] = 1},
    {[12] = 127, 0, 0, 1},
};

struct input {
    const uint8_t *data;
    size_t left;
};

struct end {
    uint8_t host[16];
    unsigned port;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
};

static unsigned next_number(struct input *input, size_t n_bytes)
{
    unsigned number = 0;

    for (; n_bytes > 0; n_bytes--) {
        number = number << 8 | (input->left ? *input->data : 0);
        if (input->left) {
            input->data++;
            input->left--;
        }
    }
    return number;
}

static bool is_in(const uint8_t *host, const struct network *network)
{
    for (unsigned i = 0; i < network->n_bits; i++)
        if ((host[i / 8] ^ network->bytes[i / 8]) & 0x80 >> i % 8)
            return false;
    return true;
}

static bool is_in_any(const uint8_t *host, const struct network *networks)
{
    for (; networks->n_bits <= 128; networks++)
        if (is_in(host, networks))
            return true;
    return false;
}

// A host of the table, its last bytes changed or not; of IPv4 where it must be.
static void next_end(struct input *input, int family, struct end *end)
{
    const uint8_t *host = hosts[next_number(input, 1) % (sizeof(hosts) / sizeof(hosts[0]))];

    memcpy(end->host, host, sizeof(end->host));
    for (size_t n = next_number(input, 1) % 17; n > 0; n--)
        end->host[16 - n] = (uint8_t)next_number(input, 1);
    if (family == AF_INET)
        memcpy(end->host, ipv4.bytes, 12);
    end->address.any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        memcpy(&end->address.in.sin_addr, end->host + 12, 4);
    else if (family == AF_INET6)
        memcpy(&end->address.in6.sin6_addr, end->host, 16);
}

static void set_port(struct end *end, unsigned port)
{
    end->port = port;
    if (end->address.any.sa_family != AF_UNIX) // at the same place in both
        end->address.in.sin_port = htons((uint16_t)port);
}

static bool is_own_port(const struct datagram_rules *rules, unsigned port)
{
    size_t i = 0;

    while (i < rules->n_ports && rules->ports[i] != port)
        i++;
    return i < rules->n_ports;
}

// The reasons against it, a bit each.
static unsigned against_source(const struct datagram_rules *rules, const struct end *peer,
                               const struct end *local)
{
    bool is_here = is_in_any(peer->host, loopback) ||
                   memcmp(peer->host, local->host, sizeof(peer->host)) == 0;
    unsigned reasons = 0;

    if (peer->address.any.sa_family == AF_UNIX)
        return 0;
    if (peer->port < 1024)
        reasons |= 1u << DATAGRAM_SOURCE_PORT;
    if (is_in_any(peer->host, nobody))
        reasons |= 1u << DATAGRAM_SOURCE_ADDRESS;
    if (is_own_port(rules, peer->port) && (is_here || rules->answers_all))
        reasons |= 1u << DATAGRAM_OWN_SOURCE;
    return reasons;
}

static unsigned against_answers(const struct datagram_rules *rules, const struct end *peer,
                                const struct end *local, const size_t *lengths, size_t n)
{
    size_t headers = is_in(peer->host, &ipv4) ? 28 : 48;
    size_t asked = headers + lengths[0], said = 0;
    unsigned reasons = n > 64 ? 1u << DATAGRAM_TOO_MANY : 0;

    for (size_t i = 1; i <= n; i++)
        said += headers + lengths[i];
    if (peer->address.any.sa_family != AF_UNIX && rules->amplification != 0 &&
        said > asked * rules->amplification &&
        !(is_in_any(peer->host, loopback) && is_in_any(local->host, loopback)))
        reasons |= 1u << DATAGRAM_AMPLIFIED;
    return reasons;
}

static bool is_right(enum datagram_loss loss, unsigned reasons)
{
    return loss == DATAGRAM_GOOD ? reasons == 0 : (reasons & 1u << loss) != 0;
}

// A question, and what is said to it: what is refused was not said.
static void answer(const struct datagram_rules *rules, const struct end *peer,
                   const struct end *local, struct input *input)
{
    const struct datagram_ends ends = {&peer->address.any, &local->address.any};
    size_t lengths[ANSWERS_MAX + 2] = {next_number(input, 2)}, n = 0;
    struct datagram_account account = {.n_question = lengths[0]};

    for (int i = 0; i < ANSWERS_MAX && input->left > 0; i++) {
        size_t length = lengths[n + 1] = next_number(input, 1 + input->data[0] % 2);
        enum datagram_loss loss = datagram_judge_answer(rules, &ends, &account, length);

        MUST(is_right(loss, against_answers(rules, peer, local, lengths, n + 1)));
        n += loss == DATAGRAM_GOOD;
        MUST(account.n_answers == n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int families[] = {AF_INET, AF_INET6, AF_INET6, AF_UNIX};
    struct input input = {data, size};
    unsigned choice = next_number(&input, 1);
    uint16_t ports[PORTS_MAX];
    struct datagram_rules rules = {.amplification = next_number(&input, 1),
                                   .ports = ports,
                                   .n_ports = choice >> 2 & 3,
                                   .answers_all = choice & 16};
    struct end peer = {0}, local = {0};
    struct datagram_ends ends = {&peer.address.any, &local.address.any};

    for (size_t i = 0; i < rules.n_ports; i++)
        ports[i] = (uint16_t)next_number(&input, 2);
    next_end(&input, families[choice & 3], &peer);
    next_end(&input, families[choice & 3], &local);
    if (choice & 32)
        memcpy(&local, &peer, sizeof(local));
    set_port(&local, 7007);
    set_port(&peer, choice & 64 && rules.n_ports ? ports[0] : next_number(&input, 2));
    MUST(is_right(datagram_judge_source(&rules, &ends), against_source(&rules, &peer, &local)));
    answer(&rules, &peer, &local, &input);
    return 0;
}
