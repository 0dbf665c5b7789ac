// SPDX-License-Identifier: MIT
// Headers of the PROXY protocol and what becomes of them: one table for the tests of the parser, of
// its reader and of the daemon, whose test in Python reads it from here. An input is words: 'text',
// bytes in hexadecimal, such a byte or letter "*N" times, cr, lf, crlf; S is the signature of
// version 2, A4 and A6 are two addresses and two ports.
#pragma once

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/proxy_header.h"

#define VECTOR_MAX 8192
#define P4         "'PROXY TCP4 192.0.2.1 198.51.100.2 40000 443"
#define C4         "192.0.2.1:40000 198.51.100.2:443"
#define NESTED     "S 2111 0fac A4" // and 500 fields of TLS, each in the one before

// "v1 CLIENT DESTINATION FACT=...", "local", "unknown", or "bad REASON"; length: of the header, or
// how many bytes decide that it is bad.
struct proxy_vector {
    const char *name, *input, *want;
    size_t length;
};

static const struct proxy_vector proxy_vectors[] = {
    {"V1", P4 "' crlf", "v1 " C4, 45},
    {"V2", "'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535' crlf",
     "v1 255.255.255.255:65535 255.255.255.255:65535", 56},
    {"V2 IPv6",
     "'PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535' crlf",
     "v1 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     104},
    {"V3", "'PROXY TCP4 0.0.0.0 0.0.0.0 0 0' crlf", "v1 0.0.0.0:0 0.0.0.0:0", 32},
    {"V4", "'PROXY UNKNOWN' crlf", "unknown", 15},
    {"V5", "'PROXY UNKNOWN ' 'x'*91 crlf", "unknown", 107},
    {"V5 longer", "'PROXY UNKNOWN ' 'x'*92 crlf", "bad line", 107},
    {"V6", "'PROXY UNKNOWN a' cr 'b' crlf", "unknown", 19},
    {"V6 two CR", "'PROXY UNKNOWN a' cr crlf", "unknown", 18},
    {"V7", "'PROXY UNKNOWNX' crlf", "bad syntax", 16},
    {"V7 CR", "'PROXY UNKNOWN' cr ' a' crlf", "bad syntax", 15},
    {"V8", "'PROXY UNKNOWN ' 'x'*93 'more follows'", "bad line", 107},
    {"V9", "'PROXY TCP6 ::1 2001:db8::2 1 2' crlf", "v1 [::1]:1 [2001:db8::2]:2", 32},
    {"V10", "'PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 40000 443' crlf", "v1 " C4, 59},
    {"V11", "'PROXY TCP4 2001:db8::1 2001:db8::2 1 2' crlf", "bad address", 40},
    {"V11 IPv6", "'PROXY TCP6 1.2.3.4 4.3.2.1 123 321' crlf", "bad address", 36},
    {"V12 interface", "'PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2' crlf", "bad address", 41},
    {"V12 three", "'PROXY TCP4 1.2.3 4.3.2.1 1 2' crlf", "bad address", 30},
    {"V12 256", "'PROXY TCP4 1.2.3.256 4.3.2.1 1 2' crlf", "bad address", 34},
    {"V12 hex", "'PROXY TCP4 0x1.2.3.4 4.3.2.1 1 2' crlf", "bad address", 34},
    {"V12 five", "'PROXY TCP4 1.2.3.4.5 4.3.2.1 1 2' crlf", "bad address", 34},
    {"V13", "'PROXY TCP4 01.02.03.04 4.3.2.1 1 2' crlf", "bad address", 36},
    {"V14 65536", "'PROXY TCP4 1.2.3.4 4.3.2.1 65536 2' crlf", "bad port", 36},
    {"V14 123456", "'PROXY TCP4 1.2.3.4 4.3.2.1 123456 2' crlf", "bad port", 37},
    {"V14 0123", "'PROXY TCP4 1.2.3.4 4.3.2.1 0123 2' crlf", "bad port", 35},
    {"V14 00", "'PROXY TCP4 1.2.3.4 4.3.2.1 1 00' crlf", "bad port", 33},
    {"V14 plus", "'PROXY TCP4 1.2.3.4 4.3.2.1 +80 2' crlf", "bad port", 34},
    {"V14 minus", "'PROXY TCP4 1.2.3.4 4.3.2.1 1 -1' crlf", "bad port", 33},
    {"V14 hex", "'PROXY TCP4 1.2.3.4 4.3.2.1 0x50 2' crlf", "bad port", 35},
    {"V14 empty", "'PROXY TCP4 1.2.3.4 4.3.2.1  2' crlf", "bad port", 31},
    {"V14 0", "'PROXY TCP4 1.2.3.4 4.3.2.1 0 2' crlf", "v1 1.2.3.4:0 4.3.2.1:2", 32},
    {"V14 65535", "'PROXY TCP4 1.2.3.4 4.3.2.1 65535 2' crlf", "v1 1.2.3.4:65535 4.3.2.1:2", 36},
    {"V15", "'proxy TCP4 1.2.3.4 4.3.2.1 1 2' crlf", "bad not-proxy", 1},
    {"V15 tcp4", "'PROXY tcp4 1.2.3.4 4.3.2.1 1 2' crlf", "bad syntax", 32},
    {"V16 spaces", "'PROXY TCP4  1.2.3.4 4.3.2.1 1 2' crlf", "bad syntax", 33},
    {"V16 tab", "'PROXY TCP4' 09 '1.2.3.4 4.3.2.1 1 2' crlf", "bad syntax", 32},
    {"V16 space behind", "'PROXY TCP4 1.2.3.4 4.3.2.1 1 2 ' crlf", "bad syntax", 33},
    {"V16 seventh", "'PROXY TCP4 1.2.3.4 4.3.2.1 1 2 3' crlf", "bad syntax", 34},
    {"V17 two", "'PROXY TCP4' crlf", "bad syntax", 12},
    {"V17 three", "'PROXY TCP4 1.2.3.4' crlf", "bad syntax", 20},
    {"V17 four", "'PROXY TCP4 1.2.3.4 4.3.2.1' crlf", "bad syntax", 28},
    {"V17 five", "'PROXY TCP4 1.2.3.4 4.3.2.1 1' crlf", "bad syntax", 30},
    {"V18 LF", P4 "' lf", "bad syntax", 44},
    {"V18 CR", P4 "' cr 'payload'", "bad syntax", 45},
    {"V18 CR CR LF", P4 "' cr crlf", "bad syntax", 45},
    {"V19", "'PROXY TCP4 1.2.3.4' 00 ' 4.3.2.1 1 2' crlf", "bad syntax", 19},
    {"V20", "'PROXY UDP4 1.2.3.4 4.3.2.1 1 2' crlf", "bad syntax", 32},
    {"V20 BLAH", "'PROXY BLAH' crlf", "bad syntax", 12},
    {"V21 HTTP", "'GET / HTTP/1.1' crlf", "bad not-proxy", 1},
    {"V21 TLS", "16 03 01", "bad not-proxy", 1},
    {"V21 SSH", "'SSH-2.0-x' crlf", "bad not-proxy", 1},
    {"V21 PROXX", "'PROXX TCP4'", "bad not-proxy", 5},
    {"V25", P4 "' crlf 'payload!'", "v1 " C4, 45},
    {"V26", P4 "' crlf 'PROXY TCP4 9.9.9.9 198.51.100.2 40000 443' crlf", "v1 " C4, 45},
    {"V28", "S 2111 000c A4", "v2 " C4, 28},
    {"V29", "S 2121 0024 A6", "v2 [2001:db8::1]:40000 [2001:db8::2]:443", 52},
    {"V30", "S 2121 0024 00*10 ff*2 c0000201 00*10 ff*2 c6336402 9c4001bb", "v2 " C4, 52},
    {"V31", "S 2000 0000", "local", 16},
    {"V32", "S 2011 000c 00*12", "local", 28},
    {"V33", "S 20ff 0003 aabbcc", "local", 19},
    {"V33 short", "S 2011 0005 0102030405", "local", 21},
    {"V34", "S 2100 0000", "unknown", 16},
    {"V34 more", "S 2100 0010 ff*16", "unknown", 32},
    {"V35", "S 2110 000c A4", "unknown", 28},
    {"V35 stream", "S 2101 000c A4", "unknown", 28},
    {"V36", "S 2112 000c A4", "unknown", 28},
    {"V36 IPv6", "S 2122 0024 A6", "unknown", 52},
    {"V37", "S 2112 0000", "bad length", 16},
    {"V38", "S 2131 00d8 'x'*216", "unknown", 232},
    {"V38 short", "S 2131 0010 'x'*16", "bad length", 16},
    {"V39", "S 2111 000b 00*11", "bad length", 16},
    {"V39 IPv6", "S 2121 000c A4", "bad length", 16},
    {"V40 4", "S 2141 000c A4", "bad family", 14},
    {"V40 f", "S 21f1 000c A4", "bad family", 14},
    {"V40 transport", "S 2113 000c A4", "bad family", 14},
    {"V41 1", "S 1111 000c A4", "bad version", 13},
    {"V41 3", "S 3111 000c A4", "bad version", 13},
    {"V41 command 2", "S 2211 000c A4", "bad command", 13},
    {"V41 command f", "S 2f11 000c A4", "bad command", 13},
    {"V42", "0d0a0d0a000d0a515549540b 2111 000c A4", "bad not-proxy", 12},
    {"V42 NUL", "0d0a0d0a00 'GET'", "bad not-proxy", 6},
    {"V43", "S 2111 ffff A4 ff*4096", "bad length", 16},
    {"V44", "S 2111 0ff0 A4 040fe1 00*4065", "v2 " C4, 4096},
    {"V44 longer", "S 2111 0ff1 A4 040fe2 00*4066", "bad length", 16},
    {"V45", "S 2111 0014 A4 020005 '12345'", "v2 " C4 " authority=12345", 36},
    {"V46", "S 2111 0014 A4 020005 '12345' 020005 '54321'", "v2 " C4 " authority=12345", 36},
    {"V47", "S 2111 0014 A4 02000a '1234512345'", "bad tlv", 36},
    {"V48", "S 2111 0014 A4 020004 '1234' 00", "bad tlv", 36},
    {"V48 two bytes", "S 2111 000e A4 0102", "bad tlv", 30},
    {"V48 head", "S 2111 000e A4 0400", "bad tlv", 30},
    {"V49", "S 2111 0018 A4 040000 000000 7f0000 ff0000", "v2 " C4, 40},
    {"V50", "S 2111 0013 A4 030004 4d20d609", "v2 " C4, 35},
    {"V52", "S 2111 0017 A4 030004 28f551fc 040001 ff", "v2 " C4, 39},
    {"V53 three", "S 2111 0012 A4 030003 000000", "bad tlv", 34},
    {"V53 five", "S 2111 0014 A4 030005 0000000000", "bad tlv", 36},
    {"V53 two", "S 2111 001a A4 030004 4d20d609 030004 4d20d609", "bad tlv", 42},
    {"V54", "S 2111 0054 A4 030004 0a331d4d 04003e 00*62", "v2 " C4, 100},
    {"V55", "S 2111 002d A4 030004 07729b86 ea0017 01 'vpce-0123456789abcdef0'", "v2 " C4, 61},
    {"V56",
     "S 2111 0045 A4 200036 07 00000000 210007 'TLSv1.3' 22000b 'example.com' "
     "230016 'TLS_AES_256_GCM_SHA384'",
     "v2 " C4 " tls_version=TLSv1.3 tls_cipher=TLS_AES_256_GCM_SHA384 tls_name=example.com", 85},
    {"V56 not verified", "S 2111 0022 A4 200013 07 00000001 22000b 'example.com'", "v2 " C4, 50},
    {"V56 no certificate", "S 2111 0022 A4 200013 01 00000000 22000b 'example.com'", "v2 " C4, 50},
    {"V56 no TLS", "S 2111 001e A4 20000f 00 00000000 210007 'TLSv1.3'", "v2 " C4, 46},
    {"V57", "S 2111 0013 A4 200004 07000000", "bad tlv", 35},
    {"V57 past the end", "S 2111 0018 A4 200009 07 00000000 210005 41", "bad tlv", 40},
    {"V58", NESTED, "v2 " C4, 4028},
    {"V59 NUL", "S 2111 0012 A4 020003 610062", "v2 " C4, 34},
    {"V59 newline", "S 2111 0012 A4 020003 610a62", "v2 " C4, 34},
    {"V59 ESC", "S 2111 0012 A4 020003 611b62", "v2 " C4, 34},
    {"V59 ff", "S 2111 0012 A4 020003 61ff62", "v2 " C4, 34},
    {"V59 256", "S 2111 010f A4 020100 'a'*256", "v2 " C4, 287},
    {"V60", "S 2111 008f A4 050080 'u'*128", "v2 " C4 " unique_id=128", 159},
    {"V60 129", "S 2111 0090 A4 050081 'u'*129", "bad tlv", 160},
};

static const char *const proxy_reason_tests[PROXY_REASONS] = {
    [PROXY_NOT_PROXY] = "not-proxy", [PROXY_BAD_VERSION] = "version", [PROXY_BAD_LINE] = "line",
    [PROXY_BAD_SYNTAX] = "syntax",   [PROXY_BAD_ADDRESS] = "address", [PROXY_BAD_PORT] = "port",
    [PROXY_BAD_COMMAND] = "command", [PROXY_BAD_FAMILY] = "family",   [PROXY_BAD_LENGTH] = "length",
    [PROXY_BAD_TLV] = "tlv",         [PROXY_BAD_CRC] = "crc",
};

static inline size_t vector_add_hex(const char *hex, uint8_t *data)
{
    size_t n = 0;

    for (; isxdigit((unsigned char)hex[0]); hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'};

        data[n++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

// One word; returns what comes behind it.
static inline const char *vector_add_word(const char *word, uint8_t *data, size_t *n)
{
    static const struct {
        const char *name, *hex;
    } names[] = {
        {"crlf", "0d0a"},
        {"cr", "0d"},
        {"lf", "0a"},
        {"S", "0d0a0d0a000d0a515549540a"},
        {"A4", "c0000201c63364029c4001bb"},
        {"A6", "20010db800000000000000000000000120010db80000000000000000000000029c4001bb"},
    };
    size_t length = strcspn(word, " "), i = 0, begin = *n;
    const char *end;

    if (word[0] == '\'') {
        length = strcspn(word + 1, "'");
        memcpy(data + *n, word + 1, length);
        *n += length;
        word += length + 2;
    } else {
        while (i < sizeof(names) / sizeof(names[0]) &&
               (strlen(names[i].name) != length || memcmp(names[i].name, word, length) != 0))
            i++;
        *n += vector_add_hex(i < sizeof(names) / sizeof(names[0]) ? names[i].hex : word, data + *n);
        word += strcspn(word, " *");
    }
    end = word + strcspn(word, " ");
    for (unsigned long k = word[0] == '*' ? strtoul(word + 1, NULL, 10) : 1; k > 1; k--) {
        data[*n] = data[begin];
        *n += 1;
    }
    return end;
}

// The bytes of an input, at most VECTOR_MAX; returns how many.
static inline size_t vector_bytes(const char *input, uint8_t *data)
{
    bool is_nested = strcmp(input, NESTED) == 0;
    size_t n = 0;

    while (*input) {
        input = vector_add_word(input, data, &n);
        while (*input == ' ')
            input++;
    }
    for (size_t left = is_nested ? 500 : 0; left > 0; left--, n += 8) {
        memset(data + n, 0, 8);
        data[n] = 0x20;
        data[n + 1] = (uint8_t)((left * 8 - 3) >> 8);
        data[n + 2] = (uint8_t)(left * 8 - 3);
    }
    return n;
}

static inline void vector_say_fact(const char *name, struct proxy_bytes fact, char *text,
                                   size_t size)
{
    size_t used = strlen(text);

    if (fact.data && strcmp(name, "unique_id") == 0)
        (void)snprintf(text + used, size - used, " %s=%zu", name, fact.length);
    else if (fact.data)
        (void)snprintf(text + used, size - used, " %s=%.*s", name, (int)fact.length,
                       (const char *)fact.data);
}

// What has been read, as the table has it.
static inline const char *vector_say(enum proxy_verdict verdict, const struct proxy_header *header,
                                     char *text, size_t size)
{
    char client[ADDRESS_TEXT_MAX], destination[ADDRESS_TEXT_MAX];

    if (verdict != PROXY_DONE) {
        (void)snprintf(text, size, "%s%s", verdict == PROXY_MORE ? "more" : "bad ",
                       verdict == PROXY_MORE ? "" : proxy_reason_tests[header->reason]);
        return text;
    }
    (void)snprintf(text, size, "%s", proxy_kind_names[header->kind]);
    if (header->kind != PROXY_V1 && header->kind != PROXY_V2)
        return text;
    (void)snprintf(
        text, size, "%s %s %s", proxy_kind_names[header->kind],
        address_format(&header->client.any, header->client.length, client, sizeof(client)),
        address_format(&header->destination.any, header->destination.length, destination,
                       sizeof(destination)));
    vector_say_fact("authority", header->authority, text, size);
    vector_say_fact("unique_id", header->unique_id, text, size);
    vector_say_fact("tls_version", header->tls_version, text, size);
    vector_say_fact("tls_cipher", header->tls_cipher, text, size);
    vector_say_fact("tls_name", header->tls_name, text, size);
    return text;
}
