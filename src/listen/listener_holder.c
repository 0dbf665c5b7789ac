// SPDX-License-Identifier: MIT
// Notes of who has which address. What is not noted is not known, and no reason to fail.

#include "listen/listener_holder.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/answers.h"
#include "base/base.h"
#include "listen/listener_inherit.h"

#define QUESTION   "who is at"
#define LIMIT_USEC (2 * USEC_PER_SEC) // for all addresses together

struct own_sockets {
    struct address *addresses;
    size_t n;
};

// The addresses of the sockets that this process has: those of the tcpd that it rehearses for.
static struct own_sockets list_own(void)
{
    struct own_sockets own = {0};
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        struct address address = inherited_address((int)strtol(entry->d_name, NULL, 10));

        if (address.length == 0)
            continue;
        own.addresses = base_checked(
            reallocarray(own.addresses, own.n + 1, sizeof(own.addresses[0])));
        own.addresses[own.n++] = address;
    }
    if (folder)
        (void)closedir(folder);
    return own;
}

static bool is_own(const struct own_sockets *own, const struct address *address)
{
    for (size_t i = 0; i < own->n; i++)
        if (address_is_same(&own->addresses[i], address))
            return true;
    return false;
}

// Whether a listener of streams could not be bound there. Nobody is in the way of one that has the
// address for this moment, as he does not listen.
static bool is_refused(const struct address *address)
{
    const int yes = 1, v6_only = !address->dual_stack;
    cleanup_close int fd = socket(address->any.sa_family, address->type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (address->any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
    return bind(fd, &address->any, address->length) < 0 && errno == EADDRINUSE;
}

// Whether somebody may be there: the kernel's tables are read only then, as they are long where
// there are many connections.
static bool may_be_held(const struct address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    struct stat status;

    if (address->any.sa_family == AF_UNIX)
        return lstat(un->sun_path, &status) == 0 && S_ISSOCK(status.st_mode);
    if (address_port(&address->any) == 0)
        return false;
    return address->type == SOCK_DGRAM || is_refused(address);
}

static const char *spell(const struct address *address, char *text)
{
    return address_spell(address, SPEAKS_PLAIN, text, ADDRESS_TEXT_MAX);
}

void holders_note(const struct listen_plan *plan)
{
    struct own_sockets own = list_own();
    uint64_t deadline = base_now_usec() + LIMIT_USEC;

    for (size_t i = 0; i < plan->n; i++) {
        const struct address *address = &plan->items[i].address;
        uint64_t now = base_now_usec();
        char about[ADDRESS_TEXT_MAX];
        struct holder holder;
        struct answer before;

        if (now >= deadline || is_own(&own, address) || !may_be_held(address) ||
            answers_find(QUESTION, spell(address, about), &before) != 0)
            continue;
        holder_find(address, deadline - now, &holder);
        answers_note(QUESTION, about, &holder, sizeof(holder));
    }
    free(own.addresses);
}

static struct holder read_note(const struct address *address)
{
    struct holder holder = {0};
    char about[ADDRESS_TEXT_MAX];
    struct answer answer;

    if (answers_find(QUESTION, spell(address, about), &answer) > 0 && answer.size == sizeof(holder))
        memcpy(&holder, answer.bytes, sizeof(holder));
    return holder;
}

const char *holders_describe(const struct address *address, const char *head, char *text,
                             size_t size)
{
    const struct holder holder = read_note(address);
    char who[HOLDER_TEXT_MAX];

    (void)snprintf(text, size, "%s%s", head, holder_describe(&holder, address, who, sizeof(who)));
    return text;
}

bool holders_has_stranger(const struct address *address)
{
    const struct holder holder = read_note(address);

    return holder.kind == HOLDER_LISTENER && holder.pid > 0 && !holder_is_tcpd(&holder) &&
           !holder_is_systemd(&holder);
}
