// SPDX-License-Identifier: MIT
// Which sockets a configuration listens on, and where each comes from. A failure undoes what this
// call has opened and leaves the old set as it was.

#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base.h"
#include "listener_bind.h"
#include "log.h"
#include "scoreboard.h"

#define LISTENERS_MAX (SCOREBOARD_POOLS / 2) // a reload may replace all of them

// What systemd handed over and no service has taken yet; taken ones have fd -1.
static struct {
    struct {
        int fd;
        char *name;
    } * sockets;
    int n;
} inherited;

static int inherited_control = -1;

static void close_inherited(int i, const char *why)
{
    log_warning("the socket handed over as \"%s\" is closed: %s", inherited.sockets[i].name, why);
    base_close_fd(&inherited.sockets[i].fd);
    inherited.sockets[i].fd = -1;
}

// The control socket is no service's: it is not among those that are matched by name.
static void set_control_aside(void)
{
    for (int i = 0; i < inherited.n; i++) {
        if (inherited_control >= 0 || inherited.sockets[i].fd < 0 ||
            strcmp(inherited.sockets[i].name, "@control") != 0)
            continue;
        if (sd_is_socket(inherited.sockets[i].fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
            close_inherited(i, "it is not a unix socket");
            continue;
        }
        inherited_control = inherited.sockets[i].fd;
        free(inherited.sockets[i].name);
        inherited.sockets[i--] = inherited.sockets[--inherited.n];
    }
}

int listeners_take_control(void)
{
    return base_take_fd(&inherited_control);
}

void listeners_inherit(void)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names);

    if (n <= 0)
        return;
    inherited.sockets = calloc((size_t)n, sizeof(inherited.sockets[0]));
    if (!inherited.sockets)
        abort();
    inherited.n = n;
    for (int i = 0; i < n; i++) {
        inherited.sockets[i].fd = SD_LISTEN_FDS_START + i;
        inherited.sockets[i].name = names[i];
        if (sd_is_socket(inherited.sockets[i].fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            close_inherited(i, "it is not a listening stream socket");
    }
    free(names); // the strings stay
    set_control_aside();
}

void listeners_close_unclaimed(void)
{
    for (int i = 0; i < inherited.n; i++)
        if (inherited.sockets[i].fd >= 0)
            close_inherited(i, "no service has that name");
    for (int i = 0; i < inherited.n; i++)
        free(inherited.sockets[i].name);
    free(inherited.sockets);
    inherited.sockets = NULL;
    inherited.n = 0;
}

static void add(struct listener_set *set, struct listener *listener, const struct service *service)
{
    set->items = reallocarray(set->items, set->n + 1, sizeof(set->items[0]));
    if (!set->items)
        abort();
    set->items[set->n].listener = listener;
    set->items[set->n++].service = service;
}

static bool contains(const struct listener_set *set, const struct listener *listener)
{
    for (size_t i = 0; set && i < set->n; i++)
        if (set->items[i].listener == listener)
            return true;
    return false;
}

// A socket without a name of its own goes to the only service there is.
static bool is_named_for(int i, const struct service *service, const struct config *config)
{
    const char *name = inherited.sockets[i].name;
    size_t length = strlen(name);
    bool unnamed = strcmp(name, "unknown") == 0 ||
                   (length > 7 && strcmp(name + length - 7, ".socket") == 0);

    return strcmp(name, service->name) == 0 ||
           (unnamed && config->n_services == 1 && inherited.n == 1);
}

// Takes what was handed over for the service, now or before. How many that were.
static size_t take_activated(const struct config *config, const struct service *service,
                             const struct listener_set *old, struct listener_set *set)
{
    size_t before = set->n;

    for (size_t i = 0; i < old->n; i++) {
        struct listener *listener = old->items[i].listener;

        if (listener->origin == LISTENER_ACTIVATED && strcmp(listener->service, service->name) == 0)
            add(set, listener, service);
    }
    for (int i = 0; i < inherited.n; i++)
        if (inherited.sockets[i].fd >= 0 && is_named_for(i, service, config))
            add(set, listener_adopt(base_take_fd(&inherited.sockets[i].fd), service->name),
                service);
    return set->n - before;
}

static bool is_same_address(const struct address *a, const struct address *b)
{
    return a->length == b->length && a->dual_stack == b->dual_stack &&
           memcmp(&a->storage, &b->storage, a->length) == 0;
}

// The index in the set of a bound listener that was asked for with this address and is not in
// `taken` (NULL: nothing is); set->n: none. Port 0 may be asked for twice.
static size_t find_bound(const struct listener_set *set, const struct address *address,
                         const struct listener_set *taken)
{
    size_t i = 0;

    while (i < set->n && (set->items[i].listener->origin != LISTENER_BOUND ||
                          !is_same_address(&set->items[i].listener->wanted, address) ||
                          contains(taken, set->items[i].listener)))
        i++;
    return i;
}

static int open_address(const struct service *service, const struct listen *entry,
                        const struct address *address, const struct listener_set *old,
                        struct listener_set *set, struct problems *problems)
{
    bool any_port = address->any.sa_family != AF_UNIX && address_port(&address->any) == 0;
    size_t same = any_port ? set->n : find_bound(set, address, NULL);
    size_t stays = find_bound(old, address, set);
    struct listener *listener = stays < old->n ? old->items[stays].listener : NULL;
    int r = 0;

    if (same < set->n && set->items[same].service == service)
        return 0; // a name that resolves to one address twice
    if (same < set->n) {
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\" is taken by service \"%s\"", entry->text,
                     set->items[same].service->name);
        return -EDESTADDRREQ;
    }
    if (!listener)
        r = listener_bind(service, address, &listener);
    if (r < 0) {
        problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                     listener_bind_strerror(r));
        return r;
    }
    add(set, listener, service);
    return 0;
}

static int open_entry(const struct service *service, const struct listen *entry,
                      const struct listener_set *old, struct listener_set *set,
                      struct problems *problems)
{
    struct address list[ADDRESS_MAX];
    int n = address_resolve(&entry->spec, AF_UNSPEC, true, list, ELEMENTS(list));
    int first_error = 0;

    if (n <= 0) {
        problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                     n == EAI_SYSTEM ? strerror(errno) : gai_strerror(n));
        return -EHOSTUNREACH;
    }
    for (int i = 0; i < n; i++) {
        int r = open_address(service, entry, &list[i], old, set, problems);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    return first_error;
}

static int open_service(const struct config *config, const struct service *service,
                        const struct listener_set *old, struct listener_set *set,
                        struct problems *problems)
{
    int first_error = 0;

    if (take_activated(config, service, old, set) > 0)
        return 0;
    if (service->n_listen == 0) {
        problems_add(problems, service->file, service->line,
                     "service \"%s\" has no listen = {\"ADDRESS:PORT\"}, and no socket of that "
                     "name was handed over",
                     service->name);
        return -EDESTADDRREQ;
    }
    for (size_t i = 0; i < service->n_listen; i++) {
        int r = open_entry(service, &service->listen[i], old, set, problems);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    return first_error;
}

int listeners_open(const struct config *config, const struct listener_set *old,
                   struct listener_set *ret, struct problems *problems)
{
    struct listener_set set = {0};
    int first_error = 0;

    for (size_t i = 0; i < config->n_services; i++) {
        int r = open_service(config, &config->services[i], old, &set, problems);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    if (first_error == 0 && set.n > LISTENERS_MAX) {
        problems_add(problems, config->services[0].file, config->services[0].line,
                     "%zu listeners are too many; at most %d", set.n, LISTENERS_MAX);
        first_error = -EDESTADDRREQ;
    }
    if (first_error == 0) {
        *ret = set;
        return 0;
    }
    for (size_t i = 0; i < set.n; i++)
        if (!contains(old, set.items[i].listener))
            listener_close(set.items[i].listener);
    listeners_forget(&set);
    return first_error;
}

void listeners_forget(struct listener_set *set)
{
    free(set->items);
    *set = (struct listener_set){0};
}
