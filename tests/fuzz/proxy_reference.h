// SPDX-License-Identifier: MIT
// What the first bytes of a connection mean by the PROXY protocol, read in the simplest way: copied
// to texts, which are taken apart and written again. Knows nothing of proxy_header.c.
#pragma once

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <strings.h>

#include "base/proxy_header.h"
#include "fuzz.h"

struct proxy_outcome {
    enum proxy_verdict verdict;
    enum proxy_reason reason;
    enum proxy_kind kind;
    size_t length;
    uint8_t ip[2][16]; // IPv4 mapped into IPv6
    unsigned port[2];
    size_t authority, unique_id, version, cipher, name; // where in the bytes, 0: nowhere
};

static inline void end_bad(struct proxy_outcome *outcome, enum proxy_reason reason)
{
    outcome->verdict = PROXY_BAD;
    outcome->reason = reason;
}

// --- Version 1 ---

static inline bool reference_ip(const char *text, bool is_ipv4, uint8_t *ip)
{
    unsigned part[4];
    char again[64];

    if (!is_ipv4)
        return inet_pton(AF_INET6, text, ip) == 1;
    if (sscanf(text, "%3u.%3u.%3u.%3u", &part[0], &part[1], &part[2], &part[3]) != 4)
        return false;
    (void)snprintf(again, sizeof(again), "%u.%u.%u.%u", part[0], part[1], part[2], part[3]);
    memset(ip, 0, 10);
    memset(ip + 10, 0xff, 2);
    for (int i = 0; i < 4; i++) {
        if (part[i] > 255)
            return false;
        ip[12 + i] = (uint8_t)part[i];
    }
    return strcmp(text, again) == 0;
}

static inline bool reference_port(const char *text, unsigned *port)
{
    char again[32];

    *port = (unsigned)strtoul(text, NULL, 10);
    (void)snprintf(again, sizeof(again), "%u", *port);
    return *port <= 65535 && strcmp(text, again) == 0;
}

static inline void reference_words(char *line, struct proxy_outcome *outcome)
{
    char *words[8] = {0};
    bool is_ipv4;
    int n = 0;

    while (line && n < 8)
        words[n++] = strsep(&line, " ");
    if (n != 6 || line || (strcmp(words[1], "TCP4") != 0 && strcmp(words[1], "TCP6") != 0)) {
        end_bad(outcome, PROXY_BAD_SYNTAX);
        return;
    }
    is_ipv4 = words[1][3] == '4';
    outcome->kind = PROXY_V1;
    if (!reference_ip(words[2], is_ipv4, outcome->ip[0]) ||
        !reference_ip(words[3], is_ipv4, outcome->ip[1]))
        end_bad(outcome, PROXY_BAD_ADDRESS);
    else if (!reference_port(words[4], &outcome->port[0]) ||
             !reference_port(words[5], &outcome->port[1]))
        end_bad(outcome, PROXY_BAD_PORT);
}

static inline void reference_line(const uint8_t *data, size_t n, struct proxy_outcome *outcome)
{
    char line[PROXY_LINE_MAX + 1] = "";
    size_t max = n < PROXY_LINE_MAX ? n : PROXY_LINE_MAX, i = 0;

    memcpy(line, data, max);
    for (i = 6; i < max; i++) {
        bool is_rest = strncmp(line, "PROXY UNKNOWN ", 14) == 0;

        if (line[i] == '\n' || line[i] == '\0')
            break;
        if (line[i] == '\r' && !is_rest && i + 1 < max && line[i + 1] != '\n') {
            end_bad(outcome, PROXY_BAD_SYNTAX);
            return;
        }
    }
    if (i == max) {
        outcome->verdict = PROXY_MORE;
        if (n >= PROXY_LINE_MAX)
            end_bad(outcome, PROXY_BAD_LINE);
        return;
    }
    if (line[i] == '\0' || line[i - 1] != '\r') {
        end_bad(outcome, PROXY_BAD_SYNTAX);
        return;
    }
    outcome->length = i + 1;
    line[i - 1] = '\0';
    outcome->kind = PROXY_UNKNOWN;
    if (strcmp(line, "PROXY UNKNOWN") != 0 && strncmp(line, "PROXY UNKNOWN ", 14) != 0)
        reference_words(line, outcome);
}

// --- Version 2 ---

static inline bool reference_is_name(const uint8_t *data, size_t size, size_t max, bool any_sign)
{
    for (size_t i = 0; i < size; i++) {
        bool is_name = isalnum(data[i]) || data[i] == '.' || data[i] == '_' || data[i] == '-';

        if (data[i] >= 127 || !(any_sign ? isprint(data[i]) : is_name))
            return false;
    }
    return size >= 1 && size <= max;
}

// Whether a list of fields ends where it should.
static inline bool reference_is_list(const uint8_t *data, size_t at, size_t end)
{
    while (at + 3 <= end)
        at += 3u + (unsigned)(data[at + 1] * 256 + data[at + 2]);
    return at == end;
}

static inline uint32_t reference_crc(const uint8_t *data, size_t n, size_t zero_at)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= i >= zero_at && i < zero_at + 4 ? 0 : data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

static inline bool reference_tls(const uint8_t *data, size_t at, size_t end,
                                 struct proxy_outcome *outcome)
{
    static const uint8_t zeros[4];
    size_t size;

    if (end - at < 5 || !reference_is_list(data, at + 5, end))
        return false;
    for (size_t i = at + 5; i < end; i += 3 + size) {
        size_t value = i + 3;

        size = (size_t)(data[i + 1] * 256 + data[i + 2]);
        if (data[i] == 0x21 && data[at] & 1)
            outcome->version = reference_is_name(data + value, size, 64, false) ? value : 0;
        if (data[i] == 0x23 && data[at] & 1)
            outcome->cipher = reference_is_name(data + value, size, 64, false) ? value : 0;
        if (data[i] == 0x22 && data[at] & 1 && data[at] & 6 && !memcmp(data + at + 1, zeros, 4))
            outcome->name = reference_is_name(data + value, size, 64, true) ? value : 0;
    }
    return true;
}

static inline bool reference_fields(const uint8_t *data, size_t at, size_t end, size_t *ret_sum,
                                    struct proxy_outcome *outcome)
{
    size_t size;

    if (!reference_is_list(data, at, end))
        return false;
    for (; at < end; at += 3 + size) {
        size_t value = at + 3;

        size = (size_t)(data[at + 1] * 256 + data[at + 2]);
        if (data[at] == 0x20 && !reference_tls(data, value, value + size, outcome))
            return false;
        if (data[at] == 0x05 && size > 128)
            return false;
        if (data[at] == 0x03 && (size != 4 || *ret_sum > 0))
            return false;
        if (data[at] == 0x05)
            outcome->unique_id = value;
        if (data[at] == 0x03)
            *ret_sum = value;
        if (data[at] == 0x02)
            outcome->authority = reference_is_name(data + value, size, 255, false) ? value : 0;
    }
    return true;
}

static inline void reference_ends(const uint8_t *data, struct proxy_outcome *outcome)
{
    bool is_ipv4 = data[13] == 0x11;
    size_t size = is_ipv4 ? 4 : 16;

    for (size_t i = 0; i < 2; i++) {
        const uint8_t *port = data + 16 + 2 * size + 2 * i;

        memset(outcome->ip[i] + 10, 0xff, 2);
        memcpy(outcome->ip[i] + 16 - size, data + 16 + i * size, size);
        outcome->port[i] = (unsigned)(port[0] * 256 + port[1]);
    }
}

static inline void reference_binary(const uint8_t *data, size_t n, struct proxy_outcome *outcome)
{
    unsigned version = data[12] >> 4, command = data[12] & 15, family = 0, transport = 0;
    size_t size = n >= 16 ? (size_t)(data[14] * 256 + data[15]) : 0, sum = 0;
    size_t wants = 0;

    if (n >= 14 && command == 1) {
        family = data[13] >> 4;
        transport = data[13] & 15;
        wants = family == 1 ? 12 : family == 2 ? 36 : 216;
        wants = family && transport ? wants : 0;
    }
    if (version != 2)
        end_bad(outcome, PROXY_BAD_VERSION);
    else if (command > 1)
        end_bad(outcome, PROXY_BAD_COMMAND);
    else if (family > 3 || transport > 2)
        end_bad(outcome, PROXY_BAD_FAMILY);
    else if (n >= 16 && (size < wants || size > 4096 - 16))
        end_bad(outcome, PROXY_BAD_LENGTH);
    else if (n < 16 || n < 16 + size)
        outcome->verdict = PROXY_MORE;
    if (outcome->verdict != PROXY_DONE)
        return;
    outcome->length = 16 + size;
    outcome->kind = command == 0 ? PROXY_LOCAL : PROXY_UNKNOWN;
    if (command == 0 || transport != 1 || family < 1 || family > 2)
        return;
    outcome->kind = PROXY_V2;
    reference_ends(data, outcome);
    if (!reference_fields(data, 16 + wants, 16 + size, &sum, outcome))
        end_bad(outcome, PROXY_BAD_TLV);
    else if (sum > 0 && reference_crc(data, 16 + size, sum) !=
                            ((uint32_t)data[sum] << 24 | (uint32_t)data[sum + 1] << 16 |
                             (uint32_t)data[sum + 2] << 8 | data[sum + 3]))
        end_bad(outcome, PROXY_BAD_CRC);
}

static inline struct proxy_outcome proxy_reference(const uint8_t *data, size_t n,
                                                   enum proxy_versions versions)
{
    static const char *const begins[] = {"PROXY ", "\r\n\r\n\0\r\nQUIT\n"};
    static const size_t sizes[] = {6, 12};
    struct proxy_outcome outcome = {.verdict = PROXY_DONE};
    int which = n > 0 && data[0] == 'P' ? 0 : 1;

    for (size_t i = 0; i < n && i < sizes[which]; i++)
        if (data[i] != (uint8_t)begins[which][i]) {
            end_bad(&outcome, PROXY_NOT_PROXY);
            return outcome;
        }
    if (n < sizes[which]) {
        outcome.verdict = PROXY_MORE;
    } else if (versions != PROXY_ANY_VERSION && (versions == PROXY_V1_ALONE) != (which == 0)) {
        end_bad(&outcome, PROXY_BAD_VERSION);
    } else if (which == 0) {
        reference_line(data, n, &outcome);
    } else if (n == 12) {
        outcome.verdict = PROXY_MORE;
    } else {
        reference_binary(data, n, &outcome);
    }
    return outcome;
}
