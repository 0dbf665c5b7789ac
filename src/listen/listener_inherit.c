// SPDX-License-Identifier: MIT
// Sockets handed over. They live in the environment of the start only, so does this state, but for
// those of services that a reload may bring.

#include "listen/listener_inherit.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/base.h"
#include "log/log.h"
#include "log/notify.h"

static int control = -1, nodes = -1;

// Those that are taken have fd -1.
static struct {
    struct {
        int fd;
        char *name;
        struct address address;
        const char *dead; // why nobody can take it, NULL: somebody can
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

    return inherited.sockets[i].fd >= 0 && !inherited.sockets[i].dead && !is_stored(name);
}

static void drop(int i, const char *why)
{
    const char *name = inherited.sockets[i].name;
    char text[ADDRESS_TEXT_MAX];

    (void)address_spell(&inherited.sockets[i].address, SPEAKS_PLAIN, text, sizeof(text));
    log_warning("the socket handed over as \"%s\" (%s) is closed: %s", name, text, why);
    base_close_fd(&inherited.sockets[i].fd);
    if (is_stored(name))
        notify_unstore(name);
}

struct address inherited_address(int fd)
{
    struct address address = {.length = sizeof(address.storage)};
    int v6only = 1;
    socklen_t length = sizeof(v6only);

    if (getsockname(fd, &address.any, &address.length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &address.type, &(socklen_t){sizeof(int)}) < 0)
        return (struct address){0};
    address_unmap(&address);
    if (address.any.sa_family == AF_INET6 && address_is_wildcard(&address.any)) {
        (void)getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &length); // 1: as if it had it
        address.dual_stack = !v6only;
    }
    return address;
}

// A socket that somebody has shut down, or that never listened, may listen all the same; not one
// without an address of its own, which would get any. A unix socket is shut down for ever. For
// datagrams an address is all it takes.
static bool can_listen(int fd, const struct address *address)
{
    struct pollfd end = {.fd = fd, .events = POLLRDHUP};
    bool is_path = address->any.sa_family == AF_UNIX;
    bool has_name = is_path ? address->length > sizeof(sa_family_t)
                            : address_port(&address->any) > 0;

    if (address->type == SOCK_DGRAM)
        return has_name;
    if (address->type != SOCK_STREAM && address->type != SOCK_SEQPACKET)
        return false;
    if (sd_is_socket(fd, AF_UNSPEC, address->type, 0) > 0)
        return has_name && listen(fd, SOMAXCONN) == 0;
    return sd_is_socket(fd, AF_UNSPEC, address->type, 1) > 0 &&
           !(is_path && poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP)) != 0);
}

// Why it cannot be the control socket, NULL: it is. No service is the worse for it.
static const char *take_control(int i)
{
    const struct address *address = &inherited.sockets[i].address;

    if (address->any.sa_family != AF_UNIX || address->type != SOCK_STREAM)
        return "it is not a unix stream socket";
    if (control >= 0)
        return "there is one already";
    control = base_take_fd(&inherited.sockets[i].fd);
    return NULL;
}

// What tcpd has stored itself is opened anew where it is no good any more; what systemd hands over
// is what its units promise.
static int take_in(int i, struct problems *problems)
{
    static const char no_listener[] =
        "it is neither a listening socket nor one for datagrams, or somebody has shut it down";
    const char *name = inherited.sockets[i].name;
    bool can;

    if (strcmp(name, INHERITED_NODES) == 0) { // no socket; of two the last one is newer
        base_close_fd(&nodes);
        nodes = base_take_fd(&inherited.sockets[i].fd);
        return 0;
    }
    can = can_listen(inherited.sockets[i].fd, &inherited.sockets[i].address);
    if (can && strcmp(name, INHERITED_CONTROL) == 0)
        inherited.sockets[i].dead = take_control(i);
    else if (!can && is_stored(name))
        inherited.sockets[i].dead = no_listener;
    if (can || is_stored(name))
        return 0;
    problems_add(problems, "LISTEN_FDS", 0,
                 "descriptor %d, \"%s\", cannot be served: %s; see systemctl list-sockets",
                 inherited.sockets[i].fd, name, no_listener);
    return -EDESTADDRREQ;
}

static int say_not_there(const char *announced, int error, struct problems *problems)
{
    problems_add(problems, "LISTEN_FDS", 0, "%s sockets are announced, which cannot be taken: %s",
                 announced,
                 error == -EBADF    ? "there are not so many descriptors"
                 : error == -EINVAL ? "that is no number, or LISTEN_FDNAMES has not as many names"
                                    : strerror(-error));
    return -EDESTADDRREQ;
}

int inherited_open(struct problems *problems)
{
    const char *value = getenv("LISTEN_FDS");
    cleanup_free char *announced = base_checked(strdup(value ? value : "")); // it is unset below
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names), r = 0;

    if (n < 0)
        return say_not_there(announced, n, problems);
    if (n == 0)
        return 0;
    inherited.sockets = base_checked(calloc((size_t)n, sizeof(inherited.sockets[0])));
    inherited.n = n;
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        inherited.sockets[i].fd = fd;
        inherited.sockets[i].name = names[i];
        inherited.sockets[i].address = inherited_address(fd);
        if (take_in(i, problems) < 0)
            r = -EDESTADDRREQ;
        inherited.any |= strcmp(names[i], INHERITED_NODES) != 0;
    }
    free(names); // the strings stay
    return r;
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

// The object that the name of a stored socket tells of; all 0: an older tcpd has stored it.
static struct path_object read_object(const char *name)
{
    struct path_object object = {0};
    uint64_t device, inode;
    const char *end = strrchr(name, ';');

    while (end && end > name && end[-1] != ';')
        end--; // to the device
    if (end && sscanf(end, "%" SCNx64 ";%" SCNx64, &device, &inode) == 2)
        object = (struct path_object){.device = device, .inode = inode};
    return object;
}

// The name tells what was asked for (port 0, say), which the address does not; of a path it is the
// address that tells.
static bool is_stored_for(int i, const struct address *address)
{
    static const struct path_object none; // no path here
    char name[INHERITED_MAX];

    if (inherited.sockets[i].fd < 0 || inherited.sockets[i].dead ||
        !is_stored(inherited.sockets[i].name))
        return false;
    if (address->any.sa_family == AF_UNIX)
        return address_is_same(&inherited.sockets[i].address, address);
    inherited_store_name(address, &none, name);
    return strcmp(inherited.sockets[i].name, name) == 0;
}

int inherited_take_stored(const struct address *address, struct path_object *ret)
{
    *ret = (struct path_object){0};
    for (int i = 0; i < inherited.n; i++)
        if (is_stored_for(i, address)) {
            if (address->any.sa_family == AF_UNIX)
                *ret = read_object(inherited.sockets[i].name);
            return base_take_fd(&inherited.sockets[i].fd);
        }
    return -1;
}

void inherited_give_back(int fd)
{
    inherited.sockets[fd - SD_LISTEN_FDS_START].fd = fd;
}

bool inherited_any(void)
{
    return inherited.any;
}

int inherited_take_control(void)
{
    return base_take_fd(&control);
}

int inherited_take_nodes(void)
{
    return base_take_fd(&nodes);
}

void inherited_close(bool are_kept)
{
    for (int i = 0; i < inherited.n; i++)
        if (inherited.sockets[i].fd >= 0 && !(are_kept && is_of_unit(i)))
            drop(i, inherited.sockets[i].dead ? inherited.sockets[i].dead
                    : is_stored(inherited.sockets[i].name)
                        ? "the configuration no longer has its address"
                        : "no service has that name or address");
    if (are_kept)
        return;
    for (int i = 0; i < inherited.n; i++)
        free(inherited.sockets[i].name);
    free(inherited.sockets);
    inherited.sockets = NULL;
    inherited.n = 0;
}

static bool is_plain(const char *path)
{
    for (; *path; path++)
        if (!isprint((unsigned char)*path) || *path == ':' || *path == ';')
            return false;
    return true;
}

// FDNAME= takes 255 bytes of ASCII, without controls and colons. In hexadecimal digits the longest
// path has 214 of them, so none needs to be cut or hashed, and no two paths share a name.
static void name_path(const struct sockaddr_un *un, const struct path_object *object, char *name)
{
    size_t used = (size_t)snprintf(name, INHERITED_MAX, INHERITED_STORED "unix;");

    if (is_plain(un->sun_path))
        used += (size_t)snprintf(name + used, INHERITED_MAX - used, "%s", un->sun_path);
    else
        for (const char *c = un->sun_path; *c; c++)
            used += (size_t)snprintf(name + used, INHERITED_MAX - used, "%02x", (unsigned char)*c);
    (void)snprintf(name + used, INHERITED_MAX - used, ";%" PRIx64 ";%" PRIx64,
                   (uint64_t)object->device, (uint64_t)object->inode);
}

void inherited_store_name(const struct address *address, const struct path_object *object,
                          char *name)
{
    char text[INHERITED_MAX / 2]; // of an internet address

    if (address->any.sa_family == AF_UNIX) {
        name_path((const struct sockaddr_un *)(const void *)&address->storage, object, name);
        return;
    }
    (void)address_spell(address, SPEAKS_PLAIN, text, sizeof(text));
    (void)snprintf(name, INHERITED_MAX, INHERITED_STORED "%s", text);
    for (char *c = name; *c; c++)
        if (*c == ':')
            *c = ';'; // FDNAME= takes no colon
}
