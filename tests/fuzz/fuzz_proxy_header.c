// SPDX-License-Identifier: MIT
// proxy_header.c against a simple reader of the same: at each cut the same verdict, for the same
// reason, and of a whole header the same addresses and facts. What was read is written and read
// again.

#include <string.h>

#include "proxy_reference.h"

static void check_address(const struct address *address, const uint8_t *ip, unsigned port)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    bool is_ipv4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

    MUST(address->any.sa_family == (is_ipv4 ? AF_INET : AF_INET6));
    MUST(address->length == (is_ipv4 ? sizeof(*in) : sizeof(*in6)));
    MUST(address_port(&address->any) == port);
    MUST(is_ipv4 ? memcmp(&in->sin_addr, ip + 12, 4) == 0 : memcmp(&in6->sin6_addr, ip, 16) == 0);
    MUST(is_ipv4 || (in6->sin6_scope_id == 0 && in6->sin6_flowinfo == 0));
}

static void check_fact(struct proxy_bytes fact, const uint8_t *data, size_t at, size_t length)
{
    MUST(at == 0 ? fact.data == NULL && fact.length == 0
                 : fact.data == data + at && at + fact.length <= length);
}

static void check_whole(const struct proxy_header *header, const uint8_t *data,
                        const struct proxy_outcome *want)
{
    MUST(header->kind == want->kind && header->length == want->length);
    MUST(header->length <= PROXY_HEADER_MAX);
    check_fact(header->authority, data, want->authority, want->length);
    check_fact(header->unique_id, data, want->unique_id, want->length);
    check_fact(header->tls_version, data, want->version, want->length);
    check_fact(header->tls_cipher, data, want->cipher, want->length);
    check_fact(header->tls_name, data, want->name, want->length);
    if (header->kind != PROXY_V1 && header->kind != PROXY_V2)
        return;
    check_address(&header->client, want->ip[0], want->port[0]);
    check_address(&header->destination, want->ip[1], want->port[1]);
}

// Any addresses are written so that they are read as they were.
static void check_again(const struct proxy_header *header)
{
    struct proxy_message message = {.kind = header->kind,
                                    .source = &header->client.any,
                                    .destination = &header->destination.any};
    uint8_t data[PROXY_HEADER_MAX];
    struct proxy_header again;
    ssize_t n;

    for (int has_crc = 0; has_crc < 2; has_crc++) {
        message.has_crc = has_crc && header->kind == PROXY_V2;
        n = proxy_header_write(&message, data, sizeof(data));
        MUST(n > 0);
        MUST(proxy_header_scan(data, (size_t)n, PROXY_ANY_VERSION, &again) == PROXY_DONE);
        MUST(again.kind == header->kind && again.length == (size_t)n);
        MUST(address_is_same(&again.client, &header->client));
        MUST(address_is_same(&again.destination, &header->destination));
    }
}

// The first n bytes, in memory of their own, so that nothing behind them is looked at.
static enum proxy_verdict check_prefix(const uint8_t *data, size_t n, enum proxy_versions versions)
{
    struct proxy_outcome want = proxy_reference(data, n, versions);
    uint8_t *copy = malloc(n + (n == 0));
    struct proxy_header got;
    enum proxy_verdict verdict;

    MUST(copy);
    memcpy(copy, data, n);
    verdict = proxy_header_scan(copy, n, versions, &got);
    MUST(verdict == want.verdict && got.reason == want.reason);
    MUST(verdict != PROXY_MORE || n < PROXY_HEADER_MAX);
    if (verdict == PROXY_DONE) {
        check_whole(&got, copy, &want);
        check_again(&got);
    }
    free(copy);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cuts cuts = {size ? data[0] : 0};
    enum proxy_versions versions = (enum proxy_versions)(size ? data[0] % PROXY_VERSIONS : 0);
    enum proxy_verdict verdict, cut = PROXY_MORE;

    if (size == 0)
        return 0;
    data++;
    size--;
    verdict = check_prefix(data, size, versions);
    for (size_t n = 0; n < size && cut == PROXY_MORE;) {
        n += next_piece(&cuts, size - n);
        cut = check_prefix(data, n, versions);
    }
    MUST(cut == verdict);
    return 0;
}
