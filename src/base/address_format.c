// SPDX-License-Identifier: MIT
// Socket addresses as text. Of IPv4 by hand, as each session shows its client: inet_ntop(3) and
// snprintf(3) took ten times as long, 0.4 us of a short connection.

#include <arpa/inet.h>
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/base.h"
#include "base/escape.h"

// All bytes of an abstract name count, unix(7), and a path may begin with '@': no two have the same
// text.
static void format_unix(const struct sockaddr_un *un, socklen_t length, char *text, size_t size)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t n = length > head ? (size_t)length - head : 0, used;
    const char *name = un->sun_path, *mark = "";

    if (n > sizeof(un->sun_path))
        n = sizeof(un->sun_path);
    if (n > 0 && name[0] == '\0')
        mark = "@";
    else
        n = strnlen(name, n);
    if (n > 0 && name[0] == '@')
        mark = "\\x40";
    used = (size_t)snprintf(text, size, "unix:%s", mark);
    if (mark[0] != '\0') {
        name++;
        n--;
    }
    if (used < size)
        (void)escape_bytes(name, n, text + used, size - used);
}

// Returns the end of the text.
static char *put_number(char *to, unsigned number)
{
    char digits[10];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

// host: 4 bytes; port: in host byte order.
static void format_inet(const uint8_t *host, unsigned port, char *text, size_t size)
{
    char whole[sizeof("255.255.255.255:65535")], *to = whole;
    size_t n;

    for (int i = 0; i < 4; i++) {
        to = put_number(to, host[i]);
        *to++ = i < 3 ? '.' : ':';
    }
    to = put_number(to, port);
    n = (size_t)(to - whole) < size ? (size_t)(to - whole) : size - 1;
    memcpy(text, whole, n);
    text[n] = '\0';
}

static void format_inet6(const struct sockaddr_in6 *in6, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN], scope[16] = "";

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        format_inet(&in6->sin6_addr.s6_addr[12], ntohs(in6->sin6_port), text, size);
        return;
    }
    (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    if (in6->sin6_scope_id != 0)
        (void)snprintf(scope, sizeof(scope), "%%%u", in6->sin6_scope_id);
    (void)snprintf(text, size, "[%s%s]:%u", host, scope, ntohs(in6->sin6_port));
}

const char *address_format(const struct sockaddr *address, socklen_t length, char *text,
                           size_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

    assert(size > sizeof("unix:"));
    if (length >= sizeof(sa_family_t) && address->sa_family == AF_UNIX)
        format_unix((const struct sockaddr_un *)(const void *)address, length, text, size);
    else if (length >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6)
        format_inet6((const struct sockaddr_in6 *)(const void *)address, text, size);
    else if (length >= sizeof(*in) && address->sa_family == AF_INET)
        format_inet((const uint8_t *)&in->sin_addr, ntohs(in->sin_port), text, size);
    else
        (void)snprintf(text, size, "unknown");
    return text;
}
