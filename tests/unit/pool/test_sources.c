// SPDX-License-Identifier: MIT
// sources.c: what is one source, how long it is remembered, and who is forgotten when there is no
// room.

#include "pool/sources.h"

#include <arpa/inet.h>
#include <string.h>

#include "unit.h"

#define NOW (1000 * USEC_PER_SEC)

static struct score_peer peer_of(const char *text)
{
    struct score_peer peer = {.port = 1};

    if (inet_pton(AF_INET, text, peer.ip) == 1)
        peer.family = AF_INET;
    else if (inet_pton(AF_INET6, text, peer.ip) == 1)
        peer.family = AF_INET6;
    else
        peer.family = strcmp(text, "unix") == 0 ? AF_UNIX : AF_UNSPEC;
    return peer;
}

// Two deaths, one after the other: what the second one is told.
static const struct {
    const char *name, *first, *second;
    uint64_t later_usec;
    unsigned want;
} rows[] = {
    {"the same", "192.0.2.1", "192.0.2.1", 1, 2},
    {"at once", "192.0.2.1", "192.0.2.1", 0, 2},
    {"a neighbour", "192.0.2.1", "192.0.2.2", 1, 1},
    {"the same network of IPv6", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", 1, 2},
    {"another one", "2001:db8:0:1::1", "2001:db8:0:2::1", 1, 1},
    {"IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1", 1, 2},
    {"IPv4 in IPv6, a neighbour", "::ffff:192.0.2.1", "::ffff:192.0.2.2", 1, 1},
    {"the bytes of an IPv4 address in IPv6", "192.0.2.1", "c000:201::", 1, 1},
    {"nearly a minute", "192.0.2.1", "192.0.2.1", 60 * USEC_PER_SEC - 1, 2},
    {"a minute", "192.0.2.1", "192.0.2.1", 60 * USEC_PER_SEC, 1},
    {"a unix socket", "unix", "unix", 1, 0},
    {"nobody", "", "", 1, 0},
    {"the address 0", "0.0.0.0", "0.0.0.0", 1, 2},
};

static void test_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct sources sources = {0};
        struct score_peer first = peer_of(rows[i].first), second = peer_of(rows[i].second);

        (void)sources_charge(&sources, &first, NOW);
        check_number(rows[i].name, sources_charge(&sources, &second, NOW + rows[i].later_usec),
                     rows[i].want);
    }
}

static struct score_peer nth(unsigned n)
{
    struct score_peer peer = {.family = AF_INET, .ip = {10, 0, (uint8_t)(n >> 8), (uint8_t)n}};

    return peer;
}

// As many as there is room for are told apart; one more takes the place of the quietest.
static void test_full(void **state)
{
    struct sources sources = {0};
    struct score_peer peer;

    (void)state;
    for (unsigned round = 1; round <= 3; round++)
        for (unsigned i = 0; i < SOURCES; i++) {
            peer = nth(i);
            check_number("all fit", sources_charge(&sources, &peer, NOW + round * 1000 + i), round);
        }
    peer = nth(SOURCES);
    check_number("one more", sources_charge(&sources, &peer, NOW + 5000), 1);
    peer = nth(1);
    check_number("the second is still there", sources_charge(&sources, &peer, NOW + 5001), 4);
    peer = nth(0);
    check_number("the first had to go", sources_charge(&sources, &peer, NOW + 5002), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
