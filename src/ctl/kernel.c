// SPDX-License-Identifier: MIT
// A connection that is established and that no process has waits in a queue: after a close() a
// socket that nobody has is in another state.

#include "ctl/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/base.h"

// Where somebody listens: the near end of his connections.
struct listener {
    enum { EVERYWHERE, EVERYWHERE_V4, EVERYWHERE_V6, ONE_ADDRESS } kind;
    struct diag_end end;
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct diag_end *end)
{
    return memcmp(end->ip, mapped, sizeof(mapped)) == 0;
}

static bool parse_ip(const char *host, uint8_t ret[16])
{
    if (inet_pton(AF_INET6, host, ret) == 1)
        return true;
    memcpy(ret, mapped, sizeof(mapped));
    return inet_pton(AF_INET, host, ret + sizeof(mapped)) == 1;
}

static bool parse_port(const char *text, uint16_t *ret)
{
    size_t n = strspn(text, "0123456789");
    unsigned long port = n > 0 && n < 6 && text[n] == '\0' ? strtoul(text, NULL, 10) : 0;

    *ret = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

// False: it is none of TCP.
static bool parse_listener(const char *text, struct listener *ret)
{
    static const uint8_t nowhere[16];
    struct address_spec spec;

    if (address_parse(text, &spec) || spec.kind == ADDRESS_UNIX || spec.type != SOCK_STREAM ||
        !parse_port(spec.port, &ret->end.port))
        return false;
    ret->kind = EVERYWHERE;
    if (spec.kind == ADDRESS_WILDCARD)
        return true;
    if (!parse_ip(spec.host, ret->end.ip))
        return false;
    ret->kind = ONE_ADDRESS;
    if (memcmp(ret->end.ip, nowhere, sizeof(nowhere)) == 0)
        ret->kind = EVERYWHERE_V6;
    else if (is_v4(&ret->end) && memcmp(ret->end.ip + 12, nowhere, 4) == 0)
        ret->kind = EVERYWHERE_V4;
    return true;
}

static bool is_at(const struct listener *listener, const struct diag_end *near)
{
    if (near->port != listener->end.port)
        return false;
    if (listener->kind == ONE_ADDRESS)
        return memcmp(near->ip, listener->end.ip, sizeof(near->ip)) == 0;
    return listener->kind == EVERYWHERE || is_v4(near) == (listener->kind == EVERYWHERE_V4);
}

// As address_format() writes it: "192.0.2.7:48764", "[2001:db8::7]:48764", "[fe80::1%2]:48764".
static bool parse_end(const char *text, struct diag_end *ret)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    size_t n;

    if (!colon || !parse_port(colon + 1, &ret->port))
        return false;
    n = (size_t)(colon - text);
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n >= sizeof(host))
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    host[strcspn(host, "%")] = '\0';
    return parse_ip(host, ret->ip);
}

static int compare_ends(const struct diag_end *a, const struct diag_end *b)
{
    int r = memcmp(a->ip, b->ip, sizeof(a->ip));

    return r != 0 ? r : (int)a->port - (int)b->port;
}

static int compare_sockets(const void *a, const void *b)
{
    const struct diag_socket *left = a, *right = b;

    return compare_ends(&left->remote, &right->remote);
}

void kernel_open(struct kernel *kernel, const struct diag_sockets *all)
{
    *kernel = (struct kernel){.all = *all};
    if (all->n > 0)
        qsort(all->sockets, all->n, sizeof(all->sockets[0]), compare_sockets);
}

void kernel_close(struct kernel *kernel)
{
    diag_done(&kernel->all);
    free(kernel->waiting);
    *kernel = (struct kernel){0};
}

const struct diag_socket *kernel_find(const struct kernel *kernel, const struct session_row *row)
{
    const struct diag_socket *sockets = kernel->all.sockets, *end = sockets + kernel->all.n;
    const struct diag_socket *found;
    struct diag_socket wanted = {0};
    struct listener listener;

    if (kernel->all.n == 0 || !parse_listener(row->listener, &listener) ||
        !parse_end(row->through[0] ? row->through : row->peer, &wanted.remote))
        return NULL;
    found = bsearch(&wanted, sockets, kernel->all.n, sizeof(wanted), compare_sockets);
    while (found && found > sockets && compare_sockets(found - 1, &wanted) == 0)
        found--;
    for (; found && found < end && compare_sockets(found, &wanted) == 0; found++)
        if (is_at(&listener, &found->local))
            return found;
    return NULL;
}

static bool waits(const struct diag_socket *socket)
{
    return socket->inode == 0 &&
           (socket->state == TCP_ESTABLISHED || socket->state == TCP_CLOSE_WAIT);
}

int kernel_add_waiting(struct kernel *kernel, const char *service, const char *text)
{
    struct listener listener;

    if (!parse_listener(text, &listener))
        return 0;
    for (size_t i = 0; i < kernel->all.n; i++) {
        const struct diag_socket *socket = &kernel->all.sockets[i];
        struct kernel_waiting *more;

        if (!waits(socket) || !is_at(&listener, &socket->local))
            continue;
        more = reallocarray(kernel->waiting, kernel->n_waiting + 1, sizeof(*more));
        if (!more)
            return -ENOMEM;
        kernel->waiting = more;
        more[kernel->n_waiting++] = (struct kernel_waiting){service, text, socket};
    }
    return 0;
}

static int compare_waiting(const void *a, const void *b)
{
    const struct kernel_waiting *left = a, *right = b;
    uint32_t x = left->socket->waiting_ms, y = right->socket->waiting_ms;

    return x != y ? (x < y) - (x > y) : compare_ends(&left->socket->remote, &right->socket->remote);
}

void kernel_sort_waiting(struct kernel *kernel)
{
    if (kernel->n_waiting > 0)
        qsort(kernel->waiting, kernel->n_waiting, sizeof(kernel->waiting[0]), compare_waiting);
}

const char *kernel_format_end(const struct diag_end *end, char *text, size_t size)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(end->port)};

    memcpy(&in6.sin6_addr, end->ip, sizeof(end->ip));
    return address_format((const struct sockaddr *)&in6, sizeof(in6), text, size);
}
