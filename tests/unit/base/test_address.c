// SPDX-License-Identifier: MIT
// address.c: every form people write and every text that refuses one, what goes onto the wire, and
// how peers are shown. No name service is asked: numbers, the wildcard and /etc/services only.

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>

#include "base/address.h"
#include "base/host_number.h"
#include "unit.h"

#define TEN      "0123456789"
#define FIFTY    TEN TEN TEN TEN TEN
#define HOST_255 "h" FIFTY FIFTY FIFTY FIFTY FIFTY "0123"
#define PORT_63  "a" FIFTY "012345678901"
#define PATH_107 "/" FIFTY FIFTY "012345"

static const struct {
    const char *name, *text;
    int kind;
    const char *host, *port, *path;
} good[] = {
    {"IPv4", "127.0.0.1:7", ADDRESS_INET, "127.0.0.1", "7", ""},
    {"IPv6", "[::1]:7", ADDRESS_INET, "::1", "7", ""},
    {"IPv6 for all", "[::]:7", ADDRESS_INET, "::", "7", ""},
    {"IPv6 with a scope", "[fe80::1%lo]:7", ADDRESS_INET, "fe80::1%lo", "7", ""},
    {"IPv4 for all", "0.0.0.0:7", ADDRESS_INET, "0.0.0.0", "7", ""},
    {"IPv4 in brackets", "[127.0.0.1]:7", ADDRESS_INET, "127.0.0.1", "7", ""},
    {"a name", "localhost:7", ADDRESS_INET, "localhost", "7", ""},
    {"all", "*:7", ADDRESS_WILDCARD, "*", "7", ""},
    {"a service", "*:daytime", ADDRESS_WILDCARD, "*", "daytime", ""},
    {"a service with signs", "h:iso-tsap", ADDRESS_INET, "h", "iso-tsap", ""},
    {"port 0", "h:0", ADDRESS_INET, "h", "0", ""},
    {"port 65535", "h:65535", ADDRESS_INET, "h", "65535", ""},
    {"a port with zeros", "h:00007", ADDRESS_INET, "h", "00007", ""},
    {"the longest host", HOST_255 ":7", ADDRESS_INET, HOST_255, "7", ""},
    {"the longest port", "h:" PORT_63, ADDRESS_INET, "h", PORT_63, ""},
    {"a host called udp", "udp.:7", ADDRESS_INET, "udp.", "7", ""},
    {"a host called ws, in brackets", "[ws]:7", ADDRESS_INET, "ws", "7", ""},
    {"a host that begins as a prefix", "wsx:7", ADDRESS_INET, "wsx", "7", ""},
    {"udp", "udp:localhost:7", ADDRESS_INET, "localhost", "7", ""},
    {"udp for all", "udp:*:7", ADDRESS_WILDCARD, "*", "7", ""},
    {"WebSocket, IPv6", "ws:[::1]:7", ADDRESS_INET, "::1", "7", ""},
    {"WebSocket at a host called udp", "ws:udp.:7", ADDRESS_INET, "udp.", "7", ""},
    {"WebSocket at a path", "ws:unix:/run/x", ADDRESS_UNIX, "", "", "/run/x"},
    {"messages", "unix-seqpacket:/run/x", ADDRESS_UNIX, "", "", "/run/x"},
    {"a short IPv4 address", "127.1:7", ADDRESS_INET, "127.1", "7", ""},
    {"IPv4 in IPv6", "[::ffff:127.0.0.1]:7", ADDRESS_INET, "::ffff:127.0.0.1", "7", ""},
    {"a name that begins with a number", "7.example:7", ADDRESS_INET, "7.example", "7", ""},
    {"unix", "unix:/run/x", ADDRESS_UNIX, "", "", "/run/x"},
    {"unix with colons", "unix:/run/x:7", ADDRESS_UNIX, "", "", "/run/x:7"},
    {"the longest path", "unix:" PATH_107, ADDRESS_UNIX, "", "", PATH_107},
};

static void test_parse_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        struct address_spec spec;

        memset(&spec, '#', sizeof(spec));
        check_text(good[i].name, address_parse(good[i].text, &spec), NULL);
        check_number(good[i].name, spec.kind, good[i].kind);
        check_text(good[i].name, spec.host, good[i].host);
        check_text(good[i].name, spec.port, good[i].port);
        check_text(good[i].name, spec.path, good[i].path);
    }
}

#define NO_PORT    "the port is missing: write ADDRESS:PORT"
#define NO_HOST    "the address is missing: write ADDRESS:PORT, *:PORT for all"
#define NO_NUMBER  "a port is a number from 0 to 65535"
#define NO_SERVICE "a port is a number from 0 to 65535 or a service name"
#define BRACKETS   "an IPv6 address needs brackets: write [ADDRESS]:PORT"
#define NO_BRACKET "the closing bracket is missing: write [ADDRESS]:PORT"
#define ABSOLUTE   "a unix address needs an absolute path: unix:/run/name"
#define NO_PREFIX                                                               \
    "there is no such prefix: TCP has none, others are tls:, ws:, wss:, udp:, " \
    "unix:, unix-dgram: and unix-seqpacket:"
#define LONG_PATH "the path of a unix address has at most 107 bytes"
#define BARE      "needs an address behind it, such as "
#define NO_TLS    "TLS is for internet addresses: write "
#define ONE       "an address has one prefix"

#define NO_IPV4 "an IPv4 address is four numbers from 0 to 255"
#define NO_IPV6 "an IPv6 address is eight hexadecimal numbers between colons, or fewer and one ::"

static const struct {
    const char *name, *text;
    const char *want; // "": any text will do, only let it be refused
} bad[] = {
    {"empty", "", NO_PORT},
    {"no port", "127.0.0.1", NO_PORT},
    {"no port behind the colon", "127.0.0.1:", NO_PORT},
    {"no port behind brackets", "[::1]", NO_PORT},
    {"no port behind brackets and colon", "[::1]:", NO_PORT},
    {"no colon behind brackets", "[::1]7", NO_PORT},
    {"text behind brackets", "[::1]x:7", NO_PORT},
    {"a port alone", "7", NO_PORT},
    {"no address", ":7", NO_HOST},
    {"no address in brackets", "[]:7", NO_HOST},
    {"a colon alone", ":", NO_HOST},
    {"IPv6 without brackets", "::1:7", BRACKETS},
    {"IPv6 without a port", "fe80::1", BRACKETS},
    {"two ports", "127.0.0.1:7:8", BRACKETS},
    {"IPv6 of letters without brackets", "fe:ed::7", BRACKETS},
    {"no closing bracket", "[::1:7", NO_BRACKET},
    {"no opening bracket", "127.0.0.1]:7", ""},
    {"two opening brackets", "[[::1]:7", ""},
    {"a port too high", "h:65536", NO_NUMBER},
    {"a port much too high", "h:99999", NO_NUMBER},
    {"a port of six digits", "h:000007", NO_NUMBER},
    {"a port of very many digits", "h:18446744073709551623", NO_NUMBER},
    {"a port with a space", "h: 7", NO_SERVICE},
    {"a port with a space behind", "h:7 ", NO_SERVICE},
    {"a port with a slash", "127.0.0.1:7/tcp", NO_SERVICE},
    {"a name and a port with a slash", "localhost:7/tcp", ""},
    {"a port above ASCII", "h:\xc3\xa9", NO_SERVICE},
    {"a port with a sign", "h:+7", ""},
    {"a port too high with a sign", "h:+65543", ""},
    {"a port below 0", "h:-1", ""},
    {"a port far below 0", "h:-4294967289", ""},
    {"a port too long", "h:" PORT_63 "x", "the port's name is too long"},
    {"IPv4, a number too high", "127.0.0.300:7", NO_IPV4},
    {"IPv4, five numbers", "127.0.0.0.1:7", NO_IPV4},
    {"IPv4, no number", "ws:.:7", NO_IPV4},
    {"IPv6, a wrong digit", "[::g]:7", NO_IPV6},
    {"IPv6, a port inside", "[::1:70000]:7", NO_IPV6},
    {"IPv6, a wrong digit, and an interface", "[fe80:::1%lo]:7", NO_IPV6},
    {"a host too long", HOST_255 "x:7", "the host name is too long"},
    {"a host too long in brackets", "[" HOST_255 "x]:7", "the host name is too long"},
    {"another kind of socket", "raw:127.0.0.1:7", NO_PREFIX},
    {"another kind, IPv6", "tcp:[::1]:7", NO_PREFIX},
    {"another kind, a path", "seqpacket:/run/x", NO_PREFIX},
    {"a URL", "tcp://localhost:7", NO_PREFIX},
    {"udp and a port", "udp:7007", BARE "udp:127.0.0.1:7007"},
    {"tls and a port", "tls:7443", BARE "tls:127.0.0.1:7443"},
    {"ws and a port", "ws:8007", BARE "ws:127.0.0.1:8007"},
    {"wss and a port", "wss:https", BARE "wss:127.0.0.1:8443"},
    {"a prefix alone", "udp:", BARE "udp:127.0.0.1:7007"},
    {"a URL of WebSocket", "ws://localhost:7", BARE "ws:127.0.0.1:8007"},
    {"a path without unix", "ws:/run/x", BARE "ws:127.0.0.1:8007"},
    {"IPv6 without brackets behind udp", "udp:::1:7", BRACKETS},
    {"no port behind udp", "udp:[::1]", NO_PORT},
    {"no host behind udp", "udp::7", NO_HOST},
    {"TLS at a path", "tls:unix:/run/x", NO_TLS "unix:/PATH"},
    {"WebSocket and TLS at a path", "wss:unix:/run/x", NO_TLS "ws:unix:/PATH"},
    {"UDP at a path", "udp:unix:/run/x", "UDP has no paths: write unix-dgram:/PATH"},
    {"WebSocket over messages", "ws:unix-seqpacket:/run/x",
     "WebSocket needs a stream: write ws:unix:/PATH"},
    {"two prefixes", "ws:tls:127.0.0.1:7", ONE},
    {"one prefix twice", "udp:udp:7", ONE},
    {"WebSocket at a relative path", "ws:unix:run/x", ABSOLUTE},
    {"messages at no path", "unix-seqpacket:", ABSOLUTE},
    {"datagrams at a folder", "unix-dgram:/run/",
     "a unix address is the path of a socket, not of a directory"},
    {"messages at a path too long", "unix-seqpacket:" PATH_107 "x", LONG_PATH},
    {"unix without a path", "unix:", ABSOLUTE},
    {"unix with a relative path", "unix:run/x", ABSOLUTE},
    {"unix abstract", "unix:@x", ABSOLUTE},
    {"a path too long", "unix:" PATH_107 "x", LONG_PATH},
};

static void test_parse_bad(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        struct address_spec spec;
        const char *got = address_parse(bad[i].text, &spec);

        if (got && (bad[i].want[0] == '\0' || strcmp(got, bad[i].want) == 0))
            continue;
        n_wrong++;
        print_error("%s: \"%s\" is %s%s, not refused with: %s\n", bad[i].name, bad[i].text,
                    got ? "refused with: " : "taken", got ? got : "",
                    bad[i].want[0] ? bad[i].want : "any text");
    }
    check_number("forms with another answer", n_wrong, 0);
}

static struct address resolve_one(const char *row, const char *text, int family, bool passive)
{
    struct address list[ADDRESS_MAX];
    struct address_spec spec;

    check_text(row, address_parse(text, &spec), NULL);
    check_number(row, address_resolve(&spec, family, passive, list, ELEMENTS(list)), 1);
    return list[0];
}

static const struct {
    const char *name, *text;
    int family;
    bool passive, dual_stack;
    const char *want;
} resolved[] = {
    {"IPv4", "127.0.0.1:1234", AF_UNSPEC, true, false, "127.0.0.1:1234"},
    {"IPv4 to connect", "127.0.0.1:1234", AF_UNSPEC, false, false, "127.0.0.1:1234"},
    {"IPv6", "[::1]:7", AF_UNSPEC, true, false, "[::1]:7"},
    {"IPv6 for all is IPv6 only", "[::]:7", AF_UNSPEC, true, false, "[::]:7"},
    {"all, both stacks", "*:7", AF_UNSPEC, true, true, "[::]:7"},
    {"all, IPv6 alone", "*:7", AF_INET6, true, true, "[::]:7"},
    {"all, IPv4 alone", "*:7", AF_INET, true, false, "0.0.0.0:7"},
    {"a service name", "127.0.0.1:daytime", AF_UNSPEC, true, false, "127.0.0.1:13"},
    {"a service name for all", "*:daytime", AF_UNSPEC, true, true, "[::]:13"},
    {"port 65535", "127.0.0.1:65535", AF_UNSPEC, true, false, "127.0.0.1:65535"},
    {"port 0", "127.0.0.1:0", AF_UNSPEC, true, false, "127.0.0.1:0"},
    {"unix", "unix:/run/x", AF_UNSPEC, true, false, "unix:/run/x"},
    {"the longest path", "unix:" PATH_107, AF_UNSPEC, true, false, "unix:" PATH_107},
};

static void test_resolve(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(resolved); i++) {
        const char *row = resolved[i].name;
        struct address address = resolve_one(row, resolved[i].text, resolved[i].family,
                                             resolved[i].passive);
        char text[ADDRESS_TEXT_MAX];

        check_text(row, address_format(&address.any, address.length, text, sizeof(text)),
                   resolved[i].want);
        check_number(row, address.dual_stack, resolved[i].dual_stack);
    }
}

static const struct {
    const char *text; // which spells an address as it is written here
    int type;
    enum address_speaks speaks;
    const char *want; // NULL: the same
} spelled[] = {
    {"127.0.0.1:7", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"[::1]:7", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"*:7", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"[::]:7", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"0.0.0.0:7", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"*:daytime", SOCK_STREAM, SPEAKS_PLAIN, "*:13"},
    {"unix:/run/x", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"unix:/run/udp:7", SOCK_STREAM, SPEAKS_PLAIN, NULL},
    {"unix-dgram:/run/x", SOCK_DGRAM, SPEAKS_PLAIN, NULL},
    {"unix-seqpacket:/run/x", SOCK_SEQPACKET, SPEAKS_PLAIN, NULL},
    {"unix-seqpacket:" PATH_107, SOCK_SEQPACKET, SPEAKS_PLAIN, NULL},
    {"udp:127.0.0.1:7", SOCK_DGRAM, SPEAKS_PLAIN, NULL},
    {"udp:[::1]:7", SOCK_DGRAM, SPEAKS_PLAIN, NULL},
    {"udp:*:7", SOCK_DGRAM, SPEAKS_PLAIN, NULL},
    {"udp:*:tftp", SOCK_DGRAM, SPEAKS_PLAIN, "udp:*:69"}, // which TCP has not
    {"tls:127.0.0.1:7", SOCK_STREAM, SPEAKS_TLS, NULL},
    {"tls:*:7", SOCK_STREAM, SPEAKS_TLS, NULL},
    {"ws:*:7", SOCK_STREAM, SPEAKS_WS, NULL},
    {"ws:[::1]:7", SOCK_STREAM, SPEAKS_WS, NULL},
    {"ws:unix:/run/x", SOCK_STREAM, SPEAKS_WS, NULL},
    {"wss:[::]:7", SOCK_STREAM, SPEAKS_WSS, NULL},
};

static void test_spell(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(spelled); i++) {
        const char *row = spelled[i].text;
        struct address address = resolve_one(row, row, AF_UNSPEC, true);
        struct address_spec spec;
        char text[ADDRESS_TEXT_MAX];

        (void)address_parse(row, &spec);
        check_number(row, spec.type, spelled[i].type);
        check_number(row, spec.speaks, spelled[i].speaks);
        check_number(row, address.type, spelled[i].type);
        check_text(row, address_spell(&address, spec.speaks, text, sizeof(text)),
                   spelled[i].want ? spelled[i].want : row);
    }
}

static const struct {
    const char *a, *b;
    bool same;
} pairs[] = {
    {"127.0.0.1:7", "127.0.0.1:7", true},
    {"127.0.0.1:7", "udp:127.0.0.1:7", false},
    {"127.0.0.1:7", "ws:127.0.0.1:7", true}, // one socket, whatever is spoken there
    {"*:7", "[::]:7", false},
    {"unix:/run/x", "ws:unix:/run/x", true},
    {"unix:/run/x", "unix-seqpacket:/run/x", false},
    {"unix-dgram:/run/x", "unix-seqpacket:/run/x", false},
};

static void test_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pairs); i++) {
        struct address a = resolve_one(pairs[i].a, pairs[i].a, AF_UNSPEC, true);
        struct address b = resolve_one(pairs[i].b, pairs[i].b, AF_UNSPEC, true);

        check_number(pairs[i].b, address_is_same(&a, &b), pairs[i].same);
    }
}

static void test_resolve_fails(void **state)
{
    struct address_spec spec;
    struct address list[1];

    (void)state;
    check_text("a service", address_parse("127.0.0.1:no-such-service", &spec), NULL);
    check_number("a service", address_resolve(&spec, AF_UNSPEC, true, list, 1), EAI_SERVICE);
    check_text("a family", address_parse("[::1]:7", &spec), NULL);
    check_true("a family", address_resolve(&spec, AF_INET, true, list, 1) < 0);
    check_number("no room", address_resolve(&spec, AF_UNSPEC, true, list, 0), 0);
    check_text("no room, unix", address_parse("unix:/run/x", &spec), NULL);
    check_number("no room, unix", address_resolve(&spec, AF_UNSPEC, true, list, 0), 0);
}

// P5, T12, P6: what the notes print of byte order, and that a resolved address has it on the wire.
static void test_wire(void **state)
{
    static const uint8_t want[16] = {0, 0, 0x04, 0xd2, 127, 0, 0, 1};
    struct address address = resolve_one("wire", "127.0.0.1:1234", AF_UNSPEC, true);
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address.storage;

    (void)state;
    check_number("length", address.length, 16);
    check_number("family", in->sin_family, AF_INET);
    check_bytes("port, address, padding", (const uint8_t *)in + 2, 14, want + 2, 14);
    check_number("port", address_port(&address.any), 1234);
    check_number("255.255.255.255", inet_addr("255.255.255.255"), INADDR_NONE);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    check_number("htons(1234)", htons(1234), 0xd204);
    check_number("127.0.0.1", inet_addr("127.0.0.1"), 0x100007f);
    check_number("127.0.0.1 resolved", in->sin_addr.s_addr, 0x100007f);
#endif
}

// P7.
static void test_sizes(void **state)
{
    (void)state;
    check_number("sockaddr", sizeof(struct sockaddr), 16);
    check_number("sockaddr_in", sizeof(struct sockaddr_in), 16);
    check_number("sockaddr_in6", sizeof(struct sockaddr_in6), 28);
    check_number("sockaddr_un", sizeof(struct sockaddr_un), 110);
    check_number("IPv6 resolved", resolve_one("IPv6", "[::1]:7", AF_UNSPEC, true).length, 28);
}

static void test_number(void **state)
{
    static const char *const numbers[] = {"127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:192.0.2.1"};
    static const char *const names[] = {"",           "localhost", "127.1",  "127.0.0.1.",
                                        "1.2.3.4.5",  "[::1]",     "::1%lo", "0x7f.1",
                                        " 127.0.0.1", "dead:beef", "7",      "127.0.0.256"};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        check_number(numbers[i], host_is_number(numbers[i]), true);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check_number(names[i], host_is_number(names[i]), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_good), cmocka_unit_test(test_parse_bad),
        cmocka_unit_test(test_resolve),    cmocka_unit_test(test_resolve_fails),
        cmocka_unit_test(test_wire),       cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_spell),      cmocka_unit_test(test_same),
        cmocka_unit_test(test_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
