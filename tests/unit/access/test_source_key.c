// SPDX-License-Identifier: MIT
// source_key.c and siphash.h: which addresses are one source, and the hash against values that
// another implementation of SipHash-1-3 has given (the one by which Python hashes bytes).

#include "access/source_key.h"

#include <arpa/inet.h>

#include "unit.h"

static const struct {
    const char *name;
    struct siphash_secret secret;
    size_t n_words;
    uint64_t want;
} hashes[] = {
    {"8 bytes, key 0",
     {{UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000)}},
     1,
     UINT64_C(0xead411e67ebe2eea)},
    {"16 bytes, key 0",
     {{UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000)}},
     2,
     UINT64_C(0x8972188433a5c5b7)},
    {"24 bytes, key 0",
     {{UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000)}},
     3,
     UINT64_C(0x31185a47af932f3a)},
    {"64 bytes, key 0",
     {{UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000)}},
     8,
     UINT64_C(0x75e05fd5bbc870c6)},
    {"8 bytes, key 1",
     {{UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)}},
     1,
     UINT64_C(0xc0b5739e7e28dd01)},
    {"16 bytes, key 1",
     {{UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)}},
     2,
     UINT64_C(0x12e9d283f9f37002)},
    {"24 bytes, key 1",
     {{UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)}},
     3,
     UINT64_C(0x19b4e5f288f874ce)},
    {"64 bytes, key 1",
     {{UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)}},
     8,
     UINT64_C(0x7e644b6edc375dc8)},
    {"8 bytes, key 42",
     {{UINT64_C(0xdc504fd368cd90af), UINT64_C(0xb920bb9ffe99e9c1)}},
     1,
     UINT64_C(0x60866c3c108c6afb)},
    {"16 bytes, key 42",
     {{UINT64_C(0xdc504fd368cd90af), UINT64_C(0xb920bb9ffe99e9c1)}},
     2,
     UINT64_C(0x339176f3ac59ce05)},
    {"24 bytes, key 42",
     {{UINT64_C(0xdc504fd368cd90af), UINT64_C(0xb920bb9ffe99e9c1)}},
     3,
     UINT64_C(0xae431c6fb201ce8b)},
    {"64 bytes, key 42",
     {{UINT64_C(0xdc504fd368cd90af), UINT64_C(0xb920bb9ffe99e9c1)}},
     8,
     UINT64_C(0x91639ef7de8d52cb)},
};

static void test_siphash(void **state)
{
    uint8_t bytes[64];
    uint64_t words[8];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    memcpy(words, bytes, sizeof(words));
    for (size_t i = 0; i < ELEMENTS(hashes); i++)
        check_number(hashes[i].name,
                     (intmax_t)siphash13(&hashes[i].secret, words, hashes[i].n_words),
                     (intmax_t)hashes[i].want);
}

// "unix" is a user, whose number is the scope.
static struct source_address address_of(const char *text, uint32_t scope)
{
    struct source_address address = {.family = AF_UNIX, .scope = scope};

    if (inet_pton(AF_INET, text, address.ip) == 1)
        address.family = AF_INET;
    else if (inet_pton(AF_INET6, text, address.ip) == 1)
        address.family = AF_INET6;
    return address;
}

static const struct {
    const char *name, *one, *other;
    uint32_t scope, other_scope;
    struct source_lengths lengths;
    bool is_same;
} pairs[] = {
    {"IPv4", "192.0.2.1", "192.0.2.1", 0, 0, {32, 64}, true},
    {"a neighbour", "192.0.2.1", "192.0.2.2", 0, 0, {32, 64}, false},
    {"a neighbour of a /24", "192.0.2.1", "192.0.2.254", 0, 0, {24, 64}, true},
    {"beside that /24", "192.0.2.1", "192.0.3.1", 0, 0, {24, 64}, false},
    {"within a /31", "192.0.2.2", "192.0.2.3", 0, 0, {31, 64}, true},
    {"beside a /31", "192.0.2.1", "192.0.2.2", 0, 0, {31, 64}, false},
    {"a /8", "10.0.0.1", "10.255.255.254", 0, 0, {8, 64}, true},
    {"scope means nothing to IPv4", "192.0.2.1", "192.0.2.1", 1, 2, {32, 64}, true},
    {"one /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", 0, 0, {32, 64}, true},
    {"the next /64", "2001:db8:0:1::1", "2001:db8:0:2::1", 0, 0, {32, 64}, false},
    {"a /56", "2001:db8:0:1::1", "2001:db8:0:ff::1", 0, 0, {32, 56}, true},
    {"a /60", "2001:db8:0:1f::1", "2001:db8:0:10::1", 0, 0, {32, 60}, true},
    {"beside a /60", "2001:db8:0:1f::1", "2001:db8:0:20::1", 0, 0, {32, 60}, false},
    {"a /128", "2001:db8::1", "2001:db8::2", 0, 0, {32, 128}, false},
    {"scope means nothing to IPv6", "2001:db8::1", "2001:db8::1", 1, 2, {32, 128}, true},
    {"ULA is as any other", "fd00::1", "fd00::2", 0, 0, {32, 64}, true},
    {"neighbours on a link", "fe80::1", "fe80::2", 3, 3, {32, 64}, false},
    {"one neighbour on a link", "fe80::1", "fe80::1", 3, 3, {32, 64}, true},
    {"the same on another link", "fe80::1", "fe80::1", 3, 4, {32, 64}, false},
    {"all of fe80::/10", "febf::1", "febf::2", 3, 3, {32, 16}, false},
    {"and no more", "fec0::1", "fec0::2", 3, 4, {32, 16}, true},
    {"users", "unix", "unix", 1000, 1001, {32, 64}, false},
    {"one user", "unix", "unix", 1000, 1000, {32, 64}, true},
    {"a user is whole", "unix", "unix", 1000, 1001, {8, 64}, false},
    {"a user is no address", "unix", "1.0.0.0", 1, 0, {32, 64}, false},
    {"IPv6 is not IPv4", "0.0.0.0", "::", 0, 0, {32, 32}, false},
};

static void test_pairs(void **state)
{
    const struct siphash_secret secret = {{1, 2}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(pairs); i++) {
        struct source_address one = address_of(pairs[i].one, pairs[i].scope),
                              other = address_of(pairs[i].other, pairs[i].other_scope);
        struct source_key a = source_key_make(&one, &pairs[i].lengths),
                          b = source_key_make(&other, &pairs[i].lengths);

        check_number(pairs[i].name, memcmp(&a, &b, sizeof(a)) == 0, pairs[i].is_same);
        check_number(pairs[i].name, source_key_hash(&a, &secret) == source_key_hash(&b, &secret),
                     pairs[i].is_same);
    }
}

// A length that was changed makes other sources, though the prefix has the same bytes.
static void test_lengths(void **state)
{
    const struct source_lengths lengths = {32, 64}, others = {24, 56};
    const char *texts[] = {"192.0.2.0", "2001:db8::"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        struct source_address address = address_of(texts[i], 0);
        struct source_key a = source_key_make(&address, &lengths),
                          b = source_key_make(&address, &others);

        check_true(texts[i], memcmp(a.prefix, b.prefix, sizeof(a.prefix)) == 0);
        check_true(texts[i], memcmp(&a, &b, sizeof(a)) != 0);
    }
}

static const struct {
    const char *text, *want;
    uint32_t scope, want_scope;
} back[] = {
    {"192.0.2.77", "192.0.2.0", 5, 0},
    {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", 5, 0},
    {"fe80::3:4:5:6", "fe80::3:4:5:6", 7, 7},
    {"unix", "unix", 1000, 1000},
};

static void test_back(void **state)
{
    const struct source_lengths lengths = {24, 64};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(back); i++) {
        struct source_address address = address_of(back[i].text, back[i].scope),
                              want = address_of(back[i].want, back[i].want_scope), got;
        struct source_key key = source_key_make(&address, &lengths), again;

        again = source_key_from(key.prefix, (enum source_kind)key.kind, &lengths);
        check_bytes(back[i].text, &again, sizeof(again), &key, sizeof(key));
        got = source_key_address(&key);
        check_number(back[i].text, got.family, want.family);
        check_number(back[i].text, got.scope, want.scope);
        check_bytes(back[i].text, got.ip, 16, want.ip, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
