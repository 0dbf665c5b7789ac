// SPDX-License-Identifier: MIT
// xinetd: an address whose last numbers are 0 is a network, ADDRESS/BITS, and 10.0.{1,2}, whose
// last number is as wide as it stands. tcprules: an address, or the beginning of one that ends in a
// dot, the last number of which may be a range.

#include "import/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define LINE_END 90 // column at which a list goes on in the next line

static const char is_name[] = "names are not looked up; write the address";
static const char is_wrong[] = "it is no address";

static void clear_rest(struct network *network)
{
    for (unsigned bit = network->bits; bit < 128; bit++)
        network->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

// ::ffff:10.0.0.0/104 is 10.0.0.0/8.
static void unmap(struct network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!network->is_ipv6 || network->bits < 96 || memcmp(network->bytes, mapped, 12) != 0)
        return;
    memcpy(network->bytes, network->bytes + 12, 4);
    memset(network->bytes + 4, 0, 12);
    network->bits = (uint8_t)(network->bits - 96);
    network->is_ipv6 = false;
}

int network_compare(const void *a, const void *b)
{
    const struct network *one = a, *other = b;
    int order = memcmp(one->bytes, other->bytes, sizeof(one->bytes));

    if (one->is_ipv6 != other->is_ipv6)
        return one->is_ipv6 - other->is_ipv6;
    return order != 0 ? order : one->bits - other->bits;
}

void networks_add(struct networks *networks, const struct network *network)
{
    struct network copy = *network;

    clear_rest(&copy);
    unmap(&copy);
    networks->items = base_checked(
        reallocarray(networks->items, networks->n + 1, sizeof(networks->items[0])));
    networks->items[networks->n++] = copy;
}

void networks_sort(struct networks *networks)
{
    size_t n = 0;

    if (networks->n > 0)
        qsort(networks->items, networks->n, sizeof(networks->items[0]), network_compare);
    for (size_t i = 0; i < networks->n; i++)
        if (n == 0 || network_compare(&networks->items[n - 1], &networks->items[i]) != 0)
            networks->items[n++] = networks->items[i];
    networks->n = n;
}

void networks_add_all(struct networks *networks)
{
    networks_add(networks, &(struct network){0});
    networks_add(networks, &(struct network){.is_ipv6 = true});
}

const struct network *networks_around(const struct networks *networks,
                                      const struct network *network)
{
    for (size_t i = 0; i < networks->n; i++) {
        const struct network *outer = &networks->items[i];
        struct network cut = *network;

        if (outer->is_ipv6 != network->is_ipv6 || outer->bits > network->bits)
            continue;
        cut.bits = outer->bits;
        clear_rest(&cut);
        if (network_compare(&cut, outer) == 0)
            return outer;
    }
    return NULL;
}

void networks_remove(struct networks *networks, size_t i)
{
    memmove(&networks->items[i], &networks->items[i + 1],
            (--networks->n - i) * sizeof(networks->items[0]));
}

static bool parse_address(const char *text, struct network *ret)
{
    *ret = (struct network){.is_ipv6 = strchr(text, ':') != NULL};
    ret->bits = ret->is_ipv6 ? 128 : 32;
    return inet_pton(ret->is_ipv6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1;
}

// A number from the text, at most max; -1: there is none.
static int take_number(const char **text, const char *end, int max)
{
    int number = 0, digits = 0;

    while (*text < end && **text >= '0' && **text <= '9' && digits < 4) {
        number = 10 * number + *(*text)++ - '0';
        digits++;
    }
    return digits > 0 && number <= max ? number : -1;
}

static const char *add_masked(struct networks *networks, const char *text, const char *slash)
{
    cleanup_free char *address = text_make("%.*s", (int)(slash - text), text);
    const char *at = slash + 1, *end = at + strlen(at);
    struct network network;
    int bits = take_number(&at, end, 128);

    if (!parse_address(address, &network) || bits < 0 || bits > network.bits || at != end)
        return is_wrong;
    network.bits = (uint8_t)bits;
    networks_add(networks, &network);
    return NULL;
}

// "10.0.{1,2}": what is behind the list is everything.
static const char *add_factorized(struct networks *networks, const char *text)
{
    const char *end = text + strlen(text);
    struct network network = {0};
    struct networks found = {0};
    unsigned n = 0;
    int number = 0;

    while (*text != '{' && n < 4 && (number = take_number(&text, end, 255)) >= 0 && *text == '.') {
        network.bytes[n++] = (uint8_t)number;
        text++;
    }
    network.bits = (uint8_t)(8 * (n + 1));
    number = *text == '{' && n < 4 ? 0 : -1;
    while (number >= 0 && *text != '}') {
        text++;
        number = take_number(&text, end, 255);
        network.bytes[n] = (uint8_t)number;
        networks_add(&found, &network);
        if (*text != ',' && *text != '}')
            number = -1;
    }
    for (size_t i = 0; number >= 0 && text[1] == '\0' && i < found.n; i++)
        networks_add(networks, &found.items[i]);
    networks_done(&found);
    return number >= 0 && text[1] == '\0' ? NULL : is_wrong;
}

const char *networks_add_xinetd(struct networks *networks, const char *text)
{
    const char *slash = strchr(text, '/');
    struct network network;

    if (strchr(text, '{'))
        return add_factorized(networks, text);
    if (slash)
        return add_masked(networks, text, slash);
    if (!parse_address(text, &network))
        return strspn(text, "0123456789.") == strlen(text) || strchr(text, ':') ? is_wrong
                                                                                : is_name;
    for (unsigned n = 4; !network.is_ipv6 && n > 0 && network.bytes[n - 1] == 0; n--)
        network.bits = (uint8_t)(8 * (n - 1));
    networks_add(networks, &network);
    return NULL;
}

const char *networks_add_tcprules(struct networks *networks, const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    struct network network = {0};
    unsigned n = 0;

    if (memchr(text, '=', length))
        return is_name;
    if (memchr(text, '@', length))
        return "nobody asks who the user is; write the address alone";
    while (at < end && n < 4) {
        int from = take_number(&at, end, 255), to = from;

        if (from >= 0 && at < end && *at == '-') {
            at++;
            to = take_number(&at, end, 255);
        }
        if (from < 0 || to < from || (at < end ? *at != '.' || n == 3 : n != 3))
            return is_wrong;
        at += at < end;
        network.bytes[n++] = (uint8_t)from;
        network.bits = (uint8_t)(8 * n);
        if (to > from && at < end)
            return "a range is the last number; write a line for each";
        for (int last = from; at == end && last <= to; last++) {
            network.bytes[n - 1] = (uint8_t)last;
            networks_add(networks, &network);
        }
    }
    if (at < end)
        return is_wrong;
    if (length == 0)
        networks_add_all(networks);
    return NULL;
}

const char *network_format(const struct network *network, char *text, size_t size)
{
    char address[INET6_ADDRSTRLEN];

    (void)inet_ntop(network->is_ipv6 ? AF_INET6 : AF_INET, network->bytes, address,
                    sizeof(address));
    if (network->bits == (network->is_ipv6 ? 128 : 32))
        (void)snprintf(text, size, "%s", address);
    else
        (void)snprintf(text, size, "%s/%u", address, network->bits);
    return text;
}

void networks_write(const struct networks *networks, struct text *text)
{
    size_t begin = text->n;

    text_add(text, "{");
    for (size_t i = 0; i < networks->n; i++) {
        char shown[NETWORK_TEXT_MAX];

        if (text->n - begin > LINE_END - 20) {
            text_add(text, ",\n        ");
            begin = text->n - 8;
        } else if (i > 0)
            text_add(text, ", ");
        text_add(text, "\"%s\"", network_format(&networks->items[i], shown, sizeof(shown)));
    }
    text_add(text, "}");
}

void networks_done(struct networks *networks)
{
    free(networks->items);
    *networks = (struct networks){0};
}
