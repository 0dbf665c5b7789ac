// SPDX-License-Identifier: MIT
// address.c, the other way: socket addresses, whatever the kernel or a peer made of them, as text
// that fits and is fit for a log.

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/address.h"
#include "unit.h"

#define UN_HEAD offsetof(struct sockaddr_un, sun_path)

union any {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

static const struct {
    const char *name, *ip;
    uint32_t scope;
    uint16_t port;
    const char *want;
} inet[] = {
    {"IPv4", "127.0.0.1", 0, 7, "127.0.0.1:7"},
    {"IPv4, longest", "255.255.255.255", 0, 65535, "255.255.255.255:65535"},
    {"IPv4, all", "0.0.0.0", 0, 0, "0.0.0.0:0"},
    {"IPv6", "::1", 0, 7, "[::1]:7"},
    {"IPv6, all", "::", 0, 0, "[::]:0"},
    {"IPv6, shortened", "2001:db8:0:0:1:0:0:1", 0, 80, "[2001:db8::1:0:0:1]:80"},
    {"IPv6, small letters", "2001:DB8::ABCD", 0, 80, "[2001:db8::abcd]:80"},
    {"IPv6, scope", "fe80::1", 2, 7, "[fe80::1%2]:7"},
    {"IPv6, longest", "fe80:1111:2222:3333:4444:5555:6666:7777", UINT32_MAX, 65535,
     "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535"},
    {"IPv4 mapped", "::ffff:192.0.2.1", 0, 7, "192.0.2.1:7"},
    {"IPv4 mapped, with a scope", "::ffff:192.0.2.1", 2, 7, "192.0.2.1:7"},
    {"IPv4 compatible stays", "::192.0.2.1", 0, 7, "[::192.0.2.1]:7"},
};

static socklen_t make_inet(union any *ret, const char *ip, uint16_t port, uint32_t scope)
{
    *ret = (union any){.storage = {0}};
    if (inet_pton(AF_INET, ip, &ret->in.sin_addr) == 1) {
        ret->in.sin_family = AF_INET;
        ret->in.sin_port = htons(port);
        return sizeof(ret->in);
    }
    check_number(ip, inet_pton(AF_INET6, ip, &ret->in6.sin6_addr), 1);
    ret->in6.sin6_family = AF_INET6;
    ret->in6.sin6_port = htons(port);
    ret->in6.sin6_scope_id = scope;
    return sizeof(ret->in6);
}

static void test_inet(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(inet); i++) {
        char text[ADDRESS_TEXT_MAX];
        union any address;
        socklen_t length = make_inet(&address, inet[i].ip, inet[i].port, inet[i].scope);

        assert_ptr_equal(address_format(&address.any, length, text, sizeof(text)), text);
        check_text(inet[i].name, text, inet[i].want);
        check_number(inet[i].name, address_port(&address.any), inet[i].port);
    }
}

static const struct {
    const char *name, *path;
    size_t length; // of the path as the kernel reports it
    const char *want;
} paths[] = {
    {"unnamed", "", 0, "unix:"},
    {"a path", "/run/x", 7, "unix:/run/x"},
    {"a path without its NUL", "/run/x", 6, "unix:/run/x"},
    {"a path in a whole struct", "/run/x", sizeof(((struct sockaddr_un *)0)->sun_path),
     "unix:/run/x"},
    {"abstract", "\0name", 5, "unix:@name"},
    {"abstract, autobind",
     "\0"
     "0a1b2",
     6, "unix:@0a1b2"},
    {"abstract with a NUL", "\0a\0b", 4, "unix:@a\\x00b"},
    {"abstract, ending in a NUL", "\0a\0", 3, "unix:@a\\x00"},
    {"a path like an abstract name", "@a", 2, "unix:\\x40a"},
    {"abstract, empty", "\0", 1, "unix:@"},
    {"unprintable", "/a\x01\x1b[31m\n\x7f", 11, "unix:/a\\x01\\x1b[31m\\x0a\\x7f"},
    {"above ASCII", "/\xc3\xa9\xff", 4, "unix:/\xc3\xa9\\xff"},
    {"above ASCII, another byte", "/\xc3\xa9\xfe", 4, "unix:/\xc3\xa9\\xfe"},
    {"C1", "/\xc2\x9b", 3, "unix:/\\xc2\\x9b"},
    {"right to left", "/\xe2\x80\xae", 4, "unix:/\\xe2\\x80\\xae"},
    {"like an escape", "/\\xff", 5, "unix:/\\x5cxff"},
    {"a space", "/a b", 4, "unix:/a b"},
    {"abstract and unprintable", "\0\x1b]0;x\x07", 7, "unix:@\\x1b]0;x\\x07"},
};

static void test_unix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        char text[ADDRESS_TEXT_MAX];
        union any address = {.un = {.sun_family = AF_UNIX}};
        size_t n = paths[i].length;

        // Whole structs have NULs behind the path, the others bytes that must not be read.
        if (n < sizeof(address.un.sun_path))
            memset(address.un.sun_path, '#', sizeof(address.un.sun_path));
        memcpy(address.un.sun_path, paths[i].path, n < 16 ? n : strlen(paths[i].path));
        (void)address_format(&address.any, (socklen_t)(UN_HEAD + n), text, sizeof(text));
        check_text(paths[i].name, text, paths[i].want);
        check_number(paths[i].name, address_port(&address.any), 0);
    }
}

// 108 bytes without a NUL are a path, too; and a length beyond the struct is not believed.
static void test_unix_full(void **state)
{
    char text[ADDRESS_TEXT_MAX], want[ADDRESS_TEXT_MAX] = "unix:/";
    union any address = {.un = {.sun_family = AF_UNIX}};

    (void)state;
    memset(address.un.sun_path, 'x', sizeof(address.un.sun_path));
    address.un.sun_path[0] = '/';
    memset(want + 6, 'x', sizeof(address.un.sun_path) - 1);
    (void)address_format(&address.any, sizeof(address.un), text, sizeof(text));
    check_text("a path of 108 bytes", text, want);
    (void)address_format(&address.any, sizeof(address.storage), text, sizeof(text));
    check_text("a length beyond", text, want);
}

static const struct {
    const char *name;
    sa_family_t family;
    socklen_t length;
    const char *want;
} odd[] = {
    {"nothing", AF_INET, 0, "unknown"},         {"a byte", AF_INET, 1, "unknown"},
    {"no family", AF_UNSPEC, 16, "unknown"},    {"another family", AF_NETLINK, 16, "unknown"},
    {"IPv4 cut", AF_INET, 15, "unknown"},       {"IPv6 cut", AF_INET6, 27, "unknown"},
    {"a family alone", AF_INET6, 2, "unknown"}, {"unix, a family alone", AF_UNIX, 2, "unix:"},
    {"unix, a byte", AF_UNIX, 1, "unknown"},
};

static void test_odd(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(odd); i++) {
        char text[ADDRESS_TEXT_MAX];
        union any address = {.any = {.sa_family = odd[i].family}};

        (void)address_format(&address.any, odd[i].length, text, sizeof(text));
        check_text(odd[i].name, text, odd[i].want);
    }
}

// A buffer that is too short holds the beginning, NUL-terminated, and nothing is written behind it.
static void test_short_buffer(void **state)
{
    static const char *const ips[] = {"255.255.255.255", "2001:db8::1", "::ffff:192.0.2.1", NULL};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(ips); i++)
        for (size_t size = sizeof("unix:") + 1; size < 40; size++) {
            union any address = {.un = {.sun_family = AF_UNIX, .sun_path = "/run/a/long/path"}};
            socklen_t length = ips[i] ? make_inet(&address, ips[i], 65535, 3) : sizeof(address.un);
            char text[ADDRESS_TEXT_MAX], full[ADDRESS_TEXT_MAX];

            memset(text, '#', sizeof(text));
            (void)address_format(&address.any, length, full, sizeof(full));
            (void)address_format(&address.any, length, text, size);
            check_true(full, strnlen(text, size) < size && text[size] == '#');
            check_bytes(full, text, strlen(text), full,
                        strlen(full) < size ? strlen(full) : size - 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inet),         cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_full),    cmocka_unit_test(test_odd),
        cmocka_unit_test(test_short_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
