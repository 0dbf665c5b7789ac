// SPDX-License-Identifier: MIT
// Prefixes. What is written is taken whole or refused; inet_pton(3) refuses what may mean two
// things: numbers with leading zeros, short forms.

#include "access/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define MAPPED_BITS 96 // of ::ffff:0:0/96

static const struct {
    const char *word;
    const char *v4, *v6;
} words[] = {
    {"any", "0.0.0.0/0", "::/0"},
    {"localhost", "127.0.0.0/8", "::1"},
    {"link-local", "169.254.0.0/16", "fe80::/64"},
};

static unsigned full_length(const struct prefix *prefix)
{
    return prefix->is_v6 ? 128 : 32;
}

// Clears the bits behind the length. True: there were some.
static bool clear_host_bits(struct prefix *prefix)
{
    bool any = false;

    for (unsigned i = 0; i < sizeof(prefix->ip); i++) {
        unsigned bits = prefix->length > 8 * i ? prefix->length - 8 * i : 0;
        uint8_t mask = (uint8_t)(0xff00U >> (bits < 8 ? bits : 8));

        any = any || (prefix->ip[i] & (uint8_t)~mask) != 0;
        prefix->ip[i] &= mask;
    }
    return any;
}

// Makes a prefix of mapped addresses one of IPv4.
static void unmap(struct prefix *prefix)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!prefix->is_v6 || prefix->length < MAPPED_BITS ||
        memcmp(prefix->ip, mapped, sizeof(mapped)) != 0)
        return;
    memmove(prefix->ip, prefix->ip + 12, 4);
    memset(prefix->ip + 4, 0, 12);
    prefix->length = (uint8_t)(prefix->length - MAPPED_BITS);
    prefix->is_v6 = false;
}

static bool has_leading_zero(const char *text)
{
    if (strchr(text, ':'))
        return false;
    for (const char *number = text; number; number = strchr(number, '.')) {
        number += *number == '.';
        if (number[0] == '0' && number[1] >= '0' && number[1] <= '9')
            return true;
    }
    return false;
}

// What is wrong with an address that inet_pton() does not take.
static const char *what_is_wrong(const char *text)
{
    if (*text == '\0')
        return "is empty; write an address, a prefix as 10.0.0.0/8, any, localhost, link-local or "
               "file:/PATH";
    if (strchr(text, '%'))
        return "names an interface, which rules do not look at; write fe80::/64, say";
    if (strpbrk(text, "[]"))
        return "is in brackets, which are for addresses with a port; write ::1, say";
    if (strspn(text, "0123456789.") == strlen(text) && has_leading_zero(text))
        return "has a number with a leading zero, which might be octal; leave the zero out";
    if (strspn(text, "0123456789.") == strlen(text))
        return "is not a whole IPv4 address; write all four numbers, as in 10.0.0.0/24";
    return "is not a prefix; write 10.0.0.0/8, 2001:db8::/32, an address, any, localhost, "
           "link-local or file:/PATH; names are not looked up";
}

static int refuse(char *wrong, const char *what)
{
    (void)snprintf(wrong, PREFIX_WRONG_MAX, "%s", what);
    return -EINVAL;
}

// The number behind the slash. False: it is none, or beyond what the family has.
static bool parse_length(const char *text, struct prefix *prefix)
{
    unsigned long length = strtoul(text, NULL, 10);

    if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || strlen(text) > 3 ||
        (text[0] == '0' && text[1] != '\0') || length > full_length(prefix))
        return false;
    prefix->length = (uint8_t)length;
    return true;
}

// An address, with a length or without.
static int parse_one(const char *text, struct prefix *ret, char *wrong)
{
    const char *slash = strchr(text, '/');
    char address[INET6_ADDRSTRLEN + 1], right[PREFIX_TEXT_MAX], alone[PREFIX_TEXT_MAX];
    struct prefix prefix = {0}, whole;

    if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(address))
        return refuse(wrong, what_is_wrong("?"));
    (void)snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, "/"), text);
    prefix.is_v6 = strchr(address, ':') != NULL;
    if (inet_pton(prefix.is_v6 ? AF_INET6 : AF_INET, address, prefix.ip) != 1)
        return refuse(wrong, what_is_wrong(address));
    prefix.length = (uint8_t)full_length(&prefix);
    whole = prefix;
    if (slash && !parse_length(slash + 1, &prefix))
        return refuse(wrong, prefix.is_v6 ? "has no length that IPv6 has; a number from 0 to 128"
                                          : "has no length that IPv4 has; a number from 0 to 32");
    if (clear_host_bits(&prefix)) {
        unmap(&prefix);
        unmap(&whole);
        (void)snprintf(wrong, PREFIX_WRONG_MAX,
                       "has bits set behind its length; write %s, or %s for that address alone",
                       prefix_format(&prefix, right, sizeof(right)),
                       prefix_format(&whole, alone, sizeof(alone)));
        return -EINVAL;
    }
    unmap(&prefix);
    *ret = prefix;
    return 1;
}

int prefix_parse(const char *text, struct prefix ret[PREFIX_WORD_MAX], char wrong[PREFIX_WRONG_MAX])
{
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        size_t n = strlen(words[i].word);

        if (strncmp(text, words[i].word, n) != 0 || (text[n] != '\0' && text[n] != '/'))
            continue;
        if (text[n] == '/')
            return refuse(wrong, "is a word, which has no length");
        (void)parse_one(words[i].v4, &ret[0], wrong);
        (void)parse_one(words[i].v6, &ret[1], wrong);
        return 2;
    }
    return parse_one(text, &ret[0], wrong);
}

const char *prefix_format(const struct prefix *prefix, char *text, size_t size)
{
    char address[INET6_ADDRSTRLEN];

    (void)inet_ntop(prefix->is_v6 ? AF_INET6 : AF_INET, prefix->ip, address, sizeof(address));
    if (prefix->length == full_length(prefix))
        (void)snprintf(text, size, "%s", address);
    else
        (void)snprintf(text, size, "%s/%u", address, prefix->length);
    return text;
}

bool prefix_of_address(const struct sockaddr *address, struct prefix *ret)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

    *ret = (struct prefix){.is_v6 = address->sa_family == AF_INET6};
    if (address->sa_family == AF_INET)
        memcpy(ret->ip, &in->sin_addr, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(ret->ip, &in6->sin6_addr, 16);
    else
        return false;
    ret->length = (uint8_t)full_length(ret);
    unmap(ret);
    return true;
}

bool prefix_is_same(const struct prefix *a, const struct prefix *b)
{
    return a->is_v6 == b->is_v6 && a->length == b->length &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

int prefix_common(const struct prefix *a, const struct prefix *b)
{
    unsigned most = a->length < b->length ? a->length : b->length, n = 0;

    if (a->is_v6 != b->is_v6)
        return -1;
    while (n + 8 <= most && a->ip[n / 8] == b->ip[n / 8])
        n += 8;
    while (n < most && ((a->ip[n / 8] ^ b->ip[n / 8]) & 0x80 >> n % 8) == 0)
        n++;
    return (int)n;
}

bool prefix_contains(const struct prefix *prefix, const struct prefix *other)
{
    return prefix->length <= other->length && prefix_common(prefix, other) == prefix->length;
}
