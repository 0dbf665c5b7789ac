// SPDX-License-Identifier: MIT
// Which sockets a configuration listens on, and where each comes from. A failure undoes what this
// call has opened and leaves the old set as it was.

#include "listen/listener.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "base/base.h"
#include "board/scoreboard.h"
#include "listen/listener_bind.h"
#include "listen/listener_inherit.h"
#include "log/log.h"

#define LISTENERS_MAX (SCOREBOARD_POOLS / 2) // a reload may replace all of them

// What one call of listeners_open() works on.
struct opening {
    const struct config *running;   // NULL at start
    const struct listener_set *old; // what is open
    struct listener_set *set;       // what will be
    struct problems *problems;
};

static void add(struct listener_set *set, struct listener *listener, const struct service *service)
{
    set->items = reallocarray(set->items, set->n + 1, sizeof(set->items[0]));
    if (!set->items)
        base_out_of_memory();
    listener->listed = false;
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

// Takes what was handed over for the service, now or before.
static void take_named(const struct config *config, const struct service *service,
                       const struct listener_set *old, struct listener_set *set)
{
    int fd;

    for (size_t i = 0; i < old->n; i++) {
        struct listener *listener = old->items[i].listener;

        if (listener->origin == LISTENER_ACTIVATED && strcmp(listener->service, service->name) == 0)
            add(set, listener, service);
    }
    while ((fd = inherited_take_named(service->name, config->n_services == 1)) >= 0)
        add(set, listener_adopt(fd, service), service);
}

// For "*:PORT" systemd may have a socket for each family.
static bool serves(const struct listener *listener, const struct address *address)
{
    if (listener->origin == LISTENER_BOUND)
        return address_is_same(&listener->wanted, address);
    return address_is_same(&listener->bound, address) ||
           (address->dual_stack && address_is_wildcard(&listener->bound.any) &&
            address_port(&listener->bound.any) == address_port(&address->any));
}

// The index in the set of a listener that was asked for with this address, or handed over with it,
// and is not in `taken` (NULL: nothing is); set->n: none. Port 0 may be asked for twice.
static size_t find(const struct listener_set *set, const struct address *address,
                   const struct listener_set *taken)
{
    size_t i = 0;

    while (i < set->n &&
           (!serves(set->items[i].listener, address) || contains(taken, set->items[i].listener)))
        i++;
    return i;
}

static bool is_activated(const struct listener_set *set, const struct service *service)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].service == service &&
            set->items[i].listener->origin == LISTENER_ACTIVATED)
            return true;
    return false;
}

// An entry that the running configuration has too, or any at start.
static bool is_accustomed(const struct config *running, const struct service *service,
                          const struct listen *entry)
{
    for (size_t s = 0; running && s < running->n_services; s++)
        for (size_t i = 0; i < running->services[s].listen.n; i++)
            if (strcmp(running->services[s].name, service->name) == 0 &&
                strcmp(running->services[s].listen.items[i].text, entry->text) == 0)
                return true;
    return running == NULL;
}

// tcpd cannot listen there, and systemd does not: that is no reason not to start, or to refuse to
// reload what had been started; but a reload that asks for a new address would promise too much.
static int leave_out(const struct opening *opening, const struct service *service,
                     const struct listen *entry)
{
    static const char what[] =
        "is not among the sockets that systemd handed over; \"systemctl daemon-reload\" and "
        "\"systemctl restart tcpd.socket\" open a new one, \"systemctl status tcpd*.socket\" tells "
        "of one that failed";
    char place[512];

    if (!is_accustomed(opening->running, service, entry)) {
        problems_add(opening->problems, entry->file, entry->line, "listen = \"%s\" %s", entry->text,
                     what);
        return -EDESTADDRREQ;
    }
    log_warning("%s: service \"%s\": listen = \"%s\" %s",
                problems_place(entry->file, entry->line, place, sizeof(place)), service->name,
                entry->text, what);
    return 0;
}

// The listener for an address: of the old set, handed over, stored before a restart, or a new one.
static int obtain(const struct opening *opening, const struct service *service,
                  const struct address *address, struct listener **ret)
{
    size_t stays = find(opening->old, address, opening->set);
    int fd;

    if (stays < opening->old->n) {
        *ret = opening->old->items[stays].listener;
        return 0;
    }
    fd = inherited_take_address(address);
    if (fd >= 0) {
        *ret = listener_adopt(fd, service);
        return 0;
    }
    fd = inherited_take_stored(address);
    if (fd >= 0) {
        *ret = listener_take_back(fd, service, address);
        return 0;
    }
    return listener_bind(service, address, ret);
}

// What a unit that takes the network or the file system away makes of bind().
static bool is_forbidden(int error, const struct address *address)
{
    if (address->any.sa_family != AF_UNIX)
        return error == -EAFNOSUPPORT;
    return error == -EACCES || error == -EPERM || error == -EROFS || error == -ENOENT;
}

static int open_address(const struct opening *opening, const struct service *service,
                        const struct listen *entry, const struct address *address)
{
    struct listener_set *set = opening->set;
    bool any_port = address->any.sa_family != AF_UNIX && address_port(&address->any) == 0;
    size_t same = any_port ? set->n : find(set, address, NULL);
    struct listener *listener = NULL;
    int r;

    if (same < set->n && set->items[same].service == service) {
        set->items[same].listener->listed = true;
        return 0; // handed over, or a name that resolves to one address twice
    }
    if (is_activated(set, service) && (same < set->n || !inherited_has_address(address)))
        return leave_out(opening, service, entry);
    if (same < set->n) {
        problems_add(opening->problems, entry->file, entry->line,
                     "listen = \"%s\" is taken by service \"%s\"", entry->text,
                     set->items[same].service->name);
        return -EDESTADDRREQ;
    }
    r = obtain(opening, service, address, &listener);
    if (inherited_any() && is_forbidden(r, address))
        return leave_out(opening, service, entry);
    if (r < 0) {
        problems_add(opening->problems, entry->file, entry->line, "listen = \"%s\": %s",
                     entry->text, listener_bind_strerror(r));
        return r;
    }
    add(set, listener, service);
    return 0;
}

// How many there are, or -EHOSTUNREACH with a problem.
static int resolve(const struct listen *entry, struct address list[static ADDRESS_MAX],
                   struct problems *problems)
{
    int n = address_resolve(&entry->spec, AF_UNSPEC, true, list, ADDRESS_MAX);

    if (n > 0)
        return n;
    problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                 n == EAI_SYSTEM ? strerror(errno) : gai_strerror(n));
    return -EHOSTUNREACH;
}

static int open_entry(const struct opening *opening, const struct service *service,
                      const struct listen *entry)
{
    struct address list[ADDRESS_MAX];
    int n = resolve(entry, list, opening->problems);
    int first_error = 0;

    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        int r = open_address(opening, service, entry, &list[i]);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    return first_error;
}

// Somebody may believe that a closed door is one that stands open.
static void warn_of_unlisted(const struct opening *opening, const struct service *service)
{
    for (size_t i = 0; service->listen.n > 0 && i < opening->set->n; i++) {
        const struct listener *listener = opening->set->items[i].listener;

        if (opening->set->items[i].service == service && listener->origin == LISTENER_ACTIVATED &&
            !listener->listed)
            log_warning("%s: %s is served, as systemd handed it over, though listen does not have "
                        "it; \"systemctl daemon-reload\" and a restart of tcpd.socket close it",
                        service->name, listener->address);
    }
}

static int open_service(const struct opening *opening, const struct service *service)
{
    int first_error = 0;

    if (service->listen.n == 0 && !is_activated(opening->set, service)) {
        problems_add(opening->problems, service->file, service->line,
                     "service \"%s\" has no listen = {\"ADDRESS:PORT\"}, and no socket of that "
                     "name was handed over",
                     service->name);
        return -EDESTADDRREQ;
    }
    for (size_t i = 0; i < service->listen.n; i++) {
        int r = open_entry(opening, service, &service->listen.items[i]);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    warn_of_unlisted(opening, service);
    return first_error;
}

// What only the whole set shows.
static int check_number(const struct opening *opening, const struct config *config)
{
    const struct service *first = &config->services[0];
    size_t n = opening->set->n;

    if (n > 0 && n <= LISTENERS_MAX)
        return 0;
    if (n == 0)
        problems_add(opening->problems, first->file, first->line,
                     "there is no socket to listen on for any service");
    else
        problems_add(opening->problems, first->file, first->line,
                     "%zu listeners are too many; at most %d", n, LISTENERS_MAX);
    return -EDESTADDRREQ;
}

int listeners_open(const struct config *config, const struct config *running,
                   const struct listener_set *old, struct listener_set *ret,
                   struct problems *problems)
{
    struct listener_set set = {0};
    struct opening opening = {.running = running, .old = old, .set = &set, .problems = problems};
    int first_error = 0;

    for (size_t i = 0; i < config->n_services; i++)
        take_named(config, &config->services[i], old, &set);
    for (size_t i = 0; i < config->n_services; i++) {
        int r = open_service(&opening, &config->services[i]);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    if (first_error == 0)
        first_error = check_number(&opening, config);
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

int listeners_resolve(const struct config *config, struct problems *problems)
{
    struct address list[ADDRESS_MAX];
    int first_error = 0;

    for (size_t s = 0; s < config->n_services; s++)
        for (size_t i = 0; i < config->services[s].listen.n; i++) {
            int r = resolve(&config->services[s].listen.items[i], list, problems);

            if (r < 0 && first_error == 0)
                first_error = r;
        }
    return first_error;
}

int listeners_exit_status(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM:
        return EX_NOPERM;
    case EADDRINUSE:
    case EEXIST:
        return EX_UNAVAILABLE;
    case EADDRNOTAVAIL:
    case EHOSTUNREACH:
        return EX_NOHOST;
    case EDESTADDRREQ:
        return EX_CONFIG;
    default:
        return EX_OSERR;
    }
}

void listeners_forget(struct listener_set *set)
{
    free(set->items);
    *set = (struct listener_set){0};
}
