// SPDX-License-Identifier: MIT
// Words: to the log, to the service manager, to the control socket.

#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define FLOOD_LINES 40000 // of 200 bytes: 8 MB
#define CALLERS     24

static const char forged[] = "<6>tcpd: a forged line\n";

static void write_errors(const struct target *target, int n_lines)
{
    char line[200];
    ssize_t written = 0;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; written >= 0 && i < n_lines; i++)
        written = write(STDERR_FILENO, line, sizeof(line));
    tell(target, "write", written);
}

static void forge_line(const struct target *target, int what)
{
    (void)what;
    tell(target, "write", write(STDERR_FILENO, forged, sizeof(forged) - 1));
}

static void flood_log(const struct target *target, int n_lines)
{
    for (int i = 0; target->log && i < n_lines; i++)
        target->log(target->to, "a line of the module's own, one of many thousands of them");
    errno = ENOSYS;
    tell(target, "log", target->log ? 0 : -1);
}

// Standard error's description is everybody's.
static void unblock_errors(const struct target *target, int what)
{
    (void)what;
    tell(target, "fcntl", fcntl(STDERR_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK));
}

static bool is_unix_datagram(int fd)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

// The socket to the journal.
static void silence(const struct target *target, int what)
{
    int fd = -1;

    (void)what;
    while ((fd = find_fd(fd + 1, is_unix_datagram)) >= 0)
        tell(target, "shutdown", shutdown(fd, SHUT_RDWR));
}

// --- The service manager ---

static int connect_to(const char *path, int type)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void)snprintf(there.sun_path, sizeof(there.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

// A message with a descriptor, or with another process's number as the sender's.
static ssize_t send_message(int to, const char *text, int type, const void *data, size_t size)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control = {0};
    struct iovec iov = {.iov_base = (char *)(size_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room};

    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
    memcpy(CMSG_DATA(&control.header), data, size);
    message.msg_controllen = CMSG_SPACE(size);
    return sendmsg(to, &message, MSG_NOSIGNAL);
}

static void notify(const struct target *target, int type)
{
    static const char *const texts[] = {
        "STATUS=forged", "FDSTORE=1\nFDNAME=forged", "RELOADING=1\nMONOTONIC_USEC=1", "ERRNO=1",
        "STOPPING=1",    "WATCHDOG=trigger"};
    const struct ucred master = {.pid = target->master, .uid = getuid(), .gid = getgid()};
    char main_pid[32];
    int fd = connect_to(target->where, SOCK_DGRAM), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const void *data = type == SCM_RIGHTS ? (const void *)&null : &master;
    size_t size = type == SCM_RIGHTS ? sizeof(null) : sizeof(master);
    ssize_t sent = fd;

    tell(target, "connect", fd);
    for (size_t i = 0; sent >= 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
        sent = send_message(fd, texts[i], type, data, size);
    (void)snprintf(main_pid, sizeof(main_pid), "MAINPID=%d", getpid());
    if (sent >= 0)
        sent = send_message(fd, main_pid, type, data, size);
    tell(target, "sendmsg", sent);
    (void)close(fd);
    (void)close(null);
}

// --- The control socket ---

static int call(const char *path, const char *method)
{
    sd_bus *bus = NULL;
    char address[160];
    int r = sd_bus_new(&bus);

    (void)snprintf(address, sizeof(address), "unix:path=%s", path);
    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_call_method(bus, NULL, "/tcpd", "tcpd.Manager", method, NULL, NULL, "");
    (void)sd_bus_close_unref(bus);
    return r;
}

static void call_method(const struct target *target, int is_stop)
{
    const char *method = is_stop ? "Stop" : "Reload";
    int r = call(target->where, method);

    errno = -r;
    tell(target, method, r);
}

// All places of callers are taken, until this worker ends.
static void crowd(const struct target *target, int what)
{
    int fd = 0;

    (void)what;
    for (int i = 0; fd >= 0 && i < CALLERS; i++)
        fd = connect_to(target->where, SOCK_STREAM);
    tell(target, "connect", fd);
}

static void take_place(const struct target *target, int what)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)what;
    (void)snprintf(here.sun_path, sizeof(here.sun_path), "%s", target->where);
    tell(target, "unlink", unlink(target->where));
    tell(target, "bind", bind(fd, (struct sockaddr *)&here, sizeof(here)));
    (void)listen(fd, 1);
}

const struct attack attacks_by_words[] = {
    {"flood-errors", write_errors, FLOOD_LINES},
    {"forge-line", forge_line, 0},
    {"flood-log", flood_log, FLOOD_LINES},
    {"unblock-errors", unblock_errors, 0},
    {"silence", silence, 0},
    {"notify", notify, SCM_RIGHTS},
    {"notify-as-master", notify, SCM_CREDENTIALS},
    {"call-stop", call_method, true},
    {"call-reload", call_method, false},
    {"crowd", crowd, 0},
    {"take-place", take_place, 0},
    {NULL, NULL, 0},
};
