// SPDX-License-Identifier: MIT
// Reading a header of the PROXY protocol. Strict: senders are machines that agree on every byte,
// and what is taken for a header here and for payload elsewhere would let a client say who it is.
// Every byte may be hostile, whoever has sent it.

#include "base/proxy_header.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>

#include "base/base.h"
#include "base/crc32c.h"

#define HEAD_SIZE     16 // of version 2: signature, version and command, family, length
#define TLV_HEAD      3
#define TEXT_MAX      64 // of what is said of TLS
#define UNIQUE_ID_MAX 128

const char *const proxy_kind_names[PROXY_KINDS] = {
    [PROXY_V1] = "v1", [PROXY_V2] = "v2", [PROXY_LOCAL] = "local", [PROXY_UNKNOWN] = "unknown"};

const char *const proxy_version_names[PROXY_VERSIONS] = {
    [PROXY_ANY_VERSION] = "any", [PROXY_V1_ALONE] = "v1", [PROXY_V2_ALONE] = "v2"};

const char *const proxy_reason_words[PROXY_REASONS] = {
    [PROXY_GOOD] = "all is well",
    [PROXY_NOT_PROXY] = "not a PROXY header",
    [PROXY_BAD_VERSION] = "a version that is not taken",
    [PROXY_BAD_LINE] = "the line of version 1 is longer than 107 bytes",
    [PROXY_BAD_SYNTAX] = "the line of version 1 is not written as it should be",
    [PROXY_BAD_ADDRESS] = "an address that is none",
    [PROXY_BAD_PORT] = "a port that is none",
    [PROXY_BAD_COMMAND] = "an unknown command",
    [PROXY_BAD_FAMILY] = "an unknown family of addresses",
    [PROXY_BAD_LENGTH] = "a length that cannot be right",
    [PROXY_BAD_TLV] = "a field behind the addresses is broken",
    [PROXY_BAD_CRC] = "the checksum is wrong",
};

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char keyword[] = "PROXY ";
static const char unknown[] = "UNKNOWN ";

static enum proxy_verdict bad(struct proxy_header *header, enum proxy_reason reason)
{
    header->reason = reason;
    return reason == PROXY_GOOD ? PROXY_DONE : PROXY_BAD;
}

static void set_address(struct address *address, int family, const void *ip, const void *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    bool is_ipv4 = family == AF_INET;

    *address = (struct address){.type = SOCK_STREAM, .length = is_ipv4 ? sizeof(in) : sizeof(in6)};
    if (is_ipv4) {
        memcpy(&in.sin_addr, ip, sizeof(in.sin_addr));
        memcpy(&in.sin_port, port, sizeof(in.sin_port));
        memcpy(&address->storage, &in, sizeof(in));
        return;
    }
    memcpy(&in6.sin6_addr, ip, sizeof(in6.sin6_addr));
    memcpy(&in6.sin6_port, port, sizeof(in6.sin6_port));
    memcpy(&address->storage, &in6, sizeof(in6));
    address_unmap(address);
}

// --- Version 1 ---

// Splits text at single spaces into n fields. False: there are fewer, or more.
static bool split(struct proxy_bytes text, struct proxy_bytes *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *space = text.length > 0 ? memchr(text.data, ' ', text.length) : NULL;
        size_t length = space ? (size_t)(space - text.data) : text.length;

        if ((space == NULL) != (i + 1 == n))
            return false;
        fields[i] = (struct proxy_bytes){text.data, length};
        text.data += length + (space ? 1 : 0);
        text.length -= length + (space ? 1 : 0);
    }
    return true;
}

static bool is_text(struct proxy_bytes field, const char *text)
{
    return field.length == strlen(text) && memcmp(field.data, text, field.length) == 0;
}

// Of exactly that family, as inet_pton(3) takes it: no leading zeros, no interface.
static bool read_ip(struct proxy_bytes field, int family, void *ip)
{
    char text[INET6_ADDRSTRLEN];

    if (field.length >= sizeof(text))
        return false;
    memcpy(text, field.data, field.length);
    text[field.length] = '\0';
    return inet_pton(family, text, ip) == 1;
}

static bool read_port(struct proxy_bytes field, uint16_t *ret)
{
    uint32_t port = 0;

    if (field.length == 0 || field.length > 5 || (field.data[0] == '0' && field.length > 1))
        return false;
    for (size_t i = 0; i < field.length; i++) {
        if (field.data[i] < '0' || field.data[i] > '9')
            return false;
        port = port * 10 + (field.data[i] - (uint32_t)'0');
    }
    *ret = htobe16((uint16_t)port);
    return port <= UINT16_MAX;
}

// text: what stands between "PROXY " and the line's end.
static enum proxy_reason read_line(struct proxy_bytes text, struct proxy_header *ret)
{
    struct proxy_bytes fields[5];
    struct in6_addr source, destination; // or IPv4
    uint16_t source_port, destination_port;
    int family;

    ret->kind = PROXY_UNKNOWN;
    if (text.length >= strlen(unknown) && memcmp(text.data, unknown, strlen(unknown)) == 0)
        return PROXY_GOOD;
    if (is_text(text, "UNKNOWN"))
        return PROXY_GOOD;
    if (!split(text, fields, ELEMENTS(fields)))
        return PROXY_BAD_SYNTAX;
    if (!is_text(fields[0], "TCP4") && !is_text(fields[0], "TCP6"))
        return PROXY_BAD_SYNTAX;
    family = fields[0].data[3] == '4' ? AF_INET : AF_INET6;
    if (!read_ip(fields[1], family, &source) || !read_ip(fields[2], family, &destination))
        return PROXY_BAD_ADDRESS;
    if (!read_port(fields[3], &source_port) || !read_port(fields[4], &destination_port))
        return PROXY_BAD_PORT;
    set_address(&ret->client, family, &source, &source_port);
    set_address(&ret->destination, family, &destination, &destination_port);
    ret->kind = PROXY_V1;
    return PROXY_GOOD;
}

// Looks for the line's end. A CR stands before it and nowhere else, but behind UNKNOWN.
static enum proxy_verdict scan_line(const uint8_t *data, size_t n, struct proxy_header *ret)
{
    const size_t begin = strlen(keyword), rest = begin + strlen(unknown);
    bool is_unknown = n >= rest && memcmp(data + begin, unknown, strlen(unknown)) == 0;
    size_t max = n < PROXY_LINE_MAX ? n : PROXY_LINE_MAX;

    for (size_t i = begin; i < max; i++) {
        bool after_cr = data[i - 1] == '\r';

        if (data[i] == '\n' && after_cr) {
            ret->length = i + 1;
            return bad(ret, read_line((struct proxy_bytes){data + begin, i - 1 - begin}, ret));
        }
        if (data[i] == '\n' || data[i] == '\0' || (after_cr && !is_unknown))
            return bad(ret, PROXY_BAD_SYNTAX);
    }
    return n < PROXY_LINE_MAX ? PROXY_MORE : bad(ret, PROXY_BAD_LINE);
}

// --- Version 2 ---

static size_t get_size(const uint8_t *data)
{
    return (size_t)data[0] << 8 | data[1];
}

static uint32_t get_number(const uint8_t *data)
{
    return (uint32_t)get_size(data) << 16 | (uint32_t)get_size(data + 2);
}

static bool is_name(uint8_t byte)
{
    return isascii(byte) && (isalnum(byte) || byte == '.' || byte == '_' || byte == '-');
}

// What of a text may be shown and handed on; else nothing.
static struct proxy_bytes name_of(struct proxy_bytes value, size_t max)
{
    for (size_t i = 0; i < value.length; i++)
        if (!is_name(value.data[i]))
            return (struct proxy_bytes){0};
    return value.length > 0 && value.length <= max ? value : (struct proxy_bytes){0};
}

static struct proxy_bytes printable(struct proxy_bytes value, size_t max)
{
    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] < ' ' || value.data[i] > '~')
            return (struct proxy_bytes){0};
    return value.length > 0 && value.length <= max ? value : (struct proxy_bytes){0};
}

// Takes the next field of a list. False: it does not fit.
static bool next_tlv(struct proxy_bytes *list, uint8_t *ret_type, struct proxy_bytes *ret_value)
{
    size_t size;

    if (list->length < TLV_HEAD)
        return false;
    *ret_type = list->data[0];
    size = get_size(list->data + 1);
    if (list->length - TLV_HEAD < size)
        return false;
    *ret_value = (struct proxy_bytes){list->data + TLV_HEAD, size};
    list->data += TLV_HEAD + size;
    list->length -= TLV_HEAD + size;
    return true;
}

// A byte of flags, four that are 0 if the client's certificate was verified, and a list of fields,
// in which there are no further lists.
static bool read_tls(struct proxy_bytes value, struct proxy_header *ret)
{
    enum { HEAD = 5, HAS_TLS = 1, HAS_CERTIFICATE = 6 };
    struct proxy_bytes part;
    bool has_tls, is_verified;
    uint8_t type;

    if (value.length < HEAD)
        return false;
    has_tls = (value.data[0] & HAS_TLS) != 0;
    is_verified = (value.data[0] & HAS_CERTIFICATE) != 0 && get_number(value.data + 1) == 0;
    value.data += HEAD;
    value.length -= HEAD;
    while (value.length > 0) {
        if (!next_tlv(&value, &type, &part))
            return false;
        if (type == 0x21 && has_tls)
            ret->tls_version = name_of(part, TEXT_MAX);
        else if (type == 0x23 && has_tls)
            ret->tls_cipher = name_of(part, TEXT_MAX);
        else if (type == 0x22 && has_tls && is_verified)
            ret->tls_name = printable(part, TEXT_MAX);
    }
    return true;
}

// The checksum is that of the whole header with 0 in its own place.
static bool is_sum(const uint8_t *data, size_t length, const uint8_t *sum)
{
    static const uint8_t zeros[4];
    uint32_t crc = crc32c(0, data, (size_t)(sum - data));

    crc = crc32c(crc, zeros, sizeof(zeros));
    crc = crc32c(crc, sum + sizeof(zeros), length - (size_t)(sum - data) - sizeof(zeros));
    return crc == get_number(sum);
}

static enum proxy_reason read_tlvs(const uint8_t *data, struct proxy_bytes list,
                                   struct proxy_header *ret)
{
    const uint8_t *sum = NULL;
    struct proxy_bytes value;
    uint8_t type;

    while (list.length > 0) {
        if (!next_tlv(&list, &type, &value))
            return PROXY_BAD_TLV;
        if (type == 0x02)
            ret->authority = name_of(value, 255);
        if (type == 0x05)
            ret->unique_id = value;
        if ((type == 0x05 && value.length > UNIQUE_ID_MAX) ||
            (type == 0x03 && (sum || value.length != sizeof(uint32_t))) ||
            (type == 0x20 && !read_tls(value, ret)))
            return PROXY_BAD_TLV;
        if (type == 0x03)
            sum = value.data;
    }
    return !sum || is_sum(data, ret->length, sum) ? PROXY_GOOD : PROXY_BAD_CRC;
}

// Of two addresses and two ports, IPv4 and IPv6; and of two paths. 0: nobody says. Not of LOCAL,
// whose family may be any byte.
static size_t addresses_size(uint8_t family)
{
    static const size_t sizes[] = {0, 12, 36, 216};

    return (family & 15) == 0 ? 0 : sizes[family >> 4];
}

static enum proxy_reason read_binary(const uint8_t *data, struct proxy_header *ret)
{
    const uint8_t *body = data + HEAD_SIZE;
    bool is_ipv4 = data[13] == 0x11;
    size_t ip = is_ipv4 ? 4 : 16, size;
    int family = is_ipv4 ? AF_INET : AF_INET6;

    if ((data[12] & 15) == 0) {
        ret->kind = PROXY_LOCAL;
        return PROXY_GOOD;
    }
    ret->kind = PROXY_UNKNOWN;
    if (data[13] != 0x11 && data[13] != 0x21)
        return PROXY_GOOD;
    ret->kind = PROXY_V2;
    size = addresses_size(data[13]);
    set_address(&ret->client, family, body, body + 2 * ip);
    set_address(&ret->destination, family, body + ip, body + 2 * ip + sizeof(uint16_t));
    return read_tlvs(data, (struct proxy_bytes){body + size, ret->length - HEAD_SIZE - size}, ret);
}

// Each byte of the head is judged as soon as it is there.
static enum proxy_verdict scan_binary(const uint8_t *data, size_t n, struct proxy_header *ret)
{
    bool is_local;
    size_t size;

    if (n <= 12)
        return PROXY_MORE;
    if (data[12] >> 4 != 2)
        return bad(ret, PROXY_BAD_VERSION);
    if ((data[12] & 15) > 1)
        return bad(ret, PROXY_BAD_COMMAND);
    is_local = (data[12] & 15) == 0;
    if (n > 13 && !is_local && (data[13] >> 4 > 3 || (data[13] & 15) > 2))
        return bad(ret, PROXY_BAD_FAMILY);
    if (n < HEAD_SIZE)
        return PROXY_MORE;
    size = get_size(data + 14);
    if (HEAD_SIZE + size > PROXY_HEADER_MAX || (!is_local && size < addresses_size(data[13])))
        return bad(ret, PROXY_BAD_LENGTH);
    if (n < HEAD_SIZE + size)
        return PROXY_MORE;
    ret->length = HEAD_SIZE + size;
    return bad(ret, read_binary(data, ret));
}

// --- Either ---

// Compares the first bytes. False: they do not begin so.
static bool begins(const uint8_t *data, size_t n, const void *with, size_t length)
{
    return memcmp(data, with, n < length ? n : length) == 0;
}

enum proxy_verdict proxy_header_scan(const uint8_t *data, size_t n, enum proxy_versions versions,
                                     struct proxy_header *ret)
{
    bool is_line = n > 0 && data[0] == (uint8_t)keyword[0];
    size_t length = is_line ? strlen(keyword) : sizeof(signature);

    *ret = (struct proxy_header){.reason = PROXY_GOOD};
    if (n == 0)
        return PROXY_MORE;
    if (!begins(data, n, is_line ? (const void *)keyword : signature, length))
        return bad(ret, PROXY_NOT_PROXY);
    if (n < length)
        return PROXY_MORE;
    if (versions == (is_line ? PROXY_V2_ALONE : PROXY_V1_ALONE))
        return bad(ret, PROXY_BAD_VERSION);
    return is_line ? scan_line(data, n, ret) : scan_binary(data, n, ret);
}
