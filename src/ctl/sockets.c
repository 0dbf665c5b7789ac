// SPDX-License-Identifier: MIT
// The order is all there is to it. A socket unit does not start while its service is active; so a
// restart of one takes the service along (PartOf=, see tcpd-generator(8)), in one transaction of
// systemd's: the service drains and stops, the unit stops and starts, the service starts. Units
// that stay are active meanwhile. What only closes is a reload of tcpd, then a stop of units.

#include "ctl/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "base/base.h"
#include "base/holder.h"
#include "ctl/command.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/sockets_look.h"
#include "ctl/sockets_units.h"

#define LOOK_USEC USEC_PER_SEC

static int check_place(const char *control, struct socket_family *ret)
{
    if (!sockets_find_family(control, ret))
        return fail(EX_USAGE, "sockets apply is for what systemd opens: /run/tcpd/control, or "
                              "/run/tcpd/NAME.control for tcpd@NAME");
    if (sd_booted() <= 0)
        return fail(EX_UNAVAILABLE, "systemd does not run here, so it opens no sockets");
    if (geteuid() != 0)
        return fail(EX_NOPERM, "only root may change sockets of systemd");
    if (!sockets_is_active(ret->socket))
        return fail(EX_UNAVAILABLE,
                    "%s is not started. \"systemctl daemon-reload\" and \"systemctl start %s\" "
                    "open all addresses",
                    ret->socket, ret->socket);
    return sockets_check(ret);
}

static int systemctl(const char *verb, const struct socket_units *units, unsigned changes)
{
    const char **argv = base_checked(calloc(units->n + 4, sizeof(argv[0])));
    size_t n = 0;
    int r = 0;

    argv[n++] = "systemctl";
    argv[n++] = "--quiet";
    argv[n++] = verb;
    for (size_t i = 0; i < units->n; i++)
        if ((changes & (1U << units->items[i].change)) != 0)
            argv[n++] = units->items[i].name;
    if (n > 3)
        r = command_run(argv, NULL);
    free(argv);
    return r;
}

static bool has(const struct socket_units *units, enum socket_change change)
{
    for (size_t i = 0; i < units->n; i++)
        if (units->items[i].change == change)
            return true;
    return false;
}

static int reload(const char *control)
{
    sd_bus *bus = NULL;
    int status = link_open(control, LINK_ANSWER_USEC, &bus);

    if (status == EX_OK)
        status = link_call(bus, "Reload", USEC_NEVER, NULL);
    (void)sd_bus_close_unref(bus);
    return status;
}

static int start_service(const struct socket_family *family)
{
    const char *const argv[] = {"systemctl", "start", family->service, NULL};

    if (command_run(argv, NULL) == 0)
        return EX_OK;
    return fail(EXIT_FAILURE, "%s has not started again; see journalctl -u %s", family->service,
                family->service);
}

// EX_OK, or what keeps it from being in force, which was told.
static int change(const struct socket_family *family, const char *control,
                  const struct socket_units *units)
{
    const char *const daemon_reload[] = {"systemctl", "daemon-reload", NULL};
    bool opens = has(units, SOCKETS_OPENED) || has(units, SOCKETS_CHANGED);
    bool was_active = sockets_is_active(family->service);
    int status;

    if (command_run(daemon_reload, NULL) != 0)
        return fail(EXIT_FAILURE, "systemctl daemon-reload has failed; nothing has changed");
    if (!opens && was_active) {
        status = reload(control);
        if (status != EX_OK)
            return status;
    }
    if (systemctl("stop", units, 1U << SOCKETS_CLOSED) != 0)
        return fail(EXIT_FAILURE, "systemctl stop has failed");
    if (!opens)
        return EX_OK;
    // What fails shows in the states of the units.
    (void)systemctl("restart", units, 1U << SOCKETS_OPENED | 1U << SOCKETS_CHANGED);
    return was_active ? start_service(family) : EX_OK;
}

// The path of a unix socket that is closed. systemd removes it only while it knows the address.
static void remove_path(const struct address *address)
{
    const char *path = ((const struct sockaddr_un *)(const void *)&address->storage)->sun_path;
    cleanup_close int fd = socket(AF_UNIX, address->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd >= 0 && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, &address->any, address->length) < 0 && errno == ECONNREFUSED)
        (void)unlink(path);
}

static void remove_paths(const struct socket_units *units)
{
    for (size_t i = 0; i < units->n; i++) {
        size_t n = 0;
        cleanup_free struct unit_address *list = units_addresses(units->items[i].loaded, &n);

        for (size_t k = 0; units->items[i].change != SOCKETS_UNCHANGED && k < n; k++)
            if (list[k].address.any.sa_family == AF_UNIX)
                remove_path(&list[k].address);
    }
}

// Says which addresses of a unit that has not started are in use, and by whom.
static void blame(const struct socket_unit *unit)
{
    size_t n = 0, n_told = 0;
    cleanup_free struct unit_address *list = units_addresses(unit->wanted, &n);
    char text[HOLDER_TEXT_MAX];

    for (size_t i = 0; i < n; i++) {
        struct holder holder;

        holder_find(&list[i].address, LOOK_USEC, &holder);
        if (holder.kind == HOLDER_UNSEEN)
            continue;
        (void)fail(0, "%s (%s) cannot be opened: address already in use: %s", list[i].text,
                   unit->name, holder_describe(&holder, &list[i].address, text, sizeof(text)));
        n_told++;
    }
    if (n_told == 0)
        (void)fail(0, "%s cannot be opened; see journalctl -u %s", unit->name, unit->name);
}

// Prints what was done, and blames what was not.
static int tell(const struct socket_units *units, bool is_plan)
{
    size_t n_unchanged = 0;
    int status = EX_OK;

    for (size_t i = 0; i < units->n; i++) {
        const struct socket_unit *unit = &units->items[i];
        bool opens = unit->change == SOCKETS_OPENED || unit->change == SOCKETS_CHANGED;
        size_t n = 0;

        free(units_addresses(unit->wanted, &n));
        if (unit->change == SOCKETS_UNCHANGED)
            n_unchanged += n;
        else if (is_plan || !opens || sockets_is_active(unit->name))
            units_print(unit, is_plan, stdout);
        else {
            blame(unit);
            status = EXIT_FAILURE;
        }
    }
    (void)printf("unchanged: %zu address%s\n", n_unchanged, n_unchanged == 1 ? "" : "es");
    return status;
}

int sockets_apply(const char *control, bool is_plan)
{
    struct socket_family family;
    struct socket_units units = {0};
    int status = check_place(control, &family);

    if (status == EX_OK)
        status = sockets_look_wanted(&family, &units);
    if (status == EX_OK)
        status = sockets_look_loaded(&family, &units);
    units_sort(&units);
    for (size_t i = 0; i < units.n; i++)
        units.items[i].change = units_decide(&units.items[i],
                                             sockets_are_held(&family, &units.items[i]));
    if (status == EX_OK && !is_plan)
        status = change(&family, control, &units);
    if (status == EX_OK && !is_plan)
        remove_paths(&units);
    if (status == EX_OK)
        status = tell(&units, is_plan);
    units_done(&units);
    return status;
}
