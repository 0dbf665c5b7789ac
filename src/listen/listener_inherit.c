// SPDX-License-Identifier: MIT
// Sockets handed over. They live in the environment of the start only, so does this state.

#include "listen/listener_inherit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/base.h"
#include "log/log.h"
#include "log/notify.h"

static int control = -1;

// Those that are taken have fd -1.
static struct {
    struct {
        int fd;
        char *name;
        struct address address;
    } * sockets;
    int n;
    bool any;
} inherited;

static bool is_stored(const char *name)
{
    return strncmp(name, INHERITED_STORED, strlen(INHERITED_STORED)) == 0 && strchr(name, ';');
}

static bool is_of_unit(int i)
{
    const char *name = inherited.sockets[i].name;

    return inherited.sockets[i].fd >= 0 && !is_stored(name);
}

static void drop(int i, const char *why)
{
    const char *name = inherited.sockets[i].name;
    char text[ADDRESS_TEXT_MAX];

    (void)address_format(&inherited.sockets[i].address.any, inherited.sockets[i].address.length,
                         text, sizeof(text));
    log_warning("the socket handed over as \"%s\" (%s) is closed: %s", name, text, why);
    base_close_fd(&inherited.sockets[i].fd);
    inherited.sockets[i].fd = -1;
    if (is_stored(name))
        notify_unstore(name);
}

struct address inherited_address(int fd)
{
    struct address address = {.length = sizeof(address.storage)};
    int v6only = 1;
    socklen_t length = sizeof(v6only);

    if (getsockname(fd, &address.any, &address.length) < 0)
        return (struct address){0};
    if (address.any.sa_family == AF_INET6 && address_is_wildcard(&address.any)) {
        (void)getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &length); // 1: as if it had it
        address.dual_stack = !v6only;
    }
    return address;
}

static void take_control(int i)
{
    if (inherited.sockets[i].address.any.sa_family != AF_UNIX)
        drop(i, "it is not a unix socket");
    else if (control >= 0)
        drop(i, "there is one already");
    else
        control = base_take_fd(&inherited.sockets[i].fd);
}

void inherited_open(void)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names);

    if (n < 0)
        log_error("cannot take the sockets that were handed over: %s", strerror(-n));
    if (n <= 0)
        return;
    inherited.sockets = calloc((size_t)n, sizeof(inherited.sockets[0]));
    if (!inherited.sockets)
        base_out_of_memory();
    inherited.n = n;
    inherited.any = true;
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        inherited.sockets[i].fd = fd;
        inherited.sockets[i].name = names[i];
        inherited.sockets[i].address = inherited_address(fd);
        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            drop(i, "it is not a listening stream socket");
        else if (strcmp(names[i], INHERITED_CONTROL) == 0)
            take_control(i);
    }
    free(names); // the strings stay
}

// A name that nobody gave: systemd's words for none, or the unit's.
static bool is_unnamed(const char *name)
{
    size_t length = strlen(name);

    return strcmp(name, "unknown") == 0 ||
           (length > 7 && strcmp(name + length - 7, ".socket") == 0);
}

static int n_of_units(void)
{
    int n = 0;

    for (int i = 0; i < inherited.n; i++)
        n += is_of_unit(i);
    return n;
}

int inherited_take_named(const char *service, bool alone)
{
    alone = alone && n_of_units() == 1;
    for (int i = 0; i < inherited.n; i++)
        if (is_of_unit(i) && (strcmp(inherited.sockets[i].name, service) == 0 ||
                              (alone && is_unnamed(inherited.sockets[i].name))))
            return base_take_fd(&inherited.sockets[i].fd);
    return -1;
}

static int find_address(const struct address *address)
{
    int i = 0;

    while (i < inherited.n &&
           !(is_of_unit(i) && address_is_same(&inherited.sockets[i].address, address)))
        i++;
    return i;
}

int inherited_take_address(const struct address *address)
{
    int i = find_address(address);

    return i < inherited.n ? base_take_fd(&inherited.sockets[i].fd) : -1;
}

bool inherited_has_address(const struct address *address)
{
    return find_address(address) < inherited.n;
}

// The name tells what was asked for (port 0, say), which the address does not.
int inherited_take_stored(const struct address *address)
{
    char name[INHERITED_MAX];

    inherited_store_name(address, name);
    for (int i = 0; i < inherited.n; i++)
        if (inherited.sockets[i].fd >= 0 && strcmp(inherited.sockets[i].name, name) == 0)
            return base_take_fd(&inherited.sockets[i].fd);
    return -1;
}

bool inherited_any(void)
{
    return inherited.any;
}

int inherited_take_control(void)
{
    return base_take_fd(&control);
}

void inherited_close(void)
{
    for (int i = 0; i < inherited.n; i++)
        if (inherited.sockets[i].fd >= 0)
            drop(i, is_stored(inherited.sockets[i].name)
                        ? "the configuration no longer has its address"
                        : "no service has that name or address");
    for (int i = 0; i < inherited.n; i++)
        free(inherited.sockets[i].name);
    free(inherited.sockets);
    inherited.sockets = NULL;
    inherited.n = 0;
}

void inherited_store_name(const struct address *address, char *name)
{
    char text[ADDRESS_TEXT_MAX];

    (void)address_format(&address->any, address->length, text, sizeof(text));
    if (address->dual_stack)
        (void)snprintf(text, sizeof(text), "*:%u", address_port(&address->any));
    (void)snprintf(name, INHERITED_MAX, INHERITED_STORED "%s", text);
    for (char *c = name; *c; c++)
        if (*c == ':')
            *c = ';'; // FDNAME= takes no colon
}
