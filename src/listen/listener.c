// SPDX-License-Identifier: MIT
// Which sockets a configuration listens on, and where each comes from. A failure undoes what this
// call has opened and leaves the old set as it was.

#include "listen/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "board/scoreboard.h"
#include "listen/listener_bind.h"
#include "listen/listener_handed.h"
#include "listen/listener_holder.h"
#include "listen/listener_inherit.h"
#include "listen/listener_match.h"
#include "listen/listener_path.h"
#include "listen/listener_set.h"

#define LISTENERS_MAX (SCOREBOARD_POOLS / 2) // a reload may replace all of them

// What one call of listeners_open() works on.
struct opening {
    const struct listeners_request *request;
    const struct listener_set *old; // what is open
    struct listener_set *set;       // what will be
    bool only_looks;                // and binds nothing
};

// An entry of `listen`, and what is planned for it.
struct asked {
    const struct service *service;
    const struct listen *entry;
    const struct planned *planned;
    size_t n;
};

// The rest is not served without it, unless that is a start. 0 or the error.
static int lack(const struct opening *opening, const struct service *service, const char *address,
                const char *why, int error)
{
    struct listener_set *set = opening->set;

    if (!opening->request->skipped)
        return error;
    listener_set_lacks(set, service, address, why);
    set->error = set->error < 0 ? set->error : error;
    return 0;
}

// What is wrong with an address. 0: the rest is served without it; or the error.
static int refuse_address(const struct opening *opening, const struct asked *asked, const char *why,
                          int error)
{
    const struct listeners_request *request = opening->request;
    const char *gap = why[0] == ' ' ? "" : ": ";

    problems_add(request->skipped ? request->skipped : request->problems, asked->entry->file,
                 asked->entry->line, "listen = \"%s\"%s%s", asked->entry->text, gap, why);
    return lack(opening, asked->service, asked->entry->text, why + strspn(why, " "), error);
}

static void add_warning(const struct opening *opening, const struct asked *asked, const char *why)
{
    problems_add(opening->request->warnings, asked->entry->file, asked->entry->line,
                 "service \"%s\": listen = \"%s\" %s", asked->service->name, asked->entry->text,
                 why);
}

// tcpd cannot listen there, and systemd does not: that is no reason not to start, or to refuse to
// reload what had been started; but a reload that asks for a new address would promise too much.
static int leave_out(const struct opening *opening, const struct asked *asked)
{
    static const char what[] = " is not among the sockets that systemd handed over; \"tcpdctl "
                               "sockets apply\" opens it, or "
                               "tells who else has it";

    if (match_is_accustomed(opening->request->running, asked->service, asked->entry)) {
        add_warning(opening, asked, what + 1);
        listener_set_lacks(opening->set, asked->service, asked->entry->text,
                           "systemd has handed over no socket for it");
        return 0;
    }
    return refuse_address(opening, asked, what, -EDESTADDRREQ);
}

// One whose path has gone, or is another's, is as good as closed. It stays all the same where it
// cannot be bound anew, and the master will try again: else whoever owns the folder could keep us
// from reloading.
static struct listener *put_in_place(const struct opening *opening, const struct asked *asked,
                                     struct listener *listener)
{
    struct listener *fresh = NULL;
    char why[HOLDER_TEXT_MAX + 128], who[HOLDER_TEXT_MAX];
    int r;

    if (listener_is_in_place(listener) || opening->only_looks)
        return listener;
    r = listener_bind_again(listener, asked->service, &fresh);
    listener->misplaced = r < 0;
    (void)snprintf(why, sizeof(why), "is a path that has gone or is another's%s%s",
                   r < 0 ? ", and nobody can connect: " : ": it is bound anew",
                   r == -EADDRINUSE ? holders_describe(&listener->wanted, "", who, sizeof(who))
                   : r < 0          ? listener_bind_strerror(r)
                                    : "");
    add_warning(opening, asked, why);
    return fresh ? fresh : listener;
}

// A name may have addresses that this machine has not, while it has others of them.
static bool has_other(const struct asked *asked)
{
    for (size_t i = 0; i < asked->n; i++)
        if (asked->planned[i].error == 0)
            return true;
    return false;
}

// Whether tcpd itself has an address that this one includes, or that includes it.
static bool is_own(const struct opening *opening, const struct address *address)
{
    return match_overlaps_any(opening->set, address) || match_overlaps_any(opening->old, address);
}

// A new listener, or what would become of it.
static int bind_planned(const struct opening *opening, const struct asked *asked,
                        const struct planned *planned, struct listener **ret)
{
    bool may_come = opening->request->may_come && planned->error == -EADDRNOTAVAIL &&
                    !has_other(asked);
    bool is_path = planned->address.any.sa_family == AF_UNIX;
    char why[HOLDER_TEXT_MAX];
    int r;

    if (planned->error < 0 && !may_come)
        return planned->error;
    if (may_come) // systemd opens it all the same: FreeBind=
        add_warning(opening, asked,
                    "is an address that no interface of this machine has: until one has it, only "
                    "systemd's sockets can be opened there");
    if (!opening->only_looks)
        return listener_bind(asked->service, &planned->address, ret);
    if (is_own(opening, &planned->address))
        return -EADDRINUSE;
    r = is_path ? path_foresee(&planned->address) : 0;
    if (r == -EEXIST)
        return r;
    if (r == -ENOENT) // systemd makes it
        add_warning(opening, asked,
                    "is in a directory that does not exist: only systemd's sockets can be opened "
                    "there");
    if (holders_has_stranger(&planned->address)) // which may have gone when tcpd is started
        add_warning(opening, asked,
                    holders_describe(&planned->address, "is in use: ", why, sizeof(why)));
    *ret = listener_imagine(asked->service, &planned->address);
    return 0;
}

// The listener for an address: of the old set, handed over, stored before a restart, or a new one.
static int obtain(const struct opening *opening, const struct asked *asked,
                  const struct planned *planned, struct listener **ret)
{
    const struct address *address = &planned->address;
    size_t stays = listener_set_find(opening->old, address, opening->set);
    struct path_object object;
    int fd;

    if (stays < opening->old->n) {
        *ret = put_in_place(opening, asked, opening->old->items[stays].listener);
        return 0;
    }
    fd = inherited_take_address(address);
    if (fd >= 0) {
        *ret = listener_adopt(fd, asked->service);
        return 0;
    }
    fd = inherited_take_stored(address, &object);
    if (fd >= 0) {
        *ret = listener_take_back(fd, asked->service, address, &object);
        return 0;
    }
    return bind_planned(opening, asked, planned, ret);
}

static int fail_address(const struct opening *opening, const struct asked *asked,
                        const struct planned *planned, int error)
{
    const char *reason = listener_bind_strerror(error);
    char text[ADDRESS_TEXT_MAX], who[HOLDER_TEXT_MAX], why[HOLDER_TEXT_MAX + 256];

    if (inherited_any() && listener_bind_is_forbidden(error, &planned->address))
        return leave_out(opening, asked);
    if (error == -EADDRINUSE && !is_own(opening, &planned->address))
        reason = holders_describe(&planned->address, "address already in use: ", who, sizeof(who));
    if (planned->error < 0 && has_other(asked)) {
        (void)address_spell(&planned->address, asked->entry->spec.speaks, text, sizeof(text));
        (void)snprintf(why, sizeof(why), "is served without %s: %s", text, reason);
        add_warning(opening, asked, why);
        return 0;
    }
    return refuse_address(opening, asked, reason, error);
}

static void mark_listed(struct listener_set *set, size_t index, const struct asked *asked)
{
    set->items[index].is_listed = true;
    set->items[index].speaks = asked->entry->spec.speaks;
}

// For "*:PORT" there may be two.
static void mark_handed_over(struct listener_set *set, const struct asked *asked,
                             const struct address *address)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].service == asked->service &&
            match_serves(set->items[i].listener, address))
            mark_listed(set, i, asked);
}

static int open_address(const struct opening *opening, const struct asked *asked,
                        const struct planned *planned)
{
    const struct address *address = &planned->address;
    struct listener_set *set = opening->set;
    bool any_port = address->any.sa_family != AF_UNIX && address_port(&address->any) == 0;
    size_t same = any_port ? set->n : listener_set_find(set, address, NULL);
    struct listener *listener = NULL;
    char why[96];
    int r;

    if (same < set->n && set->items[same].service == asked->service) {
        mark_handed_over(set, asked, address);
        return 0; // handed over, or a name that resolves to one address twice
    }
    if (handed_any(set, asked->service) && (same < set->n || !inherited_has_address(address)))
        return leave_out(opening, asked);
    if (same < set->n) {
        (void)snprintf(why, sizeof(why), " is taken by service \"%s\"",
                       set->items[same].service->name);
        return refuse_address(opening, asked, why, -EDESTADDRREQ);
    }
    r = obtain(opening, asked, planned, &listener);
    if (r < 0)
        return fail_address(opening, asked, planned, r);
    listener_set_add(set, listener, asked->service);
    mark_listed(set, set->n - 1, asked);
    return 0;
}

static int open_entry(const struct opening *opening, const struct asked *asked)
{
    int first_error = 0;

    for (size_t i = 0; i < asked->n; i++) {
        int r = open_address(opening, asked, &asked->planned[i]);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    return first_error;
}

// Whoever only looks may do so elsewhere than where sockets are handed over.
static int lack_address(const struct opening *opening, const struct service *service)
{
    static const char why[] = "has no listen = {\"ADDRESS:PORT\"}, and no socket of that name was "
                              "handed over";
    const struct listeners_request *request = opening->request;

    if (opening->only_looks) {
        problems_add(request->warnings, service->file, service->line,
                     "service \"%s\" has no listen = {\"ADDRESS:PORT\"}: it starts only where "
                     "systemd hands over a socket of that name",
                     service->name);
        return 0;
    }
    problems_add(request->skipped ? request->skipped : request->problems, service->file,
                 service->line, "service \"%s\" %s", service->name, why);
    return lack(opening, service, "", why, -EDESTADDRREQ);
}

static int open_service(const struct opening *opening, size_t index)
{
    const struct service *service = &opening->request->config->services[index];
    int first_error = 0, r;

    if (service->listen.n == 0 && !handed_any(opening->set, service)) {
        r = lack_address(opening, service);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < service->listen.n; i++) {
        struct asked asked = {.service = service, .entry = &service->listen.items[i]};

        asked.n = listen_plan_find(opening->request->plan, index, i, &asked.planned);
        r = open_entry(opening, &asked);
        if (r < 0 && first_error == 0)
            first_error = r;
    }
    r = handed_check(opening->request, opening->set, service);
    return first_error < 0 ? first_error : r;
}

// Nothing is left that could be served: what was skipped is why. Returns the first error.
static int give_up(const struct opening *opening)
{
    struct problems *skipped = opening->request->skipped;

    for (size_t i = 0; i < skipped->n; i++)
        problems_copy(opening->request->problems, skipped, i);
    problems_done(skipped);
    return opening->set->error;
}

// What only the whole set shows.
static int check_number(const struct opening *opening)
{
    const struct service *first = &opening->request->config->services[0];
    struct problems *problems = opening->request->problems;
    size_t n = opening->set->n;

    if ((n > 0 || opening->only_looks) && n <= LISTENERS_MAX)
        return 0;
    if (n == 0 && opening->set->error < 0)
        return give_up(opening);
    if (n == 0)
        problems_add(problems, first->file, first->line,
                     "there is no socket to listen on for any service");
    else
        problems_add(problems, first->file, first->line, "%zu listeners are too many; at most %d",
                     n, LISTENERS_MAX);
    return -EDESTADDRREQ;
}

static int open_all(const struct opening *opening)
{
    const struct config *config = opening->request->config;
    int first_error = 0;

    for (size_t i = 0; i < config->n_services; i++)
        handed_take(config, &config->services[i], opening->old, opening->set);
    for (size_t i = 0; i < config->n_services; i++) {
        int r = open_service(opening, i);

        if (r < 0 && first_error == 0)
            first_error = r;
    }
    return first_error < 0 ? first_error : check_number(opening);
}

static void close_new(const struct listener_set *old, struct listener_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (!listener_set_contains(old, set->items[i].listener))
            listener_undo(set->items[i].listener);
    listeners_forget(set);
}

// What `set` will be, or would be.
static int open_set(const struct listeners_request *request, bool only_looks,
                    struct listener_set *set)
{
    static const struct listener_set nothing;
    struct opening opening = {.request = request,
                              .old = request->old ? request->old : &nothing,
                              .set = set,
                              .only_looks = only_looks};
    int r = open_all(&opening);

    if (r < 0 || only_looks)
        close_new(opening.old, set);
    for (size_t i = 0; i < set->n; i++)
        if (!listener_set_contains(opening.old,
                                   set->items[i].listener)) // listener_keep() is for the others
            listener_speak(set->items[i].listener, set->items[i].speaks);
    return r;
}

int listeners_open(const struct listeners_request *request, struct listener_set *ret)
{
    int r;

    *ret = (struct listener_set){0};
    r = open_set(request, false, ret);
    ret->n_services = listener_set_count_services(ret, request->config);
    return r;
}

int listeners_check(const struct listeners_request *request)
{
    struct listener_set set = {0};

    return open_set(request, true, &set);
}
