// SPDX-License-Identifier: MIT
// Messages to the service manager. Nobody waits for it: what finds no room, or fails otherwise, is
// owed, and sent in the order in which it makes sense at the next tick. Of what is said again and
// again, as STATUS=, only the newest is owed; WATCHDOG=1 and EXTEND_TIMEOUT_USEC= are not, they
// come again by themselves.

#include "log/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/base.h"

#define NAME_MAX_SIZE 256  // of FDNAME=
#define CHANGES_MAX   2048 // a removal and an addition of each listener that there can be

// Steps of the daemon's life, in the order in which they are sent. A reload that begins before the
// end of the last one was sent leaves out that end: READY=1 stands for the end of all.
enum step { STEP_RELOADING, STEP_READY, STEP_FAILURE, STEP_STOPPING, STEP_STATUS, STEPS };

static struct {
    char text[64];
    bool is_owed;
} steps[STEPS];

static char newest_status[2048];

static int sender = -1;

// What is to be changed in the manager's store of descriptors, in its order.
static struct change {
    char name[NAME_MAX_SIZE];
    int fd; // a duplicate of our own; -1: a removal
} * changes[CHANGES_MAX];
static size_t n_changes;

static bool find_manager(const char *where, struct sockaddr_un *address, socklen_t *length)
{
    size_t n = strlen(where);

    if ((where[0] != '/' && where[0] != '@') || n < 2 || n >= sizeof(address->sun_path))
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, where, n);
    if (where[0] == '@')
        address->sun_path[0] = '\0';
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

void notify_open(void)
{
    if (sender < 0 && getenv("NOTIFY_SOCKET"))
        sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int send_message(const struct msghdr *message)
{
    notify_open();
    return sender < 0 || sendmsg(sender, message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

// 0, also when nobody wants to know; -errno.
static int send_with_fd(const char *text, int fd)
{
    const char *where = getenv("NOTIFY_SOCKET");
    struct sockaddr_un manager;
    struct iovec iov = {.iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text)};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct msghdr message = {.msg_name = &manager, .msg_iov = &iov, .msg_iovlen = 1};
    int r;

    if (!where)
        return 0;
    if (!find_manager(where, &manager, &message.msg_namelen)) { // the host of a virtual machine
        (void)sd_pid_notify_with_fds(0, 0, text, &fd, fd >= 0);
        return 0;
    }
    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.bytes);
    }
    r = send_message(&message);
    if (r != -EPIPE)
        return r;
    base_close_fd(&sender); // somebody has shut it down
    return send_message(&message);
}

// --- Steps and status ---

static int send_step(enum step step)
{
    char text[sizeof(steps[0].text) + sizeof(newest_status) + 16];
    int r;

    (void)snprintf(text, sizeof(text), "%sSTATUS=%s", steps[step].text, newest_status);
    r = send_with_fd(text, -1);
    if (r == 0)
        steps[step].is_owed = steps[STEP_STATUS].is_owed = false;
    return r;
}

static int send_steps(void)
{
    int r = 0;

    for (enum step step = 0; step < STEPS && r == 0; step++)
        if (steps[step].is_owed)
            r = send_step(step);
    return r;
}

__attribute__((format(printf, 3, 4))) static void take_step(enum step step, const char *status,
                                                            const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(steps[step].text, sizeof(steps[step].text), format, arguments);
    va_end(arguments);
    (void)snprintf(newest_status, sizeof(newest_status), "%s", status);
    steps[step].is_owed = steps[STEP_STATUS].is_owed = true;
    (void)send_steps();
}

void notify_ready(const char *status)
{
    take_step(STEP_READY, status, "READY=1\n");
}

void notify_reloading(const char *status)
{
    steps[STEP_READY].is_owed = false;
    take_step(STEP_RELOADING, status, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n", base_now_usec());
}

void notify_stopping(const char *status)
{
    take_step(STEP_STOPPING, status, "STOPPING=1\n");
}

void notify_failure(int error, const char *status)
{
    take_step(STEP_FAILURE, status, "ERRNO=%d\n", error);
}

void notify_status(const char *status)
{
    take_step(STEP_STATUS, status, "%s", "");
}

// --- The clock's ---

bool notify_watchdog(void)
{
    return send_with_fd("WATCHDOG=1", -1) == 0;
}

void notify_extend(uint64_t usec)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
    (void)send_with_fd(text, -1); // it comes again
}

uint64_t notify_watchdog_usec(void)
{
    uint64_t usec = 0;

    return sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}

// --- Descriptors that the manager keeps ---

static int send_change(const char *name, int fd)
{
    char text[NAME_MAX_SIZE + 32];

    (void)snprintf(text, sizeof(text), "%s=1\nFDNAME=%s", fd >= 0 ? "FDSTORE" : "FDSTOREREMOVE",
                   name);
    return send_with_fd(text, fd);
}

static void drop_change(size_t i)
{
    base_close_fd(&changes[i]->fd);
    free(changes[i]);
    n_changes--;
    for (; i < n_changes; i++)
        changes[i] = changes[i + 1];
}

static void send_changes(void)
{
    size_t n = 0;

    while (n < n_changes && send_change(changes[n]->name, changes[n]->fd) == 0) {
        base_close_fd(&changes[n]->fd);
        free(changes[n++]);
    }
    n_changes -= n;
    for (size_t i = 0; i < n_changes; i++)
        changes[i] = changes[i + n];
}

// Sends it, behind those that are owed, or owes it. False: it can do neither.
static bool change_store(const char *name, int fd)
{
    struct change *change;
    int kept = -1;

    send_changes();
    if (n_changes == 0 && send_change(name, fd) == 0)
        return true;
    if (fd >= 0 && (kept = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return false;
    change = n_changes < CHANGES_MAX ? malloc(sizeof(*change)) : NULL;
    if (!change) {
        base_close_fd(&kept);
        return false;
    }
    (void)snprintf(change->name, sizeof(change->name), "%s", name);
    change->fd = kept;
    changes[n_changes++] = change;
    return true;
}

// systemd says since 254 how many it stores; for those before, the unit has to.
bool notify_store(const char *name, int fd)
{
    const char *limit = getenv("FDSTORE");

    return getenv("NOTIFY_SOCKET") && limit && atoi(limit) > 0 && change_store(name, fd);
}

void notify_unstore(const char *name)
{
    for (size_t i = n_changes; i-- > 0;) // what is not there yet need not come
        if (strcmp(changes[i]->name, name) == 0)
            drop_change(i);
    (void)change_store(name, -1);
}

void notify_tick(void)
{
    if (send_steps() == 0)
        send_changes();
}
