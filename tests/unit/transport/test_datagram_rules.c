// SPDX-License-Identifier: MIT
// datagram_rules.c: whom a datagram may come from, and how much may be said to it.

#include "transport/datagram_rules.h"

#include <netinet/in.h>

#include "base/address.h"
#include "unit.h"

static const uint16_t own_ports[] = {7007, 19019};

static struct datagram_rules rules_with(unsigned amplification)
{
    return (struct datagram_rules){
        .amplification = amplification, .ports = own_ports, .n_ports = ELEMENTS(own_ports)};
}

// "127.0.0.1:7", "[::1]:7"; mapped into IPv6 with an "m" before it; "unix:/x".
static struct address parse(const char *text)
{
    struct address address = {0};
    struct address_spec spec;
    bool is_mapped = text[0] == 'm';

    assert_null(address_parse(text + is_mapped, &spec));
    if (spec.kind == ADDRESS_UNIX) {
        address.any.sa_family = AF_UNIX;
        return address;
    }
    assert_int_equal(address_resolve(&spec, AF_UNSPEC, false, &address, 1), 1);
    if (is_mapped) {
        struct sockaddr_in in = *(struct sockaddr_in *)(void *)&address.storage;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address.storage;

        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = in.sin_port};
        in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
        memcpy(&in6->sin6_addr.s6_addr[12], &in.sin_addr, 4);
    }
    return address;
}

static void check_source(const struct datagram_rules *rules, const char *from, const char *to,
                         enum datagram_loss loss)
{
    struct address peer = parse(from), local = parse(to);
    struct datagram_ends ends = {.peer = &peer.any, .local = &local.any};

    print_message("%s to %s\n", from, to);
    assert_int_equal(datagram_judge_source(rules, &ends), loss);
}

static void test_sources(void **state)
{
    static const struct {
        const char *peer, *local;
        enum datagram_loss loss;
    } rows[] = {
        {"192.0.2.1:40000", "198.51.100.1:7007", DATAGRAM_GOOD},
        {"192.0.2.1:1024", "198.51.100.1:7007", DATAGRAM_GOOD},
        {"192.0.2.1:1023", "198.51.100.1:7007", DATAGRAM_SOURCE_PORT},
        {"192.0.2.1:53", "198.51.100.1:7007", DATAGRAM_SOURCE_PORT},
        {"192.0.2.1:0", "198.51.100.1:7007", DATAGRAM_SOURCE_PORT},
        {"127.0.0.1:19", "127.0.0.1:7007", DATAGRAM_SOURCE_PORT},
        {"[2001:db8::1]:123", "[2001:db8::2]:7007", DATAGRAM_SOURCE_PORT},
        {"m192.0.2.1:123", "m198.51.100.1:7007", DATAGRAM_SOURCE_PORT},
        {"255.255.255.255:40000", "198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"240.0.0.1:40000", "198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"224.0.0.251:5353", "198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"239.255.255.250:40000", "198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"223.255.255.255:40000", "198.51.100.1:7007", DATAGRAM_GOOD},
        {"0.0.0.0:40000", "198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"0.1.2.3:40000", "198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"m224.0.0.1:40000", "m198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"m0.0.0.0:40000", "m198.51.100.1:7007", DATAGRAM_SOURCE_ADDRESS},
        {"[::]:40000", "[2001:db8::2]:7007", DATAGRAM_SOURCE_ADDRESS},
        {"[ff02::1]:40000", "[2001:db8::2]:7007", DATAGRAM_SOURCE_ADDRESS},
        {"127.0.0.1:7007", "127.0.0.1:7007", DATAGRAM_OWN_SOURCE},
        {"127.0.0.1:19019", "127.0.0.1:7007", DATAGRAM_OWN_SOURCE},
        {"127.0.0.2:19019", "127.0.0.1:7007", DATAGRAM_OWN_SOURCE},
        {"127.0.0.1:19018", "127.0.0.1:7007", DATAGRAM_GOOD},
        {"m127.0.0.1:19019", "m127.0.0.1:7007", DATAGRAM_OWN_SOURCE},
        {"[::1]:19019", "[::1]:7007", DATAGRAM_OWN_SOURCE},
        {"198.51.100.1:19019", "198.51.100.1:7007", DATAGRAM_OWN_SOURCE},
        {"m198.51.100.1:19019", "m198.51.100.1:7007", DATAGRAM_OWN_SOURCE},
        {"[2001:db8::2]:7007", "[2001:db8::2]:7007", DATAGRAM_OWN_SOURCE},
        {"192.0.2.1:19019", "198.51.100.1:7007", DATAGRAM_GOOD}, // a peer's
        {"[2001:db8::1]:7007", "[2001:db8::2]:7007", DATAGRAM_GOOD},
        {"unix:/x", "unix:/y", DATAGRAM_GOOD},
    };
    struct datagram_rules rules = rules_with(3);

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        check_source(&rules, rows[i].peer, rows[i].local, rows[i].loss);
}

// A service that answers all takes nothing from its own ports, wherever they are.
static void test_own_ports_elsewhere(void **state)
{
    static const struct {
        const char *peer, *local;
        enum datagram_loss loss;
    } rows[] = {
        {"192.0.2.1:19019", "198.51.100.1:7007", DATAGRAM_OWN_SOURCE},
        {"m192.0.2.1:19019", "m198.51.100.1:7007", DATAGRAM_OWN_SOURCE},
        {"[2001:db8::1]:7007", "[2001:db8::2]:7007", DATAGRAM_OWN_SOURCE},
        {"[2001:db8::1]:7008", "[2001:db8::2]:7007", DATAGRAM_GOOD},
        {"127.0.0.1:7007", "127.0.0.1:7007", DATAGRAM_OWN_SOURCE},
        {"unix:/x", "unix:/y", DATAGRAM_GOOD},
    };
    struct datagram_rules rules = rules_with(3);

    (void)state;
    rules.answers_all = true;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        check_source(&rules, rows[i].peer, rows[i].local, rows[i].loss);
}

static void test_answers(void **state)
{
    static const struct {
        const char *name, *peer, *local;
        unsigned amplification;
        size_t n_question, answers[4]; // SIZE_MAX ends them
        size_t n_given;                // before the one that is too much
    } rows[] = {
        {"echo", "192.0.2.1:4000", "198.51.100.1:7", 3, 100, {100, SIZE_MAX}, 1},
        {"an empty one", "192.0.2.1:4000", "198.51.100.1:7", 3, 0, {0, SIZE_MAX}, 1},
        {"time", "192.0.2.1:4000", "198.51.100.1:37", 3, 0, {4, SIZE_MAX}, 1},
        {"daytime", "192.0.2.1:4000", "198.51.100.1:13", 3, 0, {42, SIZE_MAX}, 1},
        {"as long as may be", "192.0.2.1:4000", "198.51.100.1:13", 3, 0, {56, SIZE_MAX}, 1},
        {"a byte more", "192.0.2.1:4000", "198.51.100.1:13", 3, 0, {57, SIZE_MAX}, 0},
        {"chargen", "192.0.2.1:4000", "198.51.100.1:19", 3, 0, {512, SIZE_MAX}, 0},
        {"padded", "192.0.2.1:4000", "198.51.100.1:19", 3, 160, {512, SIZE_MAX}, 1},
        {"the sum", "192.0.2.1:4000", "198.51.100.1:19", 3, 0, {0, 0, 0, 0}, 3},
        {"of 10", "192.0.2.1:4000", "198.51.100.1:19", 10, 0, {252, SIZE_MAX}, 1},
        {"one less", "192.0.2.1:4000", "198.51.100.1:19", 1, 9, {10, SIZE_MAX}, 0},
        {"off", "192.0.2.1:4000", "198.51.100.1:19", 0, 0, {512, 512, 512, 512}, 4},
        {"IPv6", "[2001:db8::1]:4000", "[2001:db8::2]:7", 3, 0, {96, SIZE_MAX}, 1},
        {"IPv6, more", "[2001:db8::1]:4000", "[2001:db8::2]:7", 3, 0, {97, SIZE_MAX}, 0},
        {"mapped", "m192.0.2.1:4000", "m198.51.100.1:7", 3, 0, {57, SIZE_MAX}, 0},
        {"loopback", "127.0.0.1:4000", "127.0.0.2:19", 3, 0, {512, 512, 512, 512}, 4},
        {"loopback, mapped", "m127.0.0.1:4000", "m127.0.0.2:19", 3, 0, {512, SIZE_MAX}, 1},
        {"IPv6 loopback", "[::1]:4000", "[::1]:19", 3, 0, {512, SIZE_MAX}, 1},
        {"forged loopback", "127.0.0.1:4000", "198.51.100.1:19", 3, 0, {512, SIZE_MAX}, 0},
        {"unix", "unix:/x", "unix:/y", 3, 0, {60000, 60000, SIZE_MAX}, 2},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct address peer = parse(rows[i].peer), local = parse(rows[i].local);
        struct datagram_ends ends = {.peer = &peer.any, .local = &local.any};
        struct datagram_account account = {.n_question = rows[i].n_question};
        struct datagram_rules rules = rules_with(rows[i].amplification);

        print_message("%s\n", rows[i].name);
        for (size_t k = 0; k < ELEMENTS(rows[i].answers) && rows[i].answers[k] != SIZE_MAX; k++)
            assert_int_equal(datagram_judge_answer(&rules, &ends, &account, rows[i].answers[k]),
                             k < rows[i].n_given ? DATAGRAM_GOOD : DATAGRAM_AMPLIFIED);
        assert_int_equal(account.n_answers, rows[i].n_given);
    }
}

static void test_many_answers(void **state)
{
    struct address peer = parse("127.0.0.1:4000"), local = parse("127.0.0.1:7007");
    struct datagram_ends ends = {.peer = &peer.any, .local = &local.any};
    struct datagram_rules rules = rules_with(0);
    struct datagram_account account = {.n_question = 1};

    (void)state;
    for (int i = 0; i < DATAGRAM_ANSWERS_MAX; i++)
        assert_int_equal(datagram_judge_answer(&rules, &ends, &account, 1), DATAGRAM_GOOD);
    assert_int_equal(datagram_judge_answer(&rules, &ends, &account, 1), DATAGRAM_TOO_MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_own_ports_elsewhere),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_many_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
