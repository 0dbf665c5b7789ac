// SPDX-License-Identifier: MIT
// Writing a header of the PROXY protocol, for tcpc and for tests.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/crc32c.h"
#include "base/proxy_header.h"

#define HEAD_SIZE 16
#define UNIX_SIZE 108

// What has been written, and the room for it. Once it is exceeded nothing more is written.
struct output {
    uint8_t *data;
    size_t n, size;
};

static void put(struct output *output, const void *bytes, size_t n)
{
    if (output->n <= output->size && n <= output->size - output->n && n > 0)
        memcpy(output->data + output->n, bytes, n);
    output->n = output->n <= output->size ? output->n + n : output->n;
}

static void put_size(struct output *output, size_t size)
{
    const uint8_t bytes[] = {(uint8_t)(size >> 8), (uint8_t)size};

    put(output, bytes, sizeof(bytes));
}

static ssize_t result(const struct output *output)
{
    return output->n <= output->size ? (ssize_t)output->n : -EMSGSIZE;
}

// One family of both ends.
struct ends {
    int family;
    struct sockaddr_in in[2];
    struct sockaddr_in6 in6[2];
    const struct sockaddr *any[2];
};

static void map(const struct sockaddr_in *in, struct sockaddr_in6 *in6)
{
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = in->sin_port};
    memset(&in6->sin6_addr.s6_addr[10], 0xff, 2);
    memcpy(&in6->sin6_addr.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
}

static int unite(const struct proxy_message *message, struct ends *ends)
{
    int families[2];

    *ends = (struct ends){.any = {message->source, message->destination}};
    for (int i = 0; i < 2; i++) {
        families[i] = ends->any[i]->sa_family;
        if (families[i] == AF_INET) {
            memcpy(&ends->in[i], ends->any[i], sizeof(ends->in[i]));
            map(&ends->in[i], &ends->in6[i]);
        } else if (families[i] == AF_INET6) {
            memcpy(&ends->in6[i], ends->any[i], sizeof(ends->in6[i]));
        } else if (families[i] != AF_UNIX) {
            return -EAFNOSUPPORT;
        }
    }
    if ((families[0] == AF_UNIX) != (families[1] == AF_UNIX))
        return -EAFNOSUPPORT;
    ends->family = families[0] == families[1] ? families[0] : AF_INET6;
    return 0;
}

static ssize_t write_line(const struct ends *ends, struct output *output)
{
    bool is_ipv4 = ends->family == AF_INET;
    char text[2 * INET6_ADDRSTRLEN + 40], ip[2][INET6_ADDRSTRLEN];

    if (ends->family == AF_UNIX)
        return -EAFNOSUPPORT;
    for (int i = 0; i < 2; i++)
        (void)inet_ntop(ends->family,
                        is_ipv4 ? (const void *)&ends->in[i].sin_addr : &ends->in6[i].sin6_addr,
                        ip[i], sizeof(ip[i]));
    (void)snprintf(text, sizeof(text), "PROXY TCP%c %s %s %u %u\r\n", is_ipv4 ? '4' : '6', ip[0],
                   ip[1], address_port(ends->any[0]), address_port(ends->any[1]));
    put(output, text, strlen(text));
    return result(output);
}

static void put_path(struct output *output, const struct sockaddr *any)
{
    struct sockaddr_un un = {0};

    memcpy(&un, any, sizeof(un));
    put(output, un.sun_path, UNIX_SIZE);
}

static void put_addresses(struct output *output, const struct ends *ends)
{
    bool is_ipv4 = ends->family == AF_INET;

    if (ends->family == AF_UNIX) {
        put_path(output, ends->any[0]);
        put_path(output, ends->any[1]);
        return;
    }
    for (int i = 0; i < 2; i++)
        put(output, is_ipv4 ? (const void *)&ends->in[i].sin_addr : &ends->in6[i].sin6_addr,
            is_ipv4 ? sizeof(struct in_addr) : sizeof(struct in6_addr));
    for (int i = 0; i < 2; i++) // at the same place in both
        put(output, is_ipv4 ? &ends->in[i].sin_port : &ends->in6[i].sin6_port, sizeof(in_port_t));
}

static void put_tlv(struct output *output, const struct proxy_tlv *tlv)
{
    put(output, &tlv->type, 1);
    put_size(output, tlv->length);
    put(output, tlv->value, tlv->length);
}

// ends NULL: of LOCAL, which has none.
static ssize_t write_binary(const struct proxy_message *message, const struct ends *ends,
                            struct output *output)
{
    static const uint8_t zeros[4];
    const struct proxy_tlv sum = {.type = 0x03, .value = zeros, .length = sizeof(zeros)};
    uint8_t head[HEAD_SIZE] = "\r\n\r\n\0\r\nQUIT\n";
    size_t sum_at = 0;

    head[12] = ends ? 0x21 : 0x20;
    if (ends)
        head[13] = ends->family == AF_INET ? 0x11 : ends->family == AF_INET6 ? 0x21 : 0x31;
    put(output, head, sizeof(head));
    if (ends)
        put_addresses(output, ends);
    if (message->has_crc) {
        put_tlv(output, &sum);
        sum_at = output->n - sizeof(zeros);
    }
    for (size_t i = 0; i < message->n_tlvs; i++)
        put_tlv(output, &message->tlvs[i]);
    if (output->n > output->size)
        return -EMSGSIZE;
    output->data[14] = (uint8_t)((output->n - HEAD_SIZE) >> 8);
    output->data[15] = (uint8_t)(output->n - HEAD_SIZE);
    if (message->has_crc) {
        uint32_t crc = htonl(crc32c(0, output->data, output->n));

        memcpy(output->data + sum_at, &crc, sizeof(crc));
    }
    return result(output);
}

ssize_t proxy_header_write(const struct proxy_message *message, uint8_t *data, size_t size)
{
    static const char no_word[] = "PROXY UNKNOWN\r\n";
    struct output output = {data, 0, size < PROXY_HEADER_MAX ? size : PROXY_HEADER_MAX};
    struct ends ends;
    int r;

    if (message->kind == PROXY_LOCAL)
        return write_binary(message, NULL, &output);
    if (message->kind == PROXY_UNKNOWN) {
        put(&output, no_word, strlen(no_word));
        return result(&output);
    }
    r = unite(message, &ends);
    if (r < 0)
        return r;
    return message->kind == PROXY_V1 ? write_line(&ends, &output)
                                     : write_binary(message, &ends, &output);
}
