// SPDX-License-Identifier: MIT
// proxy_header.c: each header of the table as a whole and at each cut of it, checksums of which a
// bit was changed, what is written and read again.

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>

#include "proxy_vectors.h"

#define TEXT_SIZE 512

static void check_scan(const char *row, const uint8_t *data, size_t n, enum proxy_versions versions,
                       const char *want)
{
    struct proxy_header header;
    enum proxy_verdict verdict = proxy_header_scan(data, n, versions, &header);
    char text[TEXT_SIZE];

    check_text(row, vector_say(verdict, &header, text, sizeof(text)), want);
    if (verdict == PROXY_DONE)
        check_true(row, header.length <= n);
}

// A copy of the exact size, so that a byte read behind it is noticed by a sanitizer.
static void check_cut(const struct proxy_vector *row, const uint8_t *data, size_t n)
{
    cleanup_free uint8_t *copy = base_checked(malloc(n + (n == 0)));
    char name[96];

    memcpy(copy, data, n);
    (void)snprintf(name, sizeof(name), "%s, %zu bytes", row->name, n);
    check_scan(name, copy, n, PROXY_ANY_VERSION, n < row->length ? "more" : row->want);
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(proxy_vectors); i++) {
        const struct proxy_vector *row = &proxy_vectors[i];
        struct proxy_header header = {0};
        uint8_t data[VECTOR_MAX];
        size_t n = vector_bytes(row->input, data);

        check_true(row->name, row->length <= n);
        for (size_t cut = 0; cut <= n; cut++)
            check_cut(row, data, cut);
        if (proxy_header_scan(data, n, PROXY_ANY_VERSION, &header) == PROXY_DONE)
            check_number(row->name, header.length, row->length);
    }
}

static const uint8_t *find_vector(const char *name, size_t *ret_n)
{
    static uint8_t data[VECTOR_MAX];

    for (size_t i = 0; i < ELEMENTS(proxy_vectors); i++)
        if (strcmp(proxy_vectors[i].name, name) == 0) {
            *ret_n = vector_bytes(proxy_vectors[i].input, data);
            return data;
        }
    fail_msg("no vector %s", name);
    return NULL;
}

// V51: any one bit of the addresses or of the checksum.
static void test_crc(void **state)
{
    uint8_t data[64];
    char row[32];
    size_t n;

    (void)state;
    memcpy(data, find_vector("V50", &n), 35);
    check_number("V50", n, 35);
    for (unsigned bit = 0; bit < 128; bit++) {
        size_t byte = bit < 96 ? 16 + bit / 8 : 31 + (bit - 96) / 8;

        (void)snprintf(row, sizeof(row), "V51 bit %u", bit);
        data[byte] ^= (uint8_t)(1u << bit % 8);
        check_scan(row, data, n, PROXY_ANY_VERSION, "bad crc");
        data[byte] ^= (uint8_t)(1u << bit % 8);
    }
    check_scan("V50", data, n, PROXY_ANY_VERSION, "v2 " C4);
}

// V63, and that it is said as soon as the version is known.
static void test_versions(void **state)
{
    const uint8_t *data;
    size_t n;

    (void)state;
    data = find_vector("V28", &n);
    check_scan("v2, v1 alone", data, n, PROXY_V1_ALONE, "bad version");
    check_scan("v2, v1 alone, 12 bytes", data, 12, PROXY_V1_ALONE, "bad version");
    check_scan("v2, v1 alone, 11 bytes", data, 11, PROXY_V1_ALONE, "more");
    check_scan("v2, v2 alone", data, n, PROXY_V2_ALONE, "v2 " C4);
    data = find_vector("V1", &n);
    check_scan("v1, v2 alone", data, n, PROXY_V2_ALONE, "bad version");
    check_scan("v1, v2 alone, 6 bytes", data, 6, PROXY_V2_ALONE, "bad version");
    check_scan("v1, v2 alone, 5 bytes", data, 5, PROXY_V2_ALONE, "more");
    check_scan("v1, v1 alone", data, n, PROXY_V1_ALONE, "v1 " C4);
    data = find_vector("V21 HTTP", &n);
    check_scan("none, v1 alone", data, n, PROXY_V1_ALONE, "bad not-proxy");
    check_scan("none, v2 alone", data, n, PROXY_V2_ALONE, "bad not-proxy");
}

// Any byte in the place of any other of a header of either version: no verdict but of the table,
// and no length beyond it.
static void test_every_byte(void **state)
{
    static const char *const names[] = {"V1", "V10", "V28", "V29", "V56"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        uint8_t data[VECTOR_MAX];
        size_t n;

        memcpy(data, find_vector(names[i], &n), VECTOR_MAX);
        for (size_t at = 0; at < n; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                uint8_t kept = data[at];
                struct proxy_header header;
                enum proxy_verdict verdict;

                data[at] = (uint8_t)byte;
                verdict = proxy_header_scan(data, n, PROXY_ANY_VERSION, &header);
                data[at] = kept;
                check_true(names[i], verdict != PROXY_DONE || header.length <= n);
                check_true(names[i], (verdict == PROXY_BAD) == (header.reason != PROXY_GOOD));
            }
    }
}

static struct address address_of(const char *text)
{
    struct address address = {.length = sizeof(struct sockaddr_un)};
    struct sockaddr_un *un = (struct sockaddr_un *)&address.storage;
    struct address_spec spec;

    check_text(text, address_parse(text, &spec), NULL);
    if (spec.kind != ADDRESS_UNIX)
        check_number(text, address_resolve(&spec, AF_UNSPEC, false, &address, 1), 1);
    else
        *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (spec.kind == ADDRESS_UNIX)
        strcpy(un->sun_path, spec.path);
    return address;
}

static const struct {
    const char *name;
    enum proxy_kind kind;
    const char *source, *destination;
    size_t n_tlvs;
    bool has_crc;
    const char *same; // as that vector
    const char *want;
} writes[] = {
    {"v1", PROXY_V1, "192.0.2.1:40000", "198.51.100.2:443", 0, false, "V1", "v1 " C4},
    {"v1 IPv6", PROXY_V1, "[::1]:1", "[2001:db8::2]:2", 0, false, "V9",
     "v1 [::1]:1 [2001:db8::2]:2"},
    {"v1 mixed", PROXY_V1, "192.0.2.1:1", "[2001:db8::2]:2", 0, false, NULL,
     "v1 192.0.2.1:1 [2001:db8::2]:2"},
    {"v2", PROXY_V2, "192.0.2.1:40000", "198.51.100.2:443", 0, false, "V28", "v2 " C4},
    {"v2 IPv6", PROXY_V2, "[2001:db8::1]:40000", "[2001:db8::2]:443", 0, false, "V29",
     "v2 [2001:db8::1]:40000 [2001:db8::2]:443"},
    {"v2 mixed", PROXY_V2, "[2001:db8::1]:1", "192.0.2.1:2", 0, false, NULL,
     "v2 [2001:db8::1]:1 192.0.2.1:2"},
    {"v2 TLV", PROXY_V2, "192.0.2.1:40000", "198.51.100.2:443", 1, false, "V45",
     "v2 " C4 " authority=12345"},
    {"v2 CRC", PROXY_V2, "192.0.2.1:40000", "198.51.100.2:443", 0, true, "V50", "v2 " C4},
    {"v2 CRC and TLV", PROXY_V2, "192.0.2.1:40000", "198.51.100.2:443", 1, true, NULL,
     "v2 " C4 " authority=12345"},
    {"v2 unix", PROXY_V2, "unix:/a", "unix:/b", 0, false, NULL, "unknown"},
    {"local", PROXY_LOCAL, NULL, NULL, 0, false, "V31", "local"},
    {"local with TLV", PROXY_LOCAL, NULL, NULL, 1, true, NULL, "local"},
    {"unknown", PROXY_UNKNOWN, NULL, NULL, 0, false, "V4", "unknown"},
};

static void test_write(void **state)
{
    const struct proxy_tlv tlv = {0x02, "12345", 5};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(writes); i++) {
        struct address source = {0}, destination = {0};
        const struct proxy_message message = {.kind = writes[i].kind,
                                              .source = &source.any,
                                              .destination = &destination.any,
                                              .tlvs = &tlv,
                                              .n_tlvs = writes[i].n_tlvs,
                                              .has_crc = writes[i].has_crc};
        uint8_t data[PROXY_HEADER_MAX];
        const char *row = writes[i].name;
        ssize_t n;

        if (writes[i].source) {
            source = address_of(writes[i].source);
            destination = address_of(writes[i].destination);
        }
        n = proxy_header_write(&message, data, sizeof(data));
        check_true(row, n > 0);
        check_scan(row, data, (size_t)n, PROXY_ANY_VERSION, writes[i].want);
        if (writes[i].same) {
            size_t n_want;
            const uint8_t *want = find_vector(writes[i].same, &n_want);

            check_bytes(row, data, (size_t)n, want, n_want);
        }
        check_number(row, proxy_header_write(&message, data, (size_t)n - 1), -EMSGSIZE);
        check_number(row, proxy_header_write(&message, data, (size_t)n), n);
    }
}

static void test_write_refused(void **state)
{
    struct address inet = address_of("192.0.2.1:1"), path = address_of("unix:/a");
    static uint8_t data[2 * PROXY_HEADER_MAX], zeros[PROXY_HEADER_MAX];
    struct proxy_tlv tlv = {0x04, zeros, PROXY_HEADER_MAX - 16 - 12 - 3};
    struct proxy_message message = {PROXY_V1, &path.any, &path.any, &tlv, 0, false};

    (void)state;
    check_number("v1 unix", proxy_header_write(&message, data, sizeof(data)), -EAFNOSUPPORT);
    message.kind = PROXY_V2;
    message.source = &inet.any;
    check_number("mixed", proxy_header_write(&message, data, sizeof(data)), -EAFNOSUPPORT);
    message.destination = &inet.any;
    message.n_tlvs = 1;
    check_number("the longest", proxy_header_write(&message, data, sizeof(data)), PROXY_HEADER_MAX);
    check_scan("the longest", data, PROXY_HEADER_MAX, PROXY_ANY_VERSION,
               "v2 192.0.2.1:1 192.0.2.1:1");
    tlv.length++;
    check_number("longer", proxy_header_write(&message, data, sizeof(data)), -EMSGSIZE);
    tlv.length = 70000;
    check_number("far longer", proxy_header_write(&message, data, sizeof(data)), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),  cmocka_unit_test(test_crc),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_write),    cmocka_unit_test(test_write_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
