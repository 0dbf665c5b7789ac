// SPDX-License-Identifier: MIT
// From an address to sockets, by /proc/net; from their inodes to a process, by /proc/PID/fd. Any of
// it may be missing, hidden, or change meanwhile: then less is known.

#include "base/holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/parent.h"

#define SOCKETS_MAX 16         // of one address that are looked for
#define LISTENS     (1U << 16) // of flags in /proc/net/unix: the kernel's __SO_ACCEPTCON

// Of /proc/net/tcp and /proc/net/udp: include/net/tcp_states.h of the kernel.
enum { STATE_TIME_WAIT = 6, STATE_UNCONNECTED = 7, STATE_LISTEN = 10 };

struct socket {
    uint64_t inode; // 0: nobody's any more
    enum holder_kind kind;
    struct address peer;
};

struct search {
    const struct address *address;
    uint64_t deadline_usec;
    bool ends_behind_listeners; // of a table, as the rest may be long
    struct socket sockets[SOCKETS_MAX];
    size_t n;
};

// ---- Sockets ------------------------------------------------------------------------------------

// "0100007F:1B5F", or 32 digits of IPv6, in words as the machine has them.
static bool read_end(const char *text, int type, struct address *ret)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->storage;
    uint32_t words[4];
    unsigned port;

    *ret = (struct address){.type = type};
    if (strchr(text, ':') == text + 8 && sscanf(text, "%8" SCNx32 ":%x", words, &port) == 2) {
        ret->length = sizeof(*in);
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = words[0];
        in->sin_port = htons((uint16_t)port);
        return true;
    }
    if (strchr(text, ':') != text + 32 ||
        sscanf(text, "%8" SCNx32 "%8" SCNx32 "%8" SCNx32 "%8" SCNx32 ":%x", &words[0], &words[1],
               &words[2], &words[3], &port) != 5)
        return false;
    ret->length = sizeof(*in6);
    in6->sin6_family = AF_INET6;
    memcpy(&in6->sin6_addr, words, sizeof(in6->sin6_addr));
    in6->sin6_port = htons((uint16_t)port);
    address_unmap(ret);
    return true;
}

static bool is_same_host(const struct address *a, const struct address *b)
{
    const struct sockaddr_in *a_in = (const struct sockaddr_in *)&a->storage;
    const struct sockaddr_in *b_in = (const struct sockaddr_in *)&b->storage;
    const struct sockaddr_in6 *a_in6 = (const struct sockaddr_in6 *)&a->storage;
    const struct sockaddr_in6 *b_in6 = (const struct sockaddr_in6 *)&b->storage;

    if (a->any.sa_family == AF_INET)
        return a_in->sin_addr.s_addr == b_in->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&a_in6->sin6_addr, &b_in6->sin6_addr);
}

// Whether a socket there is in the way. Of one at [::] nobody tells whether it takes IPv4, too.
static bool is_in_the_way(const struct address *its, const struct address *address)
{
    bool any = address_is_wildcard(&its->any) || address_is_wildcard(&address->any);

    if (address_port(&its->any) != address_port(&address->any))
        return false;
    if (its->any.sa_family == address->any.sa_family)
        return any || is_same_host(its, address);
    if (its->any.sa_family == AF_INET6)
        return address_is_wildcard(&its->any);
    return address->dual_stack;
}

// A busy port has many connections, and one listener.
static void add(struct search *search, const struct socket *found)
{
    if (search->n < SOCKETS_MAX)
        search->sockets[search->n++] = *found;
    else if (found->kind == HOLDER_LISTENER)
        search->sockets[SOCKETS_MAX - 1] = *found;
}

static enum holder_kind kind_of(unsigned state, const struct address *peer)
{
    if (state == STATE_TIME_WAIT)
        return HOLDER_CLOSED;
    if (state == STATE_LISTEN || (state == STATE_UNCONNECTED && address_port(&peer->any) == 0))
        return HOLDER_LISTENER;
    return HOLDER_CONNECTION;
}

// A line of /proc/net/tcp and the like. False: none behind it matters.
static bool read_inet(struct search *search, const char *line)
{
    char local[40], remote[40];
    struct address its;
    struct socket found = {0};
    unsigned state;

    if (sscanf(line, " %*u: %39s %39s %x %*s %*s %*s %*s %*s %" SCNu64, local, remote, &state,
               &found.inode) != 4)
        return true; // the head
    if (search->ends_behind_listeners && state != STATE_LISTEN)
        return false;
    if (!read_end(local, search->address->type, &its) || !is_in_the_way(&its, search->address) ||
        !read_end(remote, search->address->type, &found.peer))
        return true;
    found.kind = kind_of(state, &found.peer);
    add(search, &found);
    return true;
}

// A line of /proc/net/unix. Connections of a listener have its path, too.
static bool read_unix(struct search *search, const char *line)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&search->address->storage;
    struct socket found = {.kind = HOLDER_LISTENER};
    unsigned flags, type;
    int path = 0;

    if (sscanf(line, "%*s %*s %*s %x %x %*s %" SCNu64 " %n", &flags, &type, &found.inode, &path) !=
            3 ||
        path == 0 || strcspn(line + path, "\n") != strlen(un->sun_path) ||
        strncmp(line + path, un->sun_path, strlen(un->sun_path)) != 0)
        return true;
    if (type == SOCK_DGRAM || (flags & LISTENS) != 0)
        add(search, &found);
    return true;
}

static void read_table(struct search *search, const char *path,
                       bool (*read)(struct search *search, const char *line))
{
    char line[512];
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof(line), file) && base_now_usec() < search->deadline_usec &&
           read(search, line))
        continue;
    if (file)
        (void)fclose(file);
}

// The kernel lists those that listen first, and a busy machine has a hundred thousand others behind
// them, which matter only if none of the former is in the way.
static void find_streams(struct search *search)
{
    search->ends_behind_listeners = true;
    for (int i = 0; i < 2 && search->n == 0; i++) {
        read_table(search, "/proc/net/tcp", read_inet);
        read_table(search, "/proc/net/tcp6", read_inet);
        search->ends_behind_listeners = false;
    }
}

static void find_sockets(struct search *search)
{
    if (search->address->any.sa_family == AF_UNIX) {
        read_table(search, "/proc/net/unix", read_unix);
    } else if (search->address->type == SOCK_DGRAM) {
        read_table(search, "/proc/net/udp", read_inet);
        read_table(search, "/proc/net/udp6", read_inet);
    } else {
        find_streams(search);
    }
}

// ---- Processes ----------------------------------------------------------------------------------

static uint64_t inode_of(int folder, const char *name)
{
    char target[64];
    ssize_t n = readlinkat(folder, name, target, sizeof(target) - 1);
    uint64_t inode;

    if (n < 0)
        return 0;
    target[n] = '\0';
    return sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1 ? inode : 0;
}

// The one of the sockets that the process has; NULL: none, or that cannot be seen.
static const struct socket *find_in_process(const struct search *search, pid_t pid)
{
    const struct socket *found = NULL;
    const struct dirent *entry;
    char path[32];
    DIR *folder;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    while (folder && !found && (entry = readdir(folder))) {
        uint64_t inode = inode_of(dirfd(folder), entry->d_name);

        for (size_t i = 0; inode != 0 && i < search->n; i++)
            if (search->sockets[i].inode == inode)
                found = &search->sockets[i];
    }
    if (folder)
        (void)closedir(folder);
    return found;
}

// The first process that has one of the sockets, or its parent that has it, too, and so on.
static pid_t find_process(const struct search *search, const struct socket **ret)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    pid_t pid = 0, parent;

    while (folder && pid == 0 && base_now_usec() < search->deadline_usec &&
           (entry = readdir(folder))) {
        pid_t its = (pid_t)strtol(entry->d_name, NULL, 10);

        *ret = its > 0 ? find_in_process(search, its) : NULL;
        if (*ret)
            pid = its;
    }
    if (folder)
        (void)closedir(folder);
    while (pid > 0 && (parent = parent_of(pid)) > 0 && find_in_process(search, parent) == *ret &&
           base_now_usec() < search->deadline_usec)
        pid = parent;
    return pid;
}

static void read_name(struct holder *holder)
{
    char path[32];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)holder->pid);
    file = fopen(path, "re");
    if (!file || !fgets(holder->name, sizeof(holder->name), file))
        (void)snprintf(holder->name, sizeof(holder->name), "a program");
    if (file)
        (void)fclose(file);
    holder->name[strcspn(holder->name, "\n")] = '\0';
}

// Of several sockets the one to be told: a listener, else a connection.
static const struct socket *choose(const struct search *search)
{
    const struct socket *best = NULL;

    for (size_t i = 0; i < search->n; i++)
        if (!best || search->sockets[i].kind < best->kind)
            best = &search->sockets[i];
    return best;
}

void holder_find(const struct address *address, uint64_t limit_usec, struct holder *ret)
{
    struct search search = {.address = address, .deadline_usec = base_now_usec() + limit_usec};
    const struct socket *best, *its = NULL;

    *ret = (struct holder){0};
    find_sockets(&search);
    best = choose(&search);
    if (!best)
        return;
    for (size_t i = search.n; i-- > 0;) // whose they are is asked of those alone
        if (search.sockets[i].kind != best->kind)
            search.sockets[i].inode = 0;
    ret->pid = best->inode != 0 ? find_process(&search, &its) : 0;
    if (ret->pid > 0)
        read_name(ret);
    best = its ? its : best;
    ret->kind = best->kind;
    if (best->kind != HOLDER_LISTENER)
        (void)address_format(&best->peer.any, best->peer.length, ret->peer, sizeof(ret->peer));
}

bool holder_has_listener(pid_t pid, const struct address *address)
{
    struct search search = {.address = address, .deadline_usec = USEC_NEVER};
    const struct socket *its;

    find_sockets(&search);
    its = search.n > 0 ? find_in_process(&search, pid) : NULL;
    return its && its->kind == HOLDER_LISTENER;
}

// ---- Words --------------------------------------------------------------------------------------

bool holder_is_tcpd(const struct holder *holder)
{
    return holder->pid > 0 &&
           (strcmp(holder->name, "tcpd") == 0 || strcmp(holder->name, "tcpd-run") == 0);
}

bool holder_is_systemd(const struct holder *holder)
{
    return holder->pid > 0 && strcmp(holder->name, "systemd") == 0;
}

// The command that shows who has the address.
static void write_command(const struct address *address, bool listeners, char *text, size_t size)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;

    if (address->any.sa_family == AF_UNIX)
        (void)snprintf(text, size, "ss -xlp 'src = %s'", un->sun_path);
    else
        (void)snprintf(text, size, "ss -%s%snp 'sport = :%u'",
                       address->type == SOCK_DGRAM ? "u" : "t", listeners ? "l" : "a",
                       address_port(&address->any));
}

static void describe_listener(const struct holder *holder, const struct address *address,
                              char *text, size_t size)
{
    char command[160];

    write_command(address, true, command, sizeof(command));
    if (holder_is_systemd(holder))
        (void)snprintf(text, size,
                       "systemd (process %d) listens there, for a socket unit that systemctl "
                       "list-sockets shows",
                       (int)holder->pid);
    else if (holder->pid > 0)
        (void)snprintf(text, size, "%s%s, process %d, listens there",
                       holder_is_tcpd(holder) ? "another " : "", holder->name, (int)holder->pid);
    else
        (void)snprintf(text, size, "another program listens there, and root sees which: %s",
                       command);
}

static void describe_connection(const struct holder *holder, const struct address *address,
                                char *text, size_t size)
{
    char whose[64] = "";

    if (holder->pid > 0)
        (void)snprintf(whose, sizeof(whose), "%s, process %d, ", holder->name, (int)holder->pid);
    (void)snprintf(
        text, size,
        "nobody listens there, but %s%s connection with %s from there; it is free when that has "
        "ended. The kernel gives it to no connection with sysctl "
        "net.ipv4.ip_local_reserved_ports=%u",
        whose, holder->pid > 0 ? "has a" : "there is a", holder->peer, address_port(&address->any));
}

const char *holder_describe(const struct holder *holder, const struct address *address, char *text,
                            size_t size)
{
    char command[160];

    if (holder->kind == HOLDER_LISTENER) {
        describe_listener(holder, address, text, size);
    } else if (holder->kind == HOLDER_CONNECTION) {
        describe_connection(holder, address, text, size);
    } else if (holder->kind == HOLDER_CLOSED) {
        (void)snprintf(text, size,
                       "nobody listens there, but a connection with %s from there has just ended; "
                       "it is free within a minute",
                       holder->peer);
    } else {
        write_command(address, false, command, sizeof(command));
        (void)snprintf(text, size, "another program has it, and root sees which: %s", command);
    }
    return text;
}
