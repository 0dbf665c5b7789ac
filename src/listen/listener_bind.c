// SPDX-License-Identifier: MIT
// bind() and listen(). A failure is reported and undone here; a listener is never half open, never
// on another address than asked for (X3).

#include "listen/listener_bind.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/base.h"
#include "listen/listener_inherit.h"
#include "log/log.h"
#include "log/notify.h"

// SYN is bit 1 and ACK bit 4 of the TCP header's byte 13; a new connection is SYN without ACK.
#define TCP_FLAGS_OFFSET 13
#define TCP_FLAGS_SYN    0x02
#define TCP_FLAGS_BOTH   0x12

const char *listener_bind_strerror(int error)
{
    switch (-error) {
    case EACCES:
        return "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE, "
               "a unix path a directory that tcpd may write";
    case EADDRINUSE:
        return "address already in use: another program listens there, or tcpd itself at an "
               "address that this one includes";
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

static unsigned effective_backlog(int fd, unsigned backlog)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    // For a listener the kernel reports its queue's limit here, after somaxconn.
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_sacked : backlog;
}

// Fills in what the socket itself knows.
static struct listener *make(int fd, const char *service, enum listener_origin origin,
                             unsigned backlog)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        base_out_of_memory();
    listener->fd = fd;
    listener->origin = origin;
    listener->service = strdup(service);
    if (!listener->service)
        base_out_of_memory();
    listener->bound = inherited_address(fd);
    (void)address_format(&listener->bound.any, listener->bound.length, listener->address,
                         sizeof(listener->address));
    listener->family = listener->bound.any.sa_family;
    listener->backlog = backlog;
    listener->effective_backlog = effective_backlog(fd, backlog);
    return listener;
}

struct listener *listener_adopt(int fd, const struct service *service)
{
    set_inherited_options(fd);
    return make(fd, service->name, LISTENER_ACTIVATED, service->backlog);
}

static const char *path_of(const struct address *address)
{
    return ((const struct sockaddr_un *)(const void *)&address->storage)->sun_path;
}

// A path's device and number tell whether it is still ours when we remove it.
static void note_path(struct listener *listener)
{
    struct stat st;

    if (listener->family != AF_UNIX || lstat(path_of(&listener->wanted), &st) < 0)
        return;
    listener->device = st.st_dev;
    listener->inode = st.st_ino;
}

struct listener *listener_take_back(int fd, const struct service *service,
                                    const struct address *address)
{
    struct listener *listener = make(fd, service->name, LISTENER_BOUND, service->backlog);

    listener->wanted = *address;
    listener->stored = listener->taken_back = true;
    note_path(listener);
    (void)listen(fd, (int)service->backlog); // it listens; this is for the backlog
    listener->effective_backlog = effective_backlog(fd, service->backlog);
    listener_resume(listener);
    return listener;
}

static int bind_inet(const struct address *address, int *ret_fd)
{
    cleanup_close int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    int on = 1, v6only = !address->dual_stack;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
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
    struct address v4 = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&v4.storage;
    int r = bind_inet(address, ret_fd);

    if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
        return r;
    in->sin_family = AF_INET;
    in->sin_port = in6->sin6_port;
    return bind_inet(&v4, ret_fd);
}

// Removes a path that no server listens on any more. 0, or -errno: something is there.
static int remove_stale(const struct address *address, const char *path)
{
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    if (connect(fd, &address->any, address->length) == 0 || errno != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int set_owner(const char *path, const struct service *service)
{
    const struct passwd *user = service->socket_user ? getpwnam(service->socket_user) : NULL;
    const struct group *group = service->socket_group ? getgrnam(service->socket_group) : NULL;

    if ((service->socket_user && !user) || (service->socket_group && !group))
        return -ENOENT;
    if (chmod(path, service->socket_mode) < 0)
        return -errno;
    if ((user || group) &&
        lchown(path, user ? user->pw_uid : (uid_t)-1, group ? group->gr_gid : (gid_t)-1) < 0)
        return -errno;
    return 0;
}

int listener_keep(struct listener *listener, const struct service *service)
{
    char *name = strdup(service->name);
    int r = 0;

    if (!name)
        base_out_of_memory();
    free(listener->service);
    listener->service = name;
    if (listener->origin != LISTENER_BOUND)
        return 0; // backlog, mode and owner are the socket unit's
    if (listener->family == AF_UNIX)
        r = set_owner(path_of(&listener->wanted), service);
    if (listener->backlog == service->backlog)
        return r;
    if (listen(listener->fd, (int)service->backlog) < 0)
        return -errno;
    listener->backlog = service->backlog;
    listener->effective_backlog = effective_backlog(listener->fd, service->backlog);
    return r;
}

static int bind_unix(const struct service *service, const struct address *address, int *ret_fd)
{
    const char *path = path_of(address);
    cleanup_close int fd = -1;
    mode_t mask;
    int r = remove_stale(address, path);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    mask = umask(0777); // nobody connects before the mode is set
    r = bind(fd, &address->any, address->length) < 0 ? -errno : 0;
    (void)umask(mask);
    if (r < 0)
        return r;
    r = set_owner(path, service);
    if (r < 0) {
        (void)unlink(path); // ours, bound above
        return r;
    }
    *ret_fd = base_take_fd(&fd);
    return 0;
}

int listener_bind(const struct service *service, const struct address *address,
                  struct listener **ret)
{
    cleanup_close int fd = -1;
    int r;

    if (address->any.sa_family == AF_UNIX)
        r = bind_unix(service, address, &fd);
    else
        r = address->dual_stack ? bind_wildcard(address, &fd) : bind_inet(address, &fd);
    if (r < 0)
        return r;
    if (listen(fd, (int)service->backlog) < 0) {
        r = -errno;
        if (address->any.sa_family == AF_UNIX)
            (void)unlink(path_of(address)); // ours, bound above
        return r;
    }
    *ret = make(base_take_fd(&fd), service->name, LISTENER_BOUND, service->backlog);
    (*ret)->wanted = *address;
    note_path(*ret);
    return 0;
}

// Removes the path of a bound unix socket unless another server has replaced it, or systemd keeps
// the socket for the next start.
static void remove_path(const struct listener *listener)
{
    const char *path = path_of(&listener->wanted);
    struct stat st;

    if (listener->origin == LISTENER_BOUND && listener->family == AF_UNIX && !listener->stored &&
        lstat(path, &st) == 0 && st.st_dev == listener->device && st.st_ino == listener->inode)
        (void)unlink(path); // a leftover is stale and replaced at the next start
}

void listener_release(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    remove_path(listener);
    base_close_fd(&listener->fd);
    listener->fd = -1;
}

void listener_close(struct listener *listener)
{
    listener_release(listener);
    free(listener->service);
    free(listener);
}

unsigned listener_queued(const struct listener *listener)
{
    struct pollfd queue = {.fd = listener->fd, .events = POLLIN};
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (listener->family == AF_UNIX)
        return poll(&queue, 1, 0) > 0 && (queue.revents & POLLIN) != 0;
    return getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_unacked
                                                                                : 0;
}

// For TCP a filter on the listener drops every SYN, while handshakes under way still complete; a
// client that comes now tries again and then meets the next tcpd, or a closed port. listen(fd, 0)
// would let one connection in after the other.
enum listener_quiet listener_quiesce(const struct listener *listener)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TCP_FLAGS_BOTH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCP_FLAGS_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = ELEMENTS(code), .filter = code};
    int error;

    if (listener->origin != LISTENER_BOUND)
        return LISTENER_OPEN;
    if (listener->family == AF_UNIX) {
        remove_path(listener);
        return listener->stored ? LISTENER_OPEN : LISTENER_QUIET;
    }
    if (setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        return LISTENER_QUIET;
    if (listener->stored)
        return LISTENER_OPEN;
    error = errno;
    (void)listen(listener->fd, 0); // the queue stays, and one more may enter it at a time
    log_warning("%s: the kernel refuses a filter: %s; clients that connect during the stop may be "
                "reset",
                listener->address, strerror(error));
    return LISTENER_TRICKLES;
}

void listener_resume(const struct listener *listener)
{
    int unused = 0;

    if (listener->origin != LISTENER_BOUND || listener->family == AF_UNIX)
        return;
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
    (void)listen(listener->fd, (int)listener->backlog);
}

int listener_revive(const struct listener *listener)
{
    int listening = 0;
    socklen_t length = sizeof(listening);

    if (getsockopt(listener->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening)
        return -EALREADY;
    if (listener->origin != LISTENER_BOUND)
        return -EOPNOTSUPP;
    // A port that the kernel had chosen is lost with the shutdown; listen() would choose another
    // one.
    if (bind(listener->fd, &listener->bound.any, listener->bound.length) < 0 && errno != EINVAL)
        return -errno;
    return listen(listener->fd, (int)listener->backlog) < 0 ? -errno : 0;
}

void listener_store(struct listener *listener)
{
    char name[INHERITED_MAX];

    if (listener->origin != LISTENER_BOUND)
        return;
    inherited_store_name(&listener->wanted, name);
    listener->stored = notify_store(name, listener->fd);
}

void listener_unstore(struct listener *listener)
{
    char name[INHERITED_MAX];

    if (!listener->stored)
        return;
    inherited_store_name(&listener->wanted, name);
    notify_unstore(name);
    listener->stored = false;
}
