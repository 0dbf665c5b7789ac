// SPDX-License-Identifier: MIT
// bind() and listen(). A failure is reported and undone here; a listener is never half open, never
// on another address than asked for (X3).

#include "listen/listener_bind.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/base.h"
#include "listen/listener_datagram.h"
#include "listen/listener_inherit.h"
#include "listen/listener_path.h"
#include "log/log.h"
#include "log/notify.h"

const char *listener_bind_strerror(int error)
{
    switch (-error) {
    case EACCES:
        return "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE, "
               "a unix path a directory that tcpd may write";
    case EADDRINUSE:
        return "address already in use: tcpd itself listens at one that this one includes";
    case EADDRNOTAVAIL:
        return "address not available: no interface of this machine has it";
    case EEXIST:
        return "the path exists and is not a socket";
    case ENOENT:
        return "the path's directory, or the user or group, does not exist";
    default:
        return strerror(-error);
    }
}

bool listener_bind_is_forbidden(int error, const struct address *address)
{
    if (address->any.sa_family != AF_UNIX)
        return error == -EAFNOSUPPORT;
    return error == -EACCES || error == -EPERM || error == -EROFS || error == -ENOENT;
}

// Options that accepted sockets inherit, so that they cost no system call per connection: answers
// leave at once, and a peer that vanished is noticed after two minutes (B22).
static void set_inherited_options(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 6},
    };

    for (size_t i = 0; i < ELEMENTS(options); i++) // unix sockets have none of them
        (void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                         sizeof(options[i].value));
}

static unsigned effective_backlog(int fd, const struct address *bound, unsigned backlog)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (bound->type == SOCK_DGRAM)
        return datagram_room(fd, bound->any.sa_family);
    // For a listener the kernel reports its queue's limit here, after somaxconn.
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_sacked : backlog;
}

void listener_speak(struct listener *listener, enum address_speaks speaks)
{
    listener->speaks = speaks;
    (void)address_spell(&listener->bound, speaks, listener->address, sizeof(listener->address));
}

// Fills in what the socket itself knows; what it does not tell, or where there is none, is as asked
// for. asked: NULL of one that was handed over.
static struct listener *make(int fd, const struct service *service, enum listener_origin origin,
                             const struct address *asked)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        base_out_of_memory();
    listener->fd = fd;
    listener->origin = origin;
    listener->service = strdup(service->name);
    if (!listener->service)
        base_out_of_memory();
    listener->bound = inherited_address(fd);
    if (asked)
        listener->wanted = *asked;
    if (listener->bound.length == 0)
        listener->bound = listener->wanted;
    listener_speak(listener, SPEAKS_PLAIN);
    listener->family = listener->bound.any.sa_family;
    listener->backlog = service->backlog;
    listener->effective_backlog = effective_backlog(fd, &listener->bound, service->backlog);
    if (listener->bound.type == SOCK_DGRAM)
        datagram_ask(fd);
    listener_options_note(fd, &listener->options);
    return listener;
}

struct listener *listener_adopt(int fd, const struct service *service)
{
    set_inherited_options(fd);
    return make(fd, service, LISTENER_ACTIVATED, NULL);
}

struct listener *listener_imagine(const struct service *service, const struct address *address)
{
    return make(-1, service, LISTENER_BOUND, address);
}

bool listener_is_in_place(const struct listener *listener)
{
    return listener->origin != LISTENER_BOUND || listener->family != AF_UNIX ||
           path_leads_to(&listener->wanted, &listener->object);
}

// One that an older tcpd has stored says nothing of what its path led to.
static void find_object(struct listener *listener, const struct path_object *object)
{
    if (listener->family != AF_UNIX)
        return;
    if (object->inode == 0)
        path_note(&listener->wanted, &listener->object);
    else
        listener->object = *object;
    listener->misplaced = !listener_is_in_place(listener);
}

struct listener *listener_take_back(int fd, const struct service *service,
                                    const struct address *address, const struct path_object *object)
{
    struct listener *listener = make(fd, service, LISTENER_BOUND, address);

    listener->stored = listener->taken_back = true;
    find_object(listener, object);
    (void)datagram_or_listen(fd, address->type, service); // it listens; this is for the backlog
    listener->effective_backlog = effective_backlog(fd, &listener->bound, service->backlog);
    listener_resume(listener);
    listener_options_note(fd, &listener->options); // of datagrams, the backlog is one
    return listener;
}

static int bind_inet(const struct address *address, int *ret_fd)
{
    cleanup_close int fd = socket(address->any.sa_family, address->type | SOCK_CLOEXEC, 0);
    int on = 1, v6only = !address->dual_stack;

    if (fd < 0)
        return -errno;
    // With datagrams it would let others bind to the same address, and take them.
    if (address->type != SOCK_DGRAM &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
        return -errno;
    set_inherited_options(fd);
    if (bind(fd, &address->any, address->length) < 0)
        return -errno;
    *ret_fd = base_take_fd(&fd);
    return 0;
}

// A machine without IPv6 still has one half of "*:port".
static int bind_wildcard(const struct address *address, int *ret_fd)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;
    struct address v4 = {.length = sizeof(struct sockaddr_in), .type = address->type};
    struct sockaddr_in *in = (struct sockaddr_in *)&v4.storage;
    int r = bind_inet(address, ret_fd);

    if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
        return r;
    in->sin_family = AF_INET;
    in->sin_port = in6->sin6_port;
    return bind_inet(&v4, ret_fd);
}

int listener_keep(struct listener *listener, const struct service *service,
                  enum address_speaks speaks)
{
    char *name = strdup(service->name);
    int r = 0;

    if (!name)
        base_out_of_memory();
    free(listener->service);
    listener->service = name;
    listener_speak(listener, speaks);
    if (listener->origin != LISTENER_BOUND)
        return 0; // backlog, mode and owner are the socket unit's
    if (listener->family == AF_UNIX)
        r = path_set_owner(&listener->wanted, &listener->object, service);
    if (r == -ESTALE)
        r = 0; // its path is another's, as listeners_open() has said
    if (listener->backlog == service->backlog && listener->bound.type != SOCK_DGRAM)
        return r;
    if (datagram_or_listen(listener->fd, listener->bound.type, service) < 0)
        return -errno;
    listener->backlog = service->backlog;
    listener->effective_backlog = effective_backlog(listener->fd, &listener->bound,
                                                    service->backlog);
    listener_options_note(listener->fd, &listener->options); // of datagrams, the backlog is one
    return r;
}

static int listen_inet(const struct service *service, const struct address *address, int *ret_fd)
{
    cleanup_close int fd = -1;
    int r = address->dual_stack ? bind_wildcard(address, &fd) : bind_inet(address, &fd);

    if (r < 0)
        return r;
    r = datagram_or_listen(fd, address->type, service);
    if (r < 0)
        return r;
    *ret_fd = base_take_fd(&fd);
    return 0;
}

int listener_bind(const struct service *service, const struct address *address,
                  struct listener **ret)
{
    struct path_object object = {0};
    int fd = -1;
    int r = address->any.sa_family == AF_UNIX ? path_listen(service, address, &fd, &object)
                                              : listen_inet(service, address, &fd);

    if (r < 0)
        return r;
    *ret = make(fd, service, LISTENER_BOUND, address);
    (*ret)->object = object;
    return 0;
}

int listener_bind_again(struct listener *listener, const struct service *service,
                        struct listener **ret)
{
    bool is_path = listener->family == AF_UNIX;
    int r;

    // Whether a server of datagrams is alive, its path does not tell; of this one it is known.
    if (is_path && listener->bound.type == SOCK_DGRAM && listener_is_shut(listener))
        path_remove(&listener->wanted, &listener->object);
    r = listener_bind(service, &listener->wanted, ret);
    if (r < 0)
        return r;
    (*ret)->replaces = listener;
    listener->replaced = true;
    listener_speak(*ret, listener->speaks);
    return 0;
}

void listener_undo(struct listener *fresh)
{
    if (fresh->replaces)
        fresh->replaces->replaced = false;
    if (fresh->origin == LISTENER_ACTIVATED) {
        inherited_give_back(fresh->fd);
        fresh->fd = -1;
    }
    listener_close(fresh);
}

void listener_release(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    listener_remove_path(listener);
    base_close_fd(&listener->fd);
}

void listener_close(struct listener *listener)
{
    listener_release(listener);
    free(listener->service);
    free(listener);
}

void listener_remove_path(const struct listener *listener)
{
    if (listener->origin == LISTENER_BOUND && listener->family == AF_UNIX && !listener->stored)
        path_remove(&listener->wanted, &listener->object);
}

void listener_store(struct listener *listener)
{
    char name[INHERITED_MAX];

    if (listener->origin != LISTENER_BOUND)
        return;
    if (listener->replaces)
        listener_unstore(listener->replaces); // for TCP it would have the same name
    listener->replaces = NULL;
    inherited_store_name(&listener->wanted, &listener->object, name);
    listener->stored = notify_store(name, listener->fd);
}

void listener_unstore(struct listener *listener)
{
    char name[INHERITED_MAX];

    if (!listener->stored)
        return;
    inherited_store_name(&listener->wanted, &listener->object, name);
    notify_unstore(name);
    listener->stored = false;
}
